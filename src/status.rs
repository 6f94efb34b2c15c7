//! Serves `/livez`, `/readyz` and `/metrics` on a second listener, on a thread of its own.
//!
//! No credentials are asked for, so it only ever tells: GET and HEAD, nothing that changes anything, no user's name, no
//! address. A page in a browser on the same machine could ask it as well, under a name of its own that resolves to
//! loopback; so only addresses and `localhost` are taken for `Host`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::authority::Authority;
use crate::body::Body;
use crate::conditions::Condition;
use crate::guard;
use crate::metrics;
use crate::net::bind::Bound;
use crate::net::listener;
use crate::net::socket::Socket;
use crate::net::workers;

/// Connections at one time. For one more the oldest goes: who asks rightly is done in a moment.
const CONNECTIONS: usize = 64;

/// How long a connection may be without a whole request head.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may go on asking.
const LONGEST: Duration = Duration::from_secs(60);

/// How long a question waits for a look at the catcher.
const WAIT_FOR_LOOK: Duration = Duration::from_secs(1);

/// Starts the thread. It ends when `end` is called.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn start(bound: Vec<Bound>, app: Arc<App>, end: CancellationToken) -> io::Result<JoinHandle<()>> {
    let runtime = workers::runtime()?;
    let listeners = {
        let _entered = runtime.enter();
        bound.into_iter().map(Bound::settle).collect::<io::Result<Vec<_>>>()?
    };
    for listener in &listeners {
        tracing::info!(at = %listener, "telling how it goes");
    }
    std::thread::Builder::new().name("status".to_owned()).spawn(move || {
        runtime.block_on(async move {
            for listener in listeners {
                let (app, end) = (Arc::clone(&app), end.clone());
                tokio::spawn(async move {
                    let mut asking = VecDeque::with_capacity(CONNECTIONS);
                    listener::accept_from(&listener, &end, |stream, _peer| {
                        asking.retain(|connection: &tokio::task::JoinHandle<()>| !connection.is_finished());
                        if asking.len() == CONNECTIONS
                            && let Some(oldest) = asking.pop_front()
                        {
                            oldest.abort();
                        }
                        let app = Arc::clone(&app);
                        asking.push_back(match stream {
                            Socket::Tcp(stream) => tokio::spawn(serve(stream, app)),
                            Socket::Unix(stream) => tokio::spawn(serve(stream, app)),
                        });
                    })
                    .await;
                });
            }
            end.cancelled().await;
        });
        runtime.shutdown_background();
    })
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, app: Arc<App>) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(answer(&app, &request.into_parts().0).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_header_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = tokio::time::sleep(LONGEST) => {
            connection.as_mut().graceful_shutdown();
            // Whoever does not take his answer gives up his place.
            tokio::time::timeout(PATIENCE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the status listener broke");
    }
}

/// What is told, to whoever asks rightly.
async fn answer(app: &Arc<App>, parts: &Parts) -> Response<Body> {
    if let Err((status, why)) = check(parts) {
        let mut response = text(status, format!("{why}\n"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, const { HeaderValue::from_static("GET, HEAD") });
        }
        return response;
    }
    match parts.uri.path() {
        "/livez" => livez(app, Instant::now()),
        "/readyz" => {
            look(app).await;
            readyz(app)
        }
        "/metrics" => {
            look(app).await;
            let mut response = text(StatusCode::OK, app.metrics_text());
            let content_type = const { HeaderValue::from_static(metrics::CONTENT_TYPE) };
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            response
        }
        _ => text(StatusCode::NOT_FOUND, "There are /livez, /readyz and /metrics here.\n".to_owned()),
    }
}

/// A catcher whom nobody asks for anything may have gone or come back meanwhile. One that takes longer to show than the
/// question waits shows in a later one.
async fn look(app: &Arc<App>) {
    let looking = {
        let app = Arc::clone(app);
        tokio::spawn(async move { app.look_at_upstream().await })
    };
    let _ = tokio::time::timeout(WAIT_FOR_LOOK, looking).await;
}

const ASK_BY_ADDRESS: &str = "Ask by address or as localhost: a name could be anybody's.";

fn check(parts: &Parts) -> Result<(), (StatusCode, &'static str)> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here."));
    }
    match guard::host(parts) {
        _ if parts.headers.get_all(header::HOST).iter().count() > 1 => {
            Err((StatusCode::BAD_REQUEST, "The request has more than one Host."))
        }
        Some(host) if is_nobody_elses(host.as_bytes()) => Ok(()),
        Some(_) => Err((StatusCode::MISDIRECTED_REQUEST, ASK_BY_ADDRESS)),
        None if parts.headers.contains_key(header::HOST) => Err((StatusCode::MISDIRECTED_REQUEST, ASK_BY_ADDRESS)),
        // A browser always sends one, and a probe of HTTP/1.0 never does.
        None if parts.version == Version::HTTP_10 => Ok(()),
        None => Err((StatusCode::BAD_REQUEST, "The request has no Host.")),
    }
}

/// Whether a `Host` is an address or `localhost`.
fn is_nobody_elses(host: &[u8]) -> bool {
    Authority::parse(host).is_some_and(|host| host.is_literal_or_localhost())
}

fn livez(app: &App, now: Instant) -> Response<Body> {
    match app.vitals().stuck(now) {
        None => text(StatusCode::OK, "alive\n".to_owned()),
        Some(worker) => text(StatusCode::SERVICE_UNAVAILABLE, format!("worker {worker} is stuck\n")),
    }
}

/// Whether to send people here, and then a line a condition. A degraded one does not keep them away: the gate has pages
/// that say what is wrong, and a failed reload is no reason to lock everybody out.
fn readyz(app: &App) -> Response<Body> {
    let (status, mut told) = match app.not_ready() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", why.text())),
    };
    for condition in Condition::ALL {
        let name = condition.name();
        match app.conditions().get(condition) {
            None => told.push_str(&format!("{name}: ok\n")),
            Some(degraded) => {
                let since = jiff::Timestamp::try_from(degraded.since).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
                told.push_str(&format!("{name}: degraded since {since:.0}: {}\n", degraded.why));
            }
        }
    }
    text(status, told)
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from(text)));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, const { HeaderValue::from_static("text/plain; charset=utf-8") });
    fields.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, const { HeaderValue::from_static("nosniff") });
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_hosts_here() {
        for host in [
            "localhost",
            "LocalHost:9080",
            "127.0.0.1",
            "127.0.0.1:9080",
            "10.1.2.3:1",
            "[::1]",
            "[::1]:9080",
            "[fd00::1]",
            "localhost:",
        ] {
            assert!(is_nobody_elses(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":9080",
            "evil.test",
            "evil.test:9080",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "localhost:9080x",
            "[::1",
            "[::1]x",
            "[127.0.0.1]",
            "::1",
            "127.1",
            "0x7f.1",
            "[evil]:1",
            "localhost:1:2",
        ] {
            assert!(!is_nobody_elses(host.as_bytes()), "{host}");
        }
    }
}
