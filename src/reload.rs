//! Reads configuration and users again, on a thread of its own, since reading blocks.
//!
//! SIGHUP reads both; a users file that has changed and stands still is read by itself. What was read replaces what held
//! as a whole or not at all: with a mistake in it, what held before goes on, and the log, `/readyz` and a metric say so.
//! Connections are not touched, but for the tunnels of users who may not have them any more.
//!
//! Certificates are watched in the same way, and one that has been renewed is shown from the next handshake on.
//!
//! A configuration that is good in itself, but whose users cannot be read yet, waits for them. The users file that holds
//! is watched all the same: whoever is removed from it goes, whatever else is wrong.

mod certificates;
mod renew;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

pub use self::certificates::announce as announce_certificates;
use self::certificates::{Expiry, Files};
use crate::app::App;
use crate::auth::certificate::Clients;
use crate::auth::{Mark, Stamp, Users, UsersFileError, UsersRead, Watch, how_to_make};
use crate::conditions::Condition;
use crate::config::model::{AuthConfig, LiveConfig, StartConfig};
use crate::config::{self, Config, ConfigErrors, Source};
use crate::net::tls::Tls;
use crate::net::tls::files::TlsFileError;
use crate::session::Seconds;
use crate::systemd::Manager;

/// How often the users file is looked at. A change holds after two looks at the most, and the reading: within two seconds.
const TICK: Duration = Duration::from_millis(800);

/// Reads the users file. A file that nobody named may still be to be made: then there are no users.
///
/// # Errors
/// When there is no file to read.
pub fn read_users(auth: &AuthConfig) -> Result<UsersRead, UsersFileError> {
    let file = &auth.users_file;
    match UsersRead::of(&file.path, auth.allow_plaintext.into()) {
        Err(UsersFileError::Missing(_)) if !file.configured => Ok(UsersRead::nobody()),
        other => other,
    }
}

/// Says what was read: how many users, and which lines are refused.
pub fn announce(auth: &AuthConfig, users: &Users) {
    let file = &auth.users_file.path;
    let path = file.display();
    for problem in users.problems() {
        tracing::warn!("{path}:{}: {}", problem.line, problem.reason());
    }
    if users.unlisted_problems() > 0 {
        tracing::warn!("{path}: {} more lines are refused; is it a users file at all?", users.unlisted_problems());
    }
    if users.is_empty() && !file.exists() {
        return tracing::warn!(
            "{path} does not exist: everybody is refused until it does; make it with: {}",
            how_to_make(file)
        );
    }
    if users.is_empty() {
        tracing::warn!("{path} holds no user: everybody is refused");
    }
    tracing::info!(users = users.len(), "read {path}");
}

/// What was read when the daemon started.
#[derive(Debug)]
pub struct FilesRead {
    /// What the users file was like.
    pub users: Mark,
    /// What was made of the files of TLS, if any is spoken.
    pub tls: Option<Arc<Tls>>,
    /// What those files were like.
    pub stamps: Vec<Stamp>,
}

/// Asks the thread to read again. Dropping it ends the thread, as soon as it is not reading.
#[derive(Debug)]
pub struct Reloader {
    asked: Sender<()>,
    thread: JoinHandle<()>,
}

impl Reloader {
    /// Starts the thread. `config`, and the files that were read as `read` says, are what `app` runs with, and `source` is
    /// where they came from.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(app: Arc<App>, source: Source, config: Config, read: FilesRead, manager: Manager) -> io::Result<Self> {
        let (asked, asks) = mpsc::channel();
        let Config { start, live } = config;
        let FilesRead { users, tls, stamps } = read;
        let files = live.tls.clone().map(|config| Files::new(config, stamps));
        let holds = Held { watch: users.watch(), digest: users.digest(), failed: None, files, live };
        let (config, expiry) = (Written::Good, Expiry::default());
        let reload = Reload { app, source, start, tls, manager, holds, waits: None, config, has_news: false, expiry };
        let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(move || reload.run(&asks))?;
        Ok(Self { asked, thread })
    }

    /// Reads everything again, soon.
    pub fn ask(&self) {
        // The thread ends only when this is dropped.
        let _ = self.asked.send(());
    }

    /// Ends the thread. One that is reading is not waited for: a file system may never answer.
    pub fn stop(self) {
        let Self { asked, thread } = self;
        drop((asked, thread));
    }
}

struct Reload {
    app: Arc<App>,
    source: Source,
    /// What runs, whatever was written since.
    start: StartConfig,
    /// What new certificates are given to, where TLS is spoken.
    tls: Option<Arc<Tls>>,
    manager: Manager,
    holds: Held,
    /// What was written later, good in itself, until its users have been read.
    waits: Option<Held>,
    config: Written,
    /// Something was put in the place of what held since this was last judged.
    has_news: bool,
    expiry: Expiry,
}

/// A configuration and the files that it names.
struct Held {
    live: LiveConfig,
    /// Of TLS, if it is spoken and they have been read.
    files: Option<Files>,
    watch: Watch,
    /// Of the file's content as it was read last.
    digest: Option<[u8; 32]>,
    /// Why it, or what else was to be read with it, could not be read last time: for anybody, and for the log.
    failed: Option<(&'static str, String)>,
}

const NO_USERS: &str = "the users file cannot be read; the log says why";
const NO_CERTIFICATE: &str = "a certificate or its key cannot be used; the log says why";

/// Why what is to be read together could not be.
enum Unread {
    Users(UsersFileError),
    Tls(TlsFileError),
}

/// How the configuration was when it was read last.
#[derive(Debug, PartialEq, Eq)]
enum Written {
    Good,
    /// It has so many mistakes.
    Bad(usize),
    /// There was no reading it, for this reason; it is tried again at each look.
    Unread(String),
}

impl Reload {
    fn run(mut self, asks: &Receiver<()>) {
        self.dates();
        let mut next_look = Instant::now() + TICK;
        loop {
            // Whoever asks again and again does not put off the looking.
            match asks.recv_timeout(next_look.saturating_duration_since(Instant::now())) {
                Ok(()) => {
                    // Of many who ask at once one is answered for all.
                    while asks.try_recv().is_ok() {}
                    self.manager.reloading();
                    self.reading(|this| this.everything(true));
                    self.manager.ready();
                }
                Err(RecvTimeoutError::Timeout) => {
                    next_look = Instant::now() + TICK;
                    self.reading(Self::look);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Reads, and lets be seen meanwhile that it has not ended.
    fn reading(&mut self, read: impl FnOnce(&mut Self)) {
        self.app.vitals().reading(true);
        read(self);
        self.app.vitals().reading(false);
        self.judge();
        self.dates();
    }

    /// Looks at the files, and reads what has changed; and at the one that a later configuration waits for.
    fn look(&mut self) {
        if matches!(self.config, Written::Unread(_)) {
            self.everything(false);
        }
        if self.holds.look() {
            self.users();
        }
        // What waits for a certificate reads them by itself.
        let waits_for_one = self.waits.as_ref().and_then(|waits| waits.failed.as_ref());
        if waits_for_one.is_none_or(|(why, _)| *why != NO_CERTIFICATE)
            && self.holds.files.as_mut().is_some_and(Files::look)
        {
            self.certificates();
        }
        if self.waits.as_mut().is_some_and(Held::look) {
            self.take_what_waits(false);
        }
    }

    /// Reads configuration and users again; `asked` when somebody waits for an answer, be it the same as before.
    fn everything(&mut self, asked: bool) {
        let config = match config::load_again(&self.source) {
            Ok(config) => config,
            Err(errors) => return self.refuse(&errors, asked),
        };
        self.config = Written::Good;
        let fixed = self.start.changed_keys(&config.start);
        if !fixed.is_empty() {
            tracing::warn!("restart to change: {}", fixed.join(", "));
        }
        // A file that has just changed may be half-written: then it is read when it has stood still until the next look.
        let users = &config.live.auth.users_file.path;
        let stamp = Stamp::of(users);
        let is_known = *users == self.holds.live.auth.users_file.path && self.holds.watch.has_read(stamp);
        let stands_still = is_known || !stamp.is_fresh(SystemTime::now());
        // It replaces what waited, be it that somebody took back what he had written.
        let watch = Watch::unread(stamp);
        self.waits = Some(Held { live: config.live, files: None, watch, digest: None, failed: None });
        if stands_still {
            self.take_what_waits(asked);
        }
    }

    fn refuse(&mut self, errors: &ConfigErrors, asked: bool) {
        let written =
            if errors.is_unread() { Written::Unread(errors.to_string()) } else { Written::Bad(errors.iter().count()) };
        if asked || written != self.config {
            for error in errors.iter() {
                tracing::error!("{error}");
            }
            self.app.metrics().reloaded(false);
        }
        if matches!(written, Written::Bad(_)) {
            // What waited is not what is written any more.
            self.waits = None;
        }
        self.config = written;
    }

    /// Reads the users of what holds.
    fn users(&mut self) {
        match self.read(&self.holds.live) {
            Ok(None) => {}
            // Touched, or looked at twice to be sure.
            Ok(Some(read)) if read.mark.digest() == self.holds.digest && self.holds.failed.is_none() => {
                self.holds.watch = read.mark.watch();
            }
            Ok(Some(read)) => {
                let clients = self.app.live().clients().cloned();
                let files = self.holds.files.take();
                self.replace(self.holds.live.clone(), read, clients, files);
            }
            Err(error) => {
                if self.holds.could_not_read(&Unread::Users(error), false) {
                    self.app.metrics().reloaded(false);
                }
            }
        }
    }

    /// Puts what waits in the place of what holds, if its users can be read.
    fn take_what_waits(&mut self, asked: bool) {
        let Some(mut waits) = self.waits.take() else { return };
        let read = self.read(&waits.live).map_err(Unread::Users);
        let read = read.and_then(|read| match read {
            Some(read) => Ok(Some((read, self.read_tls(&waits.live).map_err(Unread::Tls)?))),
            None => Ok(None),
        });
        match read {
            Ok(None) => self.waits = Some(waits),
            Ok(Some((read, tls))) => self.take(waits.live, read, tls),
            Err(error) => {
                if waits.could_not_read(&error, asked) {
                    self.app.metrics().reloaded(false);
                }
                self.waits = Some(waits);
            }
        }
    }

    /// The users of a configuration; none if somebody wrote to the file meanwhile, which the next look finds.
    fn read(&self, live: &LiveConfig) -> Result<Option<UsersRead>, UsersFileError> {
        let mut auth = live.auth.clone();
        // A file that nobody named need not exist, but when it goes away that locks out nobody who could log in.
        auth.users_file.configured |= !self.app.live().users().is_empty();
        let read = read_users(&auth)?;
        Ok(Some(read).filter(|read| read.mark.holds_for(&live.auth.users_file.path)))
    }

    fn replace(&mut self, live: LiveConfig, read: UsersRead, clients: Option<Clients>, files: Option<Files>) {
        let UsersRead { users, mark } = read;
        announce(&live.auth, &users);
        let count = users.len();
        if live.auth.login_page
            && let Err(error) = self.app.sessions().ready(Seconds::of(SystemTime::now()))
        {
            // The page is there, and says that no session can be begun.
            tracing::error!(%error, "the login page cannot be readied");
        }
        self.app.keep_mimics(&users, &self.start.state_dir);
        let next = self.app.live().followed_by(&live, Arc::new(users), clients, &self.start);
        let revoked = self.app.replace(next);
        self.holds = Held { live, files, watch: mark.watch(), digest: mark.digest(), failed: None };
        self.has_news = true;
        self.app.metrics().reloaded(true);
        tracing::info!(users = count, tunnels_ended = revoked, "reloaded");
    }

    /// Says how it stands, by what could not be read last time.
    fn judge(&mut self) {
        let held = [Some(&self.holds), self.waits.as_ref()].into_iter().flatten();
        let unread = held.filter_map(|held| held.failed.as_ref()).next();
        let unusable = self.holds.files.as_ref().and_then(|files| files.failed.as_ref());
        let unread = unread.map(|(why, reason)| (*why, reason)).or(unusable.map(|reason| (NO_CERTIFICATE, reason)));
        let (why, detail) = match (&self.config, unread) {
            (Written::Bad(count), _) => (
                "the configuration has mistakes; the log names them",
                format!("{count} mistake{} in the configuration", if *count == 1 { "" } else { "s" }),
            ),
            (Written::Unread(reason), _) => ("the configuration cannot be read; the log says why", reason.clone()),
            (Written::Good, Some((why, reason))) => (why, reason.clone()),
            // Whether what waits will do is not known yet.
            (Written::Good, None) if self.waits.is_some() => return,
            (Written::Good, None) => {
                if std::mem::take(&mut self.has_news) {
                    self.app.metrics().all_is_read();
                }
                return self.app.conditions().ok(Condition::Reload);
            }
        };
        self.app.conditions().degraded(Condition::Reload, why, &detail);
    }
}

impl Held {
    /// Looks at the file: whether it is to be read.
    fn look(&mut self) -> bool {
        self.watch.look(Stamp::of(&self.live.auth.users_file.path))
    }

    /// Notes that the file could not be read, and whether that was worth saying: the first time, and when it is `asked`.
    /// It is tried again at each look, for the reason may leave no trace on the file: a lack of descriptors, say.
    fn could_not_read(&mut self, error: &Unread, asked: bool) -> bool {
        self.watch.could_not_read();
        let (why, reason, still) = match error {
            Unread::Users(error) => (NO_USERS, error.to_string(), "the users who could log in still can"),
            Unread::Tls(error) => (NO_CERTIFICATE, error.to_string(), "what held before goes on"),
        };
        let failed = Some((why, reason));
        let is_news = asked || self.failed != failed;
        if let (true, Some((_, reason))) = (is_news, &failed) {
            tracing::error!("{reason}; {still}");
        }
        self.failed = failed;
        is_news
    }
}
