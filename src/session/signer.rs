//! What the gate gives to a browser and takes back: a few clear bytes and a signature under them and under what they
//! are bound to, which is not told.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::auth::keyed::{KEY, ProcessKey, Purpose};

/// The length of a signature.
const MAC: usize = 32;

/// More than any value of ours: the longest name has 255 bytes.
const LONGEST: usize = 512;

/// Signs and checks, HMAC-SHA256 over length-prefixed parts.
pub struct Signer(ProcessKey);

/// A value as it came: nothing about it has been checked but its form.
#[derive(Debug)]
pub(super) struct Sealed {
    bytes: Vec<u8>,
}

impl Sealed {
    /// Reads a cookie's value. Each value has exactly one spelling.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() >= MAC).then_some(Self { bytes })
    }

    /// What stands before the signature.
    pub(super) fn clear(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - MAC]
    }

    fn mac(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - MAC..]
    }
}

impl Signer {
    /// With a key that lives as long as the process.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn random() -> io::Result<Self> {
        ProcessKey::random().map(Self)
    }

    /// With a key that is kept.
    #[must_use]
    pub fn of(key: &[u8; KEY]) -> Self {
        Self(ProcessKey::of(key))
    }

    /// `clear` with a signature, good where `bound` is the same.
    pub(super) fn seal(&self, purpose: Purpose, clear: &[u8], bound: &[&[u8]]) -> String {
        let mac = self.mac(purpose, clear, bound);
        URL_SAFE_NO_PAD.encode([clear, &mac].concat())
    }

    /// Whether this signer signed it, for this purpose and bound to the same.
    pub(super) fn signed(&self, purpose: Purpose, sealed: &Sealed, bound: &[&[u8]]) -> bool {
        self.mac(purpose, sealed.clear(), bound).ct_eq(sealed.mac()).into()
    }

    fn mac(&self, purpose: Purpose, clear: &[u8], bound: &[&[u8]]) -> [u8; MAC] {
        let parts: Vec<&[u8]> = std::iter::once(clear).chain(bound.iter().copied()).collect();
        self.0.mac(purpose, &parts)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}
