//! How a new password is hashed: as the flags say, else so that whoever reads the file today still can.

use std::path::Path;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::super::out;
use super::Failure;
use crate::auth::Users;
use crate::auth::hash::make::{Method, Recipe};
use crate::auth::hash::{HashError, Scheme};
use crate::auth::users::{LineProblem, ProblemKind};

#[derive(Debug, Args)]
pub(super) struct How {
    /// argon2id, bcrypt, sha512-crypt, or apr1 (weak)
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT")]
    hash: Option<Format>,
    /// How dear a guess is, by the format; or auto
    #[arg(long, value_name = "COST")]
    cost: Option<Cost>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Argon2id,
    Bcrypt,
    Sha512Crypt,
    Apr1,
}

/// What `--cost` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    Auto,
    Number(u32),
}

impl FromStr for Cost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Number).map_err(|_| "is neither a number nor auto"),
        }
    }
}

impl Format {
    fn method(self) -> Method {
        match self {
            Self::Argon2id => Method::Argon2id,
            Self::Bcrypt => Method::Bcrypt,
            Self::Sha512Crypt => Method::Sha512Crypt,
            Self::Apr1 => Method::Apr1,
        }
    }
}

impl How {
    /// The recipe for a user's new hash in a file of these users. What nobody asked for is said.
    pub(super) fn recipe(&self, users: &Users, name: &[u8], file: &Path) -> Result<Recipe, Failure> {
        let recipe = match (self.hash.map(Format::method), self.cost) {
            (Some(method), cost) => at(method, cost)?,
            (None, None) => match own(users, name) {
                Some(recipe) => recipe,
                None => for_file(users, file).usual(),
            },
            (None, cost) => at(for_file(users, file), cost)?,
        };
        if let Some(weakness) = recipe.scheme().weakness() {
            out::error(&format!("warning: {weakness}\n"));
        }
        Ok(recipe)
    }
}

/// A format at a cost that was asked for.
fn at(method: Method, cost: Option<Cost>) -> Result<Recipe, Failure> {
    let costs = method.costs();
    match (cost, costs) {
        (None, _) => Ok(method.usual()),
        (Some(_), None) => Err(Failure::usage("--cost: apr1 has none")),
        (Some(Cost::Auto), _) => Ok(method.measured()?),
        (Some(Cost::Number(cost)), Some(costs)) if costs.contains(&cost) => Ok(method.at(cost)),
        (Some(Cost::Number(_)), Some(costs)) => {
            let (what, least, most) = (method.usual().scheme(), costs.start(), costs.end());
            Err(Failure::usage(format!("--cost: goes from {least} to {most} here; the usual is {what}")))
        }
    }
}

/// What the user's hash was made by, if that is worth keeping.
fn own(users: &Users, name: &[u8]) -> Option<Recipe> {
    Recipe::worth_keeping(users.get(name)?.hash().scheme())
}

/// argon2id for a file that nobody else reads, which is one with no other format in it, be it one that only others
/// read; else what nginx reads as well.
fn for_file(users: &Users, file: &Path) -> Method {
    let is_argon2 = |scheme: Scheme| matches!(scheme, Scheme::Argon2 { .. });
    let is_others = |problem: &LineProblem| matches!(problem.kind, ProblemKind::Hash(HashError::Unsupported(_)));
    if users.iter().all(|user| is_argon2(user.hash().scheme())) && !users.problems().iter().any(is_others) {
        return Method::Argon2id;
    }
    let file = file.display();
    out::error(&format!(
        "bcrypt, so that nginx can still read {file}; where only Mailwarden reads it, --hash argon2id is stronger\n"
    ));
    Method::Bcrypt
}

#[cfg(test)]
mod tests {
    use super::*;

    const APR1: &str = "$apr1$x$12YdXEY0/hH4rDNkmZupO0";
    const ARGON2: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA";

    fn recipe(hash: Option<Format>, cost: Option<&str>, file: &str) -> Result<Recipe, Failure> {
        let how = How { hash, cost: cost.map(|cost| cost.parse().unwrap_or(Cost::Number(0))) };
        how.recipe(&Users::parse(file.as_bytes()), b"anna", Path::new("htpasswd"))
    }

    #[test]
    fn a_file_that_nginx_reads_stays_one() {
        let of = |file: &str| recipe(None, None, file).ok();
        assert_eq!(of(""), Some(Method::Argon2id.usual()));
        assert_eq!(of("# nobody yet\n"), Some(Method::Argon2id.usual()));
        assert_eq!(of(&format!("bert:{ARGON2}\n")), Some(Method::Argon2id.usual()));
        assert_eq!(of("bert:{SSHA512}x\n"), Some(Method::Bcrypt.usual()), "another server's");
        assert_eq!(of(&format!("bert:{APR1}\n")), Some(Method::Bcrypt.usual()));
        assert_eq!(of(&format!("bert:{APR1}\ncarl:{ARGON2}\n")), Some(Method::Bcrypt.usual()));
    }

    #[test]
    fn a_strong_hash_keeps_its_format_and_a_weak_one_does_not() {
        let of = |anna: &str| recipe(None, None, &format!("bert:{APR1}\nanna:{anna}\n")).ok();
        let dear = ARGON2.replace("t=2", "t=5");
        assert_eq!(of(&dear), Some(Method::Argon2id.at(5)));
        assert_eq!(of("$2y$12$abcdefghijklmnopqrstuuTZkYJ4vGJYv0zJQ7nPXz7zQ5bqxVJuK"), Some(Method::Bcrypt.at(12)));
        assert_eq!(of("$2y$08$abcdefghijklmnopqrstuuTZkYJ4vGJYv0zJQ7nPXz7zQ5bqxVJuK"), Some(Method::Bcrypt.at(10)));
        assert_eq!(of(APR1), Some(Method::Bcrypt.at(10)));
        assert_eq!(of("*"), Some(Method::Bcrypt.at(10)));
    }

    #[test]
    fn what_the_flags_say_goes_first_and_within_bounds() {
        let file = format!("bert:{APR1}\n");
        let of = |hash, cost| recipe(hash, cost, &file).map_err(|failure| failure.text);
        assert_eq!(of(Some(Format::Argon2id), None), Ok(Method::Argon2id.at(2)));
        assert_eq!(of(Some(Format::Sha512Crypt), Some("60000")), Ok(Method::Sha512Crypt.at(60_000)));
        assert_eq!(of(Some(Format::Apr1), None), Ok(Recipe::Apr1));
        assert_eq!(of(None, Some("11")), Ok(Method::Bcrypt.at(11)));
        for (format, cost) in [(Format::Bcrypt, "7"), (Format::Bcrypt, "16"), (Format::Argon2id, "1")] {
            assert!(of(Some(format), Some(cost)).is_err(), "{format:?} {cost}");
        }
        assert!(of(Some(Format::Apr1), Some("auto")).is_err());
        assert!("much".parse::<Cost>().is_err() && "-1".parse::<Cost>().is_err());
    }
}
