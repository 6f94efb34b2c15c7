//! Who guesses passwords, and what others notice of it.

mod flood;
mod names;
mod oracle;

use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Mail, Options};
use crate::support::gate::{ANNA, AS_ANNA, Builder, Gate};
use crate::support::patience::eventually;
use crate::support::raw::{Answer, Client};
use crate::tools::{login, made_by};

/// Where requests come from, by a proxy that is trusted.
const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.2";

fn before(catcher: &Catcher) -> Builder {
    let users = format!("{ANNA}{}", ANNA.replace("anna", "bert"));
    Gate::to(catcher.http_addr()).users(&users).config("trusted_proxies = [\"127.0.0.1\"]")
}

fn started() -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    catcher.deliver(Mail::new("Hello"));
    let gate = before(&catcher).with_status().start();
    (catcher, gate)
}

fn ask(gate: &Gate, from: &str, user: &str, password: &str) -> Answer {
    ask_with(gate, from, user, password, "")
}

fn ask_with(gate: &Gate, from: &str, user: &str, password: &str, fields: &str) -> Answer {
    let fields = format!("X-Forwarded-For: {from}\r\n{fields}{}", login(user, password));
    gate.connect().request("GET /messages", &fields)
}

fn status(gate: &Gate, from: &str, user: &str, password: &str) -> u16 {
    ask(gate, from, user, password).status
}

/// Six wrong passwords for a name; the answer to the last.
fn guess_at(gate: &Gate, from: &str, user: &str) -> Answer {
    for number in 0..5 {
        assert_eq!(status(gate, from, user, &format!("guess {number}")), 401, "{number}");
    }
    ask(gate, from, user, "guess 5")
}

#[test]
fn the_sixth_wrong_password_is_429_and_the_log_and_the_metrics_say_so() {
    let (catcher, gate) = started();
    let answer = guess_at(&gate, HERE, "anna");
    assert_eq!(answer.status, 429);
    let retry_after: u64 = answer.field("retry-after").unwrap().parse().unwrap();
    // For the password that the browser sends again, and for the one that is typed then.
    assert!((61..=120).contains(&retry_after), "{retry_after}");
    assert_eq!(answer.field("www-authenticate"), None, "a browser would ask and ask");
    assert!(
        answer.text().contains("Too many wrong passwords") && answer.text().contains("reload"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.field("cache-control").unwrap(), "no-store");
    let line = gate.access_line(|line| line.contains("status=429"));
    assert!(line.contains("client=192.0.2.1 status=429 auth=throttled ") && line.contains("reason=\"throttled\""));
    assert!(line.contains("user=\"anna\""), "{line}");
    assert_eq!(gate.metric("mailwarden_authentications_total{result=\"throttled\"}"), Some(1.0));
    assert_eq!(gate.metric("mailwarden_refusals_total{reason=\"too many wrong passwords\"}"), Some(1.0));
    assert_eq!(gate.metric("mailwarden_password_hashes_total"), Some(5.0));
    assert!(catcher.requests().is_empty());
}

#[test]
fn somebody_elses_guesses_shut_out_nobody_who_is_logged_in_or_has_another_name_or_address() {
    let (_catcher, gate) = started();
    assert_eq!(status(&gate, HERE, "bert", "secret"), 200);
    assert_eq!(guess_at(&gate, HERE, "anna").status, 429);
    // A guesser who goes on with the next name is told that they are too many.
    assert_eq!(status(&gate, HERE, "bert", "guess"), 429);
    // Who is remembered, and the name that is guessed at from another address.
    assert_eq!(status(&gate, HERE, "bert", "secret"), 200);
    assert_eq!(status(&gate, ELSEWHERE, "anna", "secret"), 200);
    // But not from here: who is logged in elsewhere is no answer to somebody who guesses at his name.
    assert_eq!(status(&gate, HERE, "anna", "secret"), 429);
    // None of these right ones forgave the guesser anything.
    assert_eq!(status(&gate, HERE, "anna", "guess 9"), 429);
}

#[test]
fn a_first_right_login_comes_through_from_the_address_of_a_guesser() {
    let (_catcher, gate) = started();
    assert_eq!(guess_at(&gate, HERE, "anna").status, 429);
    assert_eq!(status(&gate, HERE, "bert", "secret"), 200);
}

#[test]
fn names_that_do_not_exist_count_and_are_answered_like_names_that_do() {
    let (_catcher, gate) = started();
    let of = |from: &str, name: &str| {
        let said =
            |answer: Answer| (answer.status, answer.field("content-type"), answer.text().replace(char::is_numeric, ""));
        (0..7)
            .map(|number| said(ask_with(&gate, from, name, &number.to_string(), "Accept: application/json\r\n")))
            .collect::<Vec<_>>()
    };
    let (known, unknown) = (of(HERE, "anna"), of(ELSEWHERE, "nobody"));
    assert_eq!(known, unknown);
    assert_eq!(known.iter().map(|(status, ..)| *status).collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429, 429]);
    // Over many names they count together.
    let statuses: Vec<u16> = (0..7).map(|n| status(&gate, "192.0.2.3", &format!("nobody {n}"), "x")).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
}

#[test]
fn a_script_that_repeats_a_wrong_password_is_never_one_who_guesses() {
    let (_catcher, gate) = started();
    for _ in 0..12 {
        assert_eq!(status(&gate, HERE, "anna", "changed yesterday"), 401);
    }
    assert_eq!(status(&gate, HERE, "anna", "secret"), 200);
}

#[test]
fn a_network_is_an_ipv4_address_or_an_ipv6_64_or_a_unix_socket() {
    let catcher = Catcher::start(Options::default());
    let gate = before(&catcher).listen("[\"127.0.0.1:0\", \"unix:DIR/http.sock\"]").start();
    assert_eq!(guess_at(&gate, "2001:db8:0:1::1", "anna").status, 429);
    assert_eq!(status(&gate, "2001:db8:0:1:ffff::2", "anna", "secret"), 429, "the same /64");
    let over_unix = |user: &str, password: &str| {
        let mut client = Client::connect_unix(&gate.dir().join("http.sock"));
        client.request("GET /messages", &login(user, password)).status
    };
    let statuses: Vec<u16> = (0..6).map(|number| over_unix("anna", &number.to_string())).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    assert_eq!(over_unix("bert", "secret"), 200);
    assert_eq!(status(&gate, "2001:db8:0:2::1", "anna", "secret"), 200, "another /64");
}

#[test]
fn without_a_trusted_proxy_nobody_is_counted_for_an_address_that_he_names() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let statuses: Vec<u16> = (0..6).map(|n| status(&gate, &format!("192.0.2.{n}"), "anna", &n.to_string())).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
}

/// A page that is open when a password changes asks again and again: its browser must not ask its user each time.
#[test]
fn a_script_with_a_wrong_password_gets_no_challenge_and_everybody_else_does() {
    let (_catcher, gate) = started();
    let challenge = |fields: &str, credentials: &str| {
        let answer =
            gate.connect().request("GET /messages", &format!("X-Forwarded-For: {HERE}\r\n{fields}{credentials}"));
        assert_eq!(answer.status, 401);
        answer.field("www-authenticate").is_some()
    };
    let wrong = login("anna", "wrong");
    let (jquery, fetch) = ("X-Requested-With: XMLHttpRequest\r\n", "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n");
    let navigation = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    for (fields, credentials, challenged) in [
        (jquery, wrong.as_str(), false),
        (fetch, &wrong, false),
        (navigation, &wrong, true),
        ("", &wrong, true),
        // Nothing was sent: the browser may hold credentials that it sends only when it is asked.
        (jquery, "", true),
        (fetch, "", true),
    ] {
        assert_eq!(challenge(fields, credentials), challenged, "{fields}{credentials}");
    }
}

#[test]
fn the_eight_requests_of_a_first_page_are_one_hash() {
    let catcher = Catcher::start(Options::default());
    let users = made_by("htpasswd", &["-nbBC", "9", "anna", "secret"], "");
    let gate = Gate::to(catcher.http_addr()).users(&format!("{users}\n")).with_status().start();
    let mut page: Vec<Client> = (0..8).map(|_| gate.connect()).collect();
    for client in &mut page {
        client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n"));
    }
    for client in &mut page {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(gate.metric("mailwarden_password_hashes_total"), Some(1.0));
}

/// Each refusal leaves at a tick of a tenth of a second, counted from its own request, so that what a hash takes is not
/// seen; a file of one format, and one of a slow and several fast ones.
#[test]
fn wrong_passwords_and_unknown_names_take_the_same_time() {
    let slow = made_by("htpasswd", &["-nbBC", "6", "slow", "other"], "");
    let catcher = Catcher::start(Options::default());
    for users in [format!("{slow}\n"), format!("{slow}\n{ANNA}{}", ANNA.replace("anna", "bert"))] {
        let names: Vec<&str> = users.lines().map(|line| line.split(':').next().unwrap()).collect();
        let gate = Gate::to(catcher.http_addr()).users(&users).config("trusted_proxies = [\"127.0.0.1\"]").start();
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..15 {
            for (kind, name) in [names[round % names.len()].to_owned(), format!("nobody {round}")].iter().enumerate() {
                let from = format!("198.51.100.{}", 2 * round + kind);
                let start = Instant::now();
                assert_eq!(status(&gate, &from, name, "wrong"), 401);
                times[kind].push(start.elapsed());
            }
        }
        let [wrong, unknown] = times.map(|mut times| {
            times.sort();
            (times[0], times[times.len() / 2])
        });
        let tick = Duration::from_millis(100);
        assert!(wrong.0 >= tick && unknown.0 >= tick, "{wrong:?} {unknown:?}");
        // Half a tick: one whole would show a hash that is slower.
        assert!(wrong.1.abs_diff(unknown.1) < tick / 2, "least and median {wrong:?} {unknown:?}");
    }
}

/// What a stranger can grow is bounded: here by some thousand names and addresses, by the bench `guessing` a million.
#[test]
fn wrong_names_from_ever_new_addresses_take_no_more_than_the_tables() {
    let (_catcher, gate) = started();
    let mut clients: Vec<Client> = (0..100).map(|_| gate.connect()).collect();
    let mut storm = |rounds: u32| {
        for round in 0..rounds {
            for (number, client) in clients.iter_mut().enumerate() {
                let name = format!("nobody {round} {number}");
                client.send(format!(
                    "GET /messages HTTP/1.1\r\nHost: dev.test\r\nX-Forwarded-For: 10.{round}.{}.7\r\n{}\r\n",
                    number,
                    login(&name, "x")
                ));
            }
            for client in &mut clients {
                // With so many at once the queue may be full.
                assert!(matches!(client.answer().status, 401 | 503));
            }
        }
    };
    storm(5);
    let before = gate.memory();
    storm(20);
    let grown = gate.memory().saturating_sub(before);
    assert!(grown < 6 * 1024, "{grown} KiB more");
    assert_eq!(status(&gate, HERE, "anna", "secret"), 200);
}

/// While one address guesses as fast as it can, others log in and who is logged in is answered.
#[test]
fn a_guesser_holds_up_nobody() {
    let catcher = Catcher::start(Options::default());
    let slow = |name: &str| made_by("htpasswd", &["-nbBC", "7", name, "secret"], "");
    let users = format!("{}\n{}\n{}\n", slow("anna"), slow("bert"), slow("carl"));
    let gate = Gate::to(catcher.http_addr()).users(&users).config("trusted_proxies = [\"127.0.0.1\"]").start();
    assert_eq!(status(&gate, ELSEWHERE, "anna", "secret"), 200);
    let mut guessers: Vec<Client> = (0..16).map(|_| gate.connect()).collect();
    for (number, client) in guessers.iter_mut().enumerate() {
        let line = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {HERE}\r\n{}\r\n",
            login("anna", number.to_string())
        );
        client.send(line.repeat(4));
    }
    eventually("the guesser to be told", || {
        gate.access_log().iter().any(|line| line.contains("status=429")).then_some(())
    });
    assert_eq!(status(&gate, ELSEWHERE, "anna", "secret"), 200);
    assert_eq!(status(&gate, ELSEWHERE, "bert", "secret"), 200);
    assert_eq!(status(&gate, HERE, "carl", "secret"), 200);
}

#[test]
fn the_log_names_who_is_guessed_at_if_there_is_such_a_user() {
    let (_catcher, gate) = started();
    for (user, from) in [("anna", HERE), ("carl", ELSEWHERE)] {
        for guess in 0..7 {
            ask(&gate, from, user, &format!("wrong{guess}"));
        }
    }
    let throttled = |from: &str| {
        gate.access_line(|line| line.contains(&format!("client={from} ")) && line.contains("auth=throttled"))
    };
    assert!(throttled(HERE).contains("user=\"anna\""));
    let line = throttled(ELSEWHERE);
    assert!(!line.contains("user=") && !line.contains("carl"), "{line}");
}
