//! WebSocket frames (RFC 6455 section 5.2): where one begins and ends, and whether it may stand there.
//!
//! No extension is ever negotiated on a parsed socket, so the reserved bits are zero. Nothing here does I/O.

use bytes::{BufMut as _, BytesMut};

/// Who sent a frame: a client masks, a server does not (RFC 6455 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The browser.
    Client,
    /// The catcher.
    Server,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message before.
    Continuation,
    /// The beginning of a text message, or all of it.
    Text,
    /// The beginning of a binary message, or all of it.
    Binary,
    /// The connection ends.
    Close,
    /// Are you there?
    Ping,
    /// I am.
    Pong,
}

impl Opcode {
    /// Close, ping and pong may stand between the fragments of a message, and are short and whole.
    #[must_use]
    pub fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whether the message ends with this frame.
    pub fin: bool,
    /// What it carries.
    pub opcode: Opcode,
    /// The masking key of a client's frame.
    pub mask: Option<[u8; 4]>,
    /// The length of the payload, in bytes.
    pub payload: u64,
    /// The length of this head itself, in bytes: 2 to 14.
    pub head: usize,
}

/// Why bytes are not a frame, or none that may stand there. Each ends the connection, with its [`FrameError::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A reserved bit is set, though no extension was agreed on.
    ReservedBits,
    /// An opcode that the protocol does not have.
    Opcode(u8),
    /// A client's frame without a mask, or a server's with one.
    Mask,
    /// A control frame that is long or in fragments.
    Control,
    /// A length that is not written in the shortest way, or has its first bit set.
    Length,
    /// A continuation of nothing, or a new message inside another.
    Fragment,
    /// A close frame with half a code, or a code that must not be sent (RFC 6455 section 7.4).
    CloseCode,
    /// A close frame whose reason is not UTF-8.
    CloseReason,
    /// A message longer than anything that the receiver has a use for.
    TooLong,
}

impl FrameError {
    /// What the sender is told.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            FrameError::CloseReason => CLOSE_NOT_TEXT,
            FrameError::TooLong => CLOSE_TOO_LONG,
            _ => CLOSE_PROTOCOL_ERROR,
        }
    }
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::ReservedBits => f.write_str("a frame has reserved bits set"),
            FrameError::Opcode(opcode) => write!(f, "a frame has the unknown opcode {opcode}"),
            FrameError::Mask => f.write_str("a frame is masked that must not be, or not masked that must be"),
            FrameError::Control => f.write_str("a control frame is long or in fragments"),
            FrameError::Length => f.write_str("a frame's length is not written in the shortest way"),
            FrameError::Fragment => f.write_str("a fragment stands where none may"),
            FrameError::CloseCode => f.write_str("a close frame has a code that must not be sent"),
            FrameError::CloseReason => f.write_str("a close frame's reason is not UTF-8"),
            FrameError::TooLong => f.write_str("a message is longer than anybody reads"),
        }
    }
}

impl std::error::Error for FrameError {}

/// "Normal closure" (RFC 6455 section 7.4.1).
pub const CLOSE_NORMAL: u16 = 1000;
/// "Going away": the gate stops.
pub const CLOSE_GOING_AWAY: u16 = 1001;
/// "Protocol error".
pub const CLOSE_PROTOCOL_ERROR: u16 = 1002;
/// Text that is not UTF-8.
pub const CLOSE_NOT_TEXT: u16 = 1007;
/// The user may not have the connection any more (RFC 6455 section 7.4.1: a policy is violated).
pub const CLOSE_POLICY: u16 = 1008;
/// "Message too big".
pub const CLOSE_TOO_LONG: u16 = 1009;
/// "Service restart" (IANA's registry of close codes): the catcher is gone; come again, not all at once.
pub const CLOSE_RESTART: u16 = 1012;

/// The longest head: two bytes, eight of length, four of mask.
pub const LONGEST_HEAD: usize = 14;

impl Head {
    /// Parses the head at the beginning of `bytes`; `None` when more are needed.
    ///
    /// # Errors
    /// [`FrameError`], as soon as the bytes cannot become a frame of `sender`.
    pub fn parse(bytes: &[u8], sender: Sender) -> Result<Option<Self>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FrameError::ReservedBits);
        }
        let fin = first & 0x80 != 0;
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            other => return Err(FrameError::Opcode(other)),
        };
        let masked = second & 0x80 != 0;
        if masked != (sender == Sender::Client) {
            return Err(FrameError::Mask);
        }
        let short = second & 0x7f;
        if opcode.is_control() && (!fin || short > 125) {
            return Err(FrameError::Control);
        }
        let (payload, length_bytes) = match short {
            126 => match rest.first_chunk::<2>() {
                None => return Ok(None),
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
            },
            127 => match rest.first_chunk::<8>() {
                None => return Ok(None),
                Some(length) => (u64::from_be_bytes(*length), 8),
            },
            short => (u64::from(short), 0),
        };
        let shortest = match length_bytes {
            2 => payload > 125,
            8 => payload > u64::from(u16::MAX) && payload >> 63 == 0,
            _ => true,
        };
        if !shortest {
            return Err(FrameError::Length);
        }
        let mask = match (masked, rest.get(length_bytes..).and_then(|rest| rest.first_chunk::<4>())) {
            (false, _) => None,
            (true, Some(mask)) => Some(*mask),
            (true, None) => return Ok(None),
        };
        let head = 2 + length_bytes + if masked { 4 } else { 0 };
        Ok(Some(Self { fin, opcode, mask, payload, head }))
    }
}

/// Which frames may follow: the order of fragments (RFC 6455 section 5.4).
#[derive(Clone, Copy, Debug, Default)]
pub struct Order {
    inside_message: bool,
}

impl Order {
    /// Takes the next frame.
    ///
    /// # Errors
    /// [`FrameError::Fragment`].
    pub fn next(&mut self, head: &Head) -> Result<(), FrameError> {
        if head.opcode.is_control() {
            return Ok(());
        }
        if self.inside_message != (head.opcode == Opcode::Continuation) {
            return Err(FrameError::Fragment);
        }
        self.inside_message = !head.fin;
        Ok(())
    }

    /// Whether a message has begun whose last fragment has not come.
    #[must_use]
    pub fn is_inside_message(&self) -> bool {
        self.inside_message
    }
}

/// The code of a close frame with this payload, without its mask; none is none.
///
/// # Errors
/// [`FrameError::CloseCode`] or [`FrameError::CloseReason`] for what must not be sent (RFC 6455 sections 5.5.1 and 7.4).
pub fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameError> {
    let (code, reason) = match *payload {
        [] => return Ok(None),
        [high, low, ref reason @ ..] => (u16::from_be_bytes([high, low]), reason),
        _ => return Err(FrameError::CloseCode),
    };
    match code {
        // 1004 is reserved; 1005, 1006 and 1015 are what programs say to themselves when no code came.
        1000..=1003 | 1007..=1014 | 3000..=4999 => {}
        _ => return Err(FrameError::CloseCode),
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(FrameError::CloseReason);
    }
    Ok(Some(code))
}

/// Appends a whole frame of `sender`. A client's mask is zero: it hides nothing here, for there is no cache between the
/// gate and the catcher.
pub fn put(out: &mut BytesMut, sender: Sender, opcode: Opcode, payload: &[u8]) {
    let mask_bit = if sender == Sender::Client { 0x80 } else { 0 };
    out.put_u8(0x80 | opcode.bits());
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => out.put_u8(mask_bit | short),
        (_, Ok(medium)) => {
            out.put_u8(mask_bit | 126);
            out.put_u16(medium);
        }
        _ => {
            out.put_u8(mask_bit | 127);
            out.put_u64(payload.len() as u64);
        }
    }
    if sender == Sender::Client {
        out.put_u32(0);
    }
    out.put_slice(payload);
}

/// Removes the mask from a payload, or puts it on (RFC 6455 section 5.3).
pub fn unmask(payload: &mut [u8], mask: Option<[u8; 4]>) {
    if let Some(mask) = mask {
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    }
}

/// A whole ping frame of a client, with nothing in it.
#[must_use]
pub fn client_ping() -> [u8; 6] {
    [0x80 | Opcode::Ping.bits(), 0x80, 0, 0, 0, 0]
}

/// A whole pong frame of a client, which answers a ping of this payload; what is over 125 bytes of it goes.
#[must_use]
pub fn client_pong(payload: &[u8]) -> Vec<u8> {
    let payload = payload.get(..125).unwrap_or(payload);
    let length = u8::try_from(payload.len()).unwrap_or_default();
    let mut out = vec![0x80 | Opcode::Pong.bits(), 0x80 | length, 0, 0, 0, 0];
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
