//! What an answer of the catcher is by its head, and whose fault it is when there is none.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use crate::body::BodyError;
use crate::reject::{Reject, UpstreamFault};

/// Whether an answer is a stream of events, as the web's `EventSource` reads it.
pub(super) fn is_event_stream(fields: &HeaderMap) -> bool {
    fields.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// An answer to a plain request. One that switches protocols unasked would be a tunnel past every check.
pub(super) fn checked<B>(answer: Response<B>) -> Result<Response<B>, Reject> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Reject::Upstream(UpstreamFault::Malformed("it switched protocols unasked".to_owned())));
    }
    let mut codings = answer.headers().get_all(header::TRANSFER_ENCODING).iter();
    if codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || codings.next().is_some()
    {
        // Only chunked is decoded; the client would get the rest without its name (RFC 9112 section 6.1).
        return Err(Reject::Upstream(UpstreamFault::Malformed("its transfer coding is not chunked".to_owned())));
    }
    Ok(answer)
}

/// The length of a part that ends with its connection, as all of MailCatcher's do: its `Content-Range` tells.
pub(super) fn unframed_length(status: StatusCode, fields: &HeaderMap, is_ended: bool) -> Option<u64> {
    if status != StatusCode::PARTIAL_CONTENT
        || fields.contains_key(header::CONTENT_LENGTH)
        || fields.contains_key(header::TRANSFER_ENCODING)
        || is_ended
    {
        return None;
    }
    range_length(fields.get(header::CONTENT_RANGE)?)
}

/// How many bytes a `Content-Range` is about (RFC 9110 section 14.4): `bytes 2-5/90` is four.
fn range_length(range: &HeaderValue) -> Option<u64> {
    let (range, _) = range.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
    last.checked_sub(first)?.checked_add(1)
}

/// Whose fault an exchange's failure is, and what it was.
pub(super) fn fault(error: &hyper::Error) -> Reject {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        match cause.downcast_ref::<BodyError>() {
            Some(BodyError::Stalled(_)) => return Reject::BodyTimeout,
            Some(BodyError::Broken(_) | BodyError::Short(_)) => return Reject::BodyBroken,
            None => source = cause.source(),
        }
    }
    let why = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Reject::Upstream(if error.is_parse() || error.is_parse_too_large() {
        UpstreamFault::Malformed(why)
    } else {
        UpstreamFault::Closed(why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_how_long_it_is_if_it_says_anything() {
        let lengths = [
            ("bytes 2-5/90", Some(4)),
            ("bytes 0-0/*", Some(1)),
            ("bytes */90", None),
            ("bytes 5-2/90", None),
            ("bytes -5/90", None),
            ("bytes 0-18446744073709551615/*", None),
            ("lines 1-2/3", None),
            ("", None),
        ];
        for (range, length) in lengths {
            assert_eq!(range_length(&HeaderValue::from_static(range)), length, "{range}");
        }
    }
}
