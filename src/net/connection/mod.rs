//! One client connection, from its first byte to its last.

pub mod http1;
mod named;

use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::named::Named;
use super::client_io::{Handed, Limits};
use super::limits::Admitted;
use crate::app::{App, Connected};
use crate::auth::Proven;
use crate::client_addr::Peer;
use crate::forward::headers::address_value;

/// An accepted connection on its way to the worker that serves it.
#[derive(Debug)]
pub struct Accepted {
    /// Its two directions.
    pub stream: Handed,
    /// Its other end.
    pub peer: Peer,
    /// Its place in the limits, given up when it is dropped.
    pub admitted: Admitted,
    /// Its place among what stopping waits for, from before a worker has seen it.
    pub counted: TaskTrackerToken,
}

/// Serves a connection until it ends, or until `stop` is called and its current request has been answered.
pub async fn serve(accepted: Accepted, app: Arc<App>, worker: usize, stop: CancellationToken) {
    let Accepted { stream, peer, admitted, counted: _counted } = accepted;
    let stream = match stream.settle() {
        Ok(stream) => stream,
        Err(error) => return tracing::error!(%peer, %error, "a connection cannot be served"),
    };
    let local = stream.local_addr();
    let (stream, named) = match named::of(stream, peer, admitted, &app, &stop).await {
        Some(named) => named,
        None => return,
    };
    let Named { peer, admitted, by_tls } = named;
    let peer_value = address_value(peer);
    let (given, proven) = (Mutex::default(), Proven::default());
    let connected = Arc::new(Connected { peer, local, peer_value, worker, given, proven, by_tls });
    http1::serve(stream, admitted, connected, app, stop).await;
}

fn limits(app: &App) -> Limits {
    let timeouts = app.timeouts();
    Limits { keep_alive: timeouts.keep_alive, head: timeouts.request_head, send: timeouts.send }
}
