//! Certificates of clients: who they name, which users those are, and whether one still holds.

mod subject;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Reads a name of a certificate that somebody wrote: a subject, `email:ADDRESS` or `uri:URI`; into its one spelling.
///
/// # Errors
/// Why it is none, as a text that goes on from the name's.
pub(crate) fn parse_name(written: &str) -> Result<String, &'static str> {
    let (kind, value) = match (written.strip_prefix("email:"), written.strip_prefix("uri:")) {
        (Some(value), _) => (b'@', value),
        (_, Some(value)) => (b':', value),
        (None, None) => return subject::parse(written),
    };
    let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain && value.as_bytes().contains(&kind) {
        Ok(written.to_owned())
    } else {
        Err("is no name of a certificate; write email:anna@example.org or uri:spiffe://example.org/anna")
    }
}

/// A client's certificate, which an authority of the configuration's vouched for at the handshake.
pub struct Certificate {
    /// Its subject, and its alternative names as `email:` and `uri:`, each in its one spelling.
    names: Vec<String>,
    /// From when to when it is good.
    valid: [SystemTime; 2],
    chain: Vec<CertificateDer<'static>>,
    /// Who was asked about it last, and what the answer was: signatures are looked at once for each.
    asked: Mutex<Option<(Authorities, bool)>>,
}

/// What judges certificates of clients.
pub type Authorities = Arc<dyn ClientCertVerifier>;

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Its subject.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.names.first().map_or("", String::as_str))
    }
}

impl Certificate {
    /// Reads the first of `chain`; none if it cannot be read, and then it is nobody's.
    #[must_use]
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let certificate = CertificateInner::<Raw>::from_der(chain.first()?).ok()?;
        let tbs = certificate.tbs_certificate();
        let mut names = vec![subject::text_of(tbs.subject())];
        // Several of that extension, or one that cannot be read: then it has none of these names.
        if let Ok(Some((_, SubjectAltName(found)))) = tbs.get_extension::<SubjectAltName>() {
            names.extend(found.iter().filter_map(|name| match name {
                GeneralName::Rfc822Name(email) => Some(format!("email:{}", email.as_str())),
                GeneralName::UniformResourceIdentifier(uri) => Some(format!("uri:{}", uri.as_str())),
                _ => None,
            }));
        }
        let valid = [tbs.validity().not_before.to_system_time(), tbs.validity().not_after.to_system_time()];
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        Some(Self { names, valid, chain, asked: Mutex::default() })
    }

    /// The handshake has held it against these.
    pub fn vouched_for_by(&self, authorities: &Authorities) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(authorities), true));
    }

    fn is_valid_at(&self, now: SystemTime) -> bool {
        let [from, until] = self.valid;
        from <= now && now <= until
    }
}

/// Whose certificates are asked for.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Who judges them, and whom they name.
    pub certificates: Arc<ClientCertificates>,
    /// Whether nobody gets in without one.
    pub required: bool,
    /// Of the authorities.
    pub digest: [u8; 32],
}

/// Whose certificates are taken, and which users they name.
#[derive(Clone)]
pub struct ClientCertificates {
    authorities: Authorities,
    /// The user by a name of a certificate, in its one spelling.
    users: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificates").field("users", &self.users).finish_non_exhaustive()
    }
}

impl ClientCertificates {
    /// Those that `authorities` vouch for, with the `users` that their names stand for.
    #[must_use]
    pub fn new(authorities: Authorities, users: BTreeMap<String, Vec<u8>>) -> Self {
        Self { authorities, users }
    }

    /// What judges them in a handshake.
    #[must_use]
    pub fn authorities(&self) -> &Authorities {
        &self.authorities
    }

    /// Whether `certificate` is one of them at this moment, whatever the handshake said: since then the authorities may have
    /// become others, and it may have expired.
    #[must_use]
    pub fn vouch_for(&self, certificate: &Certificate, now: SystemTime) -> bool {
        if !certificate.is_valid_at(now) {
            return false;
        }
        let mut asked = certificate.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((authorities, answer)) = &*asked
            && Arc::ptr_eq(authorities, &self.authorities)
        {
            return *answer;
        }
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let answer = certificate.chain.split_first().is_some_and(|(own, between)| {
            self.authorities.verify_client_cert(own, between, UnixTime::since_unix_epoch(since)).is_ok()
        });
        *asked = Some((Arc::clone(&self.authorities), answer));
        answer
    }

    /// The name of the user that `certificate` stands for. Nobody, if its names stand for several.
    #[must_use]
    pub fn user_of(&self, certificate: &Certificate) -> Option<&[u8]> {
        let mut found = certificate.names.iter().filter_map(|name| self.users.get(name));
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    }
}
