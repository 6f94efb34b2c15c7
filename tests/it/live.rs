//! Live updates that stay live.

use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Mail, Options, State};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;
use crate::upgrade::{HANDSHAKE, next, open, text};

/// A catcher that cuts quiet sockets thirty times as soon as the real one does.
fn hasty() -> Catcher {
    Catcher::start(Options { socket_idle: Duration::from_millis(990), ..Options::default() })
}

fn pings(state: &State) -> usize {
    state.frames.iter().filter(|frame| frame.opcode == 9).count()
}

#[test]
fn a_quiet_socket_outlives_the_catchers_patience_many_times() {
    let catcher = hasty();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.ping = "400ms""#).start();
    let mut socket = open(&gate);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    let browser = std::thread::spawn(move || (text(&mut socket), socket));
    // Without pings it would be gone after one or two seconds.
    assert!(catcher.wait_until(PATIENCE, |state| pings(state) >= 15));
    assert_eq!(catcher.open_sockets(), 1);
    catcher.deliver(Mail::new("Late"));
    let (told, _socket) = browser.join().unwrap();
    assert!(told.contains("Late"), "{told}");
    let others = catcher.frames().into_iter().filter(|frame| frame.opcode != 9).collect::<Vec<_>>();
    assert_eq!(others, [], "the browser's answers to our pings are ours");
}

#[test]
fn a_browser_that_answers_no_ping_is_gone_and_the_catcher_is_told() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.ping = "100ms""#).with_status().start();
    let mut silent = open(&gate);
    let seen = silent.rest();
    assert!(seen.ends_with(&[0x88, 2, 3, 0xe9]), "{seen:?}");
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
    let last = catcher.frames().pop().unwrap();
    assert_eq!((last.opcode, last.payload), (8, 1001u16.to_be_bytes().to_vec()));
    eventually("the count", || gate.metric("mailwarden_tunnels_ended_total{reason=\"silent\"}"));
    assert_eq!(gate.metric("mailwarden_tunnels"), Some(0.0));
}

#[test]
fn a_catcher_that_restarts_closes_all_sockets_with_1012_and_new_ones_open_once_it_answers() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).with_status().start();
    let mut sockets: Vec<Client> = (0..20).map(|_| open(&gate)).collect();
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 20));
    catcher.stop();
    for socket in &mut sockets {
        assert_eq!(next(socket), (0x88, 1012u16.to_be_bytes().to_vec()));
        assert!(socket.is_ended());
    }
    drop(sockets);
    let answer = gate.connect().request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}"));
    assert_eq!(answer.status, 502);
    catcher.restart();
    let mut sockets: Vec<Client> = (0..20).map(|_| open(&gate)).collect();
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 20));
    catcher.deliver(Mail::new("Back"));
    for socket in &mut sockets {
        assert!(text(socket).contains("Back"));
    }
    eventually("the count", || {
        gate.metric("mailwarden_tunnels_ended_total{reason=\"catcher\"}").filter(|count| *count == 20.0)
    });
}

/// An open WebSocket of a page with the gate's script, which has had its first word.
fn enhanced(gate: &Gate) -> Client {
    let mut socket = gate.connect();
    let answer = socket.request("GET /messages?mailwarden=1", &format!("{AS_ANNA}{HANDSHAKE}"));
    assert_eq!(answer.status, 101);
    assert_eq!(text(&mut socket), r#"{"type":"mailwarden","beat":30000}"#);
    socket
}

#[test]
fn the_script_of_the_page_may_say_who_it_is_and_the_catcher_does_not_see_it() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut socket = enhanced(&gate);
    assert_eq!(catcher.requests()[0].target, "/messages");
    let id = catcher.deliver(Mail::new("One"));
    assert!(text(&mut socket).contains("One"));
    assert_eq!(gate.connect().request(&format!("DELETE /messages/{id}"), AS_ANNA).status, 204);
    assert_eq!(text(&mut socket), format!(r#"{{"type":"remove","id":{id}}}"#));
}

#[test]
fn somebodys_clear_of_much_reaches_the_script_in_few_events_and_other_pages_with_the_oldest_last() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(1200);
    let gate = Gate::to(catcher.http_addr()).start();
    let (mut script, mut plain) = (enhanced(&gate), open(&gate));
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 2));
    let plain = std::thread::spawn(move || {
        let event = |socket: &mut Client| serde_json::from_str::<serde_json::Value>(&text(socket)).unwrap();
        let ids: Vec<u64> = (0..1200).map(|_| event(&mut plain)["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, (2..=1200).chain([1]).collect::<Vec<_>>());
    });
    let asked = Instant::now();
    assert_eq!(gate.connect().request("DELETE /messages", AS_ANNA).status, 204);
    let (mut told, mut events) = (Vec::new(), 0);
    while told.len() < 1200 {
        let event: serde_json::Value = serde_json::from_str(&text(&mut script)).unwrap();
        told.extend(event["removed"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()));
        events += 1;
    }
    assert_eq!(told, (1..=1200).collect::<Vec<_>>());
    assert!(events <= asked.elapsed().as_secs() + 1, "{events} events in {:?}", asked.elapsed());
    plain.join().unwrap();
}

#[test]
fn a_stalled_browser_is_cut_off_while_others_get_everything_and_little_is_held_for_it() {
    const EVENTS: usize = 500;
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.ping = "1s""#).with_status().start();
    let stalled = open(&gate);
    let others: Vec<Client> = (0..3).map(|_| open(&gate)).collect();
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 4));
    let event = "x".repeat(64 << 10);
    let readers: Vec<_> = others
        .into_iter()
        .map(|mut socket| {
            std::thread::spawn(move || {
                let read = (0..EVENTS).map(|_| text(&mut socket).len()).sum::<usize>();
                (read, socket)
            })
        })
        .collect();
    let before = gate.memory();
    // More than systems hold between two ends of a connection: 32 MiB.
    (0..EVENTS).for_each(|_| catcher.send_text_to_sockets(&event));
    let others: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    assert!(others.iter().all(|(read, _)| *read == EVENTS * event.len()));
    eventually("the end of the stalled one", || {
        gate.metric("mailwarden_tunnels_ended_total{reason=\"slow\"}").filter(|count| *count == 1.0)
    });
    let grown = gate.memory().saturating_sub(before);
    assert!(grown < 8 << 10, "{grown} KiB more");
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 3));
    drop(stalled);
}
