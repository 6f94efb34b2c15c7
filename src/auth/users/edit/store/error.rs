//! Why a users file was not changed, in words for the person who wanted it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::super::super::file::UsersFileError;
use super::super::super::unreadable::{owner, shell_word};
use super::super::EditError;
use crate::config::os_reason;

/// Why nothing was changed.
#[derive(Debug)]
pub enum StoreError {
    /// There is no file to change.
    Read(UsersFileError),
    /// There is no folder for the file.
    NoFolder(PathBuf),
    /// The change is not possible.
    Edit(EditError),
    /// It could not be written.
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It could be neither replaced nor written.
    Hindered {
        /// The file.
        path: PathBuf,
        /// Why it could not be replaced.
        why: String,
    },
    /// A link in a folder that everybody may write to, of neither the follower nor the folder's owner.
    ForeignLink(PathBuf),
    /// A link that root would follow for somebody who does not own the file that it leads to.
    AstrayLink(PathBuf),
    /// Somebody has had the lock for too long.
    Locked {
        /// The file.
        path: PathBuf,
        /// Who, where that can be told.
        holder: Option<String>,
    },
    /// Others change it all the time.
    KeepsChanging(PathBuf),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::NoFolder(folder) => {
                write!(
                    f,
                    "the folder {} does not exist; make it with: mkdir -p {}",
                    folder.display(),
                    shell_word(folder)
                )
            }
            Self::Edit(error) => error.fmt(f),
            Self::Write { path, error } => write!(f, "{}: {}; nothing was changed", path.display(), os_reason(error)),
            Self::Hindered { path, why } => {
                write!(f, "{} may not be written, and {why}; nothing was changed", path.display())
            }
            Self::ForeignLink(link) => {
                let owner = link.symlink_metadata().map_or_else(|_| "another user".to_owned(), |found| owner(&found));
                write!(
                    f,
                    "{}: a link of {owner}'s in a folder that everybody may write to is not followed; name the file that is \
                     meant; nothing was changed",
                    link.display()
                )
            }
            Self::AstrayLink(link) => {
                let owner = link.symlink_metadata().map_or_else(|_| "another user".to_owned(), |found| owner(&found));
                write!(
                    f,
                    "{}: a link of {owner}'s to a file that is somebody else's is not followed by root; name the file that \
                     is meant, or give the link to root; nothing was changed",
                    link.display()
                )
            }
            Self::Locked { path, holder } => {
                write!(f, "{} is locked ", path.display())?;
                match holder {
                    Some(holder) => write!(f, "by {holder}")?,
                    None => f.write_str("by somebody else, perhaps by another `mailwarden user` command")?,
                }
                f.write_str(", and was for 10 seconds; try again when that is done; nothing was changed")
            }
            Self::KeepsChanging(path) => write!(f, "{} changes all the time; nothing was changed", path.display()),
        }
    }
}

impl std::error::Error for StoreError {}
