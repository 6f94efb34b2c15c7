//! Header text with encoded words (RFC 2047), read as far as it can be: what is not text becomes U+FFFD.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The text of a field's value.
pub(crate) fn decoded(value: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(at) = find(rest, b"=?") {
        let (before, word) = rest.split_at(at);
        let Some((text, after)) = encoded_word(word) else {
            out.push_str(&String::from_utf8_lossy(before));
            out.push_str("=?");
            rest = word.get(2..).unwrap_or_default();
            after_word = false;
            continue;
        };
        // Blanks between two encoded words are not text.
        if !after_word || !before.iter().all(u8::is_ascii_whitespace) {
            out.push_str(&String::from_utf8_lossy(before));
        }
        out.push_str(&text);
        rest = after;
        after_word = true;
    }
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// `=?charset?encoding?text?=` at the beginning, and what follows it.
fn encoded_word(word: &[u8]) -> Option<(String, &[u8])> {
    let rest = word.strip_prefix(b"=?")?;
    let (charset, rest) = cut(rest, b"?")?;
    let (encoding, rest) = cut(rest, b"?")?;
    let (text, after) = cut(rest, b"?=")?;
    let bytes = match encoding {
        b"q" | b"Q" => quoted(text),
        b"b" | b"B" => STANDARD.decode(text).ok()?,
        _ => return None,
    };
    // A language may follow the charset (RFC 2231 section 5).
    let charset = String::from_utf8_lossy(charset.split(|byte| *byte == b'*').next().unwrap_or_default());
    let latin = ["iso-8859-1", "latin1", "windows-1252"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    let text = match std::str::from_utf8(&bytes) {
        Err(_) if latin => bytes.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    };
    Some((text, after))
}

/// The Q encoding (RFC 2047 section 4.2).
fn quoted(text: &[u8]) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        match (byte, hex(ahead.next()), hex(ahead.next())) {
            (b'_', ..) => out.push(b' '),
            (b'=', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = ahead;
            }
            (other, ..) => out.push(*other),
        }
    }
    out
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn cut<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = find(bytes, at)?;
    Some((bytes.get(..place)?, bytes.get(place + at.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_read_as_far_as_they_can_be() {
        for (value, want) in [
            (&b"plain"[..], "plain"),
            (b"=?utf-8?Q?caf=C3=A9_noir?=", "caf\u{e9} noir"),
            (b"=?UTF-8?B?Y2Fmw6k=?=", "caf\u{e9}"),
            (b"=?iso-8859-1?q?caf=e9?= x", "caf\u{e9} x"),
            (b"=?utf-8?q?caf=e9?=", "caf\u{fffd}"),
            (b"=?utf-8?q?a?= \t=?utf-8?q?b?= c", "ab c"),
            (b"=?utf-8*en?q?=4?=", "=4"),
            (b"caf\xe9 =?utf-8?x?y?= =?", "caf\u{fffd} =?utf-8?x?y?= =?"),
            (b"=?utf-8?B?***?=", "=?utf-8?B?***?="),
        ] {
            assert_eq!(decoded(value), want, "{value:?}");
        }
    }
}
