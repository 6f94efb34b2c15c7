//! Certificates that are put in the place of others.

use std::sync::Arc;
use std::time::SystemTime;

use super::Reload;
use super::certificates::{Files, announce};
use crate::auth::UsersRead;
use crate::config::model::LiveConfig;
use crate::net::tls::files::{self, Loaded, TlsFileError};

impl Reload {
    /// Looks at the dates of what is shown.
    pub(super) fn dates(&mut self) {
        if let Some(tls) = &self.tls {
            self.expiry.look(&tls.shown(), self.app.conditions(), SystemTime::now());
        }
    }

    /// Reads the certificates of what holds.
    pub(super) fn certificates(&mut self) {
        let (Some(tls), Some(files)) = (&self.tls, &mut self.holds.files) else { return };
        let had_failed = files.failed.is_some();
        match files.load() {
            Ok(None) => {}
            // Touched, or looked at twice to be sure.
            Ok(Some(loaded)) if loaded.digest == tls.digest() && !had_failed => {}
            Ok(Some(loaded)) => {
                let shown = loaded.shown.clone();
                let clients = loaded.clients.clone();
                if let Err(error) = tls.replace(loaded) {
                    return tracing::error!(%error, "the certificates cannot be taken over");
                }
                announce(&shown);
                let revoked = if clients.is_some() {
                    let live = self.app.live();
                    let users = Arc::clone(live.users());
                    self.app.replace(live.followed_by(&self.holds.live, users, clients, &self.start))
                } else {
                    0
                };
                self.has_news = true;
                self.app.metrics().reloaded(true);
                tracing::info!(tunnels_ended = revoked, "reloaded the certificates");
            }
            Err(error) => {
                if files.could_not_use(&error) {
                    tracing::error!("{error}; what was shown before is shown still");
                    self.app.metrics().reloaded(false);
                }
            }
        }
    }

    /// The certificates of a configuration; none where TLS is not spoken, and that takes a restart to change.
    pub(super) fn read_tls(&self, live: &LiveConfig) -> Result<Option<(Files, Loaded)>, TlsFileError> {
        let (Some(_), Some(config)) = (&self.tls, &live.tls) else { return Ok(None) };
        let loaded = files::load(config)?;
        Ok(Some((Files::new(config.clone(), loaded.stamps.clone()), loaded)))
    }

    /// Takes over a configuration whose files have been read.
    pub(super) fn take(&mut self, live: LiveConfig, read: UsersRead, tls: Option<(Files, Loaded)>) {
        let (clients, files) = match (&self.tls, tls) {
            (Some(tls), Some((files, loaded))) => {
                let (is_other, shown, clients) =
                    (loaded.digest != tls.digest(), loaded.shown.clone(), loaded.clients.clone());
                if let Err(error) = tls.replace(loaded) {
                    tracing::error!(%error, "the certificates cannot be taken over");
                }
                if is_other {
                    announce(&shown);
                }
                (clients, Some(files))
            }
            // What is listened on stays as it is until a restart, and so does what that takes.
            _ => (self.app.live().clients().cloned(), self.holds.files.take()),
        };
        self.replace(live, read, clients, files);
    }
}
