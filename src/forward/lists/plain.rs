//! Which requests for the list may share an answer.

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

const CLIENT_IP: HeaderName = HeaderName::from_static("client-ip");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Whether a `method` request with these `fields` is one for the list and for nothing else, which MailCatcher does not
/// refuse; `host` is the one that it is told of.
///
/// MailCatcher's Rack refuses JSON to a page of another host, as far as `Referer` tells, unless a script says that it asks
/// (rack-protection's `JsonCsrf`), and whoever names two addresses of his own (`IPSpoofing`). Where this is stricter than
/// that, a request only goes alone.
pub(in crate::forward) fn is_plain(method: &Method, fields: &HeaderMap, host: &HeaderValue) -> bool {
    use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
    if method != Method::GET {
        return false;
    }
    let (mut referer, mut asks) = (Lines::None, Lines::None);
    for (name, value) in fields {
        match *name {
            RANGE | IF_RANGE | IF_MATCH | IF_MODIFIED_SINCE | IF_UNMODIFIED_SINCE => return false,
            header::REFERER => referer.add(value),
            _ if *name == CLIENT_IP => return false,
            _ if *name == X_REQUESTED_WITH => asks.add(value),
            _ => {}
        }
    }
    match referer {
        Lines::None => true,
        _ if matches!(asks, Lines::One(b"XMLHttpRequest")) => true,
        Lines::One(referer) => is_of(referer, host.as_bytes()),
        Lines::More => false,
    }
}

/// The lines of one field.
enum Lines<'a> {
    None,
    One(&'a [u8]),
    More,
}

impl<'a> Lines<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = if matches!(self, Lines::None) { Lines::One(value.as_bytes()) } else { Lines::More };
    }
}

/// Whether the page at `referer` is one of `host`, whatever the port.
fn is_of(referer: &[u8], host: &[u8]) -> bool {
    let page = referer.strip_prefix(b"http://").or_else(|| referer.strip_prefix(b"https://"));
    // To the end of the authority, in characters that every parser of URIs takes.
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/?&=".contains(byte);
    let Some(page) = page.filter(|page| page.iter().all(plain)) else { return false };
    let page = page.split(|byte| b"/?".contains(byte)).next().unwrap_or_default();
    let name = |authority| without_port(authority).filter(|name| !name.is_empty());
    name(page).is_some_and(|page| name(host) == Some(page))
}

/// The name of a host, in the letters that it is written in; none if its port is no number.
fn without_port(authority: &[u8]) -> Option<&[u8]> {
    let Some(colon) = authority.iter().position(|byte| *byte == b':') else { return Some(authority) };
    let (name, port) = authority.split_at(colon);
    port.iter().skip(1).all(u8::is_ascii_digit).then_some(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn only_requests_that_get_the_same_answer_share_one() {
        let ask = |fields: &[(&'static str, &'static str)]| {
            let host =
                fields.iter().find(|(name, _)| *name == "x-forwarded-host").map_or("dev.test:8080", |(_, host)| host);
            let fields =
                fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_plain(&Method::GET, &fields.collect(), &HeaderValue::from_static(host))
        };
        assert!(ask(&[]));
        for fields in [
            &[("referer", "http://dev.test/")][..],
            &[("referer", "https://dev.test:8443/?a=b"), ("origin", "http://evil.test")],
            &[("if-none-match", "\"x\"")], // the gate's own to answer
            &[("referer", "http://evil.test/"), ("x-requested-with", "XMLHttpRequest")],
            &[("referer", "http://mail.test/"), ("x-forwarded-host", "mail.test")],
        ] {
            assert!(ask(fields), "{fields:?}");
        }
        for fields in [
            &[("referer", "http://evil.test/")][..],
            &[("referer", "http://evil.test/"), ("origin", "http://evil.test")],
            &[("referer", "http://evil.test/"), ("x-requested-with", "xmlhttprequest")],
            &[("referer", "http://dev.test/"), ("x-forwarded-host", "mail.test")],
            &[("referer", "http://DEV.test/")],
            &[("referer", "http://dev.test:8080x/")],
            &[("referer", "http://dev.test/|")],
            &[("referer", "http://dev.test/%zz")],
            &[("referer", "http://a@dev.test/")],
            &[("referer", "ftp://dev.test/")],
            &[("referer", "http://")],
            &[("referer", "nonsense")],
            &[("client-ip", "192.0.2.1")],
            &[("range", "bytes=0-9")],
            &[("if-modified-since", "x")],
        ] {
            assert!(!ask(fields), "{fields:?}");
        }
        let twice =
            ["http://dev.test/", "http://dev.test/"].map(|page| (header::REFERER, HeaderValue::from_static(page)));
        let mut fields = HeaderMap::new();
        twice.into_iter().for_each(|(name, value)| _ = fields.append(name, value));
        assert!(!is_plain(&Method::GET, &fields, &HeaderValue::from_static("dev.test")));
        assert!(!is_plain(&Method::HEAD, &HeaderMap::new(), &HeaderValue::from_static("dev.test")));
    }
}
