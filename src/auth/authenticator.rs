//! The answer to who a request is from: the order of the steps, and that an unknown user takes the same ones.
//!
//! What was verified lately is answered at once, whoever guesses meanwhile: neither the throttle nor the pool is asked.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::cache::{CacheKey, VerifiedCache};
use super::credentials::Credentials;
use super::failure::{AuthFailure, Refusal};
use super::hash::StoredHash;
use super::identity::Identity;
use super::keyed::{ProcessKey, Purpose};
use super::late::Late;
use super::throttle::{Admission, Attempt, Penalty, Throttle, Ticket};
use super::users::{User, Users};
use super::verify::{Asked, Lane, NoAnswer, PoolLimits, Verifier};
use crate::client_addr::Peer;

/// How much work and memory logins may take. The default is what the daemon uses.
#[derive(Debug, Clone)]
pub struct AuthLimits {
    /// Hashes that are computed at once: the number of cores.
    pub threads: NonZeroUsize,
    /// What they take together, in KiB: 256 MiB, which is also the most that one may take.
    pub memory: u64,
    /// Passwords that wait for a thread; one more is told that the gate is busy: 64.
    pub waiting: usize,
    /// Refusals that are held back for longer than a tick: 4096, as many as there may be connections.
    pub late: usize,
    /// Verified credentials that are remembered: 4096.
    pub remembered: usize,
    /// For how long after its verification a credential is remembered: an hour.
    pub lifetime: Duration,
    /// For how long without a request it is remembered, to an eighth: 15 minutes.
    pub idle: Duration,
}

impl Default for AuthLimits {
    fn default() -> Self {
        Self {
            threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
            memory: 256 * 1024,
            waiting: 64,
            late: 4096,
            remembered: 4096,
            lifetime: Duration::from_secs(60 * 60),
            idle: Duration::from_secs(15 * 60),
        }
    }
}

/// Answers who a request is from. One for the whole process.
pub struct Authenticator {
    key: ProcessKey,
    /// Which hash a name mimics, where that is kept over a restart.
    mimic: OnceLock<ProcessKey>,
    cache: VerifiedCache,
    throttle: Mutex<Throttle>,
    verifier: Verifier,
    late: Late,
    hits: AtomicU64,
}

impl Authenticator {
    /// Draws the key and starts the threads.
    ///
    /// # Errors
    /// When the system gives no randomness or no thread.
    pub fn new(limits: &AuthLimits) -> io::Result<Self> {
        Ok(Self::with_verifier(limits, Verifier::start(limits.pool())?, ProcessKey::random()?))
    }

    fn with_verifier(limits: &AuthLimits, verifier: Verifier, key: ProcessKey) -> Self {
        let cache = VerifiedCache::new(limits.remembered, limits.lifetime, limits.idle);
        let (throttle, late) = (Mutex::new(Throttle::new(Instant::now())), Late::new(limits.late));
        Self { key, mimic: OnceLock::new(), cache, throttle, verifier, late, hits: AtomicU64::new(0) }
    }

    /// Who the request is from. For credentials that were verified before it is ready at once, without a hash and
    /// without another thread.
    ///
    /// # Errors
    /// When the request has no identity, and why.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        client: Peer,
        users: &Users,
        now: Instant,
    ) -> Result<Identity, Refusal> {
        let credentials = Credentials::from_headers(headers)?.ok_or(AuthFailure::NoCredentials)?;
        self.authenticate_with(&credentials, client, users, now).await
    }

    /// Whose the credentials are, wherever they came from.
    ///
    /// # Errors
    /// When they are nobody's, or that cannot be told, and why.
    pub async fn authenticate_with(
        &self,
        credentials: &Credentials,
        client: Peer,
        users: &Users,
        now: Instant,
    ) -> Result<Identity, Refusal> {
        match self.remembered(credentials, users, now) {
            Some(identity) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                Ok(identity)
            }
            None => self.verify(credentials, client, users, now).await,
        }
    }

    /// The user of credentials that were verified before and still count. Never waits; takes no hash.
    #[must_use]
    pub fn remembered(&self, credentials: &Credentials, users: &Users, now: Instant) -> Option<Identity> {
        let question = self.question(credentials, users)?;
        let known = self.cache.contains(&question.key, now);
        question.user.filter(|_| known).map(Identity::of)
    }

    /// Verifies the credentials by computing the hash, and remembers them when they are right; or does not look at
    /// them, after too many wrong ones from the same place. When they are wrong the answer comes late.
    ///
    /// An unknown name takes the same way as a known one, with one of the file's own hashes, so that neither the time
    /// nor a full queue tells which names exist. Its result is dropped: the password of the user whose hash is
    /// mimicked opens nothing under another name.
    ///
    /// # Errors
    /// When they are wrong, or when that cannot be told.
    pub async fn verify(
        &self,
        credentials: &Credentials,
        client: Peer,
        users: &Users,
        now: Instant,
    ) -> Result<Identity, Refusal> {
        let arrived = tokio::time::Instant::now();
        let (user, password) = (credentials.user(), credentials.password());
        let Some(question) = self.question(credentials, users) else {
            // Without users there is nobody to be told apart from, and nobody gets in.
            self.late.leave(arrived, Duration::ZERO).await;
            return Err(AuthFailure::UnknownUser.into());
        };
        let attempt = Attempt::new(&self.key, client, user, password, question.hash.as_bytes());
        let admission = self.throttle().admit(&attempt, now);
        let ticket = match admission {
            Admission::Open(ticket) => ticket,
            Admission::Closed(penalty) => return self.refuse(arrived, penalty, AuthFailure::Throttled).await,
        };
        let asked = Asked::new(&self.key, question.hash.clone(), user, password);
        let lane = Lane { network: attempt.network(), class: ticket.class };
        let mut pending = Pending { gate: self, attempt: &attempt, ticket, now, arrived, is_judged: false };
        let answer = self.verifier.verify(lane, asked).await;
        pending.is_judged = true;
        let now = pending.moment();
        let right = match answer {
            Ok(right) => right,
            Err(NoAnswer::Crowded) => {
                let penalty = self.throttle().crowded_out(&attempt, now);
                return self.refuse(arrived, penalty, AuthFailure::Throttled).await;
            }
            Err(failure) => return Err(AuthFailure::from(failure).into()),
        };
        let failure = match question.user {
            Some(user) if right => {
                self.throttle().right(&attempt, ticket, now);
                self.cache.insert(question.key, now);
                return Ok(Identity::of(user));
            }
            Some(user) => AuthFailure::WrongPassword { user: user.name().clone() },
            None => match users.refused(user) {
                Some(user) => AuthFailure::RefusedLine { user: user.clone() },
                None => AuthFailure::UnknownUser,
            },
        };
        let penalty = self.throttle().wrong(&attempt, ticket, now);
        self.refuse(arrived, penalty, failure).await
    }

    async fn refuse(
        &self,
        arrived: tokio::time::Instant,
        penalty: Penalty,
        failure: AuthFailure,
    ) -> Result<Identity, Refusal> {
        self.late.leave(arrived, penalty.delay).await;
        Err(Refusal { failure, retry_after: penalty.retry_after })
    }

    /// Nothing that can panic happens under the lock.
    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is remembered and has ended; to be called now and then.
    pub fn sweep(&self, now: Instant) {
        self.cache.sweep(now);
    }

    /// What it is doing, for the metrics.
    #[must_use]
    pub fn load(&self) -> AuthLoad {
        AuthLoad {
            computed: self.verifier.computed(),
            hits: self.hits.load(Ordering::Relaxed),
            waiting: self.verifier.waiting(),
            remembered: self.cache.len(),
        }
    }

    /// Finds the stored hash that the password is held against. None only when there are no users.
    fn question<'a>(&self, credentials: &Credentials, users: &'a Users) -> Option<Question<'a>> {
        let user = users.get(credentials.user());
        let hash = match user {
            Some(user) => user.hash(),
            None => users.mimic(self.seed(credentials.user()))?,
        };
        let key = CacheKey::new(&self.key, credentials.user(), credentials.password(), hash.as_bytes());
        Some(Question { user, hash, key })
    }

    /// Readies what there is to mimic in `users`: with several formats and costs the key for it is kept, so that a
    /// restart changes nobody's time. Where it cannot be, it lives as long as the process. Reads and writes files.
    pub fn keep_mimics(&self, users: &Users, state_dir: &Path) {
        if !users.are_mixed() || self.mimic.get().is_some() {
            return;
        }
        match ProcessKey::kept(state_dir, "mimic.key", "unknown names take other times than before") {
            Ok(key) => _ = self.mimic.set(key),
            Err(error) => tracing::debug!(
                "state_dir: nothing can be kept in {}: {error}; unknown names take other times after a restart",
                state_dir.display()
            ),
        }
    }

    /// The same for a name each time, or asking twice would tell an unknown name by its changing times; and not to be
    /// foreseen by anyone who knows the file.
    fn seed(&self, name: &[u8]) -> u64 {
        let key = self.mimic.get().unwrap_or(&self.key);
        let [a, b, c, d, e, f, g, h, ..] = key.mac(Purpose::Mimic, &[name]);
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("load", &self.load()).finish_non_exhaustive()
    }
}

impl AuthLimits {
    fn pool(&self) -> PoolLimits {
        PoolLimits { threads: self.threads, waiting: self.waiting, memory: self.memory }
    }
}

/// A password that is being verified. Whoever hangs up before the answer is counted as if it had been wrong, or
/// guesses that nobody waits for would keep the threads busy for nothing.
struct Pending<'a> {
    gate: &'a Authenticator,
    attempt: &'a Attempt,
    ticket: Ticket,
    now: Instant,
    arrived: tokio::time::Instant,
    is_judged: bool,
}

impl Pending<'_> {
    /// What time it is now, by the clock that `now` was told from.
    fn moment(&self) -> Instant {
        self.now + self.arrived.elapsed()
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.is_judged {
            self.gate.throttle().wrong(self.attempt, self.ticket, self.moment());
        }
    }
}

struct Question<'a> {
    user: Option<&'a Arc<User>>,
    hash: &'a StoredHash,
    key: CacheKey,
}

/// What an [`Authenticator`] has done and is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthLoad {
    /// Hashes computed since the start, those for unknown users among them.
    pub computed: u64,
    /// Requests whose credentials were remembered.
    pub hits: u64,
    /// Passwords that wait for a thread.
    pub waiting: usize,
    /// Credentials that are remembered.
    pub remembered: usize,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod mimics;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
