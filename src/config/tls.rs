//! The keys of TLS: which certificates are shown, what is spoken at the least, and whose certificates are taken.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::address::{Listen, ListenAt, Scheme};
use super::error::Written;
use super::keys;
use super::model::{RedirectConfig, name_of};
use super::raw::{Entry, Value};
use super::read::parse_path;
use super::reader::{Read, Reader};
use super::units::{format_duration, parse_duration};
use crate::auth::certificate;

/// What TLS is made of. The files have not been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// At least one; the first is shown to who asks for a name that none of them has.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
    /// Whose certificates are asked for, if anybody's.
    pub clients: Option<ClientsConfig>,
}

/// A certificate with its chain, and the key that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and behind it those that lead from it to an authority; PEM.
    pub cert: PathBuf,
    /// Where that is said.
    pub cert_at: Written,
    /// Its private key; PEM, not encrypted.
    pub key: PathBuf,
    /// Where that is said.
    pub key_at: Written,
}

/// Certificates of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientsConfig {
    /// The certificates of the authorities that vouch for them; PEM.
    pub ca: PathBuf,
    /// Where that is said.
    pub ca_at: Written,
    /// Whether nobody gets in without one.
    pub required: bool,
    /// Users by the name of a certificate that stands for their password; the names are in the spelling of
    /// `auth::certificate::parse_name`.
    pub users: BTreeMap<String, Vec<u8>>,
}

impl TlsConfig {
    /// Every file that it is made of.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pairs = self.certificates.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        pairs.chain(self.clients.iter().map(|clients| &clients.ca))
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl TlsVersion {
    const NAMES: &[(&str, TlsVersion)] = &[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)];
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(TlsVersion::NAMES, *self))
    }
}

const CERT: &str = "tls.cert_file";
const KEY: &str = "tls.key_file";
const CERTIFICATES: &str = "tls.certificates";
const CLIENT_CA: &str = "tls.client_ca_file";
const CLIENT_AUTH: &str = "tls.client_auth";
const CLIENT_USERS: &str = "tls.client_users";
const REQUIRED: &[(&str, bool)] = &[("required", true), ("optional", false)];

/// Ten years: what no browser would notice the end of.
const LONGEST_HSTS: Duration = Duration::from_secs(3_650 * 24 * 60 * 60);

fn written(entry: &Entry) -> Written {
    Written(entry.place.clone())
}

impl<'a> Reader<'a> {
    /// Where requests in clear text are sent. The port is that of an entry of `listen`, where nobody names one.
    pub(super) fn redirect(&mut self, listen: &[Listen]) -> Read<Option<RedirectConfig>> {
        const PORT: &str = "redirect_port";
        let redirects = self.boolean("redirect");
        let port = match self.raw.get(PORT) {
            None => None,
            Some(entry) => {
                let port = self.integer(PORT, 1..=usize::from(u16::MAX));
                if let Ok(false) = redirects {
                    return Err(self.fault(entry, PORT, "means nothing without redirect = true"));
                }
                u16::try_from(port?).ok()
            }
        };
        let https = || {
            listen.iter().filter(|entry| entry.scheme == Scheme::Https).find_map(|entry| match entry.at {
                ListenAt::Tcp { addr, .. } => Some(addr.port()),
                _ => None,
            })
        };
        let chosen = RedirectConfig { port: port.or_else(https).unwrap_or(443), configured: port.is_some() };
        Ok(redirects?.then_some(chosen))
    }

    /// For how long browsers are told to come by TLS only.
    pub(super) fn hsts(&mut self) -> Read<Option<Duration>> {
        const PATH: &str = "tls.hsts";
        if self.raw.get(PATH).is_none() {
            return Ok(None);
        }
        let duration = self.parsed(PATH, |text| match parse_duration(text)? {
            duration if duration > LONGEST_HSTS => {
                Err(format!("is too long; at most {}", format_duration(LONGEST_HSTS)))
            }
            duration if duration.subsec_nanos() > 0 => Err("counts in milliseconds; write whole seconds".to_owned()),
            duration => Ok(duration),
        })?;
        Ok(Some(duration))
    }

    pub(super) fn tls(&mut self) -> Read<Option<TlsConfig>> {
        let min_version = self.named("tls.min_version", TlsVersion::NAMES);
        let http2 = self.boolean("tls.http2");
        let first = self.default_certificate();
        let further = self.further_certificates();
        let clients = self.clients();
        let (min_version, http2) = (min_version?, http2?);
        let (first, further, clients) = (first?, further?, clients?);
        let Some(first) = first else {
            let useless = [(CERTIFICATES, !further.is_empty()), (CLIENT_CA, clients.is_some())];
            let mut noted = None;
            for (path, _) in useless.into_iter().filter(|(_, is_there)| *is_there) {
                let entry = self.required(path)?;
                noted = Some(self.fault(entry, path, format!("needs a default certificate: write {CERT} and {KEY}")));
            }
            return noted.map_or(Ok(None), Err);
        };
        let certificates = [first].into_iter().chain(further).collect();
        Ok(Some(TlsConfig { certificates, min_version, http2, clients }))
    }

    fn default_certificate(&mut self) -> Read<Option<CertificateFiles>> {
        match (self.raw.get(CERT), self.raw.get(KEY)) {
            (None, None) => Ok(None),
            (Some(entry), None) => Err(self.fault(entry, CERT, format!("is there without {KEY}; give both or none"))),
            (None, Some(entry)) => Err(self.fault(entry, KEY, format!("is there without {CERT}; give both or none"))),
            (Some(cert_at), Some(key_at)) => {
                let (cert, key) = (self.parsed(CERT, parse_path), self.parsed(KEY, parse_path));
                let (cert_at, key_at) = (written(cert_at), written(key_at));
                Ok(Some(CertificateFiles { cert: cert?, cert_at, key: key?, key_at }))
            }
        }
    }

    fn further_certificates(&mut self) -> Read<Vec<CertificateFiles>> {
        let entry = self.required(CERTIFICATES)?;
        let Value::List(items) = &entry.value else { return Err(self.no_certificates(entry)) };
        let mut found = Vec::with_capacity(items.len());
        let mut noted = None;
        for item in items {
            match self.further_certificate(item) {
                Ok(files) => found.push(files),
                Err(one) => noted = Some(one),
            }
        }
        noted.map_or(Ok(found), Err)
    }

    fn further_certificate(&mut self, item: &'a Entry) -> Read<CertificateFiles> {
        let Value::Table(table) = &item.value else { return Err(self.no_certificates(item)) };
        if let Some((name, entry)) = table.iter().find(|(name, _)| !matches!(name.as_str(), "cert_file" | "key_file")) {
            let reason = format!("{name:?} is unknown; there are cert_file and key_file");
            return Err(self.fault(entry, CERTIFICATES, reason));
        }
        let mut file = |name: &str| match table.get(name) {
            Some(entry) => match &entry.value {
                Value::Text(text) => parse_path(text)
                    .map(|path| (path, written(entry)))
                    .map_err(|reason| self.fault(entry, CERTIFICATES, format!("{name}: {text:?} {reason}"))),
                _ => Err(self.mismatch(entry, CERTIFICATES, format!("a path in quotes for {name}"))),
            },
            None => Err(self.fault(item, CERTIFICATES, format!("has an entry without {name}"))),
        };
        let (cert, key) = (file("cert_file"), file("key_file"));
        let ((cert, cert_at), (key, key_at)) = (cert?, key?);
        Ok(CertificateFiles { cert, cert_at, key, key_at })
    }

    fn no_certificates(&mut self, entry: &Entry) -> super::reader::Noted {
        let form = "a list such as [{ cert_file = \"/srv/b.pem\", key_file = \"/srv/b.key\" }]";
        self.mismatch(entry, CERTIFICATES, form)
    }

    fn clients(&mut self) -> Read<Option<ClientsConfig>> {
        let required = self.named(CLIENT_AUTH, REQUIRED);
        let users = self.client_users();
        let Some(entry) = self.raw.get(CLIENT_CA) else {
            let mut noted = None;
            let useless = [
                (CLIENT_AUTH, !self.raw.is_default(CLIENT_AUTH)),
                (CLIENT_USERS, users.as_ref().is_ok_and(|users| !users.is_empty())),
            ];
            for (path, _) in useless.into_iter().filter(|(_, is_there)| *is_there) {
                let entry = self.required(path)?;
                let reason = format!("needs {CLIENT_CA}: the certificates of who vouches for clients");
                noted = Some(self.fault(entry, path, reason));
            }
            return noted.map_or(Ok(None), Err);
        };
        let ca = self.parsed(CLIENT_CA, parse_path);
        Ok(Some(ClientsConfig { ca: ca?, ca_at: written(entry), required: required?, users: users? }))
    }

    fn client_users(&mut self) -> Read<BTreeMap<String, Vec<u8>>> {
        let entry = self.required(CLIENT_USERS)?;
        let Value::Table(table) = &entry.value else {
            let form = "a table such as { \"CN=anna,O=Example\" = \"anna\" }";
            return Err(self.mismatch(entry, CLIENT_USERS, form));
        };
        let mut users = BTreeMap::new();
        let mut noted = None;
        for (name, entry) in table {
            let path = format!("{CLIENT_USERS}.{}", keys::written(name));
            let user = match &entry.value {
                Value::Text(user) if user.is_empty() || user.contains(':') => {
                    Err(self.fault(entry, &path, format!("{user:?} is no user name")))
                }
                Value::Text(user) => Ok(user.clone().into_bytes()),
                _ => Err(self.mismatch(entry, &path, "the name of a user in quotes")),
            };
            let name = certificate::parse_name(name)
                .map_err(|reason| self.fault(entry, &path, format!("the name on its left {reason}")));
            match (name, user) {
                (Ok(name), Ok(user)) => {
                    if users.insert(name, user).is_some() {
                        noted = Some(self.fault(entry, &path, "is there twice, in two spellings; remove one"));
                    }
                }
                (Err(one), _) | (_, Err(one)) => noted = Some(one),
            }
        }
        noted.map_or(Ok(users), Err)
    }
}
