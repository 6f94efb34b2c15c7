//! One client connection, from its first byte to its last.

pub mod http1;
pub mod http2;
mod named;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::named::Named;
use super::client_io::{Limits, Stream};
use super::limits::Admitted;
use super::socket::{Handed, Socket};
use super::tls::{Failed, Tls};
use crate::apart::apart;
use crate::app::{App, Connected, Secured};
use crate::auth::Proven;
use crate::client_addr::Peer;
use crate::forward::headers::address_value;

/// How long, when the gate stops, a handshake may take that has begun.
const LAST_HANDSHAKE: Duration = Duration::from_secs(1);

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
        Some(tls) => {
            // Apart, so that its memory goes when it is done.
            match Box::pin(handshake(&tls, socket, admitted.address(), &stop)).await {
                Ok((stream, secured)) => (Stream::Tls(stream), Some(secured)),
                Err(Failed::Plain) => {
                    return app.unparsed(peer, StatusCode::BAD_REQUEST, "plain HTTP at an https port");
                }
                Err(error) => {
                    let reason = error.reason();
                    return tracing::debug!(%peer, reason, %error, "a TLS handshake failed");
                }
            }
        }
    };
    let peer_value = address_value(peer);
    let (given, proven) = (Mutex::default(), Proven::default());
    let speaks_http2 = secured.as_ref().is_some_and(|secured| secured.http2);
    let connected = Arc::new(Connected { peer, local, by_tls, peer_value, worker, secured, given, proven });
    if speaks_http2 {
        // Apart: few connections are of TLS, and each would have room for it.
        apart(|| http2::serve(stream, admitted, connected, app, stop)).await;
    } else {
        http1::serve(stream, admitted, connected, app, stop).await;
    }
}

/// Makes TLS of a connection. When the gate stops, one that has begun may still become a request.
async fn handshake(
    tls: &Tls,
    socket: Socket,
    address: Option<IpAddr>,
    stop: &CancellationToken,
) -> Result<(Box<TlsStream<Socket>>, Secured), Failed> {
    let accepting = tls.accept(socket, address);
    tokio::pin!(accepting);
    tokio::select! {
        accepted = accepting.as_mut() => accepted,
        () = stop.cancelled() => tokio::time::timeout(LAST_HANDSHAKE, accepting).await.unwrap_or(Err(Failed::Late)),
    }
}

fn limits(app: &App) -> Limits {
    let timeouts = app.timeouts();
    Limits { keep_alive: timeouts.keep_alive, head: timeouts.request_head, send: timeouts.send }
}
