//! The authority, and what it signs. Nothing leaves here that a client of ours would not take for each of its names.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::{Name, Says, Scope};

/// How long an authority holds: nobody wants to trust a new one every year.
const AUTHORITY_DAYS: i64 = 3650;
/// The most days a certificate may hold: Apple's systems take none of over 825 days, whoever signed it, and a day goes
/// to clocks that are behind.
pub const MAX_DAYS: u16 = 824;
/// Clocks of development machines are behind: what is made now holds since yesterday.
const SKEW: SignedDuration = SignedDuration::from_hours(24);
/// The longest common name (`ub-common-name` of X.509).
const MAX_COMMON_NAME: usize = 64;
const ORGANIZATION: &str = "Mailwarden";

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Pair {
    /// The certificate alone: what signed it is at whom it is shown to.
    pub certificate: String,
    /// The key, as PKCS #8.
    pub key: Zeroizing<String>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// An authority that can sign.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    says: Says,
}

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannotIssue {
    /// The authority's certificate or its key cannot be read, or they do not fit together.
    BrokenAuthority(String),
    /// The key of a certificate cannot be read.
    BrokenKey(String),
    /// The authority was not made by this command.
    NotOurs,
    /// The authority may not sign for that name; for what it may.
    OutOfScope(Name, Vec<Scope>),
    /// The authority does not hold any more, since then.
    Expired(Timestamp),
    /// The clock is at no time that a certificate can hold.
    Clock,
    /// The system has no randomness, or a library's word.
    Failed(String),
}

impl fmt::Display for CannotIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenAuthority(why) => write!(f, "the authority cannot be used: {why}"),
            Self::BrokenKey(why) => write!(f, "the certificate's key cannot be used: {why}"),
            Self::NotOurs => f.write_str("the authority there is not one that this command made"),
            Self::OutOfScope(name, scopes) => {
                let scopes = scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                write!(f, "the authority there may not sign for {name}: it was made for {scopes}")
            }
            Self::Expired(when) => write!(f, "the authority there held until {when}"),
            Self::Clock => f.write_str("the clock of this machine is wrong"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl From<rcgen::Error> for CannotIssue {
    fn from(error: rcgen::Error) -> Self {
        Self::Failed(format!("the certificate cannot be made: {error}"))
    }
}

impl Authority {
    /// Makes an authority that may sign for what is in `scopes`, and for the machine itself. `first` is what people
    /// know it by.
    ///
    /// # Errors
    /// [`CannotIssue::Clock`], [`CannotIssue::Failed`].
    pub fn make(first: &Name, scopes: &[Scope], now: Timestamp) -> Result<(Self, Pair), CannotIssue> {
        let key = KeyPair::generate()?;
        let mut params = params(now, now.checked_add(days(AUTHORITY_DAYS)).map_err(|_| CannotIssue::Clock)?)?;
        params.distinguished_name = distinguished_name(&common_name(first, &random::<4>()?));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut permitted: Vec<&Scope> = Vec::new();
        let own = Scope::own_machine();
        for scope in scopes.iter().chain(&own) {
            if !permitted.contains(&scope) {
                permitted.push(scope);
            }
        }
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: permitted.into_iter().map(Scope::subtree).collect(),
            excluded_subtrees: Vec::new(),
        });
        let certificate = params.self_signed(&key)?;
        let pair = Pair { certificate: certificate.pem(), key: Zeroizing::new(key.serialize_pem()) };
        Ok((Self::read(&pair)?, pair))
    }

    /// Reads an authority as [`Authority::make`] gave it.
    ///
    /// # Errors
    /// [`CannotIssue::BrokenAuthority`].
    pub fn read(pair: &Pair) -> Result<Self, CannotIssue> {
        let broken = |why: String| CannotIssue::BrokenAuthority(why);
        let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes())
            .map_err(|error| broken(format!("its certificate is no PEM: {error}")))?;
        let says = Says::read(&certificate).map_err(|why| broken(format!("its certificate {why}")))?;
        let der = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())
            .map_err(|error| broken(format!("its key is no PEM: {error}")))?;
        CertifiedKey::from_der(vec![certificate.clone()], der, &default_provider())
            .map_err(|error| broken(format!("its key does not fit its certificate: {error}")))?;
        let key = KeyPair::from_pem(&pair.key).map_err(|error| broken(error.to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(&says.common_name);
        Ok(Self { issuer: Issuer::new(params, key), certificate, says })
    }

    /// What its certificate says.
    #[must_use]
    pub fn says(&self) -> &Says {
        &self.says
    }

    /// Its certificate in DER, of which fingerprints are made.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// Makes a key, and a certificate for it that holds for `days`, or as long as the authority does.
    ///
    /// # Errors
    /// [`CannotIssue`].
    pub fn issue(&self, names: &[Name], days: u16, now: Timestamp) -> Result<Pair, CannotIssue> {
        let key = KeyPair::generate()?;
        let certificate = self.sign(names, &key, days, now)?;
        Ok(Pair { certificate, key: Zeroizing::new(key.serialize_pem()) })
    }

    /// Makes a certificate for a key that there is already, as PEM.
    ///
    /// # Errors
    /// [`CannotIssue`].
    pub fn renew(&self, names: &[Name], key: &str, days: u16, now: Timestamp) -> Result<String, CannotIssue> {
        let key = KeyPair::from_pem(key).map_err(|error| CannotIssue::BrokenKey(error.to_string()))?;
        self.sign(names, &key, days, now)
    }

    fn sign(&self, names: &[Name], key: &KeyPair, lasts: u16, now: Timestamp) -> Result<String, CannotIssue> {
        if now >= self.says.not_after {
            return Err(CannotIssue::Expired(self.says.not_after));
        }
        // Without a list it may sign for everything; ours have one.
        let is_covered = |name| self.says.scopes.is_empty() || self.says.scopes.iter().any(|scope| scope.covers(name));
        if let Some(name) = names.iter().find(|name| !is_covered(name)) {
            return Err(CannotIssue::OutOfScope(name.clone(), self.says.scopes.clone()));
        }
        let end = now.checked_add(days(lasts.into())).map_err(|_| CannotIssue::Clock)?;
        let mut params = params(now, end.min(self.says.not_after))?;
        // No common name: what looks for host names there would hold it against the authority's list.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, format!("{ORGANIZATION} development certificate"));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        for name in names {
            params.subject_alt_names.push(match name {
                Name::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
                Name::Ip(address) => SanType::IpAddress(*address),
            });
        }
        let certificate = params.signed_by(key, &self.issuer)?;
        if !Says::read(certificate.der()).is_ok_and(|says| says.is_from(&self.says)) {
            return Err(CannotIssue::NotOurs);
        }
        self.try_out(certificate.der(), names, now)?;
        Ok(certificate.pem())
    }

    /// Does what a client does that trusts the authority.
    fn try_out(&self, certificate: &CertificateDer<'_>, names: &[Name], now: Timestamp) -> Result<(), CannotIssue> {
        let refused = |why: String| CannotIssue::BrokenAuthority(format!("a client that trusts it refuses: {why}"));
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(|error| refused(error.to_string()))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let now = UnixTime::since_unix_epoch(since_epoch(now)?);
        for name in names {
            let asked = match name {
                Name::Dns(name) => ServerName::try_from(name.replacen('*', "any", 1)),
                Name::Ip(address) => Ok(ServerName::IpAddress((*address).into())),
            };
            let asked = asked.map_err(|error| refused(format!("{name}: {error}")))?;
            verifier
                .verify_server_cert(certificate, &[], &asked, &[], now)
                .map_err(|error| refused(format!("{name}: {error}")))?;
        }
        Ok(())
    }
}

/// What every certificate has: a random serial number, and when it holds.
fn params(now: Timestamp, end: Timestamp) -> Result<CertificateParams, CannotIssue> {
    // The type is a library's that nothing else here needs.
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let begin = now.checked_sub(SKEW).map_err(|_| CannotIssue::Clock)?;
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (epoch + since_epoch(begin)?, epoch + since_epoch(end)?);
    let mut serial = random::<16>()?;
    // Positive, and never so small that it would be written shorter.
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn since_epoch(time: Timestamp) -> Result<Duration, CannotIssue> {
    u64::try_from(time.as_second()).map(Duration::from_secs).map_err(|_| CannotIssue::Clock)
}

fn days(number: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * number)
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], CannotIssue> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| CannotIssue::Failed(format!("no randomness: {error}")))?;
    Ok(bytes)
}

/// What lists of authorities show. No two are the same, or programs would take one for the other.
fn common_name(first: &Name, random: &[u8; 4]) -> String {
    let number = u32::from_be_bytes(*random);
    let mut name = format!("{ORGANIZATION} authority {number:08x} for {first}");
    name.truncate(MAX_COMMON_NAME);
    name
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, ORGANIZATION);
    name.push(DnType::CommonName, common_name);
    name
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
pub(super) mod tests;
