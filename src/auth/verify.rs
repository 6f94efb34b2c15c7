//! The only place that computes password hashes at run time: a few threads of its own behind a bounded queue.
//!
//! A hash takes from a microsecond to two seconds and up to 256 MiB. So the runtime's threads never compute one; no
//! more are computed at once than there are threads, and than there is memory set aside for (the work lies in the job,
//! not in a permit that its requester could give back early); and a queue that is full says so at once. When the daemon
//! stops, what waits and was not right lately is told that the gate is busy, and what runs is finished.
//!
//! Who asks the same, at the same time, is answered together: a browser's first page sends eight requests. What "the
//! same" is depends on what clients send and on nothing that only the gate knows: with the stored hash in the key, as
//! in GHSA-8fcf-v89g-xpg6, two unknown names that mimic one hash would be answered together, and two users would not.

mod queue;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::hash::{CouldNotTell, StoredHash};
use super::keyed::{ProcessKey, Purpose};
use super::throttle::Class;
use queue::{FairQueue, Free, Full};

pub(super) use queue::Claim;

/// Why there is no answer. None says anything about the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// As many are waiting as may wait.
    Busy,
    /// As many are waiting as may wait of where passwords are guessed, or another had a better right to the place.
    Crowded,
    /// The hash could not be computed, or the pool is stopping.
    CouldNotTell,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many passwords are waiting to be verified"),
            Self::Crowded => f.write_str("too many passwords from there are waiting to be verified"),
            Self::CouldNotTell => CouldNotTell.fmt(f),
        }
    }
}

impl std::error::Error for NoAnswer {}

/// What a password is held against, and what a client has sent, by which verifications are one.
pub(super) struct Asked {
    hash: StoredHash,
    password: Zeroizing<Vec<u8>>,
    flight: Flight,
}

/// A keyed hash of user and password.
type Flight = [u8; 32];

impl Asked {
    pub(super) fn new(key: &ProcessKey, hash: StoredHash, user: &[u8], password: &[u8]) -> Self {
        let flight = key.mac(Purpose::InFlight, &[user, password]);
        Self { hash, password: Zeroizing::new(password.to_vec()), flight }
    }
}

type Answer = Result<bool, NoAnswer>;
type Compute = dyn Fn(&StoredHash, &[u8]) -> Result<bool, CouldNotTell> + Send + Sync;

/// The pool. Dropping it ends its threads, each after the hash that it is at; it does not wait for them.
pub(super) struct Verifier {
    shared: Arc<Shared>,
}

/// How much may run and wait at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolLimits {
    pub(super) threads: NonZeroUsize,
    pub(super) waiting: usize,
    /// In KiB. One hash that takes more runs alone.
    pub(super) memory: u64,
}

impl Verifier {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(limits: PoolLimits) -> io::Result<Self> {
        Self::start_with(limits, StoredHash::verify)
    }

    /// As [`Verifier::start`], with the computation as an argument: for tests that count it or hold it up.
    pub(super) fn start_with(
        limits: PoolLimits,
        compute: impl Fn(&StoredHash, &[u8]) -> Result<bool, CouldNotTell> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: FairQueue::new(limits.waiting),
                flights: HashMap::new(),
                memory: 0,
                guesses: 0,
                draining: false,
                stopped: false,
            }),
            ready: Condvar::new(),
            limits,
            computed: AtomicU64::new(0),
            compute: Box::new(compute),
        });
        let verifier = Self { shared };
        for number in 0..limits.threads.get() {
            let shared = verifier.shared.clone();
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || shared.work())?;
        }
        Ok(verifier)
    }

    /// Whether the password is the hash's. A requester who goes away before a thread has taken the job costs nothing,
    /// and takes nothing from others who asked the same.
    ///
    /// # Errors
    /// When the queue is full, or the hash could not be computed.
    pub(super) async fn verify(&self, claim: Claim, asked: Asked) -> Answer {
        let (answer, receiver) = oneshot::channel();
        self.shared.state().submit(claim, asked, answer)?;
        self.shared.ready.notify_one();
        // A sender that is gone without an answer: the pool was stopped.
        receiver.await.unwrap_or(Err(NoAnswer::CouldNotTell))
    }

    /// What waits under that claim is of that class from now on, if it came with a crowd.
    pub(super) fn promote(&self, claim: Claim) {
        self.shared.state().queue.promote(claim);
        self.shared.ready.notify_one();
    }

    /// The daemon stops: only what was right lately is computed from now on, and what is being computed.
    pub(super) fn drain(&self) {
        self.shared.state().drain();
    }

    /// How many hashes were computed since the start.
    pub(super) fn computed(&self) -> u64 {
        self.shared.computed.load(Ordering::Relaxed)
    }

    /// How many jobs wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.shared.state().queue.len()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.shared.state().stop();
        self.shared.ready.notify_all();
    }
}

struct Job {
    asked: Asked,
    is_a_guess: bool,
    /// Never locked for long, and never before the pool's state is.
    waiters: Mutex<Vec<oneshot::Sender<Answer>>>,
}

impl Job {
    fn waiters(&self) -> MutexGuard<'_, Vec<oneshot::Sender<Answer>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_wanted(&self) -> bool {
        self.waiters().iter().any(|waiter| !waiter.is_closed())
    }

    /// Its place went to another.
    fn give_up(&self) {
        self.answer(Err(if self.is_a_guess { NoAnswer::Crowded } else { NoAnswer::Busy }));
    }

    fn answer(&self, answer: Answer) {
        for waiter in std::mem::take(&mut *self.waiters()) {
            let _ = waiter.send(answer);
        }
    }
}

struct State {
    queue: FairQueue<Arc<Job>>,
    /// What waits and what runs; the latest of two that ask the same of different hashes.
    flights: HashMap<Flight, Arc<Job>>,
    /// What the running hashes take, in KiB.
    memory: u64,
    /// How many of them are from where passwords are guessed.
    guesses: usize,
    draining: bool,
    stopped: bool,
}

impl State {
    fn submit(&mut self, claim: Claim, asked: Asked, answer: oneshot::Sender<Answer>) -> Result<(), NoAnswer> {
        // A reload may have come between the two, and then the answer to the one is none to the other.
        if let Some(job) = self.flights.get(&asked.flight).filter(|job| job.asked.hash == asked.hash) {
            job.waiters().push(answer);
            return Ok(());
        }
        if self.draining && claim.class != Class::Known {
            return Err(NoAnswer::Busy);
        }
        let (memory, flight) = (asked.hash.memory(), asked.flight);
        let job = Arc::new(Job {
            asked,
            is_a_guess: claim.is_a_guess() || claim.class == Class::Crowd,
            waiters: Mutex::new(vec![answer]),
        });
        if !self.queue.has_room(claim) {
            self.give_up(|_, job| job.is_wanted());
        }
        let given_up = self.queue.push(claim, memory, job.clone()).map_err(|full| match full {
            Full::InAll => NoAnswer::Busy,
            Full::OfGuesses => NoAnswer::Crowded,
        })?;
        self.flights.insert(flight, job);
        if let Some(job) = given_up {
            self.land(&job);
            job.give_up();
        }
        Ok(())
    }

    fn drain(&mut self) {
        self.draining = true;
        for job in self.give_up(|claim, _| claim.class == Class::Known) {
            job.answer(Err(NoAnswer::Busy));
        }
    }

    /// Takes all jobs from the queue but those that `keep` says so of.
    fn give_up(&mut self, keep: impl Fn(Claim, &Job) -> bool) -> Vec<Arc<Job>> {
        let mut given_up = Vec::new();
        self.queue.retain(|claim, job| {
            let kept = keep(claim, job);
            if !kept {
                given_up.push(Arc::clone(job));
            }
            kept
        });
        for job in &given_up {
            self.land(job);
        }
        given_up
    }

    /// From now on nobody joins the job.
    fn land(&mut self, job: &Arc<Job>) {
        if self.flights.get(&job.asked.flight).is_some_and(|flying| Arc::ptr_eq(flying, job)) {
            self.flights.remove(&job.asked.flight);
        }
    }

    /// Takes a job that somebody waits for and there is room for.
    fn take(&mut self, limits: PoolLimits) -> Option<Running> {
        loop {
            let free = Free {
                memory: (self.memory > 0).then(|| limits.memory.saturating_sub(self.memory)),
                // One thread is left to others, if there is more than one.
                guess: self.guesses < (limits.threads.get() - 1).max(1),
            };
            let (claim, memory, job) = self.queue.pop(free)?;
            if !job.is_wanted() {
                self.land(&job);
                continue;
            }
            let guess = claim.is_a_guess();
            self.memory += memory;
            self.guesses += usize::from(guess);
            return Some(Running { job, memory, guess });
        }
    }

    fn done(&mut self, running: &Running) {
        self.memory -= running.memory;
        self.guesses -= usize::from(running.guess);
        self.land(&running.job);
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.queue.retain(|_, _| false);
        self.flights.clear();
    }
}

struct Running {
    job: Arc<Job>,
    memory: u64,
    guess: bool,
}

struct Shared {
    state: Mutex<State>,
    ready: Condvar,
    limits: PoolLimits,
    computed: AtomicU64,
    compute: Box<Compute>,
}

impl Shared {
    /// A thread's life: job after job until the pool stops.
    fn work(&self) {
        while let Some(running) = self.next() {
            self.computed.fetch_add(1, Ordering::Relaxed);
            let asked = &running.job.asked;
            let answer = catch_unwind(AssertUnwindSafe(|| (self.compute)(&asked.hash, &asked.password)));
            let answer = answer.unwrap_or_else(|_| {
                tracing::error!(scheme = %asked.hash.scheme(), "verifying a password panicked; the request gets no answer");
                Err(CouldNotTell)
            });
            self.state().done(&running);
            // What it held, memory or a turn, may be what another thread waits for.
            self.ready.notify_all();
            running.job.answer(answer.map_err(|CouldNotTell| NoAnswer::CouldNotTell));
        }
    }

    /// Waits for a job; None when the pool stops.
    fn next(&self) -> Option<Running> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(running) = state.take(self.limits) {
                return Some(running);
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing that can panic happens under the lock, so a poisoned state is still a right one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
