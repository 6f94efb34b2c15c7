//! A stream socket as it was accepted, and its way to the runtime that serves it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// An accepted stream, of bytes as they are on the wire.
#[derive(Debug)]
pub enum Socket {
    /// From an IPv4 or IPv6 listener.
    Tcp(TcpStream),
    /// From a Unix socket.
    Unix(UnixStream),
}

impl Socket {
    /// The address of this end, an IPv4 one in its own form, and its port.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Socket::Tcp(stream) => {
                stream.local_addr().ok().map(|addr| SocketAddr::new(addr.ip().to_canonical(), addr.port()))
            }
            Socket::Unix(_) => None,
        }
    }

    /// Waits for bytes to read and looks at the first of them without taking them: how many it put into `buf`, 0 at the
    /// stream's end.
    ///
    /// # Errors
    /// What the system says.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.peek(buf).await,
            Socket::Unix(stream) => loop {
                stream.readable().await?;
                match stream.try_io(tokio::io::Interest::READABLE, || {
                    rustix::net::recv(stream, &mut *buf, rustix::net::RecvFlags::PEEK)
                        .map(|(taken, _)| taken)
                        .map_err(io::Error::from)
                }) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return done,
                }
            },
        }
    }

    /// Writes what can be written at once.
    ///
    /// # Errors
    /// What the system says, that it would have to wait included.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.try_write(buf),
            Socket::Unix(stream) => stream.try_write(buf),
        }
    }

    /// Has closing be a reset, so that nobody takes it for an orderly end.
    pub fn reset_on_close(&self) {
        if let Socket::Tcp(stream) = self {
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [one] = bufs {
            // A record of TLS is a list of one; the system takes it by a plain call for less.
            return self.poll_write(cx, one);
        }
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Writes a last `text` and reads what comes: a close with bytes unread would be a reset that overtakes it. Whoever calls it
/// bounds its time.
///
/// # Errors
/// What the system says.
pub(super) async fn farewell(mut socket: Socket, text: &[u8]) -> io::Result<()> {
    socket.write_all(text).await?;
    socket.shutdown().await?;
    let mut sink = [0; 1024];
    for _ in 0..64 {
        if socket.read(&mut sink).await? == 0 {
            break;
        }
    }
    Ok(())
}

/// An accepted stream on its way to a worker.
#[derive(Debug)]
pub enum Handed {
    /// It stays on the runtime that accepted it.
    Here(Socket),
    /// It goes to another runtime, and belongs to none meanwhile.
    Tcp(std::net::TcpStream),
    /// The same for a Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Handed {
    /// Takes `socket` from the current runtime.
    ///
    /// # Errors
    /// When the system's poller does not let go of it.
    pub fn away(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(stream) => Handed::Tcp(stream.into_std()?),
            Socket::Unix(stream) => Handed::Unix(stream.into_std()?),
        })
    }

    /// Gives it to the current runtime.
    ///
    /// # Errors
    /// When the system's poller is full.
    pub fn settle(self) -> io::Result<Socket> {
        Ok(match self {
            Handed::Here(socket) => socket,
            Handed::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream)?),
            Handed::Unix(stream) => Socket::Unix(UnixStream::from_std(stream)?),
        })
    }
}
