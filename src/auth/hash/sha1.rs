//! The two SHA-1 formats that came from LDAP (RFC 2307): `{SHA}`, what `htpasswd -s` writes, and `{SSHA}`, the same
//! with a salt behind both the password and the digest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::{HashError, Scheme};

const DIGEST: usize = 20;
const MAX_SALT: usize = 64;

/// A parsed hash. Without a salt it is a `{SHA}`.
pub(super) struct Sha1Hash {
    digest: [u8; DIGEST],
    salt: Box<[u8]>,
}

impl Sha1Hash {
    /// Reads what follows `{SHA}`: 28 characters of base 64, padding included.
    pub(super) fn parse_sha(rest: &[u8]) -> Result<Self, HashError> {
        let bytes = decode(rest, "{SHA}")?;
        let digest = bytes
            .try_into()
            .map_err(|_| HashError::Damaged { format: "{SHA}", fault: "it has to have 28 characters of base 64" })?;
        Ok(Self { digest, salt: Box::default() })
    }

    /// Reads what follows `{SSHA}`: a digest and at least one byte of salt.
    pub(super) fn parse_ssha(rest: &[u8]) -> Result<Self, HashError> {
        let bytes = decode(rest, "{SSHA}")?;
        match bytes.split_first_chunk::<DIGEST>() {
            Some((digest, salt)) if (1..=MAX_SALT).contains(&salt.len()) => {
                Ok(Self { digest: *digest, salt: salt.into() })
            }
            _ => Err(HashError::Damaged {
                format: "{SSHA}",
                fault: "it has to be a digest of 20 bytes and a salt of 1 to 64",
            }),
        }
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let computed: [u8; DIGEST] = Sha1::new().chain_update(password).chain_update(&self.salt).finalize().into();
        computed.ct_eq(&self.digest).into()
    }

    pub(super) fn scheme(&self) -> Scheme {
        if self.salt.is_empty() { Scheme::Sha } else { Scheme::Ssha }
    }
}

/// Decodes strictly: with its padding and without stray bits, as every tool writes it.
fn decode(text: &[u8], format: &'static str) -> Result<Vec<u8>, HashError> {
    STANDARD.decode(text).map_err(|_| HashError::Damaged { format, fault: "not base 64" })
}
