//! A client's connection with its time limits: between requests, within a request's head, and while it takes no answer.
//!
//! hyper's own header timeout also counts the time between two requests, so that one limit would serve two purposes, and
//! it arms a timer for every request. Here a deadline is an `Instant` that is looked at when there is nothing to read; the
//! timer behind it is set about once a minute, however many requests pass. Nothing times out while a request is being
//! answered: that time is the catcher's and has limits of its own.

mod held;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::limits::Admitted;
use super::pieces::poll_write_pieces;
use super::socket::Socket;
use crate::in_flight::Activity;

/// What is written to a client whose head did not arrive in time, before the connection closes (RFC 9110 section 15.5.9).
const TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What a connection of TLS begins with (RFC 8446 section 5.1), and none of HTTP.
const TLS_HANDSHAKE: u8 = 0x16;

/// For how long, and for how many bytes, what a client still sends is read after the last answer: a connection that is
/// closed with bytes unread is reset, and the reset overtakes the answer (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 16 << 20;

/// The same, when the gate stops, for one that has been told so by frames, and sends nothing.
const SILENCE: Duration = Duration::from_secs(1);

/// What a client's bytes go through.
#[derive(Debug)]
pub enum Stream {
    /// Nothing: they are on the wire as they are.
    Plain(Socket),
    /// TLS.
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// The socket below.
    fn socket(&self) -> &Socket {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Whether it takes bytes that it cannot pass on yet, so that to flush it, or to end it, can take as long as to write.
    fn holds_back(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// Whether its other end learns of its end when it is closed, as it would by being told before.
    fn ends_by_closing(&self) -> bool {
        matches!(self, Stream::Plain(_))
    }

    /// Writes a few last bytes as far as that can be done at once, and over TLS its end behind them.
    fn try_tell(&mut self, last: &[u8], cx: &mut Context<'_>) {
        match self {
            Stream::Plain(socket) => _ = socket.try_write(last),
            Stream::Tls(stream) => {
                let mut stream = Pin::new(stream);
                if stream.as_mut().poll_write(cx, last).is_ready() {
                    let _ = stream.poll_shutdown(cx);
                }
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Stream::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// The limits of a client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without a request, after the first.
    pub keep_alive: Duration,
    /// From a head's first byte, or from the connection's beginning, to the head's last.
    pub head: Duration,
    /// While bytes wait for the client and it takes none.
    pub send: Duration,
}

/// A request's head did not arrive in time. The client has been told, as far as it listens.
#[derive(Debug)]
pub struct HeadTimeout;

impl fmt::Display for HeadTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's head did not arrive in time")
    }
}

impl std::error::Error for HeadTimeout {}

/// The stream with its limits.
#[derive(Debug)]
pub struct ClientIo {
    stream: Stream,
    limits: Limits,
    activity: Arc<Activity>,
    /// The number of requests that had begun when the current wait began.
    begun: u32,
    /// Whether what is read are heads, with time between them: HTTP/2 has frames, and clocks elsewhere.
    of_heads: bool,
    /// Whether a part of the next head has been read.
    in_head: bool,
    /// When the current wait ends; none while a request is answered.
    deadline: Option<Instant>,
    read_timer: Option<Pin<Box<Sleep>>>,
    /// Set while bytes wait for the client.
    blocked_until: Option<Instant>,
    write_timer: Option<Pin<Box<Sleep>>>,
    /// How many bytes TLS has been given that are still to be sent off.
    held: usize,
    /// Set when our side has been closed and the client may still be sending: until when, at the latest, and how much is
    /// read.
    lingering: Option<(Pin<Box<Sleep>>, Instant, usize)>,
    /// Its place in the count, which a tunnel keeps: it belongs to the stream, not to who serves it.
    _admitted: Admitted,
}

impl ClientIo {
    /// `stream` under `limits`, with requests counted in `activity`; the place is given up with it.
    #[must_use]
    pub fn new(stream: Stream, limits: Limits, activity: Arc<Activity>, admitted: Admitted) -> Self {
        Self {
            stream,
            limits,
            activity,
            begun: 0,
            of_heads: true,
            in_head: false,
            deadline: None,
            read_timer: None,
            blocked_until: None,
            write_timer: None,
            held: 0,
            lingering: None,
            _admitted: admitted,
        }
    }

    /// The same for a connection on which anything may come at any time: of `limits`, only that for sending holds.
    #[must_use]
    pub fn of_frames(stream: Stream, limits: Limits, activity: Arc<Activity>, admitted: Admitted) -> Self {
        let mut io = Self::new(stream, limits, activity, admitted);
        io.of_heads = false;
        if let Stream::Tls(stream) = &mut io.stream {
            stream.get_mut().1.set_buffer_limit(Some(held::BUFFER));
        }
        io
    }

    /// Begins a new wait if a request has begun since the last look.
    fn look(&mut self) {
        let begun = self.activity.begun();
        if begun != self.begun {
            self.begun = begun;
            self.in_head = false;
            self.activity.reads_head(false);
            self.deadline = None;
        }
    }

    fn is_waiting_for_a_head(&self) -> bool {
        self.of_heads && self.activity.is_idle() && self.blocked_until.is_none()
    }

    /// There is nothing to read: pending, the end of the stream, or an error when it took too long.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_waiting_for_a_head() {
            self.deadline = None;
            return Poll::Pending;
        }
        let first = self.begun == 0;
        let limit = if self.in_head || first { self.limits.head } else { self.limits.keep_alive };
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + limit);
        ready!(poll_until(&mut self.read_timer, deadline, cx));
        if self.in_head {
            self.stream.try_tell(TIMED_OUT, cx);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, HeadTimeout)));
        }
        // Nothing was begun: the connection just ends.
        Poll::Ready(Ok(()))
    }

    /// Reads and drops what comes, within bounds, until the client ends its side.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((timer, latest, left)) = &mut self.lingering else { return Poll::Ready(()) };
        let mut sink = [0; 8 * 1024];
        loop {
            let mut sink = ReadBuf::new(&mut sink);
            match Pin::new(&mut self.stream).poll_read(cx, &mut sink) {
                Poll::Pending => return timer.as_mut().poll(cx),
                Poll::Ready(Ok(())) if !sink.filled().is_empty() && *left > 0 => {
                    *left = left.saturating_sub(sink.filled().len());
                    if !self.of_heads && self.activity.is_ending() {
                        timer.as_mut().reset((*latest).min(Instant::now() + SILENCE));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }

    /// Something was to go to the client: how long it may wait for him, if it has to.
    fn sent<T>(&mut self, result: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            if self.blocked_until.take().is_some() {
                // The client took something: it was not idle until now.
                self.deadline = None;
            }
            return result;
        }
        self.activity.client_is_blocked(cx);
        let until = *self.blocked_until.get_or_insert_with(|| Instant::now() + self.limits.send);
        ready!(poll_until(&mut self.write_timer, until, cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client took no byte of its answer for too long")))
    }
}

impl Drop for ClientIo {
    fn drop(&mut self) {
        // An answer that broke off and has no other mark of its end: a reset instead of a clean end.
        if self.activity.is_cut() {
            self.stream.socket().reset_on_close();
        }
    }
}

/// Waits until `deadline` with a timer that is moved only when it has run out or would be late.
pub(super) fn poll_until(timer: &mut Option<Pin<Box<Sleep>>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if timer.deadline() > deadline {
        timer.as_mut().reset(deadline);
    }
    loop {
        ready!(timer.as_mut().poll(cx));
        if timer.deadline() >= deadline {
            return Poll::Ready(());
        }
        timer.as_mut().reset(deadline);
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.look();
        match result {
            Poll::Pending => this.poll_wait(cx),
            Poll::Ready(done) if !this.of_heads => Poll::Ready(done),
            // Between requests there is nothing that could be cut off, and many clients end TLS without saying so.
            Poll::Ready(Err(error))
                if error.kind() == io::ErrorKind::UnexpectedEof && !this.in_head && this.is_waiting_for_a_head() =>
            {
                Poll::Ready(Ok(()))
            }
            Poll::Ready(done) => {
                if buf.filled().len() > before && !this.in_head && this.is_waiting_for_a_head() {
                    if this.begun == 0 && buf.filled().get(before) == Some(&TLS_HANDSHAKE) {
                        this.activity.began_with_tls();
                    }
                    this.in_head = true;
                    this.activity.reads_head(true);
                    this.deadline = None;
                }
                Poll::Ready(done)
            }
        }
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.sent(result, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = poll_write_pieces(Pin::new(&mut self.stream), cx, bufs);
        self.sent(result, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// An answer that has ended is flushed, so this is where the wait for the next request begins: hyper does not read
    /// again while it knows that there is nothing to read.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        if this.stream.holds_back() {
            ready!(this.sent(flushed, cx))?;
        } else {
            ready!(flushed)?;
        }
        this.look();
        if this.deadline.is_none() && this.is_waiting_for_a_head() {
            // Ready only for a deadline that has passed already; reading will find that out.
            let _ = this.poll_wait(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            if self.activity.is_cut() && self.stream.holds_back() {
                // Said over TLS, an orderly end would make the answer look whole.
                return Poll::Ready(Ok(()));
            }
            if self.stream.ends_by_closing() && !self.activity.has_unread() && !self.activity.is_tunnel() {
                // hyper drops it next: one call of the system less for each connection.
                return Poll::Ready(Ok(()));
            }
            let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.sent(ended, cx))?;
            if self.activity.has_unread() {
                let now = Instant::now();
                let until = now + if !self.of_heads && self.activity.is_ending() { SILENCE } else { LINGER };
                self.lingering = Some((Box::pin(sleep_until(until)), now + LINGER, LINGER_BYTES));
            }
        }
        self.poll_linger(cx).map(Ok)
    }
}
