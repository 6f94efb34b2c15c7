//! The environment variables that stand for keys.

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            let _ = (env_path(&name), is_injected(&name));
        }
    }
}
