//! Killed at each step of a run, kept from one by somebody's hands on the disk, and what is made up for afterwards.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::{Desk, HOUR};
use crate::support::catcher::{Catcher, Gate as Hold, Mail, Options, Script};
use crate::support::gate::Gate;
use crate::support::patience::eventually;

/// A purge that keeps copies of what is older than an hour.
fn archiving(desk: &Desk) {
    let archive = desk.path("archive");
    desk.configure(&format!("[purge]\nmax_age = \"1h\"\narchive_dir = {archive:?}\narchive_max_age = \"30d\""));
}

/// How many copies there are.
fn copies(archive: &Path) -> usize {
    let days = std::fs::read_dir(archive).into_iter().flatten();
    days.map(|day| std::fs::read_dir(day.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn killed_at_each_step_it_is_known_as_interrupted_and_the_next_run_completes_it() {
    for (at, step) in [
        ("UPGRADE", "/messages"),
        ("GET", "/messages"),
        ("GET", "/messages/1.eml"),
        ("DELETE", "/messages/1"),
        ("GET", "/messages/2.eml"),
        ("DELETE", "/messages/2"),
        ("GET", "the second list"),
    ] {
        let desk = Desk::new();
        archiving(&desk);
        desk.fill(2, 1);
        let hold = Hold::closed();
        let last = step.starts_with("the second");
        let (target, count) = if last { ("/messages", 2) } else { (step, 1) };
        if last {
            desk.catcher.on("GET /messages", Script::new().answer());
        }
        desk.catcher.on(&format!("{at} {target}"), Script::held(&hold));
        let mut purge = desk.begin(&["purge"]);
        // A handshake is a GET as well.
        let method = if at == "UPGRADE" { "GET" } else { at };
        let asked = || {
            let requests = desk.catcher.requests();
            let is_socket = |fields: &[String]| fields.iter().any(|field| field.eq_ignore_ascii_case("websocket"));
            let asked = requests.iter().filter(|request| {
                (request.method == method && request.target == target)
                    && is_socket(&request.values("upgrade")) == (at == "UPGRADE")
            });
            asked.count()
        };
        eventually(step, || (asked() == count).then_some(()));
        purge.kill().unwrap();
        purge.wait().unwrap();
        let (code, out, _) = desk.run(&["schedule", "--history"]);
        assert!(code == 0 && out.ends_with("  by hand   interrupted\n"), "{step}: {out}");
        hold.open();
        desk.catcher.forget_scripts();
        let (code, _, error) = desk.run(&["purge"]);
        assert_eq!((code, error.as_str()), (0, ""), "{step}");
        assert_eq!(desk.catcher.message_ids(), [3], "{step}");
        assert_eq!(copies(&desk.path("archive")), 2, "{step}: each once");
        let states: Vec<_> = desk.history().into_iter().map(|run| run["state"].clone()).collect();
        assert_eq!(states, ["begun", "done"], "{step}");
    }
}

#[test]
fn what_was_due_while_it_was_down_is_made_up_for_only_where_that_is_written() {
    let start = |catch_up: bool| {
        let (catcher, dir) = (Catcher::start(Options::default()), tempfile::tempdir().unwrap());
        catcher.deliver(Mail::new("old").aged(HOUR * 2));
        let state = dir.path().join("state");
        std::fs::create_dir(&state).unwrap();
        // The last run was before the last 29th of February.
        let line = r#"{"began":"2021-01-01T03:00:00Z","pid":1,"why":"schedule","scheduled":"2021-01-01T03:00:00Z","rule":"x","state":"done"}"#;
        std::fs::write(state.join("purge.history"), format!("{line}\n")).unwrap();
        let config = format!(
            "state_dir = {state:?}\n[purge]\nschedule = \"0 0 29 2 *\"\nmax_age = \"1h\"\ncatch_up = {catch_up}"
        );
        let gate = Gate::to(catcher.http_addr()).config(&config).with_status().start();
        gate.log_line("purge \"0 0 29 2 *\" in UTC");
        (gate, catcher, dir)
    };
    let (without, kept, _dir) = start(false);
    let (with, purged, _other) = start(true);
    eventually("what was missed", || purged.message_ids().is_empty().then_some(()));
    eventually("the count", || with.metric("mailwarden_purge_runs_total{result=\"ok\"}").filter(|ok| *ok == 1.0));
    // That one began to look before the other did.
    assert_eq!(kept.message_ids(), [1]);
    assert_eq!(without.metric("mailwarden_purge_runs_total{result=\"ok\"}"), Some(0.0));
}

#[test]
fn with_nothing_protected_and_no_limit_a_scheduled_run_over_little_is_one_call() {
    let (catcher, dir) = (Catcher::start(Options::default()), tempfile::tempdir().unwrap());
    catcher.deliver(Mail::new("new"));
    let config = format!("state_dir = {:?}\n[purge]\nevery = \"1s\"\nmin_age = \"0s\"", dir.path().join("state"));
    let _gate = Gate::to(catcher.http_addr()).config(&config).start();
    eventually("the mail to go", || catcher.message_ids().is_empty().then_some(()));
    let asked = catcher.requests();
    let deletions: Vec<_> = asked.iter().filter(|asked| asked.method == "DELETE").map(|asked| &asked.target).collect();
    assert_eq!(deletions, ["/messages"]);
}

#[test]
fn a_webhook_that_says_nothing_is_waited_for_for_ten_seconds() {
    let (catcher, dir) = (Catcher::start(Options::default()), tempfile::tempdir().unwrap());
    catcher.stop();
    let hook = TcpListener::bind("127.0.0.1:0").unwrap();
    let alert = dir.path().join("alert");
    std::fs::write(&alert, format!("http://{}/s3cret", hook.local_addr().unwrap())).unwrap();
    let config = format!(
        "state_dir = {:?}\n[purge]\nevery = \"1s\"\nretry_for = \"1s\"\nalert_url_file = {alert:?}",
        dir.path().join("state")
    );
    let gate = Gate::to(catcher.http_addr()).config(&config).start();
    let line = gate.log_line("nobody was told");
    assert!(line.contains("timed out") && !line.contains("s3cret"), "{line}");
}

#[test]
fn copies_that_another_user_made_are_left_to_that_one_and_hold_up_no_other() {
    let desk = Desk::new();
    archiving(&desk);
    desk.fill(1, 0);
    let archive = desk.path("archive");
    let long_ago = SystemTime::now() - Duration::from_secs(40 * 86_400);
    for (day, owner) in [("2026-01-01", 0), ("2026-01-02", 65534)] {
        let day = archive.join(day);
        std::fs::create_dir_all(&day).unwrap();
        std::fs::write(day.join("000000-1-0.eml"), "x").unwrap();
        std::fs::File::options().write(true).open(day.join("000000-1-0.eml")).unwrap().set_modified(long_ago).unwrap();
        chown(&day, Some(owner), None).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&day, mode).unwrap();
    }
    std::fs::create_dir(desk.state_dir()).unwrap();
    for dir in [desk.dir.path(), &desk.state_dir(), &archive] {
        chown(dir, Some(65534), Some(65534)).unwrap();
    }
    // Where the tests run may not be a place that everybody can enter.
    let program = desk.path("program");
    std::fs::copy(env!("CARGO_BIN_EXE_mailwarden"), &program).unwrap();
    let mut purge = Command::new("setpriv");
    purge.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).arg("purge");
    let done = purge.arg("--config").arg(desk.path("mailwarden.toml")).stdin(Stdio::null()).output().unwrap();
    let (code, _, error) = super::told(done);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(desk.catcher.message_ids().is_empty());
    assert!(archive.join("2026-01-01/000000-1-0.eml").exists() && !archive.join("2026-01-02").exists());
}
