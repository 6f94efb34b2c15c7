//! The access log: one line a request, written to standard output when the answer's body ends or is dropped.
//!
//! What is written is an allow-list. The client's address stands before anything that the client chose, and everything
//! he chose is escaped, so that no line can be forged (compare fail2ban's history of log injection). A user name is
//! written only if it exists: people type passwords into the wrong field. Queries are left out: they carry tokens.
//!
//! Lines are collected in memory and written by a thread of their own, in order. A reader of standard output that does
//! not keep up costs lines, which are counted and said, and never holds up a request.

use std::fmt::Write as _;
use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode, Uri, Version};
use serde::Serialize;

use crate::body::BodyError;
use crate::client_addr::Peer;
use crate::config::model::LogFormat;

/// How a request stood with respect to credentials: three refusals that a reader of logs must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// The request was refused before anyone was asked.
    NotAsked,
    /// A known user with the right password.
    Ok,
    /// None were sent: a browser's first request, not a failure.
    NoCredentials,
    /// They could not be read.
    Malformed,
    /// The user exists, the password is wrong.
    WrongPassword,
    /// No such user; the name is not written.
    UnknownUser,
    /// It could not be told: too many checks at once.
    Busy,
}

impl Auth {
    fn as_str(self) -> &'static str {
        match self {
            Auth::NotAsked => "not-asked",
            Auth::Ok => "ok",
            Auth::NoCredentials => "no-credentials",
            Auth::Malformed => "malformed",
            Auth::WrongPassword => "wrong-password",
            Auth::UnknownUser => "unknown-user",
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

/// What stands for the method and the path of a request that could not be parsed.
const UNPARSED: &str = "-";

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
        Ok(Self(Some(Arc::new(Shared { format, sink: Sink::start(out)? }))))
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
            record.method = Method::from_bytes(UNPARSED.as_bytes()).unwrap_or_default();
        }
    }

    /// Waits until what has been written so far is out, for at most `patience`.
    pub fn flush(&self, patience: Duration) {
        if let Some(shared) = &self.0 {
            shared.sink.flush(patience);
        }
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

    fn path(&self) -> &str {
        if self.method.as_str() == UNPARSED { UNPARSED } else { self.uri.path() }
    }

    fn user(&self) -> &[u8] {
        self.user.as_ref().map_or(b"-", HeaderValue::as_bytes)
    }

    fn write(&self, out: &mut String) {
        match self.shared.format {
            LogFormat::Text => self.write_text(out),
            LogFormat::Json => self.write_json(out),
            LogFormat::Combined => self.write_combined(out),
        }
    }

    fn write_text(&self, out: &mut String) {
        let _ = write!(
            out,
            "{:.3} client={} status={} auth={} bytes={} ms={:.1}",
            timestamp(self.at),
            self.client,
            self.status.as_u16(),
            self.auth.as_str(),
            self.bytes,
            milliseconds(self.started.elapsed()),
        );
        if let Some(took) = self.upstream {
            let _ = write!(out, " upstream_ms={:.1}", milliseconds(took));
        }
        if self.end != End::Whole {
            let _ = write!(out, " end={}", self.end.as_str());
        }
        if !self.reason.is_empty() {
            quoted(out, " reason=", self.reason.as_bytes());
        }
        let _ = write!(out, " version={} method=", version(self.version));
        escaped(out, self.method.as_str().as_bytes());
        quoted(out, " path=", self.path().as_bytes());
        if let Some(user) = &self.user {
            quoted(out, " user=", user.as_bytes());
        }
        if let Some(agent) = &self.agent {
            quoted(out, " agent=", agent.as_bytes());
        }
    }

    fn write_json(&self, out: &mut String) {
        #[derive(Serialize)]
        struct Line<'a> {
            time: String,
            client: Option<IpAddr>,
            status: u16,
            auth: Auth,
            bytes: u64,
            ms: f64,
            #[serde(skip_serializing_if = "Option::is_none")]
            upstream_ms: Option<f64>,
            end: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            reason: &'a str,
            version: &'a str,
            method: &'a str,
            path: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            user: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            agent: Option<String>,
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let line = Line {
            time: format!("{:.3}", timestamp(self.at)),
            client: self.client.ip(),
            status: self.status.as_u16(),
            auth: self.auth,
            bytes: self.bytes,
            ms: rounded(self.started.elapsed()),
            upstream_ms: self.upstream.map(rounded),
            end: self.end.as_str(),
            reason: self.reason,
            version: version(self.version),
            method: self.method.as_str(),
            path: self.path().to_owned(),
            user: self.user.as_ref().map(text),
            agent: self.agent.as_ref().map(text),
        };
        // Plain strings and numbers always serialise.
        if let Ok(json) = serde_json::to_string(&line) {
            out.push_str(&json);
        }
    }

    /// nginx's `combined`, so that its jails and tools read it: `$remote_addr - $remote_user [$time_local] "$request"
    /// $status $body_bytes_sent "$http_referer" "$http_user_agent"`.
    fn write_combined(&self, out: &mut String) {
        let time = timestamp(self.at).strftime("%d/%b/%Y:%H:%M:%S +0000");
        let _ = write!(out, "{} - ", self.client);
        escaped(out, self.user());
        let _ = write!(out, " [{time}] \"");
        escaped(out, self.method.as_str().as_bytes());
        out.push(' ');
        escaped(out, self.path().as_bytes());
        let _ = write!(out, " {}\" {} {}", version(self.version), self.status.as_u16(), self.bytes);
        let field = |value: &Option<HeaderValue>| value.as_ref().map_or(b"-".to_vec(), |v| v.as_bytes().to_vec());
        quoted(out, " ", &field(&self.referer));
        quoted(out, " ", &field(&self.agent));
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
fn no_answer() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

fn timestamp(at: SystemTime) -> jiff::Timestamp {
    jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Milliseconds with one decimal.
fn rounded(duration: Duration) -> f64 {
    (milliseconds(duration) * 10.0).round() / 10.0
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

fn quoted(out: &mut String, before: &str, value: &[u8]) {
    out.push_str(before);
    out.push('"');
    escaped(out, value);
    out.push('"');
}

/// Printable ASCII but quotes, backslashes and, for fields that stand unquoted, spaces stay as they are; all else is
/// `\xNN`, as in nginx.
fn escaped(out: &mut String, value: &[u8]) {
    for &byte in value {
        match byte {
            b'"' | b'\\' => {
                let _ = write!(out, "\\x{byte:02X}");
            }
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02X}");
            }
        }
    }
}

/// Lines on their way to the file: at most [`Sink::LIMIT`] bytes wait, beyond that lines are dropped and counted.
#[derive(Debug)]
struct Sink(Arc<(Mutex<Waiting>, Condvar)>);

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    writing: bool,
    closed: bool,
}

impl Sink {
    const LIMIT: usize = 1 << 20;

    fn start(mut out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new((Mutex::new(Waiting::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            let (lock, bell) = &*theirs;
            let mut batch = Vec::new();
            loop {
                let mut waiting = locked(lock);
                waiting.writing = false;
                bell.notify_all();
                while waiting.lines.is_empty() && !waiting.closed {
                    waiting = bell.wait(waiting).unwrap_or_else(PoisonError::into_inner);
                }
                if waiting.lines.is_empty() {
                    return;
                }
                std::mem::swap(&mut batch, &mut waiting.lines);
                waiting.writing = true;
                let dropped = std::mem::take(&mut waiting.dropped);
                drop(waiting);
                if dropped > 0 {
                    tracing::warn!(dropped, "access log lines were dropped: standard output was not read in time");
                }
                if let Err(error) = out.write_all(&batch).and_then(|()| out.flush()) {
                    tracing::warn!(%error, "the access log cannot be written");
                }
                batch.clear();
            }
        })?;
        Ok(Self(shared))
    }

    fn push(&self, line: &[u8]) {
        let (lock, bell) = &*self.0;
        let mut waiting = locked(lock);
        if waiting.lines.len() + line.len() > Self::LIMIT {
            waiting.dropped += 1;
            return;
        }
        let sleeping = waiting.lines.is_empty() && !waiting.writing;
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if sleeping {
            bell.notify_all();
        }
    }

    fn flush(&self, patience: Duration) {
        let (lock, bell) = &*self.0;
        let until = Instant::now() + patience;
        let mut waiting = locked(lock);
        while !waiting.lines.is_empty() || waiting.writing {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            waiting = bell.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let (lock, bell) = &*self.0;
        locked(lock).closed = true;
        bell.notify_all();
    }
}

/// A panic while lines are appended leaves whole lines or a torn one, never a reason to stop logging.
fn locked(lock: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
