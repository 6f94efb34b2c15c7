//! `mailwarden schedule`: the next purges, and the past ones.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::check::Format;
use super::{Exit, out, refuse};
use crate::config::model::{Config, PurgeConfig};
use crate::config::units::format_duration;
use crate::config::{self, Source};
use crate::purge::history::{History, Record, State, Why, under_way};
use crate::purge::lock::{self, NoLock};

const EXAMPLES: &str = "\
The times are those of the daemon, whether it runs or not.

Examples:
  mailwarden schedule
  mailwarden schedule --count 20
  mailwarden schedule --history --format json | jq '.[-1]'

Exit codes: 0 told, 1 the history cannot be read, 2 wrong usage,
78 bad configuration";

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Flags {
    /// How many runs to tell, at most
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    count: usize,
    /// The past runs, the latest last
    #[arg(long)]
    history: bool,
    /// text, or json for scripts
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    format: Format,
}

/// What is scheduled, for scripts; its names stay.
#[derive(Debug, Serialize)]
struct Plan {
    schedule: Option<String>,
    timezone: String,
    rule: Option<String>,
    next: Vec<Run>,
}

#[derive(Debug, Serialize)]
struct Run {
    utc: String,
    local: String,
    #[serde(skip)]
    at: Timestamp,
}

/// Runs the command.
pub(super) fn run(source: &Source, flags: &Flags) -> Exit {
    let config = match config::load(source) {
        Ok(config) => config,
        Err(errors) => return refuse(&errors),
    };
    let text = if flags.history {
        match history(&config, flags) {
            Ok(text) => text,
            Err(error) => {
                let dir = config.start.state_dir.display();
                out::error(&format!("state_dir: the history in {dir} cannot be read: {}\n", config::os_reason(&error)));
                return Exit::Problem;
            }
        }
    } else {
        next(&config.live.site.purge, flags, Timestamp::now())
    };
    match out::print(&text) {
        Ok(()) => Exit::Success,
        Err(error) => {
            out::error(&format!("standard output: {}\n", config::os_reason(&error)));
            Exit::Problem
        }
    }
}

fn next(config: &PurgeConfig, flags: &Flags, now: Timestamp) -> String {
    let told = |at: Timestamp, zone: &TimeZone| at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let runs = config.schedule.iter().flat_map(|schedule| schedule.runs(now)).take(flags.count);
    let plan = Plan {
        schedule: config.schedule.as_ref().map(ToString::to_string),
        timezone: config.zone.iana_name().unwrap_or("UTC").to_owned(),
        rule: config.rule().map(|rule| rule.to_string()),
        next: runs.map(|at| Run { utc: told(at, &TimeZone::UTC), local: told(at, &config.zone), at }).collect(),
    };
    if flags.format == Format::Json {
        return serde_json::to_string_pretty(&plan).unwrap_or_default() + "\n";
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    match (&plan.schedule, &plan.rule) {
        (Some(schedule), Some(rule)) => {
            let _ = writeln!(text, "{schedule}: {rule}");
        }
        (_, Some(rule)) => {
            let _ = writeln!(text, "nothing is purged by itself; `mailwarden purge` does: {rule}");
        }
        _ => text.push_str("nothing is purged: the configuration has neither purge.schedule nor purge.every\n"),
    }
    for Run { utc, local, at } in &plan.next {
        let wait = u64::try_from(at.duration_since(now).as_secs()).unwrap_or_default();
        let local = if utc == local { String::new() } else { format!("   {local}") };
        let _ = writeln!(text, "  {utc}{local}   in {}", about(wait));
    }
    text
}

/// A time in its two largest units.
fn about(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

fn history(config: &Config, flags: &Flags) -> std::io::Result<String> {
    let dir = &config.start.state_dir;
    let records = History::of(dir).read()?;
    if flags.format == Format::Json {
        return Ok(serde_json::to_string_pretty(&records)? + "\n");
    }
    if records.is_empty() {
        return Ok(format!("no purge is known of in {}\n", dir.display()));
    }
    // Whoever has begun and not ended is at it, or was interrupted: the lock tells.
    let runs = under_way(&records).filter(|_| matches!(lock::take(dir), Err(NoLock::Busy)));
    let lines = records.iter().enumerate().map(|(at, record)| line(record, runs == Some(at)));
    Ok(lines.collect())
}

fn line(record: &Record, runs: bool) -> String {
    let began = record.began.strftime("%Y-%m-%d %H:%M:%S UTC");
    let why = match record.why {
        Why::Schedule => "schedule",
        Why::Hand => "by hand",
    };
    let state = match record.state {
        State::Begun if runs => "running",
        State::Begun => "interrupted",
        State::Done => "done",
        State::Failed => "failed",
        State::Stopped => "stopped",
        State::Refused => "refused",
    };
    let mut text = format!("{began}  {why:<8}  {state}");
    if !matches!(record.state, State::Begun | State::Refused) {
        let took = format_duration(Duration::from_millis(record.took_ms));
        let _ = write!(text, "  {} of {} gone in {took}", record.confirmed, record.decided);
        if record.deleted > record.confirmed {
            // The catcher said so, and was away or another one before the list was looked at.
            let _ = write!(text, ", {} deleted", record.deleted);
        }
    }
    if let Some(error) = &record.error {
        // A catcher's address and answer may be in it, and nothing of it is to act on a terminal.
        let _ = write!(text, ": {}", error.escape_debug());
    }
    text.push('\n');
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::config::Source;

    fn purge(toml: &str) -> PurgeConfig {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.toml");
        std::fs::write(&path, toml).unwrap();
        config::load(&Source { path: Some(path), ..Source::default() }).unwrap().live.site.purge
    }

    fn told(toml: &str) -> String {
        let flags = Flags { count: 2, history: false, format: Format::Text };
        next(&purge(toml), &flags, "2026-10-24T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn the_next_runs_are_told_in_both_zones_with_what_they_do() {
        assert_eq!(
            told("[purge]\nschedule = \"30 3 * * *\"\ntimezone = \"Europe/Helsinki\"\nmax_age = \"24h\""),
            "\"30 3 * * *\" in Europe/Helsinki: a message goes when it is older than 1d; none younger than 1m\n  \
             2026-10-25 00:30:00 UTC   2026-10-25 03:30:00 EEST   in 12h 30m\n  \
             2026-10-26 01:30:00 UTC   2026-10-26 03:30:00 EET   in 1d 13h\n"
        );
        assert_eq!(
            told("purge.every = \"6h\""),
            "every 6h: every message goes; none younger than 1m\n  2026-10-24 18:00:00 UTC   in 6h 0m\n  2026-10-25 00:00:00 UTC   in 12h 0m\n"
        );
        assert!(told("").starts_with("nothing is purged: "));
        assert!(told("purge.max_messages = 5").starts_with("nothing is purged by itself; "));
    }

    #[test]
    fn a_past_run_is_a_line() {
        let mut record = Record::begin(
            "2026-11-24T03:00:00Z".parse().unwrap(),
            Why::Schedule,
            None,
            "every message goes".to_owned(),
        );
        assert_eq!(line(&record, true), "2026-11-24 03:00:00 UTC  schedule  running\n");
        assert_eq!(line(&record, false), "2026-11-24 03:00:00 UTC  schedule  interrupted\n");
        record.state = State::Failed;
        (record.decided, record.confirmed, record.took_ms) = (12, 10, 1500);
        record.error = Some("it answered 500\u{1b}[2J".to_owned());
        assert_eq!(
            line(&record, false),
            "2026-11-24 03:00:00 UTC  schedule  failed  10 of 12 gone in 1500ms: it answered 500\\u{1b}[2J\n"
        );
        (record.deleted, record.error) = (11, None);
        assert!(line(&record, false).ends_with("10 of 12 gone in 1500ms, 11 deleted\n"));
    }
}
