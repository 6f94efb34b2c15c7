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
fn tables() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|key| key.path.rsplit_once('.')).map(|(table, _)| table)
}

/// What nginx calls what is a key here, for who writes the old name out of habit.
const ELSEWHERE: &[(&str, &str)] = &[
    ("auth_basic", "auth.realm"),
    ("auth_basic_user_file", "auth.users_file"),
    ("certificate", "tls.cert_file"),
    ("certificate_key", "tls.key_file"),
    ("client_max_body_size", "limits.body"),
    ("proxy_pass", "upstream.url"),
    ("server_name", "hosts"),
    ("set_real_ip_from", "trusted_proxies"),
    ("ssl_certificate", "tls.cert_file"),
    ("ssl_certificate_key", "tls.key_file"),
    ("ssl_client_certificate", "tls.client_ca_file"),
    ("ssl_protocols", "tls.min_version"),
];

/// The path that was probably meant by one that nobody knows, with what else there is to say about it.
pub(super) fn suggestion(path: &str) -> Option<String> {
    let paths = || KEYS.iter().map(|key| key.path);
    let above = |name: &str| format!("did you mean {name}? It belongs above the first [table]");
    if let Some(name) =
        paths().find(|known| !known.contains('.') && path.rsplit_once('.').is_some_and(|(_, name)| name == *known))
    {
        return Some(above(name));
    }
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == last_part(path)) {
        return Some(if ours.contains('.') { format!("did you mean {ours}?") } else { above(ours) });
    }
    // `tls.key`, as others call it, for tls.key_file; two more letters make it another word for `closest`.
    if let Some(longer) = paths().find(|known| known.strip_prefix(path).is_some_and(|rest| rest.starts_with('_'))) {
        return Some(format!("did you mean {longer}?"));
    }
    if let Some(close) = closest(path, paths().chain(tables())) {
        return Some(format!("did you mean {close}?"));
    }
    let name = last_part(path);
    if tables().any(|table| table == name) {
        // `auth.realm = …` below [log] is log.auth.realm to TOML.
        return Some(format!("{name} is a table of its own; what begins with {name}. belongs above the first [table]"));
    }
    let same_name = paths().find(|known| last_part(known) == name)?;
    Some(if same_name.contains('.') { format!("did you mean {same_name}?") } else { above(same_name) })
}

/// The word that was probably meant, if one is near: a third of the letters may be wrong.
pub(super) fn closest<'a>(wrong: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .map(|word| (strsim::osa_distance(wrong, word), word))
        .filter(|(distance, word)| *distance <= word.len().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

fn last_part(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, name)| name)
}

/// What begins the name of each of our environment variables.
pub(super) const ENV_PREFIX: &str = "MAILWARDEN_";

/// The environment variable of a key: capitals, and `__` between tables.
pub(super) fn env_name(path: &str) -> String {
    format!("{ENV_PREFIX}{}", path.to_ascii_uppercase().replace('.', "__"))
}

/// The path that a variable's name stands for, if it is one of the form that [`env_name`] makes.
pub(super) fn env_path(name: &str) -> Option<String> {
    let path = name.strip_prefix(ENV_PREFIX)?.replace("__", ".").to_ascii_lowercase();
    (env_name(&path) == name).then_some(path)
}

/// Whether container engines set a variable of this name for a service that is called mailwarden.
pub(super) fn is_injected(name: &str) -> bool {
    name.strip_prefix(ENV_PREFIX).is_some_and(|rest| rest.starts_with("PORT") || rest.starts_with("SERVICE_"))
}

/// The variable that was probably meant by one that nobody knows.
pub(super) fn env_suggestion(name: &str) -> Option<String> {
    let names: Vec<String> = KEYS.iter().map(|key| env_name(key.path)).collect();
    // The common beginning must not make everything look alike.
    let short = |name: &str| name.get(ENV_PREFIX.len()..).unwrap_or_default().to_owned();
    let shorts: Vec<String> = names.iter().map(|name| short(name)).collect();
    closest(&short(name), shorts.iter().map(String::as_str)).map(|close| format!("did you mean {ENV_PREFIX}{close}?"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

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

    #[test]
    fn what_nginx_calls_it_leads_to_a_key() {
        for (theirs, ours) in ELSEWHERE {
            assert!(KEYS.iter().any(|key| key.path == *ours), "{theirs}: {ours}");
        }
    }

    #[test]
    fn a_wrong_path_gets_the_near_one() {
        let table = [
            ("listne", Some("did you mean listen?")),
            ("upsteam", Some("did you mean upstream?")),
            ("tls.key", Some("did you mean tls.key_file?")),
            ("tls.ssl_certificate", Some("did you mean tls.cert_file?")),
            ("set_real_ip_from", Some("did you mean trusted_proxies? It belongs above the first [table]")),
            ("tls.cert", Some("did you mean tls.cert_file?")),
            ("upstream.ulr", Some("did you mean upstream.url?")),
            ("users_file", Some("did you mean auth.users_file?")),
            ("log.listen", Some("did you mean listen? It belongs above the first [table]")),
            ("auth.listen", Some("did you mean listen? It belongs above the first [table]")),
            ("auth.trusted_proxies", Some("did you mean trusted_proxies? It belongs above the first [table]")),
            ("log.auth", Some("auth is a table of its own; what begins with auth. belongs above the first [table]")),
            ("auth.user_file", Some("did you mean auth.users_file?")),
            ("proxy_read_timeout", None),
            ("x", None),
        ];
        for (path, expected) in table {
            assert_eq!(suggestion(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_wrong_variable_gets_the_near_one() {
        let table = [
            ("MAILWARDEN_UPSTREAM_URL", Some("did you mean MAILWARDEN_UPSTREAM__URL?")),
            ("MAILWARDEN_LISTENS", Some("did you mean MAILWARDEN_LISTEN?")),
            ("MAILWARDEN_CONFIG", None),
        ];
        for (name, expected) in table {
            assert_eq!(env_suggestion(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn variables_have_capitals_and_two_underlines_between_tables() {
        assert_eq!(env_name("upstream.url"), "MAILWARDEN_UPSTREAM__URL");
        assert_eq!(env_path("MAILWARDEN_AUTH__USERS_FILE").as_deref(), Some("auth.users_file"));
        assert_eq!(env_path("MAILWARDEN_upstream__url"), None);
        assert_eq!(env_path("MAILWARDENX"), None);
    }

    #[test]
    fn what_engines_inject_is_known() {
        for name in ["MAILWARDEN_PORT", "MAILWARDEN_PORT_8080_TCP_ADDR", "MAILWARDEN_SERVICE_HOST"] {
            assert!(is_injected(name), "{name}");
        }
        for name in ["MAILWARDEN_SERVICES", "MAILWARDEN_LISTEN", "PORT"] {
            assert!(!is_injected(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_path_comes_back_from_its_variable(path in "[a-z]([a-z]|_[a-z]){0,8}(\\.[a-z]([a-z]|_[a-z]){0,8}){0,2}") {
            prop_assert_eq!(env_path(&env_name(&path)), Some(path));
        }

        #[test]
        fn no_name_panics(name: String) {
            let name = format!("{ENV_PREFIX}{name}");
            let _ = (env_path(&name), env_suggestion(&name), suggestion(&name), find(&name), is_injected(&name));
        }
    }
}
