//! Stopping: what is begun ends well, what is idle ends at once, and nothing ends later than it may.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Gate as Hold, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::PATIENCE;
use crate::support::raw::Client;
use crate::upgrade::{HANDSHAKE, SWITCHED, frame, next, open};

fn catcher() -> Catcher {
    Catcher::start(Options::default())
}

fn get() -> String {
    format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n")
}

#[test]
fn a_request_in_flight_ends_and_then_the_gate_with_success() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).start();
    let hold = Hold::closed();
    catcher.next(Script::held(&hold));
    let mut client = gate.connect();
    client.send(get());
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    gate.signal("TERM");
    gate.log_line("stopping");
    assert!(gate.is_running());
    hold.open();
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str(), answer.whole), (200, "[]", true));
    assert!(client.is_ended());
    assert_eq!(gate.wait().code(), Some(0));
    gate.access_line(|line| line.contains("status=200"));
    gate.log_line("stopped");
}

#[test]
fn an_answer_in_the_middle_ends_whole() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).start();
    let hold = Hold::closed();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    catcher.next(Script::raw(format!("{head}5\r\nfirst\r\n")).hold(&hold).send("4\r\nlast\r\n0\r\n\r\n"));
    let mut client = gate.connect();
    client.send(get());
    client.head();
    assert_eq!(client.read(10), b"5\r\nfirst\r\n");
    gate.signal("TERM");
    gate.log_line("stopping");
    hold.open();
    assert_eq!(client.rest(), b"4\r\nlast\r\n0\r\n\r\n");
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn idle_connections_end_at_once_and_so_does_the_gate() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config(r#"timeouts.stop = "60s""#).start();
    let mut used = gate.connect();
    used.send(get());
    assert_eq!(used.answer().status, 200);
    let mut fresh = gate.connect();
    // The gate has taken the connection when it answers another that came later.
    let mut later = gate.connect();
    later.send(get());
    assert_eq!(later.answer().status, 200);
    gate.signal("TERM");
    assert!(used.is_ended() && later.is_ended() && fresh.is_ended());
    assert_eq!(gate.wait().code(), Some(0));
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
}

#[test]
fn a_half_sent_head_does_not_hold_up_the_end() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config(r#"timeouts.stop = "60s""#).start();
    let mut client = gate.connect();
    client.send("GET / HTTP/1.1\r\nHo");
    let begun = Instant::now();
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    assert!(begun.elapsed() < PATIENCE / 2);
}

/// A client that is at work sends its next request while the gate is told to stop. To close under it is to lose it.
#[test]
fn the_next_request_of_a_connection_is_answered_and_is_its_last() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config(r#"timeouts.stop = "60s""#).with_status().start();
    let mut used = gate.connect();
    used.send(get());
    assert_eq!(used.answer().field("connection"), None);
    // And the first of one that has only just been made.
    let mut fresh = gate.connect();
    crate::support::patience::eventually("both to be taken", || {
        (gate.metric("mailwarden_connections") == Some(2.0)).then_some(())
    });
    gate.signal("TERM");
    for client in [&mut used, &mut fresh] {
        client.send(get());
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("connection").as_deref(), Some("close"));
        assert!(client.is_ended());
    }
    assert_eq!(gate.wait().code(), Some(0));
}

/// Its head went out before the stop, without a word that it is the last: the client sends another request.
#[test]
fn the_request_after_an_answer_that_was_under_way_is_answered_as_well() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config(r#"timeouts.stop = "60s""#).start();
    let hold = Hold::closed();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    catcher.next(Script::raw(format!("{head}5\r\nfirst\r\n")).hold(&hold).send("4\r\nlast\r\n0\r\n\r\n"));
    let mut client = gate.connect();
    client.send(get());
    client.head();
    assert_eq!(client.read(10), b"5\r\nfirst\r\n");
    gate.signal("TERM");
    gate.log_line("stopping");
    // Behind the one that is being answered.
    client.send(get());
    hold.open();
    assert_eq!(client.read(14), b"4\r\nlast\r\n0\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection").as_deref()), (200, Some("close")));
    assert!(client.is_ended());
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn nothing_is_accepted_any_more() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).start();
    let hold = Hold::closed();
    catcher.next(Script::held(&hold));
    let mut client = gate.connect();
    client.send(get());
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    gate.signal("TERM");
    let addr = gate.addr();
    crate::support::patience::eventually("a refusal", || std::net::TcpStream::connect(addr).err());
    assert!(gate.is_running());
    hold.open();
    assert_eq!(client.answer().status, 200);
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn sockets_are_told_1001_at_once() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config(r#"timeouts.stop = "60s""#).start();
    let mut sockets: Vec<Client> = (0..5).map(|_| open(&gate)).collect();
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 5));
    let begun = Instant::now();
    gate.signal("TERM");
    for socket in &mut sockets {
        assert_eq!(next(socket), (0x88, 1001u16.to_be_bytes().to_vec()));
        assert!(socket.is_ended());
    }
    assert_eq!(gate.wait().code(), Some(0));
    assert!(begun.elapsed() < PATIENCE / 2);
    // The catcher is told as well: a close frame of a client, not just an end.
    crate::support::patience::eventually("a close frame on each socket of the catcher's", || {
        (catcher.frames().iter().filter(|frame| frame.opcode == 8).count() == 5).then_some(())
    });
}

#[test]
fn no_goodbye_stands_inside_a_frame_of_the_catchers() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gate = Gate::to(upstream.local_addr().unwrap()).start();
    let mut client = gate.connect();
    client.send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}{HANDSHAKE}\r\n"));
    let mut far = Client::accept(&upstream);
    far.head();
    let long = frame(0x81, &[b'x'; 5000]);
    far.send([SWITCHED.as_bytes(), &long[..3000]].concat());
    assert_eq!(client.answer().status, 101);
    assert_eq!(client.read(3000), &long[..3000]);
    gate.signal("TERM");
    assert_eq!(client.rest(), b"");
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn tunnels_of_a_generic_upstream_end_too() {
    let catcher = catcher();
    catcher.on("UPGRADE /x", Script::raw(SWITCHED).echo());
    let config = "upstream.catcher = \"generic\"\ntimeouts.stop = \"60s\"";
    let mut gate = Gate::to(catcher.http_addr()).config(config).start();
    let mut client = gate.connect();
    assert_eq!(client.request("GET /x", &format!("{AS_ANNA}{HANDSHAKE}")).status, 101);
    gate.signal("TERM");
    assert!(client.is_ended());
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn the_deadline_ends_what_does_not_end_by_itself() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config(r#"timeouts.stop = "500ms""#).start();
    catcher.next(Script::never_answer());
    let mut client = gate.connect();
    client.send(get());
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    let begun = Instant::now();
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    assert!(client.is_ended());
    gate.log_line("at the deadline");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let catcher = catcher();
    for second in ["TERM", "INT"] {
        let mut gate = Gate::to(catcher.http_addr()).config(r#"timeouts.stop = "60s""#).start();
        catcher.next(Script::never_answer());
        let seen = catcher.requests().len();
        let mut client = gate.connect();
        client.send(get());
        assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() > seen));
        gate.signal("INT");
        gate.log_line("stopping");
        assert!(gate.is_running());
        let begun = Instant::now();
        gate.signal(second);
        assert_eq!(gate.wait().code(), Some(0));
        assert!(begun.elapsed() < PATIENCE / 2);
        gate.log_line("at once");
    }
}

#[test]
fn a_hangup_does_not_end_it() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).start();
    gate.signal("HUP");
    gate.log_line("reloaded");
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    assert!(gate.is_running());
    // And during the end it is not taken for a second signal.
    let hold = Hold::closed();
    catcher.next(Script::held(&hold));
    let mut client = gate.connect();
    client.send(get());
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 2));
    gate.signal("TERM");
    gate.log_line("stopping");
    gate.signal("HUP");
    hold.open();
    assert_eq!(client.answer().status, 200);
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn the_socket_file_is_removed() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).listen(r#"["unix:DIR/http.sock"]"#).start();
    let path = gate.dir().join("http.sock");
    assert!(path.exists());
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn a_client_who_takes_nothing_does_not_outlast_the_deadline() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut gate = Gate::to(upstream.local_addr().unwrap()).config(r#"timeouts.stop = "500ms""#).start();
    let mut client = gate.connect();
    client.send(get());
    let mut far = Client::accept(&upstream);
    far.head();
    far.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20));
    far.flood(&[b'x'; 1 << 16], 1024, Duration::from_millis(300));
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    assert!(client.rest().len() < 64 << 20);
}

#[test]
fn requests_and_sockets_of_every_worker_end_well() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config("workers = 3\ntimeouts.stop = \"60s\"").start();
    let mut sockets: Vec<Client> = (0..6).map(|_| open(&gate)).collect();
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 6));
    let hold = Hold::closed();
    catcher.always("GET /favicon.ico", Script::held(&hold));
    let mut clients: Vec<Client> = (0..6).map(|_| gate.connect()).collect();
    for client in &mut clients {
        client.send(get().replace("/messages", "/favicon.ico"));
    }
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 12));
    gate.signal("TERM");
    for socket in &mut sockets {
        assert_eq!(next(socket), (0x88, 1001u16.to_be_bytes().to_vec()));
    }
    assert!(gate.is_running());
    hold.open();
    for client in &mut clients {
        let answer = client.answer();
        assert_eq!((answer.status, answer.whole), (200, true));
    }
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn the_signal_of_log_rotation_ends_nothing() {
    let catcher = catcher();
    let mut gate = Gate::to(catcher.http_addr()).config(r#"log.level = "debug""#).start();
    gate.signal("USR1");
    gate.log_line("no log file to reopen");
    assert!(gate.is_running());
}
