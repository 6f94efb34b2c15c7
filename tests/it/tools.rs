//! Credentials, and lines of a users file as the real tools make them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The header line of these credentials.
pub(crate) fn login(user: impl AsRef<[u8]>, password: impl AsRef<[u8]>) -> String {
    let pair = [user.as_ref(), b":", password.as_ref()].concat();
    format!("Authorization: Basic {}\r\n", STANDARD.encode(pair))
}

/// What a tool prints, without the line ends around it.
pub(crate) fn made_by(tool: &str, arguments: &[&str], input: &str) -> String {
    let bytes = bytes_made_by(tool, arguments, input.as_bytes());
    String::from_utf8(bytes).unwrap().trim().to_owned()
}

fn bytes_made_by(tool: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(tool);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("{tool} makes the hashes that this test needs and cannot be run ({error}): tests/run installs it")
    });
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
