//! Who the client is: the peer, or the address that a trusted peer forwarded.
//!
//! The client is the right-most entry of `X-Forwarded-For` that is not itself a trusted proxy: what stands left of it was
//! written by somebody who could write anything.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::HeaderName;

use crate::config::model::TrustedProxies;

/// `X-Forwarded-For`.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a connection to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP peer; an IPv4 address mapped into IPv6 is an IPv4 address here.
    Tcp(IpAddr),
    /// A peer on our Unix socket, which has no address.
    Unix,
}

impl Peer {
    /// The peer behind a socket address.
    #[must_use]
    pub fn tcp(addr: SocketAddr) -> Self {
        Peer::Tcp(addr.ip().to_canonical())
    }

    /// Its address, if it has one.
    #[must_use]
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Peer::Tcp(ip) => Some(ip),
            Peer::Unix => None,
        }
    }

    /// What stands for its host where hosts are counted: its address, or the first one of its /64, since an IPv6 host has
    /// that to itself.
    #[must_use]
    pub fn host(self) -> Option<IpAddr> {
        self.ip().map(|ip| match ip {
            IpAddr::V4(_) => ip,
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Tcp(ip) => ip.fmt(f),
            Peer::Unix => f.write_str("unix"),
        }
    }
}

/// Whether what `peer` says of others is believed.
#[must_use]
pub fn trusts(trust: &TrustedProxies, peer: Peer) -> bool {
    match peer {
        Peer::Tcp(ip) => trust.contains(ip),
        Peer::Unix => trust.unix,
    }
}

/// A request's client, and whether the peer's word was taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Whose request it is: what logs, limits and the catcher are told.
    pub addr: Peer,
    /// Whether the peer is a trusted proxy, so that its `X-Forwarded-*` is kept.
    pub peer_is_trusted: bool,
}

/// Finds the client behind `peer`.
///
/// An entry that is no address ends the search: the client is then the last proxy that could be followed.
#[must_use]
pub fn client(peer: Peer, headers: &HeaderMap, trust: &TrustedProxies) -> Client {
    if !trusts(trust, peer) {
        return Client { addr: peer, peer_is_trusted: false };
    }
    let mut addr = peer;
    'search: for line in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
            let Some(ip) = address(entry) else { break 'search };
            addr = Peer::Tcp(ip);
            if !trusts(trust, addr) {
                break 'search;
            }
        }
    }
    Client { addr, peer_is_trusted: true }
}

/// An entry of `X-Forwarded-For`: an address, in brackets or not, with a port or not.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let ip = text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|addr| addr.ip())).or_else(|| {
        let bare = text.strip_prefix('[')?.strip_suffix(']')?;
        bare.parse().ok()
    })?;
    Some(ip.to_canonical())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn trust() -> TrustedProxies {
        TrustedProxies { nets: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()], unix: true }
    }

    fn found(peer: &str, lines: &[&str]) -> String {
        let peer = if peer == "unix" { Peer::Unix } else { Peer::Tcp(peer.parse().unwrap()) };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        client(peer, &headers, &trust()).addr.to_string()
    }

    #[test]
    fn the_client_is_the_right_most_entry_that_is_no_proxy() {
        for (peer, lines, want) in [
            ("192.0.2.1", &["1.2.3.4"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.9.9.9"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6", "1.2.3.4,10.2.2.2"], "1.2.3.4"),
            ("10.0.0.1", &["10.3.3.3"], "10.3.3.3"),
            ("10.0.0.1", &["1.2.3.4, garbage"], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4, unknown, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", &["1.2.3.4:5678"], "1.2.3.4"),
            ("10.0.0.1", &["[2001:db8::1]:5678"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            ("fd00::1", &["1.2.3.4"], "1.2.3.4"),
            ("unix", &["1.2.3.4"], "1.2.3.4"),
            ("unix", &[], "unix"),
        ] {
            assert_eq!(found(peer, lines), want, "{peer} {lines:?}");
        }
    }

    proptest! {
        #[test]
        fn nobody_untrusted_chooses_his_own_address(line in "[ -~]{0,60}") {
            prop_assert_eq!(found("192.0.2.1", &[&line]), "192.0.2.1");
            let behind = format!("{line}, 203.0.113.9");
            prop_assert_eq!(found("10.0.0.1", &[&behind]), "203.0.113.9");
        }
    }
}
