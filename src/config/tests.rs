//! Whole configurations: what files, variables and flags come to.

mod refusals;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::keys::{Default, KEYS, Kind};
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

fn tcp(addr: &str, optional: bool) -> Listen {
    Listen::Tcp { addr: addr.parse().unwrap(), optional }
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
            keep_alive: Duration::from_secs(75),
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
    assert!(live.trusted_proxies.is_empty());
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
    assert_eq!(start.listen, [tcp("127.0.0.1:81", false), Listen::Unix("/run/m.sock".into()), tcp("[::]:8080", false)]);
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
    assert_eq!(start.status, Some(StatusConfig { listen: Listen::Unix("/run/status.sock".into()), configured: true }));
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
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let toml = "[upstream]\nurl = \"http://file.test\"\n[auth]\nrealm = \"file\"\n[log]\nlevel = \"warn\"\n";
    let env = [("MAILWARDEN_UPSTREAM__URL", "http://env.test"), ("MAILWARDEN_AUTH__REALM", "env"), ("HOME", "/root")];
    let config = load_with(toml, &env, &[("upstream", "http://flag.test")]);
    assert_eq!(config.live.site.upstream.to_string(), "http://flag.test:80");
    assert_eq!(config.live.auth.realm, "env");
    assert_eq!(config.start.log.level, LogLevel::Warn);
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

#[test]
fn state_is_kept_where_the_configuration_says_else_where_the_service_manager_does() {
    let state_dir = |toml: &str, env: &[(&str, &str)]| load_with(toml, env, &[]).start.state_dir;
    let own = |value| ("STATE_DIRECTORY", value);
    for (toml, env, expected) in [
        ("", &[][..], "/var/lib/mailwarden"),
        ("", &[own("")], "/var/lib/mailwarden"),
        ("", &[own("/var/lib/mw")], "/var/lib/mw"),
        ("", &[own("/var/lib/mw:/var/lib/other")], "/var/lib/mw"),
        ("state_dir = '/srv'", &[own("/var/lib/mw")], "/srv"),
        ("state_dir = '/srv'", &[own("/var/lib/mw"), ("MAILWARDEN_STATE_DIR", "/tmp/x")], "/tmp/x"),
    ] {
        assert_eq!(state_dir(toml, env), PathBuf::from(expected), "{toml} {env:?}");
    }
}

#[test]
fn variables_hold_every_kind_of_value() {
    let env = [
        ("MAILWARDEN_LISTEN", "[::]:8081, [::1]:8082"),
        ("MAILWARDEN_TRUSTED_PROXIES", r#"["10.0.0.0/8", "unix"]"#),
        ("MAILWARDEN_WORKERS", "2"),
        ("MAILWARDEN_LOG__ACCESS", "false"),
        ("MAILWARDEN_LIMITS__BODY", "2MiB"),
        ("MAILWARDEN_AUTH__REALM", "  as \"it\" is "),
        ("MAILWARDEN_ACCESS__DEFAULT", "view,delete,"),
    ];
    let config = load_with("listen = [\"0.0.0.0:1\"]", &env, &[]);
    assert_eq!(config.start.listen, [tcp("[::]:8081", false), tcp("[::1]:8082", false)]);
    assert!(config.live.trusted_proxies.unix);
    assert_eq!(config.start.workers.get(), 2);
    assert!(!config.start.log.access);
    assert_eq!(config.start.limits.body, 2 << 20);
    assert_eq!(config.live.auth.realm, "  as \"it\" is ");
    assert_eq!(config.live.site.access.default, Some(set(&[Permission::View, Permission::Delete])));
}

#[test]
fn what_container_engines_inject_is_passed_over() {
    let env = [
        ("MAILWARDEN_PORT", "tcp://10.0.0.1:8080"),
        ("MAILWARDEN_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("MAILWARDEN_SERVICE_HOST", "10.0.0.1"),
        ("MAILWARDEN_SERVICE_PORT_HTTP", "8080"),
    ];
    assert_eq!(load_with("", &env, &[]), defaults().unwrap());
}

#[test]
fn a_flag_of_a_list_adds_each_time() {
    let flags = [("listen", "127.0.0.1:81"), ("realm", "x"), ("listen", "127.0.0.1:82")];
    let config = load_with("listen = [\"0.0.0.0:1\"]", &[("MAILWARDEN_LISTEN", "0.0.0.0:2")], &flags);
    assert_eq!(config.start.listen, [tcp("127.0.0.1:81", false), tcp("127.0.0.1:82", false)]);
}

#[test]
fn line_ends_and_byte_order_marks_of_other_systems_are_fine() {
    let config = load_toml("\u{feff}workers = 3\r\n[log]\r\naccess = false\r\n");
    assert_eq!((config.start.workers.get(), config.start.log.access), (3, false));
}

#[test]
fn only_a_named_file_must_exist() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.toml");
    let source = Source { path: Some(path.clone()), ..Source::default() };
    assert_eq!(
        load(&source).unwrap_err().to_string(),
        format!("{}: cannot be read: No such file or directory", path.display())
    );
    std::fs::write(&path, "workers = 2").unwrap();
    assert_eq!(load(&source).unwrap().start.workers.get(), 2);
    let source = Source { path: Some(dir.path().to_owned()), ..Source::default() };
    assert!(load(&source).unwrap_err().to_string().ends_with(": cannot be read: Is a directory"));
}

/// Lines that look like configuration, so that the reading is reached and not only the parser.
fn toml_line() -> impl Strategy<Value = String> {
    let path = prop_oneof![proptest::sample::select(KEYS).prop_map(|key| key.path.to_owned()), "[a-z\"@.]{0,12}",];
    let value = prop_oneof![
        "\"[ -~µé]{0,20}\"",
        "\\[(\"[0-9.:/a-z\\[\\]]{0,12}\", ?){0,3}\\]",
        "-?[0-9]{1,22}",
        "[0-9]{1,4}[.][0-9]",
        Just("true".to_owned()),
        "\\{ ?\"?[a-z@:]{1,4}\"? = \\[\"view\"\\] ?\\}",
        ".{0,12}",
    ];
    prop_oneof![
        4 => (path.clone(), value).prop_map(|(path, value)| format!("{path} = {value}")),
        1 => path.prop_map(|path| format!("[{path}]")),
    ]
}

/// What `user` makes of a file and the environment: the path and whether plain text is allowed.
fn users_file(toml: &str, env: &[(&str, &str)]) -> Result<(PathBuf, bool), String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.toml");
    std::fs::write(&path, toml).unwrap();
    load_users_file(&Source { path: Some(path), ..source(env, &[]) }).map_err(|errors| errors.to_string())
}

#[test]
fn the_users_file_is_found_whatever_else_is_wrong() {
    let here = |path: &str, plaintext| Ok((PathBuf::from(path), plaintext));
    let other = "workers = 0\nnonsense = 1\n[auth]\nlogin_page = true\nallow_plaintext = 7\nusers_file = \"/x\"\n";
    assert_eq!(users_file(other, &[]), here("/x", false));
    assert_eq!(users_file("auth.allow_plaintext = true", &[]), here("/etc/mailwarden/htpasswd", true));
    assert_eq!(
        users_file("", &[("MAILWARDEN_AUTH__USERS_FILE", "/y"), ("MAILWARDEN_NONSENSE", "")]),
        here("/y", false)
    );
    // Where another file was meant, the default is the wrong one.
    for wrong in ["auth.users_flie = \"/x\"", "auth.users_file = 7", "auth = 7", "auth.users_file = /x", "[auth"] {
        assert!(users_file(wrong, &[]).is_err(), "{wrong}");
    }
    assert!(users_file("", &[("MAILWARDEN_AUTH__USERS_FLIE", "/y")]).is_err());
    assert!(load_users_file(&Source { path: Some("/nowhere/m.toml".into()), ..Source::default() }).is_err());
}

proptest! {
    #[test]
    fn no_text_panics_the_loader(text: String, lines in proptest::collection::vec(toml_line(), 0..8)) {
        for text in [text, lines.join("\n")] {
            if let Err(errors) = assemble(&source(&[], &[]), Some(text.as_bytes())) {
                prop_assert!(!errors.to_string().is_empty());
            }
        }
    }

    #[test]
    fn no_bytes_panic_the_loader(content: Vec<u8>) {
        let _ = assemble(&source(&[], &[]), Some(&content));
    }

    #[test]
    fn no_variable_panics_the_loader(key in proptest::sample::select(KEYS), value: String) {
        let name = keys::env_name(key.path);
        let loaded = assemble(&source(&[(&name, &value)], &[]), None);
        if matches!(key.kind, Kind::UserTable | Kind::GroupTable) {
            prop_assert!(loaded.is_err());
        }
    }
}
