//! Live updates that stay live.

use std::time::Duration;

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

#[test]
fn the_script_of_the_page_may_say_who_it_is_and_the_catcher_does_not_see_it() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut socket = gate.connect();
    let answer = socket.request("GET /messages?mailwarden=1", &format!("{AS_ANNA}{HANDSHAKE}"));
    assert_eq!(answer.status, 101);
    assert_eq!(catcher.requests()[0].target, "/messages");
    let id = catcher.deliver(Mail::new("One"));
    assert!(text(&mut socket).contains("One"));
    assert_eq!(gate.connect().request(&format!("DELETE /messages/{id}"), AS_ANNA).status, 204);
    assert_eq!(text(&mut socket), format!(r#"{{"type":"remove","id":{id}}}"#));
}
