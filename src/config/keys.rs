//! Every key that the product knows, in one table: the built ones with kind and default, the planned ones by name.
//!
//! The defaults here are the defaults: the loader reads them as if somebody had written them. The names of
//! environment variables follow from the paths, and so do the answers to keys that nobody knows.

use std::fmt;

/// What kind of value a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string; its form is the key's own.
    Text,
    /// A list of strings.
    List,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Bool,
    /// A table from user names to lists; only the file can hold it.
    UserTable,
    /// A table from group names to lists; the same.
    GroupTable,
    /// A list of tables, each of a certificate and its key; the same.
    Certificates,
    /// A table from names of certificates to user names; the same.
    CertificateTable,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Text => "a text in quotes",
            Kind::List => "a list of texts",
            Kind::Integer => "a whole number",
            Kind::Bool => "true or false",
            Kind::UserTable => "a table of users",
            Kind::GroupTable => "a table of groups",
            Kind::Certificates => "a list of certificates",
            Kind::CertificateTable => "a table of certificates and users",
        })
    }
}

/// What holds when nobody gives the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Default {
    /// This TOML value.
    Value(&'static str),
    /// No value; the text is an example, and says what holds instead after `#`.
    Unset(&'static str),
}

/// A key that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Its tables and its name, with dots between them.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Default,
    /// The flag of `serve` that sets it, without its dashes.
    pub(super) flag: Option<&'static str>,
}

const fn key(path: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { path, kind, default: Default::Value(default), flag: None }
}

const fn unset(path: &'static str, kind: Kind, example: &'static str) -> Key {
    Key { path, kind, default: Default::Unset(example), flag: None }
}

impl Kind {
    /// Why a variable or a flag cannot hold it, if that is so.
    pub(super) fn only_in_a_file(self) -> Option<&'static str> {
        match self {
            Kind::UserTable | Kind::GroupTable | Kind::CertificateTable => {
                Some("is a table, which only the file can hold")
            }
            Kind::Certificates => Some("is a list of tables, which only the file can hold"),
            Kind::Text | Kind::List | Kind::Integer | Kind::Bool => None,
        }
    }
}

impl Key {
    const fn flag(mut self, name: &'static str) -> Self {
        self.flag = Some(name);
        self
    }
}

/// Every key that is built, in the order of the annotated example.
pub(super) const KEYS: &[Key] = &[
    key("listen", Kind::List, r#"["0.0.0.0:8080", "[::]:8080"]"#).flag("listen"),
    key("trusted_proxies", Kind::List, "[]"),
    key("proxy_protocol", Kind::Bool, "false"),
    key("unix_socket_mode", Kind::Text, r#""0660""#),
    unset("workers", Kind::Integer, "4 # one a core"),
    key("redirect", Kind::Bool, "false"),
    unset("redirect_port", Kind::Integer, "443 # that of the first https entry of listen"),
    key("hosts", Kind::List, "[]"),
    key("allowed_origins", Kind::List, "[]"),
    unset("state_dir", Kind::Text, r#""/var/lib/mailwarden" # $STATE_DIRECTORY, else this"#),
    unset("health_path", Kind::Text, r#""/healthz" # nothing is answered without credentials"#),
    unset("tls.cert_file", Kind::Text, r#""/etc/mailwarden/tls/cert.pem" # no TLS"#),
    unset("tls.key_file", Kind::Text, r#""/etc/mailwarden/tls/key.pem" # no TLS"#),
    key("tls.certificates", Kind::Certificates, "[]"),
    key("tls.min_version", Kind::Text, r#""1.2""#),
    key("tls.http2", Kind::Bool, "true"),
    unset("tls.hsts", Kind::Text, r#""365d" # browsers may come back in clear text"#),
    unset("tls.client_ca_file", Kind::Text, r#""/etc/mailwarden/tls/clients.pem" # nobody is asked for a certificate"#),
    key("tls.client_auth", Kind::Text, r#""required""#),
    key("tls.client_users", Kind::CertificateTable, "{}"),
    key("upstream.url", Kind::Text, r#""http://127.0.0.1:1080""#).flag("upstream"),
    key("upstream.catcher", Kind::Text, r#""mailcatcher""#).flag("catcher"),
    unset("upstream.username", Kind::Text, r#""mailwarden" # the catcher has no login of its own"#),
    unset(
        "upstream.password_file",
        Kind::Text,
        r#""/etc/mailwarden/catcher-password" # the catcher has no login of its own"#,
    ),
    key("auth.realm", Kind::Text, r#""Restricted""#).flag("realm"),
    key("auth.users_file", Kind::Text, r#""/etc/mailwarden/htpasswd""#).flag("users-file"),
    key("auth.allow_plaintext", Kind::Bool, "false"),
    key("auth.login_page", Kind::Bool, "false"),
    key("auth.anonymous_from", Kind::List, "[]"),
    unset("access.default", Kind::List, r#"["view", "delete", "clear"] # the catcher's own default"#),
    key("access.users", Kind::UserTable, "{}"),
    key("access.groups", Kind::GroupTable, "{}"),
    key("access.anonymous", Kind::List, r#"["view"]"#),
    key("mail.remote_content", Kind::Text, r#""allow""#),
    key("page.enhance", Kind::Bool, "true"),
    unset("purge.schedule", Kind::Text, r#""0 3 * * *" # nothing is purged by itself"#),
    unset("purge.every", Kind::Text, r#""1h" # nothing is purged by itself"#),
    key("purge.timezone", Kind::Text, r#""UTC""#),
    key("purge.catch_up", Kind::Bool, "false"),
    unset("purge.max_age", Kind::Text, r#""24h" # no limit"#),
    unset("purge.max_messages", Kind::Integer, "500 # no limit"),
    unset("purge.max_size", Kind::Text, r#""500MiB" # no limit"#),
    key("purge.min_age", Kind::Text, r#""1m""#),
    key("purge.retry_for", Kind::Text, r#""10m""#),
    unset("purge.archive_dir", Kind::Text, r#""/var/lib/mailwarden/archive" # no copies"#),
    unset("purge.archive_max_age", Kind::Text, r#""30d" # no limit"#),
    unset("purge.archive_max_size", Kind::Text, r#""1GiB" # no limit"#),
    unset("purge.alert_url_file", Kind::Text, r#""/etc/mailwarden/alert-url" # nobody is told"#),
    key("limits.body", Kind::Text, r#""1MiB""#),
    key("limits.head", Kind::Text, r#""64KiB""#),
    key("limits.connections", Kind::Integer, "4096"),
    key("limits.connections_per_address", Kind::Integer, "512"),
    key("limits.read_ahead", Kind::Text, r#""64MiB""#),
    key("timeouts.proxy_header", Kind::Text, r#""5s""#),
    key("timeouts.keep_alive", Kind::Text, r#""75s""#),
    key("timeouts.handshake", Kind::Text, r#""10s""#),
    key("timeouts.request_head", Kind::Text, r#""60s""#),
    key("timeouts.request_body", Kind::Text, r#""60s""#),
    key("timeouts.upstream_connect", Kind::Text, r#""10s""#),
    key("timeouts.upstream_answer", Kind::Text, r#""60s""#),
    key("timeouts.upstream_clear", Kind::Text, r#""300s""#),
    key("timeouts.upstream_idle", Kind::Text, r#""10s""#),
    key("timeouts.ping", Kind::Text, r#""15s""#),
    key("timeouts.send", Kind::Text, r#""5m""#),
    key("timeouts.stop", Kind::Text, r#""8s""#),
    key("status.listen", Kind::Text, r#""127.0.0.1:9080""#).flag("status-listen"),
    key("log.level", Kind::Text, r#""info""#).flag("log-level"),
    key("log.access", Kind::Bool, "true"),
    key("log.format", Kind::Text, r#""text""#).flag("log-format"),
];

/// Keys and tables of capabilities that this version does not have, and what it does not do. To accept and ignore one
/// would be to promise what does not happen.
const NOT_YET: &[(&str, &str)] = &[("site", "this version serves one catcher only yet")];

/// What a path in the configuration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// A key that is built.
    Key(&'static Key),
    /// A table with keys that are built.
    Table,
    /// Of a capability that is not built yet; the text says which.
    NotYet(&'static str),
    /// Nothing that the product knows.
    Unknown,
}

/// What `path` is.
pub(super) fn find(path: &str) -> Known {
    if let Some(key) = KEYS.iter().find(|key| key.path == path) {
        return Known::Key(key);
    }
    let below = |table: &str| path.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if let Some((_, what)) = NOT_YET.iter().find(|(table, _)| below(table)) {
        return Known::NotYet(what);
    }
    if tables().any(|table| table == path) { Known::Table } else { Known::Unknown }
}

/// One part of a path as TOML writes it: in quotes where it needs them.
pub(super) fn written(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { name.to_owned() } else { format!("{name:?}") }
}

/// A value that a text key could have, in its quotes.
pub(super) fn example(path: &str) -> Option<&'static str> {
    let key = KEYS.iter().find(|key| key.path == path && key.kind == Kind::Text)?;
    let (Default::Value(text) | Default::Unset(text)) = key.default;
    Some(text.split_once(" #").map_or(text, |(value, _)| value))
}

/// The key that a flag of `serve` sets.
pub(super) fn by_flag(flag: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.flag == Some(flag))
}

/// The tables that hold keys; one may come several times.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|key| key.path.rsplit_once('.')).map(|(table, _)| table)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::environment::{env_name, is_injected};

    #[test]
    fn no_path_flag_or_variable_stands_for_two_keys() {
        let distinct = |names: Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
        assert!(distinct(KEYS.iter().map(|key| key.path.to_owned()).collect()));
        assert!(distinct(KEYS.iter().map(|key| env_name(key.path)).collect()));
        assert!(distinct(KEYS.iter().filter_map(|key| key.flag).map(str::to_owned).collect()));
        assert!(KEYS.iter().all(|key| !is_injected(&env_name(key.path))));
    }

    #[test]
    fn nothing_is_both_built_and_planned() {
        for key in KEYS {
            assert_eq!(find(key.path), Known::Key(key), "{}", key.path);
        }
        for (path, what) in NOT_YET {
            assert_eq!(find(path), Known::NotYet(what), "{path}");
            assert_eq!(find(&format!("{path}.x")), Known::NotYet(what), "{path}");
        }
    }

    #[test]
    fn paths_are_found_whole() {
        assert_eq!(find("upstream"), Known::Table);
        assert_eq!(find("site.a.b"), Known::NotYet("this version serves one catcher only yet"));
        for path in ["", "upstream.", "upstream.url.x", "purger", "Listen", "sites"] {
            assert_eq!(find(path), Known::Unknown, "{path}");
        }
    }
}
