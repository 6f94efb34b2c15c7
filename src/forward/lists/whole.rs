//! What a list is sent as: with an entity tag, by which a script that has it already is told so (304), and packed for those
//! who take gzip. MailCatcher does neither, and 1,000 mails are a quarter of a megabyte that each page fetches again with
//! every mail.
//!
//! Both are made once for all who share a list, in slices, so that nobody else on the runtime waits for them.
//!
//! To another site's page nothing is sent packed: the length of a packed answer tells something of what is in it (BREACH),
//! to somebody who sees the network and can have a browser ask.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use super::{Held, Room};
use crate::body::Body;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What is too short to be packed, in bytes: it fits a packet as it is.
const SHORT: usize = 1 << 10;

/// How much is worked on at a time, in bytes: less than a millisecond's work.
const SLICE: usize = 64 << 10;

/// How a client wants a list.
#[derive(Debug)]
pub(in crate::forward) struct Wanted {
    packed: bool,
    pub(super) only_head: bool,
    /// The lines of `If-None-Match`.
    known: Vec<HeaderValue>,
}

impl Wanted {
    /// As `request` asks for it.
    pub(in crate::forward) fn by<B>(request: &Request<B>) -> Self {
        let fields = request.headers();
        let site = fields.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
        let is_ours = matches!(site, None | Some(b"same-origin" | b"none"));
        Self {
            packed: is_ours && takes_gzip(fields),
            only_head: request.method() == Method::HEAD,
            known: fields.get_all(header::IF_NONE_MATCH).iter().cloned().collect(),
        }
    }

    /// Whether the client has what `tag` names (RFC 9110 section 13.1.2; compared weakly).
    fn knows(&self, tag: &HeaderValue) -> bool {
        fn opaque(tag: &[u8]) -> &[u8] {
            tag.strip_prefix(b"W/").unwrap_or(tag)
        }
        let tag = opaque(tag.as_bytes());
        // Our tags have no comma in them, so that what one cuts in two is none of ours.
        let mut named = self.known.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        named.any(|named| matches!(named.trim_ascii(), one if one == b"*" || opaque(one) == tag))
    }
}

/// Whether `Accept-Encoding` has gzip in it (RFC 9110 section 12.5.3). Who says nothing is sent nothing packed.
fn takes_gzip(fields: &HeaderMap) -> bool {
    let lines = fields.get_all(header::ACCEPT_ENCODING).iter();
    let mut any = false;
    for coding in lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused = parts
            .filter_map(|part| part.split_once('='))
            .any(|(name, weight)| name.trim().eq_ignore_ascii_case("q") && weight.trim().parse() == Ok(0.0_f32));
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return !refused;
        }
        any |= name == "*" && !refused;
    }
    any
}

/// Whether a catcher's answer has neither a tag nor a coding of its own.
pub(super) fn is_ours_to_tag(fields: &HeaderMap) -> bool {
    !fields.contains_key(header::ETAG) && !fields.contains_key(header::CONTENT_ENCODING)
}

/// A whole list, and what has been made of it.
#[derive(Debug)]
pub(in crate::forward) struct Whole {
    fields: HeaderMap,
    text: Bytes,
    tag: OnceCell<HeaderValue>,
    /// None where there was no room for it.
    packed: OnceCell<Option<Bytes>>,
}

impl Whole {
    /// The list of an answer with these fields.
    pub(super) fn new(mut fields: HeaderMap, text: Bytes) -> Self {
        // The length is that of what is sent.
        fields.remove(header::CONTENT_LENGTH);
        Self { fields, text, tag: OnceCell::new(), packed: OnceCell::new() }
    }

    /// The answer for one who wants it like this; what is packed takes its room in `held`.
    pub(super) async fn as_wanted(&self, wanted: &Wanted, held: &Arc<AtomicUsize>) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = self.fields.clone();
        if !is_ours_to_tag(&self.fields) {
            *response.body_mut() = Body::full(self.text.clone());
            return response;
        }
        let tag = self.tag.get_or_init(|| tag(&self.text)).await;
        let fields = response.headers_mut();
        fields.insert(header::ETAG, tag.clone());
        fields.append(header::VARY, const { HeaderValue::from_static("Accept-Encoding") });
        if wanted.knows(tag) {
            fields.remove(header::CONTENT_TYPE);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let packed = match wanted.packed && self.text.len() >= SHORT {
            true => self.packed.get_or_init(|| packed(&self.text, held)).await.clone(),
            false => None,
        };
        if packed.is_some() {
            fields.insert(header::CONTENT_ENCODING, const { HeaderValue::from_static("gzip") });
        }
        *response.body_mut() = Body::full(packed.unwrap_or_else(|| self.text.clone()));
        response
    }
}

/// Says of an answer without content what its list would say: its tag alone is known only with the list (RFC 9110 section
/// 9.3.2 lets it go without).
pub(super) fn say_it_varies(answer: &mut Response<Body>) {
    if answer.status() == StatusCode::OK && is_ours_to_tag(answer.headers()) {
        answer.headers_mut().append(header::VARY, const { HeaderValue::from_static("Accept-Encoding") });
    }
}

/// The tag of a text. A weak one: packed or not, it is the same list.
async fn tag(text: &[u8]) -> HeaderValue {
    let mut digest = Sha256::new();
    for (number, slice) in text.chunks(SLICE).enumerate() {
        others_first(number).await;
        digest.update(slice);
    }
    let digest = digest.finalize();
    // Letter by letter: to format each byte costs more than the digest of a short list.
    let letter = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    let mut tag = String::with_capacity(36);
    tag.push_str("W/\"");
    for byte in digest.iter().take(16) {
        tag.extend([letter(byte >> 4), letter(byte & 15)]);
    }
    tag.push('"');
    HeaderValue::try_from(tag).unwrap_or(const { HeaderValue::from_static("W/\"\"") })
}

/// Lets the runtime's other tasks go on between two slices; most lists are one.
async fn others_first(slice: usize) {
    if slice > 0 {
        tokio::task::yield_now().await;
    }
}

/// `text` packed; none if there is no room for it.
async fn packed(text: &[u8], held: &Arc<AtomicUsize>) -> Option<Bytes> {
    // The fastest: JSON is a fifth afterwards, and the slowest would take ten times as long to make it a sixth.
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
    for (number, slice) in text.chunks(SLICE).enumerate() {
        others_first(number).await;
        encoder.write_all(slice).ok()?;
    }
    let mut text = encoder.finish().ok()?;
    // Only what is counted is kept.
    text.shrink_to_fit();
    let text = Bytes::from(text);
    let _room = Room::of(held, text.len())?;
    Some(Bytes::from_owner(Held { text, _room }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn wanted(fields: &[(&'static str, &'static str)]) -> Wanted {
        let mut request = Request::new(());
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        Wanted::by(&request)
    }

    async fn sent(whole: &Whole, fields: &[(&'static str, &'static str)]) -> (Response<()>, Bytes) {
        let (head, mut body) = whole.as_wanted(&wanted(fields), &Arc::default()).await.into_parts();
        (Response::from_parts(head, ()), body.collected(1 << 20).await.unwrap())
    }

    fn list(length: usize) -> Whole {
        let fields = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
        Whole::new(fields, Bytes::from(b"[{\"id\":1}]".repeat(length / 10)))
    }

    #[test]
    fn gzip_is_taken_as_accept_encoding_says() {
        for (line, takes) in [
            ("gzip, deflate, br, zstd", true),
            ("GZIP", true),
            ("br;q=1, gzip;q=0.5", true),
            ("*", true),
            ("x-gzip", true),
            ("gzip;q=0", false),
            ("gzip; Q=0.000, *", false),
            ("*;q=0", false),
            ("identity", false),
            ("gzipped", false),
            ("", false),
        ] {
            assert_eq!(wanted(&[("accept-encoding", line)]).packed, takes, "{line}");
        }
        assert!(!wanted(&[]).packed);
        assert!(wanted(&[("accept-encoding", "gzip"), ("sec-fetch-site", "same-origin")]).packed);
        assert!(!wanted(&[("accept-encoding", "gzip"), ("sec-fetch-site", "cross-site")]).packed, "its length tells");
    }

    #[tokio::test]
    async fn a_list_is_packed_for_who_takes_that_and_has_one_tag_either_way() {
        let whole = list(200_000);
        let (plain, text) = sent(&whole, &[]).await;
        let (packed, bytes) = sent(&whole, &[("accept-encoding", "gzip")]).await;
        assert_eq!(text, whole.text);
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, whole.text);
        assert!(bytes.len() * 4 < text.len());
        assert_eq!(plain.headers()[header::ETAG], packed.headers()[header::ETAG]);
        for answer in [&plain, &packed] {
            assert_eq!(answer.headers()[header::VARY], "Accept-Encoding");
        }
        let (short, text) = sent(&list(100), &[("accept-encoding", "gzip")]).await;
        assert!(!short.headers().contains_key(header::CONTENT_ENCODING) && text.len() == 100);
    }

    #[tokio::test]
    async fn who_has_it_already_is_told_so_and_who_has_another_gets_it() {
        let whole = list(5000);
        let tag = sent(&whole, &[]).await.0.headers()[header::ETAG].to_str().unwrap().to_owned();
        let strong: &'static str = tag.trim_start_matches("W/").to_owned().leak();
        let among: &'static str = format!("\"other\", {tag}").leak();
        for known in [tag.leak(), strong, among, "*"] {
            let (answer, body) = sent(&whole, &[("if-none-match", known)]).await;
            assert_eq!((answer.status(), body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
            assert!(
                answer.headers().contains_key(header::ETAG) && !answer.headers().contains_key(header::CONTENT_TYPE)
            );
        }
        for unknown in ["W/\"other\"", "nonsense", "\"", ""] {
            assert_eq!(sent(&whole, &[("if-none-match", unknown)]).await.0.status(), StatusCode::OK, "{unknown}");
        }
        assert_ne!(sent(&list(5010), &[]).await.0.headers()[header::ETAG], *strong);
    }

    #[tokio::test]
    async fn what_has_a_tag_or_a_coding_of_its_own_stays_as_it_is() {
        for name in [header::ETAG, header::CONTENT_ENCODING] {
            let fields = [(name.clone(), HeaderValue::from_static("br"))].into_iter().collect();
            let whole = Whole::new(fields, Bytes::from(vec![0; 5000]));
            let (answer, body) = sent(&whole, &[("accept-encoding", "gzip")]).await;
            assert_eq!((answer.headers().len(), answer.headers()[&name].as_bytes(), body.len()), (1, &b"br"[..], 5000));
        }
    }

    #[tokio::test]
    async fn without_room_it_is_sent_unpacked() {
        let (whole, held) = (list(5000), Arc::new(AtomicUsize::new(super::super::MOST)));
        let answer = whole.as_wanted(&wanted(&[("accept-encoding", "gzip")]), &held).await;
        assert!(!answer.headers().contains_key(header::CONTENT_ENCODING));
    }
}
