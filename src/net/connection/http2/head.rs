//! A request's head as HTTP/2 has it, made into the one that everything behind this edge reads: HTTP/1.1's.
//!
//! Nothing is refused here. What cannot be translated is left in a form that `guard` refuses, so that it is answered and
//! logged as everything else is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, Uri};
use hyper::ext::Protocol;

use crate::forward::upgrade::Extended;

/// Translates what was received.
///
/// - `:authority` becomes `Host`. A `Host` that says something else stays beside it: two of them are refused.
/// - The target is its path and query. A scheme that is not one of http is left in it, and refused; the other two claim
///   nothing: whether a request came by TLS is the connection's to say.
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
