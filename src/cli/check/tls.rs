//! What `check` says of TLS: the certificates that the daemon would show, read as it reads them.

use std::time::SystemTime;

use serde::Serialize;

use super::UsersReport;
use super::report::{Report, shown};
use crate::config::model::{Config, Listen, Scheme, TlsConfig, TlsVersion};
use crate::net::tls::expiry::date;
use crate::net::tls::files::{self, Loaded};

/// What is spoken, and what is shown.
#[derive(Debug, Serialize)]
pub(super) struct TlsPlan {
    pub(super) versions: Vec<&'static str>,
    /// The first is the default.
    pub(super) certificates: Vec<CertificatePlan>,
    pub(super) clients: Option<ClientsPlan>,
}

#[derive(Debug, Serialize)]
pub(super) struct CertificatePlan {
    pub(super) file: String,
    pub(super) names: Vec<String>,
    pub(super) until: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ClientsPlan {
    pub(super) ca_file: String,
    pub(super) required: bool,
    /// Users by the name of a certificate.
    pub(super) users: Vec<(String, String)>,
}

impl TlsPlan {
    fn new(config: &TlsConfig, loaded: &Loaded) -> Self {
        let versions: &[_] = match config.min_version {
            TlsVersion::Tls12 => &["1.2", "1.3"],
            TlsVersion::Tls13 => &["1.3"],
        };
        let certificates = loaded.shown.iter().map(|one| CertificatePlan {
            file: one.file.display().to_string(),
            names: one.names.clone(),
            until: date(one.not_after),
        });
        let clients = config.clients.as_ref().map(|clients| ClientsPlan {
            ca_file: clients.ca.display().to_string(),
            required: clients.required,
            users: clients.users.iter().map(|(name, user)| (name.clone(), shown(user))).collect(),
        });
        Self { versions: versions.to_vec(), certificates: certificates.collect(), clients }
    }
}

impl Report {
    /// Reads the files of TLS, and judges them.
    pub(super) fn judge_tls(&mut self, config: &Config, users: &UsersReport, now: SystemTime) -> Option<TlsPlan> {
        let tls = config.live.tls.as_ref()?;
        let loaded = match files::load(tls) {
            Ok(loaded) => loaded,
            Err(error) => {
                self.errors.push(error.into());
                return None;
            }
        };
        for (index, (one, files)) in loaded.shown.iter().zip(&tls.certificates).enumerate() {
            self.warnings.extend(one.warning(now).map(|warning| format!("tls: {warning}")));
            if one.key_is_open {
                let key = files.key.display();
                self.warnings.push(format!("tls: {key} may be read by everybody on this machine: chmod o-r {key}"));
            }
            if index > 0 && one.names.is_empty() {
                let file = one.file.display();
                self.warnings.push(format!("tls.certificates: {file} is for no name, so nobody is shown it"));
            }
        }
        if let Some(clients) = &tls.clients {
            let plain = |listen: &&Listen| listen.scheme == Scheme::Http;
            if let (true, Some(listen)) = (clients.required, config.start.listen.iter().find(plain)) {
                self.warnings.push(format!("tls.client_auth: nobody is asked for a certificate at \"{listen}\""));
            }
            if let UsersReport::Loaded { names, .. } = users {
                let file = config.live.auth.users_file.path.display();
                let unknown = clients.users.values().filter(|user| !names.contains(user.as_slice()));
                self.warnings.extend(unknown.map(|user| {
                    format!("tls.client_users: no user {} in {file}, so that certificate lets in nobody", shown(user))
                }));
            }
        }
        Some(TlsPlan::new(tls, &loaded))
    }
}
