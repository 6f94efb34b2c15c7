//! Whole configurations: what files, variables and flags come to.

mod refusals;
mod sources;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::keys::{Default, KEYS};
use super::model::*;
use super::*;
use crate::permission::{Permission, PermissionSet};

const EXAMPLE: &str = include_str!("../../config/mailwarden.toml");

/// A source whose file is called `m.toml`.
fn source(env: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Source {
    Source {
        path: Some(PathBuf::from("m.toml")),
        env: env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect(),
        flags: flags.iter().map(|(name, value)| Flag { name, value: (*value).to_owned() }).collect(),
    }
}

fn load_with(toml: &str, env: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Config {
    assemble(&source(env, flags), Some(toml.as_bytes())).unwrap_or_else(|errors| panic!("{errors}"))
}

fn load_toml(toml: &str) -> Config {
    load_with(toml, &[], &[])
}

fn errors_with(toml: &str, env: &[(&str, &str)], flags: &[(&'static str, &str)]) -> String {
    assemble(&source(env, flags), Some(toml.as_bytes())).expect_err(toml).to_string()
}

fn errors_of(toml: &str) -> String {
    errors_with(toml, &[], &[])
}

fn unix(path: &str) -> Listen {
    Listen { scheme: Scheme::Http, at: ListenAt::Unix(path.into()) }
}

fn tcp(addr: &str, optional: bool) -> Listen {
    Listen { scheme: Scheme::Http, at: ListenAt::Tcp { addr: addr.parse().unwrap(), optional } }
}

fn set(permissions: &[Permission]) -> PermissionSet {
    permissions.iter().copied().collect()
}

#[test]
fn nothing_written_is_the_default() {
    let config = defaults().unwrap();
    assert_eq!(load_toml(""), config);
    let Config { start, live } = config;
    assert_eq!(start.listen, [tcp("0.0.0.0:8080", false), tcp("[::]:8080", true)]);
    assert!(start.listen_is_default);
    assert_eq!(start.status, Some(StatusConfig { listen: tcp("127.0.0.1:9080", false), configured: false }));
    assert_eq!(load_toml("status.listen = 'off'").start.status, None);
    assert_eq!(live.health_path, None);
    assert!(live.hosts.is_empty() && live.allowed_origins.is_empty());
    assert!(live.auth.anonymous_from.is_empty() && !live.auth.login_page);
    assert!(live.page.enhance);
    assert_eq!(start.state_dir, PathBuf::from("/var/lib/mailwarden"));
    assert_eq!(start.unix_socket_mode, 0o660);
    assert_eq!(
        start.limits,
        Limits { body: 1 << 20, head: 64 << 10, connections: 4096, connections_per_address: 512, read_ahead: 64 << 20 }
    );
    assert_eq!(
        start.timeouts,
        Timeouts {
            proxy_header: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            handshake: Duration::from_secs(10),
            request_head: Duration::from_secs(60),
            request_body: Duration::from_secs(60),
            upstream_connect: Duration::from_secs(10),
            upstream_answer: Duration::from_secs(60),
            upstream_clear: Duration::from_secs(300),
            upstream_idle: Duration::from_secs(10),
            ping: Duration::from_secs(15),
            send: Duration::from_secs(300),
            stop: Duration::from_secs(8),
        }
    );
    assert_eq!(start.log, LogConfig { level: LogLevel::Info, access: true, format: LogFormat::Text });
    assert!(live.trusted_proxies.is_empty() && !live.proxy_protocol);
    assert_eq!(live.auth.realm, "Restricted");
    assert_eq!(live.auth.users_file, UsersFile { path: "/etc/mailwarden/htpasswd".into(), configured: false });
    assert!(!live.auth.allow_plaintext);
    assert_eq!(live.site.upstream.to_string(), "http://127.0.0.1:1080");
    assert_eq!(live.site.upstream.credentials, None);
    assert_eq!(live.site.catcher, CatcherKind::MailCatcher);
    assert_eq!(live.site.remote_content, RemoteContent::Allow);
    let access = AccessConfig {
        default: None,
        users: BTreeMap::new(),
        groups: BTreeMap::new(),
        group_lists: BTreeMap::new(),
        anonymous: set(&[Permission::View]),
    };
    assert_eq!(live.site.access, access);
}

#[test]
fn the_example_is_the_default() {
    assert_eq!(load_toml(EXAMPLE), defaults().unwrap());
}

#[test]
fn the_example_holds_every_key_with_its_default() {
    let mut table = "";
    let mut lines = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name;
        }
        lines.push((table, line));
    }
    for key in KEYS {
        let (wanted_table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let wanted = match key.default {
            Default::Value(value) => format!("{name} = {value}"),
            Default::Unset(value) => {
                let value = value.split_once(" #").map_or(value, |(value, _)| value);
                format!("# {name} = {value}")
            }
        };
        assert!(lines.contains(&(wanted_table, &wanted)), "[{wanted_table}] {wanted}");
    }
}

#[test]
fn a_user_has_their_own_list_else_all_of_their_groups_else_the_default() {
    let access = load_toml(
        r#"
        [access]
        groups = { qa = ["anna", "ben"], ops = ["ben", "cleo"], all = ["dora"], "b\u00fcro-1" = ["eva"] }
        users = { "@qa" = ["view"], "@ops" = ["clear"], anna = ["delete"], "@gone" = ["quit"], "@b\u00fcro-1" = [] }
        "#,
    )
    .live
    .site
    .access;
    for (name, want) in [
        ("anna", Some(set(&[Permission::Delete]))),
        ("ben", Some(set(&[Permission::View, Permission::Clear]))),
        ("cleo", Some(set(&[Permission::Clear]))),
        ("dora", None),
        ("eva", Some(PermissionSet::EMPTY)),
        ("@qa", None),
        ("qa", None),
        ("fritz", None),
    ] {
        assert_eq!(access.of(name.as_bytes()), want, "{name}");
    }
}

/// Nobody can leave a comment mark out and get an example that does not work.
#[test]
fn what_the_example_comments_out_is_right_too() {
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "s3cret\n").unwrap();
    let text: Vec<&str> = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => rest,
            _ => line,
        })
        // One of two that exclude each other.
        .filter(|line| !line.starts_with("every ="))
        // Of use only with these.
        .map(|line| match line {
            line if line.starts_with("listen = [") => "listen = [\"https://0.0.0.0:8443\"]",
            "redirect = false" => "redirect = true",
            line => line,
        })
        .collect();
    let alert = dir.path().join("alert-url");
    std::fs::write(&alert, "https://chat.test/hooks/x\n").unwrap();
    let text = text.join("\n").replace("/etc/mailwarden/catcher-password", password.to_str().unwrap());
    let text = text.replace("/etc/mailwarden/alert-url", alert.to_str().unwrap());
    let config = load_toml(&text);
    assert_eq!(config.start.workers.get(), 4);
    assert_eq!(config.live.health_path.as_deref(), Some("/healthz"));
    assert_eq!(config.live.site.upstream.credentials.unwrap().username, "mailwarden");
    assert_eq!(config.live.site.access.default, Some(CatcherKind::MailCatcher.default_permissions()));
    assert!(config.start.redirect.is_some_and(|redirect| redirect.port == 443) && config.live.hsts.is_some());
    let tls = config.live.tls.unwrap();
    assert!(tls.certificates.len() == 1 && tls.clients.unwrap().required);
    let purge = config.live.site.purge;
    assert_eq!(purge.schedule.unwrap().to_string(), "\"0 3 * * *\" in UTC");
    assert!(purge.archive.is_some() && purge.alert.is_some());
}

#[test]
fn the_keys_of_the_purge_reach_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let alert = dir.path().join("alert-url");
    std::fs::write(&alert, "https://chat.test/hooks/x\n").unwrap();
    let config = load_toml(&format!(
        r#"
        [purge]
        every = "2h"
        timezone = "Europe/Helsinki"
        catch_up = true
        max_age = "24h"
        max_messages = 500
        max_size = "1MiB"
        min_age = "0s"
        retry_for = "3m"
        archive_dir = "/srv/archive"
        archive_max_age = "30d"
        archive_max_size = "1GiB"
        alert_url_file = {alert:?}
        "#
    ));
    let purge = config.live.site.purge;
    let limits = crate::purge::retention::Limits {
        max_age: Some(Duration::from_secs(86_400)),
        max_messages: Some(500),
        max_size: Some(1 << 20),
    };
    assert_eq!(purge.rule(), Some(crate::purge::retention::Rule { limits, min_age: Duration::ZERO }));
    assert_eq!(purge.schedule.unwrap().to_string(), "every 2h");
    assert_eq!(purge.zone.iana_name(), Some("Europe/Helsinki"));
    assert!(purge.catch_up);
    assert_eq!(purge.retry_for, Duration::from_secs(180));
    let archive = ArchiveConfig {
        dir: "/srv/archive".into(),
        max_age: Some(Duration::from_secs(30 * 86_400)),
        max_size: Some(1 << 30),
    };
    assert_eq!(purge.archive, Some(archive));
    assert_eq!(purge.alert.unwrap().expose(), b"https://chat.test/hooks/x");
    // Without limits a schedule takes all; without either nothing is said of what goes.
    assert_eq!(load_toml("").live.site.purge.rule(), None);
    let all = load_toml("purge.schedule = '@daily'").live.site.purge.rule().unwrap();
    assert!(all.limits.is_empty() && all.min_age == Duration::from_secs(60));
    let by_hand = load_toml("purge.max_age = '1d'").live.site.purge;
    assert!(by_hand.rule().is_some() && by_hand.schedule.is_none());
}

#[test]
fn every_key_reaches_the_model() {
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "s3cret\n").unwrap();
    let config = load_toml(&format!(
        r#"
        listen = ["127.0.0.1:81", "unix:/run/m.sock", "[::]:8080"]
        trusted_proxies = ["10.0.0.0/8", "unix"]
        unix_socket_mode = "0600"
        workers = 3
        health_path = "/.mailwarden/health"
        hosts = ["Mail.dev"]
        state_dir = "/srv/state"
        [upstream]
        url = "http://mail.test:1081/mail"
        catcher = "generic"
        username = "gate"
        password_file = {password:?}
        [auth]
        realm = "Mail \"dev\""
        users_file = "/srv/htpasswd"
        allow_plaintext = true
        login_page = true
        anonymous_from = ["10.1.2.3/8", "192.0.2.7"]
        [access]
        default = ["view"]
        anonymous = ["view", "write"]
        users = {{ ci-bot = ["view", "write"], "märy" = [] }}
        [page]
        enhance = false
        [limits]
        body = "2MiB"
        head = "32KiB"
        connections = 10
        connections_per_address = 5
        read_ahead = "0"
        [timeouts]
        keep_alive = "1s"
        request_head = "2s"
        request_body = "3s"
        upstream_connect = "4s"
        upstream_answer = "5s"
        upstream_clear = "6s"
        upstream_idle = "7s"
        ping = "10s"
        send = "8s"
        stop = "9s"
        [status]
        listen = "unix:/run/status.sock"
        [log]
        level = "debug"
        access = false
        format = "combined"
        "#
    ));
    let Config { start, live } = config;
    assert_eq!(start.listen, [tcp("127.0.0.1:81", false), unix("/run/m.sock"), tcp("[::]:8080", false)]);
    assert_eq!((start.unix_socket_mode, start.workers.get()), (0o600, 3));
    let Limits { body, head, connections, connections_per_address, read_ahead } = start.limits;
    assert_eq!((body, head, connections, connections_per_address, read_ahead), (2 << 20, 32 << 10, 10, 5, 0));
    let times = start.timeouts;
    let seconds = [
        times.keep_alive,
        times.request_head,
        times.request_body,
        times.upstream_connect,
        times.upstream_answer,
        times.upstream_clear,
        times.upstream_idle,
        times.ping,
        times.send,
        times.stop,
    ]
    .map(|time| time.as_secs());
    assert_eq!(seconds, [1, 2, 3, 4, 5, 6, 7, 10, 8, 9]);
    assert_eq!(start.log, LogConfig { level: LogLevel::Debug, access: false, format: LogFormat::Combined });
    assert!(!start.listen_is_default);
    assert_eq!(start.status, Some(StatusConfig { listen: unix("/run/status.sock"), configured: true }));
    assert_eq!(live.health_path.as_deref(), Some("/.mailwarden/health"));
    assert!(live.trusted_proxies.unix && live.trusted_proxies.nets.len() == 1);
    assert_eq!(live.auth.realm, "Mail \"dev\"");
    assert_eq!(live.auth.users_file, UsersFile { path: "/srv/htpasswd".into(), configured: true });
    assert!(live.auth.allow_plaintext);
    assert!(live.auth.login_page);
    assert!(!live.page.enhance);
    assert_eq!(live.auth.anonymous_from, ["10.0.0.0/8", "192.0.2.7/32"].map(|net| net.parse().unwrap()));
    assert_eq!(live.hosts.iter().collect::<Vec<_>>(), ["mail.dev"]);
    assert_eq!(start.state_dir, PathBuf::from("/srv/state"));
    let site = live.site;
    assert_eq!(site.upstream.to_string(), "http://mail.test:1081/mail");
    assert!(!format!("{:?}", site.upstream).contains("s3cret"));
    let credentials = site.upstream.credentials.unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password.expose()), ("gate", b"s3cret".as_slice()));
    assert_eq!(site.catcher, CatcherKind::Generic);
    assert_eq!(site.access.default, Some(set(&[Permission::View])));
    assert_eq!(site.access.anonymous, set(&[Permission::View, Permission::Write]));
    let users: Vec<_> = site.access.users.into_iter().collect();
    assert_eq!(
        users,
        [
            (b"ci-bot".to_vec(), set(&[Permission::View, Permission::Write])),
            ("märy".as_bytes().to_vec(), PermissionSet::EMPTY),
        ]
    );
}

#[test]
fn a_mail_may_load_what_it_names_or_may_not() {
    let site = |toml: &str| load_toml(toml).live.site;
    assert_eq!(site("mail.remote_content = \"block\"").remote_content, RemoteContent::Block);
    assert_eq!(
        load_with("", &[("MAILWARDEN_MAIL__REMOTE_CONTENT", "block")], &[]).live.site,
        site("mail.remote_content = 'block'")
    );
}
