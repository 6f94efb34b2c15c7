//! `mailwarden purge` and `mailwarden schedule`, by hand and from a crontab.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::{Desk, HOUR};
use crate::support::catcher::{Mail, Script};

#[test]
fn by_age_what_is_old_goes_one_by_one_oldest_first_and_the_rest_stays() {
    let desk = Desk::new();
    desk.fill(10, 5);
    let (code, out, error) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.starts_with("purged 10 of 10 messages in "), "{out}");
    assert_eq!(desk.catcher.message_ids(), (11..=15).collect::<Vec<_>>());
    let deleted: Vec<String> = desk
        .catcher
        .requests()
        .into_iter()
        .filter(|asked| asked.method == "DELETE")
        .map(|asked| asked.target)
        .collect();
    assert_eq!(deleted, (1..=10).map(|id| format!("/messages/{id}")).collect::<Vec<_>>());
    let (code, out, _) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "nothing to purge: a message goes when it is older than 1h; none younger than 1m\n")
    );
}

#[test]
fn by_number_and_by_size_the_newest_stay_and_the_youngest_are_protected() {
    let desk = Desk::new();
    desk.fill(10, 5);
    let (code, out, _) = desk.run(&["purge", "--max-messages", "7", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found["decided"], &found["confirmed"], &found["ok"]), (0, &8.into(), &8.into(), &true.into()));
    assert_eq!(desk.catcher.message_ids(), (9..=15).collect::<Vec<_>>());
    assert_eq!(desk.run(&["purge", "--max-size", "1B"]).0, 0);
    assert_eq!(desk.catcher.message_ids(), (11..=15).collect::<Vec<_>>(), "none younger than a minute");
}

#[test]
fn the_configurations_rule_holds_and_flags_replace_it() {
    let desk = Desk::with("[purge]\nmax_age = \"1h\"\nmin_age = \"0s\"");
    desk.fill(3, 3);
    assert_eq!(desk.run(&["purge", "--max-messages", "5"]).0, 0);
    assert_eq!(desk.catcher.message_ids(), [2, 3, 4, 5, 6]);
    assert_eq!(desk.run(&["purge"]).0, 0);
    assert_eq!(desk.catcher.message_ids(), [4, 5, 6]);
    let rules: Vec<_> = desk.history().iter().map(|run| run["rule"].as_str().unwrap().to_owned()).collect();
    assert_eq!(rules, ["a message goes when it is not among the 5 newest", "a message goes when it is older than 1h"]);
}

#[test]
fn exit_codes_tell_a_crontab_what_happened() {
    let desk = Desk::new();
    desk.fill(1, 0);
    for arguments in [
        &["purge"][..],
        &["purge", "--all", "--max-age", "1h"],
        &["purge", "--max-age", "1"],
        &["purge", "--max-messages", "-1"],
        &["purge", "--all", "--quiet", "--format", "json"],
    ] {
        let (code, out, error) = desk.run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(!error.is_empty());
    }
    assert_eq!(desk.run(&["purge", "--all", "--catcher", "generic"]).0, 78);
    assert_eq!(desk.catcher.message_ids(), [1]);
    // What does not delete is no success.
    desk.catcher.always("DELETE /messages/1", Script::reply("500 Internal Server Error", &[], "no"));
    let (code, _, error) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!(code, 1);
    assert!(error.contains("the catcher does not delete: it answered 500"), "{error}");
    desk.catcher.stop();
    let (code, _, error) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!(code, 69);
    assert!(error.contains("the catcher cannot be reached"), "{error}");
    assert_eq!(desk.run(&["purge", "--dry-run", "--all"]).0, 69);
    desk.configure("[purge]\nschedule = \"x\"");
    assert_eq!(desk.run(&["purge", "--all"]).0, 78);
    assert_eq!(desk.run(&["schedule"]).0, 78);
}

#[test]
fn a_dry_run_names_each_message_and_the_limit_and_deletes_nothing() {
    let desk = Desk::new();
    desk.fill(2, 2);
    let (code, out, error) = desk.run(&["purge", "--dry-run", "--max-age", "1h", "--max-messages", "1"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].starts_with("1 ") && lines[0].ends_with("max_age"), "{out}");
    assert!(lines[2].starts_with("2 would go (") && lines[2].contains("2 would stay"), "{out}");
    let (_, out, _) = desk.run(&["purge", "--dry-run", "--all", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((found["messages"].as_array().unwrap().len(), &found["messages"][0]["limit"]), (4, &"all".into()));
    assert_eq!(desk.catcher.message_ids().len(), 4);
    assert!(desk.catcher.requests().iter().all(|asked| asked.method == "GET"));
    assert!(desk.history().is_empty());
}

#[test]
fn all_is_one_call_where_little_is_there_and_small_steps_where_much_is() {
    let desk = Desk::new();
    desk.fill(3, 3);
    let (code, out, _) = desk.run(&["purge", "--all", "--quiet"]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert_eq!((desk.catcher.message_ids().len(), desk.asked("DELETE", "/messages")), (0, 1));
    desk.fill(1100, 0);
    assert_eq!(desk.run(&["purge", "--all"]).0, 0);
    assert_eq!((desk.catcher.message_ids().len(), desk.asked("DELETE", "/messages")), (0, 1));
}

#[test]
fn a_list_that_fails_is_survived_without_the_bulk_call() {
    let desk = Desk::new();
    desk.fill(2, 0);
    desk.catcher.deliver(Mail::with_broken_subject().aged(HOUR * 2)); // 3
    desk.fill(1, 2); // 4, and 5 and 6
    desk.catcher.deliver(Mail::with_broken_subject()); // 7: nobody can tell how old it is
    let (code, _, error) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert_eq!(desk.catcher.message_ids(), [5, 6, 7]);
    assert_eq!(desk.asked("DELETE", "/messages"), 0);
}

#[test]
fn far_from_where_ids_began_it_is_known_from_the_last_time_where_they_are() {
    let desk = Desk::new();
    desk.fill(2100, 1);
    assert_eq!(desk.run(&["purge", "--max-age", "1h"]).0, 0);
    assert_eq!(desk.catcher.message_ids(), [2101]);
    desk.fill(1, 0); // 2102
    desk.catcher.deliver(Mail::with_broken_subject()); // 2103, which is as old as 2104 at the least
    desk.fill(0, 1);
    assert_eq!(desk.run(&["purge", "--max-age", "1h"]).0, 0);
    assert_eq!(desk.catcher.message_ids(), [2101, 2103, 2104]);
}

#[test]
fn a_message_that_somebody_else_deleted_is_gone_too() {
    let desk = Desk::new();
    desk.fill(3, 1);
    let page = r#"[{"id":1,"size":"9","created_at":"2020-01-01T00:00:00+00:00"},{"id":99,"size":"9","created_at":"2020-01-01T00:00:00+00:00"}]"#;
    desk.catcher.on("GET /messages", Script::reply("200 OK", &[("Content-Type", "application/json")], page));
    let (code, out, _) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!(code, 0);
    assert!(out.starts_with("purged 2 of 2 "), "{out}");
}

#[test]
fn what_stays_behind_and_what_is_lost_is_told() {
    let desk = Desk::new();
    desk.fill(3, 2);
    // It says that it deleted, and did not.
    desk.catcher.always("DELETE /messages/2", Script::reply("204 No Content", &[], ""));
    let (code, _, error) = desk.run(&["purge", "--max-age", "1h"]);
    assert_eq!((code, error.as_str()), (1, "1 of the messages that had to go are still there\n"));
    let run = desk.history().pop().unwrap();
    assert_eq!((&run["state"], &run["decided"], &run["confirmed"]), (&"failed".into(), &3.into(), &2.into()));
    assert!(run["attempts"].as_u64().unwrap() > 1);
}

#[test]
fn a_catcher_with_a_login_and_a_prefix_is_purged_too() {
    use crate::support::catcher::{Catcher, Options};
    let catcher = Catcher::start(Options { http_path: "/mail".to_owned(), ..Options::default() });
    let desk = Desk { catcher, dir: tempfile::tempdir().unwrap() };
    std::fs::write(desk.path("password"), "s3cret\n").unwrap();
    desk.configure(&format!("[upstream]\nusername = \"gate\"\npassword_file = {:?}", desk.path("password")));
    // `upstream.url` stands above as a dotted key, and a table can be written in one way only.
    let text = std::fs::read_to_string(desk.path("mailwarden.toml")).unwrap();
    let text =
        text.replace("upstream.url", "#").replace("[upstream]", &format!("[upstream]\nurl = {:?}", desk.catcher.url()));
    std::fs::write(desk.path("mailwarden.toml"), text).unwrap();
    desk.fill(2, 1);
    assert_eq!(desk.run(&["purge", "--max-age", "1h"]).0, 0);
    assert_eq!(desk.catcher.message_ids(), [3]);
    let asked = desk.catcher.requests();
    assert!(asked.iter().all(|asked| asked.target.starts_with("/mail/messages")));
    assert!(asked.iter().all(|asked| asked.value("authorization").as_deref() == Some("Basic Z2F0ZTpzM2NyZXQ=")));
}

#[test]
fn copies_are_kept_of_what_goes_and_what_cannot_be_copied_stays() {
    let desk = Desk::new();
    let archive = desk.path("archive");
    desk.configure(&format!("[purge]\nmax_age = \"1h\"\narchive_dir = {archive:?}\narchive_max_age = \"30d\""));
    desk.fill(2, 1);
    assert_eq!(desk.run(&["purge"]).0, 0);
    assert_eq!(desk.catcher.message_ids(), [3]);
    let mut copies = Vec::new();
    for day in std::fs::read_dir(&archive).unwrap() {
        let day = day.unwrap();
        assert_eq!(day.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        for copy in std::fs::read_dir(day.path()).unwrap() {
            let copy = copy.unwrap();
            assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            copies.push(std::fs::read_to_string(copy.path()).unwrap());
        }
    }
    copies.sort();
    assert_eq!(copies.len(), 2);
    assert!(copies[0].contains("Subject: mail 0\r\n") && copies[1].contains("Subject: mail 1\r\n"));

    std::fs::remove_dir_all(&archive).unwrap();
    std::fs::write(&archive, "in the way").unwrap();
    desk.fill(2, 0);
    let (code, _, error) = desk.run(&["purge"]);
    assert_eq!(code, 1);
    assert!(error.contains("a copy cannot be kept, so the message stays"), "{error}");
    assert_eq!(desk.catcher.message_ids(), [3, 4, 5]);
}

#[test]
fn schedule_tells_the_next_runs_and_the_past_ones() {
    let desk = Desk::with("[purge]\nschedule = \"30 3 * * *\"\ntimezone = \"Europe/Helsinki\"\nmax_age = \"1h\"");
    let (code, out, _) = desk.run(&["schedule", "--count", "3"]);
    assert_eq!((code, out.lines().count()), (0, 4));
    assert!(out.starts_with("\"30 3 * * *\" in Europe/Helsinki: a message goes when it is older than 1h"), "{out}");
    assert!(out.lines().skip(1).all(|line| line.contains(":30:00 UTC   ") && line.contains(" 03:30:00 EE")), "{out}");
    let (_, out, _) = desk.run(&["schedule", "--format", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["next"].as_array().unwrap().len(), 5);
    assert!(desk.run(&["schedule", "--history"]).1.starts_with("no purge is known of"));
    desk.fill(1, 0);
    desk.run(&["purge"]);
    let (_, out, _) = desk.run(&["schedule", "--history"]);
    assert!(out.contains("by hand   done  1 of 1 gone in "), "{out}");
    let users = desk.path("htpasswd");
    std::fs::write(&users, crate::support::gate::ANNA).unwrap();
    let (_, out, _) = desk.run(&["check", "--users-file", users.to_str().unwrap()]);
    assert!(out.contains("\"30 3 * * *\" in Europe/Helsinki; next 20"), "{out}");
}

#[test]
fn without_a_state_directory_it_says_so_and_purges() {
    let desk = Desk::new();
    desk.fill(2, 1);
    std::fs::write(desk.state_dir(), "in the way").unwrap();
    let (code, out, error) = desk.run(&["purge", "--max-age", "1h"]);
    assert!(error.starts_with("warning: state_dir: nothing can be kept in "), "{error}");
    assert!(code == 0 && out.starts_with("purged 2 of 2 "), "{out}");
}

#[test]
fn a_slow_catcher_is_given_time() {
    let desk = Desk::new();
    desk.fill(3, 0);
    desk.catcher.always("DELETE /messages/2", Script::late(Duration::from_millis(300)));
    assert_eq!(desk.run(&["purge", "--max-age", "1h"]).0, 0);
    assert_eq!(desk.catcher.message_ids(), Vec::<i64>::new());
}
