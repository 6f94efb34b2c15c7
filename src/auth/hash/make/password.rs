//! What a new password may be.

use std::fmt;

use super::super::MAX_PASSWORD;

/// Why a new password is not taken. The text never holds any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadPassword {
    /// Nothing at all.
    Empty,
    /// Over [`MAX_PASSWORD`].
    TooLong,
    /// A control character, NUL among them: no request can carry it (RFC 7617 section 2), and the crypt family and
    /// bcrypt would stop at a NUL.
    ControlCharacter,
}

impl BadPassword {
    /// Whether anybody could log in with that password.
    ///
    /// # Errors
    /// Why nobody could, or should.
    pub fn check(password: &[u8]) -> Result<(), Self> {
        match password {
            [] => Err(Self::Empty),
            _ if password.len() > MAX_PASSWORD => Err(Self::TooLong),
            _ if password.iter().any(u8::is_ascii_control) => Err(Self::ControlCharacter),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for BadPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the password is empty",
            Self::TooLong => "the password is longer than 512 bytes, and one as long is never tried",
            Self::ControlCharacter => "the password has a control character, which no browser can send",
        })
    }
}

impl std::error::Error for BadPassword {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_could_not_be_used_is_not_taken() {
        assert_eq!(BadPassword::check(b""), Err(BadPassword::Empty));
        assert_eq!(BadPassword::check(&[b'x'; 512]), Ok(()));
        assert_eq!(BadPassword::check(&[b'x'; 513]), Err(BadPassword::TooLong));
        for bad in [&b"a\0b"[..], b"a\nb", b"\t", b"a\x7f"] {
            assert_eq!(BadPassword::check(bad), Err(BadPassword::ControlCharacter));
        }
        assert_eq!(BadPassword::check(b" \xff "), Ok(()));
    }
}
