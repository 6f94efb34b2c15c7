//! What the gate speaks at a port, as another machine sees it.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::PATIENCE;

/// What an https entry speaks.
#[derive(Debug, PartialEq, Eq)]
pub enum ByTls {
    /// TLS, with a certificate for that name that this machine trusts.
    Trusted,
    /// TLS, with a certificate that it does not.
    Distrusted(String),
    /// Something else.
    No(String),
}

/// Shakes hands with `at`, which people call `host`.
#[must_use]
pub fn by_tls(at: SocketAddr, host: &str, trust: &Arc<ClientConfig>) -> ByTls {
    match shaken(at, host, trust) {
        Ok(()) => ByTls::Trusted,
        Err(error) => match error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(why)) => ByTls::Distrusted(why.to_string()),
            // It had shown its own by then.
            Some(rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired)) => ByTls::Trusted,
            _ => ByTls::No(error.to_string()),
        },
    }
}

fn shaken(at: SocketAddr, host: &str, trust: &Arc<ClientConfig>) -> io::Result<()> {
    let mut stream = connected(at)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = match bare.parse::<IpAddr>() {
        Ok(ip) => ServerName::from(ip),
        Err(_) => ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?,
    };
    let mut connection = ClientConnection::new(Arc::clone(trust), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(())
}

/// The status with which an http entry answers somebody who asks for the inbox without a password; none if it does not.
#[must_use]
pub fn in_clear(at: SocketAddr, host: &str) -> Option<u16> {
    let asked = || -> io::Result<Vec<u8>> {
        let mut stream = connected(at)?;
        // In one piece: who answers and closes before the last one would have the answer lost.
        let request = format!("GET / HTTP/1.1\r\nHost: {host}:{}\r\nConnection: close\r\n\r\n", at.port());
        stream.write_all(request.as_bytes())?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.to_vec())
    };
    let head = asked().ok()?;
    std::str::from_utf8(head.strip_prefix(b"HTTP/1.")?.get(2..5)?).ok()?.parse().ok()
}

fn connected(at: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&at, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::net::TcpListener;

    use rustls::crypto::ring;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{RootCertStore, ServerConfig, ServerConnection};

    use super::*;

    fn trusting(certificates: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate.clone()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }

    #[test]
    fn a_certificate_is_held_against_the_name_and_what_the_machine_trusts() {
        let made = rcgen::generate_simple_self_signed(["dev.test".to_owned()]).unwrap();
        let cert = CertificateDer::from(made.cert);
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![cert.clone()], key).unwrap());
        let other = CertificateDer::from(rcgen::generate_simple_self_signed(["dev.test".to_owned()]).unwrap().cert);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..3 {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                    while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
                }
            });
            assert_eq!(by_tls(at, "dev.test", &trusting(std::slice::from_ref(&cert))), ByTls::Trusted);
            for (host, trust) in [("other.test", &cert), ("dev.test", &other)] {
                let found = by_tls(at, host, &trusting(std::slice::from_ref(trust)));
                assert!(matches!(found, ByTls::Distrusted(_)), "{found:?}");
            }
        });
    }

    #[test]
    fn what_answers_in_clear_text_speaks_no_tls() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..2 {
                    let (mut stream, _) = listener.accept().unwrap();
                    let _ = stream.read(&mut [0; 512]);
                    let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\n\r\n");
                }
            });
            assert!(matches!(by_tls(at, "dev.test", &trusting(&[])), ByTls::No(_)));
            assert_eq!(in_clear(at, "dev.test"), Some(401));
        });
        drop(listener);
        assert_eq!(in_clear(at, "dev.test"), None);
    }
}
