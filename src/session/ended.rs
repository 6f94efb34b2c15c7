//! The file of the sessions that were logged out: a line is added for each, and the whole is written anew, from the
//! list in memory, when it has grown large. So its size is bounded as the list is.
//!
//! ```text
//! WHEN ID NAME      the session that began then
//! WHEN * NAME       every session of that user's that began no later
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::kept::KEY_FILE;
use super::revoked::{End, Revoked};
use super::token::{LIFETIME, SessionId};
use super::{Seconds, written};
use crate::auth::UserName;
use crate::auth::keyed::Key;
use crate::state_dir;

/// Its name.
const FILE: &str = "sessions.ended";
/// A file of so many bytes is not worth being written anew.
const SMALL: u64 = 64 << 10;
/// More than ten thousand users who log in and out all day leave; what is larger is none of ours.
const LARGEST: u64 = 256 << 20;
/// In the place of an id: all of them.
const ALL: &str = "*";

/// Where it lies.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// What it holds that is not over by itself.
///
/// # Errors
/// When any of it cannot be read, or it is not there: nobody can say then what was logged out.
pub(super) fn read(dir: &Path, now: Seconds) -> io::Result<Vec<(UserName, End)>> {
    let mut text = String::new();
    let length = File::open(path(dir))?.take(LARGEST + 1).read_to_string(&mut text)?;
    // A torn line may look like a whole one of somebody else's.
    if length as u64 > LARGEST || !(text.is_empty() || text.ends_with('\n')) {
        return Err(io::Error::other("is not whole"));
    }
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (name, end) = read_line(line).ok_or_else(|| io::Error::other("has a line that cannot be read"))?;
        if !end.is_over(now) {
            found.push((name, end));
        }
    }
    Ok(found)
}

/// The line of a session that was logged out.
pub(super) fn line(name: &UserName, id: &SessionId) -> String {
    format!("{} {} {}\n", id.issued.0, URL_SAFE_NO_PAD.encode(id.random), written(name))
}

fn line_of(name: &UserName, end: &End) -> String {
    match end {
        End::One(id) => line(name, id),
        End::AllUntil(until) => format!("{} {ALL} {}\n", until.0, written(name)),
    }
}

fn read_line(line: &str) -> Option<(UserName, End)> {
    let mut words = line.split(' ');
    let when = Seconds(words.next()?.parse().ok()?);
    let end = match words.next()? {
        ALL => End::AllUntil(when),
        id => End::One(SessionId { issued: when, random: URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()? }),
    };
    let name = URL_SAFE_NO_PAD.decode(words.next()?).ok()?;
    words.next().is_none().then(|| (UserName::of(&name), end))
}

impl End {
    fn is_over(&self, now: Seconds) -> bool {
        match self {
            End::One(id) => id.is_over(now),
            End::AllUntil(until) => now.0 >= until.0.saturating_add(LIFETIME),
        }
    }
}

/// Writes the file. What is written to it are lines of sessions that are on the list already.
pub(super) struct Journal {
    dir: PathBuf,
    key: Key,
    revoked: Arc<Revoked>,
    behind: Arc<AtomicBool>,
    /// None until the whole is written next.
    file: Option<File>,
    size: u64,
    /// At this size the whole is written anew.
    large: u64,
    /// While the file could not be written.
    failing: bool,
}

impl Journal {
    /// Of a directory whose key is this one. With the first write the file is written anew; `behind` causes that, too.
    pub(super) fn new(dir: &Path, key: Key, revoked: Arc<Revoked>, behind: Arc<AtomicBool>) -> Self {
        let mut journal =
            Self { dir: dir.to_owned(), key, revoked, behind, file: None, size: 0, large: SMALL, failing: false };
        // Now, so that key and list are there together.
        let _ = journal.write_all(b"\n");
        journal
    }

    fn add(&mut self, lines: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) if self.size < self.large && !self.behind.load(Ordering::Relaxed) => {
                file.write_all(lines)?;
                file.sync_data()?;
                self.size += lines.len() as u64;
                Ok(())
            }
            _ => self.write_anew(),
        }
    }

    fn write_anew(&mut self) -> io::Result<()> {
        // First: what comes on the list from now on brings a line of its own.
        self.behind.store(false, Ordering::Relaxed);
        let text: String = self.revoked.all().iter().map(|(name, end)| line_of(name, end)).collect();
        let path = path(&self.dir);
        state_dir::replace(&path, text.as_bytes())?;
        self.file = Some(state_dir::own(OpenOptions::new().append(true), &path)?);
        self.size = text.len() as u64;
        self.large = SMALL.max(2 * self.size);
        if self.failing {
            state_dir::replace(&self.dir.join(KEY_FILE), &*self.key)?;
            self.failing = false;
            tracing::info!("sessions that are logged out can be noted again, and outlive a restart");
        }
        Ok(())
    }

    /// Without its key on the disk the list is not missed.
    fn failed(&mut self, error: &io::Error) {
        self.behind.store(true, Ordering::Relaxed);
        if std::mem::replace(&mut self.failing, true) {
            return;
        }
        let (path, key) = (path(&self.dir), self.dir.join(KEY_FILE));
        match fs::remove_file(&key) {
            Err(also) if also.kind() != io::ErrorKind::NotFound => tracing::warn!(
                "{}: a session that was logged out cannot be noted: {error}; remove {} by hand, or it is good again \
                 after a restart",
                path.display(),
                key.display()
            ),
            _ => tracing::warn!(
                "{}: a session that was logged out cannot be noted: {error}; until it can, all sessions end with the \
                 daemon",
                path.display()
            ),
        }
    }
}

impl io::Write for Journal {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match self.add(lines).or_else(|_| self.write_anew()) {
            Ok(()) => Ok(lines.len()),
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
