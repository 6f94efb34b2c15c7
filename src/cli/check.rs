//! `mailwarden check`: loads what the daemon would load, and says what it will do with it.

mod plan;
mod report;
mod tls;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::serve::Keys;
use super::{Exit, out};
use crate::auth::users::ProblemKind;
use crate::auth::{Users, UsersFileError};
use crate::config::model::AuthConfig;
use crate::config::{self, Flag, Source};
use plan::Plan;
use report::{Fault, Report};

const EXAMPLE: &str = "\
Examples:
  mailwarden check
  mailwarden check --users-file ./htpasswd
  mailwarden check --format json | jq .warnings

Exit codes: 0 good, be it with warnings; 2 wrong usage; 78 bad configuration";

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct Flags {
    /// text, or json for scripts
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    format: Format,
    /// Only what is wrong, and nothing if nothing is
    #[arg(long, conflicts_with = "format")]
    quiet: bool,
    #[command(flatten)]
    keys: Keys,
}

impl Flags {
    /// Takes out what stands for keys.
    pub(super) fn take_keys(self) -> (Vec<Flag>, Form) {
        let form = match self.format {
            Format::Json => Form::Json,
            Format::Text if self.quiet => Form::Faults,
            Format::Text => Form::Words,
        };
        (self.keys.into_keys(), form)
    }
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// What the daemon will do, and what is wrong.
    Words,
    /// What is wrong.
    Faults,
    /// Everything, for scripts.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// In words, for people.
    Text,
    /// As one JSON object on standard output, for scripts.
    Json,
}

/// What there is to say about a users file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UsersReport {
    /// There is no such file.
    Missing,
    /// There is one that cannot be read.
    Unreadable {
        /// Why, and what mends it.
        reason: String,
    },
    /// It was read.
    Loaded {
        /// How many users can log in.
        count: usize,
        /// How many of them have a password hash of each format.
        formats: BTreeMap<String, usize>,
        /// What is wrong with lines: refused ones and weak ones.
        problems: Vec<LineProblem>,
        /// How many more lines are refused than are listed.
        #[serde(skip_serializing_if = "is_zero")]
        unlisted: usize,
        /// Who can log in; for comparing, not for printing.
        #[serde(skip)]
        names: BTreeSet<Vec<u8>>,
    },
}

/// What is wrong with one line of a users file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineProblem {
    /// The line, from 1.
    pub line: usize,
    /// What it means for its user.
    pub means: Means,
    /// What is wrong.
    pub reason: String,
}

/// What a doubtful line means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// Nobody logs in by it.
    CannotLogIn,
    /// An earlier line for the same user is used.
    Ignored,
    /// The login works, and the password is easy to guess for whoever has the file.
    Weak,
}

impl Means {
    /// How a warning begins.
    fn words(self) -> &'static str {
        match self {
            Means::CannotLogIn => "cannot log in: ",
            // The reason says so.
            Means::Ignored => "",
            Means::Weak => "weak: ",
        }
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Looks into a users file, with the daemon's own reader.
fn users_report(auth: &AuthConfig) -> UsersReport {
    let users = match Users::load(&auth.users_file.path, auth.allow_plaintext.into()) {
        Ok(users) => users,
        Err(UsersFileError::Missing(_)) => return UsersReport::Missing,
        Err(error) => return UsersReport::Unreadable { reason: error.to_string() },
    };
    let mut formats = BTreeMap::new();
    for user in users.iter() {
        *formats.entry(user.hash().scheme().to_string()).or_default() += 1;
    }
    let refused = users.problems().iter().map(|problem| {
        let is_duplicate = matches!(problem.kind, ProblemKind::Duplicate { .. });
        let means = if is_duplicate { Means::Ignored } else { Means::CannotLogIn };
        LineProblem { line: problem.line, means, reason: problem.reason() }
    });
    let weak = users.iter().filter_map(|user| {
        let weakness = user.hash().weakness()?;
        Some(LineProblem { line: user.line(), means: Means::Weak, reason: format!("user {}: {weakness}", user.name()) })
    });
    let names = users.iter().map(|user| user.name().as_bytes().to_vec()).collect();
    let mut problems: Vec<_> = refused.chain(weak).collect();
    problems.sort_by_key(|problem| problem.line);
    UsersReport::Loaded { count: users.len(), formats, problems, unlisted: users.unlisted_problems(), names }
}

/// Runs the command.
pub(super) fn run(source: &Source, form: Form) -> Exit {
    let report = report(source, users_report);
    let exit = report.exit();
    let printed = match form {
        Form::Json => out::print(&json(&report)),
        Form::Words if exit == Exit::Success => out::print(&words::tell(&report)),
        Form::Words | Form::Faults => {
            out::error(&words::tell_faults(&report));
            Ok(())
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

/// Loads everything and judges it.
fn report(source: &Source, users_report: impl Fn(&AuthConfig) -> UsersReport) -> Report {
    let file = source.file();
    let mut report = Report {
        ok: false,
        file: file.display().to_string(),
        file_exists: file.exists(),
        plan: None,
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    match config::load(source) {
        Ok(config) => {
            let users = users_report(&config.live.auth);
            report.judge_users(&config.live.auth.users_file, &users);
            report.judge(&config);
            report.judge_names(&config, &users);
            let tls = report.judge_tls(&config, &users, SystemTime::now());
            report.plan = Some(Plan::new(&config, users, tls));
        }
        Err(errors) => report.errors = errors.iter().map(Fault::from).collect(),
    }
    report.ok = report.errors.is_empty();
    report
}

fn json(report: &Report) -> String {
    // Maps with text keys and plain values: there is nothing in it that JSON could refuse.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests;
