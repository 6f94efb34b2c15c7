//! One connection of a tunnel: its I/O, what came on it, what goes out on it, and whether it is still there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::beat::{Beat, Rhythm};
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use crate::forward::frame::Sender;

/// How much is read at a time, in bytes. It lies on the stack, so that a quiet socket holds no buffer.
pub(super) const CHUNK: usize = 4 * 1024;

/// One side of a tunnel.
#[derive(Debug)]
pub(super) struct Side<S> {
    io: S,
    /// What came from it.
    pub(super) from: Incoming,
    /// What goes to it.
    pub(super) to: Outgoing,
    pub(super) beat: Beat,
    /// Whether it has ended its direction.
    pub(super) read_ended: bool,
    /// Whether its other direction is to be ended when all is written.
    pub(super) finish: bool,
    write_ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Side<S> {
    /// The side where `sender` sits.
    pub(super) fn new(io: S, sender: Sender, rhythm: Rhythm, now: Instant) -> Self {
        let us = if sender == Sender::Client { Sender::Server } else { Sender::Client };
        Self {
            io,
            from: Incoming::of(sender),
            to: Outgoing::of(us),
            beat: Beat::new(rhythm, now),
            read_ended: false,
            finish: false,
            write_ended: false,
        }
    }

    /// Reads once. Nothing when it has ended.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<usize>> {
        let mut chunk = [0; CHUNK];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        if count == 0 {
            self.read_ended = true;
        } else {
            self.beat.heard(now);
            self.from.push(buffer.filled());
        }
        Poll::Ready(Ok(count))
    }

    /// Writes what waits, and ends the direction if it is to be.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<()>> {
        while !self.to.waiting().is_empty() {
            if self.write_ended {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            match ready!(Pin::new(&mut self.io).poll_write(cx, self.to.waiting()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.to.taken(count, now),
            }
        }
        if self.finish && !self.write_ended {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.write_ended = true;
            return Poll::Ready(Ok(()));
        }
        if self.write_ended { Poll::Ready(Ok(())) } else { Pin::new(&mut self.io).poll_flush(cx) }
    }

    /// Writes what waits, ends the direction, and takes in what still comes until the other end ends its own: a
    /// connection that is closed over unread bytes is reset, and a last frame on its way with it.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        self.finish = true;
        std::future::poll_fn(|cx| self.poll_write(cx, Instant::now())).await?;
        let mut chunk = [0; 256];
        while !self.read_ended {
            let count = std::future::poll_fn(|cx| {
                let mut buffer = ReadBuf::new(&mut chunk);
                ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
                Poll::Ready(io::Result::Ok(buffer.filled().len()))
            })
            .await?;
            self.read_ended = count == 0;
        }
        Ok(())
    }
}
