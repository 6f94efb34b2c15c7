//! Who somebody is, once it is known.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use super::users::{User, UserName, Users};

/// A user whose password was right. Only this module's parent makes one, so that whoever asks for an `Identity` asks
/// for someone who has logged in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity(Arc<User>);

impl Identity {
    pub(super) fn of(user: &Arc<User>) -> Self {
        Self(user.clone())
    }

    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &UserName {
        self.0.name()
    }

    /// The name as the value of `X-Forwarded-User`: the bytes of the users file, without control characters and
    /// without white space around them.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        self.0.header_value().clone()
    }

    /// Whether these users still have this one, with the password that was right then. After a reload an open tunnel
    /// of a user who was removed or whose hash changed has to end.
    #[must_use]
    pub fn is_among(&self, users: &Users) -> bool {
        users.get(self.name().as_bytes()).is_some_and(|user| user.hash() == self.0.hash())
    }

    /// Somebody of that name, for the tests of what needs an identity.
    #[cfg(test)]
    #[allow(clippy::expect_used, reason = "a test may fail loudly")]
    pub(crate) fn for_tests(name: &str) -> Self {
        let users = Users::parse(format!("{name}:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=").as_bytes());
        Self::of(users.get(name.as_bytes()).expect("a name that a users file can have"))
    }
}

/// The name, with whatever could change the look of a log line escaped.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catcher_gets_the_name_as_it_is_and_the_log_gets_it_escaped() {
        let identity = Identity::for_tests("j\u{f6}rg \"\u{202e}x");
        assert_eq!(identity.header_value(), "j\u{f6}rg \"\u{202e}x".as_bytes());
        assert_eq!(identity.to_string(), "j\u{f6}rg \\\"\\u{202e}x");
    }

    #[test]
    fn a_removed_or_rehashed_user_is_not_among_the_users_any_more() {
        let identity = Identity::for_tests("alice");
        for (file, expected) in [
            ("bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nalice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", true),
            ("alice:$apr1$x$12YdXEY0/hH4rDNkmZupO0", false),
            ("alice:!\nalice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", false),
            ("", false),
        ] {
            assert_eq!(identity.is_among(&Users::parse(file.as_bytes())), expected, "{file}");
        }
    }
}
