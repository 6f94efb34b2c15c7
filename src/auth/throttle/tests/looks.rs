//! Looks at what is remembered while its pair is closed, and what needs none.

use super::*;

#[test]
fn a_closed_pair_is_looked_at_twenty_times_and_then_ten_times_a_minute_and_late_ones_have_a_hundred_of_their_own() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    assert!(!bench.throttle.is_guarded(bench.now));
    bench.close(from, "anna");
    assert!(bench.throttle.is_guarded(bench.now));
    for (admit, free) in [(Bench::admit as fn(&_, _, &_, &_) -> _, 20), (Bench::admit_late, 100)] {
        let looked = |bench: &Bench| {
            (0..500).filter(|n| matches!(admit(bench, from, "anna", &format!("x{n}")), Admission::Closed(_))).count()
        };
        assert_eq!(looked(&bench), free);
        assert!(matches!(admit(&bench, from, "anna", "more"), Admission::Unseen(_)));
        bench.now += Duration::from_millis(5_999);
        assert_eq!(looked(&bench), 0);
        bench.now += Duration::from_millis(1);
        assert_eq!(looked(&bench), 1);
    }
    // Another name, and that name elsewhere, have looks of their own.
    bench.close(from, "bert");
    assert!(matches!(bench.remembered(from, "bert", false), Admission::Right));
    bench.now += 10 * MINUTE;
    assert!(!bench.throttle.is_guarded(bench.now));
}

#[test]
fn however_many_hang_up_at_once_who_waits_for_a_moment_is_let_in() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    for round in 0..50 {
        for number in 0..200 {
            bench.admit(from, "anna", &format!("{round} {number}"));
        }
        let Admission::Unseen(penalty) = bench.remembered(from, "anna", false) else { panic!("looked at") };
        assert_eq!(penalty.leaves, Leaves::FromArrival(LONGEST));
        for _ in 0..20 {
            assert_eq!(bench.remembered_late(from, "anna"), Admission::Right, "{round}: it gives its look back");
        }
        bench.now += Duration::from_secs(1);
    }
}

#[test]
fn who_is_remembered_uses_no_look_up_however_often_he_comes() {
    let bench = bench();
    let from = ip("192.0.2.1");
    assert!(bench.right(from, "carl", "secret"));
    bench.close(from, "anna");
    bench.close(from, "carl");
    for _ in 0..1000 {
        assert_eq!(bench.remembered(from, "anna", false), Admission::Right);
        assert_eq!(bench.open(from, "carl", "secret").class, Class::Known);
    }
    assert!(matches!(bench.admit(from, "anna", "a guess"), Admission::Closed(_)));
    assert!(matches!(bench.admit(from, "carl", "a guess"), Admission::Closed(_)));
}

#[test]
fn who_guesses_over_one_connection_never_uses_up_all_looks() {
    let mut bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    for number in 0..2000 {
        let Admission::Closed(penalty) = bench.admit(from, "anna", &format!("x{number}")) else {
            // One that is open again for a moment, each minute.
            continue;
        };
        let Leaves::FromArrival(delay) = penalty.leaves else { panic!("{penalty:?}") };
        bench.now += delay;
        assert_eq!(bench.remembered(from, "anna", false), Admission::Right, "a colleague, {number}");
    }
}

#[test]
fn who_was_right_on_this_very_connection_needs_no_look() {
    let bench = bench();
    let from = ip("192.0.2.1");
    assert!(bench.right(from, "anna", "secret"));
    bench.close(from, "anna");
    for number in 0..200 {
        bench.admit(from, "anna", &number.to_string());
    }
    assert!(matches!(bench.remembered(from, "anna", false), Admission::Unseen(_)));
    assert_eq!(bench.remembered(from, "anna", true), Admission::Right);
    // Also when the cache has forgotten it.
    let standing = Standing { exists: true, proven: true, waited: false };
    let admission = bench.throttle.admit(&bench.attempt(from, "anna", "secret"), standing, || false, bench.now);
    assert!(matches!(admission, Admission::Open(Ticket { class: Class::Known, .. })));
}

#[test]
fn a_ticket_is_a_network_of_its_own_and_no_oracle() {
    let bench = bench();
    let from = ip("192.0.2.1");
    bench.close(from, "anna");
    for number in 0..200 {
        bench.admit(from, "anna", &number.to_string());
    }
    let shown = |password: &str, ticket: &[u8]| {
        let network = Network::of(from);
        bench.attempt(from, "anna", password).by_ticket(&bench.key, &network, b"anna", ticket)
    };
    let admit = |attempt: &Attempt| bench.throttle.admit(attempt, SOMEBODY, || false, bench.now);
    assert!(!bench.throttle.is_closed(&shown("secret", b"hers"), bench.now));
    let Admission::Open(ticket) = admit(&shown("secret", b"hers")) else { panic!("shut out") };
    assert_eq!(ticket.class, Class::Usual);
    bench.throttle.right(&shown("secret", b"hers"), ticket, bench.now);
    let tried = (0..100).filter(|n| matches!(admit(&shown(&format!("y{n}"), b"stolen")), Admission::Open(_))).count();
    assert_eq!(tried, 5);
    assert!(!bench.throttle.is_closed(&shown("secret", b"hers"), bench.now));
}

/// Or, while somebody logs in and for a minute after, his password could be told by being let in.
#[test]
fn that_a_password_is_in_flight_or_was_left_unheard_is_no_way_around_the_looks() {
    let bench = bench();
    let from = ip("192.0.2.1");
    let (attempt, ticket) = (bench.attempt(from, "anna", "secret"), bench.open(from, "anna", "secret"));
    bench.close(from, "anna");
    // The rest of a page of eight.
    let mut rest: Vec<_> = (0..7).map(|_| bench.open(from, "anna", "secret")).collect();
    for number in 0..200 {
        bench.admit(from, "anna", &number.to_string());
    }
    assert!(matches!(bench.admit(from, "anna", "secret"), Admission::Unseen(_)));
    bench.throttle.gone(&attempt, ticket, bench.now);
    assert!(matches!(bench.admit(from, "anna", "secret"), Admission::Unseen(_)));
    let last = rest.pop().unwrap();
    bench.throttle.right(&attempt, last, bench.now);
    assert_eq!(bench.open(from, "anna", "secret").class, Class::Known, "it gave its look back");
    for ticket in rest {
        bench.throttle.right(&attempt, ticket, bench.now);
    }
    let guesses = (200..300).filter(|n| matches!(bench.admit(from, "anna", &n.to_string()), Admission::Closed(_)));
    assert_eq!(guesses.count(), 7);
}

// --- Who goes first.
