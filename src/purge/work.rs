//! A whole run: attempts until one succeeds or the time for it is over, and a line of history before and after.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::archive::Archive;
use super::history::{History, Record, State, Why};
use super::retention::Rule;
use super::run::{self, Failure, Job, Step};
use super::store::Store;
use crate::config::model::PurgeConfig;

/// A run that is asked for.
#[derive(Debug)]
pub struct Work<'a> {
    /// The catcher.
    pub store: &'a Store,
    /// What goes.
    pub rule: Rule,
    /// Where copies are kept, and for how long a failure is tried again.
    pub config: &'a PurgeConfig,
    /// How long a failure is tried again.
    pub retry_for: Duration,
    /// Ends it between two messages.
    pub stop: &'a CancellationToken,
    /// Where it is noted.
    pub history: &'a History,
    /// Why it runs.
    pub why: Why,
    /// The instant for which it was scheduled.
    pub scheduled: Option<Timestamp>,
    /// The ids that there were the last time.
    pub known: Option<(u64, u64)>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Ended {
    /// As it is noted.
    pub record: Record,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Messages that came meanwhile.
    pub arrived: usize,
    /// What could not be kept: history, old copies. Nothing fails for it.
    pub warnings: Vec<String>,
}

impl Work<'_> {
    /// Runs. Whoever calls it holds the lock of purges, if there is one.
    pub async fn run(&self, progress: &mut (dyn FnMut(Step) + Send)) -> Ended {
        let began = Instant::now();
        let archive = self.config.archive.as_ref().map(Archive::of);
        let mut record = Record::begin(Timestamp::now(), self.why, self.scheduled, self.rule.to_string());
        let mut warnings = Vec::new();
        self.note(&record, &mut warnings);
        if self.rule.limits.max_size.is_some() && !self.store.mailbox.tells_sizes() {
            warnings
                .push("max_size: this catcher does not tell how large a message is, so none goes by that".to_owned());
        }
        let mut known = self.known;
        let mut arrived = 0;
        let failure = loop {
            let job = Job { rule: self.rule, archive: archive.as_ref(), stop: self.stop, known };
            let (tally, result) = run::attempt(self.store, &job, progress).await;
            record.attempts += 1;
            // What an earlier attempt left is decided over again.
            record.decided = record.confirmed + tally.decided;
            record.deleted += tally.deleted;
            record.confirmed += tally.confirmed;
            arrived += tally.arrived;
            known = tally.left.or(known);
            let Err(failure) = result else { break None };
            if failure == Failure::Stopped || self.stop.is_cancelled() {
                break Some(Failure::Stopped);
            }
            let wait = run::delay(record.attempts);
            // What is lost is not found by trying again.
            if matches!(failure, Failure::Lost(_)) || began.elapsed() + wait > self.retry_for {
                break Some(failure);
            }
            tracing::warn!(attempt = record.attempts, again_in = ?wait, "purge: {failure}");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => break Some(Failure::Stopped),
            }
        };
        if let Some(archive) = &archive {
            match archive.sweep(SystemTime::now()) {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "purge: old copies are gone from the archive"),
                Err(error) => warnings.push(format!("purge.archive_dir: old copies cannot be removed: {error}")),
            }
        }
        record.left = known;
        record.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        record.state = match &failure {
            None => State::Done,
            Some(Failure::Stopped) => State::Stopped,
            Some(_) => State::Failed,
        };
        record.error = failure.as_ref().map(ToString::to_string);
        self.note(&record, &mut warnings);
        Ended { record, failure, arrived, warnings }
    }

    fn note(&self, record: &Record, warnings: &mut Vec<String>) {
        const WHAT: &str = "state_dir: ";
        if let Err(error) = self.history.add(record)
            && !warnings.iter().any(|warning| warning.starts_with(WHAT))
        {
            warnings.push(format!("{WHAT}the run cannot be noted in the history: {error}"));
        }
    }
}
