//! Socket.io 4 through a gate, as its own client speaks it: long polling, and a WebSocket.

use crate::support::gate::{AS_ANNA, Gate};
use crate::support::raw::Client;

const PATH: &str = "/socket.io/?EIO=4&transport=";

/// Neither of the two is open to whoever has no password.
pub(crate) fn nobody_listens_without_a_login(gate: &Gate) {
    for transport in ["polling", "websocket"] {
        assert_eq!(gate.connect().request(&format!("GET {PATH}{transport}"), "").status, 401);
    }
}

/// A new mail is told of to somebody who polls.
pub(crate) fn polled(gate: &Gate, send: impl Fn()) {
    let opened = gate.connect().request(&format!("GET {PATH}polling"), AS_ANNA);
    assert_eq!(opened.status, 200, "{}", opened.text());
    let text = opened.text();
    let id = text.split_once("\"sid\":\"").unwrap().1.split('"').next().unwrap();
    let path = format!("{PATH}polling&sid={id}");
    let joined = gate.connect().request(&format!("POST {path}"), &format!("{AS_ANNA}Content-Length: 2\r\n\r\n40"));
    assert_eq!((joined.status, joined.text().as_str()), (200, "ok"));
    send();
    let mut told = String::new();
    while !told.contains("\"newMail\"") {
        let answer = gate.connect().request(&format!("GET {path}"), AS_ANNA);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.field("cache-control").as_deref(), Some("no-store"));
        told.push_str(&answer.text());
    }
    assert!(told.contains("live"), "{told}");
}

/// The same to somebody with a WebSocket.
pub(crate) fn over_a_websocket(gate: &Gate, send: impl Fn()) {
    let mut socket = gate.connect();
    let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let answer = socket.request(&format!("GET {PATH}websocket"), &format!("{AS_ANNA}{handshake}"));
    assert_eq!(answer.status, 101, "{}", answer.text());
    until(&mut socket, "0{");
    // To join: a text of two letters, masked with noughts.
    socket.send([0x81, 0x82, 0, 0, 0, 0, b'4', b'0']);
    until(&mut socket, "40");
    send();
    assert!(until(&mut socket, "42[\"newMail\"").contains("live"));
}

/// The next text message that begins so.
fn until(socket: &mut Client, begin: &str) -> String {
    loop {
        let head = socket.read(2);
        let [first, length] = head[..] else { panic!("it ended before {begin}") };
        let length = match length {
            126 => u16::from_be_bytes(socket.read(2).try_into().unwrap()).into(),
            0..126 => length.into(),
            _ => panic!("a length of {length} is masked or larger than any event"),
        };
        let text = String::from_utf8_lossy(&socket.read(length)).into_owned();
        if first == 0x81 && text.starts_with(begin) {
            return text;
        }
    }
}
