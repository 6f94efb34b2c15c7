//! Stopping: the client is told by GOAWAY, what is begun ends well, and nobody who says nothing holds up the end.

use std::time::{Duration, Instant};

use super::{AS_ANNA, catcher};
use crate::support::catcher::{Gate as Hold, Mail, Script};
use crate::support::gate::Gate;
use crate::support::http2::frames::{self, GOAWAY, NO_ERROR};
use crate::support::http2::orderly::Client;
use crate::support::patience::PATIENCE;

#[test]
fn streams_in_flight_end_well_and_new_ones_are_not_taken() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config("timeouts.stop = \"60s\"").secure().start();
    let hold = Hold::closed();
    catcher.next(Script::held(&hold));
    let mut client = frames::Client::connect(&gate, &[]);
    client.head(1, &frames::get("/messages", &[]), true);
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    gate.signal("TERM");
    let first = client.until("GOAWAY", |frame| frame.kind == GOAWAY);
    // A request that was on its way meanwhile is answered as well; then the last is named.
    assert_eq!((&first.payload[..4], first.code()), (&[0x7f, 0xff, 0xff, 0xff][..], NO_ERROR));
    client.head(3, &frames::get("/favicon.ico", &[]), true);
    let last = client.until("a second GOAWAY", |frame| frame.kind == GOAWAY);
    assert_eq!((&last.payload[..4], last.code()), (&[0, 0, 0, 3][..], NO_ERROR));
    client.head(5, &frames::get("/favicon.ico", &[]), true);
    assert_eq!(client.status(3), 200);
    assert!(gate.is_running());
    hold.open();
    assert_eq!(client.status(1), 200);
    while let Some(frame) = client.next() {
        assert_ne!((frame.kind, frame.stream), (frames::HEADERS, 5), "it came too late");
    }
    drop(client);
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn an_idle_connection_ends_at_once() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config("timeouts.stop = \"60s\"").secure().start();
    let mut client = Client::connect(&gate);
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    gate.signal("TERM");
    client.ended().unwrap();
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn a_client_that_is_gone_or_says_nothing_does_not_hold_up_the_end() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config("timeouts.stop = \"60s\"").secure().start();
    // One without a word, one that answers nothing, one with a head half sent.
    let _silent = frames::Client::silent(&gate);
    let mut deaf = frames::Client::connect(&gate, &[]);
    assert!(deaf.is_alive(1));
    let mut half = frames::Client::connect(&gate, &[]);
    half.frame(frames::HEADERS, 0, 1, frames::block(&[(":method", "GET")]));
    let begun = Instant::now();
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
}

/// With all that HTTP/2 leaves to the client: to answer our ping, and to close.
#[test]
fn who_stays_though_it_has_been_told_to_go_is_not_waited_for() {
    let catcher = catcher();
    for polite in [true, false] {
        let mut gate = Gate::to(catcher.http_addr()).config("timeouts.stop = \"60s\"").secure().start();
        let mut client = frames::Client::connect(&gate, &[]);
        assert!(client.is_alive(1));
        client.is_polite = polite;
        let begun = Instant::now();
        gate.signal("TERM");
        // It answers the ping and leaves its side open, or it asks and asks and answers nothing.
        let mut told = 0;
        while told < 2 {
            if !polite && client.try_send(&frames::Frame::new(frames::PING, 0, 0, [1; 8]).bytes()).is_err() {
                break;
            }
            match client.next_within(Duration::from_millis(100)) {
                Some(Some(frame)) if frame.kind == GOAWAY => told += 1,
                Some(None) => break,
                _ => assert!(begun.elapsed() < PATIENCE, "{polite}"),
            }
        }
        assert_eq!(gate.wait().code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(4), "{polite}: {:?}", begun.elapsed());
        drop(client);
    }
}

#[test]
fn a_request_that_is_still_waiting_and_a_client_that_takes_nothing_are_cut_at_the_deadline() {
    let catcher = catcher();
    let source: Vec<u8> = b"Subject: large\r\n\r\n".iter().copied().chain(vec![b'x'; 8 << 20]).collect();
    let id = catcher.deliver(Mail::from_source(source));
    let mut gate = Gate::to(catcher.http_addr()).config("timeouts.stop = \"1s\"").secure().start();
    let hold = Hold::closed();
    catcher.always("GET /messages", Script::held(&hold));
    let mut client = frames::Client::connect(&gate, &[(4, (1 << 31) - 1)]);
    client.frame(frames::WINDOW_UPDATE, 0, 0, ((1_u32 << 31) - (1 << 16)).to_be_bytes());
    client.head(1, &frames::get("/messages", &[]), true);
    client.head(3, &frames::get(&format!("/messages/{id}.source"), &[]), true);
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 2));
    let begun = Instant::now();
    gate.signal("TERM");
    assert!(gate.wait().code().is_some());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    hold.open();
}
