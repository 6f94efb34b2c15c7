//! The names under which the gate may be asked.

use crate::authority::{Authority, Name};

/// Names in lower case, without ports and without a dot at the end. None at all: any name will do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Whether a request for this `Host` is one for us. Addresses and `localhost` always are: what a page of another
    /// site can do is to let its own name point here (DNS rebinding), and it has no power over those.
    #[must_use]
    pub fn allow(&self, host: &[u8]) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some(authority) = Authority::parse(host) else { return false };
        authority.is_literal_or_localhost()
            || matches!(authority.name, Name::Dns(name) if self.0.iter().any(|own| own.eq_ignore_ascii_case(name)))
    }

    /// Whether any name will do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Adds one entry of the list.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        const FORM: &str = "write a name such as \"mail.dev\"";
        if text.contains("://") || text.contains('/') {
            return Err(format!("is no name; {FORM}"));
        }
        if text.contains('*') {
            return Err(format!("has a *, which stands for nothing here; {FORM}, each name for itself"));
        }
        match Authority::parse(text.as_bytes()) {
            Some(Authority { name: Name::Dns(name), port: None }) if is_name(name) && !text.contains(':') => {
                self.0.push(name.to_ascii_lowercase());
                Ok(())
            }
            Some(Authority { name: Name::Dns(name), port: Some(_) }) if is_name(name) => {
                Err(format!("has a port, and any will do; write {name:?}"))
            }
            Some(Authority { name: Name::Ip(_), .. }) => {
                Err("is an address, and those always pass; remove it".to_owned())
            }
            _ if text.parse::<std::net::IpAddr>().is_ok() => {
                Err("is an address, and those always pass; remove it".to_owned())
            }
            _ => Err(format!("is no name; {FORM}")),
        }
    }
}

/// Letters, digits, hyphens and dots; underlines too, which people give to machines (RFC 1123 section 2.1 does not).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_any_name_will_do() {
        for host in ["mail.dev", "evil.test:80", "", "a_b", "%"] {
            assert!(Hosts::default().allow(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_list_binds_names_and_no_addresses() {
        let mut hosts = Hosts::default();
        hosts.add("Mail.dev").unwrap();
        hosts.add("inbox.test.").unwrap();
        for host in ["mail.dev", "MAIL.DEV:8080", "mail.dev.", "inbox.test", "localhost:1", "10.0.0.1:8080", "[::1]"] {
            assert!(hosts.allow(host.as_bytes()), "{host}");
        }
        for host in ["evil.test", "mail.dev.evil.test", "x.mail.dev", "", "10.0.0.1.evil.test", "mail.dev:x", "mail"] {
            assert!(!hosts.allow(host.as_bytes()), "{host}");
        }
    }
}
