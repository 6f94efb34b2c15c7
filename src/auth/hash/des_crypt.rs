//! DES crypt, the crypt(3) of 1979: two characters of salt and eleven of checksum, without a mark. Ours: the one crate
//! that has it compares with `==`, brings a second getrandom for salts that nobody asks it for, and rests since its first
//! two days. It is checked against libxcrypt.
//!
//! DES is written bit by bit after FIPS 46-3: 25 encryptions take some ten microseconds so.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{HashError, crypt64};

const LENGTH: usize = 13;
const CHECKSUM: usize = 11;
const ENCRYPTIONS: usize = 25;

/// A parsed hash.
pub(super) struct DesCrypt {
    /// Which bits of the expansion change places, as a mask of its halves.
    swaps: u32,
    checksum: [u8; CHECKSUM],
}

/// Whether the text has the form. It may as well be a password of 13 letters: then nobody knows what it is the hash of.
pub(super) fn is_des_crypt(text: &[u8]) -> bool {
    text.len() == LENGTH && crypt64::is_number(text, 6)
}

impl DesCrypt {
    pub(super) fn parse(text: &[u8]) -> Result<Self, HashError> {
        let damaged = |fault| HashError::Damaged { format: "DES crypt", fault };
        let ([first, second], checksum) = match text.split_first_chunk::<2>() {
            Some((salt, checksum)) if text.len() == LENGTH => (salt, checksum),
            _ => return Err(damaged("it has to have 13 characters")),
        };
        let (Some(low), Some(high)) = (crypt64::value(*first), crypt64::value(*second)) else {
            return Err(damaged("the salt has a character that no salt has"));
        };
        let last_bits_unused = |digit: &u8| crypt64::value(*digit).is_some_and(|value| value & 3 == 0);
        match <[u8; CHECKSUM]>::try_from(checksum) {
            // 64 bits in eleven digits of six, from the most significant down: the last one's two lowest are no bits.
            Ok(checksum) if crypt64::is_number(&checksum, 6) && checksum.last().is_some_and(last_bits_unused) => {
                // The salt's lowest bit is for the first bit of each half, which is its highest.
                Ok(Self { swaps: (high << 6 | low).reverse_bits() >> 8, checksum })
            }
            _ => Err(damaged("it has an end that no checksum has")),
        }
    }

    /// A password counts by its first eight bytes, and a byte by its lowest seven bits.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        let mut key = Zeroizing::new([0; 8]);
        for (to, byte) in key.iter_mut().zip(password) {
            *to = byte << 1;
        }
        let keys = Zeroizing::new(round_keys(u64::from_be_bytes(*key)));
        let text = Zeroizing::new(encode(encrypt_nothing(&keys, self.swaps)));
        text.ct_eq(&self.checksum).into()
    }
}

/// Encrypts a block of zeros 25 times. Between two encryptions the final permutation and the next one's initial one
/// undo each other, so both are done once: the first of zeros is zeros, and the last is [`final_permutation`].
fn encrypt_nothing(keys: &[u64; 16], swaps: u32) -> u64 {
    let (mut left, mut right) = (0, 0);
    for _ in 0..ENCRYPTIONS {
        for key in keys {
            (left, right) = (right, left ^ mix(right, *key, swaps));
        }
        (left, right) = (right, left);
    }
    final_permutation(u64::from(left) << 32 | u64::from(right))
}

/// The cipher function, with crypt(3)'s change: bits of the expansion's halves trade places where the salt says so.
fn mix(half: u32, key: u64, swaps: u32) -> u32 {
    // Eight groups of six: each of four bits with its neighbours, the first one's left neighbour being the last bit.
    let group = |index: u32| u64::from(half.rotate_left((4 * index + 31) % 32) >> 26);
    let expanded = (0..8).fold(0, |bits, index| bits << 6 | group(index));
    let traded = (expanded >> 24 ^ expanded) & u64::from(swaps);
    let input = expanded ^ traded << 24 ^ traded ^ key;
    let output = SUBSTITUTIONS.iter().enumerate().fold(0, |bits, (index, rows)| {
        let group = input >> (42 - 6 * index) & 0x3f;
        let row = rows[(group >> 4 & 2 | group & 1) as usize];
        bits << 4 | row >> (60 - 4 * (group >> 1 & 0xf)) & 0xf
    });
    // 32 bits were picked.
    pick(output, 32, &PERMUTATION) as u32
}

/// The sixteen keys of 48 bits.
fn round_keys(key: u64) -> [u64; 16] {
    const ROTATIONS: [u32; 16] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];
    const HALF: u64 = (1 << 28) - 1;
    let chosen = pick(key, 64, &CHOICE_1);
    let (mut left, mut right) = (chosen >> 28, chosen & HALF);
    ROTATIONS.map(|by| {
        let rotate = |half: u64| (half << by | half >> (28 - by)) & HALF;
        (left, right) = (rotate(left), rotate(right));
        pick(left << 28 | right, 56, &CHOICE_2)
    })
}

/// The bits of a word of that many bits that the table names, the first being 1 and the most significant.
fn pick(word: u64, width: u32, table: &[u8]) -> u64 {
    table.iter().fold(0, |bits, from| bits << 1 | word >> (width - u32::from(*from)) & 1)
}

/// The inverse of the initial permutation: eight rows of the same pattern, each one bit further to the left.
fn final_permutation(block: u64) -> u64 {
    const FIRST_ROW: [u8; 8] = [40, 8, 48, 16, 56, 24, 64, 32];
    (0..8).fold(0, |bits, row| bits << 8 | pick(block, 64, &FIRST_ROW.map(|from| from - row)))
}

/// Unlike the rest of the family, from the most significant bits down.
fn encode(block: u64) -> [u8; CHECKSUM] {
    let bits = u128::from(block) << 2;
    std::array::from_fn(|index| crypt64::digit((bits >> (60 - 6 * index)) as u64))
}

/// Permuted choice 1: the key's bits without the parity bits, in two halves.
#[rustfmt::skip]
const CHOICE_1: [u8; 56] = [
    57, 49, 41, 33, 25, 17,  9,  1, 58, 50, 42, 34, 26, 18, 10,  2, 59, 51, 43, 35, 27, 19, 11,  3, 60, 52, 44, 36,
    63, 55, 47, 39, 31, 23, 15,  7, 62, 54, 46, 38, 30, 22, 14,  6, 61, 53, 45, 37, 29, 21, 13,  5, 28, 20, 12,  4,
];

/// Permuted choice 2: which of the 56 bits make a round's key.
#[rustfmt::skip]
const CHOICE_2: [u8; 48] = [
    14, 17, 11, 24,  1,  5,  3, 28, 15,  6, 21, 10, 23, 19, 12,  4, 26,  8, 16,  7, 27, 20, 13,  2,
    41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];

/// P, which ends the cipher function.
#[rustfmt::skip]
const PERMUTATION: [u8; 32] = [
    16,  7, 20, 21, 29, 12, 28, 17,  1, 15, 23, 26,  5, 18, 31, 10,
     2,  8, 24, 14, 32, 27,  3,  9, 19, 13, 30,  6, 22, 11,  4, 25,
];

/// The S-boxes, S1 first: four rows each, of sixteen values of four bits.
const SUBSTITUTIONS: [[u64; 4]; 8] = [
    [0xe4d12fb83a6c5907, 0x0f74e2d1a6cb9538, 0x41e8d62bfc973a50, 0xfc8249175b3ea06d],
    [0xf18e6b34972dc05a, 0x3d47f28ec01a69b5, 0x0e7ba4d158c6932f, 0xd8a13f42b67c05e9],
    [0xa09e63f51dc7b428, 0xd709346a285ecbf1, 0xd6498f30b12c5ae7, 0x1ad069874fe3b52c],
    [0x7de3069a1285bc4f, 0xd8b56f03472c1ae9, 0xa690cb7df13e5284, 0x3f06a1d8945bc72e],
    [0x2c417ab6853fd0e9, 0xeb2c47d150fa3986, 0x421bad78f9c5630e, 0xb8c71e2d6f09a453],
    [0xc1af92680d34e75b, 0xaf427c9561de0b38, 0x9ef528c3704a1db6, 0x432c95fabe17608d],
    [0x4b2ef08d3c975a61, 0xd0b7491ae35c2f86, 0x14bdc37eaf680592, 0x6bd814a7950fe23c],
    [0xd2846fb1a93e50c7, 0x1fd8a374c56b0e92, 0x7b419ce206adf358, 0x21e74a8dfc90356b],
];
