//! What can be wrong with a stored hash. The texts go to the log and to `check`: they name the format and the fault,
//! and never repeat what the file holds, which may be a password that someone forgot to hash.

use std::fmt;

/// Why a text of the users file is not taken as a hash. The user of that line cannot log in; the others can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashError {
    /// Nothing stands after the colon.
    Empty,
    /// `*` or `!`: how passwd files lock a user.
    Locked,
    /// `{PLAIN}`, which the configuration does not allow.
    Plaintext,
    /// A format that is known and not read.
    Unsupported(&'static str),
    /// No known format; perhaps a password in plain text.
    Unknown,
    /// The format is supported and this text is not a right example of it.
    Damaged {
        /// The format's name.
        format: &'static str,
        /// What is wrong, or what is right instead.
        fault: &'static str,
    },
    /// Verifying it would take too much time or memory, so that one line could stop everybody.
    TooCostly {
        /// The format's name.
        format: &'static str,
        /// The limit that it is over.
        limit: &'static str,
    },
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no hash stands after the colon"),
            Self::Locked => f.write_str("locked with * or !, no password can match"),
            Self::Plaintext => {
                f.write_str("a password in plain text ({PLAIN}) is refused unless auth.allow_plaintext is true")
            }
            Self::Unsupported(format) => write!(f, "{format} is not supported"),
            Self::Unknown => f.write_str("not a known hash; a bare password is never accepted"),
            Self::Damaged { format, fault } => write!(f, "damaged {format} hash: {fault}"),
            Self::TooCostly { format, limit } => {
                write!(f, "this {format} hash costs too much to verify: {limit}")
            }
        }
    }
}

impl std::error::Error for HashError {}

/// A hash could not be computed. The password may be right or wrong: nobody knows, so nobody is to be blamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CouldNotTell;

impl fmt::Display for CouldNotTell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the hash could not be computed")
    }
}

impl std::error::Error for CouldNotTell {}
