//! Lines on their way to standard output or standard error, written by a thread of their own.
//!
//! A line that comes alone is written at once, and what follows it closely is written together a millisecond later: to wake
//! the thread for each would cost more than all else that is done with a line.
//!
//! Whoever reads them may stop reading. Then at most a megabyte waits and what is more is dropped and counted; no request
//! and no signal ever waits for a log.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where lines go. When it is dropped, the thread writes what waits and ends.
#[derive(Debug)]
pub struct Sink(Arc<(Mutex<Waiting>, Condvar)>);

/// What can happen to lines on their way.
#[derive(Debug)]
pub enum Trouble {
    /// So many were dropped.
    Dropped(u64),
    /// Some could not be written. Told once until some can be again.
    Unwritten(io::Error),
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Since it was said last.
    dropped: u64,
    /// Since the start.
    lost: u64,
    writing: bool,
    /// The thread has written and will look again by itself.
    resting: bool,
    closed: bool,
}

impl Sink {
    const LIMIT: usize = 1 << 20;

    /// How long the thread rests when it has written.
    const REST: Duration = Duration::from_millis(1);

    /// Lines to `out`, which keeps nothing back, by a thread of this name, which says what happens to them by `tell`. That must not end up in the
    /// same sink for a line that could not be written.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(out: impl Write + Send + 'static, thread: &str, tell: fn(Trouble)) -> io::Result<Self> {
        let shared = Arc::new((Mutex::new(Waiting::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name(thread.to_owned()).spawn(move || {
            let (lock, bell) = &*theirs;
            let (mut out, mut failing) = (Whole { out, torn: false }, false);
            let mut batch = Vec::new();
            let mut waiting = locked(lock);
            loop {
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
                    tell(Trouble::Dropped(dropped));
                }
                match out.write(&batch) {
                    Ok(()) => failing = false,
                    Err(error) => {
                        // A disk that is full is full for each line.
                        if !std::mem::replace(&mut failing, true) {
                            tell(Trouble::Unwritten(error));
                        }
                    }
                }
                batch.clear();
                waiting = locked(lock);
                (waiting.writing, waiting.resting) = (false, true);
                bell.notify_all();
                let rested = bell.wait_timeout_while(waiting, Self::REST, |waiting| !waiting.closed);
                waiting = rested.unwrap_or_else(PoisonError::into_inner).0;
                waiting.resting = false;
            }
        })?;
        Ok(Self(shared))
    }

    /// Adds whole lines, with their ends. Never waits for the writing.
    pub fn push(&self, line: &[u8]) {
        let (lock, bell) = &*self.0;
        let mut waiting = locked(lock);
        if waiting.lines.len() + line.len() > Self::LIMIT {
            waiting.dropped += 1;
            waiting.lost += 1;
            return;
        }
        let sleeping = waiting.lines.is_empty() && !waiting.writing && !waiting.resting;
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if sleeping {
            bell.notify_all();
        }
    }

    /// How many lines were dropped since the start.
    pub fn lost(&self) -> u64 {
        locked(&self.0.0).lost
    }

    /// Waits until what has been added is out, for at most `patience`.
    pub fn flush(&self, patience: Duration) {
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

/// Writes lines so that each begins at the beginning of a line, also after one that broke off.
struct Whole<W> {
    out: W,
    torn: bool,
}

impl<W: Write> Whole<W> {
    fn write(&mut self, mut lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.out.write_all(b"\n")?;
            self.torn = false;
        }
        while !lines.is_empty() {
            match self.out.write(lines) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let (written, left) = lines.split_at(count.min(lines.len()));
                    self.torn = !written.ends_with(b"\n");
                    lines = left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }
}

/// A panic while lines are appended leaves whole lines or a torn one, never a reason to stop logging.
fn locked(lock: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Tells each write.
    struct Told(mpsc::Sender<Vec<u8>>);

    impl Write for Told {
        fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
            self.0.send(lines.to_vec()).map(|()| lines.len()).map_err(io::Error::other)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn sink() -> (Sink, mpsc::Receiver<Vec<u8>>) {
        let (told, writes) = mpsc::channel();
        (Sink::start(Told(told), "test", |_| ()).unwrap(), writes)
    }

    #[test]
    fn every_line_is_written_whatever_the_thread_does_at_that_moment() {
        let (sink, writes) = sink();
        for _ in 0..50 {
            sink.push(b"a\n");
            // Written with the thread asleep, or at its rest.
            assert_eq!(writes.recv_timeout(Duration::from_secs(60)).unwrap(), b"a\n");
        }
    }

    #[test]
    fn lines_that_come_closely_are_written_together() {
        let (sink, writes) = sink();
        let (count, started) = (20_000, Instant::now());
        for _ in 0..count {
            sink.push(b"a\n");
        }
        sink.flush(Duration::from_secs(60));
        let rests = started.elapsed().as_millis() + 2;
        let writes: Vec<_> = writes.try_iter().collect();
        assert_eq!(writes.concat().len(), 2 * count);
        assert!(writes.len() as u128 <= rests, "{} writes in {rests} ms", writes.len());
    }

    #[test]
    fn what_waits_when_it_is_dropped_is_written_still() {
        let (sink, writes) = sink();
        sink.push(b"a\n");
        sink.push(b"b\n");
        drop(sink);
        assert_eq!(writes.iter().collect::<Vec<_>>().concat(), b"a\nb\n");
    }
}
