//! A client for what wrk cannot do: other addresses, a pace, TLS sessions, WebSockets.

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::upstream::field;

/// `anna` with the password `secret`, as a header line.
pub(crate) const RIGHT: &str = "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n";

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// A connection, kept for as long as the server does.
pub(crate) struct Client {
    stream: Box<dyn Io>,
    buffer: Vec<u8>,
    /// Whether TLS resumed an earlier session.
    pub(crate) resumed: bool,
}

/// An answer: its head as it came, and its body without framing.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn open(to: SocketAddr, from: Option<IpAddr>, tls: Option<&TlsConnector>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        let (stream, resumed): (Box<dyn Io>, bool) = match tls {
            Some(tls) => {
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                let stream = tls.connect(name, stream).await?;
                let resumed = stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
                (Box::new(stream), resumed)
            }
            None => (Box::new(stream), false),
        };
        Ok(Self { stream, buffer: Vec::new(), resumed })
    }

    /// Asks, with header lines that end in CRLF each.
    pub(crate) async fn get(&mut self, path: &str, lines: &str) -> io::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        let head = self.head().await?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let body = if status == 101 {
            Vec::new()
        } else if let Some(length) = field(&head, "content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            self.take(length).await?
        } else if field(&head, "transfer-encoding").is_some() {
            self.chunks().await?
        } else {
            while self.more().await? > 0 {}
            std::mem::take(&mut self.buffer)
        };
        Ok(Answer { status, head, body })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next frame of a server: its first byte and what it holds.
    pub(crate) async fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let start = self.take(2).await?;
        let length = match start[1] & 127 {
            126 => {
                let bytes = self.take(2).await?;
                usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
            }
            127 => return Err(io::Error::other("a frame that is too long")),
            length => usize::from(length),
        };
        Ok((start[0], self.take(length).await?))
    }

    async fn head(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                return Ok(String::from_utf8_lossy(&head).into_owned());
            }
            if self.more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.more().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                    break self.buffer.drain(..at + 2).collect::<Vec<u8>>();
                }
                if self.more().await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            };
            let line = String::from_utf8_lossy(&line);
            let size = line.trim().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            let mut chunk = self.take(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            chunk.truncate(size);
            body.append(&mut chunk);
        }
    }

    async fn more(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.buffer).await
    }
}
