//! SHA-crypt, `$5$` with SHA-256 and `$6$` with SHA-512: `$6$SALT$CHECKSUM`, or `$6$rounds=N$SALT$CHECKSUM` where the
//! rounds are not the usual 5000. The rounds are computed by a crate; the text is read here, where what crypt(3) would
//! have rewritten (few rounds, a long salt) is told to the person instead of never matching.

use ::sha_crypt::{Params, sha256_crypt, sha512_crypt};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashError, Scheme, crypt64, salt_of};

const USUAL_ROUNDS: u32 = 5_000;
/// What crypt(3) raises fewer to, and then writes: a smaller number was never in a hash that it made.
const MIN_ROUNDS: u32 = 1_000;
/// Enough for passlib's 656,000, which stopped other proxies. The time grows with the password as well: of 512 bytes it
/// takes nine times as long as a usual one, which at this cap is some two seconds, as bcrypt takes at its own.
const MAX_ROUNDS: u32 = 1_000_000;
const MAX_SALT: usize = 16;
/// The longer checksum, that of SHA-512.
const MAX_CHECKSUM: usize = 86;

/// Which of the two hash functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    Sha256,
    Sha512,
}

impl Variant {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256 crypt",
            Self::Sha512 => "SHA-512 crypt",
        }
    }

    /// How many characters the checksum has, and how many bits of its last one are used.
    const fn checksum(self) -> (usize, u32) {
        match self {
            Self::Sha256 => (43, 4),
            Self::Sha512 => (MAX_CHECKSUM, 2),
        }
    }
}

/// A parsed hash.
pub(super) struct ShaCrypt {
    variant: Variant,
    rounds: u32,
    params: Params,
    salt: Box<[u8]>,
    checksum: Box<[u8]>,
}

impl ShaCrypt {
    /// Reads what follows `$5$` or `$6$`.
    pub(super) fn parse(variant: Variant, rest: &[u8]) -> Result<Self, HashError> {
        let damaged = |fault| HashError::Damaged { format: variant.name(), fault };
        let (rounds, rest) = rounds_of(variant, rest)?;
        let (salt, checksum) = salt_of(rest, MAX_SALT, variant.name(), "the salt has more than 16 characters")?;
        let (length, last_bits) = variant.checksum();
        if checksum.len() != length {
            return Err(damaged(match variant {
                Variant::Sha256 => "the checksum has to have 43 characters",
                Variant::Sha512 => "the checksum has to have 86 characters",
            }));
        }
        if !crypt64::is_number(checksum, last_bits) {
            return Err(damaged("the checksum has a character that no checksum has"));
        }
        let params = Params::new(rounds).map_err(|_| damaged("these rounds are not possible"))?;
        Ok(Self { variant, rounds, params, salt: salt.into(), checksum: checksum.into() })
    }

    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut text = Zeroizing::new([0; MAX_CHECKSUM]);
        let text = &mut text[..self.checksum.len()];
        match self.variant {
            Variant::Sha256 => {
                encode_sha256(&Zeroizing::new(sha256_crypt(password, &self.salt, self.params)), text);
            }
            Variant::Sha512 => {
                encode_sha512(&Zeroizing::new(sha512_crypt(password, &self.salt, self.params)), text);
            }
        }
        text.ct_eq(&self.checksum).into()
    }

    pub(super) fn scheme(&self) -> Scheme {
        Scheme::ShaCrypt { variant: self.variant.name(), rounds: self.rounds }
    }
}

/// The line's text for a new password; none when the rounds are not possible.
pub(super) fn make_sha512(rounds: u32, salt: &[u8], password: &[u8]) -> Option<String> {
    let mut checksum = [0; MAX_CHECKSUM];
    encode_sha512(&Zeroizing::new(sha512_crypt(password, salt, Params::new(rounds).ok()?)), &mut checksum);
    // As crypt(3) writes it: the usual number is left out.
    let rounds = if rounds == USUAL_ROUNDS { String::new() } else { format!("rounds={rounds}$") };
    Some(format!("$6${rounds}{}${}", String::from_utf8_lossy(salt), String::from_utf8_lossy(&checksum)))
}

/// Reads `rounds=N$` if it is there. What begins so and goes on otherwise is no salt: libxcrypt refuses it, and glibc
/// took it for one.
fn rounds_of(variant: Variant, rest: &[u8]) -> Result<(u32, &[u8]), HashError> {
    let damaged = |fault| HashError::Damaged { format: variant.name(), fault };
    let Some(rest) = rest.strip_prefix(b"rounds=") else {
        return Ok((USUAL_ROUNDS, rest));
    };
    let Some(dollar) = rest.iter().position(|&byte| byte == b'$') else {
        return Err(damaged("no dollar sign after rounds="));
    };
    let (digits, rest) = (&rest[..dollar], &rest[dollar + 1..]);
    if !matches!(digits, [b'1'..=b'9', more @ ..] if more.iter().all(u8::is_ascii_digit)) {
        return Err(damaged("rounds= has to be a number without a leading 0"));
    }
    // Saturating: a number too large for the type is over the cap, not another number.
    let rounds =
        digits.iter().fold(0u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
    match rounds {
        0..MIN_ROUNDS => Err(damaged("rounds= has to be 1000 at least")),
        MIN_ROUNDS..=MAX_ROUNDS => Ok((rounds, rest)),
        _ => Err(HashError::TooCostly { format: variant.name(), limit: "rounds= may be 1000000 at most" }),
    }
}

/// Writes a digest of 32 bytes: three at a time, each from another third, the thirds taking turns.
fn encode_sha256(digest: &[u8; 32], text: &mut [u8]) {
    let (whole, last) = text.split_at_mut(40);
    let [mut high, mut middle, mut low] = [0, 10, 20];
    for to in whole.chunks_mut(4) {
        put_three(to, digest, [high, middle, low]);
        [high, middle, low] = [low + 1, high + 1, middle + 1];
    }
    crypt64::put(last, u32::from(digest[31]) << 8 | u32::from(digest[30]));
}

/// The same for 64 bytes, with the turns the other way round.
pub(super) fn encode_sha512(digest: &[u8; 64], text: &mut [u8]) {
    let (whole, last) = text.split_at_mut(84);
    let [mut high, mut middle, mut low] = [0, 21, 42];
    for to in whole.chunks_mut(4) {
        put_three(to, digest, [high, middle, low]);
        [high, middle, low] = [middle + 1, low + 1, high + 1];
    }
    crypt64::put(last, u32::from(digest[63]));
}

fn put_three(to: &mut [u8], digest: &[u8], from: [usize; 3]) {
    let [high, middle, low] = from.map(|index| u32::from(digest[index]));
    crypt64::put(to, high << 16 | middle << 8 | low);
}
