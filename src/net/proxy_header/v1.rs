//! Version 1, a line of text: `PROXY TCP4 192.0.2.7 10.0.0.5 50000 8080` and CRLF (section 2.1 of the specification).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Fault, Header};
use crate::client_addr::Peer;

/// What each begins with.
pub(super) const BEGINNING: &[u8] = b"PROXY ";

/// The longest line, its CRLF included.
pub(super) const LONGEST: usize = 107;

/// Reads a line that agrees with [`BEGINNING`].
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let within = bytes.get(..LONGEST).unwrap_or(bytes);
    let Some(end) = within.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if within.len() < LONGEST { Ok(None) } else { Err(Fault::Broken("its line does not end")) };
    };
    match within.get(end..) {
        Some([b'\r', b'\n', ..]) => {}
        // The other half may be on its way.
        Some([b'\r']) if within.len() < LONGEST => return Ok(None),
        _ => return Err(Fault::Broken("its line does not end with CRLF")),
    }
    let line = within.get(..end).and_then(|line| std::str::from_utf8(line).ok());
    let client = line.and_then(client).ok_or(Fault::Broken("its line is not as version 1 has it"))?;
    Ok(Some(Header { length: end + 2, client, by_tls: false }))
}

/// Whom a line names, if it is one; nobody, if the proxy does not know.
fn client(line: &str) -> Option<Option<Peer>> {
    let mut words = line.split(' ');
    let (_proxy, family) = (words.next()?, words.next()?);
    if family == "UNKNOWN" {
        // What follows is to be ignored.
        return Some(None);
    }
    let (source, destination) = (words.next()?, words.next()?);
    let (from, to) = (words.next()?, words.next()?);
    let ip = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let source = ip(source)?;
    ip(destination)?;
    let whole = is_port(from) && is_port(to) && words.next().is_none();
    whole.then_some(Some(Peer::Tcp(source.to_canonical())))
}

/// Digits without a nought in front, up to 65535. Rust's own reading would take a sign.
fn is_port(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain && text.parse::<u16>().is_ok()
}
