//! Clear text beside TLS: requests that are sent to https, and browsers that are told to come back by nothing else.

use std::time::Duration;

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{AS_ANNA, Builder, Gate};
use crate::support::patience::PATIENCE;
use crate::support::raw::{Answer, Client};
use crate::support::secure::Secure;

const BOTH: &str = r#"["127.0.0.5:0", "https://127.0.0.1:0", "unix:DIR/gate.sock"]"#;

/// A gate with both, whose first address is in clear text and whose second is not.
fn both(catcher: &Catcher) -> Builder {
    Gate::to(catcher.http_addr())
        .secure()
        .listen(BOTH)
        .config("redirect = true\nhealth_path = \"/healthz\"\ntrusted_proxies = [\"127.0.0.2\"]")
}

fn by_tls(gate: &Gate, request: &str) -> Answer {
    let addr = gate.addrs()[1];
    let mut secure = Secure::connect(addr, &["http/1.1"]);
    secure.write(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    while secure.read(&mut bytes, PATIENCE).unwrap() > 0 {}
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head[9..12].parse().unwrap();
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
    Answer { status, head: head.to_owned(), fields, body: body.as_bytes().to_vec(), whole: true }
}

fn request(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: Dev.test:8080\r\nConnection: close\r\n{fields}\r\n")
}

fn location(answer: &Answer) -> Option<String> {
    (answer.status == 308).then(|| answer.field("location").unwrap())
}

#[test]
fn clear_text_is_sent_to_https_before_anybody_is_asked_for_a_password() {
    let catcher = Catcher::start(Options::default());
    let gate = both(&catcher).start();
    let port = gate.addrs()[1].port();
    for (line, fields, target) in [
        ("GET /messages/1.html?a=%2f", "", "/messages/1.html?a=%2f"),
        ("GET /", AS_ANNA, "/"),
        ("DELETE /messages", AS_ANNA, "/messages"),
        ("POST /.mailwarden/login", "Content-Length: 3\r\n", "/.mailwarden/login"),
        ("GET /messages", "Upgrade: websocket\r\nConnection: Upgrade\r\n", "/messages"),
        ("GET //evil.test/%0d%0a", "", "//evil.test/%0d%0a"),
    ] {
        let body = if line.starts_with("POST") { "a=b" } else { "" };
        let answer = gate.connect().send(request(line, fields) + body).answer();
        assert_eq!(location(&answer), Some(format!("https://dev.test:{port}{target}")), "{line}: {}", answer.head);
        assert_eq!(answer.field("cache-control").as_deref(), Some("no-store"), "a browser must not keep it for ever");
        assert_eq!(answer.field("www-authenticate"), None);
    }
    let unix = Client::connect_unix(&gate.dir().join("gate.sock")).send(request("GET /x", "")).answer();
    assert_eq!(location(&unix), Some(format!("https://dev.test:{port}/x")));
    assert!(catcher.requests().is_empty());
    assert!(gate.access_line(|line| line.contains("status=308")).contains("not by TLS"));

    let answer = by_tls(&gate, &request("GET /messages", AS_ANNA));
    assert_eq!((answer.status, catcher.requests().len()), (200, 1));
}

#[test]
fn what_cannot_be_sent_anywhere_is_refused_and_what_needs_no_password_is_answered() {
    let catcher = Catcher::start(Options::default());
    let gate = both(&catcher).start();
    for request in [
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a'b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = gate.connect().send(request).answer();
        assert_eq!((answer.status, answer.field("location")), (400, None), "{request:?}");
    }
    assert_eq!(gate.connect().send(request("GET /healthz", "")).answer().status, 200);
    assert_eq!(gate.connect().send(request("TRACE /", "")).answer().status, 405);
}

#[test]
fn names_that_are_not_ours_are_not_sent_on() {
    let catcher = Catcher::start(Options::default());
    let gate = both(&catcher).config("hosts = [\"dev.test\"]").start();
    let elsewhere = request("GET /", "").replace("Dev.test", "evil.test");
    let answer = gate.connect().send(elsewhere).answer();
    assert_eq!((answer.status, answer.field("location")), (421, None));
    assert_eq!(gate.connect().send(request("GET /", "")).answer().status, 308);
}

#[test]
fn a_trusted_proxys_https_is_not_sent_there_again() {
    let catcher = Catcher::start(Options::default());
    let gate = both(&catcher).config("redirect_port = 443").start();
    let from = |last: u8, fields: &str| {
        let request = request("GET /messages", &format!("{AS_ANNA}{fields}"));
        Client::connect_from([127, 0, 0, last].into(), gate.addr()).send(request).answer()
    };
    let https = "X-Forwarded-Proto: https\r\n";
    assert_eq!(from(2, https).status, 200);
    assert_eq!(location(&from(2, "X-Forwarded-Proto: http\r\n")).as_deref(), Some("https://dev.test/messages"));
    assert_eq!(location(&from(3, https)).as_deref(), Some("https://dev.test/messages"), "anybody could say so");
    let outside = "X-Forwarded-Host: mail.example:8000\r\n";
    assert_eq!(location(&from(2, outside)).as_deref(), Some("https://mail.example/messages"));
    assert_eq!(location(&from(3, outside)).as_deref(), Some("https://dev.test/messages"));
}

/// A header of version 2 from HAProxy's `send-proxy-v2-ssl`, for a client who came by TLS, or not.
fn header(flags: u8) -> Vec<u8> {
    let block = [192, 0, 2, 7, 10, 0, 0, 5, 0xc3, 0x50, 0x1f, 0x90, 0x20, 0, 5, flags, 0, 0, 0, 0];
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"[..], &[20], &block].concat()
}

#[test]
fn tls_that_a_proxy_header_tells_of_is_tls() {
    let catcher = Catcher::start(Options::default());
    let gate = both(&catcher).config("proxy_protocol = true\ntls.hsts = \"1d\"").start();
    let ask = |flags| {
        let mut client = Client::connect_from([127, 0, 0, 2].into(), gate.addr());
        client.send(header(flags)).send(request("GET /messages", AS_ANNA)).answer()
    };
    let secured = ask(1);
    assert_eq!((secured.status, secured.field("strict-transport-security").as_deref()), (200, Some("max-age=86400")));
    assert_eq!(catcher.requests().pop().unwrap().value("x-forwarded-proto").as_deref(), Some("https"));
    let clear = ask(0);
    assert_eq!((clear.status, clear.field("strict-transport-security")), (308, None));
}

#[test]
fn a_proxy_header_comes_before_the_handshake() {
    let catcher = Catcher::start(Options::default());
    let gate = both(&catcher).config("proxy_protocol = true").start();
    let addr = gate.addrs()[1];
    // In pieces: what follows the header is the handshake, from its first byte on.
    for wait in [Duration::ZERO, Duration::from_millis(20)] {
        let mut secure = Secure::connect_behind(addr, [127, 0, 0, 2].into(), &header(0), wait);
        secure.write(request("GET /messages", AS_ANNA).as_bytes()).unwrap();
        let mut bytes = Vec::new();
        while secure.read(&mut bytes, PATIENCE).unwrap() > 0 {}
        assert!(bytes.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(catcher.requests().pop().unwrap().value("x-forwarded-for").as_deref(), Some("192.0.2.7"));
    }
    let line = gate.access_line(|line| line.contains("client=192.0.2.7 "));
    assert!(line.contains("status=200"), "{line}");
}

#[test]
fn whatever_is_answered_by_tls_says_to_come_back_by_nothing_else() {
    let catcher = Catcher::start(Options::default());
    let gate = both(&catcher).config("tls.hsts = \"365d\"").start();
    let wrong = "Authorization: Basic YW5uYTp3cm9uZw==\r\n";
    for (line, fields, status) in [
        ("GET /messages", AS_ANNA, 200),
        ("GET /messages", "", 401),
        ("GET /messages", wrong, 401),
        ("GET /nowhere", AS_ANNA, 404),
        ("DELETE /", AS_ANNA, 403),
        ("TRACE /", "", 405),
        ("GET /healthz", "", 200),
    ] {
        let answer = by_tls(&gate, &request(line, fields));
        assert_eq!(answer.status, status, "{line}");
        let told = answer.all("strict-transport-security");
        assert_eq!(told, ["max-age=31536000"], "{line}");
        // Over clear text it means nothing, and is not to be sent (RFC 6797 section 7.2).
        let clear = gate.connect().send(request(line, fields)).answer();
        assert_eq!(clear.field("strict-transport-security"), None, "{line}");
    }
}

#[test]
fn a_reload_takes_it_back() {
    let catcher = Catcher::start(Options::default());
    let gate = both(&catcher).config("tls.hsts = \"365d\"").start();
    let file = gate.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"365d\"", "\"0s\"")).unwrap();
    gate.signal("HUP");
    crate::support::patience::eventually("a new value", || {
        let answer = by_tls(&gate, &request("GET /", ""));
        (answer.field("strict-transport-security").as_deref() == Some("max-age=0")).then_some(())
    });
}
