//! Whether the daemon lives and is ready: beats of its loops, and the phase of its life.
//!
//! Every worker's loop beats once a second. Whoever asks whether the daemon lives does so on another thread, so that a
//! loop that no longer turns is found out instead of keeping the question waiting.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How often a loop beats.
pub const BEAT: Duration = Duration::from_secs(1);

/// How long after its last beat a loop counts as stuck: far longer than a busy machine keeps it from turning.
pub const STUCK: Duration = Duration::from_secs(10);

/// Where the daemon is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It does not take connections yet.
    Starting,
    /// It does.
    Serving,
    /// It takes no more, and what is open comes to its end.
    Draining,
}

/// The beats of all loops.
#[derive(Debug)]
pub struct Vitals {
    started: Instant,
    started_at: SystemTime,
    phase: AtomicU8,
    workers: Box<[Pulse]>,
    /// When the reading of files that goes on began, in milliseconds since the start and one; 0 when none does.
    reading: AtomicU64,
}

/// One worker's: when it last beat, in milliseconds since the start, and how many tasks its runtime had then.
#[derive(Debug, Default)]
struct Pulse {
    beat: AtomicU64,
    tasks: AtomicUsize,
}

impl Vitals {
    /// Those of `workers` loops, which have all just beaten.
    #[must_use]
    pub fn new(workers: NonZeroUsize) -> Self {
        Self {
            started: Instant::now(),
            started_at: SystemTime::now(),
            phase: AtomicU8::new(0),
            workers: (0..workers.get()).map(|_| Pulse::default()).collect(),
            reading: AtomicU64::new(0),
        }
    }

    /// When the daemon started.
    #[must_use]
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }

    /// It takes connections from now on.
    pub fn serving(&self) {
        // Never back from draining.
        let _ = self.phase.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It takes no more.
    pub fn draining(&self) {
        self.phase.store(2, Ordering::Relaxed);
    }

    /// `worker`'s loop has turned, and its runtime has so many tasks.
    pub fn beat(&self, worker: usize, tasks: usize, now: Instant) {
        if let Some(pulse) = self.workers.get(worker) {
            pulse.beat.store(self.since_start(now), Ordering::Relaxed);
            pulse.tasks.store(tasks, Ordering::Relaxed);
        }
    }

    /// The first worker whose loop is stuck at this moment.
    #[must_use]
    pub fn stuck(&self, now: Instant) -> Option<usize> {
        let now = self.since_start(now);
        let limit = u64::try_from(STUCK.as_millis()).unwrap_or(u64::MAX);
        self.workers.iter().position(|pulse| now.saturating_sub(pulse.beat.load(Ordering::Relaxed)) > limit)
    }

    /// Files are being read, or that has ended.
    pub fn reading(&self, reading: bool) {
        let since = if reading { self.since_start(Instant::now()).saturating_add(1) } else { 0 };
        self.reading.store(since, Ordering::Relaxed);
    }

    /// For how long files have been read without an end: a network file system may never answer.
    #[must_use]
    pub fn reading_for(&self, now: Instant) -> Duration {
        match self.reading.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.since_start(now).saturating_sub(since - 1)),
        }
    }

    /// The tasks of all workers at their last beats.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.workers.iter().map(|pulse| pulse.tasks.load(Ordering::Relaxed)).sum()
    }

    fn since_start(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn one_loop_that_does_not_turn_is_found_among_others_that_do() {
        let vitals = Vitals::new(NonZeroUsize::new(3).unwrap());
        let start = Instant::now();
        assert_eq!(vitals.stuck(start), None);
        let later = start + STUCK + BEAT;
        vitals.beat(0, 5, later);
        vitals.beat(2, 7, later);
        assert_eq!(vitals.stuck(later), Some(1));
        assert_eq!(vitals.tasks(), 12);
        vitals.beat(1, 1, later);
        assert_eq!(vitals.stuck(later), None);
    }

    #[test]
    fn a_reading_that_does_not_end_is_seen() {
        let vitals = Vitals::new(NonZeroUsize::MIN);
        let later = Instant::now() + STUCK;
        assert_eq!(vitals.reading_for(later), Duration::ZERO);
        vitals.reading(true);
        assert!(vitals.reading_for(later) > STUCK / 2);
        vitals.reading(false);
        assert_eq!(vitals.reading_for(later), Duration::ZERO);
    }

    #[test]
    fn a_life_has_one_direction() {
        let vitals = Vitals::new(NonZeroUsize::MIN);
        assert_eq!(vitals.phase(), Phase::Starting);
        vitals.serving();
        assert_eq!(vitals.phase(), Phase::Serving);
        vitals.draining();
        vitals.serving();
        assert_eq!(vitals.phase(), Phase::Draining);
    }
}
