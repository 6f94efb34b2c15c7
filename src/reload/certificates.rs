//! The files of TLS: when they are to be read again, and what their dates say.

use std::time::SystemTime;

use crate::auth::Stamp;
use crate::conditions::{Condition, Conditions};
use crate::config::model::TlsConfig;
use crate::net::tls::expiry::{Dates, date};
use crate::net::tls::files::{self, Loaded, Shown, TlsFileError};

/// The files of a configuration, and what they were like when they were read.
#[derive(Debug)]
pub(super) struct Files {
    config: TlsConfig,
    /// None when what was read last is not what was there, or may not be.
    read: Option<Vec<Stamp>>,
    last: Vec<Stamp>,
    /// Why they could not be used last time.
    pub(super) failed: Option<String>,
}

impl Files {
    /// Those of `config`, that were like `stamps` when they were read.
    pub(super) fn new(config: TlsConfig, stamps: Vec<Stamp>) -> Self {
        let mut files = Self { config, read: None, last: stamps.clone(), failed: None };
        files.have_read(stamps);
        files
    }

    fn have_read(&mut self, stamps: Vec<Stamp>) {
        // What is written in the next moment may have the same time.
        let is_fresh = stamps.iter().any(|stamp| stamp.is_fresh(SystemTime::now()));
        self.read = Some(stamps).filter(|_| !is_fresh);
        self.failed = None;
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.config.files().map(|file| Stamp::of(file)).collect()
    }

    /// Looks at them: whether they are to be read, which is when they are others than were read, or could not be used, and
    /// none has changed since the last look.
    pub(super) fn look(&mut self) -> bool {
        let now = self.stamps();
        let still = now == self.last;
        self.last = now;
        still && self.read.as_ref() != Some(&self.last)
    }

    /// Reads them; nothing if somebody wrote to one meanwhile, which the next look finds.
    ///
    /// # Errors
    /// Why they cannot be used.
    pub(super) fn load(&mut self) -> Result<Option<Loaded>, TlsFileError> {
        let loaded = files::load(&self.config)?;
        if loaded.stamps != self.stamps() {
            return Ok(None);
        }
        self.have_read(loaded.stamps.clone());
        Ok(Some(loaded))
    }

    /// Notes that they could not be used, and whether that is news. They are tried again at each look.
    pub(super) fn could_not_use(&mut self, error: &TlsFileError) -> bool {
        self.read = None;
        let reason = error.to_string();
        let is_news = self.failed.as_ref() != Some(&reason);
        self.failed = Some(reason);
        is_news
    }
}

/// Says which certificates are shown.
pub fn announce(shown: &[Shown]) {
    for one in shown {
        let (file, names, until) = (one.file.display(), one.names.join(" "), date(one.not_after));
        tracing::info!(%names, until, "read {file}");
    }
}

/// What the dates of the certificates that are shown say.
#[derive(Debug)]
pub(super) struct Expiry {
    /// The worst of them, as it was told last.
    told: Dates,
}

impl Default for Expiry {
    fn default() -> Self {
        Self { told: Dates::Good }
    }
}

impl Expiry {
    /// Looks at them, and says once what begins.
    pub(super) fn look(&mut self, shown: &[Shown], conditions: &Conditions, now: SystemTime) {
        let worst = shown.iter().map(|one| one.dates(now)).max().unwrap_or(Dates::Good);
        let Some(why) = worst.why() else {
            self.told = Dates::Good;
            return conditions.ok(Condition::Certificate);
        };
        if worst == self.told {
            return;
        }
        let warnings: Vec<String> = shown.iter().filter_map(|one| one.warning(now)).collect();
        let detail = warnings.join("; ");
        if self.told != Dates::Good {
            // The condition says only how it began.
            tracing::warn!("{detail}");
        }
        self.told = worst;
        conditions.degraded(Condition::Certificate, why, &detail);
    }
}
