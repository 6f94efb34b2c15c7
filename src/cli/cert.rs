//! `mailwarden cert`: a local authority and certificates from it, for a development server.

mod help;
mod show;
mod told;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;

use self::show::Show;
use self::told::{Place, configuration, day, described, list, trust};
use super::failure::Failure;
use super::{Exit, out};
use crate::auth::users::shell_word;
use crate::cert::{Authority, CannotIssue, Folder, Group, MAX_DAYS, Name, Pair, Says, Scope, StoreError};
use crate::config::os_reason;

/// Where the service and a container's volume have it as well.
const DIR: &str = "/etc/mailwarden/tls";
/// Two years and a quarter: a certificate that ends each year is one that is forgotten each year.
const DAYS: &str = "820";

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = help::EXAMPLES, disable_help_subcommand = true)]
pub struct Flags {
    /// Another folder than /etc/mailwarden/tls
    #[arg(long, global = true, value_name = "DIR", default_value = DIR, hide_default_value = true)]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a certificate, and the authority if there is none
    #[command(after_help = help::NEW)]
    New(New),
    /// Give certificates new dates, under the daemon's eyes
    #[command(after_help = help::RENEW)]
    Renew(Renew),
    /// Say what is there, and how to trust the authority
    Show(Show),
}

#[derive(Debug, Args)]
struct New {
    /// DNS names, *.NAMEs, addresses; its folder has the first one's name
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    lasts: Lasts,
    /// What a new authority may sign for as well
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    allow: Vec<String>,
    /// Who else may read the key; for root mailwarden
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

#[derive(Debug, Args)]
struct Renew {
    /// The first NAME of each; without any all that are there
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    lasts: Lasts,
}

#[derive(Debug, Args)]
struct Lasts {
    /// How long it holds, 1 to 824; 820 unless named
    #[arg(long, value_name = "DAYS", default_value = DAYS, hide_default_value = true, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_DAYS)))]
    days: u16,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::Os(_, why) if why.kind() == std::io::ErrorKind::PermissionDenied => {
                "; run it as root, or name a folder of yours with --dir"
            }
            _ => "",
        };
        Self::problem(format!("{error}{hint}"))
    }
}

/// Runs the command.
pub(super) fn run(flags: Flags) -> Exit {
    let (dir, now) = (flags.dir.as_path(), Timestamp::now());
    let done = match &flags.command {
        Command::New(new) => make(dir, new, now),
        Command::Renew(which) => renew(dir, which, now),
        Command::Show(how) => show::show(dir, how),
    };
    let printed = done.and_then(|text| {
        out::print(&text).map_err(|error| Failure::problem(format!("standard output: {}", os_reason(&error))))
    });
    match printed {
        Ok(()) => Exit::Success,
        Err(Failure { exit, text }) => {
            out::error(&format!("{text}\n"));
            exit
        }
    }
}

fn make(dir: &Path, new: &New, now: Timestamp) -> Result<String, Failure> {
    let names = names(&new.names)?;
    let Some(first) = names.first() else { return Err(Failure::usage("which names?")) };
    let allowed = scopes(&new.allow)?;
    let group = match &new.group {
        None => Group::usual(),
        Some(text) => Group::find(text)
            .ok_or_else(|| Failure::usage(format!("there is no group {text} on this machine; its number would do")))?,
    };
    let folder = Folder::open(dir)?;
    let place = folder.place(&first.folder())?;
    if place.symlink_metadata().is_ok() {
        return Err(exists(&folder, first, &place, dir));
    }
    let mut text = String::new();
    let (authority, pair) = match folder.authority()? {
        Some(pair) => {
            let authority = Authority::read(&pair).map_err(|why| cannot(&why, dir))?;
            refuse_more(&authority, &allowed, dir)?;
            let leaf = authority.issue(&names, new.lasts.days, now).map_err(|why| cannot(&why, dir))?;
            folder.publish(&pair.certificate)?;
            (authority, leaf)
        }
        None => {
            let mut all: Vec<Scope> = names.iter().map(Scope::of).collect();
            all.extend(allowed);
            let (authority, pair) = Authority::make(first, &all, now).map_err(|why| cannot(&why, dir))?;
            let leaf = authority.issue(&names, new.lasts.days, now).map_err(|why| cannot(&why, dir))?;
            folder.keep_authority(&pair)?;
            folder.publish(&pair.certificate)?;
            text.push_str(&described(authority.says(), "made the authority"));
            (authority, leaf)
        }
    };
    let place = Place::of(&folder.keep(&first.folder(), &pair, group)?);
    let end = read(&pair.certificate).map(|says| day(says.not_after)).unwrap_or_default();
    text.push_str(&format!("made a certificate for {}, until {end}:\n{place}", list(&names)));
    text.push_str(&configuration(&place, group));
    text.push_str(&trust(&folder.trusted(), authority.says(), authority.der()));
    Ok(text)
}

/// What to do instead.
fn exists(folder: &Folder, first: &Name, place: &Path, dir: &Path) -> Failure {
    let told = folder.certificate(&first.folder()).ok().and_then(|pem| read(&pem));
    let told =
        told.map(|says| format!(", for {} until {}", list(&says.names), day(says.not_after))).unwrap_or_default();
    Failure::problem(format!(
        "{} is there already{told}; nothing is overwritten.\nThe same names, new dates: mailwarden cert renew {}{}\n\
         Other names: move that folder away, or put another name first",
        place.display(),
        shell_word(Path::new(&first.folder())),
        flag(dir),
    ))
}

/// What was allowed when it was made stays: nobody who trusts it would hear of more.
fn refuse_more(authority: &Authority, allowed: &[Scope], dir: &Path) -> Result<(), Failure> {
    let scopes = &authority.says().scopes;
    match allowed.iter().find(|scope| !scopes.contains(scope)) {
        None => Ok(()),
        Some(scope) => Err(cannot(
            &CannotIssue::Failed(format!(
                "the authority in {} was made before, for {}: {scope} cannot be added",
                dir.display(),
                list(scopes)
            )),
            dir,
        )),
    }
}

/// Why there is no certificate, and what to do.
fn cannot(why: &CannotIssue, dir: &Path) -> Failure {
    let anew = format!(
        "move {} and authority.pem beside it away, and people have to trust the new one",
        dir.join("authority").display()
    );
    let hint = match why {
        CannotIssue::OutOfScope(..) => format!(
            "\nAnother authority for it: --dir ANOTHER, which people have to trust as well. One for both: {anew}; \
             --allow DOMAIN leaves room"
        ),
        CannotIssue::BrokenAuthority(_) | CannotIssue::NotOurs | CannotIssue::Expired(_) => {
            format!("\nTo make another one: {anew}")
        }
        CannotIssue::BrokenKey(_) | CannotIssue::Clock | CannotIssue::Failed(_) => String::new(),
    };
    Failure::problem(format!("{why}{hint}"))
}

fn renew(dir: &Path, which: &Renew, now: Timestamp) -> Result<String, Failure> {
    let named = names(&which.names)?;
    if !dir.exists() {
        return Err(nothing(dir));
    }
    let folder = Folder::open(dir)?;
    let Some(pair) = folder.authority()? else { return Err(nothing(dir)) };
    let authority = Authority::read(&pair).map_err(|why| cannot(&why, dir))?;
    let all = if named.is_empty() { folder.all()? } else { named.iter().map(Name::folder).collect() };
    // Each is made before the first is replaced: there is no half of it either.
    let mut made = Vec::new();
    for name in &all {
        let Pair { certificate, key } = folder.read(name)?;
        let says = read(&certificate);
        match says {
            Some(says) if says.is_from(authority.says()) => {
                let new = authority.renew(&says.names, &key, which.lasts.days, now);
                made.push((name, says, new.map_err(|why| cannot(&why, dir))?));
            }
            _ if named.is_empty() => out::error(&format!("{name} is not of this authority, and left as it is\n")),
            _ => {
                return Err(Failure::problem(format!(
                    "{name} is not of the authority in {}: move its folder away, and make it with `cert new`",
                    dir.display()
                )));
            }
        }
    }
    let mut text = String::new();
    for (name, says, new) in made {
        let place = folder.replace(name, &new)?;
        let end = read(&new).map(|says| day(says.not_after)).unwrap_or_default();
        text.push_str(&format!("renewed {} for {}, until {end}\n", place.display(), list(&says.names)));
    }
    if text.is_empty() { Err(nothing(dir)) } else { Ok(text) }
}

fn nothing(dir: &Path) -> Failure {
    Failure::problem(format!(
        "there is no certificate in {}; to make one: mailwarden cert new NAME{}",
        dir.display(),
        flag(dir)
    ))
}

fn read(pem: &str) -> Option<Says> {
    told::certificate(pem).map(|(_, says)| says)
}

/// What names the folder on a command line that this one suggests.
fn flag(dir: &Path) -> String {
    if dir == Path::new(DIR) { String::new() } else { format!(" --dir {}", shell_word(dir)) }
}

/// The names that were asked for, each once.
fn names(texts: &[String]) -> Result<Vec<Name>, Failure> {
    let mut names: Vec<Name> = Vec::new();
    for text in texts {
        let name = text.parse().map_err(|why| Failure::usage(format!("the name {text:?} {why}")))?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn scopes(texts: &[String]) -> Result<Vec<Scope>, Failure> {
    let scope = |text: &String| text.parse().map_err(|why| Failure::usage(format!("--allow {text:?} {why}")));
    texts.iter().map(scope).collect()
}
