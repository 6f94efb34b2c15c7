//! Where a path leads. The links are read here, so the kernel's guard against foreign ones has to be here too.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::super::super::file::UsersFileError;
use super::StoreError;
use super::folder_of;

/// As the kernel counts.
const MAX_LINKS: usize = 40;
/// A folder in which everybody may make a link, and nobody remove another's: `/tmp`.
const SHARED: u32 = 0o1002;

/// Where a path leads: to the end of a chain of symbolic links, also when there is nothing there yet.
pub(super) fn target(path: &Path) -> Result<PathBuf, StoreError> {
    let mut at = path.to_owned();
    let mut links = Vec::new();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&at) {
            Ok(_) if !may_be_followed(&at) => return Err(StoreError::ForeignLink(at)),
            Ok(link) => {
                // Relative to the folder that the link is in; an absolute one replaces it.
                let next = folder_of(&at).join(link);
                links.push(at);
                at = next;
            }
            Err(_) => {
                return match links.into_iter().find(|link| leads_root_astray(link, &at)) {
                    Some(link) => Err(StoreError::AstrayLink(link)),
                    None => Ok(at),
                };
            }
        }
    }
    let error = io::Error::other("too many symbolic links");
    Err(StoreError::Read(UsersFileError::Io(path.into(), error)))
}

/// The rule of fs.protected_symlinks: in a folder that everybody may write to a link is followed when it is one's own or
/// the folder's owner's. Otherwise anybody could have root write where he likes.
fn may_be_followed(link: &Path) -> bool {
    let (Ok(folder), Ok(link)) = (fs::metadata(folder_of(link)), fs::symlink_metadata(link)) else {
        // Gone by now; opening it says why.
        return true;
    };
    folder.mode() & SHARED != SHARED || link.uid() == rustix::process::geteuid().as_raw() || link.uid() == folder.uid()
}

/// Whether root would change a file for somebody who owns the link and not the file: whoever owns a folder could put a
/// link into it to any file there is.
fn leads_root_astray(link: &Path, file: &Path) -> bool {
    let Ok(link) = fs::symlink_metadata(link) else { return false };
    let owner = fs::symlink_metadata(file).map_or(0, |file| file.uid());
    rustix::process::geteuid().is_root() && link.uid() != 0 && link.uid() != owner
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};

    use super::*;

    #[test]
    fn a_strangers_link_in_a_shared_folder_is_not_followed() {
        assert!(rustix::process::geteuid().is_root(), "links are given away here, which takes root");
        let (mine, the_folders, a_strangers) = (0, 1, 2);
        for (mode, owner, is_followed) in
            [(0o1777, mine, true), (0o1777, a_strangers, false), (0o1773, a_strangers, false)]
        {
            let dir = tempfile::tempdir().unwrap();
            let (link, way, file) = (dir.path().join("link"), dir.path().join("way"), dir.path().join("file"));
            symlink("file", &link).unwrap();
            lchown(&link, Some(owner), None).unwrap();
            symlink("link", &way).unwrap();
            lchown(dir.path(), Some(the_folders), None).unwrap();
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            for first in [&link, &way] {
                match target(first) {
                    Ok(found) => assert!(is_followed && found == file, "{mode:o} {owner}"),
                    Err(error) => {
                        assert!(!is_followed, "{mode:o} {owner}");
                        assert!(error.to_string().contains(&format!("{}: a link of", link.display())), "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn root_follows_a_link_of_somebody_elses_only_to_a_file_of_the_same_owner() {
        assert!(rustix::process::geteuid().is_root(), "links are given away here, which takes root");
        let (anna, bert) = (1, 2);
        for (mode, of_link, of_file, is_followed) in [
            (0o755, 0, Some(bert), true),
            (0o755, anna, Some(anna), true),
            (0o1777, anna, Some(anna), true),
            (0o755, anna, Some(0), false),
            (0o755, anna, Some(bert), false),
            (0o777, anna, Some(bert), false),
            // It would be root's.
            (0o755, anna, None, false),
            (0o755, 0, None, true),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (link, way, file) = (dir.path().join("link"), dir.path().join("way"), dir.path().join("file"));
            if let Some(owner) = of_file {
                fs::write(&file, "").unwrap();
                lchown(&file, Some(owner), None).unwrap();
            }
            symlink("file", &link).unwrap();
            lchown(&link, Some(of_link), None).unwrap();
            symlink("link", &way).unwrap();
            lchown(dir.path(), Some(anna), None).unwrap();
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            for first in [&link, &way] {
                match target(first) {
                    Ok(found) => assert!(is_followed && found == file, "{mode:o} {of_link} {of_file:?}"),
                    Err(error) => {
                        assert!(!is_followed, "{mode:o} {of_link} {of_file:?}: {error}");
                        let said = error.to_string();
                        assert!(said.starts_with(&format!("{}: a link of", link.display())), "{said}");
                        assert!(said.contains("to a file that is somebody else's"), "{said}");
                    }
                }
            }
        }
    }
}
