//! `mailwarden cert show`: what is there, for people and for scripts.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::told::{certificate, day, described, fingerprint, full, list, trust};
use super::{Failure, help, nothing};
use crate::cert::{Folder, Says, StoreError, files};
use crate::cli::check::Format;

#[derive(Debug, Args)]
#[command(after_help = help::SHOW)]
pub(super) struct Show {
    /// text, or json for scripts
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    format: Format,
}

/// What is in a folder.
#[derive(Debug, Serialize)]
struct Shown {
    authority: AuthorityShown,
    certificates: Vec<CertificateShown>,
}

/// The authority. Times are UTC, as RFC 3339 writes them.
#[derive(Debug, Serialize)]
struct AuthorityShown {
    /// What people trust.
    file: String,
    name: String,
    sha256: String,
    not_before: String,
    not_after: String,
    /// What it may sign for; empty if that is anything.
    scopes: Vec<String>,
}

/// A certificate. One that cannot be read has no more than its files.
#[derive(Debug, Serialize)]
struct CertificateShown {
    certificate: String,
    key: String,
    #[serde(flatten)]
    says: Option<SaysShown>,
}

#[derive(Debug, Serialize)]
struct SaysShown {
    names: Vec<String>,
    not_before: String,
    not_after: String,
    /// Whether who trusts the authority trusts it.
    of_this_authority: bool,
}

/// Says what is in `dir`.
pub(super) fn show(dir: &Path, show: &Show) -> Result<String, Failure> {
    let folder = Folder::look(dir);
    let trusted = folder.trusted();
    let pem = std::fs::read_to_string(&trusted).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => nothing(dir),
        _ => StoreError::Os(trusted.clone(), error).into(),
    })?;
    let (der, says) = certificate(&pem)
        .ok_or_else(|| Failure::problem(format!("{} is no certificate that can be read", trusted.display())))?;
    let mut found = Vec::new();
    for name in folder.all()? {
        let leaf = certificate(&folder.certificate(&name)?).map(|(_, leaf)| leaf);
        found.push((dir.join(&name), leaf));
    }
    if show.format == Format::Text {
        let mut text = described(&says, "the authority");
        for (place, leaf) in &found {
            text.push_str(&format!("{}: {}\n", place.display(), in_words(leaf.as_ref(), &says)));
        }
        text.push_str(&trust(&trusted, &says, &der));
        return Ok(text);
    }
    let authority = AuthorityShown {
        file: full(&trusted).display().to_string(),
        name: says.common_name.clone(),
        sha256: fingerprint(&der),
        not_before: says.not_before.to_string(),
        not_after: says.not_after.to_string(),
        scopes: texts(&says.scopes),
    };
    let certificates = found.iter().map(|(place, leaf)| {
        let (certificate, key) = files(&full(place));
        let says = leaf.as_ref().map(|leaf| SaysShown {
            names: texts(&leaf.names),
            not_before: leaf.not_before.to_string(),
            not_after: leaf.not_after.to_string(),
            of_this_authority: leaf.is_from(&says),
        });
        CertificateShown { certificate: certificate.display().to_string(), key: key.display().to_string(), says }
    });
    let shown = Shown { authority, certificates: certificates.collect() };
    Ok(serde_json::to_string_pretty(&shown).unwrap_or_default() + "\n")
}

fn in_words(leaf: Option<&Says>, authority: &Says) -> String {
    match leaf {
        None => "no certificate that can be read".to_owned(),
        Some(leaf) => {
            let whose = if leaf.is_from(authority) { "" } else { "; not of this authority" };
            format!("for {}, until {}{whose}", list(&leaf.names), day(leaf.not_after))
        }
    }
}

fn texts(all: &[impl ToString]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}
