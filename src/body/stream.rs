//! A body that arrives while it is passed on, from one of hyper's connections or one of our own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, SizeHint};
use tokio::time::{Instant, Sleep};

use super::ahead::Parts;
use super::reply::Reply;
use super::{BodyError, Keep};
use crate::in_flight::Activity;

/// A body that arrives while it is passed on.
#[derive(Debug)]
pub(super) struct Stream {
    incoming: Incoming,
    stall: Stall,
    pub(super) progress: Option<Arc<Progress>>,
    /// What is given back when, and only when, the body has ended well: the upstream connection.
    pub(super) keep: Option<Box<dyn Keep>>,
    /// The client's connection, if it is to know when a body was not read to its end.
    pub(super) from: Option<Arc<Activity>>,
    /// When a body that would go on by itself has to end.
    pub(super) until: Option<Until>,
    /// How many bytes are to come, where the framing does not say so and something else does.
    pub(super) missing: u64,
    /// Why it broke off, once that is known and not told yet.
    breaks: Option<BodyError>,
}

/// When a body ends that would not by itself.
pub(super) struct Until(pub(super) Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl fmt::Debug for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Until")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(from) = self.from.as_ref().filter(|_| !self.incoming.is_ended()) {
            from.leaves_unread();
        }
    }
}

/// How far a streamed body has come.
#[derive(Debug, Default)]
pub struct Progress {
    frames: AtomicU64,
    waiting: AtomicBool,
}

impl Progress {
    /// How many frames have been taken from it.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Whether the next frame is wanted and has not come.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    fn moved(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.waiting.store(false, Ordering::Relaxed);
    }
}

impl Stream {
    /// `incoming`, with at most `limit` between two of its frames.
    pub(super) fn new(incoming: Incoming, limit: Option<Duration>) -> Self {
        let stall = Stall { limit, timer: None };
        Self { incoming, stall, progress: None, keep: None, from: None, until: None, missing: 0, breaks: None }
    }

    /// It broke off. That is told a moment later: whoever passes it on sends off what came before when there is nothing for
    /// the moment, and drops it at an error.
    fn poll_break(&mut self, error: BodyError, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.keep = None;
        self.breaks = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn give_back(&mut self) {
        if let Some(keep) = self.keep.take() {
            keep.body_ended(self.incoming.take_reply());
        }
    }
}

/// Where a body comes from.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A connection that hyper serves.
    Hyper(hyper::body::Incoming),
    /// One of our own to the catcher.
    Reply(Box<Reply>),
    /// Nowhere any more: it has ended, and the connection is elsewhere.
    Ended,
}

impl Incoming {
    fn is_ended(&self) -> bool {
        match self {
            Incoming::Hyper(incoming) => incoming.is_end_stream(),
            Incoming::Reply(reply) => reply.is_ended(),
            Incoming::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Incoming::Hyper(incoming) => incoming.size_hint(),
            Incoming::Reply(reply) => reply.size_hint(),
            Incoming::Ended => SizeHint::with_exact(0),
        }
    }

    /// The next part; trailers are dropped.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let incoming = match self {
            Incoming::Hyper(incoming) => incoming,
            Incoming::Reply(reply) => return reply.poll_data(cx),
            Incoming::Ended => return Poll::Ready(None),
        };
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(Ok(data)),
                    Err(_trailers) => continue,
                },
                Some(Err(error)) => Some(Err(BodyError::Broken(error.into()))),
                None => None,
            });
        }
    }

    /// What has ended and came from a connection of our own.
    fn take_reply(&mut self) -> Option<Box<Reply>> {
        match std::mem::replace(self, Incoming::Ended) {
            Incoming::Reply(reply) => Some(reply),
            other => {
                *self = other;
                None
            }
        }
    }
}

impl Parts for Stream {
    fn is_ended(&self) -> bool {
        self.incoming.is_ended()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.until.as_mut().is_some_and(|until| until.0.as_mut().poll(cx).is_ready()) {
            // The connection to the catcher is dropped with what is still to come on it.
            self.keep = None;
            return Poll::Ready(None);
        }
        if let Some(error) = self.breaks.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match self.incoming.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => {
                self.stall.progress();
                if let Some(progress) = &self.progress {
                    progress.moved();
                }
                self.missing = self.missing.saturating_sub(data.len() as u64);
                if self.incoming.is_ended() {
                    self.give_back();
                }
                Poll::Ready(Some(Ok(data)))
            }
            Poll::Ready(Some(Err(error))) => self.poll_break(error, cx),
            Poll::Ready(None) if self.missing > 0 => self.poll_break(BodyError::Short(self.missing), cx),
            Poll::Ready(None) => {
                self.from = None;
                if let Some(progress) = &self.progress {
                    progress.moved();
                }
                self.give_back();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if let Some(progress) = &self.progress {
                    progress.waiting.store(true, Ordering::Relaxed);
                }
                let limit = ready!(self.stall.poll(cx));
                self.keep = None;
                Poll::Ready(Some(Err(BodyError::Stalled(limit))))
            }
        }
    }
}

/// A bound on the time between two frames. Its timer is made when a frame is first waited for, so that a body that is
/// there at once costs none.
#[derive(Debug)]
struct Stall {
    limit: Option<Duration>,
    timer: Option<(Pin<Box<Sleep>>, bool)>,
}

impl Stall {
    fn progress(&mut self) {
        if let Some((_, armed)) = &mut self.timer {
            *armed = false;
        }
    }

    /// Ready with the limit when it has passed since the last progress.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let (timer, armed) = self.timer.get_or_insert_with(|| (Box::pin(tokio::time::sleep(limit)), true));
        if !*armed {
            timer.as_mut().reset(Instant::now() + limit);
            *armed = true;
        }
        timer.as_mut().poll(cx).map(|()| limit)
    }
}
