//! What is written in several pieces and sent off as one: records of TLS wait in its buffer until whoever writes them has no
//! more of them.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite as _;

use super::{ClientIo, Stream};
use crate::net::socket::Socket;

/// How much is held of what is to be sent off as one, in bytes: a call takes four full records of TLS.
const HELD: usize = 64 << 10;

/// What TLS may have in its buffer then: each record has a head and a tag as well.
pub(super) const BUFFER: usize = HELD + HELD / 4;

impl ClientIo {
    /// Takes `pieces`, or a part of them, as records of TLS that go with the next [`Self::poll_send_off`], or once there are
    /// many of them.
    pub fn poll_hold(&mut self, cx: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        if self.held + length > HELD {
            ready!(self.poll_send_off(cx))?;
        }
        let Stream::Tls(stream) = &mut self.stream else { return Pin::new(self).poll_write_vectored(cx, pieces) };
        let mut taken = stream.get_mut().1.writer().write_vectored(pieces)?;
        if taken == 0 && length > 0 {
            ready!(self.poll_send_off(cx))?;
            let Stream::Tls(stream) = &mut self.stream else { return Poll::Ready(Ok(0)) };
            taken = stream.get_mut().1.writer().write_vectored(pieces)?;
        }
        self.held += taken;
        Poll::Ready(Ok(taken))
    }

    /// Sends off what is held. Unlike to flush it, this sees each part that the client takes.
    pub fn poll_send_off(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Stream::Tls(stream) = &mut self.stream else { return Poll::Ready(Ok(())) };
        let (socket, session) = stream.get_mut();
        let mut has_taken = false;
        let sent = loop {
            if !session.wants_write() {
                break Poll::Ready(Ok(()));
            }
            match session.write_tls(&mut AtOnce { socket, cx }) {
                Ok(0) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => has_taken = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Poll::Pending,
                Err(error) => break Poll::Ready(Err(error)),
            }
        };
        if has_taken {
            self.blocked_until = None;
        }
        ready!(self.sent(sent, cx))?;
        self.held = 0;
        Poll::Ready(Ok(()))
    }
}

/// A socket to which as much is written as it takes now.
struct AtOnce<'a, 'b, 'c> {
    socket: &'a mut Socket,
    cx: &'b mut Context<'c>,
}

impl AtOnce<'_, '_, '_> {
    fn now(result: Poll<io::Result<usize>>) -> io::Result<usize> {
        match result {
            Poll::Ready(done) => done,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl io::Write for AtOnce<'_, '_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Self::now(Pin::new(&mut *self.socket).poll_write(self.cx, buf))
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        Self::now(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
