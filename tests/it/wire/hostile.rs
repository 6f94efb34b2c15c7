//! Requests as nobody should send them, by chance: what proptest draws them from.

use proptest::prelude::*;
use proptest::sample::select;

use crate::support::gate::AS_ANNA;
use crate::support::http2::frames::{DATA, END_HEADERS, END_STREAM, Frame, HEADERS, block};
use crate::upgrade::HANDSHAKE;

/// A connection's worth of bytes for a catcher below `prefix`: some requests behind one another, and what follows them.
pub(super) fn bytes(prefix: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let tail = prop_oneof![
        8 => Just(Vec::new()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => Just(b"GET / HTTP/1.1\r\nHost: x".to_vec()),
    ];
    (proptest::collection::vec(request(prefix), 1..4), tail)
        .prop_map(|(requests, tail)| [requests.concat(), tail].concat())
}

fn request(prefix: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let line = (method(), target(prefix), version()).prop_map(|(method, target, version)| {
        [method.as_bytes(), b" ", &target, b" ", version.as_bytes(), b"\r\n"].concat()
    });
    let list = format!("GET {prefix}/messages HTTP/1.1\r\n").into_bytes();
    let line = prop_oneof![10 => line, 3 => Just(list)];
    let usual = prop_oneof![
        12 => Just(format!("Host: dev.test:8080\r\n{AS_ANNA}")),
        5 => Just(format!("Host: dev.test:8080\r\n{AS_ANNA}{HANDSHAKE}")),
        1 => Just("Host: dev.test\r\n".to_owned()),
        1 => Just(AS_ANNA.to_owned()),
        1 => Just(format!("Host: a\r\nHost: b\r\n{AS_ANNA}")),
    ];
    let fields = proptest::collection::vec(prop_oneof![30 => odd_field(), 8 => any_field(), 1 => fatal_field()], 0..6);
    let line_ends = prop_oneof![60 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    (line, usual, fields, framed_body(), line_ends).prop_map(|(line, usual, fields, (framing, body), end)| {
        let head = [&line[..], usual.as_bytes(), &fields.concat(), framing.as_bytes(), b"\r\n"].concat();
        // Line ends of another kind, all through the head.
        let mut head = head;
        if end != "\r\n" {
            head = String::from_utf8_lossy(&head).replace("\r\n", end).into_bytes();
        }
        [head, body].concat()
    })
}

/// A connection's worth of frames for the same, behind the preface and the settings: some requests on streams 1, 3 and so
/// on. How many there are comes with them.
pub(super) fn frames(prefix: &'static str) -> impl Strategy<Value = (Vec<u8>, u32)> {
    proptest::collection::vec(stream(prefix), 1..5).prop_map(|streams| {
        let number = |at: usize| at as u32 * 2 + 1;
        let count = streams.len() as u32;
        let all = streams.into_iter().enumerate().flat_map(|(at, (head, body))| {
            let mut bytes = Frame::new(
                HEADERS,
                if body.is_some() { END_HEADERS } else { END_HEADERS | END_STREAM },
                number(at),
                head,
            )
            .bytes();
            if let Some(body) = body {
                let (first, second) = body.split_at(body.len() / 2);
                bytes.extend(Frame::new(DATA, 0, number(at), first).bytes());
                bytes.extend(Frame::new(DATA, END_STREAM, number(at), second).bytes());
            }
            bytes
        });
        (all.collect(), count)
    })
}

/// A head's block, and a body if there is one.
fn stream(prefix: &'static str) -> impl Strategy<Value = (Vec<u8>, Option<Vec<u8>>)> {
    let list = format!("{prefix}/messages").into_bytes();
    let asked = prop_oneof![10 => (method(), target(prefix)), 3 => Just(("GET".to_owned(), list))];
    let scheme = prop_oneof![9 => Just("https"), 1 => select(&["http", "ftp", ""][..])];
    let names = select(
        &[
            ":authority: dev.test:8080\r\n",
            ":authority: dev.test:8080\r\n",
            ":authority: dev.test:8080\r\n",
            ":authority: dev.test:8080\r\nhost: dev.test:8080\r\n",
            ":authority: dev.test:8080\r\nhost: evil\r\n",
            "host: dev.test:8080\r\n",
            ":authority: u:p@dev.test\r\n",
            "",
        ][..],
    );
    let usual = prop_oneof![20 => Just(AS_ANNA), 1 => Just("")];
    let protocol = prop_oneof![9 => Just(None), 6 => Just(Some("websocket")), 1 => Just(Some("connect-udp"))];
    let fields = proptest::collection::vec(prop_oneof![30 => odd_field(), 8 => any_field(), 1 => fatal_field()], 0..4);
    let body = prop_oneof![
        12 => Just((None, "")),
        3 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(|body| (Some(body), "")),
        1 => Just((Some(b"hello".to_vec()), "content-length: 5\r\n")),
        1 => Just((Some(b"hello".to_vec()), "content-length: 7\r\n")),
        1 => Just((Some(b"hello".to_vec()), "content-length: 3\r\n")),
    ];
    (asked, scheme, names, usual, protocol, fields, body).prop_map(
        |((method, target), scheme, names, usual, protocol, fields, (body, length))| {
            let pair = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
            let method = if protocol.is_some() { "CONNECT" } else { &method };
            let mut all = vec![pair(":method", method.as_bytes()), pair(":scheme", scheme.as_bytes())];
            all.push(pair(":path", &target));
            if let Some(protocol) = protocol {
                all.extend([pair(":protocol", protocol.as_bytes()), pair("sec-websocket-version", b"13")]);
            }
            let lines = [names.as_bytes(), usual.as_bytes(), &fields.concat(), length.as_bytes()].concat();
            for line in lines.split(|byte| *byte == b'\n') {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let at = line.iter().skip(1).position(|byte| *byte == b':').map(|at| at + 1);
                let Some((name, value)) = at.map(|at| (&line[..at], line[at + 1..].trim_ascii())) else { continue };
                let name = name.to_ascii_lowercase();
                // What HTTP/2 does not have at all is left out of most, or none would be left.
                let is_gone = matches!(
                    &name[..],
                    b"connection" | b"upgrade" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
                );
                // Without a line that names it, this one is like any other.
                let is_nominated = name == b"x-nominated";
                if !is_nominated && (!is_gone || value.len() % 8 == 1) {
                    all.push((name, value.to_vec()));
                }
            }
            all.sort_by_key(|(name, _)| !name.starts_with(b":"));
            (block(&all), body)
        },
    )
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => Just("GET".to_owned()),
        2 => Just("HEAD".to_owned()),
        8 => Just("DELETE".to_owned()),
        3 => select(&["POST", "PUT", "PATCH", "OPTIONS", "CONNECT", "TRACE", "get", "Delete", "PROPFIND", "BREW"][..])
            .prop_map(str::to_owned),
        1 => "[!#$%&'*+.^_`|~A-Za-z0-9-]{1,12}",
    ]
}

fn version() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => Just("HTTP/1.1".to_owned()),
        2 => Just("HTTP/1.0".to_owned()),
        1 => select(&["HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/1.1 ", ""][..]).prop_map(str::to_owned),
    ]
}

/// Pieces of paths, in the spellings by which programs have been led astray, put together.
fn target(prefix: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let piece = select(
        &[
            "/",
            "/",
            "/",
            "//",
            "/./",
            "/..",
            "/../",
            "%2e",
            "%2E%2e",
            "%2F",
            "%2f",
            "%5c",
            "\\",
            "/messages",
            "/messages/",
            "/mail",
            "/assets/",
            "/favicon.ico",
            "/parts/",
            "1",
            "12",
            "007",
            "1abc",
            "99999999999999999999",
            ".json",
            ".html",
            ".eml",
            ".",
            "..",
            "x",
            "a@b",
            ";a=b",
            "%00",
            "%0d%0a",
            "%c3%a4",
            "\u{e4}",
            "%zz",
            "%",
            "?a=b",
            "?\u{e4}",
            "#f",
            "/.mailwarden/",
            "/%6dessages",
            "/MESSAGES",
            "~",
            "%41",
            "+",
        ][..],
    );
    let path = proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat());
    let usual = select(
        &[
            "/",
            "/messages",
            "/messages/1.json",
            "/messages/1.html",
            "/messages/7",
            "/messages/1/parts/a@b",
            "/messages/1/parts/a%2fb",
            "/assets/mailcatcher.js",
            "/favicon.ico",
            "/mail/",
            "/mail/messages",
        ][..],
    );
    prop_oneof![
        9 => usual.prop_map(move |path| [prefix, path].concat().into_bytes()),
        4 => path.clone().prop_map(|path| format!("/{path}").into_bytes()),
        1 => path.clone().prop_map(String::into_bytes),
        1 => (select(&["http", "https", "HTTP", "ftp"][..]), select(&["dev.test:8080", "u:p@dev.test", "[::1]:1", "evil", ""][..]), path)
            .prop_map(|(scheme, host, path)| format!("{scheme}://{host}{path}").into_bytes()),
        1 => select(&["*", "dev.test:1080", "", "/ /", "/\t"][..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..20).prop_map(|bytes| [b"/".to_vec(), bytes].concat()),
    ]
}

/// Fields that have meant something else to the next program.
fn odd_field() -> impl Strategy<Value = Vec<u8>> {
    select(
        &[
            "Connection: close\r\n",
            "Connection: keep-alive, X-Nominated, Host, X-Forwarded-User\r\nX-Nominated: 1\r\n",
            "Connection: close\r\nConnection: x-nominated, x-forwarded-for, content-length\r\nX-Nominated: 1\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: x\r\n",
            "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
            "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Accept: y\r\n",
            "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n",
            "TE: trailers\r\nTrailer: X-Forwarded-User\r\n",
            "Expect: 100-continue\r\n",
            "X-Forwarded-User: root\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Prefix: /x\r\n",
            "X_Forwarded_User: root\r\nX-Forwarded_User: root\r\nx.forwarded.user: root\r\nRemote-User: root\r\n",
            "X-Auth-Request-User: root\r\nX-WEBAUTH-USER: root\r\nX-Remote-User: root\r\nForwarded: for=1.2.3.4\r\n",
            "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\n",
            "X-Original-URL: /\r\nX-Rewrite-URL: /\r\nProxy: http://evil\r\nProxy-Authorization: Basic eA==\r\n",
            "Cookie: a=b; mailwarden_8080=x\r\nCookie: c=d\r\n",
            "Origin: http://dev.test:8080\r\nReferer: http://dev.test:8080/\r\n",
            "Origin: http://evil.test\r\n",
            "Sec-Fetch-Site: cross-site\r\n",
            "X-Raw: \u{e4}\u{20ac}\r\n",
            "X-Tab: \ta\tb \r\n",
            "X-Empty:\r\n",
            "Accept: text/html\r\nAccept-Encoding: gzip\r\nX-Requested-With: XMLHttpRequest\r\n",
            "Range: bytes=0-9\r\nIf-Modified-Since: Mon, 23 Nov 2026 00:00:00 GMT\r\n",
        ][..],
    )
    .prop_map(|field| field.as_bytes().to_vec())
}

/// Fields that a request does not survive, as far as they can be told from those above.
fn fatal_field() -> impl Strategy<Value = Vec<u8>> {
    select(
        &[
            "X-Folded: a\r\n b\r\n",
            "X-Folded: a\r\n\tTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            " Leading: 1\r\n",
            "Host: evil\r\n",
            "Content-Length: 5\r\n",
            "Content-Length: +5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "No colon\r\n",
            ": no name\r\n",
            "X-Nul: a\0b\r\n",
            "X-CR: a\rb\r\n",
            "Expect: 200-ok\r\n",
        ][..],
    )
    .prop_map(|field| field.as_bytes().to_vec())
}

/// Any name with any value.
fn any_field() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![9 => "[A-Za-z][A-Za-z0-9_.-]{0,12}", 1 => "[ -~]{0,8}"];
    let value = prop_oneof![
        9 => "[ -~]{0,16}".prop_map(String::into_bytes),
        9 => proptest::collection::vec(0x80u8.., 0..12),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
    ];
    (name, value)
        // Wrong passwords are answered late, and are somebody else's test.
        .prop_filter("no other credentials", |(name, _)| !name.trim().eq_ignore_ascii_case("authorization"))
        .prop_map(|(name, value)| [name.as_bytes(), b": ", &value, b"\r\n"].concat())
}

/// The fields of a framing and a body that may keep to it.
fn framed_body() -> impl Strategy<Value = (String, Vec<u8>)> {
    const INNER: &str =
        "DELETE /messages/666 HTTP/1.1\r\nHost: dev.test\r\nAuthorization: Basic YW5uYTpzZWNyZXQ=\r\n\r\n";
    let body = prop_oneof![
        Just(INNER.as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(b"{}".to_vec())
    ];
    let chunked = |body: &[u8], extension: &str, trailer: &str| {
        let (first, second) = body.split_at(body.len() / 2);
        let chunk = |data: &[u8]| match data.len() {
            0 => Vec::new(),
            length => [format!("{length:x}{extension}\r\n").as_bytes(), data, b"\r\n"].concat(),
        };
        [chunk(first), chunk(second), format!("0\r\n{trailer}\r\n").into_bytes()].concat()
    };
    let extension = select(&["", "", "", ";a=b", ";a=\"b\"", " ;x", ";a\n"][..]);
    let trailer = select(&["", "", "X-Forwarded-User: root\r\n", "Content-Length: 3\r\n", "No colon\r\n"][..]);
    (body, extension, trailer, 0..32u8).prop_map(move |(body, extension, trailer, kind)| match kind {
        0..=16 => (String::new(), Vec::new()),
        17..=22 => (format!("Content-Length: {}\r\n", body.len()), body),
        23..=28 => ("Transfer-Encoding: chunked\r\n".to_owned(), chunked(&body, extension, trailer)),
        29 => (
            format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", body.len()),
            chunked(&body, extension, trailer),
        ),
        30 => (format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", body.len()), body),
        _ => (format!("Content-Length: {}\r\n", body.len() + 3), body),
    })
}
