//! Every way to say no: status, header fields, what the client reads and what the log says, chosen here and nowhere else.
//!
//! The client's text is plain and says what to do; the log's reason is exact. Neither holds anything that the client sent,
//! but for the two hosts of [`Reject::CrossSite`]: short, printable and escaped.

mod answer;
pub(crate) mod page;
mod words;

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderValue;

pub use self::answer::Form;
use crate::permission::{Permission, PermissionSet};

/// Why a request is answered here instead of by the catcher.
#[derive(Clone, Debug, PartialEq)]
pub enum Reject {
    /// The request is not one that two programs read the same way (RFC 9110 section 15.5.1).
    BadRequest(&'static str),
    /// No credentials, or wrong ones.
    Unauthorized {
        /// The value of `WWW-Authenticate`; none for a script that has sent wrong ones, which is not to make its browser
        /// ask (against RFC 9110 section 15.5.2).
        challenge: Option<HeaderValue>,
        /// For the log.
        reason: &'static str,
    },
    /// Too many wrong passwords came from where this request is from (RFC 6585 section 4).
    TooManyGuesses {
        /// When to try again.
        retry_after: Duration,
        /// For the log.
        reason: &'static str,
    },
    /// The user is known and lacks a permission.
    Forbidden {
        /// The one that it takes.
        missing: Permission,
        /// Those that he has.
        has: PermissionSet,
    },
    /// A page of another site had the browser ask, with what the browser adds by itself.
    CrossSite(Box<Foreign>),
    /// A script in the browser would have what is in a mail stand between it and the catcher.
    ServiceWorker,
    /// The request is for a name that is not one of ours (RFC 9110 section 15.5.20).
    WrongHost,
    /// The certificate that the connection began with is not taken any more.
    Certificate,
    /// There is a form for that, at this place.
    LogIn(String),
    /// What was filled in there is refused; the form is shown once more.
    LoginAgain(Box<LoginAgain>),
    /// The catcher has nothing there.
    NotFound,
    /// It has, for the methods named.
    MethodNotAllowed(&'static str),
    /// The catcher lives elsewhere: not a refusal, but an answer from here.
    Elsewhere(String),
    /// The request came in clear text, and there is this address by TLS.
    ByTls(String),
    /// The catcher cannot list its messages, because of this one if it was found.
    BrokenList(Option<u64>),
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body broke off or was not in order.
    BodyBroken,
    /// The body is over the limit, in bytes.
    BodyTooLarge(u64),
    /// The head is over the limit.
    HeadTooLarge,
    /// An `Expect` other than `100-continue`.
    ExpectationFailed,
    /// A WebSocket version other than 13 (RFC 6455 section 4.4).
    UpgradeRequired,
    /// A transfer coding other than `chunked` (RFC 9112 section 6.1).
    TransferCoding,
    /// What answers there opens no WebSocket, which over HTTP/2 only a refusal can say.
    NoSocket,
    /// A tunnel for another protocol than a WebSocket (RFC 8441; RFC 9220 section 3 has the status).
    Protocol,
    /// The client has more requests under way at once than it may have connections.
    TooMany,
    /// Too many passwords are being checked at this moment.
    Busy,
    /// Something in the gate failed that is nobody else's fault.
    Internal(&'static str),
    /// The catcher's fault.
    Upstream(UpstreamFault),
    /// It answers, and is none that is known.
    Unrecognised,
}

/// A form that is shown once more.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginAgain {
    /// What a request with these credentials would have been answered.
    pub why: Reject,
    /// The page with the form.
    pub page: String,
}

/// Another site that began a request, for whoever has to find out why it was refused. Printable ASCII, cut short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What the request says of where it comes from; none if the browser says only that it is elsewhere.
    pub origin: Option<String>,
    /// What that was compared with; none in HTTP/1.0.
    pub host: Option<String>,
}

/// What went wrong between the gate and the catcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamFault {
    /// Its name has no address.
    Unresolved(String),
    /// It does not take connections.
    Unreachable(String),
    /// It took longer than this to take the connection.
    ConnectTimeout(Duration),
    /// It took longer than this to answer.
    AnswerTimeout(Duration),
    /// It closed the connection without an answer.
    Closed(String),
    /// Its answer is not HTTP, or not an answer to what was asked.
    Malformed(String),
}

impl UpstreamFault {
    /// A word for the access log, and as a label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            UpstreamFault::Unresolved(_) => "upstream unresolved",
            UpstreamFault::Unreachable(_) => "upstream unreachable",
            UpstreamFault::ConnectTimeout(_) => "upstream connect timeout",
            UpstreamFault::AnswerTimeout(_) => "upstream answer timeout",
            UpstreamFault::Closed(_) => "upstream closed",
            UpstreamFault::Malformed(_) => "upstream malformed",
        }
    }

    /// Why the catcher cannot be reached at all, in words without an address; none if it can be.
    #[must_use]
    pub fn no_connection(&self) -> Option<&'static str> {
        match self {
            UpstreamFault::Unresolved(_) => Some("its name has no address"),
            UpstreamFault::Unreachable(_) => Some("it does not take connections"),
            UpstreamFault::ConnectTimeout(_) => Some("it does not take connections in time"),
            UpstreamFault::AnswerTimeout(_) | UpstreamFault::Closed(_) | UpstreamFault::Malformed(_) => None,
        }
    }
}

impl fmt::Display for UpstreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UpstreamFault::Unresolved(why) => write!(f, "its name has no address: {why}"),
            UpstreamFault::Unreachable(why) => write!(f, "it does not take connections: {why}"),
            UpstreamFault::ConnectTimeout(limit) => write!(f, "it did not take the connection within {limit:?}"),
            UpstreamFault::AnswerTimeout(limit) => write!(f, "it did not answer within {limit:?}"),
            UpstreamFault::Closed(why) => write!(f, "it closed the connection without an answer: {why}"),
            UpstreamFault::Malformed(why) => write!(f, "its answer is not usable: {why}"),
        }
    }
}

impl Reject {
    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Reject::BadRequest(_) | Reject::BodyBroken => StatusCode::BAD_REQUEST,
            Reject::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Reject::TooManyGuesses { .. } => StatusCode::TOO_MANY_REQUESTS,
            Reject::Forbidden { .. } | Reject::CrossSite(_) | Reject::ServiceWorker => StatusCode::FORBIDDEN,
            Reject::WrongHost | Reject::Certificate => StatusCode::MISDIRECTED_REQUEST,
            Reject::LogIn(_) => StatusCode::SEE_OTHER,
            Reject::LoginAgain(again) => again.why.status(),
            Reject::NotFound | Reject::NoSocket => StatusCode::NOT_FOUND,
            Reject::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Reject::Elsewhere(_) => StatusCode::FOUND,
            Reject::ByTls(_) => StatusCode::PERMANENT_REDIRECT,
            Reject::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Reject::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Reject::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Reject::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Reject::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Reject::TransferCoding | Reject::Protocol => StatusCode::NOT_IMPLEMENTED,
            Reject::Busy | Reject::TooMany => StatusCode::SERVICE_UNAVAILABLE,
            Reject::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Reject::Upstream(UpstreamFault::ConnectTimeout(_) | UpstreamFault::AnswerTimeout(_)) => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Reject::Upstream(_) | Reject::BrokenList(_) | Reject::Unrecognised => StatusCode::BAD_GATEWAY,
        }
    }

    /// A word for the access log; exact where the client's text is dull.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Reject::BadRequest(reason) | Reject::Internal(reason) => reason,
            Reject::Unauthorized { reason, .. } | Reject::TooManyGuesses { reason, .. } => reason,
            Reject::Forbidden { .. } => "permission missing",
            Reject::CrossSite(_) => "another site",
            Reject::ServiceWorker => "service worker",
            Reject::WrongHost => "another host",
            Reject::Certificate => "client certificate",
            Reject::LogIn(_) => "no credentials",
            Reject::LoginAgain(again) => again.why.reason(),
            Reject::NotFound => "no such route",
            Reject::MethodNotAllowed(_) => "method not allowed",
            Reject::Elsewhere(_) => "outside the prefix",
            Reject::ByTls(_) => "not by TLS",
            Reject::BrokenList(_) => "broken list",
            Reject::BodyTimeout => "body timeout",
            Reject::BodyBroken => "body broken",
            Reject::BodyTooLarge(_) => "body too large",
            Reject::ExpectationFailed => "unknown expectation",
            Reject::UpgradeRequired => "websocket version",
            Reject::TransferCoding => "transfer coding",
            Reject::NoSocket => "no socket there",
            Reject::Protocol => "not a WebSocket",
            Reject::TooMany => "too many requests at once",
            Reject::HeadTooLarge => "head too large",
            Reject::Busy => "verification busy",
            Reject::Upstream(fault) => fault.reason(),
            Reject::Unrecognised => "upstream unrecognised",
        }
    }

    /// The word for a script: the log's, unless that says what the client must not learn, such as which names exist.
    pub(crate) fn told_reason(&self) -> &'static str {
        match self {
            Reject::Unauthorized { .. } => "unauthorized",
            Reject::TooManyGuesses { .. } => "too many wrong passwords",
            _ => self.reason(),
        }
    }

    /// What happened and what to do, for a page that has a place for it.
    #[must_use]
    pub fn sentences(&self) -> String {
        let (what, todo) = self.text();
        format!("{what} {todo}")
    }

    /// Whether logging in as somebody may help.
    fn login_may_help(&self) -> bool {
        match self {
            Reject::Unauthorized { .. } | Reject::Forbidden { .. } | Reject::LogIn(_) => true,
            Reject::LoginAgain(again) => again.why.login_may_help(),
            _ => false,
        }
    }
}

/// No fewer than the time, and at least one.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn nobody_learns_from_a_refusal_whether_a_name_exists() {
        let said = |reason| {
            let refused = |reject: Reject| {
                let (what, todo) = reject.text();
                let json = answer::json(&reject, &what, &todo, None);
                format!("{what}{todo}{json}")
            };
            refused(Reject::Unauthorized { challenge: None, reason })
                + &refused(Reject::TooManyGuesses { retry_after: Duration::from_secs(9), reason })
        };
        assert_eq!(said("unknown user"), said("wrong password"));
        assert_eq!(said("unknown user"), said("refused line"));
    }

    #[test]
    fn when_to_try_again_is_rounded_up() {
        for (milliseconds, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_001, 60)] {
            assert_eq!(whole_seconds(Duration::from_millis(milliseconds)), seconds);
        }
    }
}
