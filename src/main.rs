//! The `mailwarden` command; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    mailwarden::cli::run(std::env::args_os()).into()
}
