//! What `check` found: the same facts for people and for scripts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::tls::TlsPlan;
use super::{LineProblem, UsersReport};
use crate::auth::how_to_make;
use crate::cli::Exit;
use crate::config::model::{
    AccessConfig, CatcherKind, Config, Listen, ListenAt, PurgeConfig, RemoteContent, Scheme, UsersFile,
};
use crate::config::{self, ConfigError, Place};
use crate::net::tls::files::TlsFileError;
use crate::page::script_path;
use crate::permission::PermissionSet;
use crate::session::page;

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

/// What the daemon will do.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    pub(super) listen: Vec<ListenPlan>,
    /// Where it tells how it is; none if that is off.
    pub(super) status: Option<String>,
    /// What is spoken and shown at the https entries of `listen`.
    pub(super) tls: Option<TlsPlan>,
    /// What is answered without credentials on the main port.
    pub(super) health_path: Option<String>,
    /// The networks whose forwarding headers are believed, and `unix`.
    pub(super) trusted_proxies: Vec<String>,
    /// Whether each connection of theirs begins with a PROXY header.
    pub(super) proxy_protocol: bool,
    /// The port of the address by TLS to which requests in clear text are sent, if they are.
    pub(super) redirect: Option<u16>,
    /// For how long browsers that came by TLS come by nothing else, if they are told so.
    pub(super) hsts: Option<String>,
    /// The names under which it may be asked; empty: any.
    pub(super) hosts: Vec<String>,
    /// The other sites whose pages may use it.
    pub(super) allowed_origins: Vec<String>,
    pub(super) upstream: UpstreamPlan,
    pub(super) auth: AuthPlan,
    pub(super) access: AccessPlan,
    pub(super) mail: MailPlan,
    /// Where the script is that the inbox page is given, if it is.
    pub(super) page_script: Option<String>,
    pub(super) purge: PurgePlan,
    /// Every limit, timeout and the like by its key.
    pub(super) settings: BTreeMap<&'static str, String>,
    /// Those of them that are not as by default, with the default.
    pub(super) differs_from_default: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ListenPlan {
    pub(super) address: String,
    pub(super) skipped_without_ipv6: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct UpstreamPlan {
    pub(super) url: String,
    pub(super) catcher: String,
    pub(super) username: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct AuthPlan {
    pub(super) realm: String,
    pub(super) users_file: String,
    pub(super) users: UsersReport,
    /// Where the page to log in is, if there is one.
    pub(super) login_page: Option<&'static str>,
    /// The networks from which people come without credentials.
    pub(super) anonymous_from: Vec<String>,
}

/// Who may do what.
#[derive(Debug, Serialize)]
pub(super) struct AccessPlan {
    pub(super) default: Vec<&'static str>,
    /// What those may do who have a list, their own or their groups'.
    pub(super) users: BTreeMap<String, Vec<&'static str>>,
    /// The groups, and who is in them.
    pub(super) groups: BTreeMap<String, Vec<String>>,
    pub(super) anonymous: Vec<&'static str>,
    /// Where those have it from who have a list.
    #[serde(skip)]
    pub(super) by: BTreeMap<String, String>,
    /// What there is to be granted with this catcher.
    #[serde(skip)]
    pub(super) grantable: Vec<&'static str>,
}

impl AccessPlan {
    fn new(access: &AccessConfig, catcher: CatcherKind) -> Self {
        let (mut users, mut by) = (BTreeMap::new(), BTreeMap::new());
        for name in access.named() {
            let Some(set) = access.of(name) else { continue };
            users.insert(shown(name), names(set));
            let groups: Vec<String> = access.groups_of(name).map(|(group, _)| format!("@{group}")).collect();
            let own = access.users.contains_key(name);
            by.insert(shown(name), if own { "own list".to_owned() } else { groups.join(", ") });
        }
        Self {
            default: names(access.default.unwrap_or_else(|| catcher.default_permissions())),
            users,
            groups: access
                .groups
                .iter()
                .map(|(group, members)| (group.clone(), members.iter().map(|name| shown(name)).collect()))
                .collect(),
            anonymous: names(access.anonymous),
            by,
            grantable: names(catcher.permissions()),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct MailPlan {
    /// `allow` or `block`; none where mails are shown as an unknown catcher shows them.
    pub(super) remote_content: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct PurgePlan {
    /// When, if anything is purged by itself.
    pub(super) schedule: Option<String>,
    /// What goes, in words.
    pub(super) rule: Option<String>,
    /// The next run.
    pub(super) next: Option<String>,
    pub(super) catch_up: bool,
    pub(super) archive_dir: Option<String>,
    pub(super) alerts: bool,
}

impl PurgePlan {
    fn new(config: &PurgeConfig) -> Self {
        let next = config.schedule.as_ref().and_then(|schedule| schedule.after(jiff::Timestamp::now()));
        PurgePlan {
            schedule: config.schedule.as_ref().map(ToString::to_string),
            rule: config.rule().map(|rule| rule.to_string()),
            next: next.map(|next| next.to_string()),
            catch_up: config.catch_up,
            archive_dir: config.archive.as_ref().map(|archive| archive.dir.display().to_string()),
            alerts: config.alert.is_some(),
        }
    }
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
}

impl Report {
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

impl Plan {
    pub(super) fn new(config: &Config, users: UsersReport, tls: Option<TlsPlan>) -> Self {
        let live = &config.live;
        let settings = settings(config);
        let usual = config::defaults().map(|config| self::settings(&config)).unwrap_or_default();
        Plan {
            listen: config.start.listen.iter().map(ListenPlan::new).collect(),
            status: config.start.status.as_ref().map(|status| status.listen.to_string()),
            tls,
            health_path: live.health_path.clone(),
            proxy_protocol: live.proxy_protocol,
            trusted_proxies: live
                .trusted_proxies
                .nets
                .iter()
                .map(ToString::to_string)
                .chain(live.trusted_proxies.unix.then(|| "unix".to_owned()))
                .collect(),
            redirect: config.start.redirect.map(|redirect| redirect.port),
            hsts: live.hsts.map(config::units::format_duration),
            hosts: live.hosts.iter().map(str::to_owned).collect(),
            allowed_origins: live.allowed_origins.iter().map(str::to_owned).collect(),
            upstream: UpstreamPlan {
                url: live.site.upstream.to_string(),
                catcher: live.site.catcher.to_string(),
                username: live.site.upstream.credentials.as_ref().map(|credentials| credentials.username.clone()),
            },
            auth: AuthPlan {
                realm: live.auth.realm.clone(),
                users_file: live.auth.users_file.path.display().to_string(),
                users,
                login_page: live.auth.login_page.then_some(page::LOGIN),
                anonymous_from: live.auth.anonymous_from.iter().map(ToString::to_string).collect(),
            },
            access: AccessPlan::new(&live.site.access, live.site.catcher),
            mail: MailPlan {
                remote_content: (live.site.catcher != CatcherKind::Generic)
                    .then(|| live.site.remote_content.to_string()),
            },
            page_script: (live.page.enhance && live.site.catcher == CatcherKind::MailCatcher)
                .then(|| script_path(live.site.upstream.prefix.as_str())),
            purge: PurgePlan::new(&live.site.purge),
            differs_from_default: usual.into_iter().filter(|(key, value)| settings.get(key) != Some(value)).collect(),
            settings,
        }
    }
}

impl ListenPlan {
    fn new(listen: &Listen) -> Self {
        ListenPlan {
            address: listen.to_string(),
            skipped_without_ipv6: matches!(listen.at, ListenAt::Tcp { optional: true, .. }),
        }
    }
}

/// What has a number or a name for a value, by its key; where it listens is told apart.
fn settings(config: &Config) -> BTreeMap<&'static str, String> {
    let told_apart = |key: &str| key == "listen" || key == "status.listen";
    let plaintext = ("auth.allow_plaintext", config.live.auth.allow_plaintext.to_string());
    config.start.settings().into_iter().filter(|(key, _)| !told_apart(key)).chain([plaintext]).collect()
}

fn names(set: PermissionSet) -> Vec<&'static str> {
    set.iter().map(|permission| permission.name()).collect()
}

/// A user's name without what would act on a terminal.
pub(super) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
