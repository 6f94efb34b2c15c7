//! Bodies in both directions: their framing, their limits, and that nothing holds more of them than it must.

use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Mail, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::PATIENCE;
use crate::support::raw::{Answer, Client};

/// An upstream that the test plays itself, and the gate before it.
struct Played {
    upstream: TcpListener,
    gate: Gate,
}

fn played(config: &str) -> Played {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate =
        Gate::to(upstream.local_addr().unwrap()).config(r#"upstream.catcher = "generic""#).config(config).start();
    Played { upstream, gate }
}

impl Played {
    /// A client with this request line and these header lines sent, and the upstream's end with the head read.
    fn begin(&self, line: &str, fields: &str) -> (Client, Client, String) {
        let mut client = self.gate.connect();
        client.send(format!("{line}\r\nHost: a\r\n{AS_ANNA}{fields}\r\n"));
        let mut far = Client::accept(&self.upstream);
        let head = far.head();
        (client, far, head)
    }
}

fn post(fields: &str) -> String {
    format!("POST /x HTTP/1.1\r\nHost: a\r\n{AS_ANNA}{fields}\r\n")
}

/// `bytes` as a chunked body in pieces of that size.
fn chunked(bytes: &[u8], piece: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for piece in bytes.chunks(piece) {
        body.extend(format!("{:X}\r\n", piece.len()).into_bytes());
        body.extend(piece);
        body.extend(b"\r\n");
    }
    body.extend(b"0\r\n\r\n");
    body
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n % 253) as u8).collect()
}

fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(work)
}

// --- requests

#[test]
fn a_body_with_a_length_is_passed_on_while_it_arrives() {
    let played = played("");
    let (mut client, mut far, head) = played.begin("POST /x HTTP/1.1", "Content-Length: 10\r\n");
    assert!(head.contains("content-length: 10\r\n"), "{head}");
    client.send("first");
    assert_eq!(far.read(5), b"first");
    client.send("last!");
    assert_eq!(far.read(5), b"last!");
    far.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer().text(), "ok");
}

#[test]
fn an_upstream_that_does_not_read_stops_the_client_and_costs_no_memory() {
    let played = played(r#"limits.body = "1GiB""#);
    let (mut client, _far, _) = played.begin("POST /x HTTP/1.1", &format!("Content-Length: {}\r\n", 256 << 20));
    let before = played.gate.memory();
    let taken = client.flood(&vec![b'x'; 1 << 20], 256, Duration::from_secs(1));
    let grown = played.gate.memory().saturating_sub(before);
    assert!(taken < 60 << 20, "nobody was stopped: {taken} bytes were taken");
    assert!(grown < 8 << 10, "{grown} KiB more");
}

#[test]
fn a_chunked_body_is_sent_with_a_length() {
    let played = played("");
    let body = pattern(100_000);
    let mut client = played.gate.connect();
    client.send(post("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n")).send(chunked(&body, 7000));
    let mut far = Client::accept(&played.upstream);
    let head = far.head();
    assert!(head.contains("content-length: 100000\r\n"), "{head}");
    assert!(!head.contains("transfer-encoding") && !head.contains("trailer"), "{head}");
    assert!(far.read(100_000) == body);
    far.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer().text(), "ok");
}

#[test]
fn ten_megabytes_arrive_unchanged_both_ways() {
    let played = played(r#"limits.body = "16MiB""#);
    let body = pattern(10_000_000);
    for fields in [format!("Content-Length: {}\r\n", body.len()), "Transfer-Encoding: chunked\r\n".to_owned()] {
        let mut client = played.gate.connect();
        let sent = if fields.starts_with("Content") { body.clone() } else { chunked(&body, 65_536) };
        let asking = in_background(move || {
            client.send(post(&fields)).send(sent);
            client.answer()
        });
        let mut far = Client::accept(&played.upstream);
        far.head();
        let seen = far.read(body.len());
        assert!(seen == body, "the request's body differs");
        far.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())).send(&seen);
        let answer = asking.join().unwrap();
        assert!(answer.whole && answer.body == body, "the answer's body differs");
    }
}

#[test]
fn a_body_over_the_limit_is_413_before_it_is_asked_for() {
    let catcher = Catcher::start(Options::default());
    for config in ["", r#"upstream.catcher = "generic""#] {
        let gate = Gate::to(catcher.http_addr()).config(r#"limits.body = "1KiB""#).config(config).start();
        let mut client = gate.connect();
        client.send(format!(
            "DELETE /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Expect: 100-continue\r\nContent-Length: 1025\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("connection").unwrap().as_str()), (413, "close"), "{}", answer.head);
        assert!(answer.text().contains("limits.body"), "{}", answer.text());
        assert!(client.is_ended());
    }
    assert_eq!(catcher.connections(), 0);
}

#[test]
fn a_body_within_the_limit_is_asked_for_with_100_and_the_expectation_goes_no_further() {
    let played = played(r#"limits.body = "1KiB""#);
    let mut client = played.gate.connect();
    client.send(post("Expect: 100-continue\r\nContent-Length: 1024\r\n"));
    let mut far = Client::accept(&played.upstream);
    assert!(!far.head().contains("expect"));
    assert_eq!(client.answer().status, 100);
    client.send(vec![b'x'; 1024]);
    assert_eq!(far.read(1024).len(), 1024);
    far.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.answer().status, 204);
}

#[test]
fn who_is_not_let_in_is_not_asked_for_a_body() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut client = gate.connect();
    client.send("DELETE /messages HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.answer().status, 401);
}

#[test]
fn a_413_can_be_read_by_a_client_that_sends_everything_first() {
    let catcher = Catcher::start(Options::default());
    for config in ["", r#"upstream.catcher = "generic""#] {
        let gate = Gate::to(catcher.http_addr()).config(r#"limits.body = "64KiB""#).config(config).start();
        let body = pattern(8 << 20);
        for (fields, body) in [
            (format!("Content-Length: {}\r\n", body.len()), body.clone()),
            ("Transfer-Encoding: chunked\r\n".to_owned(), chunked(&body, 10_000)),
        ] {
            let mut client = gate.connect();
            client.send(format!("DELETE /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}{fields}\r\n")).send(body);
            let answer = client.answer();
            assert_eq!((answer.status, answer.whole), (413, true));
            assert!(client.is_ended());
        }
    }
    assert_eq!(catcher.connections(), 0);
}

#[test]
fn a_502_can_be_read_by_a_client_that_sends_everything_first() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = "upstream.catcher = \"generic\"\nlimits.body = \"16MiB\"";
    let gate = Gate::to(nowhere).config(config).start();
    let mut client = gate.connect();
    client.send(post(&format!("Content-Length: {}\r\n", 8 << 20))).send(pattern(8 << 20));
    let answer = client.answer();
    assert_eq!((answer.status, answer.whole), (502, true));
}

#[test]
fn a_named_catcher_is_sent_no_body_whatever_its_framing() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(4);
    let gate = Gate::to(catcher.http_addr()).start();
    let mut client = gate.connect();
    for (id, fields, body) in [
        (1, "Content-Length: 2\r\nContent-Type: application/json\r\n", "{}"),
        (2, "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
        (3, "Transfer-Encoding: chunked\r\n", "2A\r\nDELETE / HTTP/1.1\r\nHost: smuggled.test\r\n\r\n\r\n0\r\n\r\n"),
        (4, "Content-Length: 0\r\n", ""),
    ] {
        client.send(format!("DELETE /messages/{id} HTTP/1.1\r\nHost: a\r\n{AS_ANNA}{fields}\r\n{body}"));
        assert_eq!(client.answer().status, 204, "{id}");
    }
    client.send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Content-Length: 2\r\n\r\n{{}}"));
    assert_eq!(client.answer().text(), "[]");
    let requests = catcher.requests();
    assert_eq!(requests.len(), 5);
    for asked in requests {
        assert_eq!((asked.body.as_slice(), asked.values("transfer-encoding").len()), (&b""[..], 0), "{asked:?}");
        assert!(asked.value("content-length").is_none_or(|length| length == "0"), "{asked:?}");
    }
    assert!(!catcher.has_quit());
}

#[test]
fn a_body_that_stops_coming_is_408() {
    for catcher in ["mailcatcher", "generic"] {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Gate::to(upstream.local_addr().unwrap())
            .config(&format!("upstream.catcher = {catcher:?}\ntimeouts.request_body = \"300ms\""))
            .start();
        for (fields, begin) in
            [("Content-Length: 10\r\n", "begin"), ("Transfer-Encoding: chunked\r\n", "5\r\nbegin\r\n")]
        {
            let begun = Instant::now();
            let mut client = gate.connect();
            client.send(format!("DELETE /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}{fields}\r\n{begin}"));
            let answer = client.answer();
            assert_eq!(answer.status, 408, "{catcher} {fields}");
            assert!(begun.elapsed() >= Duration::from_millis(300));
            assert!(client.is_ended());
        }
        gate.access_line(|line| line.contains("status=408") && line.contains("body timeout"));
    }
}

#[test]
fn a_body_that_trickles_is_not_cut_as_long_as_it_moves() {
    let played = played(r#"timeouts.request_body = "1s""#);
    let (mut client, mut far, _) = played.begin("POST /x HTTP/1.1", "Content-Length: 8\r\n");
    for _ in 0..8 {
        // In all it takes longer than the limit.
        assert_eq!(client.within(Duration::from_millis(200)), b"");
        client.send("x");
        assert_eq!(far.read(1), b"x");
    }
    far.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.answer().status, 204);
}

#[test]
fn a_chunk_that_is_none_is_400_and_reaches_nobody() {
    let catcher = Catcher::start(Options::default());
    for config in ["", r#"upstream.catcher = "generic""#] {
        let gate = Gate::to(catcher.http_addr()).config(config).start();
        for broken in ["nonsense\r\n\r\n", "5\r\nhello!!\r\n0\r\n\r\n", "-1\r\n\r\n", "fffffffffffffffff\r\nx"] {
            let mut client = gate.connect();
            client.send(format!(
                "DELETE /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Transfer-Encoding: chunked\r\n\r\n{broken}"
            ));
            assert_eq!(client.answer().status, 400, "{broken:?}");
            assert!(client.is_ended());
        }
    }
    assert_eq!(catcher.connections(), 0);
}

#[test]
fn a_client_that_leaves_within_its_body_is_no_request() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut client = gate.connect();
    client.send(format!("DELETE /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Content-Length: 9\r\n\r\n{{")).finish();
    gate.access_line(|line| line.contains("method=DELETE") && !line.contains("status=204"));
    assert_eq!(catcher.connections(), 0);
}

// --- answers

#[test]
fn an_answer_is_passed_on_while_it_arrives() {
    let played = played("");
    let (mut client, mut far, _) = played.begin("GET /x HTTP/1.1", "");
    far.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
    assert!(client.head().contains("content-length: 10\r\n"));
    assert_eq!(client.read(5), b"first");
    far.send("last!");
    assert_eq!(client.read(5), b"last!");
}

#[test]
fn a_client_that_does_not_read_stops_the_upstream_and_costs_no_memory_where_there_is_none_for_him() {
    let played = played(r#"limits.read_ahead = "0""#);
    let (client, mut far, _) = played.begin("GET /x HTTP/1.1", "");
    let before = played.gate.memory();
    far.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 256 << 20));
    let taken = far.flood(&vec![b'x'; 1 << 20], 256, Duration::from_secs(1));
    let grown = played.gate.memory().saturating_sub(before);
    assert!(taken < 60 << 20, "nobody was stopped: {taken} bytes were taken");
    assert!(grown < 8 << 10, "{grown} KiB more");
    drop(client);
    assert!(far.try_send(vec![b'x'; 64 << 20]).is_err(), "the upstream is not told that the client left");
}

#[test]
fn head_and_answers_without_a_body_have_none_and_the_connection_goes_on() {
    let catcher = Catcher::start(Options::default());
    let id = catcher.deliver(Mail::new("Hello"));
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    let mut client = gate.connect();
    let length = client.request("GET /messages", AS_ANNA).body.len();
    let head = client.request("HEAD /messages", AS_ANNA);
    assert_eq!((head.status, head.field("content-length").unwrap()), (200, length.to_string()));
    let modified = client.request("GET /assets/mailcatcher.js", AS_ANNA).field("last-modified").unwrap();
    let fields = format!("{AS_ANNA}If-Modified-Since: {modified}\r\n");
    let not_modified = client.request("GET /assets/mailcatcher.js", &fields);
    assert_eq!((not_modified.status, not_modified.field("transfer-encoding")), (304, None));
    let deleted = client.request(&format!("DELETE /messages/{id}"), AS_ANNA);
    assert_eq!(
        (deleted.status, deleted.field("content-length"), deleted.field("transfer-encoding")),
        (204, None, None)
    );
    // The catcher's own `Connection: close` is between it and the gate.
    assert_eq!(client.request("GET /messages", AS_ANNA).text(), "[]");
}

#[test]
fn a_part_that_is_delimited_by_the_connections_end_is_whole() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut client = gate.connect();
    let all = client.request("GET /assets/mailcatcher.js", AS_ANNA).body;
    let part = client.request("GET /assets/mailcatcher.js", &format!("{AS_ANNA}Range: bytes=2-5\r\n"));
    assert_eq!((part.status, part.whole, part.body.as_slice()), (206, true, &all[2..6]));
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
}

/// Asks in both versions for an answer that the upstream frames like this.
fn framed(answer: &str) -> [Answer; 2] {
    ["1.1", "1.0"].map(|version| {
        let played = played("");
        let (mut client, mut far, head) = played.begin(&format!("GET /x HTTP/{version}"), "");
        assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
        far.send(answer).finish();
        client.answer()
    })
}

#[test]
fn chunked_answers_are_chunked_for_http_1_1_and_end_with_the_connection_for_1_0() {
    let [new, old] = framed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
    assert_eq!((new.text().as_str(), new.whole), ("hello!", true));
    assert_eq!(new.field("transfer-encoding").unwrap(), "chunked");
    assert!(old.head.starts_with("HTTP/1.0 200"), "{}", old.head);
    assert_eq!((old.text().as_str(), old.field("transfer-encoding")), ("hello!", None));
}

#[test]
fn answers_that_end_with_their_connection_are_whole_for_both_versions() {
    for answer in ["HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello!", "HTTP/1.0 200 OK\r\n\r\nhello!"] {
        let [new, old] = framed(answer);
        assert_eq!((new.text().as_str(), new.whole), ("hello!", true));
        assert_eq!(new.field("transfer-encoding").unwrap(), "chunked");
        assert!(new.head.starts_with("HTTP/1.1 200"), "{}", new.head);
        assert_eq!((old.text().as_str(), old.field("transfer-encoding")), ("hello!", None));
    }
}

#[test]
fn an_answer_with_both_framings_has_one_when_it_leaves() {
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello!\r\n0\r\n\r\n";
    let [new, old] = framed(both);
    assert_eq!((new.text().as_str(), new.whole, new.field("content-length")), ("hello!", true, None));
    assert_eq!((old.text().as_str(), old.field("content-length")), ("hello!", None));
}

#[test]
fn trailers_of_an_answer_are_dropped() {
    let trailers =
        "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n";
    let played = played("");
    let (mut client, mut far, _) = played.begin("GET /x HTTP/1.1", "TE: trailers\r\nConnection: TE, close\r\n");
    far.send(trailers);
    let all = String::from_utf8(client.rest()).unwrap();
    assert!(all.ends_with("\r\n2\r\nok\r\n0\r\n\r\n") && !all.to_ascii_lowercase().contains("trailer"), "{all}");
}

#[test]
fn interim_answers_do_not_reach_the_client() {
    let played = played("");
    let (mut client, mut far, _) = played.begin("GET /x HTTP/1.1", "");
    far.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

#[test]
fn each_event_of_a_stream_passes_at_once_and_silence_does_not_cut_it() {
    let short = "timeouts.upstream_answer = \"200ms\"\ntimeouts.keep_alive = \"200ms\"\n\
                 timeouts.request_head = \"200ms\"\ntimeouts.send = \"200ms\"";
    let played = played(short);
    let (mut client, mut far, _) = played.begin("GET /event-stream HTTP/1.1", "Accept: text/event-stream\r\n");
    far.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.head();
    for event in ["event: add_message\ndata: 1\n\n", "event: add_message\ndata: 2\n\n"] {
        assert_eq!(client.within(Duration::from_millis(700)), b"");
        let chunk = chunked(event.as_bytes(), 100);
        let chunk = &chunk[..chunk.len() - 5];
        far.send(chunk);
        assert_eq!(client.read(chunk.len()), chunk);
    }
    drop(client);
    assert!(far.is_ended(), "a client that leaves ends the stream");
}

#[test]
fn events_that_end_with_their_connection_pass_at_once_to_http_1_0() {
    let played = played("");
    let (mut client, mut far, _) = played.begin("GET /event-stream HTTP/1.0", "");
    far.send("HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
    client.head();
    assert_eq!(client.read(9), b"data: 1\n\n");
    far.send("data: 2\n\n");
    assert_eq!(client.read(9), b"data: 2\n\n");
    far.finish();
    assert!(client.is_ended());
}

#[test]
fn requests_that_come_in_one_packet_are_answered_in_order_and_sent_one_by_one() {
    let catcher = Catcher::start(Options::default());
    let id = catcher.deliver(Mail::new("Hello"));
    let gate = Gate::to(catcher.http_addr()).start();
    let mut client = gate.connect();
    let request = |line: &str| format!("{line} HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n");
    let delete = request(&format!("DELETE /messages/{id}"));
    client.send([request("GET /messages"), delete, request("GET /messages")].concat());
    assert!(client.answer().text().contains("Hello"));
    assert_eq!(client.answer().status, 204);
    assert_eq!(client.answer().text(), "[]");
    // The double drops what comes in one packet with a request.
    assert_eq!(catcher.requests().len(), 3);
}

#[test]
fn an_answer_larger_than_every_buffer_passes_to_a_slow_reader_unchanged() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let body = pattern(10_000_000);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    catcher.next(Script::raw([head.as_bytes(), &body].concat()));
    let mut client = gate.connect();
    client.send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
    client.head();
    let mut seen = Vec::new();
    while seen.len() < body.len() {
        std::thread::yield_now();
        let more = client.read(100_000.min(body.len() - seen.len()));
        assert!(!more.is_empty());
        seen.extend(more);
    }
    assert!(seen == body, "the bytes differ");
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 1));
}

#[test]
fn an_answer_that_comes_before_a_large_body_is_read_can_be_read_by_its_sender() {
    let played = played(r#"limits.body = "16MiB""#);
    let (mut client, mut far, _) = played.begin("POST /x HTTP/1.1", &format!("Content-Length: {}\r\n", 8 << 20));
    far.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    drop(far);
    client.send(pattern(8 << 20));
    let answer = client.answer();
    assert!(matches!(answer.status, 403 | 502) && answer.whole, "{}", answer.head);
}

#[test]
fn a_body_goes_on_while_its_answer_comes() {
    let played = played("");
    let (mut client, mut far, _) = played.begin("POST /x HTTP/1.1", "Content-Length: 10\r\n");
    far.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    assert!(client.head().contains(" 200 "));
    for part in ["first", "last!"] {
        client.send(part);
        assert_eq!(far.read(5), part.as_bytes());
        far.send(part);
        assert_eq!(client.read(5), part.as_bytes());
    }
}

#[test]
fn a_refusal_that_leaves_a_body_unread_says_that_the_connection_ends() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    for length in [5, 6_000_000] {
        let mut client = gate.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("connection").as_deref()), (401, Some("close")), "{length}");
    }
    // A small one that is there does not cost the connection.
    let mut client = gate.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde");
    assert_eq!((client.answer().status, client.request("GET /messages", AS_ANNA).status), (401, 200));
}

#[test]
fn a_post_without_a_body_keeps_its_length_of_nothing() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"upstream.catcher = "generic""#).start();
    gate.connect().request("POST /x", &format!("{AS_ANNA}Content-Length: 0\r\n"));
    assert_eq!(catcher.requests()[0].value("content-length").as_deref(), Some("0"));
}

#[test]
fn http_1_0_is_not_promised_a_connection_that_has_to_close() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    catcher.next(Script::raw(chunked));
    let mut client = gate.connect();
    client.send(format!("GET /messages HTTP/1.0\r\nConnection: keep-alive\r\n{AS_ANNA}\r\n"));
    let answer = client.answer();
    // hyper adds its keep-alive behind ours; of the two, close counts (RFC 9112 section 9.6).
    assert!(answer.field("connection").unwrap().starts_with("close"), "{}", answer.head);
    assert_eq!(answer.text(), "abc");
    assert!(client.is_ended());
}
