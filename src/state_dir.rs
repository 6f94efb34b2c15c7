//! The state directory: files of the daemon's alone, which outlive it.
//!
//! A key in it is as good as everybody's password. One that others could have read, or that is not a whole key, is
//! replaced. A file is written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

/// The bytes of a key.
pub(crate) type Key<const LENGTH: usize> = Zeroizing<[u8; LENGTH]>;

/// Makes the directory if it is not there, and looks whether what lies in it can be relied on.
///
/// # Errors
/// When it cannot be made, or others may write to it.
pub(crate) fn ready(dir: &Path) -> io::Result<()> {
    let _ = DirBuilder::new().mode(0o700).create(dir);
    let about = dir.metadata()?;
    if about.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write to it as well; chmod go-w it"));
    }
    if about.uid() != 0 && about.uid() != own_uid() {
        return Err(io::Error::other("it belongs to another user; chown it"));
    }
    Ok(())
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The key in the file `path`: the one that is there, if it can be relied on, else a new one. That one is replaced is
/// said, with what it `costs`.
///
/// # Errors
/// When it can be neither read nor written, or the system has no randomness to give.
pub(crate) fn key<const LENGTH: usize>(path: &Path, costs: &str) -> io::Result<Key<LENGTH>> {
    match read_key(path) {
        Ok(key) => return Ok(key),
        Err(Unusable::Missing) => {}
        Err(Unusable::Broken(why)) => tracing::warn!("{}: {why}; it is replaced, and {costs}", path.display()),
        Err(Unusable::Failed(error)) => return Err(error),
    }
    new_key(path)
}

/// A new key in the file `path`, whatever was there.
///
/// # Errors
/// When it cannot be written, or the system has no randomness to give.
pub(crate) fn new_key<const LENGTH: usize>(path: &Path) -> io::Result<Key<LENGTH>> {
    let mut key = Zeroizing::new([0; LENGTH]);
    getrandom::fill(&mut *key).map_err(io::Error::other)?;
    replace(path, &*key)?;
    Ok(key)
}

/// Why there is no key in a file.
enum Unusable {
    Missing,
    Broken(&'static str),
    Failed(io::Error),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Unusable::Missing } else { Unusable::Failed(error) }
    }
}

fn read_key<const LENGTH: usize>(path: &Path) -> Result<Key<LENGTH>, Unusable> {
    let about = fs::symlink_metadata(path)?;
    if !about.is_file() {
        return Err(Unusable::Broken("is no regular file"));
    }
    if about.uid() != own_uid() {
        return Err(Unusable::Broken("belongs to another user"));
    }
    if about.mode() & 0o077 != 0 {
        return Err(Unusable::Broken("others may read or write it"));
    }
    if about.len() != LENGTH as u64 {
        return Err(Unusable::Broken("is not a whole key"));
    }
    let mut key = Zeroizing::new([0; LENGTH]);
    File::open(path)?.read_exact(&mut *key)?;
    Ok(key)
}

/// Puts a file of the daemon's alone in the place of what is there, whole or not at all.
///
/// # Errors
/// When that cannot be done: then what was there is there still.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    // Left behind by a process of that number that was killed.
    let _ = fs::remove_file(&new);
    let done = own(OpenOptions::new().create_new(true), &new)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&new, path));
    if done.is_err() {
        let _ = fs::remove_file(&new);
    }
    done
}

/// Opens a file for writing; one that is made is the daemon's alone.
pub(crate) fn own(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.write(true).mode(0o600).open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KEY: usize = 64;

    fn key(path: &Path) -> Key<KEY> {
        super::key(path, "").unwrap()
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn a_key_is_made_once_for_the_daemon_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        ready(&state).unwrap();
        let path = state.join("a.key");
        let first = key(&path);
        assert_eq!((mode(&state), mode(&path)), (0o700, 0o600));
        assert_eq!(*key(&path), *first);
        assert_ne!(*first, [0; KEY]);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "nothing else is left there");
    }

    #[test]
    fn a_key_that_cannot_be_relied_on_is_replaced() {
        type Spoil = fn(&Path);
        let spoils: [(&str, Spoil); 4] = [
            ("readable by others", |path| fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap()),
            ("too short", |path| fs::write(path, [1; KEY - 1]).unwrap()),
            ("too long", |path| fs::write(path, [1; KEY + 1]).unwrap()),
            ("a link to a key", |path| {
                fs::rename(path, path.with_extension("other")).unwrap();
                std::os::unix::fs::symlink(path.with_extension("other"), path).unwrap();
            }),
        ];
        for (what, spoil) in spoils {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.key");
            let before = key(&path);
            spoil(&path);
            let after = key(&path);
            assert_ne!(*after, *before, "{what}");
            assert!(path.symlink_metadata().unwrap().is_file() && mode(&path) == 0o600, "{what}");
            assert_eq!(*key(&path), *after, "{what}");
        }
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_not_relied_on() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(ready(dir.path()).is_err());
        assert!(ready(&dir.path().join("no/such/place")).is_err());
    }
}
