//! A client that sends exactly the frames it is given (RFC 9113 section 4.1), and shows those that come back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say why"
)]

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::support::gate::Gate;
use crate::support::patience::PATIENCE;
use crate::support::secure::Secure;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags: the last of a stream (of SETTINGS and PING: an answer), and the last of a head.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// What a connection begins with, before its SETTINGS.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Frame {
        Frame { kind, flags, stream, payload: payload.into() }
    }

    /// As it stands on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = (self.payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// The error code of a RST_STREAM or a GOAWAY.
    pub(crate) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status of an answer's head: its first field.
    pub(crate) fn status(&self) -> u16 {
        assert_eq!(self.kind, HEADERS, "{self:?}");
        let mut block = &self.payload[..];
        while let [0x20..=0x3f, rest @ ..] = block {
            block = rest;
        }
        match block {
            [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
            [0x08 | 0x18 | 0x48, length, rest @ ..] if length & 0x80 != 0 => {
                digits(&rest[..usize::from(length & 0x7f)])
            }
            [0x08 | 0x18 | 0x48, 3, rest @ ..] => std::str::from_utf8(&rest[..3]).unwrap().parse().unwrap(),
            other => panic!("a head that does not begin with a status that is told anew: {other:x?}"),
        }
    }
}

/// Three digits in Huffman's code (RFC 7541 appendix B).
fn digits(bytes: &[u8]) -> u16 {
    let bits = bytes.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
    let mut left = bytes.len() * 8;
    (0..3).fold(0, |number, _| {
        let short = bits >> (left - 5) & 0x1f;
        let digit = if short < 3 {
            left -= 5;
            short
        } else {
            left -= 6;
            (bits >> left & 0x3f) - 0x19 + 3
        };
        number * 10 + digit as u16
    })
}

/// A head's block: each field as a literal that is not indexed, in plain text (RFC 7541 section 6.2.2).
pub(crate) fn block<T: AsRef<[u8]>>(fields: &[(T, T)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            length(&mut block, text.len());
            block.extend(text);
        }
    }
    block
}

fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        return block.push(length as u8);
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}

/// The fields of a GET as anna, and more of them.
pub(crate) fn get<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![(":method", "GET"), (":scheme", "https"), (":authority", "dev.test"), (":path", path)];
    fields.push(("authorization", "Basic YW5uYTpzZWNyZXQ="));
    fields.extend(more);
    fields
}

/// A connection.
pub(crate) struct Client {
    stream: Secure,
    buffer: Vec<u8>,
    /// Whether PING and SETTINGS of the gate are answered, and what it sends is made room for.
    pub(crate) is_polite: bool,
}

impl Client {
    /// Connects, and sends the preface and these settings.
    pub(crate) fn connect(gate: &Gate, settings: &[(u16, u32)]) -> Client {
        let mut client = Client::silent(gate);
        client.begin(settings);
        client
    }

    /// Connects and says nothing.
    pub(crate) fn silent(gate: &Gate) -> Client {
        Client { stream: Secure::connect(gate.addr(), &["h2"]), buffer: Vec::new(), is_polite: true }
    }

    pub(crate) fn begin(&mut self, settings: &[(u16, u32)]) {
        let mut payload = Vec::new();
        // Without a table, each head says its status anew.
        for (name, value) in [(1, 0)].iter().chain(settings) {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        self.send(PREFACE);
        self.frame(SETTINGS, 0, 0, payload);
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write(bytes).unwrap();
    }

    /// Sends bytes, if the gate still takes them.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write(bytes)
    }

    /// Sends a frame.
    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) {
        self.send(&Frame::new(kind, flags, stream, payload).bytes());
    }

    /// Sends a whole head on a stream, which ends with it or not.
    pub(crate) fn head(&mut self, stream: u32, fields: &[(&str, &str)], ends: bool) {
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.frame(HEADERS, flags, stream, block(fields));
    }

    /// The next frame; none if the connection ends before it is whole.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        self.next_within(PATIENCE).expect("a frame or the end, in time")
    }

    /// The next frame, if it or the end comes within `wait`.
    pub(crate) fn next_within(&mut self, wait: Duration) -> Option<Option<Frame>> {
        let until = Instant::now() + wait;
        loop {
            if let Some(frame) = self.taken() {
                return Some(Some(frame));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            match self.stream.read(&mut self.buffer, left) {
                Ok(0) => return Some(None),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Some(None),
            }
        }
    }

    fn taken(&mut self) -> Option<Frame> {
        let head = self.buffer.get(..9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        if self.buffer.len() < 9 + length {
            return None;
        }
        let payload = self.buffer.drain(..9 + length).skip(9).collect();
        let frame = Frame { kind, flags, stream, payload };
        if self.is_polite {
            match (kind, flags) {
                (SETTINGS, 0) => {
                    let _ = self.try_send(&Frame::new(SETTINGS, ACK, 0, []).bytes());
                }
                (PING, 0) => {
                    let _ = self.try_send(&Frame::new(PING, ACK, 0, frame.payload.clone()).bytes());
                }
                _ => {}
            }
        }
        Some(frame)
    }

    /// The first frame that `wanted` takes; others are passed over.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let mut seen = Vec::new();
        loop {
            let Some(frame) = self.next() else { panic!("the connection ended before {what}; there were {seen:?}") };
            if wanted(&frame) {
                return frame;
            }
            seen.push((frame.kind, frame.flags, frame.stream));
        }
    }

    /// The status of the answer on a stream.
    pub(crate) fn status(&mut self, stream: u32) -> u16 {
        self.until("an answer", |frame| frame.kind == HEADERS && frame.stream == stream).status()
    }

    /// With which code the gate resets a stream.
    pub(crate) fn reset(&mut self, stream: u32) -> u32 {
        self.until("a reset", |frame| frame.kind == RST_STREAM && frame.stream == stream).code()
    }

    /// With which code the gate ends the connection, and that it then does.
    pub(crate) fn farewell(&mut self) -> u32 {
        let mut code = None;
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                code = Some(frame.code());
            }
        }
        code.expect("no GOAWAY before the end")
    }

    /// Whether a request is answered on it.
    pub(crate) fn is_alive(&mut self, stream: u32) -> bool {
        self.head(stream, &get("/messages", &[]), true);
        self.status(stream) == 200
    }
}
