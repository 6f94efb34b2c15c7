//! As much MIME as it takes to show a mail: headers with encoded words, multiparts, base64 and quoted-printable. What
//! it does not know it leaves as it is.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// How deep multiparts may nest before the rest is left as it is.
const DEPTH: usize = 16;

/// Accepts what mail programs write: padding or none, loose last bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the list can say of a subject.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    None,
    Text(String),
    /// Raw bytes that are not UTF-8; here with what is wrong replaced.
    Broken(String),
}

pub(crate) struct Parsed {
    pub(crate) subject: Subject,
    pub(crate) kind: String,
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) cid: Option<String>,
    pub(crate) kind: String,
    pub(crate) filename: Option<Vec<u8>>,
    pub(crate) charset: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Part {
    /// Whatever has a file name is an attachment, inline or not.
    pub(crate) fn is_attachment(&self) -> bool {
        self.filename.is_some()
    }
}

/// Takes a message apart. The id only goes into the names of parts that have none of their own.
pub(crate) fn parse(source: &[u8], id: i64) -> Parsed {
    let (head, body) = split_head(source);
    let headers = Headers::read(head);
    let subject = match headers.get("subject") {
        None => Subject::None,
        Some(raw) => match String::from_utf8(raw.to_vec()) {
            Ok(text) => Subject::Text(decode_words(&text)),
            Err(_) => Subject::Broken(String::from_utf8_lossy(raw).into_owned()),
        },
    };
    let mut parts = Vec::new();
    collect(&headers, body, 0, &mut parts);
    let content = headers.content_type();
    if content.boundary().is_none() {
        parts.iter_mut().for_each(|part| part.cid = None); // only parts of a multipart have one
    } else {
        for (number, part) in parts.iter_mut().enumerate() {
            part.cid.get_or_insert_with(|| format!("{id}.{number}@catcher.test"));
        }
    }
    Parsed { subject, kind: content.value, parts }
}

fn collect(headers: &Headers, body: &[u8], depth: usize, parts: &mut Vec<Part>) {
    let content = headers.content_type();
    if let Some(boundary) = content.boundary().filter(|_| depth < DEPTH) {
        for section in split_parts(body, boundary.as_bytes()) {
            let (head, body) = split_head(section);
            collect(&Headers::read(head), body, depth + 1, parts);
        }
        return;
    }
    let named = headers.get("content-disposition").map(Parameters::read).and_then(|it| it.file("filename"));
    let charset = match headers.get("content-type") {
        Some(_) => content.get("charset").map(|raw| String::from_utf8_lossy(raw).into_owned()),
        None => Some("UTF-8".to_owned()),
    };
    let cid = headers
        .get("content-id")
        .map(|raw| String::from_utf8_lossy(raw).trim().trim_start_matches('<').trim_end_matches('>').to_owned());
    parts.push(Part {
        cid,
        filename: named.or_else(|| content.file("name")),
        charset,
        body: decode_body(body, headers.get("content-transfer-encoding").unwrap_or_default()),
        kind: content.value,
    });
}

// --- headers

/// Unfolded header lines: lower-case name, raw value.
struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    fn read(head: &[u8]) -> Headers {
        let mut lines: Vec<(String, Vec<u8>)> = Vec::new();
        for line in head.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let folded = line.first().is_some_and(|byte| *byte == b' ' || *byte == b'\t');
            if let (true, Some((_, value))) = (folded, lines.last_mut()) {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
                let name = String::from_utf8_lossy(line[..colon].trim_ascii()).to_ascii_lowercase();
                lines.push((name, line[colon + 1..].trim_ascii().to_vec()));
            }
        }
        Headers(lines)
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    fn content_type(&self) -> Parameters {
        let mut content = Parameters::read(self.get("content-type").unwrap_or_default());
        if !content.value.contains('/') {
            content.value = "text/plain".to_owned();
        }
        content
    }
}

/// A value with parameters: `text/html; charset=utf-8`.
struct Parameters {
    value: String,
    parameters: Vec<(String, Vec<u8>)>,
}

impl Parameters {
    fn read(raw: &[u8]) -> Parameters {
        let mut quoted = false;
        let mut pieces = raw.split(|byte| {
            quoted ^= *byte == b'"';
            *byte == b';' && !quoted
        });
        let value = String::from_utf8_lossy(pieces.next().unwrap_or_default().trim_ascii()).to_ascii_lowercase();
        let parameters = pieces.filter_map(|piece| {
            let equals = piece.iter().position(|byte| *byte == b'=')?;
            let name = String::from_utf8_lossy(piece[..equals].trim_ascii()).to_ascii_lowercase();
            let text = piece[equals + 1..].trim_ascii();
            let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
            Some((name, text.to_vec()))
        });
        Parameters { value, parameters: parameters.collect() }
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    fn boundary(&self) -> Option<String> {
        let boundary = self.get("boundary").filter(|_| self.value.starts_with("multipart/"))?;
        Some(String::from_utf8_lossy(boundary).into_owned())
    }

    /// A file name, in the old spelling or that of RFC 2231 (`filename*=utf-8''r%C3%A4p.pdf`). Raw bytes stay raw.
    fn file(&self, name: &str) -> Option<Vec<u8>> {
        if let Some(raw) = self.get(&format!("{name}*")) {
            let quote = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\'');
            let after = quote(raw).map(|at| &raw[at + 1..]).unwrap_or(raw);
            let text = quote(after).map(|at| &after[at + 1..]).unwrap_or(after);
            return Some(super::path::decode(text));
        }
        let raw = self.get(name)?;
        match std::str::from_utf8(raw) {
            Ok(text) => Some(decode_words(text).into_bytes()),
            Err(_) => Some(raw.to_vec()),
        }
    }
}

/// Decodes the encoded words of RFC 2047: `=?utf-8?B?...?=`. White space between two of them goes.
fn decode_words(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let Some((word, length)) = encoded_word(&rest[start..]) else {
            plain.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
            after_word = false;
            continue;
        };
        let between = &rest[..start];
        if !(after_word && between.trim().is_empty()) {
            plain.push_str(between);
        }
        plain.push_str(&word);
        rest = &rest[start + length..];
        after_word = true;
    }
    plain.push_str(rest);
    plain
}

/// The word that the text begins with, and how long it was.
fn encoded_word(text: &str) -> Option<(String, usize)> {
    let mut fields = text.strip_prefix("=?")?.splitn(3, '?');
    let (charset, coding, tail) = (fields.next()?, fields.next()?, fields.next()?);
    let end = tail.find("?=")?;
    let data = &tail[..end];
    let bytes = match coding {
        "b" | "B" => LENIENT.decode(data).ok()?,
        "q" | "Q" => unquote(data.replace('_', " ").as_bytes()),
        _ => return None,
    };
    let charset = charset.to_ascii_lowercase();
    let word = if charset.starts_with("iso-8859-") || charset.starts_with("windows-") {
        bytes.iter().map(|byte| char::from(*byte)).collect()
    } else {
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Some((word, "=?".len() + charset.len() + 1 + coding.len() + 1 + end + "?=".len()))
}

// --- bodies

fn split_head(source: &[u8]) -> (&[u8], &[u8]) {
    if let Some(body) = source.strip_prefix(b"\r\n") {
        return (&[], body); // a part without headers
    }
    match source.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
        Some(end) => (&source[..end], &source[end + 4..]),
        None => (source, &[]),
    }
}

/// What stands between the boundary's lines, without the line end that belongs to the boundary.
fn split_parts<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut begun: Option<usize> = None;
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let tail = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary)).map(<[u8]>::trim_ascii);
        if let Some(tail @ (b"" | b"--")) = tail {
            if let Some(start) = begun {
                let part = &body[start..at.max(start)];
                parts.push(part.strip_suffix(b"\r\n").unwrap_or(part));
            }
            begun = tail.is_empty().then_some(at + line.len());
        }
        at += line.len();
    }
    // A last boundary that never came does not lose the part before it.
    parts.extend(begun.map(|start| &body[start..]));
    parts
}

fn decode_body(body: &[u8], encoding: &[u8]) -> Vec<u8> {
    match encoding.to_ascii_lowercase().as_slice() {
        b"base64" => {
            let packed: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            LENIENT.decode(&packed).unwrap_or_else(|_| body.to_vec())
        }
        b"quoted-printable" => unquote(body),
        // The real one turns the line ends of pure ASCII into LF and leaves other text alone.
        _ if body.is_ascii() => String::from_utf8_lossy(body).replace("\r\n", "\n").into_bytes(),
        _ => body.to_vec(),
    }
}

/// Undoes quoted-printable: `=E9` is a byte, `=` at a line's end joins it to the next.
fn unquote(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if first == b'=' {
            if let Some(next) = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n")) {
                rest = next;
                continue;
            }
            let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                plain.push(byte);
                rest = &after[2..];
                continue;
            }
        }
        plain.push(first);
        rest = after;
    }
    plain
}
