//! The credentials that a request carries: RFC 7617, `Authorization: Basic dXNlcjpwYXNz`. Everything is bounded
//! before it is decoded, and nothing here can be printed.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::hash::MAX_PASSWORD;

/// The longest header value that is decoded, in bytes.
const MAX_HEADER: usize = 4096;

/// Clients disagree about padding and about the unused bits of the last letter; nginx takes them all. What is checked
/// and remembered is what comes out, so nothing depends on the spelling.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A user name and a password, as bytes: RFC 7617 section 2.1 asks for UTF-8 but old clients send Latin-1, and the
/// hash was made of whatever was typed then. The memory is overwritten when it is dropped.
pub struct Credentials {
    decoded: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Credentials {
    /// Reads the request's credentials. None means that it carries no `Authorization` at all.
    ///
    /// The scheme's case does not matter (RFC 7235 section 2.1), the name ends at the first colon, and control
    /// characters are refused in both parts (RFC 7617 section 2), NUL among them.
    ///
    /// # Errors
    /// When there is an `Authorization` from which no credentials can be read. No error holds any part of it.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Malformed> {
        Self::line(headers)?.map(Self::parse).transpose()
    }

    /// The one line that they are in, unread.
    pub(super) fn line(headers: &HeaderMap) -> Result<Option<&[u8]>, Malformed> {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        let Some(line) = lines.next() else {
            return Ok(None);
        };
        // Which of two lines counts is what two servers disagree about, so neither does.
        if lines.next().is_some() {
            return Err(Malformed::SeveralLines);
        }
        Ok(Some(line.as_bytes()))
    }

    pub(super) fn parse(value: &[u8]) -> Result<Self, Malformed> {
        if value.len() > MAX_HEADER {
            return Err(Malformed::TooLong);
        }
        let value = value.trim_ascii();
        let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
        let (scheme, token) = value.split_at(end);
        if !scheme.eq_ignore_ascii_case(b"Basic") {
            return Err(Malformed::OtherScheme);
        }
        let token = token.trim_ascii();
        // With room for all of it at once: a vector that grows leaves copies of the password behind.
        let room = token.len() / 4 * 3 + 3;
        let mut decoded = Zeroizing::new(Vec::with_capacity(room));
        // `vec![0; room]` asks the allocator for memory that is zero already, which is several times as dear for so little.
        decoded.resize(room, 0);
        let length = BASE64.decode_slice(token, &mut decoded).map_err(|_| Malformed::NotBase64)?;
        decoded.truncate(length);
        Self::of_pair(decoded)
    }

    /// The credentials of a form with a field for each: what Basic cannot carry is refused here too, so that nobody
    /// gets in by one way only.
    ///
    /// # Errors
    /// As for a header; and for a name with a colon, which no user has.
    pub fn from_form(user: &[u8], password: &[u8]) -> Result<Self, Malformed> {
        if user.contains(&b':') {
            return Err(Malformed::ColonInName);
        }
        let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
        pair.extend_from_slice(user);
        pair.push(b':');
        pair.extend_from_slice(password);
        Self::of_pair(pair)
    }

    fn of_pair(decoded: Zeroizing<Vec<u8>>) -> Result<Self, Malformed> {
        let colon = decoded.iter().position(|&byte| byte == b':').ok_or(Malformed::NoColon)?;
        if decoded.iter().any(u8::is_ascii_control) {
            return Err(Malformed::ControlCharacter);
        }
        if colon == 0 {
            return Err(Malformed::NoUser);
        }
        if decoded.len() - colon - 1 > MAX_PASSWORD {
            return Err(Malformed::PasswordTooLong);
        }
        Ok(Self { decoded, colon })
    }

    /// The user's name, not empty and without control characters.
    #[must_use]
    pub fn user(&self) -> &[u8] {
        &self.decoded[..self.colon]
    }

    /// The password: perhaps empty, at most 512 bytes, without control characters.
    #[must_use]
    pub fn password(&self) -> &[u8] {
        &self.decoded[self.colon + 1..]
    }
}

/// Shows neither part: people type passwords into the field of the name.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Why no credentials can be read from an `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// Another scheme than Basic (Bearer, Digest): to us the request carries no credentials.
    OtherScheme,
    /// More than one `Authorization` line.
    SeveralLines,
    /// Over 4 KiB.
    TooLong,
    /// The token is not base 64.
    NotBase64,
    /// No colon between name and password.
    NoColon,
    /// The name is empty.
    NoUser,
    /// A colon in the name that a form brought.
    ColonInName,
    /// A control character in the name or the password.
    ControlCharacter,
    /// A password over 512 bytes.
    PasswordTooLong,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherScheme => "another scheme than Basic",
            Self::SeveralLines => "more than one Authorization line",
            Self::TooLong => "credentials over 4 KiB",
            Self::NotBase64 => "credentials not in base 64",
            Self::NoColon => "no colon in the credentials",
            Self::NoUser => "an empty user name",
            Self::ColonInName => "a colon in the user name",
            Self::ControlCharacter => "a control character in the credentials",
            Self::PasswordTooLong => "a password over 512 bytes",
        })
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
mod tests {
    use base64::engine::general_purpose;
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    type Pair = (Vec<u8>, Vec<u8>);

    fn read(lines: &[&[u8]]) -> Result<Option<Pair>, Malformed> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        let read = Credentials::from_headers(&headers)?;
        Ok(read.map(|credentials| (credentials.user().to_vec(), credentials.password().to_vec())))
    }

    fn basic(decoded: &[u8]) -> Vec<u8> {
        format!("Basic {}", general_purpose::STANDARD.encode(decoded)).into_bytes()
    }

    #[test]
    fn every_spelling_of_right_credentials_is_read() {
        let cases: &[(&[u8], &str, &str)] = &[
            (b"Basic YWxpY2U6c2VjcmV0", "alice", "secret"),
            (b"basic YWxpY2U6c2VjcmV0", "alice", "secret"),
            (b"BASIC YWxpY2U6c2VjcmV0", "alice", "secret"),
            (b"bAsIc   YWxpY2U6c2VjcmV0  ", "alice", "secret"),
            (b"Basic\tYWxpY2U6c2VjcmV0", "alice", "secret"),
            (b"Basic YWxpY2U6c2VjcmV0cw==", "alice", "secrets"), // padded
            (b"Basic YWxpY2U6c2VjcmV0cw", "alice", "secrets"),   // without its padding
            (b"Basic YWxpY2U6c2VjcmV0cx==", "alice", "secrets"), // unused bits set
            (b"Basic YWxpY2U6", "alice", ""),
            (b"Basic YWxpY2U6YTpiOmM=", "alice", "a:b:c"), // maildev cuts the password at its second colon
            (b"Basic asO2cmc6cMOkc3M=", "jörg", "päss"),
        ];
        for (line, user, password) in cases {
            let expected = Ok(Some((user.as_bytes().to_vec(), password.as_bytes().to_vec())));
            assert_eq!(read(&[line]), expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_reason() {
        assert_eq!(read(&[]), Ok(None));
        let long_password = basic(&[b"a:", &[b'x'; 513][..]].concat());
        let cases: &[(&[u8], Malformed)] = &[
            (b"Bearer abc", Malformed::OtherScheme),
            (b"Digest username=\"alice\"", Malformed::OtherScheme),
            (b"Basicx YWxpY2U6c2VjcmV0", Malformed::OtherScheme),
            (b"YWxpY2U6c2VjcmV0", Malformed::OtherScheme),
            (b"", Malformed::OtherScheme),
            (b"Basic", Malformed::NoColon),
            (b"Basic YWxpY2U6 c2VjcmV0", Malformed::NotBase64),
            (b"Basic YWxpY2U6c2VjcmV0===", Malformed::NotBase64),
            (b"Basic alice:secret", Malformed::NotBase64),
            (b"Basic YWxp_2U6c2Vj-mV0", Malformed::NotBase64),
            (b"Basic \xff\xfe", Malformed::NotBase64),
            (&basic(b"alice"), Malformed::NoColon),
            (&basic(b":secret"), Malformed::NoUser),
            (&basic(b":"), Malformed::NoUser),
            (&basic(b"alice:secret\0more"), Malformed::ControlCharacter),
            (&basic(b"ali\0ce:secret"), Malformed::ControlCharacter),
            (&basic(b"alice\r\nX-Admin: 1:secret"), Malformed::ControlCharacter),
            (&basic(b"alice:sec\x7fret"), Malformed::ControlCharacter),
            (&long_password, Malformed::PasswordTooLong),
            (&[&b"Basic "[..], &[b'A'; 4096][..]].concat(), Malformed::TooLong),
        ];
        for (line, expected) in cases {
            assert_eq!(read(&[line]), Err(*expected), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn two_authorization_lines_are_refused_even_when_they_are_equal() {
        let line: &[u8] = b"Basic YWxpY2U6c2VjcmV0";
        assert_eq!(read(&[line, line]), Err(Malformed::SeveralLines));
        assert_eq!(read(&[b"Bearer x", line]), Err(Malformed::SeveralLines));
    }

    #[test]
    fn a_password_of_512_bytes_is_read() {
        let line = basic(&[b"a:", &[b'x'; 512][..]].concat());
        assert_eq!(read(&[&line]).unwrap().unwrap().1.len(), 512);
    }

    #[test]
    fn neither_name_nor_password_shows_up_in_debug_output() {
        let credentials = Credentials::parse(b"Basic YWxpY2U6c2VjcmV0").unwrap();
        assert_eq!(format!("{credentials:?}"), "Credentials { .. }");
    }

    proptest! {
        #[test]
        fn any_header_bytes_are_read_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Credentials::parse(&value);
            let _ = Credentials::parse(&[b"Basic ", &value[..]].concat());
            let _ = Credentials::parse(&basic(&value));
        }

        #[test]
        fn what_was_encoded_is_what_is_read(user in "[^:[:cntrl:]]{1,60}", password in "[^[:cntrl:]]{0,120}") {
            let line = basic(format!("{user}:{password}").as_bytes());
            let read = read(&[&line]).unwrap().unwrap();
            prop_assert_eq!(read, (user.into_bytes(), password.into_bytes()));
        }
    }
}
