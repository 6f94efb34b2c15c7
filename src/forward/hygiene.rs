//! What an answer of the catcher may do in a browser, decided from what was asked and written into its header fields.
//!
//! MailCatcher serves what strangers wrote from the origin of its own page, so a script in a mail could read every other
//! mail. Whatever lies at such an address is therefore sandboxed by a policy that a browser enforces however it came there:
//! in the page's frame, in a tab of its own, as a link out of another mail, from a cache, with any status.
//!
//! It stands here and not in `guard`, which is about requests: a policy belongs to an answer and is written after the
//! answer's own fields are known. The decision is pure, and every field that it adds is a constant.
//!
//! | asked for | policy |
//! |---|---|
//! | the inbox page | its own scripts, no frame but its own, and nobody else frames it |
//! | list, `json` | nothing at all, for there is nothing in it that a browser would have to do |
//! | `html` | sandboxed; of the page's origin, for the page reaches into its frame and points links at new tabs; remote content if allowed |
//! | `plain` | the same without anything to load: the page writes links into it |
//! | either in a tab of its own, where a browser says that it is one (it does to https and loopback only) | the same without origin |
//! | `source`, `eml` | sandboxed without origin: the page does not reach into these |
//! | a part | as `html`, without origin and new tabs, whether it is HTML, SVG, XML or a picture |
//! | an asset | none: it is the catcher's own |
//! | another catcher's page | nobody else frames it, and no base or plug-in of another site; its scripts are not known |
//! | another catcher's list, settings, changes | nothing at all, as MailCatcher's |
//! | another catcher's messages and parts | as MailCatcher's: a mail's HTML is sandboxed wherever it is opened |
//! | its event streams and sockets, and whatever a `generic` one has | none: nothing is known of what its pages need |
//!
//! In a tab of its own the inline pictures of HTML are those of another origin then, and may be refused: they are looked at
//! in the page.
//!
//! What no policy here covers: a browser may open a connection, without a request, to a server that a mail names for
//! `preconnect` or in a frame, whatever it may load. `Connection-Allowlist` stops that in some, but every link with it.
//!
//! A policy never takes the place of one that the catcher sends: a browser enforces both. `Cross-Origin-Opener-Policy` is
//! left out on purpose: a document with it and a sandbox is an error to browsers (HTML section 7.1.3), and on http it is
//! ignored, with a complaint on the console.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::catcher::{Format, Operation};
use crate::config::model::RemoteContent;
use crate::reject::Reject;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");
const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");
const X_DNS_PREFETCH_CONTROL: HeaderName = HeaderName::from_static("x-dns-prefetch-control");

/// The inbox page. Its policy names what could leave it and lets pass what it is made of.
static PAGE: HeaderValue = HeaderValue::from_static(
    "script-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-src 'self'; worker-src 'none'; \
     frame-ancestors 'self'",
);

/// The page of another catcher, whose scripts may be anywhere in it.
static APP: HeaderValue = HeaderValue::from_static("object-src 'none'; base-uri 'self'; frame-ancestors 'self'");

/// The same, where what it shows within itself may load nothing of other servers: a frame without an address of its own has
/// the policy of the page around it, and MailDev 3 shows mail in one.
static APP_BLOCK: HeaderValue = HeaderValue::from_static(
    "object-src 'none'; base-uri 'self'; frame-ancestors 'self'; img-src 'self' data: blob:; \
     style-src 'self' 'unsafe-inline'; font-src 'self' data:; media-src 'self' data: blob:; frame-src 'self'",
);

/// What is data.
static DATA: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// A whole policy out of what a sandbox leaves and what may be loaded. Without `allow-scripts` nothing in a document runs,
/// without `allow-forms` nothing is sent, without `allow-top-navigation` the tab stays where it is. Links open in new tabs,
/// and what they lead to is not sandboxed for where it was linked from.
macro_rules! sandboxed {
    ($origin:literal, $loads:literal) => {
        concat!("sandbox", $origin, "; default-src 'none'", $loads, "; form-action 'none'; frame-ancestors 'self'")
    };
}

/// HTML that may load what it names.
static HTML_ALLOW: HeaderValue = HeaderValue::from_static(sandboxed!(
    " allow-same-origin allow-popups allow-popups-to-escape-sandbox",
    "; img-src * data:; style-src * 'unsafe-inline'; font-src * data:; media-src * data:"
));

/// The same in a tab of its own, where no page reaches into it.
static HTML_ALONE_ALLOW: HeaderValue = HeaderValue::from_static(sandboxed!(
    " allow-popups allow-popups-to-escape-sandbox",
    "; img-src * data:; style-src * 'unsafe-inline'; font-src * data:; media-src * data:"
));

/// HTML that loads only what came with it: the catcher rewrites `cid:` to addresses of its own.
static HTML_BLOCK: HeaderValue = HeaderValue::from_static(sandboxed!(
    " allow-same-origin allow-popups allow-popups-to-escape-sandbox",
    "; img-src 'self' data:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; media-src 'self' data:"
));

/// The same in a tab of its own.
static HTML_ALONE_BLOCK: HeaderValue = HeaderValue::from_static(sandboxed!(
    " allow-popups allow-popups-to-escape-sandbox",
    "; img-src 'self' data:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; media-src 'self' data:"
));

/// A part that may load what it names. It is looked at in a tab of its own, which what it opens could move by `rel=opener`:
/// so it opens nothing.
static PART_ALLOW: HeaderValue = HeaderValue::from_static(sandboxed!(
    "",
    "; img-src * data:; style-src * 'unsafe-inline'; font-src * data:; media-src * data:"
));

/// A part that loads nothing.
static PART_BLOCK: HeaderValue = HeaderValue::from_static(sandboxed!(
    "",
    "; img-src data:; style-src 'unsafe-inline'; font-src data:; media-src data:"
));

/// Text that the page turns into text with links.
static PLAIN: HeaderValue = HeaderValue::from_static(sandboxed!(
    " allow-same-origin allow-popups allow-popups-to-escape-sandbox",
    "; style-src 'unsafe-inline'"
));

/// Text.
static TEXT: HeaderValue = HeaderValue::from_static(sandboxed!("", ""));

/// How an answer will be looked at, as far as a request tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// In a tab of its own.
    AsDocument,
    /// In the page's frame, or nobody says: browsers say it to https and to loopback only.
    Anyhow,
}

/// Looks at what the request for `operation` says of its answer's use.
///
/// # Errors
/// [`Reject::ServiceWorker`], when what came by mail would stand between all pages of this origin and the catcher.
pub fn admit(operation: Operation, request: &HeaderMap) -> Result<Shown, Reject> {
    let kind = Kind::of(operation);
    if kind.is_some() && request.contains_key(SERVICE_WORKER) {
        return Err(Reject::ServiceWorker);
    }
    let is_document =
        kind.is_some_and(Kind::is_mail) && request.get(SEC_FETCH_DEST).is_some_and(|dest| dest == "document");
    Ok(if is_document { Shown::AsDocument } else { Shown::Anyhow })
}

/// Writes the policy of an answer into its `fields`, whatever its status.
pub fn dress(fields: &mut HeaderMap, operation: Operation, shown: Shown, remote: RemoteContent) {
    let Some(kind) = Kind::of(operation) else { return };
    // Ours beside theirs: a browser enforces every policy that there is.
    fields.append(header::CONTENT_SECURITY_POLICY, kind.policy(shown, remote).clone());
    if fields.get_all(header::X_FRAME_OPTIONS).iter().any(forbids_framing) {
        // `frame-ancestors` would make a browser overlook it (CSP section 6.4.2.2).
        fields.append(header::CONTENT_SECURITY_POLICY, const { HeaderValue::from_static("frame-ancestors 'none'") });
    }
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    fields.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    fields.insert(CROSS_ORIGIN_RESOURCE_POLICY, const { HeaderValue::from_static("same-origin") });
    match kind {
        Kind::Page | Kind::App => {
            // Its own requests keep it; links out of it tell nobody where the inbox is.
            let entry = fields.entry(header::REFERRER_POLICY);
            entry.or_insert(const { HeaderValue::from_static("same-origin") });
        }
        Kind::Data => {}
        Kind::Html | Kind::Part | Kind::Plain | Kind::Text => dress_mail(fields, remote),
    }
    if kind == Kind::Text {
        // MailDev says nothing of it, and a browser would guess.
        let entry = fields.entry(header::CONTENT_TYPE);
        entry.or_insert(const { HeaderValue::from_static("text/plain;charset=utf-8") });
    }
}

/// What only mail needs.
fn dress_mail(fields: &mut HeaderMap, remote: RemoteContent) {
    fields.insert(header::REFERRER_POLICY, const { HeaderValue::from_static("no-referrer") });
    if remote == RemoteContent::Block {
        // No policy covers the look-up of a link's name.
        fields.insert(X_DNS_PREFETCH_CONTROL, const { HeaderValue::from_static("off") });
    }
    for name in [header::REFRESH, header::LINK, SERVICE_WORKER_ALLOWED] {
        fields.remove(name);
    }
    let types = fields.get_all(header::CONTENT_TYPE);
    if types.iter().any(|value| is_program(value.as_bytes())) {
        fields.insert(header::CONTENT_TYPE, const { HeaderValue::from_static("text/plain;charset=utf-8") });
    }
}

/// What an answer is to a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Page,
    App,
    Data,
    Html,
    Plain,
    Text,
    Part,
}

impl Kind {
    /// The kind of what `operation` gives, if there is a policy for it.
    fn of(operation: Operation) -> Option<Self> {
        Some(match operation {
            Operation::Page => Kind::Page,
            Operation::List | Operation::Delete | Operation::Clear | Operation::Quit | Operation::Socket => Kind::Data,
            Operation::Message(Format::Json) | Operation::Data | Operation::Change => Kind::Data,
            Operation::App => Kind::App,
            Operation::Message(Format::Html) => Kind::Html,
            Operation::Message(Format::Plain) => Kind::Plain,
            Operation::Message(Format::Source | Format::Eml) => Kind::Text,
            Operation::Part => Kind::Part,
            Operation::Asset | Operation::Other | Operation::Tunnel => return None,
        })
    }

    fn is_mail(self) -> bool {
        !matches!(self, Kind::Page | Kind::App | Kind::Data)
    }

    fn policy(self, shown: Shown, remote: RemoteContent) -> &'static HeaderValue {
        match (self, remote) {
            (Kind::Page, _) => &PAGE,
            (Kind::App, RemoteContent::Allow) => &APP,
            (Kind::App, RemoteContent::Block) => &APP_BLOCK,
            (Kind::Data, _) => &DATA,
            (Kind::Html, RemoteContent::Allow) if shown == Shown::AsDocument => &HTML_ALONE_ALLOW,
            (Kind::Html, RemoteContent::Block) if shown == Shown::AsDocument => &HTML_ALONE_BLOCK,
            (Kind::Html, RemoteContent::Allow) => &HTML_ALLOW,
            (Kind::Html, RemoteContent::Block) => &HTML_BLOCK,
            (Kind::Part, RemoteContent::Allow) => &PART_ALLOW,
            (Kind::Part, RemoteContent::Block) => &PART_BLOCK,
            (Kind::Plain, _) if shown == Shown::AsDocument => &TEXT,
            (Kind::Plain, _) => &PLAIN,
            (Kind::Text, _) => &TEXT,
        }
    }
}

/// `DENY`, among others if there are several (HTML section 7.7).
fn forbids_framing(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(b"deny"))
}

/// Whether a content type, which the sender of a mail chose, is one that the page's own policy would let run as a script of
/// its origin (the list of MIME sniffing section 4.6), or one that is a row of answers with fields of their own.
///
/// Looked for anywhere, parameters included: of several types in one field the last counts.
fn is_program(content_type: &[u8]) -> bool {
    const WORDS: [&[u8]; 5] = [b"javascript", b"ecmascript", b"jscript", b"livescript", b"x-mixed-replace"];
    let found = |word: &[u8]| content_type.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    WORDS.iter().any(|word| found(word))
}

#[cfg(test)]
mod tests;
