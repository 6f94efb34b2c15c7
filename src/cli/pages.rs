//! `mailwarden completions` and `mailwarden man`: what packages install beside the program, made from its command line.

mod layout;

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use self::layout::laid_out;
use super::{Cli, Exit, out};
use crate::config::os_reason;

const COMPLETIONS: &str = "\
Examples:
  mailwarden completions bash > /etc/bash_completion.d/mailwarden
  mailwarden completions zsh > /usr/local/share/zsh/site-functions/_mailwarden

Exit codes: 0 printed, 1 nobody read it, 2 wrong usage";

const MAN: &str = "\
Examples:
  mailwarden man | man -l -
  mailwarden man serve | man -l -
  mailwarden man --dir /usr/local/share/man/man1

Exit codes: 0 printed or written, 1 it could not be, 2 wrong usage";

/// The flags of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub struct Completions {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_enum, hide_possible_values = true)]
    shell: Shell,
}

/// The flags of `man`.
#[derive(Debug, Args)]
#[command(after_help = MAN)]
pub struct Pages {
    /// The command whose page to print; without it the program's own
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Option<String>,
    /// Write every page into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints a shell's completions.
pub(super) fn completions(flags: &Completions) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(flags.shell, &mut Cli::command(), "mailwarden", &mut text);
    print(&text)
}

/// Prints a page, or writes all of them.
pub(super) fn man(flags: &Pages) -> Exit {
    let mut program = Cli::command();
    program.build();
    if let Some(dir) = &flags.dir {
        return match write_all(&program, dir) {
            Ok(()) => Exit::Success,
            Err(error) => {
                out::error(&format!("{}: {}\n", dir.display(), os_reason(&error)));
                Exit::Problem
            }
        };
    }
    let command = match &flags.command {
        None => program,
        Some(name) => match all(&program).into_iter().find(|command| page_name(command) == name) {
            Some(command) => command.clone(),
            None => {
                let known: Vec<&str> = all(&program).into_iter().skip(1).map(page_name).collect();
                out::error(&format!("there is no command {name:?}; there are {}\n", known.join(", ")));
                return Exit::Usage;
            }
        },
    };
    match page(command) {
        Ok(text) => print(&text),
        Err(error) => {
            out::error(&format!("the page cannot be made: {error}\n"));
            Exit::Problem
        }
    }
}

fn write_all(program: &Command, dir: &Path) -> io::Result<()> {
    for command in all(program) {
        let man = Man::new(command.clone());
        std::fs::write(dir.join(man.get_filename()), page(command.clone())?)?;
    }
    Ok(())
}

/// A command and all below it.
fn all(command: &Command) -> Vec<&Command> {
    std::iter::once(command).chain(command.get_subcommands().flat_map(all)).collect()
}

/// What a page is asked for by: `serve`, `user-add`.
fn page_name(command: &Command) -> &str {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    name.strip_prefix("mailwarden-").unwrap_or(name)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let program = command.get_name() == "mailwarden";
    Man::new(command).source(concat!("mailwarden ", env!("CARGO_PKG_VERSION"))).render(&mut text)?;
    Ok(laid_out(&String::from_utf8_lossy(&text), program).into_bytes())
}

fn print(text: &[u8]) -> Exit {
    match out::print(&String::from_utf8_lossy(text)) {
        Ok(()) => Exit::Success,
        Err(error) => {
            out::error(&format!("standard output: {}\n", os_reason(&error)));
            Exit::Problem
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_of_its_own_name() {
        let mut program = Cli::command();
        program.build();
        let names: Vec<&str> = all(&program).into_iter().skip(1).map(page_name).collect();
        assert!(names.contains(&"serve") && names.contains(&"user-add"), "{names:?}");
        for command in all(&program).into_iter().skip(1) {
            let name = page_name(command).replace('-', "\\-");
            let text = String::from_utf8(page(command.clone()).unwrap()).unwrap();
            assert!(text.contains(&format!("mailwarden\\-{name}")), "{text}");
            assert!(
                text.contains(".SH SYNOPSIS") && text.contains(".SH EXIT STATUS") && text.contains(".SH EXAMPLES"),
                "{text}"
            );
        }
    }
}
