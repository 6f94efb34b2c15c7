use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::catcher::{self, Catcher};
use crate::process::tool;
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::kind::Kind;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;
use crate::support::smtp_client::send_mail;

fn mailtutan() -> Catcher {
    let program = tool("mailtutan/bin/mailtutan");
    Catcher::start(|http, smtp| {
        let mut command = Command::new(&program);
        let [http, smtp] = [http, smtp].map(|port| port.to_string());
        command.args(["--ip", "127.0.0.1", "--http-port", &http, "--smtp-port", &smtp]);
        command
    })
}

fn subjects(gate: &Gate) -> Vec<String> {
    let answer = gate.connect().request("GET /api/messages", AS_ANNA);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    list.as_array().unwrap().iter().map(|message| message["subject"].as_str().unwrap().to_owned()).collect()
}

/// The text frames of `/ws`, as they come.
fn live_events(gate: &Gate) -> Receiver<Value> {
    let mut socket = gate.connect();
    // The key and the answer to it are those of RFC 6455 section 1.3.
    let answer = socket.request(
        "GET /ws",
        &format!(
            "{AS_ANNA}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        ),
    );
    assert_eq!(answer.status, 101, "{}", answer.text());
    assert_eq!(answer.field("sec-websocket-accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let (sender, events) = channel();
    std::thread::spawn(move || {
        while let Some(text) = text_frame(&mut socket) {
            if sender.send(serde_json::from_str(&text).unwrap()).is_err() {
                return;
            }
        }
    });
    events
}

fn text_frame(socket: &mut Client) -> Option<String> {
    let &[first, length] = socket.read(2).as_slice() else { return None };
    assert_eq!(first, 0x81, "a whole text message");
    let length = match length {
        126 => u16::from_be_bytes(socket.read(2).try_into().unwrap()).into(),
        0..126 => length.into(),
        _ => panic!("a length of {length} is masked or larger than any event"),
    };
    Some(String::from_utf8(socket.read(length)).unwrap())
}

#[test]
fn nothing_is_shown_without_a_login() {
    let mailtutan = mailtutan();
    let gate = mailtutan.behind_a_gate();
    send_mail(mailtutan.smtp, "secret", "text");
    for path in ["/", "/api/messages", "/api/messages/1/plain", "/ws"] {
        let answer = gate.connect().request(&format!("GET {path}"), "");
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.text().contains("secret"), "{path}: {}", answer.text());
    }
}

#[test]
fn a_mail_is_listed_read_and_deleted() {
    let mailtutan = mailtutan();
    let gate = mailtutan.behind_a_gate();
    assert!(subjects(&gate).is_empty());
    send_mail(mailtutan.smtp, "to be deleted", "Its text.");
    assert_eq!(subjects(&gate), ["to be deleted"]);
    let text = gate.connect().request("GET /api/messages/1/plain", AS_ANNA).text();
    assert!(text.contains("Its text."), "{text}");
    assert_eq!(gate.connect().request("DELETE /api/messages/1", AS_ANNA).status, 200);
    assert!(subjects(&gate).is_empty());
}

#[test]
fn a_live_event_comes_by_websocket() {
    let mailtutan = mailtutan();
    for gate in [mailtutan.behind_a_gate(), KIND.gate(mailtutan.http)] {
        a_live_event_comes(&mailtutan, &gate);
    }
}

fn a_live_event_comes(mailtutan: &Catcher, gate: &Gate) {
    let events = live_events(gate);
    // Mailtutan answers 101 before it listens to its own announcements: mail that comes in between is not told.
    eventually("a first event", || {
        send_mail(mailtutan.smtp, "is anybody there", "text");
        events.recv_timeout(Duration::from_millis(100)).ok()
    });
    send_mail(mailtutan.smtp, "live", "text");
    let live = std::iter::from_fn(|| events.recv_timeout(PATIENCE).ok())
        .find(|event| event["message"]["subject"] == "live")
        .expect("the mail is told of");
    assert_eq!(live["type"], "add");
}

/// Asked for a mail that it does not have, mailtutan panics with its lock held: from then on it drops the connection of
/// whoever asks for any mail.
#[test]
fn a_catcher_that_breaks_is_a_502_and_what_still_works_goes_on() {
    let mailtutan = mailtutan();
    let gate = mailtutan.behind_a_gate();
    let mut client = gate.connect();
    for path in ["/api/messages/7/json", "/api/messages", "/api/messages"] {
        assert_eq!(client.request(&format!("GET {path}"), AS_ANNA).status, 502, "{path}");
    }
    assert_eq!(client.request("GET /api/version", AS_ANNA).status, 200);
}

const KIND: Kind = Kind {
    name: "mailtutan",
    list: "/api/messages",
    messages: |list| list.as_array().unwrap().clone(),
    id: "id",
    subject: |message| message["subject"].as_str().unwrap().to_owned(),
    delete: |id| (format!("DELETE /api/messages/{id}"), String::new()),
    clear: "DELETE /api/messages",
};

#[test]
fn by_name_its_page_loads_and_it_is_recognised() {
    let mailtutan = mailtutan();
    KIND.its_page_loads(mailtutan.http);
    KIND.auto_recognises_it(mailtutan.http);
}

#[test]
fn by_name_deleting_and_clearing_take_their_permissions() {
    let mailtutan = mailtutan();
    KIND.deleting_and_clearing_take_their_permissions(mailtutan.http, &|subject| {
        send_mail(mailtutan.smtp, subject, "text");
    });
}

#[test]
fn a_purge_leaves_the_newest() {
    let mailtutan = mailtutan();
    KIND.a_purge_leaves_the_newest(mailtutan.http, &|subject| send_mail(mailtutan.smtp, subject, "text"));
}

#[test]
fn in_a_browser_a_mail_is_shown_and_its_script_runs_nowhere() {
    let mailtutan = mailtutan();
    let paths = ["/api/messages/ID/html", "/api/messages/ID/source", "/api/messages"];
    catcher::a_mail_is_shown_and_its_script_runs_nowhere(&KIND, &mailtutan, "block", paths);
}
