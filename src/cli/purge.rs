//! `mailwarden purge`: one purge now, by the configuration's rules or the flags'.

mod dry_run;
mod progress;

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::check::Format;
use super::{Exit, out, refuse};
use crate::catcher::Mailbox;
use crate::config::model::{CatcherKind, Config, PurgeConfig, SiteConfig};
use crate::config::units::{format_duration, parse_duration, parse_size};
use crate::config::{self, Flag, Source};
use crate::forward::recognised::Recognised;
use crate::forward::upstream::Upstream;
use crate::net::workers;
use crate::purge::history::{History, Record, State, Why};
use crate::purge::lock::{self, NoLock};
use crate::purge::retention::{Limits, Rule};
use crate::purge::run::Failure;
use crate::purge::store::Store;
use crate::purge::work::{Ended, Work};
use crate::reject::Reject;
use progress::Progress;

const EXAMPLES: &str = "\
Without a flag it goes by [purge] of the configuration; flags replace limits.
purge.min_age protects the youngest from everything but --all.

Examples:
  mailwarden purge --dry-run
  mailwarden purge --max-age 24h --max-messages 500
  mailwarden purge --all

Exit codes: 0 what had to go is gone, 1 not all of it, 2 wrong usage or no
rule, 69 the catcher cannot be reached, 78 bad configuration";

/// How long a failure is tried again, for somebody waits.
const RETRY_FOR: Duration = Duration::from_secs(10);

/// Why it did not run.
const REFUSED: &str = "another purge runs at this moment, by the daemon or by hand; nothing was done";

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Flags {
    /// Delete what is older: 24h, 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_age: Option<Duration>,
    /// Keep so many of the newest
    #[arg(long, value_name = "COUNT")]
    max_messages: Option<u64>,
    /// Keep so much of the newest: 500MiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Delete everything, what came this moment too
    #[arg(long, conflicts_with_all = ["max_age", "max_messages", "max_size"])]
    all: bool,
    /// Only list what would go, and why
    #[arg(long)]
    dry_run: bool,
    /// Say nothing but what went wrong
    #[arg(long, conflicts_with = "format")]
    quiet: bool,
    /// text, or json for scripts
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    format: Format,
    /// The catcher's web address
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Which catcher it is
    #[arg(long, value_name = "NAME")]
    catcher: Option<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
}

fn size(text: &str) -> Result<u64, String> {
    parse_size(text)
}

impl Flags {
    /// Takes out what stands for keys.
    pub(super) fn take_keys(&mut self) -> Vec<Flag> {
        let keys = [("upstream", self.upstream.take()), ("catcher", self.catcher.take())];
        keys.into_iter().filter_map(|(name, value)| Some(Flag { name, value: value? })).collect()
    }

    /// What goes; none if neither they nor the configuration say.
    fn rule(&self, config: &PurgeConfig) -> Option<Rule> {
        let limits = Limits { max_age: self.max_age, max_messages: self.max_messages, max_size: self.max_size };
        if self.all {
            Some(Rule::EVERYTHING)
        } else if limits.is_empty() {
            config.rule()
        } else {
            Some(Rule { limits, min_age: config.min_age })
        }
    }
}

/// What came of it, for scripts; its names stay.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    ok: bool,
    rule: &'a str,
    decided: usize,
    deleted: usize,
    confirmed: usize,
    arrived: usize,
    attempts: u32,
    took_ms: u64,
    error: Option<&'a str>,
}

/// Runs the command.
pub(super) fn run(source: &Source, flags: &Flags) -> Exit {
    let config = match config::load(source) {
        Ok(config) => config,
        Err(errors) => return refuse(&errors),
    };
    if config.live.site.catcher == CatcherKind::Generic {
        out::error(
            "upstream.catcher is \"generic\": how it deletes is not known; name the catcher, or use --catcher\n",
        );
        return Exit::Config;
    }
    let Some(rule) = flags.rule(&config.live.site.purge) else {
        out::error(
            "there is no rule: give --max-age, --max-messages, --max-size or --all, or write [purge] into the configuration\n",
        );
        return Exit::Usage;
    };
    let runtime = match workers::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::error(&format!("cannot start a runtime: {error}\n"));
            return Exit::Problem;
        }
    };
    let timeouts = &config.start.timeouts;
    let upstream = Upstream::new(&config.live.site.upstream, timeouts.upstream_connect, timeouts.upstream_idle, 1);
    let upstream = Arc::new(upstream);
    let mailbox = match runtime.block_on(mailbox(&config.live.site, &upstream)) {
        Ok(mailbox) => mailbox,
        Err(exit) => {
            runtime.shutdown_background();
            return exit;
        }
    };
    let store = Store {
        upstream,
        mailbox,
        // Nobody's page is passed on by this process.
        inbox: Arc::default(),
        prefix: config.live.site.upstream.prefix.as_str().to_owned(),
        worker: 0,
        answer_timeout: timeouts.upstream_answer,
        clear_timeout: timeouts.upstream_clear,
    };
    let history = History::of(&config.start.state_dir);
    let known = history.read().unwrap_or_default().iter().rev().find_map(|record| record.left);
    let exit = if flags.dry_run {
        runtime.block_on(dry_run::run(&store, &rule, known, flags))
    } else {
        runtime.block_on(purge(&config, &store, rule, &history, known, flags))
    };
    runtime.shutdown_background();
    exit
}

/// How mail is listed and deleted at the catcher, which is asked what it is where that is not written.
async fn mailbox(site: &SiteConfig, upstream: &Arc<Upstream>) -> Result<&'static dyn Mailbox, Exit> {
    let recognised = Recognised::new(site.catcher);
    let catcher = recognised.find(upstream, site.upstream.prefix.as_str()).await.map_err(|why| match why {
        Reject::Upstream(fault) => {
            out::error(&format!("the catcher cannot be reached: {fault}\n"));
            Exit::Unavailable
        }
        _ => {
            out::error("upstream.catcher is \"auto\", and what answers is not recognised; name the catcher\n");
            Exit::Problem
        }
    })?;
    catcher.mailbox().ok_or(Exit::Config)
}

async fn purge(
    config: &Config,
    store: &Store,
    rule: Rule,
    history: &History,
    known: Option<(u64, u64)>,
    flags: &Flags,
) -> Exit {
    let dir = &config.start.state_dir;
    let lock = match lock::take_soon(dir) {
        Ok(lock) => Some(lock),
        Err(NoLock::Busy) => {
            let mut record = Record::begin(Timestamp::now(), Why::Hand, None, rule.to_string());
            record.state = State::Refused;
            record.error = Some(REFUSED.to_owned());
            // Whoever looks at the history is told as well; that this cannot be is no reason to say anything else.
            let _ = history.add_beside(&record);
            return tell(&Ended { record, failure: Some(Failure::Busy), arrived: 0, warnings: Vec::new() }, flags);
        }
        Err(NoLock::Failed(error)) => {
            let reason = config::os_reason(&error);
            out::error(&format!(
                "warning: state_dir: nothing can be kept in {}: {reason}; the run is not in the history\n",
                dir.display()
            ));
            None
        }
    };
    let stop = CancellationToken::new();
    let work = Work {
        store,
        rule,
        config: &config.live.site.purge,
        retry_for: RETRY_FOR,
        stop: &stop,
        history,
        why: Why::Hand,
        scheduled: None,
        known,
    };
    let mut progress = Progress::new(!flags.quiet && flags.format == Format::Text && std::io::stderr().is_terminal());
    let ended = work.run(&mut |step| progress.at(step)).await;
    progress.end();
    if lock.is_some() {
        for warning in &ended.warnings {
            out::error(&format!("warning: {warning}\n"));
        }
    }
    tell(&ended, flags)
}

/// Says what came of it.
fn tell(ended: &Ended, flags: &Flags) -> Exit {
    let record = &ended.record;
    let ok = record.state == State::Done;
    let exit = match &ended.failure {
        None => Exit::Success,
        Some(failure) => of(failure),
    };
    let text = match flags.format {
        Format::Json => {
            let result = Summary {
                ok,
                rule: &record.rule,
                decided: record.decided,
                deleted: record.deleted,
                confirmed: record.confirmed,
                arrived: ended.arrived,
                attempts: record.attempts,
                took_ms: record.took_ms,
                error: record.error.as_deref(),
            };
            serde_json::to_string(&result).unwrap_or_default() + "\n"
        }
        Format::Text if flags.quiet => String::new(),
        Format::Text if record.decided == 0 && ok => format!("nothing to purge: {}\n", record.rule),
        Format::Text if record.decided == 0 => String::new(),
        Format::Text => {
            let took = Duration::from_millis(if record.took_ms < 10_000 {
                record.took_ms
            } else {
                record.took_ms / 1000 * 1000
            });
            format!(
                "purged {} of {} message{} in {}\n",
                record.confirmed,
                record.decided,
                if record.decided == 1 { "" } else { "s" },
                format_duration(took)
            )
        }
    };
    if let (Some(error), Format::Text) = (&record.error, flags.format) {
        out::error(&format!("{error}\n"));
    }
    printed(&text, exit)
}

/// Prints what a command found, and passes its exit code on.
fn printed(text: &str, exit: Exit) -> Exit {
    match out::print(text) {
        Ok(()) => exit,
        Err(error) => {
            out::error(&format!("standard output: {}\n", config::os_reason(&error)));
            Exit::Problem
        }
    }
}

fn of(failure: &Failure) -> Exit {
    if matches!(failure, Failure::Unreachable(_)) { Exit::Unavailable } else { Exit::Problem }
}
