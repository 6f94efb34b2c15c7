//! `mailwarden convert`: what people had before, as a configuration. It goes to standard output, what there is to say of it
//! to standard error.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;

use super::{Exit, out};
use crate::config;
use crate::convert::crontab::Asked;
use crate::convert::folder::Folder;
use crate::convert::{Converted, Fault, Kind, Note, Place, apache, crontab, nginx};

/// The most that is read from standard input, in bytes.
const LONGEST: u64 = 1 << 20;

const HELP: &str = "\
The configuration goes to standard output; a note for each line that is dropped,
was wrong, or works in another way goes to standard error, with file and line.

Examples:
  mailwarden convert nginx /etc/nginx/sites-available/mail > mailwarden.toml
  mailwarden check --config mailwarden.toml

Exit codes: 0 it replaces the file, 1 it does not (the notes that say \"open\"),
or the file cannot be read, 2 wrong usage";

const NGINX: &str = "\
Includes are followed below the file's own folder only.

Examples:
  mailwarden convert nginx /etc/nginx/sites-available/mail > mailwarden.toml
  mailwarden convert nginx /etc/nginx/nginx.conf --server mail.dev:8080

Exit codes: 0 it replaces the block, 1 something that kept people out has no
counterpart (\"open\"), or there is no one server, 2 wrong usage";

const APACHE: &str = "\
Includes are followed below the file's own folder only.

Examples:
  mailwarden convert apache /etc/apache2/sites-available/mail.conf
  mailwarden convert apache httpd.conf --server mail.dev > mailwarden.toml

Exit codes: 0 it replaces the virtual host, 1 something that kept people out has
no counterpart (\"open\"), or there is no one virtual host, 2 wrong usage";

const CRONTAB: &str = "\
Finds the line that empties the catcher (curl, wget or http with DELETE). Its
password is printed nowhere.

Examples:
  crontab -l | mailwarden convert crontab - >> mailwarden.toml
  mailwarden convert crontab /etc/cron.d/mail --timezone Europe/Helsinki

Exit codes: 0 it replaces the line, 1 there is no one line, 2 wrong usage";

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = HELP, disable_help_subcommand = true)]
pub struct Flags {
    #[command(subcommand)]
    from: From,
    /// text, or json with the notes in it
    #[arg(long, global = true, value_enum, hide_possible_values = true, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The configuration as a file
    Text,
    /// The configuration and all notes as one object
    Json,
}

#[derive(Debug, Subcommand)]
enum From {
    /// From the server block that forwards to the catcher
    #[command(after_help = NGINX)]
    Nginx(Server),
    /// From the virtual host that forwards to the catcher
    #[command(after_help = APACHE)]
    Apache(Server),
    /// From the line that empties the catcher
    #[command(after_help = CRONTAB)]
    Crontab(Crontab),
}

#[derive(Debug, Args)]
struct Server {
    /// The file, or - for standard input
    file: PathBuf,
    /// Which one of several: a name, a port or NAME:PORT
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
}

#[derive(Debug, Args)]
struct Crontab {
    /// The file, or - for standard input
    file: PathBuf,
    /// Where cron ran, other than in this machine's zone
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
}

/// Runs the command.
pub(super) fn run(flags: &Flags) -> Exit {
    let (name, file, converted) = match &flags.from {
        From::Nginx(server) => {
            let convert = |name: &str, content: &str, folder: Option<&mut Folder>| {
                nginx::convert(name, content, folder, server.server.as_deref())
            };
            ("nginx", &server.file, read(&server.file, convert))
        }
        From::Apache(server) => {
            let convert = |name: &str, content: &str, folder: Option<&mut Folder>| {
                apache::convert(name, content, folder, server.server.as_deref())
            };
            ("apache", &server.file, read(&server.file, convert))
        }
        From::Crontab(flags) => {
            let machine = machine_zone();
            let zone = flags.timezone.as_deref().or(machine.as_deref());
            let asked = Asked { zone, now: Timestamp::now() };
            let convert = |name: &str, content: &str, _: Option<&mut Folder>| crontab::convert(name, content, &asked);
            ("crontab", &flags.file, read(&flags.file, convert))
        }
    };
    let (report, exit) = report(name, file, converted);
    let printed = match flags.format {
        Format::Json => {
            // Texts and numbers: there is nothing in it that JSON could refuse.
            out::print(&format!("{}\n", serde_json::to_string_pretty(&report).unwrap_or_default()))
        }
        Format::Text => {
            let printed = report.configuration.as_deref().map_or(Ok(()), out::print);
            out::error(&report.words());
            printed
        }
    };
    match printed {
        Ok(()) => exit,
        Err(error) => {
            out::error(&format!("standard output: {}\n", config::os_reason(&error)));
            Exit::Problem
        }
    }
}

/// Reads the file, with what may be included around it.
fn read(
    file: &Path,
    convert: impl Fn(&str, &str, Option<&mut Folder>) -> Result<Converted, Fault>,
) -> Result<Converted, Fault> {
    let name = shown(file);
    let fault = |reason: String| Fault { place: Place { file: name.as_str().into(), line: 0 }, reason };
    if file == Path::new("-") {
        let mut content = Vec::new();
        let read = io::stdin().lock().take(LONGEST + 1).read_to_end(&mut content);
        read.map_err(|error| fault(config::os_reason(&error)))?;
        if content.len() as u64 > LONGEST {
            return Err(fault("is over 1 MiB, and no such file is that large".to_owned()));
        }
        return convert(&name, &String::from_utf8_lossy(&content), None);
    }
    let (mut folder, content) = Folder::open(file).map_err(fault)?;
    convert(&name, &content, Some(&mut folder))
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

/// The time zone of this machine by its name, if it has one: cron's own, whatever this process was given.
fn machine_zone() -> Option<String> {
    let link = std::fs::read_link("/etc/localtime").ok()?;
    let (_, name) = link.to_str()?.split_once("zoneinfo/")?;
    Some(name.to_owned())
}

/// Everything there is to say.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether the configuration replaces what was read.
    ok: bool,
    configuration: Option<String>,
    notes: Vec<Row>,
    error: Option<Row>,
}

/// A note or a fault.
#[derive(Debug, Serialize)]
struct Row {
    file: String,
    /// None for the file as a whole.
    line: Option<u32>,
    kind: &'static str,
    text: String,
}

impl Row {
    fn new(place: &Place, kind: &'static str, text: &str) -> Self {
        let line = Some(place.line).filter(|line| *line > 0);
        // Text of the file is in it, and a terminal is where it ends.
        let text = text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
        Row { file: place.file.to_string(), line, kind, text }
    }
}

impl Report {
    /// A line a note, as compilers print them.
    fn words(&self) -> String {
        let mut text = String::new();
        for row in self.notes.iter().chain(&self.error) {
            let line = row.line.map_or_else(String::new, |line| format!("{line}:"));
            text.push_str(&format!("{}:{line} {}: {}\n", row.file, row.kind, row.text));
        }
        let open = self.notes.iter().filter(|row| row.kind == Kind::Open.name()).count();
        if open > 0 {
            text.push_str(&format!(
                "Not a replacement yet: {open} of what decided who gets in has no counterpart (the notes that say \"open\").\n"
            ));
        }
        text
    }
}

fn report(from: &str, file: &Path, converted: Result<Converted, Fault>) -> (Report, Exit) {
    let nothing = Report { ok: false, configuration: None, notes: Vec::new(), error: None };
    let mut converted = match converted {
        Ok(converted) => converted,
        Err(fault) => {
            let error = Some(Row::new(&fault.place, "error", &fault.reason));
            return (Report { error, ..nothing }, Exit::Problem);
        }
    };
    converted.draft.heading = heading(from, file, &converted.notes);
    let ok = !converted.is_open();
    let notes = converted.notes.iter().map(|note| Row::new(&note.place, note.kind.name(), &note.text)).collect();
    let toml = converted.draft.toml();
    // Each key is right by itself; two of them may not go together.
    if let Err(reason) = config::accepts_all(&toml) {
        let place = Place { file: shown(file).as_str().into(), line: 0 };
        let error = Some(Row::new(&place, "error", &format!("what it would become is no configuration: {reason}")));
        return (Report { notes, error, ..nothing }, Exit::Problem);
    }
    (Report { ok, configuration: Some(toml), notes, error: None }, if ok { Exit::Success } else { Exit::Problem })
}

/// What stands at the top of the configuration: whoever gets only that should see what is missing.
fn heading(from: &str, file: &Path, notes: &[Note]) -> Vec<String> {
    let mut lines = vec![format!("Made by mailwarden convert {from} from {}.", shown(file))];
    for note in notes.iter().filter(|note| note.kind == Kind::Open) {
        lines.push(format!("MISSING: {}: {}", note.place, note.text));
    }
    lines
}
