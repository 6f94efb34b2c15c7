//! The published holes of programs of this kind, tried on this one: raw bytes in, and a look at both the answer and what
//! the catcher was sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::catcher::{Catcher, Options, Recorded};
use crate::support::gate::{AS_ANNA, Gate};

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
