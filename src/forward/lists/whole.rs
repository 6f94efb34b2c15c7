//! What a list is sent as: with an entity tag, by which a script that has it already is told so (304), and packed for those
//! who take gzip. MailCatcher does neither, and 1,000 mails are a quarter of a megabyte that each page fetches again with
//! every mail.
//!
//! Both are made once for all who share a list, in slices, so that nobody else on the runtime waits for them.
//!
//! To another site's page nothing is sent packed: the length of a packed answer tells something of what is in it (BREACH),
//! to somebody who sees the network and can have a browser ask.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
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
    /// As a `method` request with these `fields` asks for it.
    pub(in crate::forward) fn by(method: &Method, fields: &HeaderMap) -> Self {
        let (mut site, mut codings, mut known) = (None, Codings::default(), Vec::new());
        for (name, value) in fields {
            match *name {
                header::ACCEPT_ENCODING => codings.read(value),
                header::IF_NONE_MATCH => known.push(value.clone()),
                _ if *name == SEC_FETCH_SITE => site = site.or(Some(value.as_bytes())),
                _ => {}
            }
        }
        let is_ours = matches!(site, None | Some(b"same-origin" | b"none"));
        Self { packed: is_ours && codings.take_gzip(), only_head: method == Method::HEAD, known }
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

/// What `Accept-Encoding` says of gzip (RFC 9110 section 12.5.3). Who says nothing is sent nothing packed.
#[derive(Debug, Default)]
struct Codings {
    gzip: Option<bool>,
    any: bool,
}

impl Codings {
    /// Reads the next line.
    fn read(&mut self, line: &HeaderValue) {
        for coding in line.as_bytes().split(|byte| *byte == b',') {
            let (name, parameters) = match coding.iter().position(|byte| *byte == b';') {
                Some(at) => (&coding[..at], coding.get(at + 1..).unwrap_or_default()),
                None => (coding, &[][..]),
            };
            let name = name.trim_ascii();
            if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") {
                self.gzip = self.gzip.or(Some(!is_refused(parameters)));
            } else if name == b"*" {
                self.any |= !is_refused(parameters);
            }
        }
    }

    fn take_gzip(&self) -> bool {
        self.gzip.unwrap_or(self.any)
    }
}

/// Whether the weight of a coding is nought.
fn is_refused(parameters: &[u8]) -> bool {
    let parameters = std::str::from_utf8(parameters).unwrap_or_default().split(';');
    parameters
        .filter_map(|part| part.split_once('='))
        .any(|(name, weight)| name.trim().eq_ignore_ascii_case("q") && weight.trim().parse() == Ok(0.0_f32))
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

    /// The answer for one of several who want it, this one like this; what is packed takes its room in `held`.
    pub(super) async fn as_wanted(&self, wanted: &Wanted, tags: &Tags, held: &Arc<AtomicUsize>) -> Response<Body> {
        self.with(self.fields.clone(), wanted, tags, held).await
    }

    /// The answer for the only one who wants it.
    pub(super) async fn for_one(mut self, wanted: &Wanted, tags: &Tags, held: &Arc<AtomicUsize>) -> Response<Body> {
        let fields = std::mem::take(&mut self.fields);
        self.with(fields, wanted, tags, held).await
    }

    async fn with(&self, fields: HeaderMap, wanted: &Wanted, tags: &Tags, held: &Arc<AtomicUsize>) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        let is_tagged = is_ours_to_tag(&fields);
        *response.headers_mut() = fields;
        if !is_tagged {
            *response.body_mut() = Body::full(self.text.clone());
            return response;
        }
        let tag = self.tag.get_or_init(|| tags.of(&self.text)).await;
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

/// What makes the tags of lists: a keyed hash (SipHash). A sender of mail, who chooses what is in a list, does not have the
/// key, which no two processes share: he cannot make a list that has the tag of another, by which a page would keep the old
/// one, and by chance it happens once in 2^64 lists. After a restart each page asks for its list once more.
#[derive(Debug, Default)]
pub(super) struct Tags(RandomState);

impl Tags {
    /// The tag of a text. A weak one: packed or not, it is the same list.
    async fn of(&self, text: &[u8]) -> HeaderValue {
        let mut hash = self.0.build_hasher();
        for (number, slice) in text.chunks(SLICE).enumerate() {
            others_first(number).await;
            hash.write(slice);
        }
        let mut tag = *b"W/\"................\"";
        let mut rest = hash.finish();
        // Letter by letter: formatting costs more than the hash of a short list.
        for letter in &mut tag[3..19] {
            *letter = b"0123456789abcdef"[(rest & 15) as usize];
            rest >>= 4;
        }
        HeaderValue::from_bytes(&tag).unwrap_or(const { HeaderValue::from_static("W/\"\"") })
    }
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
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, HeaderValue::from_static(value));
        }
        Wanted::by(&Method::GET, &map)
    }

    async fn sent(whole: &Whole, fields: &[(&'static str, &'static str)]) -> (Response<()>, Bytes) {
        let (head, mut body) = whole.as_wanted(&wanted(fields), &tags(), &Arc::default()).await.into_parts();
        (Response::from_parts(head, ()), body.collected(1 << 20).await.unwrap())
    }

    /// One key for all of a test.
    fn tags() -> Tags {
        thread_local!(static KEY: RandomState = RandomState::new());
        Tags(KEY.with(Clone::clone))
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
    async fn a_tag_is_a_texts_own_and_one_that_only_this_process_makes() {
        let (ours, others) = (Tags::default(), Tags::default());
        let text = vec![b'x'; SLICE + 7];
        let tag = ours.of(&text).await;
        assert_eq!((tag.len(), &tag.as_bytes()[..3], tag.as_bytes()[19]), (20, &b"W/\""[..], b'"'));
        assert_eq!(ours.of(&text).await, tag);
        assert_ne!(others.of(&text).await, tag, "another key");
        let mut other = text.clone();
        other[SLICE] = b'y';
        for other in [&other[..], &text[1..], &text[..SLICE], b""] {
            assert_ne!(ours.of(other).await, tag);
        }
    }

    #[tokio::test]
    async fn the_only_one_who_asks_is_sent_what_the_others_are() {
        let (shared, alone) = (list(5000), list(5000));
        let wanted = wanted(&[("accept-encoding", "gzip")]);
        let shared = shared.as_wanted(&wanted, &tags(), &Arc::default()).await;
        let alone = alone.for_one(&wanted, &tags(), &Arc::default()).await;
        assert_eq!(shared.headers(), alone.headers());
        assert_eq!(
            shared.into_body().collected(1 << 20).await.unwrap(),
            alone.into_body().collected(1 << 20).await.unwrap()
        );
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
        let answer = whole.as_wanted(&wanted(&[("accept-encoding", "gzip")]), &tags(), &held).await;
        assert!(!answer.headers().contains_key(header::CONTENT_ENCODING));
    }
}
