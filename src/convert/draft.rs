//! A configuration that is being written: keys with values that the loader takes.

use std::fmt::Write as _;

use crate::config;

/// A value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(u32),
    /// A table from user names to lists.
    Table(Vec<(String, Vec<String>)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl Value {
    /// As TOML writes it.
    fn written(&self) -> String {
        let list =
            |items: &[String]| format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "));
        match self {
            Value::Text(text) => quoted(text),
            Value::List(items) => list(items),
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Table(rows) => {
                let rows: Vec<String> =
                    rows.iter().map(|(name, items)| format!("{} = {}", quoted(name), list(items))).collect();
                format!("{{ {} }}", rows.join(", "))
            }
        }
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            // Writing to a String does not fail.
            _ if character.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// Keys and values, in the order of the annotated example.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    keys: Vec<(&'static str, Value)>,
    /// What stands at the top, a line each.
    pub heading: Vec<String>,
    /// What is offered and not chosen, below the table of that name.
    pub offers: Vec<(&'static str, String)>,
}

impl Draft {
    /// Sets a key, in place of what it was.
    ///
    /// # Errors
    /// Why the loader does not take the value; then the draft is as before.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) -> Result<(), String> {
        let value = value.into();
        config::accepts(key, &format!("{key} = {}\n", value.written()))?;
        self.keys.retain(|(known, _)| *known != key);
        self.keys.push((key, value));
        Ok(())
    }

    /// The value of a key that was set.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.keys.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// The file. Keys without a table come first, as TOML wants it.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = String::new();
        for line in &self.heading {
            text.push_str("# ");
            text.extend(line.chars().map(|character| if character.is_control() { ' ' } else { character }));
            text.push('\n');
        }
        let mut keys: Vec<&(&'static str, Value)> = self.keys.iter().collect();
        keys.sort_by_key(|(key, _)| config::rank(key));
        let table = |key: &'static str| key.rsplit_once('.').map_or("", |(table, _)| table);
        let mut tables: Vec<&str> = Vec::new();
        for (key, _) in &keys {
            if !tables.contains(&table(key)) {
                tables.push(table(key));
            }
        }
        for name in tables {
            text.push('\n');
            if !name.is_empty() {
                text.push_str(&format!("[{name}]\n"));
            }
            for (key, value) in keys.iter().filter(|(key, _)| table(key) == name) {
                let key = key.rsplit_once('.').map_or(*key, |(_, key)| key);
                text.push_str(&format!("{key} = {}\n", value.written()));
            }
            for (_, offer) in self.offers.iter().filter(|(table, _)| *table == name) {
                text.push_str(&format!("# {offer}\n"));
            }
        }
        text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_that_the_loader_refuses_is_not_in_the_draft() {
        let mut draft = Draft::default();
        draft.set("limits.body", "1MiB").unwrap();
        let reason = draft.set("limits.body", "1m").unwrap_err();
        assert!(reason.contains("write \"1MiB\""), "{reason}");
        assert_eq!(draft.toml(), "\n[limits]\nbody = \"1MiB\"\n");
    }

    #[test]
    fn keys_stand_in_their_tables_and_in_order() {
        let mut draft = Draft { heading: vec!["made".to_owned()], ..Draft::default() };
        draft.set("auth.realm", "a\"b\\").unwrap();
        draft.set("listen", Value::List(vec!["0.0.0.0:80".to_owned()])).unwrap();
        draft.set("access.users", Value::Table(vec![("a b".to_owned(), vec!["view".to_owned()])])).unwrap();
        let expected = "# made\n\nlisten = [\"0.0.0.0:80\"]\n\n[auth]\nrealm = \"a\\\"b\\\\\"\n\n[access]\nusers = { \"a b\" = [\"view\"] }\n";
        assert_eq!(draft.toml(), expected);
        crate::config::accepts_all(&draft.toml()).unwrap();
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was(text: String) {
            let toml = format!("key = {}", quoted(&text));
            let table: toml::Table = toml.parse().unwrap();
            prop_assert_eq!(table.get("key").and_then(|value| value.as_str()), Some(text.as_str()));
        }
    }
}
