//! What people had before, read and told as a configuration: an nginx block, an Apache virtual host, a crontab.
//!
//! ```text
//! file -> nginx::lexer -> nginx::parser --\
//! file -> apache::parser ------------------> tree::Directive -> which site, which part of it -> Draft + Notes
//! file -> crontab::line -> crontab::command -------------------------------------------------> Draft + Notes
//! ```
//!
//! A [`Draft`] holds keys with values that the loader of the configuration takes; what it does not take becomes a [`Note`].
//! Every directive ends in one of three ways: it became a key, the gate does by itself what it was for, or it has a note
//! with file and line. What kept people out and has no counterpart is [`Kind::Open`], which makes the command fail:
//! what it protected would be open. Values that might be secrets are in no note.
//!
//! Only [`folder`] reads files.

pub mod apache;
pub mod crontab;
pub mod draft;
pub mod folder;
mod methods;
pub mod nginx;
mod site;
mod tls;
mod tree;

use std::fmt;
use std::rc::Rc;

pub use draft::Draft;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named.
    pub file: Rc<str>,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// How what was written fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It kept people out (or let them in) and is not in the result: without a hand the result is no replacement.
    Open,
    /// It did not do what people want from it; with the gate it does.
    Wrong,
    /// It has no counterpart, and nothing is less safe without it.
    Dropped,
    /// It is in the result, in another way than somebody might expect.
    Changed,
}

impl Kind {
    /// Its name in the output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Open => "open",
            Kind::Wrong => "wrong",
            Kind::Dropped => "dropped",
            Kind::Changed => "changed",
        }
    }
}

/// One thing to say about what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub place: Place,
    /// How that fares.
    pub kind: Kind,
    /// What and why, and what to do.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.kind.name(), self.text)
    }
}

/// The notes of one run.
#[derive(Debug, Default)]
pub struct Notes(Vec<Note>);

impl Notes {
    /// Adds one; the same one twice is one.
    pub fn add(&mut self, kind: Kind, place: &Place, text: impl Into<String>) {
        let note = Note { place: place.clone(), kind, text: text.into() };
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }

    /// In the order of the lines, each file for itself, in which they were met first.
    #[must_use]
    pub fn sorted(mut self) -> Vec<Note> {
        let mut files: Vec<Rc<str>> = Vec::new();
        for note in &self.0 {
            if !files.contains(&note.place.file) {
                files.push(Rc::clone(&note.place.file));
            }
        }
        let rank = |file: &Rc<str>| files.iter().position(|known| known == file);
        self.0.sort_by_key(|note| (rank(&note.place.file), note.place.line));
        self.0
    }
}

/// What a file became.
#[derive(Debug)]
pub struct Converted {
    /// The keys.
    pub draft: Draft,
    /// What else there is to say, in the order of the lines.
    pub notes: Vec<Note>,
}

impl Converted {
    /// Whether something that kept people out is missing from the result.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.notes.iter().any(|note| note.kind == Kind::Open)
    }
}

/// Why a file became nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where; the file alone has line 0.
    pub place: Place,
    /// What is wrong and what to do; more lines may follow the first.
    pub reason: String,
}

impl Fault {
    fn new(place: &Place, reason: impl Into<String>) -> Self {
        Fault { place: place.clone(), reason: reason.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.line {
            0 => write!(f, "{}: {}", self.place.file, self.reason),
            _ => write!(f, "{}: {}", self.place, self.reason),
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod protections;
