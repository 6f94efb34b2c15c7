//! TLS for tests: a certificate that nobody trusts, and connections that do not ask whether it is to be.

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say why"
)]

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::patience::PATIENCE;
use super::tls;

/// A certificate for `localhost` and `dev.test`, and its key; PEM.
pub(crate) fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "dev.test".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A configuration of a client that takes any certificate, and these protocols.
pub(crate) fn config(protocols: &[&str]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// Connects, on a runtime.
pub(crate) async fn connect(
    addr: SocketAddr,
    protocols: &[&str],
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let socket = tokio::net::TcpStream::connect(addr).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let name = ServerName::try_from("dev.test").unwrap();
    tokio_rustls::TlsConnector::from(config(protocols)).connect(name, socket).await.unwrap()
}

/// A connection of bytes.
pub(crate) struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    /// Connects.
    pub(crate) fn connect(addr: SocketAddr, protocols: &[&str]) -> Secure {
        Self::over(TcpStream::connect_timeout(&addr, PATIENCE).unwrap(), protocols)
    }

    /// Connects from an address of this machine, says something, and shakes hands after a while.
    pub(crate) fn connect_behind(addr: SocketAddr, from: Ipv4Addr, before: &[u8], wait: Duration) -> Secure {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect_timeout(&addr.into(), PATIENCE).unwrap();
        let mut socket = TcpStream::from(socket);
        socket.write_all(before).unwrap();
        std::thread::sleep(wait);
        Self::over(socket, &["http/1.1"])
    }

    fn over(socket: TcpStream, protocols: &[&str]) -> Secure {
        Secure(tls::shake_over(socket, config(protocols), "dev.test").unwrap())
    }

    /// What was agreed upon.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.0.conn.alpn_protocol()
    }

    /// Sends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Reads once, waiting for at most `wait`, behind what is in `buffer`; 0 at the end, however it ends.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, wait: Duration) -> io::Result<usize> {
        self.0.sock.set_read_timeout(Some(wait)).unwrap();
        let mut chunk = [0; 16 * 1024];
        match self.0.read(&mut chunk) {
            Ok(count) => {
                buffer.extend_from_slice(&chunk[..count]);
                Ok(count)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(error),
            Err(_) => Ok(0),
        }
    }
}

#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
