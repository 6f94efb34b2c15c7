//! What is wrong with a configuration: each fault with its place, its key, the reason and what to do.

use std::fmt;
use std::path::PathBuf;

/// Everything that is wrong, in the order of the places: the file from top to bottom, the environment, the flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
    unread: bool,
}

impl ConfigErrors {
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        ConfigErrors { errors, unread: false }
    }

    /// There was no reading the file, which is all that is known.
    pub(super) fn unread(error: ConfigError) -> Self {
        ConfigErrors { errors: vec![error], unread: true }
    }

    /// Whether there was no reading the file: nobody need have made a mistake.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// The faults one by one.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.errors.iter()
    }
}

/// A line an error; a syntax error has its line of the file below it.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it was written.
    pub place: Place,
    /// The key that it is about, if the file names it; a variable and a flag are names enough.
    pub key: Option<String>,
    /// What is wrong and what to do.
    pub reason: String,
    /// For a syntax error: the line of the file, with a mark below.
    pub excerpt: Option<String>,
}

/// `FILE:LINE: KEY: reason`, `environment NAME: reason` or `--FLAG: reason`.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.reason)?;
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Where something was written. The order is the one in which faults are told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere: it is the product's own default.
    Default,
    /// In the file.
    File {
        /// The file's path.
        path: PathBuf,
        /// The line, from 1; none when it is about the file as a whole.
        line: Option<usize>,
        /// The column, from 1, where a syntax error is.
        column: Option<usize>,
    },
    /// In the environment.
    Environment {
        /// The variable's name.
        name: String,
    },
    /// In a flag of `serve`.
    Flag {
        /// The flag's name without dashes.
        name: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => f.write_str("default"),
            Place::File { path, line, column } => {
                write!(f, "{}", path.display())?;
                for number in [line, column].into_iter().flatten() {
                    write!(f, ":{number}")?;
                }
                Ok(())
            }
            Place::Environment { name } => write!(f, "environment {name}"),
            Place::Flag { name } => write!(f, "--{name}"),
        }
    }
}

/// Where something was written, for messages: what differs in nothing else is the same.
#[derive(Debug, Clone)]
pub struct Written(pub Place);

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Written {}

/// What an error of the system says, without the number that Rust adds to it.
pub(crate) fn os_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text.get(..end).unwrap_or_default().to_owned(),
        None => text,
    }
}
