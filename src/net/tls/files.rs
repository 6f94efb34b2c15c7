//! Certificates and keys, read from their files and held against one another.
//!
//! All or nothing: a file that is half-written, or a key whose certificate is still to come, is an error here, and whoever
//! reloads keeps what he had until the files fit again.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::names::{Described, describe};
use super::resolver::Certificates;
use crate::auth::Stamp;
use crate::auth::certificate::{ClientCertificates, Clients};
use crate::auth::users::Unreadable;
use crate::config::model::{CertificateFiles, ClientsConfig, TlsConfig, TlsVersion};
use crate::config::{Place, Written, os_reason};

/// More than any chain or list of authorities that people write.
const LONGEST: u64 = 4 << 20;

/// What TLS is made of, read and checked.
#[derive(Debug)]
pub struct Loaded {
    /// What is shown to whom.
    pub certificates: Certificates,
    /// What there is to say of each of them, in the configuration's order.
    pub shown: Vec<Shown>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// Whose certificates are asked for, if anybody's.
    pub clients: Option<Clients>,
    /// What the files were like before they were read, in the order of [`TlsConfig::files`].
    pub stamps: Vec<Stamp>,
    /// Of all that was read.
    pub digest: [u8; 32],
}

/// A certificate that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its file.
    pub file: PathBuf,
    /// The names that it is good for.
    pub names: Vec<String>,
    /// From when.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
    /// Whether everybody on the machine may read its key.
    pub key_is_open: bool,
}

/// Why a file of TLS cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFileError {
    /// Where the configuration names it.
    pub at: Written,
    /// The key that does.
    pub key: &'static str,
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, and what to do, as a text that goes on from the file's name.
    pub reason: String,
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at.0 {
            // The variable's or the flag's name says it.
            at @ (Place::Environment { .. } | Place::Flag { .. }) => write!(f, "{at}: ")?,
            at @ Place::File { .. } => write!(f, "{at}: {}: ", self.key)?,
            Place::Default => write!(f, "{}: ", self.key)?,
        }
        write!(f, "{} {}", self.file.display(), self.reason)
    }
}

impl std::error::Error for TlsFileError {}

/// Reads every file that `config` names.
///
/// # Errors
/// The first that cannot be used. A certificate that has expired can.
pub fn load(config: &TlsConfig) -> Result<Loaded, TlsFileError> {
    // Before the reading: what is written meanwhile makes another stamp.
    let stamps = config.files().map(|file| Stamp::of(file)).collect();
    let mut digest = Sha256::new();
    let mut certificates = Vec::with_capacity(config.certificates.len());
    let mut shown = Vec::with_capacity(config.certificates.len());
    for (index, files) in config.certificates.iter().enumerate() {
        let (certified, about) = pair(files, index == 0, &mut digest)?;
        certificates.push((Arc::new(certified), about.names.clone()));
        shown.push(about);
    }
    let clients = config.clients.as_ref().map(|clients| authorities(clients, &mut digest)).transpose()?;
    Ok(Loaded {
        certificates: Certificates::new(certificates),
        shown,
        min_version: config.min_version,
        http2: config.http2,
        clients,
        stamps,
        digest: digest.finalize().into(),
    })
}

/// What there is to say of each certificate that `config` names, without its key: whoever looks may not read that.
pub fn dates(config: &TlsConfig) -> impl Iterator<Item = Result<Shown, TlsFileError>> {
    config.certificates.iter().enumerate().map(|(index, files)| {
        let key = if index == 0 { "tls.cert_file" } else { "tls.certificates" };
        let wrong = |reason| TlsFileError { at: files.cert_at.clone(), key, file: files.cert.clone(), reason };
        let chain = chain(&read(&files.cert).map_err(wrong)?).map_err(wrong)?;
        shown(files, &chain).map_err(wrong)
    })
}

fn shown(files: &CertificateFiles, chain: &[CertificateDer<'_>]) -> Result<Shown, String> {
    // A chain has at least one.
    let first = chain.first().ok_or("is empty")?;
    let Described { names, not_before, not_after } = describe(first)?;
    let key_is_open = is_open(&files.key);
    Ok(Shown { file: files.cert.clone(), names, not_before, not_after, key_is_open })
}

/// A certificate and its key.
fn pair(
    files: &CertificateFiles,
    is_default: bool,
    digest: &mut Sha256,
) -> Result<(CertifiedKey, Shown), TlsFileError> {
    let (cert_key, key_key) = match is_default {
        true => ("tls.cert_file", "tls.key_file"),
        false => ("tls.certificates", "tls.certificates"),
    };
    let wrong_cert =
        |reason| TlsFileError { at: files.cert_at.clone(), key: cert_key, file: files.cert.clone(), reason };
    let wrong_key = |reason| TlsFileError { at: files.key_at.clone(), key: key_key, file: files.key.clone(), reason };
    let (cert, key) = (read(&files.cert).map_err(wrong_cert)?, read(&files.key).map_err(wrong_key)?);
    for content in [&cert, &key] {
        digest.update(Sha256::digest(content));
    }
    let chain = chain(&cert).map_err(wrong_cert)?;
    let key = private_key(&key).map_err(wrong_key)?;
    let about = shown(files, &chain).map_err(wrong_cert)?;
    let provider = ring::default_provider();
    let certified = match CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider) {
        Ok(certified) => certified,
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let fits = |one: &CertificateDer<'static>| {
                CertifiedKey::from_der(vec![one.clone()], key.clone_key(), &provider).is_ok()
            };
            return Err(match chain.iter().position(fits) {
                Some(position) => wrong_cert(format!(
                    "has the certificate that {} fits as its number {}; put it first, and those that vouch for it behind it",
                    files.key.display(),
                    position + 1
                )),
                None => wrong_key(format!("does not fit the certificate in {}", files.cert.display())),
            });
        }
        Err(rustls::Error::InvalidCertificate(error)) => {
            return Err(wrong_cert(format!("holds a certificate that TLS cannot use: {error:?}")));
        }
        Err(_) => {
            let kinds = "ECDSA with P-256, P-384 or P-521, Ed25519, or RSA with 2048 to 8192 bits";
            return Err(wrong_key(format!("is no key that TLS can use here; there are {kinds}")));
        }
    };
    Ok((certified, about))
}

/// Who vouches for clients.
fn authorities(config: &ClientsConfig, digest: &mut Sha256) -> Result<Clients, TlsFileError> {
    let key = "tls.client_ca_file";
    let wrong = |reason| TlsFileError { at: config.ca_at.clone(), key, file: config.ca.clone(), reason };
    let content = read(&config.ca).map_err(wrong)?;
    let own: [u8; 32] = Sha256::digest(&*content).into();
    digest.update(own);
    let mut roots = RootCertStore::empty();
    for (index, certificate) in chain(&content).map_err(wrong)?.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|error| wrong(format!("cannot be used, its certificate {}: {error}", index + 1)))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()));
    let builder = if config.required { builder } else { builder.allow_unauthenticated() };
    let verifier = builder.build().map_err(|error| wrong(format!("cannot be used: {error}")))?;
    let certificates = Arc::new(ClientCertificates::new(verifier, config.users.clone()));
    Ok(Clients { certificates, required: config.required, digest: own })
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::PermissionDenied => format!("cannot be read: {}", Unreadable::look(file).reason()),
        _ => format!("cannot be read: {}", os_reason(&error)),
    };
    // Before it is opened: opening a named pipe would wait for its writer.
    let found = std::fs::metadata(file).map_err(cannot)?;
    if !found.is_file() {
        return Err("is no regular file".to_owned());
    }
    if found.len() > LONGEST {
        return Err("is too long for certificates".to_owned());
    }
    // All of it at once: a vector that grows leaves copies of a key behind.
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0) + 1));
    File::open(file).map_err(cannot)?.take(LONGEST).read_to_end(&mut content).map_err(cannot)?;
    Ok(content)
}

/// Every certificate of a file, at least one.
fn chain(content: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain = CertificateDer::pem_slice_iter(content).collect::<Result<Vec<_>, _>>().map_err(broken)?;
    if !chain.is_empty() {
        return Ok(chain);
    }
    Err(if holds(content, "PRIVATE KEY-----") {
        "holds a key and no certificate; are the two files the wrong way round?".to_owned()
    } else if content.is_empty() {
        "is empty".to_owned()
    } else if content.starts_with(&[0x30]) {
        "is no PEM; make it so: openssl x509 -inform der -in FILE -out NEW".to_owned()
    } else {
        "holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned()
    })
}

fn private_key(content: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if holds(content, "BEGIN ENCRYPTED PRIVATE KEY-----") || holds(content, "Proc-Type: 4,ENCRYPTED") {
        let mend = "write it without a passphrase: openssl pkey -in FILE -out NEW (as root, umask 077)";
        return Err(format!("is encrypted, and nobody is there to be asked for its passphrase; {mend}"));
    }
    match PrivateKeyDer::from_pem_slice(content) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(if holds(content, "BEGIN CERTIFICATE-----") {
            "holds a certificate and no key; are the two files the wrong way round?".to_owned()
        } else if content.is_empty() {
            "is empty".to_owned()
        } else if content.starts_with(&[0x30]) {
            "is no PEM; make it so: openssl pkey -inform der -in FILE -out NEW".to_owned()
        } else {
            "holds no private key (-----BEGIN PRIVATE KEY-----)".to_owned()
        }),
        Err(error) => Err(broken(error)),
    }
}

fn holds(content: &[u8], text: &str) -> bool {
    content.windows(text.len()).any(|part| part == text.as_bytes())
}

fn broken(error: pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "ends in the middle of a part; is it still being written?".to_owned(),
        error => format!("is no PEM: {error}"),
    }
}

/// Whether others than the file's owner and group may read it.
fn is_open(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}
