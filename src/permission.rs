//! What a person may do with the catcher: five permissions, and sets of them.
//!
//! The names are the ones of `[access]` in the configuration. `write` is what a `generic` catcher has in place of
//! `delete`, `clear` and `quit`: its routes are unknown, so whatever does not read is a write. With others it is for what
//! changes something else than which mails there are.

use std::fmt;
use std::str::FromStr;

/// One thing that a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// Read the list and the messages, and follow live updates.
    View,
    /// Remove one message.
    Delete,
    /// Remove all messages.
    Clear,
    /// Stop the catcher. Granted to nobody unless listed.
    Quit,
    /// With a `generic` catcher: any request but GET and HEAD. With others: what is neither mail nor its deletion, such as
    /// sending a mail on.
    Write,
}

impl Permission {
    /// Every permission, in the order in which lists of them are printed.
    pub const ALL: [Permission; 5] =
        [Permission::View, Permission::Delete, Permission::Clear, Permission::Quit, Permission::Write];

    /// The name by which the configuration, logs and messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Permission::View => "view",
            Permission::Delete => "delete",
            Permission::Clear => "clear",
            Permission::Quit => "quit",
            Permission::Write => "write",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Permission::View => 1,
            Permission::Delete => 1 << 1,
            Permission::Clear => 1 << 2,
            Permission::Quit => 1 << 3,
            Permission::Write => 1 << 4,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is no permission's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPermission;

impl fmt::Display for UnknownPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no permission; there are view, delete, clear, quit and write")
    }
}

impl std::error::Error for UnknownPermission {}

impl FromStr for Permission {
    type Err = UnknownPermission;

    /// Takes exactly the name: lower case, nothing around it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Permission::ALL.into_iter().find(|permission| permission.name() == text).ok_or(UnknownPermission)
    }
}

/// A set of permissions, small enough to be copied into every request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PermissionSet(u8);

impl PermissionSet {
    /// Nothing is allowed.
    pub const EMPTY: PermissionSet = PermissionSet(0);

    /// The set with `permission` in it as well.
    #[must_use]
    pub fn with(self, permission: Permission) -> Self {
        PermissionSet(self.0 | permission.bit())
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        PermissionSet(self.0 | other.0)
    }

    /// Whether `permission` is in the set.
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether the set allows nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(PermissionSet::EMPTY, PermissionSet::with)
    }
}

/// `view, delete, clear`, or `nothing`.
impl fmt::Display for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        for (index, permission) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(permission.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PermissionSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_permission() {
        for permission in Permission::ALL {
            assert_eq!(permission.name().parse(), Ok(permission));
            assert_eq!(permission.to_string(), permission.name());
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "View", "view ", "read", "all", "*"] {
            assert_eq!(text.parse::<Permission>(), Err(UnknownPermission), "{text:?}");
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        for permission in Permission::ALL {
            let set = PermissionSet::EMPTY.with(permission);
            assert_eq!(set.iter().collect::<Vec<_>>(), [permission]);
            assert!(!PermissionSet::EMPTY.contains(permission));
        }
        let all: PermissionSet = Permission::ALL.into_iter().collect();
        assert_eq!(all.iter().collect::<Vec<_>>(), Permission::ALL);
    }

    #[test]
    fn sets_print_in_one_order() {
        let set: PermissionSet = [Permission::Clear, Permission::View, Permission::View].into_iter().collect();
        assert_eq!(set.to_string(), "view, clear");
        assert_eq!(PermissionSet::EMPTY.to_string(), "nothing");
        assert_eq!(format!("{set:?}"), "PermissionSet(view, clear)");
    }
}
