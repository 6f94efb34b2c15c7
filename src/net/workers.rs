//! One current-thread runtime a core. A connection is served by one of them from its first byte to its last; each new one
//! goes to the worker that has the fewest.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Accepted};
use super::limits::Admitted;
use super::socket::{Handed, Socket};
use super::tls::Tls;
use crate::app::App;
use crate::client_addr::Peer;
use crate::vitals::BEAT;

/// How often a worker looks through its idle connections to the catcher.
const SWEEP: Duration = Duration::from_secs(5);

/// What tells tasks to end, and what counts those that have not.
#[derive(Clone, Debug)]
pub struct Lifetime {
    /// Called when connections are to end after their current request.
    pub stop: CancellationToken,
    /// Connections and tunnels.
    pub tasks: TaskTracker,
    /// Called when whatever is left is to be dropped.
    pub end: CancellationToken,
}

/// Hands accepted connections to workers.
#[derive(Clone, Debug)]
pub struct Workers {
    workers: Arc<[Worker]>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Worker {
    inbox: mpsc::UnboundedSender<Accepted>,
    connections: Arc<AtomicUsize>,
}

/// A worker's other end, before it runs.
#[derive(Debug)]
pub struct Inbox {
    index: usize,
    accepted: mpsc::UnboundedReceiver<Accepted>,
    connections: Arc<AtomicUsize>,
}

impl Workers {
    /// `count` workers and their inboxes. What waits in an inbox is bounded by the limits on connections, and counted by
    /// `tasks` like what is served.
    #[must_use]
    pub fn new(count: NonZeroUsize, tasks: TaskTracker) -> (Self, Vec<Inbox>) {
        let (workers, inboxes): (Vec<_>, Vec<_>) = (0..count.get())
            .map(|index| {
                let (inbox, accepted) = mpsc::unbounded_channel();
                let connections = Arc::new(AtomicUsize::new(0));
                (Worker { inbox, connections: Arc::clone(&connections) }, Inbox { index, accepted, connections })
            })
            .unzip();
        (Self { workers: workers.into(), tasks }, inboxes)
    }

    /// Gives a connection, accepted on the first worker's runtime, to the worker with the fewest.
    pub fn hand_over(&self, stream: Socket, peer: Peer, admitted: Admitted, tls: Option<Arc<Tls>>) {
        let load = |(_, worker): &(usize, &Worker)| worker.connections.load(Ordering::Relaxed);
        let Some((index, worker)) = self.workers.iter().enumerate().min_by_key(load) else { return };
        let stream = match if index == 0 { Ok(Handed::Here(stream)) } else { Handed::away(stream) } {
            Ok(stream) => stream,
            Err(error) => return tracing::error!(%peer, %error, "a connection cannot be handed over"),
        };
        worker.connections.fetch_add(1, Ordering::Relaxed);
        // A worker that is gone has been told to stop: the connection is closed.
        let _ = worker.inbox.send(Accepted { stream, peer, admitted, tls, counted: self.tasks.token() });
    }
}

/// One fewer connection, whatever way it ended.
struct Leaving(Arc<AtomicUsize>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inbox {
    /// Takes connections as they come and serves them on the current runtime, until `lifetime` ends.
    pub async fn serve(mut self, app: Arc<App>, lifetime: Lifetime) {
        let mut sweep = tokio::time::interval(SWEEP);
        let mut beat = tokio::time::interval(BEAT);
        let runtime = tokio::runtime::Handle::current();
        let mut more_may_come = true;
        loop {
            tokio::select! {
                accepted = self.accepted.recv(), if more_may_come => match accepted {
                    Some(accepted) => {
                        let leaving = Leaving(Arc::clone(&self.connections));
                        let (app, stop, index) = (Arc::clone(&app), lifetime.stop.clone(), self.index);
                        lifetime.tasks.spawn(async move {
                            connection::serve(accepted, app, index, stop).await;
                            drop(leaving);
                        });
                    }
                    // Nothing more is accepted; what is being served has until the end.
                    None => more_may_come = false,
                },
                _ = sweep.tick() => app.sweep(self.index),
                _ = beat.tick() => app.vitals().beat(self.index, runtime.metrics().num_alive_tasks(), Instant::now()),
                () = lifetime.end.cancelled() => return,
            }
        }
    }

    /// Serves on a thread and a runtime of its own.
    ///
    /// # Errors
    /// When either cannot be made.
    pub fn start(self, app: Arc<App>, lifetime: Lifetime) -> io::Result<JoinHandle<()>> {
        let runtime = runtime()?;
        std::thread::Builder::new().name(format!("worker-{}", self.index)).spawn(move || {
            runtime.block_on(self.serve(app, lifetime));
            // Not to wait for a name that is being resolved.
            runtime.shutdown_background();
        })
    }
}

/// A runtime for one thread.
///
/// # Errors
/// When the system has no room for its poller.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
