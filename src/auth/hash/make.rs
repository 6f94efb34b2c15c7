//! Makes the hash of a new password: the few formats that are worth writing, each with a cost between bounds.
//!
//! Reading takes many formats because files have them; writing takes four. argon2id is the strongest and no other
//! server reads it, bcrypt is what nginx and Apache read on today's systems, SHA-512 crypt is for an nginx whose system
//! has no bcrypt (an old glibc, musl), and apr1 for whatever reads nothing else.

mod method;
mod password;

use std::fmt;

use ::argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

pub use self::method::Method;
pub use self::password::BadPassword;
use super::{Scheme, StoredHash, crypt64, md5_crypt, sha_crypt};

/// In KiB: what OWASP asks for with two passes. Always as much: the daemon may have less memory than this machine.
const ARGON2_MEMORY: u32 = 19 * 1024;
const ARGON2_TAG: usize = 32;
/// A format with everything that it needs but the password and the salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// `$argon2id$`.
    Argon2id {
        /// In KiB.
        memory: u32,
        /// Passes over the memory.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// `$2y$`.
    Bcrypt {
        /// The logarithm of the number of rounds.
        cost: u32,
    },
    /// `$6$`.
    Sha512Crypt {
        /// Rounds.
        rounds: u32,
    },
    /// `$apr1$`.
    Apr1,
}

impl Recipe {
    /// The recipe that a hash was made by, if it is one that is written and no weaker than a new one: who chose a
    /// higher cost for a user keeps it when the password changes.
    #[must_use]
    pub fn worth_keeping(scheme: Scheme) -> Option<Self> {
        match scheme {
            Scheme::Argon2 { variant: "argon2id", memory, passes, lanes } if memory >= ARGON2_MEMORY && passes >= 2 => {
                Some(Self::Argon2id { memory, passes, lanes })
            }
            Scheme::Bcrypt { cost, faulty: false } if cost >= 10 => Some(Self::Bcrypt { cost }),
            Scheme::ShaCrypt { variant: "SHA-512 crypt", rounds } if rounds >= 100_000 => {
                Some(Self::Sha512Crypt { rounds })
            }
            _ => None,
        }
    }

    /// The format and cost of what it makes.
    #[must_use]
    pub fn scheme(self) -> Scheme {
        match self {
            Self::Argon2id { memory, passes, lanes } => Scheme::Argon2 { variant: "argon2id", memory, passes, lanes },
            Self::Bcrypt { cost } => Scheme::Bcrypt { cost, faulty: false },
            Self::Sha512Crypt { rounds } => Scheme::ShaCrypt { variant: "SHA-512 crypt", rounds },
            Self::Apr1 => Scheme::Apr1,
        }
    }

    /// Hashes a password with a salt by chance, and makes sure that the reader opens what was made: a user who was told
    /// that all is well must not stand before a closed gate.
    ///
    /// # Errors
    /// When the hash could not be computed, or the reader does not take it.
    pub fn make(self, password: &[u8]) -> Result<Zeroizing<String>, CouldNotMake> {
        let text = self.compute(password)?;
        let stored = StoredHash::parse(text.as_bytes()).map_err(|_| CouldNotMake)?;
        match stored.verify(password) {
            Ok(true) => Ok(text),
            _ => Err(CouldNotMake),
        }
    }

    fn compute(self, password: &[u8]) -> Result<Zeroizing<String>, CouldNotMake> {
        let text = match self {
            Self::Argon2id { memory, passes, lanes } => argon2id(memory, passes, lanes, password)?,
            // Cut at 72 bytes, as by every htpasswd: it is for the one who asks to say so.
            Self::Bcrypt { cost } => ::bcrypt::hash_with_salt(password, cost, salt()?)
                .map_err(|_| CouldNotMake)?
                .format_for_version(::bcrypt::Version::TwoY),
            Self::Sha512Crypt { rounds } => {
                let salt = salt::<16>()?.map(|byte| crypt64::digit(byte.into()));
                sha_crypt::make_sha512(rounds, &salt, password).ok_or(CouldNotMake)?
            }
            Self::Apr1 => {
                let salt = salt::<8>()?.map(|byte| crypt64::digit(byte.into()));
                md5_crypt::make_apr1(&salt, password)
            }
        };
        Ok(Zeroizing::new(text))
    }
}

fn argon2id(memory: u32, passes: u32, lanes: u32, password: &[u8]) -> Result<String, CouldNotMake> {
    let params = Params::new(memory, passes, lanes, Some(ARGON2_TAG)).map_err(|_| CouldNotMake)?;
    let (salt, mut tag) = (salt::<16>()?, Zeroizing::new([0; ARGON2_TAG]));
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password, &salt, &mut tag[..]).map_err(|_| CouldNotMake)?;
    let (salt, tag) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(&tag[..]));
    Ok(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${tag}"))
}

fn salt<const N: usize>() -> Result<[u8; N], CouldNotMake> {
    let mut salt = [0; N];
    getrandom::fill(&mut salt).map_err(|_| CouldNotMake)?;
    Ok(salt)
}

/// No hash was made: no memory, or no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CouldNotMake;

impl fmt::Display for CouldNotMake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the hash could not be made: there may be too little memory")
    }
}

impl std::error::Error for CouldNotMake {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_opens_for_its_password_and_says_what_was_asked_for() {
        let cheap = [
            Recipe::Argon2id { memory: 64, passes: 1, lanes: 2 },
            Recipe::Bcrypt { cost: 4 },
            Recipe::Sha512Crypt { rounds: 1000 },
            Recipe::Sha512Crypt { rounds: 5000 },
            Recipe::Apr1,
        ];
        for recipe in cheap {
            for password in ["pässwort 李".as_bytes(), &[b'x'; 512]] {
                let made = recipe.make(password).unwrap();
                let stored = StoredHash::parse(made.as_bytes()).unwrap();
                assert_eq!(stored.scheme(), recipe.scheme());
                assert_eq!(stored.verify(password), Ok(true), "{recipe:?}");
                assert_eq!(stored.verify(&[b"!", password].concat()), Ok(false), "{recipe:?}");
                assert!(*recipe.make(password).unwrap() != *made, "the salt is by chance");
            }
        }
    }

    #[test]
    fn a_higher_cost_is_kept_and_a_lower_one_is_not() {
        let keeps = |recipe: Recipe| Recipe::worth_keeping(recipe.scheme()) == Some(recipe);
        assert!(keeps(Recipe::Bcrypt { cost: 10 }) && keeps(Recipe::Bcrypt { cost: 11 }));
        assert!(!keeps(Recipe::Bcrypt { cost: 9 }) && !keeps(Recipe::Apr1));
        assert!(!keeps(Recipe::Argon2id { memory: 64, passes: 9, lanes: 1 }));
        assert!(!keeps(Recipe::Sha512Crypt { rounds: 5000 }));
    }
}
