//! The answer to who a request is from: the order of the steps, and that an unknown user takes the same ones.
//!
//! What was verified from the same network lately is answered at once: neither the throttle nor the pool is asked. Only
//! while a name is guessed at somewhere the throttle is, since then an answer at once may be what a guesser waits for.

mod answer;
mod limits;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::HeaderMap;

use super::cache::{CacheKey, VerifiedCache};
use super::credentials::Credentials;
use super::failure::{AuthFailure, Refusal};
use super::hash::StoredHash;
use super::identity::Identity;
use super::keyed::{ProcessKey, Purpose};
use super::late::Late;
use super::network::Network;
use super::sender::Sender;
use super::throttle::{Admission, Attempt, Leaves, Penalty, Standing, Throttle, Ticket};
use super::users::{User, Users};
use super::verify::{NoAnswer, Verifier};
use crate::apart::apart;
pub use limits::{AuthLimits, AuthLoad};

/// Answers who a request is from. One for the whole process.
pub struct Authenticator {
    key: ProcessKey,
    /// Which hash a name mimics, where that is kept over a restart.
    mimic: OnceLock<ProcessKey>,
    cache: VerifiedCache,
    throttle: Throttle,
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
        let (throttle, late) = (Throttle::new(Instant::now()), Late::new(limits.late));
        Self { key, mimic: OnceLock::new(), cache, throttle, verifier, late, hits: AtomicU64::new(0) }
    }

    /// Who the request is from. For credentials that were verified from there before it is ready at once, without a hash
    /// and without another thread.
    ///
    /// # Errors
    /// When the request has no identity, and why.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        sender: impl Into<Sender<'_>>,
        users: &Users,
        now: Instant,
    ) -> Result<Identity, Refusal> {
        let sender = sender.into();
        let line = Credentials::line(headers)?.ok_or(AuthFailure::NoCredentials)?;
        if let Some((user, key)) = sender.known(line, users)
            && self.is_answered_at_once(&key, &sender, now)
        {
            return Ok(Identity::of(&user));
        }
        let credentials = Credentials::parse(line)?;
        let question = self.question(&credentials, &sender, users);
        let asked = question.as_ref().and_then(|question| Some((question.user?, question.network, question.key)));
        let identity = self.answered(question, &credentials, sender, users, now).await?;
        if let Some((user, network, key)) = asked {
            sender.spelled(line, network, user, key);
        }
        Ok(identity)
    }

    /// Whose the credentials are, wherever they came from.
    ///
    /// # Errors
    /// When they are nobody's, or that cannot be told, and why.
    pub async fn authenticate_with(
        &self,
        credentials: &Credentials,
        sender: impl Into<Sender<'_>>,
        users: &Users,
        now: Instant,
    ) -> Result<Identity, Refusal> {
        let sender = sender.into();
        let question = self.question(credentials, &sender, users);
        self.answered(question, credentials, sender, users, now).await
    }

    async fn answered(
        &self,
        question: Option<Question<'_>>,
        credentials: &Credentials,
        sender: Sender<'_>,
        users: &Users,
        now: Instant,
    ) -> Result<Identity, Refusal> {
        if let Some(Question { user: Some(user), key, .. }) = &question
            && self.is_answered_at_once(key, &sender, now)
        {
            sender.proves(key);
            return Ok(Identity::of(user));
        }
        apart(|| self.verify(question, credentials, &sender, users, now)).await
    }

    /// Whether the credentials of a user's with this key were verified before from there and still count, and nobody
    /// guesses, or they were right on this very connection.
    fn is_answered_at_once(&self, key: &CacheKey, sender: &Sender<'_>, now: Instant) -> bool {
        let is_right = (!self.throttle.is_guarded(now) || sender.has_proven(key)) && self.cache.contains(key, now);
        if is_right {
            self.hits.fetch_add(1, Ordering::Relaxed);
        }
        is_right
    }

    /// The user of credentials that were verified before from there and still count. Never waits; takes no hash.
    fn remembered(&self, question: &Question<'_>, now: Instant) -> Option<Identity> {
        let user = question.user?;
        self.cache.contains(&question.key, now).then(|| Identity::of(user))
    }

    /// Verifies the credentials by computing the hash, and remembers them when they are right; or does not look at
    /// them, after too many wrong ones from the same place. When they are wrong the answer comes late.
    ///
    /// An unknown name takes the same way as a known one, with one of the file's own hashes, so that neither the time
    /// nor a full queue tells which names exist. Its result is dropped: the password of the user whose hash is
    /// mimicked opens nothing under another name.
    async fn verify(
        &self,
        question: Option<Question<'_>>,
        credentials: &Credentials,
        sender: &Sender<'_>,
        users: &Users,
        now: Instant,
    ) -> Result<Identity, Refusal> {
        let mut clock = Clock { now, arrived: tokio::time::Instant::now() };
        let Some(question) = question else {
            // Without users there is nobody to be told apart from, and nobody gets in.
            self.late.leave(clock.arrived, clock.arrived).await;
            return Err(AuthFailure::UnknownUser.into());
        };
        let proven = sender.has_proven(&question.key);
        let mut standing = Standing { exists: question.user.is_some(), proven, waited: false };
        if !standing.proven {
            sender.disproves();
        }
        let attempt = self.attempt(&question, credentials, sender, now);
        let admit =
            |standing, now| self.throttle.admit(&attempt, standing, || self.remembered(&question, now).is_some(), now);
        let mut admission = admit(standing, now);
        if let Admission::Unseen(penalty) = admission {
            self.wait(penalty, clock).await;
            if !self.late.is_drained() {
                // If it is verified after all its time begins now.
                clock = Clock { now: clock.now(), arrived: tokio::time::Instant::now() };
                standing.waited = true;
                admission = admit(standing, clock.now);
            }
        }
        let ticket = match (admission, question.user) {
            (Admission::Right, Some(user)) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                sender.proves(&question.key);
                return Ok(Identity::of(user));
            }
            (Admission::Right, None) => return Err(AuthFailure::UnknownUser.into()),
            (Admission::Open(ticket), _) => ticket,
            (Admission::Wrong(penalty), _) => {
                self.wait(penalty, clock).await;
                return Err(denial(&question, users, credentials).into());
            }
            (Admission::Closed(penalty) | Admission::Unseen(penalty), _) => {
                if !standing.waited {
                    self.wait(penalty, clock).await;
                }
                return Err(Refusal { failure: AuthFailure::Throttled, retry_after: penalty.retry_after });
            }
        };
        let mut pending = Pending { gate: self, attempt: &attempt, ticket, clock, is_judged: false };
        let (answer, leaves) = self.answer(&question, credentials, &attempt, ticket, clock).await;
        if let (Ok(true), Some(user)) = (answer, question.user) {
            pending.is_judged = true;
            self.throttle.right(&attempt, ticket, clock.now());
            self.cache.insert(question.key, clock.now());
            sender.proves(&question.key);
            return Ok(Identity::of(user));
        }
        match (answer, leaves) {
            // Neither the counts nor what is said show before that moment what became of it.
            (Ok(_) | Err(NoAnswer::Crowded), Some(leaves)) => self.late.leave_at(clock.arrived, leaves).await,
            (Ok(_), None) => {}
            (Err(reason), _) => {
                pending.is_judged = true;
                self.throttle.unseen(&attempt, ticket, clock.now());
                self.late.leave(clock.arrived, clock.arrived).await;
                let crowded = reason == NoAnswer::Crowded;
                return Err(if crowded { AuthFailure::Busy } else { reason.into() }.into());
            }
        }
        pending.is_judged = true;
        let now = clock.now();
        let denial = denial(&question, users, credentials);
        // Of a name that nobody has there was nothing to see.
        let is_unseen = answer == Err(NoAnswer::Crowded) && question.user.is_some();
        let penalty = match is_unseen {
            true => self.throttle.refused(&attempt, ticket, now),
            false => self.throttle.wrong(&attempt, ticket, now),
        };
        if leaves.is_some() {
            let retry_after = self.throttle.retry_after(&attempt, ticket, now);
            let failure = if is_unseen && retry_after.is_some() { AuthFailure::Throttled } else { denial };
            return Err(Refusal { failure, retry_after });
        }
        self.wait(penalty, clock).await;
        let retry_after = match penalty.leaves {
            Leaves::FromArrival(_) => self.throttle.retry_after(&attempt, ticket, clock.now()),
            Leaves::FromNow(_) => penalty.retry_after,
        };
        Err(Refusal { failure: denial, retry_after })
    }

    /// What is counted: by the network, or by a ticket of the user's where his name is guessed at from there.
    fn attempt(
        &self,
        question: &Question<'_>,
        credentials: &Credentials,
        sender: &Sender<'_>,
        now: Instant,
    ) -> Attempt {
        let (user, network) = (credentials.user(), &question.network);
        let stored = question.hash.as_bytes();
        let attempt = Attempt::new(&self.key, network, user, credentials.password(), stored, question.user.is_some());
        let closed = |attempt: &Attempt| self.throttle.is_closed(attempt, now);
        let ticket = question.user.filter(|_| self.throttle.is_guarded(now) && closed(&attempt));
        let ticket = ticket.and_then(|user| sender.ticket(user));
        let by_ticket = ticket.map(|ticket| attempt.by_ticket(&self.key, network, user, &ticket));
        by_ticket.filter(|by_ticket| !closed(by_ticket)).unwrap_or(attempt)
    }

    async fn wait(&self, penalty: Penalty, clock: Clock) {
        let earliest = match penalty.leaves {
            Leaves::FromNow(delay) => tokio::time::Instant::now() + delay,
            Leaves::FromArrival(delay) => clock.arrived + delay,
        };
        self.late.leave(clock.arrived, earliest).await;
    }

    /// The daemon stops: refusals leave at the next tick, and no password is looked at that was not right lately.
    pub fn drain(&self) {
        self.late.drain();
        self.verifier.drain();
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
    fn question<'a>(&self, credentials: &Credentials, sender: &Sender<'_>, users: &'a Users) -> Option<Question<'a>> {
        let user = users.get(credentials.user());
        let hash = match user {
            Some(user) => user.hash(),
            None => users.mimic(self.seed(credentials.user()))?,
        };
        let network = Network::of(sender.client);
        let key = CacheKey::new(&self.key, &network, credentials.user(), credentials.password(), hash.as_bytes());
        Some(Question { user, hash, network, key })
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

/// What a wrong password is, for the log.
fn denial(question: &Question<'_>, users: &Users, credentials: &Credentials) -> AuthFailure {
    match (question.user, users.refused(credentials.user())) {
        (Some(user), _) => AuthFailure::WrongPassword { user: user.name().clone() },
        (None, Some(user)) => AuthFailure::RefusedLine { user: user.clone() },
        (None, None) => AuthFailure::UnknownUser,
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("load", &self.load()).finish_non_exhaustive()
    }
}

/// The time by the clock that a request's `now` was told from.
#[derive(Clone, Copy)]
struct Clock {
    now: Instant,
    arrived: tokio::time::Instant,
}

impl Clock {
    fn now(&self) -> Instant {
        self.now + self.arrived.elapsed()
    }
}

/// A password that is being verified, or whose refusal must not leave yet. Whoever hangs up before the answer is counted as if it had been wrong, or
/// guesses that nobody waits for would keep the threads busy for nothing.
struct Pending<'a> {
    gate: &'a Authenticator,
    attempt: &'a Attempt,
    ticket: Ticket,
    clock: Clock,
    is_judged: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.is_judged {
            self.gate.throttle.gone(self.attempt, self.ticket, self.clock.now());
        }
    }
}

struct Question<'a> {
    user: Option<&'a Arc<User>>,
    hash: &'a StoredHash,
    network: Network,
    key: CacheKey,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod mimics;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
