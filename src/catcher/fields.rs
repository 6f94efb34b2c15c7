//! What a catcher's lists hold, read as if it could be anything: nothing in it fails the list but that it is none, and
//! nothing in it takes memory but what is kept.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::ids::is_name;
use super::mailbox::{Message, MessageId, time};

/// So many messages a list may have. One that has no end would take all the memory.
pub const MOST: usize = 2_000_000;

/// A list's entry, which may be a message.
pub(super) trait Entry {
    /// The message; none if there is no way to ask for it.
    fn message(self) -> Option<Message>;
}

/// An array of entries, each let go of as soon as it is read.
pub(super) struct Entries<T> {
    /// What can be asked for.
    pub(super) messages: Vec<Message>,
    /// How many entries there were.
    pub(super) count: u64,
    entry: PhantomData<T>,
}

impl<'de, T: Entry + Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Array(PhantomData))
    }
}

struct Array<T>(PhantomData<T>);

impl<'de, T: Entry + Deserialize<'de>> Visitor<'de> for Array<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut read = Entries { messages: Vec::new(), count: 0, entry: PhantomData };
        while let Some(entry) = entries.next_element::<T>()? {
            read.count += 1;
            if read.count > MOST as u64 {
                return Err(A::Error::custom("it has too many messages"));
            }
            read.messages.extend(entry.message());
        }
        Ok(read)
    }
}

/// A value of which it is only hoped what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// A whole number that is not negative.
    Number(u64),
    /// A text.
    Text(Cow<'a, str>),
    /// Anything else.
    Other,
}

impl Field<'_> {
    /// A name that can stand in a path.
    pub(super) fn name(&self) -> Option<MessageId> {
        match self {
            Field::Text(text) if is_name(text) => Some(MessageId::Name(text.as_ref().into())),
            _ => None,
        }
    }

    /// A time.
    pub(super) fn time(field: Option<&Self>) -> Option<Timestamp> {
        match field {
            Some(Field::Text(text)) => time(text),
            _ => None,
        }
    }

    /// A size; nought if there is none.
    pub(super) fn size(field: Option<&Self>) -> u64 {
        match field {
            Some(Field::Number(size)) => *size,
            Some(Field::Text(text)) => text.parse().unwrap_or(0),
            _ => 0,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Field::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Field::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Field::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        while values.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_field_holds_is_a_number_a_text_or_something_else() {
        let text = |text: &'static str| Field::Text(Cow::Borrowed(text));
        for (json, field) in [
            ("7", Field::Number(7)),
            ("18446744073709551615", Field::Number(u64::MAX)),
            ("18446744073709551616", Field::Other),
            ("-7", Field::Other),
            ("1e300", Field::Other),
            ("true", Field::Other),
            ("null", Field::Other),
            ("[[1],{}]", Field::Other),
            ("{\"a\":{\"b\":[]}}", Field::Other),
            ("\"x\"", text("x")),
            ("\"\\u0078\"", text("x")),
        ] {
            assert_eq!(serde_json::from_str::<Field<'_>>(json).unwrap(), field, "{json}");
        }
        let sizes = ["-7", "\"-7\"", "1e300", "\"1e3\"", "\"99999999999999999999\"", "[]"];
        for json in sizes {
            assert_eq!(Field::size(serde_json::from_str(json).ok().as_ref()), 0, "{json}");
        }
    }

    #[test]
    fn a_list_that_has_no_end_is_not_read_to_its_end() {
        #[derive(Deserialize)]
        struct Nothing {}
        impl Entry for Nothing {
            fn message(self) -> Option<Message> {
                None
            }
        }
        let list = |count: usize| format!("[{}{{}}]", "{},".repeat(count - 1));
        assert_eq!(serde_json::from_str::<Entries<Nothing>>(&list(MOST)).unwrap().count, MOST as u64);
        assert!(serde_json::from_str::<Entries<Nothing>>(&list(MOST + 1)).is_err());
    }
}
