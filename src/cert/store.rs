//! The folder that all of it lies in. What is killed at any moment leaves a pair that is whole, or none.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use zeroize::Zeroizing;

use super::Pair;
use crate::auth::users::group_number;
use crate::config::os_reason;

/// The folder of the authority's pair; no certificate's folder may be called so.
const AUTHORITY: &str = "authority";
/// The authority's certificate, for everybody.
const TRUSTED: &str = "authority.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
/// What something is called until it is whole.
const UNFINISHED: &str = ".unfinished-";
/// The daemon's group, as the service's account file makes it.
const GROUP: &str = "mailwarden";
/// How long another of us is waited for: every one has the folder for a moment only.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// The folder. Opened for changes it is kept from others of us until it is dropped.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    #[allow(dead_code, reason = "holds the lock until it is closed")]
    lock: Option<File>,
}

/// Who else may read a certificate's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Only its owner.
    Nobody,
    /// A group, by its number.
    Number(u32),
}

impl Group {
    /// The daemon's group, where there is one and root asks: nobody else may give files to it.
    #[must_use]
    pub fn usual() -> Self {
        let is_root = rustix::process::geteuid().is_root();
        is_root.then(|| group_number(GROUP)).flatten().map_or(Self::Nobody, Self::Number)
    }

    /// A group of this machine by its name, or any by its number.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| group_number(text)).map(Self::Number)
    }
}

/// Why something could not be read or written.
#[derive(Debug)]
pub enum StoreError {
    /// The system's word.
    Os(PathBuf, io::Error),
    /// Others could have changed or read what is there.
    Unsafe(PathBuf, &'static str),
    /// It is there already; nothing is overwritten.
    Exists(PathBuf),
    /// There is no such certificate.
    Missing(PathBuf),
    /// The copy of the authority's certificate is another one's.
    AnothersCopy(PathBuf),
    /// Another of us has the folder.
    Locked(PathBuf),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Os(path, error) => write!(f, "{}: {}", path.display(), os_reason(error)),
            Self::Unsafe(path, why) => write!(f, "{}: {why}", path.display()),
            Self::Exists(path) => write!(f, "{} is there already, and nothing is overwritten", path.display()),
            Self::Missing(path) => write!(f, "there is no {}", path.display()),
            Self::AnothersCopy(path) => write!(
                f,
                "{} is not the certificate of the authority beside it, and nothing is overwritten: move it away",
                path.display()
            ),
            Self::Locked(path) => write!(f, "{}: another mailwarden cert has it; nothing was done", path.display()),
        }
    }
}

fn os(path: &Path) -> impl Fn(io::Error) -> StoreError {
    let path = path.to_owned();
    move |error| StoreError::Os(path.clone(), error)
}

impl Folder {
    /// Opens the folder for changes, and makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        if !dir.exists() {
            DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(os(dir))?;
            // Whatever the mask of whoever asks: the daemon has to get in.
            fs::set_permissions(dir, Permissions::from_mode(0o755)).map_err(os(dir))?;
        }
        let folder = File::open(dir).map_err(os(dir))?;
        let about = folder.metadata().map_err(os(dir))?;
        let own = rustix::process::geteuid().as_raw();
        if !about.is_dir() {
            return Err(StoreError::Os(dir.into(), ErrorKind::NotADirectory.into()));
        }
        if about.uid() != 0 && about.uid() != own {
            return Err(StoreError::Unsafe(dir.into(), "belongs to another user, who could read and change all of it"));
        }
        if about.mode() & 0o022 != 0 {
            return Err(StoreError::Unsafe(dir.into(), "others may write to it as well; chmod go-w it"));
        }
        let is_locked = lock(&folder, dir)?;
        let this = Self { dir: dir.into(), lock: Some(folder) };
        if is_locked {
            this.clear_away();
        }
        Ok(this)
    }

    /// The folder for whoever only reads, and may not read every key.
    #[must_use]
    pub fn look(dir: &Path) -> Self {
        Self { dir: dir.into(), lock: None }
    }

    /// What was killed has left. Nobody else is at work here.
    fn clear_away(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// The certificate that people's browsers are to trust.
    #[must_use]
    pub fn trusted(&self) -> PathBuf {
        self.dir.join(TRUSTED)
    }

    /// The folder of a certificate, there or not.
    ///
    /// # Errors
    /// When the authority has that name.
    pub fn place(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.dir.join(name);
        match name {
            AUTHORITY | TRUSTED => Err(StoreError::Unsafe(path, "is the authority's own; put another name first")),
            _ => Ok(path),
        }
    }

    /// The folders that hold a certificate, in order.
    ///
    /// # Errors
    /// [`StoreError::Os`].
    pub fn all(&self) -> Result<Vec<String>, StoreError> {
        let entries = fs::read_dir(&self.dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut names: Vec<String> = entries
            .map_err(os(&self.dir))?
            .into_iter()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| {
                !name.starts_with('.') && name != AUTHORITY && self.dir.join(name).join(CERTIFICATE).exists()
            })
            .collect();
        names.sort();
        Ok(names)
    }

    /// The authority's pair, if there is one.
    ///
    /// # Errors
    /// When it cannot be read, or others could have read its key.
    pub fn authority(&self) -> Result<Option<Pair>, StoreError> {
        let path = self.dir.join(AUTHORITY);
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(None);
        }
        let key = path.join(KEY);
        let about = fs::metadata(&key).map_err(os(&key))?;
        if about.mode() & 0o077 != 0 {
            let why = "others may read this key: chmod 600 it, or make another authority if somebody has";
            return Err(StoreError::Unsafe(key, why));
        }
        read(&path).map(Some)
    }

    /// Keeps a new authority, for whoever asks alone.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one, or a copy of one's certificate.
    pub fn keep_authority(&self, pair: &Pair) -> Result<(), StoreError> {
        if fs::symlink_metadata(self.trusted()).is_ok() {
            return Err(StoreError::AnothersCopy(self.trusted()));
        }
        self.keep_whole(AUTHORITY, pair, 0o700, Group::Nobody)
    }

    /// Sees to it that everybody finds the authority's certificate.
    ///
    /// # Errors
    /// [`StoreError::AnothersCopy`] when something else is there.
    pub fn publish(&self, certificate: &str) -> Result<(), StoreError> {
        let target = self.trusted();
        let new = self.dir.join(format!("{UNFINISHED}{}", std::process::id()));
        let _ = fs::remove_dir_all(&new);
        DirBuilder::new().mode(0o700).create(&new).map_err(os(&new))?;
        let file = new.join(TRUSTED);
        let done = write(&file, certificate, 0o644, Group::Nobody).and_then(|()| {
            match take_name(&file, &target) {
                // Not ours to replace, whatever it is.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => match fs::read_to_string(&target) {
                    Ok(there) if there == certificate => Ok(()),
                    Ok(_) => Err(StoreError::AnothersCopy(target.clone())),
                    Err(error) => Err(StoreError::Os(target.clone(), error)),
                },
                done => done.map_err(os(&target)),
            }
        });
        let _ = fs::remove_dir_all(&new);
        done.and_then(|()| sync(&self.dir))
    }

    /// Keeps a new certificate with its key.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one of that name.
    pub fn keep(&self, name: &str, pair: &Pair, group: Group) -> Result<PathBuf, StoreError> {
        let place = self.place(name)?;
        self.keep_whole(name, pair, 0o755, group)?;
        Ok(place)
    }

    fn keep_whole(&self, name: &str, pair: &Pair, mode: u32, group: Group) -> Result<(), StoreError> {
        let place = self.dir.join(name);
        let new = self.dir.join(format!("{UNFINISHED}{}", std::process::id()));
        let _ = fs::remove_dir_all(&new);
        DirBuilder::new().mode(0o700).create(&new).map_err(os(&new))?;
        let key_mode = if group == Group::Nobody { 0o600 } else { 0o640 };
        let done = write(&new.join(KEY), &pair.key, key_mode, group)
            .and_then(|()| write(&new.join(CERTIFICATE), &pair.certificate, 0o644, Group::Nobody))
            .and_then(|()| fs::set_permissions(&new, Permissions::from_mode(mode)).map_err(os(&new)))
            .and_then(|()| sync(&new))
            // A folder takes the name of no other that has something in it.
            .and_then(|()| match fs::rename(&new, &place) {
                Err(_) if fs::symlink_metadata(&place).is_ok() => Err(StoreError::Exists(place.clone())),
                done => done.map_err(os(&place)),
            });
        if done.is_err() {
            let _ = fs::remove_dir_all(&new);
        }
        done.and_then(|()| sync(&self.dir))
    }

    /// A certificate without its key.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn certificate(&self, name: &str) -> Result<String, StoreError> {
        text(&self.place(name)?.join(CERTIFICATE))
    }

    /// A certificate and its key.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    pub fn read(&self, name: &str) -> Result<Pair, StoreError> {
        read(&self.place(name)?)
    }

    /// Puts a new certificate in the place of the one that is there. The key stays.
    ///
    /// # Errors
    /// When that cannot be done: then the old one is there still.
    pub fn replace(&self, name: &str, certificate: &str) -> Result<PathBuf, StoreError> {
        let place = self.place(name)?;
        let path = place.join(CERTIFICATE);
        let about = fs::metadata(&path).map_err(os(&path))?;
        let new = place.join(format!("{UNFINISHED}{CERTIFICATE}"));
        let _ = fs::remove_file(&new);
        let group =
            if about.gid() == rustix::process::getegid().as_raw() { Group::Nobody } else { Group::Number(about.gid()) };
        let done = write(&new, certificate, about.mode() & 0o777, group)
            .and_then(|()| fs::rename(&new, &path).map_err(os(&path)));
        if done.is_err() {
            let _ = fs::remove_file(&new);
        }
        done.and_then(|()| sync(&place)).map(|()| place)
    }
}

/// The files of a pair: the certificate's and the key's.
#[must_use]
pub fn files(place: &Path) -> (PathBuf, PathBuf) {
    (place.join(CERTIFICATE), place.join(KEY))
}

fn read(place: &Path) -> Result<Pair, StoreError> {
    let (certificate, key) = files(place);
    Ok(Pair { certificate: text(&certificate)?, key: Zeroizing::new(text(&key)?) })
}

fn text(path: &Path) -> Result<String, StoreError> {
    fs::read_to_string(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => StoreError::Missing(path.into()),
        _ => StoreError::Os(path.into(), error),
    })
}

/// Whether the folder is ours alone now. Some file systems have no locks: there each name is still taken by one only.
fn lock(folder: &File, dir: &Path) -> Result<bool, StoreError> {
    let mut waited = Duration::ZERO;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
            }
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(dir.into())),
            Err(TryLockError::Error(_)) => return Ok(false),
        }
    }
}

/// A new file that is on the disk.
fn write(path: &Path, content: &str, mode: u32, group: Group) -> Result<(), StoreError> {
    let written = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content.as_bytes())?;
        if let Group::Number(number) = group {
            fchown(&file, None, Some(number))?;
        }
        // Whatever the mask of whoever asks.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()
    };
    written().map_err(os(path))
}

/// Gives a whole file a name that nothing has.
fn take_name(file: &Path, name: &Path) -> io::Result<()> {
    match renameat_with(CWD, file, CWD, name, RenameFlags::NOREPLACE) {
        // A file system that knows no such renaming.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::hard_link(file, name),
        done => Ok(done?),
    }
}

fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(os(dir))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests;
