//! The entry of a message that the catcher cannot list, from its source. Whatever the source says, something is read.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;

use super::entry::Entry;
use super::words;

/// What the subject of such a message begins with.
const MARK: &str = "[unreadable subject] ";

/// The longest subject that is shown, in characters.
const SUBJECT: usize = 500;

/// How much of a subject's field is read for that, in bytes: reading encoded words takes the square of it.
const SUBJECT_FIELD: usize = 8 << 10;

/// What of a source matters: its header, as bytes.
#[derive(Debug)]
pub(crate) struct Header<'a>(Vec<(&'a [u8], Vec<u8>)>);

impl<'a> Header<'a> {
    /// Reads the fields up to the first empty line (RFC 5322 section 2.2). Lines that are none are passed over.
    pub(crate) fn parse(source: &'a [u8]) -> Self {
        let mut fields: Vec<(&[u8], Vec<u8>)> = Vec::new();
        for line in source.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match (line, fields.last_mut()) {
                ([], _) => break,
                ([b' ' | b'\t', ..], Some((_, value))) => value.extend_from_slice(line),
                _ => {
                    if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                        let (name, value) = line.split_at(colon);
                        fields.push((name.trim_ascii(), value.get(1..).unwrap_or_default().to_vec()));
                    }
                }
            }
        }
        Self(fields)
    }

    /// The first field of that name.
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| &value[..])
    }

    /// The media type, in small letters.
    pub(crate) fn media_type(&self) -> String {
        let value = self.first("content-type").unwrap_or_default();
        let kind = String::from_utf8_lossy(value.split(|byte| *byte == b';').next().unwrap_or_default());
        let kind = kind.trim().to_ascii_lowercase();
        if kind.split_once('/').is_some_and(|(one, other)| !one.is_empty() && !other.is_empty()) {
            kind
        } else {
            "text/plain".to_owned()
        }
    }

    /// The entry of the message. `size` is the length of its source in bytes; without a date of its own it came `now`.
    pub(crate) fn entry(&self, id: u64, size: u64, now: Timestamp) -> Entry {
        let sender = ["return-path", "from", "sender"].into_iter().find_map(|name| addresses(self.first(name)?).pop());
        let mut recipients: Vec<String> = Vec::new();
        for value in ["to", "cc", "bcc"].into_iter().flat_map(|name| self.all(name)) {
            recipients.extend(addresses(value));
        }
        let field = self.first("subject").unwrap_or_default();
        let text = words::decoded(field.get(..SUBJECT_FIELD).unwrap_or(field));
        let mut subject: String = text.chars().take(SUBJECT).collect();
        if subject.len() < text.len() || field.len() > SUBJECT_FIELD {
            subject.push('\u{2026}');
        }
        let date = self
            .first("date")
            .and_then(|value| rfc2822::DateTimeParser::new().parse_timestamp(value.trim_ascii()).ok());
        Entry {
            id,
            sender: Value::String(sender.unwrap_or_else(|| "<>".to_owned())),
            recipients: recipients.into(),
            subject: Value::String(format!("{MARK}{}", subject.trim())),
            size: Value::String(size.to_string()),
            created_at: date.unwrap_or(now).strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
            made: true,
            bad: true,
        }
    }
}

/// The addresses in a field, each in angle brackets: what stands between some, else what has an `@` in it.
fn addresses(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    text.split(',')
        .filter_map(|one| {
            let address = match one.rsplit_once('<') {
                Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
                None => one.split_whitespace().find(|word| word.contains('@'))?,
            };
            let address = address.trim();
            (address.is_empty() || address.contains('@')).then(|| format!("<{address}>"))
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T08:24:26Z".parse().unwrap()
    }

    #[test]
    fn an_entry_is_made_of_what_the_source_says() {
        let source = b"Return-Path: <bounce@example.com>\r\nFrom: \"A, B\" <alice@example.com>\r\nTO: Bob <bob@example.com>,\r\n\
            \tcarol@example.com\r\nSubject: caf\xe9\r\n  au lait\r\nDate: Mon, 23 Nov 2026 10:00:00 +0200\r\n\
            Content-Type: Multipart/Mixed; boundary=x\r\n\r\nSubject: not this\r\n";
        let header = Header::parse(source);
        let entry = header.entry(7, 123, now());
        assert_eq!(
            serde_json::to_string(&entry).unwrap(),
            "{\"id\":7,\"sender\":\"<bounce@example.com>\",\"recipients\":[\"<bob@example.com>\",\"<carol@example.com>\"],\
             \"subject\":\"[unreadable subject] caf\u{fffd}  au lait\",\"size\":\"123\",\
             \"created_at\":\"2026-11-23T08:00:00+00:00\"}"
        );
        assert_eq!(header.media_type(), "multipart/mixed");
    }

    #[test]
    fn a_source_that_says_nothing_has_an_entry_too() {
        let entry = Header::parse(b"nonsense").entry(1, 8, now());
        assert_eq!((entry.sender, entry.recipients), ("<>".into(), Value::Array(Vec::new())));
        assert_eq!((entry.subject, entry.created_at.as_str()), (MARK.into(), "2026-11-23T08:24:26+00:00"));
    }

    #[test]
    fn of_a_long_subject_the_beginning_is_shown_and_no_more_is_read() {
        let now = now();
        // Words without an end: to look for it from each would take seconds.
        let source = [b"Subject: caf\xc3\xa9 ", "=?a ?b? ".repeat(32_000).as_bytes()].concat();
        let begun = std::time::Instant::now();
        let entry = Header::parse(&source).entry(1, 8, now);
        assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
        let subject = entry.subject.as_str().unwrap();
        assert!(subject.starts_with("[unreadable subject] caf\u{e9} =?a ?b? =?a"), "{subject}");
        assert!(subject.ends_with('\u{2026}') && subject.chars().count() < MARK.len() + SUBJECT + 2, "{subject}");
    }

    proptest! {
        #[test]
        fn any_source_has_an_entry_that_json_can_say(source: Vec<u8>, lines in "(Subject|From|To|Date|x): ?[ -~\u{0}-\u{1f}]{0,60}") {
            for source in [&source[..], lines.as_bytes(), &[lines.as_bytes(), b"\r\n ", &source].concat()] {
                let header = Header::parse(source);
                let entry = header.entry(3, 4, now());
                let read: Entry = serde_json::from_str(&serde_json::to_string(&entry).unwrap()).unwrap();
                prop_assert_eq!(Entry { made: true, bad: true, ..read }, entry);
                prop_assert!(header.media_type().contains('/'));
            }
        }
    }
}
