//! What requests on one connection have in common.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;

use crate::auth::Proven;
use crate::auth::certificate::Certificate;
use crate::client_addr::Peer;
use crate::session::Given;

/// What is known of a connection before its first request.
#[derive(Debug)]
pub struct Connected {
    /// Its other end: the client, where a trusted proxy's PROXY header names him.
    pub peer: Peer,
    /// This end, if it has an address.
    pub local: Option<SocketAddr>,
    /// Whether the client came by TLS to a trusted proxy, by its PROXY header.
    pub by_tls: bool,
    /// The other end as a header value.
    pub peer_value: Option<HeaderValue>,
    /// The worker that serves it.
    pub worker: usize,
    /// What TLS says of it, if it came by that.
    pub secured: Option<Secured>,
    /// The ticket that was given out on it last.
    pub given: Mutex<Option<Given>>,
    /// The credentials that were right on it last.
    pub proven: Proven,
}

/// What TLS says of a connection.
#[derive(Debug)]
pub struct Secured {
    /// The version of TLS, for the log: `TLSv1.3`.
    pub version: &'static str,
    /// Whether HTTP/2 was agreed upon.
    pub http2: bool,
    /// The client's certificate, if he was asked for one and showed it.
    pub certificate: Option<Arc<Certificate>>,
}

impl Connected {
    /// Whether it came by TLS: to the gate, or by the word of its PROXY header to a proxy in front.
    pub(super) fn is_secured(&self) -> bool {
        self.secured.is_some() || self.by_tls
    }

    /// Whether it comes from this machine's own address, other than loopback: what hands connections on here, a container
    /// engine's forwarder say, has that address, and who is behind it could be anybody.
    pub(super) fn is_own(&self) -> bool {
        matches!(self.peer, Peer::Tcp(ip) if self.local.is_some_and(|local| local.ip() == ip) && !ip.is_loopback())
    }

    pub(super) fn given(&self) -> MutexGuard<'_, Option<Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
