//! Apache's lines as directives: one a line, a backslash at its end continues it, names in any case.
//!
//! Blocks that ask what this server is (`IfModule`, `IfDefine`, `IfVersion`) are taken for what they are with Apache 2.4 and
//! the modules that people load for a proxy: what is inside stands in their place, and what is for earlier versions alone is passed over.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::convert::folder::{self, Folder};
use crate::convert::tree::{self, Directive};
use crate::convert::{Fault, Place};

/// Reads a file of this name and content.
///
/// # Errors
/// The first thing in it, or in a file that it includes, that Apache would not read.
pub(super) fn parse(name: &str, content: &str, folder: Option<&mut Folder>) -> Result<Vec<Directive>, Fault> {
    Files { folder, depth: 0, defined: BTreeMap::new() }.file(name, content)
}

struct Files<'a> {
    folder: Option<&'a mut Folder>,
    depth: usize,
    /// What `Define` said.
    defined: BTreeMap<String, String>,
}

/// A block that is open.
struct Open {
    directive: Directive,
    /// Whether what is inside stands in its place, or is passed over.
    kind: Inside,
}

enum Inside {
    Block,
    InPlace,
    Nothing,
}

impl Files<'_> {
    fn file(&mut self, name: &str, content: &str) -> Result<Vec<Directive>, Fault> {
        let file: Rc<str> = name.into();
        let mut open: Vec<Open> = Vec::new();
        let mut found: Vec<Directive> = Vec::new();
        for (line, text) in lines(content) {
            let place = Place { file: Rc::clone(&file), line };
            if let Some(name) = text.strip_prefix("</") {
                let name = name.trim_end_matches('>').trim().to_ascii_lowercase();
                match open.pop() {
                    Some(Open { mut directive, kind }) if directive.name == name => {
                        let inside = std::mem::replace(&mut found, directive.block.take().unwrap_or_default());
                        match kind {
                            Inside::Block => {
                                directive.block = Some(inside);
                                found.push(directive);
                            }
                            Inside::InPlace => found.extend(inside),
                            Inside::Nothing => {}
                        }
                    }
                    Some(Open { directive, .. }) => {
                        let reason = format!(
                            "</{name}> closes <{}> of line {}; close that first",
                            directive.name, directive.place.line
                        );
                        return Err(Fault::new(&place, reason));
                    }
                    None => return Err(Fault::new(&place, format!("</{name}> closes nothing; remove it"))),
                }
                continue;
            }
            let is_block = text.starts_with('<');
            let inner = match text.strip_prefix('<') {
                Some(inner) => inner
                    .trim_end()
                    .strip_suffix('>')
                    .ok_or_else(|| Fault::new(&place, "a < has no > at the end of its line; write it"))?,
                None => &text,
            };
            let mut words = words(inner, &place)?.into_iter();
            let Some(name) = words.next() else { return Err(Fault::new(&place, "a < has no name behind it")) };
            let args = words.map(|word| self.filled_in(&word)).collect();
            let directive = Directive { name: name.to_ascii_lowercase(), args, block: None, place, unread: None };
            if is_block {
                if open.len() >= tree::DEEPEST {
                    return Err(Fault::new(&directive.place, "blocks lie too deep in each other"));
                }
                let kind = match directive.name.as_str() {
                    "ifmodule" if is_fallback(directive.arg(0)) => Inside::Nothing,
                    "ifversion" if directive.arg(0).starts_with('<') => Inside::Nothing,
                    "ifmodule" | "ifversion" | "ifdefine" | "iffile" | "ifdirective" | "ifsection" => Inside::InPlace,
                    _ => Inside::Block,
                };
                let block = Some(std::mem::take(&mut found));
                open.push(Open { directive: Directive { block, ..directive }, kind });
            } else {
                self.simple(directive, &mut found)?;
            }
        }
        match open.last() {
            None => Ok(found),
            Some(Open { directive, .. }) => {
                let reason = format!("<{0}> is not closed; close it with </{0}>", directive.name);
                Err(Fault::new(&directive.place, reason))
            }
        }
    }

    fn simple(&mut self, mut directive: Directive, found: &mut Vec<Directive>) -> Result<(), Fault> {
        match directive.name.as_str() {
            "define" => drop(self.defined.insert(directive.arg(0).to_owned(), directive.arg(1).to_owned())),
            "include" | "includeoptional" => match self.include(directive.arg(0))? {
                Ok(included) => found.extend(included),
                Err(reason) => {
                    directive.unread = Some(reason);
                    found.push(directive);
                }
            },
            _ => found.push(directive),
        }
        Ok(())
    }

    fn include(&mut self, pattern: &str) -> Result<Result<Vec<Directive>, String>, Fault> {
        let Some(folder) = self.folder.as_deref_mut() else {
            return Ok(Err("includes are not read here".to_owned()));
        };
        if self.depth >= folder::DEEPEST {
            return Ok(Err(format!("more than {} includes from one to the next are not followed", folder::DEEPEST)));
        }
        let contents = match folder.include(pattern) {
            Ok(contents) => contents,
            Err(reason) => return Ok(Err(reason)),
        };
        self.depth += 1;
        let mut found = Vec::new();
        for (name, content) in contents {
            found.extend(self.file(&name, &content)?);
        }
        self.depth -= 1;
        Ok(Ok(found))
    }

    /// A word with what `Define` gave names to in their place.
    fn filled_in(&self, word: &str) -> String {
        let mut word = word.to_owned();
        for (name, value) in &self.defined {
            let filled = word.replace(&format!("${{{name}}}"), value);
            if filled.len() > 4096 {
                break;
            }
            word = filled;
        }
        word
    }
}

/// Whether an `IfModule` is for an Apache before 2.4: that version's modules are there now. `access_compat` is not asked
/// for: whether it is loaded is not known, and what stands there for its absence may keep people out.
fn is_fallback(module: &str) -> bool {
    module.starts_with('!') && ["authz_core", "authn_core"].iter().any(|name| module.contains(name))
}

/// Lines that say something, continued ones as one, with the number of their first.
fn lines(content: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    let mut pending: Option<(u32, String)> = None;
    for (index, line) in content.trim_start_matches('\u{feff}').lines().enumerate() {
        let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        let (first, mut text) = pending.take().unwrap_or((number, String::new()));
        match line.trim_end_matches('\r').strip_suffix('\\') {
            Some(continued) => {
                text.push_str(continued);
                pending = Some((first, text));
            }
            None => {
                text.push_str(line.trim_end_matches('\r'));
                found.push((first, text));
            }
        }
    }
    found.extend(pending);
    // A comment that is continued is one comment, as for Apache.
    found
        .into_iter()
        .map(|(line, text)| (line, text.trim().to_owned()))
        .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
        .collect()
}

/// The words of a line: quotes at the beginning of a word, in which a backslash keeps a quote.
fn words(text: &str, place: &Place) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|next| next.is_whitespace()).is_some() {}
        let Some(&first) = rest.peek() else { return Ok(found) };
        let mut word = String::new();
        if matches!(first, '"' | '\'') {
            rest.next();
            loop {
                match rest.next() {
                    Some(end) if end == first => break,
                    Some('\\') if rest.peek() == Some(&first) => word.extend(rest.next()),
                    Some(other) => word.push(other),
                    None => return Err(Fault::new(place, "a quote begins here and does not end; close it")),
                }
            }
        } else {
            while let Some(next) = rest.next_if(|next| !next.is_whitespace()) {
                word.push(next);
            }
        }
        found.push(word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(text: &str) -> String {
        parse("x", text, None).unwrap_err().to_string()
    }

    #[test]
    fn lines_become_a_tree() {
        let text = "# c\n<virtualHOST *:80>\n  ServerName  \"a b\" \\\n  c\n <IfModule mod_x.c>\n D 'e\\'f'\n</IfModule>\n<IfModule !mod_authz_core.c>\n No\n</IfModule>\n</VirtualHost>\nDefine P 1080\nG http://x:${P}/\n";
        let found = parse("x", text, None).unwrap();
        let names: Vec<&str> = tree::all(&found).iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["virtualhost", "servername", "d", "g"]);
        assert_eq!(found[0].inside()[0].args, ["a b", "c"]);
        assert_eq!(found[0].inside()[1].args, ["e'f"]);
        assert_eq!((found[1].arg(0), found[1].place.line), ("http://x:1080/", 13));
    }

    #[test]
    fn what_apache_would_not_read_is_named_with_its_line() {
        for (text, expected) in [
            ("\n</Location>", "x:2: </location> closes nothing; remove it"),
            ("<A>\n<B>\n</A>", "x:3: </a> closes <b> of line 2; close that first"),
            ("A\n<B>\n", "x:2: <b> is not closed; close it with </b>"),
            ("<A\n", "x:1: a < has no > at the end of its line; write it"),
            ("A \"b\n", "x:1: a quote begins here and does not end; close it"),
            ("<>\n", "x:1: a < has no name behind it"),
        ] {
            assert_eq!(fault(text), expected);
        }
        assert!(fault(&"<A>\n".repeat(40)).contains("too deep"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse("x", &String::from_utf8_lossy(&bytes), None);
        }

        #[test]
        fn nothing_that_looks_like_it_panics(text in "([aB <>/\"'\\\\\n$\\{\\}#!]|<If|</If>|Define a \\$\\{a\\}\\$\\{a\\}\n){0,40}") {
            let _ = parse("x", &text, None);
        }

        #[test]
        fn words_that_are_written_are_read_as_the_same(wanted in proptest::collection::vec("[^\\\\\"\n\r]{0,8}", 0..6)) {
            let place = Place { file: "x".into(), line: 1 };
            let text: Vec<String> = wanted.iter().map(|word| format!("\"{word}\"")).collect();
            prop_assert_eq!(words(&text.join(" "), &place).unwrap(), wanted);
        }
    }
}
