//! The five fields of cron, as Vixie's cron reads them: names, ranges, steps, lists, and `@daily` and the like.
//!
//! Here a calendar has no time zone: [`Cron::next`] goes from one local time to the next as if every day had 24 hours.
//! What clock changes make of that is `schedule`'s.

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};

/// Days that are looked through for the next one that fits: the rarest is the 29th of February on a given weekday, which
/// comes after 40 years at the latest.
const HORIZON: usize = 41 * 366;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    /// A bit for each minute, and so on; a Sunday is bit 0.
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether the day of the month, and of the week, began with `*`: if neither does, either will do.
    any_day: bool,
    any_weekday: bool,
    /// Whether minute or hour have a `*` or a step: then it goes by the time that passes, else by the clock on the wall.
    follows_real_time: bool,
}

/// What a field may hold.
struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", least: 0, most: 59, names: &[] };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", least: 1, most: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 0 and 7 are Sunday.
const WEEKDAY: Field =
    Field { name: "day of the week", least: 0, most: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

/// The names that stand for five fields.
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// Why it is none, or never fires, as a text that goes on from the expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = match text.strip_prefix('@') {
            None => text,
            Some(_) => {
                let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
                known.map(|(_, fields)| *fields).ok_or_else(|| {
                    let names: Vec<&str> = NICKNAMES.iter().map(|(name, _)| *name).collect();
                    format!("is no such name; there are {}", names.join(", "))
                })?
            }
        };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!(
                "has {} field{}; cron has five: minute, hour, day of the month, month, day of the week, as in \"0 3 * * *\"",
                fields.len(),
                if fields.len() == 1 { "" } else { "s" }
            ));
        };
        let weekdays = WEEKDAY.bits(weekday)?;
        let cron = Self {
            minutes: MINUTE.bits(minute)?,
            hours: HOUR.bits(hour)?,
            days: DAY.bits(day)?,
            months: MONTH.bits(month)?,
            weekdays: weekdays & 0x7f | weekdays >> 7,
            any_day: day.starts_with('*'),
            any_weekday: weekday.starts_with('*'),
            follows_real_time: [minute, hour].iter().any(|field| field.contains(['*', '/'])),
        };
        // Any leap year will do: what fits no day of it and of the forty after it fits none.
        match cron.next(Date::constant(2000, 1, 1).at(0, 0, 0, 0)) {
            Some(_) => Ok(cron),
            None => Err("never fires: there is no such day".to_owned()),
        }
    }

    /// Whether it follows the time that passes; if not it means the clock on the wall.
    #[must_use]
    pub fn follows_real_time(&self) -> bool {
        self.follows_real_time
    }

    /// The first local time that fits, at or after `from`; none if there is none within forty years.
    #[must_use]
    pub fn next(&self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        let mut least = (from.hour() as u32, from.minute() as u32);
        if from.second() > 0 || from.subsec_nanosecond() > 0 {
            let next = from.checked_add(1.minute()).ok()?;
            (date, least) = (next.date(), (next.hour() as u32, next.minute() as u32));
        }
        for _ in 0..HORIZON {
            if self.fits(date)
                && let Some((hour, minute)) = self.time_from(least)
            {
                return DateTime::new(date.year(), date.month(), date.day(), hour, minute, 0, 0).ok();
            }
            (date, least) = (date.tomorrow().ok()?, (0, 0));
        }
        None
    }

    /// Whether a local time fits.
    #[cfg(test)]
    pub(super) fn is_at(&self, at: DateTime) -> bool {
        self.fits(at.date()) && self.minutes >> at.minute() & 1 == 1 && self.hours >> at.hour() & 1 == 1
    }

    fn fits(&self, date: Date) -> bool {
        let has = |bits: u64, value: i8| bits >> value & 1 == 1;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let either = !self.any_day && !self.any_weekday;
        has(self.months, date.month()) && if either { day || weekday } else { day && weekday }
    }

    /// The first time of a day at or after `least`.
    fn time_from(&self, least: (u32, u32)) -> Option<(i8, i8)> {
        let first = |bits: u64, least: u32| {
            let bits = bits.checked_shr(least)?.checked_shl(least)?;
            (bits != 0).then(|| bits.trailing_zeros())
        };
        let hour = first(self.hours, least.0)?;
        let least_minute = if hour == least.0 { least.1 } else { 0 };
        let (hour, minute) = match first(self.minutes, least_minute) {
            Some(minute) => (hour, minute),
            None => (first(self.hours, hour + 1)?, first(self.minutes, 0)?),
        };
        Some((i8::try_from(hour).ok()?, i8::try_from(minute).ok()?))
    }
}

impl Field {
    /// A bit for each value that a field's text names.
    fn bits(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, item| Ok(bits | self.item(item)?))
    }

    fn item(&self, item: &str) -> Result<u64, String> {
        let name = self.name;
        let (range, step) = match item.split_once('/') {
            None => (item, 1),
            Some((range, step)) => match step.parse::<usize>() {
                Ok(step @ 1..) if step <= usize::from(self.most) => (range, step),
                _ => return Err(format!("has a step of {step:?} in its {name}; it goes from 1 to {}", self.most)),
            },
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.least, if self.most == 7 { 6 } else { self.most }),
            None if step != 1 || item.contains('/') => {
                return Err(format!(
                    "has {item:?} for its {name}; a step needs a range, as in \"{range}-{}/{step}\" or \"*/{step}\"",
                    self.most
                ));
            }
            None => {
                let value = self.value(range)?;
                (value, value)
            }
            Some((first, last)) => {
                let (first, last) = (self.value(first)?, self.value(last)?);
                // `fri-sun`: a Sunday is at the end of the week as well.
                if self.most == 7 && last == 0 && first > 0 { (first, 7) } else { (first, last) }
            }
        };
        if first > last {
            return Err(format!("has {range:?} for its {name}, which goes backwards; write two ranges with a comma"));
        }
        Ok((first..=last).step_by(step).fold(0, |bits, value| bits | 1 << value))
    }

    fn value(&self, text: &str) -> Result<u8, String> {
        let number = || text.parse::<u8>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let named = || {
            let at = self.names.iter().position(|name| name.eq_ignore_ascii_case(text))?;
            Some(u8::try_from(at).ok()? + self.least)
        };
        number().or_else(named).filter(|value| (self.least..=self.most).contains(value)).ok_or_else(|| {
            let names = match self.names {
                [first, .., last] => format!(", or from {first} to {last}"),
                _ => String::new(),
            };
            format!("has {text:?} for its {}, which goes from {} to {}{names}", self.name, self.least, self.most)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use jiff::civil::datetime;
    use proptest::prelude::*;

    use super::*;

    fn next(text: &str, from: &str) -> String {
        Cron::parse(text).unwrap().next(from.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn names_ranges_steps_and_lists_are_what_they_are_in_cron() {
        let from = "2026-11-24T10:49:30"; // a Tuesday
        for (text, expected) in [
            ("* * * * *", "2026-11-24T10:50:00"),
            ("0 3 * * *", "2026-11-25T03:00:00"),
            ("*/15 * * * *", "2026-11-24T11:00:00"),
            ("5-59/20 * * * *", "2026-11-24T11:05:00"),
            ("0 9-17/4,23 * * *", "2026-11-24T13:00:00"),
            ("30 6 1,15 * *", "2026-12-01T06:30:00"),
            ("0 0 * JAN *", "2027-01-01T00:00:00"),
            ("0 0 * feb-mar mon", "2027-02-01T00:00:00"),
            ("0 12 * * sat,sun", "2026-11-28T12:00:00"),
            ("0 12 * * fri-sun", "2026-11-27T12:00:00"),
            ("0 12 * * 7", "2026-11-29T12:00:00"),
            ("0 12 * * 0", "2026-11-29T12:00:00"),
            ("0 12 * * 5-7", "2026-11-27T12:00:00"),
            ("0 0 29 2 *", "2028-02-29T00:00:00"),
            ("@daily", "2026-11-25T00:00:00"),
            ("@Weekly", "2026-11-29T00:00:00"),
            ("@monthly", "2026-12-01T00:00:00"),
            ("@yearly", "2027-01-01T00:00:00"),
            ("@hourly", "2026-11-24T11:00:00"),
        ] {
            assert_eq!(next(text, from), expected, "{text}");
        }
    }

    #[test]
    fn a_day_of_the_month_and_one_of_the_week_are_either_and_a_star_makes_them_both() {
        assert_eq!(next("0 0 13 * fri", "2026-11-24T00:00:00"), "2026-11-27T00:00:00");
        assert_eq!(next("0 0 13 * *", "2026-11-24T00:00:00"), "2026-12-13T00:00:00");
        // Vixie's own: `*/2` begins with a star.
        assert_eq!(next("0 0 */2 * mon", "2026-11-24T00:00:00"), "2026-12-07T00:00:00");
    }

    #[test]
    fn what_is_wrong_is_said_with_the_field_and_what_to_write() {
        for (text, reason) in [
            ("", "has 0 fields"),
            ("0 3 * *", "has 4 fields"),
            ("0 0 3 * * *", "has 6 fields"),
            ("60 * * * *", "has \"60\" for its minute, which goes from 0 to 59"),
            ("0 24 * * *", "has \"24\" for its hour"),
            ("0 0 0 * *", "has \"0\" for its day of the month"),
            ("0 0 * 13 *", "has \"13\" for its month, which goes from 1 to 12, or from jan to dec"),
            ("0 0 * * 8", "has \"8\" for its day of the week, which goes from 0 to 7, or from sun to sat"),
            ("0 0 * * L", "has \"L\" for its day of the week"),
            ("+1 0 * * *", "has \"+1\" for its minute"),
            ("1,,2 0 * * *", "has \"\" for its minute"),
            ("5/15 * * * *", "a step needs a range, as in \"5-59/15\" or \"*/15\""),
            ("*/0 * * * *", "has a step of \"0\" in its minute"),
            ("*/x * * * *", "has a step of \"x\" in its minute"),
            ("0 5-3 * * *", "which goes backwards"),
            ("0 0 31 2 *", "never fires"),
            ("0 0 30 feb *", "never fires"),
            ("0 0 31 4,6,9,11 *", "never fires"),
            ("@reboot", "is no such name; there are @yearly"),
        ] {
            let error = Cron::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_star_or_a_step_in_minute_or_hour_follows_real_time_and_nothing_else_does() {
        for (text, expected) in [
            ("* * * * *", true),
            ("*/15 2 * * *", true),
            ("0-59/15 2 * * *", true),
            ("0 * * * *", true),
            ("30 2 * * *", false),
            ("0,30 1-3 */2 * *", false),
        ] {
            assert_eq!(Cron::parse(text).unwrap().follows_real_time(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String, near in "[@0-9a-zA-Z*/, -]{0,30}") {
            let _ = (Cron::parse(&text), Cron::parse(&near));
        }

        /// Against going through all minutes one by one.
        #[test]
        fn the_next_time_is_the_first_minute_that_fits(
            minute in prop_oneof!["\\*", "[1-5]?[0-9]", "\\*/[1-9]"],
            hour in prop_oneof!["\\*", "1?[0-9]", "[0-9]-1[0-9]/[1-5]"],
            day in prop_oneof!["\\*", "1?[1-9]", "\\*/[1-9]"],
            weekday in prop_oneof!["\\*", "[0-7]"],
            start in 0i64..60 * 24 * 366,
        ) {
            let cron = Cron::parse(&format!("{minute} {hour} {day} * {weekday}")).unwrap();
            let from = datetime(2027, 6, 1, 0, 0, 0, 0).checked_add(start.minutes()).unwrap();
            let found = cron.next(from).unwrap();
            prop_assert!(cron.is_at(found) && found >= from);
            let mut at = from;
            while at < found.min(from.checked_add(3.days()).unwrap()) {
                prop_assert!(!cron.is_at(at));
                at = at.checked_add(1.minute()).unwrap();
            }
        }
    }
}
