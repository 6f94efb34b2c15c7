//! From what was written to what is true, key by key.
//!
//! Each key is one function or one line here; a struct reads all of its keys before it looks at any, so that one run
//! tells all that is wrong.

mod site;
mod together;

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::address::{Listen, Scheme};
use super::error::ConfigErrors;
use super::model::{
    AllowedOrigins, AuthConfig, Config, Hosts, Limits, LiveConfig, LogConfig, LogFormat, LogLevel, PageConfig,
    StartConfig, StatusConfig, Timeouts, UsersFile,
};
use super::raw::{Raw, Value};
use super::reader::{Read, Reader};
use super::trusted::{TrustedProxies, network};
use crate::path::{self, Slashes};

/// Above all that a wait of a proxy is for, and far from what clocks can add.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// A catcher closes a kept connection after 30 s; one that we keep as long would be closed under a request.
const LONGEST_UPSTREAM_IDLE: Duration = Duration::from_secs(20);
/// A catcher cuts a WebSocket on which it has sent nothing for 30 s.
const LONGEST_PING: Duration = Duration::from_secs(25);
/// What the HTTP library needs at the least, and what is too much to hold for each connection.
const HEAD_BYTES: RangeInclusive<u64> = 8 << 10..=1 << 20;
/// Chunked bodies are held in memory up to the limit.
const BODY_BYTES: RangeInclusive<u64> = 0..=1 << 30;
/// One client may hold nearly half of it, and a part of a body up to a mebibyte; with less nothing would ever be read ahead.
const READ_AHEAD_BYTES: RangeInclusive<u64> = 4 << 20..=64 << 30;
const CONNECTIONS: RangeInclusive<usize> = 1..=1_000_000;
const WORKERS: RangeInclusive<usize> = 1..=1_024;
/// Where state is kept if neither the configuration nor the service manager says.
const DEFAULT_STATE_DIR: &str = "/var/lib/mailwarden";

/// Reads everything.
///
/// # Errors
/// All faults, those noted before included.
pub(super) fn config(mut raw: Raw) -> Result<Config, ConfigErrors> {
    let errors = std::mem::take(&mut raw.errors);
    let mut reader = Reader::new(&raw, errors);
    let (start, live) = (reader.start(), reader.live());
    if let (Ok(start), Ok(live)) = (&start, &live) {
        reader.not_itself(start, live);
        reader.hides_nothing(live);
        reader.not_twice(start);
        reader.tls_and_https(start, live);
        reader.binds_the_anonymous(live);
        reader.has_proxies(live);
        reader.has_tls(start, live);
    }
    match (start, live) {
        (Ok(start), Ok(live)) if reader.is_clean() => Ok(Config { start, live }),
        _ => Err(reader.into_errors()),
    }
}

/// Reads `status.listen` alone.
///
/// # Errors
/// What is wrong with it.
pub(super) fn status(raw: Raw) -> Result<Option<StatusConfig>, ConfigErrors> {
    let mut reader = Reader::new(&raw, Vec::new());
    match reader.status() {
        Ok(status) => Ok(status),
        Err(_noted) => Err(reader.into_errors()),
    }
}

/// Reads `auth.users_file`, and `auth.allow_plaintext` as far as it can be.
///
/// # Errors
/// What is wrong with the first of them, names included that were meant for it.
pub(super) fn users_file(mut raw: Raw) -> Result<(PathBuf, bool), ConfigErrors> {
    let mut errors = std::mem::take(&mut raw.errors);
    errors.retain(|error| {
        let is_about_it = |text: &str| text.contains("auth.users_file") || text.contains("AUTH__USERS_FILE");
        is_about_it(&error.reason) || matches!(error.key.as_deref(), Some("auth" | "auth.users_file"))
    });
    let mut reader = Reader::new(&raw, errors);
    let path = reader.parsed("auth.users_file", parse_path);
    match path {
        Ok(path) if reader.is_clean() => Ok((path, reader.boolean("auth.allow_plaintext").unwrap_or(false))),
        _ => Err(reader.into_errors()),
    }
}

impl<'a> Reader<'a> {
    fn start(&mut self) -> Read<StartConfig> {
        let listen = self.listen();
        let listen_is_default = self.raw.is_default("listen");
        let redirect = self.redirect(listen.as_deref().unwrap_or_default());
        let unix_socket_mode = self.parsed("unix_socket_mode", parse_mode);
        let workers = self.workers();
        let limits = self.limits();
        let timeouts = self.timeouts();
        let state_dir = self.state_dir();
        let status = self.status();
        let log = self.log();
        Ok(StartConfig {
            listen: listen?,
            listen_is_default,
            redirect: redirect?,
            unix_socket_mode: unix_socket_mode?,
            workers: workers?,
            limits: limits?,
            timeouts: timeouts?,
            state_dir: state_dir?,
            status: status?,
            log: log?,
        })
    }

    fn listen(&mut self) -> Read<Vec<Listen>> {
        const PATH: &str = "listen";
        let entry = self.required(PATH)?;
        // What "write it as a list" would lead to is the next mistake.
        let alone = match &entry.value {
            Value::Text(text) => {
                Listen::parse(text).err().map(|reason| format!("must be a list, and {text:?} {reason}"))
            }
            Value::Integer(port) => u16::try_from(*port)
                .ok()
                .map(|port| format!("must be a list of addresses; write [\"0.0.0.0:{port}\", \"[::]:{port}\"]")),
            _ => None,
        };
        if let Some(reason) = alone {
            return Err(self.fault(entry, PATH, reason));
        }
        let items = self.list(PATH)?;
        if items.is_empty() {
            return Err(self.fault(entry, PATH, "is empty; name at least one address"));
        }
        let mut found: Vec<Listen> = Vec::new();
        let mut noted = None;
        for (item, text) in &items {
            match Listen::parse(text) {
                Ok(listen) if found.iter().any(|other| other.is_also(&listen)) => {
                    noted = Some(self.fault(item, PATH, format!("{text:?} is there twice; remove one")));
                }
                Ok(listen) => found.push(listen),
                Err(reason) => noted = Some(self.fault(item, PATH, format!("{text:?} {reason}"))),
            }
        }
        // The default stays the default when somebody copies it into a file.
        match noted {
            Some(noted) => Err(noted),
            None if self.raw.is_default(PATH) => Ok(found.into_iter().map(Listen::optional_if_ipv6).collect()),
            None => Ok(found),
        }
    }

    fn workers(&mut self) -> Read<NonZeroUsize> {
        const PATH: &str = "workers";
        match self.raw.get(PATH) {
            None => Ok(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
            Some(_) => Ok(NonZeroUsize::new(self.integer(PATH, WORKERS)?).unwrap_or(NonZeroUsize::MIN)),
        }
    }

    fn limits(&mut self) -> Read<Limits> {
        let body = self.size("limits.body", BODY_BYTES);
        let head = self.size("limits.head", HEAD_BYTES);
        let connections = self.integer("limits.connections", CONNECTIONS);
        let connections_per_address = self.integer("limits.connections_per_address", CONNECTIONS);
        let read_ahead = self.size_or_none("limits.read_ahead", READ_AHEAD_BYTES);
        Ok(Limits {
            body: body?,
            head: usize::try_from(head?).unwrap_or(usize::MAX),
            connections: connections?,
            connections_per_address: connections_per_address?,
            read_ahead: usize::try_from(read_ahead?).unwrap_or(usize::MAX),
        })
    }

    fn timeouts(&mut self) -> Read<Timeouts> {
        let proxy_header = self.duration("timeouts.proxy_header", LONGEST);
        let keep_alive = self.duration("timeouts.keep_alive", LONGEST);
        let handshake = self.duration("timeouts.handshake", LONGEST);
        let request_head = self.duration("timeouts.request_head", LONGEST);
        let request_body = self.duration("timeouts.request_body", LONGEST);
        let upstream_connect = self.duration("timeouts.upstream_connect", LONGEST);
        let upstream_answer = self.duration("timeouts.upstream_answer", LONGEST);
        let upstream_clear = self.duration("timeouts.upstream_clear", LONGEST);
        let upstream_idle = self.duration("timeouts.upstream_idle", LONGEST_UPSTREAM_IDLE);
        let ping = self.duration("timeouts.ping", LONGEST_PING);
        let send = self.duration("timeouts.send", LONGEST);
        let stop = self.duration("timeouts.stop", LONGEST);
        Ok(Timeouts {
            proxy_header: proxy_header?,
            keep_alive: keep_alive?,
            handshake: handshake?,
            request_head: request_head?,
            request_body: request_body?,
            upstream_connect: upstream_connect?,
            upstream_answer: upstream_answer?,
            upstream_clear: upstream_clear?,
            upstream_idle: upstream_idle?,
            ping: ping?,
            send: send?,
            stop: stop?,
        })
    }

    fn status(&mut self) -> Read<Option<StatusConfig>> {
        const PATH: &str = "status.listen";
        let listen = self.parsed(PATH, |text| match text {
            "off" => Ok(None),
            _ => match Listen::parse(text)? {
                Listen { scheme: Scheme::Https, .. } => Err("is https, which is not spoken there".to_owned()),
                listen => Ok(Some(listen)),
            },
        })?;
        Ok(listen.map(|listen| StatusConfig { listen, configured: !self.raw.is_default(PATH) }))
    }

    fn log(&mut self) -> Read<LogConfig> {
        let level = self.named("log.level", LogLevel::NAMES);
        let access = self.boolean("log.access");
        let format = self.named("log.format", LogFormat::NAMES);
        Ok(LogConfig { level: level?, access: access?, format: format? })
    }

    /// Of several directories that the service manager made the first is the daemon's (systemd.exec(5)).
    fn state_dir(&mut self) -> Read<PathBuf> {
        const PATH: &str = "state_dir";
        if self.raw.get(PATH).is_some() {
            return self.parsed(PATH, parse_path);
        }
        let given = self.raw.state_directory.as_ref().map(|list| list.as_encoded_bytes());
        let first = given.and_then(|list| list.split(|byte| *byte == b':').find(|path| !path.is_empty()));
        Ok(first.map_or(PathBuf::from(DEFAULT_STATE_DIR), |path| OsStr::from_bytes(path).into()))
    }

    fn live(&mut self) -> Read<LiveConfig> {
        let trusted_proxies = self.trusted_proxies();
        let proxy_protocol = self.boolean("proxy_protocol");
        let hosts = self.hosts();
        let allowed_origins = self.allowed_origins();
        let health_path = self.health_path();
        let hsts = self.hsts();
        let tls = self.tls();
        let auth = self.auth();
        let enhance = self.boolean("page.enhance");
        let site = self.site();
        Ok(LiveConfig {
            trusted_proxies: trusted_proxies?,
            proxy_protocol: proxy_protocol?,
            hosts: hosts?,
            allowed_origins: allowed_origins?,
            health_path: health_path?,
            hsts: hsts?,
            tls: tls?,
            auth: auth?,
            page: PageConfig { enhance: enhance? },
            site: site?,
        })
    }

    fn allowed_origins(&mut self) -> Read<AllowedOrigins> {
        const PATH: &str = "allowed_origins";
        let mut origins = AllowedOrigins::default();
        let mut noted = None;
        for (item, text) in self.list(PATH)? {
            if let Err(reason) = origins.add(text) {
                noted = Some(self.fault(item, PATH, format!("{text:?} {reason}")));
            }
        }
        noted.map_or(Ok(origins), Err)
    }

    fn hosts(&mut self) -> Read<Hosts> {
        const PATH: &str = "hosts";
        let mut hosts = Hosts::default();
        let mut noted = None;
        for (item, text) in self.list(PATH)? {
            if let Err(reason) = hosts.add(text) {
                noted = Some(self.fault(item, PATH, format!("{text:?} {reason}")));
            }
        }
        noted.map_or(Ok(hosts), Err)
    }

    fn health_path(&mut self) -> Read<Option<String>> {
        const PATH: &str = "health_path";
        match self.raw.get(PATH) {
            None => Ok(None),
            Some(_) => self.parsed(PATH, parse_health_path).map(Some),
        }
    }

    fn trusted_proxies(&mut self) -> Read<TrustedProxies> {
        const PATH: &str = "trusted_proxies";
        let mut trusted = TrustedProxies::default();
        let mut noted = None;
        for (item, text) in self.list(PATH)? {
            if let Err(reason) = trusted.add(text) {
                noted = Some(self.fault(item, PATH, format!("{text:?} {reason}")));
            }
        }
        noted.map_or(Ok(trusted), Err)
    }

    fn auth(&mut self) -> Read<AuthConfig> {
        let realm = self.parsed("auth.realm", |text| match text.chars().any(char::is_control) {
            true => Err("holds control characters".to_owned()),
            false => Ok(text.to_owned()),
        });
        let users_file = self.parsed("auth.users_file", parse_path);
        let configured = !self.raw.is_default("auth.users_file");
        let allow_plaintext = self.boolean("auth.allow_plaintext");
        let login_page = self.boolean("auth.login_page");
        let anonymous_from = self.anonymous_from();
        let users_file = UsersFile { path: users_file?, configured };
        Ok(AuthConfig {
            realm: realm?,
            users_file,
            allow_plaintext: allow_plaintext?,
            login_page: login_page?,
            anonymous_from: anonymous_from?,
        })
    }

    fn anonymous_from(&mut self) -> Read<Vec<IpNet>> {
        const PATH: &str = "auth.anonymous_from";
        let mut nets = Vec::new();
        let mut noted = None;
        for (item, text) in self.list(PATH)? {
            match network(text) {
                Ok(net) => nets.push(net),
                // The other list takes "unix" as well, and its reason says so.
                Err(_) => {
                    let reason = format!("{text:?} is not an address (192.0.2.7) or a network (10.0.0.0/8)");
                    noted = Some(self.fault(item, PATH, reason));
                }
            }
        }
        noted.map_or(Ok(nets), Err)
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    octal
        .then(|| u32::from_str_radix(digits, 8).ok())
        .flatten()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "is no mode; write one as \"0660\"".to_owned())
}

/// A path that means the same to everybody, since it is compared with what comes as it is.
fn parse_health_path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    match path::canonical(text, Slashes::Merge) {
        _ if !text.starts_with('/') => Err("does not begin with /; write \"/healthz\"".to_owned()),
        Ok(canonical) if canonical == text && text.bytes().all(plain) && text != "/" => Ok(canonical.into_owned()),
        _ => Err("is no path that can be given away; write \"/healthz\"".to_owned()),
    }
}

pub(super) fn parse_path(text: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err("is empty; write the path of a file".to_owned()),
        _ if text.contains('\0') => Err("is no path".to_owned()),
        _ => Ok(PathBuf::from(text)),
    }
}
