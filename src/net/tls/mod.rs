//! TLS of the gate's own: the handshake, and what it is made of, which reloads replace.
//!
//! One [`Tls`] for the whole process: its ticket keys and its sessions are shared by all workers and outlive reloads, so
//! that whoever comes back resumes what he had. Only where other certificates of clients are taken than before they are
//! drawn anew: a session remembers whose certificate it began with.

pub mod expiry;
pub mod failed;
pub mod files;
mod handshakes;
mod names;
mod resolver;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::server::{NoClientAuth, ProducesTickets, ServerSessionMemoryCache};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use self::failed::Failed;
use self::files::{Loaded, Shown};
use self::handshakes::Handshakes;
use super::socket::{Socket, farewell};
use crate::app::Secured;
use crate::auth::certificate::{Certificate, Clients};
use crate::config::model::TlsVersion;
use crate::metrics::Metrics;

/// Sessions that are remembered for clients who take no tickets; each is some hundred bytes.
const SESSIONS: usize = 1024;

/// Handshakes at one time. Each that stands still may hold some tens of kibibytes.
const AT_ONCE: usize = 512;

/// Of those, how many may come from one address: an office behind one, after a restart, is through in a moment.
const AT_ONCE_FROM_ONE: usize = 64;

/// What whoever speaks HTTP without TLS reads.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 60\r\n\r\nThis port speaks HTTPS: write https:// before the address.\r\n";

/// How long he may take for that.
const TO_TELL: Duration = Duration::from_secs(1);

/// What makes TLS of accepted connections.
#[derive(Debug)]
pub struct Tls {
    current: ArcSwap<Current>,
    handshakes: Handshakes,
    deadline: Duration,
    metrics: Arc<Metrics>,
}

/// What new handshakes see.
struct Current {
    config: Arc<ServerConfig>,
    shown: Vec<Shown>,
    clients: Option<Clients>,
    digest: [u8; 32],
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// What outlives a reload: the keys of the tickets, and the sessions of those who take none.
struct Kept {
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn rustls::server::StoresServerSessions>,
}

impl Kept {
    fn new() -> Result<Self, rustls::Error> {
        Ok(Self { tickets: ring::Ticketer::new()?, sessions: ServerSessionMemoryCache::new(SESSIONS) })
    }
}

impl Tls {
    /// By what was `loaded`; a handshake may take as long as `deadline`.
    ///
    /// # Errors
    /// When no random key can be drawn.
    pub fn new(loaded: Loaded, deadline: Duration, metrics: Arc<Metrics>) -> Result<Arc<Self>, rustls::Error> {
        let handshakes = Handshakes::new(AT_ONCE, AT_ONCE_FROM_ONE);
        metrics.tls.certificates(loaded.shown.iter().map(|shown| shown.not_after));
        let current = ArcSwap::from_pointee(Current::new(loaded, Kept::new()?)?);
        Ok(Arc::new(Self { current, handshakes, deadline, metrics }))
    }

    /// Puts what was `loaded` in the place of what held. Open connections keep what they began with.
    ///
    /// # Errors
    /// When no random key can be drawn.
    pub fn replace(&self, loaded: Loaded) -> Result<(), rustls::Error> {
        let held = self.current.load();
        let of = |clients: &Option<Clients>| clients.as_ref().map(|clients| (clients.digest, clients.required));
        let kept = if of(&held.clients) == of(&loaded.clients) {
            Kept { tickets: Arc::clone(&held.config.ticketer), sessions: Arc::clone(&held.config.session_storage) }
        } else {
            Kept::new()?
        };
        self.metrics.tls.certificates(loaded.shown.iter().map(|shown| shown.not_after));
        self.current.store(Arc::new(Current::new(loaded, kept)?));
        Ok(())
    }

    /// The digest of the files that hold.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.current.load().digest
    }

    /// Whose certificates are asked for.
    #[must_use]
    pub fn clients(&self) -> Option<Clients> {
        self.current.load().clients.clone()
    }

    /// The certificates that are shown.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        self.current.load().shown.clone()
    }

    /// Shakes hands with the client behind `socket`. `address` is what he is counted by, if he is.
    ///
    /// # Errors
    /// [`Failed`], which has been counted; the client has been told, as far as TLS has words for it.
    pub async fn accept(
        &self,
        socket: Socket,
        address: Option<IpAddr>,
    ) -> Result<(Box<TlsStream<Socket>>, Secured), Failed> {
        let mut begun = false;
        let in_time = tokio::time::timeout(self.deadline, async {
            // Without a place until something has come: whoever sends nothing keeps nobody waiting.
            let mut first = [0];
            if socket.peek(&mut first).await.map_err(Failed::Broken)? == 0 {
                return Err(Failed::Silent);
            }
            begun = true;
            if first[0].is_ascii_uppercase() {
                let _ = tokio::time::timeout(TO_TELL, farewell(socket, PLAIN)).await;
                return Err(Failed::Plain);
            }
            self.handshakes.in_turn(address, self.shake(socket)).await
        });
        let result = match in_time.await {
            Ok(result) => result,
            Err(_elapsed) => Err(if begun { Failed::Late } else { Failed::Silent }),
        };
        if let Err(failed) = &result {
            self.metrics.tls.failed(failed.reason());
        }
        result
    }

    async fn shake(&self, socket: Socket) -> Result<(Box<TlsStream<Socket>>, Secured), Failed> {
        let current = self.current.load_full();
        let _going_on = GoingOn::begin(&self.metrics);
        let stream = TlsAcceptor::from(Arc::clone(&current.config)).accept(socket).await.map_err(Failed::Broken)?;
        let stream = Box::new(stream);
        let connection = stream.get_ref().1;
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        let certificate = match &current.clients {
            None => None,
            Some(clients) => {
                let found = connection.peer_certificates().and_then(Certificate::read).map(Arc::new);
                let holds = match &found {
                    // Whoever resumes is not asked for it again.
                    Some(certificate) if resumed => clients.certificates.vouch_for(certificate, SystemTime::now()),
                    Some(certificate) => {
                        certificate.vouched_for_by(clients.certificates.authorities());
                        true
                    }
                    None => !clients.required,
                };
                if !holds {
                    return Err(Failed::Certificate);
                }
                found
            }
        };
        self.metrics.tls.shook_hands(resumed);
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let http2 = connection.alpn_protocol() == Some(b"h2");
        Ok((stream, Secured { version, http2, certificate }))
    }
}

impl Current {
    fn new(loaded: Loaded, kept: Kept) -> Result<Self, rustls::Error> {
        let versions: &[_] = match loaded.min_version {
            TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let clients = match &loaded.clients {
            Some(clients) => Arc::clone(clients.certificates.authorities()),
            None => Arc::new(NoClientAuth),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::new(loaded.certificates));
        config.alpn_protocols = match loaded.http2 {
            true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            false => vec![b"http/1.1".to_vec()],
        };
        config.ticketer = kept.tickets;
        config.session_storage = kept.sessions;
        Ok(Self { config: Arc::new(config), shown: loaded.shown, clients: loaded.clients, digest: loaded.digest })
    }
}

/// Counts a handshake while it goes on.
struct GoingOn<'a>(&'a Metrics);

impl<'a> GoingOn<'a> {
    fn begin(metrics: &'a Metrics) -> Self {
        metrics.tls.going_on.inc();
        Self(metrics)
    }
}

impl Drop for GoingOn<'_> {
    fn drop(&mut self) {
        self.0.tls.going_on.dec();
    }
}
