//! The PROXY protocol: the first bytes of a connection, by which a proxy in front says whose connection it hands on.
//!
//! Both versions as HAProxy defines them (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>, called "the
//! specification" here). Only trusted proxies are asked for one, and from them it is required: where it may be there or not,
//! a client could write it himself (section 2). What is not exactly one ends the connection.

mod checksum;
mod read;
mod v1;
mod v2;

use std::fmt;

use crate::client_addr::Peer;

pub use self::read::{Unread, read};

/// What a whole header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes it is long; what follows is the client's.
    pub length: usize,
    /// Whose connection it is. None: the proxy's own, a health check say, or that of somebody whose address it cannot say.
    pub client: Option<Peer>,
    /// Whether it says that the client came by TLS, which ended at the proxy. Only version 2 can.
    pub by_tls: bool,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They begin like neither version.
    Missing,
    /// They begin like one, and go on as none does.
    Broken(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => f.write_str("there is none"),
            Fault::Broken(what) => f.write_str(what),
        }
    }
}

/// Reads the header that `bytes` begin with; none while more of it has to come, and then all of `bytes` belong to it.
///
/// # Errors
/// When they cannot become one, whatever follows.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    if agrees(bytes, v2::SIGNATURE) {
        v2::parse(bytes)
    } else if agrees(bytes, v1::BEGINNING) {
        v1::parse(bytes)
    } else {
        Err(Fault::Missing)
    }
}

/// Whether `bytes` begin with `beginning`, as far as they go.
fn agrees(bytes: &[u8], beginning: &[u8]) -> bool {
    bytes.iter().zip(beginning).all(|(byte, expected)| byte == expected)
}

#[cfg(test)]
mod tests;
