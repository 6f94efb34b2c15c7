//! The lock on a users file, for which nobody waits for ever, and who has it meanwhile.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::auth::text::Escaped;

/// What became of the attempt to lock.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// It holds until the file is closed.
    Held,
    /// There are no locks on this file system.
    Unknown,
    /// Somebody else had it all the time: who, where that can be told.
    Others(Option<String>),
}

/// Locks the file, in turn with others, and waits no longer than `patience` for it.
pub(super) fn lock(file: &File, patience: Duration) -> io::Result<Lock> {
    let (tell, told) = mpsc::channel();
    // The lock is the open file's, whichever of its descriptors it is taken by. After the patience the thread is left to
    // itself: the process ends.
    let theirs = file.try_clone()?;
    thread::Builder::new().name("lock".to_owned()).spawn(move || tell.send(theirs.lock()))?;
    match told.recv_timeout(patience) {
        Ok(Ok(())) => Ok(Lock::Held),
        Ok(Err(error)) if error.kind() == ErrorKind::Unsupported => Ok(Lock::Unknown),
        Ok(Err(error)) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::NOLCK) => {
            Ok(Lock::Unknown)
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(Lock::Others(holder(file))),
    }
}

/// The process that has the lock, by the kernel's list, which does not show those of other containers.
fn holder(file: &File) -> Option<String> {
    let process = find(&fs::read_to_string("/proc/locks").ok()?, file.metadata().ok()?.ino())?;
    let name = fs::read(format!("/proc/{process}/comm")).ok()?;
    Some(format!("process {process} ({})", Escaped(name.trim_ascii())))
}

/// `1: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF`, a waiting one with an arrow after its number (proc_locks(5)). The
/// device is not compared: btrfs and overlays tell another one elsewhere.
fn find(locks: &str, inode: u64) -> Option<u32> {
    let mut found = locks.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let is_flock = words.next()? == "FLOCK";
        let process = words.nth(2)?.parse().ok()?;
        let is_this = words.next()?.rsplit(':').next()?.parse() == Ok(inode);
        (is_flock && is_this && process > 0).then_some(process)
    });
    found.next().filter(|_| found.next().is_none())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_waited_for_and_not_for_ever() {
        let held = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(held.path()).unwrap();
        held.as_file().lock().unwrap();
        let Lock::Others(Some(who)) = lock(&open(), Duration::from_millis(20)).unwrap() else { panic!("it is locked") };
        assert!(who.starts_with(&format!("process {} (", std::process::id())), "{who}");
        let waiting = open();
        let waiter = thread::spawn(move || lock(&waiting, Duration::from_secs(60)).unwrap());
        held.as_file().unlock().unwrap();
        assert_eq!(waiter.join().unwrap(), Lock::Held);
    }

    #[test]
    fn the_holder_is_found_in_the_kernels_list() {
        let list = "1: POSIX  ADVISORY  WRITE 10 00:2f:77 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE 11 00:2f:78 0 EOF\n\
                    3: FLOCK  ADVISORY  WRITE 12 00:2f:77 0 EOF\n\
                    3: -> FLOCK  ADVISORY  WRITE 13 00:2f:77 0 EOF\nrubbish\n";
        assert_eq!(find(list, 77), Some(12));
        assert_eq!(find(list, 79), None);
        assert_eq!(find("1: FLOCK  ADVISORY  WRITE -1 00:2f:77 0 EOF", 77), None, "somebody of another container");
        let two = "1: FLOCK  ADVISORY  READ 10 00:2f:77 0 EOF\n2: FLOCK  ADVISORY  READ 11 00:2f:77 0 EOF\n";
        assert_eq!(find(two, 77), None);
    }
}
