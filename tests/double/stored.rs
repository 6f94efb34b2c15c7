use std::time::Duration;

use super::client::Client;
use super::support::catcher::{Catcher, Mail, Options};
use super::{PATIENCE, catcher};

/// Sends one mail by SMTP, and returns what the server said to each line.
fn send(catcher: &Catcher, from: &str, source: &str) -> Vec<String> {
    let mut client = Client::to(catcher.smtp_addr());
    let mut said = vec![client.line()];
    let stuffed = source.replace("\r\n.", "\r\n..");
    for line in
        ["EHLO me", &format!("MAIL FROM:{from}"), "RCPT TO:<bob@example.com>", "DATA", &format!("{stuffed}."), "QUIT"]
    {
        client.send(format!("{line}\r\n"));
        loop {
            said.push(client.line());
            if !said.last().unwrap().starts_with("250-") {
                break;
            }
        }
    }
    said
}

#[test]
fn smtp_says_what_the_real_one_says() {
    let catcher = catcher();
    let said = send(&catcher, "<a@x> SIZE=9", "Subject: hi\r\n\r\n.dot\r\n");
    let expected = [
        "220 EventMachine SMTP Server",
        "250-Ok EventMachine SMTP Server",
        "250-NO-SOLICITING",
        "250 SIZE 20000000",
        "250 Ok",
        "250 Ok",
        "354 Send it",
        "250 Message accepted",
        "221 Ok",
    ];
    assert_eq!(said, expected);
    let mut client = Client::to(catcher.http_addr());
    assert_eq!(client.get("/messages/1.source").text(), "Subject: hi\r\n\r\n.dot\r\n");
    assert!(client.get("/messages").text().contains(r#""sender":"<a@x>""#));

    send(&catcher, "<a@x> size=9", "\r\n\r\n");
    assert!(client.get("/messages").text().contains(r#""sender":"<a@x> size=9""#)); // lower case stays in
}

#[test]
fn smtp_refuses_what_is_out_of_order() {
    let catcher = catcher();
    let mut client = Client::to(catcher.smtp_addr());
    client.line();
    for (line, reply) in [
        ("HELO me", "250 Ok EventMachine SMTP Server"),
        ("DATA", "503 Operation sequence error"),
        ("NOOP", "250 Ok"),
        ("STARTTLS", "500 Unknown command"),
        ("MAIL FROM:<a@x>", "250 Ok"),
        ("RSET", "250 Ok"),
        ("RCPT TO:<b@x>", "503 MAIL is required before RCPT"),
        ("MAIL FROM:<a@x>", "250 Ok"),
        ("HELO again", "250 Ok EventMachine SMTP Server"),
        ("RCPT TO:<b@x>", "503 MAIL is required before RCPT"),
        ("AUTH PLAIN AGEAYg==", "235 authentication ok"),
        ("QUIT", "221 Ok"),
    ] {
        client.send(format!("{line}\r\n"));
        assert_eq!(client.line(), reply, "{line}");
    }
    assert!(client.rest().is_empty());
}

#[test]
fn the_list_is_ordered_by_time_and_says_what_the_real_one_says() {
    let catcher = catcher();
    catcher.deliver(Mail::from_source("Subject: late\r\n\r\n").received_at(1_000_000_060));
    catcher.deliver(Mail::from_source("\r\n").received_at(1_000_000_000).from("<>").to(&["<a@x>", "<b@x>"]));
    let expected = r#"[{"id":2,"sender":"<>","recipients":["<a@x>","<b@x>"],"subject":null,"size":"2","created_at":"2001-09-09T01:46:40+00:00"},{"id":1,"sender":"<alice@example.com>","recipients":["<bob@example.com>"],"subject":"late","size":"17","created_at":"2001-09-09T01:47:40+00:00"}]"#;
    assert_eq!(Client::to(catcher.http_addr()).get("/messages").text(), expected);
}

#[test]
fn one_subject_that_is_not_utf_8_breaks_the_list_for_everybody() {
    let catcher = catcher();
    let mut socket = Client::to(catcher.http_addr());
    socket.ask("GET", "/messages", super::sockets::UPGRADE);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    catcher.deliver_many(1);
    catcher.deliver(Mail::with_broken_subject());
    let mut client = Client::to(catcher.http_addr());
    for (target, status) in [
        ("/messages", "500"),
        ("/messages/2.json", "500"),
        ("/messages/1.json", "200"),
        ("/messages/2.source", "200"),
        ("/messages/2.eml", "200"),
        ("/messages/2.plain", "200"),
    ] {
        assert_eq!(client.get(target).status(), status, "{target}");
    }
    assert_eq!(client.get("/messages").body.len(), 30);
    assert_eq!(client.ask("DELETE", "/messages/2", "").status(), "204");
    assert_eq!(Client::to(catcher.http_addr()).get("/messages").status(), "200");
    catcher.cut_sockets();
    let frames = String::from_utf8_lossy(&socket.rest()).into_owned();
    assert_eq!(frames.matches(r#""type":"add""#).count(), 1); // only the first was told
    assert!(frames.ends_with(r#"{"type":"remove","id":2}"#));
}

#[test]
fn ids_come_back() {
    let catcher = catcher();
    catcher.deliver_many(3);
    Client::to(catcher.http_addr()).ask("DELETE", "/messages/3", "");
    assert_eq!(catcher.deliver(Mail::new("again")), 3);
    Client::to(catcher.http_addr()).ask("DELETE", "/messages/1", "");
    assert_eq!(catcher.deliver(Mail::new("after")), 4);
    Client::to(catcher.http_addr()).ask("DELETE", "/messages", "");
    assert_eq!(catcher.deliver(Mail::new("anew")), 1);
}

#[test]
fn a_limit_keeps_the_oldest_of_one_second() {
    let catcher = Catcher::start(Options { messages_limit: Some(3), ..Options::default() });
    for n in 0..5 {
        catcher.deliver(Mail::new(&n.to_string()).received_at(1_000_000_000));
    }
    assert_eq!(catcher.message_ids(), [1, 2, 3]);
    catcher.deliver(Mail::new("newer").received_at(1_000_000_001));
    assert_eq!(catcher.message_ids(), [1, 2, 4]);
    let nothing = Catcher::start(Options { messages_limit: Some(0), ..Options::default() });
    nothing.deliver(Mail::new("gone").aged(Duration::from_secs(1)));
    assert!(nothing.message_ids().is_empty());
}

const MIME: &str = "Subject: =?UTF-8?B?w6TDtg==?= =?iso-8859-1?Q?=E4_x?= end\r\n folded\r\n\
    Content-Type: multipart/mixed; boundary=\"B1\"\r\n\r\npreamble\r\n--B1\r\n\
    Content-Type: multipart/alternative; boundary=B2\r\n\r\n--B2\r\n\
    Content-Type: text/plain; charset=x-nonsense\r\n\r\nfirst\r\nsecond\r\n--B2\r\n\
    Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    PGltZyBzcmM9ImNpZDppbWcxQHgiPiBjaWQ6IA==\r\n--B2--\r\n--B1\r\n\
    Content-Type: image/png; name=\"i.png\"\r\nContent-ID: <img1@x>\r\n\
    Content-Disposition: inline; filename=\"i.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    aGVsbG8gcG5nIQ==\r\n--B1\r\nContent-Type: text/plain\r\n\
    Content-Disposition: attachment; filename=\"a.txt\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    caf=E9 soft=\r\nbreak\r\n--B1--\r\n";

#[test]
fn mail_is_taken_apart() {
    let catcher = catcher();
    catcher.deliver(Mail::from_source(MIME));
    let mut client = Client::to(catcher.http_addr());
    let json: serde_json::Value = serde_json::from_slice(&client.get("/messages/1.json").body).unwrap();
    assert_eq!(json["subject"], "äöä x end folded");
    assert_eq!(json["type"], "multipart/mixed");
    assert_eq!(json["formats"], serde_json::json!(["source", "html", "plain"]));
    let image = serde_json::json!({"cid": "img1@x", "type": "image/png", "filename": "i.png", "size": 10});
    assert_eq!(json["attachments"][1], image);
    assert_eq!(json["attachments"][0]["filename"], "a.txt");

    let html = client.get("/messages/1.html");
    assert_eq!(html.header("Content-Type"), Some("text/html;charset=utf-8"));
    assert_eq!(html.text(), "<img src=\"1/parts/img1@x\"> cid: ");
    let plain = client.get("/messages/1.plain");
    assert_eq!(plain.header("Content-Type"), Some("text/plain;charset=x-nonsense"));
    assert_eq!(plain.text(), "first\nsecond");
    let generated = json["attachments"][0]["cid"].as_str().unwrap();
    assert_eq!(client.get(&format!("/messages/1/parts/{generated}")).body, b"caf\xe9 softbreak");
    assert_eq!(client.get("/messages/1/parts/img1%40x").text(), "hello png!");
    assert_eq!(client.get("/messages/1.eml").header("Content-Type"), Some("message/rfc822"));
    assert_eq!(client.get("/messages/1.source").text(), MIME);
}

#[test]
fn a_mail_has_only_the_formats_it_has() {
    let catcher = catcher();
    catcher.deliver(Mail::new("plain"));
    catcher.deliver(Mail::from_source("Content-Type: text/html\r\n\r\n<p>\r\n"));
    let mut client = Client::to(catcher.http_addr());
    for (target, kind) in [
        ("/messages/1.plain", Some("text/plain;charset=UTF-8")),
        ("/messages/2.html", Some("text/html;charset=utf8")),
        ("/messages/1.html", None),
        ("/messages/2.plain", None),
    ] {
        let answer = client.get(target);
        assert_eq!(answer.status() == "200", kind.is_some(), "{target}");
        assert!(kind.is_none() || answer.header("Content-Type") == kind, "{target}");
        assert_eq!(answer.header("X-Cascade"), None, "{target}");
    }
}
