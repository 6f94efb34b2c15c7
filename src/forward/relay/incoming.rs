//! What came from one side, cut into what the relay decides on. Nothing here does I/O.

use bytes::BytesMut;

use super::events::{self, Event};
use crate::forward::frame::{self, FrameError, Head, Opcode, Order, Sender};

/// The longest event that is looked at as a whole, in bytes; MailCatcher's longest usual one, `add`, has some hundreds.
const EVENT: u64 = 4 * 1024;

/// The longest message of a browser, in bytes. MailCatcher reads none of them, but collects each to its end.
pub(super) const LONGEST: u64 = 1 << 20;

/// Reads one side's frames.
#[derive(Debug)]
pub(super) struct Incoming {
    sender: Sender,
    order: Order,
    /// Came and not yet looked at: never more than a frame that is looked at as a whole, and one read.
    read: BytesMut,
    /// How much of the current frame's payload is still to come.
    payload_left: u64,
    /// The length of the current message so far.
    message: u64,
}

/// What the relay decides on. Each holds its bytes as they came.
#[derive(Debug)]
pub(super) enum Piece {
    /// A part of a frame with data; whether the frame ends with it.
    Data(BytesMut, bool),
    /// A whole message of the catcher's that says something.
    Event(Event, BytesMut),
    /// A whole ping or pong, and its payload without the mask.
    Beat(Opcode, BytesMut, BytesMut),
    /// A whole close frame, and its code.
    Close(Option<u16>, BytesMut),
}

impl Incoming {
    pub(super) fn of(sender: Sender) -> Self {
        Self { sender, order: Order::default(), read: BytesMut::new(), payload_left: 0, message: 0 }
    }

    /// Takes what was read.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
    }

    /// The next piece; none when more has to come first.
    ///
    /// # Errors
    /// [`FrameError`]; nothing is of use after it.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, FrameError> {
        if self.payload_left > 0 {
            return Ok(if self.read.is_empty() { None } else { Some(self.more(0)) });
        }
        let Some(head) = Head::parse(&self.read, self.sender)? else {
            if self.read.is_empty() {
                // A quiet socket holds no memory for what may come.
                self.read = BytesMut::new();
            }
            return Ok(None);
        };
        let is_event =
            self.sender == Sender::Server && head.opcode == Opcode::Text && head.fin && head.payload <= EVENT;
        if !head.opcode.is_control() && !is_event {
            self.order.next(&head)?;
            self.measure(&head)?;
            self.payload_left = head.payload;
            return Ok(Some(self.more(head.head)));
        }
        let length = head.head + usize::try_from(head.payload).unwrap_or(usize::MAX);
        if self.read.len() < length {
            return Ok(None);
        }
        self.order.next(&head)?;
        let whole = self.read.split_to(length);
        let mut payload = BytesMut::from(whole.get(head.head..).unwrap_or_default());
        frame::unmask(&mut payload, head.mask);
        Ok(Some(match head.opcode {
            Opcode::Close => Piece::Close(frame::close_code(&payload)?, whole),
            Opcode::Ping | Opcode::Pong => Piece::Beat(head.opcode, payload, whole),
            _ => Piece::Event(events::read(&payload), whole),
        }))
    }

    /// Whether a message has begun that has not ended: only control frames may stand there.
    pub(super) fn is_inside_message(&self) -> bool {
        self.payload_left > 0 || self.order.is_inside_message()
    }

    /// `head` bytes, and of the frame's payload what is there.
    fn more(&mut self, head: usize) -> Piece {
        let there = self.read.len() - head;
        let taken = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(there);
        self.payload_left -= taken as u64;
        Piece::Data(self.read.split_to(head + taken), self.payload_left == 0)
    }

    fn measure(&mut self, head: &Head) -> Result<(), FrameError> {
        let before = if head.opcode == Opcode::Continuation { self.message } else { 0 };
        self.message = before.saturating_add(head.payload);
        match self.sender {
            Sender::Client if self.message > LONGEST => Err(FrameError::TooLong),
            _ => Ok(()),
        }
    }
}
