//! What a mail catcher's HTTP interface looks like: which request does what, and which permission that takes.
//!
//! One file a catcher. Permissions and forwarding rest on the same parsed [`Action`]: the upstream request is built from
//! it, never from the text that came in. [`Mailbox`] is the other side: what a purge asks.

mod generic;
mod mailbox;
mod mailcatcher;

use http::Method;
use http::uri::PathAndQuery;

pub use generic::Generic;
pub use mailbox::{Call, Event, Feed, Mailbox, Message, MessageId, Page, time};
pub use mailcatcher::MailCatcher;

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
    /// A request to a catcher whose interface is not known.
    Other,
    /// A WebSocket of a catcher whose interface is not known: bytes are passed.
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

    /// Whether its routes read request bodies. Where they do not, a body is read and dropped: `fetch` sends `{}` with a
    /// DELETE, and MailCatcher takes the bytes of a chunked body for the next request.
    fn reads_bodies(&self) -> bool;

    /// Whether it has a use for cookies. Cookies ignore ports, so a catcher that has none would be sent those of every
    /// other program on the host.
    fn reads_cookies(&self) -> bool;

    /// The action behind `asked`, whose path is canonical and below the prefix: `path` is the rest, beginning with `/`,
    /// or empty for the prefix itself.
    ///
    /// # Errors
    /// [`NoRoute`], when there is none.
    fn action(&self, asked: &Asked<'_>, prefix: &str, path: &str) -> Result<Action, NoRoute>;

    /// How mail is listed and deleted there; none if that is not known.
    fn mailbox(&self) -> Option<&'static dyn Mailbox> {
        None
    }
}

/// The interface of a kind of catcher.
#[must_use]
pub fn of(kind: CatcherKind) -> &'static dyn Catcher {
    match kind {
        CatcherKind::MailCatcher => &MailCatcher,
        CatcherKind::Generic => &Generic,
    }
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

/// A target that our own code put together from canonical pieces.
fn target(text: String) -> Result<PathAndQuery, NoRoute> {
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map_err(|_| NoRoute::Ambiguous("the target is too long"))
}
