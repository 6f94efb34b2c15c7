//! Keyed hashes. With a key that is drawn for each process nobody can say which entry of a table a guess falls on; with
//! one that is kept, nobody else can sign what the gate takes back from a browser.

use std::io;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::state_dir;

/// What a keyed hash is for: hashes for one purpose are never equal to those for another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The key of a verified credential: network, user, password, stored hash.
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
    /// The signature under a socket ticket.
    Ticket = 8,
    /// The signature under a session.
    Session = 9,
}

/// The length of a key in bytes: SHA-256's block, so that it is used as it is.
pub(crate) const KEY: usize = 64;

/// The bytes of a key.
pub(crate) type Key = Zeroizing<[u8; KEY]>;

/// HMAC-SHA256 with a random key that is set up once.
pub(crate) struct ProcessKey(Hmac<Sha256>);

impl ProcessKey {
    /// Draws a key. It lives as long as the process and is written nowhere.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(crate) fn random() -> io::Result<Self> {
        Ok(Self::of(&*Self::draw()?))
    }

    /// The key in that file of the state directory, which is made there if it is not yet; with what its loss `costs`.
    ///
    /// # Errors
    /// When nothing can be kept there, or the system has no randomness to give.
    pub(crate) fn kept(dir: &Path, file: &str, costs: &str) -> io::Result<Self> {
        state_dir::ready(dir)?;
        state_dir::key(&dir.join(file), costs).map(|key| Self::of(&key))
    }

    /// A key that is kept elsewhere.
    pub(crate) fn of(key: &[u8; KEY]) -> Self {
        Self(Hmac::new(key.into()))
    }

    /// The bytes of a new one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    fn draw() -> io::Result<Key> {
        let mut key = Zeroizing::new([0; KEY]);
        getrandom::fill(&mut *key).map_err(io::Error::other)?;
        Ok(key)
    }

    /// Hashes the parts, each after its length: `ab` and `c` are not `a` and `bc`. GHSA-6765-c87h-8mrf was a key of
    /// parts run together, by which one user was logged in as another.
    pub(crate) fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
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
