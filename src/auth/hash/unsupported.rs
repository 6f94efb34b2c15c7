//! Names what is not read: a person whose line is refused should learn which tool made it, not that it is "invalid".

use super::{HashError, crypt64};

/// Formats by their mark, longest first where one begins another.
const MARKS: &[(&str, HashError)] = &[
    ("$gy$", HashError::Unsupported("gost-yescrypt ($gy$)")),
    ("$7$", HashError::Unsupported("scrypt ($7$)")),
    ("$scrypt$", HashError::Unsupported("scrypt ($scrypt$)")),
    ("$2$", HashError::Unsupported("the first bcrypt ($2$)")),
    ("$3$", HashError::Unsupported("the NT hash ($3$)")),
    ("$sha1$", HashError::Unsupported("SHA-1 crypt ($sha1$)")),
    ("$md5", HashError::Unsupported("Sun's MD5 crypt ($md5)")),
    ("$pbkdf2", HashError::Unsupported("PBKDF2 ($pbkdf2)")),
    ("{CRYPT}", HashError::Unsupported("{CRYPT}")),
    ("{MD5}", HashError::Unsupported("{MD5}")),
    ("{SMD5}", HashError::Unsupported("{SMD5}")),
    ("{SHA256}", HashError::Unsupported("{SHA256}")),
    ("{SSHA256}", HashError::Unsupported("{SSHA256}")),
    ("{SHA512}", HashError::Unsupported("{SHA512}")),
    ("{SSHA512}", HashError::Unsupported("{SSHA512}")),
];

/// Says what a text is that no supported format has taken. Marks are case-sensitive, as in nginx and Apache.
pub(super) fn recognise(text: &[u8]) -> HashError {
    if text.is_empty() {
        return HashError::Empty;
    }
    if matches!(text, [b'*' | b'!', ..]) {
        return HashError::Locked;
    }
    if let Some((_, error)) = MARKS.iter().find(|(mark, _)| text.starts_with(mark.as_bytes())) {
        return *error;
    }
    match text {
        [b'_', rest @ ..] if rest.len() == 19 && crypt64::is_number(rest, 6) => {
            HashError::Unsupported("BSDi's DES crypt (_)")
        }
        _ => HashError::Unknown,
    }
}
