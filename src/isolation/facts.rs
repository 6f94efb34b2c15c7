//! What [`super::gather`] saw and [`super::look`] judges.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::engine::Container;
use super::nat::Forward;
use super::owner::Process;
use super::rules::Cover;
use super::sockets::Listener;
use crate::config::Config;
use crate::config::model::{CatcherKind, Listen, ListenAt, Scheme};

/// The port on which catchers of this kind take mail, unless somebody says otherwise.
pub const SMTP_PORT: u16 = 1025;

/// Something that was looked for, or the reason why it could not be.
pub type Seen<T> = Result<T, String>;

/// What the configuration says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The catcher's web port.
    pub http: u16,
    /// The catcher's mail port.
    pub smtp: u16,
    /// Where the catcher is, as the configuration writes it.
    pub url: String,
    /// Which one it is.
    pub catcher: CatcherKind,
    /// Where the gate listens.
    pub gate: Vec<SocketAddr>,
    /// Those among them where there is no TLS.
    pub in_clear: Vec<SocketAddr>,
    /// Whether what comes there is sent to https, before anybody is asked for a password.
    pub redirects: bool,
    /// How many networks of proxies are trusted.
    pub trusted_proxies: usize,
    /// The users file.
    pub users_file: PathBuf,
}

impl Setup {
    /// That of a configuration.
    #[must_use]
    pub fn of(config: &Config, smtp: u16) -> Self {
        let live = &config.live;
        Self {
            http: live.site.upstream.port,
            smtp,
            url: live.site.upstream.to_string(),
            catcher: live.site.catcher,
            gate: gate(&config.start.listen),
            in_clear: in_clear(&config.start.listen),
            redirects: config.start.redirect.is_some(),
            trusted_proxies: live.trusted_proxies.nets.len(),
            users_file: live.auth.users_file.path.clone(),
        }
    }

    /// The catcher's ports, each once.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        [self.http, self.smtp].into_iter().take(if self.http == self.smtp { 1 } else { 2 })
    }

    /// What a port is for.
    #[must_use]
    pub fn name_of(&self, port: u16) -> &'static str {
        if port == self.http { "web" } else { "mail" }
    }
}

/// The addresses among the places to listen at; the others are no network's.
#[must_use]
pub fn gate(listen: &[Listen]) -> Vec<SocketAddr> {
    let addr = |listen: &Listen| match listen.at {
        ListenAt::Tcp { addr, .. } => Some(addr),
        ListenAt::Unix(_) | ListenAt::Systemd(_) => None,
    };
    listen.iter().filter_map(addr).collect()
}

/// Those among them where there is no TLS.
fn in_clear(listen: &[Listen]) -> Vec<SocketAddr> {
    gate(&listen.iter().filter(|listen| listen.scheme == Scheme::Http).cloned().collect::<Vec<_>>())
}

/// Another network namespace, of a container mostly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// A process in it.
    pub pid: u32,
    /// What that process calls itself.
    pub name: String,
    /// What listens in it.
    pub listeners: Vec<Listener>,
    /// Its addresses that lie in a network in which this machine itself is.
    pub outside: Vec<IpAddr>,
}

/// A process of a container engine that hands a port of the machine on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortProxy {
    /// Its number.
    pub pid: u32,
    /// Where it listens.
    pub host: SocketAddr,
    /// Where to it hands on.
    pub container: SocketAddr,
}

/// What is on `upstream.url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// It was not asked.
    Unasked,
    /// It speaks the catcher's API.
    Speaks,
    /// Nothing takes connections there.
    Unreachable(String),
    /// Something else is there.
    Other(String),
}

/// What can be wrong with the users file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsersFile {
    /// Its permission bits, if it is there.
    pub mode: Option<u32>,
    /// Why it cannot be read, if so.
    pub unreadable: Option<String>,
    /// Its lines that are refused or weak, with the reason.
    pub lines: Vec<(usize, String)>,
}

/// What the running daemon says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Daemon {
    /// It was not asked.
    Unasked,
    /// Nobody answered.
    Silent(String),
    /// It did.
    Says {
        /// Degraded conditions, each a line of `/readyz`.
        degraded: Vec<String>,
        /// Connections from trusted proxies since the start, if it counts them.
        from_proxies: Option<u64>,
        /// Connections at all since the start.
        accepted: Option<u64>,
    },
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What the configuration says.
    pub setup: Setup,
    /// Whether the catcher is on this machine, by its address.
    pub is_here: bool,
    /// What listens in this network namespace.
    pub listeners: Seen<Vec<Listener>>,
    /// Who holds the sockets of the catcher's ports, by their numbers, as far as it can be seen.
    pub holders: HashMap<u64, Process>,
    /// Processes whose command line is a catcher's.
    pub catchers: Vec<Process>,
    /// Other network namespaces in which one of the ports is listened on.
    pub namespaces: Vec<Namespace>,
    /// Containers that run.
    pub containers: Seen<Vec<Container>>,
    /// Ports that engines hand on.
    pub proxies: Vec<PortProxy>,
    /// Ports that the kernel hands on.
    pub forwards: Seen<Vec<Forward>>,
    /// Whether firewall rules close the ports.
    pub cover: Cover,
    /// People with an account on this machine, other than root; none if nobody looked.
    pub people: Option<usize>,
    /// The users file; none if nobody looked.
    pub users_file: Option<UsersFile>,
    /// What is on `upstream.url`.
    pub upstream: Upstream,
    /// What the daemon says.
    pub daemon: Daemon,
    /// What could not be seen.
    pub unseen: Vec<String>,
}

impl Facts {
    /// Those of a machine where nothing was looked at yet.
    #[must_use]
    pub fn none(setup: Setup) -> Self {
        Self {
            setup,
            is_here: true,
            listeners: Ok(Vec::new()),
            holders: HashMap::new(),
            catchers: Vec::new(),
            namespaces: Vec::new(),
            containers: Ok(Vec::new()),
            proxies: Vec::new(),
            forwards: Ok(Vec::new()),
            cover: Cover::Unreadable("nobody looked".to_owned()),
            people: None,
            users_file: None,
            upstream: Upstream::Unasked,
            daemon: Daemon::Unasked,
            unseen: Vec::new(),
        }
    }
}

/// Whether an address is no network's.
#[must_use]
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
