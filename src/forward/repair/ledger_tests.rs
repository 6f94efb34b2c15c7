use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn entry(id: u64, bad: bool) -> Entry {
    Entry {
        id,
        sender: Value::Null,
        recipients: Value::Null,
        subject: Value::Null,
        size: Value::Null,
        created_at: format!("2026-11-23T08:24:{:02}+00:00", id % 60),
        made: bad,
        bad,
    }
}

/// The catcher as far as ids go: what is there, and which of it is bad.
#[derive(Debug, Default, Clone)]
struct Mail {
    there: BTreeSet<u64>,
    bad: BTreeSet<u64>,
}

impl Mail {
    fn add(&mut self, bad: bool) -> u64 {
        let id = self.there.last().map_or(1, |last| last + 1);
        self.there.insert(id);
        self.bad.remove(&id);
        if bad {
            self.bad.insert(id);
        }
        id
    }

    fn entry(&self, id: u64) -> Option<Entry> {
        self.there.contains(&id).then(|| entry(id, self.bad.contains(&id)))
    }
}

/// Looks to the end; how many ids it asked about, and whether it came to one.
fn look(ledger: &mut Ledger, mail: &Mail, now: Instant) -> (usize, Step) {
    let Plan::Look(mut look) = ledger.plan(now) else { return (0, Step::OutOfBounds) };
    loop {
        match look.step() {
            Step::Ask(id) => assert!(ledger.tell(&mut look, id, mail.entry(id))),
            Step::Done => {
                ledger.done(&look);
                return (look.asked, Step::Done);
            }
            Step::OutOfBounds => return (look.asked, Step::OutOfBounds),
        }
    }
}

fn listed(ledger: &Ledger) -> Vec<u64> {
    ledger.entries().map(|entry| entry.id).collect()
}

fn mail(ids: impl IntoIterator<Item = u64>) -> Mail {
    Mail { there: ids.into_iter().collect(), bad: BTreeSet::new() }
}

#[test]
fn all_is_found_and_the_next_look_asks_only_for_what_is_new() {
    let now = Instant::now();
    let (mut ledger, mut mail) = (Ledger::default(), mail((3..=40).chain(60..=90)));
    mail.bad.insert(70);
    ledger.watched();
    ledger.seen(75);
    assert_eq!(look(&mut ledger, &mail, now), (90 + GAP, Step::Done));
    assert_eq!((listed(&ledger), ledger.bad().collect::<Vec<_>>()), (mail.there.iter().copied().collect(), vec![70]));
    mail.add(true);
    let new = mail.add(false);
    ledger.added(new);
    assert_eq!(look(&mut ledger, &mail, now), (2 + GAP, Step::Done));
    assert_eq!(ledger.bad().collect::<Vec<_>>(), [70, 91]);
    assert_eq!(listed(&ledger).last(), Some(&new));
}

#[test]
fn a_gap_in_what_is_new_is_crossed_up_to_the_highest_that_was_heard_of() {
    let now = Instant::now();
    let (mut ledger, mut mail) = (Ledger::default(), mail(1..=10));
    ledger.watched();
    look(&mut ledger, &mail, now);
    mail.there.insert(500);
    ledger.added(500);
    look(&mut ledger, &mail, now);
    assert_eq!(listed(&ledger).last(), Some(&500));
}

#[test]
fn what_nobody_ever_heard_of_is_found_too() {
    let now = Instant::now();
    let (mut ledger, mail) = (Ledger::default(), mail(4000..=4100));
    assert_eq!(look(&mut ledger, &mail, now), (4100 + GAP_IN_THE_DARK, Step::Done));
    assert_eq!(listed(&ledger).len(), 101);
}

#[test]
fn no_look_asks_about_more_than_5000_and_the_next_one_at_everything_is_a_minute_later() {
    let now = Instant::now();
    let (mut ledger, mut mail) = (Ledger::default(), mail(1..=6000));
    mail.bad.insert(5990);
    ledger.seen(6000);
    let (asked, step) = look(&mut ledger, &mail, now);
    assert!(asked <= MOST && step == Step::OutOfBounds, "{asked}");
    assert_eq!(ledger.bad().collect::<Vec<_>>(), [5990], "it is named");
    assert!(matches!(ledger.plan(now + BETWEEN / 2), Plan::TooSoon));
    assert_eq!(ledger.bad().collect::<Vec<_>>(), [5990]);
    assert!(matches!(ledger.plan(now + BETWEEN), Plan::Look(_)));
    // What is old goes first: then nothing is further down.
    let (mut ledger, mail) = (Ledger::default(), self::mail(20_000..=20_300));
    ledger.seen(20_300);
    let (asked, step) = look(&mut ledger, &mail, now);
    assert!(asked <= MOST && step == Step::Done, "{asked}");
    assert_eq!(listed(&ledger).len(), 301);
}

#[test]
fn what_was_not_watched_is_looked_at_anew_once_a_minute() {
    let now = Instant::now();
    let (mut ledger, mut mail) = (Ledger::default(), mail(1..=20));
    ledger.seen(20);
    look(&mut ledger, &mail, now);
    mail.there.remove(&5);
    look(&mut ledger, &mail, now + BETWEEN / 2);
    assert!(listed(&ledger).contains(&5), "it looked again too soon");
    look(&mut ledger, &mail, now + BETWEEN);
    assert!(!listed(&ledger).contains(&5));
    // Watched, nothing is missed, and nothing is looked at again.
    ledger.watched();
    look(&mut ledger, &mail, now + BETWEEN * 3);
    assert_eq!(look(&mut ledger, &mail, now + BETWEEN * 9).0, GAP);
}

#[test]
fn a_clear_voids_a_look_that_is_under_way() {
    let now = Instant::now();
    let (mut ledger, mail) = (Ledger::default(), mail(1..=20));
    ledger.seen(20);
    let Plan::Look(mut under_way) = ledger.plan(now) else { panic!("no look") };
    let Step::Ask(id) = under_way.step() else { panic!("nothing to ask") };
    ledger.cleared();
    assert!(!ledger.tell(&mut under_way, id, mail.entry(id)));
    ledger.done(&under_way);
    assert!(listed(&ledger).is_empty());
    // Ids begin anew, so that is no look at everything, and needs no minute.
    assert_eq!(look(&mut ledger, &self::mail([1, 2]), now).1, Step::Done);
    assert_eq!(listed(&ledger), [1, 2]);
}

#[test]
fn what_is_removed_while_it_is_looked_at_does_not_come_back() {
    let (mut ledger, mail) = (Ledger::default(), mail(1..=3));
    ledger.seen(3);
    let Plan::Look(mut look) = ledger.plan(Instant::now()) else { panic!("no look") };
    while let Step::Ask(id) = look.step() {
        let entry = mail.entry(id);
        if id == 2 {
            ledger.removed(2); // after the catcher answered
        }
        ledger.tell(&mut look, id, entry);
    }
    ledger.done(&look);
    assert_eq!(listed(&ledger), [1, 3]);
}

#[test]
fn an_id_that_comes_again_is_asked_about_again() {
    let now = Instant::now();
    let (mut ledger, mut mail) = (Ledger::default(), mail(1..=3));
    ledger.watched();
    ledger.seen(3);
    look(&mut ledger, &mail, now);
    // It went unseen, and another came in its place.
    mail.bad.insert(3);
    ledger.added(3);
    look(&mut ledger, &mail, now);
    assert_eq!(ledger.bad().collect::<Vec<_>>(), [3]);
}

#[test]
fn removals_are_not_remembered_for_ever() {
    let mut ledger = Ledger::default();
    (0..20_000).for_each(|id| ledger.removed(id));
    assert!(ledger.removed.is_none());
    // A look that was given up.
    assert!(matches!(ledger.plan(Instant::now()), Plan::Look(_)));
    (0..20_000).for_each(|id| ledger.removed(id));
    assert!(ledger.removed.is_none());
}

#[test]
fn no_more_text_is_remembered_than_a_list_is_worth() {
    let long = "\u{e9}".repeat(10_000);
    let many: Vec<String> = (0..1_000).map(|number| format!("<{number}@example.com>")).collect();
    let entry =
        Entry { sender: long.as_str().into(), subject: long.into(), recipients: many.into(), ..entry(1, false) };
    let length = |left: &mut usize| serde_json::to_string(&entry.clone().clipped(left)).unwrap().len();
    let mut left = 20_000;
    let first = length(&mut left);
    assert!((4_000..9_000).contains(&first), "{first}");
    // And of many not as much as of one.
    let many: usize = (0..50).map(|_| length(&mut left)).sum();
    assert!(many < 20_000 + 50 * 700, "{many}");
}

#[test]
fn a_message_whose_entry_was_made_stands_between_its_neighbours() {
    let at = |id: u64, time: &str, made| Entry { created_at: time.to_owned(), made, ..entry(id, false) };
    let list = [
        at(1, "2026-11-23T08:00:00+00:00", false),
        at(2, "2031-01-01T00:00:00+00:00", true),
        at(3, "1999-01-01T00:00:00+00:00", true),
        at(4, "2026-11-23T09:00:00+00:00", false),
        at(5, "1999-01-01T00:00:00+00:00", true),
    ];
    let told: Vec<Entry> = serde_json::from_str(&Entry::list(list.iter())).unwrap();
    let mut ids: Vec<u64> = told.iter().map(|entry| entry.id).collect();
    assert!(told.is_sorted_by_key(|entry| (entry.created_at.clone(), entry.id)));
    assert_eq!((ids[0], ids[4]), (1, 5));
    ids.sort_unstable();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    assert!(told.iter().all(|entry| entry.created_at.starts_with("2026-11-23T0")));
}

#[derive(Clone, Debug)]
enum Happens {
    Add(bool),
    Remove(prop::sample::Index),
    Clear,
    Look,
    AddLate,
}

proptest! {
    #[test]
    fn as_long_as_it_is_watched_a_look_lists_exactly_what_is_there(
        happens in prop::collection::vec(prop_oneof![
            6 => any::<bool>().prop_map(Happens::Add),
            4 => any::<prop::sample::Index>().prop_map(Happens::Remove),
            1 => Just(Happens::Clear),
            3 => Just(Happens::Look),
            1 => Just(Happens::AddLate),
        ], 1..80),
    ) {
        let now = Instant::now();
        let (mut ledger, mut mail) = (Ledger::default(), Mail::default());
        ledger.watched();
        ledger.cleared();
        let mut told = Vec::new();
        for happens in happens.into_iter().chain([Happens::Look]) {
            match happens {
                Happens::Add(bad) => {
                    let id = mail.add(bad);
                    // The catcher says nothing of a bad one.
                    if !bad {
                        ledger.added(id);
                        told.push(id);
                    }
                }
                // Every socket tells of it, and one may be late.
                Happens::AddLate => if let Some(id) = told.last().filter(|id| mail.there.contains(id)) {
                    ledger.added(*id);
                },
                Happens::Remove(index) => if !mail.there.is_empty() {
                    let id = *index.get(&mail.there.iter().copied().collect::<Vec<_>>());
                    mail.there.remove(&id);
                    ledger.removed(id);
                },
                Happens::Clear => {
                    mail = Mail::default();
                    ledger.cleared();
                }
                Happens::Look => {
                    let (asked, step) = look(&mut ledger, &mail, now);
                    prop_assert!(asked <= MOST && step == Step::Done);
                    prop_assert_eq!(listed(&ledger), mail.there.iter().copied().collect::<Vec<_>>());
                    let bad: Vec<u64> = mail.bad.intersection(&mail.there).copied().collect();
                    prop_assert_eq!(ledger.bad().collect::<Vec<_>>(), bad);
                }
            }
        }
    }
}
