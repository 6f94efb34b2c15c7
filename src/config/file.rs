//! The text of a file: which line a byte is on, and what a syntax error looks like.

use std::path::Path;

use super::error::{ConfigError, Place};

/// A file while it is read.
pub(super) struct File<'a> {
    pub(super) path: &'a Path,
    pub(super) content: &'a [u8],
}

impl File<'_> {
    pub(super) fn place(&self, at: usize) -> Place {
        Place::File { path: self.path.to_owned(), line: Some(self.line_column(at).0), column: None }
    }

    /// Line and column of a byte, both from 1; columns are counted in characters.
    fn line_column(&self, at: usize) -> (usize, usize) {
        let before = self.content.get(..at).unwrap_or(self.content);
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let column = String::from_utf8_lossy(before.get(line_start..).unwrap_or_default()).chars().count();
        (lines + 1, column + 1)
    }

    /// The first error of each line: those after it are mostly its consequences.
    pub(super) fn syntax_errors(&self, errors: &[toml::de::Error]) -> Vec<ConfigError> {
        let mut found: Vec<ConfigError> = Vec::new();
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            let line = self.place(at);
            if found.last().is_none_or(|last| !same_line(&last.place, &line)) {
                found.push(self.syntax_error(at, self.syntax_reason(at, error.message())));
            }
        }
        found
    }

    /// The parser's own text, but for words that it takes for `inf` or `nan`: `level = info` is no number gone wrong.
    fn syntax_reason<'e>(&self, at: usize, reason: &'e str) -> &'e str {
        let is_word = self.content.get(at).is_some_and(u8::is_ascii_alphabetic);
        if is_word && reason.starts_with("invalid float") { "string values must be quoted" } else { reason }
    }

    pub(super) fn syntax_error(&self, at: usize, reason: &str) -> ConfigError {
        let (line, column) = self.line_column(at);
        let content = self.content.split(|byte| *byte == b'\n').nth(line - 1).unwrap_or_default();
        let shown: String =
            String::from_utf8_lossy(content).trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let gutter = " ".repeat(line.to_string().len());
        let excerpt = format!("{gutter} |\n{line} | {shown}\n{gutter} | {}^", " ".repeat(column - 1));
        ConfigError {
            place: Place::File { path: self.path.to_owned(), line: Some(line), column: Some(column) },
            key: None,
            reason: reason.to_owned(),
            excerpt: Some(excerpt),
        }
    }
}

fn same_line(a: &Place, b: &Place) -> bool {
    let line = |place: &Place| match place {
        Place::File { line, .. } => *line,
        _ => None,
    };
    line(a) == line(b)
}
