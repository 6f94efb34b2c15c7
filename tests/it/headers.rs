//! Header fields on their way through: what the catcher sees, byte for byte, and what the client does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::catcher::{Catcher, Mail, Options, Recorded, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::raw::{Answer, Client};
use crate::upgrade::HANDSHAKE;

/// The header line of a user with his password.
fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

/// The last request that the catcher got.
fn seen(catcher: &Catcher) -> Recorded {
    catcher.requests().pop().expect("the catcher got a request")
}

/// The bytes of the one line of `name` in a request.
fn bytes(request: &Recorded, name: &str) -> Vec<u8> {
    let prefix = format!("{name}:");
    let named =
        |line: &&Vec<u8>| line.len() > prefix.len() && line[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes());
    let lines: Vec<_> = request.lines.iter().filter(named).collect();
    assert_eq!(lines.len(), 1, "{name}: {request:?}");
    lines[0][prefix.len()..].trim_ascii().to_vec()
}

/// The header lines of a request, with names in lower case, sorted.
fn lines(request: &Recorded) -> Vec<String> {
    let mut lines: Vec<String> = request
        .lines
        .iter()
        .map(|line| {
            let line = String::from_utf8(line.clone()).unwrap();
            let (name, value) = line.split_once(':').unwrap();
            format!("{}:{value}", name.to_ascii_lowercase())
        })
        .collect();
    lines.sort_unstable();
    lines
}

/// The catcher's view of a `GET /messages` of anna's with these header lines.
fn told(gate: &Gate, catcher: &Catcher, fields: &str) -> Recorded {
    let answer = gate.connect().request("GET /messages", &format!("{AS_ANNA}{fields}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    seen(catcher)
}

fn pair() -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    (catcher, gate)
}

#[test]
fn the_head_that_the_catcher_gets() {
    let (catcher, gate) = pair();
    let request = told(
        &gate,
        &catcher,
        "Accept: application/json\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-User: root\r\nX_Forwarded_User: root\r\n\
         Remote-User: root\r\nX-Auth-Request-User: root\r\nX-WEBAUTH-USER: root\r\nForwarded: for=6.6.6.6\r\n\
         X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\nCookie: other=1\r\n\
         Connection: X-Forwarded-User, X-Forwarded-For, Host\r\nTE: trailers\r\nKeep-Alive: timeout=5\r\n",
    );
    assert_eq!((request.method.as_str(), request.target.as_str()), ("GET", "/messages"));
    assert_eq!(
        lines(&request),
        [
            "accept: application/json",
            "host: dev.test:8080",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: dev.test:8080",
            "x-forwarded-proto: http",
            "x-forwarded-user: anna",
            "x-real-ip: 127.0.0.1",
        ]
    );
}

#[test]
fn host_is_kept_as_it_came() {
    let (catcher, gate) = pair();
    for host in ["dev.test", "DEV.Test:8080", "127.0.0.1:1", "[::1]:8080", "mail_dev"] {
        let mut client = gate.connect();
        client.send(format!("GET /messages HTTP/1.1\r\nHost: {host}\r\n{AS_ANNA}\r\n"));
        assert_eq!(client.answer().status, 200, "{host}");
        let request = seen(&catcher);
        assert_eq!(bytes(&request, "host"), host.as_bytes());
        assert_eq!(bytes(&request, "x-forwarded-host"), host.as_bytes());
    }
}

#[test]
fn a_request_of_http_1_0_needs_no_host() {
    let (catcher, gate) = pair();
    let mut client = gate.connect();
    client.send(format!("GET /messages HTTP/1.0\r\n{AS_ANNA}\r\n"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "[]"));
    assert!(client.is_ended());
    let request = seen(&catcher);
    assert_eq!(request.version, "HTTP/1.1");
    assert_eq!(bytes(&request, "host"), catcher.http_addr().to_string().as_bytes());
    assert!(request.values("x-forwarded-host").is_empty());
}

#[test]
fn an_empty_host_says_nothing_and_nothing_is_made_of_it() {
    let (catcher, gate) = pair();
    let mut client = gate.connect();
    let answer = client.send(format!("GET /messages HTTP/1.1\r\nHost:\r\n{AS_ANNA}\r\n")).answer();
    assert_eq!(answer.status, 200);
    let ticket = answer.field("set-cookie").unwrap();
    assert!(ticket.starts_with(&format!("mailwarden_{}=", gate.addr().port())), "{ticket}");
    let request = seen(&catcher);
    assert_eq!(bytes(&request, "host"), catcher.http_addr().to_string().as_bytes());
    // MailCatcher answers an empty one with 500.
    assert!(request.values("x-forwarded-host").is_empty());
}

#[test]
fn a_trusted_peer_is_believed_up_to_its_own_list() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]"#).start();
    let request = told(
        &gate,
        &catcher,
        "X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nX-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Host: mail.example\r\n\
         X-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-User: root\r\nX-Real-IP: 6.6.6.6\r\n",
    );
    assert_eq!(
        lines(&request),
        [
            "host: dev.test:8080",
            "x-forwarded-for: 6.6.6.6, 192.0.2.7, 10.1.2.3, 127.0.0.1",
            "x-forwarded-host: mail.example",
            "x-forwarded-proto: https",
            "x-forwarded-user: anna",
            "x-real-ip: 192.0.2.7",
        ]
    );
    gate.access_line(|line| line.contains("client=192.0.2.7 ") && line.contains("status=200"));
    assert!(!gate.log().iter().any(|line| line.contains("X-Forwarded-For")));
}

#[test]
fn an_entry_that_is_no_address_ends_the_search() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]"#).start();
    let request = told(&gate, &catcher, "X-Forwarded-For: 6.6.6.6, unknown, 10.1.2.3\r\n");
    assert_eq!(bytes(&request, "x-real-ip"), b"10.1.2.3");
    assert_eq!(bytes(&request, "x-forwarded-for"), b"6.6.6.6, unknown, 10.1.2.3, 127.0.0.1");
    gate.access_line(|line| line.contains("client=10.1.2.3 "));
}

#[test]
fn a_trusted_unix_socket_is_believed_and_adds_no_address() {
    let catcher = Catcher::start(Options::default());
    let builder = Gate::to(catcher.http_addr()).listen(r#"["unix:DIR/http.sock"]"#);
    let gate = builder.config(r#"trusted_proxies = ["unix"]"#).start();
    let mut client = Client::connect_unix(&gate.dir().join("http.sock"));
    let fields = "X-Forwarded-For: 6.6.6.6, 192.0.2.7\r\nX-Forwarded-Proto: https\r\n";
    assert_eq!(client.request("GET /messages", &format!("{AS_ANNA}{fields}")).status, 200);
    assert_eq!(
        lines(&seen(&catcher)),
        [
            "host: dev.test:8080",
            "x-forwarded-for: 6.6.6.6, 192.0.2.7",
            "x-forwarded-host: dev.test:8080",
            "x-forwarded-proto: https",
            "x-forwarded-user: anna",
            "x-real-ip: 192.0.2.7",
        ]
    );
    gate.access_line(|line| line.contains("client=192.0.2.7 "));
}

#[test]
fn an_untrusted_unix_socket_is_not_believed() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).listen(r#"["unix:DIR/http.sock"]"#).start();
    let mut client = Client::connect_unix(&gate.dir().join("http.sock"));
    let fields = "X-Forwarded-For: 192.0.2.7\r\nX-Real-IP: 192.0.2.7\r\n";
    assert_eq!(client.request("GET /messages", &format!("{AS_ANNA}{fields}")).status, 200);
    let request = seen(&catcher);
    assert!(request.values("x-forwarded-for").is_empty() && request.values("x-real-ip").is_empty(), "{request:?}");
    gate.access_line(|line| line.contains("client=unix "));
    gate.log_line("trusted_proxies");
}

#[test]
fn an_untrusted_forwarder_is_warned_of_once() {
    let (catcher, gate) = pair();
    for _ in 0..3 {
        told(&gate, &catcher, "X-Forwarded-For: 192.0.2.7\r\n");
    }
    let warning = gate.log_line("trusted_proxies");
    assert!(warning.contains("WARN") && warning.contains("127.0.0.1"), "{warning}");
    assert!(warning.contains("X-Forwarded-For") && !warning.contains("192.0.2.7"), "{warning}");
    // Whatever the three requests logged is written before a line that comes after them.
    catcher.on("DELETE /messages/1", Script::no_answer());
    assert_eq!(gate.connect().request("DELETE /messages/1", AS_ANNA).status, 502);
    gate.log_line("the catcher failed a request");
    assert_eq!(gate.log().iter().filter(|line| line.contains("trusted_proxies")).count(), 1);
    gate.access_line(|line| line.contains("client=127.0.0.1 "));
}

#[test]
fn raw_bytes_pass_in_a_request() {
    let (catcher, gate) = pair();
    for value in ["J\u{f6}rg \u{1f4e7}".as_bytes(), b"J\xf6rg \xff\x80", b"a\tb"] {
        let mut client = gate.connect();
        client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}X-Note: "));
        client.send(value).send("\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        assert_eq!(bytes(&seen(&catcher), "x-note"), value);
    }
}

#[test]
fn raw_bytes_pass_in_an_answer() {
    let (catcher, gate) = pair();
    for (name, value) in [(&b"r\xc3\xa4p.pdf"[..], &b"r\xc3\xa4p.pdf"[..]), (b"r\xe4p \xff.pdf", b"r\xe4p \xff.pdf")] {
        let mut source = b"From: a@x\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/plain\r\n\r\nbody\r\n--b\r\nContent-Type: application/pdf\r\nContent-ID: <one@x>\r\n\
            Content-Disposition: attachment; filename=\""
            .to_vec();
        source.extend(name);
        source.extend(b"\"\r\n\r\npdf\r\n--b--\r\n");
        let id = catcher.deliver(Mail::from_source(source));
        let answer = gate.connect().request(&format!("GET /messages/{id}/parts/one@x"), AS_ANNA);
        assert_eq!((answer.status, answer.text().trim_end()), (200, "pdf"), "{}", answer.head);
        let disposition = answer.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-disposition"));
        assert_eq!(disposition.unwrap().1, [b"attachment; filename=\"", value, b"\""].concat());
    }
}

#[test]
fn mail_is_not_stored_and_files_are_as_they_were() {
    let (catcher, gate) = pair();
    let id = catcher
        .deliver(Mail::from_source("Subject: s\r\nContent-Type: text/html\r\nContent-ID: <one@x>\r\n\r\n<p>hello\r\n"));
    let mut client = gate.connect();
    let mut asked = |line: &str| client.request(line, AS_ANNA);
    for path in ["/".to_owned(), "/messages".to_owned()]
        .into_iter()
        .chain(["json", "html", "source", "eml"].map(|format| format!("/messages/{id}.{format}")))
        .chain([format!("/messages/{id}.plain"), format!("/messages/{id}/parts/one@x"), "/messages/99.json".to_owned()])
    {
        let answer = asked(&format!("GET {path}"));
        assert_eq!(answer.field("cache-control").as_deref(), Some("no-store"), "{path}: {}", answer.head);
    }
    assert_eq!(asked("HEAD /messages").field("cache-control").as_deref(), Some("no-store"));
    for path in ["/assets/mailcatcher.js", "/assets/mailcatcher.css", "/favicon.ico"] {
        let answer = asked(&format!("GET {path}"));
        assert_eq!((answer.status, answer.field("cache-control")), (200, None), "{path}");
        assert!(answer.field("last-modified").is_some(), "{path}: {}", answer.head);
    }
}

#[test]
fn the_catchers_own_cache_control_gives_way_on_mail_and_stays_on_files() {
    let (catcher, gate) = pair();
    let cached =
        || Script::reply("200 OK", &[("Cache-Control", "public, max-age=60"), ("Cache-Control", "immutable")], "x");
    catcher.on("GET /messages", cached());
    catcher.on("GET /assets/mailcatcher.js", cached());
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).all("cache-control"), ["no-store"]);
    let answer = gate.connect().request("GET /assets/mailcatcher.js", AS_ANNA);
    assert_eq!(answer.all("cache-control"), ["public, max-age=60", "immutable"]);
}

#[test]
fn the_catcher_never_gets_two_connection_lines() {
    let (catcher, gate) = pair();
    for fields in [
        "",
        "Connection: keep-alive\r\n",
        "Connection: close\r\n",
        "Connection: close\r\nConnection: keep-alive\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Proxy-Connection: keep-alive\r\n",
    ] {
        let request = told(&gate, &catcher, fields);
        assert!(request.values("connection").len() <= 1, "{fields:?}: {request:?}");
        assert!(request.value("connection").is_none_or(|value| value == "keep-alive"), "{fields:?}: {request:?}");
        for name in ["upgrade", "http2-settings", "proxy-connection"] {
            assert!(request.values(name).is_empty(), "{fields:?}: {request:?}");
        }
    }
    let fields = format!("{AS_ANNA}{HANDSHAKE}Connection: close\r\n");
    assert_eq!(gate.connect().request("GET /messages", &fields).status, 101);
    let request = seen(&catcher);
    assert_eq!(request.values("connection").len(), 1, "{request:?}");
    assert!(request.values("connection")[0].eq_ignore_ascii_case("upgrade"), "{request:?}");
}

#[test]
fn the_catchers_check_of_the_referer_works_behind_the_gate() {
    let (catcher, gate) = pair();
    catcher.deliver(Mail::new("Hello"));
    let asked = |referer: &str| -> Answer {
        gate.connect().request("GET /messages/1.json", &format!("{AS_ANNA}Referer: {referer}\r\n"))
    };
    assert_eq!(asked("http://dev.test:8080/").status, 200);
    assert_eq!(asked("http://dev.test/").status, 200);
    for foreign in ["http://evil.test/", "http://127.0.0.1:1080/", "http://dev.test.evil.test/"] {
        assert_eq!(asked(foreign).status, 403, "{foreign}");
    }
    // The host that the check believes before Host is ours to say, not the client's.
    let fields = format!("{AS_ANNA}Referer: http://evil.test/\r\nX-Forwarded-Host: evil.test\r\n");
    assert_eq!(gate.connect().request("GET /messages/1.json", &fields).status, 403);
}

#[test]
fn what_browsers_say_of_themselves_is_untouched() {
    let (catcher, gate) = pair();
    let kept = [
        ("x-requested-with", "XMLHttpRequest"),
        ("origin", "http://dev.test:8080"),
        ("referer", "http://dev.test:8080/?a=b%20c#d"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)  two  spaces"),
        ("range", "bytes=0-3"),
        ("if-modified-since", "Sat, 28 Feb 2026 12:00:00 GMT"),
        ("if-none-match", "\"a\", W/\"b\""),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "fi,en;q=0.5"),
        ("sec-fetch-site", "same-origin"),
    ];
    let fields: String = kept.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let answer = gate.connect().request("GET /assets/mailcatcher.js", &format!("{AS_ANNA}{fields}"));
    assert_eq!((answer.status, answer.body.len()), (206, 4), "{}", answer.head);
    assert!(answer.field("content-range").unwrap().starts_with("bytes 0-3/"));
    let request = seen(&catcher);
    for (name, value) in kept {
        assert_eq!(bytes(&request, name), value.as_bytes(), "{name}");
    }
    let fields = format!("{AS_ANNA}If-Modified-Since: Sun, 01 Mar 2026 12:00:00 GMT\r\n");
    let answer = gate.connect().request("GET /assets/mailcatcher.js", &fields);
    assert_eq!((answer.status, answer.body.len()), (304, 0), "{}", answer.head);
}

#[test]
fn repeated_lines_keep_their_number_and_order() {
    let (catcher, gate) = pair();
    let request = told(&gate, &catcher, "X-Many: one\r\nX-Other: o\r\nX-Many: two, three\r\nX-Many:\r\n");
    assert_eq!(request.values("x-many"), ["one", "two, three", ""]);
    let reply = Script::reply("200 OK", &[("Link", "<a>"), ("X-Empty", ""), ("Link", "<b>")], "x");
    catcher.on("GET /messages", reply);
    let answer = gate.connect().request("GET /messages", AS_ANNA);
    assert_eq!(
        (answer.all("link"), answer.field("x-empty")),
        (vec!["<a>".to_owned(), "<b>".to_owned()], Some(String::new()))
    );
}

#[test]
fn the_clients_password_never_reaches_the_catcher() {
    let (catcher, gate) = pair();
    assert!(told(&gate, &catcher, "").values("authorization").is_empty());
    assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}")).status, 101);
    assert!(seen(&catcher).values("authorization").is_empty());
}

#[test]
fn the_catchers_own_login_is_sent_in_its_place() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "s\u{e4}cret:2\n").unwrap();
    let keys = format!("upstream.username = \"mailwarden\"\nupstream.password_file = {:?}", file.display().to_string());
    let gate = Gate::to(catcher.http_addr()).config(&keys).start();
    let ours = basic("mailwarden", "s\u{e4}cret:2");
    let ours = ours.trim_end().strip_prefix("Authorization: ").unwrap();
    assert_eq!(bytes(&told(&gate, &catcher, ""), "authorization"), ours.as_bytes());
    assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}")).status, 101);
    assert_eq!(bytes(&seen(&catcher), "authorization"), ours.as_bytes());
    // It is no way in for the client.
    assert_eq!(gate.connect().request("GET /messages", &basic("mailwarden", "s\u{e4}cret:2")).status, 401);
}

#[test]
fn the_name_of_a_user_arrives_as_its_bytes() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).users("J\u{f6}rg \u{1f4e7}:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").start();
    let fields = basic("J\u{f6}rg \u{1f4e7}", "secret");
    assert_eq!(gate.connect().request("GET /messages", &fields).status, 200);
    assert_eq!(bytes(&seen(&catcher), "x-forwarded-user"), "J\u{f6}rg \u{1f4e7}".as_bytes());
}

#[test]
fn hop_by_hop_fields_of_an_answer_stay_at_the_gate() {
    let (catcher, gate) = pair();
    let reply = Script::reply(
        "200 OK",
        &[
            ("Connection", "X-Secret"),
            ("X-Secret", "1"),
            ("Keep-Alive", "timeout=5"),
            ("X-Kept", "1"),
            ("Server", "thin"),
        ],
        "x",
    );
    catcher.on("GET /messages", reply);
    let answer = gate.connect().request("GET /messages", AS_ANNA);
    assert_eq!(answer.text(), "x");
    for name in ["x-secret", "keep-alive", "connection"] {
        assert!(answer.all(name).is_empty(), "{}", answer.head);
    }
    assert_eq!((answer.field("x-kept").as_deref(), answer.field("server").as_deref()), (Some("1"), Some("thin")));
}
