//! How a request's path becomes a route in the real one: far more spellings arrive than a proxy would think of.

/// What lies below the prefix, cleaned and decoded; `None` when the path is not below it.
///
/// The prefix matches with any number of slashes and before anything is resolved, so `//mail/messages` is inside and
/// `/x/../mail/messages` is not.
pub(crate) fn below(path: &[u8], prefix: &str, normalise: bool) -> Option<Vec<u8>> {
    if path == b"*" {
        return Some(b"/".to_vec());
    }
    let mut rest = path;
    for segment in prefix.split('/').filter(|segment| !segment.is_empty()) {
        let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
        if slashes == 0 {
            return None;
        }
        rest = rest[slashes..].strip_prefix(segment.as_bytes())?;
    }
    match rest.first() {
        None => Some(b"/".to_vec()),
        Some(b'/') if normalise => Some(decode(&clean(rest))),
        Some(b'/') => Some(rest.to_vec()),
        Some(_) => None,
    }
}

/// Turns encoded dots and slashes and every backslash into what they stand for, then resolves `.`, `..` and `//`.
fn clean(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, after)) = rest.split_first() {
        let escape = rest.get(..3).map(<[u8]>::to_ascii_lowercase);
        let (byte, next) = match escape.as_deref() {
            Some(b"%2e") => (b'.', &rest[3..]),
            Some(b"%2f" | b"%5c") => (b'/', &rest[3..]),
            _ if first == b'\\' => (b'/', after),
            _ => (first, after),
        };
        plain.push(byte);
        rest = next;
    }

    let mut parts: Vec<&[u8]> = Vec::new();
    for part in plain.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut cleaned = b"/".to_vec();
    cleaned.extend(parts.join(&b'/'));
    if !parts.is_empty() && (plain.ends_with(b"/") || plain.ends_with(b"/.") || plain.ends_with(b"/..")) {
        cleaned.push(b'/');
    }
    cleaned
}

/// Undoes percent-encoding once. What is not an escape stays as it is.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| hex_pair(after)).flatten();
        plain.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    plain
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let digits = text.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A number as Ruby reads one from text: leading digits count, the rest is ignored, nothing at all is 0.
pub(crate) fn leading_number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let mut number: i64 = 0;
    for (place, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => number = number.saturating_mul(10).saturating_add(i64::from(byte - b'0')),
            b'_' if place > 0 && digits[place - 1] != b'_' => {}
            _ => break,
        }
    }
    if negative { -number } else { number }
}
