//! What sessions leave in the state directory: the key that signs them, and which of them were logged out.
//!
//! The two belong together: a key without the list would make sessions good again that were logged out. So where the
//! list is gone or cannot be read, the key is replaced; and while the list cannot be written, the key is taken off the
//! disk. Either costs people a login, and a logout is never forgotten. Where nothing can be written the key lives in
//! memory, and sessions end with the process; that is said once and stops nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Seconds;
use super::ended::{self, Journal};
use super::revoked::Revoked;
use super::signer::Signer;
use super::token::SessionId;
use crate::auth::UserName;
use crate::auth::keyed::Key;
use crate::sink::{Sink, Trouble};
use crate::state_dir;

/// The key: so many bytes by chance and nothing else.
pub(super) const KEY_FILE: &str = "session.key";

/// The key in use, and where sessions that end are noted.
#[derive(Debug)]
pub struct Kept {
    signer: Signer,
    ended: Option<Sink>,
    /// Whether something that ended is not noted yet.
    behind: Arc<AtomicBool>,
}

impl Kept {
    /// Reads what the directory holds, or makes it. `revoked` is told of each session that was logged out and is not
    /// over, and is what the file is written from.
    ///
    /// # Errors
    /// When the system has no randomness to give or no thread.
    pub fn open(dir: &Path, now: Seconds, revoked: &Arc<Revoked>) -> io::Result<Self> {
        let behind = Arc::new(AtomicBool::new(false));
        match state_dir::ready(dir).and_then(|()| key(dir, now, revoked)) {
            Ok(key) => {
                let signer = Signer::of(&key);
                let journal = Journal::new(dir, key, Arc::clone(revoked), Arc::clone(&behind));
                Ok(Self { signer, ended: Some(Sink::start(journal, "sessions", tell)?), behind })
            }
            Err(error) => {
                tracing::warn!(
                    "state_dir: nothing can be kept in {}: {error}; sessions end when the daemon does",
                    dir.display()
                );
                Ok(Self { signer: Signer::random()?, ended: None, behind })
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
            let lost = sink.lost();
            sink.push(ended::line(name, &id).as_bytes());
            // More waits than may wait. It is on the list, from which the file is written anew then.
            if sink.lost() != lost {
                self.behind.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Tries once more to note what could not be noted.
    pub fn catch_up(&self) {
        if let Some(sink) = self.ended.as_ref().filter(|_| self.behind.load(Ordering::Relaxed)) {
            sink.push(b"\n");
        }
    }

    /// Waits until all of them are noted, for at most `patience`.
    pub fn flush(&self, patience: Duration) {
        if let Some(sink) = &self.ended {
            sink.flush(patience);
        }
    }
}

/// What goes wrong is told where the file is written, which knows what it means.
fn tell(_: Trouble) {}

/// The key that is there, if it and the list can be relied on, else a new one.
fn key(dir: &Path, now: Seconds, revoked: &Revoked) -> io::Result<Key> {
    const COSTS: &str = "whoever is logged in has to log in again";
    let path = dir.join(KEY_FILE);
    let had_key = path.symlink_metadata().is_ok();
    let found = ended::read(dir, now);
    if let Ok(found) = &found {
        revoked.restore(found);
    }
    match found {
        Ok(_) => state_dir::key(&path, COSTS),
        Err(why) => {
            if had_key {
                tracing::warn!(
                    "{}: {why}; the key of the sessions is replaced, and {COSTS}",
                    ended::path(dir).display()
                );
            }
            // The old key goes before the list is anything else than it was.
            state_dir::new_key(&path)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Seconds = Seconds(1_000_000);

    fn id(issued: u64) -> SessionId {
        SessionId { issued: Seconds(issued), random: [issued as u8; 16] }
    }

    /// What a daemon that starts there holds for ended, and the key that it leaves.
    fn start(dir: &Path) -> (Arc<Revoked>, Option<Vec<u8>>) {
        let revoked = Arc::new(Revoked::default());
        let kept = Kept::open(dir, NOW, &revoked).unwrap();
        kept.flush(Duration::from_secs(60));
        (revoked, fs::read(dir.join(KEY_FILE)).ok())
    }

    #[test]
    fn sessions_that_were_logged_out_are_read_until_they_are_over() {
        let dir = tempfile::tempdir().unwrap();
        let (_, key) = start(dir.path());
        let (anna, odd) = (UserName::of(b"anna"), UserName::of("a b\u{f6}".as_bytes()));
        let lines = [(&anna, id(999_999)), (&odd, id(999_998)), (&anna, id(900_000))];
        let lines = lines.map(|(name, id)| ended::line(name, &id));
        fs::write(ended::path(dir.path()), lines.concat()).unwrap();
        let (revoked, same) = start(dir.path());
        assert!(key.is_some() && same == key);
        assert!(revoked.contains(&anna, &id(999_999)) && revoked.contains(&odd, &id(999_998)));
        assert_eq!(revoked.len(), 2, "what is over by itself is not kept");
    }

    #[test]
    fn a_list_that_is_gone_or_broken_ends_all_sessions() {
        type Spoil = fn(&Path);
        let whole = || ended::line(&UserName::of(b"anna"), &id(999_999));
        let spoils: [(&str, Spoil); 5] = [
            ("gone", |path| fs::remove_file(path).unwrap()),
            ("torn", |path| fs::write(path, "999999 AAAAAAAAAAAAAAAAAAAAAA YW5u").unwrap()),
            ("a foreign line", |path| fs::write(path, "garbage \u{fffd}\n").unwrap()),
            ("zeroes, as after a power failure", |path| fs::write(path, [0; 64]).unwrap()),
            ("a directory", |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            }),
        ];
        for (what, spoil) in spoils {
            let dir = tempfile::tempdir().unwrap();
            let (_, key) = start(dir.path());
            fs::write(ended::path(dir.path()), whole()).unwrap();
            assert_eq!(start(dir.path()).1, key, "a whole one");
            spoil(&ended::path(dir.path()));
            assert_ne!(start(dir.path()).1, key, "{what}");
        }
    }

    #[test]
    fn a_directory_that_others_may_write_to_keeps_nothing_and_nothing_fails() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        Kept::open(dir.path(), NOW, &Arc::default()).unwrap();
        assert!(!dir.path().join(KEY_FILE).exists());
        Kept::open(&dir.path().join("no/such/place"), NOW, &Arc::default()).unwrap();
    }
}
