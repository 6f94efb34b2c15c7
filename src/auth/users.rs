//! The users of an htpasswd file. Reading never fails: a line that cannot be used refuses its own user, is listed
//! with its number, and changes nothing for the others.
//!
//! The first line for a name decides, as in nginx and Apache, also when that line is refused: a later line must not
//! bring back a user whom the first one locks.

pub mod edit;
mod file;
mod mimic;
mod stamp;
mod unreadable;

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use super::hash::{HashError, PLAIN, Plaintext, StoredHash};
use super::text::Escaped;

pub use file::{Mark, UsersFileError, UsersRead, how_to_make};
pub use stamp::{Stamp, Watch};
pub use unreadable::Unreadable;
pub(crate) use unreadable::{group_number, ownership, shell_word};

/// The longest line that is read, in bytes. The longest hash has under 300.
const MAX_LINE: usize = 8 * 1024;
/// The longest user name, in bytes: what `htpasswd` allows.
const MAX_NAME: usize = 255;
/// How many problems are kept: a file that is no users file at all must not fill the log or the memory.
const MAX_PROBLEMS: usize = 1000;
/// What some editors begin a file with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A user's name as the file has it: bytes without control characters, mostly UTF-8. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(Arc<[u8]>);

impl UserName {
    /// A name that was read elsewhere. Whether anybody has it is another matter.
    pub(crate) fn of(name: &[u8]) -> Self {
        Self(name.into())
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for UserName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// Escapes whatever could change the look of a log line.
impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// One user who can log in.
#[derive(Debug)]
pub struct User {
    name: UserName,
    header: HeaderValue,
    hash: StoredHash,
    line: usize,
}

impl User {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &UserName {
        &self.name
    }

    /// The name as a header's value, made once.
    #[must_use]
    pub fn header_value(&self) -> &HeaderValue {
        &self.header
    }

    /// The hash of the user's password.
    #[must_use]
    pub fn hash(&self) -> &StoredHash {
        &self.hash
    }

    /// The line of the file, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }
}

/// The users of one reading of the file; a reload makes a new one.
#[derive(Debug, Default)]
pub struct Users {
    by_name: HashMap<UserName, Arc<User>>,
    in_order: Vec<Arc<User>>,
    classes: mimic::Classes,
    /// Names that have a line, and no line that can be used.
    refused: HashSet<UserName>,
    problems: Vec<LineProblem>,
    unlisted: usize,
}

impl Users {
    /// Reads a file's bytes: lines `user:hash`, what follows a second colon ignored; blank lines, lines that begin
    /// with `#`, CRLF and a byte order mark are fine. White space after a hash is dropped, as Apache drops it. A line
    /// with `{PLAIN}` is refused.
    #[must_use]
    pub fn parse(file: &[u8]) -> Self {
        Self::parse_with(file, Plaintext::Refused)
    }

    /// As [`Users::parse`], with the configuration's word on `{PLAIN}`.
    #[must_use]
    pub fn parse_with(file: &[u8], plaintext: Plaintext) -> Self {
        let mut users = Self::default();
        let mut first_lines: HashMap<UserName, usize> = HashMap::new();
        let file = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
        for (index, text) in file.split(|&byte| byte == b'\n').enumerate() {
            let line = index + 1;
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let (name, hash) = match entry(text) {
                None => continue,
                Some(Ok(parts)) => parts,
                Some(Err(kind)) => {
                    users.note(LineProblem { line, name: None, kind });
                    continue;
                }
            };
            let name = UserName(name.into());
            if let Some(&first) = first_lines.get(&name) {
                users.note(LineProblem { line, name: Some(name), kind: ProblemKind::Duplicate { first } });
                continue;
            }
            first_lines.insert(name.clone(), line);
            match user(&name, hash, plaintext, text, line) {
                Ok(user) => users.add(user),
                Err(kind) => {
                    users.refused.insert(name.clone());
                    users.note(LineProblem { line, name: Some(name), kind });
                }
            }
        }
        users
    }

    /// The user of exactly that name. A user whose line was refused is not there.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// The name, if the file has it and its line was refused: such a user knows his password and cannot log in.
    #[must_use]
    pub fn refused(&self, name: &[u8]) -> Option<&UserName> {
        self.refused.get(name)
    }

    /// How many users can log in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.in_order.len()
    }

    /// Whether nobody can log in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    /// The users in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &User> {
        self.in_order.iter().map(AsRef::as_ref)
    }

    /// What is wrong with the file, in its order, at most 1000 lines of it.
    #[must_use]
    pub fn problems(&self) -> &[LineProblem] {
        &self.problems
    }

    /// How many more problems there are than [`Users::problems`] lists.
    #[must_use]
    pub fn unlisted_problems(&self) -> usize {
        self.unlisted
    }

    /// The hash that an unknown user's password is checked against, so that the answer takes as long as a known
    /// user's. The same seed picks the same hash, or one of its format and cost, for as long as the file has them in
    /// the same shares; and seeds spread over the users: in a file of several formats an unknown name is as often slow
    /// as a known one is. None only when there are no users.
    #[must_use]
    pub fn mimic(&self, seed: u64) -> Option<&StoredHash> {
        self.classes.pick(seed)
    }

    /// Whether there are users of several formats or costs.
    #[must_use]
    pub fn are_mixed(&self) -> bool {
        self.classes.are_several()
    }

    fn add(&mut self, user: User) {
        let user = Arc::new(user);
        self.classes.add(&user.hash);
        self.by_name.insert(user.name.clone(), user.clone());
        self.in_order.push(user);
    }

    fn note(&mut self, problem: LineProblem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.unlisted += 1;
        }
    }
}

/// A name, and the text of its hash.
type Entry<'a> = (&'a [u8], &'a [u8]);

/// What a line without its end holds; none if it is blank or a comment. Whoever changes a file asks it too, so that
/// what is changed is what is read.
fn entry(text: &[u8]) -> Option<Result<Entry<'_>, ProblemKind>> {
    match text.trim_ascii_start() {
        [] | [b'#', ..] => None,
        _ => Some(split(text)),
    }
}

/// Splits a line into a name that may be one and the hash's text.
fn split(text: &[u8]) -> Result<Entry<'_>, ProblemKind> {
    let mut fields = text.splitn(3, |&byte| byte == b':');
    let (Some(name), Some(hash)) = (fields.next(), fields.next()) else {
        return Err(ProblemKind::NoColon);
    };
    if name.is_empty() {
        return Err(ProblemKind::BadName("is empty"));
    }
    if name.len() > MAX_NAME {
        return Err(ProblemKind::BadName("is longer than 255 bytes"));
    }
    if name.iter().any(u8::is_ascii_control) {
        return Err(ProblemKind::BadName("has a control character"));
    }
    // A header's value loses the white space around it: the catcher would be told another name.
    if name.trim_ascii().len() != name.len() {
        return Err(ProblemKind::BadName("has a space before or after it"));
    }
    // A password in plain text may end in a space, and does so in nginx.
    Ok((name, if hash.starts_with(PLAIN) { hash } else { hash.trim_ascii_end() }))
}

fn user(name: &UserName, hash: &[u8], plaintext: Plaintext, text: &[u8], line: usize) -> Result<User, ProblemKind> {
    if text.len() > MAX_LINE {
        return Err(ProblemKind::LineTooLong);
    }
    let hash = StoredHash::parse_with(hash, plaintext).map_err(ProblemKind::Hash)?;
    let header = HeaderValue::from_bytes(name.as_bytes())
        .map_err(|_| ProblemKind::BadName("has a character that no header may have"))?;
    Ok(User { name: name.clone(), header, hash, line })
}

/// A line that is not used as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// The line of the file, counted from 1.
    pub line: usize,
    /// The user whom it concerns, where the line has a usable name.
    pub name: Option<UserName>,
    /// What is wrong.
    pub kind: ProblemKind,
}

/// What can be wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// No colon: perhaps a hash or a password alone, so the line is not repeated.
    NoColon,
    /// A name that no user can have, and in what way.
    BadName(&'static str),
    /// Over 8 KiB.
    LineTooLong,
    /// The hash is refused.
    Hash(HashError),
    /// The name stood in an earlier line, which decides.
    Duplicate {
        /// That line, counted from 1.
        first: usize,
    },
}

impl LineProblem {
    /// What is wrong and for whom, without the line's number.
    #[must_use]
    pub fn reason(&self) -> String {
        fmt::from_fn(|f| self.fmt_reason(f)).to_string()
    }

    fn fmt_reason(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "user {name}: ")?;
        }
        match &self.kind {
            ProblemKind::NoColon => f.write_str("no colon between user and hash"),
            ProblemKind::BadName(how) => write!(f, "the user name {how}"),
            ProblemKind::LineTooLong => f.write_str("longer than 8 KiB"),
            ProblemKind::Hash(error) => fmt::Display::fmt(error, f),
            ProblemKind::Duplicate { first } => {
                write!(f, "ignored, line {first} for this user comes first")
            }
        }
    }
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        self.fmt_reason(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
