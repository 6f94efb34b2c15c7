//! What stands in a `Host`: a name or an address, and perhaps a port (RFC 9110 section 7.2).

use std::net::IpAddr;

/// A host and its port, as they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The host.
    pub name: Name<'a>,
    /// The port; none when there is none, or an empty one.
    pub port: Option<u16>,
}

/// A host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// An address; an IPv6 one stood in brackets.
    Ip(IpAddr),
    /// A name, without the dot that may end it.
    Dns(&'a str),
}

impl<'a> Authority<'a> {
    /// Reads one. None if it is none: then it is nobody's name.
    #[must_use]
    pub fn parse(host: &'a [u8]) -> Option<Self> {
        let host = std::str::from_utf8(host).ok()?;
        if let Some(rest) = host.strip_prefix('[') {
            let (ip, rest) = rest.split_once(']')?;
            let ip: IpAddr = ip.parse().ok().filter(IpAddr::is_ipv6)?;
            let port = if rest.is_empty() { None } else { port(rest.strip_prefix(':')?)? };
            return Some(Self { name: Name::Ip(ip), port });
        }
        let (name, port) = match host.split_once(':') {
            Some((name, digits)) => (name, port(digits)?),
            None => (host, None),
        };
        let name = match name.parse::<IpAddr>() {
            Ok(ip) => Name::Ip(ip),
            Err(_) => Name::Dns(name.strip_suffix('.').unwrap_or(name)),
        };
        Some(Self { name, port })
    }

    /// Whether it is an address or `localhost`: a page of another site cannot be at either, whatever its name resolves
    /// to.
    #[must_use]
    pub fn is_literal_or_localhost(&self) -> bool {
        match self.name {
            Name::Ip(_) => true,
            Name::Dns(name) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

/// A port's digits. The outer none: they are no port.
fn port(digits: &str) -> Option<Option<u16>> {
    match digits {
        "" => Some(None),
        _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_addresses_and_ports_are_told_apart() {
        let name = |name, port| Some(Authority { name: Name::Dns(name), port });
        let ip = |ip: &str, port| Some(Authority { name: Name::Ip(ip.parse().unwrap()), port });
        for (host, want) in [
            ("dev", name("dev", None)),
            ("Dev.test.:8080", name("Dev.test", Some(8080))),
            ("dev:", name("dev", None)),
            ("", name("", None)),
            ("127.0.0.1:80", ip("127.0.0.1", Some(80))),
            ("[::1]", ip("::1", None)),
            ("[::1]:81", ip("::1", Some(81))),
            ("::1", None),
            ("[127.0.0.1]", None),
            ("[::1]x", None),
            ("[::1", None),
            ("dev:80:80", None),
            ("dev:99999", None),
            ("dev:+80", None),
        ] {
            assert_eq!(Authority::parse(host.as_bytes()), want, "{host}");
        }
    }

    #[test]
    fn only_addresses_and_localhost_are_nobody_elses() {
        let is = |host: &str| Authority::parse(host.as_bytes()).is_some_and(|host| host.is_literal_or_localhost());
        for host in ["localhost", "LocalHost:9080", "127.0.0.1", "[::1]:9080", "10.0.0.1:1"] {
            assert!(is(host), "{host}");
        }
        for host in ["localhost.evil", "127.0.0.1.evil", "evil", "", "[::1].evil", "0x7f.1", "1"] {
            assert!(!is(host), "{host}");
        }
    }
}
