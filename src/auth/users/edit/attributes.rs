//! Makes a new file belong to the same people as the one that it replaces: owner, group, mode, and extended attributes,
//! which is where access control lists and security labels are.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// The most that Linux gives: a list of names, and a value.
const MAX: usize = 64 * 1024;

/// Attributes that are about one file's content and are wrong for any other.
const OF_THE_CONTENT: [&CStr; 2] = [c"security.ima", c"security.evm"];

/// Gives `to` everything that `from` has, but for content and times.
///
/// # Errors
/// When a part of it cannot be given: then the new file must not take the old one's place.
pub(super) fn copy(from: &File, found: &Metadata, to: &File) -> io::Result<()> {
    let made = to.metadata()?;
    let differs = |of: fn(&Metadata) -> u32| (of(found) != of(&made)).then(|| of(found));
    let (owner, group) = (differs(Metadata::uid), differs(Metadata::gid));
    if owner.is_some() || group.is_some() {
        fchown(to, owner, group)?;
    }
    let (wanted, given) = (all(from)?, all(to)?);
    // A folder can have a list that its new files begin with; the old file may not have had it.
    for name in given.keys().filter(|name| !wanted.contains_key(*name)) {
        match fremovexattr(to, name.as_c_str()) {
            Ok(()) | Err(Errno::NODATA) => {}
            // A label that the system gives to every file, and that nobody takes away.
            Err(_) if name.as_bytes().starts_with(b"security.") => {}
            Err(error) => return Err(error.into()),
        }
    }
    for (name, value) in &wanted {
        if given.get(name) != Some(value) {
            fsetxattr(to, name.as_c_str(), value, XattrFlags::empty())?;
        }
    }
    // Last: changing the owner takes bits away, and a list has its mask in the group's.
    to.set_permissions(Permissions::from_mode(found.mode() & 0o7777))
}

/// All extended attributes; none where the file system has no such thing.
fn all(file: &File) -> io::Result<BTreeMap<CString, Vec<u8>>> {
    let mut names = vec![0; MAX];
    let length = match flistxattr(file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = BTreeMap::new();
    for name in names[..length].split_inclusive(|&byte| byte == 0) {
        let name = CStr::from_bytes_with_nul(name).map_err(io::Error::other)?;
        if OF_THE_CONTENT.contains(&name) {
            continue;
        }
        let mut value = vec![0; MAX];
        match fgetxattr(file, name, &mut value[..]) {
            Ok(length) => value.truncate(length),
            // Gone since, or listed and not for us to read: then it is not for us to keep either.
            Err(Errno::NODATA) => continue,
            Err(error) => return Err(error.into()),
        }
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}
