//! Secrets: read from files, printed nowhere.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::error::os_reason;
use super::units::format_size;

/// More than any password that people write, and little to read by mistake.
const MAX_BYTES: usize = 4 << 10;

/// Bytes that nothing prints, and that leave no copy behind in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The bytes, for the one place that sends them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Reads a file that holds a secret and nothing else.
    ///
    /// # Errors
    /// Why there is none in it, as a text that goes on from the file's name.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("cannot be read: {}", os_reason(&error));
        // All of it at once: a vector that grows leaves copies behind.
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
        // Before it is opened: opening a named pipe would wait for its writer, at a reload as well.
        if !std::fs::metadata(path).map_err(cannot)?.is_file() {
            return Err("is no regular file".to_owned());
        }
        let file = File::open(path).map_err(cannot)?;
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut content).map_err(cannot)?;
        if content.len() > MAX_BYTES {
            return Err(format!("is over {}; write the password alone into it", format_size(MAX_BYTES as u64)));
        }
        Secret::from_content(content)
    }

    /// Reads a file that holds the URL of a webhook and nothing else.
    ///
    /// # Errors
    /// As [`Self::read`], and for what is no URL; the text does not repeat it.
    pub(super) fn read_url(path: &Path) -> Result<Self, String> {
        let secret = Self::read(path).map_err(|reason| reason.replace("the password", "the address"))?;
        crate::purge::alert::Address::parse(secret.expose())
            .map_err(|reason| format!("holds no address of a webhook: {reason}"))?;
        Ok(secret)
    }

    /// One line end at the end is the editor's and goes.
    fn from_content(mut content: Zeroizing<Vec<u8>>) -> Result<Self, String> {
        if content.last() == Some(&b'\n') {
            content.pop();
            if content.last() == Some(&b'\r') {
                content.pop();
            }
        }
        if content.is_empty() {
            return Err("is empty; write the password into it".to_owned());
        }
        if content.iter().any(u8::is_ascii_control) {
            return Err("holds more than one line, or control characters; write the password alone into it".to_owned());
        }
        Ok(Secret(content))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_loses_one_line_end_and_prints_nothing() {
        let secret = |content: &[u8]| Secret::from_content(Zeroizing::new(content.to_vec()));
        for content in [b"s3cret".as_slice(), b"s3cret\n", b"s3cret\r\n"] {
            assert_eq!(secret(content).map(|secret| secret.expose().to_vec()), Ok(b"s3cret".to_vec()));
        }
        for content in [b"".as_slice(), b"\n", b"\r\n", b"a\nb", b"a\n\n", b"a\0"] {
            assert!(secret(content).is_err(), "{content:?}");
        }
        assert_eq!(format!("{:?}", secret(b"s3cret")), "Ok(Secret)");
    }
}
