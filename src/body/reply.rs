//! The body of an answer on a connection of the gate's own to the catcher.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::SizeHint;

use super::framing::{Framing, Next};
use super::{BodyError, Sending};
use crate::wire::Wire;

/// How much is read at once, in bytes: little at first, and twice as much whenever all of it was there. More saves system
/// calls, and costs memory for each client that is slow.
const ROOM: (usize, usize) = (8 << 10, 256 << 10);

/// A body as it comes.
#[derive(Debug)]
pub struct Reply {
    wire: Wire,
    framing: Framing,
    /// Whether the connection is good for another request behind this answer.
    stays: bool,
    room: usize,
    /// What of the request is still to be sent: this answer came before.
    rest: Option<Box<Sending>>,
}

impl Reply {
    /// What comes on `wire` behind the head that said `framing`, and whether the connection `stays` open behind it.
    #[must_use]
    pub fn new(wire: Wire, framing: Framing, stays: bool) -> Self {
        Self { wire, framing, stays: stays && framing != Framing::UntilClose, room: ROOM.0, rest: None }
    }

    /// The same, with `rest` of the request still to be sent while the answer comes, and no longer.
    #[must_use]
    pub fn before(mut self, rest: Box<Sending>) -> Self {
        (self.rest, self.stays) = (Some(rest), false);
        self
    }

    /// All of it, if it is there, and the connection if it can be used again.
    ///
    /// # Errors
    /// The reply as it is, of which more is to come.
    pub fn at_hand(mut self) -> Result<(Bytes, Option<Wire>), Self> {
        let whole = match self.framing {
            Framing::Ended => Bytes::new(),
            Framing::Length(length) if length <= self.wire.read.len() as u64 => {
                match self.framing.next(&mut self.wire.read) {
                    Ok(Next::Part(whole)) => whole,
                    _ => return Err(self),
                }
            }
            _ => return Err(self),
        };
        Ok((whole, self.into_wire()))
    }

    /// The connection, if the body ended well and nothing came behind it.
    #[must_use]
    pub fn into_wire(mut self) -> Option<Wire> {
        if self.room > ROOM.0 {
            // Else each connection that waits would hold as much as the largest answer on it took.
            let read = std::mem::take(&mut self.wire.read);
            self.stays &= read.is_empty();
        }
        (self.stays && self.is_ended() && self.wire.read.is_empty()).then_some(self.wire)
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.framing == Framing::Ended
    }

    /// How much is to come.
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        self.framing.size_hint()
    }

    /// The next part; none at the end.
    pub fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        // Whatever becomes of the request, the answer shows by itself whether it is whole.
        if self.rest.as_mut().is_some_and(|rest| rest.poll(&mut self.wire, cx).is_ready()) {
            self.rest = None;
        }
        let error = loop {
            match self.framing.next(&mut self.wire.read) {
                Ok(Next::Part(part)) => return Poll::Ready(Some(Ok(part))),
                Ok(Next::End) => return Poll::Ready(None),
                Ok(Next::More) => {}
                Err(wrong) => break wrong.into(),
            }
            match ready!(self.wire.poll_read(self.room, cx)) {
                Ok(0) if self.framing == Framing::UntilClose => self.framing = Framing::Ended,
                Ok(0) => break io::Error::from(io::ErrorKind::UnexpectedEof).into(),
                Ok(read) if read >= self.room => self.room = (self.room * 2).min(ROOM.1),
                Ok(_) => {}
                Err(error) => break error.into(),
            }
        };
        Poll::Ready(Some(Err(BodyError::Broken(error))))
    }
}
