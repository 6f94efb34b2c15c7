//! Somebody guesses with all his might. What counts here is who goes first, so it is counted in hashes and not in time:
//! a test runs on any machine; the bench `guessing` has the seconds.

use std::time::{Duration, Instant};

use super::{ELSEWHERE, HERE, status};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::Gate;
use crate::support::patience::eventually;
use crate::support::raw::Client;
use crate::tools::{login, made_by};

const HASHES: &str = "mailwarden_password_hashes_total";

/// A gate with users of a slow hash whose password is `secret`.
fn slow(cost: &str, names: &[&str], config: &str) -> (Catcher, Gate) {
    let hash = made_by("htpasswd", &["-nbBC", cost, "x", "secret"], "").replace("x:", ":");
    let users: String = names.iter().map(|name| format!("{name}{hash}\n")).collect();
    let catcher = Catcher::start(Options::default());
    let config = format!("trusted_proxies = [\"127.0.0.1\"]\n{config}");
    let gate = Gate::to(catcher.http_addr()).users(&users).config(&config).with_status().start();
    (catcher, gate)
}

fn hashes(gate: &Gate) -> f64 {
    gate.metric(HASHES).unwrap()
}

fn send(client: &mut Client, from: &str, user: &str, password: &str) {
    let fields = format!("X-Forwarded-For: {from}\r\n{}", login(user, password));
    client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{fields}\r\n"));
}

/// That many connections, each with a request under way.
fn flood(gate: &Gate, count: usize, from: impl Fn(usize) -> String) -> Vec<Client> {
    (0..count)
        .map(|number| {
            let mut client = gate.connect();
            send(&mut client, &from(number), &format!("nobody {number}"), "x");
            client
        })
        .collect()
}

/// How many hashes a first login waits for.
fn waits_for(gate: &Gate, from: &str, user: &str) -> f64 {
    let before = hashes(gate);
    assert_eq!(status(gate, from, user, "secret"), 200, "{user} from {from}");
    hashes(gate) - before
}

/// In a container everybody is one address.
#[test]
fn sixty_four_connections_that_spray_names_hold_up_no_first_login_from_their_own_address() {
    let (_catcher, gate) = slow("8", &["anna", "bert", "carl"], "");
    let mut guessers = flood(&gate, 64, |_| HERE.to_owned());
    eventually("the flood to be at work", || (hashes(&gate) >= 1.0).then_some(()));
    // The few that came first of all, when nobody knew yet what they are, and its own.
    let (other, own) = (waits_for(&gate, ELSEWHERE, "anna"), waits_for(&gate, HERE, "bert"));
    assert!(other <= 10.0 && own <= 10.0, "{other} and {own} hashes");
    let statuses: Vec<u16> = guessers.iter_mut().map(|client| client.answer().status).collect();
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    // And now that they are known for what they are.
    for (number, client) in guessers.iter_mut().enumerate() {
        send(client, HERE, &format!("nobody again {number}"), "x");
    }
    let own = waits_for(&gate, HERE, "carl");
    assert!(own <= 6.0, "{own} hashes");
}

#[test]
fn an_ipv6_48_with_eighty_subnets_holds_up_nobody_and_its_refusals_are_no_busy() {
    let (_catcher, gate) = slow("8", &["anna", "bert", "carl"], "");
    assert_eq!(status(&gate, ELSEWHERE, "carl", "secret"), 200);
    let mut guessers = flood(&gate, 80, |subnet| format!("2001:db8:0:{subnet:x}::1"));
    eventually("the flood to be at work", || (hashes(&gate) >= 2.0).then_some(()));
    let other = waits_for(&gate, ELSEWHERE, "anna");
    assert!(other <= 10.0, "{other} hashes");
    assert_eq!(status(&gate, ELSEWHERE, "carl", "secret"), 200);
    // Those that are in flight, until so many were wrong that it is known what they are.
    let own = waits_for(&gate, "2001:db8:0:ffff::1", "bert");
    assert!(own <= 50.0, "{own} hashes");
    assert!(guessers.iter_mut().all(|client| client.answer().status != 503));
}

#[test]
fn twenty_colleagues_who_log_in_at_once_from_one_address_are_all_let_in() {
    let names: Vec<String> = (0..20).map(|number| format!("colleague{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_catcher, gate) = slow("7", &names, "");
    // Two requests of each page.
    let mut clients: Vec<_> = names.iter().chain(&names).map(|name| (gate.connect(), *name)).collect();
    for (client, name) in &mut clients {
        send(client, HERE, name, "secret");
    }
    for (client, name) in &mut clients {
        assert_eq!(client.answer().status, 200, "{name}");
    }
    assert_eq!(hashes(&gate), 20.0);
}

/// A fast one would tell that the password was not looked at, and be asked for again at once.
#[test]
fn who_is_told_that_the_gate_is_busy_is_told_so_late() {
    let (_catcher, gate) = slow("7", &["anna"], "");
    let mut clients: Vec<_> = (0..150)
        .map(|number| {
            let (mut client, start) = (gate.connect(), Instant::now());
            send(&mut client, &format!("10.0.{number}.1"), &format!("nobody {number}"), "x");
            (client, start)
        })
        .collect();
    let busy: Vec<_> = clients
        .iter_mut()
        .rev()
        .map(|(client, start)| (client.answer().status, start.elapsed()))
        .filter(|(status, _)| *status == 503)
        .collect();
    assert!(!busy.is_empty());
    assert!(busy.iter().all(|(_, took)| *took >= Duration::from_millis(100)), "{busy:?}");
}

#[test]
fn a_stop_waits_neither_for_hashes_that_nobody_has_begun_nor_for_refusals() {
    let (_catcher, mut gate) = slow("11", &["anna"], "timeouts.stop = \"60s\"");
    let mut usual = flood(&gate, 40, |number| format!("10.0.{number}.1"));
    let mut guesses = flood(&gate, 20, |_| HERE.to_owned());
    eventually("the flood to be at work", || (hashes(&gate) >= 1.0).then_some(()));
    eventually("all to wait", || {
        let waiting = gate.metric("mailwarden_verifications_waiting").unwrap();
        (waiting >= 30.0).then_some(())
    });
    let before = hashes(&gate);
    gate.signal("TERM");
    gate.log_line("stopping");
    let start = Instant::now();
    let statuses: Vec<u16> = usual.iter_mut().chain(&mut guesses).map(|client| client.answer().status).collect();
    let took = start.elapsed();
    assert!(statuses.contains(&503), "{statuses:?}");
    assert!(gate.wait().success());
    // The two or so that ran, and not those thirty: by what a hash took until then.
    assert!(took < Duration::from_secs(6), "{took:?} after {before} hashes");
}
