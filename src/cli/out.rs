//! What commands print. A reader that went away (`mailwarden check | head -1`) is no failure.

use std::io::{self, Write};

/// Writes to standard output.
///
/// # Errors
/// Why it could not be written, other than that nobody reads.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes to standard error. Where that fails there is nobody to tell.
pub(super) fn error(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
