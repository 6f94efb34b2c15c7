//! Addresses as the configuration writes them: where to listen, and whom to believe.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The longest path that a Unix socket address can hold, in bytes.
const UNIX_PATH_MAX: usize = 107;

/// One place where connections are accepted, and what is spoken there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listen {
    /// Whether by TLS.
    pub scheme: Scheme,
    /// Where.
    pub at: ListenAt,
}

/// What is spoken at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP in clear text.
    Http,
    /// HTTP over TLS.
    Https,
}

/// A place where connections are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAt {
    /// A TCP address. An IPv6 address is IPv6 only.
    Tcp {
        /// The address; port 0 lets the system choose.
        addr: SocketAddr,
        /// Whether to go on without it when the machine has no IPv6: so for the default's `[::]` only.
        optional: bool,
    },
    /// A Unix stream socket at an absolute path.
    Unix(PathBuf),
    /// Sockets that the service manager passes: those of this name (`FileDescriptorName=`), or all.
    Systemd(Option<String>),
}

impl Listen {
    /// Reads `ADDRESS:PORT`, `[IPV6]:PORT`, `unix:/PATH`, `systemd` or `systemd:NAME`, behind `http://`, `https://` or
    /// nothing, which is http.
    ///
    /// # Errors
    /// Why the text is none of them, and what to write.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, place) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(place), _) => (Scheme::Https, place),
            (None, Some(place)) => (Scheme::Http, place),
            (None, None) => (Scheme::Http, text),
        };
        match place.strip_suffix('/') {
            Some(bare) if place != text && !bare.starts_with("unix:") => {
                Err(format!("has a path; write \"{}{bare}\"", scheme.prefix()))
            }
            _ => match ListenAt::parse(place) {
                Ok(at) => Ok(Self { scheme, at }),
                Err(reason) => Err(scheme_hint(text, place, scheme).unwrap_or(reason)),
            },
        }
    }

    /// Whether both are one place. A port that the system chooses is another one for each scheme.
    pub(super) fn is_also(&self, other: &Self) -> bool {
        let chosen = matches!(self.at, ListenAt::Tcp { addr, .. } if addr.port() == 0);
        self.at == other.at && (self.scheme == other.scheme || !chosen)
    }

    /// Whether both cannot be listened on at one time.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (&self.at, &other.at) {
            (ListenAt::Tcp { addr, .. }, ListenAt::Tcp { addr: other, .. }) => {
                let same_ip = addr.ip() == other.ip();
                let one_is_all = addr.ip().is_unspecified() || other.ip().is_unspecified();
                let meet = same_ip || (one_is_all && addr.is_ipv4() == other.is_ipv4());
                addr.port() == other.port() && addr.port() != 0 && meet
            }
            _ => self.at == other.at,
        }
    }

    /// The same place, but not missed where the machine has no IPv6.
    pub(super) fn optional_if_ipv6(self) -> Self {
        match self.at {
            ListenAt::Tcp { addr, .. } => Self { at: ListenAt::Tcp { addr, optional: addr.is_ipv6() }, ..self },
            ListenAt::Unix(_) | ListenAt::Systemd(_) => self,
        }
    }
}

impl Scheme {
    /// What stands before a place; nothing for http, as ever.
    fn prefix(self) -> &'static str {
        match self {
            Scheme::Http => "",
            Scheme::Https => "https://",
        }
    }
}

impl ListenAt {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix_path(path).map(ListenAt::Unix);
        }
        if text == "systemd" {
            return Ok(ListenAt::Systemd(None));
        }
        if let Some(name) = text.strip_prefix("systemd:") {
            return socket_name(name).map(|name| ListenAt::Systemd(Some(name)));
        }
        let addr: SocketAddr = text.parse().map_err(|_| tcp_hint(text))?;
        match addr.ip() {
            IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some() => Err(format!(
                "is an IPv4 address written as IPv6; write \"{}:{}\"",
                addr.ip().to_canonical(),
                addr.port()
            )),
            _ => Ok(ListenAt::Tcp { addr, optional: false }),
        }
    }
}

/// As the configuration writes it.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme.prefix())?;
        match &self.at {
            ListenAt::Tcp { addr, .. } => write!(f, "{addr}"),
            ListenAt::Unix(path) => write!(f, "unix:{}", path.display()),
            ListenAt::Systemd(None) => f.write_str("systemd"),
            ListenAt::Systemd(Some(name)) => write!(f, "systemd:{name}"),
        }
    }
}

fn unix_path(path: &str) -> Result<PathBuf, String> {
    if !path.starts_with('/') {
        return Err("has a path that does not begin with /".to_owned());
    }
    if path.len() > UNIX_PATH_MAX {
        return Err(format!("has a path over {UNIX_PATH_MAX} bytes, which no Unix socket can have"));
    }
    if path.contains('\0') || path.ends_with('/') {
        return Err("is not the path of a file".to_owned());
    }
    Ok(PathBuf::from(path))
}

/// What systemd takes for the name of a socket (sd_listen_fds_with_names(3)).
fn socket_name(name: &str) -> Result<String, String> {
    let fits =
        !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if fits {
        Ok(name.to_owned())
    } else {
        Err("has no name that FileDescriptorName= could give to a socket".to_owned())
    }
}

/// What to write instead where the place is a name, has no port, or something else stands before it.
fn scheme_hint(text: &str, place: &str, scheme: Scheme) -> Option<String> {
    let https = scheme == Scheme::Https;
    if place == text || https && place.contains("://") {
        let (found, _) = place.split_once("://")?;
        return Some(format!("begins with {found}://; write \"https://0.0.0.0:8443\", or an address alone for http"));
    }
    let port = if https { 8443 } else { 8080 };
    if let Ok(ip) = place.parse::<IpAddr>() {
        return Some(format!("has no port; write \"{}{}\"", scheme.prefix(), SocketAddr::new(ip, port)));
    }
    let (name, digits) = place.rsplit_once(':')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        && name.bytes().any(|byte| byte.is_ascii_alphabetic());
    let port = digits.parse::<u16>().ok().filter(|_| is_name && name != "unix" && name != "systemd")?;
    let prefix = scheme.prefix();
    let host = if name == "localhost" { "127.0.0.1" } else { "0.0.0.0" };
    Some(format!("has a name for an address, which is not looked up here; write \"{prefix}{host}:{port}\""))
}

/// What to write instead, guessed from the usual short forms of other programs.
fn tcp_hint(text: &str) -> String {
    const FORM: &str =
        "an address with its port: \"0.0.0.0:8080\", \"[::]:8080\" or \"unix:/run/mailwarden/http.sock\"";
    let port = |text: &str| text.parse::<u16>().is_ok();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return format!("has no port; write \"{}\"", SocketAddr::new(ip, 8080));
    }
    match text.rsplit_once(':') {
        None if port(text) => format!(
            "has no address; write \"0.0.0.0:{text}\" for all of IPv4, \"127.0.0.1:{text}\" for this machine only"
        ),
        Some(("" | "*", digits)) if port(digits) => {
            format!("has no address; write \"0.0.0.0:{digits}\" for all of IPv4, \"[::]:{digits}\" for all of IPv6")
        }
        Some(("localhost", digits)) if port(digits) => {
            format!(
                "has a name for an address, which is not looked up here; write \"127.0.0.1:{digits}\" or \"[::1]:{digits}\""
            )
        }
        _ => format!("is not {FORM}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_takes_addresses_unix_paths_and_the_service_managers_sockets() {
        let addresses = ["0.0.0.0:8080", "127.0.0.1:0", "[::]:8080", "[::1]:65535"];
        for text in addresses.into_iter().chain(["unix:/run/mailwarden/http.sock", "systemd", "systemd:web"]) {
            let parsed = |text: &str| Listen::parse(text).map(|listen| (listen.scheme, listen.to_string()));
            assert_eq!(parsed(text), Ok((Scheme::Http, text.to_owned())));
            assert_eq!(parsed(&format!("http://{text}")), Ok((Scheme::Http, text.to_owned())));
            let https = format!("https://{text}");
            assert_eq!(parsed(&https), Ok((Scheme::Https, https)));
        }
    }

    #[test]
    fn listen_says_what_to_write_instead() {
        let long = format!("unix:/{}", "x".repeat(UNIX_PATH_MAX));
        let table = [
            (
                "8080",
                "has no address; write \"0.0.0.0:8080\" for all of IPv4, \"127.0.0.1:8080\" for this machine only",
            ),
            (":8080", "has no address; write \"0.0.0.0:8080\" for all of IPv4, \"[::]:8080\" for all of IPv6"),
            ("*:80", "has no address; write \"0.0.0.0:80\" for all of IPv4, \"[::]:80\" for all of IPv6"),
            (
                "localhost:8080",
                "has a name for an address, which is not looked up here; write \"127.0.0.1:8080\" or \"[::1]:8080\"",
            ),
            ("127.0.0.1", "has no port; write \"127.0.0.1:8080\""),
            ("::1", "has no port; write \"[::1]:8080\""),
            ("[::ffff:192.0.2.1]:80", "is an IPv4 address written as IPv6; write \"192.0.2.1:80\""),
            ("systemd:", "has no name that FileDescriptorName= could give to a socket"),
            ("systemd:a:b", "has no name that FileDescriptorName= could give to a socket"),
            ("unix:http.sock", "has a path that does not begin with /"),
            ("unix:@mailwarden", "has a path that does not begin with /"),
            ("unix:/run/", "is not the path of a file"),
            ("https://unix:/run/", "is not the path of a file"),
            ("https://0.0.0.0:8443/", "has a path; write \"https://0.0.0.0:8443\""),
            ("https://0.0.0.0", "has no port; write \"https://0.0.0.0:8443\""),
            ("http://::1", "has no port; write \"[::1]:8080\""),
            (
                "https://mail.dev:8443",
                "has a name for an address, which is not looked up here; write \"https://0.0.0.0:8443\"",
            ),
            (
                "htps://0.0.0.0:8443",
                "begins with htps://; write \"https://0.0.0.0:8443\", or an address alone for http",
            ),
            (&long, "has a path over 107 bytes, which no Unix socket can have"),
        ];
        for (text, reason) in table {
            assert_eq!(Listen::parse(text), Err(reason.to_owned()), "{text}");
        }
        for text in ["", "x", "99999", "1.2.3.4:99999", "[::1]", "https:127.0.0.1:80", "a:b:c"] {
            let reason = Listen::parse(text).expect_err(text);
            assert!(reason.starts_with("is not an address with its port"), "{text}: {reason}");
        }
    }

    #[test]
    fn what_cannot_be_listened_on_at_one_time_is_known() {
        let overlap = |one: &str, other: &str| {
            let (one, other) = (Listen::parse(one).unwrap(), Listen::parse(other).unwrap());
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
            one.overlaps(&other)
        };
        for (one, other) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("unix:/a", "unix:/a"),
            ("systemd:a", "systemd:a"),
            ("https://0.0.0.0:1", "127.0.0.1:1"),
            ("https://unix:/a", "unix:/a"),
        ] {
            assert!(overlap(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("127.0.0.1:1", "127.0.0.1:2"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("127.0.0.1:1", "127.0.0.2:1"),
            ("0.0.0.0:1", "[::1]:1"),
            ("unix:/a", "unix:/b"),
            ("systemd:a", "systemd:b"),
        ] {
            assert!(!overlap(one, other), "{one} {other}");
        }
    }

    #[test]
    fn only_an_ipv6_address_can_be_missed() {
        let optional = |text: &str| Listen::parse(text).map(Listen::optional_if_ipv6);
        assert!(matches!(optional("[::]:8080"), Ok(Listen { at: ListenAt::Tcp { optional: true, .. }, .. })));
        assert!(matches!(optional("0.0.0.0:8080"), Ok(Listen { at: ListenAt::Tcp { optional: false, .. }, .. })));
    }
}
