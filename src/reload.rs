//! Reads configuration and users again, on a thread of its own, since reading blocks.
//!
//! SIGHUP reads both; a users file that has changed and stands still is read by itself. What was read replaces what held
//! as a whole or not at all: with a mistake in it, what held before goes on, and the log, `/readyz` and a metric say so.
//! Connections are not touched, but for the tunnels of users who may not have them any more.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crate::app::App;
use crate::auth::{Stamp, Users, UsersFileError, Watch, how_to_make};
use crate::conditions::Condition;
use crate::config::model::{AuthConfig, LiveConfig, StartConfig};
use crate::config::{self, Config, ConfigErrors, Source};
use crate::session::Seconds;
use crate::systemd;

/// How often the users file is looked at. A change holds after two looks at the most, and the reading: within two seconds.
const TICK: Duration = Duration::from_millis(800);

/// Users as they were read, and what the file was like just before.
#[derive(Debug)]
pub struct Read {
    users: Users,
    stamp: Stamp,
}

impl Read {
    /// Takes the users out.
    #[must_use]
    pub fn into_parts(self) -> (Users, Stamp) {
        (self.users, self.stamp)
    }
}

/// Reads the users file and says which of its lines are refused. A file that nobody named may still be to be made.
///
/// # Errors
/// When there is no file to read.
pub fn read_users(auth: &AuthConfig) -> Result<Read, UsersFileError> {
    let file = &auth.users_file;
    // Before the reading: what is written meanwhile is a change that the next look finds.
    let stamp = Stamp::of(&file.path);
    let path = file.path.display();
    let users = match Users::load(&file.path, auth.allow_plaintext.into()) {
        Err(UsersFileError::Missing(_)) if !file.configured => {
            tracing::warn!(
                "{path} does not exist: everybody is refused until it does; make it with: {}",
                how_to_make(&file.path)
            );
            return Ok(Read { users: Users::default(), stamp });
        }
        other => other?,
    };
    for problem in users.problems() {
        tracing::warn!("{path}:{}: {}", problem.line, problem.reason());
    }
    if users.unlisted_problems() > 0 {
        tracing::warn!("{path}: {} more lines are refused; is it a users file at all?", users.unlisted_problems());
    }
    if users.is_empty() {
        tracing::warn!("{path} holds no user: everybody is refused");
    }
    tracing::info!(users = users.len(), "read {path}");
    Ok(Read { users, stamp })
}

/// Asks the thread to read again. Dropping it ends the thread.
#[derive(Debug)]
pub struct Reloader {
    asked: Sender<()>,
    thread: JoinHandle<()>,
}

impl Reloader {
    /// Starts the thread. `config` and the file that was like `stamp` are what `app` runs with, and `source` is where they
    /// came from.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(app: Arc<App>, source: Source, config: Config, stamp: Stamp) -> io::Result<Self> {
        let (asked, asks) = mpsc::channel();
        let Config { start, live } = config;
        let watch = Watch::new(stamp);
        let reload = Reload { app, source, start, live, watch, bad: Bad::default() };
        let thread = std::thread::Builder::new().name("reload".to_owned()).spawn(move || reload.run(&asks))?;
        Ok(Self { asked, thread })
    }

    /// Reads everything again, soon.
    pub fn ask(&self) {
        // The thread ends only when this is dropped.
        let _ = self.asked.send(());
    }

    /// Ends the thread and waits for it, unless it is held up by a file system that does not answer.
    pub fn stop(self) {
        let Self { asked, thread } = self;
        drop(asked);
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

struct Reload {
    app: Arc<App>,
    source: Source,
    /// What runs. Of a later configuration only what is live replaces what is here.
    start: StartConfig,
    live: LiveConfig,
    watch: Watch,
    bad: Bad,
}

/// What could not be read last time.
#[derive(Debug, Default)]
struct Bad {
    /// The configuration has mistakes.
    config: bool,
    /// The users file could not be read, for this reason.
    users: Option<String>,
    /// A configuration that is good in itself waits for its users file.
    waits_for_users: bool,
}

impl Reload {
    fn run(mut self, asks: &Receiver<()>) {
        loop {
            match asks.recv_timeout(TICK) {
                Ok(()) => {
                    // Of many who ask at once one is answered for all.
                    while asks.try_recv().is_ok() {}
                    systemd::reloading();
                    self.everything();
                    systemd::ready();
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Looks at the users file, and reads it if it has changed.
    fn look(&mut self) {
        if self.watch.look(Stamp::of(&self.live.auth.users_file.path)) {
            if self.bad.waits_for_users { self.everything() } else { self.users() }
        }
    }

    /// Reads configuration and users again.
    fn everything(&mut self) {
        match config::load(&self.source) {
            Err(errors) => self.refuse(&errors),
            Ok(config) => {
                self.bad.config = false;
                let fixed = self.start.changed_keys(&config.start);
                if !fixed.is_empty() {
                    tracing::warn!("restart to change: {}; everything else is taken over", fixed.join(", "));
                }
                self.replace(config.live);
            }
        }
    }

    /// Reads the users again.
    fn users(&mut self) {
        self.replace(self.live.clone());
    }

    fn refuse(&mut self, errors: &ConfigErrors) {
        for error in errors.iter() {
            tracing::error!("{error}");
        }
        self.bad.config = true;
        let count = errors.iter().count();
        let what = if count == 1 { "mistake" } else { "mistakes" };
        self.failed(
            "the configuration has mistakes; the log names them",
            &format!("{count} {what} in the configuration"),
        );
    }

    /// Puts `live` with the users of its file in the place of what holds, if they can be read.
    fn replace(&mut self, live: LiveConfig) {
        // A file that nobody named need not exist, but when it goes away that locks out nobody who could log in.
        let mut auth = live.auth.clone();
        auth.users_file.configured |= !self.app.live().users().is_empty();
        match read_users(&auth) {
            Ok(Read { users, stamp }) => self.apply(live, users, stamp),
            Err(error) => self.keep(&live, &error),
        }
    }

    /// Goes on with the users that there are. The file is tried again at each look: it may be unreadable for a reason that
    /// leaves no trace on it, a lack of descriptors say.
    fn keep(&mut self, live: &LiveConfig, error: &UsersFileError) {
        self.bad.waits_for_users |= *live != self.live;
        let reason = error.to_string();
        if self.bad.users.as_ref() != Some(&reason) {
            tracing::error!("{reason}; the users who could log in still can");
            self.bad.users = Some(reason);
            self.failed("the users file cannot be read; the log says why", "the users file cannot be read");
        }
    }

    fn apply(&mut self, live: LiveConfig, users: Users, stamp: Stamp) {
        let count = users.len();
        if live.auth.login_page
            && let Err(error) = self.app.sessions().ready(Seconds::of(SystemTime::now()))
        {
            // The page is there, and says that no session can be begun.
            tracing::error!(%error, "the login page cannot be readied");
        }
        let next = self.app.live().followed_by(&live, users, &self.start);
        let revoked = self.app.replace(next);
        self.live = live;
        self.watch.read(stamp);
        self.bad.users = None;
        self.bad.waits_for_users = false;
        self.app.metrics().reloaded(true);
        tracing::info!(users = count, tunnels_ended = revoked, "reloaded");
        if !self.bad.config {
            self.app.conditions().ok(Condition::Reload);
        }
    }

    fn failed(&self, why: &'static str, detail: &str) {
        self.app.metrics().reloaded(false);
        self.app.conditions().degraded(Condition::Reload, why, detail);
    }
}
