//! Which request gets which answer, with the heads of the real one: names, order and what is missing from them.

use std::time::Duration;

use super::http::Request;
use super::mime::Part;
use super::options::{Options, Tells};
use super::page;
use super::path::{self, leading_number};
use super::socket;
use super::state::Shared;
use super::store::{Event, Message, Unsayable};

const HTML: &str = "text/html;charset=utf-8";
const JSON: &str = "application/json";

/// As long as the real one's page, to the byte.
const NO_SUCH_PAGE: &str = "<html>\n<body>\n  <h1>Nothing here</h1>\n  <p>No such message, or it has nothing of the kind \
                            that this address is asking about.</p>\n</body>\n</html>\n";
const FAILED: &str = "<h1>It failed over a text</h1>";
const _: () = assert!(NO_SUCH_PAGE.len() == 145 && FAILED.len() == 30);

/// What becomes of a request.
pub(crate) enum Outcome {
    Answer(Answer),
    /// The last answer: the process ends with it.
    Quit(Answer),
    /// 101, with this `Sec-WebSocket-Accept`; the connection is a WebSocket from then on.
    Socket(String),
}

pub(crate) struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    measured: bool,
}

/// An answer as it goes over the wire.
pub(crate) struct Wire {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// What its `Connection` header says. The server may still close: see `Options::persistent_limit`.
    pub(crate) keeps_alive: bool,
}

/// Answers, and does to the mail what the request says. Clearing blocks the thread for as long as it does in the real one.
pub(crate) fn answer(request: &Request, shared: &Shared) -> Outcome {
    let options = &shared.options;
    let Some(path) = path::below(&request.path, &options.http_path, options.paths_normalised) else {
        return Outcome::Answer(Answer::redirect(&options.http_path));
    };
    if request.query.as_deref().is_some_and(|query| std::str::from_utf8(&path::decode(query)).is_err()) {
        let reason = b"The parameters in this query are not written in UTF-8: 1".to_vec();
        return Outcome::Answer(Answer::html("400 Bad Request", reason));
    }

    let reads = request.method == "GET" || request.method == "HEAD";
    let segments: Vec<&[u8]> = path[1..].split(|byte| *byte == b'/').collect();
    let answer = match (request.method.as_str(), segments.as_slice()) {
        (_, [b""]) if reads => Answer::html("200 OK", page::index(options).into_bytes()),
        ("DELETE", [b""]) if options.no_quit => Answer::html("403 Forbidden", Vec::new()),
        ("DELETE", [b""]) => return Outcome::Quit(Answer::no_content()),
        ("GET", [b"messages"]) if request.wants_socket() => match request.header("sec-websocket-key") {
            Some(key) => return Outcome::Socket(socket::accept(&key)),
            None => Answer::failed(),
        },
        (_, [b"messages"]) if reads => guarded(request, options, shared.look(|state| state.store.list_json(options))),
        ("DELETE", [b"messages"]) => clear(shared),
        ("DELETE", [b"messages", id]) => delete(leading_number(id), shared),
        (_, [b"messages", name]) if reads => message(request, name, shared),
        (_, [b"messages", id, b"parts", cid]) if reads => part(leading_number(id), cid, shared),
        _ if reads => match page::asset(&path) {
            Some((kind, bytes)) => asset(request, kind, bytes),
            None => Answer::unrouted(),
        },
        _ => Answer::unrouted(),
    };
    Outcome::Answer(answer)
}

/// The answer to what is not a request.
pub(crate) fn bad_request() -> Answer {
    Answer { measured: false, ..Answer::new("400 Bad Request", "text/plain", b"Bad Request".to_vec()) }
}

// --- the routes

fn message(request: &Request, name: &[u8], shared: &Shared) -> Answer {
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0) else {
        return Answer::unrouted();
    };
    let id = leading_number(&name[..dot]);
    let format = &name[dot + 1..];
    if ![&b"json"[..], b"html", b"plain", b"source", b"eml"].contains(&format) {
        return Answer::unrouted();
    }
    shared.look(|state| {
        let Some(message) = state.store.get(id) else { return Answer::not_found() };
        match format {
            b"json" => guarded(request, &shared.options, message.full_json(&shared.options)),
            b"html" => html(message),
            b"plain" => match message.plain() {
                Some(part) => Answer::dynamic(format!("{};charset={}", part.kind, charset(part)), part.body.clone()),
                None => Answer::not_found(),
            },
            b"source" => Answer::dynamic("text/plain;charset=utf-8".to_owned(), message.source.clone()),
            _ => Answer::dynamic("message/rfc822".to_owned(), message.source.clone()),
        }
    })
}

/// The HTML of a mail, its inline images pointing at the parts route, relative to where the page is.
fn html(message: &Message) -> Answer {
    let Some(part) = message.html() else { return Answer::not_found() };
    let mut body = Vec::with_capacity(part.body.len());
    let mut rest = part.body.as_slice();
    while let Some((&first, after)) = rest.split_first() {
        let followed = rest.get(4).is_some_and(|byte| !b"'\"> ".contains(byte));
        if rest.starts_with(b"cid:") && followed {
            body.extend_from_slice(format!("{}/parts/", message.id).as_bytes());
            rest = &rest[4..];
        } else {
            body.push(first);
            rest = after;
        }
    }
    let mut answer = Answer::html("200 OK", body);
    answer.headers[0].1 = format!("text/html;charset={}", charset(part)).into_bytes();
    answer
}

fn part(id: i64, cid: &[u8], shared: &Shared) -> Answer {
    shared.look(|state| {
        let cid = String::from_utf8_lossy(cid);
        let Some(part) = state.store.get(id).and_then(|message| message.part(&cid)) else { return Answer::not_found() };
        let mut answer = Answer::dynamic(format!("{};charset={}", part.kind, charset(part)), part.body.clone());
        if let Some(name) = &part.filename {
            // Raw bytes, as the mail has them: whoever copies this header must not want UTF-8 or ASCII.
            let mut value = b"attachment; filename=\"".to_vec();
            let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            for byte in last {
                match byte {
                    b'"' => value.extend_from_slice(b"%22"),
                    b'\r' => value.extend_from_slice(b"%0D"),
                    b'\n' => value.extend_from_slice(b"%0A"),
                    byte => value.push(*byte),
                }
            }
            value.push(b'"');
            answer.headers.insert(1, ("Content-Disposition", value));
        }
        answer
    })
}

fn charset(part: &Part) -> &str {
    part.charset.as_deref().unwrap_or("utf8")
}

fn delete(id: i64, shared: &Shared) -> Answer {
    if !shared.options.delete_cost.is_zero() {
        std::thread::sleep(shared.options.delete_cost); // as in `clear`
    }
    shared.change(|state| {
        if !state.store.remove(id) {
            return Answer::not_found();
        }
        if shared.options.socket_tells == Tells::All {
            state.announce(&[Event::Remove(id)]);
        }
        Answer::no_content()
    })
}

/// The one thread really is blocked: no request and no mail is served meanwhile. The lock is free, so tests can look.
fn clear(shared: &Shared) -> Answer {
    let count = shared.look(|state| state.store.len()) as f64;
    std::thread::sleep(Duration::from_secs_f64(shared.options.clear_cost.as_secs_f64() * count * count));
    shared.change(|state| {
        state.store.clear();
        if shared.options.socket_tells == Tells::All {
            state.announce(&[Event::Clear]);
        }
    });
    Answer::no_content()
}

fn asset(request: &Request, kind: &'static str, bytes: &'static [u8]) -> Answer {
    if request.text("if-modified-since").as_deref() == Some(page::LAST_MODIFIED) {
        return Answer { headers: vec![nosniff()], measured: false, ..Answer::new("304 Not Modified", "", Vec::new()) };
    }
    let modified = ("Last-Modified", page::LAST_MODIFIED.into());
    let mut answer = Answer::dynamic(kind.to_owned(), bytes.to_vec());
    answer.headers.insert(1, modified);
    let wanted = request.text("range").and_then(|range| byte_range(&range, bytes.len()));
    if let Some((first, last)) = wanted {
        let range = format!("bytes {first}-{last}/{}", bytes.len());
        answer.status = "206 Partial Content";
        answer.headers.insert(2, ("Content-Range", range.into_bytes()));
        answer.body = bytes[first..=last].to_vec();
        answer.measured = false;
    }
    answer
}

/// The first and last byte of a single range that can be served; anything else gets the whole.
fn byte_range(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1)?;
    let (first, last) = match (first, last) {
        ("", count) => (length.saturating_sub(count.parse().ok()?), end),
        (first, "") => (first.parse().ok()?, end),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.min(end)),
    };
    (first <= last).then_some((first, last))
}

/// JSON is kept from pages of other hosts, by their `Referer`, whatever it would have said.
fn guarded(request: &Request, options: &Options, json: Result<String, Unsayable>) -> Answer {
    let Ok(json) = json else { return Answer::failed() };
    let excused =
        request.text("x-requested-with").as_deref() == Some("XMLHttpRequest") || request.header("origin").is_some();
    if options.referer_checked && !excused && is_foreign(request) {
        return Answer { measured: false, ..Answer::new("403 Forbidden", "text/plain", b"Forbidden".to_vec()) };
    }
    Answer::dynamic(JSON.to_owned(), json.into_bytes())
}

/// Hosts are compared as they are written, without their ports. The first of `X-Forwarded-Host` goes before `Host`.
fn is_foreign(request: &Request) -> bool {
    let referer = request.text("referer").unwrap_or_default();
    let Some((_, after)) = referer.split_once("://") else { return referer.contains(' ') };
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    let host = without_port(authority.rsplit('@').next().unwrap_or_default());
    let forwarded = request.text("x-forwarded-host").unwrap_or_default();
    let forwarded = forwarded.split(',').next().unwrap_or_default().trim();
    let own = request.text("host").unwrap_or_else(|| "localhost".to_owned());
    let own = if forwarded.is_empty() { own.as_str() } else { forwarded };
    referer.contains(' ') || host != without_port(own)
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

// --- the answers

fn nosniff() -> (&'static str, Vec<u8>) {
    ("X-Content-Type-Options", b"nosniff".to_vec())
}

impl Answer {
    fn new(status: &'static str, kind: &str, body: Vec<u8>) -> Answer {
        Answer { status, headers: vec![("Content-Type", kind.into())], body, measured: true }
    }

    fn dynamic(kind: String, body: Vec<u8>) -> Answer {
        let mut answer = Answer::new("200 OK", &kind, body);
        answer.headers.push(nosniff());
        answer
    }

    fn html(status: &'static str, body: Vec<u8>) -> Answer {
        let mut answer = Answer::new(status, HTML, body);
        answer.headers.push(("X-XSS-Protection", b"1; mode=block".to_vec()));
        answer.headers.push(nosniff());
        answer.headers.push(("X-Frame-Options", b"SAMEORIGIN".to_vec()));
        answer
    }

    fn no_content() -> Answer {
        Answer { headers: vec![nosniff()], measured: false, ..Answer::new("204 No Content", "", Vec::new()) }
    }

    fn not_found() -> Answer {
        Answer::html("404 Not Found", NO_SUCH_PAGE.into())
    }

    /// Not found because no route is like that.
    fn unrouted() -> Answer {
        let mut answer = Answer::not_found();
        answer.headers.insert(0, ("X-Cascade", b"pass".to_vec()));
        answer
    }

    fn failed() -> Answer {
        Answer::html("500 Internal Server Error", FAILED.into())
    }

    fn redirect(to: &str) -> Answer {
        let location = vec![("Location", to.as_bytes().to_vec())];
        Answer { headers: location, measured: false, ..Answer::new("302 Moved Temporarily", "", Vec::new()) }
    }

    /// The bytes. `Content-Length` stands before the security headers, `Connection` and `Server` at the end.
    pub(crate) fn into_wire(self, client_keeps_alive: bool, head_only: bool, options: &Options) -> Wire {
        let measured = self.measured || !options.unmeasured_closes;
        let keeps_alive = client_keeps_alive && measured;
        let bodiless = self.status.starts_with("204") || self.status.starts_with("304");
        let length = (measured && !bodiless).then(|| ("Content-Length", self.body.len().to_string().into_bytes()));
        let mut headers = self.headers;
        let after_own = headers.iter().position(|(name, _)| name.starts_with("X-") && *name != "X-Cascade");
        headers.splice(after_own.unwrap_or(headers.len())..after_own.unwrap_or(headers.len()), length);
        headers.push(("Connection", if keeps_alive { b"keep-alive".to_vec() } else { b"close".to_vec() }));
        headers.push(("Server", b"thin".to_vec()));

        let mut head = format!("HTTP/1.1 {}\r\n", self.status).into_bytes();
        for (name, value) in headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(&value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        Wire { head, body: if head_only { Vec::new() } else { self.body }, keeps_alive }
    }
}
