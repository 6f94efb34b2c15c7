//! Which certificate is shown: by the name that the client asks for (RFC 6066 section 3), the exact one before a wildcard,
//! else the default.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The certificates of the gate.
pub struct Certificates {
    default: Option<Arc<CertifiedKey>>,
    /// By a name in lower case.
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what stands behind `*`, with its dot.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("exact", &self.exact.len()).finish_non_exhaustive()
    }
}

impl Certificates {
    /// `certificates` with the names of each, at least one, and the first of them the default. Of two that have one name
    /// the first is shown.
    pub(super) fn new(certificates: Vec<(Arc<CertifiedKey>, Vec<String>)>) -> Self {
        let default = certificates.first().map(|(certificate, _)| Arc::clone(certificate));
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for (certificate, names) in certificates {
            for name in names {
                match name.strip_prefix('*').map(str::to_owned) {
                    Some(below) => wildcard.entry(below).or_insert_with(|| Arc::clone(&certificate)),
                    None => exact.entry(name).or_insert_with(|| Arc::clone(&certificate)),
                };
            }
        }
        Self { default, exact, wildcard }
    }

    /// The certificate for a name, which is in lower case.
    fn of(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        // A wildcard stands for one label (RFC 9525 section 6.3).
        let below = || name.find('.').and_then(|dot| self.wildcard.get(name.get(dot..)?));
        self.exact.get(name).or_else(below).or(self.default.as_ref())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificate = match hello.server_name() {
            // rustls has made it lower case.
            Some(name) => self.of(name.strip_suffix('.').unwrap_or(name)),
            None => self.default.as_ref(),
        };
        certificate.cloned()
    }
}
