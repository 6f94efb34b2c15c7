//! Which site began a request, and under what name the browser knows the gate.
//!
//! A browser adds cookies by itself, and a password that it was given once, whoever made it ask. What it says of who did
//! is in `Sec-Fetch-Site`, which no page can set, and in `Origin`. To plain http on a name it sends the second only.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use crate::authority::Authority;
use crate::client_addr::Client;
use crate::config::model::AllowedOrigins;
use crate::forward::headers::{X_FORWARDED_PROTO, first, forwarded_host};
use crate::reject::Foreign;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How the browser reaches the gate: a trusted proxy's word for it, where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    /// The host, and the port if it is not the scheme's own; none in HTTP/1.0, or if it is empty.
    pub host: Option<HeaderValue>,
    /// The port that the gate listens on, for who does not say by which he came.
    pub listening: Option<u16>,
    /// Whether by TLS.
    pub https: bool,
}

/// Who made the browser ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A page of this very site.
    Same,
    /// A page of a site that the configuration allows.
    Allowed,
    /// No page: the user, by an address or a bookmark.
    User,
    /// Another site, or one that does not say which.
    Other,
    /// Nothing is said: no browser asks for something to be changed like that.
    Unsaid,
}

impl Public {
    /// What a request says of it that came to the port `listening`, over TLS of ours if it is `secured`.
    #[must_use]
    pub fn of(parts: &Parts, client: Client, secured: bool, listening: Option<u16>) -> Self {
        let host = if client.peer_is_trusted { forwarded_host(&parts.headers) } else { None };
        let https = is_https(&parts.headers, client, secured);
        Self { host: host.or_else(|| super::host(parts)), https, listening }
    }

    /// The port that the browser uses, as far as anybody says so.
    #[must_use]
    pub fn port(&self) -> u16 {
        let schemes = if self.https { 443 } else { 80 };
        match &self.host {
            Some(host) => Authority::parse(host.as_bytes()).and_then(|host| host.port).unwrap_or(schemes),
            None => self.listening.unwrap_or(schemes),
        }
    }

    /// Who began the request that has these fields.
    ///
    /// The origin's authority is compared with the host as text, whatever the scheme: a proxy in front that ends TLS
    /// and says nothing of it is no other site. The scheme's own port is the same as none.
    #[must_use]
    pub fn origin(&self, fields: &HeaderMap, allowed: &AllowedOrigins) -> Origin {
        let found = self.found(fields);
        if found == Origin::Other && super::cors::reader(fields, allowed).is_some() { Origin::Allowed } else { found }
    }

    fn found(&self, fields: &HeaderMap) -> Origin {
        if fields.contains_key(SEC_FETCH_SITE) {
            return match only(fields, &SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
                Some(b"same-origin") => Origin::Same,
                Some(b"none") => Origin::User,
                _ => Origin::Other,
            };
        }
        if !fields.contains_key(header::ORIGIN) {
            return Origin::Unsaid;
        }
        let host = self.host.as_ref().map(HeaderValue::as_bytes);
        match (only(fields, &header::ORIGIN), host) {
            (Some(origin), Some(host)) if is_at(origin.as_bytes(), host) => Origin::Same,
            _ => Origin::Other,
        }
    }

    /// What there is to say of a request that another site began.
    #[must_use]
    pub fn foreign(&self, fields: &HeaderMap) -> Foreign {
        let origin = fields.get(header::ORIGIN).map(|origin| shown(origin.as_bytes()));
        Foreign { origin, host: self.host.as_ref().map(|host| shown(host.as_bytes())) }
    }
}

/// Whether the browser reaches the gate by TLS: our own, or a trusted proxy's. Such a proxy does not make our own look like
/// none. Everything that asks this asks here.
#[must_use]
pub fn is_https(fields: &HeaderMap, client: Client, secured: bool) -> bool {
    secured
        || client.peer_is_trusted
            && first(fields, &X_FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Whether `origin` is the site at `host`.
fn is_at(origin: &[u8], host: &[u8]) -> bool {
    let (authority, usual) = match (origin.strip_prefix(b"http://"), origin.strip_prefix(b"https://")) {
        (Some(authority), _) => (authority, &b"80"[..]),
        (_, Some(authority)) => (authority, &b"443"[..]),
        (None, None) => return false,
    };
    let ((ours, our_port), (theirs, their_port)) = (split_port(host), split_port(authority));
    !ours.is_empty() && ours.eq_ignore_ascii_case(theirs) && our_port.unwrap_or(usual) == their_port.unwrap_or(usual)
}

/// The host, and the port if there is one.
fn split_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = authority.rsplitn(2, |byte| *byte == b':');
    match (parts.next(), parts.next()) {
        (Some(port), Some(host)) if port.iter().all(u8::is_ascii_digit) => (host, Some(port).filter(|p| !p.is_empty())),
        _ => (authority, None),
    }
}

/// What somebody sent, for a page or a terminal: what is not plain becomes `?`, and no more than a line of it.
fn shown(text: &[u8]) -> String {
    const LONGEST: usize = 100;
    let plain = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' };
    let cut = if text.len() > LONGEST { "..." } else { "" };
    text.iter().take(LONGEST).map(plain).chain(cut.chars()).collect()
}

/// The one line of a field; none if there are several, since two readers would take different ones.
pub(super) fn only<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = fields.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::net::Ipv4Addr;

    use http::Request;

    use super::*;
    use crate::client_addr::Peer;

    fn origin(host: &str, lines: &[(&str, &str)]) -> Origin {
        let mut request = Request::get("/").header("host", host);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        Public::of(&parts, client(false), false, None).origin(&parts.headers, &AllowedOrigins::default())
    }

    fn client(peer_is_trusted: bool) -> Client {
        Client { addr: Peer::Tcp(Ipv4Addr::LOCALHOST.into()), peer_is_trusted }
    }

    #[test]
    fn the_origins_authority_is_the_host_or_it_is_another_site() {
        for (host, origins, want) in [
            ("dev:8080", &["http://dev:8080"][..], Origin::Same),
            ("dev", &["https://dev"], Origin::Same),
            ("DEV:8080", &["http://dev:8080"], Origin::Same),
            ("dev:80", &["http://dev"], Origin::Same),
            ("dev:443", &["https://dev"], Origin::Same),
            ("dev:", &["http://dev"], Origin::Same),
            ("[::1]:81", &["http://[::1]:81"], Origin::Same),
            ("[::1]", &["http://[::1]"], Origin::Same),
            ("dev:80", &["https://dev"], Origin::Other),
            ("dev", &["http://dev:443"], Origin::Other),
            ("dev", &["http://dev."], Origin::Other),
            ("[::1]", &["http://[::1]:81"], Origin::Other),
            ("dev:8080", &["http://dev"], Origin::Other),
            ("dev:8080", &["http://dev:8081"], Origin::Other),
            ("dev", &["http://evil.dev"], Origin::Other),
            ("dev", &["null"], Origin::Other),
            ("dev", &["ftp://dev"], Origin::Other),
            ("dev", &["dev"], Origin::Other),
            ("dev", &["http://dev", "http://dev"], Origin::Other),
            ("", &["http://"], Origin::Other),
            ("dev", &[], Origin::Unsaid),
        ] {
            let lines: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
            assert_eq!(origin(host, &lines), want, "{host} {origins:?}");
        }
    }

    #[test]
    fn what_the_browser_says_of_the_site_decides() {
        for (site, want) in [
            ("same-origin", Origin::Same),
            ("same-site", Origin::Other),
            ("cross-site", Origin::Other),
            ("none", Origin::User),
            ("Same-Origin", Origin::Other),
            ("", Origin::Other),
        ] {
            assert_eq!(origin("dev", &[("sec-fetch-site", site), ("origin", "http://dev")]), want, "{site}");
            assert_eq!(origin("dev", &[("sec-fetch-site", site), ("origin", "http://evil")]), want, "{site}");
        }
        assert_eq!(
            origin("dev", &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")]),
            Origin::Other
        );
    }

    #[test]
    fn an_allowed_origin_is_one_whatever_the_browser_says_of_the_site() {
        let allowed = crate::config::model::AllowedOrigins::of_tests(&["https://app.test:8443"]);
        let said = |lines: &[(&'static str, &'static str)]| {
            let fields = lines.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
            let public = Public { host: Some(HeaderValue::from_static("dev")), https: false, listening: None };
            let fields: HeaderMap = fields.fold(HeaderMap::new(), |mut map, (name, value): (HeaderName, _)| {
                map.append(name, value);
                map
            });
            public.origin(&fields, &allowed)
        };
        let app = ("origin", "https://app.test:8443");
        assert_eq!(said(&[app]), Origin::Allowed);
        assert_eq!(said(&[app, ("sec-fetch-site", "cross-site")]), Origin::Allowed);
        assert_eq!(said(&[app, app]), Origin::Other);
        assert_eq!(said(&[("origin", "http://app.test:8443")]), Origin::Other);
        assert_eq!(said(&[("origin", "null")]), Origin::Other);
        assert_eq!(said(&[("sec-fetch-site", "cross-site")]), Origin::Other);
        assert_eq!(said(&[("origin", "http://dev")]), Origin::Same);
    }

    #[test]
    fn what_a_site_calls_itself_is_shown_as_a_short_line_of_plain_text() {
        let public = Public { host: None, https: false, listening: None };
        let fields = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_bytes(b"http://\xe4\tx").unwrap())]);
        assert_eq!(public.foreign(&fields), Foreign { origin: Some("http://??x".to_owned()), host: None });
        let long = HeaderValue::from_str(&"x".repeat(5_000)).unwrap();
        let shown = public.foreign(&HeaderMap::from_iter([(header::ORIGIN, long)])).origin.unwrap();
        assert_eq!(shown.len(), 103);
    }

    #[test]
    fn of_several_forwarded_hosts_the_browsers_is_the_first() {
        let parts = Request::get("/").header("x-forwarded-host", "mail.example, inner:8080").body(()).unwrap();
        let public = Public::of(&parts.into_parts().0, client(true), false, None);
        assert_eq!(public.host.unwrap(), "mail.example");
    }

    #[test]
    fn only_a_trusted_proxy_says_by_what_name_and_how() {
        let parts = Request::get("/")
            .header("host", "127.0.0.1:8080")
            .header("x-forwarded-host", "mail.example:8443")
            .header("x-forwarded-proto", "HTTPS")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let public = Public::of(&parts, client(true), false, None);
        assert_eq!(
            (public.host.as_ref().unwrap(), public.https, public.port()),
            (&"mail.example:8443".parse().unwrap(), true, 8443)
        );
        let public = Public::of(&parts, client(false), false, None);
        assert_eq!(
            (public.host.as_ref().unwrap(), public.https, public.port()),
            (&"127.0.0.1:8080".parse().unwrap(), false, 8080)
        );
    }

    #[test]
    fn behind_several_proxies_the_browsers_own_name_and_scheme_count() {
        let parts = Request::get("/")
            .header("host", "127.0.0.1:8080")
            .header("x-forwarded-host", "mail.example:8443, inner:8081")
            .header("x-forwarded-proto", "https, http")
            .header("origin", "https://mail.example:8443")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let public = Public::of(&parts, client(true), false, Some(8080));
        assert_eq!((public.https, public.port()), (true, 8443));
        assert_eq!(public.origin(&parts.headers, &AllowedOrigins::default()), Origin::Same);
        let inner = Public { host: Some(HeaderValue::from_static("inner:8081")), ..public };
        assert_eq!(inner.origin(&parts.headers, &AllowedOrigins::default()), Origin::Other);
    }

    #[test]
    fn without_a_host_the_port_is_the_one_that_is_listened_on() {
        let parts = Request::get("/").header("host", "").body(()).unwrap().into_parts().0;
        assert_eq!(Public::of(&parts, client(false), false, Some(8080)).port(), 8080);
        assert_eq!(Public::of(&parts, client(false), false, None).port(), 80, "a Unix socket has none");
    }
}
