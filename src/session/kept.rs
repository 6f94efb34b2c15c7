//! What sessions leave in the state directory: the key that signs them, and which of them were logged out.
//!
//! The key is as good as everybody's password, so its file is the daemon's alone. One that others could have read, or
//! that is not a whole key, is replaced: its sessions end, which costs people a login. Where nothing can be written the
//! key lives in memory, and sessions end with the process; that is said once and stops nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::signer::Signer;
use super::token::SessionId;
use super::{Seconds, written};
use crate::auth::UserName;
use crate::auth::keyed::{KEY, ProcessKey};
use crate::sink::{Sink, Trouble};

/// The key: so many bytes by chance and nothing else.
const KEY_FILE: &str = "session.key";
/// A line for each session that was logged out: when it began, its id, its user's name.
const ENDED_FILE: &str = "sessions.ended";
/// What is read of it, and what is added to it by one process: a person who logs in and out all day writes no more.
const ENDED_BYTES: u64 = 4 << 20;

/// The bytes of a key.
type Key = Zeroizing<[u8; KEY]>;

/// The key in use, and where sessions that end are noted.
#[derive(Debug)]
pub struct Kept {
    signer: Signer,
    ended: Option<Sink>,
}

impl Kept {
    /// Reads what the directory holds, or makes it. `found` is told of each session that was logged out and is not
    /// over.
    ///
    /// # Errors
    /// When the system has no randomness to give or no thread.
    pub fn open(dir: &Path, now: Seconds, found: impl FnMut(&UserName, SessionId)) -> io::Result<Self> {
        match key(dir).and_then(|key| Ok((key, ended(dir, now, found)?))) {
            Ok((key, file)) => {
                let left = Bounded { file, left: ENDED_BYTES };
                Ok(Self { signer: Signer::of(&key), ended: Some(Sink::start(left, "sessions", tell)?) })
            }
            Err(error) => {
                tracing::warn!(
                    "state_dir: nothing can be kept in {}: {error}; sessions end when the daemon does",
                    dir.display()
                );
                Ok(Self { signer: Signer::random()?, ended: None })
            }
        }
    }

    /// What signs sessions.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Notes that a session was logged out, so that it is known after a restart. Never waits for the writing.
    pub fn ended(&self, name: &UserName, id: SessionId) {
        if let Some(sink) = &self.ended {
            sink.push(line(name, id).as_bytes());
        }
    }

    /// Waits until all of them are noted, for at most `patience`.
    pub fn flush(&self, patience: Duration) {
        if let Some(sink) = &self.ended {
            sink.flush(patience);
        }
    }
}

fn tell(trouble: Trouble) {
    if let Trouble::Unwritten(error) = trouble {
        tracing::warn!(%error, "a session that was logged out cannot be noted; it would be good again after a restart");
    }
}

/// A file that takes so many bytes more and drops what comes then.
struct Bounded {
    file: File,
    left: u64,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        if self.left == 0 { Ok(bytes.len()) } else { self.file.write(bytes) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The key that is there, if it can be relied on, else a new one.
fn key(dir: &Path) -> io::Result<Key> {
    let _ = DirBuilder::new().mode(0o700).create(dir);
    let about = dir.metadata()?;
    if about.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write to it as well; chmod go-w it"));
    }
    if about.uid() != 0 && about.uid() != own_uid() {
        return Err(io::Error::other("it belongs to another user; chown it"));
    }
    let path = dir.join(KEY_FILE);
    match read_key(&path) {
        Ok(key) => return Ok(key),
        Err(Unusable::Missing) => {}
        Err(Unusable::Broken(why)) => {
            tracing::warn!("{}: {why}; it is replaced, and whoever is logged in has to log in again", path.display());
        }
        Err(Unusable::Failed(error)) => return Err(error),
    }
    let key = ProcessKey::draw()?;
    replace(&path, &*key)?;
    Ok(key)
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
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

fn read_key(path: &Path) -> Result<Key, Unusable> {
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
    if about.len() != KEY as u64 {
        return Err(Unusable::Broken("is not a whole key"));
    }
    let mut key = Zeroizing::new([0; KEY]);
    File::open(path)?.read_exact(&mut *key)?;
    Ok(key)
}

/// Puts a file of the daemon's alone in the place of what is there, whole or not at all.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
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

fn own(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.write(true).mode(0o600).open(path)
}

/// Reads the sessions that were logged out, leaves those in the file that are not over, and opens it for more.
fn ended(dir: &Path, now: Seconds, mut found: impl FnMut(&UserName, SessionId)) -> io::Result<File> {
    let path = dir.join(ENDED_FILE);
    let mut text = Vec::new();
    match File::open(&path) {
        Ok(file) => _ = file.take(ENDED_BYTES).read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // Without it those sessions would be good again: better that all of them end.
        Err(error) => return Err(error),
    }
    // What is no line of ours is dropped with what is over.
    let text = String::from_utf8_lossy(&text);
    let mut left = String::new();
    for (name, id) in text.lines().filter_map(read_line) {
        if !id.is_over(now) {
            found(&name, id);
            left.push_str(&line(&name, id));
        }
    }
    replace(&path, left.as_bytes())?;
    own(OpenOptions::new().append(true), &path)
}

fn line(name: &UserName, id: SessionId) -> String {
    format!("{} {} {}\n", id.issued.0, URL_SAFE_NO_PAD.encode(id.random), written(name))
}

fn read_line(line: &str) -> Option<(UserName, SessionId)> {
    let mut words = line.split(' ');
    let issued = Seconds(words.next()?.parse().ok()?);
    let random = URL_SAFE_NO_PAD.decode(words.next()?).ok()?.try_into().ok()?;
    let name = URL_SAFE_NO_PAD.decode(words.next()?).ok()?;
    Some((UserName::of(&name), SessionId { issued, random }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn a_key_is_made_once_for_the_daemon_alone() {
        let dir = dir();
        let state = dir.path().join("state");
        let first = key(&state).unwrap();
        assert_eq!((mode(&state), mode(&state.join(KEY_FILE))), (0o700, 0o600));
        assert_eq!(*key(&state).unwrap(), *first);
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
            let dir = dir();
            let path = dir.path().join(KEY_FILE);
            let before = key(dir.path()).unwrap();
            spoil(&path);
            let after = key(dir.path()).unwrap();
            assert_ne!(*after, *before, "{what}");
            assert!(path.symlink_metadata().unwrap().is_file() && mode(&path) == 0o600, "{what}");
            assert_eq!(*key(dir.path()).unwrap(), *after, "{what}");
        }
    }

    #[test]
    fn a_directory_that_others_may_write_to_keeps_nothing() {
        let dir = dir();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(key(dir.path()).is_err());
        assert!(!dir.path().join(KEY_FILE).exists());
        // And nothing fails for it.
        Kept::open(dir.path(), Seconds(1), |_, _| {}).unwrap();
        Kept::open(&dir.path().join("no/such/place"), Seconds(1), |_, _| {}).unwrap();
    }

    #[test]
    fn sessions_that_were_logged_out_are_read_until_they_are_over() {
        let dir = dir();
        let now = Seconds(1_000_000);
        let id = |issued: u64| SessionId { issued: Seconds(issued), random: [issued as u8; 16] };
        let (anna, odd) = (UserName::of(b"anna"), UserName::of("a b\u{f6}".as_bytes()));
        let lines = [
            line(&anna, id(999_999)),
            "garbage \u{fffd}\n".to_owned(),
            line(&odd, id(999_998)),
            line(&anna, id(900_000)),
        ];
        fs::write(dir.path().join(ENDED_FILE), lines.concat()).unwrap();
        let mut found = Vec::new();
        ended(dir.path(), now, |name, id| found.push((name.clone(), id))).unwrap();
        assert_eq!(found, [(anna, id(999_999)), (odd, id(999_998))]);
        let left = fs::read_to_string(dir.path().join(ENDED_FILE)).unwrap();
        assert_eq!(left, [lines[0].as_str(), &lines[2]].concat());
    }

    #[test]
    fn a_file_takes_no_more_than_it_may() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut bounded = Bounded { file: file.reopen().unwrap(), left: 10 };
        for _ in 0..5 {
            bounded.write_all(b"1234").unwrap();
        }
        assert_eq!(file.path().metadata().unwrap().len(), 8);
    }
}
