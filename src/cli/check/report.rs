//! What `check` found: the same facts for people and for scripts.

use serde::Serialize;

use super::plan::Plan;
use super::{LineProblem, UsersReport};
use crate::auth::how_to_make;
use crate::cli::Exit;
use crate::config::model::{AccessConfig, CatcherKind, Config, RemoteContent, Scheme, UsersFile};
use crate::config::{ConfigError, Place};
use crate::net::tls::files::TlsFileError;
use crate::permission::PermissionSet;

/// Everything that was found. Scripts read it, so its names stay.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether the daemon would start with it.
    pub(super) ok: bool,
    pub(super) file: String,
    pub(super) file_exists: bool,
    /// What the daemon will do; not there when the configuration could not be read.
    #[serde(flatten)]
    pub(super) plan: Option<Plan>,
    pub(super) errors: Vec<Fault>,
    pub(super) warnings: Vec<String>,
}

/// One reason why the daemon would not start.
#[derive(Debug, Default, Serialize)]
pub(super) struct Fault {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    pub(super) reason: String,
    /// All of it as one text, with the place.
    pub(super) text: String,
}

impl From<&ConfigError> for Fault {
    fn from(error: &ConfigError) -> Self {
        let mut fault =
            Fault { key: error.key.clone(), reason: error.reason.clone(), text: error.to_string(), ..Fault::default() };
        fault.set_place(&error.place);
        fault
    }
}

impl From<TlsFileError> for Fault {
    fn from(error: TlsFileError) -> Self {
        let (key, text) = (Some(error.key.to_owned()), error.to_string());
        let mut fault = Fault { key, reason: error.reason, text, ..Fault::default() };
        fault.set_place(&error.at.0);
        fault
    }
}

impl Fault {
    fn set_place(&mut self, place: &Place) {
        match place {
            Place::Default => {}
            Place::File { path, line, column } => {
                self.file = Some(path.display().to_string());
                (self.line, self.column) = (*line, *column);
            }
            Place::Environment { name } => self.environment = Some(name.clone()),
            Place::Flag { name } => self.flag = Some(name.clone()),
        }
    }
}

impl Report {
    /// How the command ends: warnings are none of its faults.
    pub(super) fn exit(&self) -> Exit {
        if self.errors.is_empty() { Exit::Success } else { Exit::Config }
    }

    /// What the users file means for a start.
    pub(super) fn judge_users(&mut self, file: &UsersFile, users: &UsersReport) {
        const KEY: &str = "auth.users_file";
        let path = file.path.display();
        let reason = match users {
            UsersReport::Missing if file.configured => {
                format!("{path} does not exist; make it with: {}", how_to_make(&file.path))
            }
            UsersReport::Missing => {
                return self.warnings.push(format!(
                    "{path} does not exist: everybody is refused until it does; make it with: {}",
                    how_to_make(&file.path)
                ));
            }
            UsersReport::Unreadable { reason } => reason.clone(),
            UsersReport::Loaded { problems, count, unlisted, .. } => {
                let problems = problems
                    .iter()
                    .map(|LineProblem { line, means, reason }| format!("{path}:{line}: {}{reason}", means.words()));
                self.warnings.extend(problems);
                if *unlisted > 0 {
                    self.warnings
                        .push(format!("{path}: {unlisted} more lines are refused; is it a users file at all?"));
                }
                if *count == 0 {
                    self.warnings.push(format!("{path} holds no user: everybody is refused"));
                }
                return;
            }
        };
        let text = format!("{KEY}: {reason}");
        self.errors.push(Fault { key: Some(KEY.to_owned()), reason, text, ..Fault::default() });
    }

    /// A list for somebody who cannot log in restricts nobody: more likely the name is misspelt.
    pub(super) fn judge_names(&mut self, config: &Config, users: &UsersReport) {
        let UsersReport::Loaded { names, .. } = users else { return };
        let file = config.live.auth.users_file.path.display();
        let unknown = config.live.site.access.users.keys().filter(|name| !names.contains(name.as_slice()));
        self.warnings.extend(unknown.map(|name| format!("access.users.{0}: no user {0} in {file}", shown(name))));
        for (group, members) in &config.live.site.access.groups {
            let unknown = members.iter().filter(|name| !names.contains(name.as_slice()));
            let group = format!("access.groups.{group}");
            self.warnings.extend(unknown.map(|name| format!("{group}: no user {} in {file}", shown(name))));
        }
    }

    /// What is allowed, but hardly meant.
    pub(super) fn judge(&mut self, config: &Config) {
        let site = &config.live.site;
        let default = site.access.default.map(|set| ("access.default".to_owned(), set));
        let users = site.access.users.iter().map(|(name, set)| (format!("access.users.{}", shown(name)), *set));
        let groups = site.access.group_lists.iter().map(|(name, set)| (format!("access.users.\"@{name}\""), *set));
        let anonymous = ("access.anonymous".to_owned(), site.access.anonymous);
        for (key, set) in default.into_iter().chain(users).chain(groups).chain([anonymous]) {
            let foreign: PermissionSet =
                set.iter().filter(|permission| !site.catcher.permissions().contains(*permission)).collect();
            if !foreign.is_empty() {
                self.warnings.push(format!(
                    "{key}: {foreign} means nothing with catcher {}, which has {}",
                    site.catcher,
                    site.catcher.permissions()
                ));
            }
        }
        self.judge_groups(&site.access);
        if site.catcher == CatcherKind::Generic && site.remote_content == RemoteContent::Block {
            self.warnings.push(
                "mail.remote_content: means nothing with catcher generic, whose messages are not known as such"
                    .to_owned(),
            );
        }
        if config.live.trusted_proxies.nets.iter().any(|net| net.prefix_len() == 0) {
            self.warnings.push("trusted_proxies: anybody can say what address they come from".to_owned());
        }
        if config.start.redirect.is_some() && config.start.listen.iter().all(|entry| entry.scheme == Scheme::Https) {
            self.warnings.push(
                "redirect: no entry of listen is http, so nobody is sent to https; write \"0.0.0.0:8080\" beside it"
                    .to_owned(),
            );
        }
        let nets = &config.live.auth.anonymous_from;
        if nets.iter().any(|net| net.prefix_len() == 0) {
            self.warnings.push("auth.anonymous_from: everybody is let in without credentials".to_owned());
        }
        let trusted = &config.live.trusted_proxies.nets;
        for net in nets.iter().filter(|net| trusted.iter().any(|proxies| proxies.contains(*net))) {
            self.warnings.push(format!(
                "auth.anonymous_from: {net} lies within trusted_proxies, and nobody is let in who is taken for a proxy"
            ));
        }
    }

    /// A list for a group that there is not, and a group without a list, change nothing.
    fn judge_groups(&mut self, access: &AccessConfig) {
        for group in access.group_lists.keys().filter(|group| !access.groups.contains_key(*group)) {
            self.warnings.push(format!("access.users.\"@{group}\": no group {group} in access.groups"));
        }
        for group in access.groups.keys().filter(|group| !access.group_lists.contains_key(*group)) {
            self.warnings.push(format!(
                "access.groups.{group}: no list for it; write \"@{group}\" = [...] in access.users, or it changes nothing"
            ));
        }
    }
}

/// A user's name without what would act on a terminal.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
