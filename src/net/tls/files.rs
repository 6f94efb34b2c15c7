//! Certificates and keys, read from their files and held against one another.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::model::{CertificateFiles, TlsConfig, TlsVersion};

/// What TLS is made of, read and checked.
#[derive(Debug)]
pub struct Loaded {
    /// What is shown to whom.
    pub certificates: Certificates,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

/// Why a file of TLS cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFileError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, and what to do.
    pub reason: String,
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file.display(), self.reason)
    }
}

impl std::error::Error for TlsFileError {}

/// The certificates of the gate.
#[derive(Debug)]
pub struct Certificates {
    default: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.default))
    }
}

/// Reads every file that `config` names.
///
/// # Errors
/// The first that cannot be used.
pub fn load(config: &TlsConfig) -> Result<Loaded, TlsFileError> {
    let mut keys = config.certificates.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    let default = Arc::new(keys.swap_remove(0));
    Ok(Loaded { certificates: Certificates { default }, min_version: config.min_version, http2: config.http2 })
}

fn pair(files: &CertificateFiles) -> Result<CertifiedKey, TlsFileError> {
    let wrong = |file: &Path, reason: String| TlsFileError { file: file.to_owned(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&files.cert, error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, error.to_string()))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| wrong(&files.cert, error.to_string()))
}
