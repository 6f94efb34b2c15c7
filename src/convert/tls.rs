//! TLS as servers write it: certificates, versions, redirects to https, HSTS.
//!
//! Nothing of it is set by halves: an https entry without its certificate, or a redirect to nowhere, is no configuration.

use super::Place;
use super::draft::Value;
use super::site::{Work, duration};

/// A certificate's file and its key's, and where each was written.
#[derive(Debug, Clone)]
pub(super) struct Certificate<'t> {
    pub(super) cert: (&'t str, &'t Place),
    pub(super) key: (&'t str, &'t Place),
}

impl Certificate<'_> {
    /// Whether both are files that can be told. Where none begins with a slash it lies below the server's own folder.
    pub(super) fn can_be_told(&self) -> bool {
        let is_path = |path: &str| !path.is_empty() && !path.contains(['$', '%', '\0']) && !path.contains(':');
        is_path(self.cert.0) && is_path(self.key.0)
    }
}

/// A path as it is from anywhere.
fn whole(path: &str, folder: &str) -> String {
    match path.strip_prefix("./").unwrap_or(path) {
        path if path.starts_with('/') => path.to_owned(),
        path => format!("{folder}/{path}"),
    }
}

impl Work {
    /// Sets the certificate, once an https entry is there. `folder` is what a relative path is relative to.
    pub(super) fn certificate(&mut self, certificate: &Certificate<'_>, folder: &str) {
        let Certificate { cert: (cert, at), key: (key, key_at) } = certificate;
        self.set(at, "certificate", "tls.cert_file", whole(cert, folder));
        self.set(key_at, "key", "tls.key_file", whole(key, folder));
        self.changed(
            key_at,
            "the key has to be readable by the user mailwarden, and no one else: LoadCredential= in the unit does that \
             (README, \"TLS\")",
        );
    }

    /// Whether people come by TLS.
    pub(super) fn speaks_tls(&self) -> bool {
        self.entries().any(|entry| entry.starts_with("https://"))
    }

    fn entries(&self) -> impl Iterator<Item = &String> {
        match self.draft.get("listen") {
            Some(Value::List(entries)) => entries.iter(),
            _ => [].iter(),
        }
    }

    /// What came in clear text was sent to `target`, an address with a scheme. Whether that became a key.
    pub(super) fn redirect(&mut self, place: &Place, target: &str) -> bool {
        let Some(rest) = target.strip_prefix("https://") else { return false };
        if !self.speaks_tls() {
            return false;
        }
        self.set(place, "redirect", "redirect", Value::Bool(true));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let port = authority.rsplit_once(':').map(|(_, port)| port.split('$').next().unwrap_or_default());
        let port = port.and_then(|port| port.parse::<u16>().ok()).unwrap_or(443);
        let own = self.entries().filter(|entry| entry.starts_with("https://"));
        let own = own.filter_map(|entry| entry.rsplit_once(':')?.1.parse::<u16>().ok()).next();
        if own != Some(port) {
            self.set(place, "redirect", "redirect_port", Value::Integer(port.into()));
        }
        true
    }

    /// Adds entries in clear text, from which requests are sent to https.
    pub(super) fn listen_also(&mut self, more: Vec<(String, Place)>) {
        let mut accepted: Vec<String> = self.entries().cloned().collect();
        let before = accepted.len();
        for (address, place) in more {
            if !accepted.contains(&address) && self.set(&place, "listen", "listen", Value::List(vec![address.clone()]))
            {
                accepted.insert(accepted.len() - before, address);
            }
        }
        // Each was taken alone.
        let _ = self.draft.set("listen", Value::List(accepted));
    }

    /// The value of `Strict-Transport-Security`.
    pub(super) fn hsts(&mut self, place: &Place, value: &str) {
        if !self.speaks_tls() && self.draft.get("trusted_proxies").is_none() {
            return self.dropped(place, "Strict-Transport-Security: means nothing without TLS");
        }
        let mut parts = value.split(';').map(str::trim);
        let age = parts.clone().find_map(|part| {
            let (name, age) = part.split_once('=')?;
            let age = age.trim().trim_matches('"').parse::<u64>().ok();
            age.filter(|_| name.trim().eq_ignore_ascii_case("max-age"))
        });
        match age.and_then(|age| age.checked_mul(1000)) {
            Some(millis) => {
                self.set(place, "Strict-Transport-Security", "tls.hsts", duration(millis));
            }
            None => return self.dropped(place, "Strict-Transport-Security: has no max-age that can be told"),
        }
        if parts.any(|part| part.eq_ignore_ascii_case("includeSubDomains") || part.eq_ignore_ascii_case("preload")) {
            self.dropped(place, "includeSubDomains and preload: only the gate's own name is held to https");
        }
    }

    /// The versions of TLS that were spoken, newest among them first to last in any order: `1.3`, `1.2`, older ones.
    pub(super) fn versions(&mut self, place: &Place, versions: &[&str]) {
        if versions.is_empty() || !self.speaks_tls() {
            return;
        }
        if !versions.contains(&"1.2") && versions.contains(&"1.3") {
            self.set(place, "versions", "tls.min_version", "1.3");
        } else if versions.iter().any(|version| !matches!(*version, "1.2" | "1.3")) {
            self.changed(place, "TLS before 1.2 is not spoken here: nothing that is in use needs it");
        }
    }

    /// People were asked for a certificate of `ca`; whoever had none was kept out if it was `required`.
    pub(super) fn clients(&mut self, place: &Place, ca: Option<&str>, folder: &str, required: bool) {
        let how = if required { "required" } else { "optional" };
        let taken = self.speaks_tls()
            && ca.is_some_and(|ca| self.draft.set("tls.client_ca_file", whole(ca, folder)).is_ok())
            && (required || self.draft.set("tls.client_auth", how).is_ok());
        if taken {
            self.changed(place, "whoever has a certificate of that authority still logs in: see tls.client_users");
        } else {
            self.open(place, "who had no certificate was kept out, or told apart, and that is not in the result: see tls.client_ca_file");
        }
    }
}
