//! Certificates made for a test, and clients that speak TLS.

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop, and say why"
)]

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::patience::PATIENCE;
use super::raw::Client;

/// A day.
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who vouches.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name = subject(&[(DnType::CommonName, "A test's authority")]);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names of a server, good for some months.
    pub(crate) fn server(&self, names: &[&str]) -> Pair {
        self.server_until(names, 90)
    }

    /// The same, good for so many days from now, which may be over.
    pub(crate) fn server_until(&self, names: &[&str], days: i64) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + now - 90 * DAY;
        let ahead = DAY * u32::try_from(days.abs()).unwrap();
        params.not_after = if days < 0 { epoch + now - ahead } else { epoch + now + ahead };
        self.signed(params)
    }

    /// A client's, with this subject and an address perhaps.
    pub(crate) fn client(&self, name: &[(DnType, &str)], email: Option<&str>) -> Pair {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names =
            email.map(|email| SanType::Rfc822Name(email.try_into().unwrap())).into_iter().collect();
        self.signed(params)
    }

    fn signed(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }
}

fn subject(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

impl Pair {
    /// Writes both into a folder, as `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (cert, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&cert, &self.cert).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        (cert, key)
    }

    /// The certificate's bytes.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).unwrap()
    }
}

/// Shakes hands over a connection that is there, as whoever asks for `name`.
pub(crate) fn shake_over(
    socket: TcpStream,
    config: Arc<ClientConfig>,
    name: &str,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(config, name).unwrap(), socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// A client of TLS that looks at certificates; `secure` has one that does not.
#[derive(Clone)]
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// One that trusts this authority.
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self::made(authority, None, rustls::ALL_VERSIONS)
    }

    /// One that shows a certificate if it is asked.
    pub(crate) fn showing(authority: &Authority, pair: &Pair) -> Self {
        Self::made(authority, Some(pair), rustls::ALL_VERSIONS)
    }

    /// One that speaks that version only.
    pub(crate) fn only(authority: &Authority, version: &'static SupportedProtocolVersion) -> Self {
        Self::made(authority, None, &[version])
    }

    fn made(authority: &Authority, pair: Option<&Pair>, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![pair.der()], key).unwrap()
            }
        };
        Self(Arc::new(config))
    }

    /// Shakes hands as whoever asks for `name`.
    pub(crate) fn shake(&self, addr: SocketAddr, name: &str) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        shake_over(TcpStream::connect_timeout(&addr, PATIENCE)?, Arc::clone(&self.0), name)
    }

    /// A connection over which requests can be sent.
    pub(crate) fn connect(&self, addr: SocketAddr, name: &str) -> Client {
        Client::over_tls(self.shake(addr, name).unwrap())
    }

    /// The certificate that is shown to whoever asks for `name`.
    pub(crate) fn shown(&self, addr: SocketAddr, name: &str) -> CertificateDer<'static> {
        let stream = self.shake(addr, name).unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }
}
