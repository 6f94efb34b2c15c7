//! The other side of a catcher's interface: how a purge lists, deletes and follows what happens.
//!
//! A catcher says here what to ask and how to read the answer; nothing here asks. Ids are numbers or names, as the catcher
//! has them, and are written into a path by the catcher's own file alone.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::Method;
use http::uri::PathAndQuery;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::ids::is_name;

/// A message's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageId {
    /// A number that ascends with arrival.
    Number(u64),
    /// A name without an order of its own.
    Name(Box<str>),
}

/// Without what would act on a terminal.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageId::Number(number) => number.fmt(f),
            MessageId::Name(name) => name.escape_debug().fmt(f),
        }
    }
}

/// A message as a list tells it: what retention goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// When it came, if the catcher says so in a form that is known.
    pub received: Option<Timestamp>,
    /// Its size in bytes.
    pub size: u64,
}

/// A request to the catcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The target, below the prefix.
    pub target: PathAndQuery,
    /// A JSON body, for catchers that take ids in one.
    pub json: Option<Bytes>,
}

/// What a list's answer is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Page {
    /// The messages on it.
    pub messages: Vec<Message>,
    /// Where the list goes on, if this was not all of it.
    pub next: Option<u64>,
}

/// What happened at the catcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message came.
    Added(MessageId),
    /// A message went.
    Removed(MessageId),
    /// All went, and ids may begin anew.
    Cleared,
    /// Something that is of no concern.
    Other,
}

/// Where a catcher tells what happens. Only a feed that tells of all three, arrivals, deletions and clears, is one: by it is
/// judged which messages somebody else deleted, and whether an id still means the same message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// On a WebSocket, an event a text message.
    WebSocket(PathAndQuery),
    /// Nowhere, or in a form that is not read here.
    None,
}

/// How mail is listed and deleted at a catcher. `prefix` is the catcher's own path, as in [`super::Catcher::action`].
pub trait Mailbox: Send + Sync + fmt::Debug {
    /// Asks for the list, from `start` on where it comes in pages (0 first, then [`Page::next`]).
    fn list(&self, prefix: &str, start: u64) -> Call;

    /// Reads the answer to [`Self::list`].
    ///
    /// # Errors
    /// Why it is no list, in a few words.
    fn page(&self, start: u64, body: &[u8]) -> Result<Page, String>;

    /// Asks for what is known of one message; none where only the list says.
    fn one(&self, _prefix: &str, _id: &MessageId) -> Option<Call> {
        None
    }

    /// Reads the answer to [`Self::one`]; none if it is not understood.
    fn message(&self, _body: &[u8]) -> Option<Message> {
        None
    }

    /// Asks to delete one message.
    fn delete(&self, prefix: &str, id: &MessageId) -> Call;

    /// Whether an answer to [`Self::delete`] means that the message is not there any more, be it that it never was.
    fn is_gone(&self, status: u16) -> bool {
        matches!(status, 200..=299 | 404)
    }

    /// Asks to delete all messages at once.
    fn delete_all(&self, prefix: &str) -> Call;

    /// Whether [`Self::delete_all`] is as quick with many messages as with few. Where it is not, many are deleted one by one.
    fn deletes_all_quickly(&self) -> bool {
        true
    }

    /// Asks for a message as it came, headers and all.
    fn source(&self, prefix: &str, id: &MessageId) -> Call;

    /// Reads the answer to [`Self::source`], where that is not the message itself.
    fn raw(&self, body: Bytes) -> Option<Bytes> {
        Some(body)
    }

    /// Where it tells what happens.
    fn feed(&self, _prefix: &str) -> Feed {
        Feed::None
    }

    /// Reads one message of the feed.
    fn event(&self, _text: &[u8]) -> Event {
        Event::Other
    }

    /// Whether an id can come back for another message: after the newest went, or all did.
    fn reuses_ids(&self) -> bool;

    /// Whether its list tells how large a message is. Where it does not, no message goes by size.
    fn tells_sizes(&self) -> bool {
        true
    }

    /// Whether ids can be looked at one by one when the list cannot be had: MailCatcher's fails as a whole over one subject
    /// that is not UTF-8. Ids are numbers from 1 on then, and [`Self::one`] is there.
    fn can_be_probed(&self) -> bool {
        false
    }
}

/// A time as catchers write it: RFC 3339, with a space for the `T`, or without a zone, which means UTC then.
#[must_use]
pub fn time(text: &str) -> Option<Timestamp> {
    time_in(text, || TimeZone::UTC)
}

/// The same, where one without a zone means that of `zone`.
pub(super) fn time_in(text: &str, zone: impl FnOnce() -> TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    // Of an hour that comes twice the later one: nothing is taken for older than it is.
    let local = || zone().to_ambiguous_timestamp(text.parse().ok()?).later().ok();
    text.parse::<Timestamp>().ok().or_else(local)
}

/// An id as a segment of a path; a number or a name is all that there is. `0` stands for what this catcher never gave.
pub(super) fn segment(id: &MessageId) -> Cow<'_, str> {
    match id {
        MessageId::Number(number) => Cow::Owned(number.to_string()),
        MessageId::Name(name) if is_name(name) => Cow::Borrowed(name),
        MessageId::Name(_) => Cow::Borrowed("0"),
    }
}

/// A call whose target our own code put together; the root where it cannot be a target, which no catcher lists.
pub(super) fn call(method: Method, target: String) -> Call {
    let target = PathAndQuery::from_maybe_shared(Bytes::from(target))
        .unwrap_or(const { PathAndQuery::from_static("/.mailwarden/none") });
    Call { method, target, json: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_leniently() {
        let expected = Some("2026-11-23T08:24:26Z".parse().unwrap());
        for text in [
            "2026-11-23T08:24:26+00:00",
            "2026-11-23T08:24:26Z",
            "2026-11-23 08:24:26Z",
            "2026-11-23 08:24:26",
            " 2026-11-23T08:24:26 ",
            "2026-11-23T10:24:26+02:00",
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1700000000"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
