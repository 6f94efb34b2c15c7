//! A client that keeps the rules, by the crate that the gate's side is made of too. Nothing of it moves but while a test
//! waits for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say why"
)]

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Method, Request};
use tokio::runtime::Runtime;

use crate::support::gate::Gate;
use crate::support::patience::PATIENCE;
use crate::support::raw::Answer;
use crate::support::secure;

/// A connection.
pub(crate) struct Client {
    runtime: Runtime,
    requests: SendRequest<Bytes>,
    connection: tokio::task::JoinHandle<Result<(), h2::Error>>,
    ping: h2::PingPong,
}

/// A request that was sent, but for a part of its body.
pub(crate) struct Sent {
    answer: ResponseFuture,
    body: SendStream<Bytes>,
}

/// A WebSocket, or what was answered instead.
pub(crate) struct Socket {
    pub(crate) answer: Answer,
    to: SendStream<Bytes>,
    from: RecvStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(gate: &Gate) -> Client {
        Client::with(gate, h2::client::Builder::new().initial_window_size(1 << 20))
    }

    /// Connects with settings of its own.
    pub(crate) fn with(gate: &Gate, settings: &h2::client::Builder) -> Client {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (requests, connection, ping) = runtime.block_on(async {
            let stream = secure::connect(gate.addr(), &["h2"]).await;
            let (requests, mut connection) = settings.handshake(stream).await.unwrap();
            let ping = connection.ping_pong().unwrap();
            (requests.ready().await.unwrap(), tokio::spawn(connection), ping)
        });
        Client { runtime, requests, connection, ping }
    }

    /// Sends a request (`GET /messages` and header lines, each with its CRLF) and reads the answer.
    pub(crate) fn request(&mut self, line: &str, fields: &str) -> Answer {
        let sent = self.send(line, fields, true);
        self.answer(sent)
    }

    /// The same with a body, in one piece and with its length.
    pub(crate) fn post(&mut self, line: &str, fields: &str, body: &[u8]) -> Answer {
        let mut sent = self.send(line, &format!("{fields}content-length: {}\r\n", body.len()), false);
        self.body(&mut sent, body, true);
        self.answer(sent)
    }

    /// Sends a request's head; `ends`, if there is no body.
    pub(crate) fn send(&mut self, line: &str, fields: &str, ends: bool) -> Sent {
        let request = head(line, fields);
        let (answer, body) = self.runtime.block_on(async {
            poll_fn(|cx| self.requests.poll_ready(cx)).await.unwrap();
            self.requests.send_request(request, ends).unwrap()
        });
        Sent { answer, body }
    }

    /// Sends a part of its body, as far as the gate takes it; whether it took all.
    pub(crate) fn body(&self, sent: &mut Sent, bytes: &[u8], ends: bool) -> bool {
        self.wait(push(&mut sent.body, bytes, ends))
    }

    /// Sends what may follow a body, and ends it.
    pub(crate) fn trailers(&self, sent: &mut Sent, name: &'static str, value: &'static str) {
        let mut trailers = HeaderMap::new();
        trailers.insert(name, value.parse().unwrap());
        self.wait(async { sent.body.send_trailers(trailers).unwrap() });
    }

    /// Reads the answer.
    pub(crate) fn answer(&self, sent: Sent) -> Answer {
        self.try_answer(sent).expect("an answer's head")
    }

    /// Reads the answer, unless the stream is reset before its head.
    pub(crate) fn try_answer(&self, sent: Sent) -> Result<Answer, h2::Error> {
        let Sent { answer, body } = sent;
        let read = self.wait(async {
            let (parts, body) = answer.await?.into_parts();
            Ok(whole(parts, body).await)
        });
        drop(body);
        read
    }

    /// Asks for a WebSocket (RFC 8441).
    pub(crate) fn socket(&mut self, path: &str, fields: &str) -> Socket {
        self.tunnel("websocket", path, &format!("sec-websocket-version: 13\r\n{fields}"))
    }

    /// Asks for a tunnel.
    pub(crate) fn tunnel(&mut self, protocol: &'static str, path: &str, fields: &str) -> Socket {
        let mut request = head(&format!("CONNECT {path}"), fields);
        request.extensions_mut().insert(Protocol::from_static(protocol));
        let (parts, to, from) = self.wait_for_settings(request);
        let mut socket = Socket { answer: described(&parts), to, from, buffer: Vec::new() };
        if socket.answer.status != 200 {
            socket.answer.body = self.rest(&mut socket);
        }
        socket
    }

    fn wait_for_settings(&mut self, request: Request<()>) -> (http::response::Parts, SendStream<Bytes>, RecvStream) {
        let requests = &mut self.requests;
        let talk = async {
            while !requests.is_extended_connect_protocol_enabled() {
                tokio::task::yield_now().await;
            }
            poll_fn(|cx| requests.poll_ready(cx)).await.unwrap();
            let (answer, to) = requests.send_request(request, false).unwrap();
            let (parts, from) = answer.await.unwrap().into_parts();
            (parts, to, from)
        };
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, talk).await.expect("an answer, in time") })
    }

    /// Sends bytes on a socket; whether all were taken.
    pub(crate) fn say(&mut self, socket: &mut Socket, bytes: &[u8]) -> bool {
        let taken = self.wait(push(&mut socket.to, bytes, false));
        self.there_and_back();
        taken
    }

    /// Ends our side of a socket.
    pub(crate) fn finish(&mut self, socket: &mut Socket) {
        self.wait(async { socket.to.send_data(Bytes::new(), true).unwrap() });
        self.there_and_back();
    }

    /// Waits for a pong: what was sent before has arrived. The connection may have ended instead.
    pub(crate) fn there_and_back(&mut self) {
        let ping = &mut self.ping;
        let _ = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, ping.ping(h2::Ping::opaque())).await.expect("a pong, in time")
        });
    }

    /// Reads exactly so many bytes; fewer if it ends.
    pub(crate) fn hear(&self, socket: &mut Socket, length: usize) -> Vec<u8> {
        self.wait(async {
            while socket.buffer.len() < length {
                match socket.from.data().await {
                    Some(Ok(data)) => {
                        socket.from.flow_control().release_capacity(data.len()).unwrap();
                        socket.buffer.extend(&data);
                    }
                    Some(Err(_)) | None => break,
                }
            }
        });
        let length = length.min(socket.buffer.len());
        socket.buffer.drain(..length).collect()
    }

    /// Everything that comes until it ends.
    pub(crate) fn rest(&self, socket: &mut Socket) -> Vec<u8> {
        self.hear(socket, usize::MAX)
    }

    /// Waits until the gate has ended the connection; why.
    pub(crate) fn ended(mut self) -> Result<(), h2::Error> {
        let connection = &mut self.connection;
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE, connection).await.expect("the end, in time") })
            .unwrap()
    }

    fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, what).await.expect("in time") })
    }
}

fn head(line: &str, fields: &str) -> Request<()> {
    let (method, path) = line.split_once(' ').unwrap();
    let method: Method = method.parse().unwrap();
    let uri = format!("https://dev.test:8080{path}");
    let mut request = Request::builder().method(method).uri(uri).version(http::Version::HTTP_2);
    for field in fields.split_terminator("\r\n") {
        let (name, value) = field.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(()).unwrap()
}

async fn push(to: &mut SendStream<Bytes>, bytes: &[u8], ends: bool) -> bool {
    let mut rest = Bytes::copy_from_slice(bytes);
    while !rest.is_empty() {
        to.reserve_capacity(rest.len());
        let Some(Ok(room)) = poll_fn(|cx| to.poll_capacity(cx)).await else { return false };
        if to.send_data(rest.split_to(room.min(rest.len())), false).is_err() {
            return false;
        }
    }
    !ends || to.send_data(Bytes::new(), true).is_ok()
}

fn described(parts: &http::response::Parts) -> Answer {
    let fields: Vec<_> =
        parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    Answer { status: parts.status.as_u16(), head: format!("{parts:?}"), fields, body: Vec::new(), whole: true }
}

async fn whole(parts: http::response::Parts, mut body: RecvStream) -> Answer {
    let mut answer = described(&parts);
    while let Some(data) = body.data().await {
        match data {
            Ok(data) => {
                body.flow_control().release_capacity(data.len()).unwrap();
                answer.body.extend(&data);
            }
            Err(_) => {
                answer.whole = false;
                break;
            }
        }
    }
    answer
}
