//! The daemon's purge, and what people see of it; a user's own Clear.

use std::time::Duration;

use super::HOUR;
use super::hook::{Authority, Hook};
use crate::support::catcher::{Catcher, Gate as Hold, Mail, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::eventually;

fn old(catcher: &Catcher, count: usize) {
    for number in 0..count {
        catcher.deliver(Mail::new(&format!("old {number}")).aged(HOUR * 2));
    }
}

fn is_empty(catcher: &Catcher) {
    assert!(catcher.wait_until(Duration::from_secs(20), |state| state.message_ids().is_empty()));
}

/// A configuration of a daemon that purges every second what is older than an hour.
fn every_second(dir: &tempfile::TempDir, more: &str) -> String {
    format!(
        "state_dir = {:?}\n[purge]\nevery = \"1s\"\nmax_age = \"1h\"\nretry_for = \"1s\"\n{more}",
        dir.path().join("state")
    )
}

#[test]
fn on_schedule_old_mail_goes_and_it_is_counted() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    old(&catcher, 5);
    catcher.deliver(Mail::new("new"));
    let gate = Gate::to(catcher.http_addr()).config(&every_second(&dir, "")).with_status().start();
    gate.log_line("every 1s: a message goes when it is older than 1h");
    eventually("the mail to go", || (catcher.message_ids() == [6]).then_some(()));
    eventually("the count", || (gate.metric("mailwarden_purge_deleted_mails_total") == Some(5.0)).then_some(()));
    assert!(gate.metric("mailwarden_purge_runs_total{result=\"ok\"}").unwrap() >= 1.0);
    assert!(gate.metric("mailwarden_purge_last_success_timestamp_seconds").unwrap() > 1.7e9);
    assert!(gate.status("/readyz").1.contains("purge: ok\n"));
    assert!(catcher.requests().iter().all(|asked| asked.method != "DELETE" || asked.target != "/messages"));
}

#[test]
fn without_a_limit_all_goes_but_the_youngest_and_the_start_says_so() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    old(&catcher, 2);
    catcher.deliver(Mail::new("new"));
    let config = format!("state_dir = {:?}\npurge.every = \"1s\"", dir.path().join("state"));
    let gate = Gate::to(catcher.http_addr()).config(&config).start();
    gate.log_line("every 1s: every message goes; none younger than 1m");
    eventually("the mail to go", || (catcher.message_ids() == [3]).then_some(()));
}

#[test]
fn a_run_that_cannot_begin_is_a_failure_that_is_told_of() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("state")).unwrap();
    let other = std::fs::File::create(dir.path().join("state/purge.lock")).unwrap();
    other.lock().unwrap();
    old(&catcher, 1);
    let gate = Gate::to(catcher.http_addr()).config(&every_second(&dir, "")).with_status().start();
    gate.log_line("purge failed: another purge was at it all the time");
    eventually("the count", || (gate.metric("mailwarden_purge_runs_total{result=\"failed\"}")? >= 1.0).then_some(()));
    assert_eq!(catcher.message_ids(), [1]);
    assert_eq!(gate.metric("mailwarden_condition_degraded{condition=\"purge\"}"), Some(1.0));
    let history = std::fs::read_to_string(dir.path().join("state/purge.history")).unwrap();
    assert!(history.contains("\"state\":\"failed\"") && history.contains("another purge was at it"), "{history}");
    drop(other);
    is_empty(&catcher);
}

#[test]
fn a_catcher_that_nobody_knows_is_a_failure_that_is_told_of_and_one_that_turns_up_ends_it() {
    let catcher = Catcher::start(Options::default());
    catcher.always("GET /", Script::reply("200 OK", &[("Content-Type", "text/html")], "hello"));
    let (dir, hook) = (tempfile::tempdir().unwrap(), Hook::start("204 No Content"));
    std::fs::write(dir.path().join("alert"), &hook.url).unwrap();
    old(&catcher, 1);
    let alert = format!("alert_url_file = {:?}", dir.path().join("alert"));
    let config = format!("upstream.catcher = \"auto\"\n{}", every_second(&dir, &alert));
    let gate = Gate::to(catcher.http_addr()).config(&config).with_status().start();
    gate.log_line("purge failed: it is not known which catcher it is");
    assert_eq!(hook.news().1["event"], "purge_failed");
    assert!(gate.status("/readyz").1.contains("purge: degraded since "));
    assert!(gate.metric("mailwarden_purge_runs_total{result=\"failed\"}").unwrap() >= 1.0);
    let history = std::fs::read_to_string(dir.path().join("state/purge.history")).unwrap();
    assert!(history.contains("\"state\":\"failed\""), "{history}");
    assert_eq!(catcher.message_ids(), [1]);
    catcher.forget_scripts();
    is_empty(&catcher);
    assert_eq!(hook.news().1["event"], "purge_recovered");
}

#[test]
fn two_daemons_with_one_state_directory_take_turns() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    old(&catcher, 40);
    catcher.deliver(Mail::new("new"));
    let config = every_second(&dir, "").replace("retry_for = \"1s\"", "retry_for = \"1m\"");
    let gates = [(); 2].map(|()| Gate::to(catcher.http_addr()).config(&config).with_status().start());
    for gate in &gates {
        eventually("a run of each", || {
            gate.metric("mailwarden_purge_runs_total{result=\"ok\"}").filter(|ok| *ok >= 1.0)
        });
        assert_eq!(gate.metric("mailwarden_purge_runs_total{result=\"failed\"}"), Some(0.0));
    }
    assert_eq!(catcher.message_ids(), [41]);
    let deleted: Vec<_> = catcher.requests().into_iter().filter(|asked| asked.method == "DELETE").collect();
    assert_eq!(deleted.len(), 40, "each once");
    drop(gates);
    let history = std::fs::read_to_string(dir.path().join("state/purge.history")).unwrap();
    assert!(history.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{history}");
}

#[test]
fn a_schedule_changes_at_a_reload() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::to(catcher.http_addr()).config(&every_second(&dir, "")).start();
    old(&catcher, 1);
    is_empty(&catcher);
    let config = std::fs::read_to_string(gate.config_file()).unwrap();
    std::fs::write(gate.config_file(), config.replace("every = \"1s\"", "schedule = \"0 0 29 2 *\"")).unwrap();
    gate.signal("HUP");
    gate.log_line("purge \"0 0 29 2 *\" in UTC");
    std::fs::write(gate.config_file(), config.replace("every = \"1s\"", "")).unwrap();
    gate.signal("HUP");
    gate.log_line("nothing is purged any more");
    old(&catcher, 1);
    std::fs::write(gate.config_file(), &config).unwrap();
    gate.signal("HUP");
    is_empty(&catcher);
}

#[test]
fn a_failure_is_told_once_everywhere_and_so_is_the_end_of_it() {
    let catcher = Catcher::start(Options::default());
    let (dir, hook) = (tempfile::tempdir().unwrap(), Hook::start("204 No Content"));
    std::fs::write(dir.path().join("alert"), format!("{}/hooks/s3cret\n", hook.url)).unwrap();
    old(&catcher, 3);
    catcher.always("DELETE /messages/2", Script::reply("500 Internal Server Error", &[], "no"));
    let alert = format!("alert_url_file = {:?}", dir.path().join("alert"));
    let gate = Gate::to(catcher.http_addr()).config(&every_second(&dir, &alert)).with_status().start();
    let (head, body) = hook.news();
    assert!(head.starts_with("POST /hooks/s3cret HTTP/1.1\r\n"), "{head}");
    assert_eq!((&body["event"], &body["decided"], &body["confirmed"]), (&"purge_failed".into(), &3.into(), &2.into()));
    assert!(body["text"].as_str().unwrap().contains("2 of 3 messages are gone"), "{body}");
    gate.log_line("purge failed: the catcher does not delete: it answered 500");
    let (status, text) = gate.status("/readyz");
    assert!(
        status == 200 && text.contains("purge: degraded since ") && text.contains("the catcher does not delete"),
        "{text}"
    );
    assert_eq!(gate.metric("mailwarden_condition_degraded{condition=\"purge\"}"), Some(1.0));
    eventually("another failure", || {
        gate.metric("mailwarden_purge_runs_total{result=\"failed\"}").filter(|failed| *failed >= 2.0)
    });
    catcher.forget_scripts();
    let (_, body) = hook.news();
    assert_eq!(body["event"], "purge_recovered");
    eventually("the condition to end", || gate.status("/readyz").1.contains("purge: ok\n").then_some(()));
    assert!(!gate.log().iter().any(|line| line.contains("s3cret")));
}

/// A daemon whose catcher is down, and which is to tell so at `url`; `SSL_CERT_FILE` is what it trusts.
fn tells(dir: &tempfile::TempDir, url: &str, trusted: &std::path::Path) -> Gate {
    std::fs::write(dir.path().join("alert"), url).unwrap();
    let catcher = Catcher::start(Options::default());
    let alert = format!("alert_url_file = {:?}", dir.path().join("alert"));
    Gate::to(catcher.http_addr())
        .config(&every_second(dir, &alert))
        .env("SSL_CERT_FILE", trusted.to_str().unwrap())
        .start()
}

#[test]
fn an_alert_goes_by_tls_to_whom_the_machine_trusts_and_to_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(&dir.path().join("authority"));
    let hook = Hook::with_tls(&authority, "204 No Content");
    let _gate = tells(&dir, &format!("{}/x", hook.url), &authority.certificate());
    assert_eq!(hook.news().1["event"], "purge_failed");

    let dir = tempfile::tempdir().unwrap();
    let other = Authority::new(&dir.path().join("other"));
    let gate = tells(&dir, &format!("{}/s3cret", hook.url), &other.certificate());
    let line = gate.log_line("nobody was told");
    assert!(line.contains("certificate") && !line.contains("s3cret"), "{line}");
    assert!(hook.is_silent());
}

#[test]
fn an_alert_follows_no_redirect_and_is_told_again_until_it_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = Hook::start("204 No Content");
    let hook = Hook::start(&format!("302 Found\r\nLocation: {}/y", elsewhere.url));
    let gate = tells(&dir, &format!("{}/s3cret", hook.url), dir.path());
    let line = gate.log_line("nobody was told");
    assert!(line.contains("it answered 302") && !line.contains("s3cret"), "{line}");
    assert_eq!(
        (hook.news().1["event"].clone(), hook.news().1["event"].clone()),
        ("purge_failed".into(), "purge_failed".into())
    );
    assert!(elsewhere.is_silent());
}

#[test]
fn a_catcher_that_is_down_is_a_failed_run_and_one_that_is_back_ends_it() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let gate = Gate::to(catcher.http_addr()).config(&every_second(&dir, "")).with_status().start();
    // Not before: the gate could be given the port that came free.
    catcher.stop();
    gate.log_line("purge failed: the catcher cannot be reached");
    assert!(gate.status("/readyz").1.contains("purge: degraded since "));
    catcher.restart();
    old(&catcher, 2);
    is_empty(&catcher);
    eventually("the condition to end", || gate.status("/readyz").1.contains("purge: ok\n").then_some(()));
}

#[test]
fn stopping_waits_for_no_purge_and_it_is_noted() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    old(&catcher, 5);
    let hold = Hold::closed();
    catcher.on("DELETE /messages/3", Script::held(&hold));
    let config = every_second(&dir, "[timeouts]\nstop = \"1s\"");
    let mut gate = Gate::to(catcher.http_addr()).config(&config).start();
    eventually("the purge", || catcher.requests().iter().any(|asked| asked.target == "/messages/3").then_some(()));
    gate.signal("TERM");
    gate.wait();
    let history = std::fs::read_to_string(dir.path().join("state/purge.history")).unwrap();
    assert!(history.lines().last().unwrap().contains("\"state\":\"begun\""), "{history}");
}

#[test]
fn stopping_between_two_messages_ends_the_run_in_order() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    old(&catcher, 5);
    let hold = Hold::closed();
    catcher.on("DELETE /messages/3", Script::held(&hold));
    let mut gate = Gate::to(catcher.http_addr()).config(&every_second(&dir, "")).start();
    eventually("the purge", || catcher.requests().iter().any(|asked| asked.target == "/messages/3").then_some(()));
    gate.signal("TERM");
    gate.log_line("stopping");
    hold.open();
    assert!(gate.wait().success());
    assert_eq!(catcher.message_ids(), [4, 5]);
    let history = std::fs::read_to_string(dir.path().join("state/purge.history")).unwrap();
    let last = history.lines().last().unwrap();
    assert!(last.contains("\"state\":\"stopped\""), "{history}");
    // From where to look if the list cannot be had the next time: nobody has looked what is left.
    assert!(last.contains("\"left\":[1,5]"), "{history}");
}

#[test]
fn the_daemon_waits_for_a_purge_by_hand() {
    let desk = super::Desk::new();
    desk.fill(3, 0);
    let hold = Hold::closed();
    desk.catcher.on("DELETE /messages/1", Script::held(&hold));
    let by_hand = desk.begin(&["purge", "--max-age", "1h"]);
    desk.wait_for("DELETE", "/messages/1");
    let config =
        format!("state_dir = {:?}\n[purge]\nevery = \"1s\"\nmax_age = \"1h\"\nretry_for = \"1m\"", desk.state_dir());
    let gate = Gate::to(desk.catcher.http_addr()).config(&config).with_status().start();
    gate.log_line("another purge runs, and is waited for");
    assert_eq!(desk.asked("DELETE", "/messages/2"), 0);
    hold.open();
    assert_eq!(super::told(by_hand.wait_with_output().unwrap()).0, 0);
    eventually("the daemon's turn", || {
        gate.metric("mailwarden_purge_runs_total{result=\"ok\"}").filter(|ok| *ok >= 1.0)
    });
    assert!((1..=3).all(|id| desk.asked("DELETE", &format!("/messages/{id}")) == 1));
}

#[test]
fn a_large_clear_goes_in_small_steps_answers_when_done_and_takes_what_was_there() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(1200);
    let gate = Gate::to(catcher.http_addr()).start();
    let hold = Hold::closed();
    catcher.on("DELETE /messages/700", Script::held(&hold));
    let mut client = gate.connect();
    client.send(format!("DELETE /messages HTTP/1.1\r\nHost: mail.dev\r\n{AS_ANNA}\r\n"));
    eventually("the middle", || catcher.requests().iter().any(|asked| asked.target == "/messages/700").then_some(()));
    let came = catcher.deliver(Mail::new("meanwhile"));
    hold.open();
    let answer = client.answer();
    assert_eq!(answer.status, 204);
    assert_eq!(catcher.message_ids(), [came]);
    assert!(catcher.requests().iter().all(|asked| asked.method != "DELETE" || asked.target != "/messages"));
    // A small one is the catcher's own call.
    assert_eq!(gate.connect().request("DELETE /messages", AS_ANNA).status, 204);
    assert!(catcher.requests().iter().any(|asked| asked.method == "DELETE" && asked.target == "/messages"));
}

#[test]
fn a_large_clear_goes_on_when_its_client_leaves() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(1200);
    let gate = Gate::to(catcher.http_addr()).start();
    let hold = Hold::closed();
    catcher.on("DELETE /messages/100", Script::held(&hold));
    let mut client = gate.connect();
    client.send(format!("DELETE /messages HTTP/1.1\r\nHost: mail.dev\r\n{AS_ANNA}\r\n"));
    eventually("the beginning", || {
        catcher.requests().iter().any(|asked| asked.target == "/messages/100").then_some(())
    });
    drop(client);
    hold.open();
    is_empty(&catcher);
}
