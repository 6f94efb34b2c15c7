//! The published holes of programs of this kind, tried on this one: raw bytes in, and a look at both the answer and what
//! the catcher was sent.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::catcher::{Catcher, Options, Recorded, Script};
use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};

/// A catcher with two mails and a gate before it.
fn pair() -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(2);
    let gate = Gate::to(catcher.http_addr()).start();
    (catcher, gate)
}

/// The same before something that is not MailCatcher, so that bodies and cookies pass.
fn generic() -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config("upstream.catcher = \"generic\"").start();
    (catcher, gate)
}

/// The header line of these credentials.
fn basic(pair: impl AsRef<[u8]>) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(pair))
}

/// Everything that comes back for these bytes until the gate ends the connection.
fn all(gate: &Gate, bytes: impl AsRef<[u8]>) -> String {
    let mut client = gate.connect();
    // A gate that has refused the first half may not want the second.
    let _ = client.try_send(bytes);
    String::from_utf8_lossy(&client.rest()).into_owned()
}

/// The statuses of the answers in what came back.
fn statuses(came: &str) -> Vec<u16> {
    came.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect()
}

/// Whoever has the password is still served.
fn lives(gate: &Gate) {
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
}

fn last(catcher: &Catcher) -> Recorded {
    catcher.requests().pop().expect("the catcher was asked")
}

/// Whether any header line that the catcher was sent has `text` in it.
fn was_told(asked: &Recorded, text: &str) -> bool {
    asked.lines.iter().any(|line| String::from_utf8_lossy(line).contains(text))
}

// --- header fields

/// CVE-2022-31813 (Apache), CVE-2024-45410 (Traefik), CVE-2021-33197 (Go): `Connection` takes away what a proxy adds.
#[test]
fn a_connection_line_takes_nothing_of_ours_away() {
    let (catcher, gate) = pair();
    for connection in [
        "X-Forwarded-User",
        "close, x-forwarded-user, X-FORWARDED-FOR",
        "keep-alive\r\nConnection: X-Forwarded-User\r\nConnection: X-Real-IP",
        "host, authorization, content-length, x-real-ip, x-forwarded-host, x-forwarded-proto",
        ",,X-Forwarded-User,,\tHost ,connection",
    ] {
        let answer = gate.connect().request("GET /messages", &format!("{AS_ANNA}Connection: {connection}\r\n"));
        assert_eq!(answer.status, 200, "{connection}");
        let asked = last(&catcher);
        for (name, value) in [
            ("host", "dev.test:8080"),
            ("x-forwarded-user", "anna"),
            ("x-real-ip", "127.0.0.1"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-host", "dev.test:8080"),
            ("x-forwarded-proto", "http"),
        ] {
            assert_eq!(asked.values(name), [value], "{connection}: {name}");
        }
        assert!(asked.values("connection").is_empty() && asked.values("authorization").is_empty(), "{asked:?}");
    }
    // Nor a body's length: what follows the body is the next request.
    let mut client = gate.connect();
    let head = format!("DELETE /messages/1 HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}");
    client.send(format!("{head}Connection: content-length\r\nContent-Length: 2\r\n\r\n{{}}"));
    assert_eq!(client.answer().status, 204);
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
}

/// CVE-2026-33433, CVE-2026-54763, CVE-2026-88004 (Traefik), CVE-2025-64484 (oauth2-proxy): what a client says of himself
/// in another spelling, or behind the body.
#[test]
fn what_a_client_says_of_himself_never_arrives_however_it_is_spelled() {
    let claims = [
        "X-Forwarded-User",
        "x-forwarded-user",
        "X_FORWARDED_USER",
        "X-Forwarded_User",
        "X_Forwarded-User",
        "X.Forwarded.User",
        "X-Forwarded.User",
        "X.Forwarded_User",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X.Forwarded.For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Real-IP",
        "X_Real_IP",
        "X.Real.IP",
        "Forwarded",
        "FORWARDED",
        "Remote-User",
        "REMOTE_USER",
        "Remote.User",
        "X-Remote-User",
        "X_Remote_User",
        "X.Remote.User",
        "X-Auth-User",
        "X-Auth-Request-Email",
        "X_Auth_User",
        "X.Auth.User",
        "X-WEBAUTH-USER",
        "X-WebAuth_User",
        "x.webauth.user",
        "HTTP_X_FORWARDED_USER",
    ];
    let lines: String = claims.iter().map(|name| format!("{name}: evil\r\n")).collect();
    for (catcher, gate) in [pair(), generic()] {
        // All at once, after and before the password, and each twice.
        for fields in [format!("{AS_ANNA}{lines}{lines}"), format!("{lines}{AS_ANNA}")] {
            assert_eq!(gate.connect().request("GET /messages", &fields).status, 200);
            let asked = last(&catcher);
            assert!(!was_told(&asked, "evil"), "{asked:?}");
            assert_eq!(asked.values("x-forwarded-user"), ["anna"]);
            assert_eq!(asked.values("x-real-ip"), ["127.0.0.1"]);
        }
        for method in ["GET /messages", "DELETE /messages"] {
            let trailers = format!(
                "{method} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}Trailer: X-Forwarded-User, Remote-User\r\n\
                 TE: trailers\r\nConnection: close, TE\r\nTransfer-Encoding: chunked\r\n\r\n\
                 2\r\n{{}}\r\n0\r\nX-Forwarded-User: evil\r\nRemote-User: evil\r\n\r\n"
            );
            let came = all(&gate, trailers);
            assert_eq!(statuses(&came).len(), 1, "{came}");
            let asked = last(&catcher);
            assert!(!was_told(&asked, "evil") && !asked.body.windows(4).any(|four| four == b"evil"), "{asked:?}");
            assert_eq!(asked.values("x-forwarded-user"), ["anna"]);
            for gone in ["te", "trailer", "transfer-encoding"] {
                assert!(asked.values(gone).is_empty(), "{gone}: {asked:?}");
            }
        }
    }
}

/// Traefik's `removeHeader` is off by default, and MailCatcher's page shows nothing of it: the password stays here.
#[test]
fn no_credentials_of_any_kind_reach_the_catcher() {
    let fields =
        format!("{AS_ANNA}Proxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\nCookie: sid=evil\r\nCookie: b=evil\r\n");
    let (catcher, gate) = pair();
    for line in ["GET /messages", "GET /messages/1.json", "GET /", "DELETE /messages/1", "HEAD /messages"] {
        let answer = gate.connect().request(line, &fields);
        assert!(answer.status < 300, "{line}: {}", answer.head);
        let asked = last(&catcher);
        assert!(!was_told(&asked, "YW5u") && !was_told(&asked, "evil"), "{line}: {asked:?}");
    }
    // A catcher that is not known may have a use for cookies, and none for the password.
    let (catcher, gate) = generic();
    assert_eq!(gate.connect().request("GET /messages", &fields).status, 200);
    assert!(!was_told(&last(&catcher), "YW5u"), "{:?}", last(&catcher));
}

// --- target and Host

/// RFC 9112 section 3.2.2, and hyper, which forwards an absolute target with the old `Host`.
#[test]
fn an_absolute_target_decides_the_host_and_loses_its_user() {
    let (catcher, gate) = pair();
    for target in [
        "http://mail.test:99/messages",
        "http://anna:secret@mail.test:99/messages?x=1",
        "HTTP://mail.test:99/./messages",
    ] {
        let came =
            all(&gate, format!("GET {target} HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n{AS_ANNA}\r\n"));
        assert_eq!(statuses(&came), [200], "{target}");
        let asked = last(&catcher);
        assert_eq!(asked.target, "/messages");
        assert_eq!(
            (asked.values("host"), asked.values("x-forwarded-host")),
            (vec!["mail.test:99".to_owned()], vec!["mail.test:99".to_owned()])
        );
        assert!(!was_told(&asked, "other.test") && !was_told(&asked, "secret"), "{asked:?}");
    }
    // Who is named in the target has not logged in by that.
    let named = "GET http://anna:secret@dev.test/messages HTTP/1.1\r\nHost: dev.test\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&all(&gate, named)), [401]);
}

/// RFC 9112 section 3.2 and RFC 9110 section 7.2: what hyper lets pass and two programs read differently.
#[test]
fn a_target_or_a_host_that_is_none_is_refused() {
    let (catcher, gate) = pair();
    let host = "Host: dev.test\r\n";
    for (line, host, status) in [
        ("GET /messages", "", 400),
        ("GET /messages", "Host: dev.test\r\nHost: dev.test\r\n", 400),
        ("GET /messages", "Host: a.test\r\nHOST: b.test\r\n", 400),
        ("GET http://a.test/messages", "", 400),
        ("GET /messages", "Host: a b\r\n", 400),
        ("GET /messages", "Host: a,b\r\n", 400),
        ("GET /messages", "Host: anna@dev.test\r\n", 400),
        ("GET /messages", "Host: dev.test/messages\r\n", 400),
        ("GET /messages", "Host: dev.test?x\r\n", 400),
        ("GET /messages", "Host: dev.test#x\r\n", 400),
        ("GET /messages", "Host: dev.test\\x\r\n", 400),
        ("GET /messages", "Host: <script>\r\n", 400),
        ("GET /messages", "Host: \"dev\"\r\n", 400),
        ("GET /messages", "Host: d\u{e9}v.test\r\n", 400),
        ("CONNECT dev.test:80", host, 405),
        ("CONNECT /messages", host, 405),
        ("TRACE /messages", host, 405),
        ("GET dev.test:80", host, 400),
        ("GET messages", host, 400),
        ("GET *", host, 400),
        ("OPTIONS *", host, 400),
        ("DELETE *", host, 400),
        ("GET ftp://dev.test/messages", host, 400),
        ("GET file:///messages", host, 400),
        ("GET ?messages", host, 400),
        ("GET ", host, 400),
    ] {
        let came = all(&gate, format!("{line} HTTP/1.1\r\n{host}Connection: close\r\n{AS_ANNA}\r\n"));
        assert_eq!(statuses(&came), [status], "{line} {host}: {came}");
    }
    assert_eq!(catcher.connections(), 0);
    lives(&gate);
}

// --- framing

/// A request that would do harm if it were taken for one: with the password, by somebody who may do everything.
fn smuggled() -> String {
    format!("DELETE /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n")
}

/// A gate that lets `anna` do everything.
fn unruly() -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(2);
    let everything = "access.default = [\"view\", \"delete\", \"clear\", \"quit\"]";
    let gate = Gate::to(catcher.http_addr()).config(everything).start();
    (catcher, gate)
}

/// RUSTSEC-2021-0078, RUSTSEC-2021-0020, RUSTSEC-2020-0008, hyper#3860: what two programs frame differently.
#[test]
fn ambiguous_framing_is_refused_and_ends_the_connection() {
    let (catcher, gate) = unruly();
    for (version, framing, body) in [
        ("1.0", "Transfer-Encoding: chunked", "0\r\n\r\n"),
        ("1.1", "Content-Length: 5\r\nContent-Length: 0", ""),
        ("1.1", "Content-Length: 0\r\nContent-Length: 5", ""),
        ("1.1", "Content-Length: 5, 0", ""),
        ("1.1", "Content-Length: 5, 5", ""),
        ("1.1", "Content-Length: +5", ""),
        ("1.1", "Content-Length: -5", ""),
        ("1.1", "Content-Length: 0x5", ""),
        ("1.1", "Content-Length: 5 0", ""),
        ("1.1", "Content-Length: ", ""),
        ("1.1", "Content-Length: 18446744073709551616", ""),
        ("1.1", "Transfer-Encoding: identity", ""),
        ("1.1", "Transfer-Encoding: chunked, gzip", "0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: \"chunked\"", "0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: \x0bchunked", "0\r\n\r\n"),
        ("1.1", "Transfer-Encoding : chunked", "0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "+3\r\nabc\r\n0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "-1\r\nabc\r\n0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "\r\nabc\r\n0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "3\nabc\r\n0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "3\r\nabc\n0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "3\r\nabcd\r\n0\r\n\r\n"),
        ("1.1", "Transfer-Encoding: chunked", "3;x\n\r\nabc\r\n0\r\n\r\n"),
    ] {
        let came = all(
            &gate,
            format!(
                "DELETE /messages/1 HTTP/{version}\r\nHost: dev.test\r\n{AS_ANNA}{framing}\r\n\r\n{body}{}",
                smuggled()
            ),
        );
        assert!(matches!(*statuses(&came), [] | [400 | 501]), "{framing} {body:?}: {came}");
    }
    assert_eq!(catcher.connections(), 0, "{:?}", catcher.requests());
    lives(&gate);
}

/// RFC 9112 section 6.1, Pingora's RUSTSEC-2026-0033 class: a coding beside `chunked` is refused, and where it ends is
/// not in doubt.
#[test]
fn a_second_transfer_coding_is_refused() {
    let (catcher, gate) = unruly();
    for coding in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    ] {
        let fields = format!("Host: dev.test\r\nConnection: close\r\n{AS_ANNA}{coding}\r\n\r\n");
        let came = all(&gate, format!("DELETE /messages/1 HTTP/1.1\r\n{fields}0\r\n\r\n"));
        assert!(matches!(*statuses(&came), [400 | 501]), "{coding}: {came}");
    }
    assert_eq!(catcher.connections(), 0, "{:?}", catcher.requests());
    lives(&gate);
}

/// hyper#4123, haproxy's CVE-2021-40346 and CVE-2023-25725: with both, the coding counts and the connection ends.
#[test]
fn a_length_beside_a_coding_hides_no_second_request() {
    let (catcher, gate) = unruly();
    for framing in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 500"]
    {
        let head = format!("DELETE /messages/9 HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}{framing}\r\n\r\n");
        let came = all(&gate, format!("{head}0\r\n\r\n{}", smuggled()));
        assert_eq!(statuses(&came).len(), 1, "{framing}: {came}");
        assert!(catcher.requests().iter().all(|asked| asked.target == "/messages/9"), "{:?}", catcher.requests());
        assert!(
            catcher
                .requests()
                .iter()
                .all(|asked| { asked.values("transfer-encoding").is_empty() && asked.body.is_empty() })
        );
    }
    assert_eq!(catcher.message_ids(), [1, 2]);
    lives(&gate);
}

/// CVE-2023-40225 (haproxy), sozu#726: MailCatcher's server takes a chunked body for its next request.
#[test]
fn a_request_inside_a_body_is_never_the_catchers_next() {
    let (catcher, gate) = unruly();
    let inside = smuggled();
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inside}\r\n0\r\n\r\n", inside.len());
    let plain = format!("Content-Length: {}\r\n\r\n{inside}", inside.len());
    for line in
        ["DELETE /messages/9", "GET /messages", "HEAD /messages", "GET /messages/1.json", "POST /messages", "GET /none"]
    {
        for body in [&chunked, &plain] {
            let before = catcher.requests().len();
            let mut client = gate.connect();
            client.send(format!("{line} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}{body}"));
            let answer = client.try_answer(line.starts_with("HEAD")).unwrap();
            assert_ne!(answer.status, 400, "{line}");
            // The same connection goes on behind the body, at both ends.
            assert_eq!(client.request("GET /messages", AS_ANNA).status, 200, "{line}");
            let seen = &catcher.requests()[before..];
            assert!(seen.len() <= 2, "{line}: {seen:?}");
            for asked in seen {
                let framed = asked.values("transfer-encoding").len() + asked.values("content-length").len();
                assert!(framed == 0 && asked.body.is_empty(), "{line}: {asked:?}");
                assert_ne!((asked.method.as_str(), asked.target.as_str()), ("DELETE", "/messages"), "{line}");
            }
        }
    }
    assert_eq!(catcher.message_ids(), [1, 2]);
    // A catcher that reads bodies gets it as one, with its length.
    let (catcher, gate) = generic();
    for body in [&chunked, &plain] {
        let head = format!("PUT /x HTTP/1.1\r\nHost: dev.test\r\nConnection: close\r\n{AS_ANNA}");
        assert_eq!(statuses(&all(&gate, format!("{head}{body}"))).len(), 1);
        let asked = last(&catcher);
        assert_eq!((asked.method.as_str(), &*asked.body), ("PUT", inside.as_bytes()));
        assert_eq!(asked.value("content-length"), Some(inside.len().to_string()));
    }
    assert_eq!(catcher.requests().len(), 2);
}

/// Heads that no two parsers agree on.
#[test]
fn a_malformed_head_gets_no_success_and_forwards_nothing() {
    let (catcher, gate) = unruly();
    let head = format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}");
    let mut cases: Vec<Vec<u8>> = [
        "X-Folded: a\r\n b\r\n\r\n",
        "X-Folded: a\r\n\tTransfer-Encoding: chunked\r\n\r\n",
        "X-Space : a\r\n\r\n",
        " X-Space: a\r\n\r\n",
        "X-Cr: a\rb\r\n\r\n",
        "X-Cr: a\r\rTransfer-Encoding: chunked\r\n\r\n",
        "X-Nul: a\0b\r\n\r\n",
        "X-Nul\0: a\r\n\r\n",
        "X-Esc: \x1b[2J\r\n\r\n",
        "X-Del: \x7f\r\n\r\n",
        ": a\r\n\r\n",
        "no colon\r\n\r\n",
        "X[]: a\r\n\r\n",
        "X\u{e9}: a\r\n\r\n",
    ]
    .iter()
    .map(|line| format!("{head}{line}{}", smuggled()).into_bytes())
    .collect();
    for line in [
        "GET /messages HTTP/1.2",
        "GET /messages HTTP/2.0",
        "GET /messages HTTP/0.9",
        "GET /messages HTTP/1.10",
        "GET /messages HTTP/11",
        "GET /messages http/1.1",
        "GET /messages",
        "GET /messages HTTP/1.1 HTTP/1.1",
        "GET /mess ages HTTP/1.1",
        "GET\t/messages\tHTTP/1.1",
        " GET /messages HTTP/1.1",
        "GET\0 /messages HTTP/1.1",
        "G(T /messages HTTP/1.1",
        "GET /mess\0ages HTTP/1.1",
        "GET /mess\x1bages HTTP/1.1",
        "GET /mess\rages HTTP/1.1",
        "GET /messages\r HTTP/1.1",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03",
    ] {
        cases.push(format!("{line}\r\nHost: dev.test\r\n{AS_ANNA}\r\n{}", smuggled()).into_bytes());
    }
    for case in &cases {
        let shown = String::from_utf8_lossy(case);
        let came = all(&gate, case);
        assert!(matches!(*statuses(&came), [] | [400 | 505]), "{shown:?}: {came}");
    }
    assert_eq!(catcher.connections(), 0, "{:?}", catcher.requests());
    lives(&gate);
}

// --- paths

/// The spellings that end MailCatcher, as measured on it.
const QUITS: [&str; 22] = [
    "/",
    "//",
    "/./",
    "/x/..",
    "/..",
    "/%2e",
    "/%2E",
    "/%2F",
    "/%2e%2e/",
    "/messages/..",
    "/messages/%2e%2e",
    "/messages/.%2E/",
    "/\\",
    "*",
    "/?a=b",
    "/#f",
    "http://dev.test/",
    "http://dev.test",
    "http://dev.test//..",
    "/%5c",
    "/.//%2e/",
    "/messages/1/../..",
];

/// CVE-2025-32431, CVE-2026-40912, CVE-2026-48020 (Traefik), CVE-2026-27587 (Caddy): a rule is evaded by another spelling.
#[test]
fn no_spelling_of_quit_passes_for_anything_else() {
    let (catcher, gate) = pair();
    for target in QUITS {
        for method in ["DELETE", "delete", "DELETE\t"] {
            let came = all(
                &gate,
                format!("{method} {target} HTTP/1.1\r\nHost: dev.test\r\nConnection: close\r\n{AS_ANNA}\r\n"),
            );
            assert!(matches!(*statuses(&came), [400 | 403 | 405]), "{method} {target}: {came}");
        }
        // A head that claims another method or target is only a head.
        let fields = format!(
            "{AS_ANNA}X-HTTP-Method-Override: DELETE\r\nX-Original-URL: {target}\r\nX-Rewrite-URL: {target}\r\n"
        );
        assert_eq!(gate.connect().request("GET /messages", &fields).status, 200, "{target}");
    }
    let came = all(
        &gate,
        format!(
            "POST / HTTP/1.1\r\nHost: dev.test\r\nConnection: close\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 14\r\n{AS_ANNA}\r\n_method=DELETE"
        ),
    );
    assert_eq!(statuses(&came), [405]);
    assert!(!catcher.has_quit());
    assert!(
        catcher.requests().iter().all(|asked| (asked.method.as_str(), asked.target.as_str()) == ("GET", "/messages"))
    );
}

/// The same by somebody who may: it arrives as the plain request, or is refused.
#[test]
fn every_spelling_of_quit_that_is_allowed_arrives_as_the_plain_one() {
    let (catcher, gate) = unruly();
    let mut quits = 0;
    for target in QUITS {
        let before = catcher.requests().len();
        let came =
            all(&gate, format!("DELETE {target} HTTP/1.1\r\nHost: dev.test\r\nConnection: close\r\n{AS_ANNA}\r\n"));
        if statuses(&came) == [204] {
            // It answers before it ends.
            assert!(catcher.wait_until(PATIENCE, |state| state.quit), "{target}");
            let seen = &catcher.requests()[before..];
            assert_eq!(seen.len(), 1, "{target}: {seen:?}");
            assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("DELETE", "/"), "{target}");
            catcher.restart();
            quits += 1;
        } else {
            assert_eq!(statuses(&came), [400], "{target}: {came}");
            assert_eq!(catcher.requests().len(), before, "{target}");
        }
    }
    assert!(quits > 10, "{quits}");
}

/// GHSA-gm3x-23wp-hc2c, CVE-2026-65600 (Traefik), CVE-2026-41059 (oauth2-proxy, `#fragment`): what is decided on is what is
/// forwarded.
#[test]
fn a_path_is_forwarded_in_one_spelling_or_not_at_all() {
    let (catcher, gate) = unruly();
    let ask = |line: &str| {
        let came = all(&gate, format!("{line} HTTP/1.1\r\nHost: dev.test\r\nConnection: close\r\n{AS_ANNA}\r\n"));
        statuses(&came)
    };
    for (line, status) in [
        ("DELETE /messages/1abc", 400),
        ("DELETE /messages/%31abc", 400),
        ("DELETE /messages/1%20", 400),
        ("DELETE /messages/+1", 400),
        ("DELETE /messages/1;x", 400),
        ("DELETE /messages/1%00", 400),
        ("DELETE /messages/1%0d%0aX:%20y", 400),
        ("DELETE /messages/1%", 400),
        ("DELETE /messages/%2", 400),
        ("DELETE /messages/%u0031", 400),
        ("DELETE /messages%2F1", 400),
        ("DELETE /messages%2f..%2f", 400),
        ("DELETE /messages%5c1", 400),
        ("DELETE /messages\\1", 400),
        ("DELETE /messages/..%5c", 400),
        ("DELETE /messages/%252e%252e", 400),
        ("GET /messages/1/parts/..%2f..%2f", 400),
        ("GET /messages/1/parts/..%2F..%2F..%2Fmessages", 400),
        ("GET /messages/1/parts/%2e%2e%2f2.json", 400),
        ("GET /messages/1abc.json", 400),
        ("GET /assets/..%2fmessages", 400),
        ("GET /MESSAGES", 404),
        ("GET /messages.json", 404),
        ("GET /messages/1.json/", 404),
        ("GET /messages/1.json;x", 404),
        ("GET /assets/", 404),
        ("GET /.mailwarden", 404),
        ("GET /.mailwarden/", 404),
        ("GET //.mailwarden//x", 404),
        ("GET /%2emailwarden/x", 404),
        ("GET /x/../.mailwarden/x", 404),
        ("GET /.%6dailwarden/x", 404),
        ("DELETE /.mailwarden/", 404),
    ] {
        assert_eq!(ask(line), [status], "{line}");
    }
    assert_eq!(catcher.connections(), 0, "{:?}", catcher.requests());
    for (line, target) in [
        ("GET /messages#/../x", "/messages"),
        ("GET /messages?/../..", "/messages"),
        ("GET /./x/..//%6dessages", "/messages"),
        ("GET /.mailwarden/../messages", "/messages"),
        ("GET /messages/%31.json", "/messages/1.json"),
        ("GET /messages/001.json", "/messages/1.json"),
        ("DELETE /messages/%31#", "/messages/1"),
    ] {
        assert!(ask(line)[0] < 300, "{line}");
        assert_eq!(last(&catcher).target, target, "{line}");
    }
    assert_eq!(catcher.message_ids(), [2]);
}

// --- the password

/// CVE-2026-40575, GHSA-5hvv-m4w4-gf6v (oauth2-proxy), maildev's socket: a method, a path or a field that skips it.
#[test]
fn nothing_skips_the_password() {
    let (catcher, gate) = pair();
    let methods =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY", "get", "X-Y", "MOVE"];
    let paths = [
        "/",
        "/messages",
        "/messages/1.json",
        "/livez",
        "/healthz",
        "/readyz",
        "/health",
        "/ping",
        "/metrics",
        "/robots.txt",
        "/favicon.ico",
        "/assets/mailcatcher.js",
        "/oauth2/ping",
        "/.mailwarden/",
        "/.well-known/x",
        "/messages?/livez",
        "/messages#/livez",
        "//livez",
        "/livez/../messages",
        "http://127.0.0.1/messages",
    ];
    let websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://dev.test\r\n";
    let fields = [
        "User-Agent: kube-probe/1.29\r\n",
        "User-Agent: GoogleHC/1.0\r\n",
        "User-Agent: ELB-HealthChecker/2.0\r\n",
        "X-Original-URL: /livez\r\nX-Rewrite-URL: /livez\r\nX-Original-URI: /livez\r\n",
        "X-Forwarded-Uri: /livez\r\nX-Forwarded-Method: OPTIONS\r\nX-Forwarded-For: 127.0.0.1\r\nX-Real-IP: ::1\r\n",
        "X-Forwarded-User: anna\r\nRemote-User: anna\r\nX-WEBAUTH-USER: anna\r\nX-Auth-Request-User: anna\r\n",
        "X-HTTP-Method-Override: OPTIONS\r\n",
        "Access-Control-Request-Method: GET\r\nOrigin: http://dev.test\r\n",
        "Proxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n",
        "X-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n",
        "Authorization_: Basic YW5uYTpzZWNyZXQ=\r\n",
        "Cookie: Authorization=Basic YW5uYTpzZWNyZXQ=\r\n",
        "Referer: http://anna:secret@dev.test/\r\n",
        websocket,
    ];
    let mut client = gate.connect();
    let mut refused = |line: &str, fields: &str| {
        let answer = client.request(line, fields);
        assert_eq!(answer.status, 401, "{line} {fields}");
        assert!(answer.field("www-authenticate").unwrap().starts_with("Basic realm="), "{line} {fields}");
    };
    for method in methods.iter().filter(|method| **method != "HEAD") {
        paths.iter().for_each(|path| refused(&format!("{method} {path}"), ""));
    }
    for fields in fields {
        ["GET /messages", "OPTIONS /messages", "GET /livez", "DELETE /"].iter().for_each(|line| refused(line, fields));
    }
    for old in ["GET /messages HTTP/1.0\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n", "GET /livez HTTP/1.0\r\nHost: x\r\n\r\n"] {
        let came = all(&gate, old);
        assert!(came.starts_with("HTTP/1.0 401") || came.starts_with("HTTP/1.1 401"), "{old}: {came}");
    }
    assert_eq!(catcher.connections(), 0);
    // The name of the field and of the scheme have no case.
    assert_eq!(
        gate.connect()
            .request("GET /messages", &AS_ANNA.to_lowercase().replace("yw5uytpzzwnyzxq=", "YW5uYTpzZWNyZXQ="))
            .status,
        200
    );
}

/// Envoy's case-sensitive scheme, maildev's `split(':')`, sozu's bound: which credentials are some.
#[test]
fn credentials_are_read_in_one_way_only() {
    let catcher = Catcher::start(Options::default());
    // The password of colin is a:b:c.
    let colin = "colin:{SHA}cLzgnoJ6mP5qz3w+mwvPE2vDgu0=\n";
    let gate = Gate::to(catcher.http_addr()).users(&format!("{ANNA}{colin}")).start();
    let good = "YW5uYTpzZWNyZXQ=";
    let line = |value: &str| format!("Authorization: {value}\r\n");
    for fields in [
        line(&format!("Basic {good}")),
        line(&format!("basic {good}")),
        line(&format!("BASIC {good}")),
        line(&format!("bAsIc   {good}  ")),
        line("Basic YW5uYTpzZWNyZXQ"),
        format!("aUTHORIZATION:Basic {good}\r\n"),
        basic("colin:a:b:c"),
    ] {
        assert_eq!(gate.connect().request("GET /messages", &fields).status, 200, "{fields}");
    }
    let asked = catcher.requests().len();
    let long = |length: usize| basic(format!("anna:{}", "x".repeat(length)));
    let mut bad = vec![
        String::new(),
        line(""),
        line("Basic"),
        line("Basic "),
        line(good),
        line(&format!("Basic{good}")),
        line(&format!("Basic: {good}")),
        line(&format!("Basic,{good}")),
        line(&format!("Basic {good}, Basic {good}")),
        line(&format!("Basic {good} x")),
        line(&format!("Basic \"{good}\"")),
        line("Basic anna:secret"),
        line("Basic YW5u YTpzZWNyZXQ="),
        line("Basic YW5uYTpzZWNyZXQ==="),
        line("Basic !!!!"),
        line("Basic YW5uYTpzZWNyZXQ\u{e9}"),
        line(&format!("Bearer {good}")),
        line(&format!("Digest {good}")),
        line(&format!("Negotiate {good}")),
        line("Digest username=\"anna\", realm=\"Restricted\""),
        AS_ANNA.repeat(2),
        format!("{AS_ANNA}{}", basic("x:y")),
        format!("{}{AS_ANNA}", basic("x:y")),
        format!("{AS_ANNA}Authorization:\r\n"),
        long(512),
        long(513),
        long(4096),
        long(16_000),
        line(&format!("Basic {good}{}x", " ".repeat(4096))),
    ];
    for pair in [
        "anna",
        "anna:",
        ":",
        ":secret",
        "",
        "anna:wrong",
        "ANNA:secret",
        "Anna:secret",
        " anna:secret",
        "anna :secret",
        "anna: secret",
        "anna:secret ",
        "anna:secret\n",
        "anna:secret\r\n",
        "anna:secret\0",
        "anna\0:secret",
        "anna:secret\0x",
        "anna\t:secret",
        "anna:\x1bsecret",
        "anna:sec\x7fret",
        "\u{feff}anna:secret",
        "nobody:secret",
        "colin:a",
        "colin:a:b",
        "colin:a:b:c:",
        "colin:c",
        "colin:a:b:c\0",
    ] {
        bad.push(basic(pair));
    }
    bad.push(basic(b"anna:secret\xff"));
    bad.push(basic(b"\xff\xfea\0n\0n\0a\0:\0s\0"));
    // Each from an address of its own, so that none is refused for what the ones before it were.
    for fields in &bad {
        let answer = gate.stranger().request("GET /messages", fields);
        assert_eq!(answer.status, 401, "{fields}");
        assert_eq!(answer.all("www-authenticate"), [r#"Basic realm="Restricted", charset="UTF-8""#], "{fields}");
    }
    assert_eq!(catcher.requests().len(), asked);
}

/// tg123/go-htpasswd takes an unknown hash for a plain password; Traefik's pull request 13195, an empty list for no list.
#[test]
fn a_line_that_is_no_hash_lets_nobody_in_and_refuses_only_itself() {
    let catcher = Catcher::start(Options::default());
    let other = "{SHA}cLzgnoJ6mP5qz3w+mwvPE2vDgu0=";
    let users = format!(
        "plain:secret\nbraced:{{PLAIN}}secret\nempty:\nstar:*\nlocked:!{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\
         short:{{SHA}}5en6\nodd:$9$x$y\n{ANNA}anna:{other}\ntwice:{other}\ntwice:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\
         off:*\noff:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\nno colon\n:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n#out:secret\n"
    );
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    for pair in [
        "plain:secret",
        "braced:secret",
        "braced:{PLAIN}secret",
        "empty:",
        "empty: ",
        "star:*",
        "star:",
        "locked:secret",
        "locked:!{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "short:secret",
        "short:{SHA}5en6",
        "odd:$9$x$y",
        "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "anna:5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "anna:a:b:c",
        "twice:secret",
        "off:secret",
        "off:*",
        "no colon:",
        ":secret",
        "#out:secret",
        "out:secret",
    ] {
        assert_eq!(gate.stranger().request("GET /messages", &basic(pair)).status, 401, "{pair}");
    }
    assert!(catcher.requests().is_empty());
    for pair in ["anna:secret", "twice:a:b:c"] {
        assert_eq!(gate.connect().request("GET /messages", &basic(pair)).status, 200, "{pair}");
    }
    for line in [1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 15] {
        gate.log_line(&format!("htpasswd:{line}: "));
    }
    for good in [8, 10, 16] {
        assert!(!gate.log().iter().any(|line| line.contains(&format!("htpasswd:{good}: "))), "{good}");
    }
    assert!(!gate.log().iter().any(|line| line.contains("secret") || line.contains("5en6")), "{:?}", gate.log());

    for users in ["", "\n", "# nobody\n", "\u{feff}", "anna\n", "anna:secret\n"] {
        let gate = Gate::to(catcher.http_addr()).users(users).start();
        for fields in ["", AS_ANNA, &basic(":"), &basic("anna:"), &basic("anna:anna"), &basic("\u{feff}:")] {
            assert_eq!(gate.connect().request("GET /messages", fields).status, 401, "{users:?} {fields}");
        }
    }
    assert_eq!(catcher.requests().len(), 2);
}

/// hyper answers 100 as soon as a body is polled: whoever has no password is not asked for his.
#[test]
fn a_body_is_asked_for_only_behind_the_password_and_only_if_it_is_read() {
    let (catcher, gate) = pair();
    let head = |line: &str, fields: &str, length: usize| {
        format!("{line} HTTP/1.1\r\nHost: dev.test\r\nExpect: 100-continue\r\n{fields}Content-Length: {length}\r\n\r\n")
    };
    let body = smuggled();
    for (line, fields, status) in [
        ("DELETE /messages", "", 401),
        ("DELETE /messages", "Authorization: Basic eDp5\r\n", 401),
        ("DELETE /", AS_ANNA, 403),
        ("GET /nothing", AS_ANNA, 404),
        ("POST /messages", AS_ANNA, 405),
        ("DELETE /messages/1abc", AS_ANNA, 400),
    ] {
        // At once, as the final answer and the only one, and what is sent all the same is no request.
        let mut client = gate.connect();
        assert_eq!(client.send(head(line, fields, body.len())).answer().status, status, "{line}");
        let _ = client.try_send(&body);
        assert_eq!(String::from_utf8_lossy(&client.rest()), "", "{line}");
    }
    for odd in ["200-ok", "100-continue, x", "x", "100-continue\r\nExpect: y", ""] {
        let fields = format!("{AS_ANNA}Expect: {odd}\r\n");
        assert_eq!(gate.connect().request("GET /messages", &fields).status, 417, "{odd}");
    }
    assert!(catcher.requests().is_empty(), "{:?}", catcher.requests());
    let mut client = gate.connect();
    assert_eq!(client.send(head("DELETE /messages/1", AS_ANNA, 2)).answer().status, 100);
    assert!(catcher.requests().is_empty());
    assert_eq!(client.send("{}").answer().status, 204);
    assert!(last(&catcher).values("expect").is_empty());
}

/// A proxy that checks the first request of a connection only, or takes a refused body for the next one (RUSTSEC-2025-0037,
/// Pingora).
#[test]
fn every_request_of_a_connection_needs_the_password_itself() {
    let (catcher, gate) = pair();
    let request = |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\nHost: dev.test\r\n{fields}\r\n");
    let (good, none) = (request("/messages", AS_ANNA), request("/messages", ""));
    let wrong = request("/messages/1.json", &basic("anna:wrong"));
    let mut client = gate.connect();
    client.send(format!("{good}{none}{wrong}{good}{none}"));
    let came: Vec<u16> = (0..5).map(|_| client.answer().status).collect();
    assert_eq!(came, [200, 401, 401, 200, 401]);
    assert_eq!(catcher.requests().len(), 2);

    // A refused body's bytes are not the next request.
    let body = format!("{good}{}", smuggled());
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for framed in [format!("Content-Length: {}\r\n\r\n{body}", body.len()), chunked] {
        for (line, fields, status) in [
            ("POST /messages", "", 401),
            ("DELETE /", AS_ANNA, 403),
            ("PUT /messages", AS_ANNA, 405),
            ("GET /x", AS_ANNA, 404),
        ] {
            let mut client = gate.connect();
            client.send(format!("{line} HTTP/1.1\r\nHost: dev.test\r\n{fields}{framed}{none}"));
            assert_eq!((client.answer().status, client.answer().status), (status, 401), "{line}");
            // And no more than these two.
            let close = request("/x", "Connection: close\r\n");
            client.send(close);
            assert_eq!(statuses(&String::from_utf8_lossy(&client.rest())), [401], "{line}");
        }
    }
    assert_eq!(catcher.requests().len(), 2);
}

// --- answers

/// hyper decodes the coding and leaves the length; RFC 9112 section 6.3: the coding counts.
#[test]
fn an_answers_length_beside_a_coding_is_dropped() {
    let (catcher, gate) = pair();
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 1",
        "content-length: 0\r\ntransfer-encoding: Chunked",
    ] {
        catcher.next(Script::raw(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n")));
        let mut client = gate.connect();
        let answer = client.request("GET /messages", AS_ANNA);
        assert_eq!((answer.status, answer.text().as_str(), answer.whole), (200, "abc", true), "{fields}");
        assert!(answer.all("content-length").iter().all(|length| length == "3"), "{}", answer.head);
        assert_eq!(client.request("GET /messages", AS_ANNA).text().chars().next(), Some('['), "{fields}");
    }
}

/// RFC 9112 section 6.3: an answer that is none is the catcher's fault and nobody's answer.
#[test]
fn an_answer_that_is_none_is_502_and_the_gate_lives() {
    let (catcher, gate) = pair();
    let huge = "X".repeat(1 << 20);
    let many = "X: y\r\n".repeat(2000);
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Space : a\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Cr: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\0\u{1}\u{2}\r\n\r\n",
        "",
        &format!("HTTP/1.1 200 OK\r\nX: {huge}\r\nContent-Length: 0\r\n\r\n"),
        &format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 0\r\n\r\n"),
    ] {
        let shown = &head[..head.len().min(80)];
        catcher.always("*", Script::raw(head).close());
        for line in ["GET /messages", "DELETE /messages/1"] {
            let answer = gate.connect().request(line, AS_ANNA);
            assert_eq!(answer.status, 502, "{line} {shown:?}: {}", answer.head);
            assert!(!answer.text().contains("abc"), "{shown:?}");
        }
        catcher.forget_scripts();
        lives(&gate);
    }
}

/// RFC 9110 section 7.6.1: what an answer says of the connection to the catcher is not for the client.
#[test]
fn an_answers_hop_by_hop_fields_and_trailers_stay_here() {
    let (catcher, gate) = pair();
    let answer = "HTTP/1.1 200 OK\r\nConnection: x-secret\r\nConnection: close, X-Other\r\nX-Secret: evil\r\nX-Other: evil\r\n\
        Keep-Alive: timeout=evil\r\nProxy-Connection: evil\r\nProxy-Authenticate: Basic realm=evil\r\nUpgrade: evil\r\n\
        Trailer: X-Late\r\nTE: evil\r\nX-Kept: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n\
        3\r\nabc\r\n0\r\nX-Late: evil\r\nSet-Cookie: evil\r\n\r\n";
    catcher.next(Script::raw(answer).close());
    let came = all(
        &gate,
        format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\nTE: trailers\r\nConnection: close, TE\r\n{AS_ANNA}\r\n"),
    );
    assert!(came.starts_with("HTTP/1.1 200") && came.contains("abc"), "{came}");
    assert!(!came.contains("evil") && !came.to_lowercase().contains("trailer"), "{came}");
    let came = came.to_lowercase();
    assert!(came.contains("x-kept: 1") && came.matches("set-cookie: ").count() == 3, "{came}");
    assert!(came.contains("set-cookie: a\r\nset-cookie: b\r\nset-cookie: mailwarden_80="), "{came}");
}

// --- logs

/// CVE-2023-28486 (sudo), fail2ban#1028: what a client writes never makes a line of the log, nor a field of one.
#[test]
fn no_line_of_the_log_is_forged() {
    let catcher = Catcher::start(Options::default());
    for format in ["text", "json", "combined"] {
        // A name with all that could end a field; its password is secret.
        let name = "o\"h\\ara status=200\u{9b}\u{2028}";
        let users = format!("{name}:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
        let config = format!("log.format = \"{format}\"\nlog.level = \"trace\"");
        let gate = Gate::to(catcher.http_addr()).users(&users).config(&config).start();
        let fake = "192.0.2.66 - root [x] \"GET / HTTP/1.1\" 200 0 \"-\" \"-\"";
        for (line, fields) in [
            ("GET /a%0d%0aclient=192.0.2.66%20status=200%20user=%22root%22", String::new()),
            ("GET /a%1b[2J%22%5c\"\\", String::new()),
            ("GET /\u{85}\u{2028}\u{9b}31m", String::new()),
            ("GET /a\"status=200\"b?token=query-secret", format!("User-Agent: {fake}\r\nReferer: {fake}\r\n")),
            ("GET /", "User-Agent: a\" status=200 user=\"root\" x=\"\r\nReferer: \" 200 \"\r\n".to_owned()),
            ("GET /", "User-Agent: \u{9b}2J\u{2028}\u{85}\t\\\r\n".to_owned()),
            ("GET /messages", basic(format!("{name}:secret"))),
            ("GET /messages", basic(format!("{name}:wrong-secret"))),
            ("GET /messages", basic("typed-password\" status=200:other-secret")),
            ("X\"Y /", String::new()),
            ("X'Y|status=200 /", String::new()),
            ("GET /\x1b[2J", String::new()),
            ("GET /", "User-Agent: \x1b[2J\r\n".to_owned()),
            ("GET /", "User-Agent: a\rb\r\n".to_owned()),
        ] {
            let before = gate.access_log().len();
            all(&gate, format!("{line} HTTP/1.1\r\nHost: dev.test\r\nConnection: close\r\n{fields}\r\n"));
            // One request, one line.
            eventually("its line", || (gate.access_log().len() > before).then_some(()));
            assert_eq!(gate.access_log().len(), before + 1, "{line} {fields}");
            let written = gate.access_log().pop().unwrap();
            assert!(!written.chars().any(char::is_control), "{written:?}");
            match format {
                "json" => {
                    let parsed: serde_json::Value = serde_json::from_str(&written).unwrap();
                    assert_eq!(parsed["client"], "127.0.0.1", "{written}");
                    assert!(written.is_ascii(), "{written:?}");
                }
                "text" => {
                    assert!(written.is_ascii(), "{written:?}");
                    assert_eq!(
                        written.split_once(' ').unwrap().1.split(' ').next(),
                        Some("client=127.0.0.1"),
                        "{written}"
                    );
                    // Between the quotes is what clients write: nothing of it stands outside.
                    let outside: String = written.split('"').step_by(2).collect();
                    assert_eq!(written.matches('"').count() % 2, 0, "{written}");
                    assert_eq!(
                        outside.matches(" client=").count() + outside.matches(" status=").count(),
                        2,
                        "{written}"
                    );
                    assert!(!outside.contains("192.0.2.66"), "{written}");
                }
                _ => {
                    assert!(written.is_ascii() && written.starts_with("127.0.0.1 - "), "{written:?}");
                    assert_eq!(written.matches('"').count(), 6, "{written}");
                }
            }
        }
        let logs = [gate.access_log(), gate.log()].concat();
        for secret in [
            "typed-password",
            "other-secret",
            "wrong-secret",
            "query-secret",
            ":secret",
            &basic(format!("{name}:secret"))["Authorization: Basic ".len()..].trim_end()[..12],
            &basic(format!("{name}:wrong-secret"))["Authorization: Basic ".len()..].trim_end()[40..],
            "5en6G6MezRroT3XKqkdPOmY/BfQ=",
        ] {
            assert!(!logs.iter().any(|line| line.contains(secret)), "{secret}: {logs:#?}");
        }
    }
}

/// CVE-2024-21494 (caddy-security), CVE-2024-47070 (authentik): an address that nobody trusted has vouched for.
#[test]
fn a_forwarded_address_is_believed_of_nobody_by_default() {
    let (catcher, gate) = pair();
    for fields in [
        "X-Forwarded-For: 192.0.2.66\r\n",
        "X-Forwarded-For: 192.0.2.66, 127.0.0.1\r\nX-Forwarded-For: 192.0.2.66\r\nX-Real-IP: 192.0.2.66\r\n",
        "Forwarded: for=192.0.2.66\r\nClient-IP: 192.0.2.66\r\nTrue-Client-IP: 192.0.2.66\r\n",
    ] {
        assert_eq!(gate.connect().request("GET /messages", fields).status, 401);
        assert_eq!(gate.connect().request("GET /messages", &format!("{fields}{AS_ANNA}")).status, 200);
        let asked = last(&catcher);
        assert_eq!(
            (asked.values("x-forwarded-for"), asked.values("x-real-ip")),
            (vec!["127.0.0.1".to_owned()], vec!["127.0.0.1".to_owned()])
        );
    }
    eventually("six lines", || (gate.access_log().len() >= 6).then_some(()));
    assert!(gate.access_log().iter().all(|line| line.contains(" client=127.0.0.1 ")), "{:?}", gate.access_log());
    // Said once, since either a setting is missing or somebody tries his luck.
    assert_eq!(gate.log().iter().filter(|line| line.contains("X-Forwarded-For")).count(), 1, "{:?}", gate.log());
}

// --- slow or many

/// CVE-2007-6750 (slowloris): half a head holds up nobody else.
#[test]
fn two_hundred_half_open_connections_hold_up_nobody() {
    let (catcher, gate) = pair();
    let halves = [
        "",
        "G",
        "GET /messages HTTP/1.1\r\nHost: dev.test\r\nX-",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    ];
    let slow: Vec<_> = (0..200)
        .map(|n| {
            let mut client = gate.connect();
            client.send(halves[n % halves.len()]);
            client
        })
        .collect();
    for _ in 0..20 {
        lives(&gate);
    }
    assert_eq!(catcher.requests().len(), 20);
    drop(slow);
    lives(&gate);
}

/// A head without end is refused while it comes, and keeps no memory.
#[test]
fn a_flood_of_header_lines_is_431_and_the_gate_lives() {
    let (catcher, gate) = pair();
    let lines: String = (0..150).map(|n| format!("X-{n}: y\r\n")).collect();
    for flood in [lines, format!("X: {}\r\n", "y".repeat(100_000)), format!("Cookie: {}\r\n", "y=z; ".repeat(20_000))] {
        let came = all(&gate, format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}{flood}\r\n"));
        assert_eq!(statuses(&came), [431], "{came}");
        lives(&gate);
    }
    let came = all(&gate, format!("GET /{} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n", "a".repeat(100_000)));
    assert!(matches!(*statuses(&came), [414 | 431]), "{came}");
    // A head that never ends is not read for ever.
    let mut client = gate.connect();
    client.send("GET /messages HTTP/1.1\r\n");
    let taken = client.flood(
        b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n",
        1 << 20,
        Duration::from_secs(5),
    );
    assert!(taken < 32 << 20, "{taken}");
    lives(&gate);
    assert!(catcher.requests().iter().all(|asked| asked.target == "/messages"));
}
