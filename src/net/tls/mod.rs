//! TLS of the gate's own: the handshake, and what it is made of, which reloads replace.
//!
//! One [`Tls`] for the whole process: its ticket keys and its sessions are shared by all workers and outlive reloads, so
//! that whoever comes back resumes what he had.

pub mod files;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache};
use rustls::{ProtocolVersion, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::files::Loaded;
use super::socket::Socket;
use crate::app::Secured;
use crate::config::model::TlsVersion;

/// Sessions that are remembered for clients who take no tickets; each is some hundred bytes.
const SESSIONS: usize = 1024;

/// What makes TLS of accepted connections.
pub struct Tls {
    /// What new handshakes see.
    config: ArcSwap<ServerConfig>,
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<ServerSessionMemoryCache>,
    deadline: Duration,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Why a connection did not become one of TLS.
#[derive(Debug)]
pub enum Failed {
    /// It took too long.
    Late,
    /// The client broke off, or the two did not agree.
    Broken(io::Error),
}

impl Tls {
    /// By what was `loaded`; a handshake may take as long as `deadline`.
    ///
    /// # Errors
    /// When no random key can be drawn.
    pub fn new(loaded: Loaded, deadline: Duration) -> Result<Arc<Self>, rustls::Error> {
        let tickets = ring::Ticketer::new()?;
        let sessions = ServerSessionMemoryCache::new(SESSIONS);
        let config = ArcSwap::new(made(loaded, &tickets, &sessions)?);
        Ok(Arc::new(Self { config, tickets, sessions, deadline }))
    }

    /// Puts what was `loaded` in the place of what held. Open connections keep what they began with.
    ///
    /// # Errors
    /// None that is known of: it was checked while it was loaded.
    pub fn replace(&self, loaded: Loaded) -> Result<(), rustls::Error> {
        self.config.store(made(loaded, &self.tickets, &self.sessions)?);
        Ok(())
    }

    /// Shakes hands with the client behind `socket`.
    ///
    /// # Errors
    /// [`Failed`]; the client has been told, as far as TLS has words for it.
    pub async fn accept(&self, socket: Socket) -> Result<Box<TlsStream<Socket>>, Failed> {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        match tokio::time::timeout(self.deadline, acceptor.accept(socket)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(Failed::Broken(error)),
            Err(_elapsed) => Err(Failed::Late),
        }
    }
}

fn made(
    loaded: Loaded,
    tickets: &Arc<dyn ProducesTickets>,
    sessions: &Arc<ServerSessionMemoryCache>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let versions: &[_] = match loaded.min_version {
        TlsVersion::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::Tls13 => &[&rustls::version::TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(loaded.certificates));
    if loaded.http2 {
        config.alpn_protocols.push(b"h2".to_vec());
    }
    config.alpn_protocols.push(b"http/1.1".to_vec());
    config.ticketer = Arc::clone(tickets);
    config.session_storage = Arc::clone(sessions) as _;
    Ok(Arc::new(config))
}

/// What TLS says of a connection after its handshake.
#[must_use]
pub fn secured(stream: &TlsStream<Socket>) -> Secured {
    let connection = stream.get_ref().1;
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    };
    Secured { version, http2: connection.alpn_protocol() == Some(b"h2") }
}
