//! The script that the catcher's inbox page is given, so that its live updates stay alive, and what it asks the gate.
//!
//! ```text
//! GET PREFIX/                       -> enhance: a page that is known ([`inject`]) gets one element more, else nothing
//! GET PREFIX/.mailwarden/live.js    -> served::script: the files in `live`, one after the other
//! GET PREFIX/.mailwarden/me         -> served::Me: who is asking, and what he may do
//! ```
//!
//! Both lie below the catcher's prefix: a browser sends its Basic credentials there unasked, and a proxy in front that
//! passes on the prefix alone passes them on. They take the permission `view`, as the page does.

pub mod inject;
pub mod served;

use http::header::{self, HeaderMap, HeaderName};
use http::{Response, StatusCode};
use http_body::Body as _;

use crate::body::{Body, BodyError, Unread};
use crate::catcher::OWN_AREA;
use crate::reject::{Reject, UpstreamFault};

/// The longest page that is looked at, in bytes. MailCatcher's has 2 KiB; a longer one is passed on as it arrives.
const LONGEST: u64 = 256 << 10;

/// What no longer fits a page that was changed: validators and digests of the one before (RFC 9110 section 8.8, RFC 9530,
/// RFC 2616 section 14.15), and that parts of it can be asked for.
const OUTDATED: [HeaderName; 6] = [
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
];

/// Where the gate's own things for the inbox page are.
#[must_use]
pub fn area(prefix: &str) -> String {
    format!("{prefix}{OWN_AREA}/")
}

/// Where the script is.
#[must_use]
pub fn script_path(prefix: &str) -> String {
    format!("{}{}", area(prefix), served::SCRIPT)
}

/// Adds the script in `area` to the inbox page, if the answer is one that is known; any other is passed on untouched. To
/// the answer to a HEAD (`head`), which was asked for by GET, it does the same and leaves the page away.
///
/// # Errors
/// [`Reject::Upstream`], when the page breaks off.
pub async fn enhance(response: Response<Body>, area: &str, head: bool) -> Result<Response<Body>, Reject> {
    let length = response.body().size_hint().exact();
    let (mut parts, mut body) = response.into_parts();
    if may_be_known(parts.status, &parts.headers) && length.is_some_and(|length| length <= LONGEST) {
        let mut page = body.collected(LONGEST).await.map_err(broke_off)?;
        if let Some(enhanced) = inject::enhanced(&page, &format!("{area}{}", served::SCRIPT)) {
            page = enhanced.into();
            for name in &OUTDATED {
                parts.headers.remove(name);
            }
            parts.headers.insert(header::CONTENT_LENGTH, page.len().into());
        }
        body = Body::full(page);
    }
    if head {
        body = Body::empty();
    }
    Ok(Response::from_parts(parts, body))
}

/// Whether the head says that this may be the page, and that its bytes are the page's own.
fn may_be_known(status: StatusCode, fields: &HeaderMap) -> bool {
    let is_html = fields.get(header::CONTENT_TYPE).is_some_and(|value| {
        let media_type = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        media_type.eq_ignore_ascii_case(b"text/html")
    });
    status == StatusCode::OK && is_html && !fields.contains_key(header::CONTENT_ENCODING)
}

fn broke_off(why: Unread) -> Reject {
    Reject::Upstream(match why {
        Unread::Failed(BodyError::Stalled(limit)) => UpstreamFault::AnswerTimeout(limit),
        Unread::Failed(error) => UpstreamFault::Malformed(error.to_string()),
        // Its length was looked at before.
        Unread::TooLarge => UpstreamFault::Malformed("the page is longer than it said".to_owned()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::inject::tests::PAGE;
    use super::*;

    fn answer(fields: &[(&'static str, &str)], page: &str) -> Response<Body> {
        let mut response = Response::new(Body::full(Bytes::from(page.to_owned())));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html;charset=utf-8"));
        response.headers_mut().insert(header::CONTENT_LENGTH, page.len().into());
        for (name, value) in fields {
            response.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        response
    }

    async fn enhanced(response: Response<Body>) -> (HeaderMap, String) {
        let (parts, mut body) = enhance(response, "/mail/.mailwarden/", false).await.unwrap().into_parts();
        let page = body.collected(LONGEST * 2).await.unwrap();
        (parts.headers, String::from_utf8(page.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_known_page_gets_the_script_and_its_length_and_loses_what_was_said_of_the_old_one() {
        let old = [("etag", "\"1\""), ("last-modified", "x"), ("content-md5", "x"), ("digest", "x"), ("x-other", "y")];
        let (fields, page) = enhanced(answer(&old, PAGE)).await;
        assert!(page.contains(r#"<script src="/mail/.mailwarden/live.js" defer></script></head>"#), "{page}");
        assert_eq!(fields["content-length"], page.len().to_string().as_str());
        let mut names: Vec<&str> = fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "content-type", "x-other"]);
    }

    #[tokio::test]
    async fn what_is_no_page_as_it_stands_is_left_alone() {
        for field in [("content-encoding", "gzip"), ("content-type", "text/plain"), ("content-type", "text/htmlx")] {
            let (fields, page) = enhanced(answer(&[field, ("etag", "\"1\"")], PAGE)).await;
            assert_eq!((page.as_str(), fields["etag"].as_bytes()), (PAGE, b"\"1\"".as_slice()), "{field:?}");
        }
        let mut missing = answer(&[], PAGE);
        *missing.status_mut() = StatusCode::NOT_FOUND;
        assert_eq!(enhanced(missing).await.1, PAGE);
        let long = format!("{PAGE}{}", "x".repeat(LONGEST as usize));
        assert_eq!(enhanced(answer(&[], &long)).await.1, long);
    }

    #[tokio::test]
    async fn the_answer_to_head_says_the_same_and_has_no_body() {
        let (fields, page) = enhanced(answer(&[("etag", "\"1\"")], PAGE)).await;
        let head = enhance(answer(&[("etag", "\"1\"")], PAGE), "/mail/.mailwarden/", true).await.unwrap();
        assert_eq!(*head.headers(), fields);
        assert_ne!(page, "");
        assert!(head.body().is_end_stream());
    }
}
