//! The daemon's life: bind, wire, serve, stop in order.
//!
//! The main thread accepts, hears signals and serves as the first worker; every further worker has a thread. Stopping
//! first ends accepting, then lets requests finish and tunnels say goodbye; a deadline or a second signal ends what is
//! left.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::AccessLog;
use crate::app::{App, Live};
use crate::auth::{AuthLimits, Authenticator, Users};
use crate::config::model::{Config, StartConfig};
use crate::forward::upgrade::Tunnels;
use crate::net::limits::Connections;
use crate::net::listener::{self, Acceptor, BindError, Listener};
use crate::net::workers::{self, Inbox, Lifetime, Workers};
use crate::signals::{Request, Signals};

/// How long the last lines of the access log may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Why the daemon did not start.
#[derive(Debug)]
pub enum StartError {
    /// An address is taken or not ours.
    Bind(BindError),
    /// The system refused something that a process needs.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind(error) => error.fmt(f),
            StartError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Bind(error) => Some(error),
            StartError::System(_, error) => Some(error),
        }
    }
}

/// Serves until a signal ends it.
///
/// # Errors
/// [`StartError`], before anything is served.
pub fn run(config: Config, users: Users) -> Result<(), StartError> {
    raise_descriptor_limit(&config.start);
    let runtime = workers::runtime().map_err(|error| StartError::System("start a runtime", error))?;
    let access_log = access_log(&config.start)?;
    let result = runtime.block_on(serve(config, users, access_log.clone()));
    // What was cut off on this thread writes its line as it is dropped, which is here. A name that is being resolved is
    // not waited for: that can take longer than stopping may.
    runtime.shutdown_background();
    access_log.flush(LAST_LINES);
    result
}

async fn serve(config: Config, users: Users, access_log: AccessLog) -> Result<(), StartError> {
    let Config { start, live } = config;
    let mut signals = Signals::listen().map_err(|error| StartError::System("listen to signals", error))?;
    let listeners = listener::bind(&start.listen, start.unix_socket_mode).await.map_err(StartError::Bind)?;

    let lifetime =
        Lifetime { stop: CancellationToken::new(), tasks: TaskTracker::new(), end: CancellationToken::new() };
    let auth = Authenticator::new(&AuthLimits::default())
        .map_err(|error| StartError::System("start the threads that check passwords", error))?;
    let tunnels = Tunnels::new(lifetime.tasks.clone(), lifetime.stop.clone());
    let live = Live::new(&live, users, &start);
    let app = Arc::new(App::new(&start, live, auth, access_log, tunnels));

    let (workers, mut inboxes) = Workers::new(start.workers, lifetime.tasks.clone());
    let own = inboxes.remove(0);
    let threads = inboxes
        .into_iter()
        .map(|inbox| inbox.start(Arc::clone(&app), lifetime.clone()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| StartError::System("start a worker", error))?;
    let own = tokio::spawn(Inbox::serve(own, Arc::clone(&app), lifetime.clone()));
    let accepting = accept(listeners, &app, workers, &start);

    while signals.next().await == Request::Reload {
        tracing::warn!("this version does not read its configuration again; restart it");
    }
    stop(&start, &accepting, &lifetime, &mut signals).await;
    let _ = own.await;
    for thread in threads {
        // A worker that panicked has said so by itself.
        let _ = thread.join();
    }
    Ok(())
}

/// Starts accepting; the token ends it.
fn accept(listeners: Vec<Listener>, app: &Arc<App>, workers: Workers, start: &StartConfig) -> CancellationToken {
    let acceptor = Acceptor {
        workers,
        connections: Connections::new(start.limits.connections, start.limits.connections_per_address),
        app: Arc::clone(app),
        stop: CancellationToken::new(),
        told: Arc::default(),
    };
    let accepting = acceptor.stop.clone();
    for listener in listeners {
        tracing::info!(addr = %listener, "listening");
        tokio::spawn(acceptor.clone().run(listener));
    }
    accepting
}

/// Stops in order; returns when nothing is left or nothing more may be waited for.
async fn stop(start: &StartConfig, accepting: &CancellationToken, lifetime: &Lifetime, signals: &mut Signals) {
    let open = lifetime.tasks.len();
    tracing::info!(open, deadline = ?start.timeouts.stop, "stopping; a second signal ends it at once");
    accepting.cancel();
    lifetime.stop.cancel();
    lifetime.tasks.close();
    let second = async { while signals.next().await == Request::Reload {} };
    tokio::select! {
        () = lifetime.tasks.wait() => tracing::info!("stopped"),
        () = tokio::time::sleep(start.timeouts.stop) => {
            tracing::warn!(left = lifetime.tasks.len(), "stopped at the deadline");
        }
        () = second => tracing::warn!(left = lifetime.tasks.len(), "stopped at once"),
    }
    lifetime.end.cancel();
}

fn access_log(start: &StartConfig) -> Result<AccessLog, StartError> {
    if !start.log.access {
        return Ok(AccessLog::off());
    }
    AccessLog::to(io::stdout(), start.log.format)
        .map_err(|error| StartError::System("start the thread that writes the access log", error))
}

/// Raises the soft limit on descriptors to the hard one: a connection takes two, and the usual soft limit of 1024 is for
/// programs that use select(2).
fn raise_descriptor_limit(start: &StartConfig) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let needed = start.limits.connections as u64 * 2 + 64;
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            allowed,
            needed,
            "the limit on open files is too low for limits.connections; raise LimitNOFILE (systemd) or ulimit -n"
        );
    }
}
