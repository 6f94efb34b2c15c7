//! Accepting, which never ends and never spins: a connection that broke before it was taken is passed over, and when the
//! process has no descriptors left it waits a moment instead of asking again at once (what ended routinator's listener,
//! CVE-2026-49232, and what makes others burn a core).

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

use super::bind::{BACKLOG, Listener};
use super::limits::Connections;
use super::socket::Socket as Stream;
use super::tls::Tls;
use super::turned_away;
use super::workers::Workers;
use crate::app::App;
use crate::client_addr::Peer;

/// How long accepting waits when there is nothing to accept with.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// How often at most that is said: each descriptor that comes free meanwhile is taken at once.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// How long it waits after an error that it knows nothing about.
const HICCUP: Duration = Duration::from_millis(10);

/// What an acceptor needs.
#[derive(Clone, Debug)]
pub struct Acceptor {
    /// Where connections go.
    pub workers: Workers,
    /// How many there may be.
    pub connections: Arc<Connections>,
    /// Whose trusted proxies have no limit.
    pub app: Arc<App>,
    /// Ends accepting.
    pub stop: CancellationToken,
    /// What makes TLS of the connections, if they are to be.
    pub tls: Option<Arc<Tls>>,
}

impl Acceptor {
    /// Accepts from `listener` until it is told to stop, and then what waits there.
    pub async fn run(self, listener: Listener) {
        accept_from(&listener, &self.stop, |stream, peer| self.take(stream, peer)).await;
        if let Err(why) = self.take_waiting(listener) {
            tracing::debug!(%why, "nothing more is accepted");
        }
    }

    /// Takes the connections that wait, no more than can wait at one time. Their clients are connected and may have sent a
    /// request; to close the socket over them would reset them.
    fn take_waiting(&self, listener: Listener) -> io::Result<()> {
        match listener {
            Listener::Tcp(listener) => {
                let listener = listener.into_std()?;
                for _ in 0..BACKLOG {
                    let (stream, addr) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    self.take(Stream::Tcp(TcpStream::from_std(stream)?), Peer::tcp(addr));
                }
            }
            Listener::Unix(listener, file) => {
                // Without it nobody new comes.
                drop(file);
                let listener = listener.into_std()?;
                for _ in 0..BACKLOG {
                    let (stream, _) = listener.accept()?;
                    stream.set_nonblocking(true)?;
                    self.take(Stream::Unix(UnixStream::from_std(stream)?), Peer::Unix);
                }
            }
        }
        Ok(())
    }

    fn take(&self, stream: Stream, peer: Peer) {
        self.app.metrics().accepted.inc();
        let trusted = self.app.trusts(peer);
        if trusted {
            self.app.metrics().accepted_from_proxies.inc();
        }
        match self.connections.admit(peer, trusted) {
            Ok(admitted) => self.workers.hand_over(stream, peer, admitted, self.tls.clone()),
            Err(full) => {
                self.app.unparsed(peer, http::StatusCode::SERVICE_UNAVAILABLE, full.reason());
                // Who speaks TLS could not read it.
                if self.tls.is_none()
                    && let Some(telling) = self.connections.telling()
                {
                    tokio::spawn(turned_away::tell(stream, telling));
                }
            }
        }
    }
}

/// Gives every connection that comes to `take`, until `stop` is called.
pub async fn accept_from(listener: &Listener, stop: &CancellationToken, mut take: impl FnMut(Stream, Peer)) {
    let mut said: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            // In this order: what is accepted after the stop would be closed unanswered, and what is not accepted waits
            // for the next process where the socket outlives this one.
            biased;
            () = stop.cancelled() => return,
            accepted = accept(listener) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => take(stream, peer),
            Err(error) if is_exhausted(&error) => {
                if said.is_none_or(|at| at.elapsed() >= SAID_AGAIN) {
                    said = Some(Instant::now());
                    tracing::error!(%error, %listener, "connections wait: there is nothing left to take them with");
                }
                tokio::time::sleep(EXHAUSTED).await;
            }
            // The client left before it was taken: the next one, please.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => tokio::task::yield_now().await,
            // The network hiccuped (accept(2)), or worse. Not known to last, and not known to pass.
            Err(error) => {
                tracing::debug!(%error, %listener, "a connection was not taken");
                tokio::time::sleep(HICCUP).await;
            }
        }
    }
}

async fn accept(listener: &Listener) -> io::Result<(Stream, Peer)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, addr) = listener.accept().await?;
            Ok((Stream::Tcp(stream), Peer::tcp(addr)))
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            Ok((Stream::Unix(stream), Peer::Unix))
        }
    }
}

/// The process or the machine is out of descriptors or memory, and asking again at once would not help.
fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| exhausted.contains(&errno))
}
