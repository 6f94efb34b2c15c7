//! A connection to the catcher as bytes: what was read of it and not yet used, and whether it is quiet.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An open connection.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    /// What has been read and belongs to nobody yet.
    pub(crate) read: BytesMut,
}

impl Wire {
    /// A connection on which nothing has been said.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, read: BytesMut::new() }
    }

    /// Whether nothing has come on it, neither bytes nor its end. Asks the system only when that says there is something.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let nothing = |result: io::Result<usize>| result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        self.read.is_empty() && nothing(self.stream.try_read(&mut [0]))
    }

    /// The same, and the system is asked in any case: the runtime may not have heard of it yet.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let looked = || SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]);
        self.read.is_empty() && looked().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// When the connection broke.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Writes `first` and `second`, or a part of them; how much, in bytes.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn poll_write(&mut self, first: &[u8], second: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        match (first, second) {
            (one, []) | ([], one) => stream.poll_write(cx, one),
            _ => stream.poll_write_vectored(cx, &[IoSlice::new(first), IoSlice::new(second)]),
        }
    }

    /// Reads more, up to `room` bytes or what there is room for already; 0 at the end.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // The memory of what was read before is used again, once nobody has any of it.
        self.read.reserve(room);
        pin!(self.stream.read_buf(&mut self.read)).poll(cx)
    }
}
