//! Which requests for the list may share an answer.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};

use crate::body::Body;
use crate::forward::headers::X_FORWARDED_HOST;

const CLIENT_IP: HeaderName = HeaderName::from_static("client-ip");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Whether `request` is one for the list and for nothing else, which MailCatcher does not refuse.
pub(in crate::forward) fn is_plain(request: &Request<Body>) -> bool {
    use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
    let fields = request.headers();
    let is_own =
        |name: &HeaderName| matches!(*name, RANGE | IF_RANGE | IF_MATCH | IF_MODIFIED_SINCE | IF_UNMODIFIED_SINCE);
    request.method() == Method::GET && !fields.keys().any(is_own) && is_not_refused(fields)
}

/// MailCatcher's Rack refuses JSON to a page of another host, as far as `Referer` tells, unless a script says that it asks
/// (rack-protection's `JsonCsrf`), and whoever names two addresses of his own (`IPSpoofing`). Where this is stricter than
/// that, a request only goes alone.
fn is_not_refused(fields: &HeaderMap) -> bool {
    if fields.contains_key(CLIENT_IP) {
        return false;
    }
    let only = |name: HeaderName| {
        let mut lines = fields.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none()).map(HeaderValue::as_bytes)
    };
    if !fields.contains_key(header::REFERER) || only(X_REQUESTED_WITH) == Some(b"XMLHttpRequest") {
        return true;
    }
    // Rack's host is the forwarded one, if there is one.
    let host = only(X_FORWARDED_HOST).or_else(|| only(header::HOST));
    let (Some(referer), Some(host)) = (only(header::REFERER), host) else { return false };
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
            let mut request = Request::get("/messages").body(Body::empty()).unwrap();
            for (name, value) in [("host", "dev.test:8080")].iter().chain(fields) {
                request.headers_mut().insert(*name, HeaderValue::from_static(value));
            }
            request
        };
        assert!(is_plain(&ask(&[])));
        for fields in [
            &[("referer", "http://dev.test/")][..],
            &[("referer", "https://dev.test:8443/?a=b"), ("origin", "http://evil.test")],
            &[("if-none-match", "\"x\"")], // the gate's own to answer
            &[("referer", "http://evil.test/"), ("x-requested-with", "XMLHttpRequest")],
            &[("referer", "http://mail.test/"), ("x-forwarded-host", "mail.test")],
        ] {
            assert!(is_plain(&ask(fields)), "{fields:?}");
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
            assert!(!is_plain(&ask(fields)), "{fields:?}");
        }
        let mut head = ask(&[]);
        *head.method_mut() = Method::HEAD;
        assert!(!is_plain(&head));
    }
}
