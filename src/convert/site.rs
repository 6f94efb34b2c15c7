//! What nginx's and Apache's files have in common once they are read: a place that is forwarded to, and addresses.

use super::draft::{Draft, Value};
use super::{Converted, Kind, Notes, Place};

/// The result while it grows.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) draft: Draft,
    pub(super) notes: Notes,
}

impl Work {
    /// Sets a key. What the loader does not take is told with its reason.
    pub(super) fn set(&mut self, place: &Place, what: &str, key: &'static str, value: impl Into<Value>) -> bool {
        match self.draft.set(key, value) {
            Ok(()) => true,
            Err(reason) => {
                self.notes.add(Kind::Dropped, place, format!("{what}: {key}: {reason}"));
                false
            }
        }
    }

    pub(super) fn open(&mut self, place: &Place, text: impl Into<String>) {
        self.notes.add(Kind::Open, place, text);
    }

    pub(super) fn wrong(&mut self, place: &Place, text: impl Into<String>) {
        self.notes.add(Kind::Wrong, place, text);
    }

    pub(super) fn dropped(&mut self, place: &Place, text: impl Into<String>) {
        self.notes.add(Kind::Dropped, place, text);
    }

    pub(super) fn changed(&mut self, place: &Place, text: impl Into<String>) {
        self.notes.add(Kind::Changed, place, text);
    }

    pub(super) fn finish(self) -> Converted {
        Converted { draft: self.draft, notes: self.notes.sorted() }
    }

    /// TLS was spoken at `place`, and with what certificate cannot be told. Whoever had it keeps what speaks it: to offer the
    /// same ports without it would show passwords to the network.
    pub(super) fn behind_what_speaks_tls(&mut self, place: &Place) {
        self.changed(
            place,
            "the certificate could not be told, so the result speaks no TLS: it listens on 127.0.0.1:8080 and trusts a proxy \
             there. Write listen = [\"https://0.0.0.0:443\"], tls.cert_file and tls.key_file, or leave TLS where it is, without \
             auth_basic and the like, and let it forward to that address, with X-Forwarded-For, X-Forwarded-Proto and the \
             Upgrade headers (README, \"Behind a proxy or a load balancer\")",
        );
        self.set(place, "listen", "listen", Value::List(vec!["127.0.0.1:8080".to_owned()]));
        self.trust(place, "127.0.0.1");
    }

    /// Sets where to listen.
    pub(super) fn listen(&mut self, plain: Vec<(String, Place)>) {
        let mut accepted: Vec<String> = Vec::new();
        let mut first = None;
        let told = plain.first().map(|(_, place)| place.clone());
        for (address, place) in plain {
            if accepted.contains(&address) {
                continue;
            }
            let one = Value::List(vec![address.clone()]);
            if self.set(&place, "listen", "listen", one) {
                accepted.push(address);
                first.get_or_insert(place);
            }
        }
        if let Some(place) = first {
            if accepted.iter().any(|address| port_of(address).is_some_and(|port| port < 1024)) {
                self.changed(
                    &place,
                    "a port under 1024 needs a privilege: use mailwarden.socket (README, \"systemd\"), or another port",
                );
            }
            self.set(&place, "listen", "listen", Value::List(accepted));
        } else if let Some(place) = told {
            self.open(&place, "where it listened could not be told; the result listens on every address: write listen");
        }
    }

    /// Adds a proxy whose headers are believed.
    pub(super) fn trust(&mut self, place: &Place, who: &str) {
        const KEY: &str = "trusted_proxies";
        let known = match self.draft.get(KEY) {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        };
        if matches!(who, "0.0.0.0/0" | "::/0") {
            self.wrong(
                place,
                "everybody was believed to be whoever they said they are; write trusted_proxies yourself",
            );
        } else if !known.iter().any(|one| one == who) {
            self.set(place, who, KEY, Value::List(known.into_iter().chain([who.to_owned()]).collect()));
        }
    }

    /// Sets who comes without a password, which needs names that bind them.
    pub(super) fn anonymous(&mut self, place: &Place, networks: Vec<String>, names: &[String]) {
        if networks.iter().any(|network| matches!(network.as_str(), "0.0.0.0/0" | "::/0" | "all")) {
            self.open(place, "everybody was let in without a password; the result asks everybody for one");
            return;
        }
        if names.is_empty() {
            self.open(
                place,
                "who came from these networks needed no password; auth.anonymous_from does that, and needs hosts: name \
                 the server, by a name and not an address, and convert again",
            );
            return;
        }
        let taken = self.set(place, "hosts", "hosts", Value::List(names.to_vec()))
            && self.set(place, "allow", "auth.anonymous_from", Value::List(networks));
        if taken {
            self.changed(
                place,
                "who comes from these networks needs no password, asks for the names in hosts, and may read only: \
                 access.anonymous says what else",
            );
        } else {
            self.open(
                place,
                "who came from these networks needed no password; the result asks for one (the reason is above)",
            );
        }
    }

    /// Sets that a logged-in user may read and nothing else.
    pub(super) fn read_only(&mut self, place: &Place) {
        self.set(place, "methods", "access.default", Value::List(vec!["view".to_owned()]));
        self.changed(place, "only reading was allowed: access.default = [\"view\"]");
    }

    /// Sets where the catcher is, and which one, and what its path is for the outside.
    pub(super) fn upstream(&mut self, place: &Place, target: &Target, outside: &str) -> bool {
        let inside = target.path.as_deref().unwrap_or(outside).trim_end_matches('/');
        let outside = outside.trim_end_matches('/');
        if !self.set(place, "where it is forwarded to", "upstream.url", format!("{}{outside}", target.origin())) {
            return false;
        }
        if inside != outside {
            let prefix = if outside.is_empty() { "/" } else { outside };
            self.wrong(
                place,
                format!(
                    "the path was rewritten, and with MailCatcher's own links that works by halves; here both sides have \
                     the same path: start the catcher with --http-path {prefix}"
                ),
            );
        }
        if let Some(name) = other_catcher(&target.host) {
            self.set(place, "catcher", "upstream.catcher", "generic");
            self.changed(
                place,
                format!("{name} is forwarded to as a generic catcher: reading is \"view\", all else \"write\""),
            );
        } else if !target.is_catcher() {
            self.changed(place, "taken for MailCatcher; for another program write upstream.catcher = \"generic\"");
        }
        true
    }
}

fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

/// What is forwarded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) is_tls: bool,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// The path, if the URL has one; `/` is one.
    pub(super) path: Option<String>,
}

impl Target {
    /// Reads a URL of http, https, ws or wss without credentials and variables.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.is_empty() || rest.contains(['@', '$', '{']) || authority.starts_with("unix:") {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, digits)) if !digits.ends_with(']') => (host, Some(digits.parse().ok()?)),
            _ => (authority, None),
        };
        let path = (!path.is_empty()).then(|| path.to_owned());
        Some(Target { is_tls, host: host.to_ascii_lowercase(), port, path })
    }

    /// The URL without its path.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        match self.port {
            Some(port) => format!("{scheme}://{}:{port}", self.host),
            None => format!("{scheme}://{}", self.host),
        }
    }

    /// Whether both are the same program.
    pub(super) fn is_same(&self, other: &Target) -> bool {
        let host = |target: &Target| match target.host.as_str() {
            "localhost" | "[::1]" => "127.0.0.1".to_owned(),
            host => host.to_owned(),
        };
        host(self) == host(other) && self.port.unwrap_or(80) == other.port.unwrap_or(80)
    }

    /// Whether it is this machine, by one of its usual names.
    pub(super) fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "127.0.0.1" | "localhost" | "[::1]")
    }

    /// Whether it has the usual port or name of a mail catcher.
    pub(super) fn is_catcher(&self) -> bool {
        let names = ["mailcatcher", "mail-catcher", "mail_catcher"];
        matches!(self.port, Some(1080 | 8025))
            || names.iter().any(|name| self.host.contains(name))
            || other_catcher(&self.host).is_some()
    }
}

/// Another catcher than MailCatcher by the name of its host.
fn other_catcher(host: &str) -> Option<&'static str> {
    ["mailpit", "mailhog", "maildev", "maildump", "mailtutan", "smtp4dev", "inbucket"]
        .into_iter()
        .find(|name| host.contains(name))
}

/// Names that `hosts` takes: no addresses, no patterns.
pub(super) fn plain_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let is_plain = |name: &&str| {
        !name.is_empty()
            && *name != "_"
            && *name != "localhost"
            && name.parse::<std::net::IpAddr>().is_err()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && !name.starts_with('.')
    };
    let mut found: Vec<String> = Vec::new();
    for name in names.filter(is_plain) {
        let name = name.to_ascii_lowercase();
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// A number of bytes as the configuration writes it.
pub(super) fn size(bytes: u64) -> String {
    crate::config::units::format_size(bytes)
}

/// A duration in milliseconds as the configuration writes it.
pub(super) fn duration(millis: u64) -> String {
    crate::config::units::format_duration(std::time::Duration::from_millis(millis))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_into_their_parts() {
        let target = Target::parse("http://MailCatcher:1080/mail/").unwrap();
        assert_eq!((target.origin().as_str(), target.path.as_deref()), ("http://mailcatcher:1080", Some("/mail/")));
        assert!(target.is_catcher());
        assert!(Target::parse("http://[::1]:1080").unwrap().is_same(&Target::parse("ws://localhost:1080/").unwrap()));
        assert_eq!(Target::parse("http://[::1]").unwrap().origin(), "http://[::1]");
        for text in ["http://unix:/x.sock", "http://a:b@c", "http://$x", "balancer://x", "x", "http://", "http://a:b"] {
            assert_eq!(Target::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_names_that_bind_are_taken() {
        let names = ["Mail.Dev", "_", "*.dev", "~^x$", "10.0.0.1", "", ".dev", "mail.dev", "$hostname"];
        assert_eq!(plain_names(names.into_iter()), ["mail.dev"]);
    }
}
