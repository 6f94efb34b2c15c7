//! What a browser is told of other sites' pages that may read answers (Fetch standard, section 3.3).
//!
//! Without `allowed_origins` nobody is told anything, and a browser then lets no other site read. The catcher's own word
//! for it never counts: MailDev's lets every site read with the user's password.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use crate::body::Body;
use crate::config::model::AllowedOrigins;

/// What all fields of this kind begin with.
const PREFIX: &str = "access-control-";

/// The `Origin` of a request by a page that may read the answer.
#[must_use]
pub fn reader<'a>(fields: &'a HeaderMap, allowed: &AllowedOrigins) -> Option<&'a HeaderValue> {
    if allowed.is_empty() {
        return None;
    }
    super::origin::only(fields, &header::ORIGIN).filter(|origin| allowed.contains(origin.as_bytes()))
}

/// The answer to a page of an allowed origin that asks by OPTIONS whether it may send what the fields describe; [`tell`]
/// says the rest. No browser sends credentials with that question, and the answer says nothing but that the origin is
/// allowed. None for any other request.
#[must_use]
pub fn preflight(parts: &Parts) -> Option<Response<Body>> {
    let method = parts.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    if parts.method != Method::OPTIONS {
        return None;
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields = response.headers_mut();
    fields.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method.clone());
    if let Some(names) = parts.headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        fields.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    fields.insert(header::ACCESS_CONTROL_MAX_AGE, const { HeaderValue::from_static("600") });
    fields.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    Some(response)
}

/// Says in an answer that a page of `origin` may read it; without one, only that it depends on that.
pub fn tell(fields: &mut HeaderMap, origin: Option<HeaderValue>) {
    fields.append(header::VARY, const { HeaderValue::from_static("origin") });
    if let Some(origin) = origin {
        fields.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        fields.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, const { HeaderValue::from_static("true") });
    }
}

/// Whether a field of an answer is about that: the catcher's own are dropped.
#[must_use]
pub fn is_about_readers(name: &HeaderName) -> bool {
    name.as_str().starts_with(PREFIX)
}
