//! Catchers that lie: whatever one says of its mail, a purge ends, says so, and deletes nothing that it must not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::{Desk, HOUR};
use crate::support::catcher::{Gate as Hold, Mail, Options, Script, Tells};

/// The number after `start=` of what it is asked for.
fn start(line: &str) -> usize {
    line.split("start=").nth(1).and_then(|rest| rest.split('&').next()).unwrap().parse().unwrap()
}

/// A catcher that answers each request line with what `says`, as JSON.
fn liar(says: impl Fn(&str) -> String + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let says = says.clone();
            std::thread::spawn(move || answer(&stream, &says));
        }
    });
    addr
}

fn answer(mut stream: &TcpStream, says: &impl Fn(&str) -> String) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(first) = lines.next() {
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        let body = says(&first);
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}

/// What a purge without deleting says to a Mailpit that `says` so.
fn looked_at(says: impl Fn(&str) -> String + Clone + Send + 'static) -> (i32, String, String) {
    let (desk, url) = (Desk::new(), format!("http://{}", liar(says)));
    desk.run(&["purge", "--dry-run", "--max-age", "1h", "--catcher", "mailpit", "--upstream", &url])
}

#[test]
fn pages_that_lead_nowhere_are_not_taken_for_all_there_is() {
    let (code, out, error) = looked_at(|_| r#"{"total":3,"messages":[]}"#.to_owned());
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("its pages lead nowhere"), "{error}");
    // One without anything that can be used is followed.
    let (code, out, error) = looked_at(|line| {
        let id = if start(line) == 0 { "../x" } else { "old" };
        format!(r#"{{"total":2,"messages":[{{"ID":{id:?},"Created":"2020-01-01T00:00:00Z"}}]}}"#)
    });
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.starts_with("old ") && out.contains("\n1 would go "), "{out}");
}

#[test]
fn a_list_that_has_no_end_is_given_up() {
    let page = format!(r#"{{"total":2400000,"messages":[{}{{"ID":"x"}}]}}"#, r#"{"ID":"x"},"#.repeat(1_200_000));
    let (code, out, error) = looked_at(move |_| page.clone());
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("it has too many messages"), "{error}");
}

#[test]
fn an_answer_that_does_not_end_is_waited_for_for_so_long() {
    let desk = Desk::with("[timeouts]\nupstream_answer = \"200ms\"");
    desk.fill(1, 0);
    let begun = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n[";
    let drips = (0..300).fold(Script::raw(begun), |script, _| script.wait(Duration::from_millis(100)).send(" "));
    desk.catcher.on("GET /messages", drips.close());
    let (code, _, error) = desk.run(&["purge", "--dry-run", "--max-age", "1h"]);
    assert_eq!(code, 1);
    assert!(error.contains("its answer did not end in time"), "{error}");
}

#[test]
fn of_a_redirect_and_of_what_is_no_list_nothing_is_believed() {
    let desk = Desk::new();
    desk.fill(1, 0);
    let elsewhere = format!("{}/messages", Desk::new().catcher.url());
    for (script, says) in [
        (Script::reply("302 Found", &[("Location", &elsewhere)], ""), "it answered 302"),
        (Script::reply("200 OK", &[], "<h1>hello</h1>"), "its answer is not understood"),
        (Script::reply("200 OK", &[], r#"[{"id":-1,"size":"-5"}]"#), "its answer is not understood"),
        (Script::reply("204 No Content", &[], ""), "it answered 204"),
    ] {
        desk.catcher.on("GET /messages", script);
        let (code, out, error) = desk.run(&["purge", "--dry-run", "--max-age", "1h"]);
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(error.contains("the catcher does not give its list") && error.contains(says), "{error}");
    }
}

#[test]
fn odd_fields_are_no_age_and_no_size_and_overflow_nothing() {
    let desk = Desk::new();
    let list = r#"[{"id":18446744073709551615,"size":"18446744073709551615","created_at":"2999-01-01T00:00:00+00:00"},
        {"id":9223372036854775807,"size":18446744073709551615,"created_at":"-000001-01-01T00:00:00Z"},
        {"id":2,"size":-5,"created_at":[1]},{"id":1,"size":1e300,"created_at":"yesterday"}]"#;
    desk.catcher.always("GET /messages", Script::reply("200 OK", &[("Content-Type", "application/json")], list));
    let (code, out, _) = desk.run(&["purge", "--dry-run", "--max-age", "1h", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, found["messages"].as_array().unwrap().len(), &found["staying"]), (0, 1, &3.into()));
    assert_eq!(found["messages"][0]["id"], "9223372036854775807");
    let (code, out, error) = desk.run(&["purge", "--dry-run", "--all"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.contains("4 would go (18446744073709551615 bytes)"), "{out}");
}

#[test]
fn what_was_listed_and_cannot_be_said_any_more_is_another_message() {
    let desk = Desk::of(Options { socket_tells: Tells::Nothing, ..Options::default() });
    desk.fill(2, 0);
    let hold = Hold::closed();
    desk.catcher.on("DELETE /messages/1", Script::held(&hold));
    let purge = desk.begin(&["purge", "--max-age", "1h"]);
    desk.wait_for("DELETE", "/messages/1");
    // The newest goes, and its id comes back for one whose subject is not text.
    let gone = crate::support::raw::Client::connect(desk.catcher.http_addr())
        .send("DELETE /messages/2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .answer();
    assert_eq!(gone.status, 204);
    assert_eq!(desk.catcher.deliver(Mail::with_broken_subject().aged(HOUR * 2)), 2);
    hold.open();
    super::told(purge.wait_with_output().unwrap());
    assert_eq!(desk.asked("DELETE", "/messages/2"), 1, "only ours");
    assert_eq!(desk.catcher.message_ids(), [2]);
}

#[test]
fn a_list_that_shrinks_and_grows_again_ends_in_a_failure_and_no_message_that_stays_is_touched() {
    let desk = Desk::new();
    desk.fill(3, 2);
    for page in ["[]", r#"[{"id":1,"size":"9","created_at":"2020-01-01T00:00:00+00:00"}]"#] {
        desk.catcher.always("GET /messages", Script::reply("200 OK", &[("Content-Type", "application/json")], page));
        desk.run(&["purge", "--max-age", "1h"]);
        desk.catcher.forget_scripts();
    }
    assert!(desk.catcher.message_ids().ends_with(&[4, 5]));
    assert_eq!(desk.run(&["purge", "--max-age", "1h"]).0, 0);
    assert_eq!(desk.catcher.message_ids(), [4, 5]);
}
