//! What is to be written to one side: the other side's bytes, and frames of our own where one may stand. Nothing here
//! does I/O.

use bytes::{Buf as _, BytesMut};
use tokio::time::Instant;

use crate::forward::frame::{self, Opcode, Sender};

/// Bytes on their way to one side.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// As whom.
    sender: Sender,
    bytes: BytesMut,
    /// Frames of our own that wait until the frame before them has ended.
    own: BytesMut,
    /// Whether a frame has begun that has not ended.
    inside: bool,
    /// Whether the last frame is a close frame: nothing may follow it.
    closed: bool,
    /// Since when something waits and nothing was taken.
    waits_since: Option<Instant>,
}

impl Outgoing {
    pub(super) fn of(sender: Sender) -> Self {
        Self { sender, bytes: BytesMut::new(), own: BytesMut::new(), inside: false, closed: false, waits_since: None }
    }

    /// Passes on a part of a frame as it came; whether the frame ends with it.
    pub(super) fn pass(&mut self, part: BytesMut, ends: bool, now: Instant) {
        if self.closed {
            return;
        }
        self.bytes.unsplit(part);
        self.inside = !ends;
        if ends && !self.own.is_empty() {
            self.bytes.unsplit(self.own.split());
        }
        self.waits_since.get_or_insert(now);
    }

    /// Passes on a whole close frame.
    pub(super) fn pass_close(&mut self, whole: BytesMut, now: Instant) {
        self.pass(whole, true, now);
        self.closed = true;
    }

    /// Adds a frame of our own, as soon as one may stand.
    pub(super) fn add(&mut self, opcode: Opcode, payload: &[u8], now: Instant) {
        if self.closed {
            return;
        }
        let to = if self.inside { &mut self.own } else { &mut self.bytes };
        frame::put(to, self.sender, opcode, payload);
        if !self.inside {
            self.waits_since.get_or_insert(now);
        }
    }

    /// Adds the last frame. None can stand inside another: then the connection just ends.
    pub(super) fn close(&mut self, code: u16, now: Instant) {
        if !self.inside {
            self.add(Opcode::Close, &code.to_be_bytes(), now);
        }
        self.closed = true;
    }

    /// What waits to be written.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes
    }

    /// So much was written.
    pub(super) fn taken(&mut self, count: usize, now: Instant) {
        self.bytes.advance(count);
        self.waits_since = Some(now);
        if self.bytes.is_empty() {
            // A quiet socket holds no memory for what may come.
            self.bytes = BytesMut::new();
            self.waits_since = None;
        }
    }

    /// Since when something waits and nothing was taken.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.waits_since
    }
}
