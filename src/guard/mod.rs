//! What is refused before anyone is asked for a password: requests that two programs would read differently.
//!
//! hyper has parsed the request already; this looks at what it lets pass (RFC 9112 section 3.2, RFC 9110 section 7.2).

pub mod cors;
pub mod origin;
pub mod redirect;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Version};

use crate::client_addr::Client;
use crate::config::model::Hosts;
use crate::forward::headers::X_FORWARDED_HOST;
use crate::forward::upgrade::Extended;
use crate::reject::Reject;

/// Put into a request's extensions by its connection: its client has more under way at once than it may.
#[derive(Clone, Copy, Debug)]
pub struct TooMany;

/// The same: its head is longer than it may be.
#[derive(Clone, Copy, Debug)]
pub struct TooLong;

/// Checks a request's method, target, `Host`, framing and expectation.
///
/// # Errors
/// [`Reject`], with the status that the RFC names.
pub fn check(parts: &Parts) -> Result<(), Reject> {
    if parts.version == Version::HTTP_2 {
        if parts.extensions.get::<TooMany>().is_some() {
            return Err(Reject::TooMany);
        }
        if parts.extensions.get::<TooLong>().is_some() {
            return Err(Reject::HeadTooLarge);
        }
        bare_values(&parts.headers)?;
    }
    if parts.extensions.get() == Some(&Extended::Other) {
        return Err(Reject::Protocol);
    }
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(Reject::MethodNotAllowed(""));
    }
    target_form(parts)?;
    one_host(parts)?;
    framing(&parts.headers)?;
    expectation(&parts.headers)
}

/// The `Host` that the request is for: an absolute-form target's authority, which overrides the field (RFC 9112 section
/// 3.2.2), else the field, exactly as it came; none for an HTTP/1.0 request without one, and where it is empty, which says
/// as little.
#[must_use]
pub fn host(parts: &Parts) -> Option<HeaderValue> {
    let host = match parts.uri.authority() {
        // User information is no part of Host (RFC 9110 section 4.2.4).
        Some(authority) => {
            let text = authority.as_str();
            let host = text.rsplit_once('@').map_or(text, |(_user, host)| host);
            HeaderValue::from_str(host).ok()
        }
        None => parts.headers.get(header::HOST).cloned(),
    };
    host.filter(|host| !host.is_empty())
}

/// Checks under which name the gate is asked: the request's own, and any that a trusted proxy says it was asked by. One
/// that puts its own in the place of the browser's would let every name through otherwise.
///
/// # Errors
/// [`Reject::WrongHost`]. A request without a `Host` passes: no browser sends one.
pub fn names(hosts: &Hosts, parts: &Parts, client: Client) -> Result<(), Reject> {
    if hosts.is_empty() {
        return Ok(());
    }
    let own = host(parts);
    let own = own.as_ref().map(HeaderValue::as_bytes);
    let forwarded = parts.headers.get_all(X_FORWARDED_HOST).iter().filter(|_| client.peer_is_trusted);
    let forwarded = forwarded.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    if own.into_iter().chain(forwarded).all(|host| hosts.allow(host)) { Ok(()) } else { Err(Reject::WrongHost) }
}

/// Origin form, or absolute form for http: authority form belongs to CONNECT, asterisk form to a server of its own.
fn target_form(parts: &Parts) -> Result<(), Reject> {
    match parts.uri.scheme_str() {
        None if parts.uri.authority().is_some() => Err(Reject::BadRequest("the request target is not a path")),
        None | Some("http" | "https") if parts.uri.path().starts_with('/') => Ok(()),
        None | Some("http" | "https") => Err(Reject::BadRequest("the request target is not a path")),
        Some(_) => Err(Reject::BadRequest("the request target's scheme is not http")),
    }
}

fn one_host(parts: &Parts) -> Result<(), Reject> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    match (lines.next(), lines.next()) {
        (_, Some(_)) => Err(Reject::BadRequest("the request has more than one Host")),
        (None, _) if parts.version >= Version::HTTP_11 => Err(Reject::BadRequest("the request has no Host")),
        (None, _) => Ok(()),
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        (Some(_), None) => Err(Reject::BadRequest("the request's Host is not a host and port")),
    }
}

/// RFC 3986's host and port, read leniently: what can stand in neither a name, an address nor a port is refused, since a
/// reader behind us could take what follows it for something else.
pub(crate) fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte))
}

/// In HTTP/1 the space around a value is none of it. In HTTP/2 it would be, and the catcher would read another value than we
/// have (RFC 9113 section 8.2.1).
fn bare_values(fields: &HeaderMap) -> Result<(), Reject> {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_bare = |value: &HeaderValue| !is_space(value.as_bytes().first()) && !is_space(value.as_bytes().last());
    match fields.values().all(is_bare) {
        true => Ok(()),
        false => Err(Reject::BadRequest("a field's value begins or ends with a space")),
    }
}

/// Only `chunked` is decoded; another coding would reach the catcher as a body that it cannot read (RFC 9112 section 6.1).
fn framing(fields: &HeaderMap) -> Result<(), Reject> {
    let mut lines = fields.get_all(header::TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Reject::TransferCoding),
    }
}

/// hyper answers `100-continue` when the body is first asked for, which is after the password (RFC 9110 section 10.1.1).
fn expectation(fields: &HeaderMap) -> Result<(), Reject> {
    let known = |line: &HeaderValue| line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue");
    if fields.get_all(header::EXPECT).iter().all(known) { Ok(()) } else { Err(Reject::ExpectationFailed) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use http::{HeaderName, Request, Uri};

    use super::*;

    fn parts(method: Method, target: &str, version: Version, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = target.parse::<Uri>().unwrap();
        *request.version_mut() = version;
        for (name, value) in fields {
            request.headers_mut().append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        request.into_parts().0
    }

    fn get(target: &str, fields: &[(&str, &str)]) -> Parts {
        parts(Method::GET, target, Version::HTTP_11, fields)
    }

    #[test]
    fn what_is_not_understood_in_one_way_only_is_refused() {
        let host = ("host", "dev:8080");
        for (parts, status) in [
            (parts(Method::CONNECT, "a:1", Version::HTTP_11, &[host]), 405),
            (parts(Method::TRACE, "/", Version::HTTP_11, &[host]), 405),
            (get("a", &[host]), 400),
            (get("foo:80", &[host]), 400),
            (get("*", &[host]), 400),
            (get("ftp://dev/", &[host]), 400),
            (get("/", &[]), 400),
            (get("/", &[host, host]), 400),
            (get("http://dev/", &[host, ("host", "other")]), 400),
            (get("/", &[("host", "a b")]), 400),
            (get("/", &[("host", "a,b")]), 400),
            (get("/", &[("host", "u@a")]), 400),
            (get("/", &[("host", "a/b")]), 400),
            (get("/", &[host, ("transfer-encoding", "gzip, chunked")]), 501),
            (get("/", &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]), 501),
            (get("/", &[host, ("expect", "200-ok")]), 417),
        ] {
            assert_eq!(check(&parts).map_err(|reject| reject.status().as_u16()), Err(status), "{parts:?}");
        }
    }

    #[test]
    fn in_http_2_no_value_has_a_space_at_its_ends() {
        let fields = |value| [("host", "dev"), ("x-a", value)];
        for value in [" a", "a ", "\ta", "a\t", " "] {
            let refused = check(&parts(Method::GET, "/", Version::HTTP_2, &fields(value)));
            assert_eq!(refused.map_err(|reject| reject.status().as_u16()), Err(400), "{value:?}");
        }
        for value in ["", "a", "a b"] {
            assert_eq!(check(&parts(Method::GET, "/", Version::HTTP_2, &fields(value))), Ok(()), "{value:?}");
        }
    }

    #[test]
    fn what_people_send_passes() {
        for parts in [
            get("/", &[("host", "dev:8080")]),
            get("/", &[("host", "[::1]:8080")]),
            get("/", &[("host", "")]),
            get("http://dev:8080/x", &[("host", "dev:8080")]),
            get("/", &[("host", "dev"), ("expect", "100-Continue"), ("transfer-encoding", "Chunked")]),
            parts(Method::GET, "/", Version::HTTP_10, &[]),
        ] {
            assert_eq!(check(&parts), Ok(()), "{parts:?}");
        }
    }

    #[test]
    fn an_absolute_target_overrides_host_without_its_user() {
        assert_eq!(host(&get("http://u:p@dev:8080/x", &[("host", "other")])).unwrap(), "dev:8080");
        assert_eq!(host(&get("/x", &[("host", "Dev:8080")])).unwrap(), "Dev:8080");
        assert_eq!(host(&parts(Method::GET, "/", Version::HTTP_10, &[])), None);
        assert_eq!(host(&get("/x", &[("host", "")])), None);
    }
}
