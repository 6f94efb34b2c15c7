//! Whose connection it is: that of its other end, or of whom a trusted proxy there names in a PROXY header.

use std::time::Duration;

use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::http1::NEXT_REQUEST;
use crate::apart::apart;
use crate::app::App;
use crate::client_addr::Peer;
use crate::config::units::format_duration;
use crate::net::limits::Admitted;
use crate::net::proxy_header::{self, Header, Unread};
use crate::net::socket::Socket;
use crate::net::turned_away;

/// What is known before the first byte of the client.
#[derive(Debug)]
pub(super) struct Named {
    /// Whose it is.
    pub(super) peer: Peer,
    /// Its place in his limits.
    pub(super) admitted: Admitted,
    /// Whether he came by TLS, to the proxy.
    pub(super) by_tls: bool,
}

/// Reads the PROXY header of a connection from `peer`, if it has to begin with one; none if there is nothing to go on
/// with. `tls` is what is spoken behind it.
pub(super) async fn of(
    mut socket: Socket,
    peer: Peer,
    admitted: Admitted,
    tls: bool,
    app: &App,
    stop: &CancellationToken,
) -> Option<(Socket, Named)> {
    if !app.expects_header(peer) {
        return Some((socket, Named { peer, admitted, by_tls: false }));
    }
    let header = apart(|| header(&mut socket, peer, app, stop)).await?;
    // Where the proxy names nobody, the connection is its own.
    let Some(client) = header.client else {
        return Some((socket, Named { peer, admitted, by_tls: header.by_tls }));
    };
    match admitted.turns_out(client, app.trusts(client)) {
        Ok(admitted) => Some((socket, Named { peer: client, admitted, by_tls: header.by_tls })),
        Err((full, telling)) => {
            app.unparsed(client, StatusCode::SERVICE_UNAVAILABLE, full.reason());
            // Who speaks TLS could not read it.
            if let Some(telling) = telling.filter(|_| !tls) {
                apart(|| turned_away::tell(socket, telling)).await;
            }
            None
        }
    }
}

async fn header(socket: &mut Socket, peer: Peer, app: &App, stop: &CancellationToken) -> Option<Header> {
    let limit = app.timeouts().proxy_header;
    let read = tokio::select! {
        read = tokio::time::timeout(limit, proxy_header::read(socket)) => read,
        () = stopped(stop, NEXT_REQUEST) => return None,
    };
    match read {
        Ok(Ok(header)) => return Some(header),
        Ok(Err(Unread::Fault(fault))) => app.headerless(peer, &fault),
        Ok(Err(Unread::Nothing)) => tracing::debug!(%peer, "a connection ended without a byte"),
        Ok(Err(Unread::Io(error))) => tracing::debug!(%peer, %error, "a connection broke"),
        Err(_late) => app.headerless(peer, &format_args!("none within {}", format_duration(limit))),
    }
    None
}

/// Until the gate has been told to stop, and `patience` more: what it has to say may be on its way.
async fn stopped(stop: &CancellationToken, patience: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(patience).await;
}
