//! What an authority may sign for: its name constraints (RFC 5280, 4.2.1.10).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use rcgen::{CidrSubnet, GeneralSubtree};

use super::name::{BadName, Name, check_domain};

/// A part of what an authority may sign for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A domain and all below it.
    Domain(String),
    /// The addresses of a network.
    Network(IpNet),
}

impl Scope {
    /// What an authority may sign for that is made for `name`: the name, and what is below it.
    #[must_use]
    pub fn of(name: &Name) -> Self {
        match name {
            Name::Dns(name) => Self::Domain(name.strip_prefix("*.").unwrap_or(name).to_owned()),
            Name::Ip(address) => Self::Network(IpNet::from(*address)),
        }
    }

    /// The machine itself. Every authority may sign for that: a list that names no domain, or no address, would permit
    /// all domains, or all addresses.
    #[must_use]
    pub fn own_machine() -> [Self; 3] {
        let network = |address: IpAddr, length| IpNet::new_assert(address, length);
        [
            Self::Domain("localhost".to_owned()),
            Self::Network(network(Ipv4Addr::new(127, 0, 0, 0).into(), 8)),
            Self::Network(network(Ipv6Addr::LOCALHOST.into(), 128)),
        ]
    }

    /// Whether that is in it.
    #[must_use]
    pub fn covers(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Domain(domain), Name::Dns(name)) => {
                let name = name.strip_prefix("*.").unwrap_or(name);
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Self::Network(network), Name::Ip(address)) => network.contains(address),
            _ => false,
        }
    }

    pub(super) fn subtree(&self) -> GeneralSubtree {
        match self {
            Self::Domain(domain) => GeneralSubtree::DnsName(domain.clone()),
            Self::Network(network) => {
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(network.network(), network.prefix_len()))
            }
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => network.addr().fmt(f),
            Self::Network(network) => network.fmt(f),
        }
    }
}

impl FromStr for Scope {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network.trunc()));
        }
        match text.parse::<Name>() {
            Ok(name) => Ok(Self::of(&name)),
            // A whole top-level domain is no name for a server, and may be meant here: `test`.
            Err(BadName::Wildcard) => {
                let domain = text.strip_prefix("*.").ok_or(BadName::Wildcard)?.to_ascii_lowercase();
                check_domain(&domain).map(|()| Self::Domain(domain))
            }
            // 0.0.0.0 without a length would be one address that nobody has.
            Err(why) => Err(why),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_is_in_it_and_nothing_beside_it() {
        for (scope, inside, outside) in [
            (
                "dev.example",
                &["dev.example", "a.dev.example", "a.b.dev.example", "*.dev.example"][..],
                &["example.org", "xdev.example", "*.example.org", "127.0.0.1"][..],
            ),
            ("*.test", &["a.test", "*.a.test"], &["test2.example"]),
            ("192.0.2.0/24", &["192.0.2.7"], &["192.0.3.7", "a.example"]),
            ("192.0.2.7", &["192.0.2.7"], &["192.0.2.8", "::ffff:192.0.2.7"]),
            ("2001:db8::/32", &["2001:db8::1"], &["2001:db9::1", "10.0.0.1"]),
        ] {
            let scope: Scope = scope.parse().unwrap();
            assert!(inside.iter().all(|name| scope.covers(&name.parse().unwrap())), "{scope}");
            assert!(!outside.iter().any(|name| scope.covers(&name.parse().unwrap())), "{scope}");
        }
    }

    #[test]
    fn what_is_no_domain_and_no_network_is_refused() {
        for text in ["", "*", "*.", "a.*", "https://a.example", "10.0.0.0/33", "bücher.example"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
