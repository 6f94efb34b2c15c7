//! A catcher that keeps every byte, and answers nothing of use.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::grammar;

/// What came, connection by connection.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    requests: Vec<Vec<u8>>,
    /// What ended a connection without being a request.
    rests: Vec<Vec<u8>>,
}

impl Recorder {
    /// Listens; to be called within a runtime.
    pub(super) async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let recorder = Self::default();
        let own = recorder.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().serve(stream));
            }
        });
        (recorder, addr)
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            while let Some(request) = grammar::take(&mut buffer) {
                let is_last = !(request.starts_with(b"GET ") || request.starts_with(b"HEAD "));
                self.0.lock().unwrap().requests.push(request);
                let connection = if is_last { "close" } else { "keep-alive" };
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: {connection}\r\n\r\n");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
            if !matches!(stream.read_buf(&mut buffer).await, Ok(count) if count > 0) {
                break;
            }
        }
        if !buffer.is_empty() {
            self.0.lock().unwrap().rests.push(buffer);
        }
    }

    /// What has come since this was asked last: whole requests, and what was none when its connection ended.
    pub(super) fn take(&self) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut seen = self.0.lock().unwrap();
        (std::mem::take(&mut seen.requests), std::mem::take(&mut seen.rests))
    }
}
