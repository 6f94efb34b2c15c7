//! nginx's syntax as tokens, by the rules of nginx's own reader (`ngx_conf_read_token`): quotes and comments mean something
//! at the beginning of a word only, a backslash keeps the next character from meaning anything, and `${name}` is part of
//! a word, braces included.

use std::iter::Peekable;
use std::str::Chars;

/// A part of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word, without its quotes.
    Word(String),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
    /// The code between the braces of a `…_by_lua_block`; the braces belong to it.
    Code,
}

/// A token and the line on which it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) token: Token,
    pub(super) line: u32,
}

/// What is wrong, and on which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: u32,
    pub(super) reason: &'static str,
}

/// Splits a file into its tokens.
///
/// # Errors
/// A quote or code that does not end, and what stands directly behind a closing quote.
pub(super) fn tokens(text: &str) -> Result<Vec<Located>, Malformed> {
    Lexer { rest: text.trim_start_matches('\u{feff}').chars().peekable(), line: 1, found: Vec::new(), first: None }
        .run()
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: u32,
    found: Vec<Located>,
    /// The first word of the directive that is being read.
    first: Option<String>,
}

impl Lexer<'_> {
    fn run(mut self) -> Result<Vec<Located>, Malformed> {
        while let Some(&next) = self.rest.peek() {
            let line = self.line;
            match next {
                ' ' | '\t' | '\r' | '\n' => drop(self.take()),
                '#' => self.comment(),
                ';' => self.mark(Token::End),
                '}' => self.mark(Token::Close),
                '{' if self.first.as_deref().is_some_and(|name| name.ends_with("_by_lua_block")) => {
                    self.take();
                    self.code(line)?;
                    self.push(Token::Code, line);
                    self.first = None;
                }
                '{' => self.mark(Token::Open),
                '"' | '\'' => {
                    let word = self.quoted(next, line)?;
                    self.word(word, line);
                }
                _ => {
                    let word = self.plain();
                    self.word(word, line);
                }
            }
        }
        Ok(self.found)
    }

    fn take(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.line = self.line.saturating_add((next == '\n').into());
        Some(next)
    }

    fn push(&mut self, token: Token, line: u32) {
        self.found.push(Located { token, line });
    }

    fn mark(&mut self, token: Token) {
        let line = self.line;
        self.take();
        self.first = None;
        self.push(token, line);
    }

    fn word(&mut self, word: String, line: u32) {
        if self.first.is_none() {
            self.first = Some(word.clone());
        }
        self.push(Token::Word(word), line);
    }

    fn comment(&mut self) {
        while self.rest.peek().is_some_and(|next| *next != '\n') {
            self.take();
        }
    }

    /// What a backslash and the next character stand for.
    fn escape(&mut self, word: &mut String) {
        match self.take() {
            Some(kept @ ('"' | '\'' | '\\')) => word.push(kept),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(other) => word.extend(['\\', other]),
            None => word.push('\\'),
        }
    }

    fn quoted(&mut self, quote: char, line: u32) -> Result<String, Malformed> {
        self.take();
        let mut word = String::new();
        loop {
            match self.take() {
                Some('\\') => self.escape(&mut word),
                Some(end) if end == quote => break,
                Some(other) => word.push(other),
                None => return Err(Malformed { line, reason: "a quote begins here and does not end; close it" }),
            }
        }
        match self.rest.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | ';' | '{' | ')') => Ok(word),
            Some(_) => {
                let reason = "something stands directly behind a closing quote; put a space between them, or a ; if the \
                              directive ends there";
                Err(Malformed { line: self.line, reason })
            }
        }
    }

    fn plain(&mut self) -> String {
        let mut word = String::new();
        let mut is_variable = false;
        while let Some(&next) = self.rest.peek() {
            match next {
                '{' if is_variable => {}
                ' ' | '\t' | '\r' | '\n' | ';' | '{' => break,
                _ => is_variable = next == '$',
            }
            self.take();
            if next == '\\' { self.escape(&mut word) } else { word.push(next) }
        }
        word
    }

    /// Lua up to the brace that closes it: braces in texts and comments do not count.
    fn code(&mut self, line: u32) -> Result<(), Malformed> {
        const REASON: &str = "a block of Lua begins here and does not end; close it with }";
        let unfinished = || Malformed { line, reason: REASON };
        let mut depth = 1u32;
        while depth > 0 {
            match self.take().ok_or_else(unfinished)? {
                '{' => depth = depth.saturating_add(1),
                '}' => depth -= 1,
                quote @ ('"' | '\'') => loop {
                    match self.take().ok_or_else(unfinished)? {
                        '\\' => drop(self.take()),
                        end if end == quote => break,
                        _ => {}
                    }
                },
                '-' if self.rest.peek() == Some(&'-') => {
                    self.take();
                    if !(self.rest.peek() == Some(&'[') && {
                        self.take();
                        self.long_text()
                    }) {
                        self.comment();
                    }
                }
                '[' => drop(self.long_text()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Behind a `[`: passes over a text of the form `[==[…]==]`, if there is one.
    fn long_text(&mut self) -> bool {
        let mut equals = 0usize;
        while self.rest.peek() == Some(&'=') {
            self.take();
            equals += 1;
        }
        if self.rest.peek() != Some(&'[') {
            return false;
        }
        let mut closing: Option<usize> = None;
        while let Some(next) = self.take() {
            closing = match (next, closing) {
                (']', Some(count)) if count == equals => return true,
                (']', _) => Some(0),
                ('=', Some(count)) => Some(count + 1),
                _ => None,
            };
        }
        true
    }
}

/// Tokens as a file, for those who want it read again.
#[cfg(test)]
pub(super) fn written(tokens: &[Token]) -> String {
    let words = tokens.iter().map(|token| match token {
        Token::Word(word) => {
            let mut quoted = String::from("\"");
            for character in word.chars() {
                match character {
                    '"' | '\\' => quoted.extend(['\\', character]),
                    _ => quoted.push(character),
                }
            }
            quoted + "\" "
        }
        Token::End => ";\n".to_owned(),
        Token::Open => "{\n".to_owned(),
        Token::Close => "}\n".to_owned(),
        Token::Code => "{ }\n".to_owned(),
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        let shown = |located: Located| match located.token {
            Token::Word(word) => word,
            Token::End => ";".to_owned(),
            Token::Open => "{".to_owned(),
            Token::Close => "}".to_owned(),
            Token::Code => "LUA".to_owned(),
        };
        tokens(text).unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn words_are_split_where_nginx_splits_them() {
        let table: [(&str, &[&str]); 11] = [
            ("listen 80;", &["listen", "80", ";"]),
            ("a\t b\r\n{c;}", &["a", "b", "{", "c", ";", "}"]),
            ("a # b; c\nd;", &["a", "d", ";"]),
            ("a b#c;", &["a", "b#c", ";"]),
            ("a \"b ; # {\" 'c\\'d';", &["a", "b ; # {", "c'd", ";"]),
            ("a b\"c d;", &["a", "b\"c", "d", ";"]),
            ("a ${B}c $d{e;}", &["a", "${B}c", "$d", "{", "e", ";", "}"]),
            ("a ^/\\.ht\\; b\\ c;", &["a", "^/\\.ht\\;", "b\\ c", ";"]),
            ("if ($a = \"b\") {}", &["if", "($a", "=", "b", ")", "{", "}"]),
            ("x_by_lua_block { if '}' then --}\n [[}]] { } end } a;", &["x_by_lua_block", "LUA", "a", ";"]),
            ("\u{feff}a;", &["a", ";"]),
        ];
        for (text, expected) in table {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn what_does_not_end_is_named_with_its_line() {
        for (text, line) in [("a\n\"b\n\n", 2), ("a \"b\"c;", 1), ("\n\nx_by_lua_block {\n {", 3)] {
            assert_eq!(tokens(text).map_err(|malformed| malformed.line), Err(line), "{text}");
        }
    }

    fn token() -> impl Strategy<Value = Token> {
        prop_oneof![
            4 => any::<String>().prop_map(Token::Word),
            2 => "[a-z_$./{}#;'\"\\\\ ]{0,8}".prop_map(Token::Word),
            1 => Just(Token::End),
            1 => Just(Token::Open),
            1 => Just(Token::Close),
        ]
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = tokens(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn nothing_that_looks_like_it_panics(text in "([ab $;{}#'\"\\\\\n\\[\\]=-]|x_by_lua_block \\{){0,40}") {
            let _ = tokens(&text);
        }

        #[test]
        fn tokens_that_are_written_are_read_as_the_same(wanted in proptest::collection::vec(token(), 0..20)) {
            let found = tokens(&written(&wanted)).unwrap();
            prop_assert_eq!(found.into_iter().map(|located| located.token).collect::<Vec<_>>(), wanted);
        }
    }
}
