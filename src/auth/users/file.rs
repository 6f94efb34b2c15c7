//! Reads the users file from disk. Each manner of not having one is an error of its own: at the start some of them
//! are no error at all, and each wants another thing done.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Users;
use super::stamp::{Stamp, Watch};
use super::unreadable::{Unreadable, shell_word};
use crate::auth::hash::Plaintext;

/// The largest file that is read, in bytes: some 200,000 users.
pub(super) const MAX_FILE: u64 = 16 * 1024 * 1024;

impl Users {
    /// Reads the file at `path`. It blocks on the disk, as little as a file of that size takes.
    ///
    /// # Errors
    /// When there is no file to read. A file with bad lines is no error: see [`Users::problems`].
    pub fn load(path: &Path, plaintext: Plaintext) -> Result<Self, UsersFileError> {
        read(path).map(|bytes| Self::parse_with(&bytes, plaintext))
    }
}

/// A reading of the file that can be told from the next one.
#[derive(Debug)]
pub struct UsersRead {
    /// The users.
    pub users: Users,
    /// What the file was like.
    pub mark: Mark,
}

/// What a file was like when it was read.
#[derive(Clone, Debug)]
pub struct Mark {
    stamp: Stamp,
    digest: Option<[u8; 32]>,
    is_fresh: bool,
}

impl UsersRead {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// As [`Users::load`].
    pub fn of(path: &Path, plaintext: Plaintext) -> Result<Self, UsersFileError> {
        // Before the reading: what is written meanwhile makes another stamp.
        let stamp = Stamp::of(path);
        let is_fresh = stamp.is_fresh(SystemTime::now());
        let bytes = read(path)?;
        let digest = Some(Sha256::digest(&*bytes).into());
        Ok(Self { users: Users::parse_with(&bytes, plaintext), mark: Mark { stamp, digest, is_fresh } })
    }

    /// Nobody, for a file that is not there and need not be.
    #[must_use]
    pub fn nobody() -> Self {
        let mark = Mark { stamp: Stamp::Not(ErrorKind::NotFound), digest: None, is_fresh: false };
        Self { users: Users::default(), mark }
    }
}

impl Mark {
    /// The watch of a file that was read so. One that had changed a moment before is to be read once more: what was written
    /// in the next moment may have the same time.
    #[must_use]
    pub fn watch(&self) -> Watch {
        if self.is_fresh { Watch::unread(self.stamp) } else { Watch::new(self.stamp) }
    }

    /// The digest of its content, if there was a file.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.digest
    }

    /// Whether the file at `path` is still like that.
    #[must_use]
    pub fn holds_for(&self, path: &Path) -> bool {
        Stamp::of(path) == self.stamp
    }
}

/// The bytes leave no copy behind: there may be passwords among them.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, UsersFileError> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => UsersFileError::Missing(path.into()),
        ErrorKind::PermissionDenied => UsersFileError::Unreadable(Unreadable::look(path)),
        _ => UsersFileError::Io(path.into(), error),
    };
    // Before it is opened: opening a named pipe would wait for its writer.
    let found = fs::metadata(path).map_err(failed)?;
    if found.is_dir() {
        return Err(UsersFileError::Directory(path.into()));
    }
    if !found.is_file() {
        return Err(UsersFileError::NotRegular(path.into()));
    }
    // With room for all of it at once, and for the read that finds the end: a vector that grows leaves its old bytes.
    let size = usize::try_from(found.len().min(MAX_FILE)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 32));
    File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(UsersFileError::TooLarge(path.into()));
    }
    Ok(bytes)
}

/// Why there is no users file to read.
#[derive(Debug)]
#[non_exhaustive]
pub enum UsersFileError {
    /// Nothing is at that path.
    Missing(PathBuf),
    /// A directory is at that path: what a container engine makes of a bind mount whose source is missing.
    Directory(PathBuf),
    /// A device, a pipe or a socket is at that path.
    NotRegular(PathBuf),
    /// Over 16 MiB.
    TooLarge(PathBuf),
    /// The daemon's user may not read it; the text holds the command that mends it.
    Unreadable(Unreadable),
    /// Anything else.
    Io(PathBuf, io::Error),
}

impl fmt::Display for UsersFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{} does not exist; make it with: {}", path.display(), how_to_make(path)),
            Self::Directory(path) => write!(
                f,
                "{}: a directory, not a file (a container engine makes one when the file to mount is missing)",
                path.display()
            ),
            Self::NotRegular(path) => write!(f, "{}: not a regular file", path.display()),
            Self::TooLarge(path) => write!(f, "{}: larger than 16 MiB", path.display()),
            Self::Unreadable(unreadable) => unreadable.fmt(f),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for UsersFileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

/// The command that makes a users file, and its folder where that is missing too: a folder's owner and mode are for the
/// one who knows who the daemon runs as.
#[must_use]
pub fn how_to_make(path: &Path) -> String {
    let add = format!("mailwarden user add NAME --file {}", shell_word(path));
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => {
            format!("mkdir -p {} && {add}", shell_word(folder))
        }
        _ => add,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn each_manner_of_having_no_file_is_an_error_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("htpasswd");
        assert!(matches!(Users::load(&path, Plaintext::Refused), Err(UsersFileError::Missing(_))));
        assert!(matches!(Users::load(directory.path(), Plaintext::Refused), Err(UsersFileError::Directory(_))));
        assert!(matches!(Users::load(Path::new("/dev/null"), Plaintext::Refused), Err(UsersFileError::NotRegular(_))));

        fs::write(&path, "").unwrap();
        assert!(Users::load(&path, Plaintext::Refused).unwrap().is_empty());
        fs::write(&path, "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nbob:junk\n").unwrap();
        let users = Users::load(&path, Plaintext::Refused).unwrap();
        assert_eq!((users.len(), users.problems().len()), (1, 1));

        File::options().write(true).open(&path).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(matches!(Users::load(&path, Plaintext::Refused), Err(UsersFileError::TooLarge(_))));
    }
}
