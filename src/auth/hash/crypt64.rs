//! The base 64 of the crypt family: an alphabet of its own, and digits from the least significant six bits up.

/// The 64 digits in the order of their values.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a digit is worth, 0 to 63.
pub(super) fn value(digit: u8) -> Option<u32> {
    (0..).zip(ALPHABET).find(|(_, known)| **known == digit).map(|(value, _)| value)
}

/// The digit of the six lowest bits.
pub(super) fn digit(bits: u64) -> u8 {
    ALPHABET[(bits & 0x3f) as usize]
}

/// Writes as many digits as there is room for.
pub(super) fn put(to: &mut [u8], mut bits: u32) {
    for place in to {
        *place = digit(bits.into());
        bits >>= 6;
    }
}

/// Whether the text has digits only, and its last one no bit beyond the `last_bits` that it stands for: crypt(3) never
/// sets one, so a text that has one was changed after it was made.
pub(super) fn is_number(text: &[u8], last_bits: u32) -> bool {
    let fits = |digit: &u8| value(*digit).is_some_and(|value| value >> last_bits == 0);
    text.iter().all(|digit| value(*digit).is_some()) && text.last().is_none_or(fits)
}

/// Writes bytes, least significant first: three of them are four digits, and those that are left over get as many as
/// they need.
pub(super) fn encode(bytes: &[u8], text: &mut [u8]) {
    for (chunk, to) in bytes.chunks(3).zip(text.chunks_mut(4)) {
        put(to, chunk.iter().rev().fold(0, |bits, byte| bits << 8 | u32::from(*byte)));
    }
}

/// Reads what [`encode`] wrote, and nothing else.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.chunks(4) {
        let mut bits = 0;
        for digit in chunk.iter().rev() {
            bits = bits << 6 | value(*digit)?;
        }
        // A single digit holds no byte; two hold one and three hold two, with bits to spare that have to be 0.
        let whole = chunk.len() * 6 / 8;
        if whole == 0 || bits >> (whole * 8) != 0 {
            return None;
        }
        bytes.extend_from_slice(&bits.to_le_bytes()[..whole]);
    }
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_encode_writes_is_decoded() {
        let cases: &[(&[u8], Option<&[u8]>)] = &[
            (b"", Some(b"")),
            (b"a.", Some(b"\x26")),
            (b"....", Some(b"\0\0\0")),
            (b"zzzz", Some(b"\xff\xff\xff")),
            (b"a", None),     // six bits are no byte
            (b".", None),     // nor are they when all of them are 0
            (b"ab", None),    // bits beyond the byte
            (b"....a", None), // the same after a whole group
            (b"a-", None),
            (b"a\xff", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text).as_deref(), *expected, "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_what_is_decoded(bytes in prop::collection::vec(any::<u8>(), 0..70)) {
            let mut text = vec![0; (bytes.len() * 8).div_ceil(6)];
            encode(&bytes, &mut text);
            prop_assert!(is_number(&text, 6));
            prop_assert_eq!(decode(&text).unwrap(), bytes);
        }
    }
}
