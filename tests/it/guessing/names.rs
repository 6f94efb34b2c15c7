//! Which names exist is shown by nothing that a guesser can see.

use std::thread;
use std::time::{Duration, Instant};

use super::status;
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::Gate;
use crate::support::patience::eventually;
use crate::support::raw::{Answer, Client};
use crate::tools::{login, made_by};

/// A gate with anna, whose hash is slow enough for a queue.
fn slow() -> (Catcher, Gate) {
    let users = made_by("htpasswd", &["-nbBC", "9", "anna", "secret"], "");
    let catcher = Catcher::start(Options::default());
    let config = "trusted_proxies = [\"127.0.0.1\"]";
    let gate = Gate::to(catcher.http_addr()).users(&format!("{users}\n")).config(config).with_status().start();
    (catcher, gate)
}

fn send(gate: &Gate, from: &str, user: &str, password: &str) -> Client {
    let mut client = gate.connect();
    let fields = format!("X-Forwarded-For: {from}\r\n{}", login(user, password));
    client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{fields}\r\n"));
    client
}

/// What is answered to a name, and when.
fn timed(gate: &Gate, from: &str, name: &str, password: &str) -> (Answer, Duration) {
    let start = Instant::now();
    let answer = send(gate, from, name, password).answer();
    (answer, start.elapsed())
}

/// Each comes behind eight made-up names from an address that nobody has seen.
#[test]
fn in_a_crowd_of_made_up_names_one_that_exists_and_one_that_does_not_are_refused_at_the_same_moment() {
    let (_catcher, gate) = slow();
    let asks = [("192.0.2.11", "anna", "wrong"), ("192.0.2.12", "zoe", "wrong"), ("192.0.2.13", "anna", "secret")];
    let made_up = |from| (0..8).map(move |number| (from, format!("made up {number} at {from}")));
    let crowd = asks.iter().flat_map(|(from, ..)| made_up(*from));
    let _crowd: Vec<_> = crowd.map(|(from, name)| send(&gate, from, &name, "x")).collect();
    eventually("all of them to be there", || {
        let counted = ["mailwarden_password_hashes_total", "mailwarden_verifications_waiting"];
        (counted.iter().filter_map(|name| gate.metric(name)).sum::<f64>() >= 24.0).then_some(())
    });
    let [existing, unknown, right] = thread::scope(|scope| {
        let gate = &gate;
        asks.map(|(from, name, password)| scope.spawn(move || timed(gate, from, name, password)))
            .map(|asking| asking.join().unwrap())
    });
    assert_eq!((existing.0.status, unknown.0.status), (429, 429));
    assert_eq!(existing.0.field("retry-after"), unknown.0.field("retry-after"));
    assert!(existing.1 >= Duration::from_millis(6_400), "{:?}", existing.1);
    assert!(existing.1.abs_diff(unknown.1) < Duration::from_millis(100), "{:?} {:?}", existing.1, unknown.1);
    assert_eq!(right.0.status, 200);
    assert!(right.1 < Duration::from_secs(6), "{:?}", right.1);
}

/// Sixteen passwords of programs that nobody has told of a change kept all threads at work.
#[test]
fn wrong_passwords_that_are_sent_again_and_again_cost_no_hash() {
    let (_catcher, gate) = slow();
    let hashes = || gate.metric("mailwarden_password_hashes_total");
    let from = "192.0.2.14";
    for number in 0..4 {
        assert_eq!(status(&gate, from, &format!("nobody {number}"), "stale"), 401);
    }
    assert_eq!(status(&gate, from, "anna", "stale"), 401);
    assert_eq!(hashes(), Some(5.0));
    let again: Vec<_> = (0..30)
        .map(|number| match number % 5 {
            4 => send(&gate, from, "anna", "stale"),
            number => send(&gate, from, &format!("nobody {number}"), "stale"),
        })
        .collect();
    assert_eq!(status(&gate, from, "anna", "secret"), 200);
    assert!(again.into_iter().all(|mut client| client.answer().status == 401));
    assert_eq!(hashes(), Some(6.0));
}
