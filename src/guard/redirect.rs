//! Where a request that came in clear text is sent: to the same address by TLS.

use http::request::Parts;

use super::origin::Public;
use crate::authority::{Authority, Name};
use crate::reject::Reject;

/// The port that https has by itself.
const HTTPS: u16 = 443;

/// The answer to such a request, which came to `public`; `port` is where TLS is spoken.
#[must_use]
pub fn to_https(public: &Public, parts: &Parts, port: u16) -> Reject {
    match address(public, parts, port) {
        Some(address) => Reject::ByTls(address),
        None => Reject::BadRequest("the request has no Host that could be sent to https"),
    }
}

/// The same host, path and query. None where the host is none that could stand in an address.
fn address(public: &Public, parts: &Parts, port: u16) -> Option<String> {
    let host = public.host.as_ref()?;
    let host = match Authority::parse(host.as_bytes())?.name {
        Name::Ip(ip) if ip.is_ipv6() => format!("[{ip}]"),
        Name::Ip(ip) => ip.to_string(),
        Name::Dns(name) if is_name(name) => name.to_ascii_lowercase(),
        Name::Dns(_) => return None,
    };
    let port = if port == HTTPS { String::new() } else { format!(":{port}") };
    // The check of the request has seen to it that this is a path.
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    Some(format!("https://{host}{port}{path}"))
}

/// What a browser would take for the name of a host, and no reader for anything else.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use http::{HeaderValue, Request};
    use proptest::prelude::*;

    use super::*;

    fn sent(host: &str, target: &str, port: u16) -> Option<String> {
        let parts = Request::get(target).body(()).unwrap().into_parts().0;
        let host = (!host.is_empty()).then(|| HeaderValue::from_str(host).unwrap());
        match to_https(&Public { host, listening: Some(8080), https: false }, &parts, port) {
            Reject::ByTls(address) => Some(address),
            _ => None,
        }
    }

    #[test]
    fn host_path_and_query_are_kept_and_the_port_is_that_of_tls() {
        for (host, target, port, address) in [
            ("Mail.dev:8080", "/messages/1.html?a=%2f&b", 8443, "https://mail.dev:8443/messages/1.html?a=%2f&b"),
            ("mail.dev", "/", 443, "https://mail.dev/"),
            ("mail.dev.:80", "http://other/x?y", 443, "https://mail.dev/x?y"),
            ("10.0.0.5:8080", "//evil.test/", 443, "https://10.0.0.5//evil.test/"),
            ("[2001:DB8::1]:8080", "/", 8443, "https://[2001:db8::1]:8443/"),
            ("my_box", "/", 443, "https://my_box/"),
        ] {
            assert_eq!(sent(host, target, port).as_deref(), Some(address), "{host}");
        }
    }

    #[test]
    fn a_host_that_could_be_read_as_more_than_a_name_leads_nowhere() {
        for host in ["", "a%2fb", "a;b", "a:b", "a:99999", "[::1", "[x]", ":80", "a'b", "a&b", "a!b", "[1.2.3.4]"] {
            assert_eq!(sent(host, "/", 443), None, "{host}");
        }
    }

    proptest! {
        #[test]
        fn whoever_is_asked_for_is_where_it_leads(host in "[!-~]{1,30}", path in "/[!-~&&[^#<>\"`{}|\\^]]{0,30}") {
            let Ok(request) = Request::get(&path).body(()) else { return Ok(()) };
            let public = Public { host: HeaderValue::from_str(&host).ok(), listening: None, https: false };
            if let Some(address) = address(&public, &request.into_parts().0, 8443) {
                let (authority, _) = address.strip_prefix("https://").unwrap().split_once('/').unwrap();
                let name = authority.strip_suffix(":8443").unwrap().to_owned();
                let same = host.to_ascii_lowercase();
                prop_assert!(same.starts_with(name.as_str()) || name.starts_with('['), "{} {}", host, address);
                prop_assert!(HeaderValue::from_str(&address).is_ok());
            }
        }
    }
}
