//! Why nobody is logged in. "No" is not "could not tell": only the first is a wrong answer by the client, and only it
//! may count against anybody.

use std::fmt;
use std::time::Duration;

use super::credentials::Malformed;
use super::users::UserName;
use super::verify::NoAnswer;

/// Why a request has no identity. The texts are for the log; what the client is told is not chosen here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthFailure {
    /// No `Authorization` at all: what every browser sends first.
    NoCredentials,
    /// An `Authorization` from which no credentials can be read.
    Malformed(Malformed),
    /// No user has that name. The name is not kept: people type passwords into its field.
    UnknownUser,
    /// The users file has the name, and its line was refused: nothing is known about the password.
    RefusedLine {
        /// The user, by the users file.
        user: UserName,
    },
    /// The user exists and the password is not theirs.
    WrongPassword {
        /// The user, by the users file.
        user: UserName,
    },
    /// As many passwords wait to be verified as may wait. Nothing is known about this one.
    Busy,
    /// Too many wrong ones came from there; this one was not looked at.
    Throttled,
    /// The hash could not be computed. Nothing is known about the password.
    CouldNotTell,
}

impl AuthFailure {
    /// Whether the credentials were looked at and are wrong.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        matches!(self, Self::UnknownUser | Self::WrongPassword { .. })
    }

    /// Whether, to us, the client did not try to log in: no `Authorization`, or one of another scheme.
    #[must_use]
    pub fn is_no_attempt(&self) -> bool {
        matches!(self, Self::NoCredentials | Self::Malformed(Malformed::OtherScheme))
    }
}

impl From<Malformed> for AuthFailure {
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

impl From<NoAnswer> for AuthFailure {
    fn from(reason: NoAnswer) -> Self {
        match reason {
            NoAnswer::Busy => Self::Busy,
            NoAnswer::Crowded => Self::Throttled,
            NoAnswer::CouldNotTell => Self::CouldNotTell,
        }
    }
}

impl fmt::Display for AuthFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCredentials => f.write_str("no credentials"),
            Self::Malformed(Malformed::OtherScheme) => f.write_str("no credentials (another scheme than Basic)"),
            Self::Malformed(reason) => write!(f, "malformed credentials: {reason}"),
            Self::UnknownUser => f.write_str("unknown user"),
            Self::WrongPassword { user } => write!(f, "wrong password for user {user}"),
            Self::RefusedLine { user } => write!(f, "the users file has a refused line for user {user}"),
            Self::Busy => NoAnswer::Busy.fmt(f),
            Self::Throttled => f.write_str("too many wrong passwords came from there"),
            Self::CouldNotTell => NoAnswer::CouldNotTell.fmt(f),
        }
    }
}

impl std::error::Error for AuthFailure {}

/// A failure, and whether it was one too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why there is no identity.
    pub failure: AuthFailure,
    /// When to try again, after too many wrong passwords from the same place.
    pub retry_after: Option<Duration>,
}

impl<T: Into<AuthFailure>> From<T> for Refusal {
    fn from(failure: T) -> Self {
        Self { failure: failure.into(), retry_after: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for Refusal {}
