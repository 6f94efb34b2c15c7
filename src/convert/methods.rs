//! What a test of the request's method keeps from whom: the same for nginx's `if` and Apache's `RewriteCond`.

/// The methods that a test may name. With any other word in it the test is a pattern, and what it matches is not told.
const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "DELETE"];

/// What is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// Deleting, and not reading.
    Deleting,
    /// Only methods that the catcher does not need.
    Others,
}

/// What a refusal keeps out whose test names these methods; with `is_not`, all but these. None where that cannot be
/// told, and where it keeps people from reading too.
pub(super) fn refused(pattern: &str, is_not: bool, ignores_case: bool) -> Option<Refused> {
    let mut pattern = pattern.trim_matches(['"', '\'']);
    pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    pattern = pattern.strip_suffix('$').unwrap_or(pattern);
    if let Some(inner) = pattern.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        pattern = inner.strip_prefix("?:").unwrap_or(inner);
    }
    let mut named: Vec<&str> = Vec::new();
    for word in pattern.split('|') {
        let word = word.strip_prefix('^').unwrap_or(word);
        let word = word.strip_suffix('$').unwrap_or(word);
        let is_it = |known: &&&str| if ignores_case { known.eq_ignore_ascii_case(word) } else { **known == word };
        named.push(KNOWN.iter().find(is_it)?);
    }
    let is_refused = |method: &str| named.contains(&method) != is_not;
    match (is_refused("GET"), is_refused("DELETE")) {
        (true, _) => None,
        (false, true) => Some(Refused::Deleting),
        (false, false) => Some(Refused::Others),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_of_methods_is_taken_for_what_it_names() {
        for (pattern, is_not, ignores_case, expected) in [
            ("DELETE", false, false, Some(Refused::Deleting)),
            ("^(?:DELETE|PUT)$", false, false, Some(Refused::Deleting)),
            ("^DELETE$|^POST$", false, false, Some(Refused::Deleting)),
            ("\"^(get|head)$\"", true, true, Some(Refused::Deleting)),
            ("^(GET|HEAD|DELETE)$", true, false, Some(Refused::Others)),
            ("POST", false, false, Some(Refused::Others)),
            ("^(TRACE|OPTIONS)", false, false, Some(Refused::Others)),
            ("delete", false, false, None),
            ("(?i)delete", false, true, None),
            ("^DEL", false, false, None),
            ("^(GET|DEL.*)$", true, false, None),
            ("", false, false, None),
            ("GET|DELETE", false, false, None),
            ("POST", true, false, None),
        ] {
            assert_eq!(refused(pattern, is_not, ignores_case), expected, "{pattern} {is_not}");
        }
    }
}
