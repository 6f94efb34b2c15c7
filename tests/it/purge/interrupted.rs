//! What comes between: another purge, a clear, a kill, a full disk, a catcher that restarts.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{Desk, HOUR, told};
use crate::support::catcher::{Gate as Hold, Mail, Options, Script, Tells};
use crate::support::raw::Client;

fn ask(desk: &Desk, line: &str) -> u16 {
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    Client::connect(desk.catcher.http_addr()).send(request).answer().status
}

#[test]
fn one_purge_at_a_time() {
    let desk = Desk::new();
    desk.fill(2, 0);
    let hold = Hold::closed();
    desk.catcher.on("DELETE /messages/1", Script::held(&hold));
    let first = desk.begin(&["purge", "--max-age", "1h"]);
    desk.wait_for("DELETE", "/messages/1");
    let (code, out, error) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("another purge runs at this moment"), "{error}");
    let (_, out, _) = desk.run(&["schedule", "--history"]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines[0].ends_with("  by hand   running"), "{out}");
    assert!(lines[1].contains("  by hand   refused: another purge runs at this moment"), "{out}");
    let (code, out, _) = desk.run(&["purge", "--max-age", "1h", "--format", "json"]);
    let refused: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &refused["ok"], &refused["attempts"]), (1, &false.into(), &0.into()));
    hold.open();
    assert_eq!(told(first.wait_with_output().unwrap()).0, 0);
    assert_eq!(desk.asked("DELETE", "/messages/1"), 1);
}

/// A clear comes while the third of six goes, and new mail under the ids 1 to 6; its age does not matter, for it was not
/// there when it was decided what goes. What is under way cannot be called back: 3 is the one that may be lost in the
/// moment of a clear.
fn only_what_was_under_way_is_lost_to_a_clear(tells: Tells) {
    let desk = Desk::of(Options { socket_tells: tells, ..Options::default() });
    desk.fill(6, 0);
    let hold = Hold::closed();
    desk.catcher.on("DELETE /messages/3", Script::held(&hold));
    let purge = desk.begin(&["purge", "--max-age", "1h", "--format", "json"]);
    desk.wait_for("DELETE", "/messages/3");
    assert_eq!(ask(&desk, "DELETE /messages"), 204);
    for number in 0..6 {
        desk.catcher.deliver(Mail::new(&format!("new {number}")).aged(HOUR * 3));
    }
    hold.open();
    let (code, out, _) = told(purge.wait_with_output().unwrap());
    assert_eq!(code, 0, "{out}");
    assert_eq!(desk.catcher.message_ids(), [1, 2, 4, 5, 6]);
}

#[test]
fn after_a_clear_nothing_is_deleted_under_the_old_ids() {
    only_what_was_under_way_is_lost_to_a_clear(Tells::All);
}

#[test]
fn where_the_socket_tells_nothing_of_what_goes_each_message_is_looked_at() {
    only_what_was_under_way_is_lost_to_a_clear(Tells::Nothing);
    only_what_was_under_way_is_lost_to_a_clear(Tells::Arrivals);
}

#[test]
fn what_came_while_a_copy_was_made_is_not_deleted_for_it() {
    let desk = Desk::new();
    let archive = desk.path("archive");
    desk.configure(&format!("[purge]\nmax_age = \"1h\"\narchive_dir = {archive:?}\narchive_max_age = \"30d\""));
    desk.fill(4, 0);
    let hold = Hold::closed();
    desk.catcher.on("GET /messages/3.eml", Script::held(&hold));
    let purge = desk.begin(&["purge"]);
    desk.wait_for("GET", "/messages/3.eml");
    assert_eq!(ask(&desk, "DELETE /messages"), 204);
    desk.fill(4, 0);
    hold.open();
    let (code, _, error) = told(purge.wait_with_output().unwrap());
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(desk.catcher.message_ids(), [1, 2, 3, 4]);
}

#[test]
fn what_somebody_else_has_just_deleted_is_not_asked_for_again() {
    let desk = Desk::new();
    desk.fill(3, 0);
    let hold = Hold::closed();
    desk.catcher.on("DELETE /messages/2", Script::held(&hold));
    let purge = desk.begin(&["purge", "--max-age", "1h"]);
    desk.wait_for("DELETE", "/messages/2");
    assert_eq!(ask(&desk, "DELETE /messages/3"), 204);
    hold.open();
    let (code, out, _) = told(purge.wait_with_output().unwrap());
    assert!(code == 0 && out.starts_with("purged 3 of 3 "), "{out}");
    assert_eq!(desk.asked("DELETE", "/messages/3"), 1);
}

#[test]
fn a_message_without_a_copy_stays_and_holds_up_no_other() {
    for status in ["404 Not Found", "500 Internal Server Error"] {
        let desk = Desk::new();
        let archive = desk.path("archive");
        desk.configure(&format!("[purge]\nmax_age = \"1h\"\narchive_dir = {archive:?}\narchive_max_age = \"30d\""));
        desk.fill(2, 0);
        desk.catcher.on("GET /messages/1.eml", Script::reply(status, &[], "no"));
        let (code, _, error) = desk.run(&["purge"]);
        assert_eq!(code, 0, "{error}");
        let requests = desk.catcher.requests();
        let deleted: Vec<&str> = requests
            .iter()
            .filter(|request| request.method == "DELETE")
            .map(|request| request.target.as_str())
            .collect();
        assert_eq!(deleted, ["/messages/2", "/messages/1"], "{status}");
    }
}

#[test]
fn a_catcher_that_fails_over_everything_is_not_searched() {
    let desk = Desk::new();
    desk.fill(2, 0);
    for target in ["GET /messages", "GET /messages/0.json"] {
        desk.catcher.always(target, Script::reply("500 Internal Server Error", &[], "no"));
    }
    let (code, _, error) = desk.run(&["purge", "--dry-run", "--max-age", "1h"]);
    assert_eq!((code, error.lines().last()), (1, Some("the catcher does not give its list: it answered 500")));
    assert_eq!(desk.asked("GET", "/messages/1.json"), 0);
}

#[test]
fn what_took_the_id_of_a_message_that_somebody_deleted_is_not_deleted() {
    let desk = Desk::new();
    desk.fill(3, 0);
    let hold = Hold::closed();
    desk.catcher.on("DELETE /messages/2", Script::held(&hold));
    let purge = desk.begin(&["purge", "--max-age", "1h"]);
    desk.wait_for("DELETE", "/messages/2");
    assert_eq!(ask(&desk, "DELETE /messages/3"), 204);
    assert_eq!(desk.catcher.deliver(Mail::new("the new third").aged(HOUR * 2)), 3);
    hold.open();
    assert_eq!(told(purge.wait_with_output().unwrap()).0, 0);
    assert_eq!(desk.catcher.message_ids(), [3]);
    assert_eq!(desk.asked("DELETE", "/messages/3"), 1);
}

#[test]
fn mail_that_arrives_meanwhile_stays_and_is_no_failure() {
    let desk = Desk::new();
    desk.fill(4, 0);
    let hold = Hold::closed();
    desk.catcher.on("DELETE /messages/2", Script::held(&hold));
    let purge = desk.begin(&["purge", "--max-age", "1h", "--format", "json"]);
    desk.wait_for("DELETE", "/messages/2");
    desk.catcher.deliver(Mail::new("just now"));
    hold.open();
    let (code, out, _) = told(purge.wait_with_output().unwrap());
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found["confirmed"], &found["arrived"]), (0, &4.into(), &1.into()));
    assert_eq!(desk.catcher.message_ids(), [5]);
}

#[test]
fn what_a_user_deletes_meanwhile_is_not_lost() {
    let desk = Desk::new();
    desk.fill(2, 2);
    let hold = Hold::closed();
    desk.catcher.on("DELETE /messages/2", Script::held(&hold));
    let purge = desk.begin(&["purge", "--max-age", "1h"]);
    desk.wait_for("DELETE", "/messages/2");
    assert_eq!(ask(&desk, "DELETE /messages/3"), 204);
    hold.open();
    let (code, _, error) = told(purge.wait_with_output().unwrap());
    assert_eq!((code, error.as_str()), (0, ""));
}

#[test]
fn what_had_to_stay_and_went_unseen_is_a_failure() {
    let desk = Desk::new();
    desk.fill(1, 2);
    let page = |ids: &[u32]| {
        let now = "2999-01-01T00:00:00+00:00";
        let items: Vec<String> =
            ids.iter().map(|id| format!(r#"{{"id":{id},"size":"9","created_at":{now:?}}}"#)).collect();
        Script::reply("200 OK", &[("Content-Type", "application/json")], &format!("[{}]", items.join(",")))
    };
    // The second list lacks a message that had to stay, and nobody was told that it went.
    let first = r#"[{"id":1,"size":"9","created_at":"2020-01-01T00:00:00+00:00"},{"id":2,"size":"9","created_at":"2999-01-01T00:00:00+00:00"},{"id":3,"size":"9","created_at":"2999-01-01T00:00:00+00:00"}]"#;
    desk.catcher.on("GET /messages", Script::reply("200 OK", &[("Content-Type", "application/json")], first));
    desk.catcher.always("GET /messages", page(&[3]));
    let json = r#"{"id":1,"size":"9","created_at":"2020-01-01T00:00:00+00:00"}"#;
    desk.catcher.always("GET /messages/1.json", Script::reply("200 OK", &[("Content-Type", "application/json")], json));
    let (code, _, error) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!((code, error.as_str()), (1, "1 of the messages that had to stay are gone\n"));
    assert_eq!(desk.history().pop().unwrap()["state"], "failed");
}

#[test]
fn killed_at_any_moment_the_next_run_completes_it_and_the_history_is_whole() {
    let desk = Desk::new();
    desk.fill(150, 0);
    let start = Instant::now();
    assert_eq!(desk.run(&["purge", "--max-age", "1h"]).0, 0);
    let usual = start.elapsed();
    let mut kills = 0;
    for number in 0..24u32 {
        desk.fill(150, 0);
        let mut purge = desk.begin(&["purge", "--max-age", "1h"]);
        let until = Instant::now() + usual * number / 20;
        while Instant::now() < until && purge.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        kills += usize::from(purge.try_wait().unwrap().is_none());
        let _ = purge.kill();
        purge.wait().unwrap();
        let (code, _, error) = desk.run(&["purge", "--max-age", "1h"]);
        assert_eq!((code, error.as_str()), (0, ""));
        assert_eq!(desk.catcher.message_ids(), Vec::<i64>::new());
        let history = desk.history();
        assert_eq!(history.last().unwrap()["state"], "done");
        assert!(history.iter().all(|run| run["state"] == "done" || run["state"] == "begun"));
    }
    assert!(kills > 5, "{kills}");
}

#[test]
fn a_full_disk_under_the_history_is_said_and_nothing_fails() {
    let desk = Desk::new();
    std::fs::create_dir(desk.state_dir()).unwrap();
    let state = desk.state_dir();
    let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16k", "tmpfs"]).arg(&state).output().unwrap();
    assert!(done.status.success(), "mount: {} (it takes root)", String::from_utf8_lossy(&done.stderr));
    struct Mounted<'a>(&'a std::path::Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
        }
    }
    let _mounted = Mounted(&state);
    desk.fill(2, 0);
    assert_eq!(desk.run(&["purge", "--max-age", "1h"]).0, 0);
    let _ = std::fs::write(state.join("filler"), vec![b'x'; 64 << 10]).unwrap_err();
    // What is left of the last page of the file takes a few runs.
    let complained = (0..20).find_map(|_| {
        desk.fill(2, 0);
        let (code, _, error) = desk.run(&["purge", "--max-age", "1h"]);
        assert_eq!(code, 0, "{error}");
        (!error.is_empty()).then_some(error)
    });
    assert!(complained.unwrap().contains("warning: state_dir: the run cannot be noted in the history"));
    assert_eq!(desk.catcher.message_ids(), Vec::<i64>::new());
    std::fs::remove_file(state.join("filler")).unwrap();
    desk.fill(1, 0);
    let (code, _, error) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(desk.history().last().unwrap()["state"], "done");
}

#[test]
fn a_catcher_that_restarts_meanwhile_is_purged_anew() {
    let desk = Desk::new();
    desk.fill(4, 0);
    let hold = Hold::closed();
    desk.catcher.on("DELETE /messages/2", Script::held(&hold));
    let purge = desk.begin(&["purge", "--max-age", "1h", "--format", "json"]);
    desk.wait_for("DELETE", "/messages/2");
    desk.catcher.restart();
    desk.catcher.forget_scripts();
    desk.fill(0, 4);
    let (code, out, _) = told(purge.wait_with_output().unwrap());
    assert_eq!(code, 0, "{out}");
    assert_eq!(desk.catcher.message_ids(), [1, 2, 3, 4]);
}
