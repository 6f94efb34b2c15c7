//! The only place that computes password hashes at run time: a few threads of its own behind a bounded queue.
//!
//! A hash takes from a microsecond to two seconds and up to 256 MiB. So the runtime's threads never compute one, no
//! more are computed at once than there are threads (that bounds the memory too: the work lies in the job, not in a
//! permit that its requester could give back early), and a queue that is full says so at once.

use std::collections::VecDeque;
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

/// Why there is no answer. Neither says anything about the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// As many are waiting as may wait.
    Busy,
    /// The hash could not be computed, or the pool is stopping.
    CouldNotTell,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many passwords are waiting to be verified"),
            Self::CouldNotTell => CouldNotTell.fmt(f),
        }
    }
}

impl std::error::Error for NoAnswer {}

type Answer = Result<bool, CouldNotTell>;
type Compute = dyn Fn(&StoredHash, &[u8]) -> Answer + Send + Sync;

/// The pool. Dropping it ends its threads, each after the hash that it is at; it does not wait for them.
pub(super) struct Verifier {
    shared: Arc<Shared>,
}

impl Verifier {
    /// Starts `threads` threads, behind which `waiting` jobs may wait.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(threads: NonZeroUsize, waiting: usize) -> io::Result<Self> {
        Self::start_with(threads, waiting, StoredHash::verify)
    }

    /// As [`Verifier::start`], with the computation as an argument: for tests that count it or hold it up.
    pub(super) fn start_with(
        threads: NonZeroUsize,
        waiting: usize,
        compute: impl Fn(&StoredHash, &[u8]) -> Answer + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { jobs: VecDeque::new(), limit: waiting, stopped: false }),
            ready: Condvar::new(),
            computed: AtomicU64::new(0),
            compute: Box::new(compute),
        });
        let verifier = Self { shared };
        for number in 0..threads.get() {
            let shared = verifier.shared.clone();
            thread::Builder::new().name(format!("hash-{number}")).spawn(move || shared.work())?;
        }
        Ok(verifier)
    }

    /// Whether the password is the hash's. A requester who goes away before a thread has taken the job costs nothing.
    ///
    /// # Errors
    /// When the queue is full, or the hash could not be computed.
    pub(super) async fn verify(&self, hash: StoredHash, password: &[u8]) -> Result<bool, NoAnswer> {
        let (answer, receiver) = oneshot::channel();
        let job = Job { hash, password: Zeroizing::new(password.to_vec()), answer };
        self.shared.queue().push(job)?;
        self.shared.ready.notify_one();
        // A sender that is gone without an answer: the pool was stopped.
        receiver.await.unwrap_or(Err(CouldNotTell)).map_err(|CouldNotTell| NoAnswer::CouldNotTell)
    }

    /// How many hashes were computed since the start.
    pub(super) fn computed(&self) -> u64 {
        self.shared.computed.load(Ordering::Relaxed)
    }

    /// How many jobs wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        self.shared.queue().jobs.len()
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.shared.queue().stop();
        self.shared.ready.notify_all();
    }
}

struct Job {
    hash: StoredHash,
    password: Zeroizing<Vec<u8>>,
    answer: oneshot::Sender<Answer>,
}

/// The jobs that no thread has taken yet, first come first served.
struct Queue {
    jobs: VecDeque<Job>,
    limit: usize,
    stopped: bool,
}

impl Queue {
    fn push(&mut self, job: Job) -> Result<(), NoAnswer> {
        if self.jobs.len() >= self.limit {
            self.jobs.retain(|job| !job.answer.is_closed());
        }
        if self.jobs.len() >= self.limit {
            return Err(NoAnswer::Busy);
        }
        self.jobs.push_back(job);
        Ok(())
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.jobs.clear();
    }
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
    computed: AtomicU64,
    compute: Box<Compute>,
}

impl Shared {
    /// A thread's life: job after job until the pool stops.
    fn work(&self) {
        while let Some(job) = self.next() {
            if job.answer.is_closed() {
                continue;
            }
            self.computed.fetch_add(1, Ordering::Relaxed);
            let answer = catch_unwind(AssertUnwindSafe(|| (self.compute)(&job.hash, &job.password)));
            let answer = answer.unwrap_or_else(|_| {
                tracing::error!(scheme = %job.hash.scheme(), "verifying a password panicked; the request gets no answer");
                Err(CouldNotTell)
            });
            let _ = job.answer.send(answer);
        }
    }

    /// Waits for a job; None when the pool stops.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if queue.stopped {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing that can panic happens under the lock, so a poisoned queue is still a right one.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
