use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{HERE, cookie, with};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::Gate;

fn gate(catcher: &Catcher, state_dir: &Path, more: &str) -> Gate {
    let config = format!("state_dir = {state_dir:?}\nauth.login_page = true\n{more}");
    Gate::to(catcher.http_addr()).config(&config).start()
}

fn log_in(gate: &Gate) -> String {
    let body = "user=anna&password=secret";
    let fields = format!(
        "{HERE}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut client = gate.connect();
    client.send(format!("POST /.mailwarden/login HTTP/1.1\r\nHost: dev.test:8080\r\n{fields}"));
    with(&cookie(&client.answer()).0)
}

fn log_out(gate: &Gate, session: &str) {
    let fields = format!("{HERE}Content-Length: 0\r\n{session}");
    assert_eq!(gate.connect().request("POST /.mailwarden/logout", &fields).status, 303);
}

fn status(gate: &Gate, session: &str) -> u16 {
    gate.connect().request("GET /messages", session).status
}

fn modes(dir: &Path) -> Vec<(String, u32)> {
    let entries = dir.read_dir().unwrap().map(Result::unwrap);
    let mut modes: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777))
        .collect();
    modes.sort();
    modes
}

#[test]
fn sessions_outlive_a_restart_and_those_that_were_logged_out_stay_so() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut first = gate(&catcher, &state, "");
    let (kept, left) = (log_in(&first), log_in(&first));
    log_out(&first, &left);
    assert_eq!((status(&first, &kept), status(&first, &left)), (200, 401));
    assert_eq!(modes(&state), [("session.key".to_owned(), 0o600), ("sessions.ended".to_owned(), 0o600)]);
    first.signal("TERM");
    assert!(first.wait().success());

    let second = gate(&catcher, &state, "");
    assert_eq!((status(&second, &kept), status(&second, &left)), (200, 401));
    assert!(!second.log().iter().any(|line| line.contains("WARN")), "{:?}", second.log());
}

#[test]
fn where_nothing_can_be_kept_sessions_end_with_the_daemon_and_that_is_said_once() {
    let catcher = Catcher::start(Options::default());
    // Not even root can make a directory there.
    let nowhere = Path::new("/proc/nowhere");
    let first = gate(&catcher, nowhere, "");
    let session = log_in(&first);
    assert_eq!(status(&first, &session), 200);
    log_out(&first, &log_in(&first));
    first.signal("HUP");
    first.log_line("reloaded");
    let warnings = first.log().into_iter().filter(|line| line.contains("state_dir")).collect::<Vec<_>>();
    assert!(warnings.len() == 1 && warnings[0].contains("sessions end when the daemon does"), "{warnings:?}");
    assert_eq!(status(&first, &session), 200, "a reload ends none");
    drop(first);
    assert_eq!(status(&gate(&catcher, nowhere, ""), &session), 401);
}

#[test]
fn a_key_that_others_could_read_is_replaced_with_a_word() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let session = log_in(&gate(&catcher, dir.path(), ""));
    let key = dir.path().join("session.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let next = gate(&catcher, dir.path(), "");
    next.log_line("others may read or write it; it is replaced, and whoever is logged in has to log in again");
    assert_eq!(status(&next, &session), 401);
    assert_eq!(modes(dir.path())[0], ("session.key".to_owned(), 0o600));
}

#[test]
fn without_a_login_page_the_state_directory_is_not_touched_and_a_reload_may_ask_for_it() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let gate = Gate::to(catcher.http_addr()).config(&format!("state_dir = {state:?}\nauth.login_page = false")).start();
    assert_eq!(status(&gate, crate::support::gate::AS_ANNA), 200);
    assert!(!state.exists());

    let config = std::fs::read_to_string(gate.config_file()).unwrap();
    std::fs::write(gate.config_file(), config.replace("login_page = false", "login_page = true")).unwrap();
    gate.signal("HUP");
    gate.log_line("reloaded");
    assert_eq!(status(&gate, &log_in(&gate)), 200);
    assert!(state.join("session.key").exists());
}

#[test]
fn the_service_managers_directory_is_taken() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().display().to_string();
    let gate = Gate::to(catcher.http_addr()).env("STATE_DIRECTORY", &path).config("auth.login_page = true").start();
    log_in(&gate);
    assert!(dir.path().join("session.key").exists());
}
