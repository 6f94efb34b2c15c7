//! A copy of each message before it goes: `DATE/TIME-ID-HASH.eml`, on the disk before the message is deleted.
//!
//! Nothing that a sender chose is in a name. The files are their owner's alone. The oldest go when they are too old or too
//! many: anybody who can send mail could fill the disk otherwise.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use super::lock::give_to_owner;
use crate::catcher::{Message, MessageId};
use crate::config::model::ArchiveConfig;

/// The end of each name.
const EML: &str = "eml";

/// By what part of its limit a folder may grow before what is too much is removed, and not only when the run ends: whoever
/// sends mail says how much that is.
const PART: u64 = 4;

/// A folder of copies.
#[derive(Debug)]
pub struct Archive {
    config: ArchiveConfig,
    /// What was added since the last sweep, in bytes on the disk.
    added: AtomicU64,
}

impl Archive {
    /// The folder of a configuration. It is made when the first copy is.
    #[must_use]
    pub fn of(config: &ArchiveConfig) -> Self {
        Self { config: config.clone(), added: AtomicU64::new(0) }
    }

    /// Keeps a copy, and returns when it is on the disk.
    ///
    /// # Errors
    /// Why it is not: then the message must stay.
    pub fn keep(&self, message: &Message, source: &[u8]) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.config.dir.display()));
        let size = self.kept(message, source).map_err(named)?;
        let added = self.added.fetch_add(size, Ordering::Relaxed).saturating_add(size);
        if self.config.max_size.is_some_and(|limit| added > limit / PART) {
            // Whoever ends the run sweeps again, and says what could not be removed.
            let _ = self.sweep(SystemTime::now());
        }
        Ok(())
    }

    /// How much of the disk the copy takes.
    fn kept(&self, message: &Message, source: &[u8]) -> io::Result<u64> {
        let (day, name) = names(message, source);
        let dir = self.config.dir.join(day);
        if !dir.is_dir() {
            make(&dir)?;
            File::open(&self.config.dir)?.sync_all()?;
        }
        let path = dir.join(name);
        let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = match create() {
            Ok(file) => file,
            // A run that was interrupted wrote it, or some of it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::symlink_metadata(&path)?.is_file() && fs::read(&path)? == source {
                    let file = File::open(&path)?;
                    file.sync_all().and_then(|()| File::open(&dir)?.sync_all())?;
                    return Ok(on_disk(&file.metadata()?));
                }
                fs::remove_file(&path)?;
                create()?
            }
            Err(error) => return Err(error),
        };
        give_to_owner(&file, &dir)?;
        let written = file.write_all(source).and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a copy is none; on a full disk this makes room as well.
            let _ = fs::remove_file(&path);
        }
        written?;
        File::open(&dir)?.sync_all()?;
        Ok(on_disk(&file.metadata()?))
    }

    /// Removes what is too old, and the oldest of what is too much. How many copies went.
    ///
    /// # Errors
    /// When the folder cannot be looked through, or a copy cannot be removed; the others are all the same.
    pub fn sweep(&self, now: SystemTime) -> io::Result<usize> {
        self.added.store(0, Ordering::Relaxed);
        let mut copies = match copies(&self.config.dir) {
            Ok(copies) => copies,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        copies.sort();
        let mut size = copies.iter().fold(0u64, |size, copy| size.saturating_add(copy.size));
        let (mut removed, mut failed) = (0, None);
        for copy in &copies {
            let age = now.duration_since(copy.written).unwrap_or(Duration::ZERO);
            let is_old = self.config.max_age.is_some_and(|limit| age > limit);
            let is_too_much = self.config.max_size.is_some_and(|limit| size > limit);
            if !is_old && !is_too_much {
                break;
            }
            // One that cannot be removed takes no other's place.
            size -= copy.size;
            match fs::remove_file(&copy.path) {
                Ok(()) => removed += 1,
                Err(error) => drop(failed.get_or_insert(error)),
            }
            // A day without copies goes with the last of them; one with more cannot.
            if let Some(day) = copy.path.parent() {
                let _ = fs::remove_dir(day);
            }
        }
        failed.map_or(Ok(removed), Err)
    }
}

/// Makes a folder and those that it is in. What root makes belongs to whom the folder belongs that was there, or the daemon
/// could not write into it.
fn make(dir: &Path) -> io::Result<()> {
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !parent.is_dir() {
        make(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => return Ok(()),
        Err(error) => return Err(error),
    }
    // No link is followed: the folder around it may be another user's than root.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::DIRECTORY;
    let made = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(dir)?;
    give_to_owner(&made, parent)
}

/// What a file takes of the disk, in bytes: many small ones take much more than is in them.
fn on_disk(about: &fs::Metadata) -> u64 {
    about.len().max(about.blocks().saturating_mul(512))
}

/// A copy, in the order of age.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Copy {
    written: SystemTime,
    path: PathBuf,
    size: u64,
}

/// Every copy. What does not look like one is not touched.
fn copies(dir: &Path) -> io::Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for day in fs::read_dir(dir)? {
        let day = day?;
        let is_a_day = day.file_name().to_str().is_some_and(|name| name.parse::<jiff::civil::Date>().is_ok());
        if !is_a_day || !day.file_type()?.is_dir() {
            continue;
        }
        // A day that another user made is left to that one.
        let Ok(day) = fs::read_dir(day.path()) else { continue };
        for copy in day.flatten() {
            let path = copy.path();
            let Ok(about) = copy.metadata() else { continue };
            if about.is_file() && path.extension().is_some_and(|extension| extension == EML) {
                copies.push(Copy { written: about.modified()?, path, size: on_disk(&about) });
            }
        }
    }
    Ok(copies)
}

/// The folder and the name of a copy.
fn names(message: &Message, source: &[u8]) -> (String, String) {
    // With some catchers the sender chose the date: a year before Christ would be a folder that no sweep takes for a day.
    let received = message.received.unwrap_or_default().max(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC);
    let hash: String = Sha256::digest(source).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let id = match &message.id {
        MessageId::Number(number) => number.to_string(),
        MessageId::Name(name) => name.chars().filter(char::is_ascii_alphanumeric).take(40).collect(),
    };
    (received.strftime("%Y-%m-%d").to_string(), format!("{}-{id}-{hash}.{EML}", received.strftime("%H%M%S")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn message(id: u64) -> Message {
        Message { id: MessageId::Number(id), received: Some("2026-11-24T10:49:43Z".parse().unwrap()), size: 1 }
    }

    fn archive(dir: &Path, max_age: Option<u64>, max_size: Option<u64>) -> Archive {
        Archive::of(&ArchiveConfig { dir: dir.join("archive"), max_age: max_age.map(Duration::from_secs), max_size })
    }

    fn found(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = copies(&dir.join("archive"))
            .unwrap()
            .into_iter()
            .map(|copy| copy.path.strip_prefix(dir.join("archive")).unwrap().display().to_string())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_copy_is_the_message_under_a_name_that_no_sender_chose_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let archive = archive(dir.path(), Some(60), None);
        archive.keep(&message(7), b"Subject: ../../x\r\n\r\nhello").unwrap();
        let name = found(dir.path()).pop().unwrap();
        assert!(name.starts_with("2026-11-24/104943-7-") && name.ends_with(".eml") && name.len() == 36, "{name}");
        let path = dir.path().join("archive").join(&name);
        assert_eq!(fs::read(&path).unwrap(), b"Subject: ../../x\r\n\r\nhello");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let odd = Message { id: MessageId::Name("../a b/\u{1b}c".into()), received: None, size: 1 };
        let (day, name) = names(&odd, b"x");
        assert_eq!((day.as_str(), &name[..11]), ("1970-01-01", "000000-abc-"));
    }

    #[test]
    fn whatever_a_mail_says_of_its_date_its_copy_is_found_again() {
        for received in
            [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX, "-000001-01-01T00:00:00Z".parse().unwrap()]
        {
            let dir = tempfile::tempdir().unwrap();
            let archive = archive(dir.path(), Some(1), None);
            archive.keep(&Message { received: Some(received), ..message(7) }, b"x").unwrap();
            assert_eq!(archive.sweep(SystemTime::now() + Duration::from_secs(9)).unwrap(), 1, "{received}");
        }
    }

    #[test]
    fn what_root_makes_belongs_to_whom_the_folder_around_it_belongs() {
        let dir = tempfile::tempdir().unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(dir.path(), Some(65534), Some(65534)).unwrap();
        }
        let owner = fs::metadata(dir.path()).unwrap().uid();
        archive(dir.path(), Some(60), None).keep(&message(7), b"x").unwrap();
        let name = found(dir.path()).pop().unwrap();
        let copy = dir.path().join("archive").join(name);
        for made in copy.ancestors().take_while(|made| *made != dir.path()) {
            assert_eq!(fs::metadata(made).unwrap().uid(), owner, "{}", made.display());
        }
    }

    #[test]
    fn what_an_interrupted_run_left_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        let archive = archive(dir.path(), Some(60), None);
        let source = b"a whole message";
        archive.keep(&message(7), source).unwrap();
        let path = dir.path().join("archive").join(found(dir.path()).pop().unwrap());
        for cut in 0..=source.len() {
            fs::write(&path, &source[..cut]).unwrap();
            archive.keep(&message(7), source).unwrap();
            assert_eq!(fs::read(&path).unwrap(), source);
        }
        // A link in its place is replaced and not followed.
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        archive.keep(&message(7), source).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file() && !dir.path().join("elsewhere").exists());
    }

    #[test]
    fn the_oldest_go_by_age_and_by_size_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let by_age = archive(dir.path(), Some(60), None);
        for id in 1..=4 {
            by_age.keep(&message(id), &[id as u8; 100]).unwrap();
        }
        let start = SystemTime::now();
        for (at, name) in found(dir.path()).iter().enumerate() {
            let file = File::options().write(true).open(dir.path().join("archive").join(name)).unwrap();
            file.set_modified(start - Duration::from_secs(100 - 30 * at as u64)).unwrap();
        }
        fs::write(dir.path().join("archive/notes.eml"), "mine").unwrap();
        // 100, 70, 40 and 10 seconds old.
        assert_eq!(by_age.sweep(start).unwrap(), 2);
        let one = copies(&dir.path().join("archive")).unwrap()[0].size;
        assert!(one >= 100);
        assert_eq!(archive(dir.path(), None, Some(one + one / 2)).sweep(start).unwrap(), 1);
        assert_eq!(found(dir.path()).len(), 1);
        assert_eq!(by_age.sweep(start + Duration::from_secs(1000)).unwrap(), 1);
        let left: Vec<_> =
            fs::read_dir(dir.path().join("archive")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.eml"]);
        assert_eq!(archive(&dir.path().join("nowhere"), None, Some(1)).sweep(start).unwrap(), 0);
    }

    #[test]
    fn what_is_too_much_goes_while_copies_are_made_and_is_counted_as_the_disk_does() {
        let dir = tempfile::tempdir().unwrap();
        let roomy = archive(dir.path(), Some(60), None);
        roomy.keep(&message(1), b"small").unwrap();
        let one = copies(&dir.path().join("archive")).unwrap()[0].size;
        let archive = archive(dir.path(), None, Some(4 * one));
        for id in 2..100 {
            archive.keep(&message(id), b"small").unwrap();
            assert!(found(dir.path()).len() <= 6, "{id}");
        }
        assert!(found(dir.path()).len() >= 4);
    }

    #[test]
    fn a_copy_that_cannot_be_written_is_an_error_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("archive"), "in the way").unwrap();
        let error = archive(dir.path(), Some(1), None).keep(&message(1), b"x").unwrap_err();
        assert!(error.to_string().contains("archive"), "{error}");
    }
}
