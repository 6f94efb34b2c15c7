//! What the login page's form brings, and where it may lead.

use std::fmt;

use zeroize::Zeroizing;

use crate::auth::{Credentials, Malformed};

/// The longest form: name and password at their longest, every letter escaped, and a way back.
pub const LONGEST: u64 = 8 * 1024;

/// The content type of a form.
const TYPE: &[u8] = b"application/x-www-form-urlencoded";

/// The longest way back. Nobody's inbox has a longer address.
const LONGEST_WAY: usize = 2048;

/// Whether `content_type` is that of a form, with parameters or without.
#[must_use]
pub fn is_form(content_type: &[u8]) -> bool {
    let end = content_type.iter().position(|byte| *byte == b';').unwrap_or(content_type.len());
    content_type[..end].trim_ascii().eq_ignore_ascii_case(TYPE)
}

/// A form that was filled in.
pub struct LoginForm {
    /// The name, as the bytes that were sent.
    pub user: Vec<u8>,
    /// Where to go then; none for the inbox.
    pub to: Option<Destination>,
    password: Zeroizing<Vec<u8>>,
}

impl LoginForm {
    /// Reads a form. What it lacks is empty; of what is there twice the first counts.
    ///
    /// The page asks for UTF-8, and what a program sends in another encoding stays the bytes that it is: a password is
    /// held against a hash of bytes.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let mut form = Self { user: Vec::new(), to: None, password: Zeroizing::default() };
        let (mut has_user, mut has_password, mut has_to) = (false, false, false);
        for pair in body.split(|byte| *byte == b'&') {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(equals);
            let value = value.strip_prefix(b"=").unwrap_or(value);
            match decoded(name).as_slice() {
                b"user" if !std::mem::replace(&mut has_user, true) => form.user = decoded(value).to_vec(),
                b"password" if !std::mem::replace(&mut has_password, true) => form.password = decoded(value),
                b"to" if !std::mem::replace(&mut has_to, true) => {
                    form.to = std::str::from_utf8(&decoded(value)).ok().and_then(Destination::parse);
                }
                _ => {}
            }
        }
        form
    }

    /// What was typed.
    ///
    /// # Errors
    /// When it cannot be anybody's.
    pub fn credentials(&self) -> Result<Credentials, Malformed> {
        Credentials::from_form(&self.user, &self.password)
    }
}

/// What an escaped text stands for (WHATWG URL section 5.1), without taking it for UTF-8. What is no escape stands for
/// itself.
fn decoded(text: &[u8]) -> Zeroizing<Vec<u8>> {
    // Never longer, so that it grows nowhere and leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let escaped = after.first_chunk().filter(|_| *first == b'%').and_then(|[high, low]| {
            let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            Some(digit(high)? << 4 | digit(low)?)
        });
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    bytes
}

impl fmt::Debug for LoginForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginForm").field("to", &self.to).finish_non_exhaustive()
    }
}

/// A place on this very site: a path, perhaps with a query, that no browser takes for another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(String);

impl Destination {
    /// Reads one.
    ///
    /// A browser drops tabs and line ends, takes a backslash for a slash, and takes what begins with two slashes for a
    /// host (WHATWG URL section 4.4). So only plain ASCII is a place here; whatever else a path may hold comes escaped.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let below = text.strip_prefix('/')?;
        let own = text.starts_with(crate::catcher::OWN_AREA);
        (plain && !below.starts_with('/') && !own && text.len() <= LONGEST_WAY).then(|| Self(text.to_owned()))
    }

    /// The way back that a login page's address holds.
    #[must_use]
    pub fn of_query(query: Option<&str>) -> Option<Self> {
        let (_, to) = form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == "to")?;
        Self::parse(&to)
    }

    /// The query that leads back to it.
    #[must_use]
    pub fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).append_pair("to", &self.0).finish()
    }

    /// The place.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(body: &str) -> (Vec<u8>, Vec<u8>) {
        let credentials = LoginForm::read(body.as_bytes()).credentials().unwrap();
        (credentials.user().to_vec(), credentials.password().to_vec())
    }

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        for (body, user, password) in [
            ("user=anna&password=secret", "anna", "secret"),
            ("password=s%3Ac+r%26t%25&user=an%20na", "an na", "s:c r&t%"),
            ("user=j%C3%B6rg&password=%E2%82%AC", "j\u{f6}rg", "\u{20ac}"),
            ("user=anna&user=ben&password=1&password=2", "anna", "1"),
            ("user=anna", "anna", ""),
            ("us%65r=anna&&password=1%", "anna", "1%"),
            ("user=anna&password=%4G%a", "anna", "%4G%a"),
            ("user=anna&password=a=b", "anna", "a=b"),
        ] {
            assert_eq!(pair(body), (user.as_bytes().to_vec(), password.as_bytes().to_vec()), "{body}");
        }
        assert!(!format!("{:?}", LoginForm::read(b"user=anna&password=secret")).contains("secret"));
    }

    #[test]
    fn what_is_no_utf8_stays_the_bytes_that_it_is() {
        let credentials = LoginForm::read(b"user=j%F6rg&password=gr%FC%DFe\xe4").credentials().unwrap();
        assert_eq!((credentials.user(), credentials.password()), (&b"j\xf6rg"[..], &b"gr\xfc\xdfe\xe4"[..]));
    }

    #[test]
    fn what_basic_cannot_carry_is_refused_in_a_form_as_well() {
        for (body, why) in [
            ("user=a%3Ab&password=c", Malformed::ColonInName),
            ("user=&password=c", Malformed::NoUser),
            ("user=anna&password=%00", Malformed::ControlCharacter),
            ("user=an%0Ana&password=c", Malformed::ControlCharacter),
            (&format!("user=anna&password={}", "x".repeat(513)), Malformed::PasswordTooLong),
        ] {
            assert_eq!(LoginForm::read(body.as_bytes()).credentials().unwrap_err(), why, "{body}");
        }
    }

    #[test]
    fn only_places_here_are_places() {
        for text in ["/", "/messages", "/mail/?q=%2F%2F#x", "/a//b", "/messages/1.html"] {
            assert_eq!(Destination::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "messages",
            "//evil",
            "/\\evil",
            "\\\\evil",
            "/\t/evil",
            "/\n/evil",
            "http://evil",
            "javascript:x",
            "/a\\b",
            "/\u{e4}",
            "/a b",
            " /a",
            "/\0",
            "/.mailwarden/logout",
            "https:/evil",
            "/\r\nSet-Cookie:x",
        ] {
            assert_eq!(Destination::parse(text), None, "{text:?}");
        }
        assert_eq!(Destination::parse(&format!("/{}", "x".repeat(3000))), None);
    }

    /// What a browser makes of a reference that begins a `Location` (WHATWG URL sections 4.4 and 4.5), as far as the
    /// host.
    fn stays_here(reference: &str) -> bool {
        let dropped: String = reference
            .trim_matches(|c: char| c <= ' ')
            .chars()
            .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
            .map(|c| if c == '\\' { '/' } else { c })
            .collect();
        dropped.starts_with('/') && !dropped.starts_with("//")
    }

    proptest! {
        #[test]
        fn no_way_back_leads_to_another_host(text in "[/\\\\\t\n\r .a-z:@%0-9?#-]{0,12}|.{0,12}|(//|/\\\\|/\t/|http:)?.{0,8}") {
            if let Some(to) = Destination::parse(&text) {
                prop_assert!(stays_here(to.as_str()), "{:?}", text);
                prop_assert!(http::HeaderValue::from_str(to.as_str()).is_ok());
                prop_assert_eq!(Destination::of_query(Some(&to.to_query())), Some(to));
            }
        }

        #[test]
        fn no_form_panics(body: Vec<u8>) {
            let _ = LoginForm::read(&body).credentials();
        }

        #[test]
        fn whatever_a_browser_writes_is_read_as_it_was_typed(user in ".{0,20}", password in ".{0,20}") {
            let pairs = [("user", &user), ("password", &password)];
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let form = LoginForm::read(body.as_bytes());
            prop_assert_eq!((&*form.user, &**form.password), (user.as_bytes(), password.as_bytes()));
        }
    }
}
