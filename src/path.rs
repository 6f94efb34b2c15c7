//! One canonical form for a request's path: the form that rules are decided on is the form that is forwarded.
//!
//! Upstream programs disagree on what `//`, `/./`, `%2e%2e`, `%2F` and `\` mean, and MailCatcher takes
//! `DELETE /messages/%2e%2e` for the request that ends it. So the text that came in is never forwarded: it is
//! normalised as RFC 3986 section 6.2.2 has it, what cannot be normalised without guessing is refused, and the result
//! is used for both the decision and the upstream request.

use std::borrow::Cow;
use std::fmt;

/// What happens to empty segments (`//`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slashes {
    /// Runs of slashes become one, as in a catcher that routes so itself.
    Merge,
    /// Empty segments mean something to the upstream and stay.
    Keep,
}

/// Why a path has no canonical form. Each is answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The target does not begin with a slash: authority form, asterisk form, or nothing at all.
    NotAbsolute,
    /// A `%` that two hexadecimal digits do not follow.
    BadEscape,
    /// A control character or NUL, plain or escaped.
    Control,
    /// A backslash, plain or escaped: some upstreams take it for a slash.
    Backslash,
    /// An escaped slash beside a dot segment (`..%2F`): some upstreams climb it.
    HiddenDots,
}

impl PathError {
    /// What is wrong, for the client and the log.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            PathError::NotAbsolute => "the request target is not a path",
            PathError::BadEscape => "the path has a '%' without two hexadecimal digits after it",
            PathError::Control => "the path has a control character in it",
            PathError::Backslash => "the path has a backslash in it",
            PathError::HiddenDots => "the path has dot segments behind an escaped slash",
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for PathError {}

/// The canonical form of `path` (no query): it begins with `/`, has no dot segments and no backslash, escapes only
/// what must be escaped and does so in upper case. `%2F` stays escaped, since it is not a separator (RFC 3986
/// section 2.2); a route that has no use for it refuses it by [`has_escaped_slash`].
///
/// Idempotent: the canonical form of a canonical path is itself.
///
/// # Errors
/// [`PathError`], for what two programs would read differently.
pub fn canonical(path: &str, slashes: Slashes) -> Result<Cow<'_, str>, PathError> {
    if !path.starts_with('/') {
        return Err(PathError::NotAbsolute);
    }
    if is_plain(path.as_bytes(), slashes) {
        return Ok(Cow::Borrowed(path));
    }
    let escaped = normalise_escapes(path.as_bytes())?;
    resolve_dots(&escaped, slashes).map(Cow::Owned)
}

/// Whether a canonical path has an escaped slash in it.
#[must_use]
pub fn has_escaped_slash(canonical: &str) -> bool {
    canonical.contains("%2F")
}

/// The common case, found without copying: plain characters, and no segment that begins with a dot.
fn is_plain(path: &[u8], slashes: Slashes) -> bool {
    let mut after_slash = false;
    for &byte in path {
        match byte {
            b'.' if after_slash => return false,
            b'/' if after_slash && slashes == Slashes::Merge => return false,
            b'/' => after_slash = true,
            _ if stays_plain(byte) => after_slash = false,
            _ => return false,
        }
    }
    true
}

/// RFC 3986 `pchar` without the escape: what may stand in a path as it is.
const fn stays_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

/// RFC 3986 section 2.3: escaping one of these changes nothing, so they stand plain.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn normalise_escapes(path: &[u8]) -> Result<String, PathError> {
    let mut out = String::with_capacity(path.len() + 16);
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        let (value, escaped) = if *byte == b'%' {
            let [high, low, after @ ..] = tail else { return Err(PathError::BadEscape) };
            rest = after;
            (hex(*high).ok_or(PathError::BadEscape)? << 4 | hex(*low).ok_or(PathError::BadEscape)?, true)
        } else {
            rest = tail;
            (*byte, false)
        };
        match value {
            0x00..=0x1f | 0x7f => return Err(PathError::Control),
            b'\\' => return Err(PathError::Backslash),
            b'/' if !escaped => out.push('/'),
            value if is_unreserved(value) || (!escaped && stays_plain(value)) => out.push(char::from(value)),
            value => {
                out.push('%');
                out.push(HEX[usize::from(value >> 4)]);
                out.push(HEX[usize::from(value & 15)]);
            }
        }
    }
    Ok(out)
}

const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// RFC 3986 section 5.2.4, on a path whose escapes are in order.
fn resolve_dots(path: &str, slashes: Slashes) -> Result<String, PathError> {
    let mut segments: Vec<&str> = Vec::new();
    let mut open_end = false; // whether the path ends in a slash
    for segment in path.split('/').skip(1) {
        open_end = false;
        match segment {
            "" if slashes == Slashes::Merge => open_end = true,
            "." => open_end = true,
            ".." => {
                segments.pop();
                open_end = true;
            }
            _ if segment.split("%2F").count() > 1 && segment.split("%2F").any(|piece| matches!(piece, "." | "..")) => {
                return Err(PathError::HiddenDots);
            }
            _ => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if out.is_empty() || open_end {
        out.push('/');
    }
    Ok(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_spellings_of_one_path_become_one() {
        for (written, want) in [
            ("/messages", "/messages"),
            ("//messages", "/messages"),
            ("/./messages", "/messages"),
            ("/x/../messages", "/messages"),
            ("/%6dessages", "/messages"),
            ("/messages/", "/messages/"),
            ("/messages/.", "/messages/"),
            ("/messages/..", "/"),
            ("/messages/%2e%2E", "/"),
            ("/%2e%2e/", "/"),
            ("/%2e", "/"),
            ("/..", "/"),
            ("//", "/"),
            ("/a/%2e%2e/%2e%2e/b", "/b"),
            ("/messages/1/parts/a%2fb", "/messages/1/parts/a%2Fb"),
            ("/p/a b", "/p/a%20b"),
            ("/p/\u{e4}", "/p/%C3%A4"),
            ("/p/%c3%a4", "/p/%C3%A4"),
            ("/p/<x>", "/p/%3Cx%3E"),
            ("/.hidden", "/.hidden"),
        ] {
            assert_eq!(canonical(written, Slashes::Merge).as_deref(), Ok(want), "{written}");
        }
    }

    #[test]
    fn a_path_that_programs_read_differently_is_refused() {
        for (written, want) in [
            ("", PathError::NotAbsolute),
            ("*", PathError::NotAbsolute),
            ("host:80", PathError::NotAbsolute),
            ("/%", PathError::BadEscape),
            ("/%2", PathError::BadEscape),
            ("/%zz", PathError::BadEscape),
            ("/%+1", PathError::BadEscape),
            ("/a%00b", PathError::Control),
            ("/a%0d%0ab", PathError::Control),
            ("/a\u{7f}", PathError::Control),
            ("/\\", PathError::Backslash),
            ("/%5c..", PathError::Backslash),
            ("/messages/1/parts/..%2f..%2f", PathError::HiddenDots),
            ("/messages/1/parts/a%2F%2e%2E", PathError::HiddenDots),
        ] {
            assert_eq!(canonical(written, Slashes::Merge), Err(want), "{written}");
        }
    }

    #[test]
    fn empty_segments_stay_where_they_mean_something() {
        assert_eq!(canonical("/a//b/", Slashes::Keep).as_deref(), Ok("/a//b/"));
        assert_eq!(canonical("/a//../b", Slashes::Keep).as_deref(), Ok("/a/b"));
        assert_eq!(canonical("/u/http%3a%2f%2fhost", Slashes::Keep).as_deref(), Ok("/u/http%3A%2F%2Fhost"));
    }

    /// What an upstream that decodes everything before it splits would see.
    fn fully_decoded(path: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bytes = path.bytes();
        while let Some(byte) = bytes.next() {
            out.push(if byte == b'%' {
                hex(bytes.next().unwrap()).unwrap() << 4 | hex(bytes.next().unwrap()).unwrap()
            } else {
                byte
            });
        }
        out
    }

    proptest! {
        #[test]
        fn canonical_is_idempotent_and_never_climbs(path in "/([a-c./%\\\\]|%2[ef]|%5c|%2E|\u{e4}|//|/\\./){0,24}") {
            for slashes in [Slashes::Merge, Slashes::Keep] {
                if let Ok(first) = canonical(&path, slashes) {
                    prop_assert_eq!(canonical(&first, slashes).unwrap(), first.clone());
                    let decoded = fully_decoded(&first);
                    prop_assert!(decoded.split(|b| *b == b'/').all(|s| s != b"." && s != b".."), "{}", first);
                    prop_assert!(!decoded.contains(&b'\\'));
                    prop_assert!(slashes == Slashes::Keep || !first.contains("//"));
                }
            }
        }

        #[test]
        fn any_text_is_answered_and_a_canonical_path_is_a_valid_target(path in "\\PC{0,40}") {
            for slashes in [Slashes::Merge, Slashes::Keep] {
                if let Ok(first) = canonical(&path, slashes) {
                    prop_assert!(first.bytes().all(|b| b.is_ascii_graphic()));
                    prop_assert!(first.parse::<http::uri::PathAndQuery>().is_ok());
                }
            }
        }
    }
}
