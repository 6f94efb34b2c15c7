//! Where the catcher is: `upstream.url`, and the credentials of a catcher with a login of its own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use super::secret::Secret;

/// Where the catcher is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Its host; a name is resolved for each new connection.
    pub host: UpstreamHost,
    /// Its port; never 0.
    pub port: u16,
    /// The path under which it lives; the same on both sides of the gate.
    pub prefix: Prefix,
    /// What it is told when it has a login of its own.
    pub credentials: Option<UpstreamCredentials>,
}

/// The URL, as the configuration writes it.
impl fmt::Display for UpstreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.prefix)
    }
}

/// The host of a URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UpstreamHost {
    /// An address.
    Ip(IpAddr),
    /// A name in lower case: letters, digits, `-`, `_` and dots.
    Name(String),
}

/// As in a URL: an IPv6 address stands in brackets.
impl fmt::Display for UpstreamHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpstreamHost::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            UpstreamHost::Ip(ip) => write!(f, "{ip}"),
            UpstreamHost::Name(name) => f.write_str(name),
        }
    }
}

/// The path under which a catcher lives: empty, or `/mail` and the like.
///
/// It has one spelling only (no dot segment, no empty segment, no percent sign, no slash at its end), so that it can
/// be compared with a request's path byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Prefix(String);

impl Prefix {
    /// The text: empty, or with a slash at its beginning and none at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the catcher lives at the root.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the path of a URL. One slash at the end means nothing and goes.
    fn parse(path: &str) -> Result<Self, String> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let Some(inner) = path.strip_prefix('/') else {
            return Ok(Prefix::default());
        };
        for segment in inner.split('/') {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@".contains(&byte);
            match segment {
                "" => return Err("has an empty part in its path (//)".to_owned()),
                "." | ".." => return Err("has a dot segment in its path (. or ..)".to_owned()),
                ".mailwarden" => {
                    return Err("has .mailwarden in its path, which the gate keeps for itself".to_owned());
                }
                _ if !segment.bytes().all(plain) => {
                    return Err(format!(
                        "has {segment:?} in its path; only letters, digits and -_.~!$&'()*+,;=:@ can stand there"
                    ));
                }
                _ => {}
            }
        }
        Ok(Prefix(path.to_owned()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a catcher with a login of its own is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamCredentials {
    /// The user name: not empty, no colon, no control characters.
    pub username: String,
    /// The password from `upstream.password_file`.
    pub password: Secret,
}

/// What `upstream.url` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UpstreamUrl {
    pub(super) host: UpstreamHost,
    pub(super) port: u16,
    pub(super) prefix: Prefix,
}

impl UpstreamUrl {
    /// Reads `http://HOST[:PORT][/PATH]`; the port is 80 if not given, as in every URL.
    ///
    /// # Errors
    /// Why the text is not that, and what to write.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("is not a URL; write it as \"http://127.0.0.1:1080\"")?;
        if scheme.eq_ignore_ascii_case("https") {
            return Err(
                "is https, which is not spoken to the catcher; write http:// and keep the way to it private".to_owned()
            );
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err("is not an http:// URL; write it as \"http://127.0.0.1:1080\"".to_owned());
        }
        if rest.contains('?') || rest.contains('#') {
            return Err("has a query or a fragment; write only host, port and path".to_owned());
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(
                "holds a user name or password; give them as upstream.username and upstream.password_file".to_owned()
            );
        }
        let (host, port) = split_port(authority)?;
        Ok(UpstreamUrl { host: parse_host(host)?, port: parse_port(port)?, prefix: Prefix::parse(path)? })
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), String> {
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None if authority.starts_with('[') => {
            return Err("has a bracket that is not closed".to_owned());
        }
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    match rest.strip_prefix(':') {
        // More colons: an IPv6 address without its brackets.
        Some(port) if port.contains(':') => match authority.parse::<Ipv6Addr>() {
            Ok(ip) => Err(format!("has an IPv6 address without brackets; write http://[{ip}]:1080")),
            Err(_) => Err("has more than one port".to_owned()),
        },
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err("has something after the bracket that is not a port".to_owned()),
    }
}

fn parse_port(port: Option<&str>) -> Result<u16, String> {
    match port {
        None | Some("") => Ok(80),
        Some(digits) => digits
            .parse::<NonZeroU16>()
            .ok()
            .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .map(NonZeroU16::get)
            .ok_or_else(|| format!("has {digits:?} for a port; it must be a number from 1 to 65535")),
    }
}

fn parse_host(host: &str) -> Result<UpstreamHost, String> {
    if let Some(inner) = host.strip_prefix('[') {
        return inner
            .strip_suffix(']')
            .and_then(|ip| ip.parse::<Ipv6Addr>().ok())
            .map(|ip| UpstreamHost::Ip(IpAddr::V6(ip)))
            .ok_or_else(|| format!("has {host} for a host, which is no IPv6 address"));
    }
    if host == "unix" {
        // nginx's way to write a socket's path.
        return Err("is a Unix socket's, and the catcher is reached by TCP only; write http://HOST:PORT".to_owned());
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(UpstreamHost::Ip(IpAddr::V4(ip)));
    }
    let name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let last_label = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    if host.is_empty() {
        return Err("has no host; write it as \"http://127.0.0.1:1080\"".to_owned());
    }
    // What ends in a number is meant as an address, and resolvers read such ones (127.1) each in its own way.
    if last_label.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("has {host:?} for a host, which is no IPv4 address and no name"));
    }
    if host.len() > 253 || !host.bytes().all(name_byte) || host.starts_with('.') || host.contains("..") {
        return Err(format!("has {host:?} for a host, which is no name"));
    }
    Ok(UpstreamHost::Name(host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_into_their_parts() {
        let table = [
            ("http://127.0.0.1:1080", "127.0.0.1", 1080, ""),
            ("http://127.0.0.1:1080/", "127.0.0.1", 1080, ""),
            ("HTTP://Mail.Test:1080/mail", "mail.test", 1080, "/mail"),
            ("http://mailcatcher", "mailcatcher", 80, ""),
            ("http://mail_catcher_1:/a/b-c/", "mail_catcher_1", 80, "/a/b-c"),
            ("http://[::1]:1080/mail", "[::1]", 1080, "/mail"),
            ("http://[::1]", "[::1]", 80, ""),
        ];
        for (text, host, port, prefix) in table {
            let url = UpstreamUrl::parse(text).expect(text);
            assert_eq!((url.host.to_string().as_str(), url.port, url.prefix.as_str()), (host, port, prefix), "{text}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_a_reason() {
        let table = [
            ("127.0.0.1:1080", "is not a URL; write it as \"http://127.0.0.1:1080\""),
            ("", "is not a URL; write it as \"http://127.0.0.1:1080\""),
            ("ftp://x", "is not an http:// URL; write it as \"http://127.0.0.1:1080\""),
            (
                "https://mail.test",
                "is https, which is not spoken to the catcher; write http:// and keep the way to it private",
            ),
            (
                "http://me:secret@mail.test",
                "holds a user name or password; give them as upstream.username and upstream.password_file",
            ),
            ("http://mail.test/?a=1", "has a query or a fragment; write only host, port and path"),
            ("http://mail.test#top", "has a query or a fragment; write only host, port and path"),
            ("http://", "has no host; write it as \"http://127.0.0.1:1080\""),
            ("http:///mail", "has no host; write it as \"http://127.0.0.1:1080\""),
            ("http://::1/", "has an IPv6 address without brackets; write http://[::1]:1080"),
            ("http://a:1:2", "has more than one port"),
            ("http://[::1]x", "has something after the bracket that is not a port"),
            ("http://[::1", "has a bracket that is not closed"),
            ("http://[1.2.3.4]", "has [1.2.3.4] for a host, which is no IPv6 address"),
            ("http://a:0", "has \"0\" for a port; it must be a number from 1 to 65535"),
            ("http://a:+80", "has \"+80\" for a port; it must be a number from 1 to 65535"),
            ("http://a:65536", "has \"65536\" for a port; it must be a number from 1 to 65535"),
            (
                "http://unix:/run/mc.sock",
                "is a Unix socket's, and the catcher is reached by TCP only; write http://HOST:PORT",
            ),
            ("http://127.1", "has \"127.1\" for a host, which is no IPv4 address and no name"),
            ("http://a b", "has \"a b\" for a host, which is no name"),
            ("http://a..b", "has \"a..b\" for a host, which is no name"),
            ("http://bücher.test", "has \"bücher.test\" for a host, which is no name"),
            ("http://a/../b", "has a dot segment in its path (. or ..)"),
            ("http://a//b", "has an empty part in its path (//)"),
            ("http://a/b//", "has an empty part in its path (//)"),
            (
                "http://a/m%61il",
                "has \"m%61il\" in its path; only letters, digits and -_.~!$&'()*+,;=:@ can stand there",
            ),
            ("http://a/.mailwarden", "has .mailwarden in its path, which the gate keeps for itself"),
        ];
        for (text, reason) in table {
            let found = UpstreamUrl::parse(text).expect_err(text);
            assert_eq!(found, reason, "{text}");
        }
    }
}
