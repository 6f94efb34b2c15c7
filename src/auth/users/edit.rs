//! Changes a users file: one user's line in a file that may hold anything else.
//!
//! Here the change is a function from bytes to bytes. What is no line of that user stays as it is, byte by byte:
//! comments, order, blank lines, line ends, a byte order mark, third fields, lines that nobody can read. The lines are
//! found by the reader's own rule, and what comes out is read again before anybody writes it. How it gets to the disk
//! is [`store`]'s matter.

mod attributes;
pub mod store;

use std::fmt;

use http::HeaderValue;
use zeroize::Zeroizing;

use super::file::MAX_FILE;
use super::{BYTE_ORDER_MARK, ProblemKind, Users, entry};
use crate::auth::hash::Plaintext;
use crate::auth::text::Escaped;

/// What is to become of a user.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// A new line at the end, with this hash.
    Add(&'a str),
    /// Another hash in the user's first line, the one that decides.
    Rehash(&'a str),
    /// None of the user's lines is left: a later one would come alive when the first one goes.
    Remove,
}

/// A file's new content.
pub struct Edited {
    /// All of it. It may hold passwords that nobody hashed.
    pub content: Zeroizing<Vec<u8>>,
    /// The lines that were added, changed or removed, from 1.
    pub lines: Vec<usize>,
    /// The user's lines that are left as they were, since an earlier one decides.
    pub left: Vec<usize>,
}

/// Says nothing of the content.
impl fmt::Debug for Edited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edited").field("lines", &self.lines).field("left", &self.left).finish_non_exhaustive()
    }
}

/// Why a file is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditError {
    /// There is a line for that user, be it one that is refused.
    Exists {
        /// The first one, from 1.
        line: usize,
    },
    /// There is no line for that user.
    NoSuchUser,
    /// The result would not be read as it is meant: why the line would be refused.
    NotRead(String),
    /// The result would be larger than what is read.
    TooLarge,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { line } => write!(f, "there already, in line {line}"),
            Self::NoSuchUser => f.write_str("no such user"),
            Self::NotRead(why) => write!(f, "the line would not be read: {why}"),
            Self::TooLarge => f.write_str("the file would become larger than 16 MiB"),
        }
    }
}

impl std::error::Error for EditError {}

/// Whether the reader would take a line for a user of that name.
///
/// # Errors
/// What is wrong with the name, as a text that goes on from "the user name".
pub fn check_name(name: &[u8]) -> Result<(), &'static str> {
    if name.contains(&b':') {
        return Err("has a colon");
    }
    if name.starts_with(b"#") {
        return Err("begins with #, which makes a comment of its line");
    }
    if name.starts_with(BYTE_ORDER_MARK) {
        return Err("begins with a byte order mark");
    }
    match entry(&[name, b":x"].concat()) {
        None => return Err("is empty"),
        Some(Err(ProblemKind::BadName(how))) => return Err(how),
        Some(_) => {}
    }
    HeaderValue::from_bytes(name).map_err(|_| "has a character that no header may have").map(|_| ())
}

/// A name as messages show it: nothing in it can end a line or colour a terminal.
#[must_use]
pub fn shown(name: &[u8]) -> String {
    Escaped(name).to_string()
}

/// Makes one change.
///
/// # Errors
/// Why there is nothing to change, or why the result would not be what was asked for.
pub fn edit(file: &[u8], name: &[u8], change: Change<'_>) -> Result<Edited, EditError> {
    let own = lines_of(file, name);
    let (content, lines, left) = match (change, own.as_slice()) {
        (Change::Add(_), [first, ..]) => return Err(EditError::Exists { line: first.number }),
        (Change::Rehash(_) | Change::Remove, []) => return Err(EditError::NoSuchUser),
        (Change::Add(hash), []) => {
            let (content, line) = added(file, name, hash);
            (content, vec![line], Vec::new())
        }
        (Change::Rehash(hash), [first, later @ ..]) => {
            let content = joined(&[&file[..first.hash.start], hash.as_bytes(), &file[first.hash.end..]]);
            (content, vec![first.number], later.iter().map(|line| line.number).collect())
        }
        (Change::Remove, lines) => (without(file, lines), lines.iter().map(|line| line.number).collect(), Vec::new()),
    };
    if content.len() as u64 > MAX_FILE {
        return Err(EditError::TooLarge);
    }
    let edited = Edited { content, lines, left };
    match change {
        Change::Add(hash) | Change::Rehash(hash) => is_read(&edited, name, hash)?,
        // A second line that begins with such a mark is another user's when it becomes the first one.
        Change::Remove if edited.content.starts_with(BYTE_ORDER_MARK) && !file.starts_with(BYTE_ORDER_MARK) => {
            return Err(EditError::NotRead("a byte order mark would come first in the file; remove it".to_owned()));
        }
        Change::Remove => {}
    }
    Ok(edited)
}

/// One of the user's lines: where it is in the file, and where its hash is.
struct Line {
    number: usize,
    all: std::ops::Range<usize>,
    hash: std::ops::Range<usize>,
}

/// The lines that the reader takes for that user's, those that it refuses for their hash included.
fn lines_of(file: &[u8], name: &[u8]) -> Vec<Line> {
    let mut start = if file.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut found = Vec::new();
    for (index, line) in file[start..].split_inclusive(|&byte| byte == b'\n').enumerate() {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if let Some(Ok((found_name, _))) = entry(text)
            && found_name == name
        {
            // White space behind a hash goes with it: nginx takes it for a part of the hash, which then never matches.
            let hash = start + name.len() + 1;
            let length = text[name.len() + 1..].iter().position(|&byte| byte == b':');
            let end = length.map_or(start + text.len(), |length| hash + length);
            found.push(Line { number: index + 1, all: start..start + line.len(), hash: hash..end });
        }
        start += line.len();
    }
    found
}

/// With a line at the end, which ends as the one before it does. A last line without an end gets one, or the two would
/// be one line.
fn added(file: &[u8], name: &[u8], hash: &str) -> (Zeroizing<Vec<u8>>, usize) {
    let ends = file.iter().filter(|&&byte| byte == b'\n').count();
    let crlf = file.iter().rposition(|&byte| byte == b'\n').is_some_and(|last| file[..last].ends_with(b"\r"));
    let end: &[u8] = if crlf { b"\r\n" } else { b"\n" };
    let is_open = !matches!(file, [] | [.., b'\n'] | BYTE_ORDER_MARK);
    let between = if is_open { end } else { b"" };
    let content = joined(&[file, between, name, b":", hash.as_bytes(), end]);
    (content, ends + usize::from(is_open) + 1)
}

fn without(file: &[u8], lines: &[Line]) -> Zeroizing<Vec<u8>> {
    let mut kept = Vec::with_capacity(lines.len() + 1);
    let mut from = 0;
    for line in lines {
        kept.push(&file[from..line.all.start]);
        from = line.all.end;
    }
    kept.push(&file[from..]);
    joined(&kept)
}

/// In one allocation of the right size: a vector that grows leaves its old bytes behind.
fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut content = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| content.extend_from_slice(part));
    content
}

/// Asks the daemon's own reader whether the user has that hash now.
fn is_read(edited: &Edited, name: &[u8], hash: &str) -> Result<(), EditError> {
    let users = Users::parse_with(&edited.content, Plaintext::Accepted);
    if users.get(name).is_some_and(|user| user.hash().as_bytes() == hash.as_bytes()) {
        return Ok(());
    }
    let problem = users.problems().iter().find(|problem| edited.lines.contains(&problem.line));
    Err(EditError::NotRead(problem.map_or_else(|| "it is not found again".to_owned(), ToString::to_string)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
