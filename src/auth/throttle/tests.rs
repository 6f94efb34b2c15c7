use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A throttle with a key of its own, and a clock that stands still until it is told.
struct Bench {
    key: ProcessKey,
    throttle: Throttle,
    now: Instant,
}

fn bench() -> Bench {
    let now = Instant::now();
    Bench { key: ProcessKey::random().unwrap(), throttle: Throttle::with_entries(now, 4096), now }
}

fn ip(text: &str) -> Peer {
    Peer::Tcp(text.parse().unwrap())
}

impl Bench {
    fn attempt(&self, from: Peer, user: &str, password: &str) -> Attempt {
        Attempt::new(&self.key, from, user.as_bytes(), password.as_bytes(), b"the stored hash")
    }

    fn admit(&mut self, from: Peer, user: &str, password: &str) -> Admission {
        let attempt = self.attempt(from, user, password);
        self.throttle.admit(&attempt, self.now)
    }

    /// A wrong password; none if it was not looked at.
    fn wrong(&mut self, from: Peer, user: &str, password: &str) -> Option<Penalty> {
        let attempt = self.attempt(from, user, password);
        match self.throttle.admit(&attempt, self.now) {
            Admission::Open(ticket) => Some(self.throttle.wrong(&attempt, ticket, self.now)),
            Admission::Closed(_) => None,
        }
    }

    fn right(&mut self, from: Peer, user: &str, password: &str) -> bool {
        let attempt = self.attempt(from, user, password);
        match self.throttle.admit(&attempt, self.now) {
            Admission::Open(ticket) => {
                self.throttle.right(&attempt, ticket, self.now);
                true
            }
            Admission::Closed(_) => false,
        }
    }

    fn close(&mut self, from: Peer, user: &str) {
        for number in 0..LIMIT {
            self.wrong(from, user, &format!("guess {number}"));
        }
    }
}

#[test]
fn five_wrong_passwords_are_answered_later_each_time_and_the_sixth_is_not_looked_at() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    let delays: Vec<_> = (0..5)
        .map(|number| {
            let penalty = bench.wrong(from, "anna", &number.to_string()).unwrap();
            assert_eq!(penalty.retry_after, None);
            penalty.delay.as_millis()
        })
        .collect();
    assert_eq!(delays, [0, 100, 200, 400, 800]);
    let Admission::Closed(penalty) = bench.admit(from, "anna", "5") else { panic!("looked at") };
    assert_eq!((penalty.delay.as_millis(), penalty.retry_after), (1600, Some(2 * MINUTE)));
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
fn the_same_wrong_password_counts_once_in_a_minute() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    for _ in 0..20 {
        let penalty = bench.wrong(from, "anna", "stale").unwrap();
        assert_eq!(penalty, Penalty { delay: Duration::ZERO, retry_after: None });
        bench.now += Duration::from_secs(59);
    }
    // It is one for this name from this address only.
    bench.wrong(from, "bert", "stale").unwrap();
    bench.wrong(ip("192.0.2.2"), "anna", "stale").unwrap();
    bench.now += MINUTE;
    bench.wrong(from, "anna", "stale").unwrap();
    let looked_at = (0..9).filter(|number| bench.wrong(from, "anna", &number.to_string()).is_some()).count();
    assert_eq!(looked_at, 4);
}

/// So that the browser, which sends it again when the page is loaded again, asks for another one.
#[test]
fn a_wrong_password_that_comes_again_is_never_one_too_many() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    for number in 0..9 {
        bench.wrong(from, &format!("name {number}"), "x");
    }
    assert_eq!(bench.wrong(from, "anna", "mistyped").unwrap().retry_after, Some(MINUTE));
    assert_eq!(bench.wrong(from, "anna", "mistyped").unwrap().retry_after, None);
}

#[test]
fn a_hundred_guesses_at_the_same_moment_are_counted_before_they_are_looked_at() {
    let mut bench = bench();
    let open = |admission| matches!(admission, Admission::Open(_));
    let admitted = (0..100).filter(|n| open(bench.admit(ip("192.0.2.1"), "anna", &n.to_string()))).count();
    assert_eq!(admitted, 5);
    // A page of eight requests with one password is one.
    let mut page = (0..8).map(|_| bench.admit(ip("192.0.2.1"), "bert", "secret"));
    assert!(page.all(open));
}

#[test]
fn a_right_password_takes_back_its_own_count_and_no_other() {
    let mut bench = bench();
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
    let Admission::Open(ticket) = bench.admit(from, "anna", "secret") else { panic!("shut out") };
    assert_eq!(ticket.class, Class::Known);
    assert!(bench.wrong(from, "anna", "guess").is_none());
    // Elsewhere nobody knows it, and with another hash it may be wrong by now.
    let elsewhere = bench.attempt(ip("192.0.2.2"), "anna", "secret");
    let Admission::Open(ticket) = bench.throttle.admit(&elsewhere, bench.now) else { panic!("shut out") };
    assert_eq!(ticket.class, Class::Usual);
    let changed = Attempt::new(&bench.key, from, b"anna", b"secret", b"another hash");
    bench.now += MINUTE - Duration::from_millis(1);
    assert!(matches!(
        bench.throttle.admit(&changed, bench.now),
        Admission::Open(Ticket { class: Class::Guessing, .. })
    ));
    bench.now += Duration::from_millis(KNOWN);
    bench.close(from, "anna");
    assert!(!bench.right(from, "anna", "secret"));
}

#[test]
fn other_names_from_a_guessers_address_and_his_name_from_others_are_looked_at() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    let Admission::Open(ticket) = bench.admit(from, "bert", "secret") else { panic!("shut out") };
    assert_eq!(ticket.class, Class::Guessing);
    let Admission::Open(ticket) = bench.admit(ip("192.0.2.2"), "anna", "secret") else { panic!("shut out") };
    assert_eq!(ticket.class, Class::Usual);
    let Admission::Open(ticket) = bench.admit(Peer::Unix, "anna", "secret") else { panic!("shut out") };
    assert_eq!(ticket.class, Class::Usual);
}

#[test]
fn a_guesser_over_many_names_is_told_that_they_are_too_many_and_waits() {
    let mut bench = bench();
    let penalties: Vec<_> =
        (0..30).map(|number| bench.wrong(ip("192.0.2.1"), &format!("name {number}"), "Spring2026").unwrap()).collect();
    assert!(penalties[..5].iter().all(|penalty| penalty.retry_after.is_none()), "{penalties:?}");
    assert!(penalties[5..].iter().all(|penalty| penalty.retry_after == Some(MINUTE)), "{penalties:?}");
    assert!(penalties[7..].iter().all(|penalty| penalty.delay == Duration::from_millis(6400)));
    // A quarter of an hour later all is forgiven, however many there were.
    bench.now += 15 * MINUTE;
    assert_eq!(
        bench.wrong(ip("192.0.2.1"), "anna", "x").unwrap(),
        Penalty { delay: Duration::ZERO, retry_after: None }
    );
}

#[test]
fn an_ipv6_host_is_its_64_and_a_48_has_a_limit_of_its_own() {
    let mut bench = bench();
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
    bench.throttle = Throttle::with_entries(bench.now, 256);
    let (guesser, bytes) = (ip("192.0.2.1"), bench.throttle.bytes());
    bench.close(guesser, "anna");
    for number in 0..10_000 {
        let from = Peer::Tcp(Ipv4Addr::from_bits(0x0b00_0000 + number).into());
        assert!(bench.wrong(from, &format!("nobody {number}"), "x").is_some());
    }
    assert!(bench.wrong(guesser, "anna", "now").is_none());
    assert_eq!(bench.throttle.bytes(), bytes);
    assert_eq!(Throttle::new(bench.now).bytes(), 4 << 20);
}

/// What the throttle has to decide, with tables that grow and without keyed hashes.
#[derive(Default)]
struct Model {
    pairs: HashMap<(u8, u8), u64>,
    guesses: HashMap<(u8, u8, u8), u64>,
    known: HashMap<(u8, u8, u8), u64>,
}

impl Model {
    fn admits(&mut self, guess: (u8, u8, u8), right: bool, now: u64) -> bool {
        if self.known.get(&guess).is_some_and(|until| *until > now) {
            self.known.insert(guess, now + KNOWN);
            return true;
        }
        let pair = self.pairs.entry((guess.0, guess.1)).or_default();
        let repeated = self.guesses.get(&guess).is_some_and(|until| *until > now);
        if !repeated && pair.saturating_sub(now) > (LIMIT - 1) * FORGIVEN {
            return false;
        }
        self.guesses.insert(guess, now + REPEATED);
        if right {
            self.known.insert(guess, now + KNOWN);
        } else if !repeated {
            *pair = (*pair).max(now) + FORGIVEN;
        }
        true
    }
}

proptest! {
    #[test]
    fn it_decides_as_the_rules_say(
        steps in proptest::collection::vec((0u8..2, 0u8..2, 0u8..12, 0u64..40_000), 1..200)
    ) {
        let mut bench = bench();
        let (mut model, start) = (Model::default(), bench.now);
        for (from, user, password, later) in steps {
            bench.now += Duration::from_millis(later);
            let now = (bench.now - start).as_millis() as u64;
            let (peer, name, text) = (ip(&format!("192.0.2.{from}")), user.to_string(), password.to_string());
            let right = password == 0;
            let admitted = match right {
                true => bench.right(peer, &name, &text),
                false => bench.wrong(peer, &name, &text).is_some(),
            };
            prop_assert_eq!(admitted, model.admits((from, user, password), right, now));
        }
    }

    #[test]
    fn nobody_guesses_faster_than_five_and_then_one_a_minute(
        pauses in proptest::collection::vec(0u64..30_000, 1..300), v6 in any::<bool>()
    ) {
        let mut bench = bench();
        let start = bench.now;
        let mut looked_at = 0;
        for (number, pause) in pauses.into_iter().enumerate() {
            bench.now += Duration::from_millis(pause);
            let host = Ipv6Addr::from_bits(0x2001_0db8 << 96 | number as u128);
            let from = if v6 { Peer::Tcp(host.into()) } else { ip("192.0.2.1") };
            looked_at += u64::from(bench.wrong(from, "anna", &number.to_string()).is_some());
        }
        prop_assert!(looked_at <= LIMIT + (bench.now - start).as_secs() / 60);
    }

    #[test]
    fn no_guesses_of_others_shut_out_a_name_that_nobody_guesses_at(
        guesses in proptest::collection::vec((0u8..4, 0u8..50, 0u8..200), 0..400)
    ) {
        let mut bench = bench();
        for (from, user, password) in guesses {
            bench.wrong(ip(&format!("192.0.2.{from}")), &format!("name {user}"), &password.to_string());
        }
        for from in 0..4 {
            let from = ip(&format!("192.0.2.{from}"));
            prop_assert!(bench.right(from, "anna", "secret"));
        }
    }
}
