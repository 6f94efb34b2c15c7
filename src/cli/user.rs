//! `mailwarden user`: keeps the users file. Every command asks the daemon's own reader what the file says.

mod change;
mod help;
mod list;
mod password;
mod recipe;
mod terminal;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::failure::Failure;
use super::{Exit, out};
use crate::auth::hash::make::{BadPassword, CouldNotMake};
use crate::auth::users::edit;
use crate::auth::users::shell_word;
use crate::auth::{Plaintext, Users, UsersFileError};
use crate::config::{self, Source};
use recipe::How;

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = help::EXAMPLES, disable_help_subcommand = true)]
pub struct Flags {
    /// The htpasswd file, instead of the configuration's
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a user
    #[command(after_help = help::ADD)]
    Add(Set),
    /// Give a user another password
    #[command(after_help = help::PASSWD)]
    Passwd(Set),
    /// Remove a user
    #[command(after_help = help::REMOVE)]
    Remove(Name),
    /// Say who is in the file, how strong each hash is, and what is wrong
    List(list::Flags),
    /// Say whether a password is right
    #[command(after_help = help::VERIFY)]
    Verify(Verify),
}

#[derive(Debug, Args)]
struct Name {
    /// The user's name
    name: OsString,
}

#[derive(Debug, Args)]
struct Set {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    password: password::From,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    password: password::From,
}

impl From<UsersFileError> for Failure {
    fn from(error: UsersFileError) -> Self {
        Self::problem(error)
    }
}

impl From<CouldNotMake> for Failure {
    fn from(error: CouldNotMake) -> Self {
        Self::problem(error)
    }
}

/// The file that a command is about.
struct Place {
    path: PathBuf,
    /// What names it on a command line that this one suggests.
    flag: String,
    /// The configuration's word on passwords that nobody hashed.
    plaintext: Plaintext,
}

/// Runs the command.
pub(super) fn run(config: Option<PathBuf>, flags: Flags) -> Exit {
    let done = place(config, flags.file).and_then(|place| match &flags.command {
        Command::Add(set) => change::add(&place, set),
        Command::Passwd(set) => change::passwd(&place, set),
        Command::Remove(name) => change::remove(&place, name),
        Command::List(flags) => list::run(&place, flags),
        Command::Verify(flags) => verify(&place, flags),
    });
    let printed = done.and_then(|text| {
        out::print(&text).map_err(|error| Failure::problem(format!("standard output: {}", config::os_reason(&error))))
    });
    match printed {
        Ok(()) => Exit::Success,
        Err(Failure { exit, text }) => {
            out::error(&format!("{text}\n"));
            exit
        }
    }
}

/// With a file named, a configuration that is wrong does not matter; what it says of plain text does.
fn place(config: Option<PathBuf>, file: Option<PathBuf>) -> Result<Place, Failure> {
    let configured = config::load_users_file(&Source::of_process(config, Vec::new()));
    match (file, configured) {
        (Some(path), configured) => {
            let flag = format!(" --file {}", shell_word(&path));
            let plaintext = configured.map_or(Plaintext::Refused, |(_, plaintext)| plaintext.into());
            Ok(Place { path, flag, plaintext })
        }
        (None, Ok((path, plaintext))) => Ok(Place { path, flag: String::new(), plaintext: plaintext.into() }),
        (None, Err(errors)) => Err(Failure { exit: Exit::Config, text: errors.to_string() }),
    }
}

impl Name {
    /// The name as bytes, and as it is shown.
    fn checked(&self) -> Result<(&[u8], String), Failure> {
        let bytes = self.name.as_bytes();
        edit::check_name(bytes).map_err(|how| Failure::usage(format!("the user name {how}")))?;
        Ok((bytes, edit::shown(bytes)))
    }
}

/// Whether the password is right. A name that is not there costs what one that is there costs, and gets the same text.
fn verify(place: &Place, flags: &Verify) -> Result<String, Failure> {
    let users = Users::load(&place.path, place.plaintext)?;
    let name = flags.name.name.as_bytes();
    let shown = edit::shown(name);
    let password = flags.password.known_one(&shown)?;
    let user = users.get(name);
    // The same hash for the same name, run after run.
    let seed = name.iter().fold(0u64, |seed, byte| seed.wrapping_mul(31).wrapping_add((*byte).into()));
    let hash = user.map(|user| user.hash()).or_else(|| users.mimic(seed));
    let is_right = match hash.map(|hash| hash.verify(&password)) {
        Some(Ok(is_right)) => is_right && user.is_some(),
        Some(Err(error)) => return Err(Failure::problem(error)),
        None => false,
    };
    if is_right { Ok("right\n".to_owned()) } else { Err(Failure::problem("wrong user name or password")) }
}

/// A password that may be set.
fn checked(password: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, Failure> {
    BadPassword::check(&password).map_err(|why| Failure::problem(format!("{why}; nothing was changed")))?;
    Ok(password)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_name_that_the_reader_would_refuse_is_wrong_usage() {
        let name = |text: &str| Name { name: text.into() };
        assert!(name("anna").checked().is_ok_and(|(bytes, shown)| bytes == b"anna" && shown == "anna"));
        for bad in ["", "a:b", "#a", " a"] {
            assert!(name(bad).checked().is_err_and(|failure| failure.exit == Exit::Usage), "{bad:?}");
        }
    }

    #[test]
    fn a_file_that_is_named_needs_no_configuration() {
        let nowhere = Some(PathBuf::from("/nowhere/mailwarden.toml"));
        assert!(place(nowhere.clone(), Some("x".into())).is_ok_and(|place| place.path == Path::new("x")));
        assert!(place(nowhere, None).is_err_and(|failure| failure.exit == Exit::Config));
    }
}
