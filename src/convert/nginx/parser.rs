//! nginx's tokens as directives, with what they include in its place.

use std::rc::Rc;

use super::dump::Dump;
use super::lexer::{self, Located, Token};
use crate::convert::folder::{self, Folder};
use crate::convert::tree::{self, Directive};
use crate::convert::{Fault, Place};

/// Reads a file of this name and content.
///
/// # Errors
/// The first thing in it, or in a file that it includes, that nginx would not read.
pub(super) fn parse(name: &str, content: &str, folder: Option<&mut Folder>) -> Result<Vec<Directive>, Fault> {
    let dump = Dump::read(content);
    match dump.as_ref().and_then(Dump::main).cloned() {
        Some((name, content)) => Files { folder: None, dump, depth: 0 }.file(&name, &content),
        None => Files { folder, dump: None, depth: 0 }.file(name, content),
    }
}

/// What reads files that are included.
struct Files<'a> {
    /// Where they are; none in tests of text alone.
    folder: Option<&'a mut Folder>,
    /// All of them, where nginx has printed them.
    dump: Option<Dump>,
    depth: usize,
}

impl Files<'_> {
    fn file(&mut self, name: &str, content: &str) -> Result<Vec<Directive>, Fault> {
        let file: Rc<str> = name.into();
        let place = |line| Place { file: Rc::clone(&file), line };
        let tokens = lexer::tokens(content).map_err(|bad| Fault::new(&place(bad.line), bad.reason))?;
        let last = tokens.last().map_or(1, |located| located.line);
        let mut reader = Reader { tokens: tokens.into_iter(), file: Rc::clone(&file), files: self };
        match reader.block(0)? {
            (directives, Ended::File) => Ok(directives),
            (_, Ended::Brace(line)) => Err(Fault::new(&place(line), "a } closes nothing; remove it")),
            (_, Ended::InWord) => Err(Fault::new(&place(last), "the file ends within a directive; end it with ;")),
        }
    }

    /// What an include stands for, or why it is not followed.
    fn include(&mut self, pattern: &str) -> Result<Result<Vec<Directive>, String>, Fault> {
        if self.depth >= folder::DEEPEST {
            return Ok(Err(format!("more than {} includes from one to the next are not followed", folder::DEEPEST)));
        }
        let contents = match (&self.dump, self.folder.as_deref_mut()) {
            (Some(dump), _) => dump.include(pattern),
            (None, Some(folder)) => folder.include(pattern),
            (None, None) => Err("includes are not read here".to_owned()),
        };
        let contents = match contents {
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
}

/// How a block ended.
enum Ended {
    File,
    Brace(u32),
    InWord,
}

struct Reader<'a, 'b> {
    tokens: std::vec::IntoIter<Located>,
    file: Rc<str>,
    files: &'a mut Files<'b>,
}

impl Reader<'_, '_> {
    fn fault(&self, line: u32, reason: impl Into<String>) -> Fault {
        Fault::new(&Place { file: Rc::clone(&self.file), line }, reason)
    }

    fn block(&mut self, depth: usize) -> Result<(Vec<Directive>, Ended), Fault> {
        let mut found = Vec::new();
        let mut words: Vec<(String, u32)> = Vec::new();
        while let Some(Located { token, line }) = self.tokens.next() {
            match token {
                Token::Word(word) => words.push((word, line)),
                Token::End => self.simple(std::mem::take(&mut words), line, &mut found)?,
                Token::Code => found.push(self.directive(std::mem::take(&mut words), line, Some(Vec::new()))?),
                Token::Open => {
                    if depth >= tree::DEEPEST {
                        return Err(self.fault(line, "blocks lie too deep in each other"));
                    }
                    let mut directive = self.directive(std::mem::take(&mut words), line, None)?;
                    let (inside, ended) = self.block(depth + 1)?;
                    directive.block = Some(inside);
                    if !matches!(ended, Ended::Brace(_)) {
                        let reason = format!("the block of {:?} is not closed; close it with }}", directive.name);
                        return Err(Fault::new(&directive.place, reason));
                    }
                    found.push(directive);
                }
                Token::Close => {
                    return match words.last() {
                        None => Ok((found, Ended::Brace(line))),
                        Some((_, last)) => Err(self.fault(*last, "a directive has no ; before the }; write it")),
                    };
                }
            }
        }
        Ok((found, if words.is_empty() { Ended::File } else { Ended::InWord }))
    }

    fn directive(
        &self,
        words: Vec<(String, u32)>,
        line: u32,
        block: Option<Vec<Directive>>,
    ) -> Result<Directive, Fault> {
        let mut words = words.into_iter();
        let (name, line) = words.next().ok_or_else(|| self.fault(line, "a ; or { has no directive before it"))?;
        let place = Place { file: Rc::clone(&self.file), line };
        Ok(Directive { name, args: words.map(|(word, _)| word).collect(), block, place, unread: None })
    }

    /// A directive without a block; of an include, what it stands for.
    fn simple(&mut self, words: Vec<(String, u32)>, line: u32, found: &mut Vec<Directive>) -> Result<(), Fault> {
        let mut directive = self.directive(words, line, None)?;
        if directive.name != "include" {
            found.push(directive);
            return Ok(());
        }
        match self.files.include(directive.arg(0))? {
            Ok(included) => found.extend(included),
            Err(reason) => {
                directive.unread = Some(reason);
                found.push(directive);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        parse("x", text, None).unwrap_err().to_string()
    }

    #[test]
    fn blocks_and_directives_become_a_tree() {
        let found = parse("x", "a 1;\nb {\n  c 'd e';\n}\nif ($x = y) { }", None).unwrap();
        let names: Vec<&str> = tree::all(&found).iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "if"]);
        assert_eq!((found[1].inside()[0].arg(0), found[1].inside()[0].place.line), ("d e", 3));
        assert_eq!(found[2].args, ["($x", "=", "y)"]);
    }

    #[test]
    fn what_nginx_would_not_read_is_named_with_its_line() {
        for (text, expected) in [
            ("a;\n}", "x:2: a } closes nothing; remove it"),
            ("a {\n b;\n", "x:1: the block of \"a\" is not closed; close it with }"),
            ("a {\n b c\n}", "x:2: a directive has no ; before the }; write it"),
            ("a;\nb", "x:2: the file ends within a directive; end it with ;"),
            ("\n;", "x:2: a ; or { has no directive before it"),
            ("a 'b", "x:1: a quote begins here and does not end; close it"),
        ] {
            assert_eq!(fault(text), expected);
        }
        assert!(fault(&"a {".repeat(40)).contains("too deep"));
    }

    #[test]
    fn includes_come_in_place_and_one_that_includes_itself_ends() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "x; include b; y;").unwrap();
        std::fs::write(dir.path().join("b"), "z;").unwrap();
        std::fs::write(dir.path().join("loop"), "include loop;").unwrap();
        let (mut folder, content) = Folder::open(&dir.path().join("a")).unwrap();
        let found = parse("a", &content, Some(&mut folder)).unwrap();
        assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["x", "z", "y"]);
        assert!(found[1].place.file.ends_with("/b"));
        let found = parse("a", "include loop; include /etc/passwd;", Some(&mut folder)).unwrap();
        assert!(found.iter().all(|one| one.unread.is_some()) && found.len() == 2);
    }
}
