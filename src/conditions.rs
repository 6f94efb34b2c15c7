//! The one registry of degraded states: what is wrong at this moment, since when and why.
//!
//! Each change is said once in the log. Reading it costs nothing while all is well. What is kept for the status listener
//! holds no names, no addresses and nothing that a client or a configuration said: whoever asks there has not logged in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What can be degraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The catcher takes connections.
    Upstream,
    /// What was last written, configuration and users, is what holds.
    Reload,
    /// What had to go is gone.
    Purge,
    /// No certificate that is shown expires soon.
    Certificate,
    /// Nobody reaches the catcher around the gate, as far as the daemon can see.
    Isolation,
}

impl Condition {
    /// Every condition, in the order in which they are told.
    pub const ALL: [Condition; 5] =
        [Condition::Reload, Condition::Upstream, Condition::Purge, Condition::Isolation, Condition::Certificate];

    /// Its name for scripts: in `/readyz` and as a label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Condition::Upstream => "upstream",
            Condition::Reload => "reload",
            Condition::Purge => "purge",
            Condition::Isolation => "isolation",
            Condition::Certificate => "certificate",
        }
    }

    fn degraded(self) -> &'static str {
        match self {
            Condition::Upstream => "the catcher cannot be reached",
            Condition::Reload => "the reload failed, and what held before goes on",
            Condition::Purge => "the purge failed",
            Condition::Isolation => "the catcher may be reached around the gate",
            Condition::Certificate => "a certificate expires",
        }
    }

    fn well_again(self) -> &'static str {
        match self {
            Condition::Upstream => "the catcher answers again",
            Condition::Reload => "a reload succeeded again",
            Condition::Purge => "a purge succeeded again",
            Condition::Isolation => "no way around the gate is seen any more",
            Condition::Certificate => "no certificate expires soon any more",
        }
    }
}

/// Since when and why a condition is degraded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    /// By the wall clock of that moment.
    pub since: SystemTime,
    /// In a few words that anybody may read.
    pub why: &'static str,
    began: Instant,
}

/// The state of every condition.
#[derive(Debug, Default)]
pub struct Conditions {
    upstream: State,
    reload: State,
    purge: State,
    isolation: State,
    certificate: State,
}

#[derive(Debug, Default)]
struct State {
    is_degraded: AtomicBool,
    degraded: Mutex<Option<Degraded>>,
}

impl State {
    fn degraded(&self) -> MutexGuard<'_, Option<Degraded>> {
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Conditions {
    /// `condition` is as it should be.
    pub fn ok(&self, condition: Condition) {
        let state = self.state(condition);
        if !state.is_degraded.load(Ordering::Relaxed) {
            return;
        }
        let mut degraded = state.degraded();
        state.is_degraded.store(false, Ordering::Relaxed);
        if let Some(degraded) = degraded.take() {
            tracing::info!(after_seconds = degraded.began.elapsed().as_secs(), "{}", condition.well_again());
        }
    }

    /// `condition` is not: `why` for anybody, `detail` for the log.
    pub fn degraded(&self, condition: Condition, why: &'static str, detail: &str) {
        let state = self.state(condition);
        let mut degraded = state.degraded();
        match &mut *degraded {
            Some(degraded) => degraded.why = why,
            None => {
                *degraded = Some(Degraded { since: SystemTime::now(), why, began: Instant::now() });
                state.is_degraded.store(true, Ordering::Relaxed);
                tracing::warn!("{}: {detail} (said once until that is over)", condition.degraded());
            }
        }
    }

    /// How `condition` is; `None` when it is as it should be.
    #[must_use]
    pub fn get(&self, condition: Condition) -> Option<Degraded> {
        let state = self.state(condition);
        if state.is_degraded.load(Ordering::Relaxed) { state.degraded().clone() } else { None }
    }

    fn state(&self, condition: Condition) -> &State {
        match condition {
            Condition::Upstream => &self.upstream,
            Condition::Reload => &self.reload,
            Condition::Purge => &self.purge,
            Condition::Isolation => &self.isolation,
            Condition::Certificate => &self.certificate,
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
        self.due_after(Self::INTERVAL)
    }

    /// The same with an interval of one's own.
    pub fn due_after(&self, interval: Duration) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= interval);
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
        assert_eq!(conditions.get(Condition::Upstream), None);
        conditions.degraded(Condition::Upstream, "refused", "");
        let first = conditions.get(Condition::Upstream).unwrap();
        conditions.degraded(Condition::Upstream, "no address", "");
        let second = conditions.get(Condition::Upstream).unwrap();
        assert_eq!((second.since, second.why), (first.since, "no address"));
        assert_eq!(conditions.get(Condition::Reload), None);
        conditions.ok(Condition::Upstream);
        assert_eq!(conditions.get(Condition::Upstream), None);
    }
}
