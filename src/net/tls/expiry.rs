//! When certificates expire, and who is to be told beforehand.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::files::Shown;

/// How long before its end a certificate is worth a word: those that are renewed by themselves are by then, and people need
/// some days.
pub const BEFOREHAND: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What is wrong with a certificate's dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dates {
    /// Nothing.
    Good,
    /// It expires soon.
    Soon,
    /// It is not good yet.
    NotYet,
    /// It has expired.
    Expired,
}

impl Dates {
    /// In a few words that anybody may read; none if they are good.
    #[must_use]
    pub fn why(self) -> Option<&'static str> {
        match self {
            Dates::Good => None,
            Dates::Soon => Some("a certificate expires within 14 days; the log names it"),
            Dates::NotYet => Some("a certificate is not valid yet; the log names it"),
            Dates::Expired => Some("a certificate has expired; the log names it"),
        }
    }
}

impl Shown {
    /// What is wrong with its dates.
    #[must_use]
    pub fn dates(&self, now: SystemTime) -> Dates {
        match self.not_after.duration_since(now) {
            Err(_) => Dates::Expired,
            Ok(_) if self.not_before > now => Dates::NotYet,
            Ok(left) if left < BEFOREHAND => Dates::Soon,
            Ok(_) => Dates::Good,
        }
    }

    /// The same as a sentence that names it; none if they are good.
    #[must_use]
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let file = self.file.display();
        let until = date(self.not_after);
        match self.dates(now) {
            Dates::Good => None,
            Dates::Soon => {
                let days = self.not_after.duration_since(now).unwrap_or_default().as_secs() / (24 * 60 * 60);
                let left = match days {
                    0 => "within a day".to_owned(),
                    1 => "in a day".to_owned(),
                    days => format!("in {days} days"),
                };
                Some(format!("{file} expires {left}, on {until}"))
            }
            Dates::NotYet => Some(format!("{file} is not valid before {}", date(self.not_before))),
            Dates::Expired => Some(format!("{file} has expired on {until}; browsers refuse it")),
        }
    }
}

/// A day and a time, in UTC.
#[must_use]
pub fn date(at: SystemTime) -> String {
    Timestamp::try_from(at)
        .map_or_else(|_| "a day far away".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_worth_a_word_two_weeks_before_its_end() {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let now = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        let shown = |from: SystemTime, until: SystemTime| Shown {
            file: "/tls/cert.pem".into(),
            names: Vec::new(),
            not_before: from,
            not_after: until,
            key_is_open: false,
        };
        for (from, until, dates, words) in [
            (now - DAY, now + 14 * DAY, Dates::Good, None),
            (now - DAY, now + 13 * DAY, Dates::Soon, Some("/tls/cert.pem expires in 13 days, on 2024-10-17 00:00 UTC")),
            (
                now - DAY,
                now + DAY / 2,
                Dates::Soon,
                Some("/tls/cert.pem expires within a day, on 2024-10-04 12:00 UTC"),
            ),
            (now + DAY, now + 90 * DAY, Dates::NotYet, Some("/tls/cert.pem is not valid before 2024-10-05 00:00 UTC")),
            (
                now - 9 * DAY,
                now - DAY,
                Dates::Expired,
                Some("/tls/cert.pem has expired on 2024-10-03 00:00 UTC; browsers refuse it"),
            ),
        ] {
            let shown = shown(from, until);
            assert_eq!((shown.dates(now), shown.warning(now).as_deref()), (dates, words));
        }
    }
}
