//! What holds whatever comes in whatever order.

use super::*;

/// What the throttle has to decide, with tables that grow and without keyed hashes.
#[derive(Default)]
struct Model {
    pairs: HashMap<(u8, u8), u64>,
    guesses: HashMap<(u8, u8, u8), u64>,
    known: HashMap<(u8, u8, u8), u64>,
}

impl Model {
    /// Right ones are known from the first, and wrong ones never: so looks change nothing but when they are used up.
    fn admits(&mut self, guess: (u8, u8, u8), right: bool, now: u64) -> bool {
        if self.known.get(&guess).is_some_and(|until| *until > now) {
            self.known.insert(guess, now + KNOWN);
            return true;
        }
        let pair = self.pairs.entry((guess.0, guess.1)).or_default();
        let repeated = self.guesses.get(&guess).is_some_and(|until| *until > now);
        if repeated && !right {
            return true;
        }
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
        let bench = bench();
        for (from, user, password) in guesses {
            bench.wrong(ip(&format!("192.0.2.{from}")), &format!("name {user}"), &password.to_string());
        }
        for from in 0..4 {
            let from = ip(&format!("192.0.2.{from}"));
            prop_assert!(bench.right(from, "anna", "secret"));
        }
    }

    /// Whatever the order of arrivals and of those that hang up, that come again when their refusal leaves, or that find
    /// no place: what is learnt of one name from one network.
    #[test]
    fn no_order_of_arrivals_shows_more_wrong_passwords_than_the_bound(
        steps in proptest::collection::vec((0u64..3_000, 0u8..4, any::<bool>()), 1..600), proven_every in 2usize..20
    ) {
        let mut bench = bench();
        let from = ip("192.0.2.1");
        prop_assert!(bench.right(from, "anna", "secret"));
        let (start, mut learnt, mut in_flight) = (bench.now, 0, Vec::new());
        for (number, (pause, end, waited)) in steps.into_iter().enumerate() {
            bench.now += Duration::from_millis(pause);
            let attempt = bench.attempt(from, "anna", &number.to_string());
            let mut asked = false;
            let standing = Standing { waited, ..SOMEBODY };
            match bench.throttle.admit(&attempt, standing, || { asked = true; false }, bench.now) {
                Admission::Right => prop_assert!(false, "a guess"),
                Admission::Wrong(_) => prop_assert!(false, "none came before"),
                Admission::Open(ticket) => match end {
                    0 => bench.throttle.unseen(&attempt, ticket, bench.now),
                    1 => in_flight.push((attempt, ticket)),
                    2 => bench.throttle.gone(&attempt, ticket, bench.now),
                    _ => _ = bench.throttle.wrong(&attempt, ticket, bench.now),
                },
                Admission::Closed(_) | Admission::Unseen(_) => {}
            }
            // That what was open and not looked at shows nothing is for the queue; here it was looked for all the same.
            learnt += usize::from(asked && end != 0);
            if end == 3 {
                for (attempt, ticket) in in_flight.drain(..) {
                    bench.throttle.wrong(&attempt, ticket, bench.now);
                }
            }
            // A colleague on a connection of his own is never refused.
            if number % proven_every == 0 {
                prop_assert_eq!(bench.remembered(from, "anna", true), Admission::Right);
                let standing = Standing { exists: true, proven: true, waited: false };
                let forgotten = bench.throttle.admit(&bench.attempt(from, "anna", "secret"), standing, || false, bench.now);
                let known = matches!(forgotten, Admission::Open(Ticket { class: Class::Known, .. }));
                prop_assert!(known);
            }
        }
        let seconds = (bench.now - start).as_secs() as usize;
        prop_assert!(learnt as u64 <= LIMIT + LOOKS + LATE_LOOKS + (seconds / 60 + 2 * (seconds / 6)) as u64, "{learnt} in {seconds} s");
    }
}
