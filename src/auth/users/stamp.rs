//! When a users file has changed: what the file system says of it, looked at again and again.
//!
//! `htpasswd` rewrites a file in place, so a file that has just changed may be half-written. It counts as changed when it
//! has stood still between two looks. Looking takes no descriptor and works where notifications do not: on network file
//! systems, bind mounts, and the symbolic links that Kubernetes swaps.

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What a file is at one moment, as far as the file system tells. Equal stamps: nothing has been written in between, nor
/// has another file taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// There is one.
    There {
        /// The file system and the file in it.
        identity: (u64, u64),
        /// In bytes.
        size: u64,
        /// Of its content, in seconds and nanoseconds.
        changed: (i64, i64),
        /// Of all about it, which nobody can set back.
        touched: (i64, i64),
    },
    /// There is none that can be seen, for this reason.
    Not(ErrorKind),
}

impl Stamp {
    /// Looks at the file, or at what a symbolic link of that path leads to.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            Ok(found) => Self::from(&found),
            Err(error) => Self::Not(error.kind()),
        }
    }

    /// Whether the file changed so short a time before `now` that another change could have the same time.
    #[must_use]
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        let Self::There { touched: (seconds, nanoseconds), .. } = *self else { return false };
        let since_epoch =
            |seconds, nanoseconds| Some(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?));
        let touched = since_epoch(seconds, nanoseconds).and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        // A clock that was set back leaves files of the future behind.
        let age = touched.map(|at| now.duration_since(at).unwrap_or_else(|ahead| ahead.duration()));
        age.is_some_and(|age| age < COARSE)
    }
}

/// How old a change must be for its time to tell it from another: some file systems count whole seconds, and two.
const COARSE: Duration = Duration::from_secs(2);

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self::There {
            identity: (found.dev(), found.ino()),
            size: found.size(),
            changed: (found.mtime(), found.mtime_nsec()),
            touched: (found.ctime(), found.ctime_nsec()),
        }
    }
}

/// Decides from one look after the other when to read.
#[derive(Debug)]
pub struct Watch {
    /// None when what was read last is not what was there.
    read: Option<Stamp>,
    last: Stamp,
}

impl Watch {
    /// Of a file that was like `stamp` when it was read.
    #[must_use]
    pub fn new(stamp: Stamp) -> Self {
        Self { read: Some(stamp), last: stamp }
    }

    /// Of a file that is like `stamp` and has not been read.
    #[must_use]
    pub fn unread(stamp: Stamp) -> Self {
        Self { read: None, last: stamp }
    }

    /// The file is like `now`: whether to read it, which is when it is another than was read and has not changed since the
    /// last look.
    pub fn look(&mut self, now: Stamp) -> bool {
        let still = now == self.last;
        self.last = now;
        still && !self.has_read(now)
    }

    /// Whether the file was like `stamp` when it was read.
    #[must_use]
    pub fn has_read(&self, stamp: Stamp) -> bool {
        self.read == Some(stamp)
    }

    /// The file was like `stamp` when it was read.
    pub fn read(&mut self, stamp: Stamp) {
        self.read = Some(stamp);
    }

    /// There was no reading it, for a reason that need not have left a trace on the file: it is to be read at the next
    /// look, changed or not.
    pub fn could_not_read(&mut self) {
        self.read = None;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(time: i64, size: u64) -> Stamp {
        Stamp::There { identity: (1, 2), size, changed: (time, 0), touched: (time, 0) }
    }

    #[test]
    fn a_changed_file_is_read_when_it_has_stood_still_for_one_look() {
        let mut watch = Watch::new(at(1, 10));
        assert!(!watch.look(at(1, 10)));
        assert!(!watch.look(at(2, 4)), "it may be half-written");
        assert!(!watch.look(at(2, 8)), "it is still growing");
        assert!(watch.look(at(2, 8)));
        watch.read(at(2, 8));
        assert!(!watch.look(at(2, 8)), "it has been read");
    }

    #[test]
    fn a_read_that_failed_is_tried_again_and_one_that_came_too_early_as_well() {
        let mut watch = Watch::new(at(1, 10));
        watch.look(at(2, 8));
        assert!(watch.look(at(2, 8)));
        assert!(watch.look(at(2, 8)), "nobody said that it was read");
        // Written on while it was read: what was read is not what is there.
        watch.read(at(2, 8));
        assert!(!watch.look(at(2, 12)));
        assert!(watch.look(at(2, 12)));
    }

    #[test]
    fn a_read_that_failed_is_tried_again_though_the_file_is_the_same() {
        let mut watch = Watch::new(at(1, 10));
        watch.could_not_read();
        assert!(watch.look(at(1, 10)));
        assert!(!watch.look(at(2, 4)), "it may be half-written all the same");
        assert!(watch.look(at(2, 4)));
        watch.read(at(2, 4));
        assert!(!watch.look(at(2, 4)));
    }

    #[test]
    fn a_file_that_goes_and_comes_back_the_same_is_the_same() {
        let mut watch = Watch::new(at(1, 10));
        let gone = Stamp::Not(ErrorKind::NotFound);
        assert!(!watch.look(gone));
        assert!(!watch.look(at(1, 10)));
        assert!(!watch.look(at(1, 10)));
    }

    #[test]
    fn a_change_of_this_moment_cannot_be_told_from_the_next() {
        let (now, second) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1000), Duration::from_secs(1));
        for (touched, fresh) in [(1000, true), (999, true), (1001, true), (998, false), (1003, false), (-5, false)] {
            assert_eq!(at(touched, 0).is_fresh(now), fresh, "{touched}");
        }
        assert!(!at(1000, 0).is_fresh(now + 2 * second));
        assert!(!Stamp::Not(ErrorKind::NotFound).is_fresh(now));
    }

    #[test]
    fn every_manner_of_changing_a_file_changes_its_stamp() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("htpasswd");
        assert_eq!(Stamp::of(&path), Stamp::Not(ErrorKind::NotFound));
        let mut seen = vec![Stamp::of(&path)];
        let mut another = || {
            let stamp = Stamp::of(&path);
            assert!(!seen.contains(&stamp), "{stamp:?}");
            seen.push(stamp);
        };
        fs::write(&path, "a:b\n").unwrap();
        another();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        another();
        // The same content under the same name, in another file.
        fs::write(dir.path().join("new"), "a:b\n").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        another();
        fs::write(dir.path().join("target"), "a:b\n").unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(dir.path().join("target"), &path).unwrap();
        another();
    }

    proptest! {
        /// Whatever happens to the file: when it comes to rest, what was read last is what is there.
        #[test]
        fn at_rest_what_was_read_is_what_is_there(changes in prop::collection::vec(0i64..4, 0..40), last in 0i64..4) {
            let mut watch = Watch::new(at(0, 0));
            let mut held = at(0, 0);
            for time in changes.into_iter().chain([last; 2]) {
                let now = at(time, 0);
                if watch.look(now) {
                    watch.read(now);
                    held = now;
                }
            }
            prop_assert_eq!(held, at(last, 0));
        }
    }
}
