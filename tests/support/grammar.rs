//! Reads the bytes that reach a catcher, and says where they leave the grammar of the crate's documentation (`src/lib.rs`).
//!
//! Written from that text and not from the gate's code: it shares nothing with it.

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say why"
)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// What a gate may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grammar {
    /// Whether it came by TLS.
    pub(crate) secure: bool,
    pub(crate) generic: bool,
    /// The catcher's own path; public and upstream paths are equal.
    pub(crate) prefix: &'static str,
    /// Whether anybody may end the catcher; of a generic one, whether anybody may do anything but read.
    pub(crate) quit: bool,
    /// Whose requests they are.
    pub(crate) user: &'static str,
}

/// Fields that never go out, whoever sends them.
const NEVER: [&str; 19] = [
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy",
    "te",
    "trailer",
    "transfer-encoding",
    "http2-settings",
    "expect",
    "authorization",
    "forwarded",
    "remote-user",
    "x-remote-user",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "sec-websocket-accept",
    "x-nominated",
];

/// Takes one request off the front of what came on a connection; none while it is not whole.
pub(crate) fn take(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let whole = end.checked_add(length).filter(|whole| bytes.len() >= *whole)?;
    Some(bytes.drain(..whole).collect())
}

impl Grammar {
    /// Whether a whole request is one of ours.
    pub(crate) fn check(&self, request: &[u8]) -> Result<(), String> {
        self.checked(request).map_err(|why| format!("{why}: {:?}", String::from_utf8_lossy(request)))
    }

    fn checked(&self, request: &[u8]) -> Result<(), String> {
        let end = request.windows(4).position(|window| window == b"\r\n\r\n").ok_or("no end of the head")?;
        let (head, body) = (&request[..end], &request[end + 4..]);
        let mut lines = head.split(|byte| *byte == b'\n').peekable();
        let mut whole_lines = Vec::new();
        while let Some(line) = lines.next() {
            match line.strip_suffix(b"\r") {
                Some(line) => whole_lines.push(line),
                None if lines.peek().is_none() => whole_lines.push(line),
                None => return Err("a line feed without a carriage return".to_owned()),
            }
        }
        let (first, fields) = whole_lines.split_first().ok_or("no request line")?;
        let first = std::str::from_utf8(first).map_err(|_| "the request line is not ASCII")?;
        let [method, target, version] = first.split(' ').collect::<Vec<_>>()[..] else {
            return Err("the request line has not three parts".to_owned());
        };
        if version != "HTTP/1.1" {
            return Err(format!("the version {version:?}"));
        }
        let fields = fields.iter().map(|line| field(line)).collect::<Result<Vec<_>, _>>()?;
        if let ([(name, _)], false) = (&fields[..], self.generic)
            && name == "host"
        {
            return self.own(method, target, body);
        }
        let is_upgrade = self.fields(&fields, method)?;
        match self.generic {
            false => self.mailcatchers_line(method, target, is_upgrade)?,
            true => self.generic_line(method, target)?,
        }
        let lengths: Vec<&[u8]> = all(&fields, "content-length");
        match (&lengths[..], self.generic) {
            ([], _) if body.is_empty() => Ok(()),
            ([length], true) if *length == body.len().to_string().as_bytes() => Ok(()),
            _ => Err(format!("{} bytes of body with the lengths {lengths:?}", body.len())),
        }
    }

    /// Whether it is a request that the gate may make by itself: nobody's, so that nobody's fields stand in it.
    fn own(&self, method: &str, target: &str, body: &[u8]) -> Result<(), String> {
        let path = target.strip_prefix(self.prefix).ok_or("outside the prefix")?;
        match method {
            "GET" if path == "/messages" && body.is_empty() => Ok(()),
            "GET" | "DELETE" if path.starts_with("/messages/") && !path.contains("/parts/") && body.is_empty() => {
                self.mailcatchers_line(method, target, false)
            }
            _ => Err("no request of the gate's own".to_owned()),
        }
    }

    /// Whether the fields are allowed; whether they make a handshake.
    fn fields(&self, fields: &[(String, &[u8])], method: &str) -> Result<bool, String> {
        let all = |name| all(fields, name);
        let is_upgrade = match (&all("connection")[..], &all("upgrade")[..]) {
            ([], []) => false,
            ([b"Upgrade"], [b"websocket"]) if method == "GET" => true,
            other => return Err(format!("the upgrade {other:?}")),
        };
        for (name, _) in fields {
            let ours = matches!(
                name.as_str(),
                "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" | "x-forwarded-user" | "x-real-ip"
            );
            let claims = ["x-forwarded-", "x-auth-", "x-webauth-"];
            let is_never = NEVER.contains(&name.as_str())
                || (!ours && claims.iter().any(|claim| name.replace('.', "-").starts_with(claim)))
                || (name == "cookie" && !self.generic)
                || (name.starts_with("sec-websocket-") && !is_upgrade)
                || (name == "sec-websocket-extensions" && !self.generic)
                || (self.generic
                    && matches!(method, "GET" | "HEAD")
                    && name.contains("method-override")
                    && !is_upgrade);
            if is_never {
                return Err(format!("the field {name}"));
            }
            if ours && all(name).len() != 1 {
                return Err(format!("{name} several times"));
            }
        }
        for (name, want) in
            [("x-forwarded-user", self.user), ("x-forwarded-for", "127.0.0.1"), ("x-real-ip", "127.0.0.1")]
        {
            if all(name) != [want.as_bytes()] {
                return Err(format!("{name} is not {want}"));
            }
        }
        if all("x-forwarded-proto") != [if self.secure { &b"https"[..] } else { b"http" }] {
            return Err("x-forwarded-proto".to_owned());
        }
        match &all("host")[..] {
            [host] if host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte)) => {}
            other => return Err(format!("the Host {other:?}")),
        }
        if is_upgrade {
            let key = all("sec-websocket-key");
            let is_key = |key: &[u8]| BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16);
            if all("sec-websocket-version") != [b"13"] || key.len() != 1 || !is_key(key[0]) {
                return Err("a handshake that is none".to_owned());
            }
        }
        Ok(is_upgrade)
    }

    fn mailcatchers_line(&self, method: &str, target: &str, is_upgrade: bool) -> Result<(), String> {
        let path = target.strip_prefix(self.prefix).ok_or("outside the prefix")?;
        let wrong = || Err(format!("no request of MailCatcher's: {method} {target}"));
        if is_upgrade && path != "/messages" {
            return Err(format!("a handshake for {target}"));
        }
        match (method, path) {
            ("GET" | "HEAD", "/" | "/favicon.ico" | "/messages") => return Ok(()),
            ("DELETE", "/messages") => return Ok(()),
            ("DELETE", "/") if self.quit => return Ok(()),
            _ => {}
        }
        let reads = matches!(method, "GET" | "HEAD");
        if let Some(rest) = path.strip_prefix("/assets/") {
            return if reads && !rest.is_empty() && is_path(&format!("/{rest}"), false) { Ok(()) } else { wrong() };
        }
        let Some(rest) = path.strip_prefix("/messages/") else { return wrong() };
        if let Some((id, cid)) = rest.split_once("/parts/") {
            let is_cid = !cid.is_empty() && !cid.contains('/') && is_path(&format!("/{cid}"), true);
            return if reads && is_id(id) && is_cid { Ok(()) } else { wrong() };
        }
        match (method, rest.split_once('.')) {
            ("DELETE", None) if is_id(rest) => Ok(()),
            ("GET" | "HEAD", Some((id, "json" | "html" | "plain" | "source" | "eml"))) if is_id(id) => Ok(()),
            _ => wrong(),
        }
    }

    fn generic_line(&self, method: &str, target: &str) -> Result<(), String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let rest = path.strip_prefix(self.prefix).ok_or("outside the prefix")?;
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !self.quit && !matches!(method, "GET" | "HEAD") {
            return Err(format!("a {method} without leave to write"));
        }
        if method.is_empty() || !method.bytes().all(token) || matches!(method, "CONNECT" | "TRACE") {
            return Err(format!("the method {method:?}"));
        }
        if !(rest.is_empty() || rest.starts_with('/')) || !is_path(path, true) {
            return Err(format!("the path {path:?}"));
        }
        if path.strip_prefix("/.mailwarden").is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err("the gate's own area".to_owned());
        }
        match query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            true => Ok(()),
            false => Err(format!("the query {query:?}")),
        }
    }
}

/// The values of every line of a field.
fn all<'a>(fields: &[(String, &'a [u8])], name: &str) -> Vec<&'a [u8]> {
    fields.iter().filter(|(own, _)| own == name).map(|(_, value)| *value).collect()
}

/// A field line: a name in lower case, a colon, a space, a value.
fn field(line: &[u8]) -> Result<(String, &[u8]), String> {
    let shown = || String::from_utf8_lossy(line).into_owned();
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(|| format!("no colon in {:?}", shown()))?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    // A dash, but no underscore.
    let is_name = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_name) {
        return Err(format!("the name in {:?}", shown()));
    }
    let value = value.strip_prefix(b" ").ok_or_else(|| format!("no space in {:?}", shown()))?;
    let is_value = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    if value.trim_ascii() != value || !value.iter().all(is_value) {
        return Err(format!("the value in {:?}", shown()));
    }
    Ok((String::from_utf8(name.to_vec()).unwrap(), value))
}

/// Digits without a nought before them, within SQLite's row ids.
fn is_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<i64>().is_ok_and(|id| id.to_string() == text)
}

/// A path in its one form: nothing is escaped that need not be, no segment is dots alone, and none seems so to a reader
/// that undoes the escapes first. `slashes`: empty segments and escaped slashes may stand in it.
fn is_path(path: &str, slashes: bool) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let plain = |byte: u8| unreserved(byte) || b"/!$&'()*+,;=:@".contains(&byte);
    let mut decoded = Vec::new();
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            if !plain(byte) {
                return false;
            }
            decoded.push(byte);
            continue;
        }
        let digits = [bytes.next().unwrap_or(b'x'), bytes.next().unwrap_or(b'x')];
        let value = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let Some(value) = value.filter(|_| !digits.iter().any(u8::is_ascii_lowercase)) else { return false };
        let is_control = value < 0x20 || value == 0x7f;
        if unreserved(value) || is_control || value == b'\\' || (value == b'/' && !slashes) {
            return false;
        }
        decoded.push(value);
    }
    path.starts_with('/')
        && (slashes || !path.contains("//"))
        && !decoded.split(|byte| *byte == b'/').any(|segment| segment == b"." || segment == b"..")
}
