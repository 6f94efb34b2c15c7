//! md5-crypt with Apache's mark, `$apr1$`: 1000 rounds of MD5 over salt and password. The iteration is ours because
//! no maintained crate has it; it is checked against `htpasswd` and `openssl passwd`.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::HashError;

/// The alphabet of the crypt family; its digits go from the least significant six bits up.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ROUNDS: usize = 1000;
const MAX_SALT: usize = 8;
const CHECKSUM: usize = 22;

/// A parsed hash: `$MAGIC$SALT$CHECKSUM`.
pub(super) struct Md5Crypt {
    /// The mark with both dollars: it is hashed too, so `$1$` and `$apr1$` differ.
    magic: &'static [u8],
    salt: Box<[u8]>,
    checksum: [u8; CHECKSUM],
}

impl Md5Crypt {
    /// Reads what follows `$apr1$`. A salt over eight letters never matched in nginx either, which hashes eight and
    /// compares the whole text. Any visible letter may be in a salt: not every tool keeps to the crypt alphabet.
    pub(super) fn parse_apr1(rest: &[u8]) -> Result<Self, HashError> {
        let damaged = |fault| HashError::Damaged { format: "apr1", fault };
        let Some(dollar) = rest.iter().position(|&byte| byte == b'$') else {
            return Err(damaged("no dollar sign between salt and checksum"));
        };
        let (salt, checksum) = (&rest[..dollar], &rest[dollar + 1..]);
        if salt.len() > MAX_SALT {
            return Err(damaged("the salt has more than 8 characters"));
        }
        if !salt.iter().all(|&byte| byte.is_ascii_graphic() && byte != b':') {
            return Err(damaged("the salt has a character that no salt has"));
        }
        let Ok(checksum) = <[u8; CHECKSUM]>::try_from(checksum) else {
            return Err(damaged("the checksum has to have 22 characters"));
        };
        // 128 bits in 22 digits of six: the last digit carries two.
        if !checksum.iter().all(|byte| ALPHABET.contains(byte)) || !ALPHABET[..4].contains(&checksum[CHECKSUM - 1]) {
            return Err(damaged("the checksum has a character that no checksum has"));
        }
        Ok(Self { magic: b"$apr1$", salt: salt.into(), checksum })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let computed = Zeroizing::new(encode(&digest(self.magic, &self.salt, password)));
        computed.ct_eq(&self.checksum).into()
    }
}

/// The algorithm of Poul-Henning Kamp (FreeBSD, 1994), as Apache's `apr_md5_encode` has it. Its oddities (one byte or
/// a NUL for each bit of the length, rounds that depend on 2, 3 and 7) are the format and are not to be tidied.
fn digest(magic: &[u8], salt: &[u8], password: &[u8]) -> Zeroizing<[u8; 16]> {
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password);
    let mut state: Zeroizing<[u8; 16]> = Zeroizing::new(inner.finalize().into());

    let mut hasher = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for chunk in password.chunks(state.len()) {
        hasher.update(&state[..chunk.len()]);
    }
    let mut length = password.len();
    while length > 0 {
        match length & 1 {
            1 => hasher.update([0]),
            _ => hasher.update(&password[..1]),
        }
        length >>= 1;
    }
    *state = hasher.finalize().into();

    for round in 0..ROUNDS {
        let odd = round % 2 == 1;
        let mut hasher = Md5::new();
        hasher.update(if odd { password } else { &state[..] });
        if round % 3 != 0 {
            hasher.update(salt);
        }
        if round % 7 != 0 {
            hasher.update(password);
        }
        hasher.update(if odd { &state[..] } else { password });
        *state = hasher.finalize().into();
    }
    state
}

/// Writes the digest in the family's shuffled base 64.
fn encode(digest: &[u8; 16]) -> [u8; CHECKSUM] {
    const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let mut text = [0; CHECKSUM];
    let put = |to: &mut [u8], mut bits: u32| {
        for digit in to {
            *digit = ALPHABET[(bits & 0x3f) as usize];
            bits >>= 6;
        }
    };
    for (group, to) in GROUPS.iter().zip(text.chunks_mut(4)) {
        let [high, middle, low] = group.map(|index| u32::from(digest[index]));
        put(to, high << 16 | middle << 8 | low);
    }
    put(&mut text[20..], u32::from(digest[11]));
    text
}
