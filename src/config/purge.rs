//! `[purge]`: what goes and when, and what else is done about it.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::model::CatcherKind;
use super::read::parse_path;
use super::reader::{Read, Reader};
use super::secret::Secret;
use super::units::parse_duration;
use crate::purge::retention::{Limits, Rule};
use crate::purge::schedule::Schedule;

/// A hundred years: what is longer is a mistake.
const LONGEST: Duration = Duration::from_secs(36_525 * 24 * 60 * 60);
const MESSAGES: std::ops::RangeInclusive<usize> = 0..=1_000_000_000;
const SIZE: std::ops::RangeInclusive<u64> = 0..=1 << 50;

/// What goes and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeConfig {
    /// When; none: only by hand.
    pub schedule: Option<Schedule>,
    /// The zone of the schedule, which is also told where there is none.
    pub zone: TimeZone,
    /// Whether a run that was due while the daemon was not running is made up for at its start.
    pub catch_up: bool,
    /// Over what a message goes.
    pub limits: Limits,
    /// No message younger than this goes by a schedule or a limit.
    pub min_age: Duration,
    /// How long a run that failed is tried again.
    pub retry_for: Duration,
    /// Where a copy is kept of what goes.
    pub archive: Option<ArchiveConfig>,
    /// The address of the webhook that is told of a purge that failed: a secret, and a URL.
    pub alert: Option<Secret>,
}

/// Where a copy is kept of what goes, and for how long; at least one of the limits is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveConfig {
    /// The folder.
    pub dir: PathBuf,
    /// How long a copy is kept.
    pub max_age: Option<Duration>,
    /// How many bytes all of them may have.
    pub max_size: Option<u64>,
}

impl PurgeConfig {
    /// What a purge goes by; none if the configuration has neither limits nor a schedule.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        let is_there = self.schedule.is_some() || !self.limits.is_empty();
        is_there.then_some(Rule { limits: self.limits, min_age: self.min_age })
    }
}

impl Reader<'_> {
    pub(super) fn purge(&mut self, catcher: Option<CatcherKind>) -> Read<PurgeConfig> {
        let zone = self.parsed("purge.timezone", |text| {
            TimeZone::get(text).map_err(|_| "is no time zone; write a name such as \"Europe/Helsinki\"".to_owned())
        });
        let schedule = self.schedule(zone.as_ref().ok());
        let catch_up = self.boolean("purge.catch_up");
        let max_age = self.given("purge.max_age", |reader, path| reader.duration(path, LONGEST));
        let max_messages = self.given("purge.max_messages", |reader, path| reader.integer(path, MESSAGES));
        let max_size = self.given("purge.max_size", |reader, path| reader.size(path, SIZE));
        let min_age = self.parsed("purge.min_age", |text| match parse_duration(text)? {
            duration if duration > LONGEST => Err("is too long".to_owned()),
            duration => Ok(duration),
        });
        let retry_for = self.duration("purge.retry_for", Duration::from_secs(24 * 60 * 60));
        let archive = self.archive();
        let alert = self.given("purge.alert_url_file", |reader, path| {
            reader.parsed(path, |text| Secret::read_url(&parse_path(text)?))
        });
        if catcher == Some(CatcherKind::Generic) {
            for path in ["purge.schedule", "purge.every", "purge.max_age", "purge.max_messages", "purge.max_size"] {
                if let Some(entry) = self.raw.get(path) {
                    let reason = "needs a catcher whose interface is known; upstream.catcher is \"generic\"";
                    return Err(self.fault(entry, path, reason));
                }
            }
        }
        if catcher == Some(CatcherKind::Mailtutan)
            && let Some(entry) = self.raw.get("purge.max_size")
        {
            let reason = "needs sizes, which mailtutan does not tell; use purge.max_messages";
            return Err(self.fault(entry, "purge.max_size", reason));
        }
        let limits =
            Limits { max_age: max_age?, max_messages: max_messages?.map(|count| count as u64), max_size: max_size? };
        Ok(PurgeConfig {
            schedule: schedule?,
            zone: zone?,
            catch_up: catch_up?,
            limits,
            min_age: min_age?,
            retry_for: retry_for?,
            archive: archive?,
            alert: alert?,
        })
    }

    /// Reads a key that need not be there.
    fn given<T>(&mut self, path: &'static str, read: impl Fn(&mut Self, &'static str) -> Read<T>) -> Read<Option<T>> {
        match self.raw.get(path) {
            Some(_) => read(self, path).map(Some),
            None => Ok(None),
        }
    }

    fn schedule(&mut self, zone: Option<&TimeZone>) -> Read<Option<Schedule>> {
        const CRON: &str = "purge.schedule";
        const EVERY: &str = "purge.every";
        let zone = || zone.cloned().unwrap_or(TimeZone::UTC);
        match (self.raw.get(CRON), self.raw.get(EVERY)) {
            (Some(_), Some(entry)) => {
                Err(self.fault(entry, EVERY, format!("is there beside {CRON}; remove one of them")))
            }
            (Some(_), None) => self.parsed(CRON, |text| Schedule::cron(text, zone())).map(Some),
            (None, Some(_)) => self.parsed(EVERY, |text| match parse_duration(text)? {
                interval if interval < Duration::from_secs(1) => Err("is too short; at least \"1s\"".to_owned()),
                interval if interval > LONGEST => Err("is too long".to_owned()),
                interval => Ok(Some(Schedule::every(interval, zone()))),
            }),
            (None, None) => Ok(None),
        }
    }

    fn archive(&mut self) -> Read<Option<ArchiveConfig>> {
        const DIR: &str = "purge.archive_dir";
        const AGE: &str = "purge.archive_max_age";
        const SIZE_KEY: &str = "purge.archive_max_size";
        let max_age = self.given(AGE, |reader, path| reader.duration(path, LONGEST));
        let max_size = self.given(SIZE_KEY, |reader, path| reader.size(path, 1..=1 << 50));
        let Some(entry) = self.raw.get(DIR) else {
            return match [AGE, SIZE_KEY].into_iter().find_map(|path| Some((path, self.raw.get(path)?))) {
                Some((path, entry)) => {
                    Err(self.fault(entry, path, format!("is there without {DIR}; give both or none")))
                }
                None => Ok(None),
            };
        };
        let dir = self.parsed(DIR, parse_path);
        let (dir, max_age, max_size) = (dir?, max_age?, max_size?);
        if max_age.is_none() && max_size.is_none() {
            let reason = format!("needs {AGE} or {SIZE_KEY}: whoever sends mail would fill the disk");
            return Err(self.fault(entry, DIR, reason));
        }
        Ok(Some(ArchiveConfig { dir, max_age, max_size }))
    }
}
