//! The heads of requests and answers in HTTP/1.1's own form (RFC 9112).

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use httparse::{ParserConfig, Status};
use hyper::ext::ReasonPhrase;

use super::Failure;
use crate::body::{Chunk, Framing};
use crate::forward::headers::has_token;
use crate::forward::upstream::ANSWER_HEAD;

/// How many fields an answer may have, as with hyper.
const MOST_FIELDS: usize = 100;

/// How many the gate adds at the most, so that there is room for them.
const ADDED: usize = 6;

/// The longest body there could be, in bytes: so that nothing that is counted with it is too large.
const LONGEST: u64 = u64::MAX >> 1;

/// How long the head of a request mostly is at the most, in bytes.
const USUAL: usize = 1 << 10;

/// The head of a request, to be sent.
pub(in crate::forward) struct Head(Vec<u8>);

impl Head {
    /// Its first line.
    pub(in crate::forward) fn new(method: &Method, target: &str) -> Self {
        let mut head = Vec::with_capacity(USUAL);
        for part in [method.as_str(), " ", target, " HTTP/1.1\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
        Self(head)
    }

    /// The next field.
    pub(in crate::forward) fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        self.0.reserve(name.len() + value.len() + 4);
        for part in [name, b": ", value, b"\r\n"] {
            self.0.extend_from_slice(part);
        }
    }

    /// All of it.
    pub(in crate::forward) fn whole(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"\r\n");
        self.0
    }
}

/// The head of `request`.
pub(in crate::forward) fn written<B>(request: &Request<B>) -> Vec<u8> {
    let mut head = Head::new(request.method(), request.uri().path_and_query().map_or("/", |target| target.as_str()));
    for (name, value) in request.headers() {
        head.add(name, value);
    }
    head.whole()
}

/// Whether the end of a head may be in what came behind the first `before` bytes.
pub(super) fn may_end(read: &[u8], before: usize) -> bool {
    let from = before.saturating_sub(3);
    read.get(from..)
        .is_some_and(|new| new.windows(2).any(|two| two == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n"))
}

/// Reads the head of the answer to a `method` request, if it is whole: with it comes how the answer's end is found, and
/// whether the connection stays open behind it. Interim ones are dropped (RFC 9110 section 15.2). The fields are made in
/// the memory of `fields`.
///
/// # Errors
/// [`Failure::Malformed`].
pub(super) fn read(
    read: &mut BytesMut,
    method: &Method,
    fields: &mut HeaderMap,
) -> Result<Option<(Response<()>, Framing, bool)>, Failure> {
    while !read.is_empty() {
        fields.clear();
        let Some(mut answer) = parse(read, fields)? else { return Ok(None) };
        let is_interim = answer.status().is_informational() && answer.status() != StatusCode::SWITCHING_PROTOCOLS;
        if !is_interim {
            let framing = framing(answer.status(), answer.version(), fields, method)?;
            let stays = stays(answer.version(), fields) && is_plain(answer.status(), fields, method);
            *answer.headers_mut() = std::mem::take(fields);
            return Ok(Some((answer, framing, stays)));
        }
    }
    Ok(None)
}

/// Takes a head out of `read` if it is whole, and its fields into `fields`.
fn parse(read: &mut BytesMut, fields: &mut HeaderMap) -> Result<Option<Response<()>>, Failure> {
    let malformed = |error: &dyn std::fmt::Display| Failure::Malformed(error.to_string());
    let mut answer = Response::new(());
    let mut places = [Place::default(); MOST_FIELDS];
    let (end, count) = {
        let mut lines = [const { MaybeUninit::uninit() }; MOST_FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let parser = ParserConfig::default();
        let end = match parser.parse_response_with_uninit_headers(&mut parsed, read, &mut lines) {
            Ok(Status::Complete(end)) if end > ANSWER_HEAD => return Err(malformed(&"its head is too long")),
            Ok(Status::Complete(end)) => end,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(malformed(&error)),
        };
        let status = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(|error| malformed(&error))?;
        *answer.status_mut() = status;
        *answer.version_mut() = if parsed.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
        if parsed.reason != status.canonical_reason()
            && let Some(Ok(reason)) = parsed.reason.map(|reason| ReasonPhrase::try_from(reason.as_bytes()))
        {
            answer.extensions_mut().insert(reason);
        }
        for (line, place) in parsed.headers.iter().zip(&mut places) {
            *place = Place { name: Span::find(read, line.name.as_bytes()), value: Span::find(read, line.value) };
        }
        (end, parsed.headers.len())
    };
    let head = read.split_to(end).freeze();
    fields.reserve(count + ADDED);
    for place in &places[..count] {
        let name = HeaderName::from_bytes(place.name.of(&head)).map_err(|error| malformed(&error))?;
        let value =
            HeaderValue::from_maybe_shared(head.slice_ref(place.value.of(&head))).map_err(|error| malformed(&error))?;
        fields.append(name, value);
    }
    Ok(Some(answer))
}

/// Where the two halves of a field are in a head.
#[derive(Clone, Copy, Default)]
struct Place {
    name: Span,
    value: Span,
}

#[derive(Clone, Copy, Default)]
struct Span {
    from: u32,
    length: u32,
}

impl Span {
    /// Where `part` is in `whole`, by their addresses; heads are short.
    fn find(whole: &[u8], part: &[u8]) -> Self {
        if part.is_empty() {
            return Self::default();
        }
        Self { from: (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize) as u32, length: part.len() as u32 }
    }

    fn of(self, whole: &[u8]) -> &[u8] {
        whole.get(self.from as usize..(self.from as usize).wrapping_add(self.length as usize)).unwrap_or_default()
    }
}

/// How the end of an answer is found (RFC 9112 section 6.3).
/// Of a length that is said more than once one line is left.
fn framing(status: StatusCode, version: Version, fields: &mut HeaderMap, method: &Method) -> Result<Framing, Failure> {
    let malformed = |why: &str| Err(Failure::Malformed(why.to_owned()));
    if matches!(status, StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || method == Method::HEAD
    {
        return Ok(Framing::Ended);
    }
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next_back() {
        return match coding.as_bytes().rsplit(|byte| *byte == b',').next() {
            _ if version == Version::HTTP_10 => malformed("it has a transfer coding in HTTP/1.0"),
            Some(last) if last.trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked(Chunk::Size)),
            _ => Ok(Framing::UntilClose),
        };
    }
    let lines = fields.get_all(header::CONTENT_LENGTH).iter();
    let mut lengths = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(length);
    let (first, mut others) = (lengths.next(), 0);
    let are_equal = lengths.inspect(|_| others += 1).all(|other| Some(other) == first);
    if let Some(Some(length)) = first
        && others > 0
    {
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    match first.filter(|_| are_equal) {
        Some(Some(0)) => Ok(Framing::Ended),
        Some(Some(length)) => Ok(Framing::Length(length)),
        None if are_equal => Ok(Framing::UntilClose),
        _ => malformed("its Content-Length is no length, or there are two"),
    }
}

/// Digits and nothing else; so long as no answer is.
fn length(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let length = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    length.filter(|length| *length <= LONGEST)
}

/// Whether nobody could take what comes behind an answer for a part of it. A body that is announced where there is none,
/// and that some send after all, would be the next request's answer (RFC 9112 sections 6.1 and 11.2).
fn is_plain(status: StatusCode, fields: &HeaderMap, method: &Method) -> bool {
    let is_chunked = fields.contains_key(header::TRANSFER_ENCODING);
    let length = fields.get(header::CONTENT_LENGTH);
    match status {
        // Few ask so, and it is answered like GET by careless catchers.
        _ if *method == Method::HEAD => false,
        StatusCode::NO_CONTENT => !is_chunked && length.is_none_or(|length| length == "0"),
        StatusCode::NOT_MODIFIED => !is_chunked,
        _ => !is_chunked || length.is_none(),
    }
}

/// Whether the connection stays open behind an answer (RFC 9112 section 9.3).
fn stays(version: Version, fields: &HeaderMap) -> bool {
    if version == Version::HTTP_11 {
        !has_token(fields, header::CONNECTION, "close")
    } else {
        has_token(fields, header::CONNECTION, "keep-alive") && !has_token(fields, header::CONNECTION, "close")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
