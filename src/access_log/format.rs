//! The three forms of a line. Whatever the client chose is escaped.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::Version;
use http::header::HeaderValue;
use serde::Serialize;

use super::{Auth, End, Record};
use crate::config::model::LogFormat;

impl Record {
    fn path(&self) -> &str {
        if self.parsed { self.uri.path() } else { "-" }
    }

    fn method(&self) -> &str {
        if self.parsed { self.method.as_str() } else { "-" }
    }

    fn user(&self) -> &[u8] {
        self.user.as_ref().map_or(b"-", HeaderValue::as_bytes)
    }

    /// Writes the line, without its end.
    pub(super) fn write(&self, out: &mut String) {
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
        escaped(out, self.method().as_bytes());
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
            method: String,
            path: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            user: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            agent: Option<String>,
        }
        let text = |value: &[u8]| {
            let (value, cut) = clipped(value);
            format!("{}{cut}", String::from_utf8_lossy(value))
        };
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
            method: text(self.method().as_bytes()),
            path: text(self.path().as_bytes()),
            user: self.user.as_ref().map(|user| text(user.as_bytes())),
            agent: self.agent.as_ref().map(|agent| text(agent.as_bytes())),
        };
        // Plain strings and numbers always serialise.
        if let Ok(json) = serde_json::to_string(&line) {
            ascii_json(out, &json);
        }
    }

    /// nginx's `combined`, so that its jails and tools read it: `$remote_addr - $remote_user [$time_local] "$request"
    /// $status $body_bytes_sent "$http_referer" "$http_user_agent"`.
    fn write_combined(&self, out: &mut String) {
        let time = timestamp(self.at).strftime("%d/%b/%Y:%H:%M:%S +0000");
        let _ = write!(out, "{} - ", self.client);
        escaped(out, self.user());
        let _ = write!(out, " [{time}] \"");
        escaped(out, self.method().as_bytes());
        out.push(' ');
        escaped(out, self.path().as_bytes());
        let _ = write!(out, " {}\" {} {}", version(self.version), self.status.as_u16(), self.bytes);
        let field = |value: &Option<HeaderValue>| value.as_ref().map_or(b"-".to_vec(), |v| v.as_bytes().to_vec());
        quoted(out, " ", &field(&self.referer));
        quoted(out, " ", &field(&self.agent));
    }
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

/// The longest that a client's text is written, in bytes before escaping. journald begins a new entry after 48 KiB, and
/// what a client makes an entry begin with could look like another's line.
const LONGEST: usize = 1024;

/// What stands for the rest of a text that is longer.
const CUT: &str = "...";

fn clipped(value: &[u8]) -> (&[u8], &str) {
    match value.get(..LONGEST) {
        Some(first) if value.len() > LONGEST => (first, CUT),
        _ => (value, ""),
    }
}

fn quoted(out: &mut String, before: &str, value: &[u8]) {
    out.push_str(before);
    out.push('"');
    escaped(out, value);
    out.push('"');
}

/// Printable ASCII but quotes and backslashes stays as it is; all else is `\xNN`, as in nginx.
fn escaped(out: &mut String, value: &[u8]) {
    let (value, cut) = clipped(value);
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
    out.push_str(cut);
}

/// JSON leaves all but C0 controls as it is, but some readers end a line at U+0085 or U+2028, and a terminal obeys U+009B.
/// Outside its strings JSON is ASCII, so the line means the same when the rest is escaped.
fn ascii_json(out: &mut String, json: &str) {
    for character in json.chars() {
        match character {
            ' '..='~' => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
}
