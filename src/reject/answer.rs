//! A refusal as an answer: for a browser, for a script and for everybody else.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::page::{dress, escape};
use super::{Reject, page, whole_seconds};
use crate::body::Body;
use crate::session::page::LOGIN;

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

/// What an answer says: its fields and its body.
#[derive(Clone, Debug)]
struct Said {
    fields: HeaderMap,
    body: Bytes,
}

/// What is said to those without credentials, of all refusals the one that is asked for most: the same each time but for
/// the challenge, so it is made once. By form, by whether there is a login page and by whether there is a challenge.
static TO_STRANGERS: [[[OnceLock<Said>; 2]; 2]; 3] = [const { [const { [const { OnceLock::new() }; 2] }; 2] }; 3];

impl Reject {
    /// The answer in `form`. With a `login_page` it is pointed out to whomever it may help.
    #[must_use]
    pub fn response(&self, form: Form, login_page: bool) -> Response<Body> {
        let Said { mut fields, body } = match self {
            Reject::Unauthorized { challenge, .. } => {
                let said = &TO_STRANGERS[form as usize][usize::from(login_page)][usize::from(challenge.is_some())];
                said.get_or_init(|| self.said(form, login_page)).clone()
            }
            _ => self.said(form, login_page),
        };
        if let Reject::Unauthorized { challenge: Some(challenge), .. } = self {
            fields.insert(header::WWW_AUTHENTICATE, challenge.clone());
        }
        let mut response = Response::new(Body::full(body));
        *response.status_mut() = self.status();
        *response.headers_mut() = fields;
        response
    }

    fn said(&self, form: Form, login_page: bool) -> Said {
        let status = self.status();
        let (what, todo) = self.text();
        let login = (login_page && self.login_may_help()).then_some(LOGIN);
        let (content_type, body) = match (form, self) {
            (Form::Html, Reject::LoginAgain(again)) => ("text/html; charset=utf-8", again.page.clone()),
            (Form::Html, _) => ("text/html; charset=utf-8", html(status, &what, &todo, login)),
            (Form::Json, _) => ("application/json", json(self, &what, &todo, login)),
            (Form::Text, _) => {
                let login = login.map_or(String::new(), |login| format!("Log in at {login}.\n"));
                ("text/plain; charset=utf-8", format!("{}\n{what}\n{todo}\n{login}", title(status)))
            }
        };
        // With room for what is added to a copy: a map that is full grows even when nothing new is put into it.
        let mut fields = HeaderMap::with_capacity(8);
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        dress(&mut fields);
        fields.insert(header::VARY, HeaderValue::from_static("accept"));
        self.add_fields(&mut fields, form);
        Said { fields, body: Bytes::from(body) }
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
            Reject::Elsewhere(to) | Reject::ByTls(to) | Reject::LogIn(to) => {
                if let Ok(to) = HeaderValue::from_str(to) {
                    headers.insert(header::LOCATION, to);
                }
            }
            Reject::UpgradeRequired => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            }
            Reject::Busy | Reject::TooMany => {
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

fn title(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"))
}

pub(super) fn json(reject: &Reject, what: &str, todo: &str, login: Option<&str>) -> String {
    let (status, reason) = (reject.status().as_u16(), reject.told_reason());
    let mut value = serde_json::json!({ "status": status, "error": reason, "message": what, "hint": todo });
    if let Reject::Forbidden { missing, .. } = reject {
        value["permission"] = missing.name().into();
    }
    if let Some(login) = login {
        value["login"] = login.into();
    }
    format!("{value}\n")
}

/// A page like the login page's.
fn html(status: StatusCode, what: &str, todo: &str, login: Option<&str>) -> String {
    let login =
        login.map_or(String::new(), |login| format!("<p><a class=\"button\" href=\"{login}\">Log in</a></p>\n"));
    let title = title(status);
    let content = format!("<h1>{}</h1>\n<p class=\"todo\">{}</p>\n{login}", escape(what), escape(todo));
    page::shell(&title, &content, &title)
}

#[cfg(test)]
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
    fn strangers_are_told_what_holds_for_them_though_it_is_made_once() {
        let refused = |challenge: Option<&'static str>| Reject::Unauthorized {
            challenge: challenge.map(HeaderValue::from_static),
            reason: "no credentials",
        };
        for challenge in [Some("Basic realm=\"a\""), Some("Basic realm=\"b\""), None, Some("Basic realm=\"a\"")] {
            for (form, login_page) in
                [Form::Html, Form::Json, Form::Text].into_iter().flat_map(|f| [(f, false), (f, true)])
            {
                let reject = refused(challenge);
                let (answer, made) = (reject.response(form, login_page), reject.said(form, login_page));
                assert_eq!((answer.status(), answer.headers()), (StatusCode::UNAUTHORIZED, &made.fields));
                assert_eq!(
                    answer.headers().get(header::WWW_AUTHENTICATE).map(HeaderValue::as_bytes),
                    challenge.map(str::as_bytes)
                );
                assert!(format!("{:?}", answer.body()).contains(&format!("{:?}", made.body)), "{form:?} {login_page}");
                assert_eq!(made.body.windows(LOGIN.len()).any(|part| part == LOGIN.as_bytes()), login_page);
            }
        }
    }

    #[test]
    fn text_is_escaped_in_a_page() {
        let page = html(StatusCode::FOUND, "<script>", "\"&'", None);
        assert!(page.contains("&lt;script&gt;") && page.contains("&quot;&amp;&#39;"));
        assert!(page.contains("<p class=\"foot\">302 Found &middot; Mailwarden</p>"), "{page}");
        assert!(html(StatusCode::FORBIDDEN, "a", "b", Some("/x")).contains("class=\"button\" href=\"/x\""));
    }
}
