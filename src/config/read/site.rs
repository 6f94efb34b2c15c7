//! The keys of a site: the catcher, and who may do what there.

use std::collections::BTreeMap;

use super::super::keys;
use super::super::model::{AccessConfig, CatcherKind, SiteConfig};
use super::super::raw::{Entry, Value};
use super::super::reader::{Read, Reader};
use super::super::secret::Secret;
use super::super::upstream::{UpstreamConfig, UpstreamCredentials, UpstreamUrl};
use super::parse_path;
use crate::permission::{Permission, PermissionSet};

/// Names of catchers that later versions know.
const LATER_CATCHERS: [&str; 6] = ["auto", "mailpit", "maildev", "mailhog", "maildump", "mailtutan"];

impl<'a> Reader<'a> {
    pub(super) fn site(&mut self) -> Read<SiteConfig> {
        let upstream = self.upstream();
        let catcher = self.catcher();
        let access = self.access();
        Ok(SiteConfig { upstream: upstream?, catcher: catcher?, access: access? })
    }

    fn catcher(&mut self) -> Read<CatcherKind> {
        const PATH: &str = "upstream.catcher";
        let (entry, text) = self.text(PATH)?;
        if LATER_CATCHERS.contains(&text) {
            return Err(self.fault(
                entry,
                PATH,
                format!("{text:?} is not built yet; write \"mailcatcher\", or \"generic\" to forward only"),
            ));
        }
        self.named(PATH, CatcherKind::NAMES)
    }

    fn upstream(&mut self) -> Read<UpstreamConfig> {
        let url = self.upstream_url();
        let credentials = self.credentials();
        let UpstreamUrl { host, port, prefix } = url?;
        Ok(UpstreamConfig { host, port, prefix, credentials: credentials? })
    }

    fn upstream_url(&mut self) -> Read<UpstreamUrl> {
        const PATH: &str = "upstream.url";
        let (entry, text) = self.text(PATH)?;
        UpstreamUrl::parse(text).map_err(|reason| {
            // What stands before an @ may be a password, and this text goes to logs.
            let shown = if text.contains('@') { "the URL".to_owned() } else { format!("{text:?}") };
            self.fault(entry, PATH, format!("{shown} {reason}"))
        })
    }

    fn credentials(&mut self) -> Read<Option<UpstreamCredentials>> {
        const USERNAME: &str = "upstream.username";
        const PASSWORD: &str = "upstream.password_file";
        match (self.raw.get(USERNAME), self.raw.get(PASSWORD)) {
            (None, None) => Ok(None),
            (Some(entry), None) => {
                Err(self.fault(entry, USERNAME, format!("is there without {PASSWORD}; give both or none")))
            }
            (None, Some(entry)) => {
                Err(self.fault(entry, PASSWORD, format!("is there without {USERNAME}; give both or none")))
            }
            (Some(_), Some(_)) => {
                let username = self.parsed(USERNAME, |text| match text {
                    "" => Err("is empty".to_owned()),
                    _ if text.contains(':') => Err("has a colon, which no user name can have".to_owned()),
                    _ if text.chars().any(char::is_control) => Err("holds control characters".to_owned()),
                    _ => Ok(text.to_owned()),
                });
                let password = self.parsed(PASSWORD, |text| Secret::read(&parse_path(text)?));
                Ok(Some(UpstreamCredentials { username: username?, password: password? }))
            }
        }
    }

    fn access(&mut self) -> Read<AccessConfig> {
        const DEFAULT: &str = "access.default";
        const ANONYMOUS: &str = "access.anonymous";
        let default = match self.raw.get(DEFAULT) {
            Some(entry) => self.permissions(entry, DEFAULT).map(Some),
            None => Ok(None),
        };
        let users = self.access_users();
        let anonymous = self.required(ANONYMOUS).and_then(|entry| self.permissions(entry, ANONYMOUS));
        Ok(AccessConfig { default: default?, users: users?, anonymous: anonymous? })
    }

    fn access_users(&mut self) -> Read<BTreeMap<Vec<u8>, PermissionSet>> {
        const PATH: &str = "access.users";
        let entry = self.required(PATH)?;
        let Value::Table(table) = &entry.value else {
            let found = entry.value.describe();
            return Err(self.fault(
                entry,
                PATH,
                format!("must be a table such as {{ ci-bot = [\"view\"] }}, not {found}"),
            ));
        };
        let mut users = BTreeMap::new();
        let mut noted = None;
        for (name, entry) in table {
            let path = format!("{PATH}.{}", keys::written(name));
            let permissions = match name.as_str() {
                "" => Err(self.fault(entry, &path, "is no user name")),
                _ if name.starts_with('@') => {
                    Err(self.fault(entry, &path, "this version has no groups yet; name the users"))
                }
                _ if name.contains(':') => Err(self.fault(entry, &path, "has a colon, which no user name can have")),
                _ => self.permissions(entry, &path),
            };
            match permissions {
                Ok(permissions) => drop(users.insert(name.clone().into_bytes(), permissions)),
                Err(one) => noted = Some(one),
            }
        }
        noted.map_or(Ok(users), Err)
    }

    fn permissions(&mut self, entry: &'a Entry, path: &str) -> Read<PermissionSet> {
        let mut found = PermissionSet::EMPTY;
        let mut noted = None;
        for (item, text) in self.items(entry, path)? {
            match text.parse::<Permission>() {
                Ok(permission) => found = found.with(permission),
                Err(error) => {
                    let hint = keys::closest(text, Permission::ALL.into_iter().map(Permission::name));
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
