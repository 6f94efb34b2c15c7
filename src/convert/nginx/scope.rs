//! Which directive holds where: nginx's own rules of inheritance.

use crate::convert::site::Target;
use crate::convert::tree::Directive;

/// A location, with the blocks around it from the outermost.
#[derive(Debug, Clone)]
pub(super) struct Spot<'t> {
    /// The `location` itself; none for a server without any.
    pub(super) location: Option<&'t Directive>,
    /// The contents of the blocks around it and its own, outermost first.
    pub(super) chain: Vec<&'t [Directive]>,
    /// Its `proxy_pass` and where that goes, if it has one that can be told.
    pub(super) pass: Option<(&'t Directive, Target)>,
}

impl<'t> Spot<'t> {
    /// The directives of this name that hold here: those of the innermost block that has any.
    pub(super) fn held(&self, name: &str) -> Vec<&'t Directive> {
        let in_block = |block: &&'t [Directive]| block.iter().filter(|one| one.name == name).collect::<Vec<_>>();
        self.chain.iter().rev().map(in_block).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The one of this name that holds here.
    pub(super) fn one(&self, name: &str) -> Option<&'t Directive> {
        self.held(name).first().copied()
    }

    /// What a location without a block of its own names further does not matter to: `allow` and `deny` together.
    pub(super) fn held_any(&self, names: &[&str]) -> Vec<&'t Directive> {
        let in_block =
            |block: &&'t [Directive]| block.iter().filter(|one| names.contains(&one.name.as_str())).collect::<Vec<_>>();
        self.chain.iter().rev().map(in_block).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// Whether it forwards to that program.
    pub(super) fn forwards_to(&self, target: &Target) -> bool {
        self.pass.as_ref().is_some_and(|(_, own)| own.is_same(target))
    }

    /// The path prefix that it stands for; none for a regular expression.
    pub(super) fn prefix(&self) -> Option<&'t str> {
        let Some(location) = self.location else { return Some("/") };
        match (location.arg(0), location.arg(1)) {
            ("=" | "^~", path) => Some(path),
            ("~" | "~*", _) => None,
            // What nginx reads without a space too: `=/x`, `~x`.
            (path, _) if path.starts_with('@') => Some("/"),
            (path, _) if path.starts_with('~') => None,
            (path, _) => Some(path.trim_start_matches('=')),
        }
    }

    /// Whether it is one path and nothing below.
    pub(super) fn is_exact(&self) -> bool {
        self.location.is_some_and(|location| location.arg(0).starts_with('='))
    }

    /// Whether it is of what browsers and robots ask every site for, or of hidden files: nothing of a catcher's is there.
    pub(super) fn is_browsers_own(&self) -> bool {
        let Some(location) = self.location else { return false };
        match self.prefix() {
            Some("/favicon.ico" | "/favicon.png" | "/robots.txt" | "/sitemap.xml" | "/ads.txt") => true,
            Some(path) => path.starts_with("/apple-touch-icon") || path.starts_with("/.well-known/"),
            // One of several patterns might be about something else.
            None => {
                let mut depth = 0_i32;
                let is_one = location.arg(1).chars().all(|character| {
                    depth += match character {
                        '(' => 1,
                        ')' => -1,
                        _ => 0,
                    };
                    character != '|' || depth > 0
                });
                is_one && location.arg(1).starts_with(r"/\.")
            }
        }
    }

    /// Whether only nginx itself comes here: a page for errors, or a location with a name.
    pub(super) fn is_for_errors(&self) -> bool {
        let path = self.prefix().unwrap_or_default();
        let is_named = self.location.is_some_and(|location| location.arg(0).starts_with('@'));
        self.pass.is_none() && (is_named || (self.is_exact() && (path.ends_with(".html") || path.ends_with(".htm"))))
    }

    /// As it was written, for notes.
    pub(super) fn name(&self) -> String {
        self.location.map_or_else(|| "server".to_owned(), |location| format!("location {}", location.args.join(" ")))
    }
}

/// A text with its variables replaced by what `set` says of them in these blocks; none if one stays.
pub(super) fn substituted(text: &str, chain: &[&[Directive]]) -> Option<String> {
    let mut text = text.to_owned();
    // A value may name further variables; not without end.
    for _ in 0..4 {
        let Some(start) = text.find('$') else { return Some(text) };
        let rest = text.get(start + 1..).unwrap_or_default();
        let (name, length) = match rest.strip_prefix('{') {
            Some(inner) => {
                let end = inner.find('}')?;
                (inner.get(..end)?, end + 3)
            }
            None => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                (rest.get(..end)?, end + 1)
            }
        };
        let is_it = |one: &&Directive| one.name == "set" && one.arg(0).strip_prefix('$') == Some(name);
        let value = match name {
            // What comes behind the path is the request's own.
            "request_uri" | "uri" | "is_args" | "args" if !text.get(..start)?.ends_with("//") => String::new(),
            _ => chain.iter().rev().flat_map(|block| block.iter()).find(is_it)?.arg(1).to_owned(),
        };
        text.replace_range(start..start + length, &value);
        if text.len() > 4096 {
            return None;
        }
    }
    (!text.contains('$')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::nginx::parser::parse;

    #[test]
    fn variables_are_what_set_says() {
        let tree = parse("x", "set $a http://x:1; set $b $a; set $loop $loop;", None).unwrap();
        let chain = [tree.as_slice()];
        assert_eq!(substituted("$b/y", &chain).as_deref(), Some("http://x:1/y"));
        assert_eq!(substituted("${a}", &chain).as_deref(), Some("http://x:1"));
        assert_eq!(substituted("$a$request_uri", &chain).as_deref(), Some("http://x:1"));
        for text in ["$unknown", "$loop", "${a", "$", "$host"] {
            assert_eq!(substituted(text, &chain), None, "{text}");
        }
    }
}
