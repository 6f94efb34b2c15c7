//! Shows bytes that someone else chose (a user name) in a log line or a message.

use std::fmt::{self, Write};

/// Displays bytes as text in which nothing can end the line, colour the terminal, close a quotation or turn the
/// writing direction: CVE-2023-28486 was a log without this. What is not UTF-8 is shown as `\xNN`.
pub(super) struct Escaped<'a>(pub(super) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars().flat_map(char::escape_debug) {
                f.write_char(letter)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_could_forge_a_log_line_is_shown_as_it_is() {
        let cases: &[(&[u8], &str)] = &[
            (b"alice", "alice"),
            ("jörg 李".as_bytes(), "jörg 李"),
            (b"a\r\nb", "a\\r\\nb"),
            (b"\x1b[31m", "\\u{1b}[31m"),
            (b"a\"b\\c", "a\\\"b\\\\c"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
            ("a\u{85}b".as_bytes(), "a\\u{85}b"),
            (b"a\xffb\xc3", "a\\xffb\\xc3"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Escaped(bytes).to_string(), *expected);
        }
    }
}
