//! Version 2, in binary: a signature, what it is about, a length, addresses, and more in fields with a type and a length
//! (section 2.2 of the specification).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Fault, Header, checksum};
use crate::client_addr::Peer;

/// What each begins with: no request of any protocol does.
pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The length of what stands before the addresses.
const FIXED: usize = 16;

/// The version, in the upper half of its byte.
const VERSION: u8 = 0x2;

/// The commands, in the lower half.
const LOCAL: u8 = 0x0;
const PROXY: u8 = 0x1;

/// Types of fields: the checksum of the whole header, and what there is to say of TLS.
const CRC32C: u8 = 0x03;
const SSL: u8 = 0x20;

/// The bit of [`SSL`]'s first byte for a client who came by TLS.
const CLIENT_SSL: u8 = 0x01;

/// Reads a header that agrees with [`SIGNATURE`]. Its own length, of 16 bits, is its bound.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let Some(&about) = bytes.get(SIGNATURE.len()) else { return Ok(None) };
    if about >> 4 != VERSION {
        return Err(Fault::Broken("its version is neither 1 nor 2"));
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else { return Ok(None) };
    let [.., family, high, low] = *fixed;
    let announced = usize::from(u16::from_be_bytes([high, low]));
    let Some(block) = rest.get(..announced) else { return Ok(None) };
    let length = FIXED + announced;
    let header = |client, by_tls| Ok(Some(Header { length, client, by_tls }));
    match about & 0xf {
        // The proxy's own connection: everything else in it, the family included, is to be ignored.
        LOCAL => return header(None, false),
        PROXY => {}
        _ => return Err(Fault::Broken("its command is neither LOCAL nor PROXY")),
    }
    let Some((client, fields)) = client(family, block)? else { return header(None, false) };
    let whole = bytes.get(..length).unwrap_or(bytes);
    header(Some(client), by_tls(whole, fields)?)
}

/// Whom the addresses name, and what follows them; none where the proxy does not know.
fn client(family: u8, block: &[u8]) -> Result<Option<(Peer, &[u8])>, Fault> {
    // Source, destination, and but for Unix sockets two ports.
    let (client, addresses) = match family {
        0x00 => return Ok(None),
        0x11 | 0x12 => (block.first_chunk::<4>().map(|ip| tcp(Ipv4Addr::from(*ip))), 12),
        0x21 | 0x22 => (block.first_chunk::<16>().map(|ip| tcp(Ipv6Addr::from(*ip))), 36),
        0x31 | 0x32 => (Some(Peer::Unix), 216),
        _ => return Err(Fault::Broken("its family of addresses is not known")),
    };
    match (client, block.get(addresses..)) {
        (Some(client), Some(fields)) => Ok(Some((client, fields))),
        _ => Err(Fault::Broken("it is too short for its addresses")),
    }
}

fn tcp(ip: impl Into<IpAddr>) -> Peer {
    Peer::Tcp(ip.into().to_canonical())
}

/// Whether the fields say that the client came by TLS. Those of other types are passed over; a checksum has to be right.
fn by_tls(whole: &[u8], mut fields: &[u8]) -> Result<bool, Fault> {
    let mut by_tls = false;
    while let Some((&[kind, high, low], rest)) = fields.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some((value, rest)) = rest.split_at_checked(length) else {
            return Err(Fault::Broken("a field is longer than it"));
        };
        match kind {
            CRC32C => {
                let at = whole.len() - rest.len() - value.len();
                if checksum::of_header(whole, at) != value {
                    return Err(Fault::Broken("its checksum is wrong"));
                }
            }
            SSL => by_tls |= value.first().is_some_and(|flags| flags & CLIENT_SSL != 0),
            _ => {}
        }
        fields = rest;
    }
    if fields.is_empty() { Ok(by_tls) } else { Err(Fault::Broken("a field is cut short")) }
}
