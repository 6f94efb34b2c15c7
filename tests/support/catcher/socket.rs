//! The story of one WebSocket at `/messages`: it tells of mail, answers pings and closes, ignores text, and is cut
//! without a word when nothing was sent on it for a while.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, interval_at};

use super::Context;
use super::connection::{Connection, PACKET};
use super::state::{Order, Received, Shared};

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The answer to a handshake's key, by RFC 6455 section 4.2.2.
pub(crate) fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(hash.finalize())
}

/// A whole frame of a server: final, unmasked.
pub(crate) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut frame = vec![0x80 | opcode];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// Takes the socket out of the list however its task ends.
struct Listed<'a>(&'a Shared, usize);

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.sockets.remove(&self.1));
    }
}

/// Opens the socket with `head` and serves it until it ends. Whoever sees the head is told of what comes from then on.
/// Returning closes the connection, which is all the goodbye there is.
pub(crate) async fn serve(connection: &mut Connection, context: &Context, head: &str) -> io::Result<()> {
    let shared = &*context.shared;
    let (sender, mut orders) = unbounded_channel();
    shared.change(|state| state.sockets.insert(connection.number, sender));
    let _listed = Listed(shared, connection.number);
    connection.send(head.as_bytes()).await?;

    let idle = shared.options.socket_idle;
    let mut look = interval_at(Instant::now() + idle, idle);
    let mut sent_since_look = false;
    let mut message_open = false;
    loop {
        while let Some((frame, length)) = ClientFrame::parse(&connection.buffer) {
            connection.buffer.drain(..length);
            shared.change(|state| state.frames.push(frame.received(connection.number)));
            let reply = frame.reply(&mut message_open);
            match reply {
                Reply::Nothing => sent_since_look |= shared.options.unanswered_counts,
                Reply::Frame(bytes) => {
                    connection.send(&bytes).await?;
                    sent_since_look = true;
                }
                Reply::Last(bytes) => return connection.send(&bytes).await,
            }
        }
        connection.buffer.reserve(PACKET);
        tokio::select! {
            read = connection.stream.read_buf(&mut connection.buffer) => {
                if read? == 0 {
                    return Ok(());
                }
            }
            order = orders.recv() => {
                match order {
                    Some(Order::Text(text)) => connection.send(&frame(TEXT, text.as_bytes())).await?,
                    Some(Order::Raw(bytes)) => connection.send(&bytes).await?,
                    Some(Order::Cut) | None => return Ok(()),
                }
                sent_since_look = true;
            }
            _ = look.tick() => {
                // What clients send counts if it made the server send: a ping does, text and pongs do not for sure.
                if !std::mem::take(&mut sent_since_look) {
                    return Ok(());
                }
            }
        }
    }
}

struct ClientFrame {
    first: u8,
    masked: bool,
    payload: Vec<u8>,
}

enum Reply {
    Nothing,
    Frame(Vec<u8>),
    Last(Vec<u8>),
}

impl ClientFrame {
    /// The frame at the beginning of the bytes, and how many it takes; `None` while it is not complete.
    fn parse(bytes: &[u8]) -> Option<(ClientFrame, usize)> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (length, start) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
            short => (u64::from(short), 2),
        };
        let masked = second & 0x80 != 0;
        if !masked || first & 0x70 != 0 {
            // Refused as it is: its length need not be true, and its payload need not come.
            return Some((ClientFrame { first, masked, payload: Vec::new() }, bytes.len()));
        }
        let mask: [u8; 4] = bytes.get(start..start + 4)?.try_into().ok()?;
        let end = (start + 4).checked_add(usize::try_from(length).ok()?)?;
        let payload =
            bytes.get(start + 4..end)?.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        Some((ClientFrame { first, masked, payload }, end))
    }

    fn received(&self, connection: usize) -> Received {
        Received { connection, opcode: self.first & 0x0f, payload: self.payload.clone() }
    }

    fn reply(&self, message_open: &mut bool) -> Reply {
        let last = self.first & 0x80 != 0;
        let opcode = self.first & 0x0f;
        if self.first & 0x70 != 0 {
            return goodbye(1002, "reserved bits are set");
        }
        if !self.masked {
            return goodbye(1003, "a client's frame has to be masked");
        }
        if opcode >= CLOSE && self.payload.len() > 125 {
            return goodbye(1002, "a control frame has to be short");
        }
        match opcode {
            PING => Reply::Frame(frame(PONG, &self.payload)),
            PONG => Reply::Nothing,
            CLOSE if self.payload.len() < 2 => goodbye(1000, ""),
            CLOSE => Reply::Last(frame(CLOSE, &self.payload)),
            CONTINUATION if !*message_open => goodbye(1002, "nothing to continue"),
            TEXT if last && std::str::from_utf8(&self.payload).is_err() => goodbye(1007, "text has to be UTF-8"),
            CONTINUATION | TEXT | BINARY => {
                *message_open = !last;
                Reply::Nothing
            }
            _ => goodbye(1002, "no such opcode"),
        }
    }
}

fn goodbye(code: u16, reason: &str) -> Reply {
    Reply::Last(frame(CLOSE, &[&code.to_be_bytes()[..], reason.as_bytes()].concat()))
}
