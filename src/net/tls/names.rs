//! What a certificate of the gate's says: for which names, and from when to when.

use std::net::IpAddr;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// What a certificate says.
#[derive(Debug)]
pub(super) struct Described {
    /// DNS names, in lower case and with a wildcard perhaps, and addresses.
    pub(super) names: Vec<String>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

/// Reads it.
///
/// # Errors
/// Why it cannot be read, as a text that goes on from the file's name.
pub(super) fn describe(certificate: &CertificateDer<'_>) -> Result<Described, &'static str> {
    let certificate =
        CertificateInner::<Raw>::from_der(certificate).map_err(|_| "holds what is no certificate inside")?;
    let tbs = certificate.tbs_certificate();
    // A certificate without these names can be the default all the same: that is not chosen by them.
    let names = match tbs.get_extension::<SubjectAltName>() {
        Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(name).collect(),
        Ok(None) | Err(_) => Vec::new(),
    };
    let validity = tbs.validity();
    Ok(Described {
        names,
        not_before: validity.not_before.to_system_time(),
        not_after: validity.not_after.to_system_time(),
    })
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) if name.as_str().bytes().all(|byte| byte.is_ascii_graphic()) => {
            Some(name.as_str().to_ascii_lowercase())
        }
        GeneralName::IpAddress(address) => match address.as_bytes() {
            bytes if let Ok(v4) = <[u8; 4]>::try_from(bytes) => Some(IpAddr::from(v4).to_string()),
            bytes => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        },
        _ => None,
    }
}
