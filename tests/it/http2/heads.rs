//! Heads that HTTP/1 cannot have, or that two readers would take for different requests. Sent as frames: an orderly client
//! refuses most of them itself.

use super::{before_any, catcher, upstream};
use crate::support::gate::Gate;
use crate::support::http2::frames::{
    CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, NO_ERROR, PROTOCOL_ERROR, RST_STREAM, get,
};
use crate::support::http2::{frames, orderly};

const AS_ANNA: (&str, &str) = ("authorization", "Basic YW5uYTpzZWNyZXQ=");

/// What becomes of a request with these fields alone on a connection: its status, 0 for a reset as malformed, or 1 for the
/// connection's end for the same reason.
fn outcome(gate: &Gate, fields: &[(&str, &str)]) -> u16 {
    let mut client = Client::connect(gate, &[]);
    client.head(1, fields, true);
    let frame = client.until("an answer, a reset or the end", |frame| {
        matches!((frame.kind, frame.stream), (HEADERS | RST_STREAM, 1) | (GOAWAY, _))
    });
    let outcome = match frame.kind {
        HEADERS => frame.status(),
        GOAWAY => {
            assert_eq!(frame.code(), PROTOCOL_ERROR, "{fields:?}");
            return 1;
        }
        _ => {
            assert_eq!(frame.code(), PROTOCOL_ERROR, "{fields:?}");
            0
        }
    };
    // Whatever it was, the next request is answered.
    assert!(client.is_alive(3), "{fields:?}");
    outcome
}

#[test]
fn who_is_asked_is_said_once_and_in_one_way() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).secure().start();
    let all = [(":method", "GET"), (":scheme", "https"), (":path", "/messages"), AS_ANNA];
    let with = |more: &[(&'static str, &'static str)]| {
        // Pseudo-header fields come first.
        let (pseudo, plain): (Vec<_>, Vec<_>) = more.iter().copied().partition(|(name, _)| name.starts_with(':'));
        outcome(&gate, &[&pseudo[..], &all, &plain].concat())
    };
    for (more, status) in [
        (&[(":authority", "dev.test")][..], 200),
        (&[("host", "dev.test")], 200),
        (&[(":authority", "dev.test:8443"), ("host", "dev.test:8443")], 200),
        (&[(":authority", "dev.test"), ("host", "other.test")], 400),
        (&[(":authority", "dev.test"), ("host", "dev.test:8443")], 400),
        (&[(":authority", "dev.test"), ("host", "dev.test"), ("host", "dev.test")], 400),
        (&[(":authority", "dev.test"), ("host", "")], 400),
        (&[("host", "dev.test"), ("host", "dev.test")], 400),
        (&[], 400),
        (&[(":authority", "anna:secret@dev.test")], 400),
        (&[("host", "anna@dev.test")], 400),
        (&[("host", "dev.test/x")], 400),
    ] {
        assert_eq!(with(more), status, "{more:?}");
    }
}

#[test]
fn a_target_is_a_path_and_a_scheme_claims_nothing() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).secure().start();
    let asked = |method: &'static str, scheme: &'static str, path: &'static str| {
        let fields = [(":method", method), (":scheme", scheme), (":authority", "dev.test"), (":path", path), AS_ANNA];
        outcome(&gate, &fields)
    };
    for (method, scheme, path, status) in [
        ("GET", "https", "/messages", 200),
        ("GET", "http", "/messages", 200),
        ("GET", "ftp", "/messages", 400),
        ("OPTIONS", "https", "*", 400),
        ("GET", "https", "*", 400),
        ("GET", "https", "https://dev.test/messages", 0),
        ("GET", "https", "http://other.test/messages", 0),
        ("GET", "https", "messages", 0),
        ("GET", "https", "", 0),
        ("TRACE", "https", "/messages", 405),
        ("DELETE", "https", "/messages/%2e%2e", 403),
    ] {
        assert_eq!(asked(method, scheme, path), status, "{method} {scheme} {path}");
    }
    // CONNECT has neither scheme nor path.
    assert_eq!(outcome(&gate, &[(":method", "CONNECT"), (":authority", "127.0.0.1:22"), AS_ANNA]), 405);
    assert!(catcher.requests().iter().all(|request| request.method == "GET"));
}

#[test]
fn what_is_no_head_of_http2_is_reset() {
    let upstream = upstream();
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).secure().start();
    drop(upstream);
    let get = [(":method", "GET"), (":scheme", "https"), (":authority", "dev.test"), (":path", "/messages"), AS_ANNA];
    for more in [
        ("connection", "close"),
        ("connection", "x-forwarded-user"),
        ("keep-alive", "5"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("X-Upper", "case"),
        ("x y", "z"),
        ("", "nameless"),
        ("x-lf", "a\nb"),
        ("x-nul", "a\0b"),
        (":status", "200"),
        (":path", "/"),
        (":unknown", "x"),
        ("content-length", "5"),
    ] {
        assert!(outcome(&gate, &[&get[..], &[more]].concat()) < 2, "{more:?}");
    }
    for missing in 0..4 {
        let mut fields = get.to_vec();
        let (name, _) = fields.remove(missing);
        // Of the authority there is a field by another name, whose lack is answered.
        assert_eq!(outcome(&gate, &fields), if name == ":authority" { 400 } else { 0 }, "{name}");
    }
    assert_eq!(outcome(&gate, &[&get[..], &[("te", "trailers")]].concat()), 200);
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_reaches_nobody_whole() {
    let upstream = upstream();
    let gate = before_any(&upstream);
    for said in ["3", "7"] {
        let mut client = Client::connect(&gate, &[]);
        let fields = [get("/", &[]), vec![("content-length", said)]].concat();
        let fields: Vec<_> =
            fields.iter().map(|field| if field.0 == ":method" { (":method", "POST") } else { *field }).collect();
        client.head(1, &fields, false);
        let mut far = crate::support::raw::Client::accept(&upstream);
        assert!(far.head().contains(&format!("\r\ncontent-length: {said}\r\n")));
        client.frame(DATA, END_STREAM, 1, *b"hello");
        assert_eq!(client.reset(1), PROTOCOL_ERROR, "{said}");
        assert!(far.rest().len() < said.parse().unwrap());
    }
}

#[test]
fn a_head_over_the_limit_is_431_and_the_next_is_answered() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("limits.head = \"8KiB\"").with_status().secure().start();
    let mut client = orderly::Client::connect(&gate);
    let long = format!("{}x-long: {}\r\n", super::AS_ANNA, "x".repeat(9 << 10));
    let before = gate.metric("mailwarden_refusals_total{reason=\"head too large\"}").unwrap_or(0.0);
    assert_eq!(client.request("GET /messages", &long).status, 431);
    assert_eq!(client.request("GET /messages", super::AS_ANNA).status, 200);
    gate.access_line(|line| {
        line.contains("status=431") && line.contains("version=HTTP/2.0") && line.contains("head too large")
    });
    assert_eq!(gate.metric("mailwarden_refusals_total{reason=\"head too large\"}"), Some(before + 1.0));
    // One that is far longer is refused before it is a request; what is longer still ends the connection.
    for (long, outcome) in [(17 << 10, Some(431)), (80 << 10, None)] {
        let mut client = frames::Client::connect(&gate, &[]);
        client.is_polite = false;
        let long = "x".repeat(long);
        let block = frames::block(&frames::get("/messages", &[("x-long", long.as_str())]));
        let mut pieces: Vec<_> = block.chunks(16 << 10).collect();
        let last = pieces.pop().unwrap();
        for (at, piece) in pieces.into_iter().enumerate() {
            let (kind, flags) = if at == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
            let _ = client.try_send(&frames::Frame::new(kind, flags, 1, piece).bytes());
        }
        let _ = client.try_send(&frames::Frame::new(CONTINUATION, END_HEADERS, 1, last).bytes());
        match outcome {
            Some(status) => assert_eq!(client.status(1), status),
            None => assert_ne!(client.farewell(), NO_ERROR),
        }
    }
}
