//! WebSocket frames (RFC 6455 section 5.2): where one begins and ends, and whether it may stand there.
//!
//! No extension is ever negotiated on a parsed socket, so the reserved bits are zero. Nothing here does I/O.

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

/// Why bytes are not a frame. Each ends the connection with [`CLOSE_PROTOCOL_ERROR`].
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
        }
    }
}

impl std::error::Error for FrameError {}

/// "Going away" (RFC 6455 section 7.4.1): the gate stops.
pub const CLOSE_GOING_AWAY: u16 = 1001;
/// "Protocol error".
pub const CLOSE_PROTOCOL_ERROR: u16 = 1002;
/// The user may not have the connection any more (RFC 6455 section 7.4.1: a policy is violated).
pub const CLOSE_POLICY: u16 = 1008;

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
}

/// A whole close frame of a server.
#[must_use]
pub fn server_close(code: u16) -> [u8; 4] {
    let [high, low] = code.to_be_bytes();
    [0x80 | Opcode::Close.bits(), 2, high, low]
}

/// A whole close frame of a client. The mask hides nothing here: there is no cache between the gate and the catcher.
#[must_use]
pub fn client_close(code: u16) -> [u8; 8] {
    let [high, low] = code.to_be_bytes();
    [0x80 | Opcode::Close.bits(), 0x80 | 2, 0, 0, 0, 0, high, low]
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(fin: bool, opcode: u8, mask: Option<[u8; 4]>, payload: u64) -> Vec<u8> {
        let mut out = vec![u8::from(fin) << 7 | opcode];
        let masked = u8::from(mask.is_some()) << 7;
        match payload {
            0..=125 => out.push(masked | payload as u8),
            126..=0xffff => {
                out.push(masked | 126);
                out.extend((payload as u16).to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend(payload.to_be_bytes());
            }
        }
        out.extend(mask.into_iter().flatten());
        out
    }

    #[test]
    fn what_is_no_frame_is_refused_as_soon_as_it_shows() {
        for (bytes, sender, want) in [
            (&[0xc1, 0x00][..], Sender::Server, FrameError::ReservedBits),
            (&[0x83, 0x00], Sender::Server, FrameError::Opcode(3)),
            (&[0x8f, 0x00], Sender::Server, FrameError::Opcode(15)),
            (&[0x81, 0x00], Sender::Client, FrameError::Mask),
            (&[0x81, 0x80], Sender::Server, FrameError::Mask),
            (&[0x89, 0x7e], Sender::Server, FrameError::Control),
            (&[0x09, 0x00], Sender::Server, FrameError::Control),
            (&[0x81, 0x7e, 0x00, 0x7d], Sender::Server, FrameError::Length),
            (&[0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff], Sender::Server, FrameError::Length),
            (&[0x81, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0], Sender::Server, FrameError::Length),
        ] {
            assert_eq!(Head::parse(bytes, sender), Err(want), "{bytes:?}");
        }
    }

    #[test]
    fn fragments_follow_their_beginning_and_control_frames_stand_between() {
        let head = |opcode, fin| Head { fin, opcode, mask: None, payload: 0, head: 2 };
        let mut order = Order::default();
        assert!(order.next(&head(Opcode::Continuation, true)).is_err());
        assert!(order.next(&head(Opcode::Text, false)).is_ok());
        assert!(order.next(&head(Opcode::Ping, true)).is_ok());
        assert!(order.next(&head(Opcode::Text, true)).is_err());
        assert!(order.next(&head(Opcode::Continuation, true)).is_ok());
        assert!(order.next(&head(Opcode::Binary, true)).is_ok());
    }

    proptest! {
        #[test]
        fn a_written_head_is_read_back_from_any_number_of_its_bytes(
            fin: bool, opcode in prop_oneof![0u8..3, 8u8..11], masked: bool, mask: [u8; 4],
            payload in prop_oneof![0u64..300, 65_000u64..66_000, 0u64..(1 << 63)],
        ) {
            let control = opcode >= 8;
            let (fin, payload) = if control { (true, payload % 126) } else { (fin, payload) };
            let sender = if masked { Sender::Client } else { Sender::Server };
            let mask = masked.then_some(mask);
            let bytes = written(fin, opcode, mask, payload);
            for cut in 0..bytes.len() {
                prop_assert_eq!(Head::parse(&bytes[..cut], sender), Ok(None));
            }
            let head = Head::parse(&bytes, sender).unwrap().unwrap();
            prop_assert_eq!((head.fin, head.opcode.bits(), head.mask, head.payload), (fin, opcode, mask, payload));
            prop_assert_eq!(head.head, bytes.len());
            prop_assert!(head.head <= LONGEST_HEAD);
        }

        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            let _ = Head::parse(&bytes, Sender::Client);
            let _ = Head::parse(&bytes, Sender::Server);
        }
    }

    #[test]
    fn our_own_close_frames_are_frames() {
        let close = Head::parse(&server_close(CLOSE_GOING_AWAY), Sender::Server).unwrap().unwrap();
        assert_eq!((close.opcode, close.payload, close.fin), (Opcode::Close, 2, true));
        let close = Head::parse(&client_close(CLOSE_PROTOCOL_ERROR), Sender::Client).unwrap().unwrap();
        assert_eq!((close.opcode, close.payload, close.mask), (Opcode::Close, 2, Some([0; 4])));
    }
}
