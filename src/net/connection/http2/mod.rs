//! A connection that speaks HTTP/2 (RFC 9113), as ALPN agreed.
//!
//! Requests are translated at this edge (`head`) and are from then on like those of HTTP/1. Each has a task of its own
//! (`streams`), by which one that its client reads too slowly ends alone; `answer` shows it how far an answer is. What is
//! written in one turn goes out as one (`gathered`). What a connection may cost is bounded by the numbers below, to which
//! hyper and h2 hold, and by what it owes (`meter`): one that floods is ended.

mod answer;
mod gathered;
mod head;
mod meter;
mod metered;
mod streams;

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;

use self::answer::Answer;
use self::gathered::Gathered;
use self::metered::Metered;
use self::streams::{Executor, Streams};
use super::limits;
use crate::apart::apart;
use crate::app::{App, Connected, Last};
use crate::body::Body;
use crate::client_addr::Peer;
use crate::guard;
use crate::in_flight::Activity;
use crate::net::client_io::{ClientIo, Stream};
use crate::net::limits::Admitted;

/// Requests at once on a connection. RFC 9113 section 6.5.2 recommends no fewer; a browser opens no more.
const STREAMS: u32 = 100;

/// How much of a request's body may be on its way or unread, for one stream and for all of a connection, in bytes: what a
/// client can make us hold. An upload of 1 MiB needs four round trips.
const WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;

/// How many times as long as it may be a head is let through, to be refused by us: what h2 answers has no line in the log.
const HEADS: usize = 2;

/// How much of an answer waits in h2 for its client, in bytes; what is beyond it is the read-ahead's, with its budget.
const SEND_BUFFER: usize = 64 << 10;

/// How many streams that the client has reset may wait to be looked at (Rapid Reset, CVE-2023-44487), and how many may be
/// reset for the client's errors (MadeYouReset, CVE-2025-8671), before the connection ends.
const PENDING_RESETS: usize = 20;
const ERROR_RESETS: usize = 256;

/// For how long a client that says nothing is waited for when the connection is to end: it answers our GOAWAY's ping
/// within a round trip.
const GOODBYE: Duration = Duration::from_secs(1);

/// What the access log says of one.
const FLOOD: &str = "HTTP/2 flood";

/// Serves it until it ends, or until `stop` is called and its requests have been answered.
pub(super) async fn serve(
    stream: Stream,
    admitted: Admitted,
    connected: Arc<Connected>,
    app: Arc<App>,
    stop: CancellationToken,
) {
    let peer = connected.peer;
    let (limits, ping) = (limits(&app), app.timeouts().ping);
    let activity = Arc::new(Activity::default());
    // A client may be in the middle of a body when we end.
    activity.leaves_unread();
    let streams = Streams::new(app.tracker().clone(), admitted.places(), limits.send);
    let io = Gathered::new(ClientIo::of_frames(stream, limits, Arc::clone(&activity), admitted));
    let metered = Metered::new(io.clone(), Arc::clone(&activity), app.limits().head);

    let service = {
        let (app, streams, activity) = (Arc::clone(&app), Arc::clone(&streams), Arc::clone(&activity));
        service_fn(move |request: Request<Incoming>| {
            activity.begins_elsewhere();
            let (app, connected, turn) = (Arc::clone(&app), Arc::clone(&connected), streams.opened());
            async move {
                let limit = app.timeouts().request_body;
                let is_too_long = head::length(&request) >= app.limits().head;
                let mut request = head::received(request).map(|incoming| Body::stream(incoming, Some(limit)));
                turn.is_told_by(&mut request);
                if turn.is_too_many() {
                    request.extensions_mut().insert(guard::TooMany);
                }
                if is_too_long {
                    request.extensions_mut().insert(guard::TooLong);
                }
                // Apart: hyper moves what is made here from hand to hand until it is a task.
                let mut response = apart(|| app.handle(request, &connected)).await;
                if response.extensions().get::<Last>().is_some() {
                    turn.is_last();
                }
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    head::switched(&mut response);
                    turn.becomes_tunnel();
                }
                Ok::<_, Infallible>(response.map(|body| Answer::new(body, turn)))
            }
        })
    };
    let head = u32::try_from(app.limits().head.saturating_mul(HEADS)).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(Executor::of(&streams))
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(head)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(ERROR_RESETS)
        .enable_connect_protocol()
        // As a WebSocket's browser is asked; the answer waits behind what the client has still to take.
        .keep_alive_interval(ping * 2)
        .keep_alive_timeout(limits.send)
        .serve_connection(TokioIo::new(metered), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = io.run(connection.as_mut()) => ended,
        () = stop.cancelled() => {
            activity.ends();
            leave(connection, &io, &streams, &activity).await
        }
        () = streams.unused(limits.head, limits.keep_alive) => leave(connection, &io, &streams, &activity).await,
    };
    match ended {
        _ if activity.is_flood() => app.unparsed(peer, StatusCode::TOO_MANY_REQUESTS, FLOOD),
        Ok(()) => {}
        Err(error) => broke(&app, peer, &error),
    }
}

/// Says that no more requests are taken, and ends when those that are there have been answered: the client has a round
/// trip's time for those on their way (RFC 9113 section 6.8).
async fn leave<S>(
    mut connection: Pin<&mut http2::Connection<TokioIo<Metered<Gathered>>, S, Executor>>,
    io: &Gathered,
    streams: &Streams,
    activity: &Activity,
) -> hyper::Result<()>
where
    S: hyper::service::HttpService<Incoming, ResBody = Answer>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
{
    activity.listens();
    connection.as_mut().graceful_shutdown();
    let gone = async {
        streams.silent_for(GOODBYE).await;
        if streams.had_any() && activity.has_heard() {
            // It is there, and may have still to take the end of an answer. Who has asked for nothing has none to take.
            streams.silent_for(streams.send_limit()).await;
        }
    };
    tokio::select! {
        ended = io.run(connection) => ended,
        () = gone => Ok(()),
    }
}

/// A connection that breaks the protocol, or floods, is worth a line in the access log as much as a request that cannot be
/// read. One that just ends is not.
fn broke(app: &App, peer: Peer, error: &hyper::Error) {
    let mut source = error.source();
    let mut reason = None;
    while let Some(cause) = source {
        if cause.is::<io::Error>() {
            return tracing::debug!(%peer, %error, "a connection broke");
        }
        reason = reason.or_else(|| cause.downcast_ref::<h2::Error>().and_then(h2::Error::reason));
        source = cause.source();
    }
    match reason {
        Some(h2::Reason::ENHANCE_YOUR_CALM) => app.unparsed(peer, StatusCode::TOO_MANY_REQUESTS, FLOOD),
        Some(_) => app.unparsed(peer, StatusCode::BAD_REQUEST, "not HTTP/2"),
        // It answered no ping.
        None => tracing::debug!(%peer, %error, "a connection broke"),
    }
}
