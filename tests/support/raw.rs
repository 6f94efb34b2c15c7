//! An HTTP client that sends exactly the bytes it is given and shows exactly the bytes that come back.

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say why"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::patience::{PATIENCE, eventually};

trait Duplex: Read + Write + Send {
    fn shut_down(&self, how: Shutdown);
    fn set_patience(&self, wait: Duration);
}

impl Duplex for TcpStream {
    fn shut_down(&self, how: Shutdown) {
        let _ = self.shutdown(how);
    }

    fn set_patience(&self, wait: Duration) {
        self.set_read_timeout(Some(wait)).unwrap();
        self.set_write_timeout(Some(wait)).unwrap();
    }
}

impl Duplex for UnixStream {
    fn shut_down(&self, how: Shutdown) {
        let _ = self.shutdown(how);
    }

    fn set_patience(&self, wait: Duration) {
        self.set_read_timeout(Some(wait)).unwrap();
        self.set_write_timeout(Some(wait)).unwrap();
    }
}

impl Duplex for StreamOwned<ClientConnection, TcpStream> {
    /// To end what is sent, as TLS says it.
    fn shut_down(&self, how: Shutdown) {
        let _ = self.sock.shutdown(how);
    }

    fn set_patience(&self, wait: Duration) {
        self.sock.set_patience(wait);
    }
}

/// A connection.
pub(crate) struct Client {
    stream: Box<dyn Duplex>,
    buffer: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line and the header lines, without the empty one.
    pub(crate) head: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub(crate) whole: bool,
}

impl Answer {
    /// The values of every line of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let named = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The value of a field that has one line.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        assert!(all.len() < 2, "{name} has several lines: {all:?}");
        all.pop()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    /// Connects by TCP.
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&addr, PATIENCE).unwrap())
    }

    /// Connects by TCP from an address of this machine.
    pub(crate) fn connect_from(from: Ipv4Addr, addr: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect_timeout(&addr.into(), PATIENCE).unwrap();
        Self::over(socket.into())
    }

    /// The other end of a connection that a test accepts itself, where a catcher would be.
    pub(crate) fn accept(listener: &TcpListener) -> Self {
        listener.set_nonblocking(true).unwrap();
        let stream = eventually("a connection", || listener.accept().ok()).0;
        stream.set_nonblocking(false).unwrap();
        Self::over(stream)
    }

    /// Goes on with a stream as it is.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// Goes on with a connection over TLS. It has to end as TLS wants it: what breaks off without a word is a failure.
    pub(crate) fn over_tls(stream: StreamOwned<ClientConnection, TcpStream>) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// Connects to a Unix socket.
    pub(crate) fn connect_unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends bytes, if the other side still takes them.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that nothing more is sent.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.stream.shut_down(Shutdown::Write);
        self
    }

    /// Sends a request with these header lines (each with its CRLF) and reads the answer.
    pub(crate) fn request(&mut self, line: &str, fields: &str) -> Answer {
        self.send(format!("{line} HTTP/1.1\r\nHost: dev.test:8080\r\n{fields}\r\n"));
        self.answer_to(line.starts_with("HEAD "))
    }

    /// Reads the answer to a request that was not HEAD.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to(false)
    }

    fn answer_to(&mut self, head_only: bool) -> Answer {
        self.try_answer(head_only).expect("the connection ended before an answer's head")
    }

    /// Reads an answer; none if the connection ends before its head does.
    pub(crate) fn try_answer(&mut self, head_only: bool) -> Option<Answer> {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if self.fill() == 0 {
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = &head[..end];
        let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let first = String::from_utf8_lossy(lines.next().unwrap()).into_owned();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).expect(&first);
        let fields: Vec<_> = lines
            .map(|line| {
                let colon = line.iter().position(|byte| *byte == b':').expect("a field has a colon");
                (String::from_utf8_lossy(&line[..colon]).into_owned(), line[colon + 1..].trim_ascii().to_vec())
            })
            .collect();
        let mut answer =
            Answer { status, head: String::from_utf8_lossy(head).into_owned(), fields, body: Vec::new(), whole: true };
        if head_only || matches!(status, 100..=199 | 204 | 304) {
            return Some(answer);
        }
        if let Some(length) = answer.field("content-length") {
            let length: usize = length.parse().unwrap();
            answer.whole = self.fill_to(length);
            let taken = length.min(self.buffer.len());
            answer.body = self.buffer.drain(..taken).collect();
        } else if answer.field("transfer-encoding").is_some() {
            answer.whole = self.chunks(&mut answer.body);
        } else {
            while self.fill() > 0 {}
            answer.body = std::mem::take(&mut self.buffer);
        }
        Some(answer)
    }

    /// Everything that comes until the connection ends, however it ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// A head, with its empty line; what follows it stays for later.
    pub(crate) fn head(&mut self) -> String {
        let end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            assert!(self.fill() > 0, "the connection ended within a head: {:?}", String::from_utf8_lossy(&self.buffer));
        };
        String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap()
    }

    /// What has been read and not asked for, and what comes within `wait`.
    pub(crate) fn within(&mut self, wait: Duration) -> Vec<u8> {
        self.stream.set_patience(wait);
        let mut chunk = [0; 16 * 1024];
        if let Ok(count) = self.stream.read(&mut chunk) {
            self.buffer.extend_from_slice(&chunk[..count]);
        }
        self.stream.set_patience(PATIENCE);
        std::mem::take(&mut self.buffer)
    }

    /// Sends `piece` again and again, at most `times`, until the other side takes none for `wait`; how many bytes it took.
    pub(crate) fn flood(&mut self, piece: &[u8], times: usize, wait: Duration) -> usize {
        self.stream.set_patience(wait);
        let mut taken = 0;
        'all: for _ in 0..times {
            let mut rest = piece;
            while !rest.is_empty() {
                match self.stream.write(rest) {
                    Ok(count) => {
                        taken += count;
                        rest = &rest[count..];
                    }
                    Err(_) => break 'all,
                }
            }
        }
        self.stream.set_patience(PATIENCE);
        taken
    }

    /// Exactly `length` bytes; fewer if the connection ends.
    pub(crate) fn read(&mut self, length: usize) -> Vec<u8> {
        self.fill_to(length);
        let taken = length.min(self.buffer.len());
        self.buffer.drain(..taken).collect()
    }

    /// Whether the other side has ended the connection, without anything more to read.
    pub(crate) fn is_ended(&mut self) -> bool {
        self.buffer.is_empty() && self.fill() == 0
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> bool {
        loop {
            let end = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break end;
                }
                if self.fill() == 0 {
                    return false;
                }
            };
            let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
            let size = usize::from_str_radix(std::str::from_utf8(&line[..end]).unwrap(), 16).unwrap();
            if !self.fill_to(size + 2) {
                body.append(&mut self.buffer);
                return false;
            }
            body.extend(self.buffer.drain(..size));
            self.buffer.drain(..2);
            if size == 0 {
                return true;
            }
        }
    }

    fn fill_to(&mut self, length: usize) -> bool {
        while self.buffer.len() < length {
            if self.fill() == 0 {
                return false;
            }
        }
        true
    }

    /// Reads once; 0 at the end, which a reset is too.
    fn fill(&mut self) -> usize {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                count
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => self.fill(),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => 0,
            Err(error) => panic!("reading: {error}; so far {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|window| window == what)
}
