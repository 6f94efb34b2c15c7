//! The other sites whose pages may use the gate.

use crate::authority::{Authority, Name};

/// Origins as browsers write them: scheme, host and, where it is not the scheme's own, the port (RFC 6454 section 6.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// Whether this value of `Origin` is one of them.
    #[must_use]
    pub fn contains(&self, origin: &[u8]) -> bool {
        self.0.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(origin))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The origins.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Those of a test.
    #[cfg(test)]
    pub(crate) fn of_tests(origins: &[&str]) -> Self {
        Self(origins.iter().map(|origin| (*origin).to_owned()).collect())
    }

    /// Adds one entry of the list.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        const FORM: &str = "write one such as \"https://app.example.org:8443\"";
        if text == "*" || text.contains('*') {
            return Err("has a *, which would let every site in; name each origin".to_owned());
        }
        if text.eq_ignore_ascii_case("null") {
            return Err("is what any page can call itself; it is never allowed".to_owned());
        }
        let lower = text.to_ascii_lowercase();
        let (scheme, rest, usual) = match lower.split_once("://") {
            Some((scheme @ "http", rest)) => (scheme, rest, 80),
            Some((scheme @ "https", rest)) => (scheme, rest, 443),
            Some(_) => return Err(format!("is not http or https; {FORM}")),
            None => return Err(format!("has no scheme; {FORM}")),
        };
        if let Some((authority, _path)) = rest.split_once(['/', '?', '#']) {
            return Err(format!("has a path; write \"{scheme}://{authority}\""));
        }
        let Some(Authority { name, port }) = Authority::parse(rest.as_bytes()) else {
            return Err(format!("is no origin; {FORM}"));
        };
        let host = match name {
            Name::Ip(ip) if ip.is_ipv6() => format!("[{ip}]"),
            Name::Ip(ip) => ip.to_string(),
            Name::Dns(name) if !name.is_ascii() => {
                return Err("has letters that browsers write otherwise; write the name as xn--…".to_owned());
            }
            Name::Dns(name) if is_name(name) => name.to_owned(),
            Name::Dns(_) => return Err(format!("is no origin; {FORM}")),
        };
        let port = port.filter(|port| *port != usual).map_or(String::new(), |port| format!(":{port}"));
        self.0.push(format!("{scheme}://{host}{port}"));
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        let mut origins = AllowedOrigins::default();
        for text in
            ["https://App.Example.org:8443", "http://dev:80", "https://dev:443", "HTTP://[::1]:81", "http://10.0.0.1"]
        {
            origins.add(text).unwrap();
        }
        let kept: Vec<&str> = origins.iter().collect();
        assert_eq!(
            kept,
            ["https://app.example.org:8443", "http://dev", "https://dev", "http://[::1]:81", "http://10.0.0.1"]
        );
        assert!(origins.contains(b"http://dev") && origins.contains(b"https://app.example.org:8443"));
        for other in [&b"http://dev:8080"[..], b"http://app.example.org:8443", b"https://app.example.org", b"null", b""]
        {
            assert!(!origins.contains(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_way_to_write_it() {
        for (text, why) in [
            ("*", "name each origin"),
            ("https://*.example.org", "name each origin"),
            ("null", "never allowed"),
            ("app.example.org", "has no scheme"),
            ("ftp://app", "is not http"),
            ("https://app/", "write \"https://app\""),
            ("https://app:8443/inbox?x", "write \"https://app:8443\""),
            ("https://user@app", "is no origin"),
            ("https://", "is no origin"),
            ("https://a b", "is no origin"),
            ("https://app:x", "is no origin"),
            ("https://m\u{e4}il", "xn--"),
        ] {
            let said = AllowedOrigins::default().add(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
