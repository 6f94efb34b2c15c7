//! What is true: the configuration as the daemon uses it.
//!
//! Everything here was checked while it was made from what was written, so no field has to be checked again and none
//! is an `Option` that must be `Some`. What a reload can change is in [`LiveConfig`]; a change of anything in
//! [`StartConfig`] needs a restart.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use super::access::AccessConfig;
pub use super::address::{Listen, ListenAt, Scheme};
pub use super::hosts::Hosts;
pub use super::log::{LogConfig, LogFormat, LogLevel};
pub use super::origins::AllowedOrigins;
pub use super::purge::{ArchiveConfig, PurgeConfig};
pub use super::secret::Secret;
pub use super::tls::{CertificateFiles, ClientsConfig, TlsConfig, TlsVersion};
pub use super::trusted::TrustedProxies;
pub use super::upstream::{Prefix, UpstreamConfig, UpstreamCredentials, UpstreamHost};
use crate::permission::{Permission, PermissionSet};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What holds from start to stop.
    pub start: StartConfig,
    /// What a reload replaces, whole.
    pub live: LiveConfig,
}

/// What is fixed at start: sockets, threads, limits, logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartConfig {
    /// Where connections are accepted: at least one address, none twice.
    pub listen: Vec<Listen>,
    /// Whether nobody said where: then the service manager's sockets are taken instead, if it passed any.
    pub listen_is_default: bool,
    /// Where requests in clear text are sent, if they are: the port of the address by TLS.
    pub redirect: Option<RedirectConfig>,
    /// The permission bits of Unix sockets that are made, at most 0o777.
    pub unix_socket_mode: u32,
    /// How many runtimes serve, each on a thread of its own.
    pub workers: NonZeroUsize,
    /// How much a client may send and open.
    pub limits: Limits,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// Where the daemon keeps what outlives it. It need not exist.
    pub state_dir: PathBuf,
    /// Where the daemon tells how it is, if anywhere.
    pub status: Option<StatusConfig>,
    /// What is logged and how.
    pub log: LogConfig,
}

/// Where requests in clear text are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectConfig {
    /// The port that the configuration names, or what it can tell of one: that of an https entry, else https's own.
    pub port: u16,
    /// Whether it names it.
    pub configured: bool,
}

/// Where the daemon tells how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusConfig {
    /// The place.
    pub listen: Listen,
    /// Whether somebody named it: then it is an error when it cannot be had.
    pub configured: bool,
}

/// How much a client may send and open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest request body, in bytes; over it the answer is 413.
    pub body: u64,
    /// The longest request head (request line and header block), in bytes.
    pub head: usize,
    /// The most connections at one time, over all listeners; at least 1.
    pub connections: usize,
    /// The most connections at one time from one address; at least 1. Loopback and trusted proxies have no limit.
    pub connections_per_address: usize,
    /// The memory for answers that are read ahead of clients who take nothing, in bytes, for all of them together; 0 is
    /// none.
    pub read_ahead: usize,
}

/// How long each step may take. None is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// How long a trusted proxy's PROXY header may take, from the connection's beginning to its last byte.
    pub proxy_header: Duration,
    /// How long a client's connection may stay open without a request.
    pub keep_alive: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a request head may take from its first byte to its last.
    pub request_head: Duration,
    /// How long may pass between two reads of a request body.
    pub request_body: Duration,
    /// How long a connection to the catcher may take to be made.
    pub upstream_connect: Duration,
    /// How long may pass between a request to the catcher and the head of its answer, and between two reads of the
    /// answer.
    pub upstream_answer: Duration,
    /// The same for a request that clears: a real catcher takes over a minute with a full list.
    pub upstream_clear: Duration,
    /// How long an unused connection to the catcher is kept; the catcher closes its end after 30 s.
    pub upstream_idle: Duration,
    /// How often the catcher's end of a WebSocket is asked whether it is there; it cuts one that is quiet for 30 s.
    pub ping: Duration,
    /// How long a client may take no byte of an answer that waits for it.
    pub send: Duration,
    /// How long open connections may go on after the daemon was told to stop.
    pub stop: Duration,
}

/// What a reload replaces, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveConfig {
    /// Whose forwarding headers are believed.
    pub trusted_proxies: TrustedProxies,
    /// Whether each connection from one of them begins with a header of the PROXY protocol; then there are some.
    pub proxy_protocol: bool,
    /// The names under which the gate may be asked.
    pub hosts: Hosts,
    /// The other sites whose pages may use it.
    pub allowed_origins: AllowedOrigins,
    /// The path at which a load balancer is answered without credentials, if there is one; canonical.
    pub health_path: Option<String>,
    /// For how long a browser that came by TLS is to come by nothing else, if it is told so; zero takes that back.
    pub hsts: Option<Duration>,
    /// What TLS is made of, if any is spoken.
    pub tls: Option<TlsConfig>,
    /// Who is let in.
    pub auth: AuthConfig,
    /// What is added to the catcher's own page.
    pub page: PageConfig,
    /// The catcher behind the gate and what people may do with it.
    pub site: SiteConfig,
}

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthConfig {
    /// The name in the challenge, without control characters; `"` and `\` are still to be escaped in the header.
    pub realm: String,
    /// The htpasswd file.
    pub users_file: UsersFile,
    /// Whether passwords that nobody hashed, marked `{PLAIN}`, let in.
    pub allow_plaintext: bool,
    /// Whether there is a page to log in, and a session then.
    pub login_page: bool,
    /// Networks from which people come without credentials; not empty only where [`LiveConfig::hosts`] is not.
    pub anonymous_from: Vec<IpNet>,
}

/// What is added to the catcher's own page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageConfig {
    /// Whether a known inbox page is given the script that keeps its live updates alive.
    pub enhance: bool,
}

/// The htpasswd file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether somebody named a path other than the default: then a missing file is an error at start, and not just
    /// a file that is still to be made.
    pub configured: bool,
}

/// One catcher behind the gate and what people may do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteConfig {
    /// Where the catcher is.
    pub upstream: UpstreamConfig,
    /// Which catcher it is.
    pub catcher: CatcherKind,
    /// What people may do.
    pub access: AccessConfig,
    /// What a mail may have a browser load from elsewhere.
    pub remote_content: RemoteContent,
    /// What goes and when.
    pub purge: PurgeConfig,
}

/// Which catcher is behind the gate: it decides the routes and their permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatcherKind {
    /// MailCatcher.
    MailCatcher,
    /// MailDev 2.
    MailDev2,
    /// MailDev 3.
    MailDev3,
    /// MailDump.
    MailDump,
    /// Mailtutan.
    Mailtutan,
    /// Mailpit.
    Mailpit,
    /// MailHog.
    MailHog,
    /// Any HTTP service: GET and HEAD are `view`, all else is `write`.
    Generic,
    /// One of those with a name, which the gate finds out.
    Auto,
}

impl CatcherKind {
    /// Every catcher by its name in the configuration.
    pub(super) const NAMES: &[(&str, CatcherKind)] = &[
        ("mailcatcher", CatcherKind::MailCatcher),
        ("maildev2", CatcherKind::MailDev2),
        ("maildev3", CatcherKind::MailDev3),
        ("maildump", CatcherKind::MailDump),
        ("mailtutan", CatcherKind::Mailtutan),
        ("mailpit", CatcherKind::Mailpit),
        ("mailhog", CatcherKind::MailHog),
        ("generic", CatcherKind::Generic),
        ("auto", CatcherKind::Auto),
    ];

    /// Those that can be recognised.
    pub const NAMED: [CatcherKind; 7] = [
        CatcherKind::MailCatcher,
        CatcherKind::MailDev2,
        CatcherKind::MailDev3,
        CatcherKind::MailDump,
        CatcherKind::Mailtutan,
        CatcherKind::Mailpit,
        CatcherKind::MailHog,
    ];

    /// The permissions that mean something with this catcher.
    pub fn permissions(self) -> PermissionSet {
        let usual = [Permission::View, Permission::Delete, Permission::Clear].into_iter().collect::<PermissionSet>();
        match self {
            CatcherKind::MailCatcher | CatcherKind::MailDump => usual.with(Permission::Quit),
            // Where mail can be passed on to real mailboxes.
            CatcherKind::MailDev2 | CatcherKind::MailDev3 | CatcherKind::Mailpit | CatcherKind::MailHog => {
                usual.with(Permission::Write)
            }
            CatcherKind::Mailtutan => usual,
            CatcherKind::Generic => [Permission::View, Permission::Write].into_iter().collect(),
            CatcherKind::Auto => Permission::ALL.into_iter().collect(),
        }
    }

    /// What a logged-in user may do when `access.default` is not given.
    pub fn default_permissions(self) -> PermissionSet {
        match self {
            CatcherKind::Generic => [Permission::View, Permission::Write].into_iter().collect(),
            _ => [Permission::View, Permission::Delete, Permission::Clear].into_iter().collect(),
        }
    }
}

impl fmt::Display for CatcherKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(CatcherKind::NAMES, *self))
    }
}

/// Whether a mail that is looked at may load what it names: pictures, styles, fonts, sounds of other servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteContent {
    /// It may: a mail under development looks as it is meant to.
    Allow,
    /// Only what came with the mail is shown, so that no server learns that it was opened.
    Block,
}

impl RemoteContent {
    /// Both by their names in the configuration.
    pub(super) const NAMES: &[(&str, RemoteContent)] =
        &[("allow", RemoteContent::Allow), ("block", RemoteContent::Block)];
}

impl fmt::Display for RemoteContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(RemoteContent::NAMES, *self))
    }
}

pub(super) fn name_of<T: PartialEq>(names: &'static [(&'static str, T)], wanted: T) -> &'static str {
    names.iter().find(|(_, value)| *value == wanted).map_or("", |(name, _)| name)
}
