//! What was written: a flat map from the path of a key to its value and the place that it comes from.
//!
//! Filled in order, each source over the one before: defaults, file, environment, flags. A key or table that the
//! product does not know is a fault already here; whether a value is right is decided when it is read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Flag;
use super::error::{ConfigError, Place};
use super::file::File;
use super::keys::{self, Key, Kind, Known};
use super::{environment, suggestion};

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    /// Clamped to the range of the type: every limit is far inside of it.
    Integer(i64),
    Bool(bool),
    List(Vec<Entry>),
    Table(BTreeMap<String, Entry>),
    /// What no key takes; the text names it.
    Other(&'static str),
}

impl Value {
    /// What to call it where another kind is wanted.
    pub(super) fn describe(&self) -> String {
        match self {
            Value::Text(text) => format!("{text:?}"),
            Value::Integer(number) => format!("the number {number}"),
            Value::Bool(value) => value.to_string(),
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Other(name) => (*name).to_owned(),
        }
    }

    /// The texts that it consists of, wherever they were written.
    fn texts(&self) -> Vec<&str> {
        match self {
            Value::Text(text) => vec![text],
            Value::List(items) => items.iter().flat_map(|item| item.value.texts()).collect(),
            _ => Vec::new(),
        }
    }
}

/// All that was written, and what was wrong with it so far.
#[derive(Debug, Default)]
pub(super) struct Raw {
    defaults: BTreeMap<&'static str, Entry>,
    written: BTreeMap<&'static str, Entry>,
    /// Where the service manager made a directory for the daemon's state.
    pub(super) state_directory: Option<OsString>,
    pub(super) errors: Vec<ConfigError>,
}

impl Raw {
    /// Nothing is written yet: every key has its default, if it has one.
    pub(super) fn defaults() -> Self {
        let mut raw = Raw::default();
        for key in keys::KEYS {
            let keys::Default::Value(text) = key.default else {
                continue;
            };
            match DeValue::parse(text) {
                Ok(value) => {
                    let value = Value::from_toml(value.get_ref(), &|_| Place::Default);
                    raw.defaults.insert(key.path, Entry { value, place: Place::Default });
                }
                Err(error) => raw.fault(Place::Default, Some(key.path), error.message()),
            }
        }
        raw
    }

    /// What was written for a key last, else its default.
    pub(super) fn get(&self, path: &str) -> Option<&Entry> {
        self.written.get(path).or_else(|| self.defaults.get(path))
    }

    /// Whether a key has its default, be it that somebody wrote the same.
    pub(super) fn is_default(&self, path: &str) -> bool {
        match (self.written.get(path), self.defaults.get(path)) {
            (None, _) => true,
            (Some(written), Some(default)) => written.value.texts() == default.value.texts(),
            (Some(_), None) => false,
        }
    }

    /// Takes a file's content in.
    ///
    /// # Errors
    /// The syntax errors of a text that is not TOML; nothing was taken in then.
    pub(super) fn add_file(&mut self, path: &Path, content: &[u8]) -> Result<(), Vec<ConfigError>> {
        let file = File { path, content };
        let text = std::str::from_utf8(content).map_err(|error| {
            vec![file.syntax_error(error.valid_up_to(), "is not UTF-8; save the file in that encoding")]
        })?;
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            self.add_table("", table.get_ref(), &file);
            return Ok(());
        }
        Err(file.syntax_errors(&errors))
    }

    fn add_table(&mut self, parent: &str, table: &DeTable<'_>, file: &File<'_>) {
        for (name, value) in table {
            let place = file.place(name.span().start);
            // Quoted where TOML needs quotes: `"upstream.url"` is one name with a dot in it, and no key of ours.
            let name = keys::written(name.get_ref());
            let path = if parent.is_empty() { name } else { format!("{parent}.{name}") };
            self.add_value(&path, place, value, file);
        }
    }

    fn add_value(&mut self, path: &str, place: Place, value: &Spanned<DeValue<'_>>, file: &File<'_>) {
        match (keys::find(path), value.get_ref()) {
            (Known::Key(key), value) => {
                let value = Value::from_toml(value, &|at| file.place(at));
                self.written.insert(key.path, Entry { value, place });
            }
            (Known::Table, DeValue::Table(table)) => self.add_table(path, table, file),
            (Known::Table, _) => {
                self.fault(place, Some(path), format!("is a table; write [{path}] and its keys below"));
            }
            (Known::NotYet(_), DeValue::Table(table)) if !table.is_empty() => self.add_table(path, table, file),
            (Known::NotYet(what), value) => {
                let thing = if value.is_table() { "table" } else { "key" };
                self.fault(place, Some(path), format!("{what}; remove the {thing}"));
            }
            (Known::Unknown, value) => {
                let thing = if value.is_table() { "table" } else { "key" };
                let hint = suggestion::suggestion(path).unwrap_or_else(|| "remove it".to_owned());
                self.fault(place, Some(path), format!("unknown {thing}; {hint}"));
            }
        }
    }

    /// Takes the variables of an environment in.
    pub(super) fn add_environment(&mut self, variables: &[(OsString, OsString)]) {
        for (name, value) in variables {
            if name == "STATE_DIRECTORY" && !value.is_empty() {
                self.state_directory = Some(value.clone());
            }
            let is_ours = name.as_encoded_bytes().starts_with(environment::ENV_PREFIX.as_bytes());
            let name = name.to_string_lossy();
            if is_ours && !environment::is_injected(&name) {
                self.add_variable(&name, value);
            }
        }
    }

    fn add_variable(&mut self, name: &str, value: &OsStr) {
        let place = Place::Environment { name: name.to_owned() };
        let known = environment::env_path(name).map_or(Known::Unknown, |path| match keys::find(&path) {
            // A user's own list, or a group: the table's name is what there is to say something about.
            Known::Unknown if path.starts_with("access.users.") => keys::find("access.users"),
            Known::Unknown if path.starts_with("access.groups.") => keys::find("access.groups"),
            Known::Unknown if path.starts_with("tls.client_users.") => keys::find("tls.client_users"),
            known => known,
        });
        let reason = match known {
            Known::Table => "is a table, which only the file can hold".to_owned(),
            Known::Key(Key { kind, .. }) if let Some(reason) = kind.only_in_a_file() => reason.to_owned(),
            Known::Key(key) => match value.to_str() {
                Some(text) => {
                    let value = Value::from_variable(text, key.kind, &place);
                    self.written.insert(key.path, Entry { value, place });
                    return;
                }
                None => "is not UTF-8".to_owned(),
            },
            Known::NotYet(what) => format!("{what}; remove the variable"),
            Known::Unknown => {
                let hint = suggestion::env_suggestion(name).unwrap_or_else(|| "remove it".to_owned());
                format!("unknown variable; {hint}")
            }
        };
        self.fault(place, None, reason);
    }

    /// Takes the flags of a command in. A flag of a list adds to it each time that it is given.
    pub(super) fn add_flags(&mut self, flags: &[Flag]) {
        for flag in flags {
            let place = Place::Flag { name: flag.name.to_owned() };
            let Some(key) = keys::by_flag(flag.name) else {
                self.fault(place, None, "sets no key");
                continue;
            };
            let value = Value::from_variable(&flag.value, key.kind, &place);
            match (self.written.get_mut(key.path), value) {
                (Some(Entry { value: Value::List(list), place: before }), Value::List(more)) if *before == place => {
                    list.extend(more);
                }
                (_, value) => {
                    self.written.insert(key.path, Entry { value, place });
                }
            }
        }
    }

    fn fault(&mut self, place: Place, key: Option<&str>, reason: impl Into<String>) {
        self.errors.push(ConfigError { place, key: key.map(str::to_owned), reason: reason.into(), excerpt: None });
    }
}

impl Value {
    fn from_toml(value: &DeValue<'_>, place: &dyn Fn(usize) -> Place) -> Self {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => {
                let clamped = if number.as_str().starts_with('-') { i64::MIN } else { i64::MAX };
                Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(clamped))
            }
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Entry {
                        value: Value::from_toml(item.get_ref(), place),
                        place: place(item.span().start),
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(
                table
                    .iter()
                    .map(|(name, value)| {
                        let entry =
                            Entry { value: Value::from_toml(value.get_ref(), place), place: place(name.span().start) };
                        (name.get_ref().to_string(), entry)
                    })
                    .collect(),
            ),
            DeValue::Float(_) => Value::Other("a number with a fraction"),
            DeValue::Datetime(_) => Value::Other("a date"),
        }
    }

    /// Reads what a variable or a flag holds: a text as it is, a list by commas or as TOML, all else as TOML.
    fn from_variable(text: &str, kind: Kind, place: &Place) -> Self {
        let toml = || {
            let value = DeValue::parse(text.trim()).ok()?;
            Some(Value::from_toml(value.get_ref(), &|_| place.clone()))
        };
        match kind {
            Kind::Text => Value::Text(text.to_owned()),
            Kind::Integer
            | Kind::Bool
            | Kind::UserTable
            | Kind::GroupTable
            | Kind::Certificates
            | Kind::CertificateTable => toml().unwrap_or_else(|| Value::Text(text.to_owned())),
            // Not by the bracket alone: `[::]:8080,[::1]:8081` begins and could end with one.
            Kind::List => toml().filter(|value| matches!(value, Value::List(_))).unwrap_or_else(|| {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                let entry = |item: &str| Entry { value: Value::Text(item.to_owned()), place: place.clone() };
                Value::List(items.map(entry).collect())
            }),
        }
    }
}
