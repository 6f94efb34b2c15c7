//! argon2i, argon2d and argon2id in the PHC form: `$argon2id$v=19$m=19456,t=2,p=1$SALT$TAG`.

use std::ops::RangeInclusive;

use ::argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{CouldNotTell, HashError, Scheme};

/// In KiB: 256 MiB, since each thread of the pool may need that much at once.
const MAX_MEMORY: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;
/// Memory times passes, in KiB: 2 GiB to walk through are one to two seconds.
const MAX_WORK: u32 = 2 * 1024 * 1024;
const SALT: RangeInclusive<usize> = 8..=64;
/// A tag is not the beginning of a longer one (its length is hashed too), so a cut one never matches; one of a few
/// bytes would be matched by luck.
const TAG: RangeInclusive<usize> = 12..=64;

/// A parsed hash: the algorithm set up with its own parameters, never with the crate's defaults.
pub(super) struct Argon2Hash {
    argon2: Argon2<'static>,
    scheme: Scheme,
    salt: Box<[u8]>,
    tag: Box<[u8]>,
}

const fn damaged(fault: &'static str) -> HashError {
    HashError::Damaged { format: "argon2", fault }
}

const fn too_costly(limit: &'static str) -> HashError {
    HashError::TooCostly { format: "argon2", limit }
}

impl Argon2Hash {
    /// Reads what follows `$argon2`. A hash without `v=` is of version 0x10, from before the field was there; read as
    /// 0x13 it would answer "wrong password" to everybody.
    pub(super) fn parse(rest: &[u8]) -> Result<Self, HashError> {
        let fields: Vec<&[u8]> = rest.split(|&byte| byte == b'$').collect();
        let (variant, version, costs, salt, tag) = match fields[..] {
            [variant, version, costs, salt, tag] => (variant, version, costs, salt, tag),
            [variant, costs, salt, tag] => (variant, &b"v=16"[..], costs, salt, tag),
            _ => return Err(damaged("it has to have a version, costs, a salt and a tag")),
        };
        let (algorithm, variant) = match variant {
            b"i" => (Algorithm::Argon2i, "argon2i"),
            b"d" => (Algorithm::Argon2d, "argon2d"),
            b"id" => (Algorithm::Argon2id, "argon2id"),
            _ => return Err(damaged("the variants are argon2i, argon2d and argon2id")),
        };
        let version = match version {
            b"v=16" => Version::V0x10,
            b"v=19" => Version::V0x13,
            _ => return Err(damaged("the versions are 16 and 19")),
        };
        let (memory, passes, lanes) = costs_of(costs)?;
        let salt = decode(salt, &SALT).ok_or(damaged("the salt has to be 8 to 64 bytes in base 64"))?;
        let tag = decode(tag, &TAG).ok_or(damaged("the tag has to be 12 to 64 bytes in base 64"))?;
        let params = Params::new(memory, passes, lanes, Some(tag.len()))
            .map_err(|_| damaged("m has to be 8 times p at least, t and p at least 1"))?;
        Ok(Self {
            argon2: Argon2::new(algorithm, version, params),
            scheme: Scheme::Argon2 { variant, memory, passes, lanes },
            salt,
            tag,
        })
    }

    /// Allocates the hash's memory for the time of the call; without it the answer is "could not tell".
    pub(super) fn verify(&self, password: &[u8]) -> Result<bool, CouldNotTell> {
        let mut computed = Zeroizing::new([0; *TAG.end()]);
        let computed = &mut computed[..self.tag.len()];
        self.argon2.hash_password_into(password, &self.salt, computed).map_err(|_| CouldNotTell)?;
        Ok(computed.ct_eq(&self.tag).into())
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }
}

/// Reads `m=M,t=T,p=P` in that order, the only one that the reference decoder takes, and holds them to the caps.
fn costs_of(text: &[u8]) -> Result<(u32, u32, u32), HashError> {
    let fields: Vec<&[u8]> = text.split(|&byte| byte == b',').collect();
    let [m, t, p] = fields[..] else {
        return Err(damaged("the costs have to be m=, t= and p="));
    };
    let (Some(memory), Some(passes), Some(lanes)) = (number(m, b"m="), number(t, b"t="), number(p, b"p=")) else {
        return Err(damaged("the costs have to be m=, t= and p="));
    };
    if memory > MAX_MEMORY {
        return Err(too_costly("m may be 262144 (256 MiB) at most"));
    }
    if passes > MAX_PASSES {
        return Err(too_costly("t may be 16 at most"));
    }
    if lanes > MAX_LANES {
        return Err(too_costly("p may be 16 at most"));
    }
    if memory * passes > MAX_WORK {
        return Err(too_costly("m times t may be 2097152 (2 GiB) at most"));
    }
    Ok((memory, passes, lanes))
}

/// A decimal number of the PHC form: digits only, no leading zero.
fn number(field: &[u8], name: &[u8]) -> Option<u32> {
    let digits = field.strip_prefix(name)?;
    if digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A number too large for the type is a cost over every cap, not a damaged field.
    match digits.len() {
        0 => None,
        1..=9 => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => Some(u32::MAX),
    }
}

/// The PHC form's base 64: without padding, without stray bits.
fn decode(text: &[u8], length: &RangeInclusive<usize>) -> Option<Box<[u8]>> {
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    length.contains(&bytes.len()).then(|| bytes.into())
}
