//! One purge at a time, of the daemon and of the command: a lock on a file in the state directory.
//!
//! The system gives it up when the process ends, however it ends. Files that root makes there belong to whom the directory
//! belongs to, or the daemon could not open them.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

const LOCK_FILE: &str = "purge.lock";

/// The lock, until it is dropped.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "holds the lock until it is closed")] File);

/// Why there is no lock.
#[derive(Debug)]
pub enum NoLock {
    /// Another purge runs.
    Busy,
    /// There is no place for one.
    Failed(io::Error),
}

/// Takes the lock in `dir`, without waiting for it.
///
/// # Errors
/// [`NoLock`].
pub fn take(dir: &Path) -> Result<Lock, NoLock> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = open(dir, LOCK_FILE, &options).map_err(NoLock::Failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(NoLock::Busy),
        Err(TryLockError::Error(error)) => Err(NoLock::Failed(error)),
    }
}

/// The same, and waits for a moment: whoever only looks whether a purge runs has the lock for that long.
///
/// # Errors
/// [`NoLock`].
pub fn take_soon(dir: &Path) -> Result<Lock, NoLock> {
    for _ in 0..10 {
        match take(dir) {
            Err(NoLock::Busy) => std::thread::sleep(Duration::from_millis(50)),
            done => return done,
        }
    }
    take(dir)
}

/// Opens a file of the state directory, which is made if it is not there. No link is followed: the directory may be another
/// user's than root, who may open this.
pub(super) fn open(dir: &Path, name: &str, options: &OpenOptions) -> io::Result<File> {
    let _ = DirBuilder::new().mode(0o700).create(dir);
    let path = dir.join(name);
    let is_new = fs::symlink_metadata(&path).is_err();
    let mut options = options.clone();
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    let file = options.open(&path)?;
    if is_new {
        give_to_owner(&file, dir)?;
    }
    Ok(file)
}

/// Gives what root made in `dir`, a file or a folder, to whom `dir` belongs; of anybody else it stays what it is.
pub(super) fn give_to_owner(made: &File, dir: &Path) -> io::Result<()> {
    let (about, owner) = (made.metadata()?, fs::metadata(dir)?);
    if rustix::process::geteuid().is_root() && (about.uid(), about.gid()) != (owner.uid(), owner.gid()) {
        // Where that is not allowed it is of use to root at least.
        let _ = std::os::unix::fs::fchown(made, Some(owner.uid()), Some(owner.gid()));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_lock_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let lock = take(&state).unwrap();
        assert!(matches!(take(&state), Err(NoLock::Busy)));
        drop(lock);
        assert!(take(&state).is_ok());
    }

    #[test]
    fn without_a_directory_there_is_no_lock() {
        assert!(matches!(take(Path::new("/proc/nowhere")), Err(NoLock::Failed(_))));
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join(LOCK_FILE)).unwrap();
        assert!(matches!(take(dir.path()), Err(NoLock::Failed(_))));
        assert!(!dir.path().join("elsewhere").exists());
    }
}
