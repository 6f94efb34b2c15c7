use std::process::Command;

use serde_json::Value;

use crate::catcher::{self, Catcher, read_until};
use crate::process::tool;
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::kind::Kind;
use crate::support::smtp_client::send_mail;

fn maildump() -> Catcher {
    let program = tool("maildump/bin/maildump");
    Catcher::start(|http, smtp| {
        let mut command = Command::new(&program);
        command.arg("-f").args(["--http-port", &http.to_string()]).args(["--smtp-port", &smtp.to_string()]);
        command
    })
}

fn subjects(gate: &Gate) -> Vec<String> {
    let answer = gate.connect().request("GET /messages/", AS_ANNA);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    let messages = list["messages"].as_array().unwrap();
    messages.iter().map(|message| message["subject"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_shown_without_a_login() {
    let maildump = maildump();
    let gate = maildump.behind_a_gate();
    send_mail(maildump.smtp, "secret", "text");
    for path in ["/", "/messages/", "/messages/1.plain", "/event-stream"] {
        let answer = gate.connect().request(&format!("GET {path}"), "");
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.text().contains("secret"), "{path}: {}", answer.text());
    }
}

#[test]
fn a_mail_is_listed_read_and_deleted() {
    let maildump = maildump();
    let gate = maildump.behind_a_gate();
    assert!(subjects(&gate).is_empty());
    send_mail(maildump.smtp, "to be deleted", "Its text.");
    assert_eq!(subjects(&gate), ["to be deleted"]);
    let text = gate.connect().request("GET /messages/1.plain", AS_ANNA).text();
    assert!(text.contains("Its text."), "{text}");
    assert_eq!(gate.connect().request("DELETE /messages/1", AS_ANNA).status, 204);
    assert!(subjects(&gate).is_empty());
}

#[test]
fn a_live_event_arrives_while_its_stream_goes_on() {
    let maildump = maildump();
    let gate = maildump.behind_a_gate();
    let mut stream = gate.connect();
    stream.send(format!("GET /event-stream HTTP/1.1\r\nHost: dev.test:8080\r\n{AS_ANNA}\r\n"));
    let head = read_until(&mut stream, "event: connected\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    // MailDump sends nothing by itself for a minute, which is longer than a read waits here.
    send_mail(maildump.smtp, "live", "text");
    read_until(&mut stream, "event: add_message\r\ndata: 1\r\n");
    assert_eq!(gate.connect().request("DELETE /messages/1", AS_ANNA).status, 204);
    read_until(&mut stream, "event: delete_message\r\ndata: 1\r\n");
}

#[test]
fn a_redirect_that_is_made_from_host_leads_back_to_the_gate() {
    let maildump = maildump();
    let gate = maildump.behind_a_gate();
    let answer = gate.connect().request("GET /messages", AS_ANNA);
    assert_eq!(answer.status, 308);
    assert_eq!(answer.field("location").as_deref(), Some("http://dev.test:8080/messages/"));
}

const KIND: Kind = Kind {
    name: "maildump",
    list: "/messages/",
    messages: |list| list["messages"].as_array().unwrap().clone(),
    id: "id",
    subject: |message| message["subject"].as_str().unwrap().to_owned(),
    delete: |id| (format!("DELETE /messages/{id}"), String::new()),
    clear: "DELETE /messages/",
};

#[test]
fn by_name_its_page_loads_its_redirect_works_and_nobody_ends_it() {
    let maildump = maildump();
    KIND.its_page_loads(maildump.http);
    let gate = KIND.gate(maildump.http);
    let answer = gate.connect().request("GET /messages", AS_ANNA);
    assert_eq!((answer.status, answer.field("location").as_deref()), (308, Some("http://dev.test:8080/messages/")));
    assert_eq!(gate.connect().request("DELETE /", AS_ANNA).status, 403);
    KIND.auto_recognises_it(maildump.http);
}

#[test]
fn by_name_deleting_and_clearing_take_their_permissions_and_events_come() {
    let maildump = maildump();
    let gate = KIND.gate(maildump.http);
    let mut stream = gate.connect();
    stream.send(format!("GET /event-stream HTTP/1.1\r\nHost: dev.test:8080\r\n{AS_ANNA}\r\n"));
    read_until(&mut stream, "event: connected\r\n");
    KIND.deleting_and_clearing_take_their_permissions(maildump.http, &|subject| {
        send_mail(maildump.smtp, subject, "text");
    });
    read_until(&mut stream, "event: add_message\r\ndata: 3\r\n");
    read_until(&mut stream, "event: delete_message\r\ndata: 2\r\n");
}

#[test]
fn a_purge_leaves_the_newest() {
    let maildump = maildump();
    KIND.a_purge_leaves_the_newest(maildump.http, &|subject| send_mail(maildump.smtp, subject, "text"));
}

#[test]
fn in_a_browser_a_mail_is_shown_and_its_script_runs_nowhere() {
    let maildump = maildump();
    let paths = ["/messages/ID.html", "/messages/ID.source", "/messages/"];
    catcher::a_mail_is_shown_and_its_script_runs_nowhere(&KIND, &maildump, "block", paths);
}
