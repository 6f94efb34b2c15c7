//! Who may come without credentials: whoever is in one of the networks that the configuration names, and only where it
//! is certain that the address is that client's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderMap;
use http::header::HeaderName;
use ipnet::IpNet;

use super::identity::Identity;
use crate::client_addr::{self, Client, Peer};
use crate::config::model::TrustedProxies;

/// Names of fields that proxies add, but for `X-Forwarded-…`: the standard's, nginx's, and those of content networks and
/// load balancers.
const A_PROXYS: [&[u8]; 10] = [
    b"forwarded",
    b"via",
    b"x-forwarded",
    b"x-real-ip",
    b"x-client-ip",
    b"x-cluster-client-ip",
    b"x-original-forwarded-for",
    b"cf-connecting-ip",
    b"true-client-ip",
    b"fastly-client-ip",
];

/// Whether it is something that proxies add. From a peer that is not trusted it means a proxy that nobody listed, and
/// then the peer's address is not the client's: everybody who can reach that proxy would be let in. An underscore or a
/// dot is taken for a dash, as many programs take it.
pub(crate) fn is_a_proxys(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    // All of them begin so, and nearly nothing else does.
    if !matches!(name.first(), Some(b'x' | b'f' | b'v' | b'c' | b't')) {
        return false;
    }
    let begins_with = |claim: &[u8]| {
        let same = |(a, b): (&u8, &u8)| a == b || (*b == b'-' && matches!(a, b'_' | b'.'));
        name.len() >= claim.len() && name.iter().zip(claim).all(same)
    };
    begins_with(b"x-forwarded-") || A_PROXYS.iter().any(|claim| claim.len() == name.len() && begins_with(claim))
}

/// The networks that are let in, and the addresses in them that are nobody's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anonymous {
    nets: Vec<IpNet>,
    /// A container engine with masquerading makes everybody outside look like the gateway of the container's network.
    gateways: Vec<IpAddr>,
}

impl Anonymous {
    /// Those in `nets`, but for the addresses of our own `gateways`. Without networks, nobody.
    #[must_use]
    pub fn new(nets: &[IpNet], gateways: Vec<IpAddr>) -> Option<Self> {
        (!nets.is_empty()).then(|| Self { nets: nets.to_vec(), gateways })
    }

    /// Who sent a request with these fields and without credentials, if he may come so.
    #[must_use]
    pub fn identity(&self, client: Client, fields: &HeaderMap, trusted: &TrustedProxies) -> Option<Identity> {
        let Peer::Tcp(addr) = client.addr else { return None };
        if client.peer_is_trusted {
            // The search for the client ended at a proxy: it did not say whom it speaks for.
            if client_addr::trusts(trusted, client.addr) {
                return None;
            }
        } else if fields.keys().any(is_a_proxys) {
            return None;
        }
        self.contains(addr).then(|| Identity::anonymous(addr))
    }

    /// Whether the address is one from which people come without credentials.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        self.nets.iter().any(|net| net.contains(&addr)) && !self.gateways.contains(&addr)
    }
}

/// The gateways of this machine or container, by the kernel's tables of routes. It is looked at when the configuration
/// is read: a container's networks are those that it was started with.
///
/// # Errors
/// When there are no such tables: then nobody can say whose address one is.
pub fn gateways() -> std::io::Result<Vec<IpAddr>> {
    let v4 = std::fs::read_to_string("/proc/net/route")?;
    // Not there where IPv6 is off.
    let v6 = std::fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    Ok(ipv4_gateways(&v4).map(IpAddr::V4).chain(ipv6_gateways(&v6).map(IpAddr::V6)).collect())
}

/// The third column of each line but the first, in hexadecimal as this machine stores it; none is 0 (proc_net(5)).
fn ipv4_gateways(table: &str) -> impl Iterator<Item = Ipv4Addr> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| u32::from_str_radix(line.split_ascii_whitespace().nth(2)?, 16).ok())
        .map(|gateway| Ipv4Addr::from(gateway.to_ne_bytes()))
        .filter(|gateway| !gateway.is_unspecified())
}

/// The fifth column, 32 digits.
fn ipv6_gateways(table: &str) -> impl Iterator<Item = Ipv6Addr> {
    table
        .lines()
        .filter_map(|line| u128::from_str_radix(line.split_ascii_whitespace().nth(4)?, 16).ok())
        .map(Ipv6Addr::from)
        .filter(|gateway| !gateway.is_unspecified())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn anonymous() -> Anonymous {
        let nets = ["172.17.0.0/16", "fd00::/8"].map(|net| net.parse().unwrap());
        Anonymous::new(&nets, vec![ip("172.17.0.1"), ip("fd00::1")]).unwrap()
    }

    fn trusted() -> TrustedProxies {
        TrustedProxies { nets: vec!["172.17.0.9/32".parse().unwrap()], unix: true }
    }

    /// Whether a peer is let in with these fields, the client being found as for every request.
    fn is_let_in(peer: Peer, fields: &[(&'static str, &str)]) -> bool {
        let fields = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let fields: HeaderMap<HeaderValue> = fields.collect();
        let client = client_addr::client(peer, &fields, &trusted());
        anonymous().identity(client, &fields, &trusted()).is_some()
    }

    #[test]
    fn who_is_in_a_network_is_let_in_and_nobody_else() {
        for (addr, expected) in [
            ("172.17.0.2", true),
            ("172.18.0.2", false),
            ("172.17.0.1", false),
            ("fd00::2", true),
            ("fd00::1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_let_in(Peer::Tcp(ip(addr)), &[]), expected, "{addr}");
        }
        assert!(!is_let_in(Peer::Unix, &[]));
        assert_eq!(Anonymous::new(&[], Vec::new()), None);
    }

    #[test]
    fn what_looks_like_a_proxy_that_nobody_listed_is_nobody() {
        let peer = Peer::Tcp(ip("172.17.0.2"));
        for name in [
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-user",
            "x_forwarded_for",
            "x.forwarded.for",
            "x-forwarded",
            "forwarded",
            "via",
            "x-real-ip",
            "x_real_ip",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-original-forwarded-for",
            "cf-connecting-ip",
            "true-client-ip",
            "fastly-client-ip",
        ] {
            assert!(!is_let_in(peer, &[(name, "172.17.0.3")]), "{name}");
            assert!(is_let_in(Peer::Unix, &[("x-forwarded-for", "172.17.0.3"), (name, "172.17.0.3")]), "{name}");
        }
        for name in ["x-forwarder", "x-requested-with", "forwarded-by", "viaduct", "cookie", "te", "x-client"] {
            assert!(is_let_in(peer, &[(name, "172.17.0.3")]), "{name}");
        }
    }

    #[test]
    fn a_trusted_proxy_speaks_for_others_and_never_for_itself() {
        let proxy = Peer::Tcp(ip("172.17.0.9"));
        assert!(is_let_in(proxy, &[("x-forwarded-for", "172.17.0.3")]));
        assert!(is_let_in(Peer::Unix, &[("x-forwarded-for", "172.17.0.3")]));
        for fields in [
            &[][..],
            &[("x-forwarded-for", "172.17.0.9")],
            &[("x-forwarded-for", "8.8.8.8")],
            &[("x-forwarded-for", "172.17.0.3, 8.8.8.8")],
            &[("x-forwarded-for", "172.17.0.1")],
            &[("x-forwarded-for", "unknown")],
        ] {
            assert!(!is_let_in(proxy, fields), "{fields:?}");
        }
        assert!(!is_let_in(Peer::Unix, &[]));
    }

    #[test]
    fn gateways_are_read_from_the_kernels_tables() {
        let gateway = u32::from_ne_bytes([172, 17, 0, 1]);
        let v4 = format!(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             eth0\t00000000\t{gateway:08X}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\nbroken\n"
        );
        assert_eq!(ipv4_gateways(&v4).collect::<Vec<_>>(), [Ipv4Addr::new(172, 17, 0, 1)]);
        let zero = "0".repeat(32);
        let v6 = format!(
            "{zero} 00 {zero} 00 fd000000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n\
             fd000000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001 eth0\n"
        );
        assert_eq!(ipv6_gateways(&v6).collect::<Vec<_>>(), ["fd00::1".parse::<Ipv6Addr>().unwrap()]);
        gateways().unwrap();
    }
}
