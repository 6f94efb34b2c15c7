//! What a mail catcher's HTTP interface looks like: which request does what, and which permission that takes.
//!
//! One file a catcher. Permissions and forwarding rest on the same parsed [`Action`]: the upstream request is built from
//! it, never from the text that came in. [`Mailbox`] is the other side: what a purge asks.

mod fields;
mod generic;
mod ids;
mod mailbox;
mod mailcatcher;
mod maildev2;
mod maildev3;
mod maildump;
mod mailhog;
mod mailpit;
mod mailtutan;
mod recognise;
mod routes;

use bytes::Bytes;
use http::Method;
use http::uri::PathAndQuery;

pub use fields::MOST;
pub use generic::Generic;
pub use mailbox::{Call, Event, Feed, Mailbox, Message, MessageId, Page, time};
pub use mailcatcher::MailCatcher;
pub use maildev2::MailDev2;
pub use maildev3::MailDev3;
pub use maildump::MailDump;
pub use mailhog::MailHog;
pub use mailpit::Mailpit;
pub use mailtutan::Mailtutan;
pub use recognise::{Answer, PAGE, is_proof, proof, recognise, suspect};

use crate::config::model::CatcherKind;
use crate::path::{self, PathError, Slashes};
use crate::permission::Permission;

/// What a request would do at the catcher. Made only by [`route`].
#[derive(Clone, Debug)]
pub struct Action {
    /// What it is, in the catcher's terms.
    pub operation: Operation,
    /// The permission it takes.
    pub permission: Permission,
    /// The method that is sent upstream.
    pub method: Method,
    /// The target that is sent upstream, in origin form.
    pub target: PathAndQuery,
    /// The body that is sent upstream.
    pub payload: Payload,
}

/// The body that goes with an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// None: the route reads no body. One that comes is read and dropped, for `fetch` sends `{}` with a DELETE, and
    /// MailCatcher takes the bytes of a chunked body for the next request.
    None,
    /// What came.
    AsItCame,
    /// Not known yet: the body says what the request does, and [`Catcher::decided`] says what that is. Nothing is sent before.
    Decides,
    /// This JSON, which our own code wrote.
    Json(Bytes),
}

/// The operations that forwarding, logging and response hygiene tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The inbox page.
    Page,
    /// A static file: script, style, icon.
    Asset,
    /// The list of messages.
    List,
    /// One message in one of its formats.
    Message(Format),
    /// One part of a message: an attachment, a picture, whatever its sender made of it.
    Part,
    /// The catcher's own WebSocket, whose frames are parsed.
    Socket,
    /// One message is deleted.
    Delete,
    /// All messages are deleted.
    Clear,
    /// The catcher ends.
    Quit,
    /// The page of a catcher other than MailCatcher: not known so well that its scripts could be named.
    App,
    /// What another catcher than MailCatcher tells: its list, a description, its settings, events one by one.
    Data,
    /// Something else is changed, or sent: marks, a copy to a real mailbox.
    Change,
    /// A request to a catcher whose interface is not known.
    Other,
    /// A WebSocket whose frames are not known: bytes are passed.
    Tunnel,
}

impl Operation {
    /// Whether the client asked to switch protocols, and the upstream is asked the same.
    #[must_use]
    pub fn is_upgrade(self) -> bool {
        matches!(self, Operation::Socket | Operation::Tunnel)
    }
}

/// What a message can be asked for as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What the catcher knows of it.
    Json,
    /// Its HTML, as its sender wrote it.
    Html,
    /// Its plain text.
    Plain,
    /// All of it as it came, to be looked at.
    Source,
    /// The same, to be saved.
    Eml,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] = [Format::Json, Format::Html, Format::Plain, Format::Source, Format::Eml];
}

/// What a route table is asked: a request reduced to what decides.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method as it came.
    pub method: &'a Method,
    /// The path as it came.
    pub path: &'a str,
    /// The query as it came.
    pub query: Option<&'a str>,
    /// Whether it means to be a WebSocket handshake (RFC 6455 section 4.2.1).
    pub websocket: bool,
}

/// Why a request is not an [`Action`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// The catcher has nothing there.
    NotFound,
    /// It has, for other methods: the value of `Allow`.
    Method(&'static str),
    /// The target has no canonical form.
    Path(PathError),
    /// The target is canonical and still means different things to different readers.
    Ambiguous(&'static str),
    /// The catcher lives below a prefix: the way there.
    Elsewhere(String),
}

/// A mail catcher's interface.
pub trait Catcher: Send + Sync + std::fmt::Debug {
    /// Whether `//` is one slash to it.
    fn slashes(&self) -> Slashes;

    /// Whether it has a use for cookies. Cookies ignore ports, so a catcher that has none would be sent those of every
    /// other program on the host.
    fn reads_cookies(&self) -> bool;

    /// The action behind `asked`, whose path is canonical and below the prefix: `path` is the rest, beginning with `/`,
    /// or empty for the prefix itself.
    ///
    /// # Errors
    /// [`NoRoute`], when there is none.
    fn action(&self, asked: &Asked<'_>, prefix: &str, path: &str) -> Result<Action, NoRoute>;

    /// What the body of `action` makes of it, where that is [`Payload::Decides`]; `body` is all of it.
    ///
    /// # Errors
    /// [`NoRoute`], when two readers could take it for different things.
    fn decided(&self, action: Action, body: &[u8]) -> Result<Action, NoRoute> {
        let (_, _) = (action, body);
        Err(NoRoute::Ambiguous("the body means nothing here"))
    }

    /// How mail is listed and deleted there; none if that is not known.
    fn mailbox(&self) -> Option<&'static dyn Mailbox> {
        None
    }

    /// Where its live socket is, below the prefix; none if it could be anywhere.
    fn socket(&self) -> Option<&'static str>;

    /// Whether it is MailCatcher, whose page, list and frames are known so well that they are mended.
    fn is_mailcatcher(&self) -> bool {
        false
    }
}

/// The interface of a kind of catcher; none where the kind has to be found out.
#[must_use]
pub fn of(kind: CatcherKind) -> Option<&'static dyn Catcher> {
    Some(match kind {
        CatcherKind::MailCatcher => &MailCatcher,
        CatcherKind::MailDev2 => &MailDev2,
        CatcherKind::MailDev3 => &MailDev3,
        CatcherKind::MailDump => &MailDump,
        CatcherKind::Mailtutan => &Mailtutan,
        CatcherKind::Mailpit => &Mailpit,
        CatcherKind::MailHog => &MailHog,
        CatcherKind::Generic => &Generic,
        CatcherKind::Auto => return None,
    })
}

/// Whether a catcher of a known kind has something at `path`, below its prefix, or could have.
#[must_use]
pub fn has(kind: CatcherKind, path: &str) -> bool {
    let asked = Asked { method: &Method::GET, path, query: None, websocket: false };
    let has = |kind| of(kind).is_some_and(|catcher| !matches!(route(catcher, "", &asked), Err(NoRoute::NotFound)));
    if kind == CatcherKind::Auto { CatcherKind::NAMED.into_iter().any(has) } else { has(kind) }
}

/// Parses a request into the action it asks `catcher` for. `prefix` is the catcher's own path (`""` or `/mail`): public
/// and upstream paths are equal.
///
/// # Errors
/// [`NoRoute`], when there is no such action, with what to answer instead.
pub fn route(catcher: &dyn Catcher, prefix: &str, asked: &Asked<'_>) -> Result<Action, NoRoute> {
    let path = path::canonical(asked.path, catcher.slashes()).map_err(NoRoute::Path)?;
    if below(&path, OWN_AREA).is_some() {
        return Err(NoRoute::NotFound);
    }
    match below(&path, prefix) {
        Some(rest) => catcher.action(asked, prefix, rest),
        None if path == "/" && is_read(asked.method) => Err(NoRoute::Elsewhere(format!("{prefix}/"))),
        None => Err(NoRoute::NotFound),
    }
}

/// The part of the main port that is the gate's own; all else is the catcher's.
pub const OWN_AREA: &str = "/.mailwarden";

/// What follows `prefix` in `path`, if it lies there: nothing, or something that begins with a slash.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// GET and HEAD (RFC 9110 sections 9.3.1 and 9.3.2).
fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// A query as it came, but that a target is ASCII (RFC 3986 section 2.5): what is not is escaped, which is how everybody
/// reads it.
fn push_query(text: &mut String, query: &str) {
    text.push('?');
    for byte in query.bytes() {
        if byte.is_ascii_graphic() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// A target that our own code put together from canonical pieces.
fn target(text: String) -> Result<PathAndQuery, NoRoute> {
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map_err(|_| NoRoute::Ambiguous("the target is too long"))
}
