//! Requests to the catcher, and the connections that they go on (`forward::lines`).
//!
//! Only GET and HEAD go on a kept connection and are tried again on a fresh one when it turns out to be dead; everything
//! else gets a fresh connection and is sent once, for ids are reused and a repeated quit would end the catcher that was just
//! restarted. Behind a body the connection is not used again either: small servers answer without reading what they have no
//! use for, and would take it for the next request, which would be somebody else's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::answer::{checked, is_event_stream, unframed_length};
use super::dial::Dial;
use super::http1::{self, Failure};
use super::lines::{Counted, Line, Lines};
use crate::apart::apart;
use crate::body::{Body, Keep, Reply, Sending};
use crate::config::model::UpstreamConfig;
use crate::reject::{Reject, UpstreamFault};
use crate::wire::Wire;

/// The longest answer head that is read, in bytes; longer is a malformed answer.
pub(super) const ANSWER_HEAD: usize = 64 * 1024;

/// Where the catcher is, and the open connections to it.
#[derive(Debug)]
pub struct Upstream {
    dial: Dial,
    authority: HeaderValue,
    credentials: Option<HeaderValue>,
    lines: Lines,
    opened: AtomicU64,
}

/// A connection that hyper serves, for one request.
pub struct Connection {
    sender: SendRequest<Body>,
    _counted: Counted,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("closed", &self.sender.is_closed()).finish()
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
            lines: Lines::new(workers, idle_timeout),
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
        self.lines.open()
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
        if http_body::Body::is_end_stream(request.body()) {
            let head = http1::written(&request);
            let (parts, _) = request.into_parts();
            return self.exchange_written(&parts.method, &head, parts.headers, worker, limit).await;
        }
        let mut request = request;
        let progress = request.body_mut().progress();
        let now = tokio::time::Instant::now();
        let exchange = apart(|| self.exchange_with_body(request, worker, limit));
        tokio::pin!(exchange);
        let (mut taken, mut deadline) = (0, now + limit);
        loop {
            match tokio::time::timeout_at(deadline, exchange.as_mut()).await {
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
                    deadline = tokio::time::Instant::now() + limit;
                }
            }
        }
    }

    /// The same for a `method` request without a body, whose `head` is written. The answer's fields are made in the memory of
    /// `fields`, whose own are dropped.
    ///
    /// # Errors
    /// [`Reject::Upstream`].
    pub(super) async fn exchange_written(
        self: &Arc<Self>,
        method: &Method,
        head: &[u8],
        fields: HeaderMap,
        worker: usize,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        // One look at the clock, which is not free, for all that depends on it.
        let now = tokio::time::Instant::now();
        let exchange = self.exchange_untimed(method, head, fields, worker, limit, now.into_std());
        let done = tokio::time::timeout_at(now + limit, exchange).await;
        done.unwrap_or(Err(Reject::Upstream(UpstreamFault::AnswerTimeout(limit))))
    }

    async fn exchange_untimed(
        self: &Arc<Self>,
        method: &Method,
        head: &[u8],
        mut fields: HeaderMap,
        worker: usize,
        limit: Duration,
        now: Instant,
    ) -> Result<Response<Body>, Reject> {
        // Asking twice changes nothing (RFC 9110 section 9.2.2).
        let is_repeatable = matches!(*method, Method::GET | Method::HEAD);
        if is_repeatable && let Some(Line { wire, counted }) = self.lines.take(worker, now).await {
            match http1::ask(wire, head, method, &mut fields).await {
                Ok(answer) => return self.answer(answer, counted, worker, limit),
                // An answer that cannot be used is an answer.
                Err(failure @ Failure::Malformed(_)) => return Err(failure.reject()),
                // Closed under the request, as far as can be told. Once more, on a fresh one, and no oftener: a request
                // that makes the catcher fall over must not meet it with every connection there is.
                Err(Failure::Closed(_)) => {}
            }
        }
        let counted = self.lines.count(Some(worker));
        let wire = Wire::new(apart(|| self.dial()).await?);
        let answer = http1::ask(wire, head, method, &mut fields).await.map_err(Failure::reject)?;
        self.answer(answer, counted, worker, limit)
    }

    /// On a connection of its own, which is closed when the answer has ended: an answer may come before the request's own
    /// body was read to its end.
    async fn exchange_with_body(
        self: &Arc<Self>,
        request: Request<Body>,
        worker: usize,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        let mut request = request;
        let length = http_body::Body::size_hint(request.body()).exact();
        let length = length.ok_or(Reject::Internal("a body without a length"))?;
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        let head = http1::written(&request);
        let (Parts { method, headers: mut fields, .. }, body) = request.into_parts();
        let counted = self.lines.count(None);
        let wire = Wire::new(self.dial().await?);
        let answer = http1::upload(wire, Sending::new(head, body, length), &method, &mut fields).await?;
        self.answer(answer, counted, worker, limit)
    }

    async fn dial(&self) -> Result<TcpStream, Reject> {
        let stream = self.dial.connect().await.map_err(Reject::Upstream)?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(stream)
    }

    /// Opens a connection for a request that switches protocols.
    ///
    /// # Errors
    /// [`Reject::Upstream`].
    pub async fn connect(&self) -> Result<Connection, Reject> {
        let stream = self.dial().await?;
        let handshake = conn::http1::Builder::new().max_header_size(ANSWER_HEAD).handshake(TokioIo::new(stream)).await;
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
        Ok(Connection { sender, _counted: self.lines.count(None) })
    }

    /// The answer on a connection of our own, which is kept once it has come to its end.
    fn answer(
        self: &Arc<Self>,
        answer: Response<Reply>,
        counted: Counted,
        worker: usize,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        let (head, reply) = checked(answer)?.into_parts();
        let body = match reply.at_hand() {
            Ok((whole, wire)) => {
                if let Some(wire) = wire {
                    self.lines.put_back(Line { wire, counted }, worker);
                }
                Body::full(whole)
            }
            Err(reply) => {
                let keep = Reusable { upstream: Arc::clone(self), counted, worker };
                let length = unframed_length(head.status, &head.headers, reply.is_ended());
                Body::reply(reply, patience(&head.headers, limit)).of_length(length).keeping(Box::new(keep))
            }
        };
        Ok(Response::from_parts(head, body))
    }

    /// Makes room for a connection that stays: while more are open than the catcher keeps, idle ones are closed.
    pub fn make_room(&self) {
        self.lines.make_room();
    }

    /// Closes the idle connections of `worker` that are too old or dead. Called now and then, so that a catcher's own
    /// limit never meets one of ours.
    pub fn sweep(&self, worker: usize) {
        self.lines.sweep(worker);
    }
}

impl Connection {
    /// Sends a request on it and waits for the answer's head.
    pub(super) async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }
}

/// A connection that can be used again behind the answer on it.
#[derive(Debug)]
struct Reusable {
    upstream: Arc<Upstream>,
    counted: Counted,
    worker: usize,
}

impl Keep for Reusable {
    fn body_ended(self: Box<Self>, reply: Option<Box<Reply>>) {
        if let Some(wire) = reply.and_then(|reply| reply.into_wire()) {
            self.upstream.lines.put_back(Line { wire, counted: self.counted }, self.worker);
        }
    }
}

/// A connection that is closed when the answer on it has ended.
#[derive(Debug)]
pub(super) struct Closing(#[allow(dead_code, reason = "held open until the body has ended")] pub(super) Connection);

impl Keep for Closing {
    fn body_ended(self: Box<Self>, _reply: Option<Box<Reply>>) {}
}

/// How long a part of an answer may take. A stream of events may be quiet for as long as nothing happens.
fn patience(answer: &HeaderMap, limit: Duration) -> Option<Duration> {
    (!is_event_stream(answer)).then_some(limit)
}
