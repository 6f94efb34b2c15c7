//! The configuration: what was written, what is true, and the way from one to the other.
//!
//! [`load`] fills a flat map of keys from the defaults, the file, the environment and the flags, each over the one
//! before (`raw`), then reads it key by key into the [`model`]. Whatever is wrong is told at once, each fault with
//! its place. Only modules of this directory see what was written; all others see the model.

mod access;
mod address;
mod environment;
mod error;
mod file;
mod hosts;
mod keys;
mod log;
pub mod model;
mod origins;
mod purge;
mod raw;
mod read;
mod reader;
mod secret;
mod settings;
mod suggestion;
mod tls;
mod trusted;
pub(crate) mod units;
mod upstream;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) use error::os_reason;
pub use error::{ConfigError, ConfigErrors, Place, Written};
pub use model::Config;
use raw::Raw;

/// Where the file is if nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/mailwarden/mailwarden.toml";

/// Where a configuration comes from. It is kept for reloads, which read the same again.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The file that somebody named; `None` is [`DEFAULT_PATH`], where no file is fine.
    pub path: Option<PathBuf>,
    /// The environment, whole: the variables that are not ours are passed over.
    pub env: Vec<(OsString, OsString)>,
    /// Flags of the command line that stand for keys, in the order in which they were given.
    pub flags: Vec<Flag>,
}

impl Source {
    /// The source of a process: its environment with the file and the flags of its command line.
    pub fn of_process(path: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        Source { path, env: std::env::vars_os().collect(), flags }
    }

    /// The path of the file, the default one included.
    pub fn file(&self) -> &Path {
        self.path.as_deref().unwrap_or_else(|| Path::new(DEFAULT_PATH))
    }
}

/// A flag of the command line that stands for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its name without dashes, as in the table of keys.
    pub name: &'static str,
    /// What was given; a list may have commas, and may be given in several flags.
    pub value: String,
}

/// Loads a configuration: the defaults, over them the file, over that the environment, over that the flags.
///
/// Reads the file and the file of `upstream.password_file`; the users file is not looked at.
///
/// # Errors
/// Everything that is wrong with any of them, each with its place and what to do.
pub fn load(source: &Source) -> Result<Config, ConfigErrors> {
    let content = read_file(source)?;
    assemble(source, content.as_deref())
}

/// [`load`] with the file's content at hand.
fn assemble(source: &Source, content: Option<&[u8]>) -> Result<Config, ConfigErrors> {
    let mut raw = Raw::defaults();
    if let Some(content) = content {
        raw.add_file(source.file(), content).map_err(ConfigErrors::new)?;
    }
    raw.add_environment(&source.env);
    raw.add_flags(&source.flags);
    read::config(raw)
}

/// [`load`] while the daemon runs.
///
/// # Errors
/// As [`load`], and for a file that can be read only once, or that might be waited for without end.
pub fn load_again(source: &Source) -> Result<Config, ConfigErrors> {
    match std::fs::metadata(source.file()) {
        Ok(found) if !found.is_file() => {
            Err(unreadable(source.file(), "is no regular file, so it cannot be read again".to_owned()))
        }
        _ => load(source),
    }
}

fn unreadable(path: &Path, reason: String) -> ConfigErrors {
    let place = Place::File { path: path.to_owned(), line: None, column: None };
    ConfigErrors::unread(ConfigError { place, key: None, reason, excerpt: None })
}

/// Where the daemon of this configuration tells how it goes, whatever else is wrong with the configuration: a mistake that
/// somebody makes in a running daemon's file must not make it look dead.
///
/// # Errors
/// What is wrong with `status.listen` itself.
pub fn load_status(source: &Source) -> Result<Option<model::StatusConfig>, ConfigErrors> {
    let mut raw = Raw::defaults();
    if let Ok(Some(content)) = read_file(source) {
        // A file that is no TOML says nothing about it, and then the default is the best guess.
        let _ = raw.add_file(source.file(), &content);
    }
    raw.add_environment(&source.env);
    raw.add_flags(&source.flags);
    read::status(raw)
}

/// The path of the users file, and whether it may hold passwords that nobody hashed, whatever else is wrong with the
/// configuration: a mistake elsewhere is no reason to leave somebody locked out.
///
/// # Errors
/// What is wrong with `auth.users_file`. A file that cannot be read or is no TOML might have named another users file,
/// and a name that is nearly the key's was meant to.
pub fn load_users_file(source: &Source) -> Result<(PathBuf, bool), ConfigErrors> {
    let content = read_file(source)?;
    let mut raw = Raw::defaults();
    if let Some(content) = content {
        raw.add_file(source.file(), &content).map_err(ConfigErrors::new)?;
    }
    raw.add_environment(&source.env);
    read::users_file(raw)
}

/// The configuration of a machine where nobody wrote anything.
///
/// # Errors
/// None, as a test shows; the defaults go the way of every other value.
pub fn defaults() -> Result<Config, ConfigErrors> {
    read::config(Raw::defaults())
}

/// Whether a configuration of this key and the defaults is one. The text is the key's line. What the key has to do with
/// other keys is not looked at, nor is a key whose capability is not built.
///
/// # Errors
/// What is wrong with the value.
pub(crate) fn accepts(key: &str, text: &str) -> Result<(), String> {
    // A fault without a key is one of TOML itself.
    let is_own = |fault: &&ConfigError| fault.key.as_deref().is_none_or(|found| found == key);
    let is_alone = |fault: &&ConfigError| !TOGETHER.iter().any(|part| fault.reason.contains(part));
    faults(text).iter().find(|fault| is_own(fault) && is_alone(fault)).map_or(Ok(()), |fault| Err(fault.reason.clone()))
}

/// Whether a text is a configuration, but for keys whose capability is not built.
///
/// # Errors
/// What is wrong with it, one fault a line.
pub(crate) fn accepts_all(text: &str) -> Result<(), String> {
    let faults: Vec<String> = faults(text).iter().map(|fault| fault.to_string()).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// What is in the reason of a fault that another key may mend.
const TOGETHER: [&str; 11] = [
    "needs TLS",
    "needs a certificate",
    "needs a default certificate",
    "needs tls.client_ca_file",
    "give both or none",
    "and no entry of listen is https",
    "means nothing without redirect",
    "needs hosts",
    "needs trusted_proxies",
    "is this gate's own address",
    "is taken by listen",
];

/// What the loader says of a text, but for keys whose capability is not built.
fn faults(text: &str) -> Vec<ConfigError> {
    let is_built = |fault: &ConfigError| {
        !fault.key.as_deref().is_some_and(|key| matches!(keys::find(key), keys::Known::NotYet(_)))
    };
    match assemble(&Source::default(), Some(text.as_bytes())) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().filter(|fault| is_built(fault)).cloned().collect(),
    }
}

/// Where a key stands in the annotated example; one that is not built comes last.
pub(crate) fn rank(key: &str) -> usize {
    keys::KEYS.iter().position(|known| known.path == key).unwrap_or(usize::MAX)
}

/// The file's content; `None` where there need be no file and is none.
fn read_file(source: &Source) -> Result<Option<Vec<u8>>, ConfigErrors> {
    let path = source.file();
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && source.path.is_none() => Ok(None),
        Err(error) => Err(unreadable(path, format!("cannot be read: {}", os_reason(&error)))),
    }
}
