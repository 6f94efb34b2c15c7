//! A stand-in for MailCatcher that misbehaves as the real one does, since the real one cannot be installed where the
//! tests run and its misbehaviour is what a proxy in front of it has to survive.
//!
//! It was made from measurements of MailCatcher 0.10 under thin 1.8, byte for byte where a proxy could tell. It runs
//! on one thread of its own, as the real one does: whatever blocks that thread (clearing a long list) blocks all of
//! HTTP and SMTP. Tests talk to it from any thread, blocking or not.
//!
//! ```text
//! options    what the real one's flags say, and a switch for each of its quirks and times
//! state      what a test can see and change from outside: mail, requests, connections, scripts
//! script     faults that a test asks for: silence, a cut, garbage, any bytes
//! connection the story of one HTTP connection      <- http (parsing), path (normalising), routes (answering), page
//! socket     the story of one WebSocket
//! smtp       the story of one mail coming in       <- mail, mime, store (what SQLite does in the real one)
//! ```

#![allow(dead_code, unused_imports, reason = "several test binaries include this module and none uses all of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod connection;
mod http;
mod mail;
mod mime;
mod options;
mod page;
mod path;
mod routes;
mod script;
mod smtp;
mod socket;
mod state;
mod store;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub(crate) use mail::Mail;
pub(crate) use options::{Options, QuitAnswer, Tells};
pub(crate) use script::{Gate, Script};
pub(crate) use state::{Received, Recorded, State};

use state::{Order, Shared};

/// How long `restart` waits for its old port: somebody else's closing connection may hold it for a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running catcher. Dropping it stops it and waits for its thread.
pub(crate) struct Catcher {
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
    http: SocketAddr,
    smtp: SocketAddr,
}

struct Running {
    stop: Arc<Notify>,
    thread: JoinHandle<()>,
}

/// What every task of one run holds: the state that outlives the run, and the way to end the run.
#[derive(Clone)]
struct Context {
    shared: Arc<Shared>,
    stop: Arc<Notify>,
}

impl Catcher {
    /// Binds both ports before it returns, so that whoever connects next is served.
    pub(crate) fn start(options: Options) -> Catcher {
        let (http, smtp) = bind(options.http, options.smtp).expect("the catcher's addresses can be bound");
        let catcher = Catcher {
            http: http.local_addr().expect("a bound socket has an address"),
            smtp: smtp.local_addr().expect("a bound socket has an address"),
            shared: Arc::new(Shared::new(options)),
            running: Mutex::new(None),
        };
        catcher.run(http, smtp);
        catcher
    }

    pub(crate) fn http_addr(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn smtp_addr(&self) -> SocketAddr {
        self.smtp
    }

    /// What `upstream.url` would say for this catcher, prefix included.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.http, self.shared.options.http_path.trim_end_matches('/'))
    }

    // --- mail

    /// Puts a mail in as if SMTP had brought it (live updates are sent), and returns its id.
    pub(crate) fn deliver(&self, mail: Mail) -> i64 {
        self.shared.deliver(mail)
    }

    /// Puts in `count` small mails. Their ids are those that follow.
    pub(crate) fn deliver_many(&self, count: usize) {
        for n in 1..=count {
            self.deliver(Mail::new(&format!("mail {n}")));
        }
    }

    /// The ids that are there, ascending.
    pub(crate) fn message_ids(&self) -> Vec<i64> {
        self.shared.look(|state| state.store.ids())
    }

    // --- what it saw

    /// Every request that was parsed as one, in the order in which they were complete.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.look(|state| state.requests.clone())
    }

    /// How many HTTP connections were accepted, ever.
    pub(crate) fn connections(&self) -> usize {
        self.shared.look(|state| state.connections)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.shared.look(|state| state.open_connections)
    }

    /// How many WebSockets are open.
    pub(crate) fn open_sockets(&self) -> usize {
        self.shared.look(|state| state.open_sockets())
    }

    /// The WebSocket frames that clients sent, in order.
    pub(crate) fn frames(&self) -> Vec<Received> {
        self.shared.look(|state| state.frames.clone())
    }

    /// Whether somebody made it quit. Stays true until `restart`.
    pub(crate) fn has_quit(&self) -> bool {
        self.shared.look(|state| state.quit)
    }

    /// Waits until `claim` holds, and says whether it came to hold within `patience`. Blocks the calling thread.
    #[must_use]
    pub(crate) fn wait_until(&self, patience: Duration, claim: impl Fn(&State) -> bool) -> bool {
        self.shared.wait_until(patience, claim)
    }

    /// As `wait_until`, for tests that have a runtime to keep turning.
    pub(crate) async fn eventually(&self, patience: Duration, claim: impl Fn(&State) -> bool) -> bool {
        self.shared.eventually(patience, claim).await
    }

    // --- faults

    /// The next request, whatever it is, gets this script in place of a plain answer.
    pub(crate) fn next(&self, script: Script) {
        self.on("*", script);
    }

    /// The next request that matches gets this script. Scripts for the same request are used in the order given.
    ///
    /// A pattern is `*`, a path, or a method and a path: `GET /messages`. Paths are compared with the raw target up
    /// to its `?`. Two methods are special: `UPGRADE /messages` is a WebSocket handshake (which `GET` does not match),
    /// and `ACCEPT` is a connection that was just accepted, before anything was read from it.
    pub(crate) fn on(&self, pattern: &str, script: Script) {
        self.shared.change(|state| state.rules.add(pattern, script, false));
    }

    /// Every request that matches gets this script, when no `next` or `on` is left for it.
    pub(crate) fn always(&self, pattern: &str, script: Script) {
        self.shared.change(|state| state.rules.add(pattern, script, true));
    }

    /// Back to honest behaviour.
    pub(crate) fn forget_scripts(&self) {
        self.shared.change(|state| state.rules.clear());
    }

    /// Sends these bytes to every open WebSocket as they are: a frame, half a frame, nonsense.
    pub(crate) fn send_to_sockets(&self, bytes: &[u8]) {
        self.shared.look(|state| state.order(&Order::Raw(bytes.to_vec())));
    }

    /// Sends a text frame to every open WebSocket.
    pub(crate) fn send_text_to_sockets(&self, text: &str) {
        self.send_to_sockets(&socket::frame(1, text.as_bytes()));
    }

    /// Ends every open WebSocket with a plain FIN and no close frame.
    pub(crate) fn cut_sockets(&self) {
        self.shared.look(|state| state.order(&Order::Cut));
    }

    // --- coming and going

    /// Stops as a killed process does: every connection ends, the ports close and all mail is lost.
    pub(crate) fn stop(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some(Running { stop, thread }) = running {
            stop.notify_one();
            thread.join().expect("the catcher's thread ends well");
        }
    }

    /// Starts again on the same ports, empty. What was recorded stays.
    pub(crate) fn restart(&self) {
        self.stop();
        self.shared.change(|state| state.quit = false);
        let deadline = Instant::now() + PATIENCE;
        let (http, smtp) = loop {
            match bind(self.http, self.smtp) {
                Ok(sockets) => break sockets,
                Err(error) if Instant::now() >= deadline => panic!("the catcher's own ports stay taken: {error}"),
                Err(_) => std::thread::yield_now(),
            }
        };
        self.run(http, smtp);
    }

    fn run(&self, http: TcpListener, smtp: TcpListener) {
        let context = Context { shared: Arc::clone(&self.shared), stop: Arc::new(Notify::new()) };
        let stop = Arc::clone(&context.stop);
        let thread = std::thread::Builder::new()
            .name("catcher".to_owned())
            .spawn(move || serve(http, smtp, &context))
            .expect("a thread can be started");
        *self.running.lock().unwrap() = Some(Running { stop, thread });
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bind(http: SocketAddr, smtp: SocketAddr) -> io::Result<(TcpListener, TcpListener)> {
    let sockets = (TcpListener::bind(http)?, TcpListener::bind(smtp)?);
    sockets.0.set_nonblocking(true)?;
    sockets.1.set_nonblocking(true)?;
    Ok(sockets)
}

/// One run, from start to quit or stop. Leaving drops the runtime, and with it every connection.
fn serve(http: TcpListener, smtp: TcpListener, context: &Context) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let http = tokio::net::TcpListener::from_std(http).expect("the socket suits the runtime");
        let smtp = tokio::net::TcpListener::from_std(smtp).expect("the socket suits the runtime");
        loop {
            tokio::select! {
                Ok((stream, _)) = http.accept() => { tokio::spawn(connection::serve(stream, context.clone())); }
                Ok((stream, _)) = smtp.accept() => { tokio::spawn(smtp::serve(stream, context.clone())); }
                () = context.stop.notified() => break,
            }
        }
    });
    drop(runtime);
    context.shared.change(State::forget_mail);
}
