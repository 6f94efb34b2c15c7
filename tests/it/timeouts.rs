//! How long a client may take for each step. Each limit is set to a moment here; that it held is told by the time it took
//! at least, and that nothing else cut the connection by what was still possible after a longer time.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::PATIENCE;
use crate::support::raw::Client;

const MOMENT: Duration = Duration::from_millis(300);

fn catcher() -> Catcher {
    Catcher::start(Options::default())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n")
}

/// Asserts that nothing comes for that long and that the connection stays open.
fn stays_open(client: &mut Client, wait: Duration) {
    let begun = Instant::now();
    assert_eq!(client.within(wait), b"");
    assert!(begun.elapsed() >= wait, "the connection ended");
}

#[test]
fn a_partial_head_is_408_and_closed() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.request_head = "300ms""#).start();
    let begun = Instant::now();
    let mut client = gate.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    let answer = client.answer();
    assert!(begun.elapsed() >= MOMENT, "{:?}", begun.elapsed());
    assert_eq!((answer.status, answer.field("connection").unwrap().as_str()), (408, "close"));
    assert!(client.is_ended());
    gate.access_line(|line| line.contains("status=408") && line.contains("head timeout"));
    assert_eq!(catcher.connections(), 0);
}

#[test]
fn a_connection_that_never_says_anything_is_just_closed() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.request_head = "300ms""#).start();
    let begun = Instant::now();
    let mut client = gate.connect();
    assert!(client.is_ended());
    assert!(begun.elapsed() >= MOMENT, "{:?}", begun.elapsed());
    // A probe of a load balancer is no request.
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    gate.access_line(|line| line.contains("status=200"));
    assert_eq!(gate.access_log().len(), 1);
}

#[test]
fn a_head_that_trickles_in_has_one_limit_for_all_of_it() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.request_head = "600ms""#).start();
    for before in ["", "a whole request"] {
        let mut client = gate.connect();
        if !before.is_empty() {
            client.send(get("/messages"));
            assert_eq!(client.answer().status, 200);
        }
        let begun = Instant::now();
        let mut sent = 0;
        let answer = loop {
            // A byte now and then, for much longer than the limit.
            if client.try_send("G").is_err() {
                break Vec::new();
            }
            sent += 1;
            let came = client.within(Duration::from_millis(100));
            if !came.is_empty() {
                break came;
            }
            assert!(begun.elapsed() < PATIENCE, "it goes on and on");
        };
        assert!(begun.elapsed() >= Duration::from_millis(500), "after {:?} and {sent} bytes", begun.elapsed());
        assert!(sent > 2);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}

#[test]
fn the_second_head_has_the_heads_limit_and_not_that_of_idling() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.request_head = "300ms""#).start();
    let mut client = gate.connect();
    client.send(get("/messages"));
    assert_eq!(client.answer().status, 200);
    // Between the two nothing is said for longer than a head may take.
    stays_open(&mut client, 3 * MOMENT);
    let begun = Instant::now();
    client.send("GET / HTTP/1.1\r\n");
    assert_eq!(client.answer().status, 408);
    assert!(begun.elapsed() >= MOMENT, "{:?}", begun.elapsed());
}

#[test]
fn an_idle_connection_is_closed_after_keep_alive_and_not_after_the_heads_limit() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.keep_alive = "300ms""#).start();
    let mut client = gate.connect();
    // The gate waits for the first head under the other limit, which is long.
    stays_open(&mut client, MOMENT / 3);
    for _ in 0..2 {
        client.send(get("/messages"));
        assert_eq!(client.answer().status, 200);
    }
    let begun = Instant::now();
    assert!(client.is_ended());
    assert!(begun.elapsed() >= MOMENT / 2, "{:?}", begun.elapsed());
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
}

#[test]
fn keep_alive_is_not_for_the_first_request() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.keep_alive = "200ms""#).start();
    let mut client = gate.connect();
    stays_open(&mut client, 3 * MOMENT);
    client.send("GET /messages HTTP/1.1\r\nHost: a\r\n");
    stays_open(&mut client, 2 * MOMENT);
    client.send(format!("{AS_ANNA}\r\n"));
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_slow_answer_is_cut_by_no_limit_of_the_clients() {
    let catcher = catcher();
    let short = "timeouts.keep_alive = \"200ms\"\ntimeouts.request_head = \"200ms\"\n\
                 timeouts.request_body = \"200ms\"\ntimeouts.send = \"200ms\"";
    let gate = Gate::to(catcher.http_addr()).config(short).start();
    let mut client = gate.connect();
    for script in [
        Script::late(3 * MOMENT),
        Script::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[").wait(3 * MOMENT).send("]"),
    ] {
        catcher.next(script);
        let begun = Instant::now();
        client.send(get("/messages"));
        let answer = client.answer();
        assert_eq!((answer.text().as_str(), answer.whole), ("[]", true));
        assert!(begun.elapsed() >= 3 * MOMENT);
    }
}

/// A client whose answer is larger than all buffers, and who has read only its head so far.
fn reader_of_a_large_answer(
    gate: &Gate,
    upstream: &TcpListener,
    length: usize,
) -> (Client, std::thread::JoinHandle<bool>) {
    // A small window, so that the gate notices early.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    socket.connect(&gate.addr().into()).unwrap();
    let mut client = Client::over(socket.into());
    client.send(get("/messages"));
    let mut far = Client::accept(upstream);
    far.head();
    let sending = std::thread::spawn(move || {
        far.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
        far.try_send(vec![b'x'; length]).is_ok()
    });
    client.head();
    (client, sending)
}

#[test]
fn a_slow_reader_who_takes_something_now_and_then_is_not_cut() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = Gate::to(upstream.local_addr().unwrap()).config(r#"timeouts.send = "2s""#).start();
    let length = 24 << 20;
    let (mut client, sending) = reader_of_a_large_answer(&gate, &upstream, length);
    let begun = Instant::now();
    let mut seen = 0;
    while seen < length {
        // Slower in all than the limit, and never as slow as the limit between two pieces.
        if begun.elapsed() < Duration::from_secs(3) {
            std::thread::park_timeout(Duration::from_millis(200));
        }
        let piece = client.read((2 << 20).min(length - seen));
        assert!(!piece.is_empty(), "cut after {seen} bytes and {:?}", begun.elapsed());
        seen += piece.len();
    }
    assert!(begun.elapsed() > Duration::from_millis(2000), "{:?}", begun.elapsed());
    assert!(sending.join().unwrap());
}

#[test]
fn a_reader_who_takes_nothing_is_cut_after_send() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = Gate::to(upstream.local_addr().unwrap()).config(r#"timeouts.send = "300ms""#).start();
    let begun = Instant::now();
    let (mut client, sending) = reader_of_a_large_answer(&gate, &upstream, 64 << 20);
    // The upstream's connection breaks when the gate gives up.
    assert!(!sending.join().unwrap());
    assert!(begun.elapsed() >= MOMENT, "{:?}", begun.elapsed());
    let seen = client.rest();
    assert!(seen.len() < 64 << 20);
    gate.access_line(|line| line.contains("end=client-left"));
}

#[test]
fn no_limit_ends_what_moves_however_often_they_pass() {
    let catcher = catcher();
    let short = "timeouts.keep_alive = \"1s\"\ntimeouts.request_head = \"1s\"";
    let gate = Gate::to(catcher.http_addr()).config(short).start();
    let mut client = gate.connect();
    for _ in 0..8 {
        client.send(get("/messages"));
        assert_eq!(client.answer().status, 200);
        stays_open(&mut client, Duration::from_millis(250));
    }
}
