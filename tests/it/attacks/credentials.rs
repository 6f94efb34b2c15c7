//! Where credentials are, and are not, taken from.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::{pair, sent, untouched};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::tools::{login, made_by};

/// static-web-server let `OPTIONS` pass without a password, and many a proxy some path: no method and no path does here.
#[test]
fn no_method_and_no_path_goes_without_the_password() {
    for config in ["", "upstream.catcher = \"generic\""] {
        let (catcher, gate) = pair(config);
        for method in
            ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "PURGE", "get", "QUERY", "A"]
        {
            for path in [
                "/",
                "/messages",
                "/messages/1.json",
                "/assets/mailcatcher.js",
                "/favicon.ico",
                "/robots.txt",
                "/.well-known/acme-challenge/x",
                "/.mailwarden/x",
                "/health",
                "/healthz",
                "/livez",
                "/ping",
                "/metrics",
                "/nothing",
                "/messages/1abc",
                "/%2F",
                "/\\",
            ] {
                let answer = gate.connect().request(&format!("{method} {path}"), "");
                assert_eq!(answer.status, 401, "{method} {path}");
            }
        }
        untouched(&catcher, config);
    }
}

/// A preflight (fetch, CORS) is no exception, and no answer of ours opens one.
#[test]
fn a_preflight_needs_the_password_and_is_granted_nothing() {
    let (catcher, gate) = pair("");
    let preflight = "Origin: http://evil.test\r\nAccess-Control-Request-Method: DELETE\r\n\
                     Access-Control-Request-Headers: authorization\r\n";
    for (credentials, status) in [("", 401), (AS_ANNA, 405)] {
        let answer = gate.connect().request("OPTIONS /messages", &format!("{credentials}{preflight}"));
        assert_eq!(answer.status, status);
        assert!(!answer.head.to_lowercase().contains("access-control"), "{}", answer.head);
    }
    untouched(&catcher, "a preflight");
}

/// GHSA-5hvv-m4w4-gf6v (oauth2-proxy: a health checker's `User-Agent` passed), CVE-2026-41059 (oauth2-proxy: a `#fragment`
/// passed): nothing but a password opens.
#[test]
fn nothing_but_a_password_opens() {
    let (catcher, gate) = pair("");
    for fields in [
        "User-Agent: GoogleHC/1.0\r\n",
        "User-Agent: kube-probe/1.31\r\n",
        "User-Agent: ELB-HealthChecker/2.0\r\n",
        "User-Agent: Prometheus/2.0\r\nX-Prometheus-Scrape-Timeout-Seconds: 1\r\n",
        "X-Forwarded-User: anna\r\n",
        "X-Remote-User: anna\r\nRemote-User: anna\r\nX-WEBAUTH-USER: anna\r\n",
        "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\n",
        "X-Original-URL: /ping\r\nX-Rewrite-URL: /ping\r\nX-Forwarded-Uri: /ping\r\n",
        "Cookie: mailwarden_8080=x; session=anna\r\n",
        "Proxy-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n",
        "X-Authorization: Basic YW5uYTpzZWNyZXQ=\r\n",
        "Authorization_: Basic YW5uYTpzZWNyZXQ=\r\n",
        "X-HTTP-Method-Override: OPTIONS\r\n",
        "Sec-WebSocket-Protocol: Basic YW5uYTpzZWNyZXQ=\r\n",
        "Upgrade-Insecure-Requests: 1\r\nPurpose: prefetch\r\n",
    ] {
        assert_eq!(gate.connect().request("GET /messages", fields).status, 401, "{fields}");
    }
    for target in [
        "/messages#/ping",
        "/ping#/messages",
        "/messages?user=anna&password=secret",
        "/messages?access_token=YW5uYTpzZWNyZXQ=",
        "http://anna:secret@dev.test/messages",
    ] {
        let answer = sent(&gate, format!("GET {target} HTTP/1.1\r\nHost: dev.test\r\n\r\n")).unwrap();
        assert_eq!(answer.status, 401, "{target}");
    }
    let trailers = "GET /messages HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n";
    let trailers = format!("{trailers}0\r\n{AS_ANNA}\r\n");
    assert_eq!(sent(&gate, trailers).unwrap().status, 401);
    untouched(&catcher, "no password");
}

/// Envoy's `basic_auth_filter.cc` wants `Basic` in that case; RFC 9110 section 11.1 wants any.
#[test]
fn the_scheme_is_known_in_every_case_and_spacing() {
    let (_catcher, gate) = pair("");
    for value in [
        "Basic YW5uYTpzZWNyZXQ=",
        "basic YW5uYTpzZWNyZXQ=",
        "BASIC YW5uYTpzZWNyZXQ=",
        "bAsIc   YW5uYTpzZWNyZXQ=",
        "Basic YW5uYTpzZWNyZXQ=   ",
        "Basic YW5uYTpzZWNyZXQ",
    ] {
        assert_eq!(
            gate.connect().request("GET /messages", &format!("AUTHORIZATION: {value}\r\n")).status,
            200,
            "{value}"
        );
    }
}

/// What carries no user and password is no login, whatever it is: other schemes, half tokens, no colon.
#[test]
fn what_is_not_basic_credentials_is_401() {
    let (catcher, gate) = pair("");
    let token = |pair: &[u8]| format!("Basic {}", STANDARD.encode(pair));
    for value in [
        "Bearer YW5uYTpzZWNyZXQ=".to_owned(),
        "Digest username=\"anna\", response=\"secret\"".to_owned(),
        "Negotiate YW5uYTpzZWNyZXQ=".to_owned(),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "BasicYW5uYTpzZWNyZXQ=".to_owned(),
        "Basic: YW5uYTpzZWNyZXQ=".to_owned(),
        "Basic anna:secret".to_owned(),
        "Basic YW5uYTpzZWNyZXQ= YW5uYTpzZWNyZXQ=".to_owned(),
        "Basic YW5uYTpzZWNyZXQ=, Bearer x".to_owned(),
        "Basic YW5u_TpzZWNyZXQ=".to_owned(),
        "Basic %59W5uYTpzZWNyZXQ=".to_owned(),
        "YW5uYTpzZWNyZXQ=".to_owned(),
        String::new(),
        token(b"annasecret"),
        token(b"anna"),
        token(b":secret"),
        token(b":"),
        token(b""),
        token(b"anna:secret\0"),
        token(b"anna\0:secret"),
        token(b"anna:secret\n"),
        token(b"anna :secret"),
        token(b" anna:secret"),
        token(b"ANNA:secret"),
        token(b"anna:Secret"),
        token(b"anna::secret"),
        token(b"anna:secret:"),
        token("anna\u{200b}:secret".as_bytes()),
    ] {
        let answer = gate.stranger().request("GET /messages", &format!("Authorization: {value}\r\n"));
        assert_eq!(answer.status, 401, "{value}");
        assert!(answer.field("www-authenticate").unwrap().starts_with("Basic realm="), "{value}");
    }
    untouched(&catcher, "no credentials");
}

/// A line without a colon is no header field, `Authorization` or not.
#[test]
fn an_authorization_line_without_a_colon_is_no_request() {
    let (catcher, gate) = pair("");
    let answer =
        sent(&gate, "GET /messages HTTP/1.1\r\nHost: a\r\nAuthorization Basic YW5uYTpzZWNyZXQ=\r\n\r\n").unwrap();
    assert_eq!(answer.status, 400);
    untouched(&catcher, "no colon");
}

/// Which of two lines counts is what two programs disagree about, so neither does.
#[test]
fn two_authorization_lines_are_none() {
    let (catcher, gate) = pair("");
    let wrong = "Authorization: Basic YW5uYTp3cm9uZw==\r\n";
    for fields in [
        format!("{AS_ANNA}{wrong}"),
        format!("{wrong}{AS_ANNA}"),
        format!("{AS_ANNA}{AS_ANNA}"),
        format!("{AS_ANNA}X-Between: 1\r\nauthorization: Bearer x\r\n"),
    ] {
        assert_eq!(gate.connect().request("GET /messages", &fields).status, 401, "{fields}");
    }
    untouched(&catcher, "two lines");
}

/// maildev's `server.ts` splits at every colon, and so lets in whoever knows the password up to its first one.
#[test]
fn a_password_goes_on_after_a_colon() {
    let catcher = Catcher::start(Options::default());
    let users = made_by("htpasswd", &["-nbs", "anna", "se:cr:et"], "");
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    for (password, status) in [("se:cr:et", 200), ("se", 401), ("se:cr", 401), ("se:cr:et:", 401), ("cr:et", 401)] {
        assert_eq!(gate.stranger().request("GET /", &login("anna", password)).status, status, "{password}");
    }
}

/// RFC 7617 section 2.1: UTF-8, as the challenge says; and the bytes of an old client that knows only Latin-1 are not
/// made into anything else.
#[test]
fn names_and_passwords_are_bytes() {
    let catcher = Catcher::start(Options::default());
    let users = made_by("htpasswd", &["-nbs", "m\u{fc}ller", "gr\u{fc}n\u{1f511}"], "");
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    let status = |user: &[u8], password: &[u8]| gate.stranger().request("GET /", &login(user, password)).status;
    assert_eq!(status("m\u{fc}ller".as_bytes(), "gr\u{fc}n\u{1f511}".as_bytes()), 200);
    assert_eq!(status(b"m\xfcller", "gr\u{fc}n\u{1f511}".as_bytes()), 401);
    assert_eq!(status("mu\u{308}ller".as_bytes(), "gr\u{fc}n\u{1f511}".as_bytes()), 401);
    assert_eq!(status("m\u{fc}ller".as_bytes(), b"gr\xfcn\xf0\x9f\x94\x91"), 401);
    assert_eq!(status(b"\xff\xfe", b"\xff"), 401);
}

/// sozu's `basic_auth_max_credential_bytes`: 4 KiB, before anything is decoded. And a password of more than 512 bytes is
/// not hashed at all: SHA-crypt takes a second for 24,000 bytes.
#[test]
fn long_credentials_are_refused_before_they_cost_anything() {
    let catcher = Catcher::start(Options::default());
    let fits = "p".repeat(512);
    let over = "p".repeat(513);
    let sha = |user: &str, password: &str| made_by("htpasswd", &["-nbs", user, password], "");
    let htpasswd_takes = 255;
    let users = format!("{}\n{}", ANNA.trim(), sha("short", &"p".repeat(htpasswd_takes)));
    // htpasswd itself stops at 255; the digests of longer ones are as good.
    let digest = |password: &str| {
        let hex = made_by("openssl", &["dgst", "-sha1", "-r"], password);
        let bytes: Vec<u8> = (0..40).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        STANDARD.encode(bytes)
    };
    let users = format!("{users}\nfits:{{SHA}}{}\nover:{{SHA}}{}\n", digest(&fits), digest(&over));
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    let status = |user: &str, password: &str| gate.stranger().request("GET /", &login(user, password)).status;
    assert_eq!(status("short", &"p".repeat(htpasswd_takes)), 200);
    assert_eq!(status("fits", &fits), 200);
    assert_eq!(status("over", &over), 401, "over 512 bytes");
    assert_eq!(status("anna", &"p".repeat(24_000)), 401);

    // Exactly 4096 bytes of a header value are still read, one more is not.
    let padded = |length: usize| {
        let value = format!("Basic{}YW5uYTpzZWNyZXQ=", " ".repeat(length - 21));
        assert_eq!(value.len(), length);
        gate.connect().request("GET /", &format!("Authorization: {value}\r\n")).status
    };
    assert_eq!((padded(4096), padded(4097)), (200, 401));
    gate.access_line(|line| line.contains("status=401 auth=malformed"));
}

/// CVE-2025-22228 (Spring), the Okta cache of 2024: bcrypt hears 72 bytes. Within one program the first 72 are the password,
/// as in every htpasswd; what must not be is that a name, a salt or a NUL takes their place.
#[test]
fn bcrypts_72_bytes_and_nul_open_no_other_door() {
    let catcher = Catcher::start(Options::default());
    let long = "x".repeat(72);
    let users = format!(
        "{}\n{}\n",
        made_by("htpasswd", &["-nbBC", "4", "long", &long], ""),
        made_by("htpasswd", &["-nbBC", "4", "short", "abc"], "")
    );
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    let status = |user: &str, password: &[u8]| gate.stranger().request("GET /", &login(user, password)).status;
    assert_eq!(status("long", long.as_bytes()), 200);
    assert_eq!(status("long", &long.as_bytes()[..71]), 401);
    assert_eq!(status("short", b"abc"), 200);
    for wrong in [&b"abc\0"[..], b"abc\0def", b"abc\0abc", b"", b"\0", b"abcabc", b"ab"] {
        assert_eq!(status("short", wrong), 401, "{wrong:?}");
    }
    // A long name must not push the password out of what is remembered or compared.
    assert_eq!(status(&"long".repeat(60), long.as_bytes()), 401);
    assert_eq!(status("long", format!("{}y", &long[..71]).as_bytes()), 401);
}

/// GHSA-6765-c87h-8mrf: keys of a cache put together without lengths, so that `ann` with `a:secret` was `anna`.
#[test]
fn what_is_remembered_of_one_pair_opens_no_other() {
    let catcher = Catcher::start(Options::default());
    let users = format!("{ANNA}{}\n", made_by("htpasswd", &["-nbs", "ann", "other"], ""));
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    let status = |user: &str, password: &str| gate.stranger().request("GET /", &login(user, password)).status;
    for _ in 0..2 {
        assert_eq!(status("anna", "secret"), 200);
        assert_eq!(status("ann", "asecret"), 401);
        assert_eq!(status("ann", "a:secret"), 401);
        assert_eq!(status("annas", "ecret"), 401);
        assert_eq!(status("ann", "secret"), 401);
        assert_eq!(status("anna", "other"), 401);
    }
}

/// CVE-2026-41263 = GHSA-6x2q-h3cr-8j2h (Traefik): the hash for unknown users was an empty one. No name without a line
/// opens, with any password at all.
#[test]
fn a_name_without_a_line_never_opens() {
    let (catcher, gate) = pair("");
    for user in ["", "root", "admin", "anna2", "ann", "*", "%", "anna\u{301}", "{SHA}", "#"] {
        for password in ["", "secret", "5en6G6MezRroT3XKqkdPOmY/BfQ=", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="] {
            assert_eq!(gate.stranger().request("GET /", &login(user, password)).status, 401, "{user}:{password}");
        }
    }
    let unpadded = format!("Authorization: Basic {}\r\n", STANDARD_NO_PAD.encode("root:secret"));
    assert_eq!(gate.connect().request("GET /", &unpadded).status, 401);
    untouched(&catcher, "an unknown user");
}
