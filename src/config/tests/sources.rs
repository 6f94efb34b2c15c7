//! Where a value may come from: file, environment, flag, and what wins.

use super::*;

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
        let name = environment::env_name(key.path);
        let loaded = assemble(&source(&[(&name, &value)], &[]), None);
        if key.kind.only_in_a_file().is_some() {
            prop_assert!(loaded.is_err());
        }
    }
}
