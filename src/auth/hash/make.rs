//! Makes the hash of a new password: the few formats that are worth writing, each with a cost between bounds.
//!
//! Reading takes many formats because files have them; writing takes four. argon2id is the strongest and no other server
//! reads it, bcrypt is what nginx and Apache read on today's systems, SHA-512 crypt is for an nginx whose system has no
//! bcrypt (an old glibc, musl), and apr1 for whatever reads nothing else.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use ::argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::{MAX_PASSWORD, Scheme, StoredHash, crypt64, md5_crypt, sha_crypt};

/// In KiB: what OWASP asks for with two passes. Always as much: the daemon may have less memory than this machine.
const ARGON2_MEMORY: u32 = 19 * 1024;
const ARGON2_TAG: usize = 32;
/// How long a cost that is measured may take. The daemon pays it once for each user and password, not for each request.
const AIM: Duration = Duration::from_millis(100);

/// A format that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `$argon2id$`; its cost is the number of passes over 19 MiB.
    Argon2id,
    /// `$2y$`; its cost is the logarithm of the number of rounds.
    Bcrypt,
    /// `$6$`; its cost is the number of rounds.
    Sha512Crypt,
    /// `$apr1$`, which has no cost and is weak.
    Apr1,
}

impl Method {
    /// Which costs may be asked for: from where a hash is not weak to what the reader takes. None where there is no cost.
    #[must_use]
    pub const fn costs(self) -> Option<RangeInclusive<u32>> {
        match self {
            Self::Argon2id => Some(2..=16),
            Self::Bcrypt => Some(8..=15),
            Self::Sha512Crypt => Some(50_000..=1_000_000),
            Self::Apr1 => None,
        }
    }

    /// The recipe with the usual cost, below which no measuring goes.
    #[must_use]
    pub const fn usual(self) -> Recipe {
        match self {
            Self::Argon2id => self.at(2),
            Self::Bcrypt => self.at(10),
            Self::Sha512Crypt => self.at(100_000),
            Self::Apr1 => Recipe::Apr1,
        }
    }

    /// The recipe with that cost, which has to be one of [`Method::costs`].
    #[must_use]
    pub const fn at(self, cost: u32) -> Recipe {
        match self {
            Self::Argon2id => Recipe::Argon2id { memory: ARGON2_MEMORY, passes: cost, lanes: 1 },
            Self::Bcrypt => Recipe::Bcrypt { cost },
            Self::Sha512Crypt => Recipe::Sha512Crypt { rounds: cost },
            Self::Apr1 => Recipe::Apr1,
        }
    }

    /// The recipe whose cost takes some 100 ms on this machine, or the usual one where that takes longer already.
    ///
    /// # Errors
    /// When a hash could not be computed.
    pub fn measured(self) -> Result<Recipe, CouldNotMake> {
        let usual = self.usual();
        let Some(costs) = self.costs() else { return Ok(usual) };
        let mut took = Duration::MAX;
        // The best of three: the first one also pays for memory that nobody had touched before.
        for _ in 0..3 {
            let start = Instant::now();
            usual.compute(b"a password to measure with")?;
            took = took.min(start.elapsed());
        }
        Ok(self.at(self.fitting(took).min(*costs.end())))
    }

    /// The cost that takes [`AIM`], when the usual one takes `took`; never less than the usual one.
    fn fitting(self, took: Duration) -> u32 {
        let times = AIM.as_secs_f64() / took.as_secs_f64().max(1e-9);
        match self.usual() {
            // Each step doubles the time.
            Recipe::Bcrypt { cost } => cost + times.max(1.0).log2() as u32,
            Recipe::Argon2id { passes, .. } => (f64::from(passes) * times.max(1.0)) as u32,
            Recipe::Sha512Crypt { rounds } => (f64::from(rounds) * times.max(1.0)) as u32,
            Recipe::Apr1 => 0,
        }
    }
}

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
    /// The recipe that a hash was made by, if it is one that is written and no weaker than a new one: who chose a higher
    /// cost for a user keeps it when the password changes.
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

/// Why a new password is not taken. The text never holds any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPassword {
    /// Nothing at all.
    Empty,
    /// Over [`MAX_PASSWORD`].
    TooLong,
    /// A control character, NUL among them: no request can carry it (RFC 7617 section 2), and the crypt family and bcrypt
    /// would stop at a NUL.
    ControlCharacter,
}

impl BadPassword {
    /// Whether anybody could log in with that password.
    ///
    /// # Errors
    /// Why nobody could, or should.
    pub fn check(password: &[u8]) -> Result<(), Self> {
        match password {
            [] => Err(Self::Empty),
            _ if password.len() > MAX_PASSWORD => Err(Self::TooLong),
            _ if password.iter().any(u8::is_ascii_control) => Err(Self::ControlCharacter),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for BadPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the password is empty",
            Self::TooLong => "the password is longer than 512 bytes, and one as long is never tried",
            Self::ControlCharacter => "the password has a control character, which no browser can send",
        })
    }
}

impl std::error::Error for BadPassword {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    const METHODS: [Method; 4] = [Method::Argon2id, Method::Bcrypt, Method::Sha512Crypt, Method::Apr1];

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
    fn no_usual_cost_is_weak_and_every_cost_that_may_be_asked_for_is_read() {
        for method in METHODS {
            let Some(costs) = method.costs() else {
                assert!(method.usual().scheme().weakness().is_some());
                continue;
            };
            for cost in [*costs.start(), *costs.end()] {
                assert_eq!(method.at(cost).scheme().weakness(), None);
            }
            assert_eq!(method.usual().scheme().weakness(), None);
        }
        // The dearest ones are not computed here: the reader's caps are what matters.
        let highest = "$2y$15$abcdefghijklmnopqrstuuTZkYJ4vGJYv0zJQ7nPXz7zQ5bqxVJuK";
        assert!(StoredHash::parse(highest.as_bytes()).is_ok());
        let salt_and_tag = "c2FsdHNhbHRzYWx0c2FsdA$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA";
        let highest = format!("$argon2id$v=19$m={ARGON2_MEMORY},t=16,p=1${salt_and_tag}");
        assert!(StoredHash::parse(highest.as_bytes()).is_ok());
    }

    #[test]
    fn a_measured_cost_aims_at_a_tenth_of_a_second_and_never_goes_below_the_usual() {
        let ms = Duration::from_millis;
        let cases = [
            (Method::Bcrypt, ms(54), 10),
            (Method::Bcrypt, ms(50), 11),
            (Method::Bcrypt, ms(24), 12),
            (Method::Bcrypt, ms(5000), 10),
            (Method::Argon2id, ms(13), 15),
            (Method::Argon2id, ms(101), 2),
            (Method::Argon2id, Duration::MAX, 2),
            (Method::Sha512Crypt, ms(20), 500_000),
            (Method::Sha512Crypt, ms(400), 100_000),
        ];
        for (method, took, cost) in cases {
            assert_eq!(method.fitting(took), cost, "{method:?} {took:?}");
        }
        // A machine faster than any: the caps hold.
        assert!(Method::Argon2id.fitting(Duration::ZERO) > 16);
    }

    #[test]
    fn a_higher_cost_is_kept_and_a_lower_one_is_not() {
        let keeps = |recipe: Recipe| Recipe::worth_keeping(recipe.scheme()) == Some(recipe);
        assert!(keeps(Recipe::Bcrypt { cost: 10 }) && keeps(Recipe::Bcrypt { cost: 11 }));
        assert!(!keeps(Recipe::Bcrypt { cost: 9 }) && !keeps(Recipe::Apr1));
        assert!(!keeps(Recipe::Argon2id { memory: 64, passes: 9, lanes: 1 }));
        assert!(!keeps(Recipe::Sha512Crypt { rounds: 5000 }));
    }

    #[test]
    fn a_password_that_could_not_be_used_is_not_taken() {
        assert_eq!(BadPassword::check(b""), Err(BadPassword::Empty));
        assert_eq!(BadPassword::check(&[b'x'; 512]), Ok(()));
        assert_eq!(BadPassword::check(&[b'x'; 513]), Err(BadPassword::TooLong));
        for bad in [&b"a\0b"[..], b"a\nb", b"\t", b"a\x7f"] {
            assert_eq!(BadPassword::check(bad), Err(BadPassword::ControlCharacter));
        }
        assert_eq!(BadPassword::check(b" \xff "), Ok(()));
    }
}
