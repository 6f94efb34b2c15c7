//! md5-crypt, `$1$` as FreeBSD had it and `$apr1$` as Apache has it: 1000 rounds of MD5 over salt and password. The
//! iteration is ours because no maintained crate has it; it is checked against `htpasswd`, `openssl passwd` and libxcrypt.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashError, Scheme, crypt64, salt_of};

const ROUNDS: usize = 1000;
const MAX_SALT: usize = 8;
const CHECKSUM: usize = 22;

/// Whose mark the hash has: it is hashed too, so the two differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// `$1$`.
    Crypt,
    /// `$apr1$`.
    Apache,
}

impl Mark {
    const fn text(self) -> &'static [u8] {
        match self {
            Self::Crypt => b"$1$",
            Self::Apache => b"$apr1$",
        }
    }

    const fn format(self) -> &'static str {
        match self {
            Self::Crypt => "MD5 crypt",
            Self::Apache => "apr1",
        }
    }
}

/// A parsed hash: the mark, the salt, a dollar sign and the checksum.
pub(super) struct Md5Crypt {
    mark: Mark,
    salt: Box<[u8]>,
    checksum: [u8; CHECKSUM],
}

impl Md5Crypt {
    /// Reads what follows the mark.
    pub(super) fn parse(mark: Mark, rest: &[u8]) -> Result<Self, HashError> {
        let damaged = |fault| HashError::Damaged { format: mark.format(), fault };
        let (salt, checksum) = salt_of(rest, MAX_SALT, mark.format(), "the salt has more than 8 characters")?;
        let Ok(checksum) = <[u8; CHECKSUM]>::try_from(checksum) else {
            return Err(damaged("the checksum has to have 22 characters"));
        };
        // 128 bits in 22 digits of six: the last digit carries two.
        if !crypt64::is_number(&checksum, 2) {
            return Err(damaged("the checksum has a character that no checksum has"));
        }
        Ok(Self { mark, salt: salt.into(), checksum })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let computed = Zeroizing::new(encode(&digest(self.mark.text(), &self.salt, password)));
        computed.ct_eq(&self.checksum).into()
    }

    pub(super) fn scheme(&self) -> Scheme {
        match self.mark {
            Mark::Crypt => Scheme::Md5Crypt,
            Mark::Apache => Scheme::Apr1,
        }
    }
}

/// The line's text for a new password.
pub(super) fn make_apr1(salt: &[u8], password: &[u8]) -> String {
    let mark = Mark::Apache.text();
    let checksum = encode(&digest(mark, salt, password));
    String::from_utf8_lossy(&[mark, salt, b"$", &checksum].concat()).into_owned()
}

/// The algorithm of Poul-Henning Kamp (FreeBSD, 1994), as Apache's `apr_md5_encode` has it. Its oddities (one byte or
/// a NUL for each bit of the length, rounds that depend on 2, 3 and 7) are the format and are not to be tidied.
fn digest(mark: &[u8], salt: &[u8], password: &[u8]) -> Zeroizing<[u8; 16]> {
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password);
    let mut state: Zeroizing<[u8; 16]> = Zeroizing::new(inner.finalize().into());

    let mut hasher = Md5::new().chain_update(password).chain_update(mark).chain_update(salt);
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
    for (group, to) in GROUPS.iter().zip(text.chunks_mut(4)) {
        let [high, middle, low] = group.map(|index| u32::from(digest[index]));
        crypt64::put(to, high << 16 | middle << 8 | low);
    }
    crypt64::put(&mut text[20..], u32::from(digest[11]));
    text
}
