//! What a connection writes in one turn, sent off as one.
//!
//! h2 has each frame of an answer sent off alone. When the catcher's answers for several streams come at once, that is a
//! record of TLS, a call and a packet for each; sent off together they cost a call for all. So what hyper writes is held
//! until it has nothing more to do, and its turn ends here: nothing is left unsent while the connection's task sleeps.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::client_io::ClientIo;

/// A client's connection: one copy for hyper, and one for whoever ends its turns. Both are of one task: the lock is never
/// waited for.
#[derive(Clone, Debug)]
pub(super) struct Gathered(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    io: ClientIo,
    /// Why sending off failed, which hyper has still to be told.
    broke: Option<io::Error>,
}

impl Shared {
    fn told(&mut self) -> Result<(), io::Error> {
        self.broke.take().map_or(Ok(()), Err)
    }
}

impl Gathered {
    pub(super) fn new(io: ClientIo) -> Self {
        Self(Arc::new(Mutex::new(Shared { io, broke: None })))
    }

    /// Runs `connection`, which writes here, and sends off what it wrote whenever it has had its turn.
    pub(super) async fn run<F: Future>(&self, mut connection: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx);
            // One that has ended has ended this as well, or has no use for it.
            if polled.is_pending() {
                self.end_turn(cx);
            }
            polled
        })
        .await
    }

    fn end_turn(&self, cx: &mut Context<'_>) {
        let shared = &mut *self.shared();
        if let Poll::Ready(Err(error)) = shared.io.poll_send_off(cx)
            && shared.broke.is_none()
        {
            shared.broke = Some(error);
            cx.waker().wake_by_ref();
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Gathered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.shared();
        shared.told()?;
        Pin::new(&mut shared.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = self.shared();
        shared.told()?;
        shared.io.poll_hold(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Left to the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.shared().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
