use std::time::Instant;

use super::client::Client;
use super::support::catcher::{Catcher, Mail, Options};
use super::{PATIENCE, SHORT, catcher};

pub(crate) const UPGRADE: &str = "Connection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n\
                                  Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn open(catcher: &Catcher) -> Client {
    let mut client = Client::to(catcher.http_addr());
    let answer = client.ask("GET", "/messages", UPGRADE);
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert_eq!(answer.head, head);
    assert!(catcher.wait_until(PATIENCE, |state| state.sockets.contains_key(&state.connections)));
    client
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let length = u8::try_from(payload.len()).unwrap();
    let bytes = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key);
    [first, 0x80 | length].into_iter().chain(mask).chain(bytes).collect()
}

/// The text of the next frame, which has to be a text frame.
fn text(client: &mut Client) -> String {
    let head = client.exactly(2);
    assert_eq!(head[0], 0x81);
    let length = match head[1] {
        126 => u16::from_be_bytes(client.exactly(2).try_into().unwrap()).into(),
        short => usize::from(short),
    };
    String::from_utf8(client.exactly(length)).unwrap()
}

#[test]
fn sockets_are_told_of_every_change() {
    let catcher = catcher();
    let mut sockets = [open(&catcher), open(&catcher)];
    assert_eq!(catcher.open_sockets(), 2);
    catcher.deliver(Mail::from_source("Subject: hi\r\n\r\nx\r\n").received_at(1_000_000_000));
    Client::to(catcher.http_addr()).ask("DELETE", "/messages/1", "");
    Client::to(catcher.http_addr()).ask("DELETE", "/messages", "");
    for socket in &mut sockets {
        let added = r#"{"type":"add","message":{"id":1,"sender":"<alice@example.com>","recipients":["<bob@example.com>"],"subject":"hi","size":"18","type":"text/plain","created_at":"2001-09-09T01:46:40+00:00"}}"#;
        assert_eq!(text(socket), added);
        assert_eq!(text(socket), r#"{"type":"remove","id":1}"#);
        assert_eq!(text(socket), r#"{"type":"clear"}"#);
    }
}

#[test]
fn pings_are_answered_and_text_is_not() {
    let catcher = catcher();
    let mut socket = open(&catcher);
    socket.send(masked(0x81, b"hello"));
    socket.send(masked(0x89, b"are you there"));
    assert_eq!(socket.exactly(2 + 13), b"\x8a\x0dare you there");
    let frames = catcher.frames();
    assert_eq!((frames[0].opcode, frames[0].payload.as_slice()), (1, &b"hello"[..]));
    assert_eq!((frames[1].opcode, frames[1].connection), (9, 1));
}

#[test]
fn closes_are_echoed_and_wrong_frames_are_answered_with_a_close() {
    let catcher = catcher();
    let table: [(Vec<u8>, u16); 8] = [
        (masked(0x88, b"\x03\xe8bye"), 1000),
        (masked(0x88, b""), 1000),
        (masked(0x88, b"\x0f\xa0"), 4000),
        (b"\x89\x02hi".to_vec(), 1003), // unmasked
        (masked(0xc1, b"hi"), 1002),
        (masked(0x83, b"hi"), 1002),
        (masked(0x80, b"hi"), 1002),
        (masked(0x81, b"\xff"), 1007),
    ];
    for (frame, code) in table {
        let mut socket = open(&catcher);
        socket.send(&frame);
        let reply = socket.rest();
        assert_eq!((reply[0], &reply[2..4]), (0x88, &code.to_be_bytes()[..]), "{frame:?}");
        assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 0));
    }
}

#[test]
fn a_socket_on_which_nothing_was_sent_is_cut_without_a_word() {
    let catcher = Catcher::start(Options { socket_idle: SHORT, ..Options::default() });
    let begun = Instant::now();
    let mut untouched = open(&catcher);
    assert!(untouched.rest().is_empty());
    assert!(begun.elapsed() >= SHORT);

    let begun = Instant::now();
    let mut pinged = open(&catcher);
    pinged.send(masked(0x89, b""));
    assert_eq!(pinged.rest(), b"\x8a\x00");
    assert!(begun.elapsed() >= SHORT * 2);
}

#[test]
fn pings_keep_a_socket_open_and_text_does_not() {
    let catcher = Catcher::start(Options { socket_idle: SHORT, ..Options::default() });
    let mut pinged = open(&catcher);
    let mut written = open(&catcher);
    let begun = Instant::now();
    let mut text_counts = true;
    while begun.elapsed() < SHORT * 4 {
        pinged.send(masked(0x89, b""));
        assert_eq!(pinged.exactly(2), b"\x8a\x00");
        if text_counts {
            text_counts = written.try_send(&masked(0x81, b"hello")) && catcher.open_sockets() == 2;
        }
    }
    assert!(!text_counts);
    assert_eq!(catcher.open_sockets(), 1);
}

#[test]
fn text_may_count_too() {
    let catcher = Catcher::start(Options { socket_idle: SHORT, unanswered_counts: true, ..Options::default() });
    let begun = Instant::now();
    let mut written = open(&catcher);
    written.send(masked(0x81, b"hello"));
    assert!(written.rest().is_empty());
    assert!(begun.elapsed() >= SHORT * 2);
}

#[test]
fn frames_in_the_packet_of_the_handshake_are_lost() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    let handshake = format!("GET /messages HTTP/1.1\r\n{UPGRADE}\r\n");
    client.send([handshake.as_bytes(), &masked(0x89, b"early")].concat());
    assert_eq!(client.answer().status(), "101");
    client.send(masked(0x89, b"late"));
    assert_eq!(client.exactly(6), b"\x8a\x04late");
}

#[test]
fn a_handshake_is_one_only_by_the_last_line_of_each_header() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    let key = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let lines = format!("Connection: Upgrade\r\nConnection: keep-alive\r\n{key}");
    assert_eq!(client.ask("GET", "/messages", &lines).status(), "200");
    assert_eq!(client.ask("GET", "/messages", "Connection: Upgrade\r\nUpgrade: h2c\r\n").status(), "200");
    let lines = format!("Connection: keep-alive\r\nConnection: Upgrade\r\nOrigin: http://elsewhere\r\n{key}");
    assert_eq!(client.ask("GET", "/messages", &lines).status(), "101"); // and no Origin is too foreign
}

#[test]
fn a_handshake_without_a_key_fails() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    let lines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    assert_eq!(client.ask("GET", "/messages", lines).status(), "500");
}

#[test]
fn a_test_can_send_any_bytes_and_cut_the_sockets() {
    let catcher = catcher();
    let mut socket = open(&catcher);
    catcher.send_text_to_sockets(&"a".repeat(200));
    assert_eq!(text(&mut socket), "a".repeat(200));
    catcher.send_to_sockets(b"\x81\x05he");
    catcher.cut_sockets();
    assert_eq!(socket.rest(), b"\x81\x05he");
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 0 && state.open_connections == 0));
}

#[test]
fn stopping_ends_sockets_without_a_word() {
    let catcher = catcher();
    let mut socket = open(&catcher);
    Client::to(catcher.http_addr()).ask("DELETE", "/", "");
    assert!(socket.rest().is_empty());
}
