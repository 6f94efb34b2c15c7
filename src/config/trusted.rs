//! Whose word is taken for where a request comes from.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Whose forwarding headers are believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedProxies {
    /// Networks of proxies; IPv4 ones are IPv4 here even if written as IPv6.
    pub nets: Vec<IpNet>,
    /// Whether a peer on a Unix socket is one.
    pub unix: bool,
}

impl TrustedProxies {
    /// Whether the peer or forwarded address is a trusted proxy's, an IPv4 address in an IPv6 socket's form included.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.nets.iter().any(|net| net.contains(&ip))
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.nets.is_empty() && !self.unix
    }

    /// Adds one entry of the list: a network, a single address or `unix`.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        if text == "unix" {
            self.unix = true;
            return Ok(());
        }
        self.nets.push(network(text)?);
        Ok(())
    }
}

/// A network, or an address as one.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpAddr>() {
        Ok(ip) => IpNet::from(ip),
        Err(_) => text
            .parse::<IpNet>()
            .map_err(|_| "is not an address (192.0.2.7), a network (10.0.0.0/8) or \"unix\"".to_owned())?,
    };
    Ok(canonical(net.trunc()))
}

/// Peers' addresses are compared in their IPv4 form where they have one, so networks must be in it too.
fn canonical(net: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let IpNet::V6(v6) = net else { return net };
    let v4 = v6
        .network()
        .to_ipv4_mapped()
        .zip(v6.prefix_len().checked_sub(MAPPED_BITS))
        .and_then(|(ip, prefix)| Ipv4Net::new(ip, prefix).ok());
    v4.map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(entries: &[&str]) -> TrustedProxies {
        let mut trusted = TrustedProxies::default();
        for entry in entries {
            trusted.add(entry).unwrap();
        }
        trusted
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_holds_its_addresses_in_both_spellings() {
        let proxies = trusted(&["10.1.2.3/8", "192.0.2.7", "2001:db8::/32"]);
        for inside in ["10.255.0.1", "::ffff:10.0.0.1", "192.0.2.7", "2001:db8::1"] {
            assert!(proxies.contains(ip(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::1"] {
            assert!(!proxies.contains(ip(outside)), "{outside}");
        }
        assert!(!proxies.unix);
    }

    #[test]
    fn a_mapped_network_is_its_ipv4_network() {
        for entry in ["::ffff:10.0.0.0/104", "::ffff:10.1.2.3/104"] {
            assert_eq!(trusted(&[entry]), trusted(&["10.0.0.0/8"]), "{entry}");
        }
        assert_eq!(trusted(&["::ffff:192.0.2.7"]), trusted(&["192.0.2.7/32"]));
        assert_eq!(trusted(&["::ffff:0:0/96"]), trusted(&["0.0.0.0/0"]));
    }

    #[test]
    fn unix_is_no_network() {
        let proxies = trusted(&["unix"]);
        assert!(proxies.unix && proxies.nets.is_empty() && !proxies.is_empty());
        assert!(!proxies.contains(ip("127.0.0.1")));
    }

    #[test]
    fn names_and_broken_networks_are_refused() {
        for entry in ["", "localhost", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.1:80", "Unix"] {
            assert!(TrustedProxies::default().add(entry).is_err(), "{entry}");
        }
    }
}
