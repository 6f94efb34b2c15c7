//! What is counted, and what follows from the counts. All times are milliseconds of the throttle's clock.

use std::time::Duration;

use super::attempt::{Attempt, Scope};
use super::in_flight::InFlight;
use super::table::{Key, Table};
use super::{Class, FORGIVEN, LATE_LOOKS, LIMIT, LOOK, LOOKS, Leaves, Penalty, REPEATED, Ticket, WORST};

/// The tables. An entry's end says its count: each one that is counted moves it on by what it takes to be forgiven.
pub(super) struct Counts {
    networks: Table,
    pub(super) pairs: Table,
    /// Four times the end, and what became of the password.
    guesses: Table,
    pub(super) known: Table,
    looks: Table,
    late_looks: Table,
    pub(super) in_flight: InFlight,
}

/// Whether the same password came for the same name from the same network within the last minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// It did not.
    Never,
    /// It did, and there is no answer yet, or nobody stayed to hear it.
    Unjudged,
    /// It did, found no place in the queue, and was answered as if it had been wrong.
    Refused,
    /// It did, and was wrong.
    Wrong,
}

/// What is known of where an attempt comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Nothing.
    Calm,
    /// Many are in flight from there.
    Crowded,
    /// Somebody guesses there.
    Guessing,
}

/// When it is that a look is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// When a password comes.
    Early,
    /// When its refusal would leave.
    Late,
}

impl Counts {
    /// Nothing yet, in tables of these sizes.
    pub(super) fn new(entries: usize, look_entries: usize) -> Self {
        let [networks, pairs, guesses, known] = [(); 4].map(|()| Table::new(entries));
        let [looks, late_looks] = [(); 2].map(|()| Table::new(look_entries));
        Self { networks, pairs, guesses, known, looks, late_looks, in_flight: InFlight::default() }
    }

    /// What the tables take at most, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let tables = [&self.networks, &self.pairs, &self.guesses, &self.known, &self.looks, &self.late_looks];
        tables.map(Table::bytes).iter().sum()
    }

    /// For how long the pair is closed; 0 if it is open.
    pub(super) fn closed_for(&self, attempt: &Attempt, now: u64) -> u64 {
        attempt.scopes.iter().map(|scope| wait(self.pairs.until(scope.pair), scope.limit, now)).max().unwrap_or(0)
    }

    pub(super) fn place(&self, attempt: &Attempt, now: u64) -> Place {
        let guessing = |scope: &Scope| wait(self.networks.until(scope.network), scope.limit, now) > 0;
        let crowd = |scope: &Scope| {
            let in_flight = self.in_flight.count(scope.network);
            in_flight >= scope.at_once || in_flight + count(self.networks.until(scope.network), now) >= scope.limit
        };
        if attempt.scopes.iter().any(guessing) {
            Place::Guessing
        } else if attempt.scopes.iter().any(crowd) {
            Place::Crowded
        } else {
            Place::Calm
        }
    }

    /// What was sent before and nobody has waited for goes behind the others: it costs a hash and is not counted.
    pub(super) fn class(place: Place, exists: bool, before: Before) -> Class {
        match (place, before) {
            (Place::Guessing, Before::Never | Before::Refused) if exists => Class::Guessing,
            (Place::Guessing, _) => Class::Last,
            (_, Before::Unjudged) => Class::Guessing,
            (Place::Crowded, _) => Class::Crowd,
            (Place::Calm, _) => Class::Usual,
        }
    }

    pub(super) fn before(&self, attempt: &Attempt, now: u64) -> Before {
        match self.guesses.until(attempt.guess) {
            entry if entry / 4 <= now => Before::Never,
            entry => match entry % 4 {
                0 => Before::Unjudged,
                1 => Before::Refused,
                _ => Before::Wrong,
            },
        }
    }

    /// Notes what became of the password. Its minute begins when it comes, and once more when the first of its like is
    /// judged; those that come within it do not prolong it.
    pub(super) fn note(&mut self, attempt: &Attempt, what: Before, is_first: bool, now: u64) {
        let until = if is_first { now + REPEATED } else { self.guesses.until(attempt.guess) / 4 };
        let code = match what {
            Before::Never | Before::Unjudged => 0,
            Before::Refused => 1,
            Before::Wrong => 2,
        };
        if until > now {
            self.guesses.set(attempt.guess, 4 * until + code);
        }
    }

    /// Forgets that the password came.
    pub(super) fn forget(&mut self, attempt: &Attempt, now: u64) {
        if self.before(attempt, now) != Before::Never {
            self.guesses.set(attempt.guess, 4 * now);
        }
    }

    /// Counts a wrong password for where it came from; it is in flight no more.
    pub(super) fn add(&mut self, attempt: &Attempt, ticket: Ticket, now: u64) {
        for scope in attempt.scopes.iter().filter(|_| ticket.counts) {
            let until = self.networks.until(scope.network).max(now) + FORGIVEN;
            self.networks.set(scope.network, until.min(now + WORST * scope.limit * FORGIVEN));
            self.in_flight.end(scope.network);
        }
    }

    /// Takes a look at what is remembered, if there is one left.
    pub(super) fn take_look(&mut self, attempt: &Attempt, look: Look, now: u64) -> bool {
        let Some(scope) = attempt.scopes.first() else { return false };
        let (table, free) = self.looks(look);
        let until = table.until(scope.pair).max(now) + LOOK;
        let left = until <= now + free * LOOK;
        if left {
            table.set(scope.pair, until);
        }
        left
    }

    pub(super) fn give_look_back(&mut self, attempt: &Attempt, look: Look, now: u64) {
        if let Some(scope) = attempt.scopes.first() {
            give_back(self.looks(look).0, scope.pair, LOOK, now);
        }
    }

    fn looks(&mut self, look: Look) -> (&mut Table, u64) {
        match look {
            Look::Early => (&mut self.looks, LOOKS),
            Look::Late => (&mut self.late_looks, LATE_LOOKS),
        }
    }

    /// By how much the answer is late where nothing is looked at.
    pub(super) fn delay_of_closed(&self, attempt: &Attempt, now: u64) -> Duration {
        let used = attempt.scopes.first().map_or(0, |scope| self.looks.until(scope.pair).saturating_sub(now));
        if used > LOOKS / 2 * LOOK { LONGEST } else { delay((self.severity(attempt, now) + 1).max(LIMIT + 1)) }
    }

    /// How long after its arrival the answer to what was wrong a moment ago leaves.
    pub(super) fn delay_of_repeated(&self, attempt: &Attempt, place: Place, now: u64) -> Duration {
        if place > Place::Calm { self.delay_of_crowd(attempt, now) } else { delay(self.severity(attempt, now)) }
    }

    /// How long after its arrival a refusal leaves where there is a queue.
    pub(super) fn delay_of_crowd(&self, attempt: &Attempt, now: u64) -> Duration {
        delay((self.crowd(attempt, now) + 1).max(LIMIT + 1))
    }

    /// Takes back that an attempt was counted and is in flight.
    pub(super) fn take_back(&mut self, attempt: &Attempt, now: u64) {
        for scope in &attempt.scopes {
            give_back(&mut self.pairs, scope.pair, FORGIVEN, now);
            self.in_flight.end(scope.network);
        }
    }

    pub(super) fn penalty(
        &self,
        attempt: &Attempt,
        ticket: Ticket,
        retry_after: Option<Duration>,
        now: u64,
    ) -> Penalty {
        let by_count = || Leaves::FromNow(delay(self.severity(attempt, now)));
        Penalty { leaves: ticket.leaves.map_or_else(by_count, Leaves::FromArrival), retry_after }
    }

    pub(super) fn retry_after(&self, attempt: &Attempt, ticket: Ticket, now: u64) -> Option<Duration> {
        self.too_many(attempt, now).or(ticket.too_many).filter(|_| ticket.counts)
    }

    /// When to try again where somebody guesses.
    pub(super) fn too_many(&self, attempt: &Attempt, now: u64) -> Option<Duration> {
        let waits = attempt.scopes.iter().map(|scope| wait(self.networks.until(scope.network), scope.limit, now));
        // The true wait is only for further wrong ones, and nobody knows beforehand: a minute is enough to think.
        waits.max().filter(|wait| *wait > 0).map(|wait| Duration::from_millis(wait.min(FORGIVEN)))
    }

    /// How many wrong ones are not forgiven yet, where there are most by what is allowed.
    fn severity(&self, attempt: &Attempt, now: u64) -> u64 {
        self.worst(attempt, |scope| count(self.networks.until(scope.network), now))
    }

    /// The same with those in flight.
    fn crowd(&self, attempt: &Attempt, now: u64) -> u64 {
        self.worst(attempt, |scope| {
            count(self.networks.until(scope.network), now) + self.in_flight.count(scope.network)
        })
    }

    fn worst(&self, attempt: &Attempt, counted: impl Fn(&Scope) -> u64) -> u64 {
        let counts = attempt.scopes.iter().map(|scope| counted(scope).saturating_sub(scope.limit - LIMIT));
        counts.max().unwrap_or(0)
    }
}

/// Takes `what` back from an entry. One that has ended or was given up has nothing to take back.
fn give_back(table: &mut Table, key: Key, what: u64, now: u64) {
    let until = table.until(key);
    if until > now {
        table.set(key, until.saturating_sub(what));
    }
}

/// How many wrong ones are not forgiven yet.
fn count(until: u64, now: u64) -> u64 {
    until.saturating_sub(now).div_ceil(FORGIVEN)
}

/// How long until there are fewer than `limit`.
fn wait(until: u64, limit: u64, now: u64) -> u64 {
    until.saturating_sub(now).saturating_sub((limit - 1) * FORGIVEN)
}

/// The longest that an answer is late. Who guesses at many names over thirty connections is then about as fast as bcrypt
/// of cost 12.
pub(in super::super) const LONGEST: Duration = Duration::from_millis(6_400);

/// By how much the answer to the so-and-so-many-th wrong password is late: none, then 100 ms, and twice as much each
/// time, to 6.4 s.
pub(super) fn delay(count: u64) -> Duration {
    match count {
        0 | 1 => Duration::ZERO,
        count => Duration::from_millis(100 << (count - 2).min(6)).min(LONGEST),
    }
}
