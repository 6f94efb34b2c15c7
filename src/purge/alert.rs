//! A webhook that is told when a purge has failed, and when one is well again. Numbers only.
//!
//! The address is a secret: whoever has it can write into the channel. It is never logged. TLS goes by the authorities that
//! the machine trusts; a redirect is not followed, since it would take the secret elsewhere.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is read of the answer, in bytes: its first line is all that matters.
const ANSWER: usize = 4096;

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct News {
    /// `purge_failed` or `purge_recovered`.
    pub event: &'static str,
    /// For people: what Slack, Mattermost and their like show.
    pub text: String,
    /// Messages that had to go.
    pub decided: usize,
    /// That were deleted.
    pub deleted: usize,
    /// That the list shows gone.
    pub confirmed: usize,
    /// How often it was tried.
    pub attempts: u32,
}

/// The address of a webhook, in its parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    tls: bool,
    host: String,
    port: u16,
    /// What `Host` says: with the port where it is not the usual one.
    authority: String,
    /// Path and query; the secret is in it.
    target: String,
}

/// Without what is secret.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

impl Address {
    /// Reads `https://HOST[:PORT]/PATH`, or `http` for a relay of one's own.
    ///
    /// # Errors
    /// Why it is none; the text repeats nothing of it.
    pub fn parse(url: &[u8]) -> Result<Self, &'static str> {
        let url = std::str::from_utf8(url).map_err(|_| "it is not UTF-8")?.trim();
        let (tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err("it does not begin with https://"),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("it holds a user name, which a webhook has no use for");
        }
        let target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) || target.contains('#') {
            return Err("its path has characters that no path has");
        }
        let parsed: http::uri::Authority = authority.parse().map_err(|_| "it names no host")?;
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match parsed.port() {
            Some(port) => port.as_str().parse().map_err(|_| "its port is none")?,
            None if tls => 443,
            None => 80,
        };
        if host.is_empty() || port == 0 {
            return Err("it names no host");
        }
        Ok(Self { tls, host, port, authority: authority.to_owned(), target })
    }

    /// Tells it the news, within ten seconds.
    ///
    /// # Errors
    /// Why it was not told, or what it answered; nothing secret is in the text.
    pub async fn tell(&self, news: &News) -> io::Result<()> {
        tokio::time::timeout(PATIENCE, self.told(news)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn told(&self, news: &News) -> io::Result<()> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let status = if self.tls {
            let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
            let stream = TlsConnector::from(Arc::new(trust()?)).connect(name, stream).await?;
            self.post(stream, news).await?
        } else {
            self.post(stream, news).await?
        };
        if (200..300).contains(&status) { Ok(()) } else { Err(io::Error::other(format!("it answered {status}"))) }
    }

    async fn post(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin, news: &News) -> io::Result<u16> {
        let body = serde_json::to_vec(news)?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: mailwarden/{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.target,
            self.authority,
            env!("CARGO_PKG_VERSION"),
            body.len()
        );
        stream.write_all(&[head.as_bytes(), &body].concat()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        while !answer.contains(&b'\n') && answer.len() < ANSWER {
            if stream.read_buf(&mut answer).await? == 0 {
                break;
            }
        }
        status(&answer).ok_or_else(|| io::Error::other("what answers there is no web server"))
    }
}

/// The status of an answer's first line.
fn status(answer: &[u8]) -> Option<u16> {
    let text = answer.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whom the machine trusts.
pub(crate) fn trust() -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(io::Error::other(
            "this machine has no certificates of authorities (ca-certificates, or SSL_CERT_FILE)",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_read_in_its_parts() {
        let parts = |url: &str| {
            let address = Address::parse(url.as_bytes()).unwrap();
            (address.tls, address.host, address.port, address.target)
        };
        let (host, target) = (|| "chat.test".to_owned(), |text: &str| text.to_owned());
        assert_eq!(parts("https://chat.test/hooks/s3cret?x=1"), (true, host(), 443, target("/hooks/s3cret?x=1")));
        assert_eq!(parts("http://chat.test:81"), (false, host(), 81, target("/")));
        assert_eq!(parts("https://[::1]:8443/x").1, "::1");
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for url in [
            "",
            "s3cret",
            "ftp://s3cret",
            "https://",
            "https:///s3cret",
            "https://a:b@s3cret/",
            "https://h/s3 cret",
            "https://h:0/s3cret",
            "https://h/x#s3cret",
        ] {
            let reason = Address::parse(url.as_bytes()).unwrap_err();
            assert!(!reason.contains("s3cret"), "{url}");
        }
        assert!(!format!("{:?}", Address::parse(b"https://s3cret.test/s3cret")).contains("s3cret"));
    }

    #[test]
    fn the_status_is_that_of_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r\n"), Some(204));
        assert_eq!(status(b"HTTP/1.0 302\r\n"), Some(302));
        for answer in [&b""[..], b"HTTP/2 200", b"HTTP/1.1 2", b"SSH-2.0"] {
            assert_eq!(status(answer), None);
        }
    }

    proptest! {
        #[test]
        fn no_address_panics(url: Vec<u8>, near in "https?://[a-z0-9:@\\[\\]./?#% -]{0,30}") {
            let _ = (Address::parse(&url), Address::parse(near.as_bytes()), status(&url));
        }
    }
}
