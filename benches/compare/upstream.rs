//! The catcher behind all of them: a small server that costs far less than any proxy.
//!
//! | path | answer |
//! |---|---|
//! | `/messages/1.plain` | 1 KB |
//! | `/messages/2.plain` | 1 MB |
//! | `/messages`, a WebSocket | what comes is sent back |
//! | `/messages` | a list of 1,000 mails, one at a time, 42 a second as MailCatcher itself |
//! | `/` | a page of 3 KB |
//! | anything else | a few bytes, once the body is there |

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;

use crate::Result;

/// How long the real one takes for a list of 1,000 mails.
const LIST: Duration = Duration::from_micros(1_000_000 / 42);

/// The server, for as long as the bench runs.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    served: Arc<Served>,
}

/// An answer, ready to be sent.
#[derive(Debug)]
struct Answer {
    kept: Vec<u8>,
    /// The last one on its connection.
    last: Vec<u8>,
}

impl Answer {
    fn new(kind: &str, body: &[u8]) -> Self {
        let whole = |more: &str| {
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n");
            [head.as_bytes(), body].concat()
        };
        Self { kept: whole(""), last: whole("Connection: close\r\n") }
    }
}

#[derive(Debug)]
struct Served {
    small: Answer,
    big: Answer,
    page: Answer,
    list: Answer,
    done: Answer,
    one_at_a_time: Mutex<()>,
    lists: AtomicU64,
}

impl Upstream {
    /// Starts it on a thread of its own, on the cores of the bench.
    pub(crate) fn start() -> Result<Self> {
        let mails: Vec<String> = (0..1000).map(mail).collect();
        let served = Arc::new(Served {
            small: Answer::new("text/plain; charset=utf-8", &[b'x'; 1024]),
            big: Answer::new("text/plain; charset=utf-8", &vec![b'x'; 1 << 20]),
            page: Answer::new("text/html; charset=utf-8", &[b' '; 3000]),
            list: Answer::new("application/json", format!("[{}]", mails.join(",")).as_bytes()),
            done: Answer::new("text/plain", b"done\n"),
            one_at_a_time: Mutex::new(()),
            lists: AtomicU64::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            socket.listen(4096)
        })?;
        let upstream = Self { addr: listener.local_addr()?, served: Arc::clone(&served) };
        thread::spawn(move || runtime.block_on(accept(listener, served)));
        Ok(upstream)
    }

    /// How many lists it was asked for.
    pub(crate) fn lists(&self) -> u64 {
        self.served.lists.load(Ordering::Relaxed)
    }
}

fn mail(number: u32) -> String {
    format!(
        "{{\"id\":{},\"sender\":\"<shop{number}@example.test>\",\"recipients\":[\"<anna{number}@example.test>\"],\
         \"subject\":\"Your order {number}\",\"size\":\"{}\",\"type\":\"text/plain\",\
         \"created_at\":\"2026-11-24T{:02}:{:02}:00.000+00:00\"}}",
        1000 - number,
        2000 + number,
        number / 60 % 24,
        number % 60
    )
}

async fn accept(listener: TcpListener, served: Arc<Served>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let served = Arc::clone(&served);
                tokio::spawn(async move { serve(stream, &served).await });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(mut stream: TcpStream, served: &Served) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(16 << 10);
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        if path == "/messages"
            && let Some(key) = field(&head, "sec-websocket-key")
        {
            return echo(stream, key, buffer.split_off(end)).await;
        }
        let answer = match path {
            "/messages/1.plain" => &served.small,
            "/messages/2.plain" => &served.big,
            "/" => &served.page,
            "/messages" => {
                let _alone = served.one_at_a_time.lock().await;
                served.lists.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(LIST).await;
                &served.list
            }
            _ => &served.done,
        };
        let mut body = match head.starts_with("POST") {
            true => field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0),
            false => 0,
        };
        let there = (buffer.len() - end).min(body);
        body -= there;
        buffer.drain(..end + there);
        while body > 0 {
            let mut chunk = [0; 16 << 10];
            let most = body.min(chunk.len());
            match stream.read(&mut chunk[..most]).await? {
                0 => return Ok(()),
                count => body -= count,
            }
        }
        let close = field(&head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        let close = close || head.lines().next().is_some_and(|line| line.ends_with("HTTP/1.0"));
        stream.write_all(if close { &answer.last } else { &answer.kept }).await?;
        if close {
            return stream.shutdown().await;
        }
    }
}

/// A field's value; its name is given in small letters.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Sends frames back as they come, without the mask; a close frame too, and then it is over.
async fn echo(mut stream: TcpStream, key: &str, mut buffer: Vec<u8>) -> io::Result<()> {
    let accept = STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    // Idle sockets by the thousand are here as well: a buffer is held only while something is in it.
    loop {
        while let Some((length, mut frame)) = unmasked(&buffer) {
            buffer.drain(..length);
            match frame[0] & 15 {
                9 => frame[0] = 0x8a,
                10 => continue,
                _ => {}
            }
            stream.write_all(&frame).await?;
            if frame[0] & 15 == 8 {
                return stream.shutdown().await;
            }
        }
        buffer.shrink_to(512);
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// The first frame of at most 125 bytes, how long it was, and as a server sends it.
fn unmasked(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let length = usize::from(bytes.get(1)? & 127);
    let mask = bytes.get(2..6)?.to_vec();
    let payload = bytes.get(6..6 + length)?;
    let mut frame = vec![*bytes.first()?, length as u8];
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    Some((6 + length, frame))
}
