//! Who somebody is, once it is known.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;

use super::certificate::Certificate;
use super::users::{User, UserName, Users};
use crate::session::SessionId;

/// Somebody who may be asked for: a user whose password was right, now or when the cookie was given, or whoever comes
/// from a network that is let in without one. Only `auth` and `session` make one, so that whoever asks for an
/// `Identity` asks for someone who was let in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Identity {
    who: Who,
    by: By,
}

#[derive(Debug, Clone)]
enum Who {
    User(Arc<User>),
    /// With the certificate that stands for the user.
    Certified(Arc<(Arc<User>, Arc<Certificate>)>),
    Anonymous(IpAddr),
}

/// By what somebody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The password, in the request itself.
    Password,
    /// A session, begun with the password.
    Session(SessionId),
    /// A ticket for a socket, given to somebody with the password.
    Ticket,
    /// The certificate that the connection began with.
    Certificate,
    /// The network.
    Network,
}

impl Identity {
    pub(super) fn of(user: &Arc<User>) -> Self {
        Self { who: Who::User(user.clone()), by: By::Password }
    }

    /// A user whose cookie is right.
    pub(crate) fn of_cookie(user: &Arc<User>, by: By) -> Self {
        Self { who: Who::User(user.clone()), by }
    }

    /// A user whom a certificate stands for.
    pub(crate) fn of_certificate(user: &Arc<User>, certificate: &Arc<Certificate>) -> Self {
        Self { who: Who::Certified(Arc::new((user.clone(), certificate.clone()))), by: By::Certificate }
    }

    /// Whoever is at that address.
    pub(crate) fn anonymous(addr: IpAddr) -> Self {
        Self { who: Who::Anonymous(addr), by: By::Network }
    }

    /// By what somebody was let in.
    #[must_use]
    pub fn by(&self) -> By {
        self.by
    }

    /// The user; none for somebody anonymous.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        match &self.who {
            Who::User(user) => Some(user),
            Who::Certified(both) => Some(&both.0),
            Who::Anonymous(_) => None,
        }
    }

    /// The certificate that stands for the user, if he was let in by one.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.who {
            Who::Certified(both) => Some(&both.1),
            Who::User(_) | Who::Anonymous(_) => None,
        }
    }

    /// The user's name; none for somebody anonymous.
    #[must_use]
    pub fn name(&self) -> Option<&UserName> {
        self.user().map(User::name)
    }

    /// Where somebody anonymous is.
    #[must_use]
    pub fn anonymous_addr(&self) -> Option<IpAddr> {
        match self.who {
            Who::User(_) | Who::Certified(_) => None,
            Who::Anonymous(addr) => Some(addr),
        }
    }

    /// The name as the value of `X-Forwarded-User`: the bytes of the users file, without control characters and
    /// without white space around them. None for somebody anonymous.
    #[must_use]
    pub fn header_value(&self) -> Option<HeaderValue> {
        self.user().map(|user| user.header_value().clone())
    }

    /// Whether these users still have this one, with the password that was right then. After a reload an open tunnel
    /// of a user who was removed or whose hash changed has to end. Nobody anonymous is among users.
    #[must_use]
    pub fn is_among(&self, users: &Users) -> bool {
        self.user().is_some_and(|own| users.get(own.name().as_bytes()).is_some_and(|user| user.hash() == own.hash()))
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
        match &self.who {
            Who::User(user) => user.name().fmt(f),
            Who::Certified(both) => both.0.name().fmt(f),
            Who::Anonymous(addr) => write!(f, "anonymous at {addr}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn the_catcher_gets_the_name_as_it_is_and_the_log_gets_it_escaped() {
        let identity = Identity::for_tests("j\u{f6}rg \"\u{202e}x");
        assert_eq!(identity.header_value().unwrap(), "j\u{f6}rg \"\u{202e}x".as_bytes());
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
