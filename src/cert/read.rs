//! What a certificate says of itself. That it is signed rightly is not looked at here.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{NameConstraints, SubjectAltName};
use x509_cert::time::Time;

use super::{Name, Scope};

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
    issuer: x509_cert::name::Name,
    subject: x509_cert::name::Name,
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
    let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
    let signed = certificate.tbs_certificate();
    let names = signed.get_extension::<SubjectAltName>().ok()?.map(|(_, SubjectAltName(names))| names);
    let constraints = signed.get_extension::<NameConstraints>().ok()?;
    let permitted = constraints.and_then(|(_, constraints)| constraints.permitted_subtrees).unwrap_or_default();
    Some(Says {
        names: names.unwrap_or_default().iter().filter_map(name).collect(),
        not_before: time(signed.validity().not_before)?,
        not_after: time(signed.validity().not_after)?,
        common_name: signed.subject().common_name().ok()?.map(|name| name.value().into_owned()).unwrap_or_default(),
        scopes: permitted.iter().filter_map(|subtree| scope(&subtree.base)).collect(),
        issuer: signed.issuer().clone(),
        subject: signed.subject().clone(),
    })
}

/// A name of a kind that we know: others are no server's.
fn name(name: &GeneralName) -> Option<Name> {
    match name {
        GeneralName::DnsName(name) => name.as_str().parse().ok(),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()).map(Name::Ip),
        _ => None,
    }
}

/// The address and the mask of a network stand behind one another.
fn scope(base: &GeneralName) -> Option<Scope> {
    match base {
        GeneralName::DnsName(domain) => Some(Scope::Domain(domain.as_str().to_owned())),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let (network, mask) = bytes.split_at_checked(bytes.len() / 2)?;
            IpNet::with_netmask(address(network)?, address(mask)?).ok().map(Scope::Network)
        }
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    four.or_else(|| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from))
}

fn time(time: Time) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::super::issue::tests::{NOW, pair};
    use super::*;

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
