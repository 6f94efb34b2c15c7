//! A connection whose frames are counted, and which is ended when they are a flood.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::meter::Meter;
use crate::in_flight::Activity;

/// How long it may take to tell a client that it floods, and to take in what was on its way.
const FAREWELL: Duration = Duration::from_secs(5);

/// ENHANCE_YOUR_CALM (RFC 9113 section 7), which hyper has no way to say.
const CALM: u8 = 11;

/// What h2 reads from and writes to.
#[derive(Debug)]
pub(super) struct Metered<T> {
    io: T,
    meter: Meter,
    activity: Arc<Activity>,
    /// Whether what was written last ends with a frame: h2 always offers whole ones.
    whole: bool,
    /// Set once it is ending: how far.
    farewell: Option<Farewell>,
}

#[derive(Debug)]
struct Farewell {
    told: bool,
    timer: Pin<Box<Sleep>>,
}

/// The client floods, and has been told so as far as it listens.
#[derive(Debug)]
struct Flood;

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flood of frames that bring nothing")
    }
}

impl std::error::Error for Flood {}

impl<T: AsyncRead + AsyncWrite + Unpin> Metered<T> {
    /// `io`, of whose requests `activity` tells, each with a head of at most `head` bytes.
    pub(super) fn new(io: T, activity: Arc<Activity>, head: usize) -> Self {
        Self { io, meter: Meter::new(head, Instant::now()), activity, whole: true, farewell: None }
    }

    /// Goes on with the end; an error when it has been reached.
    fn poll_farewell<N>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<N>> {
        let Some(farewell) = &mut self.farewell else { return Poll::Pending };
        let mut io = Pin::new(&mut self.io);
        if !farewell.told {
            farewell.told = true;
            // In the middle of a frame there is nothing to say.
            if self.whole {
                let mut goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, CALM];
                goaway[9..13].copy_from_slice(&self.meter.last_stream().to_be_bytes());
                let _ = io.as_mut().poll_write(cx, &goaway);
            }
        }
        let is_over = io.poll_shutdown(cx).is_ready() || farewell.timer.as_mut().poll(cx).is_ready();
        if is_over { Poll::Ready(Err(io::Error::other(Flood))) } else { Poll::Pending }
    }

    fn wrote(&mut self, offered: usize, result: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(taken)) = result {
            self.whole = *taken == offered;
            self.meter.wrote(*taken);
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Metered<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.farewell.is_some() {
            return this.poll_farewell(cx);
        }
        let before = buf.filled().len();
        let result = Pin::new(&mut this.io).poll_read(cx, buf);
        let came = buf.filled().get(before..).unwrap_or_default();
        if this.meter.read(came) {
            this.activity.hears();
        }
        if !this.meter.is_flood(this.activity.begun(), Instant::now) {
            return result;
        }
        buf.set_filled(before);
        this.activity.floods();
        this.farewell = Some(Farewell { told: false, timer: Box::pin(tokio::time::sleep(FAREWELL)) });
        this.poll_farewell(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.farewell.is_some() {
            return self.poll_farewell(cx);
        }
        let result = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(buf.len(), &result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.farewell.is_some() {
            return self.poll_farewell(cx);
        }
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(bufs.iter().map(|buf| buf.len()).sum(), &result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_some() {
            return self.poll_farewell(cx);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_some() {
            return self.poll_farewell(cx);
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
