//! The daemon's purge: a thread that waits for the next run, runs it, and says how it went.
//!
//! It has a thread and a runtime of its own, since it writes files and waits for the disk, and requests must not. The clock
//! is looked at every second: it may be set, and the machine may sleep.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::alert::{Address, News};
use super::history::{History, Record, State, Why};
use super::lock::{self, Lock, NoLock};
use super::retention::Rule;
use super::run::Failure;
use super::store::Store;
use super::ticker::Ticker;
use super::work::{Ended, Work};
use crate::app::App;
use crate::conditions::Condition;
use crate::config::model::PurgeConfig;
use crate::net::workers;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(1);

/// How often it is looked whether somebody mended by hand what had failed.
const LOOK: Duration = Duration::from_secs(5);

/// How often a catcher is asked again what it is.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What tells it to end.
#[derive(Clone, Debug)]
pub struct Ends {
    /// A run ends between two messages.
    pub stop: CancellationToken,
    /// What stopping waits for.
    pub tasks: TaskTracker,
    /// Whatever is left is dropped.
    pub end: CancellationToken,
}

/// Starts the thread.
///
/// # Errors
/// When the system has no thread or no poller to give.
pub fn start(app: Arc<App>, state_dir: PathBuf, ends: Ends) -> io::Result<JoinHandle<()>> {
    let runtime = workers::runtime()?;
    std::thread::Builder::new().name("purge".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = Purges::new(app, state_dir, ends.clone()).run() => {}
                () = ends.end.cancelled() => {}
            }
        });
        // Not to wait for a name that is being resolved.
        runtime.shutdown_background();
    })
}

struct Purges {
    app: Arc<App>,
    state_dir: PathBuf,
    ends: Ends,
    history: History,
    ticker: Ticker,
    goes_by: Option<Arc<PurgeConfig>>,
    known: Option<(u64, u64)>,
    /// Whether somebody was told that it failed.
    told: bool,
    looked: Instant,
}

impl Purges {
    fn new(app: Arc<App>, state_dir: PathBuf, ends: Ends) -> Self {
        let history = History::of(&state_dir);
        let records = history.read().unwrap_or_else(|error| {
            tracing::warn!("state_dir: the history of purges cannot be read: {error}");
            Vec::new()
        });
        let last = records.iter().rfind(|record| matches!(record.state, State::Done | State::Failed));
        let failed = last.is_some_and(|record| record.state == State::Failed);
        if failed {
            let why = "the last purge before the start failed";
            app.conditions().degraded(Condition::Purge, why, why);
        }
        let ticker = Ticker::new(Timestamp::now(), records.iter().filter_map(|record| record.scheduled));
        let known = records.iter().rev().find_map(|record| record.left);
        Self { app, state_dir, ends, history, ticker, goes_by: None, known, told: failed, looked: Instant::now() }
    }

    async fn run(mut self) {
        while !self.ends.stop.is_cancelled() {
            let config = Arc::clone(self.app.live().purge());
            self.follow(&config);
            if let Some(schedule) = &config.schedule
                && let Some(rule) = config.rule()
                && let Some(scheduled) = self.ticker.due(schedule, Timestamp::now())
            {
                self.purge(&config, rule, scheduled).await;
            }
            self.look_for_mending();
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = self.ends.stop.cancelled() => {}
            }
        }
    }

    /// Goes by what was written last.
    fn follow(&mut self, config: &Arc<PurgeConfig>) {
        let before = self.goes_by.replace(Arc::clone(config));
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, config) || before == config) {
            return;
        }
        let now = Timestamp::now();
        match &before {
            None if config.catch_up => self.ticker.catch_up(),
            None => {}
            Some(before) if before.schedule != config.schedule => self.ticker.begin_anew(now),
            Some(_) => {}
        }
        match (&config.schedule, config.rule()) {
            (Some(schedule), Some(rule)) => {
                let next = schedule.after(now).map_or_else(|| "never".to_owned(), |next| next.to_string());
                tracing::info!(%next, "purge {schedule}: {rule}");
                if let Err(NoLock::Failed(error)) = lock::take(&self.state_dir) {
                    tracing::warn!(
                        "state_dir: nothing can be kept in {}: {error}; purges have no history, and none that \
                         `mailwarden purge` runs at the same time is waited for",
                        self.state_dir.display()
                    );
                }
            }
            _ if before.is_some_and(|before| before.schedule.is_some()) => tracing::info!("nothing is purged any more"),
            _ => {}
        }
    }

    async fn purge(&mut self, config: &PurgeConfig, rule: Rule, scheduled: Timestamp) {
        let store = match self.store(config.retry_for).await {
            Ok(store) => store,
            Err(failure) => return self.did_not_begin(config, rule, scheduled, failure).await,
        };
        // Stopping waits for a message's copy and its deletion.
        let _at_work = self.ends.tasks.token();
        let lock = match self.lock(config.retry_for).await {
            Ok(lock) => lock,
            Err(failure) => return self.did_not_begin(config, rule, scheduled, failure).await,
        };
        let work = Work {
            store: &store,
            rule,
            config,
            retry_for: config.retry_for,
            stop: &self.ends.stop,
            history: &self.history,
            why: Why::Schedule,
            scheduled: Some(scheduled),
            known: self.known,
        };
        let ended = work.run(&mut |_| {}).await;
        drop(lock);
        self.known = ended.record.left;
        self.tell(config, &ended).await;
    }

    /// A run that failed before it did anything is noted and told of like any other.
    async fn did_not_begin(&mut self, config: &PurgeConfig, rule: Rule, scheduled: Timestamp, failure: Failure) {
        if failure == Failure::Stopped {
            return;
        }
        let mut record = Record::begin(Timestamp::now(), Why::Schedule, Some(scheduled), rule.to_string());
        record.state = State::Failed;
        record.error = Some(failure.to_string());
        record.left = self.known;
        let mut warnings = Vec::new();
        // Whoever has the lock may write the history now.
        if let Err(error) = self.history.add_beside(&record) {
            warnings.push(format!("state_dir: the run cannot be noted in the history: {error}"));
        }
        let ended = Ended { record, failure: Some(failure), arrived: 0, warnings };
        self.tell(config, &ended).await;
    }

    /// The catcher, which may have to be asked first what it is.
    ///
    /// # Errors
    /// When it does not say so in time, or the daemon stops.
    async fn store(&self, patience: Duration) -> Result<Store, Failure> {
        let began = Instant::now();
        loop {
            match self.app.live().found_store(self.app.timeouts()).await {
                Ok(Some(store)) => return Ok(store),
                last if began.elapsed() + ASK_AGAIN > patience => {
                    let why = last.err().map_or("how it deletes is not known", |why| why.reason());
                    return Err(Failure::Unknown(why.to_owned()));
                }
                // Also where it was another one by the moment after it was found.
                _ => tokio::select! {
                    () = tokio::time::sleep(ASK_AGAIN) => {}
                    () = self.ends.stop.cancelled() => return Err(Failure::Stopped),
                },
            }
        }
    }

    /// The lock; none where there is no place for one. Another purge is waited for.
    async fn lock(&self, patience: Duration) -> Result<Option<Lock>, Failure> {
        let began = Instant::now();
        let mut told = false;
        loop {
            match lock::take(&self.state_dir) {
                Ok(lock) => return Ok(Some(lock)),
                Err(NoLock::Failed(_)) => return Ok(None),
                Err(NoLock::Busy) if began.elapsed() > patience => return Err(Failure::Busy),
                Err(NoLock::Busy) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::info!("another purge runs, and is waited for");
                    }
                    tokio::select! {
                        () = tokio::time::sleep(TICK) => {}
                        () = self.ends.stop.cancelled() => return Err(Failure::Stopped),
                    }
                }
            }
        }
    }

    /// Says how a run went, to everybody whom it concerns.
    async fn tell(&mut self, config: &PurgeConfig, ended: &Ended) {
        let Record { decided, deleted, confirmed, attempts, took_ms, .. } = ended.record;
        for warning in &ended.warnings {
            tracing::warn!("{warning}");
        }
        self.app.metrics().purged(ended.record.state, deleted);
        match ended.record.state {
            State::Failed => {
                let (why, detail) = ended
                    .failure
                    .as_ref()
                    .map_or(("it failed", String::new()), |failure| (failure.kind(), failure.to_string()));
                tracing::error!(decided, deleted, confirmed, attempts, took_ms, "purge failed: {detail}");
                self.app.conditions().degraded(Condition::Purge, why, &detail);
                if !self.told {
                    let text =
                        format!("Mailwarden: the purge failed ({why}); {confirmed} of {decided} messages are gone");
                    self.told = self.alert(config, &ended.record, "purge_failed", text).await;
                }
            }
            State::Done => {
                tracing::info!(decided, deleted, confirmed, arrived = ended.arrived, attempts, took_ms, "purged");
                self.app.conditions().ok(Condition::Purge);
                if self.told {
                    let text =
                        format!("Mailwarden: the purge is well again; {confirmed} of {decided} messages are gone");
                    self.told = !self.alert(config, &ended.record, "purge_recovered", text).await;
                }
            }
            State::Stopped | State::Begun | State::Refused => tracing::info!(decided, deleted, "purge stopped"),
        }
    }

    /// Whether nobody is to be told or it was told.
    async fn alert(&self, config: &PurgeConfig, record: &Record, event: &'static str, text: String) -> bool {
        let Some(Ok(address)) = config.alert.as_ref().map(|secret| Address::parse(secret.expose())) else {
            return true;
        };
        let Record { decided, deleted, confirmed, attempts, .. } = *record;
        let news = News { event, text, decided, deleted, confirmed, attempts };
        match address.tell(&news).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("purge.alert_url_file: nobody was told: {error}");
                false
            }
        }
    }

    /// Whoever ran `mailwarden purge` after a failure has mended it.
    fn look_for_mending(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        if let Some(degraded) = self.app.conditions().get(Condition::Purge)
            && let Some(last) = self.history.read().unwrap_or_default().last()
            && last.state == State::Done
            && last.began > Timestamp::try_from(degraded.since).unwrap_or(Timestamp::MAX)
        {
            self.app.conditions().ok(Condition::Purge);
        }
    }
}
