//! The one body type, for requests on their way to the catcher and for answers on their way to the client.
//!
//! A streamed body is passed on frame by frame, so back-pressure reaches the other side by itself; it is bounded in time
//! (no frame for too long is an error) and never in a hurry to end: an error while reading becomes an error while
//! writing, so that a truncated answer can never look whole. Trailers are dropped (RFC 9110 section 6.5.1).
//!
//! A long answer may be read ahead of a client who stands still (`body::ahead`), within one budget for all ([`budget`]);
//! back-pressure begins where that ends.

mod ahead;
pub mod budget;
mod framing;
mod linger;
mod reply;
mod sending;
mod stream;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};

use self::ahead::{Ahead, Parts as _};
use self::budget::ReadAhead;
pub use self::framing::{Chunk, Framing};
use self::linger::Linger;
pub use self::reply::Reply;
pub use self::sending::{Sending, Unsent};
pub use self::stream::Progress;
use self::stream::{Incoming, Stream, Until};
use crate::access_log::Record;
use crate::client_addr::Peer;
use crate::in_flight::{Activity, InFlight, Meanwhile};

/// What is not worth reading ahead, in bytes: the client's connection takes so much whether the client does or not.
const SMALL: u64 = 64 << 10;

/// A body.
#[derive(Debug)]
pub struct Body {
    source: Source,
    /// The access log's line about this answer: written when the body ends or is dropped.
    record: Option<Box<Record>>,
    /// Tells the client's connection that its request is over.
    in_flight: Option<InFlight>,
    /// What the client is still sending, to be taken in before the end.
    unread: Option<Box<Linger>>,
}

#[derive(Debug)]
enum Source {
    /// At hand; empty when there is none (any more).
    Full(Bytes),
    /// Passed on as it arrives.
    Stream(Stream),
    /// The same, but what arrives while the client takes nothing is kept for him. His connection has it too.
    Ahead(Arc<Reading>),
}

/// Never waited for: the body and the client's connection are one task.
#[derive(Debug)]
struct Reading(Mutex<Ahead<Stream>>);

impl Reading {
    fn get(&self) -> MutexGuard<'_, Ahead<Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meanwhile for Reading {
    fn poll_meanwhile(&self, cx: &mut Context<'_>) {
        self.get().poll_ahead(cx);
    }
}

/// Something that is of use again once a body has ended well. It is dropped, and so not reused, on every other end.
pub trait Keep: Send + Sync + fmt::Debug {
    /// The body has ended well; with the connection, if it was one of our own.
    fn body_ended(self: Box<Self>, reply: Option<Box<Reply>>);
}

/// Why a streamed body broke off.
#[derive(Debug)]
pub enum BodyError {
    /// No frame came for this long.
    Stalled(Duration),
    /// The connection broke, or its framing was wrong.
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// It ended well as far as its framing goes, and so many bytes are missing.
    Short(u64),
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
            BodyError::Short(missing) => write!(f, "the body ended {missing} bytes too early"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BodyError::Stalled(_) | BodyError::Short(_) => None,
            BodyError::Broken(error) => Some(error.as_ref()),
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
        Self { source: Source::Full(bytes), record: None, in_flight: None, unread: None }
    }

    /// A body as it arrives, with at most `limit` between two of its frames (none: any time).
    #[must_use]
    pub fn stream(incoming: hyper::body::Incoming, limit: Option<Duration>) -> Self {
        Self::arriving(Incoming::Hyper(incoming), limit)
    }

    /// The same from a connection of our own.
    #[must_use]
    pub fn reply(reply: Reply, limit: Option<Duration>) -> Self {
        Self::arriving(Incoming::Reply(Box::new(reply)), limit)
    }

    fn arriving(incoming: Incoming, limit: Option<Duration>) -> Self {
        Self { source: Source::Stream(Stream::new(incoming, limit)), record: None, in_flight: None, unread: None }
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

    /// Makes it broken if it ends before `length` bytes have come, if there is one. For a body whose framing does not say
    /// how long it is.
    #[must_use]
    pub fn of_length(mut self, length: Option<u64>) -> Self {
        if let Source::Stream(stream) = &mut self.source {
            stream.missing = length.unwrap_or(0);
        }
        self
    }

    /// Lets it be read within `budget`, on the account of `client`, while he takes nothing of it, unless it is small.
    #[must_use]
    pub fn ahead(mut self, budget: &Arc<ReadAhead>, client: Peer) -> Self {
        let is_long = |hint: SizeHint| hint.upper().is_none_or(|length| length > SMALL);
        if matches!(&self.source, Source::Stream(stream) if !budget.is_off() && is_long(stream.size_hint()))
            && let Source::Stream(stream) = std::mem::replace(&mut self.source, Source::Full(Bytes::new()))
        {
            let ahead = Ahead::new(stream, Arc::clone(budget), client);
            self.source = Source::Ahead(Arc::new(Reading(Mutex::new(ahead))));
        }
        self
    }

    /// Has this answer end only when `request`, which nobody read, has, or after a while. Over HTTP/2 an answer that ends
    /// first is followed by a reset, for which some clients give up the answer (against RFC 9113 section 8.1).
    #[must_use]
    pub fn behind(mut self, request: Body) -> Self {
        self.unread = Some(Box::new(Linger::new(request)));
        self
    }

    /// Whether it is still arriving.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        !matches!(self.source, Source::Full(_)) && !self.is_end_stream()
    }

    /// Follows a streamed body from elsewhere.
    #[must_use]
    pub fn progress(&mut self) -> Option<Arc<Progress>> {
        match &mut self.source {
            Source::Stream(stream) => Some(Arc::clone(stream.progress.get_or_insert_default())),
            Source::Full(_) | Source::Ahead(_) => None,
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

    /// Hands each part of the body to `take`, to its end, of at most `limit` bytes.
    pub(crate) async fn read(&mut self, limit: u64, mut take: impl FnMut(Bytes)) -> Result<(), Unread> {
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
            Source::Stream(stream) if !stream.is_ended() => stream.keep = Some(keep),
            _ => keep.body_ended(None),
        }
        self
    }

    /// Keeps the client's connection in its request until the body ends or is dropped.
    #[must_use]
    pub fn in_flight(mut self, mut in_flight: InFlight) -> Self {
        if let Source::Ahead(reading) = &self.source {
            in_flight.set_meanwhile(Arc::clone(reading) as Arc<dyn Meanwhile>);
        }
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
        self.unread = None;
        let whole = self.is_end_stream();
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
            Source::Stream(stream) => ready!(stream.poll_part(cx)),
            Source::Ahead(reading) => ready!(reading.get().poll_part(cx)),
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
                if let Some(unread) = &mut this.unread {
                    ready!(unread.poll(cx));
                    this.unread = None;
                }
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        if self.unread.is_some() {
            return false;
        }
        match &self.source {
            Source::Full(bytes) => bytes.is_empty(),
            Source::Stream(stream) => stream.is_ended(),
            Source::Ahead(reading) => reading.get().is_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(stream) => stream.size_hint(),
            Source::Ahead(reading) => reading.get().size_hint(),
        }
    }
}
