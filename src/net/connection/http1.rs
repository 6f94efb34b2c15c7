//! A connection that speaks HTTP/1.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, StatusCode, Version};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::limits;
use crate::app::{App, Connected};
use crate::body::Body;
use crate::client_addr::Peer;
use crate::in_flight::Activity;
use crate::net::client_io::{ClientIo, HeadTimeout, Stream};
use crate::net::limits::Admitted;

/// How long, when the gate stops, a connection may go on without a request: a client that is about to send one does so
/// within this time, and one that is not costs no more than this.
pub(super) const NEXT_REQUEST: Duration = Duration::from_millis(250);

/// How long a head that has begun may take then.
const WHOLE_HEAD: Duration = Duration::from_secs(1);

/// How much is read, or written, at one time: what hyper does by itself, and over TLS, which cuts it into records anyway,
/// as much as makes no difference there.
const BUFFER: usize = 8192 + 4096 * 100;
const BUFFER_OVER_TLS: usize = 64 << 10;
/// The head has to go into it.
const BUFFER_BESIDE_HEAD: usize = 16 << 10;

/// Serves it until it ends, or until `stop` is called and its current request has been answered.
pub(super) async fn serve(
    stream: Stream,
    admitted: Admitted,
    connected: Arc<Connected>,
    app: Arc<App>,
    stop: CancellationToken,
) {
    let peer = connected.peer;
    let buffer = match &connected.secured {
        Some(_) => BUFFER_OVER_TLS.max(app.limits().head + BUFFER_BESIDE_HEAD),
        None => BUFFER,
    };
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(ClientIo::new(stream, limits(&app), Arc::clone(&activity), admitted));

    let service = {
        let (app, activity) = (Arc::clone(&app), Arc::clone(&activity));
        service_fn(move |request: Request<hyper::body::Incoming>| {
            let (app, connected, activity) = (Arc::clone(&app), Arc::clone(&connected), Arc::clone(&activity));
            let mut in_flight = activity.begin();
            let version = request.version();
            async move {
                let limit = app.timeouts().request_body;
                let request = request.map(|incoming| match http_body::Body::is_end_stream(&incoming) {
                    true => Body::empty(),
                    false => Body::stream(incoming, Some(limit)).from(Arc::clone(&activity)),
                });
                let mut response = app.handle(request, &connected).await;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    activity.becomes_tunnel();
                }
                // HTTP/1.0 has no chunks: without a length the body ends with the connection.
                let ends_by_closing =
                    version == Version::HTTP_10 && http_body::Body::size_hint(response.body()).exact().is_none();
                in_flight.set_ends_by_closing(ends_by_closing);
                let is_last = activity.is_ending() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
                if ends_by_closing || is_last {
                    // hyper would promise to keep a connection that it then has to close.
                    response.headers_mut().insert(CONNECTION, const { HeaderValue::from_static("close") });
                }
                Ok::<_, Infallible>(response.map(|body| body.in_flight(in_flight)))
            }
        })
    };
    let connection = http1::Builder::new()
        .header_read_timeout(None) // ClientIo has it, and the time between requests apart from it
        .max_header_size(app.limits().head)
        .max_buf_size(buffer)
        .serve_connection(io, service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => finish(connection, &activity).await,
    };
    if let Err(error) = ended {
        refused_by_hyper(&app, peer, &error, &activity);
    }
}

/// The gate stops: answers the request that is there or comes at once, says that it was the last, and ends.
///
/// A connection between two requests is not closed at once: the next one may be on its way, and to close under it is to
/// lose it. The same holds for one that has just been made, and after an answer whose head went out before the stop.
async fn finish<I, S>(
    mut connection: Pin<&mut http1::UpgradeableConnection<I, S>>,
    activity: &Activity,
) -> hyper::Result<()>
where
    http1::UpgradeableConnection<I, S>: Future<Output = hyper::Result<()>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<hyper::body::Incoming>,
    S::ResBody: http_body::Body + 'static,
    <S::ResBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // From now on each answer says that it is the last, and hyper ends the connection behind it.
    activity.ends();
    let mut patience: Option<(Pin<Box<Sleep>>, bool)> = None;
    let ended = std::future::poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        if !activity.is_idle() {
            patience = None;
            return Poll::Pending;
        }
        let (timer, in_head) = patience.get_or_insert_with(|| (Box::pin(tokio::time::sleep(NEXT_REQUEST)), false));
        ready!(timer.as_mut().poll(cx));
        if activity.is_reading_head() && !*in_head {
            *in_head = true;
            timer.as_mut().reset(Instant::now() + WHOLE_HEAD);
            ready!(timer.as_mut().poll(cx));
        }
        // A head that is still not whole is no request.
        Poll::Ready(if *in_head { Some(Ok(())) } else { None })
    });
    if let Some(ended) = ended.await {
        return ended;
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// What hyper answers by itself never becomes a request: it gets its line in the access log here.
fn refused_by_hyper(app: &App, peer: Peer, error: &hyper::Error, activity: &Activity) {
    let head_timeout = std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<io::Error>())
        .and_then(io::Error::get_ref)
        .is_some_and(|cause| cause.is::<HeadTimeout>());
    let answered = if head_timeout {
        Some((StatusCode::REQUEST_TIMEOUT, "head timeout"))
    } else if error.is_parse_too_large() && error.to_string().contains("URI") {
        // hyper tells the two apart in its answer and in its words only.
        Some((StatusCode::URI_TOO_LONG, "target too long"))
    } else if error.is_parse_too_large() {
        Some((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head too large"))
    } else if error.is_parse() && activity.is_tls() {
        Some((StatusCode::BAD_REQUEST, "TLS at a plain port"))
    } else if error.is_parse() {
        Some((StatusCode::BAD_REQUEST, "not HTTP/1"))
    } else {
        None
    };
    match answered {
        Some((status, reason)) => app.unparsed(peer, status, reason),
        None => tracing::debug!(%peer, %error, "a connection broke"),
    }
}
