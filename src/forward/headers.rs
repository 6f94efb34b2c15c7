//! Header fields on their way through: strip first, then add.
//!
//! The order is the point. Hop-by-hop fields go first, with everything that any `Connection` line names (RFC 9110
//! section 7.6.1); then what a client could use to pass for somebody else; ours come last, so that no `Connection:
//! X-Forwarded-User` can take them away again (the hole of Apache's CVE-2022-31813, Traefik's CVE-2024-45410 and
//! Go's CVE-2021-33197).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::client_addr::{Client, Peer, X_FORWARDED_FOR};
use crate::guard;

/// `X-Forwarded-Host`.
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Forwarded-Proto`.
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-User`.
pub const X_FORWARDED_USER: HeaderName = HeaderName::from_static("x-forwarded-user");
/// `X-Real-IP`.
pub const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Fields that concern one connection only, whether `Connection` names them or not.
static HOP_BY_HOP: [HeaderName; 11] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HTTP2_SETTINGS,
    header::EXPECT,
];

/// By the first letter, most fields need not be compared with each of them.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    let first = name.as_str().as_bytes().first();
    matches!(first, Some(b'c' | b'e' | b'h' | b'k' | b'p' | b't' | b'u')) && HOP_BY_HOP.contains(name)
}

/// Removes hop-by-hop fields and those that any `Connection` line names.
///
/// `HeaderMap::remove` returns the first line only, so the lines are read before one is removed.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Looking for what is there is cheaper than removing what nearly never is.
    let mut going: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    if going.contains(&header::CONNECTION) {
        for line in headers.get_all(header::CONNECTION) {
            for token in line.as_bytes().split(|byte| *byte == b',') {
                let token = token.trim_ascii();
                // The two tokens of nearly every request name no field.
                if !token.eq_ignore_ascii_case(b"keep-alive") && !token.eq_ignore_ascii_case(b"close") {
                    going.extend(HeaderName::from_bytes(token));
                }
            }
        }
    }
    for name in going {
        headers.remove(name);
    }
}

/// Fields by which a request asks to be taken for one of another method.
static METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Removes what would make another method of a request than the one that was permitted.
pub fn strip_method_overrides(headers: &mut HeaderMap) {
    for name in &METHOD_OVERRIDES {
        headers.remove(name);
    }
}

/// Whether any line of `name` has `token` in its comma-separated list, in any case.
#[must_use]
pub fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|line| {
        line.as_bytes().split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Removes what a client must not say: every spelling of a forwarding or identity field, another target than the request's
/// own, every name with an underscore, which CGI and Rack fold into the same variable as the name with a dash, and a
/// handshake's fields where there is none.
pub fn strip_claims(headers: &mut HeaderMap, is_handshake: bool) {
    // Nearly always empty, and then nothing is allocated.
    let is_claim = |name: &[u8]| is_claim(name) || (!is_handshake && name.starts_with(b"sec-websocket-"));
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name.as_str().as_bytes())).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

fn is_claim(name: &[u8]) -> bool {
    name.contains(&b'_')
        || match name.first() {
            Some(b'x') => {
                CLAIMED_PREFIXES.iter().any(|claim| begins_with(name, claim))
                    || is(name, b"x-remote-user")
                    || is(name, b"x-real-ip")
                    || OTHER_TARGETS.iter().any(|claim| is(name, claim))
            }
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
    pub host: Option<&'a HeaderValue>,
}

/// What a trusted peer said, taken aside before claims are stripped.
#[derive(Debug, Default)]
pub struct Believed {
    forwarded_for: Vec<HeaderValue>,
    host: Option<HeaderValue>,
    proto: Option<HeaderValue>,
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

/// Adds our fields: where the request came from and whose it is, if anybody's by name. `headers` has no claims any
/// more.
pub fn add_ours(headers: &mut HeaderMap, way: &Way<'_>, believed: Believed, user: Option<HeaderValue>) {
    let client_value =
        if way.client.addr == way.peer { way.peer_value.cloned() } else { address_value(way.client.addr) };
    let forwarded_for = appended(&believed.forwarded_for, way.peer_value);
    for (name, value) in [
        (X_REAL_IP, client_value),
        (X_FORWARDED_FOR, forwarded_for),
        (X_FORWARDED_HOST, believed.host.or_else(|| way.host.cloned())),
        (X_FORWARDED_PROTO, Some(believed.proto.unwrap_or(const { HeaderValue::from_static("http") }))),
        (X_FORWARDED_USER, user),
    ] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

/// An address as a field's value.
#[must_use]
pub fn address_value(peer: Peer) -> Option<HeaderValue> {
    peer.ip().and_then(|ip| HeaderValue::from_maybe_shared(bytes::Bytes::from(ip.to_string())).ok())
}

/// The lines of a trusted peer's `X-Forwarded-For` as one, with the peer itself behind them.
fn appended(before: &[HeaderValue], peer: Option<&HeaderValue>) -> Option<HeaderValue> {
    if before.is_empty() {
        return peer.cloned();
    }
    let all: Vec<&[u8]> = before.iter().chain(peer).map(HeaderValue::as_bytes).collect();
    HeaderValue::from_bytes(&all.join(&b", "[..])).ok()
}

/// Readies an answer's fields for the client: hop-by-hop fields go, and a length that a transfer coding overrode (RFC
/// 9112 section 6.3) with them, since hyper decodes the coding and leaves the wrong length in place.
pub fn clean_answer(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    strip_hop_by_hop(headers);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn each_hop_by_hop_field_is_known_by_its_first_letter_too() {
        assert!(HOP_BY_HOP.iter().all(is_hop_by_hop));
        assert!(!is_hop_by_hop(&header::COOKIE) && !is_hop_by_hop(&header::ACCEPT));
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_connection_line_is_read_before_one_is_removed() {
        let mut headers = map(&[
            ("connection", "close"),
            ("connection", "x-secret, X-Other ,, \u{e4}"),
            ("x-secret", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut headers);
        assert_eq!(names(&headers), ["accept"]);
    }

    #[test]
    fn no_spelling_of_an_identity_or_forwarding_field_stays() {
        let mut headers = map(&[
            ("x-forwarded-user", "root"),
            ("X_Forwarded_User", "root"),
            ("x.forwarded.user", "root"),
            ("x-forwarded_user", "root"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-prefix", "/x"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("x-remote-user", "root"),
            ("remote-user", "root"),
            ("remote.user", "root"),
            ("x-auth-request-email", "a@b"),
            ("x-webauth-user", "root"),
            ("X-Original-URL", "/x"),
            ("x-rewrite.url", "/x"),
            ("proxy", "http://evil"),
            ("sec-websocket-key", "x"),
            ("some_thing", "1"),
            ("x-requested-with", "XMLHttpRequest"),
            ("x-forwarded", "kept: names no claim of ours"),
            ("referer", "http://x/"),
        ]);
        strip_claims(&mut headers, false);
        assert_eq!(names(&headers), ["referer", "x-forwarded", "x-requested-with"]);
    }

    fn way(peer: &str, client: &str, trusted: bool) -> (Peer, Option<HeaderValue>, Client) {
        let parsed = |text: &str| if text == "unix" { Peer::Unix } else { Peer::Tcp(text.parse().unwrap()) };
        let peer = parsed(peer);
        (peer, address_value(peer), Client { addr: parsed(client), peer_is_trusted: trusted })
    }

    fn added(peer: &str, client: &str, trusted: bool, came: &[(&str, &str)]) -> HeaderMap {
        let (peer, peer_value, client) = way(peer, client, trusted);
        let mut headers = map(came);
        let believed = Believed::take(&headers, client);
        strip_claims(&mut headers, false);
        let host = HeaderValue::from_static("dev.test:8080");
        let way = Way { peer, peer_value: peer_value.as_ref(), client, host: Some(&host) };
        add_ours(&mut headers, &way, believed, Some(HeaderValue::from_static("anna")));
        headers
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        let headers = added(
            "192.0.2.1",
            "192.0.2.1",
            false,
            &[
                ("x-forwarded-for", "6.6.6.6"),
                ("x-forwarded-host", "evil"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-user", "root"),
            ],
        );
        for (name, want) in [
            (X_REAL_IP, "192.0.2.1"),
            (X_FORWARDED_FOR, "192.0.2.1"),
            (X_FORWARDED_HOST, "dev.test:8080"),
            (X_FORWARDED_PROTO, "http"),
            (X_FORWARDED_USER, "anna"),
        ] {
            assert_eq!(headers.get_all(&name).iter().collect::<Vec<_>>(), [want], "{name}");
        }
    }

    #[test]
    fn a_trusted_peers_list_is_appended_to_and_its_host_and_proto_kept() {
        let headers = added(
            "10.0.0.1",
            "192.0.2.1",
            true,
            &[
                ("x-forwarded-for", "6.6.6.6"),
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-host", "mail.example"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-user", "root"),
                ("forwarded", "for=6.6.6.6"),
            ],
        );
        for (name, want) in [
            (X_REAL_IP, "192.0.2.1"),
            (X_FORWARDED_FOR, "6.6.6.6, 192.0.2.1, 10.0.0.1"),
            (X_FORWARDED_HOST, "mail.example"),
            (X_FORWARDED_PROTO, "https"),
            (X_FORWARDED_USER, "anna"),
        ] {
            assert_eq!(headers.get_all(&name).iter().collect::<Vec<_>>(), [want], "{name}");
        }
        assert!(!headers.contains_key(header::FORWARDED));
    }

    #[test]
    fn of_a_chain_of_proxies_the_host_and_proto_that_the_browser_used_are_told() {
        let told = |host: &str, proto: &str| {
            let came = [("x-forwarded-host", host), ("x-forwarded-proto", proto)];
            let headers = added("10.0.0.1", "10.0.0.1", true, &came);
            [X_FORWARDED_HOST, X_FORWARDED_PROTO].map(|name| headers[name].to_str().unwrap().to_owned())
        };
        assert_eq!(told("mail.example, inner:8080", "https, http"), ["mail.example", "https"]);
        assert_eq!(told("mail.example ,inner", "https"), ["mail.example", "https"]);
        for nothing in ["", ", inner", "a b", "a/b"] {
            assert_eq!(told(nothing, ""), ["dev.test:8080", "http"], "{nothing:?}");
        }
    }

    #[test]
    fn a_unix_peer_has_no_address_to_add() {
        let headers = added("unix", "192.0.2.1", true, &[("x-forwarded-for", "192.0.2.1")]);
        assert_eq!(headers[X_FORWARDED_FOR], "192.0.2.1");
        let headers = added("unix", "unix", false, &[("x-forwarded-for", "192.0.2.1")]);
        assert!(!headers.contains_key(X_FORWARDED_FOR) && !headers.contains_key(X_REAL_IP));
    }

    #[test]
    fn a_length_that_a_transfer_coding_overrode_goes() {
        let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "5"), ("connection", "close")]);
        clean_answer(&mut headers);
        assert!(headers.is_empty());
    }
}
