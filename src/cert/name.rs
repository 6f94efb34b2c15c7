//! What a certificate is for: a DNS name, a wildcard, an address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The longest DNS name, without the dot at its end (RFC 1035).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A name that a certificate holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// In lower case; the first label may be `*`.
    Dns(String),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
}

impl Name {
    /// What its folder is called: the `*` and the colons mean something to shells and in lists of volumes.
    #[must_use]
    pub fn folder(&self) -> String {
        match self {
            Self::Dns(name) => name.replacen('*', "_wildcard", 1),
            Self::Ip(address) => address.to_string().replace(':', "-"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// Why a text is no name for a certificate, and what to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// Nothing at all.
    Empty,
    /// Letters of other alphabets.
    NotAscii,
    /// A scheme, a port, a user or a path with it.
    MoreThanName,
    /// A network, or a zone.
    NoSingleAddress,
    /// Nobody connects to it.
    Unspecified,
    /// It ends in a number, so that browsers take it for an address.
    LikeAnAddress,
    /// A `*` that browsers do not take.
    Wildcard,
    /// A label that is empty, too long, or has something else than letters, digits, `-` and `_`.
    Label,
    /// Over 253 letters.
    TooLong,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::NotAscii => {
                "has letters that are not in DNS: write it as it is there, beginning with xn-- (Punycode), as for \
                 xn--bcher-kva.example"
            }
            Self::MoreThanName => "is more than a name: leave out scheme, user, port and path",
            Self::NoSingleAddress => "is no single address: write one address, without a network or a zone",
            Self::Unspecified => {
                "is where a server listens, not where anybody connects to: write the address people use"
            }
            Self::LikeAnAddress => "ends in a number, so that browsers take it for an address, and it is none",
            Self::Wildcard => {
                "has a * that browsers do not take: it stands alone before a domain of two labels or more, as in \
                 *.dev.example"
            }
            Self::Label => {
                "is no DNS name: labels of 1 to 63 letters, digits, - and _, with dots between and no - at their ends"
            }
            Self::TooLong => "is over 253 letters long",
        })
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        match bare.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => return Err(BadName::Unspecified),
            Ok(address) => return Ok(Self::Ip(address)),
            Err(_) => {}
        }
        let has = |letters: &str| text.contains(|letter| letters.contains(letter));
        if text.contains("://") || has("@?#") || text.contains("]:") {
            return Err(BadName::MoreThanName);
        }
        if let Some((before, _)) = bare.split_once(['/', '%'])
            && before.parse::<IpAddr>().is_ok()
        {
            return Err(BadName::NoSingleAddress);
        }
        if has("/:") {
            return Err(BadName::MoreThanName);
        }
        let domain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let below = domain.strip_prefix("*.");
        check_domain(below.unwrap_or(&domain))?;
        if below.is_some_and(|below| !below.contains('.')) {
            return Err(BadName::Wildcard);
        }
        if domain.len() > MAX_NAME {
            return Err(BadName::TooLong);
        }
        Ok(Self::Dns(domain))
    }
}

/// Looks whether a text in lower case is a DNS name, without a wildcard.
pub(super) fn check_domain(domain: &str) -> Result<(), BadName> {
    if domain.is_empty() {
        return Err(BadName::Empty);
    }
    if !domain.is_ascii() {
        return Err(BadName::NotAscii);
    }
    if domain.contains('*') {
        return Err(BadName::Wildcard);
    }
    if domain.len() > MAX_NAME {
        return Err(BadName::TooLong);
    }
    let fits = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
    };
    if !domain.split('.').all(fits) {
        return Err(BadName::Label);
    }
    let last = domain.rsplit('.').next().unwrap_or_default();
    let is_hex = last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_hex || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadName::LikeAnAddress);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_taken_as_people_write_them() {
        for (text, name, folder) in [
            ("mail.dev.example", "mail.dev.example", "mail.dev.example"),
            ("Mail.Dev.Example.", "mail.dev.example", "mail.dev.example"),
            ("localhost", "localhost", "localhost"),
            ("mail_catcher", "mail_catcher", "mail_catcher"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("*.dev.example", "*.dev.example", "_wildcard.dev.example"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.7"),
            ("2001:DB8::7", "2001:db8::7", "2001-db8--7"),
            ("[::1]", "::1", "--1"),
        ] {
            let read: Name = text.parse().unwrap();
            assert_eq!((read.to_string(), read.folder()), (name.to_owned(), folder.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_no_browser_would_take_is_refused_with_what_to_write() {
        for (text, why) in [
            ("", BadName::Empty),
            (".", BadName::Empty),
            ("bücher.example", BadName::NotAscii),
            ("https://mail.example", BadName::MoreThanName),
            ("mail.example:8443", BadName::MoreThanName),
            ("[::1]:8443", BadName::MoreThanName),
            ("192.0.2.7:8443", BadName::MoreThanName),
            ("mail.example/messages", BadName::MoreThanName),
            ("anna@mail.example", BadName::MoreThanName),
            ("192.0.2.0/24", BadName::NoSingleAddress),
            ("fe80::1%eth0", BadName::NoSingleAddress),
            ("0.0.0.0", BadName::Unspecified),
            ("::", BadName::Unspecified),
            ("300.1.1.1", BadName::LikeAnAddress),
            ("192.0.2", BadName::LikeAnAddress),
            ("mail.0x7f", BadName::LikeAnAddress),
            ("*", BadName::Wildcard),
            ("*.example", BadName::Wildcard),
            ("a*.dev.example", BadName::Wildcard),
            ("mail.*.example", BadName::Wildcard),
            ("*.*.dev.example", BadName::Wildcard),
            ("a..example", BadName::Label),
            (".example", BadName::Label),
            ("-a.example", BadName::Label),
            ("a-.example", BadName::Label),
            ("a b.example", BadName::Label),
            ("../../etc", BadName::MoreThanName),
            ("..", BadName::Label),
            ("a\n.example", BadName::Label),
        ] {
            assert_eq!(text.parse::<Name>(), Err(why), "{text:?}");
        }
        assert_eq!(format!("{}.example", "a".repeat(64)).parse::<Name>(), Err(BadName::Label));
        assert_eq!(["a".repeat(60).as_str(); 5].join(".").parse::<Name>(), Err(BadName::TooLong));
    }

    proptest! {
        #[test]
        fn a_folder_never_leads_elsewhere(text in "\\PC{0,40}|[a-z0-9.*_/:-]{0,40}") {
            if let Ok(name) = text.parse::<Name>() {
                let folder = name.folder();
                prop_assert!(!folder.contains(['/', '*', ':', '\0']) && !folder.starts_with('.'), "{folder}");
                prop_assert_eq!(name.to_string().parse::<Name>(), Ok(name));
            }
        }
    }
}
