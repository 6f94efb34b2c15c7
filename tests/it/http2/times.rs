//! How long a client may take for each step, and which of its streams pays for it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::{AS_ANNA, catcher, upstream};
use crate::support::catcher::{Catcher, Mail, Options, Script};
use crate::support::gate::Gate;
use crate::support::http2::frames::{
    CANCEL, Client, DATA, Frame, GOAWAY, HEADERS, NO_ERROR, PING, PRIORITY, RST_STREAM, WINDOW_UPDATE, get,
};
use crate::support::http2::orderly;
use crate::support::patience::{PATIENCE, eventually};

const MOMENT: Duration = Duration::from_millis(300);

/// SETTINGS_INITIAL_WINDOW_SIZE.
const WINDOW: u16 = 4;

fn gate(config: &str) -> (Catcher, Gate) {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(config).secure().start();
    (catcher, gate)
}

#[test]
fn a_first_request_that_never_comes_ends_the_connection_with_a_word() {
    let (_catcher, gate) = gate("timeouts.request_head = \"300ms\"");
    let begun = Instant::now();
    let mut client = Client::connect(&gate, &[]);
    assert_eq!(client.farewell(), NO_ERROR);
    assert!(begun.elapsed() >= MOMENT, "{:?}", begun.elapsed());
    // Nor does one that says not even that it speaks HTTP/2, or trickles half a head.
    let mut client = Client::silent(&gate);
    while client.next().is_some() {}
    let mut client = Client::connect(&gate, &[]);
    client.is_polite = false;
    client.frame(HEADERS, 0, 1, [0]);
    assert_eq!(client.farewell(), NO_ERROR);
}

#[test]
fn who_has_asked_for_nothing_is_not_waited_for_however_much_is_said() {
    // For as long as `send` only an answer's end may be on its way.
    let (_catcher, gate) = gate("timeouts.request_head = \"300ms\"");
    let mut client = Client::connect(&gate, &[]);
    client.is_polite = false;
    let begun = Instant::now();
    let idle = Frame::new(PRIORITY, 0, 1, [0, 0, 0, 0, 1]).bytes();
    while client.try_send(&idle).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it goes on and on");
        std::thread::park_timeout(MOMENT / 10);
    }
}

#[test]
fn an_idle_connection_ends_after_keep_alive_however_much_it_pings() {
    let (_catcher, gate) = gate("timeouts.keep_alive = \"400ms\"");
    let mut client = Client::connect(&gate, &[]);
    for stream in [1, 3] {
        assert!(client.is_alive(stream));
    }
    let begun = Instant::now();
    let mut pings = 0;
    loop {
        client.frame(PING, 0, 0, [0; 8]);
        pings += 1;
        let frame = client.until("an answer", |frame| frame.kind == GOAWAY || frame.kind == PING);
        if frame.kind == GOAWAY {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it goes on and on");
    }
    assert!(pings > 1 && begun.elapsed() >= MOMENT, "{pings} {:?}", begun.elapsed());
    while client.next().is_some() {}
}

#[test]
fn keep_alive_does_not_run_while_a_request_waits_for_the_catcher() {
    let (catcher, gate) = gate("timeouts.keep_alive = \"200ms\"\ntimeouts.request_head = \"200ms\"");
    catcher.next(Script::late(4 * MOMENT));
    let mut client = orderly::Client::connect(&gate);
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
}

#[test]
fn a_client_that_answers_no_ping_is_gone() {
    let catcher = catcher();
    let gate =
        Gate::to(catcher.http_addr()).config("timeouts.ping = \"1s\"\ntimeouts.send = \"300ms\"").secure().start();
    let mut client = Client::connect(&gate, &[]);
    assert!(client.is_alive(1));
    client.is_polite = false;
    client.until("a ping", |frame| frame.kind == PING);
    while client.next().is_some() {}
}

/// A large mail's address, and a catcher that cuts who does not read.
fn large() -> (Catcher, String) {
    let catcher = Catcher::start(Options { stalled_reader: MOMENT, ..Options::default() });
    let source: Vec<u8> =
        b"Subject: large\r\n\r\n".iter().copied().chain((0..4 << 20).map(|n| (n % 251) as u8)).collect();
    let id = catcher.deliver(Mail::from_source(source));
    (catcher, format!("/messages/{id}.source"))
}

#[test]
fn a_stream_whose_client_opens_no_window_ends_alone() {
    let (catcher, path) = large();
    let gate = Gate::to(catcher.http_addr()).config("timeouts.send = \"1s\"").secure().start();
    let mut client = Client::connect(&gate, &[(WINDOW, 0)]);
    client.head(1, &get(&path, &[]), true);
    assert_eq!(client.status(1), 200);
    let begun = Instant::now();
    // Meanwhile others are answered, with all that they open windows for.
    let mut stream = 3;
    let code = loop {
        client.head(stream, &get("/messages", &[]), true);
        client.frame(WINDOW_UPDATE, 0, stream, 1_000_u32.to_be_bytes());
        let frame = client.until("the end of a stream", |frame| {
            frame.kind == RST_STREAM || (frame.kind == DATA && frame.flags & 1 == 1)
        });
        stream += 2;
        match frame.kind {
            RST_STREAM => break frame.code(),
            _ => assert!(begun.elapsed() < PATIENCE, "it goes on and on"),
        }
    };
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(code, CANCEL);
    assert!(stream > 5);
    assert!(client.is_alive(stream));
    gate.access_line(|line| line.contains("end=client-left") && line.contains(".source"));
}

#[test]
fn a_stream_that_takes_a_little_now_and_then_is_not_cut_and_loses_nothing() {
    let (catcher, path) = large();
    let gate = Gate::to(catcher.http_addr()).config("timeouts.send = \"700ms\"").secure().start();
    let mut client = Client::connect(&gate, &[(WINDOW, 0)]);
    client.frame(WINDOW_UPDATE, 0, 0, (1_u32 << 24).to_be_bytes());
    client.head(1, &get(&path, &[]), true);
    let begun = Instant::now();
    let (mut seen, mut ended) = (0, false);
    while !ended {
        // For longer than the limit, and than the catcher waits: it is read ahead of the client.
        let room = if begun.elapsed() < Duration::from_secs(2) { 20_000_u32 } else { 1 << 20 };
        if room == 20_000 {
            std::thread::park_timeout(Duration::from_millis(200));
        }
        client.frame(WINDOW_UPDATE, 0, 1, room.to_be_bytes());
        let mut left = room as usize;
        while left > 0 && !ended {
            let frame =
                client.until("data", |frame| frame.stream == 1 && (frame.kind == DATA || frame.kind == RST_STREAM));
            assert_eq!(frame.kind, DATA, "reset after {seen} bytes and {:?}", begun.elapsed());
            (seen, left) = (seen + frame.payload.len(), left.saturating_sub(frame.payload.len()));
            ended = frame.flags & 1 == 1;
        }
    }
    assert!(seen > 4 << 20, "{seen}");
}

#[test]
fn a_client_that_takes_nothing_at_all_is_cut_after_send() {
    let (catcher, path) = large();
    let gate = Gate::to(catcher.http_addr()).config("timeouts.send = \"300ms\"").with_status().secure().start();
    let mut client = Client::connect(&gate, &[(WINDOW, (1 << 31) - 1)]);
    client.frame(WINDOW_UPDATE, 0, 0, ((1_u32 << 31) - (1 << 16)).to_be_bytes());
    for stream in (1..20).step_by(2) {
        client.head(stream, &get(&path, &[]), true);
    }
    // Ten times four megabytes are more than the sockets hold.
    eventually("the connection to end", || (gate.metric("mailwarden_connections") == Some(0.0)).then_some(()));
    gate.access_line(|line| line.contains("end=client-left"));
}

#[test]
fn a_body_that_stops_coming_is_408_and_ends_its_stream_only() {
    let upstream: TcpListener = upstream();
    let address = upstream.local_addr().unwrap();
    let config = "upstream.catcher = \"generic\"\ntimeouts.request_body = \"300ms\"";
    let gate = Gate::to(address).config(config).secure().start();
    let mut client = orderly::Client::connect(&gate);
    let mut sent = client.send("POST /", AS_ANNA, false);
    assert!(client.body(&mut sent, b"half of", false));
    assert_eq!(client.answer(sent).status, 408);
    assert_eq!(client.request("GET /.mailwarden/none", "").status, 401);
}

/// A frame without a byte is no part of a body, and one with a byte is, as a chunk is in HTTP/1
/// (`bodies::a_body_that_trickles_is_not_cut_as_long_as_it_moves`).
#[test]
fn a_body_of_which_only_empty_frames_come_is_408_and_one_that_trickles_goes_on() {
    let upstream: TcpListener = upstream();
    let config = "upstream.catcher = \"generic\"\ntimeouts.request_body = \"1s\"";
    let gate = Gate::to(upstream.local_addr().unwrap()).config(config).secure().start();
    let post: Vec<_> = get("/", &[]).into_iter().map(|(name, value)| (name, value.replace("GET", "POST"))).collect();
    let post: Vec<_> = post.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let pause = Duration::from_millis(200);
    for payload in [&b""[..], b"x"] {
        let mut client = Client::connect(&gate, &[]);
        client.head(1, &post, false);
        let begun = Instant::now();
        let status = loop {
            if begun.elapsed() > 8 * pause && !payload.is_empty() {
                break None;
            }
            assert!(begun.elapsed() < PATIENCE, "it goes on and on");
            client.frame(DATA, 0, 1, payload);
            if let Some(Some(frame)) = client.next_within(pause)
                && frame.kind == HEADERS
            {
                break Some(frame.status());
            }
        };
        assert_eq!(status, payload.is_empty().then_some(408));
    }
}

#[test]
fn who_was_refused_and_sends_on_holds_no_connection_by_it() {
    let (_catcher, gate) = gate("timeouts.keep_alive = \"300ms\"");
    let mut client = Client::connect(&gate, &[]);
    client.is_polite = false;
    let head = [(":method", "POST"), (":scheme", "https"), (":authority", "dev.test"), (":path", "/messages")];
    client.head(1, &head, false);
    assert_eq!(client.status(1), 401);
    let begun = Instant::now();
    // It takes no notice of what the gate says, and answers no ping.
    let more = Frame::new(DATA, 0, 1, *b"x").bytes();
    while client.try_send(&more).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it goes on and on");
        let _ = client.next_within(MOMENT / 3);
    }
}
