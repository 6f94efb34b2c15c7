//! Every way to say no: status, header fields, what the client reads and what the log says, chosen here and nowhere else.
//!
//! The client's text is plain and says what to do; the log's reason is exact. Neither holds anything that the client sent.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use crate::body::Body;
use crate::permission::Permission;
use crate::session::page::LOGIN;

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
    /// The user is known and lacks this permission.
    Forbidden(Permission),
    /// A page of another site had the browser ask, with what the browser adds by itself.
    CrossSite,
    /// The request is for a name that is not one of ours (RFC 9110 section 15.5.20).
    WrongHost,
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
    /// The catcher cannot list its messages, because of this one if it was found.
    BrokenList(Option<u64>),
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body broke off or was not in order.
    BodyBroken,
    /// The body is over the limit, in bytes.
    BodyTooLarge(u64),
    /// An `Expect` other than `100-continue`.
    ExpectationFailed,
    /// A WebSocket version other than 13 (RFC 6455 section 4.4).
    UpgradeRequired,
    /// A transfer coding other than `chunked` (RFC 9112 section 6.1).
    TransferCoding,
    /// Too many passwords are being checked at this moment.
    Busy,
    /// Something in the gate failed that is nobody else's fault.
    Internal(&'static str),
    /// The catcher's fault.
    Upstream(UpstreamFault),
}

/// A form that is shown once more.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginAgain {
    /// What a request with these credentials would have been answered.
    pub why: Reject,
    /// The page with the form.
    pub page: String,
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
            Reject::Forbidden(_) | Reject::CrossSite => StatusCode::FORBIDDEN,
            Reject::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Reject::LogIn(_) => StatusCode::SEE_OTHER,
            Reject::LoginAgain(again) => again.why.status(),
            Reject::NotFound => StatusCode::NOT_FOUND,
            Reject::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Reject::Elsewhere(_) => StatusCode::FOUND,
            Reject::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Reject::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Reject::ExpectationFailed => StatusCode::EXPECTATION_FAILED,
            Reject::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Reject::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Reject::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Reject::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Reject::Upstream(UpstreamFault::ConnectTimeout(_) | UpstreamFault::AnswerTimeout(_)) => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Reject::Upstream(_) | Reject::BrokenList(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// A word for the access log; exact where the client's text is dull.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Reject::BadRequest(reason) | Reject::Internal(reason) => reason,
            Reject::Unauthorized { reason, .. } | Reject::TooManyGuesses { reason, .. } => reason,
            Reject::Forbidden(_) => "permission missing",
            Reject::CrossSite => "another site",
            Reject::WrongHost => "another host",
            Reject::LogIn(_) => "no credentials",
            Reject::LoginAgain(again) => again.why.reason(),
            Reject::NotFound => "no such route",
            Reject::MethodNotAllowed(_) => "method not allowed",
            Reject::Elsewhere(_) => "outside the prefix",
            Reject::BrokenList(_) => "broken list",
            Reject::BodyTimeout => "body timeout",
            Reject::BodyBroken => "body broken",
            Reject::BodyTooLarge(_) => "body too large",
            Reject::ExpectationFailed => "unknown expectation",
            Reject::UpgradeRequired => "websocket version",
            Reject::TransferCoding => "transfer coding",
            Reject::Busy => "verification busy",
            Reject::Upstream(fault) => fault.reason(),
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

    /// Two sentences for the person: what happened, and what to do.
    fn text(&self) -> (String, String) {
        let s = str::to_owned;
        match self {
            Reject::BadRequest(reason) => {
                (s("This request cannot be understood."), format!("The gate refused it: {reason}."))
            }
            Reject::Unauthorized { .. } => (
                s("A user name and password are needed here."),
                s("Reload the page and log in, or ask whoever runs this server for an account."),
            ),
            Reject::TooManyGuesses { retry_after, .. } => (
                s("Too many wrong passwords were sent from your address."),
                format!(
                    "Wait {} seconds, then reload the page and log in again. Whoever is logged in already is not affected.",
                    whole_seconds(*retry_after)
                ),
            ),
            Reject::Forbidden(permission) => (
                format!("You are logged in, but not allowed to do this: it takes the permission \"{permission}\"."),
                s("Whoever runs this server can grant it under [access] in Mailwarden's configuration."),
            ),
            Reject::CrossSite => (
                s("Another site had your browser ask for this, so it was refused."),
                s(
                    "Open the inbox itself, and do it there. If you did: a proxy before the gate has to pass on Host as it came, with its port.",
                ),
            ),
            Reject::WrongHost => (
                s("This server is not known by the name that you asked for."),
                s("Whoever runs it can add the name to \"hosts\" in Mailwarden's configuration."),
            ),
            Reject::LogIn(_) => (s("Log in first."), s("There is a page for that.")),
            Reject::LoginAgain(again) => again.why.text(),
            Reject::NotFound => (s("There is nothing at this address."), s("The inbox is at the top of this site.")),
            Reject::MethodNotAllowed(allow) => (
                s("This address does not take requests of that method."),
                if allow.is_empty() { s("The gate never forwards it.") } else { format!("It takes {allow}.") },
            ),
            Reject::Elsewhere(to) => (s("The inbox lives elsewhere."), format!("It is at {to}.")),
            Reject::BrokenList(Some(id)) => (
                format!("The mail catcher cannot list its messages: it cannot read the subject of message {id}."),
                format!("Delete that one with DELETE /messages/{id}, or clear the inbox."),
            ),
            Reject::BrokenList(None) => (
                s(
                    "The mail catcher cannot list its messages: it cannot read one's subject, which was not found in time.",
                ),
                s("Try again in a minute, or clear the inbox."),
            ),
            Reject::BodyTimeout => (s("The request's body did not arrive in time."), s("Send it again.")),
            Reject::BodyBroken => (s("The request's body broke off or was not in order."), s("Send it again.")),
            Reject::BodyTooLarge(limit) => (
                format!("The request's body is larger than {limit} bytes."),
                s("The limit is limits.body in Mailwarden's configuration; the login page has one of its own."),
            ),
            Reject::ExpectationFailed => {
                (s("The request expects something that the gate does not know."), s("Only 100-continue is known."))
            }
            Reject::UpgradeRequired => {
                (s("This WebSocket version is not spoken here."), s("Version 13 is (RFC 6455)."))
            }
            Reject::TransferCoding => {
                (s("The request's transfer coding is not known here."), s("Only chunked is (RFC 9112)."))
            }
            Reject::Busy => (
                s("Too many passwords are being checked at this moment."),
                s("Try again in a few seconds; whoever is logged in already is not affected."),
            ),
            Reject::Internal(_) => (
                s("The gate failed to handle this request."),
                s("Its log says why; whoever runs this server can read it."),
            ),
            Reject::Upstream(UpstreamFault::ConnectTimeout(_) | UpstreamFault::AnswerTimeout(_)) => (
                s("The mail catcher takes too long to answer."),
                s(
                    "It may be busy with a large inbox: try again in a minute. If it stays so, restart the mail catcher.",
                ),
            ),
            Reject::Upstream(UpstreamFault::Unresolved(_) | UpstreamFault::Unreachable(_)) => (
                s("The mail catcher cannot be reached."),
                s(
                    "It is not running, or not where upstream.url in Mailwarden's configuration points. Start it and reload this page.",
                ),
            ),
            Reject::Upstream(_) => (
                s("The mail catcher broke off or gave an answer that cannot be used."),
                s("It may have been stopped just now: reload this page. If it stays so, look at its log."),
            ),
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
            Reject::Unauthorized { .. } | Reject::Forbidden(_) | Reject::LogIn(_) => true,
            Reject::LoginAgain(again) => again.why.login_may_help(),
            _ => false,
        }
    }

    /// The answer in `form`. With a `login_page` it is pointed out to whomever it may help.
    #[must_use]
    pub fn response(&self, form: Form, login_page: bool) -> Response<Body> {
        let status = self.status();
        let (what, todo) = self.text();
        let login = (login_page && self.login_may_help()).then_some(LOGIN);
        let (content_type, body) = match (form, self) {
            (Form::Html, Reject::LoginAgain(again)) => ("text/html; charset=utf-8", again.page.clone()),
            (Form::Html, _) => ("text/html; charset=utf-8", html(status, &what, &todo, login)),
            (Form::Json, _) => ("application/json", json(status, self.told_reason(), &what, &todo, login)),
            (Form::Text, _) => {
                let login = login.map_or(String::new(), |login| format!("Log in at {login}.\n"));
                ("text/plain; charset=utf-8", format!("{}\n{what}\n{todo}\n{login}", title(status)))
            }
        };
        let mut response = Response::new(Body::full(Bytes::from(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        dress(headers);
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        self.add_fields(headers, form);
        response
    }

    /// What the status or the reason asks for.
    fn add_fields(&self, headers: &mut HeaderMap, form: Form) {
        match self {
            Reject::Unauthorized { challenge: Some(challenge), .. } => {
                headers.insert(header::WWW_AUTHENTICATE, challenge.clone());
            }
            Reject::TooManyGuesses { retry_after, .. } => {
                headers.insert(header::RETRY_AFTER, whole_seconds(*retry_after).into());
            }
            Reject::LoginAgain(again) => {
                again.why.add_fields(headers, form);
                if form == Form::Html {
                    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
                    // A 401 has to name a scheme. For Basic the browser would put its own question before the form.
                    if headers.contains_key(header::WWW_AUTHENTICATE) {
                        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Form"));
                    }
                }
            }
            Reject::MethodNotAllowed(allow) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Reject::Elsewhere(to) | Reject::LogIn(to) => {
                if let Ok(to) = HeaderValue::from_str(to) {
                    headers.insert(header::LOCATION, to);
                }
            }
            Reject::UpgradeRequired => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            }
            Reject::Busy => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            Reject::Upstream(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            // What is left of the body would be read as the next request.
            Reject::BodyTimeout | Reject::BodyBroken | Reject::BodyTooLarge(_) | Reject::TransferCoding => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
    }
}

/// Nothing from outside, and nothing that runs: the style is the page's own. A form may be sent to us alone.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

/// What every page of ours says of itself.
pub(crate) fn dress(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    headers.insert(header::CONTENT_SECURITY_POLICY, const { HeaderValue::from_static(PAGE_POLICY) });
}

/// The forms an answer of ours comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For a browser.
    Html,
    /// For a script that asks for it.
    Json,
    /// For everybody else.
    Text,
}

impl Form {
    /// A reading of `Accept` that is enough for three forms: the first of ours that is named wins.
    #[must_use]
    pub fn preferred(headers: &HeaderMap) -> Self {
        for line in headers.get_all(header::ACCEPT) {
            for range in line.as_bytes().split(|byte| *byte == b',') {
                let range = range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                if range.eq_ignore_ascii_case(b"text/html") || range.eq_ignore_ascii_case(b"application/xhtml+xml") {
                    return Form::Html;
                }
                if range.eq_ignore_ascii_case(b"application/json") {
                    return Form::Json;
                }
                if range.eq_ignore_ascii_case(b"text/plain") {
                    return Form::Text;
                }
            }
        }
        Form::Text
    }
}

/// No fewer than the time, and at least one.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

fn title(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"))
}

fn json(status: StatusCode, reason: &str, what: &str, todo: &str, login: Option<&str>) -> String {
    let mut value = serde_json::json!({ "status": status.as_u16(), "error": reason, "message": what, "hint": todo });
    if let Some(login) = login {
        value["login"] = login.into();
    }
    format!("{value}\n")
}

fn html(status: StatusCode, what: &str, todo: &str, login: Option<&str>) -> String {
    let login = login.map_or(String::new(), |login| format!("<p><a href=\"{login}\">Log in</a></p>\n"));
    let (title, what, todo) = (escape(&title(status)), escape(what), escape(todo));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:15vh auto 0;max-width:34rem;padding:0 1.5rem;\
         color:#24292f;background:#f6f8fa}}h1{{font-size:1.25rem;margin:0 0 .5rem}}p{{margin:.25rem 0}}\
         small{{color:#57606a}}@media(prefers-color-scheme:dark){{body{{color:#e6edf3;background:#0d1117}}\
         small{{color:#8b949e}}a{{color:#4493f8}}}}</style>\n\
         <h1>{what}</h1>\n<p>{todo}</p>\n{login}<p><small>{title} &middot; Mailwarden</small></p>\n</html>\n"
    )
}

/// `text` for a page: no letter of it is anything but text.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_html_and_a_script_gets_what_it_asks_for() {
        for (accept, want) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", Form::Html),
            ("application/json, text/javascript, */*; q=0.01", Form::Json),
            ("*/*", Form::Text),
            ("text/plain", Form::Text),
            ("", Form::Text),
        ] {
            assert_eq!(
                Form::preferred(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))])),
                want,
                "{accept}"
            );
        }
        assert_eq!(Form::preferred(&HeaderMap::new()), Form::Text);
    }

    #[test]
    fn nobody_learns_from_a_refusal_whether_a_name_exists() {
        let said = |reason| {
            let refused = |reject: Reject| {
                let (what, todo) = reject.text();
                format!("{what}{todo}{}", json(reject.status(), reject.told_reason(), &what, &todo, None))
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

    #[test]
    fn text_is_escaped_in_a_page() {
        let page = html(StatusCode::FOUND, "<script>", "\"&'", None);
        assert!(page.contains("&lt;script&gt;") && page.contains("&quot;&amp;&#39;"));
    }
}
