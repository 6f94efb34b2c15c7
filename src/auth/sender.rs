//! Who sends credentials: where he is, and what shows that he is no stranger while somebody guesses there.

use std::sync::atomic::{AtomicU64, Ordering};

use super::cache::CacheKey;
use super::users::User;
use crate::client_addr::Peer;

/// Where credentials come from, and what speaks for whoever sends them.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// The client, whose network is counted.
    pub client: Peer,
    /// What was right on the connection before.
    pub proven: Option<&'a Proven>,
    /// What else there is; looked at only while somebody guesses.
    pub evidence: Option<&'a dyn Evidence>,
}

/// A client of whom nothing else is known.
impl From<Peer> for Sender<'_> {
    fn from(client: Peer) -> Self {
        Self { client, proven: None, evidence: None }
    }
}

impl Sender<'_> {
    /// Whether the very same was right on this connection before, and nobody else sends on it.
    pub(super) fn has_proven(&self, key: &CacheKey) -> bool {
        self.proven.is_some_and(|proven| proven.is(key)) && self.evidence.is_some_and(Evidence::is_alone)
    }

    /// Notes that it was right, for the next time.
    pub(super) fn proves(&self, key: &CacheKey) {
        if let Some(proven) = self.proven {
            proven.note(key);
        }
    }

    /// Something else than what was right on this connection came on it.
    pub(super) fn disproves(&self) {
        if let Some(proven) = self.proven {
            proven.0.store(0, Ordering::Relaxed);
        }
    }

    /// The ticket that he shows, if it is good and `user`'s.
    pub(super) fn ticket(&self, user: &User) -> Option<Vec<u8>> {
        self.evidence?.ticket(user)
    }
}

/// What a request shows beside the credentials. It may cost something.
pub trait Evidence: Sync {
    /// Whether whoever is at the other end of the connection is the client, and no proxy that others use too.
    fn is_alone(&self) -> bool;

    /// What names the ticket of `user`'s that it holds, if that is good here and now.
    fn ticket(&self, user: &User) -> Option<Vec<u8>>;
}

/// What was right on a connection last, by a keyed hash; 0 for nothing. It opens nothing by itself: it has to be
/// remembered still.
#[derive(Debug, Default)]
pub struct Proven(AtomicU64);

impl Proven {
    fn is(&self, key: &CacheKey) -> bool {
        let noted = self.0.load(Ordering::Relaxed);
        noted != 0 && noted == key.tag()
    }

    fn note(&self, key: &CacheKey) {
        if !self.is(key) {
            self.0.store(key.tag(), Ordering::Relaxed);
        }
    }
}
