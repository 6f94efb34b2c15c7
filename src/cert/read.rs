//! What a certificate says of itself, read from its DER (RFC 5280, 4.1). That it is signed rightly is not looked at here.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Name, Scope};

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `GeneralName` (RFC 5280, 4.2.1.6).
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
const PERMITTED: u8 = 0xa0;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Says {
    /// The names that it is for.
    pub names: Vec<Name>,
    /// When it begins to hold.
    pub not_before: Timestamp,
    /// The last moment at which it holds.
    pub not_after: Timestamp,
    /// The subject's common name; empty if there is none.
    pub common_name: String,
    /// What an authority may sign for; empty where it says nothing of that.
    pub scopes: Vec<Scope>,
    pub(super) issuer: Vec<u8>,
    pub(super) subject: Vec<u8>,
}

/// It is no certificate of X.509.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no certificate that can be read")
    }
}

impl Says {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(der: &[u8]) -> Result<Self, Unread> {
        says(der).ok_or(Unread)
    }

    /// Whether it names that authority as the one that signed it.
    #[must_use]
    pub fn is_from(&self, authority: &Self) -> bool {
        self.issuer == authority.subject
    }
}

fn says(der: &[u8]) -> Option<Says> {
    let mut certificate = Der(Der(der).take(SEQUENCE)?);
    let mut signed = Der(certificate.take(SEQUENCE)?);
    signed.skip_if(VERSION)?;
    signed.next()?; // the serial number
    signed.next()?; // the signature's algorithm
    let issuer = signed.take(SEQUENCE)?.to_vec();
    let mut validity = Der(signed.take(SEQUENCE)?);
    let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
    let subject = signed.take(SEQUENCE)?.to_vec();
    let common_name = common_name(&subject).unwrap_or_default();
    signed.next()?; // the public key
    let mut says = Says { names: Vec::new(), not_before, not_after, common_name, scopes: Vec::new(), issuer, subject };
    while !signed.0.is_empty() {
        let (tag, content) = signed.next()?;
        if tag == EXTENSIONS {
            extensions(content, &mut says)?;
        }
    }
    Some(says)
}

fn extensions(content: &[u8], says: &mut Says) -> Option<()> {
    let mut all = Der(Der(content).take(SEQUENCE)?);
    while !all.0.is_empty() {
        let mut one = Der(all.take(SEQUENCE)?);
        let identifier = one.take(OBJECT_IDENTIFIER)?;
        one.skip_if(BOOLEAN)?;
        let mut value = Der(one.take(OCTET_STRING)?);
        match identifier {
            SUBJECT_ALT_NAME => says.names = names(value.take(SEQUENCE)?)?,
            NAME_CONSTRAINTS => says.scopes = scopes(value.take(SEQUENCE)?)?,
            _ => {}
        }
    }
    Some(())
}

/// The names of a kind that we know: others are no server's.
fn names(content: &[u8]) -> Option<Vec<Name>> {
    let (mut all, mut names) = (Der(content), Vec::new());
    while !all.0.is_empty() {
        match all.next()? {
            (DNS_NAME, name) => names.extend(std::str::from_utf8(name).ok().and_then(|name| name.parse().ok())),
            (IP_ADDRESS, bytes) => names.push(Name::Ip(address(bytes)?)),
            _ => {}
        }
    }
    Some(names)
}

fn scopes(content: &[u8]) -> Option<Vec<Scope>> {
    let (mut lists, mut scopes) = (Der(content), Vec::new());
    while !lists.0.is_empty() {
        let (PERMITTED, list) = lists.next()? else { continue };
        let mut list = Der(list);
        while !list.0.is_empty() {
            match Der(list.take(SEQUENCE)?).next()? {
                (DNS_NAME, domain) => scopes.push(Scope::Domain(String::from_utf8(domain.to_vec()).ok()?)),
                (IP_ADDRESS, bytes) => {
                    let (network, mask) = bytes.split_at_checked(bytes.len() / 2)?;
                    scopes.push(Scope::Network(IpNet::with_netmask(address(network)?, address(mask)?).ok()?));
                }
                _ => {}
            }
        }
    }
    Some(scopes)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

fn common_name(subject: &[u8]) -> Option<String> {
    let mut sets = Der(subject);
    while !sets.0.is_empty() {
        let mut pair = Der(Der(sets.next()?.1).take(SEQUENCE)?);
        if pair.take(OBJECT_IDENTIFIER)? == COMMON_NAME {
            return String::from_utf8(pair.next()?.1.to_vec()).ok();
        }
    }
    None
}

/// A time as RFC 5280, 4.1.2.5 has it: in seconds, in UTC.
fn time((tag, text): (u8, &[u8])) -> Option<Timestamp> {
    let digits = text.strip_suffix(b"Z")?;
    let year_digits = match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => return None,
    };
    if digits.len() != year_digits + 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0i16, |sum, digit| sum * 10 + i16::from(digit - b'0'));
    let (year, rest) = digits.split_at(year_digits);
    let year = match (tag, number(year)) {
        (UTC_TIME, year @ 50..) => 1900 + year,
        (UTC_TIME, year) => 2000 + year,
        (_, year) => year,
    };
    let part = |index: usize| rest.get(2 * index..2 * index + 2).and_then(|two| i8::try_from(number(two)).ok());
    let civil = DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// Values of DER one after the other; what is left of them.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], rest) = self.0.split_first_chunk::<2>()?;
        // Tags of several bytes and lengths without an end are not in certificates.
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                (bytes.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, which has to have that tag.
    fn take(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().and_then(|(tag, content)| (tag == wanted).then_some(content))
    }

    /// Leaves out the next value if it has that tag.
    fn skip_if(&mut self, tag: u8) -> Option<()> {
        if self.0.first() == Some(&tag) {
            self.next()?;
        }
        Some(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::super::issue::tests::{NOW, pair};
    use super::*;

    #[test]
    fn both_forms_of_a_time_are_read() {
        let read = |tag, text: &str| time((tag, text.as_bytes())).map(|time| time.to_string());
        assert_eq!(read(UTC_TIME, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(read(UTC_TIME, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(read(GENERALIZED_TIME, "20500101000000Z").as_deref(), Some("2050-01-01T00:00:00Z"));
        for bad in ["", "Z", "491331235959Z", "49123123595Z", "491231235959", "4912312359+1Z"] {
            assert_eq!(read(UTC_TIME, bad), None, "{bad}");
        }
    }

    #[test]
    fn what_was_cut_off_is_no_certificate() {
        let der = pair(&["mail.dev.example", "192.0.2.7"]).0;
        assert!(Says::read(&der).is_ok_and(|says| says.names.len() == 2 && says.not_before < NOW));
        for end in 0..der.len() {
            assert_eq!(Says::read(&der[..end]), Err(Unread));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at: prop::sample::Index, byte: u8) {
            let _ = Says::read(&bytes);
            let mut der = pair(&["mail.dev.example"]).0;
            let at = at.index(der.len());
            der[at] = byte;
            let _ = Says::read(&der);
        }
    }
}
