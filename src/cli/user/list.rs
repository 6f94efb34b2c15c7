//! `mailwarden user list`: who is in the file, and what is wrong with it, as the daemon reads it.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use super::super::check::Format;
use super::{Failure, Place};
use crate::auth::Users;
use crate::auth::users::{LineProblem, ProblemKind};

const EXAMPLES: &str = "\
A line that is refused or ignored is named with its number and the reason.

Examples:
  mailwarden user list
  mailwarden user list --format json | jq -r '.users[] | select(.weak) | .name'

Exit codes: 0 listed, 1 the file cannot be read, 2 wrong usage,
78 bad configuration";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Flags {
    /// text, or json for scripts
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    format: Format,
}

/// What is in a file. Scripts read it, so its names stay.
#[derive(Debug, Serialize)]
struct List {
    file: String,
    users: Vec<Entry>,
    /// Lines that let nobody in.
    refused: Vec<Line>,
    /// Lines for a name that an earlier line has.
    duplicates: Vec<Line>,
    /// How many more lines are refused or ignored than are listed.
    #[serde(skip_serializing_if = "is_zero")]
    unlisted: usize,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    line: usize,
    /// The format and what makes it strong: `bcrypt, cost 10`.
    format: String,
    weak: bool,
    /// Why it is weak, if it is.
    weakness: Option<String>,
}

#[derive(Debug, Serialize)]
struct Line {
    line: usize,
    name: Option<String>,
    reason: String,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl List {
    fn new(file: String, users: &Users) -> Self {
        let entry = |user: &crate::auth::User| {
            let weakness = user.hash().weakness().map(|weakness| weakness.to_string());
            Entry {
                name: user.name().to_string(),
                line: user.line(),
                format: user.hash().scheme().to_string(),
                weak: weakness.is_some(),
                weakness,
            }
        };
        let is_duplicate = |problem: &&LineProblem| matches!(problem.kind, ProblemKind::Duplicate { .. });
        let line = |problem: &LineProblem| Line {
            line: problem.line,
            name: problem.name.as_ref().map(ToString::to_string),
            reason: problem.reason(),
        };
        let (duplicates, refused): (Vec<_>, Vec<_>) = users.problems().iter().partition(is_duplicate);
        Self {
            file,
            users: users.iter().map(entry).collect(),
            refused: refused.into_iter().map(line).collect(),
            duplicates: duplicates.into_iter().map(line).collect(),
            unlisted: users.unlisted_problems(),
        }
    }

    /// A line a user in columns, then the lines that are not used, in the file's order.
    fn in_words(&self) -> String {
        let width = |of: fn(&Entry) -> &str| self.users.iter().map(|user| of(user).chars().count()).max().unwrap_or(0);
        let (names, formats) = (width(|user| &user.name), width(|user| &user.format));
        let mut text = String::new();
        for user in &self.users {
            let strength = user.weakness.as_ref().map_or_else(|| "good".to_owned(), |why| format!("weak: {why}"));
            // Writing to a string does not fail.
            let _ = writeln!(text, "{:names$}  {:formats$}  {strength}", user.name, user.format);
        }
        let mut problems: Vec<&Line> = self.refused.iter().chain(&self.duplicates).collect();
        problems.sort_by_key(|problem| problem.line);
        for Line { line, reason, .. } in problems {
            let _ = writeln!(text, "line {line}: {reason}");
        }
        match self.unlisted {
            0 => {}
            more => {
                let _ = writeln!(text, "and {more} more lines that are not used");
            }
        }
        text
    }
}

pub(super) fn run(place: &Place, flags: &Flags) -> Result<String, Failure> {
    let users = Users::load(&place.path, place.plaintext)?;
    let list = List::new(place.path.display().to_string(), &users);
    Ok(match flags.format {
        Format::Text => list.in_words(),
        // Texts and numbers: there is nothing in it that JSON could refuse.
        Format::Json => serde_json::to_string_pretty(&list).unwrap_or_default() + "\n",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

    fn list() -> List {
        let bcrypt = "$2y$10$abcdefghijklmnopqrstuuTZkYJ4vGJYv0zJQ7nPXz7zQ5bqxVJuK";
        let file = format!("anna:{bcrypt}\nmaximilian:{SHA}\nrubbish\nanna:{SHA}\nbert:hunter2\n");
        List::new("htpasswd".to_owned(), &Users::parse(file.as_bytes()))
    }

    #[test]
    fn a_line_a_user_and_then_what_is_not_used() {
        assert_eq!(
            list().in_words(),
            "anna        bcrypt, cost 10  good\n\
             maximilian  SHA-1            weak: one SHA-1 without a salt: fast to guess, and equal passwords have \
             equal hashes\n\
             line 3: no colon between user and hash\n\
             line 4: user anna: ignored, line 1 for this user comes first\n\
             line 5: user bert: not a known hash; a bare password is never accepted\n"
        );
    }

    #[test]
    fn scripts_find_the_same() {
        let found = serde_json::to_value(list()).unwrap_or_default();
        assert_eq!(found["users"][1]["weak"], true);
        assert_eq!(found["users"][0]["weakness"], serde_json::Value::Null);
        assert_eq!(found["refused"][1]["name"], "bert");
        assert_eq!(found["duplicates"][0]["line"], 4);
        assert_eq!(found["unlisted"], serde_json::Value::Null);
    }
}
