//! What the catcher's list would say, remembered while the list itself fails. Nothing here does I/O, and the time is an
//! argument.
//!
//! Ids ascend without gaps but for what was deleted, and a new mail always gets one more than the highest that is there.
//! So a look asks downward from the highest id that was ever heard of, then upward until nothing comes any more; the next
//! one goes on from there, as long as every removal was seen on a socket, and begins anew after it was not, once a minute
//! at most.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::entry::Entry;

/// The most ids that one look asks about.
pub(crate) const MOST: usize = 5_000;

/// How much text the entries of one look may have in all before they are cut short, in bytes: 800 for each of the most.
const TEXT: usize = 4 << 20;

/// The least time between two looks at everything.
pub(crate) const BETWEEN: Duration = Duration::from_secs(60);

/// How many ids in a row have nothing before a look ends, above an id that is known to have existed.
const GAP: usize = 32;

/// The same when nothing is known.
const GAP_IN_THE_DARK: usize = 200;

/// How many in a row below mean that there is nothing further down either: what is old goes first.
const BOTTOM: usize = 500;

/// What is known of the messages.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<u64, Entry>,
    /// Whether these are all, up to the highest of them. An id above that one may be used again.
    whole: bool,
    /// The highest id that was heard of.
    highest: u64,
    /// When everything was looked at last.
    looked: Option<Instant>,
    /// Whether a removal may have been missed since.
    stale: bool,
    /// How many sockets see the catcher's events.
    watchers: usize,
    /// Changes when all that was known is void.
    generation: u64,
    /// What was removed since the last look began; none when that has ended.
    removed: Option<HashSet<u64>>,
}

/// What a failed list calls for.
#[derive(Debug)]
pub(crate) enum Plan {
    /// A look.
    Look(Look),
    /// Nothing yet: the last look at everything came to no end, and was a moment ago.
    TooSoon,
}

/// A look at the messages, id by id.
#[derive(Debug)]
pub(crate) struct Look {
    generation: u64,
    /// Whether it looks at everything.
    whole: bool,
    upward: bool,
    next: u64,
    /// Where the way up begins.
    top: u64,
    /// How far up it has to go at least.
    at_least: u64,
    asked: usize,
    /// How much text its entries may have before they are cut short, in bytes.
    pub(crate) room: usize,
    /// How many in a row had nothing.
    misses: usize,
    found: bool,
}

/// The next step of a look.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask about this id.
    Ask(u64),
    /// That was all.
    Done,
    /// There may be more than may be asked about.
    OutOfBounds,
}

impl Ledger {
    /// A socket sees the catcher's events from now on.
    pub(crate) fn watched(&mut self) {
        self.watchers += 1;
    }

    /// A socket does not any more.
    pub(crate) fn unwatched(&mut self) {
        self.watchers = self.watchers.saturating_sub(1);
        self.stale |= self.watchers == 0;
    }

    /// This id exists.
    pub(crate) fn seen(&mut self, id: u64) {
        self.highest = self.highest.max(id);
    }

    /// A mail came, so its id is the highest: what is known of it and above was another's.
    pub(crate) fn added(&mut self, id: u64) {
        self.highest = id;
        self.entries.split_off(&id);
    }

    /// A mail is gone. If it was the newest, the next one gets its id.
    pub(crate) fn removed(&mut self, id: u64) {
        self.entries.remove(&id);
        if let Some(removed) = &mut self.removed {
            removed.insert(id);
            if removed.len() > MOST {
                // Nobody looks any more, or what is seen is not worth much.
                self.void();
            }
        }
        if self.highest == id {
            self.highest = if self.whole { self.last() } else { id.saturating_sub(1) };
        }
    }

    /// The highest id that has an entry.
    fn last(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(id, _)| *id)
    }

    /// All are gone, and ids begin at 1 again.
    pub(crate) fn cleared(&mut self) {
        self.void();
        self.whole = true;
        self.stale = self.watchers == 0;
    }

    /// The catcher is gone; another one may come, with nothing in it.
    pub(crate) fn lost(&mut self) {
        self.void();
        self.looked = None;
    }

    fn void(&mut self) {
        self.entries.clear();
        self.removed = None;
        self.whole = false;
        self.highest = 0;
        self.generation += 1;
    }

    /// The list did not fail: whatever was wrong is gone.
    pub(crate) fn list_is_well(&mut self) {
        if !self.entries.is_empty() {
            self.entries.retain(|_, entry| !entry.bad);
        }
    }

    /// What a list that failed calls for. Looks do not overlap.
    pub(crate) fn plan(&mut self, now: Instant) -> Plan {
        let lately = self.looked.is_some_and(|looked| now < looked + BETWEEN);
        if self.entries.len() > MOST * 2 {
            // As much as two looks may find has come since.
            self.entries.retain(|_, entry| entry.bad);
            self.whole = false;
        }
        self.removed = Some(HashSet::new());
        let look = |whole, upward, next, top, at_least| {
            let generation = self.generation;
            Look { generation, whole, upward, next, top, at_least, asked: 0, room: TEXT, misses: 0, found: false }
        };
        let last = self.last();
        if self.whole && (!self.stale || lately) {
            return Plan::Look(look(false, true, last + 1, last, self.highest));
        }
        if lately {
            return Plan::TooSoon;
        }
        let highest = self.highest.max(last);
        let look = look(true, highest == 0, highest.max(1), highest, highest);
        self.looked = Some(now);
        self.whole = false;
        self.entries.clear();
        Plan::Look(look)
    }

    /// What `look` found at `id`. Whether it is still of use.
    pub(crate) fn tell(&mut self, look: &mut Look, id: u64, entry: Option<Entry>) -> bool {
        if look.generation != self.generation {
            return false;
        }
        match entry {
            None => look.misses += 1,
            Some(entry) => {
                look.misses = 0;
                look.found = true;
                if !self.removed.as_ref().is_some_and(|removed| removed.contains(&id)) {
                    self.highest = self.highest.max(id);
                    self.entries.insert(id, entry);
                }
            }
        }
        true
    }

    /// A look came to its end.
    pub(crate) fn done(&mut self, look: &Look) {
        if look.generation != self.generation {
            return;
        }
        self.whole = true;
        self.removed = None;
        if look.whole {
            self.stale = self.watchers == 0;
        }
    }

    /// The messages that the catcher cannot list.
    pub(crate) fn bad(&self) -> impl Iterator<Item = u64> {
        self.entries.values().filter(|entry| entry.bad).map(|entry| entry.id)
    }

    /// All of them, as [`Entry::list`] puts them together.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.values()
    }
}

impl Look {
    /// The next step.
    pub(crate) fn step(&mut self) -> Step {
        if !self.upward {
            let out_of_bounds = self.asked >= MOST - GAP;
            if out_of_bounds && self.misses < BOTTOM && self.next > 0 {
                return Step::OutOfBounds;
            }
            if self.next == 0 || out_of_bounds {
                self.upward = true;
                self.next = self.top + 1;
                self.misses = 0;
            }
        }
        if self.upward {
            let in_the_dark = self.whole && self.top == 0;
            let gap = if in_the_dark { GAP_IN_THE_DARK } else { GAP };
            if self.misses >= gap && self.next > self.at_least && (self.found || !in_the_dark) {
                return Step::Done;
            }
        }
        if self.asked >= MOST {
            return Step::OutOfBounds;
        }
        self.asked += 1;
        let id = self.next;
        self.next = if self.upward { id + 1 } else { id - 1 };
        Step::Ask(id)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#[path = "ledger_tests.rs"]
mod tests;
