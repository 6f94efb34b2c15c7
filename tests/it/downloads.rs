//! Clients that take their answers slowly or not at all, before a catcher that cuts an answer whose reader stands still.
//! The real one's patience is half a minute; here it is a moment.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Mail, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;

/// The catcher's patience.
const MOMENT: Duration = Duration::from_millis(500);

/// The length of a large attachment.
const LARGE: usize = 16 << 20;

const HELD: &str = "mailwarden_read_ahead_bytes";
const REFUSED: &str = "mailwarden_read_ahead_refused_total";

fn catcher() -> Catcher {
    Catcher::start(Options { stalled_reader: MOMENT, ..Options::default() })
}

/// Bytes of which no piece looks like another.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut bytes = b"Subject: large\r\n\r\n".to_vec();
    while bytes.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push((state >> 24) as u8);
    }
    bytes
}

/// A large mail, and where its source is.
fn large_mail(catcher: &Catcher) -> (Vec<u8>, String) {
    let source = bytes(LARGE);
    let id = catcher.deliver(Mail::from_source(source.clone()));
    (source, format!("/messages/{id}.source"))
}

/// A client with a small window, so that what he does not read is not in his own machine's memory.
fn small_client(from: Ipv4Addr, gate: SocketAddr) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect_timeout(&gate.into(), PATIENCE).unwrap();
    Client::over(socket.into())
}

/// Asks for `path` and reads no more than the head.
fn stalled(gate: &Gate, path: &str, version: &str) -> Client {
    let mut client = small_client(Ipv4Addr::LOCALHOST, gate.addr());
    client.send(format!("GET {path} HTTP/{version}\r\nHost: a\r\n{AS_ANNA}\r\n"));
    client.head();
    client
}

fn pass(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::thread::park_timeout(time - begun.elapsed());
    }
}

fn eventually_holds(gate: &Gate, what: &str, claim: impl Fn(f64) -> bool) {
    eventually(what, || gate.metric(HELD).filter(|held| claim(*held)));
}

#[test]
fn a_reader_who_stands_still_for_longer_than_the_catcher_waits_gets_every_byte() {
    let catcher = catcher();
    let (source, path) = large_mail(&catcher);
    let gate = Gate::to(catcher.http_addr()).with_status().start();
    let mut client = stalled(&gate, &path, "1.1");
    eventually_holds(&gate, "reading ahead", |held| held > 8e6);
    pass(4 * MOMENT);
    // And then takes it in small pieces.
    let mut seen = Vec::new();
    while seen.len() < source.len() {
        let piece = client.read(100_000.min(source.len() - seen.len()));
        assert!(!piece.is_empty(), "cut after {} bytes", seen.len());
        seen.extend(piece);
    }
    assert!(seen == source, "the bytes differ");
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    assert_eq!((gate.metric(HELD), gate.metric(REFUSED)), (Some(0.0), Some(0.0)));
}

#[test]
fn without_memory_for_it_the_same_download_breaks_off_and_is_seen_to() {
    let catcher = catcher();
    let (source, path) = large_mail(&catcher);
    let gate = Gate::to(catcher.http_addr()).config(r#"limits.read_ahead = "0""#).start();
    let mut client = stalled(&gate, &path, "1.1");
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0), "the catcher was patient");
    let seen = client.rest();
    assert!(seen.len() < source.len() && source.starts_with(&seen), "{} bytes", seen.len());
    gate.access_line(|line| line.contains("status=200") && line.contains("end=upstream-broke"));
    gate.log_line("broke off");
}

#[test]
fn the_catchers_connection_is_free_again_while_the_client_still_stands_still() {
    let catcher = Catcher::start(Options::default());
    let (source, path) = large_mail(&catcher);
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.upstream_idle = "1s""#).with_status().start();
    let mut client = stalled(&gate, &path, "1.1");
    assert_eq!(gate.metric("mailwarden_upstream_connections"), Some(1.0));
    // It is not in use any more, so it is closed for having lain idle.
    eventually("an idle connection", || gate.metric("mailwarden_upstream_connections").filter(|open| *open == 0.0));
    assert!(gate.metric(HELD).unwrap() > 8e6);
    assert!(client.read(source.len()) == source, "the bytes differ");
}

#[test]
fn who_stalls_a_hundred_downloads_has_his_share_and_others_have_theirs() {
    let catcher = Catcher::start(Options::default());
    let (source, path) = large_mail(&catcher);
    let limit = 16 << 20;
    let gate = Gate::to(catcher.http_addr()).config(r#"limits.read_ahead = "16MiB""#).with_status().start();
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    let before = gate.memory();
    let mut all: Vec<Client> = (0..100).map(|_| stalled(&gate, &path, "1.1")).collect();
    eventually("all of them to be refused", || gate.metric(REFUSED).filter(|refused| *refused >= 100.0));
    let held = gate.metric(HELD).unwrap();
    let half = f64::from(limit / 2);
    assert!((half / 2.0..=half).contains(&held), "{held} bytes are held");
    // What the HTTP library holds for a connection on either side comes on top.
    let grown = gate.memory().saturating_sub(before);
    assert!(grown < (16 << 10) + 100 * 1536, "{grown} KiB more");

    // Somebody else is served as ever, and finds room for what he does not take.
    let other = Ipv4Addr::new(127, 0, 2, 1);
    let begun = Instant::now();
    assert_eq!(Client::connect_from(other, gate.addr()).request("GET /messages", AS_ANNA).status, 200);
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
    let mut client = small_client(other, gate.addr());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
    client.head();
    eventually_holds(&gate, "room for somebody else", |more| more > held + half / 4.0 && more <= f64::from(limit));

    // Some of the hundred get theirs after all, and the rest leave.
    let mut one = all.pop().unwrap();
    assert!(one.read(source.len()) == source, "the bytes differ");
    drop((all, one, client));
    eventually_holds(&gate, "the end of all", |held| held == 0.0);
}

#[test]
fn what_breaks_off_at_the_catcher_breaks_off_at_the_client_behind_what_was_read_ahead() {
    let body = bytes(8 << 20);
    let chunks = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
    for (version, head, after) in [
        ("1.1", format!("Content-Length: {}\r\n\r\n", body.len() + 1), ""),
        ("1.1", chunks.clone(), "\r\n"),
        ("1.0", chunks.clone(), "\r\n"),
    ] {
        let catcher = catcher();
        let gate = Gate::to(catcher.http_addr()).with_status().start();
        let answer = [b"HTTP/1.1 200 OK\r\n", head.as_bytes(), &body, after.as_bytes()].concat();
        catcher.next(Script::raw(answer).close());
        let mut client = stalled(&gate, "/messages/1.source", version);
        // The catcher is gone before the client has begun to read.
        assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0), "{head}");
        eventually_holds(&gate, "reading ahead", |held| held > 1e6);
        let seen = client.rest();
        assert!(!seen.ends_with(b"0\r\n\r\n"), "{head}: a clean end");
        if version == "1.1" {
            // What the HTTP library had taken and not written yet goes with the connection; the reset for 1.0 takes more.
            assert!(seen.len() > body.len() - (2 << 20), "{head}: {} bytes", seen.len());
        }
        assert!(seen.len() <= body.len() || head == chunks, "{head}: {} bytes", seen.len());
        let line = gate.access_line(|line| line.contains("end=upstream-broke"));
        assert!(line.contains(&format!("bytes={} ", body.len())), "{head}: {line}");
        eventually_holds(&gate, "the end of it", |held| held == 0.0);
    }
}

#[test]
fn a_part_that_is_shorter_than_its_range_is_not_whole_though_its_framing_says_so() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    for (length, whole) in [(5, true), (6, false)] {
        let range = format!("Content-Range: bytes 0-{}/900\r\nConnection: close\r\n\r\nhello", length - 1);
        catcher.next(Script::raw(format!("HTTP/1.1 206 Partial Content\r\n{range}")).close());
        let answer = gate.connect().request("GET /messages/1.source", AS_ANNA);
        assert_eq!((answer.status, answer.whole, answer.text().as_str()), (206, whole, "hello"));
    }
    gate.log_line("1 bytes too early");
}

#[test]
fn the_catchers_time_does_not_run_while_nobody_asks_it_for_more() {
    for read_ahead in ["0", "4MiB"] {
        let catcher = Catcher::start(Options::default());
        let body = bytes(48 << 20);
        let gate = Gate::to(catcher.http_addr())
            .config(&format!("limits.read_ahead = \"{read_ahead}\"\ntimeouts.upstream_answer = \"500ms\""))
            .start();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        catcher.next(Script::raw([head.as_bytes(), &body].concat()));
        let mut client = stalled(&gate, "/messages/1.source", "1.1");
        pass(4 * MOMENT);
        assert!(client.read(body.len()) == body, "the bytes differ");
    }
}

#[test]
fn a_stream_of_events_is_not_read_ahead_of_who_does_not_listen() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"upstream.catcher = "generic""#).with_status().start();
    let body = bytes(48 << 20);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    catcher.next(Script::raw([head.as_slice(), &body].concat()).silence());
    let mut client = stalled(&gate, "/events", "1.0");
    pass(2 * MOMENT);
    assert_eq!(gate.metric(HELD), Some(0.0));
    assert!(client.read(body.len()) == body, "the bytes differ");
}

#[test]
fn a_download_that_waits_in_memory_is_finished_at_a_stop() {
    let catcher = catcher();
    let (source, path) = large_mail(&catcher);
    let mut gate = Gate::to(catcher.http_addr()).config(r#"timeouts.stop = "60s""#).with_status().start();
    let mut client = stalled(&gate, &path, "1.1");
    eventually_holds(&gate, "reading ahead", |held| held > 8e6);
    gate.signal("TERM");
    gate.log_line("stopping");
    pass(4 * MOMENT);
    assert!(client.read(source.len()) == source, "the bytes differ");
    drop(client);
    assert!(gate.wait().success());
}
