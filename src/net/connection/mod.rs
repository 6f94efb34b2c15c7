//! One client connection, from its first byte to its last.

pub mod http1;
pub mod http2;
mod named;

use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::named::Named;
use super::client_io::{Limits, Stream};
use super::limits::Admitted;
use super::socket::{Handed, Socket};
use super::tls::{self, Failed, Tls};
use crate::app::{App, Connected, Secured};
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
    /// What makes TLS of it, if it is to be.
    pub tls: Option<Arc<Tls>>,
    /// Its place among what stopping waits for, from before a worker has seen it.
    pub counted: TaskTrackerToken,
}

/// Serves a connection until it ends, or until `stop` is called and its current request has been answered.
pub async fn serve(accepted: Accepted, app: Arc<App>, worker: usize, stop: CancellationToken) {
    let Accepted { stream, peer, admitted, tls, counted: _counted } = accepted;
    let socket = match stream.settle() {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%peer, %error, "a connection cannot be served"),
    };
    let local = socket.local_addr();
    let named = named::of(socket, peer, admitted, tls.is_some(), &app, &stop).await;
    let Some((socket, Named { peer, admitted, by_tls })) = named else { return };
    let (stream, secured) = match tls {
        None => (Stream::Plain(socket), None),
        // Apart, so that its memory goes when it is done.
        Some(tls) => match Box::pin(handshake(&tls, socket, peer, &stop)).await {
            Some((stream, secured)) => (stream, Some(secured)),
            None => return,
        },
    };
    let peer_value = address_value(peer);
    let (given, proven) = (Mutex::default(), Proven::default());
    let speaks_http2 = secured.as_ref().is_some_and(|secured| secured.http2);
    let connected = Arc::new(Connected { peer, local, by_tls, peer_value, worker, secured, given, proven });
    if speaks_http2 {
        http2::serve(stream, admitted, connected, app, stop).await;
    } else {
        http1::serve(stream, admitted, connected, app, stop).await;
    }
}

/// Makes TLS of a connection; none if that failed, or if the gate stops meanwhile.
async fn handshake(tls: &Tls, socket: Socket, peer: Peer, stop: &CancellationToken) -> Option<(Stream, Secured)> {
    let accepted = tokio::select! {
        accepted = tls.accept(socket) => accepted,
        () = stop.cancelled() => return None,
    };
    match accepted {
        Ok(stream) => {
            let secured = tls::secured(&stream);
            Some((Stream::Tls(stream), secured))
        }
        Err(Failed::Late) => {
            tracing::debug!(%peer, "a TLS handshake took too long");
            None
        }
        Err(Failed::Broken(error)) => {
            tracing::debug!(%peer, %error, "a TLS handshake failed");
            None
        }
    }
}

fn limits(app: &App) -> Limits {
    let timeouts = app.timeouts();
    Limits { keep_alive: timeouts.keep_alive, head: timeouts.request_head, send: timeouts.send }
}
