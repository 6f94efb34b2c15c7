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
    /// When it came: `2026-11-23T08:24:26+00:00`, always UTC. Of a bad one when it may have come.
    pub(crate) created_at: String,
    /// Whether the catcher cannot list it, and this was made from its source.
    #[serde(skip)]
    pub(crate) bad: bool,
}

/// The longest sender and subject that are remembered, and the most that recipients may come to, in bytes.
const TEXT: usize = 2 * 1024;

impl Entry {
    /// With no more text than is worth remembering for thousands.
    pub(crate) fn clipped(mut self) -> Self {
        for value in [&mut self.sender, &mut self.subject] {
            if let Value::String(text) = value
                && text.len() > TEXT
            {
                text.truncate(text.floor_char_boundary(TEXT));
                text.push('\u{2026}');
            }
        }
        if let Value::Array(recipients) = &mut self.recipients {
            let mut length = 0;
            recipients.retain(|one| {
                length += one.as_str().map_or(0, str::len);
                length <= TEXT
            });
        }
        self
    }

    /// The list of `entries`, which ascend by id: oldest first, as the catcher lists them.
    ///
    /// Nobody knows when a bad one came, but ids ascend with time: its time is moved between those of its neighbours.
    pub(crate) fn list<'a>(entries: impl DoubleEndedIterator<Item = &'a Entry>) -> String {
        let mut list: Vec<Entry> = entries.cloned().collect();
        let mut latest: Option<String> = None;
        for entry in list.iter_mut().rev() {
            match &latest {
                Some(latest) if entry.bad && entry.created_at > *latest => entry.created_at.clone_from(latest),
                _ if entry.bad => {}
                _ => latest = Some(entry.created_at.clone()),
            }
        }
        let mut earliest: Option<String> = None;
        for entry in &mut list {
            match &earliest {
                Some(earliest) if entry.bad && entry.created_at < *earliest => entry.created_at.clone_from(earliest),
                _ if entry.bad => {}
                _ => earliest = Some(entry.created_at.clone()),
            }
        }
        list.sort_by(|one, other| (&one.created_at, one.id).cmp(&(&other.created_at, other.id)));
        // Text, numbers and what was parsed from JSON can be written as JSON.
        serde_json::to_string(&list).unwrap_or_default()
    }
}
