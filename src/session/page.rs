//! The gate's own pages: the form to log in, and what it shows to whoever is logged in.
//!
//! No script, nothing from outside, and nothing that anybody typed but as escaped text. `Referrer-Policy: same-origin`,
//! for with `no-referrer` the form's own request would come from the origin `null` (Fetch section 3.2).

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::form::Destination;
use crate::body::Body;
use crate::reject::page::{dress, escape, shell};

/// Where the form is, and where it is sent to.
pub const LOGIN: &str = "/.mailwarden/login";
/// What ends a session.
pub const LOGOUT: &str = "/.mailwarden/logout";
/// The query of [`LOGIN`] for whoever comes from [`LOGOUT`].
pub const LOGGED_OUT: &str = "logged-out";

/// The form.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// Of what, by the configuration.
    pub realm: &'a str,
    /// The name that was typed before.
    pub user: &'a str,
    /// Where to go then.
    pub to: Option<&'a Destination>,
    /// What there is to say about the try before, or about a logout.
    pub say: Option<Say<'a>>,
}

/// A sentence above the form.
#[derive(Clone, Copy, Debug)]
pub enum Say<'a> {
    /// What went wrong.
    Fault(&'a str),
    /// What went well.
    Done(&'a str),
}

impl Form<'_> {
    /// The page.
    #[must_use]
    pub fn page(&self) -> String {
        let say = match self.say {
            Some(Say::Fault(text)) => format!("<p class=\"say fault\" role=\"alert\">{}</p>\n", escape(text)),
            Some(Say::Done(text)) => format!("<p class=\"say done\" role=\"status\">{}</p>\n", escape(text)),
            None => String::new(),
        };
        let to = self.to.map_or(String::new(), |to| {
            format!("<input type=\"hidden\" name=\"to\" value=\"{}\">\n", escape(to.as_str()))
        });
        // Whoever has typed his name goes on with the password.
        let (at_user, at_password) = if self.user.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
        shell(
            "Log in",
            &format!(
                "<h1>Log in</h1>\n<p class=\"realm\">{}</p>\n{say}\
                 <form method=\"post\" action=\"{LOGIN}\" accept-charset=\"utf-8\">\n\
                 <label for=\"user\">User name</label>\n\
                 <input id=\"user\" name=\"user\" value=\"{}\" autocomplete=\"username\" autocapitalize=\"none\" \
                 autocorrect=\"off\" spellcheck=\"false\" maxlength=\"255\" required{at_user}>\n\
                 <label for=\"password\">Password</label>\n\
                 <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" \
                 maxlength=\"512\"{at_password}>\n{to}\
                 <button>Log in</button>\n</form>\n",
                escape(self.realm),
                escape(self.user),
            ),
            "",
        )
    }
}

/// The page for whoever is logged in: who he is, the way on, and the way out.
#[must_use]
pub fn logged_in(realm: &str, name: &str, home: &str) -> String {
    shell(
        "Logged in",
        &format!(
            "<h1>You are logged in</h1>\n<p class=\"realm\">{} &middot; <strong>{}</strong></p>\n\
             <p><a class=\"button\" href=\"{}\">Open the inbox</a></p>\n\
             <form method=\"post\" action=\"{LOGOUT}\">\n<button class=\"quiet\">Log out</button>\n</form>\n",
            escape(realm),
            escape(name),
            escape(home),
        ),
        "",
    )
}

/// An answer with a page in it.
#[must_use]
pub fn response(status: StatusCode, page: String) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from(page)));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, const { HeaderValue::from_static("text/html; charset=utf-8") });
    dress(fields);
    keep_referrer(fields);
    response
}

/// On to another place, by GET.
#[must_use]
pub fn see_other(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let fields = response.headers_mut();
    // A place is plain ASCII.
    if let Ok(to) = HeaderValue::from_str(to) {
        fields.insert(header::LOCATION, to);
    }
    dress(fields);
    response
}

fn keep_referrer(fields: &mut HeaderMap) {
    fields.insert(header::REFERRER_POLICY, const { HeaderValue::from_static("same-origin") });
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "\"><script>alert('&')</script>";

    #[test]
    fn nothing_that_was_typed_is_anything_but_text() {
        let form = Form { realm: NASTY, user: NASTY, to: None, say: Some(Say::Fault(NASTY)) };
        for page in [form.page(), logged_in(NASTY, NASTY, NASTY)] {
            assert!(!page.contains("<script") && !page.contains("\"><s"), "{page}");
            assert!(page.contains("&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"), "{page}");
        }
    }

    #[test]
    fn the_pages_have_no_script_and_nothing_from_outside() {
        let to = Destination::parse("/messages?x=1");
        let page = Form { realm: "R", user: "", to: to.as_ref(), say: Some(Say::Done("Bye.")) }.page();
        assert!(page.contains("<input type=\"hidden\" name=\"to\" value=\"/messages?x=1\">"), "{page}");
        for page in [page, logged_in("R", "anna", "/mail/")] {
            for word in ["<script", "javascript:", "http:", "https:", "src=", "url(", "@import", " on", "<link"] {
                assert!(!page.contains(word), "{word}: {page}");
            }
        }
    }

    #[test]
    fn a_page_says_what_a_browser_may_do_with_it() {
        let response = response(StatusCode::OK, String::new());
        let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(field(header::REFERRER_POLICY), "same-origin");
        assert_eq!(field(header::CACHE_CONTROL), "no-store");
        assert_eq!(field(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        let policy = field(header::CONTENT_SECURITY_POLICY);
        for part in ["default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'self'"] {
            assert!(policy.contains(part), "{policy}");
        }
    }
}
