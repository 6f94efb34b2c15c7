//! A stored password hash: parsed and bounded once, when the users file is loaded, and verified many times after.
//!
//! One file a format. A format here is a `parse` that refuses whatever is not exactly right (a cut hash, a foreign
//! letter, a cost that would stop the machine) and a `verify` that compares in constant time. A text that no format
//! takes is an error which names the format where it can; it is never tried as a password in plain text.

mod argon2;
mod bcrypt;
mod crypt64;
mod des_crypt;
mod error;
pub mod make;
mod md5_crypt;
mod plain;
mod scheme;
mod sha1;
mod sha_crypt;
mod unsupported;
mod yescrypt;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub use error::{CouldNotTell, HashError};
pub use scheme::{Scheme, Weakness};

use md5_crypt::{Mark, Md5Crypt};
use sha_crypt::{ShaCrypt, Variant};

/// What stands before a password in plain text.
pub(super) const PLAIN: &[u8] = b"{PLAIN}";

/// The longest password that is ever hashed, in bytes: libxcrypt's own limit. A longer one is a way to make others
/// wait (SHA-crypt takes over a second for 24,000 bytes), not a password.
pub const MAX_PASSWORD: usize = 512;

/// Whether the users file may hold passwords that nobody hashed, marked `{PLAIN}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plaintext {
    /// Such a line is refused.
    #[default]
    Refused,
    /// Such a line lets its user in.
    Accepted,
}

impl From<bool> for Plaintext {
    fn from(allowed: bool) -> Self {
        if allowed { Self::Accepted } else { Self::Refused }
    }
}

/// The hash of one user's password, as the users file has it. Cheap to clone: the clones share one allocation.
#[derive(Clone)]
pub struct StoredHash(Arc<Inner>);

struct Inner {
    /// Of a `{PLAIN}` it is the password.
    text: Zeroizing<Box<[u8]>>,
    format: Format,
}

enum Format {
    Md5Crypt(md5_crypt::Md5Crypt),
    Bcrypt(bcrypt::Bcrypt),
    Sha1(sha1::Sha1Hash),
    Argon2(argon2::Argon2Hash),
    ShaCrypt(sha_crypt::ShaCrypt),
    Yescrypt(yescrypt::Yescrypt),
    DesCrypt(des_crypt::DesCrypt),
    Plain(plain::Plain),
}

impl StoredHash {
    /// Reads what stands after the colon of a line, without white space around it. A `{PLAIN}` is refused.
    ///
    /// # Errors
    /// When the text is no hash, is a hash that is not supported, is damaged, or would cost too much to verify. No
    /// error holds any part of the text: it may be a password.
    pub fn parse(text: &[u8]) -> Result<Self, HashError> {
        Self::parse_with(text, Plaintext::Refused)
    }

    /// As [`StoredHash::parse`], with the configuration's word on `{PLAIN}`.
    ///
    /// # Errors
    /// As there.
    pub fn parse_with(text: &[u8], plaintext: Plaintext) -> Result<Self, HashError> {
        let format = if let Some(rest) = text.strip_prefix(b"$apr1$") {
            Format::Md5Crypt(Md5Crypt::parse(Mark::Apache, rest)?)
        } else if let Some(rest) = text.strip_prefix(b"$1$") {
            Format::Md5Crypt(Md5Crypt::parse(Mark::Crypt, rest)?)
        } else if bcrypt::is_bcrypt(text) {
            Format::Bcrypt(bcrypt::Bcrypt::parse(text)?)
        } else if let Some(rest) = text.strip_prefix(b"{SHA}") {
            Format::Sha1(sha1::Sha1Hash::parse_sha(rest)?)
        } else if let Some(rest) = text.strip_prefix(b"{SSHA}") {
            Format::Sha1(sha1::Sha1Hash::parse_ssha(rest)?)
        } else if let Some(rest) = text.strip_prefix(b"$argon2") {
            Format::Argon2(argon2::Argon2Hash::parse(rest)?)
        } else if let Some(rest) = text.strip_prefix(b"$5$") {
            Format::ShaCrypt(ShaCrypt::parse(Variant::Sha256, rest)?)
        } else if let Some(rest) = text.strip_prefix(b"$6$") {
            Format::ShaCrypt(ShaCrypt::parse(Variant::Sha512, rest)?)
        } else if let Some(rest) = text.strip_prefix(b"$y$") {
            Format::Yescrypt(yescrypt::Yescrypt::parse(rest)?)
        } else if let Some(rest) = text.strip_prefix(PLAIN) {
            match plaintext {
                Plaintext::Accepted => Format::Plain(plain::Plain::parse(rest)?),
                Plaintext::Refused => return Err(HashError::Plaintext),
            }
        } else if des_crypt::is_des_crypt(text) {
            Format::DesCrypt(des_crypt::DesCrypt::parse(text)?)
        } else {
            return Err(unsupported::recognise(text));
        };
        Ok(Self(Arc::new(Inner { text: Zeroizing::new(text.into()), format })))
    }

    /// Whether the password is the one that was hashed. Takes from a microsecond to a second or two, by the format's
    /// cost: in the daemon only the pool in `auth/verify.rs` calls it.
    ///
    /// A password that is over [`MAX_PASSWORD`] or holds a NUL is refused without hashing: bcrypt and the crypt
    /// family would stop at the NUL and accept whatever follows it.
    ///
    /// # Errors
    /// When the hash could not be computed (no memory): that is not a wrong password.
    pub fn verify(&self, password: &[u8]) -> Result<bool, CouldNotTell> {
        if password.len() > MAX_PASSWORD || password.contains(&0) {
            return Ok(false);
        }
        match &self.0.format {
            Format::Md5Crypt(hash) => Ok(hash.verify(password)),
            Format::Bcrypt(hash) => hash.verify(password),
            Format::Sha1(hash) => Ok(hash.verify(password)),
            Format::Argon2(hash) => hash.verify(password),
            Format::ShaCrypt(hash) => Ok(hash.verify(password)),
            Format::Yescrypt(hash) => hash.verify(password),
            Format::DesCrypt(hash) => Ok(hash.verify(password)),
            Format::Plain(hash) => Ok(hash.verify(password)),
        }
    }

    /// The format and its cost, for `check`, `user list` and people.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match &self.0.format {
            Format::Md5Crypt(hash) => hash.scheme(),
            Format::Bcrypt(hash) => hash.scheme(),
            Format::Sha1(hash) => hash.scheme(),
            Format::Argon2(hash) => hash.scheme(),
            Format::ShaCrypt(hash) => hash.scheme(),
            Format::Yescrypt(hash) => hash.scheme(),
            Format::DesCrypt(_) => Scheme::DesCrypt,
            Format::Plain(_) => Scheme::Plain,
        }
    }

    /// What verifying takes, in KiB; nothing worth counting in most formats.
    #[must_use]
    pub fn memory(&self) -> u64 {
        match self.scheme() {
            Scheme::Argon2 { memory, .. } | Scheme::Yescrypt { memory } => memory.into(),
            _ => 0,
        }
    }

    /// What makes the password easy to guess for someone who has read the file, if anything does.
    #[must_use]
    pub fn weakness(&self) -> Option<Weakness> {
        self.scheme().weakness()
    }

    /// The text as the file has it: part of the cache's key, so that a changed line misses at once. Never logged.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.text
    }
}

/// Divides what follows a mark of the crypt family at the dollar sign between salt and checksum. A salt that is too long
/// never matched in nginx either: crypt(3) cuts it and writes what it has cut, and nginx compares the whole text. Any
/// visible letter may be in a salt, since not every tool keeps to the crypt alphabet.
fn salt_of<'a>(
    rest: &'a [u8],
    max: usize,
    format: &'static str,
    too_long: &'static str,
) -> Result<(&'a [u8], &'a [u8]), HashError> {
    let damaged = |fault| HashError::Damaged { format, fault };
    let Some(dollar) = rest.iter().position(|&byte| byte == b'$') else {
        return Err(damaged("no dollar sign between salt and checksum"));
    };
    let (salt, checksum) = (&rest[..dollar], &rest[dollar + 1..]);
    if salt.len() > max {
        return Err(damaged(too_long));
    }
    if !salt.iter().all(|&byte| byte.is_ascii_graphic() && byte != b':') {
        return Err(damaged("the salt has a character that no salt has"));
    }
    Ok((salt, checksum))
}

/// Two are equal when their texts are. The texts come from one file, so nothing is learnt from the comparison's time.
impl PartialEq for StoredHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for StoredHash {}

/// Says the format and the cost, never the hash.
impl fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredHash({})", self.scheme())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests;
