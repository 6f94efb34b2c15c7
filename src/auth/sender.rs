//! Who sends credentials: where he is, and what shows that he is no stranger while somebody guesses there.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::cache::CacheKey;
use super::network::Network;
use super::users::{User, Users};
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
            proven.tag.store(0, Ordering::Relaxed);
            *proven.spelled() = None;
        }
    }

    /// Notes how what was right was spelled, for the next time.
    pub(super) fn spelled(&self, line: &[u8], network: Network, user: &Arc<User>, key: CacheKey) {
        if let Some(proven) = self.proven {
            let line = Zeroizing::new(line.to_vec());
            *proven.spelled() = Some(Spelled { line, network, user: Arc::clone(user), key });
        }
    }

    /// The user and the key of credentials that are spelled just as those that were right on this connection last, from
    /// the same network, if his line of the users file has not been read again since.
    pub(super) fn known(&self, line: &[u8], users: &Users) -> Option<(Arc<User>, CacheKey)> {
        let spelled = self.proven?.spelled();
        let Spelled { line: right, network, user, key } = spelled.as_ref()?;
        let is_same = bool::from(right.ct_eq(line)) && *network == Network::of(self.client);
        let is_current = is_same && users.get(user.name().as_bytes()).is_some_and(|now| Arc::ptr_eq(now, user));
        is_current.then(|| (Arc::clone(user), *key))
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

/// What was right on a connection last. It opens nothing by itself: it has to be remembered still.
#[derive(Default)]
pub struct Proven {
    /// A keyed hash of it; 0 for nothing.
    tag: AtomicU64,
    /// How it was spelled: with that at hand the hash need not be computed for each request.
    spelled: Mutex<Option<Spelled>>,
}

/// The line of a request as it came, which lies in the connection's buffers too; and what was found out about it.
struct Spelled {
    line: Zeroizing<Vec<u8>>,
    network: Network,
    user: Arc<User>,
    key: CacheKey,
}

impl Proven {
    fn is(&self, key: &CacheKey) -> bool {
        let noted = self.tag.load(Ordering::Relaxed);
        noted != 0 && noted == key.tag()
    }

    fn note(&self, key: &CacheKey) {
        if !self.is(key) {
            self.tag.store(key.tag(), Ordering::Relaxed);
        }
    }

    fn spelled(&self) -> MutexGuard<'_, Option<Spelled>> {
        self.spelled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows nothing of it.
impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proven").finish_non_exhaustive()
    }
}
