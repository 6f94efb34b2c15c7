//! bcrypt: `$2y$10$` with 22 characters of salt and 31 of checksum, 60 in all and never fewer.

use std::str::FromStr;

use super::{CouldNotTell, HashError, Scheme};

const LENGTH: usize = 60;
/// At the highest cost one verification takes two seconds; each step more doubles it, and 31 is a day.
const COSTS: std::ops::RangeInclusive<u32> = 4..=15;

/// A parsed hash. The crate verifies against the text, so the text is what is kept.
///
/// bcrypt sees 72 bytes of a password and ignores the rest, as every `htpasswd` does: a longer password works here as
/// it did there, and it is for the tool that sets it to warn.
pub(super) struct Bcrypt {
    text: Box<str>,
    cost: u32,
}

/// Whether the text has a mark that this file reads. `$2$`, from before the salt was sound, is not one.
pub(super) fn is_bcrypt(text: &[u8]) -> bool {
    matches!(text, [b'$', b'2', b'a' | b'b' | b'x' | b'y', b'$', ..])
}

impl Bcrypt {
    pub(super) fn parse(text: &[u8]) -> Result<Self, HashError> {
        let damaged = |fault| HashError::Damaged { format: "bcrypt", fault };
        if text.len() != LENGTH {
            return Err(damaged("it has to have 60 characters"));
        }
        // ASCII first: the crate's older releases panicked on a hash cut inside a letter (RUSTSEC-2026-0199).
        let text = match std::str::from_utf8(text) {
            Ok(text) if text.is_ascii() => text,
            _ => return Err(damaged("a character beyond ASCII")),
        };
        let cost = match text.as_bytes()[4..7] {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9', b'$'] => u32::from(tens - b'0') * 10 + u32::from(ones - b'0'),
            _ => return Err(damaged("the cost has to be two digits")),
        };
        if cost > *COSTS.end() {
            return Err(HashError::TooCostly { format: "bcrypt", limit: "the cost may be 15 at most" });
        }
        if cost < *COSTS.start() {
            return Err(damaged("the cost has to be 4 at least"));
        }
        // Also refuses set bits that salt and checksum have no room for: crypt(3) never writes them, so such a text
        // was changed after it was made.
        if ::bcrypt::HashParts::from_str(text).is_err() {
            return Err(damaged("a character that no salt or checksum has"));
        }
        Ok(Self { text: text.into(), cost })
    }

    /// `$2x$` is computed as `$2y$`: right for ASCII passwords, refused for others.
    pub(super) fn verify(&self, password: &[u8]) -> Result<bool, CouldNotTell> {
        ::bcrypt::verify(password, &self.text).map_err(|_| CouldNotTell)
    }

    pub(super) fn scheme(&self) -> Scheme {
        Scheme::Bcrypt { cost: self.cost, faulty: self.text.as_bytes()[2] == b'x' }
    }
}
