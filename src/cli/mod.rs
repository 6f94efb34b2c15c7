//! The command line: from arguments to an exit code, one file a command.

pub mod cert;
pub mod check;
pub mod convert;
pub mod doctor;
mod failure;
pub mod firewall;
pub mod healthcheck;
mod out;
pub mod pages;
pub mod purge;
pub mod schedule;
pub mod serve;
pub mod user;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{ConfigErrors, Source};

/// How a command ended. Scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what it was asked to do, and found nothing wrong.
    Success = 0,
    /// It looked and found something wrong, or failed at its work.
    Problem = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The catcher cannot be reached (EX_UNAVAILABLE).
    Unavailable = 69,
    /// The configuration is wrong (EX_CONFIG).
    Config = 78,
    /// SIGHUP ended it: the number of the signal and 128, as shells count.
    HungUp = 129,
    /// SIGINT did: Ctrl-C.
    Interrupted = 130,
    /// SIGQUIT did.
    Quit = 131,
    /// SIGTERM did.
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

const EXAMPLES: &str = "\
Without --config it is /etc/mailwarden/mailwarden.toml, if there is one.

Examples:
  mailwarden check && mailwarden serve
  mailwarden serve --listen 127.0.0.1:8080 --upstream http://127.0.0.1:1080

Exit codes:
   0  success        2  wrong usage     69  the catcher cannot be reached
   1  it failed     78  the configuration is wrong";

/// Mailwarden stands in front of a mail catcher and makes it safe to share
#[derive(Debug, Parser)]
#[command(name = "mailwarden", version, disable_help_subcommand = true, after_help = EXAMPLES)]
struct Cli {
    /// Use this configuration file
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gate
    Serve(serve::Flags),
    /// Say what the configuration will do, or what is wrong with it
    Check(check::Flags),
    /// Keep the users file: add, passwd, remove, list, verify
    User(user::Flags),
    /// Make certificates for a development server: new, renew, show
    Cert(cert::Flags),
    /// Delete old mail now, or list what would go
    Purge(purge::Flags),
    /// Tell when the next purges are, or how the past ones went
    Schedule(schedule::Flags),
    /// Turn an nginx or Apache block, or a crontab, into a configuration
    Convert(convert::Flags),
    /// Say whether anybody reaches the catcher around the gate
    Doctor(doctor::Flags),
    /// Write firewall rules for the catcher's ports: print, check, undo
    Firewall(firewall::Flags),
    /// Ask the running daemon whether it lives
    Healthcheck(healthcheck::Flags),
    /// Print completions for a shell
    Completions(pages::Completions),
    /// Print a man page
    Man(pages::Pages),
}

/// Runs the command that the arguments name; the first one is the program's own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let error = with_hint(error);
            // Help and version come this way too. Where they cannot be printed nobody reads.
            let _ = error.print();
            return usage_exit(&error);
        }
    };
    match cli.command {
        Command::Serve(flags) => serve::run(Source::of_process(cli.config, flags.into_keys())),
        Command::Check(flags) => {
            let (keys, form) = flags.take_keys();
            check::run(&Source::of_process(cli.config, keys), form)
        }
        Command::User(flags) => user::run(cli.config, flags),
        Command::Cert(flags) => cert::run(flags),
        Command::Purge(mut flags) => {
            let keys = flags.take_keys();
            purge::run(&Source::of_process(cli.config, keys), &flags)
        }
        Command::Schedule(flags) => schedule::run(&Source::of_process(cli.config, Vec::new()), &flags),
        Command::Convert(flags) => convert::run(&flags),
        Command::Healthcheck(flags) => {
            let (keys, ready) = flags.take_keys();
            healthcheck::run(&Source::of_process(cli.config, keys), ready)
        }
        Command::Doctor(flags) => doctor::run(cli.config, flags),
        Command::Firewall(flags) => firewall::run(cli.config, flags),
        Command::Completions(flags) => pages::completions(&flags),
        Command::Man(flags) => pages::man(&flags),
    }
}

/// What other programs call commands of `user`, of which the spelling says nothing.
const SYNONYMS: [(&str, &str); 6] = [
    ("delete", "remove"),
    ("del", "remove"),
    ("rm", "remove"),
    ("create", "add"),
    ("password", "passwd"),
    ("check", "verify"),
];

/// With the name that a command has here, where it was called by another.
fn with_hint(mut error: clap::Error) -> clap::Error {
    use clap::error::{ContextKind, ContextValue};
    let is_users = matches!(error.get(ContextKind::Usage), Some(ContextValue::StyledStr(usage))
        if usage.to_string().contains("mailwarden user"));
    let Some(ContextValue::String(called)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    if let Some((_, name)) = SYNONYMS.iter().find(|(other, _)| is_users && other == called) {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![(*name).to_owned()]));
    }
    error
}

/// A question for help or the version is no mistake.
fn usage_exit(error: &clap::Error) -> Exit {
    if error.use_stderr() { Exit::Usage } else { Exit::Success }
}

/// Tells what is wrong with a configuration to whoever ran the command.
fn refuse(errors: &ConfigErrors) -> Exit {
    out::error(&format!("{errors}\n"));
    Exit::Config
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_a_screen_a_level() {
        // What `-h` and `--help` really print, which clap lays out differently when there is long text.
        let printed = |arguments: &[&str]| {
            let arguments = ["mailwarden"].iter().chain(arguments);
            Cli::try_parse_from(arguments).unwrap_err().to_string()
        };
        let program = Cli::command();
        let mut levels = vec![vec![]];
        for command in program.get_subcommands() {
            levels.push(vec![command.get_name()]);
            levels.extend(command.get_subcommands().map(|below| vec![command.get_name(), below.get_name()]));
        }
        assert!(levels.contains(&vec!["user", "add"]));
        for help in levels.iter().flat_map(|level| {
            ["-h", "--help"].map(|flag| printed(&level.iter().copied().chain([flag]).collect::<Vec<_>>()))
        }) {
            assert!(help.lines().count() <= 40, "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
            assert!(help.contains("Example") && help.contains("Exit codes"), "{help}");
        }
    }

    #[test]
    fn wrong_usage_and_help_have_their_codes() {
        let exit = |arguments: &[&str]| {
            let arguments = ["mailwarden"].iter().chain(arguments);
            usage_exit(&Cli::try_parse_from(arguments).unwrap_err())
        };
        assert_eq!(exit(&["--nonsense"]), Exit::Usage);
        assert_eq!(exit(&["frobnicate"]), Exit::Usage);
        assert_eq!(exit(&[]), Exit::Usage);
        assert_eq!(exit(&["serve", "--help"]), Exit::Success);
        assert_eq!(exit(&["--version"]), Exit::Success);
    }

    #[test]
    fn a_command_by_another_programs_name_is_named() {
        let told = |arguments: &[&str]| {
            let arguments = ["mailwarden"].iter().chain(arguments);
            with_hint(Cli::try_parse_from(arguments).unwrap_err()).to_string()
        };
        assert!(told(&["user", "delete", "anna"]).contains("'remove'"), "{}", told(&["user", "delete", "anna"]));
        assert!(told(&["user", "password", "anna"]).contains("'passwd'"));
        assert!(!told(&["delete", "anna"]).contains("'remove'"), "there is none at that place");
    }

    #[test]
    fn the_file_can_be_named_before_and_after_the_command() {
        for arguments in [["mailwarden", "--config", "x", "check"], ["mailwarden", "check", "--config", "x"]] {
            assert_eq!(Cli::try_parse_from(arguments).unwrap().config, Some(PathBuf::from("x")));
        }
    }
}
