//! Connections to the catcher: made, kept, reused with care, and counted.
//!
//! Each worker keeps its own idle connections and takes the most recent first. Only GET and HEAD go on a kept
//! connection and are tried again on a fresh one when it turns out to be dead; everything else gets a fresh connection
//! and is sent once, for ids are reused and a repeated quit would end the catcher that was just restarted.
//!
//! MailCatcher keeps 100 connections, WebSockets included. A request is never refused for that; beyond it connections
//! are closed after use instead of kept.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::answer::{checked, fault, is_event_stream, unframed_length};
use super::dial::Dial;
use super::headers::has_token;
use crate::body::{Body, Keep};
use crate::config::model::UpstreamConfig;
use crate::reject::{Reject, UpstreamFault};

/// How many connections a catcher keeps open: thin, under MailCatcher, keeps 100.
const KEPT: usize = 100;

/// The longest answer head that is read, in bytes; longer is a malformed answer.
const ANSWER_HEAD: usize = 64 * 1024;

/// Where the catcher is, and the open connections to it.
#[derive(Debug)]
pub struct Upstream {
    dial: Dial,
    authority: HeaderValue,
    credentials: Option<HeaderValue>,
    idle_timeout: Duration,
    idle: Box<[Mutex<Vec<Idle>>]>,
    open: Arc<AtomicUsize>,
    opened: AtomicU64,
}

/// A connection that waits for its next request.
#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection with HTTP/1.1 on it.
pub struct Connection {
    sender: SendRequest<Body>,
    _counted: Counted,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("closed", &self.sender.is_closed()).finish()
    }
}

/// One open connection in the count; what goes up comes down when it is dropped.
#[derive(Debug)]
pub struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    /// The catcher of `config`, with room for the idle connections of `workers` runtimes.
    #[must_use]
    pub fn new(config: &UpstreamConfig, connect_timeout: Duration, idle_timeout: Duration, workers: usize) -> Self {
        let dial = Dial::new(config.host.clone(), config.port, connect_timeout);
        Self {
            // The configuration takes only names and addresses that are valid here.
            authority: HeaderValue::from_str(&dial.to_string())
                .unwrap_or(const { HeaderValue::from_static("localhost") }),
            credentials: config.credentials.as_ref().and_then(super::basic),
            dial,
            idle_timeout,
            idle: (0..workers).map(|_| Mutex::default()).collect(),
            open: Arc::default(),
            opened: AtomicU64::new(0),
        }
    }

    /// How many connections to it have been opened in all: as long as there are no new ones, it is still the same program.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// How many connections to it are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether it takes a connection at this moment. Nothing is sent on it.
    ///
    /// # Errors
    /// Why not.
    pub async fn probe(&self) -> Result<(), UpstreamFault> {
        self.dial.connect().await.map(drop)
    }

    /// The `Host` of a request that came without one (HTTP/1.0).
    #[must_use]
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// `Authorization` for a catcher with a login of its own.
    #[must_use]
    pub fn credentials(&self) -> Option<&HeaderValue> {
        self.credentials.as_ref()
    }

    /// The fields of a request that the gate makes: no user's.
    pub(super) fn own_fields(&self) -> HeaderMap {
        let login = self.credentials().map(|ours| (header::AUTHORIZATION, ours.clone()));
        [(header::HOST, self.authority.clone())].into_iter().chain(login).collect()
    }

    /// Sends `request` and waits for the head of the answer, for at most `limit`; the answer's body gives the connection
    /// back to `worker`'s pool when it has ended well.
    ///
    /// # Errors
    /// [`Reject::Upstream`], or what was wrong with the request's own body.
    pub async fn exchange(
        self: &Arc<Self>,
        request: Request<Body>,
        worker: usize,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        let mut request = request;
        let progress = request.body_mut().progress();
        let exchange = self.exchange_untimed(request, worker, limit);
        tokio::pin!(exchange);
        let mut taken = 0;
        loop {
            match tokio::time::timeout(limit, exchange.as_mut()).await {
                Ok(result) => return result,
                Err(_elapsed) => {
                    // The catcher's time begins when it has the request: as long as it takes more of a body it is at
                    // work, and while the client sends none the time is the client's, who has a limit of his own.
                    let now = progress.as_ref().map_or(0, |progress| progress.frames());
                    let client_is_late = progress.as_ref().is_some_and(|progress| progress.is_waiting());
                    if now == taken && !client_is_late {
                        return Err(Reject::Upstream(UpstreamFault::AnswerTimeout(limit)));
                    }
                    taken = now;
                }
            }
        }
    }

    async fn exchange_untimed(
        self: &Arc<Self>,
        mut request: Request<Body>,
        worker: usize,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        if is_repeatable(&request) {
            while let Some(mut kept) = self.take(worker) {
                if kept.sender.ready().await.is_err() {
                    continue; // closed while it lay there: nothing was sent
                }
                let spare = copy(&request);
                match kept.sender.send_request(request).await {
                    Ok(answer) => return self.answer(answer, kept, Some(worker), limit),
                    // An answer that cannot be used is an answer.
                    Err(error) if error.is_parse() || error.is_parse_too_large() => return Err(fault(&error)),
                    Err(_) => {
                        // Closed under the request, as far as can be told. Once more, on a fresh one, and no oftener: a
                        // request that makes the catcher fall over must not meet it with every connection there is.
                        request = spare;
                        break;
                    }
                }
            }
        }
        // An answer may come before the body was read to its end: such a connection is not used again.
        let reuse = (!request.body().is_streamed()).then_some(worker);
        let mut fresh = self.connect().await?;
        let answer = fresh.send(request).await.map_err(|error| fault(&error))?;
        self.answer(answer, fresh, reuse, limit)
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`Reject::Upstream`].
    pub async fn connect(&self) -> Result<Connection, Reject> {
        let stream = self.dial.connect().await.map_err(Reject::Upstream)?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        let handshake = http1::Builder::new().max_header_size(ANSWER_HEAD).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = match handshake {
            Ok(pair) => pair,
            Err(error) => return Err(Reject::Upstream(UpstreamFault::Closed(error.to_string()))),
        };
        // Ends with the connection: when its sender is dropped, or either side closes. Errors reach the sender.
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to the catcher ended");
            }
        });
        Ok(Connection { sender, _counted: Counted::new(&self.open) })
    }

    fn answer(
        self: &Arc<Self>,
        answer: Response<Incoming>,
        connection: Connection,
        reuse: Option<usize>,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        let answer = checked(answer)?;
        let closing = has_token(answer.headers(), header::CONNECTION, "close");
        // A stream of events may be quiet for as long as nothing happens.
        let limit = (!is_event_stream(answer.headers())).then_some(limit);
        let length = unframed_length(&answer);
        Ok(answer.map(|incoming| {
            let mut body = Body::stream(incoming, limit);
            if let Some(length) = length {
                body = body.of_length(length);
            }
            match reuse.filter(|_| !closing) {
                Some(worker) => body.keeping(Box::new(Reusable { upstream: Arc::clone(self), connection, worker })),
                // Still open until the body has ended, and then of no more use.
                None => body.keeping(Box::new(Closing(connection))),
            }
        }))
    }

    /// The most recently used connection that is still good.
    fn take(&self, worker: usize) -> Option<Connection> {
        let mut idle = self.idle(worker)?;
        while let Some(Idle { connection, since }) = idle.pop() {
            if since.elapsed() >= self.idle_timeout {
                // All below it are older still.
                idle.clear();
                return None;
            }
            if !connection.sender.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn put_back(&self, connection: Connection, worker: usize) {
        if connection.sender.is_closed() || self.open.load(Ordering::Relaxed) > KEPT {
            return;
        }
        if let Some(mut idle) = self.idle(worker) {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Makes room for a connection that stays: while more are open than the catcher keeps, idle ones are closed.
    pub fn make_room(&self) {
        for idle in &self.idle {
            let mut idle = locked(idle);
            while self.open.load(Ordering::Relaxed) > KEPT && !idle.is_empty() {
                idle.remove(0);
            }
        }
    }

    /// Closes the idle connections of `worker` that are too old or dead. Called now and then, so that a catcher's own
    /// limit never meets one of ours.
    pub fn sweep(&self, worker: usize) {
        if let Some(mut idle) = self.idle(worker) {
            idle.retain(|idle| idle.since.elapsed() < self.idle_timeout && !idle.connection.sender.is_closed());
        }
    }

    fn idle(&self, worker: usize) -> Option<MutexGuard<'_, Vec<Idle>>> {
        self.idle.get(worker).map(locked)
    }
}

fn locked(idle: &Mutex<Vec<Idle>>) -> MutexGuard<'_, Vec<Idle>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    /// Sends a request on it and waits for the answer's head.
    pub(super) async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

/// A connection that can be used again.
#[derive(Debug)]
struct Reusable {
    upstream: Arc<Upstream>,
    connection: Connection,
    worker: usize,
}

impl Keep for Reusable {
    fn body_ended(self: Box<Self>) {
        self.upstream.put_back(self.connection, self.worker);
    }
}

/// A connection that is closed when the answer on it has ended.
#[derive(Debug)]
pub(super) struct Closing(#[allow(dead_code, reason = "held open until the body has ended")] pub(super) Connection);

impl Keep for Closing {
    fn body_ended(self: Box<Self>) {}
}

/// GET and HEAD without a body: asking twice changes nothing (RFC 9110 section 9.2.2).
fn is_repeatable(request: &Request<Body>) -> bool {
    (request.method() == Method::GET || request.method() == Method::HEAD)
        && http_body::Body::is_end_stream(request.body())
}

/// A repeatable request once more.
fn copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    copy
}
