//! Names the command that lets the daemon read its users file. The file of a running nginx usually is
//! `root:www-data 0640`, so this is the first error that people meet.

use std::fmt;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Who may not read what, and why: enough to name the command that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    path: PathBuf,
    /// The user that this process runs as: a name, or a number where the system knows no name.
    user: String,
    obstacle: Obstacle,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Obstacle {
    /// A directory above the file may not be entered.
    Directory(PathBuf),
    /// The file's own owner, group and permission bits.
    File { owner: String, group: String, mode: u32 },
}

impl Unreadable {
    /// Looks at who is asking and what stands in the way.
    pub(crate) fn look(path: &Path) -> Self {
        let user = name_of(rustix::process::geteuid().as_raw(), "/etc/passwd");
        let obstacle = match fs::metadata(path) {
            Ok(found) => Obstacle::file(&found),
            // The nearest directory that can be seen is the one that cannot be entered.
            Err(_) => {
                let seen = path.ancestors().skip(1).find(|above| fs::metadata(above).is_ok());
                Obstacle::Directory(seen.unwrap_or(Path::new("/")).into())
            }
        };
        Self { path: path.into(), user, obstacle }
    }
}

impl Obstacle {
    fn file(found: &Metadata) -> Self {
        Self::File {
            owner: name_of(found.uid(), "/etc/passwd"),
            group: name_of(found.gid(), "/etc/group"),
            mode: found.mode() & 0o7777,
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason())
    }
}

/// The same without the path.
struct Reason<'a>(&'a Unreadable);

impl Unreadable {
    /// Why, and what mends it, without the path.
    pub(crate) fn reason(&self) -> impl fmt::Display + '_ {
        Reason(self)
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unreadable { path, user, obstacle } = self.0;
        write!(f, "user {user} may not read it: ")?;
        match obstacle {
            Obstacle::Directory(above) => {
                write!(f, "the directory {} may not be entered. ", above.display())?;
                write!(f, "This mends it: setfacl -m u:{user}:x {}", shell_word(above))
            }
            Obstacle::File { owner, group, mode } => {
                write!(f, "it belongs to {owner}:{group} with mode {mode:04o}. This mends it: ")?;
                // Joining the group helps only if the group may read, and nobody should join root's.
                if mode & 0o040 != 0 && group != "root" && !is_number(user) && !is_number(group) {
                    write!(f, "usermod -aG {group} {user} (and a restart), or: ")?;
                }
                write!(f, "setfacl -m u:{user}:r {}", shell_word(path))
            }
        }
    }
}

/// The number of a group by the system's own table.
pub(crate) fn group_number(name: &str) -> Option<u32> {
    find_number(&String::from_utf8_lossy(&fs::read("/etc/group").unwrap_or_default()), name)
}

fn find_number(table: &str, name: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// Whose a file is: owner, group and mode.
pub(crate) fn ownership(found: &Metadata) -> String {
    let (owner, group) = (owner(found), name_of(found.gid(), "/etc/group"));
    format!("{owner}:{group} {:04o}", found.mode() & 0o7777)
}

/// The name of whom a file belongs to.
pub(super) fn owner(found: &Metadata) -> String {
    name_of(found.uid(), "/etc/passwd")
}

/// The name of a user or group by the given table of the system, or the number itself.
fn name_of(id: u32, table: &str) -> String {
    let table = fs::read(table).unwrap_or_default();
    find_name(&String::from_utf8_lossy(&table), id).unwrap_or_else(|| id.to_string())
}

/// Both `/etc/passwd` and `/etc/group` have the name first and the number third.
fn find_name(table: &str, id: u32) -> Option<String> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The path as a shell takes it, quoted only where it has to be.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+@%".contains(letter);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    fn unreadable(user: &str, obstacle: Obstacle) -> String {
        Unreadable { path: "/etc/nginx/.htpasswd".into(), user: user.into(), obstacle }.to_string()
    }

    fn file(owner: &str, group: &str, mode: u32) -> Obstacle {
        Obstacle::File { owner: owner.into(), group: group.into(), mode }
    }

    #[test]
    fn an_unreadable_file_is_answered_with_the_command_that_mends_it() {
        assert_eq!(
            unreadable("mailwarden", file("root", "www-data", 0o640)),
            "/etc/nginx/.htpasswd: user mailwarden may not read it: it belongs to root:www-data with mode 0640. \
             This mends it: usermod -aG www-data mailwarden (and a restart), or: \
             setfacl -m u:mailwarden:r /etc/nginx/.htpasswd"
        );
        assert_eq!(
            unreadable("mailwarden", Obstacle::Directory("/etc/my nginx".into())),
            "/etc/nginx/.htpasswd: user mailwarden may not read it: the directory /etc/my nginx may not be entered. \
             This mends it: setfacl -m u:mailwarden:x '/etc/my nginx'"
        );
    }

    #[test]
    fn joining_a_group_is_advised_only_where_it_helps_and_does_no_harm() {
        for (user, obstacle) in [
            ("mailwarden", file("root", "root", 0o640)),
            ("mailwarden", file("www-data", "www-data", 0o600)),
            ("10001", file("root", "www-data", 0o640)),
            ("mailwarden", file("root", "4242", 0o640)),
        ] {
            let text = unreadable(user, obstacle);
            assert!(!text.contains("usermod") && text.contains(&format!("setfacl -m u:{user}:r")), "{text}");
        }
    }

    #[test]
    fn names_are_found_by_number() {
        let table = "root:x:0:0:root:/root:/bin/sh\nbroken\n:::\nwww-data:x:33:33::/:/bin/sh\n";
        assert_eq!(find_name(table, 33).as_deref(), Some("www-data"));
        assert_eq!(find_name(table, 34), None);
        assert_eq!(find_name("www-data:x:33:mailwarden\n", 33).as_deref(), Some("www-data"));
        assert_eq!(find_number(table, "www-data"), Some(33));
        assert_eq!((find_number(table, "www"), find_number(table, "broken")), (None, None));
    }
}
