//! One secret key for each process, and the keyed hashes that are made with it: without the key nobody can say which
//! entry of a table a guess falls on.

use std::io;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// What a keyed hash is for: hashes for one purpose are never equal to those for another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The key of a verified credential: user, password, stored hash.
    Verified = 1,
    /// Which stored hash an unknown user's name stands for.
    Mimic = 2,
    /// The same user and password, as a client sends them: verifications that may be one.
    InFlight = 3,
    /// Where guesses come from.
    Network = 4,
    /// A user name that is guessed at from there.
    Pair = 5,
    /// A password that was tried for that name from there.
    Guess = 6,
    /// One that was right from there, for as long as the stored hash is this one.
    Known = 7,
}

/// HMAC-SHA256 with a random key that is set up once.
pub(super) struct ProcessKey(Hmac<Sha256>);

impl ProcessKey {
    /// Draws a key. It lives as long as the process and is written nowhere.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn random() -> io::Result<Self> {
        // The block's length of SHA-256: a key of that length is used as it is.
        let mut key = Zeroizing::new([0; 64]);
        getrandom::fill(&mut *key).map_err(io::Error::other)?;
        Ok(Self(Hmac::new((&*key).into())))
    }

    /// Hashes the parts, each after its length: `ab` and `c` are not `a` and `bc`. GHSA-6765-c87h-8mrf was a key of
    /// parts run together, by which one user was logged in as another.
    pub(super) fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(&[purpose as u8]);
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn parts_that_read_the_same_when_run_together_hash_differently() {
        let key = ProcessKey::random().unwrap();
        let mac = |parts: &[&[u8]]| key.mac(Purpose::Verified, parts);
        assert_eq!(mac(&[b"ab", b"c"]), mac(&[b"ab", b"c"]));
        assert_ne!(mac(&[b"ab", b"c"]), mac(&[b"a", b"bc"]));
        assert_ne!(mac(&[b"abc", b""]), mac(&[b"", b"abc"]));
        assert_ne!(mac(&[b"abc"]), key.mac(Purpose::Mimic, &[b"abc"]));
    }

    #[test]
    fn another_process_hashes_differently() {
        let [one, other] = [(); 2].map(|()| ProcessKey::random().unwrap());
        assert_ne!(one.mac(Purpose::Verified, &[b"a"]), other.mac(Purpose::Verified, &[b"a"]));
    }
}
