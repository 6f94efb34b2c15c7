//! Whether a client's connection is answering a request, waits for one, or has become a tunnel: its time limits ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How many of a connection's requests have begun and ended; written by the service, read by its time limits.
#[derive(Debug, Default)]
pub struct Activity {
    begun: AtomicU32,
    ended: AtomicU32,
    tunnel: AtomicBool,
}

impl Activity {
    /// A request's head has been read; its answer has ended when the guard is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// How many requests have begun, wrapping around.
    #[must_use]
    pub fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether every request that has begun has ended, and another may come.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.begun() == self.ended.load(Ordering::Relaxed) && !self.tunnel.load(Ordering::Relaxed)
    }

    /// The connection becomes a tunnel: requests and the time between them are over.
    pub fn becomes_tunnel(&self) {
        self.tunnel.store(true, Ordering::Relaxed);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}
