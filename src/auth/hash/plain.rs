//! `{PLAIN}`: the password itself. Read only where the configuration allows it.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{HashError, MAX_PASSWORD};

/// A password that nobody hashed. Its digest is what is compared, since a comparison of the passwords themselves would
/// end sooner when their lengths differ.
pub(super) struct Plain {
    digest: [u8; 32],
}

impl Plain {
    /// Reads what follows `{PLAIN}`. Nothing is no password: more likely a template whose variable was empty.
    pub(super) fn parse(rest: &[u8]) -> Result<Self, HashError> {
        match rest.len() {
            0 => Err(HashError::Damaged { format: "{PLAIN}", fault: "no password follows" }),
            1..=MAX_PASSWORD => Ok(Self { digest: Sha256::digest(rest).into() }),
            _ => Err(HashError::Damaged { format: "{PLAIN}", fault: "the password is longer than 512 bytes" }),
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(password).into();
        digest.ct_eq(&self.digest).into()
    }
}
