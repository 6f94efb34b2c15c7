//! The one registry of degraded states: what is wrong at this moment, since when and why.
//!
//! Each change is said once in the log. Reading it costs nothing while all is well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What can be degraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The catcher takes connections.
    Upstream,
}

impl Condition {
    fn degraded(self) -> &'static str {
        match self {
            Condition::Upstream => "the catcher cannot be reached",
        }
    }

    fn well_again(self) -> &'static str {
        match self {
            Condition::Upstream => "the catcher answers again",
        }
    }
}

/// The state of every condition.
#[derive(Debug, Default)]
pub struct Conditions {
    upstream: State,
}

#[derive(Debug, Default)]
struct State {
    is_degraded: AtomicBool,
    since: Mutex<Option<Instant>>,
}

impl State {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conditions {
    /// `condition` is as it should be.
    pub fn ok(&self, condition: Condition) {
        let state = self.state(condition);
        if !state.is_degraded.load(Ordering::Relaxed) {
            return;
        }
        let since = state.since().take();
        state.is_degraded.store(false, Ordering::Relaxed);
        if let Some(since) = since {
            tracing::info!(after_seconds = since.elapsed().as_secs(), "{}", condition.well_again());
        }
    }

    /// `condition` is not, for this reason.
    pub fn degraded(&self, condition: Condition, why: &str) {
        let state = self.state(condition);
        let mut since = state.since();
        if since.is_none() {
            *since = Some(Instant::now());
            state.is_degraded.store(true, Ordering::Relaxed);
            tracing::warn!("{}: {why} (said once until then)", condition.degraded());
        }
    }

    fn state(&self, condition: Condition) -> &State {
        match condition {
            Condition::Upstream => &self.upstream,
        }
    }
}

/// Says when something that can happen at any rate is worth a line in the log again.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    const INTERVAL: Duration = Duration::from_secs(10);

    /// Whether it is; the next time is then ten seconds away.
    pub fn due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= Self::INTERVAL);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_condition_remembers_when_it_began_until_it_ends() {
        let conditions = Conditions::default();
        conditions.ok(Condition::Upstream);
        assert!(conditions.upstream.since().is_none());
        conditions.degraded(Condition::Upstream, "refused");
        let since = conditions.upstream.since().unwrap();
        conditions.degraded(Condition::Upstream, "refused again");
        assert_eq!(conditions.upstream.since().unwrap(), since);
        conditions.ok(Condition::Upstream);
        assert!(conditions.upstream.since().is_none());
    }
}
