//! Who may try a password: counts wrong ones by where they come from, and says who has to wait. Decides and does nothing
//! else; the time is an argument.
//!
//! # The design
//!
//! Two counts, each of which forgives one wrong password a minute:
//!
//! - **by network and name.** From the sixth on, passwords for *that name from there* are not looked at: 429. A password
//!   is counted before its hash is computed, or a hundred at once would all be the first.
//! - **by network alone.** From the sixth wrong one on, whatever the names, a wrong password from there is answered with
//!   429 as well, each later than the one before, and passwords from there wait in a short queue of their own.
//!
//! A network is an IPv4 address or an IPv6 /64, of which each host has one to itself; IPv6 counts by /48 too, with a
//! limit of 40, since whoever has a /48 has 65536 of the others. Unix sockets and loopback are networks like any other.
//!
//! Behind a container engine's gateway everybody is one address, and so nothing shuts out an address: a right password
//! for a name that was not guessed at from there is verified, at its turn among those from the same place. (The queue
//! for them holds four, which somebody with many connections and new names can keep full; each of his answers is late,
//! so he needs more than thirty to do so against bcrypt of cost 12.)
//! What was right from a network lately (a week) is known by a keyed hash of name, password and stored hash; it passes
//! whatever the counts say, in front of everybody else. So guesses at a colleague's name do not shut him out. What is in
//! the cache of verified credentials never gets here at all. A right password takes back the one count that it took, and
//! no other.
//!
//! What this does not stop yet: both of these answer a right password at once where a wrong one is late or not looked at,
//! so whoever hangs up early can try the password of somebody who is logged in (from anywhere) or was lately (from the
//! same network) as fast as he can connect.
//!
//! The same wrong password again from the same network within a minute of the last time counts once: tabs and scripts
//! repeat themselves. It is verified again (only right ones are remembered as answers) and it is answered with 401 even
//! where a new one would get 429, since nobody learns anything from it: so a browser that holds a wrong password, and
//! would send it for ever without asking, asks for another one when its page is loaded again.
//!
//! | attack | what stops it |
//! |---|---|
//! | guessing at one name | five at once, then one a minute: 1440 a day from an address, and no more from a whole /48 |
//! | a password over many names | 429 and growing delays after five, and a queue of its own that holds four |
//! | a hundred guesses at the same moment | counted before they are looked at |
//! | hanging up before the answer | it counts as a wrong one |
//! | shutting others out | known passwords pass; other names pass; there is no count by name alone |
//! | pushing the own record out of the tables | the smallest penalty goes first: it takes 16 greater ones at the same, secret, place |
//! | memory | four tables of 65536 entries: 4 MiB in all, whatever comes |
//!
//! What it costs honest people: whoever mistypes waits longer each time, up to 0.8 s, and after five a minute for each
//! further try; who logs in for the first time from the very address from which somebody guesses at his name has to wait
//! until that ends, or come from another; and where a colleague guesses, a mistyped password shows a page that says to
//! reload, instead of the browser's question.

mod table;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::keyed::{ProcessKey, Purpose};
use crate::client_addr::Peer;
use table::{Key, Table};

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
/// Entries of each table.
const ENTRIES: usize = 1 << 16;

/// What is known of where guesses come from.
pub(super) struct Throttle {
    origin: Instant,
    networks: Table,
    pairs: Table,
    guesses: Table,
    known: Table,
}

/// One password for one name from one client, by keyed hashes.
pub(super) struct Attempt {
    /// From the narrowest to the widest.
    scopes: Vec<Scope>,
    guess: Key,
    known: Key,
}

#[derive(Clone, Copy)]
struct Scope {
    network: Key,
    pair: Key,
    limit: u64,
}

/// How an attempt is treated among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It was right lately: before everybody else.
    Known,
    /// Nothing speaks against it.
    Usual,
    /// It comes from where somebody guesses.
    Guessing,
}

/// Whether a password is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is, and this is to be handed back with the answer.
    Open(Ticket),
    /// It is not.
    Closed(Penalty),
}

/// What an attempt was admitted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) class: Class,
    /// Whether it is the first of its like, and so counts.
    counts: bool,
}

/// How a wrong password is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Penalty {
    /// By how much the answer is late.
    pub(super) delay: Duration,
    /// When to try again, if there were too many.
    pub(super) retry_after: Option<Duration>,
}

impl Attempt {
    /// `stored` is what the password is held against.
    pub(super) fn new(key: &ProcessKey, client: Peer, user: &[u8], password: &[u8], stored: &[u8]) -> Self {
        let scopes: Vec<Scope> = networks(client)
            .iter()
            .map(|(network, limit)| Scope {
                network: Key::new(key, Purpose::Network, &[network]),
                pair: Key::new(key, Purpose::Pair, &[network, user]),
                limit: *limit,
            })
            .collect();
        let network = networks(client).swap_remove(0).0;
        Self {
            scopes,
            guess: Key::new(key, Purpose::Guess, &[&network, user, password]),
            known: Key::new(key, Purpose::Known, &[&network, user, password, stored]),
        }
    }

    /// A name for where it comes from.
    pub(super) fn network(&self) -> u64 {
        self.scopes.first().map_or(0, |scope| scope.network.tag())
    }
}

/// The networks that a client belongs to, the narrowest first, with the limit of each.
fn networks(client: Peer) -> Vec<(Vec<u8>, u64)> {
    match client {
        Peer::Unix => vec![(b"unix".to_vec(), LIMIT)],
        Peer::Tcp(IpAddr::V4(ip)) => vec![(ip.octets().to_vec(), LIMIT)],
        Peer::Tcp(IpAddr::V6(ip)) => {
            let octets = ip.octets();
            vec![(octets[..8].to_vec(), LIMIT), (octets[..6].to_vec(), WIDE_LIMIT)]
        }
    }
}

impl Throttle {
    /// One that has seen nothing. No `now` may be before `origin`.
    pub(super) fn new(origin: Instant) -> Self {
        Self::with_entries(origin, ENTRIES)
    }

    /// The same with tables of another size.
    fn with_entries(origin: Instant, entries: usize) -> Self {
        let [networks, pairs, guesses, known] = [(); 4].map(|()| Table::new(entries));
        Self { origin, networks, pairs, guesses, known }
    }

    /// Says whether the password may be looked at, and counts it for its name.
    pub(super) fn admit(&mut self, attempt: &Attempt, now: Instant) -> Admission {
        let now = self.millis(now);
        if self.known.until(attempt.known) > now {
            return Admission::Open(Ticket { class: Class::Known, counts: false });
        }
        let guesses_too_much = |scope: &Scope| wait(self.networks.until(scope.network), scope.limit, now) > 0;
        let class = if attempt.scopes.iter().any(guesses_too_much) { Class::Guessing } else { Class::Usual };
        // One that comes again was let in before, and is right or wrong as it was then.
        let repeated = self.guesses.until(attempt.guess) > now;
        if !repeated {
            let waits = attempt.scopes.iter().map(|scope| wait(self.pairs.until(scope.pair), scope.limit, now));
            if let Some(wait @ 1..) = waits.max() {
                let delay = delay((self.count(attempt, now) + 1).max(LIMIT + 1));
                // A browser sends this password again when its page is loaded anew, and only then asks for another: the
                // wait is for both.
                return Admission::Closed(Penalty { delay, retry_after: Some(Duration::from_millis(wait + FORGIVEN)) });
            }
            for scope in &attempt.scopes {
                let until = self.pairs.until(scope.pair).max(now) + FORGIVEN;
                self.pairs.set(scope.pair, until);
            }
        }
        self.guesses.set(attempt.guess, now + REPEATED);
        Admission::Open(Ticket { class, counts: !repeated })
    }

    /// The password was right: it takes its count back and is known from now on.
    pub(super) fn right(&mut self, attempt: &Attempt, ticket: Ticket, now: Instant) {
        let now = self.millis(now);
        if ticket.counts {
            for scope in &attempt.scopes {
                let until = self.pairs.until(scope.pair);
                // One that has ended or was given up has nothing to take back.
                if until > now {
                    self.pairs.set(scope.pair, until.saturating_sub(FORGIVEN));
                }
            }
        }
        self.known.set(attempt.known, now + KNOWN);
    }

    /// The password was wrong, or nobody stayed to hear what it was.
    pub(super) fn wrong(&mut self, attempt: &Attempt, ticket: Ticket, now: Instant) -> Penalty {
        let now = self.millis(now);
        let mut too_many = 0;
        for scope in &attempt.scopes {
            let until = self.networks.until(scope.network);
            too_many = too_many.max(wait(until, scope.limit, now));
            if ticket.counts {
                let until = (until.max(now) + FORGIVEN).min(now + WORST * scope.limit * FORGIVEN);
                self.networks.set(scope.network, until);
            }
        }
        // The true wait is only for further wrong ones, and nobody knows beforehand: a minute is enough to think.
        let retry_after = (ticket.counts && too_many > 0).then(|| Duration::from_millis(too_many.min(FORGIVEN)));
        Penalty { delay: delay(self.count(attempt, now)), retry_after }
    }

    /// The queue for where it comes from was full, so the password was not looked at.
    pub(super) fn crowded_out(&self, attempt: &Attempt, now: Instant) -> Penalty {
        let count = self.count(attempt, self.millis(now));
        Penalty { delay: delay((count + 1).max(LIMIT + 1)), retry_after: Some(CROWDED) }
    }

    /// What the tables take at most, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        [&self.networks, &self.pairs, &self.guesses, &self.known].map(Table::bytes).iter().sum()
    }

    fn count(&self, attempt: &Attempt, now: u64) -> u64 {
        attempt.scopes.first().map_or(0, |scope| count(self.networks.until(scope.network), now))
    }

    fn millis(&self, now: Instant) -> u64 {
        // Half a billion years fit.
        now.saturating_duration_since(self.origin).as_millis() as u64
    }
}

/// When to come again after a queue that was full.
const CROWDED: Duration = Duration::from_secs(5);

/// How many wrong ones are not forgiven yet.
fn count(until: u64, now: u64) -> u64 {
    until.saturating_sub(now).div_ceil(FORGIVEN)
}

/// How long until there are fewer than `limit`.
fn wait(until: u64, limit: u64, now: u64) -> u64 {
    until.saturating_sub(now).saturating_sub((limit - 1) * FORGIVEN)
}

/// By how much the answer to the so-and-so-many-th wrong password is late: none, then 100 ms, and twice as much each
/// time, to 6.4 s: who guesses at many names over thirty connections is then about as fast as bcrypt of cost 12, and
/// leaves room for who comes from the same address.
fn delay(count: u64) -> Duration {
    match count {
        0 | 1 => Duration::ZERO,
        count => Duration::from_millis(100 << (count - 2).min(6)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
