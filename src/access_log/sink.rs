//! Lines on their way to the file, written by a thread of their own.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines on their way to the file: at most [`Sink::LIMIT`] bytes wait, beyond that lines are dropped and counted.
#[derive(Debug)]
pub(super) struct Sink(Arc<(Mutex<Waiting>, Condvar)>);

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    writing: bool,
    closed: bool,
}

impl Sink {
    const LIMIT: usize = 1 << 20;

    pub(super) fn start(mut out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new((Mutex::new(Waiting::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            let (lock, bell) = &*theirs;
            let mut batch = Vec::new();
            loop {
                let mut waiting = locked(lock);
                waiting.writing = false;
                bell.notify_all();
                while waiting.lines.is_empty() && !waiting.closed {
                    waiting = bell.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
                if waiting.lines.is_empty() {
                    return;
                }
                std::mem::swap(&mut batch, &mut waiting.lines);
                waiting.writing = true;
                let dropped = std::mem::take(&mut waiting.dropped);
                drop(waiting);
                if dropped > 0 {
                    tracing::warn!(dropped, "access log lines were dropped: standard output was not read in time");
                }
                if let Err(error) = out.write_all(&batch).and_then(|()| out.flush()) {
                    tracing::warn!(%error, "the access log cannot be written");
                }
                batch.clear();
            }
        })?;
        Ok(Self(shared))
    }

    pub(super) fn push(&self, line: &[u8]) {
        let (lock, bell) = &*self.0;
        let mut waiting = locked(lock);
        if waiting.lines.len() + line.len() > Self::LIMIT {
            waiting.dropped += 1;
            return;
        }
        let sleeping = waiting.lines.is_empty() && !waiting.writing;
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if sleeping {
            bell.notify_all();
        }
    }

    pub(super) fn flush(&self, patience: Duration) {
        let (lock, bell) = &*self.0;
        let until = Instant::now() + patience;
        let mut waiting = locked(lock);
        while !waiting.lines.is_empty() || waiting.writing {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            waiting = bell.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let (lock, bell) = &*self.0;
        locked(lock).closed = true;
        bell.notify_all();
    }
}

/// A panic while lines are appended leaves whole lines or a torn one, never a reason to stop logging.
fn locked(lock: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
