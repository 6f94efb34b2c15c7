//! The two ways in which new content gets into a file: by another file in its place, or in place.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::super::attributes;
use super::folder_of;
use crate::config::os_reason;

/// Why a file could not take another's place.
pub(super) enum Obstacle {
    /// Another way may work, for this reason.
    Hindrance(String),
    /// No way will: the disk is full, or broken.
    Failure(io::Error),
}

impl Obstacle {
    fn new(what: &str, error: io::Error) -> Self {
        match is_hindrance(&error) {
            true => Self::Hindrance(format!("{what}: {}", os_reason(&error))),
            false => Self::Failure(error),
        }
    }
}

/// Whether an error is about what is allowed or possible here, not about the disk.
pub(super) fn is_hindrance(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::ResourceBusy
            | ErrorKind::CrossesDevices
            | ErrorKind::Unsupported
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
            | ErrorKind::ExecutableFileBusy
    )
}

/// Puts a file with that content in the place of the one at `path`.
pub(super) fn replace(path: &Path, file: &File, found: &Metadata, content: &[u8]) -> Result<(), Obstacle> {
    if found.nlink() > 1 {
        return Err(Obstacle::Hindrance("it has a second name, a hard link".to_owned()));
    }
    let folder = folder_of(path);
    let cannot_make = |error| Obstacle::new("no file can be made beside it", error);
    let mut temporary = Temporary::make(path, found.ino()).map_err(cannot_make)?;
    temporary.file.write_all(content).map_err(cannot_make)?;
    attributes::copy(file, found, &temporary.file)
        .map_err(|error| Obstacle::new("a new file cannot have its owner, mode and attributes", error))?;
    temporary.file.sync_all().map_err(cannot_make)?;
    fs::rename(&temporary.path, path).map_err(|error| Obstacle::new("it cannot be replaced", error))?;
    temporary.has_moved = true;
    // The change is there. Some file systems have no means to make a name last, and none of them needs telling.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// A file beside the one that it is to replace, removed again if it does not.
struct Temporary {
    path: PathBuf,
    file: File,
    has_moved: bool,
}

impl Temporary {
    /// The name is of the file that is locked. So one that is there already is of somebody who was killed, and goes.
    fn make(beside: &Path, inode: u64) -> io::Result<Self> {
        let name = beside.file_name().unwrap_or_default().to_string_lossy();
        let path = folder_of(beside).join(format!(".{}.mailwarden-{inode}", name.chars().take(50).collect::<String>()));
        let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = match create() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                fs::remove_file(&path)?;
                create()?
            }
            result => result?,
        };
        Ok(Self { path, file, has_moved: false })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.has_moved {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes what differs in one piece, and cuts the file then. A failure puts the old content back, for which there is
/// room.
pub(super) fn write_in_place(file: &File, old: &[u8], new: &[u8]) -> io::Result<()> {
    let (same, tail) = what_differs(old, new);
    let written = file.write_all_at(&tail, same as u64).and_then(|()| file.set_len(new.len() as u64));
    if let Err(error) = written.and_then(|()| file.sync_all()) {
        let _ = file.write_all_at(&old[same..], same as u64).and_then(|()| file.set_len(old.len() as u64));
        return Err(error);
    }
    Ok(())
}

/// What is to be written over `old` from the first byte that differs. Where `new` is shorter blank lines follow it, so
/// that it reads the same before the file is cut.
fn what_differs(old: &[u8], new: &[u8]) -> (usize, Zeroizing<Vec<u8>>) {
    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let length = old.len().max(new.len()) - same;
    let mut tail = Zeroizing::new(Vec::with_capacity(length));
    tail.extend_from_slice(&new[same..]);
    tail.resize(length, b'\n');
    (same, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_file_is_cut_it_reads_as_it_will_afterwards() {
        let cases: [(&[u8], &[u8], &[u8]); 5] = [
            (b"a:1\nb:2\n", b"b:2\n", b"b:2\n\n\n\n\n"),
            (b"a:1\nb:2", b"a:1", b"a:1\n\n\n\n"),
            (b"a:1\n", b"a:1\nb:2\n", b"a:1\nb:2\n"),
            (b"a:1\nb:2\n", b"a:33\nb:2\n", b"a:33\nb:2\n"),
            (b"a:1\n", b"", b"\n\n\n\n"),
        ];
        for (old, new, between) in cases {
            let (same, tail) = what_differs(old, new);
            assert_eq!([&old[..same], &tail].concat(), between);
        }
        assert_eq!(what_differs(b"a:1\nb:2\n", b"a:1\nb:2\nc:3\n").0, 8, "what stays is not touched");
    }
}
