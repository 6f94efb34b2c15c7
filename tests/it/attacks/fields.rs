//! Header fields: hop-by-hop, identity, forwarding.

use super::{only, pair, sent};
use crate::support::gate::AS_ANNA;

const OURS: [(&str, &str); 5] = [
    ("x-real-ip", "127.0.0.1"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-forwarded-host", "dev.test:8080"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-user", "anna"),
];

/// Claims that the catcher is told the truth and nothing else, whatever `fields` say.
fn told_the_truth(fields: &str) {
    let (catcher, gate) = pair("");
    let answer = gate.connect().request("GET /messages", &format!("{AS_ANNA}{fields}"));
    assert_eq!(answer.status, 200, "{fields}: {}", answer.head);
    let seen = only(&catcher);
    for (name, value) in OURS {
        assert_eq!(seen.values(name), [value], "{fields}");
    }
    assert_eq!(seen.values("host"), ["dev.test:8080"], "{fields}");
    for line in &seen.lines {
        let line = String::from_utf8_lossy(line).to_lowercase();
        assert!(!line.contains("root") && !line.contains("6.6.6.6") && !line.contains("evil"), "{fields}: {line}");
    }
}

/// CVE-2022-31813 (Apache), CVE-2021-33197 (Go), CVE-2024-45410 = GHSA-62c8-mh53-4cqv (Traefik), CVE-2021-32813
/// (Traefik): a client lists the proxy's own field in `Connection` and so deletes it on the way.
#[test]
fn connection_cannot_delete_what_the_gate_adds() {
    for line in [
        "Connection: X-Forwarded-User\r\n",
        "Connection: close, x-forwarded-user, X-FORWARDED-FOR, X-Real-Ip\r\n",
        "Connection: keep-alive\r\nConnection: X-Forwarded-User, X-Forwarded-Host, X-Forwarded-Proto\r\n",
        "Connection: Host\r\n",
        "Connection: Authorization\r\n",
        "Connection: Content-Length, Transfer-Encoding\r\n",
        "Connection: Connection\r\n",
        "Connection: ,,  ,X-Forwarded-For,\tX-Forwarded-User\t,\r\n",
    ] {
        told_the_truth(line);
    }
}

/// RFC 9110 section 7.6.1; the first-line-only `Remove("Connection")` of CVE-2021-33197: what any `Connection` line
/// names stays with this connection.
#[test]
fn what_any_connection_line_names_goes_no_further() {
    let (catcher, gate) = pair("");
    let fields = "Connection: X-One, keep-alive\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\nConnection: close\r\n\
                  Connection: x-TWO\r\nX-Two: again\r\nKeep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\n\
                  TE: trailers\r\nTrailer: X-Sum\r\nProxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\nHTTP2-Settings: AAAA\r\n";
    assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{fields}")).status, 200);
    let seen = only(&catcher);
    for gone in
        ["x-one", "x-two", "keep-alive", "proxy-connection", "te", "trailer", "proxy-authorization", "http2-settings"]
    {
        assert!(seen.values(gone).is_empty(), "{gone}: {:?}", seen.values(gone));
    }
    assert_eq!(seen.values("x-three"), ["3"]);
}

/// CVE-2023-49606 (tinyproxy): a use after free in the loop over `Connection`'s tokens.
#[test]
fn a_connection_line_of_many_tokens_is_only_long() {
    let tokens = "x-a,connection,,host,".repeat(1000);
    told_the_truth(&format!("Connection: {tokens}\r\n"));
}

/// CVE-2026-33433 = GHSA-qr99-7898-vr7c and CVE-2026-54763 = GHSA-x677-9fxg-v5c5 (Traefik), CVE-2025-64484
/// (oauth2-proxy), GHSA-7r4p-vjf4-gxv4 and GHSA-f59h-q822-g45g (Caddy): a client says who it is in a spelling that the
/// proxy does not remove and the backend takes for the real one. CGI and Rack fold `_` and `-` into one.
#[test]
fn no_spelling_of_an_identity_field_passes() {
    let names = [
        "X-Forwarded-User",
        "x-forwarded-user",
        "X-FORWARDED-USER",
        "X_Forwarded_User",
        "X-Forwarded_User",
        "x.forwarded.user",
        "X-Forwarded.User",
        "X-Forwarded-Preferred-Username",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Remote-User",
        "X_Remote_User",
        "Remote-User",
        "REMOTE_USER",
        "Remote.User",
        "HTTP_X_FORWARDED_USER",
        "X-Auth-User",
        "X-Auth-Request-User",
        "X.Auth.Request.Email",
        "X-WEBAUTH-USER",
        "X_WebAuth_User",
    ];
    for name in names {
        told_the_truth(&format!("{name}: root\r\n{name}: root\r\n"));
    }
}

/// CVE-2024-21494 (caddy-security), CVE-2024-47070 (authentik), CVE-2026-40575 (oauth2-proxy): what a client says of its
/// own address is taken for the truth.
#[test]
fn no_spelling_of_a_forwarding_field_passes_from_an_untrusted_peer() {
    for line in [
        "X-Forwarded-For: 6.6.6.6\r\n",
        "X-FORWARDED-FOR: 6.6.6.6\r\nx-forwarded-for: 6.6.6.6\r\n",
        "X_Forwarded_For: 6.6.6.6\r\n",
        "X.Forwarded.For: 6.6.6.6\r\n",
        "X-Forwarded-Host: evil\r\n",
        "X_Forwarded-Host: evil\r\n",
        "X-Forwarded-Proto: evil\r\n",
        "X-Forwarded-Server: evil\r\nX-Forwarded-Port: 6.6.6.6\r\nX-Forwarded-Prefix: /evil\r\nX-Forwarded-Uri: /evil\r\n",
        "X-Real-IP: 6.6.6.6\r\n",
        "X_Real_IP: 6.6.6.6\r\n",
        "Forwarded: for=6.6.6.6;host=evil;proto=https\r\n",
    ] {
        told_the_truth(line);
    }
}

/// oauth2-proxy#3506 (the incomplete fix of CVE-2026-40575) and nginx's `underscores_in_headers`: a name with `_` is
/// never the name with `-`, so none is passed at all.
#[test]
fn no_name_with_an_underscore_passes() {
    let (catcher, gate) = pair("");
    let fields =
        "X_Anything: 1\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\nHost_: evil\r\n_: 1\r\nX-Kept: 1\r\n";
    assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{fields}")).status, 200);
    let seen = only(&catcher);
    let names: Vec<_> = seen.lines.iter().map(|line| line.split(|byte| *byte == b':').next().unwrap()).collect();
    assert!(names.iter().all(|name| !name.contains(&b'_')), "{:?}", seen.lines);
    assert_eq!(seen.values("x-kept"), ["1"]);
}

/// Traefik's GHSA-v67p-phpq-fc8x = CVE-2026-88004: identity fields in the trailers of a chunked body.
#[test]
fn trailers_of_a_request_reach_nobody() {
    for config in ["", "upstream.catcher = \"generic\""] {
        let (catcher, gate) = pair(config);
        let request = format!(
            "POST /messages HTTP/1.1\r\nHost: dev.test:8080\r\n{AS_ANNA}Transfer-Encoding: chunked\r\n\
             Trailer: X-Forwarded-User\r\nTE: trailers\r\n\r\n2\r\n{{}}\r\n0\r\nX-Forwarded-User: root\r\n\
             Host: evil\r\nX-Late: 1\r\n\r\n"
        );
        let answer = sent(&gate, request).unwrap();
        for seen in catcher.requests() {
            assert_eq!(seen.values("x-forwarded-user"), ["anna"], "{config}");
            assert_eq!(seen.values("host"), ["dev.test:8080"], "{config}");
            assert!(seen.values("x-late").is_empty() && seen.values("trailer").is_empty(), "{config}");
            assert_eq!(seen.body, b"{}");
        }
        let (status, requests) = if config.is_empty() { (405, 0) } else { (404, 1) };
        assert_eq!((answer.status, catcher.requests().len()), (status, requests), "{config}");
    }
}

/// Traefik's `removeHeader`, off by default, and every guide's nginx block: the password is sent on to the backend.
#[test]
fn the_password_never_reaches_the_catcher() {
    for config in ["", "upstream.catcher = \"generic\""] {
        let (catcher, gate) = pair(config);
        let fields = format!("{AS_ANNA}Proxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n");
        assert_eq!(gate.connect().request("GET /messages", &fields).status, 200);
        for line in &only(&catcher).lines {
            let line = String::from_utf8_lossy(line);
            assert!(!line.to_lowercase().contains("authorization") && !line.contains("YW5uYTpzZWNyZXQ"), "{line}");
        }
    }
}

/// Cookies ignore ports (RFC 6265 section 8.5): MailCatcher, which has none, would be sent those of every other program
/// on the host.
#[test]
fn cookies_are_not_sent_to_mailcatcher() {
    let (catcher, gate) = pair("");
    let cookies = "Cookie: session=other\r\ncookie: mailwarden_8080=x\r\nCOOKIE: a=b\r\n";
    assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{cookies}")).status, 200);
    assert!(only(&catcher).values("cookie").is_empty());
}

/// MailCatcher fact 18 and hyper, which forwards it: `Expect` is between the client and the gate.
#[test]
fn expect_is_answered_here_after_the_password_and_never_sent_on() {
    let (catcher, gate) = pair("upstream.catcher = \"generic\"");
    let head = |fields: &str| {
        format!("POST /x HTTP/1.1\r\nHost: dev.test:8080\r\nContent-Length: 5\r\nExpect: 100-continue\r\n{fields}\r\n")
    };
    // Without the password the first thing that comes is the refusal.
    assert_eq!(sent(&gate, head("")).unwrap().status, 401);
    assert!(catcher.requests().is_empty());

    let mut client = gate.connect();
    client.send(head(AS_ANNA));
    assert_eq!(client.answer().status, 100);
    client.send("hello");
    assert_eq!(client.answer().status, 404, "the catcher's answer");
    let seen = only(&catcher);
    assert_eq!((seen.values("expect").len(), &seen.body[..]), (0, &b"hello"[..]));
}

/// RFC 9110 section 10.1.1: an expectation that nobody knows is refused, not ignored.
#[test]
fn another_expectation_is_417() {
    let (catcher, gate) = pair("");
    for line in ["Expect: 200-ok\r\n", "Expect: 100-continue\r\nExpect: more\r\n", "Expect: 100-continue, more\r\n"] {
        assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{line}")).status, 417, "{line}");
    }
    super::untouched(&catcher, "an expectation");
}
