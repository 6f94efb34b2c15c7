//! Gets a changed users file onto the disk: whole or not at all, and one change after the other.
//!
//! The new content goes into a file beside the old one, is on the disk before it has the name, and takes the name in
//! one step: whoever reads at any moment, and whatever is killed at any moment, there is the old file or the new one.
//! The lock is on the file itself, so that it holds through links and mounts; since a replaced file takes its lock with
//! it, who has waited looks whether the name still leads to the file that it has locked.
//!
//! Where the name cannot be taken (a file that is mounted by itself, a folder that may not be written, an owner that
//! may not be given) the file is written in place, in an order in which every step leaves a file of whole lines.

mod error;
mod links;
mod lock;
mod write;

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;
use std::time::Duration;

use super::super::file::{UsersFileError, read};
use super::super::stamp::Stamp;
use super::super::unreadable::{group_number, ownership};
use super::{EditError, Edited};

pub use self::error::StoreError;
use self::links::target;
use self::lock::{Lock, lock};
use self::write::{Obstacle, is_hindrance, replace, write_in_place};

/// A new file is for its owner and for the group, which is the daemon's where there is one: nobody else needs the
/// hashes.
const MODE: u32 = 0o640;
/// The daemon's group, as the service's account file makes it.
const GROUP: &str = "mailwarden";
/// How often the file may have been replaced by somebody else: more than a hundred of us do at once.
const ATTEMPTS: usize = 1000;
/// How long the lock is waited for while nobody replaces the file: every one of us has it for a moment only.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to do where there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Make one.
    Make,
    /// That is an error.
    Refuse,
}

/// A change that is on the disk.
#[derive(Debug)]
pub struct Stored {
    /// What was changed.
    pub edited: Edited,
    /// Owner, group and mode of a file that was made for it.
    pub made: Option<String>,
    /// Why the file was written in place, if it was.
    pub in_place: Option<String>,
    /// Whether nothing kept others from changing it at the same time: the file system has no locks.
    pub unlocked: bool,
}

/// Changes the file at `path`, or the one that a symbolic link there leads to.
///
/// # Errors
/// Why nothing was changed.
pub fn update(
    path: &Path,
    absent: Absent,
    mut edit: impl FnMut(&[u8]) -> Result<Edited, EditError>,
) -> Result<Stored, StoreError> {
    let target = target(path)?;
    match read(path) {
        Err(UsersFileError::Missing(_)) if absent == Absent::Make => {}
        Err(error) => return Err(StoreError::Read(error)),
        Ok(_) => {}
    }
    let path = target;
    let mut made = None;
    for _ in 0..ATTEMPTS {
        if absent == Absent::Make
            && let Some(stamp) = make(&path)?
        {
            made = Some(stamp);
        }
        match attempt(&path, &mut edit) {
            Ok(None) => {}
            Ok(Some(mut stored)) => {
                stored.made = made.and_then(|_| fs::metadata(&path).ok()).map(|found| ownership(&found));
                return Ok(stored);
            }
            Err(error) => {
                // An empty file that we made for nothing.
                if made.is_some_and(|made| made == Stamp::of(&path)) {
                    let _ = fs::remove_file(&path);
                }
                return Err(error);
            }
        }
    }
    Err(StoreError::KeepsChanging(path))
}

/// Looks whether a file could be made at `path`, as far as its folder goes.
///
/// # Errors
/// When there is no folder for it.
pub fn look_for_folder(path: &Path) -> Result<(), StoreError> {
    let path = target(path)?;
    let folder = folder_of(&path);
    if folder.exists() { Ok(()) } else { Err(StoreError::NoFolder(folder.into())) }
}

/// Looks whether the links at `path` may be followed, before anything is read through them.
///
/// # Errors
/// When somebody may have put one there who should not say what is changed.
pub fn look_at_links(path: &Path) -> Result<(), StoreError> {
    target(path).map(drop)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes an empty file where there is none, which to the daemon is the same as none. From there on a new file goes the
/// way of every other: there is something to lock.
fn make(path: &Path) -> Result<Option<Stamp>, StoreError> {
    let cannot = |error| StoreError::Write { path: path.into(), error };
    if fs::symlink_metadata(path).is_ok() {
        return Ok(None);
    }
    let file = match OpenOptions::new().write(true).create_new(true).mode(MODE).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::NoFolder(folder_of(path).into())),
        Err(error) => return Err(cannot(error)),
    };
    // Made by root, it would be root's alone. A folder that gives its own group has been set up so.
    let found = file.metadata().map_err(cannot)?;
    if found.uid() == 0
        && found.gid() == rustix::process::getegid().as_raw()
        && let Some(group) = group_number(GROUP)
    {
        // What became of it is told with the file's owner and group.
        let _ = fchown(&file, None, Some(group));
    }
    Ok(Some(Stamp::from(&file.metadata().map_err(cannot)?)))
}

/// One change under the lock; none when the file was replaced in the meantime.
fn attempt(
    path: &Path,
    edit: &mut impl FnMut(&[u8]) -> Result<Edited, EditError>,
) -> Result<Option<Stored>, StoreError> {
    let cannot = |error| StoreError::Write { path: path.into(), error };
    // The links were followed before: one that is there now was put there in between.
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let open = |write| OpenOptions::new().read(true).write(write).custom_flags(no_link).open(path);
    let (file, is_writable) = match open(true) {
        Ok(file) => (file, true),
        Err(error) if is_hindrance(&error) => (open(false).map_err(cannot)?, false),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
    };
    let unlocked = match lock(&file, PATIENCE).map_err(cannot)? {
        Lock::Held => false,
        Lock::Unknown => true,
        Lock::Others(holder) => return Err(StoreError::Locked { path: path.into(), holder }),
    };
    let found = file.metadata().map_err(cannot)?;
    let stamp = Stamp::from(&found);
    if Stamp::of(path) != stamp {
        return Ok(None);
    }
    let content = read(path).map_err(StoreError::Read)?;
    let edited = edit(&content).map_err(StoreError::Edit)?;
    // htpasswd knows no locks: what it has written while we were reading must not be undone.
    if Stamp::of(path) != stamp {
        return Ok(None);
    }
    let in_place = match replace(path, &file, &found, &edited.content) {
        Ok(()) => None,
        Err(Obstacle::Failure(error)) => return Err(cannot(error)),
        Err(Obstacle::Hindrance(why)) if !is_writable => return Err(StoreError::Hindered { path: path.into(), why }),
        Err(Obstacle::Hindrance(why)) => {
            write_in_place(&file, &content, &edited.content).map_err(cannot)?;
            Some(why)
        }
    };
    Ok(Some(Stored { edited, made: None, in_place, unlocked }))
}
