//! What goes: limits of age, number and size over a list of messages. Pure: the time is an argument.
//!
//! A message goes when it is over any of the limits. The youngest are protected: somebody may be about to read them.
//! What is not known is never held against a message: one without a readable date does not go by age.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::catcher::{Message, MessageId};
use crate::config::units::{format_duration, format_size};

/// The limits over which a message goes. With none, all go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limits {
    /// Older than this.
    pub max_age: Option<Duration>,
    /// Not among so many newest.
    pub max_messages: Option<u64>,
    /// Not among the newest that are no larger than so many bytes together.
    pub max_size: Option<u64>,
}

/// What a purge goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The limits.
    pub limits: Limits,
    /// No message younger than this goes; zero protects none.
    pub min_age: Duration,
}

/// The limit that takes a message; the first of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// `max_age`.
    Age,
    /// `max_messages`.
    Messages,
    /// `max_size`.
    Size,
    /// There is no limit: all go.
    All,
}

impl Over {
    /// The name of the key, or `all`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Over::Age => "max_age",
            Over::Messages => "max_messages",
            Over::Size => "max_size",
            Over::All => "all",
        }
    }
}

/// What goes, in the order in which it is deleted: oldest first, newest last.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Decision {
    /// Each with the limit that takes it.
    pub going: Vec<(Message, Over)>,
    /// What stays.
    pub staying: Vec<MessageId>,
}

impl Rule {
    /// All, whatever their age.
    pub const EVERYTHING: Rule =
        Rule { limits: Limits { max_age: None, max_messages: None, max_size: None }, min_age: Duration::ZERO };

    /// Whether it takes everything that there is.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Rule::EVERYTHING
    }
}

impl Limits {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}

/// Decides over `messages`, in whatever order they come.
///
/// By which messages are newest: by id, where ids are numbers, since those ascend with arrival whatever the clock does; else
/// by date, and those of one second by id. A message whose date is not known is no older than any other then.
#[must_use]
pub fn decide(messages: Vec<Message>, rule: &Rule, now: Timestamp) -> Decision {
    let mut messages = messages;
    messages.sort_by(|one, other| arrival(one).cmp(&arrival(other)));
    messages.dedup_by(|one, other| one.id == other.id);
    let Limits { max_age, max_messages, max_size } = rule.limits;
    let age = |received: Timestamp| Duration::try_from(now.duration_since(received)).unwrap_or_default();

    let mut over = Vec::with_capacity(messages.len());
    // From the newest on: how many, how large together, and when the last one came whose date is known.
    let (mut count, mut size, mut at_the_latest) = (0u64, 0u64, None::<Timestamp>);
    for message in messages.iter().rev() {
        let fits_alone = max_size.is_none_or(|limit| message.size <= limit);
        // Whoever sends mail chooses its date, and with `now` none comes from the future: what has no date, or one to
        // come, is not proven newer than the rest, and does not push it out. Ids that are numbers are the catcher's word.
        let counts = matches!(message.id, MessageId::Number(_)) || message.received.is_some_and(|date| date <= now);
        if fits_alone && counts {
            size = size.saturating_add(message.size);
        }
        // What came before a message that is old enough is old enough.
        at_the_latest = [at_the_latest, message.received].into_iter().flatten().min();
        let is_protected = !rule.min_age.is_zero() && at_the_latest.is_none_or(|received| age(received) < rule.min_age);
        let reason = if rule.limits.is_empty() {
            Some(Over::All)
        } else if max_age.is_some_and(|limit| message.received.is_some_and(|received| age(received) > limit)) {
            Some(Over::Age)
        } else if max_messages.is_some_and(|limit| count >= limit) {
            Some(Over::Messages)
        } else if max_size.is_some_and(|limit| !fits_alone || size > limit) {
            Some(Over::Size)
        } else {
            None
        };
        count += u64::from(counts);
        over.push(reason.filter(|_| !is_protected));
    }

    let mut decision = Decision::default();
    for (message, over) in messages.into_iter().zip(over.into_iter().rev()) {
        match over {
            Some(over) => decision.going.push((message, over)),
            None => decision.staying.push(message.id),
        }
    }
    decision
}

/// The order of arrival.
fn arrival(message: &Message) -> (Option<u64>, Timestamp, &MessageId) {
    match &message.id {
        MessageId::Number(number) => (Some(*number), Timestamp::MIN, &message.id),
        MessageId::Name(_) => (None, message.received.unwrap_or(Timestamp::MAX), &message.id),
    }
}

/// In words that go on from "a message goes when it is": `older than 24h, or not among the 500 newest`.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.max_age.map(|age| format!("older than {}", format_duration(age))),
            self.max_messages.map(|count| match count {
                0 => "there".to_owned(),
                1 => "not the newest".to_owned(),
                _ => format!("not among the {count} newest"),
            }),
            self.max_size.map(|size| format!("not among the newest {}", format_size(size))),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", or "))
    }
}

/// The rule as a sentence.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limits.is_empty() {
            true => f.write_str("every message goes")?,
            false => write!(f, "a message goes when it is {}", self.limits)?,
        }
        if !self.min_age.is_zero() {
            write!(f, "; none younger than {}", format_duration(self.min_age))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
