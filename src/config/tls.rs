//! The keys of TLS: which certificates are shown, and what is spoken at the least.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::address::{Listen, ListenAt, Scheme};
use super::model::{RedirectConfig, name_of};
use super::read::parse_path;
use super::reader::{Read, Reader};
use super::units::{format_duration, parse_duration};

/// What TLS is made of. The files have not been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// At least one; the first is shown to who asks for a name that none of them has.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
}

/// A certificate with its chain, and the key that fits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The certificate, and behind it those that lead from it to an authority; PEM.
    pub cert: PathBuf,
    /// Its private key; PEM, not encrypted.
    pub key: PathBuf,
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

/// Ten years: what no browser would notice the end of.
const LONGEST_HSTS: Duration = Duration::from_secs(3_650 * 24 * 60 * 60);

impl Reader<'_> {
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
        let first = self.certificate();
        let (min_version, http2, Some(first)) = (min_version?, http2?, first?) else { return Ok(None) };
        Ok(Some(TlsConfig { certificates: vec![first], min_version, http2 }))
    }

    /// The default certificate.
    fn certificate(&mut self) -> Read<Option<CertificateFiles>> {
        match (self.raw.get(CERT), self.raw.get(KEY)) {
            (None, None) => Ok(None),
            (Some(entry), None) => Err(self.fault(entry, CERT, format!("is there without {KEY}; give both or none"))),
            (None, Some(entry)) => Err(self.fault(entry, KEY, format!("is there without {CERT}; give both or none"))),
            (Some(_), Some(_)) => {
                let (cert, key) = (self.parsed(CERT, parse_path), self.parsed(KEY, parse_path));
                Ok(Some(CertificateFiles { cert: cert?, key: key? }))
            }
        }
    }
}
