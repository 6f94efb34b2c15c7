//! A command line as the shell takes it apart.

/// Splits a command line into simple commands and these into words, as a shell does it, near enough: quotes, backslashes,
/// what separates commands, and variables that the crontab sets, which may hold the address or the password. Says as well
/// whether every quote ends.
pub(super) fn commands(command: &str, env: &[(String, String)]) -> (Vec<Vec<String>>, bool) {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut rest = command.chars().peekable();
    let mut quote: Option<char> = None;
    while let Some(next) = rest.next() {
        match (quote, next) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), other) => word.get_or_insert_default().push(other),
            (Some(_), '\\') if rest.peek().is_some_and(|next| "\"\\$`".contains(*next)) => {
                word.get_or_insert_default().extend(rest.next());
            }
            (None, '\\') => word.get_or_insert_default().extend(rest.next()),
            (None, '\'' | '"') => {
                quote = Some(next);
                word.get_or_insert_default();
            }
            (_, '$') => {
                let mut name = String::new();
                let braced = rest.next_if_eq(&'{').is_some();
                while let Some(part) = rest.next_if(|part| part.is_ascii_alphanumeric() || *part == '_') {
                    name.push(part);
                }
                if braced {
                    rest.next_if_eq(&'}');
                }
                let value = env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
                // One that is not known stays as something that no address has.
                word.get_or_insert_default().push_str(&value.unwrap_or_else(|| "$".to_owned()));
            }
            (Some(_), other) => word.get_or_insert_default().push(other),
            (None, ';' | '&' | '|' | '\n' | '(' | ')' | '`') => {
                if let (Some(word), Some(last)) = (word.take(), commands.last_mut()) {
                    last.push(word);
                }
                commands.push(Vec::new());
            }
            (None, '>' | '<') => {
                // Of `2>&1` and `>file` nothing is a word; the file is one, and does no harm.
                word = word.take().filter(|word| !word.bytes().all(|byte| byte.is_ascii_digit()));
                if let (Some(word), Some(last)) = (word.take(), commands.last_mut()) {
                    last.push(word);
                }
                while rest.next_if(|next| matches!(next, '>' | '&')).is_some() {}
                while rest.next_if_eq(&' ').is_some() {}
                while rest.next_if(|next| !next.is_whitespace() && !";|&".contains(*next)).is_some() {}
            }
            (None, space) if space.is_whitespace() => {
                if let (Some(word), Some(last)) = (word.take(), commands.last_mut()) {
                    last.push(word);
                }
            }
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    if let (Some(word), Some(last)) = (word, commands.last_mut()) {
        last.push(word);
    }
    (commands, quote.is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_taken_apart_as_a_shell_does_it() {
        let env = [("A".to_owned(), "a b".to_owned())];
        for (line, expected) in [
            ("a 'b c' \"d 'e\" f\\ g", "a|b c|d 'e|f g"),
            ("a;b && c || d | e & f", "a/b//c//d/e/f"),
            ("a >x 2>&1 <y b", "a|b"),
            ("a \"$A\" ${A}c '$A' $B", "a|a b|a bc|$A|$"),
            ("a \"\\\"\\$\" ''", "a|\"$|"),
        ] {
            let (commands, is_whole) = commands(line, &env);
            let words: Vec<String> = commands.iter().map(|words| words.join("|")).collect();
            assert_eq!((words.join("/").as_str(), is_whole), (expected, true), "{line}");
        }
        assert!(!commands("a 'b", &env).1 && !commands("a \"b", &env).1);
    }

    proptest! {
        #[test]
        fn no_line_panics(line: String) {
            let _ = commands(&line, &[]);
        }

        #[test]
        fn words_that_are_quoted_are_read_as_the_same(wanted in proptest::collection::vec("[^']{0,8}", 1..5)) {
            let line: Vec<String> = wanted.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(commands(&line.join(" "), &[]), (vec![wanted], true));
        }
    }
}
