//! The gate's cookies: their names, reading them, setting them, and keeping them from the catcher.
//!
//! Cookies ignore ports (RFC 6265 section 8.5): a browser sends one to every program on the host. So each name holds
//! the port that the browser uses, which is the one in `Host`: two gates on one host are at two ports there, while in
//! two containers both listen on 8080. And one that a colleague's program on the host is sent has to be of little use
//! to it: see [`super::ticket`].

use std::borrow::Cow;
use std::fmt::Write as _;

use http::header::{self, HeaderMap, HeaderValue};

use crate::guard::origin::Public;

/// What the names of all our cookies begin with.
const OURS: &[u8] = b"mailwarden_";

/// By this a browser takes the cookie over TLS only, for all paths, and from this very host: a neighbour below the same
/// domain cannot set one of that name.
const HOST_ONLY: &str = "__Host-";

/// Of several cookies of one name as many are looked at: a neighbour's must not hide ours, and nobody can make us look
/// long.
const LOOKED_AT: usize = 4;

/// The name of the socket ticket.
#[must_use]
pub fn ticket_name(public: &Public) -> String {
    format!("mailwarden_{}", public.port())
}

/// The name of the session.
#[must_use]
pub fn session_name(public: &Public) -> String {
    format!("{}mailwarden_session_{}", if public.https { HOST_ONLY } else { "" }, public.port())
}

/// The values of the cookies of that name, the first few.
pub fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let (found, value) = split(pair);
            (found == name.as_bytes()).then_some(value)
        })
        .take(LOOKED_AT)
}

/// Name and value of a pair; what has no `=` is a name alone.
fn split(pair: &[u8]) -> (&[u8], &[u8]) {
    let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
    let (name, value) = pair.split_at(equals);
    (name.trim_ascii(), value.strip_prefix(b"=").unwrap_or(value).trim_ascii())
}

/// What is left of a line without every gate's cookies, this one's and its neighbours', which are credentials too; none if
/// nothing is. All else stays as it came.
pub fn without_ours(line: &HeaderValue) -> Option<Cow<'_, HeaderValue>> {
    // Nearly always there is none, and then nothing is copied.
    if !line.as_bytes().windows(OURS.len()).any(|window| window == OURS) {
        return Some(Cow::Borrowed(line));
    }
    left_of(line.as_bytes()).map(Cow::Owned)
}

fn left_of(line: &[u8]) -> Option<HeaderValue> {
    let kept: Vec<&[u8]> = line.split(|byte| *byte == b';').filter(|pair| !is_ours(split(pair).0)).collect();
    let kept = kept.join(&b';');
    let kept = kept.trim_ascii();
    if kept.is_empty() { None } else { HeaderValue::from_bytes(kept).ok() }
}

fn is_ours(name: &[u8]) -> bool {
    name.strip_prefix(HOST_ONLY.as_bytes()).unwrap_or(name).starts_with(OURS)
}

/// When a browser sends a cookie along with requests that another site began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// With a link that is followed, and no other.
    Lax,
    /// Never.
    Strict,
}

/// A cookie as it is set.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value; of letters that need no quotes.
    pub value: &'a str,
    /// To which paths it is sent.
    pub path: &'a str,
    /// After how many seconds the browser forgets it; 0 makes it forget at once.
    pub max_age: u64,
    /// Who may cause it to be sent.
    pub same_site: SameSite,
    /// Whether over TLS only.
    pub secure: bool,
}

impl Set<'_> {
    /// The value of `Set-Cookie`. No script can read the cookie.
    #[must_use]
    pub fn header(&self) -> Option<HeaderValue> {
        // A path with a semicolon in it would end there, and the rest be taken for attributes.
        let path = if self.path.contains(';') { "/" } else { self.path };
        let mut text = String::with_capacity(256);
        let _ = write!(
            text,
            "{}={}; Path={path}; Max-Age={}; HttpOnly; SameSite={:?}{}",
            self.name,
            self.value,
            self.max_age,
            self.same_site,
            if self.secure { "; Secure" } else { "" }
        );
        HeaderValue::try_from(text).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let lines = lines.iter().map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap());
        let mut headers = HeaderMap::new();
        lines.for_each(|line| _ = headers.append(header::COOKIE, line));
        headers
    }

    fn stripped(lines: &[&str]) -> Vec<String> {
        let headers = headers(lines);
        let left = headers.get_all(header::COOKIE).iter().filter_map(without_ours);
        left.map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    fn public(host: &str, https: bool) -> Public {
        Public { host: Some(HeaderValue::from_str(host).unwrap()), https, listening: Some(8080) }
    }

    #[test]
    fn a_name_holds_the_port_that_the_browser_uses() {
        for (host, https, ticket) in [
            ("dev:8080", false, "mailwarden_8080"),
            ("dev", false, "mailwarden_80"),
            ("dev", true, "mailwarden_443"),
            ("[::1]:8081", false, "mailwarden_8081"),
            ("[::1]", true, "mailwarden_443"),
            ("dev:x; Domain=dev", false, "mailwarden_80"),
            ("dev:99999", false, "mailwarden_80"),
        ] {
            assert_eq!(ticket_name(&public(host, https)), ticket, "{host}");
        }
        assert_eq!(session_name(&public("dev:8080", false)), "mailwarden_session_8080");
        assert_eq!(session_name(&public("dev", true)), "__Host-mailwarden_session_443");
    }

    #[test]
    fn every_cookie_of_a_name_is_found_and_no_other() {
        let headers = headers(&["a=1; mailwarden_80=x; mailwarden_8080=y", " mailwarden_80 = z ;mailwarden_80"]);
        let found: Vec<&[u8]> = values(&headers, "mailwarden_80").collect();
        assert_eq!(found, [b"x".as_slice(), b"z", b""]);
    }

    #[test]
    fn of_many_cookies_of_one_name_a_few_are_looked_at() {
        let headers = headers(&["m=1; m=2; m=3", "m=4; m=5; m=6"]);
        assert_eq!(values(&headers, "m").count(), LOOKED_AT);
    }

    #[test]
    fn the_catcher_gets_every_cookie_but_the_gates() {
        for (lines, left) in [
            (&["a=1; b=2"][..], &["a=1; b=2"][..]),
            (&["a=1; mailwarden_8080=x; b=2"], &["a=1; b=2"]),
            (&["mailwarden_8080=x; b=2"], &["b=2"]),
            (&["a=1;__Host-mailwarden_session_443=x"], &["a=1"]),
            (&["mailwarden_1=x; mailwarden_session_1=y"], &[]),
            (&["mailwarden_1=x", "a=\"1\"", "mailwarden_2"], &["a=\"1\""]),
            (&["a=mailwarden_8080; x-mailwarden_1=2"], &["a=mailwarden_8080; x-mailwarden_1=2"]),
        ] {
            assert_eq!(stripped(lines), left, "{lines:?}");
        }
    }

    #[test]
    fn a_path_that_would_end_the_attribute_is_not_written() {
        let set = Set { name: "n", value: "v", path: "/a;b", max_age: 1, same_site: SameSite::Strict, secure: false };
        assert_eq!(set.header().unwrap(), "n=v; Path=/; Max-Age=1; HttpOnly; SameSite=Strict");
    }

    proptest! {
        #[test]
        fn no_line_lets_a_cookie_of_ours_through(line in "[ -~]{0,40}(mailwarden_[0-9]=x)?[;= a-z_]{0,20}(__Host-mailwarden_s=1)?") {
            for left in stripped(&[&line]) {
                for pair in left.split(';') {
                    let name = pair.split('=').next().unwrap().trim();
                    prop_assert!(!is_ours(name.as_bytes()), "{}", left);
                }
            }
        }
    }
}
