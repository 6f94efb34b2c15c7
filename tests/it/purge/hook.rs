//! A webhook that takes what it is told, with TLS or without.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A webhook.
pub(super) struct Hook {
    pub(super) url: String,
    told: mpsc::Receiver<(String, serde_json::Value)>,
}

impl Hook {
    /// Answers with this status.
    pub(super) fn start(status: &str) -> Self {
        Self::serve("http", status, |stream| stream)
    }

    /// The same with TLS, by a certificate of `authority` for 127.0.0.1.
    pub(super) fn with_tls(authority: &Authority, status: &str) -> Self {
        let config = Arc::new(authority.server());
        Self::serve("https", status, move |stream| {
            StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream)
        })
    }

    fn serve<S: Read + Write>(scheme: &str, status: &str, open: impl Fn(TcpStream) -> S + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (tell, told) = mpsc::channel();
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Whoever does not trust it leaves in the handshake.
                let Some(news) = take(open(stream.unwrap()), &answer) else { continue };
                if tell.send(news).is_err() {
                    return;
                }
            }
        });
        Self { url, told }
    }

    /// What it is told next: the head and the body.
    pub(super) fn news(&self) -> (String, serde_json::Value) {
        self.told.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// Whether it was told nothing so far.
    pub(super) fn is_silent(&self) -> bool {
        self.told.try_recv().is_err()
    }
}

fn take(stream: impl Read + Write, answer: &str) -> Option<(String, serde_json::Value)> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    stream.get_mut().write_all(answer.as_bytes()).ok()?;
    stream.get_mut().flush().ok()?;
    Some((head, serde_json::from_slice(&body).ok()?))
}

/// A certificate authority of the test's own.
pub(super) struct Authority(PathBuf);

impl Authority {
    pub(super) fn new(dir: &Path) -> Self {
        std::fs::create_dir(dir).unwrap();
        std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let openssl = |arguments: &[&[&str]]| {
            let done = Command::new("openssl").args(arguments.concat()).current_dir(dir).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        openssl(&[
            &["req", "-x509", "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"],
            &key,
        ]);
        openssl(&[&["req", "-subj", "/CN=hook", "-keyout", "hook.key", "-out", "hook.csr"], &key]);
        let sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
        openssl(&[&["x509", "-req", "-in", "hook.csr", "-out", "hook.pem"], &sign]);
        Self(dir.to_owned())
    }

    /// What whoever trusts it names.
    pub(super) fn certificate(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    fn server(&self) -> ServerConfig {
        let certificate = CertificateDer::from_pem_file(self.0.join("hook.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(self.0.join("hook.key")).unwrap();
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap()
    }
}
