//! Reads requests the way thin does, which is not the way the RFC does: strict about the bytes of a head, and careless
//! about bodies. Pure: bytes in, verdict out.

use super::options::Options;

/// The most bytes of a head, of one value, of a field name, of a path and of a query.
const HEAD: usize = (80 + 32) * 1024;
const VALUE: usize = 80 * 1024;
const NAME: usize = 256;
const PATH: usize = 2048;
const QUERY: usize = 10 * 1024;
/// The most bytes of a method's name.
const METHOD: usize = 20;

pub(crate) enum Parsed {
    /// More bytes are needed.
    Partial,
    /// No request begins like that: 400 and close, at the first wrong byte.
    Bad,
    /// A request, and how many bytes it took.
    Whole(Request, usize),
}

pub(crate) struct Request {
    pub(crate) method: String,
    /// The target as written, fragment included.
    pub(crate) target: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) query: Option<Vec<u8>>,
    pub(crate) version: String,
    /// Header lines as written, without line ends.
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) body: Vec<u8>,
    last_line_wins: bool,
}

/// Looks at everything that was received since the last request ended.
pub(crate) fn parse(bytes: &[u8], options: &Options) -> Parsed {
    let mut reader = Reader { bytes, at: 0 };
    let request = match reader.head() {
        Ok(head) if reader.at <= HEAD => Request { last_line_wins: options.last_line_wins, ..head },
        Err(Stop::Starved) if bytes.len() <= HEAD => return Parsed::Partial,
        Ok(_) | Err(_) => return Parsed::Bad,
    };

    let rest = &bytes[reader.at..];
    let length = if request.is_chunked() && !options.chunked_ignored {
        match chunked_length(rest) {
            Some(length) => length,
            None => return Parsed::Partial,
        }
    } else {
        request.content_length()
    };
    if rest.len() < length {
        return Parsed::Partial;
    }
    // Whatever came in the same packet belongs to the body, as far as thin is concerned.
    let taken = if options.same_packet_dropped { rest.len() } else { length };
    let body = rest[..taken].to_vec();
    Parsed::Whole(Request { body, ..request }, reader.at + taken)
}

impl Request {
    /// The header's value. Of several lines the last counts; with that quirk off, all are joined.
    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        let mut values = self.lines.iter().filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (key, value) = (&line[..colon], &line[colon + 1..]);
            key.eq_ignore_ascii_case(name.as_bytes()).then(|| value.trim_ascii_start())
        });
        if self.last_line_wins {
            return values.next_back().map(<[u8]>::to_vec);
        }
        let all: Vec<&[u8]> = values.collect();
        if all.is_empty() { None } else { Some(all.join(&b", "[..])) }
    }

    /// The header as text, with what is not UTF-8 replaced.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.header(name).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    pub(crate) fn keeps_alive(&self) -> bool {
        let connection = self.text("connection").unwrap_or_default().to_ascii_lowercase();
        if self.version == "HTTP/1.0" { has_word(&connection, "keep-alive") } else { !has_word(&connection, "close") }
    }

    /// Whether it is a WebSocket handshake, by what the real one looks at.
    pub(crate) fn wants_socket(&self) -> bool {
        let connection = self.text("connection").unwrap_or_default().to_ascii_lowercase();
        self.method == "GET"
            && connection.split(',').any(|token| token.trim() == "upgrade")
            && self.text("upgrade").is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
    }

    fn is_chunked(&self) -> bool {
        self.text("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"))
    }

    /// Leading digits count; `abc`, `-1` and no header at all are no body.
    fn content_length(&self) -> usize {
        let value = self.header("content-length").unwrap_or_default();
        usize::try_from(super::path::leading_number(&value)).unwrap_or(0)
    }
}

/// Whether the word stands in the text with no letter, digit or underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word)
        .any(|(at, _)| !joins(text[..at].chars().next_back()) && !joins(text[at + word.len()..].chars().next()))
}

/// How many bytes a whole chunked body takes, for a catcher that understands them.
fn chunked_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line_end = at + bytes.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
        let line = std::str::from_utf8(&bytes[at..line_end]).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        at = line_end + 2;
        if size == 0 {
            let end = bytes.get(at..)?;
            let trailers =
                if end.starts_with(b"\r\n") { 2 } else { end.windows(4).position(|w| w == b"\r\n\r\n")? + 4 };
            return Some(at + trailers);
        }
        at += size + 2;
    }
}

/// Why reading a head stopped.
enum Stop {
    Starved,
    Wrong,
}

/// A request's target, and what a route is chosen by.
struct Target {
    written: Vec<u8>,
    path: Vec<u8>,
    query: Option<Vec<u8>>,
}

/// Goes through a head byte by byte, so that a wrong byte is seen before the line is complete, as thin sees it.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn head(&mut self) -> Result<Request, Stop> {
        let method =
            self.while_(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"$_.-".contains(&byte))?;
        if method.is_empty() || method.len() > METHOD {
            return Err(Stop::Wrong);
        }
        self.expect(b" ")?;
        let Target { written, path, query } = self.target()?;
        self.expect(b" HTTP/")?;
        let major = self.while_(|byte| byte.is_ascii_digit())?;
        self.expect(b".")?;
        let minor = self.while_(|byte| byte.is_ascii_digit())?;
        if major.is_empty() || minor.is_empty() {
            return Err(Stop::Wrong);
        }
        self.expect(b"\r\n")?;
        let mut lines = Vec::new();
        while self.peek()? != b'\r' {
            lines.push(self.line()?);
        }
        self.expect(b"\r\n")?;
        let version = format!("HTTP/{}.{}", String::from_utf8_lossy(&major), String::from_utf8_lossy(&minor));
        let method = String::from_utf8_lossy(&method).into_owned();
        Ok(Request { method, target: written, path, query, version, lines, body: Vec::new(), last_line_wins: true })
    }

    fn target(&mut self) -> Result<Target, Stop> {
        let start = self.at;
        let path = match self.peek()? {
            b'*' => {
                self.at += 1;
                b"*".to_vec()
            }
            b'/' => self.uri_part(|byte| byte != b'?')?,
            b'h' | b'H' => {
                let scheme = self.while_(|byte| byte.is_ascii_alphabetic())?;
                if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
                    return Err(Stop::Wrong);
                }
                self.expect(b"://")?;
                self.while_(|byte| !b"/ ?#\r\n".contains(&byte))?;
                if self.peek()? != b'/' {
                    return Err(Stop::Wrong); // a bare host has no path, and thin wants one
                }
                self.uri_part(|byte| byte != b'?')?
            }
            _ => return Err(Stop::Wrong),
        };
        let mut query = None;
        if self.peek()? == b'?' {
            self.at += 1;
            query = Some(self.uri_part(|_| true)?);
        }
        if self.peek()? == b'#' {
            self.at += 1;
            self.uri_part(|_| true)?;
        }
        if path.len() > PATH || query.as_ref().is_some_and(|query| query.len() > QUERY) {
            return Err(Stop::Wrong);
        }
        Ok(Target { written: self.bytes[start..self.at].to_vec(), path, query })
    }

    /// Bytes that may stand in a URI, up to a space, a `#` or what the caller wants. Half an escape is wrong.
    fn uri_part(&mut self, wanted: impl Fn(u8) -> bool) -> Result<Vec<u8>, Stop> {
        let start = self.at;
        loop {
            let byte = self.peek()?;
            if byte == b' ' || byte == b'#' || !wanted(byte) {
                return Ok(self.bytes[start..self.at].to_vec());
            }
            if byte.is_ascii_control() {
                return Err(Stop::Wrong);
            }
            self.at += 1;
            if byte == b'%' {
                for _ in 0..2 {
                    if !self.peek()?.is_ascii_hexdigit() {
                        return Err(Stop::Wrong);
                    }
                    self.at += 1;
                }
            }
        }
    }

    /// One header line. Folded lines, a space before the colon and a lone CR are wrong; a lone LF in a value is not.
    fn line(&mut self) -> Result<Vec<u8>, Stop> {
        let start = self.at;
        let token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        let name = self.while_(token)?;
        if name.is_empty() || name.len() > NAME {
            return Err(Stop::Wrong);
        }
        self.expect(b":")?;
        let value = self.while_(|byte| byte != b'\r')?;
        let line = self.bytes[start..self.at].to_vec();
        self.expect(b"\r\n")?;
        if value.len() > VALUE { Err(Stop::Wrong) } else { Ok(line) }
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::Starved)
    }

    fn expect(&mut self, text: &[u8]) -> Result<(), Stop> {
        for wanted in text {
            if self.peek()? != *wanted {
                return Err(Stop::Wrong);
            }
            self.at += 1;
        }
        Ok(())
    }

    fn while_(&mut self, wanted: impl Fn(u8) -> bool) -> Result<Vec<u8>, Stop> {
        let start = self.at;
        while wanted(self.peek()?) {
            self.at += 1;
        }
        Ok(self.bytes[start..self.at].to_vec())
    }
}
