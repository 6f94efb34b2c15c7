//! A crontab's lines: variables, and jobs with or without the user's column.

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// Empty, or a comment.
    Nothing,
    /// Name and value, without quotes.
    Variable(String, String),
    Job(Job),
    /// Nothing that cron would run; the text says why.
    Bad(&'static str),
}

/// A command and when it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    /// Five fields with a space between them; none for `@reboot`.
    pub(super) when: Option<String>,
    /// What the shell gets. Never to be shown.
    pub(super) command: String,
}

/// The names that stand for five fields.
const NAMES: [(&str, &str); 8] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
    ("@every_minute", "* * * * *"),
];

/// What a command begins with when there is no user before it.
const PROGRAMS: [&str; 22] = [
    "curl", "wget", "http", "https", "xh", "sh", "bash", "dash", "zsh", "env", "nice", "ionice", "flock", "timeout",
    "sudo", "sleep", "test", "cd", "chronic", "exec", "docker", "time",
];

/// Reads a line.
pub(super) fn read(line: &str) -> Line {
    let line = line.trim_end_matches('\r').trim_start();
    if line.is_empty() || line.starts_with('#') {
        return Line::Nothing;
    }
    if let Some((name, value)) = variable(line) {
        return Line::Variable(name, value);
    }
    // One Linux distribution's mark for "not into the log".
    let line = line.strip_prefix('-').unwrap_or(line);
    let (when, rest) = if line.starts_with('@') {
        let (name, rest) = split(line);
        let known = NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        match known {
            Some((_, fields)) => (Some((*fields).to_owned()), rest),
            None if name.eq_ignore_ascii_case("@reboot") => (None, rest),
            None => return Line::Bad("begins with an @ that cron does not know; write five fields, as in 0 3 * * *"),
        }
    } else {
        let mut fields = Vec::new();
        let mut rest = line;
        for _ in 0..5 {
            let (field, after) = split(rest);
            if !is_field(field) {
                return Line::Bad("does not begin with five fields, as in 0 3 * * *");
            }
            fields.push(field);
            rest = after;
        }
        (Some(fields.join(" ")), rest)
    };
    let command = without_user(rest);
    if command.is_empty() {
        return Line::Bad("has no command");
    }
    Line::Job(Job { when, command: unescaped(command) })
}

/// Numbers and what joins them, and the names of days and months: `curl` is none.
fn is_field(field: &str) -> bool {
    const WORDS: &str = "sun mon tue wed thu fri sat jan feb mar apr may jun jul aug sep oct nov dec";
    let is_mark = |c: char| c.is_ascii_digit() || "*,-/~".contains(c);
    let word = |word: &str| word.is_empty() || WORDS.split(' ').any(|known| word.eq_ignore_ascii_case(known));
    !field.is_empty() && field.split(is_mark).all(word)
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// The system's crontabs have the user before the command.
fn without_user(rest: &str) -> &str {
    let rest = rest.trim_start();
    let (first, command) = split(rest);
    let begins_well = first.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_name = begins_well && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-$".contains(&byte));
    if is_name && !PROGRAMS.contains(&first) && !command.trim().is_empty() { command.trim_start() } else { rest }
}

/// `NAME=value`, with spaces around the sign if somebody likes them, and quotes.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim().trim_matches(['"', '\'']);
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins_well || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return None;
    }
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some((name.to_owned(), quoted.unwrap_or(value).to_owned()))
}

/// A percent sign ends the command, unless a backslash is before it.
fn unescaped(command: &str) -> String {
    let mut out = String::new();
    let mut rest = command.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\\' if rest.peek() == Some(&'%') => out.extend(rest.next()),
            '%' => break,
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn jobs_of_both_kinds_are_read() {
        let table = [
            ("0 3 * * * curl x", Some("0 3 * * *"), "curl x"),
            ("0\t3 * *  1-5\troot\tcurl x", Some("0 3 * * 1-5"), "curl x"),
            ("  */5 * * * MON www-data /usr/bin/curl x", Some("*/5 * * * MON"), "/usr/bin/curl x"),
            ("@daily curl x", Some("0 0 * * *"), "curl x"),
            ("@Daily root curl x", Some("0 0 * * *"), "curl x"),
            ("@reboot curl x", None, "curl x"),
            ("-0 3 * * * root curl a\\%b%c", Some("0 3 * * *"), "curl a%b"),
            ("0 3 * * * A=b curl x\r", Some("0 3 * * *"), "A=b curl x"),
            ("0 3 * * * [ -x /y ] && curl x", Some("0 3 * * *"), "[ -x /y ] && curl x"),
        ];
        for (line, when, command) in table {
            let job = Job { when: when.map(str::to_owned), command: command.to_owned() };
            assert_eq!(read(line), Line::Job(job), "{line}");
        }
    }

    #[test]
    fn the_other_lines_are_what_they_are() {
        for line in ["", "   ", "# 0 3 * * * x", "\t#"] {
            assert_eq!(read(line), Line::Nothing);
        }
        for (line, name, value) in [
            ("MAILTO=\"\"", "MAILTO", ""),
            ("A = 'b c' ", "A", "b c"),
            ("CRON_TZ=Europe/Helsinki", "CRON_TZ", "Europe/Helsinki"),
        ] {
            assert_eq!(read(line), Line::Variable(name.to_owned(), value.to_owned()));
        }
        for line in ["0 3 * * curl x", "@never x", "0 3 * * *", "hello"] {
            assert!(matches!(read(line), Line::Bad(_)), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line: String) {
            let _ = read(&line);
        }
    }
}
