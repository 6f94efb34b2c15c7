//! `mailwarden user`: keeps the users file. Every command asks the daemon's own reader what the file says.

mod list;
mod password;
mod recipe;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use super::{Exit, out};
use crate::auth::hash::make::{BadPassword, CouldNotMake};
use crate::auth::users::edit::store::{self, Absent, StoreError, Stored};
use crate::auth::users::edit::{self, Change, EditError};
use crate::auth::users::shell_word;
use crate::auth::{Plaintext, Users, UsersFileError};
use crate::config::{self, Source};
use recipe::How;

const EXAMPLES: &str = "\
The file is auth.users_file of the configuration unless --file names one. The
password is asked for, or read with --stdin; it is never an argument. The daemon
takes a change up by itself, within two seconds.

Examples:
  mailwarden user add anna
  mailwarden user list --file /etc/nginx/.htpasswd

Exit codes: 0 done; 1 it could not be done, or a wrong password; 2 wrong usage;
78 the configuration is wrong, and no --file was given";

const ADD: &str = "\
A new file gets argon2id. A file that nginx or Apache can read gets bcrypt, so
that they still can. --cost is passes over 19 MiB for argon2id (2 to 16, usually
2), 8 to 15 for bcrypt (10), rounds for sha512-crypt (50000 to 1000000, usually
100000); auto takes 100 ms on this machine, and never less than the usual.

Examples:
  mailwarden user add anna
  pwgen -s 20 1 | mailwarden user add ci-bot --stdin --cost auto

Exit codes: 0 done, 1 there is such a user or it could not be written,
2 wrong usage, 78 bad configuration";

const PASSWD: &str = "\
The format is that of the old password if that is no weaker than a new one, else
the same as for user add. --cost is as there.

Examples:
  mailwarden user passwd anna
  mailwarden user passwd anna --hash bcrypt --cost 12

Exit codes: 0 done, 1 there is no such user or it could not be written,
2 wrong usage, 78 bad configuration";

const REMOVE: &str = "\
Every line for that name goes, so that no later one comes alive.

Example:
  mailwarden user remove anna

Exit codes: 0 done, 1 there is no such user or it could not be written,
2 wrong usage, 78 bad configuration";

const VERIFY: &str = "\
Example:
  mailwarden user verify anna && echo right

Exit codes: 0 right, 1 wrong name or password, or the file cannot be read,
2 wrong usage, 78 bad configuration";

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, disable_help_subcommand = true)]
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
    #[command(after_help = ADD)]
    Add(Set),
    /// Give a user another password
    #[command(after_help = PASSWD)]
    Passwd(Set),
    /// Remove a user
    #[command(after_help = REMOVE)]
    Remove(Name),
    /// Say who is in the file, how strong each hash is, and what is wrong
    List(list::Flags),
    /// Say whether a password is right
    #[command(after_help = VERIFY)]
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

/// Why a command did not do what it was asked to, and how it ends.
struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    fn problem(text: impl ToString) -> Self {
        Self { exit: Exit::Problem, text: text.to_string() }
    }

    fn usage(text: impl ToString) -> Self {
        Self { exit: Exit::Usage, text: text.to_string() }
    }
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
        Command::Add(set) => add(&place, set),
        Command::Passwd(set) => passwd(&place, set),
        Command::Remove(name) => remove(&place, name),
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

fn is_known(users: &Users, name: &[u8]) -> bool {
    users.get(name).is_some() || users.refused(name).is_some()
}

fn add(place: &Place, set: &Set) -> Result<String, Failure> {
    let (name, shown) = set.name.checked()?;
    let users = match Users::load(&place.path, Plaintext::Accepted) {
        Err(UsersFileError::Missing(_)) => {
            store::look_for_folder(&place.path).map_err(Failure::problem)?;
            Users::default()
        }
        users => users?,
    };
    let exists = || {
        let hint = format!("mailwarden user passwd {}{}", shell_word(shown.as_ref()), place.flag);
        Failure::problem(format!("{shown} is in {} already; to change the password: {hint}", place.path.display()))
    };
    // Before anybody types a password in vain. What counts is what the file says under the lock.
    if is_known(&users, name) {
        return Err(exists());
    }
    let recipe = set.how.recipe(&users, name, &place.path)?;
    let hash = recipe.make(&set.password.new_one(&shown, recipe)?)?;
    let stored = store::update(&place.path, Absent::Make, |file| edit::edit(file, name, Change::Add(&hash)));
    let stored = stored.map_err(|error| match error {
        StoreError::Edit(EditError::Exists { .. }) => exists(),
        error => Failure::problem(error),
    })?;
    tell_manner(place, &stored);
    Ok(format!("added {shown} to {}: {}\n", place.path.display(), recipe.scheme()))
}

fn passwd(place: &Place, set: &Set) -> Result<String, Failure> {
    let (name, shown) = set.name.checked()?;
    let users = Users::load(&place.path, Plaintext::Accepted)?;
    let missing = || no_such_user(place, &shown, "; to add one: mailwarden user add");
    if !is_known(&users, name) {
        return Err(missing());
    }
    let recipe = set.how.recipe(&users, name, &place.path)?;
    let hash = recipe.make(&set.password.new_one(&shown, recipe)?)?;
    let stored = store::update(&place.path, Absent::Refuse, |file| edit::edit(file, name, Change::Rehash(&hash)));
    let stored = stored.map_err(|error| match error {
        StoreError::Edit(EditError::NoSuchUser) => missing(),
        error => Failure::problem(error),
    })?;
    tell_manner(place, &stored);
    if let ([first], [_, ..]) = (stored.edited.lines.as_slice(), stored.edited.left.as_slice()) {
        let left = lines(&stored.edited.left);
        out::error(&format!(
            "warning: {left} for {shown} too, and left as it was: line {first} comes first and decides\n"
        ));
    }
    Ok(format!("changed the password of {shown} in {}: {}\n", place.path.display(), recipe.scheme()))
}

fn remove(place: &Place, name: &Name) -> Result<String, Failure> {
    let (name, shown) = name.checked()?;
    let stored = store::update(&place.path, Absent::Refuse, |file| edit::edit(file, name, Change::Remove));
    let stored = stored.map_err(|error| match error {
        StoreError::Edit(EditError::NoSuchUser) => no_such_user(place, &shown, ""),
        error => Failure::problem(error),
    })?;
    tell_manner(place, &stored);
    let several = match stored.edited.lines.as_slice() {
        [_] => String::new(),
        all => format!(", {} lines", all.len()),
    };
    Ok(format!("removed {shown} from {}{several}\n", place.path.display()))
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

fn no_such_user(place: &Place, shown: &str, hint: &str) -> Failure {
    let hint =
        if hint.is_empty() { String::new() } else { format!("{hint} {}{}", shell_word(shown.as_ref()), place.flag) };
    Failure::problem(format!("{shown} is not in {}{hint}", place.path.display()))
}

/// What is unusual about the manner in which a change came to the disk.
fn tell_manner(place: &Place, stored: &Stored) {
    let file = place.path.display();
    if let Some(made) = &stored.made {
        out::error(&format!("made {file}, {made}: the daemon's user has to be able to read it\n"));
    }
    if let Some(why) = &stored.in_place {
        out::error(&format!("warning: {file} was written in place, not replaced: {why}\n"));
    }
    if stored.unlocked {
        out::error(&format!("warning: {file} could not be locked: change it by one command at a time\n"));
    }
}

fn lines(numbers: &[usize]) -> String {
    let list = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match numbers {
        [_] => format!("line {list} is"),
        _ => format!("lines {list} are"),
    }
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
    fn lines_are_counted_in_words() {
        assert_eq!(lines(&[7]), "line 7 is");
        assert_eq!(lines(&[5, 7]), "lines 5, 7 are");
    }

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
