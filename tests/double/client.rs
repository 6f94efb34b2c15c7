//! A client that knows just enough HTTP to tell where an answer ends, and that keeps its bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::PATIENCE;

pub(crate) struct Client {
    stream: TcpStream,
    /// What came and was not asked for yet.
    early: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    /// From the status line to the empty line, which is left out.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, early: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Whether the bytes could be sent: not when the other end has gone.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// One request without a body and with these further header lines, each ended by CRLF.
    pub(crate) fn ask(&mut self, method: &str, target: &str, lines: &str) -> Answer {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: catcher.test\r\n{lines}\r\n"));
        if method == "HEAD" { self.head() } else { self.answer() }
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, "")
    }

    /// The next answer, its body as long as its `Content-Length` says, or up to the end of the connection.
    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let bodiless = ["101", "204", "304"].contains(&answer.status());
        let length = answer.header("Content-Length").map(|length| length.parse::<usize>().unwrap());
        answer.body = match length {
            _ if bodiless => Vec::new(),
            Some(length) => self.exactly(length),
            None => self.rest(),
        };
        answer
    }

    /// The next answer's head alone.
    pub(crate) fn head(&mut self) -> Answer {
        loop {
            if let Some(end) = self.early.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = self.early.drain(..end + 4).collect::<Vec<u8>>();
                let head = head[..end].iter().map(|byte| char::from(*byte)).collect(); // any byte may be in it
                return Answer { head, body: Vec::new() };
            }
            assert!(self.more().expect("an answer comes"), "the connection ended before an answer: {:?}", self.early);
        }
    }

    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.early.len() < length {
            assert!(self.more().expect("more bytes come"), "the connection ended early");
        }
        self.early.drain(..length).collect()
    }

    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.early.iter().position(|byte| *byte == b'\n') {
                return String::from_utf8_lossy(&self.early.drain(..=end).collect::<Vec<u8>>()).trim_end().to_owned();
            }
            assert!(self.more().expect("a line comes"), "the connection ended before a line");
        }
    }

    /// Everything up to the end of the connection, however it ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        loop {
            match self.more() {
                Ok(true) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the connection stays open"),
                Ok(false) | Err(_) => return std::mem::take(&mut self.early),
            }
        }
    }

    /// Whether the connection ends with RST rather than FIN.
    pub(crate) fn is_reset(&mut self) -> bool {
        loop {
            match self.more() {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => return error.kind() == io::ErrorKind::ConnectionReset,
            }
        }
    }

    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 65536];
        let read = self.stream.read(&mut bytes)?;
        self.early.extend_from_slice(&bytes[..read]);
        Ok(read > 0)
    }
}
