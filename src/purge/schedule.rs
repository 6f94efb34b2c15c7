//! When a purge is due: a cron expression in a time zone, or an interval. Pure: the time is an argument.
//!
//! Clock changes go by the rules of Vixie's cron. A fixed time that a change skips runs at the first instant after it, and
//! one that comes twice runs the first time. An expression with a `*` or a step in its minute or hour follows the time
//! that passes: each instant whose local time fits, in both passes of a repeated hour, and none in a skipped one.

use std::fmt;
use std::time::Duration;

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

use super::cron::Cron;
use crate::config::units::format_duration;

/// When purges are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    when: When,
    zone: TimeZone,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    Cron(Cron),
    /// Whole seconds, at least one.
    Every(i64),
}

impl Schedule {
    /// By a cron expression in `zone`.
    ///
    /// # Errors
    /// As [`Cron::parse`].
    pub fn cron(text: &str, zone: TimeZone) -> Result<Self, String> {
        Ok(Self { when: When::Cron(Cron::parse(text)?), zone, text: text.trim().to_owned() })
    }

    /// At each multiple of `interval` since 1970, so that a restart postpones nothing. Parts of a second are dropped.
    #[must_use]
    pub fn every(interval: Duration, zone: TimeZone) -> Self {
        let seconds = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX).max(1);
        let text = format!("every {}", format_duration(Duration::from_secs(seconds.unsigned_abs())));
        Self { when: When::Every(seconds), zone, text }
    }

    /// The zone that local times are told in.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The zone's name, for people.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The first run after `now`; none in the foreseeable future, which ends in the year 9999.
    #[must_use]
    pub fn after(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Every(seconds) => {
                let next = now.as_second().div_euclid(*seconds).checked_add(1)?.checked_mul(*seconds)?;
                Timestamp::from_second(next).ok()
            }
            When::Cron(cron) if cron.follows_real_time() => self.passing(cron, now),
            When::Cron(cron) => self.on_the_wall(cron, now),
        }
    }

    /// The runs after `now`, in order.
    pub fn runs(&self, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.after(now), |run| self.after(*run))
    }

    /// The last run in the time after `since` up to and including `now`.
    #[must_use]
    pub fn last_in(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        // From ever further back, so that years of minutes are not gone through one by one.
        let mut back = 120;
        loop {
            let from = now.checked_sub((back as i64).seconds()).unwrap_or(Timestamp::MIN).max(since);
            if let Some(last) = self.runs(from).take_while(|run| *run <= now).last() {
                return Some(last);
            }
            if from <= since {
                return None;
            }
            back *= 8;
        }
    }

    /// Between two clock changes local time runs as it does in UTC, so each such stretch is gone through by itself.
    fn passing(&self, cron: &Cron, now: Timestamp) -> Option<Timestamp> {
        let mut at = now;
        loop {
            let offset = self.zone.to_offset(at);
            let mut local = offset.to_datetime(at);
            if at == now {
                local = local.checked_add(1.nanosecond()).ok()?;
            }
            let end = self.zone.following(at).next().map(|change| change.timestamp());
            let run = offset.to_timestamp(cron.next(local)?).ok()?;
            match end {
                Some(end) if run >= end => at = end,
                _ => return Some(run),
            }
        }
    }

    fn on_the_wall(&self, cron: &Cron, now: Timestamp) -> Option<Timestamp> {
        let mut local = self.zone.to_datetime(now);
        loop {
            local = cron.next(local)?;
            let ambiguous = self.zone.to_ambiguous_timestamp(local);
            let run = match ambiguous.offset() {
                AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
                AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
                AmbiguousOffset::Gap { after, .. } => {
                    // By the later clock the time lies before the change that skips it.
                    self.zone.following(after.to_timestamp(local).ok()?).next()?.timestamp()
                }
            };
            if run > now {
                return Some(run);
            }
            local = local.checked_add(1.minute()).ok()?;
        }
    }
}

/// `"0 3 * * *" in Europe/Helsinki`, or `every 1h`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Cron(_) => write!(f, "\"{}\" in {}", self.text, self.zone_name()),
            When::Every(_) => f.write_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests;
