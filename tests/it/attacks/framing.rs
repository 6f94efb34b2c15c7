//! One request that two programs read as two, or as another one.

use super::{only, pair, sent, untouched};
use crate::support::catcher::Script;
use crate::support::gate::{AS_ANNA, Gate};

/// What would be done to the catcher if the gate, or the catcher, took it for a request.
fn smuggled() -> String {
    format!("DELETE /messages/1 HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n")
}

/// A request whose head ends with these lines, each with its line end.
fn get(fields: &str) -> String {
    format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}{fields}\r\n")
}

/// Claims that these bytes are refused with 400 and the connection ended, before the catcher hears of anything.
fn refused_and_ended(gate: &Gate, bytes: &[u8]) {
    let shown = String::from_utf8_lossy(bytes);
    let mut client = gate.connect();
    client.send(bytes);
    let answer = client.try_answer(false).unwrap_or_else(|| panic!("no answer to {shown:?}"));
    assert_eq!(answer.status, 400, "{shown:?}");
    assert!(client.is_ended(), "{shown:?}: a second answer: {:?}", String::from_utf8_lossy(&client.rest()));
}

/// MailCatcher fact 1 (thin): it takes `Transfer-Encoding: chunked` for no body, and the chunks for the next request.
#[test]
fn a_request_inside_a_chunk_is_never_one_to_mailcatcher() {
    let (catcher, gate) = pair("");
    let inner = smuggled();
    let mut client = gate.connect();
    for method in ["GET", "DELETE"] {
        client.send(format!(
            "{method} /messages/7 HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Transfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{inner}\r\n0\r\n\r\n",
            inner.len()
        ));
        assert_eq!(client.answer().status, 404, "{method}");
    }
    // On the same connections, both sides are where they should be.
    assert_eq!(client.request("GET /messages/1.plain", AS_ANNA).status, 200);
    assert_eq!(catcher.message_ids(), [1]);
    for seen in catcher.requests() {
        assert_eq!(seen.values("transfer-encoding").len() + seen.values("content-length").len(), 0);
        assert!(seen.body.is_empty());
    }
    assert_eq!(catcher.requests().len(), 2, "one DELETE for /messages/7 and one GET");
}

/// The same to a catcher that takes bodies, and as blindly: it gets a length and no chunks.
#[test]
fn a_chunked_body_reaches_a_generic_catcher_with_a_length() {
    let (catcher, gate) = pair("upstream.catcher = \"generic\"");
    let inner = smuggled();
    let mut client = gate.connect();
    client.send(format!(
        "POST /x HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Transfer-Encoding: chunked\r\n\r\n{:x};ext=\"1\"\r\n{inner}\r\n0\r\n\r\n",
        inner.len()
    ));
    assert_eq!(client.answer().status, 404);
    let seen = only(&catcher);
    assert_eq!(seen.values("content-length"), [inner.len().to_string()]);
    assert!(seen.values("transfer-encoding").is_empty());
    assert_eq!(seen.body, inner.as_bytes());
    assert_eq!(catcher.message_ids(), [1]);
}

/// hyper#4123, hyper#3860, sozu#726: both framings at once. The transfer coding counts, the length goes, and what follows
/// on the connection is not read at all.
#[test]
fn of_length_and_chunked_the_length_never_counts() {
    for config in ["", "upstream.catcher = \"generic\""] {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        ] {
            let (catcher, gate) = pair(config);
            let mut client = gate.connect();
            client.send(format!("{}0\r\n\r\n{}", get(fields), smuggled()));
            let answer = client.answer();
            assert!([200, 400].contains(&answer.status), "{fields}");
            assert!(client.is_ended(), "{fields}: the connection went on");
            assert_eq!(catcher.message_ids(), [1], "{fields}");
            for seen in catcher.requests() {
                assert_eq!(seen.target, "/messages");
                assert!(seen.values("transfer-encoding").is_empty(), "{fields}");
                assert!(seen.values("content-length").iter().all(|length| length == "0"), "{fields}");
            }
        }
    }
}

/// RUSTSEC-2021-0078 (hyper: `+5`), CVE-2023-40225 (HAProxy: none at all): a length that one reads so and another so.
#[test]
fn a_length_that_is_no_number_or_two_numbers_is_refused() {
    let (catcher, gate) = pair("");
    for value in ["+5", "-1", "0x5", "5, 6", "5 5", "5;", "abc", "", "18446744073709551616", "5\r\nContent-Length: 6"] {
        refused_and_ended(
            &gate,
            format!("{}hello{}", get(&format!("Content-Length: {value}\r\n")), smuggled()).as_bytes(),
        );
    }
    untouched(&catcher, "a length");
}

/// RUSTSEC-2021-0020 (hyper: several lines, the first of which counted), and what hyper still does: of `gzip, chunked` it
/// undoes the chunks and forgets the rest.
#[test]
fn another_transfer_coding_than_chunked_is_refused() {
    let (catcher, gate) = pair("upstream.catcher = \"generic\"");
    for value in [
        "gzip",
        "gzip, chunked",
        "gzip\r\nTransfer-Encoding: chunked",
        "chunked, chunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked, gzip",
        "chunked\r\nTransfer-Encoding: identity",
        "identity",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        "",
    ] {
        let mut client = gate.connect();
        client.send(format!("{}0\r\n\r\n{}", get(&format!("Transfer-Encoding: {value}\r\n")), smuggled()));
        let answer = client.answer();
        assert!([400, 501].contains(&answer.status), "{value}: {}", answer.status);
        assert!(client.is_ended(), "{value}: the connection went on");
    }
    untouched(&catcher, "a transfer coding");
}

/// RUSTSEC-2026-0034 (Pingora) and RFC 9112 section 6.1: HTTP/1.0 has no transfer codings.
#[test]
fn a_transfer_coding_in_http_1_0_is_refused() {
    let (catcher, gate) = pair("");
    for fields in ["", "Connection: keep-alive\r\n", "Content-Length: 5\r\n"] {
        let request = format!(
            "GET /messages HTTP/1.0\r\n{AS_ANNA}{fields}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{}",
            smuggled()
        );
        refused_and_ended(&gate, request.as_bytes());
    }
    untouched(&catcher, "chunked in HTTP/1.0");
}

/// The chunk sizes of openlitespeed#392 and its like: signs, prefixes, overflows, line ends that are none.
#[test]
fn a_chunk_that_is_not_exactly_one_is_refused() {
    for config in ["", "upstream.catcher = \"generic\""] {
        let (catcher, gate) = pair(config);
        for body in [
            "0x3\r\nabc\r\n0\r\n\r\n",
            "+3\r\nabc\r\n0\r\n\r\n",
            "-3\r\nabc\r\n0\r\n\r\n",
            "3\nabc\r\n0\r\n\r\n",
            "3\r\nabcd\r\n0\r\n\r\n",
            "3\r\nabc0\r\n\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "\r\n3\r\nabc\r\n0\r\n\r\n",
            "g\r\nabc\r\n0\r\n\r\n",
            "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
            "3;a\nb\r\nabc\r\n0\r\n\r\n",
            "3\rabc\r\n0\r\n\r\n",
        ] {
            refused_and_ended(
                &gate,
                format!("{}{body}{}", get("Transfer-Encoding: chunked\r\n"), smuggled()).as_bytes(),
            );
        }
        untouched(&catcher, "a chunk");
    }
}

/// CVE-2023-25725 (HAProxy: a field without a name hid those behind it) and the lenient readers of RFC 9112 section 5: a
/// head that one splits otherwise.
#[test]
fn a_head_that_could_be_split_in_two_ways_is_refused() {
    let (catcher, gate) = pair("");
    for line in [
        &b"X-Folded: a\r\n b\r\n"[..],
        b"X-Folded: a\r\n\tX-Forwarded-User: root\r\n",
        b" Host: evil\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"X-Space : 1\r\n",
        b"X Space: 1\r\n",
        b"X-CR: a\rb\r\n",
        b"X-CR: a\rX-Forwarded-User: root\r\n",
        b"X-Nul: a\0b\r\n",
        b"X-Nul\0: a\r\n",
        b"X-Esc: \x1b[31m\r\n",
        b"X-Del: \x7f\r\n",
        b": empty\r\n",
        b"no colon at all\r\n",
        b"X-\xe4: 1\r\n",
        b"X(y): 1\r\n",
    ] {
        let mut bytes = format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}").into_bytes();
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
        refused_and_ended(&gate, &bytes);
    }
    untouched(&catcher, "a head");
}

#[test]
fn a_request_line_that_is_not_http_1_is_refused() {
    let (catcher, gate) = pair("");
    for line in [
        "GET /messages HTTP/1.2",
        "GET /messages HTTP/2.0",
        "GET /messages HTTP/0.9",
        "GET /messages HTTP/1.1 ",
        "GET /messages\tHTTP/1.1",
        "GET  /messages HTTP/1.1",
        "GET /messages http/1.1",
        "GET /mes sages HTTP/1.1",
        "GET /messages",
        "GET",
        "G\0T /messages HTTP/1.1",
        "GET /mess\0ages HTTP/1.1",
        "GET /mess\x1bages HTTP/1.1",
        "GET /mess\rages HTTP/1.1",
        "GE(T /messages HTTP/1.1",
    ] {
        refused_and_ended(&gate, format!("{line}\r\nHost: dev.test\r\n{AS_ANNA}\r\n").as_bytes());
    }
    untouched(&catcher, "a request line");
}

/// A line end of LF alone is allowed (RFC 9112 section 2.2) and never passed on: the catcher gets CRLF.
#[test]
fn bare_line_feeds_do_not_reach_the_catcher() {
    let (catcher, gate) = pair("");
    let answer = sent(&gate, get("X-One: 1\r\nX-Two: 2\r\n").replace("\r\n", "\n")).unwrap();
    if answer.status == 200 {
        let seen = only(&catcher);
        assert_eq!((seen.values("x-one"), seen.values("x-two")), (vec!["1".to_owned()], vec!["2".to_owned()]));
        assert!(seen.lines.iter().all(|line| !line.contains(&b'\n')), "{:?}", seen.lines);
    } else {
        assert_eq!(answer.status, 400);
    }
}

/// HTTP/2's preface with prior knowledge: no version but the two that are spoken gets past the door.
#[test]
fn the_preface_of_http_2_is_refused() {
    let (catcher, gate) = pair("");
    let mut client = gate.connect();
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    assert_eq!(client.rest(), b"", "a client that speaks HTTP/2 could not read a word");
    untouched(&catcher, "HTTP/2");
    gate.access_line(|line| line.contains("status=400") && line.contains(r#"reason="not HTTP/1""#));
}

/// RFC 9112 section 3.2; hyper passes none, and two.
#[test]
fn no_host_two_hosts_and_a_host_that_is_none_are_refused() {
    let (catcher, gate) = pair("");
    for fields in [
        "",
        "Host: dev.test\r\nHost: dev.test\r\n",
        "Host: dev.test\r\nX-Between: 1\r\nhOST: evil\r\n",
        "Host: dev.test, evil\r\n",
        "Host: dev.test evil\r\n",
        "Host: user@dev.test\r\n",
        "Host: dev.test/path\r\n",
        "Host: dev.test#x\r\n",
        "Host: dev.test\\evil\r\n",
        "Host: d\u{e9}v.test\r\n",
        "Host: \"dev.test\"\r\n",
    ] {
        let answer = sent(&gate, format!("GET /messages HTTP/1.1\r\n{AS_ANNA}{fields}\r\n")).unwrap();
        assert_eq!(answer.status, 400, "{fields:?}");
    }
    let two = format!("GET /messages HTTP/1.0\r\n{AS_ANNA}Host: a\r\nHost: b\r\n\r\n");
    assert_eq!(sent(&gate, two).unwrap().status, 400);
    untouched(&catcher, "a Host");
}

/// RFC 9112 section 3.2.2, which hyper leaves to its caller: an absolute target with one host, and a `Host` with another. The
/// target counts, for both the gate and the catcher, and its user information goes nowhere.
#[test]
fn an_absolute_target_becomes_a_path_and_its_host_the_host() {
    let (catcher, gate) = pair("");
    for target in
        ["http://dev.test:8080/messages", "http://root:evil@dev.test:8080/messages", "HTTP://dev.test:8080/messages"]
    {
        let answer = sent(&gate, format!("GET {target} HTTP/1.1\r\nHost: evil.test\r\n{AS_ANNA}\r\n")).unwrap();
        assert_eq!(answer.status, 200, "{target}");
        let seen = catcher.requests().pop().unwrap();
        assert_eq!(seen.target, "/messages", "{target}");
        assert_eq!(seen.values("host"), ["dev.test:8080"], "{target}");
        assert_eq!(seen.values("x-forwarded-host"), ["dev.test:8080"], "{target}");
        assert!(!seen.lines.iter().any(|line| String::from_utf8_lossy(line).contains("evil")), "{:?}", seen.lines);
    }
}

/// User information of a target is no login (RFC 9110 section 4.2.4).
#[test]
fn a_target_with_a_password_in_it_is_no_login() {
    let (catcher, gate) = pair("");
    let answer = sent(&gate, "GET http://anna:secret@dev.test/messages HTTP/1.1\r\nHost: dev.test\r\n\r\n").unwrap();
    assert_eq!(answer.status, 401);
    untouched(&catcher, "user information");
}

/// Traefik's CONNECT desync: forms of a target that belong to other methods, and methods that belong
/// to other programs. Refused before the password, since no password makes them better.
#[test]
fn connect_trace_and_foreign_targets_are_refused() {
    for config in ["", "upstream.catcher = \"generic\""] {
        let (catcher, gate) = pair(config);
        for (line, status) in [
            ("CONNECT dev.test:1080 HTTP/1.1", 405),
            ("CONNECT /messages HTTP/1.1", 405),
            ("TRACE / HTTP/1.1", 405),
            ("TRACE /messages HTTP/1.1", 405),
            ("GET dev.test:1080 HTTP/1.1", 400),
            ("GET messages HTTP/1.1", 400),
            ("GET * HTTP/1.1", 400),
            ("DELETE * HTTP/1.1", 400),
            ("OPTIONS * HTTP/1.1", 400),
            ("GET ftp://dev.test/messages HTTP/1.1", 400),
            ("GET unix:/run/x HTTP/1.1", 400),
            ("GET //evil.test:80@/messages HTTP/1.2", 400),
        ] {
            for credentials in ["", AS_ANNA] {
                let answer = sent(&gate, format!("{line}\r\nHost: dev.test\r\n{credentials}\r\n"));
                // A method or a target that is none at all may also end the connection with hyper's own 400.
                let got = answer.unwrap_or_else(|| panic!("{line}: no answer")).status;
                assert!(got == status || (status == 405 && got == 400), "{config} {line}: {got}");
            }
        }
        untouched(&catcher, config);
    }
}

/// RUSTSEC-2025-0037 (Pingora) and RUSTSEC-2020-0008 (hyper): a body that was not read is the next request.
#[test]
fn the_body_of_a_refused_request_is_never_the_next_request() {
    for (line, credentials, status) in [
        ("POST /messages", AS_ANNA, 405),
        ("GET /messages", "", 401),
        ("GET /messages", "Authorization: Basic YW5uYTp3cm9uZw==\r\n", 401),
        ("DELETE /", AS_ANNA, 403),
        ("GET /nothing", AS_ANNA, 404),
        ("GET /messages/1abc", AS_ANNA, 400),
        ("TRACE /", AS_ANNA, 405),
    ] {
        for expect in ["", "Expect: 100-continue\r\n", "Expect: 200-ok\r\n"] {
            let (catcher, gate) = pair("");
            let inner = smuggled();
            let mut client = gate.connect();
            client.send(format!(
                "{line} HTTP/1.1\r\nHost: dev.test\r\n{credentials}{expect}Content-Length: {}\r\n\r\n{inner}",
                inner.len()
            ));
            let refused = client.answer();
            let status = if expect.contains("200") && !line.starts_with("TRACE") { 417 } else { status };
            assert_eq!(refused.status, status, "{line} {expect}");
            // What comes now is the answer to this, or nothing; and never one to the body.
            let next = format!("GET /assets/mailcatcher.css HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n");
            if client.try_send(next).is_ok()
                && let Some(next) = client.try_answer(false)
            {
                assert_eq!(
                    (next.status, next.field("content-type").as_deref()),
                    (200, Some("text/css;charset=utf-8")),
                    "{line} {expect}"
                );
            }
            assert_eq!(catcher.message_ids(), [1], "{line} {expect}");
            assert!(catcher.requests().iter().all(|seen| seen.method == "GET"), "{line} {expect}");
        }
    }
}

#[test]
fn a_body_over_the_limit_is_413_and_never_the_next_request() {
    let (catcher, gate) = pair("limits.body = \"1KiB\"");
    let body = smuggled().repeat(100);
    for framing in [format!("Content-Length: {}\r\n\r\n{body}", body.len()), {
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    }] {
        let mut client = gate.connect();
        client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}{framing}"));
        assert_eq!(client.answer().status, 413);
        assert!(client.is_ended());
    }
    untouched(&catcher, "a large body");
}

/// MailCatcher fact 5: of pipelined requests it answers the first and drops the others. The gate asks them one by one.
#[test]
fn pipelined_requests_are_answered_in_order() {
    let (catcher, gate) = pair("");
    let paths = ["/messages", "/messages/1.plain", "/nothing", "/assets/mailcatcher.css", "/messages/1.json"];
    let all: String =
        paths.iter().map(|path| format!("GET {path} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n")).collect();
    let mut client = gate.connect();
    client.send(all);
    let answers: Vec<(u16, Option<String>)> =
        paths.iter().map(|_| client.answer()).map(|answer| (answer.status, answer.field("content-type"))).collect();
    let kind = |text: &str| Some(text.to_owned());
    assert_eq!(answers[0], (200, kind("application/json")));
    assert_eq!(answers[1].0, 200);
    assert!(answers[1].1.as_deref().unwrap().starts_with("text/plain"));
    assert_eq!(answers[2], (404, kind("text/plain; charset=utf-8")));
    assert_eq!(answers[3].0, 200);
    assert_eq!(answers[4], (200, kind("application/json")));
    let seen: Vec<String> = catcher.requests().into_iter().map(|seen| seen.target).collect();
    assert_eq!(seen, ["/messages", "/messages/1.plain", "/assets/mailcatcher.css", "/messages/1.json"]);
}

/// A second user behind the same connection is asked for his own password: nothing is remembered by connection.
#[test]
fn credentials_are_of_a_request_and_not_of_a_connection() {
    let (catcher, gate) = pair("");
    let mut client = gate.connect();
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    assert_eq!(client.request("GET /messages", "").status, 401);
    assert_eq!(client.request("DELETE /messages/1", "").status, 401);
    assert_eq!(catcher.requests().len(), 1);
}

/// Of two people's requests none gets the other's answer, also when the catcher sends more than it should (the response
/// queue that request splitting as in CVE-2023-25690, Apache, poisons).
#[test]
fn bytes_behind_an_answer_are_never_the_next_answer() {
    let (catcher, gate) = pair("workers = 1");
    let second = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    catcher.next(Script::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{second}")));
    let mut client = gate.connect();
    assert_eq!(client.request("GET /messages/1.plain", AS_ANNA).text(), "ok");
    for _ in 0..3 {
        let next = client.request("GET /messages/1.plain", AS_ANNA);
        assert_ne!(next.text(), "evil");
    }
}

/// CVE-2021-40346 (HAProxy): a name of 270 bytes overflowed its length and was taken for `Content-Length`.
#[test]
fn a_long_name_is_no_length() {
    let (catcher, gate) = pair("");
    let inner = smuggled();
    let name = format!("Content-Length0{}", "a".repeat(255));
    let mut client = gate.connect();
    client.send(format!("{}{inner}", get(&format!("{name}:\r\nContent-Length: {}\r\n", inner.len()))));
    assert_eq!(client.answer().status, 400, "of the catcher, which has a limit of 256 for a name");
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    assert_eq!(catcher.message_ids(), [1]);
}
