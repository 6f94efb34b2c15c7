//! The access log: what is written, when, and that writing it holds up nobody.

use std::net::TcpListener;

use crate::support::catcher::{Catcher, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::eventually;
use crate::support::raw::Client;
use crate::upgrade::{HANDSHAKE, open};

fn catcher() -> Catcher {
    Catcher::start(Options::default())
}

/// The lines, when there are as many as that.
fn lines(gate: &Gate, count: usize) -> Vec<String> {
    let lines =
        eventually("as many lines in the access log", || Some(gate.access_log()).filter(|lines| lines.len() >= count));
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines
}

/// Four requests, one after the other, and their lines: answered, refused, without a body, and none at all.
fn four_requests(format: &str) -> Vec<String> {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(&format!("log.format = {format:?}\nworkers = 1")).start();
    let fields = format!("{AS_ANNA}Referer: http://dev.test/\r\nUser-Agent: curl/8 \"x\\\t\u{fc}\r\n");
    assert_eq!(gate.connect().request("GET /messages?token=secret", &fields).status, 200);
    lines(&gate, 1);
    let refused = gate.connect().request("DELETE /%22nowhere", "");
    assert_eq!(refused.status, 401);
    lines(&gate, 2);
    gate.connect().send(format!("HEAD /messages HTTP/1.0\r\n{AS_ANNA}\r\n")).head();
    lines(&gate, 3);
    assert_eq!(gate.connect().send("nonsense\r\n\r\n").answer().status, 400);
    let size = refused.body.len().to_string();
    let lines = lines(&gate, 4);
    lines.iter().map(|line| line.replace(&format!(" 401 {size} "), " 401 SIZE ").replace(&size, "SIZE")).collect()
}

/// A text line with its times replaced.
fn timeless(line: &str) -> String {
    let word = |word: &str| match word.split_once('=') {
        Some((key @ ("ms" | "upstream_ms"), value)) => {
            value.parse::<f64>().unwrap();
            format!("{key}=MS")
        }
        _ => word.to_owned(),
    };
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.len() == "2026-11-23T08:24:26.000Z".len() && time.parse::<jiff::Timestamp>().is_ok(), "{line}");
    rest.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn text_lines_are_these() {
    let lines: Vec<String> = four_requests("text").iter().map(|line| timeless(line)).collect();
    let agent = r#"agent="curl/8 \x22x\x5C\x09\xC3\xBC""#;
    assert_eq!(
        lines,
        [
            &format!(
                "client=127.0.0.1 status=200 auth=ok bytes=2 ms=MS upstream_ms=MS version=HTTP/1.1 method=GET \
                 path=\"/messages\" user=\"anna\" {agent}"
            ),
            "client=127.0.0.1 status=401 auth=no-credentials bytes=SIZE ms=MS reason=\"no credentials\" \
             version=HTTP/1.1 method=DELETE path=\"/%22nowhere\"",
            "client=127.0.0.1 status=200 auth=ok bytes=0 ms=MS upstream_ms=MS version=HTTP/1.0 method=HEAD \
             path=\"/messages\" user=\"anna\"",
            "client=127.0.0.1 status=400 auth=not-asked bytes=0 ms=MS reason=\"not HTTP/1\" version=HTTP/1.1 \
             method=- path=\"-\"",
        ]
    );
}

#[test]
fn json_lines_are_these() {
    let lines: Vec<serde_json::Value> = four_requests("json")
        .iter()
        .map(|line| {
            let mut value: serde_json::Value = serde_json::from_str(&line.replace("SIZE", "0")).unwrap();
            assert!(value["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
            let object = value.as_object_mut().unwrap();
            object.remove("time");
            assert!(object.remove("ms").unwrap().is_number(), "{line}");
            if let Some(took) = object.remove("upstream_ms") {
                assert!(took.is_number(), "{line}");
                object.insert("upstream_ms".to_owned(), "MS".into());
            }
            value
        })
        .collect();
    assert_eq!(
        serde_json::Value::from(lines),
        serde_json::json!([
            {"client": "127.0.0.1", "status": 200, "auth": "ok", "bytes": 2, "upstream_ms": "MS", "end": "whole",
             "version": "HTTP/1.1", "method": "GET", "path": "/messages", "user": "anna",
             "agent": "curl/8 \"x\\\t\u{fc}"},
            {"client": "127.0.0.1", "status": 401, "auth": "no-credentials", "bytes": 0, "end": "whole",
             "reason": "no credentials", "version": "HTTP/1.1", "method": "DELETE", "path": "/%22nowhere"},
            {"client": "127.0.0.1", "status": 200, "auth": "ok", "bytes": 0, "upstream_ms": "MS", "end": "whole",
             "version": "HTTP/1.0", "method": "HEAD", "path": "/messages", "user": "anna"},
            {"client": "127.0.0.1", "status": 400, "auth": "not-asked", "bytes": 0, "end": "whole",
             "reason": "not HTTP/1", "version": "HTTP/1.1", "method": "-", "path": "-"},
        ])
    );
}

#[test]
fn combined_lines_are_nginxs() {
    let lines: Vec<String> = four_requests("combined")
        .iter()
        .map(|line| {
            let (before, rest) = line.split_once(" [").unwrap();
            let (date, after) = rest.split_once("] ").unwrap();
            assert!(jiff::Zoned::strptime("%d/%b/%Y:%H:%M:%S %z", date).is_ok(), "{line}");
            format!("{before} [DATE] {after}")
        })
        .collect();
    assert_eq!(
        lines,
        [
            r#"127.0.0.1 - anna [DATE] "GET /messages HTTP/1.1" 200 2 "http://dev.test/" "curl/8 \x22x\x5C\x09\xC3\xBC""#,
            r#"127.0.0.1 - - [DATE] "DELETE /%22nowhere HTTP/1.1" 401 SIZE "-" "-""#,
            r#"127.0.0.1 - anna [DATE] "HEAD /messages HTTP/1.0" 200 0 "-" "-""#,
            r#"127.0.0.1 - - [DATE] "- - HTTP/1.1" 400 0 "-" "-""#,
        ]
    );
}

#[test]
fn a_request_has_one_line_and_that_when_its_answer_has_ended() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = Gate::to(upstream.local_addr().unwrap()).start();
    for (framing, begin, end) in [
        ("Content-Length: 4", "be", "en"),
        ("Transfer-Encoding: chunked", "2\r\nbe\r\n", "2\r\nen\r\n0\r\n\r\n"),
        ("Connection: close", "be", "en"),
    ] {
        let before = gate.access_log().len();
        let mut client = gate.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Connection: close\r\n\r\n"));
        let mut far = Client::accept(&upstream);
        far.head();
        far.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{begin}"));
        client.head();
        assert!(!client.read(2).is_empty());
        assert_eq!(gate.access_log().len(), before, "{framing}");
        far.send(end);
        drop(far);
        client.rest();
        let line = lines(&gate, before + 1).pop().unwrap();
        assert!(line.contains(" bytes=4 ") && !line.contains("end="), "{framing}: {line}");
    }
}

#[test]
fn requests_of_one_connection_have_a_line_each_in_their_order() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).start();
    let mut client = gate.connect();
    for path in ["/messages", "/", "/nowhere", "/messages"] {
        client.request(&format!("GET {path}"), AS_ANNA);
    }
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    let paths: Vec<String> = lines(&gate, 4).iter().map(|line| line.split('"').nth(1).unwrap().to_owned()).collect();
    // The third was refused here, so its reason stands before its path.
    assert_eq!(paths, ["/messages", "/", "no such route", "/messages"]);
}

#[test]
fn each_way_to_have_no_right_password_is_an_event_of_its_own() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    let mut expected = 0;
    for (credentials, status, event, has_name) in [
        ("", 401, "auth=no-credentials", false),
        ("Authorization: Bearer abc\r\n", 401, "auth=no-credentials", false),
        ("Authorization: Basic YW5uYTp0cjB1YjRkb3I=\r\n", 401, "auth=wrong-password", true), // anna:tr0ub4dor
        ("Authorization: Basic aHVudGVyMjpodW50ZXIz\r\n", 401, "auth=unknown-user", false),  // hunter2:hunter3
        ("Authorization: Basic YW5uYQ==\r\n", 401, "auth=malformed", false),                 // no colon
        ("Authorization: Basic ???\r\n", 401, "auth=malformed", false),
        (AS_ANNA, 200, "auth=ok", true),
    ] {
        assert_eq!(gate.connect().request("GET /messages", credentials).status, status, "{credentials}");
        expected += 1;
        let line = lines(&gate, expected).pop().unwrap();
        assert!(line.contains(&format!(" {event} ")), "{credentials}: {line}");
        assert_eq!(line.contains(r#"user="anna""#), has_name, "{credentials}: {line}");
    }
    // People type passwords where the name goes.
    let all = [gate.access_log(), gate.log()].concat().join("\n");
    for secret in ["hunter", "tr0ub4dor", "secret", "YW5uYTp"] {
        assert!(!all.contains(secret), "{secret} is in the log:\n{all}");
    }
}

#[test]
fn what_never_became_a_request_has_a_line_too() {
    let catcher = catcher();
    let config = "limits.head = \"256KiB\"\ntimeouts.request_head = \"300ms\"";
    let gate = Gate::to(catcher.http_addr()).config(config).start();
    let field = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(300_000));
    let target = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000));
    for (number, (bytes, status, reason)) in [
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "not HTTP/1"),
        ("GET / HTTP/3.7\r\n\r\n", 400, "not HTTP/1"),
        (&field, 431, "head too large"),
        (&target, 414, "target too long"),
        ("GET / HTTP/1.1\r\n", 408, "head timeout"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = gate.connect();
        let _ = client.try_send(bytes);
        assert_eq!(client.answer().status, status, "{reason}");
        let line = lines(&gate, number + 1).pop().unwrap();
        let wanted = format!("reason=\"{reason}\" version=HTTP/1.1 method=- path=\"-\"");
        assert!(line.contains(&format!(" status={status} ")) && line.ends_with(&wanted), "{line}");
    }
}

#[test]
fn an_answer_that_the_client_did_not_wait_for_is_marked() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    catcher.next(Script::new().answer_up_to(10).silence());
    let mut client = gate.connect();
    client.send(format!("GET /assets/mailcatcher.css HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
    client.head();
    assert_eq!(client.read(10).len(), 10);
    drop(client);
    let line = lines(&gate, 1).pop().unwrap();
    assert!(
        line.contains(" status=200 ") && line.contains(" bytes=10 ") && line.contains(" end=client-left "),
        "{line}"
    );
}

#[test]
fn an_answer_that_broke_off_at_the_catcher_is_marked_and_said_in_the_other_log() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"log.format = "json""#).start();
    catcher.next(Script::cut_after(10));
    assert!(!gate.connect().request("GET /assets/mailcatcher.css", AS_ANNA).whole);
    let line: serde_json::Value = serde_json::from_str(&lines(&gate, 1)[0]).unwrap();
    assert_eq!((&line["end"], &line["bytes"]), (&"upstream-broke".into(), &10.into()));
    gate.log_line("broke off");
}

#[test]
fn a_socket_has_a_line_when_it_opens_and_a_refused_one_its_status() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    let _socket = open(&gate);
    let line = lines(&gate, 1).pop().unwrap();
    assert!(line.contains(" status=101 ") && !line.contains("end="), "{line}");
    assert_eq!(gate.connect().request("GET /messages", HANDSHAKE).status, 401);
    assert!(lines(&gate, 2)[1].contains(" status=401 "));
}

#[test]
fn access_false_writes_none() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config("log.access = false").start();
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    assert_eq!(gate.connect().send("nonsense\r\n\r\n").answer().status, 400);
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    assert_eq!(gate.access_log(), [""; 0]);
}

#[test]
fn the_log_is_not_mixed_with_the_access_log() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"log.level = "debug""#).start();
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    assert!(lines(&gate, 1)[0].contains("status=200"));
    assert!(gate.log().iter().all(|line| !line.contains("status=200")));
}

#[test]
fn an_output_that_nobody_reads_holds_up_neither_requests_nor_the_end() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).unread().start();
    let before = gate.memory();
    // Some 30 KB a line, 6 MB in all: more than the pipe and the lines that may wait.
    let fields = format!("{AS_ANNA}User-Agent: {}\r\n", "\t\u{fc}".repeat(2500));
    let mut client = gate.connect();
    for _ in 0..200 {
        assert_eq!(client.request("GET /messages", &fields).status, 200);
    }
    assert!(gate.memory() < before + (6 << 10), "{} KiB more", gate.memory() - before);
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn the_clients_bytes_stay_on_their_own_line() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    let forged = "GET /messages\u{2028}%0a2026-11-23T08:24:26.000Z\tclient=192.0.2.9 HTTP/1.1";
    let mut client = gate.connect();
    client.send(format!("{forged}\r\nHost: a\r\n{AS_ANNA}User-Agent: a\u{85}\" status=200\r\n\r\n"));
    client.answer();
    let line = lines(&gate, 1).pop().unwrap();
    assert!(line.bytes().all(|byte| matches!(byte, 0x20..=0x7e)), "{line}");
    assert!(line.contains("client=127.0.0.1") && !line.contains("agent=\"a\u{85}"), "{line}");
}

#[test]
fn no_method_hides_the_path() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"upstream.catcher = "generic""#).start();
    gate.connect().request("- /secret", AS_ANNA);
    gate.access_line(|line| line.ends_with(r#"method=- path="/secret" user="anna""#));
}

#[test]
fn a_user_whose_line_is_refused_is_told_apart_and_named() {
    let catcher = catcher();
    let gate =
        Gate::to(catcher.http_addr()).users("otto:$6$salt$hash\nanna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").start();
    // otto:secret
    let answer = gate.connect().request("GET /", "Authorization: Basic b3R0bzpzZWNyZXQ=\r\n");
    assert_eq!(answer.status, 401);
    let line = gate.access_line(|line| line.contains("auth=refused-line"));
    assert!(line.contains(r#"user="otto""#), "{line}");
}

/// journald begins a new entry after 48 KiB, which a client could make look like another's line.
#[test]
fn what_a_client_sends_is_written_up_to_a_bound() {
    let catcher = Catcher::start(Options::default());
    for format in ["text", "json", "combined"] {
        let gate = Gate::to(catcher.http_addr()).config(&format!("log.format = \"{format}\"")).start();
        let (path, agent) = ("p".repeat(20_000), "\u{e9}".repeat(10_000));
        let fields = format!("{AS_ANNA}User-Agent: {agent}\r\nReferer: http://a/{}\r\n", "r".repeat(20_000));
        assert_eq!(gate.connect().request(&format!("GET /{path}"), &fields).status, 404);
        let line = gate.access_line(|line| line.contains("404"));
        assert!(line.len() < 16_000, "{format}: {}", line.len());
        assert!(line.contains(&format!("/{}...", "p".repeat(1023))) && !line.contains(&"p".repeat(1024)), "{line}");
    }
}
