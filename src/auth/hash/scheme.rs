//! How a password is hashed, in words, and what is weak about it: for `check`, `user list` and the start of the log.

use std::fmt;

/// A hash format with its cost. Its `Display` is what people read: `bcrypt, cost 10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// `$apr1$`: Apache's md5-crypt, what `htpasswd` wrote for twenty years.
    Apr1,
    /// `$1$`: the md5-crypt that Apache's came from.
    Md5Crypt,
    /// `$2a$`, `$2b$`, `$2y$`, and `$2x$`.
    Bcrypt {
        /// The logarithm of the number of rounds, 4 to 15.
        cost: u32,
        /// Made by the faulty implementation that `$2x$` stands for.
        faulty: bool,
    },
    /// `{SHA}`: one SHA-1 without a salt.
    Sha,
    /// `{SSHA}`: one SHA-1 with a salt.
    Ssha,
    /// `$argon2i$`, `$argon2d$`, `$argon2id$`.
    Argon2 {
        /// `argon2i`, `argon2d` or `argon2id`.
        variant: &'static str,
        /// Memory, in KiB.
        memory: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// `$5$` and `$6$`.
    ShaCrypt {
        /// `SHA-256 crypt` or `SHA-512 crypt`.
        variant: &'static str,
        /// Rounds, 1000 to a million.
        rounds: u32,
    },
    /// `$y$`.
    Yescrypt {
        /// Memory, in KiB.
        memory: u32,
    },
    /// Thirteen characters without a mark.
    DesCrypt,
    /// `{PLAIN}`: not hashed at all.
    Plain,
}

/// Below this cost a bcrypt hash is fast to guess (2^8 rounds take some 14 ms).
const BCRYPT_WEAK_BELOW: u32 = 8;
/// Below this memory, in KiB, argon2 and yescrypt give up what sets them apart from a fast hash.
const MEMORY_WEAK_BELOW: u32 = 8 * 1024;
/// Below this number a SHA-crypt is as fast to guess as a weak bcrypt. The usual 5000 take 1 ms.
const SHA_CRYPT_WEAK_BELOW: u32 = 50_000;

impl Scheme {
    /// What is weak about it, if anything is.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        match *self {
            Self::Plain => Some(Weakness::Plain),
            Self::DesCrypt => Some(Weakness::DesCrypt),
            Self::Apr1 | Self::Md5Crypt => Some(Weakness::Md5),
            Self::Sha => Some(Weakness::UnsaltedAndFast),
            Self::Ssha => Some(Weakness::Fast),
            Self::Bcrypt { faulty: true, .. } => Some(Weakness::FaultyBcrypt),
            Self::Bcrypt { cost, .. } if cost < BCRYPT_WEAK_BELOW => Some(Weakness::LowCost { cost }),
            Self::Argon2 { memory, .. } if memory < MEMORY_WEAK_BELOW => {
                Some(Weakness::LowMemory { format: "argon2", memory })
            }
            Self::Yescrypt { memory } if memory < MEMORY_WEAK_BELOW => {
                Some(Weakness::LowMemory { format: "yescrypt", memory })
            }
            Self::ShaCrypt { variant, rounds } if rounds < SHA_CRYPT_WEAK_BELOW => {
                Some(Weakness::FewRounds { variant, rounds })
            }
            Self::Bcrypt { .. } | Self::Argon2 { .. } | Self::Yescrypt { .. } | Self::ShaCrypt { .. } => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Apr1 => f.write_str("apr1"),
            Self::Md5Crypt => f.write_str("MD5 crypt"),
            Self::ShaCrypt { variant, rounds } => write!(f, "{variant}, {rounds} rounds"),
            Self::Yescrypt { memory } => write!(f, "yescrypt, {}", Memory(memory)),
            Self::DesCrypt => f.write_str("DES crypt"),
            Self::Plain => f.write_str("plain text"),
            Self::Bcrypt { cost, .. } => write!(f, "bcrypt, cost {cost}"),
            Self::Sha => f.write_str("SHA-1"),
            Self::Ssha => f.write_str("salted SHA-1"),
            Self::Argon2 { variant, memory, passes, lanes } => {
                write!(f, "{variant}, {}, t={passes}, p={lanes}", Memory(memory))
            }
        }
    }
}

/// Why a stored hash is easy to guess for someone who has the file. The login works all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// `{SHA}`.
    UnsaltedAndFast,
    /// `{SSHA}`.
    Fast,
    /// `$apr1$` and `$1$`.
    Md5,
    /// DES crypt.
    DesCrypt,
    /// `{PLAIN}`.
    Plain,
    /// `$2x$`.
    FaultyBcrypt,
    /// bcrypt with few rounds.
    LowCost {
        /// The cost that was found.
        cost: u32,
    },
    /// SHA-crypt with few rounds.
    FewRounds {
        /// `SHA-256 crypt` or `SHA-512 crypt`.
        variant: &'static str,
        /// The rounds that were found.
        rounds: u32,
    },
    /// argon2 or yescrypt with little memory.
    LowMemory {
        /// Which of the two.
        format: &'static str,
        /// The memory that was found, in KiB.
        memory: u32,
    },
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnsaltedAndFast => {
                f.write_str("one SHA-1 without a salt: fast to guess, and equal passwords have equal hashes")
            }
            Self::Fast => f.write_str("one SHA-1: fast to guess"),
            Self::Plain => f.write_str("not hashed: whoever reads the file has the password"),
            Self::DesCrypt => f.write_str(
                "DES crypt: fast to guess, and what follows the first 8 characters of a password is ignored",
            ),
            Self::Md5 => f.write_str("1000 rounds of MD5: fast to guess"),
            Self::FaultyBcrypt => {
                f.write_str("$2x$ is the mark of a faulty bcrypt: passwords with letters beyond ASCII will not match")
            }
            Self::LowCost { cost } => write!(f, "bcrypt at cost {cost} is fast to guess; 10 or more is usual"),
            Self::FewRounds { variant, rounds } => {
                write!(f, "{variant} with {rounds} rounds is fast to guess; 100000 or more is not")
            }
            Self::LowMemory { format, memory } => {
                write!(f, "{format} with {} is fast to guess; 16 MiB or more is usual", Memory(memory))
            }
        }
    }
}

/// An amount of memory in KiB, in MiB where it is a whole number of them.
struct Memory(u32);

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            kib if kib >= 1024 && kib % 1024 == 0 => write!(f, "{} MiB", kib / 1024),
            kib => write!(f, "{kib} KiB"),
        }
    }
}
