//! The unit files of `config/`, as systemd's own tools read them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn config(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(command: &mut Command) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command.output().unwrap_or_else(|error| panic!("{name}: {error}: run tests/run, which installs it"))
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// The units in a directory of their own, with the program where it was built: systemd looks whether it can be run.
fn units() -> (tempfile::TempDir, [PathBuf; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let units = ["mailwarden.service", "mailwarden.socket"].map(|name| {
        let unit = config(name).replace("/usr/local/bin/mailwarden", env!("CARGO_BIN_EXE_mailwarden"));
        let path = dir.path().join(name);
        std::fs::write(&path, unit).unwrap();
        path
    });
    (dir, units)
}

/// The values of a unit file by their key, in order.
fn values(name: &str) -> HashMap<String, Vec<String>> {
    let mut values: HashMap<String, Vec<String>> = HashMap::new();
    for line in config(name).lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            values.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    values
}

fn example() -> toml::Table {
    config("mailwarden.toml").parse().unwrap()
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    let (_dir, units) = units();
    let output = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(text(&output), "");
}

/// systemd counts from 0 to 10; the threshold is in tenths.
#[test]
fn the_services_exposure_is_1_5_at_most() {
    let (_dir, [service, _]) = units();
    let output =
        run(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=15"]).arg(service));
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("Overall exposure level"), "{}", text(&output));
}

#[test]
fn the_account_has_the_services_name_a_group_and_no_shell() {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in [("etc/passwd", ""), ("usr/lib/sysusers.d/mailwarden.conf", &config("mailwarden.sysusers"))]
    {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let output = run(Command::new("systemd-sysusers").arg("--root").arg(root.path()));
    assert!(output.status.success(), "{}", text(&output));
    let table = |name| std::fs::read_to_string(root.path().join("etc").join(name)).unwrap();
    let user = &values("mailwarden.service")["User"][0];
    let passwd = table("passwd");
    let fields: Vec<&str> = passwd.trim().split(':').collect();
    assert_eq!(fields[0], user);
    assert_eq!(fields[5..], ["/var/lib/mailwarden", "/usr/sbin/nologin"]);
    let group = format!("{user}:x:{}:", fields[3]);
    assert!(table("group").lines().any(|line| line.starts_with(&group)), "{}", table("group"));
    // The service asks for it, and would not start without it.
    let supplementary = &values("mailwarden.service")["SupplementaryGroups"][0];
    assert!(table("group").lines().any(|line| line.starts_with(&format!("{supplementary}:"))), "{}", table("group"));
    assert!(table("shadow").starts_with(&format!("{user}:!")), "{}", table("shadow"));
}

/// Otherwise systemd would kill what the daemon still lets finish.
#[test]
fn systemd_waits_longer_for_the_end_than_the_daemon_takes() {
    let seconds = |text: &str| text.strip_suffix('s').unwrap().parse::<u64>().unwrap();
    let systemd = seconds(&values("mailwarden.service")["TimeoutStopSec"][0]);
    let daemon = seconds(example()["timeouts"]["stop"].as_str().unwrap());
    assert!(systemd > daemon + 1, "{systemd} s, {daemon} s");
}

#[test]
fn the_limit_on_files_is_enough_for_the_connections_that_are_allowed() {
    let files: i64 = values("mailwarden.service")["LimitNOFILE"][0].parse().unwrap();
    let connections = example()["limits"]["connections"].as_integer().unwrap();
    assert!(files > connections * 2 + 64, "{files} files, {connections} connections");
}

#[test]
fn the_socket_listens_where_the_daemon_does_by_default() {
    let listen: Vec<String> = example()["listen"].clone().try_into().unwrap();
    let socket = values("mailwarden.socket");
    assert_eq!(socket["ListenStream"], listen);
    assert_eq!(socket["BindIPv6Only"], ["ipv6-only"]);
}

/// Which directories those are is said twice, once for systemd to make them and once to forbid running what lies there.
#[test]
fn nothing_can_be_run_from_a_directory_that_can_be_written_to() {
    let service = values("mailwarden.service");
    let refused: Vec<&str> = service["NoExecPaths"][0].split(' ').collect();
    for (key, base) in [("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")] {
        for name in service[key].iter().flat_map(|names| names.split(' ')) {
            assert!(refused.contains(&format!("{base}/{name}").as_str()), "{key}={name}, {refused:?}");
        }
    }
    for key in ["CacheDirectory", "LogsDirectory", "ReadWritePaths"] {
        assert!(!service.contains_key(key), "{key} belongs in NoExecPaths= and in this test");
    }
}

/// What would not be taken must fail before the running daemon hears of it.
#[test]
fn a_reload_asks_check_before_it_tells_the_daemon() {
    let service = values("mailwarden.service");
    assert_eq!(service["ExecReload"], ["/usr/local/bin/mailwarden check --quiet", "/usr/bin/kill -HUP $MAINPID"]);
}

#[test]
fn a_daemon_that_ended_for_its_configuration_is_not_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("mailwarden.toml");
    std::fs::write(&bad, "nonsense = 1\n").unwrap();
    let output = run(Command::new(env!("CARGO_BIN_EXE_mailwarden")).arg("serve").arg("--config").arg(bad).env_clear());
    let status = output.status.code().unwrap().to_string();
    let service = values("mailwarden.service");
    assert!(service["RestartPreventExitStatus"][0].split(' ').any(|prevented| prevented == status), "{status}");
}
