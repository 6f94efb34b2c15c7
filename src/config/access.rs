//! The `[access]` table: who may do what, by default, by user and by group.

use std::collections::{BTreeMap, BTreeSet};

use super::raw::{Entry, Value};
use super::reader::{Read, Reader};
use super::{keys, suggestion};
use crate::permission::{Permission, PermissionSet};

/// What marks a group where users stand.
const MARK: char = '@';

/// Lists by their names: those of users, and those of groups.
type Lists = (BTreeMap<Vec<u8>, PermissionSet>, BTreeMap<String, PermissionSet>);

/// What people may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessConfig {
    /// What a logged-in user may do who has no list of their own; `None` is the catcher's own default,
    /// [`default_permissions`](super::model::CatcherKind::default_permissions).
    pub default: Option<PermissionSet>,
    /// Users with a list of their own, which replaces the default. Names are bytes, as in a users file.
    pub users: BTreeMap<Vec<u8>, PermissionSet>,
    /// Groups and the users in them.
    pub groups: BTreeMap<String, BTreeSet<Vec<u8>>>,
    /// Groups with a list, which replaces the default for those in it. One may name a group that there is not.
    pub group_lists: BTreeMap<String, PermissionSet>,
    /// What somebody may do who came without credentials.
    pub anonymous: PermissionSet,
}

impl AccessConfig {
    /// The groups that give `user` what he may do: those that he is in and that have a list.
    pub fn groups_of<'a>(&'a self, user: &'a [u8]) -> impl Iterator<Item = (&'a str, PermissionSet)> {
        let lists = self.groups.iter().filter(move |(_, members)| members.contains(user));
        lists.filter_map(|(group, _)| Some((group.as_str(), *self.group_lists.get(group)?)))
    }

    /// What a user may do: their own list, else all that the lists of their groups hold. None: the default.
    #[must_use]
    pub fn of(&self, user: &[u8]) -> Option<PermissionSet> {
        let own = self.users.get(user).copied();
        own.or_else(|| self.groups_of(user).map(|(_, set)| set).reduce(PermissionSet::union))
    }

    /// Everybody whom a list or a group names.
    #[must_use]
    pub fn named(&self) -> BTreeSet<&[u8]> {
        self.users.keys().chain(self.groups.values().flatten()).map(Vec::as_slice).collect()
    }
}

impl<'a> Reader<'a> {
    pub(super) fn access(&mut self) -> Read<AccessConfig> {
        const DEFAULT: &str = "access.default";
        const ANONYMOUS: &str = "access.anonymous";
        let default = match self.raw.get(DEFAULT) {
            Some(entry) => self.permissions(entry, DEFAULT).map(Some),
            None => Ok(None),
        };
        let lists = self.access_users();
        let groups = self.access_groups();
        let anonymous = self.required(ANONYMOUS).and_then(|entry| self.permissions(entry, ANONYMOUS));
        let (users, group_lists) = lists?;
        Ok(AccessConfig { default: default?, users, groups: groups?, group_lists, anonymous: anonymous? })
    }

    fn access_users(&mut self) -> Read<Lists> {
        const PATH: &str = "access.users";
        let (mut users, mut groups) = Lists::default();
        let mut noted = None;
        for (name, entry) in self.table(PATH, "{ ci-bot = [\"view\"] }")? {
            let path = format!("{PATH}.{}", keys::written(name));
            let group = name.strip_prefix(MARK);
            let wrong = group.map_or_else(|| wrong_user(name), wrong_group);
            let permissions = match wrong {
                Some(reason) => Err(self.fault(entry, &path, reason)),
                None => self.permissions(entry, &path),
            };
            match (permissions, group) {
                (Ok(permissions), Some(group)) => drop(groups.insert(group.to_owned(), permissions)),
                (Ok(permissions), None) => drop(users.insert(name.clone().into_bytes(), permissions)),
                (Err(one), _) => noted = Some(one),
            }
        }
        noted.map_or(Ok((users, groups)), Err)
    }

    fn access_groups(&mut self) -> Read<BTreeMap<String, BTreeSet<Vec<u8>>>> {
        const PATH: &str = "access.groups";
        let mut groups = BTreeMap::new();
        let mut noted = None;
        for (name, entry) in self.table(PATH, "{ qa = [\"anna\", \"ben\"] }")? {
            let path = format!("{PATH}.{}", keys::written(name));
            if let Some(reason) = wrong_group(name) {
                noted = Some(self.fault(entry, &path, reason));
                continue;
            }
            match self.members(entry, &path) {
                Ok(members) => drop(groups.insert(name.clone(), members)),
                Err(one) => noted = Some(one),
            }
        }
        noted.map_or(Ok(groups), Err)
    }

    fn members(&mut self, entry: &'a Entry, path: &str) -> Read<BTreeSet<Vec<u8>>> {
        let mut members = BTreeSet::new();
        let mut noted = None;
        for (item, text) in self.items(entry, path)? {
            let wrong = if text.starts_with(MARK) {
                Some("is a group, and a group holds users only; name its users".to_owned())
            } else {
                wrong_user(text).map(str::to_owned)
            };
            match wrong {
                Some(reason) => noted = Some(self.fault(item, path, format!("{text:?} {reason}"))),
                None => drop(members.insert(text.as_bytes().to_vec())),
            }
        }
        noted.map_or(Ok(members), Err)
    }

    /// A table from names to lists, such as `example`.
    fn table(&mut self, path: &str, example: &str) -> Read<&'a BTreeMap<String, Entry>> {
        let entry = self.required(path)?;
        match &entry.value {
            Value::Table(table) => Ok(table),
            other => {
                let found = other.describe();
                Err(self.fault(entry, path, format!("must be a table such as {example}, not {found}")))
            }
        }
    }

    fn permissions(&mut self, entry: &'a Entry, path: &str) -> Read<PermissionSet> {
        let mut found = PermissionSet::EMPTY;
        let mut noted = None;
        for (item, text) in self.items(entry, path)? {
            match text.parse::<Permission>() {
                Ok(permission) => found = found.with(permission),
                Err(error) => {
                    let hint = suggestion::closest(text, Permission::ALL.into_iter().map(Permission::name));
                    let reason = match hint {
                        Some(hint) => format!("{text:?} is no permission; did you mean {hint:?}?"),
                        None => format!("{text:?} {error}"),
                    };
                    noted = Some(self.fault(item, path, reason));
                }
            }
        }
        noted.map_or(Ok(found), Err)
    }
}

/// Why this is no user's name.
fn wrong_user(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is no user name"),
        _ if name.contains(':') => Some("has a colon, which no user name can have"),
        _ => None,
    }
}

/// Why this is no group's name.
fn wrong_group(name: &str) -> Option<&'static str> {
    let plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    match name {
        "" => Some("is no name of a group; write one such as qa"),
        _ if name.starts_with(MARK) => Some("the @ belongs in access.users only; write the name without it"),
        _ if !name.chars().all(plain) => Some("is no name of a group; letters, digits, '-', '_' and '.' make one"),
        _ => None,
    }
}
