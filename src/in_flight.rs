//! Whether a client's connection is answering a request, waits for one, or has become a tunnel: its time limits ask.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

/// How many of a connection's requests have begun and ended; written by the service, read by its time limits.
#[derive(Debug, Default)]
pub struct Activity {
    begun: AtomicU32,
    ended: AtomicU32,
    tunnel: AtomicBool,
    cut: AtomicBool,
    unread: AtomicBool,
    reading_head: AtomicBool,
    ending: AtomicBool,
    tls: AtomicBool,
    heard: AtomicBool,
    flood: AtomicBool,
    meanwhile: Mutex<Option<Arc<dyn Meanwhile>>>,
}

/// What goes on while the client takes nothing of his answer.
pub trait Meanwhile: Send + Sync + fmt::Debug {
    /// Goes on with it as far as it can, and has the connection's task woken when it can go further.
    fn poll_meanwhile(&self, cx: &mut Context<'_>);
}

impl Activity {
    /// A request's head has been read; its answer has ended when the guard is dropped.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.unread.store(false, Ordering::Relaxed);
        InFlight { activity: Arc::clone(self), ends_by_closing: false, has_meanwhile: false }
    }

    /// A request's head has been read, and when its answer ends is told elsewhere: of HTTP/2 each stream has its own.
    pub fn begins_elsewhere(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests have begun, wrapping around.
    #[must_use]
    pub fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether every request that has begun has ended, and another may come.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.begun() == self.ended.load(Ordering::Relaxed) && !self.is_tunnel()
    }

    /// Whether the connection has become a tunnel.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        self.tunnel.load(Ordering::Relaxed)
    }

    /// The client takes nothing of his answer at this moment.
    pub fn client_is_blocked(&self, cx: &mut Context<'_>) {
        let meanwhile = self.meanwhile().clone();
        if let Some(meanwhile) = meanwhile {
            meanwhile.poll_meanwhile(cx);
        }
    }

    fn meanwhile(&self) -> MutexGuard<'_, Option<Arc<dyn Meanwhile>>> {
        self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an answer broke off that nothing but the connection's end delimits, so that a plain end would make it
    /// look whole.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// The connection ends after the request that is being answered, or the next one.
    pub fn ends(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Whether a part of the next request's head has been read, and the rest has not.
    #[must_use]
    pub fn is_reading_head(&self) -> bool {
        self.reading_head.load(Ordering::Relaxed)
    }

    /// Says so.
    pub fn reads_head(&self, reading: bool) {
        self.reading_head.store(reading, Ordering::Relaxed);
    }

    /// The first byte was that of a TLS handshake, where HTTP was expected.
    pub fn began_with_tls(&self) {
        self.tls.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.load(Ordering::Relaxed)
    }

    /// The client sends so much that brings nothing that its connection is ended.
    pub fn floods(&self) {
        self.flood.store(true, Ordering::Relaxed);
    }

    /// Whether it does.
    #[must_use]
    pub fn is_flood(&self) -> bool {
        self.flood.load(Ordering::Relaxed)
    }

    /// Something was read that shows that the client reads as well.
    pub fn hears(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// From now on, whether anything like that is read is to be told.
    pub fn listens(&self) {
        self.heard.store(false, Ordering::Relaxed);
    }

    /// Whether anything was.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// The current request's body will not be read to its end.
    pub fn leaves_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether a part of the last request's body was left unread, so that more of it may be on its way.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// The connection becomes a tunnel: requests and the time between them are over.
    pub fn becomes_tunnel(&self) {
        self.tunnel.store(true, Ordering::Relaxed);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct InFlight {
    activity: Arc<Activity>,
    ends_by_closing: bool,
    /// Whether there is something to take back at the end; most answers do without that lock.
    has_meanwhile: bool,
}

impl InFlight {
    /// Says whether only the connection's end shows where the answer ends (RFC 9112 section 6.3, the last rule).
    pub fn set_ends_by_closing(&mut self, ends_by_closing: bool) {
        self.ends_by_closing = ends_by_closing;
    }

    /// What is to go on, until the answer ends, while the client takes nothing of it.
    pub fn set_meanwhile(&mut self, meanwhile: Arc<dyn Meanwhile>) {
        *self.activity.meanwhile() = Some(meanwhile);
        self.has_meanwhile = true;
    }

    /// The answer broke off.
    pub fn broke(&self) {
        if self.ends_by_closing {
            self.activity.cut.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.has_meanwhile {
            *self.activity.meanwhile() = None;
        }
        self.activity.ended.fetch_add(1, Ordering::Relaxed);
    }
}
