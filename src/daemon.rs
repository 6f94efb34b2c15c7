//! The daemon's life: bind, wire, serve, stop in order.
//!
//! The main thread accepts, hears signals and serves as the first worker; every further worker has a thread, and so have
//! the status listener, the reading of files and the look for ways around the gate. Stopping first ends accepting, then lets
//! requests finish and tunnels say goodbye; a deadline or a second signal ends what is left.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access_log::AccessLog;
use crate::app::{App, Live};
use crate::auth::{AuthLimits, Authenticator, UsersFileError, UsersRead};
use crate::conditions::Condition;
use crate::config::model::{Listen, ListenAt, RedirectConfig, Scheme, StartConfig, StatusConfig};
use crate::config::{Config, Source};
use crate::forward::tunnels::Tunnels;
use crate::isolation::facts;
use crate::isolation::watch::Watcher;
use crate::metrics::Metrics;
use crate::net::bind::{self, BindError, Bound, Listener};
use crate::net::inherited::Inherited;
use crate::net::limits::Connections;
use crate::net::listener::Acceptor;
use crate::net::tls::Tls;
use crate::net::tls::files::{self, TlsFileError};
use crate::net::workers::{self, Inbox, Lifetime, Workers};
use crate::purge::task;
use crate::reload::{self, FilesRead, Reloader};
use crate::session::{Seconds, Sessions};
use crate::signals::{Request, Signals};
use crate::status;
use crate::systemd::Manager;

/// How long the last lines of the access log may take.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How often the daemon looks after what nobody else notices.
const INTERVAL: Duration = Duration::from_secs(5);

/// Why the daemon did not start.
#[derive(Debug)]
pub enum StartError {
    /// There is no users file to read.
    Users(UsersFileError),
    /// A certificate cannot be used.
    Tls(TlsFileError),
    /// An address is taken or not ours.
    Bind(BindError),
    /// The system refused something that a process needs.
    System(&'static str, io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Users(error) => write!(f, "auth.users_file: {error}"),
            StartError::Tls(error) => error.fmt(f),
            StartError::Bind(error) => error.fmt(f),
            StartError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Users(error) => Some(error),
            StartError::Tls(error) => Some(error),
            StartError::Bind(error) => Some(error),
            StartError::System(_, error) => Some(error),
        }
    }
}

fn system(what: &'static str) -> impl Fn(io::Error) -> StartError {
    move |error| StartError::System(what, error)
}

/// What a daemon starts from.
#[derive(Debug)]
pub struct Start {
    /// Where the configuration came from, to be read again.
    pub source: Source,
    /// What it says.
    pub config: Config,
    /// Sockets of the service manager.
    pub inherited: Inherited,
}

/// Serves until a signal ends it.
///
/// # Errors
/// [`StartError`], before anything is served.
pub fn run(start: Start) -> Result<(), StartError> {
    raise_descriptor_limit(&start.config.start);
    let runtime = workers::runtime().map_err(system("start a runtime"))?;
    let access_log = access_log(&start.config.start)?;
    let result = runtime.block_on(serve(start, access_log.clone()));
    // What was cut off on this thread writes its line as it is dropped, which is here. A name that is being resolved is
    // not waited for: that can take longer than stopping may.
    runtime.shutdown_background();
    access_log.flush(LAST_LINES);
    result
}

async fn serve(start: Start, access_log: AccessLog) -> Result<(), StartError> {
    let Start { source, config, inherited } = start;
    // First of all: until then a SIGHUP ends the process.
    let mut signals = Signals::listen().map_err(system("listen to signals"))?;
    let manager = Manager::from_environment();
    let UsersRead { users, mark } = reload::read_users(&config.live.auth).map_err(StartError::Users)?;
    reload::announce(&config.live.auth, &users);
    let loaded = config.live.tls.as_ref().map(files::load).transpose().map_err(StartError::Tls)?;
    if let Some(loaded) = &loaded {
        reload::announce_certificates(&loaded.shown);
    }
    let sockets = Sockets::bind(&config.start, inherited)?;

    let lifetime =
        Lifetime { stop: CancellationToken::new(), tasks: TaskTracker::new(), end: CancellationToken::new() };
    let app = {
        let auth = Authenticator::new(&AuthLimits::default())
            .map_err(system("draw a random key and start the threads that check passwords"))?;
        auth.keep_mimics(&users, &config.start.state_dir);
        let metrics = Metrics::new(SystemTime::now()).map_err(|error| system("count")(io::Error::other(error)))?;
        let metrics = Arc::new(metrics);
        let tunnels = Tunnels::new(lifetime.tasks.clone(), lifetime.stop.clone(), Arc::clone(&metrics));
        let sessions = Sessions::new(&config.start.state_dir).map_err(system("draw a key"))?;
        if config.live.auth.login_page {
            sessions.ready(Seconds::of(SystemTime::now())).map_err(system("ready the login page"))?;
        }
        let clients = loaded.as_ref().and_then(|loaded| loaded.clients.clone());
        let live = Live::new(&config.live, Arc::new(users), clients, &config.start);
        let start = StartConfig { redirect: redirect(&config.start, &sockets.main), ..config.start.clone() };
        Arc::new(App::new(&start, live, auth, sessions, access_log, tunnels, metrics))
    };
    let (workers, mut inboxes) = Workers::new(config.start.workers, lifetime.tasks.clone());
    let own = inboxes.remove(0);
    let threads = inboxes
        .into_iter()
        .map(|inbox| inbox.start(Arc::clone(&app), lifetime.clone()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(system("start a worker"))?;
    let own = tokio::spawn(Inbox::serve(own, Arc::clone(&app), lifetime.clone()));
    let stamps = loaded.as_ref().map(|loaded| loaded.stamps.clone()).unwrap_or_default();
    let tls = loaded.map(|loaded| Tls::new(loaded, config.start.timeouts.handshake, Arc::clone(app.metrics())));
    let tls = tls.transpose().map_err(|error| system("draw a key for TLS")(io::Error::other(error)))?;
    let accepting = accept(sockets.main, &app, workers, tls.clone(), &config.start)?;
    tracing::info!(upstream = %config.live.site.upstream, catcher = %config.live.site.catcher, "forwarding");
    app.vitals().serving();
    let status = sockets.status.map(|bound| status::start(bound, Arc::clone(&app), lifetime.end.clone()));
    let status = status.transpose().map_err(system("start the status listener"))?;
    let start = config.start.clone();
    let read = FilesRead { users: mark, tls, stamps };
    let reloader = Reloader::start(Arc::clone(&app), source, config, read, manager.clone());
    let reloader = reloader.map_err(system("start the thread that reads files again"))?;
    let ends = task::Ends { stop: lifetime.stop.clone(), tasks: lifetime.tasks.clone(), end: lifetime.end.clone() };
    let purge =
        task::start(Arc::clone(&app), start.state_dir.clone(), ends).map_err(system("start the thread that purges"))?;
    let isolation = Watcher::start(Arc::clone(&app), facts::gate(&start.listen));
    let isolation = isolation.map_err(system("start the thread that looks for ways around the gate"))?;
    tokio::spawn(watch(Arc::clone(&app)));
    tokio::spawn(manager.clone().report(Arc::clone(&app)));

    manager.ready();
    while signals.next().await == Request::Reload {
        reloader.ask();
        isolation.ask();
    }
    app.drain();
    manager.stopping();
    reloader.stop();
    drop(isolation);
    accepting.end().await;
    stop(&start, &lifetime, &mut signals).await;
    let _ = own.await;
    join(threads.into_iter().chain(status).chain([purge]));
    app.sessions().flush(LAST_LINES);
    Ok(())
}

/// Where requests in clear text are sent: only what is bound says which port the system or the service manager chose.
fn redirect(start: &StartConfig, bound: &[Bound]) -> Option<RedirectConfig> {
    let redirect = start.redirect?;
    let https = bound.iter().filter(|bound| bound.scheme == Scheme::Https).find_map(Bound::port);
    Some(match https {
        Some(port) if !redirect.configured => RedirectConfig { port, ..redirect },
        _ => redirect,
    })
}

/// A thread that panicked has said so by itself.
fn join(threads: impl Iterator<Item = JoinHandle<()>>) {
    for thread in threads {
        let _ = thread.join();
    }
}

/// Everything that is listened on.
struct Sockets {
    main: Vec<Bound>,
    status: Option<Vec<Bound>>,
}

impl Sockets {
    fn bind(start: &StartConfig, mut inherited: Inherited) -> Result<Self, StartError> {
        let mode = start.unix_socket_mode;
        let bind = |listen: &[Listen], inherited: &mut Inherited| bind::bind(listen, mode, inherited);
        // A socket that is passed for it first, so that "systemd" without a name takes what is left.
        let mut status = match &start.status {
            Some(StatusConfig { listen: listen @ Listen { at: ListenAt::Systemd(_), .. }, .. }) => {
                Some(bind(std::slice::from_ref(listen), &mut inherited).map_err(StartError::Bind)?)
            }
            _ => None,
        };
        let inherited_before = inherited.addresses();
        let from_the_manager = [Listen { scheme: Scheme::Http, at: ListenAt::Systemd(None) }];
        let listen: &[Listen] =
            if start.listen_is_default && !inherited.is_empty() { &from_the_manager } else { &start.listen };
        let main = bind(listen, &mut inherited).inspect_err(|_| {
            if !inherited_before.is_empty() {
                tracing::warn!(
                    "the service manager passed {} of its own, which may be what holds the address: remove `listen` from \
                     the configuration, or write listen = [\"systemd\"]",
                    inherited_before.join(", ")
                );
            }
        });
        let main = main.map_err(StartError::Bind)?;
        if let (None, Some(StatusConfig { listen, configured })) = (&status, &start.status) {
            match bind(std::slice::from_ref(listen), &mut inherited) {
                Ok(bound) => status = Some(bound),
                // Nobody asked for it, and a second gate on this machine is no reason not to serve.
                Err(error) if !configured => {
                    tracing::warn!("status.listen: {error}; nothing is told there: name another address, or \"off\"");
                }
                Err(error) => return Err(StartError::Bind(error)),
            }
        }
        if !inherited.is_empty() {
            tracing::warn!(
                sockets = inherited.len(),
                "the service manager passed sockets that listen does not name; whoever connects to them waits in vain"
            );
        }
        Ok(Self { main, status })
    }
}

/// The tasks that accept.
struct Accepting {
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Accepting {
    /// Ends them, and returns when they have: what they accepted is then among what stopping waits for.
    async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Starts accepting.
fn accept(
    bound: Vec<Bound>,
    app: &Arc<App>,
    workers: Workers,
    tls: Option<Arc<Tls>>,
    start: &StartConfig,
) -> Result<Accepting, StartError> {
    let (in_all, per_address) = (start.limits.connections, start.limits.connections_per_address);
    let acceptor = Acceptor {
        workers,
        connections: Connections::new(in_all, per_address, app.metrics().connections.clone()),
        app: Arc::clone(app),
        stop: CancellationToken::new(),
        tls: None,
    };
    let mut accepting = Accepting { stop: acceptor.stop.clone(), tasks: Vec::new() };
    let listeners = bound.into_iter().map(|bound| Ok((bound.scheme, bound.settle()?)));
    let listeners = listeners.collect::<io::Result<Vec<(Scheme, Listener)>>>();
    for (scheme, listener) in listeners.map_err(system("listen"))? {
        let acceptor = match scheme {
            Scheme::Http => acceptor.clone(),
            Scheme::Https => Acceptor { tls: tls.clone(), ..acceptor.clone() },
        };
        match scheme {
            Scheme::Http => tracing::info!(addr = %listener, "listening"),
            Scheme::Https => tracing::info!(addr = %listener, "listening, with TLS"),
        }
        accepting.tasks.push(tokio::spawn(acceptor.run(listener)));
    }
    Ok(accepting)
}

/// Looks after what nobody else notices: a catcher that cannot be reached comes back though nobody asks it for anything,
/// and files are read from a file system that does not answer. Never ends.
async fn watch(app: Arc<App>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        if app.vitals().reading_for(Instant::now()) > INTERVAL {
            let why = "reading the files has not ended; does their file system answer?";
            app.conditions().degraded(Condition::Reload, why, why);
        }
        if app.conditions().get(Condition::Upstream).is_some() {
            app.look_at_upstream().await;
        }
        app.look_at_kind().await;
    }
}

/// Stops in order; returns when nothing is left or nothing more may be waited for.
async fn stop(start: &StartConfig, lifetime: &Lifetime, signals: &mut Signals) {
    let open = lifetime.tasks.len();
    tracing::info!(open, deadline = ?start.timeouts.stop, "stopping; a second signal ends it at once");
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
    // Not by way of the standard library's buffer, which does not tell how much of a line a full disk took.
    let out = io::stdout().as_fd().try_clone_to_owned().map_err(system("use standard output"))?;
    AccessLog::to(File::from(out), start.log.format).map_err(system("start the thread that writes the access log"))
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
