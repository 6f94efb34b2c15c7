//! A message as the catcher's list says it, and how a list is put together of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An entry of the list; its fields in the catcher's order. What the catcher says of a message is passed on as it is.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Entry {
    /// The message's number.
    pub(crate) id: u64,
    /// Its sender, in angle brackets.
    pub(crate) sender: Value,
    /// Its recipients, in angle brackets.
    pub(crate) recipients: Value,
    /// Its subject, or null.
    pub(crate) subject: Value,
    /// Its length in bytes, as digits.
    pub(crate) size: Value,
    /// When it came: `2026-11-23T08:24:26+00:00`, always UTC. Of one that was made when it may have come.
    pub(crate) created_at: String,
    /// Whether this was made from its source, so that nobody knows when it came.
    #[serde(skip)]
    pub(crate) made: bool,
    /// Whether the catcher cannot list it.
    #[serde(skip)]
    pub(crate) bad: bool,
}

/// The longest sender and subject that are remembered, and the most that recipients may come to, in bytes.
const TEXT: usize = 2 * 1024;

/// The same when many together have come to more than is worth remembering.
const LITTLE: usize = 128;

/// What a recipient takes beside its text, in bytes.
const EACH: usize = 32;

impl Entry {
    /// With no more text than is worth remembering for thousands. What it may have takes from `left`.
    pub(crate) fn clipped(mut self, left: &mut usize) -> Self {
        let most = if *left == 0 { LITTLE } else { TEXT };
        let mut length = 0;
        for value in [&mut self.sender, &mut self.subject] {
            if let Value::String(text) = value {
                if text.len() > most {
                    text.truncate(text.floor_char_boundary(most));
                    text.push('\u{2026}');
                    text.shrink_to_fit();
                }
                length += text.len();
            }
        }
        if let Value::Array(recipients) = &mut self.recipients {
            let mut theirs = 0;
            recipients.retain(|one| {
                theirs += one.as_str().map_or(0, str::len) + EACH;
                theirs <= most
            });
            recipients.shrink_to_fit();
            length += theirs.min(most);
        }
        *left = left.saturating_sub(length);
        self
    }

    /// The list of `entries`, which ascend by id: oldest first, as the catcher lists them.
    ///
    /// Nobody knows when one came that was made, but ids ascend with time: its time is moved between those of its neighbours.
    pub(crate) fn list<'a>(entries: impl DoubleEndedIterator<Item = &'a Entry>) -> String {
        let mut list: Vec<Entry> = entries.cloned().collect();
        let mut latest: Option<String> = None;
        for entry in list.iter_mut().rev() {
            match &latest {
                Some(latest) if entry.made && entry.created_at > *latest => entry.created_at.clone_from(latest),
                _ if entry.made => {}
                _ => latest = Some(entry.created_at.clone()),
            }
        }
        let mut earliest: Option<String> = None;
        for entry in &mut list {
            match &earliest {
                Some(earliest) if entry.made && entry.created_at < *earliest => entry.created_at.clone_from(earliest),
                _ if entry.made => {}
                _ => earliest = Some(entry.created_at.clone()),
            }
        }
        list.sort_by(|one, other| (&one.created_at, one.id).cmp(&(&other.created_at, other.id)));
        // Text, numbers and what was parsed from JSON can be written as JSON.
        serde_json::to_string(&list).unwrap_or_default()
    }
}
