//! Hours that a time zone skips or has twice, where a schedule falls into one.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

/// How far it is looked ahead, in hours: a year, and some.
const AHEAD: i64 = 400 * 24;

/// An hour of a schedule that is not there, or there twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Oddity {
    pub(super) date: Date,
    /// The time of the schedule, as `03:00`.
    pub(super) skipped: String,
    /// When the gap ends.
    pub(super) end: String,
}

/// The next time of a schedule that the zone skips.
pub(super) fn next(schedule: &str, zone: &TimeZone, now: Timestamp) -> Option<Oddity> {
    odd(schedule, zone, now, true)
}

/// The next time of a schedule that the zone has twice.
pub(super) fn repeated(schedule: &str, zone: &TimeZone, now: Timestamp) -> Option<Oddity> {
    odd(schedule, zone, now, false)
}

fn odd(schedule: &str, zone: &TimeZone, now: Timestamp, is_gap: bool) -> Option<Oddity> {
    let times = Times::of(schedule)?;
    let until = now.checked_add(AHEAD.hours()).ok()?;
    for transition in zone.following(now).take_while(|transition| transition.timestamp() < until) {
        let at = transition.timestamp();
        let before = zone.to_offset(at.checked_sub(SignedDuration::from_secs(1)).ok()?);
        let (early, late) = (local(at, before), local(at, transition.offset()));
        let (from, to) = if is_gap { (early, late) } else { (late, early) };
        if from >= to {
            continue;
        }
        let mut minute = from;
        while minute < to {
            if times.has(minute) {
                let shown = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
                return Some(Oddity { date: minute.date(), skipped: shown(minute.time()), end: shown(to.time()) });
            }
            minute = minute.checked_add(1.minute()).ok()?;
        }
    }
    None
}

fn local(at: Timestamp, offset: Offset) -> DateTime {
    offset.to_datetime(at)
}

/// The fixed times of a schedule. One with a `*` or a step for its hour or minute follows the real time, and loses nothing.
struct Times {
    minutes: Vec<i8>,
    hours: Vec<i8>,
    days: Option<Vec<i8>>,
    months: Option<Vec<i8>>,
    weekdays: Option<Vec<i8>>,
}

impl Times {
    fn of(schedule: &str) -> Option<Self> {
        let fields: Vec<&str> = schedule.split(' ').collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else { return None };
        if [minute, hour].iter().any(|field| field.contains(['*', '/'])) {
            return None;
        }
        // A field that is not understood is taken for every day: to warn once too often is no harm.
        let limited = |field: &str| if field.starts_with('*') { None } else { numbers(field) };
        Some(Times {
            minutes: numbers(minute)?,
            hours: numbers(hour)?,
            days: limited(day),
            months: limited(month),
            weekdays: limited(weekday).map(|days| days.into_iter().map(|day| day % 7).collect()),
        })
    }

    fn has(&self, at: DateTime) -> bool {
        let is_in = |list: &Option<Vec<i8>>, value: i8| list.as_ref().is_some_and(|list| list.contains(&value));
        let weekday = at.date().weekday().to_sunday_zero_offset();
        let day = match (&self.days, &self.weekdays) {
            (None, None) => true,
            // Cron runs on either, if both are given.
            _ => is_in(&self.days, at.day()) || is_in(&self.weekdays, weekday),
        };
        day && self.months.as_ref().is_none_or(|months| months.contains(&at.month()))
            && self.hours.contains(&at.hour())
            && self.minutes.contains(&at.minute())
    }
}

/// Numbers and ranges with commas between them; names of months and days are not read.
fn numbers(field: &str) -> Option<Vec<i8>> {
    let mut found = Vec::new();
    for part in field.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (i8, i8) = (from.parse().ok()?, to.parse().ok()?);
        found.extend(from..=to);
    }
    Some(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn at(schedule: &str, zone: &str) -> (Option<String>, Option<String>) {
        let zone = TimeZone::get(zone).unwrap();
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let shown = |oddity: Oddity| format!("{} {} {}", oddity.date, oddity.skipped, oddity.end);
        (next(schedule, &zone, now).map(shown), repeated(schedule, &zone, now).map(shown))
    }

    #[test]
    fn three_o_clock_is_skipped_in_helsinki_and_not_in_berlin() {
        let (skipped, twice) = at("0 3 * * *", "Europe/Helsinki");
        assert_eq!(skipped.as_deref(), Some("2027-03-28 03:00 04:00"));
        assert_eq!(twice.as_deref(), Some("2027-10-31 03:00 04:00"));
        assert_eq!(at("0 3 * * *", "Europe/Berlin"), (None, None));
        assert_eq!(at("30 2 * * *", "Europe/Berlin").0.as_deref(), Some("2027-03-28 02:30 03:00"));
        assert_eq!(at("0 3 * * *", "UTC"), (None, None));
    }

    #[test]
    fn what_follows_real_time_or_runs_on_other_days_loses_nothing() {
        for schedule in ["0 * * * *", "*/5 3 * * *", "0 3 * * 1-5", "0 3 * 6 *", "0 4 * * *", "0 3 1 * *", "x"] {
            assert_eq!(at(schedule, "Europe/Helsinki").0, None, "{schedule}");
        }
        for schedule in ["15,45 3 * * *", "0 1-5 * * 7", "0 3 28 * *", "0 3 * * SUN"] {
            assert!(at(schedule, "Europe/Helsinki").0.is_some(), "{schedule}");
        }
    }
}
