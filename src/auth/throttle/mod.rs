//! Who may try a password: counts wrong ones by where they come from, and says who has to wait. Decides and does nothing
//! else; the time is an argument.
//!
//! # The design
//!
//! Two counts, each of which forgives one wrong password a minute:
//!
//! - **by network and name.** From the sixth on, the *pair* of that name and that network is closed: 429, without a hash.
//!   A password is counted before its hash is computed, or a hundred at once would all be the first. One that was not
//!   looked at after all takes its count back.
//! - **by network alone.** From the sixth wrong one on, whatever the names, a wrong password from there is answered with
//!   429 as well, each later than the one before, and passwords from there wait behind everybody else's.
//!
//! A network is an IPv4 address or an IPv6 /64, of which each host has one to itself; IPv6 counts by /48 too, with a
//! limit of 40, since whoever has a /48 has 65536 of the others. Unix sockets and loopback are networks like any other.
//!
//! What was right is known by keyed hashes with the network in them: for an hour in the cache of verified credentials,
//! for a week here. Both answer without a count, so each is an oracle for whoever is in the same network, and for nobody
//! else. While a pair is open a guess that finds nothing there is counted like any other. While it is closed,
//! **looks** are counted: twenty at once, ten a minute, when passwords come. One that finds what it looks for gives
//! itself back. Half of them gone, refusals leave after 6.4 s, so that who guesses over one connection never uses them
//! up. When none is left, a password waits as a refusal would, and is looked for when it would leave, by looks of
//! another kind: a hundred at once, ten a minute. Who hangs up before has learnt nothing and used none of those; so where
//! somebody hangs up all the time a colleague is let in some seconds late, and only many who wait as he does shut him out.
//!
//! Two things show that somebody is no stranger, and need no look:
//!
//! - the **connection** on which this very password was right before (and on which no proxy sends for others);
//! - a **ticket** of that user's (see `session::ticket`): it is a network of its own, with counts of its own.
//!
//! Passwords **in flight** count like wrong ones where it is decided who goes first, and never where it is decided who is
//! refused: twenty people who come to work at nine through one gateway are served in turn. See [`Class`].
//!
//! Where somebody guesses, names that exist go first in the queue, and so nothing may show who went: refusals leave at a
//! moment that is fixed at the arrival, whether or not a hash was computed and when; only then they are counted, as wrong
//! ones, also those that found no place; and what is said does not depend on it. Where many are merely in flight, all
//! names are alike: they wait in turn, without a limit, and who finds no place asks again for 6.4 s. When it turns out
//! meanwhile that somebody guesses there, whoever is not right leaves at a multiple of 6.4 s after his own arrival.
//!
//! The same wrong password again from the same network within a minute counts once: tabs and scripts repeat themselves. It
//! is answered with 401 and without a hash, for names that nobody has too, as late as any other; also where a new one
//! would get 429, since nobody learns anything from it: so a browser that holds a wrong password, and would send it for
//! ever without asking, asks for another one when its page is loaded again. Those that come again do not prolong the
//! minute: after it the next one is hashed and counted. With another stored hash, or when the name is somebody's now, it is
//! another password. One that comes again before it was judged counts once too (the requests of a page), but it may be
//! right: where the pair is closed it takes a look. Since it may cost a hash (of who hangs up each time) it waits behind
//! all that are new.
//!
//! | attack | what stops it |
//! |---|---|
//! | guessing at one name | five at once, then one a minute: 1440 a day from an address, and no more from a whole /48 |
//! | trying a password that is remembered, hanging up before the refusal | nothing is remembered elsewhere; from the same network 20 at once, 100 that wait for seconds, then ten a minute of each |
//! | a password over many names | 429 and growing delays after five, and the last place in the queue |
//! | a hundred guesses at the same moment | counted before they are looked at, and in flight |
//! | hanging up before the answer | it counts as a wrong one, and takes no look from those who wait |
//! | keeping the threads busy with the same wrong ones | they cost no hash, or wait behind all that are new |
//! | filling the queue from many subnets | a /48 has one turn, and all who guess have a quarter of the places |
//! | filling it with names that nobody has | names that exist go first, and take their places |
//! | telling by time which names those are | refusals leave at a moment fixed at the arrival; in a mere crowd all names are alike |
//! | shutting others out | known passwords pass; other names pass; there is no count by name alone |
//! | a stolen ticket | five guesses, then one a minute, for its five minutes |
//! | pushing the own record out of the tables | the smallest penalty goes first: it takes 16 greater ones at the same, secret, place |
//! | memory | six tables, 4.5 MiB in all, whatever comes |
//!
//! What it costs honest people: whoever mistypes waits longer each time, up to 0.8 s, and after five a minute for each
//! further try; who logs in for the first time from the very address from which somebody guesses at his name has to wait
//! until that ends, or come from another. Who was right from there before comes 6.4 s late on a new connection and
//! without a ticket while somebody guesses there and hangs up, and is refused only while many wait for their refusals.
//! Where a colleague guesses, a mistyped password shows a page that says to reload, instead of the browser's question.
//! Where a crowd turns out to guess, who has not had his turn after 6.4 s is refused, right or not: with a slow hash and one
//! thread that may be some of those who came in it.
//!
//! What it does not stop: somebody with addresses in hundreds of networks has five tries at each name from each, and can
//! keep the queue full with them.

mod attempt;
mod counts;
mod in_flight;
mod table;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub(super) use attempt::Attempt;
pub(super) use counts::LONGEST;
use counts::{Before, Counts, Look, Place};

/// Wrong passwords from one network that get 401.
const LIMIT: u64 = 5;
/// The same for an IPv6 /48.
const WIDE_LIMIT: u64 = 40;
/// One wrong password is forgiven after so long; in milliseconds, as everything in the tables.
const FORGIVEN: u64 = 60_000;
/// For so long a wrong password that comes again is the same one.
const REPEATED: u64 = 60_000;
/// For so long a right password is known where it came from.
const KNOWN: u64 = 7 * 24 * 3_600_000;
/// A network's count goes no higher than this many times its limit: a quarter of an hour and it is as good as new.
const WORST: u64 = 3;
/// So many looks at what is remembered are free for a closed pair when a password comes...
const LOOKS: u64 = 20;
/// ...so many for those who have waited until their refusals leave...
const LATE_LOOKS: u64 = 100;
/// ...and one more of each after so long.
const LOOK: u64 = 6_000;
/// Entries of each table...
const ENTRIES: usize = 1 << 16;
/// ...but for that of looks: only closed pairs are in it.
const LOOK_ENTRIES: usize = 1 << 14;

/// What is known of where guesses come from.
pub(super) struct Throttle {
    origin: Instant,
    /// No pair is closed after this moment: so that, as long as nobody guesses, nobody takes the lock.
    closed_until: AtomicU64,
    counts: Mutex<Counts>,
}

/// How an attempt is treated among those that wait: the first before the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// It was right lately.
    Known,
    /// Nothing speaks against it.
    Usual,
    /// Many are in flight from there, and nobody is known to guess. It is the same for all names.
    Crowd,
    /// Somebody guesses there; the name exists, and this password for it is new. Or nobody guesses there, and nobody
    /// waited for the answer when it came before.
    Guessing,
    /// Somebody guesses there, and it cannot be a first right one: nobody has that name, or it came just now.
    Last,
}

/// What speaks for an attempt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Whether there is a user of that name.
    pub(super) exists: bool,
    /// Whether the very same was right on this connection before.
    pub(super) proven: bool,
    /// Whether it has waited until its refusal would leave.
    pub(super) waited: bool,
}

/// Whether a password is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is remembered as right.
    Right,
    /// It is to be verified, and this to be handed back with the answer.
    Open(Ticket),
    /// It was wrong a moment ago, and so it is now.
    Wrong(Penalty),
    /// It is not looked at. It was looked for among what is remembered, and is not there.
    Closed(Penalty),
    /// It was not even looked for; to be asked again when the refusal would leave.
    Unseen(Penalty),
}

/// What an attempt was admitted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) class: Class,
    /// How long after the arrival a refusal leaves, at the earliest; none if by the count.
    leaves: Option<Duration>,
    /// When to try again, where somebody guesses. Refusals then leave at that moment, and not later.
    too_many: Option<Duration>,
    /// Whether it is the first of its like, and so counts.
    counts: bool,
    /// The look that it took, and gives back if it is right.
    looked: Option<Look>,
}

impl Ticket {
    /// How long after its arrival it is refused if there is no answer then.
    pub(super) fn patience(&self) -> Option<Duration> {
        // Those who come together, and of whom none was wrong, all have their turn.
        self.leaves.filter(|_| self.too_many.is_some())
    }

    /// Whether it is one of many, and nobody is known to guess.
    pub(super) fn is_in_a_crowd(&self) -> bool {
        self.leaves.is_some() && self.too_many.is_none()
    }
}

/// How a wrong password is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Penalty {
    /// When the answer leaves.
    pub(super) leaves: Leaves,
    /// When to try again, if there were too many.
    pub(super) retry_after: Option<Duration>,
}

/// When an answer leaves, at the earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    /// So long after it is known.
    FromNow(Duration),
    /// So long after its request came.
    FromArrival(Duration),
}

impl Throttle {
    /// One that has seen nothing. No `now` may be before `origin`.
    pub(super) fn new(origin: Instant) -> Self {
        Self::with_entries(origin, ENTRIES, LOOK_ENTRIES)
    }

    /// The same with tables of another size.
    fn with_entries(origin: Instant, entries: usize, look_entries: usize) -> Self {
        let counts = Mutex::new(Counts::new(entries, look_entries));
        Self { origin, closed_until: AtomicU64::new(0), counts }
    }

    /// Whether there may be a closed pair anywhere. Takes no lock.
    pub(super) fn is_guarded(&self, now: Instant) -> bool {
        let until = self.closed_until.load(Ordering::Relaxed);
        until > 0 && until > self.millis(now)
    }

    /// Whether the pair is closed.
    pub(super) fn is_closed(&self, attempt: &Attempt, now: Instant) -> bool {
        self.counts().closed_for(attempt, self.millis(now)) > 0
    }

    /// Says whether the password may be looked at, and counts it for its name. `is_remembered` says whether it was
    /// verified before; it is asked only where that may be told.
    pub(super) fn admit(
        &self,
        attempt: &Attempt,
        standing: Standing,
        is_remembered: impl FnOnce() -> bool,
        now: Instant,
    ) -> Admission {
        let now = self.millis(now);
        let mut counts = self.counts();
        let closed_for = counts.closed_for(attempt, now);
        let before = counts.before(attempt, now);
        // One that was wrong a moment ago is wrong again, and shows nobody anything.
        let is_closed = closed_for > 0 && !matches!(before, Before::Wrong | Before::Refused);
        let look = if standing.waited { Look::Late } else { Look::Early };
        let looks = is_closed && !standing.proven;
        let penalty = |counts: &Counts| {
            // A browser sends this password again when its page is loaded anew, and only then asks for another: the wait
            // is for both.
            let retry_after = Some(Duration::from_millis(closed_for + FORGIVEN));
            Penalty { leaves: Leaves::FromArrival(counts.delay_of_closed(attempt, now)), retry_after }
        };
        if looks && !counts.take_look(attempt, look, now) {
            return Admission::Unseen(penalty(&counts));
        }
        let is_right = is_remembered();
        let is_known = is_right || counts.known.until(attempt.known) > now;
        if is_known {
            if looks {
                counts.give_look_back(attempt, look, now);
            }
            let ticket = Ticket { class: Class::Known, leaves: None, too_many: None, counts: false, looked: None };
            return if is_right { Admission::Right } else { Admission::Open(ticket) };
        }
        let repeated = before != Before::Never;
        if is_closed && !repeated {
            return Admission::Closed(penalty(&counts));
        }
        let place = counts.place(attempt, now);
        if before == Before::Wrong {
            let leaves = Leaves::FromArrival(counts.delay_of_repeated(attempt, place, now));
            return Admission::Wrong(Penalty { leaves, retry_after: None });
        }
        let class = Counts::class(place, standing.exists, before);
        let leaves = (place > Place::Calm).then(|| counts.delay_of_crowd(attempt, now));
        let too_many = counts.too_many(attempt, now);
        if !repeated {
            for scope in &attempt.scopes {
                let until = counts.pairs.until(scope.pair).max(now) + FORGIVEN;
                counts.pairs.set(scope.pair, until);
                self.closed_until.fetch_max(until.saturating_sub((scope.limit - 1) * FORGIVEN), Ordering::Relaxed);
                counts.in_flight.begin(scope.network);
            }
        }
        if !repeated {
            counts.note(attempt, Before::Unjudged, true, now);
        }
        Admission::Open(Ticket { class, leaves, too_many, counts: !repeated, looked: looks.then_some(look) })
    }

    /// How an attempt that came with a crowd is treated by now, if it turned out that somebody guesses there.
    pub(super) fn class_by_now(&self, attempt: &Attempt, exists: bool, now: Instant) -> Option<Class> {
        let place = self.counts().place(attempt, self.millis(now));
        (place == Place::Guessing).then(|| Counts::class(place, exists, Before::Never))
    }

    /// The password was right: it takes its count back and is known from now on.
    pub(super) fn right(&self, attempt: &Attempt, ticket: Ticket, now: Instant) {
        let now = self.millis(now);
        let mut counts = self.counts();
        if ticket.counts {
            counts.take_back(attempt, now);
        }
        if let Some(look) = ticket.looked {
            counts.give_look_back(attempt, look, now);
        }
        counts.forget(attempt, now);
        counts.known.set(attempt.known, now + KNOWN);
    }

    /// The password was not looked at: it takes its count back, and is none that was tried.
    pub(super) fn unseen(&self, attempt: &Attempt, ticket: Ticket, now: Instant) {
        let now = self.millis(now);
        let mut counts = self.counts();
        if ticket.counts {
            counts.take_back(attempt, now);
            counts.forget(attempt, now);
        }
    }

    /// The password was wrong.
    pub(super) fn wrong(&self, attempt: &Attempt, ticket: Ticket, now: Instant) -> Penalty {
        let now = self.millis(now);
        let mut counts = self.counts();
        counts.note(attempt, Before::Wrong, ticket.counts, now);
        let retry_after = counts.retry_after(attempt, ticket, now);
        counts.add(attempt, ticket, now);
        counts.penalty(attempt, ticket, retry_after, now)
    }

    /// There was no place for the password where somebody guesses. It counts as a wrong one, as that of a name that nobody
    /// has does, or the counts would tell them apart; but it may be right when it comes again.
    pub(super) fn refused(&self, attempt: &Attempt, ticket: Ticket, now: Instant) -> Penalty {
        let now = self.millis(now);
        let mut counts = self.counts();
        counts.note(attempt, Before::Refused, ticket.counts, now);
        let retry_after = counts.retry_after(attempt, ticket, now);
        counts.add(attempt, ticket, now);
        counts.penalty(attempt, ticket, retry_after, now)
    }

    /// Nobody stayed to hear what the password was: it counts as a wrong one, and may have been right.
    pub(super) fn gone(&self, attempt: &Attempt, ticket: Ticket, now: Instant) {
        self.counts().add(attempt, ticket, self.millis(now));
    }

    /// When to try again, if there are too many wrong ones by now: for answers that leave at a fixed moment, so that what
    /// they say does not depend on when a hash was computed either.
    pub(super) fn retry_after(&self, attempt: &Attempt, ticket: Ticket, now: Instant) -> Option<Duration> {
        self.counts().retry_after(attempt, ticket, self.millis(now))
    }

    /// What the tables take at most, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.counts().bytes()
    }

    /// Whether nothing is in flight.
    #[cfg(test)]
    pub(super) fn is_quiet(&self) -> bool {
        self.counts().in_flight.is_empty()
    }

    fn millis(&self, now: Instant) -> u64 {
        // Half a billion years fit.
        now.saturating_duration_since(self.origin).as_millis() as u64
    }

    /// Nothing that can panic happens under the lock.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
