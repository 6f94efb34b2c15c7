//! What the gate itself serves to the inbox page: the script, and who is asking.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use serde::Serialize;

use crate::auth::{By, Identity};
use crate::body::Body;
use crate::permission::PermissionSet;
use crate::reject::Reject;
use crate::reject::page::dress;
use crate::session::page::{LOGIN, LOGOUT};

/// The name of the script below the gate's own area.
pub const SCRIPT: &str = "live.js";
/// The name of what tells who is asking.
pub const ME: &str = "me";

/// The script: the files of `live`, in one function, so that none of their names meets one of the page's.
const LIVE: &[u8] = concat!(
    "(() => {\n\"use strict\";\n\n",
    include_str!("live/list.js"),
    "\n",
    include_str!("live/link.js"),
    "\n",
    include_str!("live/header.js"),
    "\n",
    include_str!("live/main.js"),
    "})();\n"
)
.as_bytes();

/// A strong validator of the script as it was built (RFC 9110 section 8.8.3).
const LIVE_HASH: u64 = fnv1a(LIVE);

/// FNV-1a with 64 bits: to tell two builds apart, nothing more.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        hash = (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}

/// What there is below the gate's own area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// The script.
    Script,
    /// Who is asking.
    Me,
}

impl Own {
    /// What a path names, if it lies below `area`.
    #[must_use]
    pub fn of(path: &str, area: &str) -> Option<Self> {
        match path.strip_prefix(area)? {
            SCRIPT => Some(Own::Script),
            ME => Some(Own::Me),
            _ => None,
        }
    }
}

/// The script, or word that the one at hand is this one still.
///
/// # Errors
/// [`Reject::MethodNotAllowed`].
pub fn script(method: &Method, fields: &HeaderMap) -> Result<Response<Body>, Reject> {
    reads(method)?;
    let tag = format!("\"{LIVE_HASH:016x}\"");
    let mut response = Response::new(Body::empty());
    if has_tag(fields, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let content_type = const { HeaderValue::from_static("text/javascript; charset=utf-8") };
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
        fill(&mut response, method, Bytes::from_static(LIVE));
    }
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-cache") });
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        fields.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Whether the client has the file with this tag (RFC 9110 section 13.1.2).
fn has_tag(fields: &HeaderMap, tag: &str) -> bool {
    fields.get_all(header::IF_NONE_MATCH).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).any(
        |item| {
            let item = item.trim_ascii();
            item == b"*" || item.strip_prefix(b"W/").unwrap_or(item) == tag.as_bytes()
        },
    )
}

/// What the script has to know of whoever it works for.
#[derive(Debug, Serialize)]
pub struct Me<'a> {
    /// His name; none if he came without credentials. Bytes that are no UTF-8 are replaced.
    user: Option<std::borrow::Cow<'a, str>>,
    /// What he may do.
    permissions: Vec<&'static str>,
    /// Where to send a POST that ends his session; none if he has none.
    logout: Option<&'static str>,
    /// Where the page to log in is, if there is one.
    login: Option<&'static str>,
}

impl<'a> Me<'a> {
    /// `identity`, who may do `permissions`.
    #[must_use]
    pub fn new(identity: &'a Identity, permissions: PermissionSet, login_page: bool) -> Self {
        Self {
            user: identity.name().map(|name| String::from_utf8_lossy(name.as_bytes())),
            permissions: permissions.iter().map(crate::permission::Permission::name).collect(),
            logout: matches!(identity.by(), By::Session(_)).then_some(LOGOUT),
            login: login_page.then_some(LOGIN),
        }
    }

    /// The same as an answer.
    ///
    /// # Errors
    /// [`Reject::MethodNotAllowed`].
    pub fn response(&self, method: &Method) -> Result<Response<Body>, Reject> {
        reads(method)?;
        let text = serde_json::to_vec(self).map_err(|_| Reject::Internal("what is known of a user is no JSON"))?;
        let mut response = Response::new(Body::empty());
        fill(&mut response, method, Bytes::from(text));
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, const { HeaderValue::from_static("application/json") });
        dress(fields);
        Ok(response)
    }
}

fn fill(response: &mut Response<Body>, method: &Method, bytes: Bytes) {
    response.headers_mut().insert(header::CONTENT_LENGTH, bytes.len().into());
    if method != Method::HEAD {
        *response.body_mut() = Body::full(bytes);
    }
}

fn reads(method: &Method) -> Result<(), Reject> {
    match *method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Reject::MethodNotAllowed("GET, HEAD")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::permission::Permission;

    fn asked(lines: &[&str]) -> Response<Body> {
        let lines = lines.iter().map(|line| (header::IF_NONE_MATCH, HeaderValue::from_str(line).unwrap()));
        script(&Method::GET, &HeaderMap::from_iter(lines)).unwrap()
    }

    #[test]
    fn who_has_the_script_is_told_so_and_everybody_else_gets_it() {
        let first = asked(&[]);
        let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
        assert_eq!(first.status(), StatusCode::OK);
        for has in [&tag, "*", &format!("W/{tag}"), &format!("\"x\", {tag}")] {
            let second = asked(&[has]);
            assert_eq!(
                (second.status(), second.headers()[header::ETAG].as_bytes()),
                (StatusCode::NOT_MODIFIED, tag.as_bytes())
            );
        }
        for has in ["\"x\"", "", tag.trim_matches('"')] {
            assert_eq!(asked(&[has]).status(), StatusCode::OK, "{has}");
        }
        assert!(LIVE.is_ascii(), "so that no charset matters");
    }

    #[test]
    fn only_what_lies_right_below_the_area_is_there() {
        assert_eq!(Own::of("/.mailwarden/live.js", "/.mailwarden/"), Some(Own::Script));
        assert_eq!(Own::of("/mail/.mailwarden/me", "/mail/.mailwarden/"), Some(Own::Me));
        for path in ["/", "/.mailwarden/", "/.mailwarden/me/", "/.mailwarden/ME", "/live.js", "/mail/.mailwarden/me"] {
            assert_eq!(Own::of(path, "/.mailwarden/"), None, "{path}");
        }
    }

    #[test]
    fn a_user_is_told_his_name_and_what_he_may_do() {
        let anna = Identity::for_tests("an\"na");
        let permissions = [Permission::View, Permission::Clear].into_iter().collect();
        let text = serde_json::to_string(&Me::new(&anna, permissions, true)).unwrap();
        let wanted = r#"{"user":"an\"na","permissions":["view","clear"],"logout":null,"login":"/.mailwarden/login"}"#;
        assert_eq!(text, wanted);
        let nobody = Identity::anonymous(std::net::IpAddr::from([10, 0, 0, 1]));
        let text = serde_json::to_string(&Me::new(&nobody, PermissionSet::EMPTY, false)).unwrap();
        assert_eq!(text, r#"{"user":null,"permissions":[],"logout":null,"login":null}"#);
    }

    #[test]
    fn nothing_there_can_be_written() {
        assert_eq!(script(&Method::POST, &HeaderMap::new()).err(), Some(Reject::MethodNotAllowed("GET, HEAD")));
        let me = Me::new(&Identity::for_tests("anna"), PermissionSet::EMPTY, false).response(&Method::DELETE).err();
        assert_eq!(me, Some(Reject::MethodNotAllowed("GET, HEAD")));
    }
}
