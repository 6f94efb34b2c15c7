//! The subject of a certificate as a text, so that two are equal only if the subjects are (RFC 4514, with one spelling
//! for each).
//!
//! The spelling is that of `openssl x509 -noout -subject -nameopt RFC2253`. What one could read in two ways does not
//! arise: everything special in a value is escaped, all but plain ASCII is written as bytes in hexadecimal, and a value
//! that is no plain text stands as its DER.

use std::fmt::Write as _;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::{Encode as _, Tag, Tagged as _};
use x509_cert::name::Name;

/// The attribute types that have a name, by their number.
const TYPES: [(&str, &str); 20] = [
    ("CN", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("serialNumber", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("street", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("title", "2.5.4.12"),
    ("description", "2.5.4.13"),
    ("postalCode", "2.5.4.17"),
    ("name", "2.5.4.41"),
    ("GN", "2.5.4.42"),
    ("initials", "2.5.4.43"),
    ("dnQualifier", "2.5.4.46"),
    ("pseudonym", "2.5.4.65"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("emailAddress", "1.2.840.113549.1.9.1"),
];

/// The text of a certificate's subject.
#[must_use]
pub(super) fn text_of(name: &Name) -> String {
    let mut text = String::new();
    let rdns: Vec<_> = name.iter_rdn().collect();
    for (index, rdn) in rdns.into_iter().rev().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let parts: Vec<_> = rdn.iter().collect();
        for (index, part) in parts.into_iter().rev().enumerate() {
            if index > 0 {
                text.push('+');
            }
            attribute(&mut text, part);
        }
    }
    text
}

fn attribute(text: &mut String, part: &AttributeTypeAndValue) {
    let number = part.oid.to_string();
    let known = TYPES.iter().find(|(_, known)| *known == number).map(|(name, _)| *name);
    text.push_str(known.unwrap_or(&number));
    text.push('=');
    // Of these three each byte means the same in UTF-8.
    let is_text = matches!(part.value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
    match known {
        Some(_) if is_text && std::str::from_utf8(part.value.value()).is_ok() => escape(text, part.value.value()),
        _ => {
            text.push('#');
            // What has been decoded can be encoded.
            for byte in part.value.to_der().unwrap_or_default() {
                let _ = write!(text, "{byte:02X}");
            }
        }
    }
}

fn escape(text: &mut String, value: &[u8]) {
    for (index, byte) in value.iter().enumerate() {
        let (first, last) = (index == 0, index + 1 == value.len());
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => text.extend(['\\', char::from(*byte)]),
            b'#' if first => text.push_str("\\#"),
            b' ' if first || last => text.push_str("\\ "),
            0x20..=0x7e => text.push(char::from(*byte)),
            _ => _ = write!(text, "\\{byte:02X}"),
        }
    }
}

/// Reads a subject that somebody wrote, into the one spelling.
///
/// # Errors
/// Why it is none, as a text that goes on from the subject's.
pub(super) fn parse(written: &str) -> Result<String, &'static str> {
    const FORM: &str = "is no subject; write it as openssl x509 -noout -subject -nameopt RFC2253 -in FILE prints it";
    let mut text = String::new();
    let mut rest = written;
    if rest.is_empty() {
        return Err("is empty, and a certificate without a subject is nobody's");
    }
    loop {
        let (name, value) = rest.split_once('=').ok_or(FORM)?;
        let number = TYPES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
        let is_number = name.contains('.') && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if number.is_none() && (!is_number || TYPES.iter().any(|(_, known)| *known == name)) {
            return Err(if name.starts_with(' ') || name.ends_with(' ') {
                "has spaces around a name; write it as openssl x509 -noout -subject -nameopt RFC2253 -in FILE prints it"
            } else {
                FORM
            });
        }
        let (value, end) = value_of(value).ok_or(FORM)?;
        text.push_str(name);
        text.push('=');
        match value {
            Value::Text(value) if number.is_some() => escape(&mut text, &value),
            Value::Der(hex) => text.push_str(&format!("#{}", hex.to_ascii_uppercase())),
            Value::Text(_) => return Err(FORM),
        }
        match end.split_at_checked(1) {
            None => return Ok(text),
            Some((sign, more)) => {
                text.push_str(sign);
                rest = more;
            }
        }
    }
}

enum Value<'a> {
    Text(Vec<u8>),
    Der(&'a str),
}

/// A value, and what follows it: nothing, or what begins with the sign that ended it.
fn value_of(text: &str) -> Option<(Value<'_>, &str)> {
    if let Some(hex) = text.strip_prefix('#') {
        let end = hex.find([',', '+']).unwrap_or(hex.len());
        let (hex, rest) = hex.split_at(end);
        let is_der = !hex.is_empty() && hex.len() % 2 == 0 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_der.then_some((Value::Der(hex), rest));
    }
    let bytes = text.as_bytes();
    let (mut value, mut at, mut ends_in_a_space) = (Vec::new(), 0, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b',' | b'+' => break,
            b'"' | b'<' | b'>' | b';' => return None,
            b' ' if at == 0 => return None,
            b'\\' => {
                let next = *bytes.get(at + 1)?;
                ends_in_a_space = false;
                if let (Some(high), Some(low)) = (hex(next), bytes.get(at + 2).copied().and_then(hex)) {
                    value.push(high << 4 | low);
                    at += 3;
                } else if b",+\"\\<>;# =".contains(&next) {
                    value.push(next);
                    at += 2;
                } else {
                    return None;
                }
            }
            byte => {
                ends_in_a_space = byte == b' ';
                value.push(byte);
                at += 1;
            }
        }
    }
    if value.is_empty() || ends_in_a_space || std::str::from_utf8(&value).is_err() {
        return None;
    }
    Some((Value::Text(value), text.get(at..)?))
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_subject_has_one_spelling_however_it_was_written() {
        for (written, spelling) in [
            ("CN=anna,O=Example", "CN=anna,O=Example"),
            ("CN=J\u{fc}rgen", "CN=J\\C3\\BCrgen"),
            ("CN=J\\c3\\bcrgen", "CN=J\\C3\\BCrgen"),
            ("CN=a\\2cb", "CN=a\\,b"),
            ("CN=\\ a\\ ,O=x", "CN=\\ a\\ ,O=x"),
            ("CN=\\#1", "CN=\\#1"),
            ("CN=a#b c=d", "CN=a#b c=d"),
            ("UID=7+CN=anna,DC=dev", "UID=7+CN=anna,DC=dev"),
            ("1.2.3.4=#0c0161", "1.2.3.4=#0C0161"),
            ("CN=a\\0A", "CN=a\\0A"),
        ] {
            assert_eq!(parse(written).as_deref(), Ok(spelling), "{written}");
        }
    }

    #[test]
    fn what_is_no_subject_in_that_form_is_refused() {
        for written in [
            "",
            "anna",
            "/CN=anna/O=Example",
            "O = Example, CN = anna",
            "CN=anna, O=Example",
            "CN= anna",
            "CN=anna ",
            "CN=anna ,O=x",
            "CN=",
            "CN=anna,",
            "cn=anna",
            "CN=a\"b",
            "CN=\\C3",
            "CN=\\",
            "2.5.4.3=#0c0161",
            "1.2.3=anna",
            "CN=#0c0",
        ] {
            assert!(parse(written).is_err(), "{written}");
        }
    }

    proptest! {
        #[test]
        fn two_values_never_have_one_spelling(one in any::<String>(), other in any::<String>()) {
            let spelling = |value: &str| {
                let mut text = "CN=".to_owned();
                escape(&mut text, value.as_bytes());
                text
            };
            prop_assert_eq!(spelling(&one) == spelling(&other), one == other);
            if !one.is_empty() {
                prop_assert_eq!(parse(&spelling(&one)), Ok(spelling(&one)));
            }
        }

        #[test]
        fn no_text_panics_and_each_spelling_is_its_own(text in "(CN|O|1\\.2)=[ -~\u{fc}]{0,12}([,+](CN|OU)=[a-z\\\\, #]{0,5})?") {
            if let Ok(spelling) = parse(&text) {
                prop_assert_eq!(parse(&spelling), Ok(spelling.clone()));
            }
        }
    }
}
