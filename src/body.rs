//! The one body type, for requests on their way to the catcher and for answers on their way to the client.
//!
//! A streamed body is passed on frame by frame, so back-pressure reaches the other side by itself; it is bounded in time
//! (no frame for too long is an error) and never in a hurry to end: an error while reading becomes an error while
//! writing, so that a truncated answer can never look whole. Trailers are dropped (RFC 9110 section 6.5.1).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::access_log::Record;
use crate::in_flight::{Activity, InFlight};

/// A body.
#[derive(Debug)]
pub struct Body {
    source: Source,
    /// The access log's line about this answer: written when the body ends or is dropped.
    record: Option<Box<Record>>,
    /// Tells the client's connection that its request is over.
    in_flight: Option<InFlight>,
}

#[derive(Debug)]
enum Source {
    /// At hand; empty when there is none (any more).
    Full(Bytes),
    Stream(Stream),
}

/// A body that arrives while it is passed on.
#[derive(Debug)]
struct Stream {
    incoming: Incoming,
    stall: Stall,
    progress: Option<Arc<Progress>>,
    /// What is given back when, and only when, the body has ended well: the upstream connection.
    keep: Option<Box<dyn Keep>>,
    /// The client's connection, if it is to know when a body was not read to its end.
    from: Option<Arc<Activity>>,
    /// When a body that would go on by itself has to end.
    until: Option<Until>,
}

/// When a body ends that would not by itself.
struct Until(Pin<Box<dyn Future<Output = ()> + Send + Sync>>);

impl fmt::Debug for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Until")
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(from) = self.from.as_ref().filter(|_| !self.incoming.is_end_stream()) {
            from.leaves_unread();
        }
    }
}

/// Something that is of use again once a body has ended well. It is dropped, and so not reused, on every other end.
pub trait Keep: Send + Sync + fmt::Debug {
    /// The body has ended well.
    fn body_ended(self: Box<Self>);
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

/// Why a streamed body broke off.
#[derive(Debug)]
pub enum BodyError {
    /// No frame came for this long.
    Stalled(Duration),
    /// The connection broke, or its framing was wrong.
    Broken(hyper::Error),
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub enum Unread {
    /// It is longer than the limit.
    TooLarge,
    /// It broke off.
    Failed(BodyError),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Stalled(limit) => write!(f, "no part of the body came for {limit:?}"),
            BodyError::Broken(error) => write!(f, "the body broke off: {error}"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Stalled(_) => None,
            BodyError::Broken(error) => Some(error),
        }
    }
}

impl Body {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self::full(Bytes::new())
    }

    /// A body that is at hand.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        Self { source: Source::Full(bytes), record: None, in_flight: None }
    }

    /// A body as it arrives, with at most `limit` between two of its frames (none: any time).
    #[must_use]
    pub fn stream(incoming: Incoming, limit: Option<Duration>) -> Self {
        Self {
            source: Source::Stream(Stream {
                incoming,
                stall: Stall { limit, timer: None },
                progress: None,
                keep: None,
                from: None,
                until: None,
            }),
            record: None,
            in_flight: None,
        }
    }

    /// Tells the client's connection when the body is dropped before its end.
    #[must_use]
    pub fn from(mut self, activity: Arc<Activity>) -> Self {
        if let Source::Stream(stream) = &mut self.source {
            stream.from = Some(activity);
        }
        self
    }

    /// Ends the body, as if it had come to its end, when `until` says so.
    #[must_use]
    pub fn until(mut self, until: impl Future<Output = ()> + Send + Sync + 'static) -> Self {
        if let Source::Stream(stream) = &mut self.source {
            stream.until = Some(Until(Box::pin(until)));
        }
        self
    }

    /// Whether it is still arriving.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        matches!(&self.source, Source::Stream(stream) if !stream.incoming.is_end_stream())
    }

    /// Follows a streamed body from elsewhere.
    #[must_use]
    pub fn progress(&mut self) -> Option<Arc<Progress>> {
        match &mut self.source {
            Source::Full(_) => None,
            Source::Stream(stream) => Some(Arc::clone(stream.progress.get_or_insert_default())),
        }
    }

    /// Reads the whole body, of at most `limit` bytes, into memory.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn collected(&mut self, limit: u64) -> Result<Bytes, Unread> {
        let mut whole = BytesMut::new();
        self.read(limit, |data| whole.extend_from_slice(&data)).await?;
        Ok(whole.freeze())
    }

    /// Reads the body to its end, of at most `limit` bytes, and drops it.
    ///
    /// # Errors
    /// [`Unread`].
    pub async fn drained(&mut self, limit: u64) -> Result<(), Unread> {
        self.read(limit, drop).await
    }

    async fn read(&mut self, limit: u64, mut take: impl FnMut(Bytes)) -> Result<(), Unread> {
        // A length that is said beforehand is refused before 100 Continue asks for the body.
        if self.size_hint().lower() > limit {
            return Err(Unread::TooLarge);
        }
        let mut seen = 0u64;
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await {
            if let Ok(data) = frame.map_err(Unread::Failed)?.into_data() {
                seen += data.len() as u64;
                if seen > limit {
                    return Err(Unread::TooLarge);
                }
                take(data);
            }
        }
        Ok(())
    }

    /// Gives `keep` back when the body has ended well; at once, if there is nothing to come.
    #[must_use]
    pub fn keeping(mut self, keep: Box<dyn Keep>) -> Self {
        match &mut self.source {
            Source::Stream(stream) if !stream.incoming.is_end_stream() => stream.keep = Some(keep),
            _ => keep.body_ended(),
        }
        self
    }

    /// Keeps the client's connection in its request until the body ends or is dropped.
    #[must_use]
    pub fn in_flight(mut self, in_flight: InFlight) -> Self {
        self.in_flight = Some(in_flight);
        self
    }

    /// Writes `record` when the body ends or is dropped.
    #[must_use]
    pub fn recorded(mut self, record: Box<Record>) -> Self {
        self.record = Some(record);
        self
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let whole = http_body::Body::is_end_stream(self);
        if let Some(record) = self.record.as_mut().filter(|_| whole) {
            record.ended();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Source::Full(bytes) if bytes.is_empty() => None,
            Source::Full(bytes) => Some(Ok(std::mem::take(bytes))),
            Source::Stream(stream) => ready!(stream.poll_data(cx)),
        };
        Poll::Ready(match frame {
            Some(Ok(data)) => {
                if let Some(record) = &mut this.record {
                    record.sent(data.len());
                }
                Some(Ok(Frame::data(data)))
            }
            Some(Err(error)) => {
                if let Some(record) = &mut this.record {
                    record.broke(&error);
                }
                if let Some(in_flight) = &this.in_flight {
                    in_flight.broke();
                }
                Some(Err(error))
            }
            None => {
                // hyper does not remember the end of a body without a length.
                this.source = Source::Full(Bytes::new());
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Stream(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(stream) => stream.incoming.size_hint(),
        }
    }
}

impl Stream {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.until.as_mut().is_some_and(|until| until.0.as_mut().poll(cx).is_ready()) {
            // The connection to the catcher is dropped with what is still to come on it.
            self.keep = None;
            return Poll::Ready(None);
        }
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.stall.progress();
                    if let Some(progress) = &self.progress {
                        progress.moved();
                    }
                    if let Ok(data) = frame.into_data() {
                        if self.incoming.is_end_stream() {
                            self.give_back();
                        }
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.keep = None;
                    return Poll::Ready(Some(Err(BodyError::Broken(error))));
                }
                Poll::Ready(None) => {
                    self.from = None;
                    if let Some(progress) = &self.progress {
                        progress.moved();
                    }
                    self.give_back();
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    if let Some(progress) = &self.progress {
                        progress.waiting.store(true, Ordering::Relaxed);
                    }
                    let limit = ready!(self.stall.poll(cx));
                    self.keep = None;
                    return Poll::Ready(Some(Err(BodyError::Stalled(limit))));
                }
            }
        }
    }

    fn give_back(&mut self) {
        if let Some(keep) = self.keep.take() {
            keep.body_ended();
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
