//! CRC32c (RFC 3720 appendix B.4), by which a header of version 2 may be checked.

/// The polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The checksum, as it stands in a field, of a header in which the field's four bytes begin at `at`. They count as
/// noughts (section 2.2.4 of the specification).
pub(super) fn of_header(header: &[u8], at: usize) -> [u8; 4] {
    let own = at..at.saturating_add(4);
    let bytes = header.iter().enumerate().map(|(index, byte)| if own.contains(&index) { 0 } else { *byte });
    crc32c(bytes).to_be_bytes()
}

/// Bit by bit: a header is short, and there is one a connection.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3720 appendix B.4, and the usual check value.
    #[test]
    fn the_published_examples_come_out() {
        for (bytes, crc) in [
            (vec![0; 32], 0x8a91_36aa),
            (vec![0xff; 32], 0x62a8_ab43),
            ((0..32).collect(), 0x46dd_794e),
            ((0..32).rev().collect(), 0x113f_db5c),
            (b"123456789".to_vec(), 0xe306_9283),
        ] {
            assert_eq!(crc32c(bytes.into_iter()), crc);
        }
    }
}
