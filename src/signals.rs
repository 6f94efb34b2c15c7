//! Signals, as what the daemon is asked to do.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// End: SIGTERM, or SIGINT from a terminal. The second means at once.
    Shutdown,
    /// Read the configuration again: SIGHUP.
    Reload,
}

/// The signals that are listened to.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
    usr1: Signal,
}

impl Signals {
    /// Starts listening.
    ///
    /// # Errors
    /// When a handler cannot be installed.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
            usr1: signal(SignalKind::user_defined1())?,
        })
    }

    /// The next request. Nothing is lost if it is dropped.
    pub async fn next(&mut self) -> Request {
        loop {
            tokio::select! {
                _ = self.term.recv() => return Request::Shutdown,
                _ = self.int.recv() => return Request::Shutdown,
                _ = self.hup.recv() => return Request::Reload,
                // nginx reopens its logs at SIGUSR1, and what rotated them still sends it. Ours are no files.
                _ = self.usr1.recv() => tracing::debug!("there is no log file to reopen"),
            }
        }
    }
}
