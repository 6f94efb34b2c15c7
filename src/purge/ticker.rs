//! Which scheduled run is due, whatever the clock does. Pure: the time is an argument.
//!
//! The clock is looked at now and then. Whatever was scheduled since the last look is due, once: a clock that is set forward
//! and a machine that slept step over runs, of which the last is made up for at once. A clock that is set back comes by the
//! same instants again, and those that ran do not run twice.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::schedule::Schedule;

/// How many runs are remembered. A clock that is set back by more than these is beyond what can be kept.
const REMEMBERED: usize = 1000;

/// The last look, and what ran.
#[derive(Clone, Debug)]
pub struct Ticker {
    since: Timestamp,
    ran: BTreeSet<Timestamp>,
}

impl Ticker {
    /// Begins at `now`; `ran` is what ran before, by the instant for which it was scheduled.
    #[must_use]
    pub fn new(now: Timestamp, ran: impl IntoIterator<Item = Timestamp>) -> Self {
        let mut ticker = Self { since: now, ran: ran.into_iter().collect() };
        ticker.forget();
        ticker
    }

    /// Makes up for what was due since the last run that is known of.
    pub fn catch_up(&mut self) {
        // A run from the future is a clock's mistake, and nothing was missed since.
        if let Some(last) = self.ran.last().filter(|last| **last < self.since) {
            self.since = *last;
        }
    }

    /// Goes by another schedule from `now` on.
    pub fn begin_anew(&mut self, now: Timestamp) {
        self.since = now;
    }

    /// The run that is due at `now`, if one is; it is taken to have run then.
    pub fn due(&mut self, schedule: &Schedule, now: Timestamp) -> Option<Timestamp> {
        let since = std::mem::replace(&mut self.since, now);
        if now <= since {
            return None;
        }
        let run = schedule.last_in(since, now)?;
        let is_new = self.ran.insert(run);
        self.forget();
        is_new.then_some(run)
    }

    fn forget(&mut self) {
        while self.ran.len() > REMEMBERED {
            self.ran.pop_first();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-24T{text}Z").parse().unwrap()
    }

    fn daily() -> Schedule {
        Schedule::cron("0 3 * * *", TimeZone::UTC).unwrap()
    }

    fn hourly() -> Schedule {
        Schedule::cron("0 * * * *", TimeZone::UTC).unwrap()
    }

    #[test]
    fn a_run_is_due_once_when_its_time_has_come() {
        let mut ticker = Ticker::new(at("02:59:58"), []);
        assert_eq!(ticker.due(&daily(), at("02:59:59")), None);
        assert_eq!(ticker.due(&daily(), at("03:00:00.4")), Some(at("03:00:00")));
        assert_eq!(ticker.due(&daily(), at("03:00:01")), None);
    }

    #[test]
    fn what_was_stepped_or_slept_over_runs_once_at_once() {
        let mut ticker = Ticker::new(at("00:30:00"), []);
        assert_eq!(ticker.due(&hourly(), at("05:10:00")), Some(at("05:00:00")));
        assert_eq!(ticker.due(&hourly(), at("05:10:01")), None);
    }

    #[test]
    fn a_clock_that_is_set_back_repeats_no_run_and_loses_none() {
        let mut ticker = Ticker::new(at("02:30:00"), []);
        assert!(ticker.due(&hourly(), at("03:00:01")).is_some());
        assert_eq!(ticker.due(&hourly(), at("02:59:59")), None);
        assert_eq!(ticker.due(&hourly(), at("03:00:00")), None, "it ran");
        // Set back by hours: those that ran do not run again, the next new one does.
        assert_eq!(ticker.due(&hourly(), at("00:30:00")), None);
        assert_eq!(ticker.due(&hourly(), at("01:00:05")), Some(at("01:00:00")), "it never ran");
        assert_eq!(ticker.due(&hourly(), at("03:00:05")), None);
        assert_eq!(ticker.due(&hourly(), at("04:00:00")), Some(at("04:00:00")));
    }

    #[test]
    fn a_restart_repeats_nothing_and_catches_up_only_when_told() {
        let ran = [at("03:00:00")];
        assert_eq!(Ticker::new(at("03:00:00"), ran).due(&daily(), at("03:00:01")), None);
        let tomorrow: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
        let second = jiff::SignedDuration::from_secs(1);
        assert_eq!(Ticker::new(tomorrow, ran).due(&daily(), tomorrow + second), None);
        let mut ticker = Ticker::new(tomorrow, ran);
        ticker.catch_up();
        assert_eq!(ticker.due(&daily(), tomorrow), Some("2026-11-25T03:00:00Z".parse().unwrap()));
        assert_eq!(ticker.due(&daily(), tomorrow + second), None);
        // Where nothing ever ran nothing was missed.
        let mut ticker = Ticker::new(tomorrow, []);
        ticker.catch_up();
        assert_eq!(ticker.due(&daily(), tomorrow + second), None);
    }

    #[test]
    fn another_schedule_holds_from_when_it_is_given() {
        let mut ticker = Ticker::new(at("02:30:00"), []);
        ticker.begin_anew(at("03:00:30"));
        assert_eq!(ticker.due(&daily(), at("03:00:31")), None);
    }

    proptest! {
        #[test]
        fn no_instant_runs_twice_wherever_the_clock_goes(steps in prop::collection::vec(-20_000i64..20_000, 1..200)) {
            let mut now = at("12:00:00");
            let mut ticker = Ticker::new(now, []);
            let mut ran = BTreeSet::new();
            for step in steps {
                now += jiff::SignedDuration::from_secs(step);
                if let Some(run) = ticker.due(&hourly(), now) {
                    prop_assert!(run <= now);
                    prop_assert!(ran.insert(run));
                }
            }
        }
    }
}
