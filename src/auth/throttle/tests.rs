use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::super::keyed::ProcessKey;
use super::super::network::Network;
use super::counts::{Before, LONGEST};
use super::*;
use crate::client_addr::Peer;

mod looks;
mod properties;

const MINUTE: Duration = Duration::from_secs(60);

/// A throttle with a key of its own, and a clock that stands still until it is told.
struct Bench {
    key: ProcessKey,
    throttle: Throttle,
    now: Instant,
}

fn bench() -> Bench {
    let now = Instant::now();
    Bench { key: ProcessKey::random().unwrap(), throttle: Throttle::with_entries(now, 4096, 4096), now }
}

fn ip(text: &str) -> Peer {
    Peer::Tcp(text.parse().unwrap())
}

/// A name that exists.
const SOMEBODY: Standing = Standing { exists: true, proven: false, waited: false };
/// The same, who has waited as long as a refusal does.
const PATIENT: Standing = Standing { exists: true, proven: false, waited: true };

impl Bench {
    fn attempt(&self, from: Peer, user: &str, password: &str) -> Attempt {
        let network = Network::of(from);
        Attempt::new(&self.key, &network, user.as_bytes(), password.as_bytes(), b"the stored hash", true)
    }

    fn admit(&self, from: Peer, user: &str, password: &str) -> Admission {
        self.throttle.admit(&self.attempt(from, user, password), SOMEBODY, || false, self.now)
    }

    /// Of a name that nobody has.
    fn admit_nobody(&self, from: Peer, user: &str, password: &str) -> Admission {
        self.throttle.admit(&self.attempt(from, user, password), Standing::default(), || false, self.now)
    }

    /// One that the cache remembers.
    fn remembered(&self, from: Peer, user: &str, proven: bool) -> Admission {
        let standing = Standing { exists: true, proven, waited: false };
        self.throttle.admit(&self.attempt(from, user, "secret"), standing, || true, self.now)
    }

    fn open(&self, from: Peer, user: &str, password: &str) -> Ticket {
        let Admission::Open(ticket) = self.admit(from, user, password) else { panic!("shut out") };
        ticket
    }

    /// One that the cache remembers, of somebody who has waited as long as a refusal does.
    fn remembered_late(&self, from: Peer, user: &str) -> Admission {
        self.throttle.admit(&self.attempt(from, user, "secret"), PATIENT, || true, self.now)
    }

    fn admit_late(&self, from: Peer, user: &str, password: &str) -> Admission {
        self.throttle.admit(&self.attempt(from, user, password), PATIENT, || false, self.now)
    }

    /// A wrong password; none if it was not looked at.
    fn wrong(&self, from: Peer, user: &str, password: &str) -> Option<Penalty> {
        let attempt = self.attempt(from, user, password);
        match self.throttle.admit(&attempt, SOMEBODY, || false, self.now) {
            Admission::Open(ticket) => Some(self.throttle.wrong(&attempt, ticket, self.now)),
            Admission::Wrong(penalty) => Some(penalty),
            _ => None,
        }
    }

    fn right(&self, from: Peer, user: &str, password: &str) -> bool {
        let attempt = self.attempt(from, user, password);
        match self.throttle.admit(&attempt, SOMEBODY, || false, self.now) {
            Admission::Open(ticket) => {
                self.throttle.right(&attempt, ticket, self.now);
                true
            }
            admission => admission == Admission::Right,
        }
    }

    fn close(&self, from: Peer, user: &str) {
        for number in 0..LIMIT {
            self.wrong(from, user, &format!("guess {number}"));
        }
    }
}

#[test]
fn five_wrong_passwords_are_answered_later_each_time_and_the_sixth_is_not_looked_at() {
    let bench = bench();
    let from = ip("192.0.2.1");
    let delays: Vec<_> = (0..5)
        .map(|number| {
            let penalty = bench.wrong(from, "anna", &number.to_string()).unwrap();
            assert_eq!(penalty.retry_after, None);
            let Leaves::FromNow(delay) = penalty.leaves else { panic!("{penalty:?}") };
            delay.as_millis()
        })
        .collect();
    assert_eq!(delays, [0, 100, 200, 400, 800]);
    let Admission::Closed(penalty) = bench.admit(from, "anna", "5") else { panic!("looked at") };
    let leaves = Leaves::FromArrival(Duration::from_millis(1600));
    assert_eq!(penalty, Penalty { leaves, retry_after: Some(2 * MINUTE) });
}

/// A browser sends the password that was refused once more before it asks for another.
#[test]
fn who_waits_as_long_as_he_was_told_can_have_another_password_looked_at_after_the_refused_one() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    let Admission::Closed(penalty) = bench.admit(from, "anna", "mistyped") else { panic!("looked at") };
    bench.now += penalty.retry_after.unwrap();
    assert!(bench.wrong(from, "anna", "mistyped").is_some());
    assert!(bench.right(from, "anna", "secret"));
}

#[test]
fn one_wrong_password_is_forgiven_a_minute() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    bench.now += MINUTE - Duration::from_millis(1);
    assert!(bench.wrong(from, "anna", "early").is_none());
    bench.now += Duration::from_millis(1);
    assert!(bench.wrong(from, "anna", "in time").is_some());
    assert!(bench.wrong(from, "anna", "another").is_none());
    bench.now += 3 * MINUTE;
    let looked_at = (0..9).filter(|number| bench.wrong(from, "anna", &format!("later {number}")).is_some()).count();
    assert_eq!(looked_at, 3);
}

#[test]
fn the_same_wrong_password_counts_once_in_a_minute_and_is_answered_without_a_hash() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    let at_once = Leaves::FromArrival(Duration::ZERO);
    for admit in [Bench::admit, Bench::admit_nobody] {
        bench.now += 10 * MINUTE;
        let attempt = bench.attempt(from, "anna", "stale");
        for _ in 0..3 {
            let Admission::Open(ticket) = admit(&bench, from, "anna", "stale") else { panic!("not verified") };
            bench.throttle.wrong(&attempt, ticket, bench.now);
            // However often it comes it prolongs nothing.
            for _ in 0..59 {
                let again = admit(&bench, from, "anna", "stale");
                assert_eq!(again, Admission::Wrong(Penalty { leaves: at_once, retry_after: None }));
                bench.now += Duration::from_secs(1);
            }
            bench.now += Duration::from_secs(1);
        }
    }
    bench.wrong(from, "anna", "stale").unwrap();
    // It is one for this name from this address only.
    assert!(matches!(bench.admit(from, "bert", "stale"), Admission::Open(_)));
    assert!(matches!(bench.admit(ip("192.0.2.2"), "anna", "stale"), Admission::Open(_)));
    let looked_at = (0..9).filter(|number| bench.wrong(from, "anna", &number.to_string()).is_some()).count();
    assert_eq!(looked_at, 4);
}

/// Nobody has to wait until it is forgotten that it was wrong before.
#[test]
fn a_wrong_password_is_none_any_more_when_the_stored_hash_changes() {
    let bench = bench();
    let from = ip("192.0.2.1");
    bench.wrong(from, "anna", "new").unwrap();
    let changed = Attempt::new(&bench.key, &Network::of(from), b"anna", b"new", b"another hash", true);
    let admission = bench.throttle.admit(&changed, SOMEBODY, || false, bench.now);
    assert!(matches!(admission, Admission::Open(_)), "{admission:?}");
}

/// Each costs a hash, and is not counted again.
#[test]
fn who_sends_the_same_again_and_never_stays_waits_behind_the_others_and_is_counted_anew_after_a_minute() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    let attempt = bench.attempt(from, "anna", "x");
    for admit in [Bench::admit, Bench::admit_nobody] {
        bench.now += 10 * MINUTE;
        for round in 0..60 {
            let Admission::Open(ticket) = admit(&bench, from, "anna", "x") else { panic!("shut out") };
            assert_eq!(ticket.class, if round == 0 { Class::Usual } else { Class::Guessing });
            assert_eq!((ticket.counts, ticket.patience()), (round == 0, None));
            bench.throttle.gone(&attempt, ticket, bench.now);
            bench.now += Duration::from_secs(1);
        }
        assert_eq!(bench.throttle.counts().before(&attempt, bench.throttle.millis(bench.now)), Before::Never);
    }
    assert!(bench.throttle.is_quiet());
}

/// So that the browser, which sends it again when the page is loaded again, asks for another one.
#[test]
fn a_wrong_password_that_comes_again_is_never_one_too_many() {
    let bench = bench();
    let from = ip("192.0.2.1");
    for number in 0..9 {
        bench.wrong(from, &format!("name {number}"), "x");
    }
    assert_eq!(bench.wrong(from, "anna", "mistyped").unwrap().retry_after, Some(MINUTE));
    assert_eq!(bench.wrong(from, "anna", "mistyped").unwrap().retry_after, None);
}

#[test]
fn a_hundred_guesses_at_the_same_moment_are_counted_before_they_are_looked_at() {
    let bench = bench();
    let open = |admission| matches!(admission, Admission::Open(_));
    let admitted = (0..100).filter(|n| open(bench.admit(ip("192.0.2.1"), "anna", &n.to_string()))).count();
    assert_eq!(admitted, 5);
    // A page of eight requests with one password is one.
    let mut page = (0..8).map(|_| bench.admit(ip("192.0.2.1"), "bert", "secret"));
    assert!(page.all(open));
}

#[test]
fn a_right_password_takes_back_its_own_count_and_no_other() {
    let bench = bench();
    let from = ip("192.0.2.1");
    for number in 0..4 {
        bench.wrong(from, "anna", &number.to_string());
    }
    for number in 0..10 {
        assert!(bench.right(from, "anna", &format!("right {number}")), "{number}");
    }
    assert!(bench.wrong(from, "anna", "5").is_some());
    assert!(bench.wrong(from, "anna", "6").is_none(), "four wrong ones before the right ones are still four");
}

#[test]
fn a_password_that_was_right_lately_passes_whoever_guesses_from_there_and_helps_no_guesser() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    assert!(bench.right(from, "anna", "secret"));
    bench.close(from, "anna");
    assert_eq!(bench.open(from, "anna", "secret").class, Class::Known);
    assert!(bench.wrong(from, "anna", "guess").is_none());
    // Elsewhere nobody knows it, and with another hash it may be wrong by now.
    assert_eq!(bench.open(ip("192.0.2.2"), "anna", "secret").class, Class::Usual);
    let changed = Attempt::new(&bench.key, &Network::of(from), b"anna", b"secret", b"another hash", true);
    let admission = bench.throttle.admit(&changed, SOMEBODY, || false, bench.now);
    assert!(matches!(admission, Admission::Closed(_)), "{admission:?}");
    bench.now += Duration::from_millis(KNOWN);
    bench.close(from, "anna");
    assert!(!bench.right(from, "anna", "secret"));
}

#[test]
fn other_names_from_a_guessers_address_and_his_name_from_others_are_looked_at() {
    let bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    assert_eq!(bench.open(from, "bert", "secret").class, Class::Guessing);
    assert_eq!(bench.open(ip("192.0.2.2"), "anna", "secret").class, Class::Usual);
    assert_eq!(bench.open(Peer::Unix, "anna", "secret").class, Class::Usual);
}

#[test]
fn a_guesser_over_many_names_is_told_that_they_are_too_many_and_waits() {
    let mut bench = bench();
    let penalties: Vec<_> =
        (0..30).map(|number| bench.wrong(ip("192.0.2.1"), &format!("name {number}"), "Spring2026").unwrap()).collect();
    assert!(penalties[..5].iter().all(|penalty| penalty.retry_after.is_none()), "{penalties:?}");
    assert!(penalties[5..].iter().all(|penalty| penalty.retry_after == Some(MINUTE)), "{penalties:?}");
    assert!(penalties[8..].iter().all(|penalty| penalty.leaves == Leaves::FromArrival(LONGEST)));
    // A quarter of an hour later all is forgiven, however many there were.
    bench.now += 15 * MINUTE;
    assert_eq!(
        bench.wrong(ip("192.0.2.1"), "anna", "x").unwrap(),
        Penalty { leaves: Leaves::FromNow(Duration::ZERO), retry_after: None }
    );
}

#[test]
fn an_ipv6_host_is_its_64_and_a_48_has_a_limit_of_its_own() {
    let bench = bench();
    bench.close(ip("2001:db8::1"), "anna");
    assert!(bench.wrong(ip("2001:db8::ffff:2"), "anna", "x").is_none(), "the same /64");
    assert!(bench.wrong(ip("2001:db8:0:1::1"), "anna", "x").is_some(), "another /64");
    let hosts = (2..100).map(|subnet| ip(&format!("2001:db8:0:{subnet:x}::1")));
    let looked_at = hosts.filter(|host| bench.wrong(*host, "anna", "x").is_some()).count();
    assert_eq!(looked_at as u64, WIDE_LIMIT - 6, "six came before");
    assert!(bench.wrong(ip("2001:db8:1::1"), "anna", "x").is_some(), "another /48");
    assert!(bench.wrong(ip("192.0.2.1"), "anna", "x").is_some());
}

#[test]
fn a_flood_of_addresses_neither_grows_the_tables_nor_pushes_a_guesser_out() {
    let mut bench = bench();
    bench.throttle = Throttle::with_entries(bench.now, 256, 64);
    let (guesser, bytes) = (ip("192.0.2.1"), bench.throttle.bytes());
    bench.close(guesser, "anna");
    for number in 0..10_000 {
        let from = Peer::Tcp(Ipv4Addr::from_bits(0x0b00_0000 + number).into());
        assert!(bench.wrong(from, &format!("nobody {number}"), "x").is_some());
    }
    assert!(bench.wrong(guesser, "anna", "now").is_none());
    assert_eq!(bench.throttle.bytes(), bytes);
    assert_eq!(Throttle::new(bench.now).bytes(), (4 << 20) + (512 << 10));
    assert!(bench.throttle.is_quiet());
}

// --- Looks at what is remembered.

#[test]
fn what_is_in_flight_orders_and_refuses_nobody() {
    let bench = bench();
    let from = ip("192.0.2.1");
    let attempts: Vec<_> = (0..20).map(|n| bench.attempt(from, &format!("colleague {n}"), "secret")).collect();
    let tickets: Vec<_> = attempts
        .iter()
        .map(|attempt| match bench.throttle.admit(attempt, SOMEBODY, || false, bench.now) {
            Admission::Open(ticket) => ticket,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(tickets[..5].iter().all(|ticket| ticket.class == Class::Usual));
    assert!(tickets[5..].iter().all(|ticket| ticket.class == Class::Crowd && ticket.patience().is_none()));
    // And no less for a name that nobody has, or it would be told from one that somebody has.
    let Admission::Open(nobody) = bench.admit_nobody(from, "nobody", "x") else { panic!("shut out") };
    assert_eq!(nobody, tickets[19]);
    bench.throttle.wrong(&bench.attempt(from, "nobody", "x"), nobody, bench.now);
    for (attempt, ticket) in attempts.iter().zip(tickets) {
        bench.throttle.right(attempt, ticket, bench.now);
    }
    assert!(bench.throttle.is_quiet());
    assert_eq!(bench.open(from, "another", "x").class, Class::Usual);
}

#[test]
fn a_48_with_many_in_flight_is_a_crowd_however_many_subnets_it_has() {
    let bench = bench();
    let classes: Vec<_> = (0..80)
        .map(|subnet| match bench.admit_nobody(ip(&format!("2001:db8:0:{subnet:x}::1")), &format!("n{subnet}"), "x") {
            Admission::Open(ticket) => ticket.class,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(classes[..10].iter().all(|class| *class == Class::Usual));
    assert!(classes[10..].iter().all(|class| *class == Class::Crowd));
    let turn = |from: &str| bench.attempt(ip(from), "anna", "x").turn();
    assert_eq!(turn("2001:db8:0:1::1"), turn("2001:db8:0:2::1"));
    assert_ne!(turn("2001:db8:0:1::1"), turn("2001:db8:1:1::1"));
}

/// Neither the moment nor what is said depends on whether there was a place in the queue.
#[test]
fn where_somebody_guesses_a_refusal_leaves_at_a_moment_that_is_fixed_at_the_arrival() {
    let bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    for (name, leaves) in [("bert", 1600), ("carl", 3200), ("dora", 6400), ("emil", 6400)] {
        let attempt = bench.attempt(from, name, "x");
        let ticket = bench.open(from, name, "x");
        let leaves = Duration::from_millis(leaves);
        assert_eq!(ticket.patience(), Some(leaves));
        let penalty = bench.throttle.wrong(&attempt, ticket, bench.now);
        assert_eq!(penalty, Penalty { leaves: Leaves::FromArrival(leaves), retry_after: Some(MINUTE) });
        assert_eq!(bench.throttle.retry_after(&attempt, ticket, bench.now + leaves), Some(MINUTE));
    }
}

#[test]
fn what_was_not_looked_at_is_not_counted() {
    let bench = bench();
    let from = ip("192.0.2.1");
    for number in 0..20 {
        let attempt = bench.attempt(from, "anna", &number.to_string());
        let ticket = bench.open(from, "anna", &number.to_string());
        bench.throttle.unseen(&attempt, ticket, bench.now);
    }
    // It is none that was tried either: as good as new.
    assert_eq!(bench.open(from, "anna", "0").class, Class::Usual);
    let looked_at = (20..40).filter(|number| bench.wrong(from, "anna", &number.to_string()).is_some()).count();
    assert_eq!(looked_at, 4, "the one that is in flight counts");
}

#[test]
fn a_password_that_comes_again_where_somebody_guesses_waits_behind_those_that_are_new() {
    let bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    assert_eq!(bench.open(from, "bert", "new").class, Class::Guessing);
    assert_eq!(bench.open(from, "bert", "new").class, Class::Last);
}

/// Or the counts would tell which of two names was looked at.
#[test]
fn where_somebody_guesses_a_name_that_found_no_place_is_counted_as_one_that_nobody_has() {
    let bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    let mut said = Vec::new();
    for (name, standing) in [("bert", SOMEBODY), ("nobody", Standing::default())] {
        // In another order each time the network's own counts would differ.
        let of_this: Vec<_> = (0..7)
            .map(|number| {
                let attempt = bench.attempt(from, name, &number.to_string());
                match bench.throttle.admit(&attempt, standing, || false, bench.now) {
                    Admission::Open(ticket) if standing.exists => bench.throttle.refused(&attempt, ticket, bench.now),
                    Admission::Open(ticket) => bench.throttle.wrong(&attempt, ticket, bench.now),
                    Admission::Closed(penalty) => penalty,
                    other => panic!("{other:?}"),
                }
                .retry_after
            })
            .collect();
        said.push(of_this);
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], [[Some(MINUTE); 5].as_slice(), &[Some(2 * MINUTE); 2]].concat());
    // A right one among them is looked at when it comes again, without being counted.
    let again = bench.open(from, "bert", "0");
    assert_eq!((again.class, again.counts), (Class::Guessing, false));
}
