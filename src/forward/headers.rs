//! Header fields on their way through: what each is, and which of an answer's go. What goes to the catcher is decided by
//! [`super::outgoing`]: strip first, then add.
//!
//! The order is the point. Hop-by-hop fields go first, with everything that any `Connection` line names (RFC 9110
//! section 7.6.1); then what a client could use to pass for somebody else; ours come last, so that no `Connection:
//! X-Forwarded-User` can take them away again (the hole of Apache's CVE-2022-31813, Traefik's CVE-2024-45410 and
//! Go's CVE-2021-33197).

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::client_addr::{Client, Peer, X_FORWARDED_FOR};
use crate::guard::{self, cors};

/// `X-Forwarded-Host`.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Forwarded-Proto`.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-User`.
pub const X_FORWARDED_USER: HeaderName = HeaderName::from_static("x-forwarded-user");
/// `X-Real-IP`.
pub const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Whether a field concerns one connection only, whether `Connection` names it or not.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    use http::header::{
        CONNECTION, EXPECT, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    };
    matches!(
        *name,
        CONNECTION | EXPECT | PROXY_AUTHENTICATE | PROXY_AUTHORIZATION | TE | TRAILER | TRANSFER_ENCODING | UPGRADE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

/// The fields that any `Connection` line names.
pub(super) fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    // Nearly always empty, and then nothing is allocated.
    let mut named = Vec::new();
    for line in headers.get_all(header::CONNECTION) {
        for token in line.as_bytes().split(|byte| *byte == b',') {
            let token = token.trim_ascii();
            // The two tokens of nearly every request name no field.
            if !token.eq_ignore_ascii_case(b"keep-alive") && !token.eq_ignore_ascii_case(b"close") {
                named.extend(HeaderName::from_bytes(token));
            }
        }
    }
    named
}

/// Whether a field asks that its request be taken for one of another method.
pub(super) fn is_method_override(name: &HeaderName) -> bool {
    matches!(name.as_str(), "x-http-method-override" | "x-http-method" | "x-method-override")
}

/// Whether any line of `name` has `token` in its comma-separated list, in any case.
#[must_use]
pub fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|line| {
        line.as_bytes().split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Whether a field is one that a client must not say: every spelling of a forwarding or identity field, another target than
/// the request's own, every name with an underscore, which CGI and Rack fold into the same variable as the name with a dash,
/// and a handshake's fields where there is none.
pub(super) fn is_claim(name: &[u8], is_handshake: bool) -> bool {
    name.contains(&b'_')
        || match name.first() {
            Some(b'x') => {
                CLAIMED_PREFIXES.iter().any(|claim| begins_with(name, claim))
                    || is(name, b"x-remote-user")
                    || is(name, b"x-real-ip")
                    || OTHER_TARGETS.iter().any(|claim| is(name, claim))
            }
            Some(b's') => !is_handshake && name.starts_with(b"sec-websocket-"),
            Some(b'f') => is(name, b"forwarded"),
            Some(b'r') => is(name, b"remote-user"),
            // CGI makes HTTP_PROXY of it, which programs take for the proxy to use (CVE-2016-5385).
            Some(b'p') => is(name, b"proxy"),
            _ => false,
        }
}

const CLAIMED_PREFIXES: [&[u8]; 3] = [b"x-forwarded-", b"x-auth-", b"x-webauth-"];

/// What frameworks take for the target in the place of the request's own.
const OTHER_TARGETS: [&[u8]; 3] = [b"x-original-url", b"x-original-uri", b"x-rewrite-url"];

/// Whether a field name, which is in lower case, is `claim`; a dot is taken for a dash.
fn is(name: &[u8], claim: &[u8]) -> bool {
    name.len() == claim.len() && begins_with(name, claim)
}

fn begins_with(name: &[u8], claim: &[u8]) -> bool {
    name.len() >= claim.len() && name.iter().zip(claim).all(|(a, b)| a == b || (*a == b'.' && *b == b'-'))
}

/// What the catcher is told of a request's way to it.
#[derive(Debug)]
pub struct Way<'a> {
    /// The peer of the connection.
    pub peer: Peer,
    /// The peer's address as a header value, made once for each connection; none on a Unix socket.
    pub peer_value: Option<&'a HeaderValue>,
    /// The client behind the peer.
    pub client: Client,
    /// The request's own `Host`, as it came; none in HTTP/1.0, or if it is empty.
    pub host: Option<HeaderValue>,
    /// Whether it came over TLS of the gate's own.
    pub secured: bool,
}

/// What a trusted peer said, taken aside before claims are stripped.
#[derive(Debug, Default)]
pub struct Believed {
    pub(super) forwarded_for: Vec<HeaderValue>,
    pub(super) host: Option<HeaderValue>,
    pub(super) proto: Option<HeaderValue>,
}

impl Believed {
    /// Takes the forwarding fields of a trusted peer out of `headers`; nothing, if it is not trusted.
    #[must_use]
    pub fn take(headers: &HeaderMap, client: Client) -> Self {
        if !client.peer_is_trusted {
            return Self::default();
        }
        Self {
            forwarded_for: headers.get_all(X_FORWARDED_FOR).iter().cloned().collect(),
            host: forwarded_host(headers),
            proto: first(headers, &X_FORWARDED_PROTO),
        }
    }
}

/// The host that a trusted peer says the browser asked for.
///
/// Proxies in a row each add the name that they were asked by, so that the browser's comes first, as it does for Rack. It
/// may be what a client wrote by himself. That deceives nobody but him: no page can have a browser send this field to
/// another site without a CORS preflight, and the gate agrees to none.
#[must_use]
pub fn forwarded_host(headers: &HeaderMap) -> Option<HeaderValue> {
    first(headers, &X_FORWARDED_HOST).filter(|host| guard::is_host(host.as_bytes()))
}

/// The first entry of a field that is a list; none if it is empty.
#[must_use]
pub fn first(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let line = headers.get(name)?;
    let entry = line.as_bytes().split(|byte| *byte == b',').next()?.trim_ascii();
    match entry.len() {
        0 => None,
        all if all == line.len() => Some(line.clone()),
        _ => HeaderValue::from_bytes(entry).ok(),
    }
}

/// An address as a field's value.
#[must_use]
pub fn address_value(peer: Peer) -> Option<HeaderValue> {
    peer.ip().and_then(|ip| HeaderValue::from_maybe_shared(bytes::Bytes::from(ip.to_string())).ok())
}

/// The lines of a trusted peer's `X-Forwarded-For` as one, with the peer itself behind them.
pub(super) fn appended<'a>(before: &[HeaderValue], peer: Option<&'a HeaderValue>) -> Option<Cow<'a, HeaderValue>> {
    if before.is_empty() {
        return peer.map(Cow::Borrowed);
    }
    let all: Vec<&[u8]> = before.iter().chain(peer).map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&all.join(&b", "[..])).ok().map(Cow::Owned)
}

/// Readies an answer's fields for the client: hop-by-hop fields go with everything that any `Connection` line names, what a
/// catcher says of other sites, and a length that a transfer coding overrode (RFC 9112 section 6.3), since the coding is
/// taken off and the wrong length would stay in place.
pub fn clean_answer(headers: &mut HeaderMap) {
    // Looking for what is there is cheaper than removing what nearly never is; nearly always that is `Connection` alone, and
    // then nothing is allocated.
    let (mut has_connection, mut going) = (false, Vec::new());
    for name in headers.keys() {
        match *name {
            header::CONNECTION => has_connection = true,
            header::TRANSFER_ENCODING => going.extend([header::TRANSFER_ENCODING, header::CONTENT_LENGTH]),
            _ if is_hop_by_hop(name) || cors::is_about_readers(name) => going.push(name.clone()),
            _ => {}
        }
    }
    if has_connection {
        // `HeaderMap::remove` returns the first line only, so the lines are read before one is removed.
        going.extend(named_by_connection(headers));
        headers.remove(header::CONNECTION);
    }
    for name in going {
        headers.remove(name);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
pub(in crate::forward) mod tests;
