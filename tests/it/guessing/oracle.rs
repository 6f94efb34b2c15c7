//! What is remembered must not answer whoever guesses and hangs up before his refusals.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{ELSEWHERE, HERE, guess_at, started, status};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::eventually;
use crate::support::raw::Client;
use crate::tools::login;

fn ask(client: &mut Client, credentials: &str) {
    client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{credentials}\r\n"));
}

/// New guesses at anna that nobody waits for, each on a connection of its own.
fn hang_up(gate: &Gate, count: usize) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..count {
        let (mut client, number) = (gate.connect(), NEXT.fetch_add(1, Ordering::Relaxed));
        ask(&mut client, &login("anna", format!("guess {number}")));
        // Until the gate has it, and no longer.
        client.within(Duration::from_millis(10));
    }
}

/// Whether somebody who sends the right password on a new connection hears nothing soon. Between guesses there may be a
/// look left for him; so it is tried again.
fn soon_hears_nothing(gate: &Gate, fields: &str) {
    eventually("no answer at once", || {
        hang_up(gate, 3);
        let mut guesser = gate.connect();
        ask(&mut guesser, fields);
        guesser.within(Duration::from_millis(500)).is_empty().then_some(())
    });
}

#[test]
fn a_password_that_is_remembered_from_one_address_is_no_answer_at_another() {
    let (_catcher, gate) = started();
    assert_eq!(status(&gate, HERE, "anna", "secret"), 200);
    let hashes = || gate.metric("mailwarden_password_hashes_total");
    assert_eq!(hashes(), Some(1.0));
    assert_eq!(guess_at(&gate, ELSEWHERE, "anna").status, 429);
    assert_eq!(hashes(), Some(6.0));
    // The right one is not even looked for, and she is let in as ever.
    assert_eq!(status(&gate, ELSEWHERE, "anna", "secret"), 429);
    assert_eq!(status(&gate, HERE, "anna", "secret"), 200);
    assert_eq!(hashes(), Some(6.0));
}

#[test]
fn from_one_address_guesses_that_hang_up_are_soon_told_nothing_and_colleagues_pass_by_connection_or_ticket() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut colleague = gate.connect();
    let answer = colleague.request("GET /messages", AS_ANNA);
    assert_eq!(answer.status, 200);
    let ticket = answer.field("set-cookie").unwrap().split_once(';').unwrap().0.to_owned();
    hang_up(&gate, 9);
    // A few guesses delay nobody.
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    hang_up(&gate, 150);
    soon_hears_nothing(&gate, AS_ANNA);
    assert_eq!(colleague.request("GET /messages", AS_ANNA).status, 200);
    let shown = format!("Cookie: {ticket}\r\n{AS_ANNA}");
    assert_eq!(gate.connect().request("GET /messages", &shown).status, 200);
    // Without either he is late, and let in.
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    // Another's ticket, or none that is good, is nothing.
    soon_hears_nothing(&gate, &format!("Cookie: {ticket}x\r\n{AS_ANNA}"));
}

/// The connections of a proxy that nobody listed are everybody's.
#[test]
fn a_connection_on_which_a_proxy_sends_is_nobodys_proof() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut proxy = gate.connect();
    let proxied = format!("X-Forwarded-For: {HERE}\r\n{AS_ANNA}");
    assert_eq!(proxy.request("GET /messages", &proxied).status, 200);
    hang_up(&gate, 150);
    eventually("no answer at once", || {
        hang_up(&gate, 3);
        let silent = {
            ask(&mut proxy, &proxied);
            proxy.within(Duration::from_millis(500)).is_empty()
        };
        silent.then_some(())
    });
}
