//! An answer's body on its stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::streams::Turn;
use crate::body::{Body, BodyError};

/// What is handed to h2 at a time, in bytes: a frame. h2 takes whatever it is given as soon as its client has room for one
/// byte of it, so this bounds both what is held and how much a slow client has to take to be seen taking something. With the
/// frame's head of nine bytes it fills a record of TLS, of which there would be two for each frame otherwise.
const PART: usize = (16 << 10) - 9;

/// The body, in parts, and whether h2 waits for the next one.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    rest: Bytes,
    turn: Arc<Turn>,
}

impl Answer {
    /// `body`, whose way the task of `turn` watches.
    pub(super) fn new(body: Body, turn: Arc<Turn>) -> Self {
        Self { body: body.in_flight(turn.begin()), rest: Bytes::new(), turn }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            this.turn.waits_for_the_catcher();
            match std::task::ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        this.turn.waits_for_the_client();
        let part = this.rest.split_to(this.rest.len().min(PART));
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, hint) = (self.rest.len() as u64, self.body.size_hint());
        let mut all = SizeHint::new();
        all.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            all.set_upper(upper.saturating_add(rest));
        }
        all
    }
}
