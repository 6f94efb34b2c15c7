//! The open connections to a catcher: counted, kept for the next request, and waited for.
//!
//! Each worker keeps its own idle connections and takes the most recent first. MailCatcher keeps 100, WebSockets included;
//! beyond that they are closed after use instead of kept.
//!
//! Where so many are open and at work, a request waits a moment for one of them instead of opening its own: to open and
//! close one costs the catcher and the gate more than the request does. Those who wait are served in the order in which they
//! came, by a connection that comes free or in the place of one that is closed. Who has waited for nothing opens his own:
//! no request is ever refused for it, and what takes long holds nobody up for longer than that.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::apart::apart;
use crate::wire::Wire;

/// How many connections a catcher keeps open: thin, under MailCatcher, keeps 100.
const KEPT: usize = 100;

/// How long a request waits for a connection when none comes free, and how much longer when some do.
const WAITS: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(45)];

/// The open connections.
#[derive(Debug)]
pub(super) struct Lines {
    open: Arc<Open>,
    idle: Box<[Mutex<Vec<Idle>>]>,
    idle_timeout: Duration,
}

/// A connection for requests without a body, one after the other.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) wire: Wire,
    pub(super) counted: Counted,
}

/// A connection that waits for its next request.
#[derive(Debug)]
struct Idle {
    line: Line,
    since: Instant,
}

/// How many are open, and who waits. Whoever holds the lock of idle ones may take that of a queue, never the other way.
#[derive(Debug)]
struct Open {
    all: AtomicUsize,
    workers: Box<[Worker]>,
}

#[derive(Debug, Default)]
struct Worker {
    /// Its connections, idle or not; without those of requests with a body and WebSockets, which are never used again.
    lines: AtomicUsize,
    /// How often one that came free was handed on.
    handed: AtomicU64,
    queue: Mutex<VecDeque<oneshot::Sender<Option<Line>>>>,
    /// How long the queue is; it grows only under the lock of the idle ones.
    waiting: AtomicUsize,
}

/// One open connection in the count; what goes up comes down when it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    open: Arc<Open>,
    worker: Option<usize>,
}

impl Counted {
    fn new(open: &Arc<Open>, worker: Option<usize>) -> Self {
        let counted = Self { open: Arc::clone(open), worker };
        counted.open.all.fetch_add(1, Ordering::Relaxed);
        if let Some(worker) = counted.line_of() {
            worker.lines.fetch_add(1, Ordering::Relaxed);
        }
        counted
    }

    fn line_of(&self) -> Option<&Worker> {
        self.worker.and_then(|worker| self.open.workers.get(worker))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let before = self.open.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(worker) = self.line_of() {
            worker.lines.fetch_sub(1, Ordering::Relaxed);
        }
        // Another may be opened in its place: by one who waited for this one, else by anybody if there is room.
        if !self.line_of().is_some_and(Worker::wake) && before <= KEPT {
            self.open.workers.iter().any(Worker::wake);
        }
    }
}

impl Worker {
    /// Hands a connection that came free to the first who waits.
    fn hand(&self, mut line: Line) -> Result<(), Line> {
        while let Some(first) = self.next() {
            match first.send(Some(line)) {
                Ok(()) => {
                    self.handed.fetch_add(1, Ordering::Relaxed);
                    return Ok(());
                }
                Err(Some(back)) => line = back,
                Err(None) => return Ok(()),
            }
        }
        Err(line)
    }

    /// Tells the first who waits to open one; whether there was somebody.
    fn wake(&self) -> bool {
        while self.waiting.load(Ordering::Relaxed) > 0 {
            if self.next().is_some_and(|first| first.send(None).is_ok()) {
                return true;
            }
        }
        false
    }

    fn next(&self) -> Option<oneshot::Sender<Option<Line>>> {
        let mut queue = locked(&self.queue);
        let first = queue.pop_front();
        self.waiting.store(queue.len(), Ordering::Relaxed);
        first
    }

    fn join(&self) -> oneshot::Receiver<Option<Line>> {
        let (tell, told) = oneshot::channel();
        let mut queue = locked(&self.queue);
        queue.push_back(tell);
        self.waiting.store(queue.len(), Ordering::Relaxed);
        told
    }

    /// Takes those out who have left. They leave mostly in the order in which they came.
    fn tidy(&self) {
        let mut queue = locked(&self.queue);
        while queue.front().is_some_and(oneshot::Sender::is_closed) {
            queue.pop_front();
        }
        self.waiting.store(queue.len(), Ordering::Relaxed);
    }
}

impl Lines {
    /// Those of so many workers. An idle one is used no more after `idle_timeout`.
    pub(super) fn new(workers: usize, idle_timeout: Duration) -> Self {
        let open = Open { all: AtomicUsize::new(0), workers: (0..workers).map(|_| Worker::default()).collect() };
        Self { open: Arc::new(open), idle: (0..workers).map(|_| Mutex::default()).collect(), idle_timeout }
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.open.all.load(Ordering::Relaxed)
    }

    /// Counts one that is about to be opened: by `worker` and to be used again, or neither.
    pub(super) fn count(&self, worker: Option<usize>) -> Counted {
        Counted::new(&self.open, worker)
    }

    /// The most recently used one that is still good. None when one is to be opened.
    pub(super) async fn take(&self, worker: usize, now: Instant) -> Option<Line> {
        match self.most_recent(worker, now) {
            None if self.open() >= KEPT => apart(|| self.wait(worker, now)).await,
            line => line,
        }
    }

    fn most_recent(&self, worker: usize, now: Instant) -> Option<Line> {
        let mut idle = self.idle(worker)?;
        while let Some(Idle { line, since }) = idle.pop() {
            if now.saturating_duration_since(since) >= self.idle_timeout {
                // All below it are older still.
                idle.clear();
                return None;
            }
            // What came behind its last answer, which would answer the next request, may not have been told to this
            // runtime yet: one that is busy looks only now and then.
            if line.wire.is_silent() {
                return Some(line);
            }
        }
        None
    }

    /// Waits for one, if so many are open and `worker` has its half of them at work: of a few it could be long until one
    /// comes free, and WebSockets never do.
    async fn wait(&self, worker: usize, now: Instant) -> Option<Line> {
        let ours = self.open.workers.get(worker)?;
        // What another worker has no use for makes room.
        self.close_idle(KEPT - 1);
        if self.open() < KEPT || ours.lines.load(Ordering::Relaxed) * self.idle.len() * 2 < KEPT {
            return None;
        }
        let told = {
            let idle = self.idle(worker)?;
            // Under its lock none can come free unseen.
            if idle.is_empty() { Some(ours.join()) } else { None }
        };
        let Some(told) = told else { return self.most_recent(worker, now) };
        Place { lines: self, worker, ours, told }.line().await
    }

    /// Keeps `line` for the next request, or hands it to one who waits.
    pub(super) fn put_back(&self, mut line: Line, worker: usize) {
        if self.open() > KEPT
            && self.open.workers.get(worker).is_none_or(|ours| ours.waiting.load(Ordering::Relaxed) == 0)
        {
            self.close_idle(KEPT);
        }
        let Some(mut idle) = self.idle(worker) else { return };
        if let Some(ours) = self.open.workers.get(worker).filter(|ours| ours.waiting.load(Ordering::Relaxed) > 0) {
            match ours.hand(line) {
                Ok(()) => return,
                Err(back) => line = back,
            }
        }
        if self.open() <= KEPT {
            idle.push(Idle { line, since: Instant::now() });
        }
    }

    /// Makes room for a connection that stays: while more are open than the catcher keeps, idle ones are closed.
    pub(super) fn make_room(&self) {
        self.close_idle(KEPT);
    }

    /// Closes idle ones while more than `most` are open.
    fn close_idle(&self, most: usize) {
        for idle in &self.idle {
            let mut idle = locked(idle);
            while self.open() > most && !idle.is_empty() {
                idle.remove(0);
            }
        }
    }

    /// Closes the idle ones of `worker` that are too old or dead.
    pub(super) fn sweep(&self, worker: usize) {
        if let Some(mut idle) = self.idle(worker) {
            idle.retain(|idle| idle.since.elapsed() < self.idle_timeout && idle.line.wire.is_quiet());
        }
    }

    fn idle(&self, worker: usize) -> Option<MutexGuard<'_, Vec<Idle>>> {
        self.idle.get(worker).map(locked)
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place in a queue. What was told to one who left is told to the next.
struct Place<'a> {
    lines: &'a Lines,
    worker: usize,
    ours: &'a Worker,
    told: oneshot::Receiver<Option<Line>>,
}

impl Place<'_> {
    /// A connection that came free; none if he is to open one.
    async fn line(mut self) -> Option<Line> {
        let before = self.ours.handed.load(Ordering::Relaxed);
        for moment in WAITS {
            if let Ok(told) = timeout(moment, &mut self.told).await {
                // The same.
                return told.ok().flatten().filter(|line| line.wire.is_silent());
            }
            if self.ours.handed.load(Ordering::Relaxed) == before {
                break;
            }
        }
        None
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.told.close();
        match self.told.try_recv() {
            Ok(Some(line)) => self.lines.put_back(line, self.worker),
            Ok(None) => _ = self.ours.wake(),
            Err(_) => self.ours.tidy(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#[path = "lines_tests.rs"]
mod tests;
