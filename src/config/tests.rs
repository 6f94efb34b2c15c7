//! Whole configurations: what files, variables and flags come to, and the exact texts of refusals.

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
    assert_eq!(start.unix_socket_mode, 0o660);
    assert_eq!(start.limits, Limits { body: 1 << 20, head: 64 << 10, connections: 4096, connections_per_address: 512 });
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
            send: Duration::from_secs(300),
            stop: Duration::from_secs(8),
        }
    );
    assert_eq!(start.log, LogConfig { level: LogLevel::Info, access: true, format: LogFormat::Text });
    assert!(live.trusted_proxies.is_empty());
    assert_eq!(live.auth.realm, "Restricted");
    assert_eq!(live.auth.users_file, UsersFile { path: "/etc/mailwarden/htpasswd".into(), configured: false });
    assert_eq!(live.site.upstream.to_string(), "http://127.0.0.1:1080");
    assert_eq!(live.site.upstream.credentials, None);
    assert_eq!(live.site.catcher, CatcherKind::MailCatcher);
    assert_eq!(live.site.access, AccessConfig::default());
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
        .collect();
    let text = text.join("\n").replace("/etc/mailwarden/catcher-password", password.to_str().unwrap());
    let config = load_toml(&text);
    assert_eq!(config.start.workers.get(), 4);
    assert_eq!(config.live.site.upstream.credentials.unwrap().username, "mailwarden");
    assert_eq!(config.live.site.access.default, Some(CatcherKind::MailCatcher.default_permissions()));
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
        [upstream]
        url = "http://mail.test:1081/mail"
        catcher = "generic"
        username = "gate"
        password_file = {password:?}
        [auth]
        realm = "Mail \"dev\""
        users_file = "/srv/htpasswd"
        [access]
        default = ["view"]
        users = {{ ci-bot = ["view", "write"], "märy" = [] }}
        [limits]
        body = "2MiB"
        head = "32KiB"
        connections = 10
        connections_per_address = 5
        [timeouts]
        keep_alive = "1s"
        request_head = "2s"
        request_body = "3s"
        upstream_connect = "4s"
        upstream_answer = "5s"
        upstream_clear = "6s"
        upstream_idle = "7s"
        send = "8s"
        stop = "9s"
        [log]
        level = "debug"
        access = false
        format = "combined"
        "#
    ));
    let Config { start, live } = config;
    assert_eq!(start.listen, [tcp("127.0.0.1:81", false), Listen::Unix("/run/m.sock".into()), tcp("[::]:8080", false)]);
    assert_eq!((start.unix_socket_mode, start.workers.get()), (0o600, 3));
    let Limits { body, head, connections, connections_per_address } = start.limits;
    assert_eq!((body, head, connections, connections_per_address), (2 << 20, 32 << 10, 10, 5));
    let times = start.timeouts;
    let seconds = [
        times.keep_alive,
        times.request_head,
        times.request_body,
        times.upstream_connect,
        times.upstream_answer,
        times.upstream_clear,
        times.upstream_idle,
        times.send,
        times.stop,
    ]
    .map(|time| time.as_secs());
    assert_eq!(seconds, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(start.log, LogConfig { level: LogLevel::Debug, access: false, format: LogFormat::Combined });
    assert!(live.trusted_proxies.unix && live.trusted_proxies.nets.len() == 1);
    assert_eq!(live.auth.realm, "Mail \"dev\"");
    assert_eq!(live.auth.users_file, UsersFile { path: "/srv/htpasswd".into(), configured: true });
    let site = live.site;
    assert_eq!(site.upstream.to_string(), "http://mail.test:1081/mail");
    assert!(!format!("{:?}", site.upstream).contains("s3cret"));
    let credentials = site.upstream.credentials.unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password.expose()), ("gate", b"s3cret".as_slice()));
    assert_eq!(site.catcher, CatcherKind::Generic);
    assert_eq!(site.access.default, Some(set(&[Permission::View])));
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

/// The line of a text that begins with a key, and what is said to it.
#[test]
fn each_mistake_is_answered_with_what_to_do() {
    let table = [
        // Names
        ("lisen = []", "m.toml:1: lisen: unknown key; did you mean listen?"),
        ("[upstreem]\nurl = 1", "m.toml:1: upstreem: unknown table; did you mean upstream?"),
        ("\n\n[upstream]\nulr = 1", "m.toml:4: upstream.ulr: unknown key; did you mean upstream.url?"),
        (
            "[log]\nlisten = []",
            "m.toml:2: log.listen: unknown key; did you mean listen? It belongs above the first [table]",
        ),
        ("proxy_pass = 1", "m.toml:1: proxy_pass: unknown key; remove it"),
        ("auth = 1", "m.toml:1: auth: is a table; write [auth] and its keys below"),
        (
            "\"upstream.url\" = 1",
            "m.toml:1: \"upstream.url\": is unknown; take the quotes away if the dot is between table and key",
        ),
        // Not built yet
        (
            "[purge]\nschedule = \"0 3 * * *\"\nmax_age = \"24h\"",
            "m.toml:2: purge.schedule: this version does not purge yet; remove the key\n\
             m.toml:3: purge.max_age: this version does not purge yet; remove the key",
        ),
        ("[purge]", "m.toml:1: purge: this version does not purge yet; remove the table"),
        (
            "[status]\nlisten = \"127.0.0.1:9080\"",
            "m.toml:2: status.listen: this version has no status listener yet; remove the key",
        ),
        ("hosts = []", "m.toml:1: hosts: this version accepts any Host and cannot limit them yet; remove the key"),
        ("[[site]]\nhosts = []", "m.toml:1: site: this version serves one catcher only yet; remove the key"),
        (
            "[access]\ngroups = { qa = [\"view\"] }",
            "m.toml:2: access.groups.qa: this version has no groups yet; remove the key",
        ),
        (
            "[access]\nusers = { \"@qa\" = [\"view\"] }",
            "m.toml:2: access.users.\"@qa\": this version has no groups yet; name the users",
        ),
        (
            "upstream.catcher = \"mailpit\"",
            "m.toml:1: upstream.catcher: \"mailpit\" is not built yet; write \"mailcatcher\", or \"generic\" to forward only",
        ),
        (
            "listen = [\"systemd:web\"]",
            "m.toml:1: listen: \"systemd:web\" is not built yet: this version takes no sockets over from systemd; \
             write an address",
        ),
        // Kinds
        ("listen = \"0.0.0.0:80\"", "m.toml:1: listen: must be a list; write [\"0.0.0.0:80\"]"),
        ("listen = 8080", "m.toml:1: listen: must be a list of texts, not the number 8080"),
        ("listen = [8080]", "m.toml:1: listen: must hold texts in quotes only, not the number 8080"),
        ("workers = \"4\"", "m.toml:1: workers: must be a whole number, not \"4\""),
        ("workers = 1.5", "m.toml:1: workers: must be a whole number, not a number with a fraction"),
        ("log.access = \"yes\"", "m.toml:1: log.access: must be true or false, not \"yes\""),
        (
            "limits.body = 1048576",
            "m.toml:1: limits.body: must be a text in quotes such as \"1MiB\", not the number 1048576",
        ),
        (
            "auth.realm = 2020-01-01",
            "m.toml:1: auth.realm: must be a text in quotes such as \"Restricted\", not a date",
        ),
        (
            "access.users = [\"anna\"]",
            "m.toml:1: access.users: must be a table such as { ci-bot = [\"view\"] }, not a list",
        ),
        // Values
        ("listen = []", "m.toml:1: listen: is empty; name at least one address"),
        (
            "listen = [\n  \"127.0.0.1:80\",\n  \"8080\",\n]",
            "m.toml:3: listen: \"8080\" has no address; write \"0.0.0.0:8080\" for all of IPv4, \
             \"127.0.0.1:8080\" for this machine only",
        ),
        ("listen = [\"0.0.0.0:80\", \"0.0.0.0:80\"]", "m.toml:1: listen: \"0.0.0.0:80\" is there twice; remove one"),
        (
            "trusted_proxies = [\"proxy.test\"]",
            "m.toml:1: trusted_proxies: \"proxy.test\" is not an address (192.0.2.7), a network (10.0.0.0/8) or \"unix\"",
        ),
        ("unix_socket_mode = \"rw\"", "m.toml:1: unix_socket_mode: \"rw\" is no mode; write one as \"0660\""),
        ("workers = 0", "m.toml:1: workers: 0 is out of range; it goes from 1 to 1024"),
        (
            "workers = 99999999999999999999",
            "m.toml:1: workers: 9223372036854775807 is out of range; it goes from 1 to 1024",
        ),
        ("limits.connections = -1", "m.toml:1: limits.connections: -1 is out of range; it goes from 1 to 1000000"),
        ("limits.head = \"1KiB\"", "m.toml:1: limits.head: \"1KiB\" is out of range; it goes from 8KiB to 1MiB"),
        ("limits.body = \"1m\"", "m.toml:1: limits.body: \"1m\" has \"m\" for a unit; write \"1MiB\""),
        ("timeouts.send = \"60\"", "m.toml:1: timeouts.send: \"60\" has no unit; write \"60s\" for seconds"),
        ("timeouts.send = \"0s\"", "m.toml:1: timeouts.send: \"0s\" is no time at all; write at least \"1ms\""),
        ("timeouts.send = \"8d\"", "m.toml:1: timeouts.send: \"8d\" is too long; at most 7d"),
        ("timeouts.upstream_idle = \"30s\"", "m.toml:1: timeouts.upstream_idle: \"30s\" is too long; at most 20s"),
        ("log.level = \"inf\"", "m.toml:1: log.level: \"inf\" is unknown; did you mean \"info\"?"),
        ("log.format = \"xml\"", "m.toml:1: log.format: \"xml\" is unknown; there are text, json, combined"),
        (
            "upstream.catcher = \"mailcather\"",
            "m.toml:1: upstream.catcher: \"mailcather\" is unknown; did you mean \"mailcatcher\"?",
        ),
        (
            "upstream.url = \"https://mail.test\"",
            "m.toml:1: upstream.url: \"https://mail.test\" is https, which is not spoken to the catcher; \
             write http:// and keep the way to it private",
        ),
        (
            "upstream.url = \"http://me:s3cret@mail.test\"",
            "m.toml:1: upstream.url: the URL holds a user name or password; \
             give them as upstream.username and upstream.password_file",
        ),
        (
            "upstream.username = \"gate\"",
            "m.toml:1: upstream.username: is there without upstream.password_file; give both or none",
        ),
        (
            "upstream.password_file = \"/run/secrets/p\"",
            "m.toml:1: upstream.password_file: is there without upstream.username; give both or none",
        ),
        (
            "upstream.username = \"a:b\"\nupstream.password_file = \"/nowhere/p\"",
            "m.toml:1: upstream.username: \"a:b\" has a colon, which no user name can have\n\
             m.toml:2: upstream.password_file: \"/nowhere/p\" cannot be read: No such file or directory",
        ),
        ("auth.realm = \"a\\nb\"", "m.toml:1: auth.realm: \"a\\nb\" holds control characters"),
        ("auth.users_file = \"\"", "m.toml:1: auth.users_file: \"\" is empty; write the path of a file"),
        ("access.default = [\"veiw\"]", "m.toml:1: access.default: \"veiw\" is no permission; did you mean \"view\"?"),
        (
            "[access.users]\nanna = [\"view\"]\nbob = [\"everything\"]",
            "m.toml:3: access.users.bob: \"everything\" is no permission; there are view, delete, clear, quit and write",
        ),
        ("access.users = { \"a:b\" = [] }", "m.toml:1: access.users.\"a:b\": has a colon, which no user name can have"),
        ("access.users = { anna = \"view\" }", "m.toml:1: access.users.anna: must be a list; write [\"view\"]"),
    ];
    for (toml, expected) in table {
        assert_eq!(errors_of(toml), expected, "{toml}");
    }
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    for url in ["https://me:s3cret@mail.test", "me:s3cret@mail.test", "http://me:s3cret@mail.test/?x"] {
        let errors = errors_of(&format!("upstream.url = {url:?}"));
        assert!(!errors.contains("s3cret"), "{errors}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_from_top_to_bottom() {
    let toml =
        "workers = 0\nlistne = []\n[timeouts]\nsend = \"0s\"\nstop = \"1\"\n[log]\nlevel = \"loud\"\nacess = true\n";
    let env = [("MAILWARDEN_LOG__FORMAT", "xml"), ("MAILWARDEN_CONFIG", "/x"), ("MAILWARDEN_PURGE__EVERY", "1h")];
    let flags = [("listen", "8080"), ("upstream", "x")];
    assert_eq!(
        errors_with(toml, &env, &flags),
        "m.toml:1: workers: 0 is out of range; it goes from 1 to 1024\n\
         m.toml:2: listne: unknown key; did you mean listen?\n\
         m.toml:4: timeouts.send: \"0s\" is no time at all; write at least \"1ms\"\n\
         m.toml:5: timeouts.stop: \"1\" has no unit; write \"1s\" for seconds\n\
         m.toml:7: log.level: \"loud\" is unknown; there are error, warn, info, debug, trace\n\
         m.toml:8: log.acess: unknown key; did you mean log.access?\n\
         environment MAILWARDEN_CONFIG: unknown variable; remove it\n\
         environment MAILWARDEN_LOG__FORMAT: \"xml\" is unknown; there are text, json, combined\n\
         environment MAILWARDEN_PURGE__EVERY: this version does not purge yet; remove the variable\n\
         --listen: \"8080\" has no address; write \"0.0.0.0:8080\" for all of IPv4, \
         \"127.0.0.1:8080\" for this machine only\n\
         --upstream: \"x\" is not a URL; write it as \"http://127.0.0.1:1080\""
    );
}

#[test]
fn variables_are_answered_by_their_names() {
    let table = [
        ("MAILWARDEN_UPSTREAM_URL", "x", "unknown variable; did you mean MAILWARDEN_UPSTREAM__URL?"),
        ("MAILWARDEN_listen", "x", "unknown variable; remove it"),
        ("MAILWARDEN_", "x", "unknown variable; remove it"),
        ("MAILWARDEN_ACCESS__USERS", "{}", "is a table, which only the file can hold"),
        ("MAILWARDEN_ACCESS__USERS__ANNA", "view", "is a table, which only the file can hold"),
        ("MAILWARDEN_AUTH", "{}", "is a table, which only the file can hold"),
        ("MAILWARDEN_WORKERS", "four", "must be a whole number, not \"four\""),
        ("MAILWARDEN_WORKERS", "", "must be a whole number, not \"\""),
        ("MAILWARDEN_LOG__ACCESS", "yes", "must be true or false, not \"yes\""),
        ("MAILWARDEN_LISTEN", "", "is empty; name at least one address"),
        (
            "MAILWARDEN_TRUSTED_PROXIES",
            "x,10.0.0.0/8",
            "\"x\" is not an address (192.0.2.7), a network (10.0.0.0/8) or \"unix\"",
        ),
        ("MAILWARDEN_TRUSTED_PROXIES", "[1]", "must hold texts in quotes only, not the number 1"),
    ];
    for (name, value, reason) in table {
        assert_eq!(errors_with("", &[(name, value)], &[]), format!("environment {name}: {reason}"));
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
    let env = vec![
        (bytes(b"MAILWARDEN_AUTH__REALM"), bytes(b"\xff")),
        (bytes(b"MAILWARDEN_\xff"), bytes(b"x")),
        (bytes(b"OTHER_\xff"), bytes(b"\xff")),
    ];
    let source = Source { env, ..source(&[], &[]) };
    assert_eq!(
        assemble(&source, None).unwrap_err().to_string(),
        "environment MAILWARDEN_AUTH__REALM: is not UTF-8\nenvironment MAILWARDEN_\u{fffd}: unknown variable; remove it"
    );
}

#[test]
fn syntax_errors_show_the_place() {
    assert_eq!(
        errors_of("workers = 1\n[log]\nlevel = info\n"),
        "m.toml:3:9: string values must be quoted\n  |\n3 | level = info\n  |         ^"
    );
    assert_eq!(
        errors_of("[log]\nlevel = warn\n"),
        "m.toml:2:9: string values must be quoted, expected literal string\n  |\n2 | level = warn\n  |         ^"
    );
    assert_eq!(errors_of("workers = 1\nworkers = 2\n"), "m.toml:2:1: duplicate key\n  |\n2 | workers = 2\n  | ^");
}

#[test]
fn a_file_that_is_not_utf8_is_told_with_its_place() {
    let errors = assemble(&source(&[], &[]), Some(b"workers = 1\nx = \"\xff\"\n")).unwrap_err();
    assert!(errors.to_string().starts_with("m.toml:2:6: is not UTF-8; save the file in that encoding\n"), "{errors}");
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

#[test]
fn a_password_file_must_hold_one_password() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p");
    let toml = format!("upstream.username = \"u\"\nupstream.password_file = {file:?}");
    for (content, reason) in [
        (String::new(), "is empty; write the password into it"),
        ("a\nb\n".to_owned(), "holds more than one line, or control characters; write the password alone into it"),
        ("x".repeat(5000), "is over 4KiB; write the password alone into it"),
    ] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(errors_of(&toml), format!("m.toml:2: upstream.password_file: {file:?} {reason}"));
    }
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
        if key.kind == Kind::UserTable {
            prop_assert!(loaded.is_err());
        }
    }
}
