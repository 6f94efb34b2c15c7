//! The access log: one line a request, written to standard output when the answer's body ends or is dropped.
//!
//! What is written is an allow-list. The client's address stands before anything that the client chose, and everything
//! he chose is escaped, so that no line can be forged (compare fail2ban's history of log injection). A user name is
//! written only if it exists: people type passwords into the wrong field. Queries are left out: they carry tokens.
//!
//! Lines are collected in memory and written by a thread of their own, in order. A reader of standard output that does
//! not keep up costs lines, which are counted and said, and never holds up a request.

mod format;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode, Uri, Version};
use serde::Serialize;

use crate::body::BodyError;
use crate::client_addr::Peer;
use crate::config::model::LogFormat;
use crate::sink::{Sink, Trouble};

/// How a request stood with respect to credentials: three refusals that a reader of logs must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// The request was refused before anyone was asked.
    NotAsked,
    /// A known user with the right password.
    Ok,
    /// A session that somebody began with it.
    Session,
    /// A ticket for the socket that somebody was given with it.
    Ticket,
    /// The client's certificate, which stands for a user.
    Certificate,
    /// None, from a network that is let in without.
    Anonymous,
    /// None were sent: a browser's first request, not a failure.
    NoCredentials,
    /// They could not be read.
    Malformed,
    /// The user exists, the password is wrong.
    WrongPassword,
    /// The user's line in the users file was refused at start, so that no password is right.
    RefusedLine,
    /// No such user; the name is not written.
    UnknownUser,
    /// They were not looked at, after too many wrong ones from the same place.
    Throttled,
    /// It could not be told: too many checks at once.
    Busy,
}

impl Auth {
    /// Every one.
    pub const ALL: [Auth; 13] = [
        Auth::NotAsked,
        Auth::Ok,
        Auth::Session,
        Auth::Ticket,
        Auth::Certificate,
        Auth::Anonymous,
        Auth::NoCredentials,
        Auth::Malformed,
        Auth::WrongPassword,
        Auth::RefusedLine,
        Auth::UnknownUser,
        Auth::Throttled,
        Auth::Busy,
    ];

    /// Its name, in the log and as a label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Auth::NotAsked => "not-asked",
            Auth::Ok => "ok",
            Auth::Session => "session",
            Auth::Ticket => "ticket",
            Auth::Certificate => "certificate",
            Auth::Anonymous => "anonymous",
            Auth::NoCredentials => "no-credentials",
            Auth::Malformed => "malformed",
            Auth::WrongPassword => "wrong-password",
            Auth::RefusedLine => "refused-line",
            Auth::UnknownUser => "unknown-user",
            Auth::Throttled => "throttled",
            Auth::Busy => "busy",
        }
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Whole.
    Whole,
    /// The client went away.
    ClientLeft,
    /// The catcher broke off.
    UpstreamBroke,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            End::Whole => "whole",
            End::ClientLeft => "client-left",
            End::UpstreamBroke => "upstream-broke",
        }
    }
}

/// The log, shared by all who write records. Cheap to clone; `None` inside when access logging is off.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    format: LogFormat,
    sink: Sink,
}

impl AccessLog {
    /// A log that writes nothing.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// A log in `format` to `out`, and the thread that writes it.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn to(out: impl Write + Send + 'static, format: LogFormat) -> std::io::Result<Self> {
        Ok(Self(Some(Arc::new(Shared { format, sink: Sink::start(out, "access-log", tell)? }))))
    }

    /// Begins the record of a request; `None` when the log is off.
    #[must_use]
    pub fn start<B>(&self, request: &Request<B>, peer: Peer) -> Option<Box<Record>> {
        let shared = self.0.as_ref()?;
        let header = |name| request.headers().get(name).cloned();
        Some(Box::new(Record {
            shared: Arc::clone(shared),
            at: SystemTime::now(),
            started: Instant::now(),
            client: peer,
            user: None,
            auth: Auth::NotAsked,
            parsed: true,
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            referer: header(header::REFERER),
            agent: header(header::USER_AGENT),
            status: no_answer(),
            reason: "",
            bytes: 0,
            upstream: None,
            end: End::ClientLeft,
        }))
    }

    /// Writes a line for a request that was refused before it could be parsed.
    pub fn unparsed(&self, peer: Peer, status: StatusCode, reason: &'static str) {
        if let Some(mut record) = self.start(&Request::new(()), peer) {
            record.status = status;
            record.reason = reason;
            record.end = End::Whole;
            record.parsed = false;
        }
    }

    /// How many lines were dropped since nobody read them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |shared| shared.sink.lost())
    }

    /// Waits until what has been written so far is out, for at most `patience`.
    pub fn flush(&self, patience: Duration) {
        if let Some(shared) = &self.0 {
            shared.sink.flush(patience);
        }
    }
}

fn tell(trouble: Trouble) {
    match trouble {
        Trouble::Dropped(dropped) => {
            tracing::warn!(dropped, "access log lines were dropped: standard output was not read in time");
        }
        Trouble::Unwritten(error) => tracing::warn!(%error, "the access log cannot be written"),
    }
}

/// What the log knows of one request. Its line is written when it is dropped.
#[derive(Debug)]
pub struct Record {
    shared: Arc<Shared>,
    at: SystemTime,
    started: Instant,
    client: Peer,
    user: Option<HeaderValue>,
    auth: Auth,
    /// Whether there was a request at all; else method and path stand for nothing.
    parsed: bool,
    method: Method,
    uri: Uri,
    version: Version,
    referer: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    status: StatusCode,
    reason: &'static str,
    bytes: u64,
    upstream: Option<Duration>,
    end: End,
}

impl Record {
    /// Whose request it is, once forwarded addresses have been looked at.
    pub fn client(&mut self, client: Peer) {
        self.client = client;
    }

    /// How the credentials were; the user only if he exists.
    pub fn auth(&mut self, auth: Auth, user: Option<HeaderValue>) {
        self.auth = auth;
        self.user = user;
    }

    /// How long the catcher took to answer.
    pub fn upstream(&mut self, took: Duration) {
        self.upstream = Some(took);
    }

    /// What is answered, and why if it is a refusal.
    pub fn answer(&mut self, status: StatusCode, reason: &'static str) {
        self.status = status;
        self.reason = reason;
        // Such an answer has no body that could end (RFC 9110 section 6.4.1).
        if self.method == Method::HEAD
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || status.is_informational()
        {
            self.end = End::Whole;
        }
    }

    /// A part of the body was handed on.
    pub fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The body has ended.
    pub fn ended(&mut self) {
        if self.end == End::ClientLeft {
            self.end = End::Whole;
        }
    }

    /// The body broke off on the catcher's side.
    pub fn broke(&mut self, error: &BodyError) {
        self.end = End::UpstreamBroke;
        tracing::warn!(client = %self.client, %error, "the catcher's answer broke off");
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let mut line = String::with_capacity(256);
        self.write(&mut line);
        line.push('\n');
        self.shared.sink.push(line.as_bytes());
    }
}

/// The status of a request whose client left before there was an answer: nginx's number for it.
#[must_use]
pub fn no_answer() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}
