//! The story of one HTTP connection: read, parse, answer, and close or go on, with thin's habits in each.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Context;
use super::http::{self, Parsed, Request};
use super::options::QuitAnswer;
use super::routes::{self, Outcome, Wire};
use super::script::{Script, Step};
use super::socket;
use super::state::Recorded;
use super::store::Event;

/// What the event loop of the real one takes in one read. What fits in it is "the same packet".
pub(crate) const PACKET: usize = 16 * 1024;

/// What becomes of the connection after an answer.
enum Next {
    Request,
    /// The next bytes end it.
    Stale,
    Socket(String),
    /// It stays open and hears nothing any more.
    Deaf,
    Close,
}

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) number: usize,
    /// Bytes that came and were not used yet.
    pub(crate) buffer: Vec<u8>,
    persistent: bool,
    context: Context,
}

/// Serves a connection until either side has had enough. An error only ends it.
pub(crate) async fn serve(stream: TcpStream, context: Context) {
    let (number, persistent) = context.shared.change(|state| {
        state.connections += 1;
        state.open_connections += 1;
        let persistent = state.persistent < context.shared.options.persistent_limit;
        state.persistent += usize::from(persistent);
        (state.connections, persistent)
    });
    let mut connection = Connection { stream, number, buffer: Vec::new(), persistent, context };
    let _ = connection.run().await;
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.context.shared.change(|state| {
            state.open_connections -= 1;
            state.persistent -= usize::from(self.persistent);
        });
    }
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        let context = self.context.clone();
        let shared = &*context.shared;
        let _ = self.stream.set_nodelay(true);
        if let Some(script) = shared.change(|state| state.rules.for_connection())
            && let Next::Close = self.play(script, None).await?
        {
            return Ok(());
        }
        loop {
            let request = match http::parse(&self.buffer, &shared.options) {
                Parsed::Partial => {
                    if self.read(shared.options.idle).await? {
                        continue;
                    }
                    return Ok(());
                }
                Parsed::Bad => {
                    let wire = routes::bad_request().into_wire(false, false, &shared.options);
                    self.send(&wire.head).await?;
                    self.send(&wire.body).await?;
                    return self.close().await;
                }
                Parsed::Whole(request, taken) => {
                    self.buffer.drain(..taken);
                    request
                }
            };
            let script = shared.change(|state| {
                state.requests.push(record(&request, self.number));
                state.rules.for_request(&request)
            });
            let next = match script {
                Some(script) => self.play(script, Some(&request)).await?,
                None => self.answer(&request, Delivery::Whole).await?,
            };
            match next {
                Next::Request => {}
                Next::Stale => {
                    if self.buffer.is_empty() {
                        self.read(shared.options.idle).await?;
                    }
                    return Ok(());
                }
                Next::Socket(head) => return socket::serve(self, &context, &head).await,
                Next::Deaf => {
                    while self.read(shared.options.idle).await? {
                        self.buffer.clear();
                    }
                    return Ok(());
                }
                Next::Close => return self.close().await,
            }
        }
    }

    /// Answers as the real one would, and says what that makes of the connection.
    async fn answer(&mut self, request: &Request, delivery: Delivery) -> io::Result<Next> {
        let context = self.context.clone();
        let options = &context.shared.options;
        let (answer, quits) = match routes::answer(request, &context.shared) {
            Outcome::Answer(answer) => (answer, false),
            Outcome::Quit(answer) => (answer, true),
            Outcome::Socket(accept) => {
                let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
                let head =
                    format!("HTTP/1.1 101 Switching Protocols\r\n{upgrade}Sec-WebSocket-Accept: {accept}\r\n\r\n");
                return Ok(Next::Socket(head));
            }
        };
        let wire = answer.into_wire(request.keeps_alive(), request.method == "HEAD", options);
        if !(quits && options.quit_answer == QuitAnswer::Lost) {
            self.deliver(&wire, delivery).await?;
        }
        if quits {
            context.shared.change(|state| {
                state.quit = true;
                if options.quit_frame {
                    state.announce(&[Event::Quit]);
                }
            });
            if options.quit_frame {
                tokio::task::yield_now().await; // the sockets' turn, before everything ends
            }
            context.stop.notify_one();
            return Ok(Next::Close);
        }
        Ok(if !wire.keeps_alive || !self.persistent {
            Next::Close
        } else if request.wants_socket() && options.upgrade_elsewhere_deafens {
            Next::Deaf
        } else {
            Next::Request
        })
    }

    async fn deliver(&mut self, wire: &Wire, delivery: Delivery) -> io::Result<()> {
        match delivery {
            Delivery::Whole => self.send(&[&wire.head[..], &wire.body].concat()).await,
            Delivery::UpTo(bytes) => {
                self.send(&[&wire.head[..], &wire.body[..bytes.min(wire.body.len())]].concat()).await
            }
            Delivery::Slowly(piece, pause) => {
                for piece in [&wire.head[..], &wire.body].concat().chunks(piece.max(1)) {
                    tokio::time::sleep(pause).await;
                    self.send(piece).await?;
                }
                Ok(())
            }
        }
    }

    /// Plays a test's script in place of the answer. Without a request, `Answer` does nothing.
    async fn play(&mut self, script: Script, request: Option<&Request>) -> io::Result<Next> {
        let mut next = Next::Request;
        for step in script.steps {
            let delivery = match step {
                Step::Answer => Delivery::Whole,
                Step::AnswerUpTo(bytes) => Delivery::UpTo(bytes),
                Step::AnswerSlowly(piece, pause) => Delivery::Slowly(piece, pause),
                Step::Send(bytes) => {
                    self.send(&bytes).await?;
                    continue;
                }
                Step::Wait(time) => {
                    if self.unless_the_peer_leaves(tokio::time::sleep(time)).await {
                        continue;
                    }
                    return Ok(Next::Close);
                }
                Step::Hold(gate) => {
                    if self.unless_the_peer_leaves(gate.opened()).await {
                        continue;
                    }
                    return Ok(Next::Close);
                }
                Step::Silence => {
                    self.unless_the_peer_leaves(std::future::pending()).await;
                    return Ok(Next::Close);
                }
                Step::Echo => return self.echo().await,
                Step::HalfClose => {
                    self.stream.shutdown().await?;
                    continue;
                }
                Step::Close => return Ok(Next::Close),
                Step::Reset => {
                    self.stream.set_zero_linger()?;
                    return Err(io::ErrorKind::ConnectionReset.into()); // dropped at once, nothing drained
                }
                Step::CloseOnNextBytes => return Ok(Next::Stale),
            };
            if let Some(request) = request {
                next = self.answer(request, delivery).await?;
            }
        }
        Ok(next)
    }

    async fn echo(&mut self) -> io::Result<Next> {
        loop {
            let bytes = std::mem::take(&mut self.buffer);
            self.send(&bytes).await?;
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(Next::Close);
            }
        }
    }

    /// Waits for the thing, or for the peer to end its side; says whether the thing came. What the peer sends
    /// meanwhile is kept for later.
    async fn unless_the_peer_leaves(&mut self, thing: impl Future<Output = ()>) -> bool {
        let mut thing = std::pin::pin!(thing);
        loop {
            tokio::select! {
                biased;
                () = &mut thing => return true,
                read = self.stream.read_buf(&mut self.buffer) => {
                    if read.unwrap_or(0) == 0 {
                        return false;
                    }
                }
            }
        }
    }

    /// Takes in what comes, and says whether anything did before the peer left or the time was over.
    pub(crate) async fn read(&mut self, idle: Duration) -> io::Result<bool> {
        self.buffer.reserve(PACKET);
        let mut packet = (&mut self.stream).take(PACKET as u64);
        match timeout(idle, packet.read_buf(&mut self.buffer)).await {
            Ok(read) => Ok(read? > 0),
            Err(_) => Ok(false),
        }
    }

    /// Sends it all, unless the reader stands still for too long.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let patience = self.context.shared.options.stalled_reader;
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = timeout(patience, self.stream.write(rest)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            rest = &rest[taken..];
        }
        Ok(())
    }

    /// FIN, and what already came is read first: closing over unread bytes would turn it into RST, and the peer could
    /// lose the answer.
    async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut rest = [0; PACKET];
        while matches!(self.stream.try_read(&mut rest), Ok(read) if read > 0) {}
        Ok(())
    }
}

/// How much of an answer goes out, and how.
enum Delivery {
    Whole,
    UpTo(usize),
    Slowly(usize, Duration),
}

fn record(request: &Request, connection: usize) -> Recorded {
    Recorded {
        connection,
        method: request.method.clone(),
        target: String::from_utf8_lossy(&request.target).into_owned(),
        version: request.version.clone(),
        lines: request.lines.clone(),
        body: request.body.clone(),
    }
}
