//! What is counted: one password for one name from one client, by keyed hashes.

use super::super::keyed::{ProcessKey, Purpose};
use super::super::network::Network;
use super::table::Key;
use super::{LIMIT, WIDE_LIMIT};

/// So many may be in flight from a network before the others wait behind everybody else...
const AT_ONCE: u64 = LIMIT;
/// ...and so many from an IPv6 /48: fewer than may be wrong, since it refuses nobody.
const WIDE_AT_ONCE: u64 = 2 * LIMIT;

/// One password for one name from one client.
pub(in super::super) struct Attempt {
    /// From the narrowest to the widest.
    pub(super) scopes: Vec<Scope>,
    pub(super) guess: Key,
    pub(super) known: Key,
    /// The widest network, for the queue.
    turn: u64,
}

/// A network that the client is in, and the name in it.
#[derive(Clone, Copy)]
pub(super) struct Scope {
    pub(super) network: Key,
    pub(super) pair: Key,
    /// Wrong passwords that may come from it.
    pub(super) limit: u64,
    /// Passwords that may be in flight from it.
    pub(super) at_once: u64,
}

impl Scope {
    fn new(key: &ProcessKey, place: &[&[u8]], user: &[u8], limit: u64, at_once: u64) -> Self {
        let network = Key::new(key, Purpose::Network, place);
        let pair = Key::new(key, Purpose::Pair, &[place, &[user]].concat());
        Self { network, pair, limit, at_once }
    }
}

impl Attempt {
    /// `stored` is what the password is held against, and `exists` whether it is the user's own: it is also what others
    /// with the same line are held against, and what was wrong for a name that nobody has may be right once somebody has it.
    pub(in super::super) fn new(
        key: &ProcessKey,
        network: &Network,
        user: &[u8],
        password: &[u8],
        stored: &[u8],
        exists: bool,
    ) -> Self {
        let at = network.as_bytes();
        let mut scopes = vec![Scope::new(key, &[at], user, LIMIT, AT_ONCE)];
        if let Some(site) = network.site() {
            scopes.push(Scope::new(key, &[site], user, WIDE_LIMIT, WIDE_AT_ONCE));
        }
        Self {
            turn: scopes.last().map_or(0, |widest| widest.network.tag()),
            scopes,
            guess: Key::new(key, Purpose::Guess, &[at, user, password, stored, &[u8::from(exists)]]),
            known: Key::new(key, Purpose::Known, &[at, user, password, stored]),
        }
    }

    /// The same by somebody who shows a ticket of that user's: it is as if it came from a network that nobody else has.
    /// So guesses of others do not shut him out, and whoever has stolen the ticket guesses no faster with it.
    pub(in super::super) fn by_ticket(&self, key: &ProcessKey, network: &Network, user: &[u8], ticket: &[u8]) -> Self {
        let place = [network.as_bytes(), b"ticket", ticket];
        Self { scopes: vec![Scope::new(key, &place, user, LIMIT, AT_ONCE)], ..*self }
    }

    /// A name for the widest network that it comes from: those in it are served in one turn.
    pub(in super::super) fn turn(&self) -> u64 {
        self.turn
    }

    /// A name for the user's name there.
    pub(in super::super) fn name(&self) -> u64 {
        self.scopes.first().map_or(0, |scope| scope.pair.tag())
    }
}
