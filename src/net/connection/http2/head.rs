//! A request's head as HTTP/2 has it, made into the one that everything behind this edge reads: HTTP/1.1's.
//!
//! Nothing is refused here. What cannot be translated is left in a form that `guard` refuses, so that it is answered and
//! logged as everything else is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use hyper::ext::Protocol;

use crate::forward::upgrade::Extended;

/// How long a head is, as SETTINGS_MAX_HEADER_LIST_SIZE counts it (RFC 9113 section 6.5.2): each field with 32 bytes more.
pub(super) fn length<B>(request: &Request<B>) -> usize {
    const EACH: usize = 32;
    const PSEUDO: usize = ":method".len() + ":scheme".len() + ":authority".len() + ":path".len() + 4 * EACH;
    let uri = request.uri();
    let named = [uri.scheme_str(), uri.authority().map(|authority| authority.as_str())];
    let target = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let own = request.method().as_str().len() + target + named.into_iter().flatten().map(str::len).sum::<usize>();
    let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + EACH);
    PSEUDO + own + fields.sum::<usize>()
}

/// Translates what was received.
///
/// - `:authority` becomes `Host`. A `Host` that says something else stays beside it: two of them are refused.
/// - The target is its path and query. A scheme that is not one of http is left in it, and refused; the other two claim
///   nothing: whether a request came by TLS is the connection's to say.
/// - Names that HTTP/1 cannot have are dropped, as those with `_` are later: the parser here lets `"` pass in one.
/// - `cookie` lines become one (RFC 9113 section 8.2.3).
/// - An extended CONNECT for a WebSocket (RFC 8441) becomes the handshake of RFC 6455, with a key of ours.
pub(super) fn received<B>(mut request: Request<B>) -> Request<B> {
    let authority = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let fields = request.headers_mut();
    if let Some(authority) = authority {
        let mut hosts = fields.get_all(header::HOST).iter();
        let differs = hosts.next().is_some_and(|host| *host != authority) || hosts.next().is_some();
        if differs {
            fields.append(header::HOST, authority);
        } else {
            fields.insert(header::HOST, authority);
        }
    }
    drop_odd_names(fields);
    join_cookies(fields);
    let is_http = request.uri().scheme_str().is_none_or(|scheme| scheme == "http" || scheme == "https");
    if let Some(target) = request.uri().path_and_query().filter(|_| is_http).cloned() {
        *request.uri_mut() = Uri::from(target);
    }
    if let Some(protocol) = request.extensions_mut().remove::<Protocol>() {
        let extended = match protocol.as_str().eq_ignore_ascii_case("websocket") {
            true => Extended::WebSocket,
            false => Extended::Other,
        };
        request.extensions_mut().insert(extended);
        if extended == Extended::WebSocket && *request.method() == Method::CONNECT {
            *request.method_mut() = Method::GET;
            handshake(request.headers_mut());
        }
    }
    request
}

/// The fields of a handshake that HTTP/2 does without. Without randomness there is no key, and the handshake is refused.
fn handshake(fields: &mut HeaderMap) {
    fields.insert(header::CONNECTION, const { HeaderValue::from_static("Upgrade") });
    fields.insert(header::UPGRADE, const { HeaderValue::from_static("websocket") });
    fields.remove(header::SEC_WEBSOCKET_KEY);
    let mut key = [0; 16];
    if getrandom::fill(&mut key).is_ok()
        && let Ok(key) = HeaderValue::try_from(STANDARD.encode(key))
    {
        fields.insert(header::SEC_WEBSOCKET_KEY, key);
    }
}

fn drop_odd_names(fields: &mut HeaderMap) {
    // Nearly always empty, and then nothing is allocated.
    let odd: Vec<HeaderName> = fields.keys().filter(|name| name.as_str().contains('"')).cloned().collect();
    for name in odd {
        fields.remove(name);
    }
}

fn join_cookies(fields: &mut HeaderMap) {
    let mut lines = fields.get_all(header::COOKIE).iter();
    if lines.nth(1).is_none() {
        return;
    }
    let all: Vec<&[u8]> = fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        fields.insert(header::COOKIE, joined);
    }
}

/// Makes a 101 into what agrees to an extended CONNECT (RFC 8441 section 5): 200, and nothing of how HTTP/1 switches.
pub(super) fn switched<B>(response: &mut Response<B>) {
    *response.status_mut() = http::StatusCode::OK;
    for name in [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT] {
        response.headers_mut().remove(name);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use http::Version;

    use super::*;

    fn asked(method: Method, uri: &str, lines: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(uri).version(Version::HTTP_2);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn hosts(uri: &str, lines: &[(&str, &str)]) -> Vec<String> {
        let request = received(asked(Method::GET, uri, lines));
        request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_authority_is_the_host_and_another_host_stays_beside_it() {
        assert_eq!(hosts("https://dev:8443/x", &[]), ["dev:8443"]);
        assert_eq!(hosts("https://dev:8443/x", &[("host", "dev:8443")]), ["dev:8443"]);
        assert_eq!(hosts("https://dev/x", &[("host", "other")]), ["other", "dev"]);
        assert_eq!(hosts("https://dev/x", &[("host", "")]), ["", "dev"]);
        assert_eq!(hosts("https://dev/x", &[("host", "dev"), ("host", "dev")]).len(), 3);
        assert_eq!(hosts("/x", &[("host", "dev")]), ["dev"]);
        assert_eq!(hosts("/x", &[]), [""; 0]);
        assert_eq!(hosts("https://u:p@dev/x", &[]), ["u:p@dev"], "for the guard to refuse");
    }

    #[test]
    fn the_target_is_a_path_unless_its_scheme_is_to_be_refused() {
        let target = |uri| received(asked(Method::GET, uri, &[])).uri().to_string();
        assert_eq!(target("https://dev/a?b=c"), "/a?b=c");
        assert_eq!(target("http://dev/a"), "/a");
        assert_eq!(target("ftp://dev/a"), "ftp://dev/a");
    }

    /// Every name that the parser of heads lets pass is a token (RFC 9110 section 5.6.2) or dropped.
    #[test]
    fn what_is_no_name_in_http1_is_dropped() {
        for byte in 0x21..=0x7e_u8 {
            let name = [b'x', byte];
            let Ok(name) = HeaderName::from_bytes(&name) else { continue };
            let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let mut request = asked(Method::GET, "/", &[]);
            request.headers_mut().insert(name.clone(), HeaderValue::from_static("y"));
            assert_eq!(received(request).headers().contains_key(&name), is_token, "{name}");
        }
    }

    #[test]
    fn a_head_is_as_long_as_http2_counts_it() {
        let request = asked(Method::GET, "https://dev/a?b", &[("x", "yz"), ("x", "")]);
        let pseudo = ":methodGET:schemehttps:authoritydev:path/a?b".len() + 4 * 32;
        assert_eq!(length(&request), pseudo + (1 + 2 + 32) + (1 + 32));
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let request = received(asked(Method::GET, "/", &[("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d")]));
        assert_eq!(request.headers().get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3; d"]);
    }

    #[test]
    fn an_extended_connect_is_a_handshake_with_a_key_that_the_client_did_not_choose() {
        let made = |protocol: &'static str| {
            let lines = [("sec-websocket-key", "bm90IG91cnMgYXQgYWxsIQ=="), ("sec-websocket-version", "13")];
            let mut request = asked(Method::CONNECT, "https://dev/messages", &lines);
            request.extensions_mut().insert(Protocol::from_static(protocol));
            received(request)
        };
        let (one, other) = (made("websocket"), made("WebSocket"));
        let key = |request: &Request<()>| request.headers()[header::SEC_WEBSOCKET_KEY].clone();
        assert_eq!((one.method(), one.uri().path()), (&Method::GET, "/messages"));
        assert_eq!(one.headers()[header::UPGRADE], "websocket");
        assert_eq!(STANDARD.decode(key(&one).as_bytes()).unwrap().len(), 16);
        assert!(key(&one) != key(&other) && key(&one) != "bm90IG91cnMgYXQgYWxsIQ==");
        let refused = made("connect-udp");
        assert_eq!(refused.method(), Method::CONNECT);
        assert_eq!(refused.extensions().get(), Some(&Extended::Other));
    }
}
