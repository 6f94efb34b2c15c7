//! Values of the kinds that keys have: texts, lists, numbers, sizes, durations.
//!
//! Every function notes what is wrong and goes on. It then has no value to give back but [`Noted`], which only the
//! noting makes: a model that lacks a part without a fault does not compile.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::{ConfigError, ConfigErrors, Place};
use super::keys;
use super::raw::{Entry, Raw, Value};
use super::suggestion;
use super::units::{format_duration, format_size, parse_duration, parse_size};

/// A fault was noted, so there is no value.
pub(super) struct Noted(());

/// What a reading function gives back.
pub(super) type Read<T> = Result<T, Noted>;

/// Reads entries and notes faults.
pub(super) struct Reader<'a> {
    pub(super) raw: &'a Raw,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    /// A reader of `raw` that has noted `errors` already.
    pub(super) fn new(raw: &'a Raw, errors: Vec<ConfigError>) -> Self {
        Reader { raw, errors }
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// All that is wrong.
    pub(super) fn into_errors(self) -> ConfigErrors {
        ConfigErrors::new(self.errors)
    }

    pub(super) fn fault(&mut self, entry: &Entry, path: &str, reason: impl Into<String>) -> Noted {
        let key = match entry.place {
            Place::File { .. } | Place::Default => Some(path.to_owned()),
            // The variable's or the flag's name says it.
            Place::Environment { .. } | Place::Flag { .. } => None,
        };
        self.errors.push(ConfigError { place: entry.place.clone(), key, reason: reason.into(), excerpt: None });
        Noted(())
    }

    /// The value of a key that has a default.
    pub(super) fn required(&mut self, path: &str) -> Read<&'a Entry> {
        let missing = Entry { value: Value::Other("nothing"), place: Place::Default };
        self.raw.get(path).ok_or_else(|| self.fault(&missing, path, "has no value"))
    }

    pub(super) fn mismatch(&mut self, entry: &Entry, path: &str, wanted: impl fmt::Display) -> Noted {
        let found = entry.value.describe();
        self.fault(entry, path, format!("must be {wanted}, not {found}"))
    }

    pub(super) fn text(&mut self, path: &str) -> Read<(&'a Entry, &'a str)> {
        let entry = self.required(path)?;
        match &entry.value {
            Value::Text(text) => Ok((entry, text)),
            _ => Err(match keys::example(path) {
                Some(example) => self.mismatch(entry, path, format!("{} such as {example}", keys::Kind::Text)),
                None => self.mismatch(entry, path, keys::Kind::Text),
            }),
        }
    }

    /// A text by its own rule, whose refusals begin with a verb.
    pub(super) fn parsed<T>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, String>) -> Read<T> {
        let (entry, text) = self.text(path)?;
        parse(text).map_err(|reason| self.fault(entry, path, format!("{text:?} {reason}")))
    }

    pub(super) fn named<T: Copy>(&mut self, path: &str, names: &[(&str, T)]) -> Read<T> {
        self.parsed(path, |text| {
            let known = || names.iter().map(|(name, _)| *name);
            names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
                match suggestion::closest(text, known()) {
                    Some(close) => format!("is unknown; did you mean {close:?}?"),
                    None => format!("is unknown; there are {}", known().collect::<Vec<_>>().join(", ")),
                }
            })
        })
    }

    pub(super) fn boolean(&mut self, path: &str) -> Read<bool> {
        let entry = self.required(path)?;
        match entry.value {
            Value::Bool(value) => Ok(value),
            _ => Err(self.mismatch(entry, path, keys::Kind::Bool)),
        }
    }

    pub(super) fn integer(&mut self, path: &str, range: RangeInclusive<usize>) -> Read<usize> {
        let entry = self.required(path)?;
        let Value::Integer(number) = entry.value else {
            return Err(self.mismatch(entry, path, keys::Kind::Integer));
        };
        usize::try_from(number).ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let reason = format!("{number} is out of range; it goes from {} to {}", range.start(), range.end());
            self.fault(entry, path, reason)
        })
    }

    pub(super) fn size(&mut self, path: &str, range: RangeInclusive<u64>) -> Read<u64> {
        self.parsed(path, |text| within(parse_size(text)?, &range))
    }

    /// A size of which there may be none at all, written as 0.
    pub(super) fn size_or_none(&mut self, path: &str, range: RangeInclusive<u64>) -> Read<u64> {
        self.parsed(path, |text| match parse_size(text)? {
            0 => Ok(0),
            bytes => within(bytes, &range).map_err(|reason| format!("{reason}, and 0 is none")),
        })
    }

    pub(super) fn duration(&mut self, path: &str, longest: Duration) -> Read<Duration> {
        self.parsed(path, |text| match parse_duration(text)? {
            Duration::ZERO => Err("is no time at all; write at least \"1ms\"".to_owned()),
            duration if duration > longest => Err(format!("is too long; at most {}", format_duration(longest))),
            duration => Ok(duration),
        })
    }

    pub(super) fn list(&mut self, path: &str) -> Read<Vec<(&'a Entry, &'a str)>> {
        let entry = self.required(path)?;
        self.items(entry, path)
    }

    pub(super) fn items(&mut self, entry: &'a Entry, path: &str) -> Read<Vec<(&'a Entry, &'a str)>> {
        let items = match &entry.value {
            Value::List(items) => items,
            Value::Text(text) => {
                return Err(self.fault(entry, path, format!("must be a list; write [{text:?}]")));
            }
            _ => return Err(self.mismatch(entry, path, keys::Kind::List)),
        };
        let mut texts = Vec::with_capacity(items.len());
        let mut noted = None;
        for item in items {
            match &item.value {
                Value::Text(text) => texts.push((item, text.as_str())),
                other => {
                    let reason = format!("must hold texts in quotes only, not {}", other.describe());
                    noted = Some(self.fault(item, path, reason));
                }
            }
        }
        noted.map_or(Ok(texts), Err)
    }
}

fn within(bytes: u64, range: &RangeInclusive<u64>) -> Result<u64, String> {
    if range.contains(&bytes) {
        return Ok(bytes);
    }
    let (least, most) = (format_size(*range.start()), format_size(*range.end()));
    Err(format!("is out of range; it goes from {least} to {most}"))
}
