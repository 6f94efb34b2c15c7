//! Where a password comes from: the terminal, where nothing shows it, or standard input. Never the command line, which
//! every user of the machine can read.

use std::io;

use clap::Args;
use zeroize::Zeroizing;

use super::super::out;
use super::terminal::{self, Answer};
use super::{Failure, checked};
use crate::auth::hash::MAX_PASSWORD;
use crate::auth::hash::make::Recipe;
use crate::config::os_reason;

/// What bcrypt sees of a password, in bytes.
const BCRYPT_SEES: usize = 72;

#[derive(Debug, Args)]
pub(super) struct From {
    /// Read the password from standard input, its first line
    #[arg(long)]
    stdin: bool,
}

impl From {
    /// A password that is to be set: asked for twice, and one that can be used.
    pub(super) fn new_one(&self, name: &str, recipe: Recipe) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let password = match self.stdin {
            true => line_of_stdin()?,
            false => {
                let first = checked(ask(&format!("New password for {name}: "))?)?;
                if ask("The same again: ")? != first {
                    return Err(Failure::problem("the two are not the same; nothing was changed"));
                }
                first
            }
        };
        let password = checked(password)?;
        if matches!(recipe, Recipe::Bcrypt { .. }) && password.len() > BCRYPT_SEES {
            out::error("warning: bcrypt sees the first 72 bytes of this password and ignores the rest\n");
        }
        Ok(password)
    }

    /// A password that is to be checked: whatever it is.
    pub(super) fn known_one(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if self.stdin { line_of_stdin() } else { ask(&format!("Password for {name}: ")) }
    }
}

fn ask(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match terminal::ask(prompt) {
        Ok(Answer::Line(password)) => Ok(password),
        Ok(Answer::Nothing) => Err(Failure::problem("\nno password was given, and nothing was changed")),
        Ok(Answer::Ended(exit)) => Err(Failure { exit, text: "\ninterrupted; nothing was changed".to_owned() }),
        Err(error) => {
            let why = os_reason(&error);
            Err(Failure::usage(format!("there is no terminal to ask on ({why}); give the password with --stdin")))
        }
    }
}

/// The first line of standard input without its end. It is read byte by byte: what follows is the next command's.
fn line_of_stdin() -> Result<Zeroizing<Vec<u8>>, Failure> {
    let stdin = io::stdin();
    line(|byte| Ok(rustix::io::retry_on_intr(|| rustix::io::read(&stdin, &mut byte[..]))?))
        .map_err(|error| Failure::problem(format!("standard input: {}", os_reason(&error))))
}

/// A line without its end, read byte by byte, as far as a password may be long.
pub(super) fn line(mut read: impl FnMut(&mut [u8; 1]) -> io::Result<usize>) -> io::Result<Zeroizing<Vec<u8>>> {
    // One over the limit is enough to be refused, and a carriage return may follow.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD + 2));
    let mut byte = Zeroizing::new([0]);
    while line.len() < MAX_PASSWORD + 2 && read(&mut byte)? == 1 {
        if byte[0] == b'\n' {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            break;
        }
        line.push(byte[0]);
    }
    Ok(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_line_loses_its_end_and_nothing_else() {
        let cases = [
            ("secret", "secret", ""),
            ("secret\n", "secret", ""),
            ("secret\r\n", "secret", ""),
            ("secret\r\r\n", "secret\r", ""),
            (" two words \nnext\n", " two words ", "next\n"),
            ("\nsecret", "", "secret"),
            ("", "", ""),
            ("secret\nsecret\n", "secret", "secret\n"),
        ];
        for (given, expected, left) in cases {
            let mut input = given.as_bytes();
            assert_eq!(**line(|byte| input.read(byte)).unwrap(), *expected.as_bytes(), "{given:?}");
            assert_eq!(input, left.as_bytes(), "{given:?}");
        }
    }

    #[test]
    fn of_an_endless_line_no_more_is_read_than_is_refused() {
        let mut input = io::repeat(b'x');
        assert!(checked(line(|byte| input.read(byte)).unwrap()).is_err());
        let mut longest = [&[b'x'; 512][..], b"\r\n"].concat();
        longest.extend([b'y'; 9]);
        let mut input = &longest[..];
        assert_eq!(line(|byte| input.read(byte)).unwrap().len(), 512);
    }
}
