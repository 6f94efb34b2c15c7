//! What was probably meant by a name that nobody knows.

use super::environment::{ENV_PREFIX, env_name};
use super::keys::{KEYS, tables};

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
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
        #[test]
        fn no_name_panics(name: String) {
            let _ = (suggestion(&name), env_suggestion(&format!("{ENV_PREFIX}{name}")));
        }
    }
}
