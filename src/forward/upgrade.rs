//! WebSockets: a connection of their own to the catcher, closed afterwards whatever the answer, and a tracked tunnel.
//!
//! Nothing is sent upstream behind the request's head until the catcher has answered 101: it loses frames that come with
//! the handshake, and before that answer there is no tunnel, only a request (RUSTSEC-2026-0033 is what becomes of
//! proxies that see it otherwise).

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
use tokio_util::sync::DropGuard;

use super::answer::fault;
use super::headers::{self, has_token};
use super::inbox::Inbox;
use super::relay::{self, End, Pace};
use super::tunnels::{Place, Tunnels};
use super::upstream::{Closing, Connection, Upstream};
use crate::access::Permit;
use crate::auth::Identity;
use crate::body::Body;
use crate::catcher::{Action, Operation};
use crate::permission::Permission;
use crate::reject::{Reject, UpstreamFault};

/// What an extended CONNECT of HTTP/2 asks for (RFC 8441); the client's connection puts it into the request's extensions,
/// and makes a handshake of one for a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extended {
    /// What its name says.
    WebSocket,
    /// Anything else.
    Other,
}

/// Held by a tunnel for as long as it lasts, if the client's connection put it into the request's extensions.
#[derive(Clone, Debug)]
pub struct Holds(pub Arc<DropGuard>);

/// The client's half of an upgrade.
#[derive(Debug)]
pub(super) struct Socket {
    client: OnUpgrade,
    operation: Operation,
    user: Identity,
    permission: Permission,
    inbox: Arc<Inbox>,
    pace: Pace,
    enhanced: bool,
    _holds: Option<Holds>,
}

/// Whether a page has our script, which says so in the address of the socket: `?mailwarden=1`. The catcher gets no query.
pub(super) fn is_enhanced(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair == "mailwarden=1"))
}

impl Socket {
    /// Takes it out of the client's request. The rest is for [`relay::frames`].
    ///
    /// # Errors
    /// When the connection cannot be upgraded.
    pub(super) fn of(
        parts: &mut Parts,
        permit: &Permit,
        inbox: Arc<Inbox>,
        pace: Pace,
        enhanced: bool,
    ) -> Result<Self, Reject> {
        let client = parts.extensions.remove().ok_or(Reject::Internal("the connection cannot be upgraded"))?;
        let holds = parts.extensions.remove();
        let Action { operation, permission, .. } = *permit.action();
        let user = permit.identity().clone();
        Ok(Self { client, operation, user, permission, inbox, pace, enhanced, _holds: holds })
    }
}

impl Tunnels {
    /// Asks the catcher to switch protocols, for at most `limit`, and starts the tunnel if it does. Any other answer is
    /// passed on, and its connection closed.
    ///
    /// # Errors
    /// [`Reject::Upstream`].
    pub(super) async fn open(
        &self,
        upstream: &Arc<Upstream>,
        request: Request<Body>,
        socket: Socket,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        let request = ready(request, socket.operation);
        let expected = request.headers().get(header::SEC_WEBSOCKET_KEY).map(accept_value);
        let exchange = async {
            let mut connection = upstream.connect().await?;
            let answer = connection.send(request).await.map_err(|error| fault(&error))?;
            Ok((connection, answer))
        };
        let (connection, mut answer) = match tokio::time::timeout(limit, exchange).await {
            Ok(done) => done?,
            Err(_elapsed) => return Err(Reject::Upstream(UpstreamFault::AnswerTimeout(limit))),
        };
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(
                answer.map(|incoming| Body::stream(incoming, Some(limit)).keeping(Box::new(Closing(connection))))
            );
        }
        verify(answer.headers(), expected.as_ref(), socket.operation)?;
        upstream.make_room();
        let catcher = hyper::upgrade::on(&mut answer);
        let place = self.list(&socket.user, socket.permission);
        self.tracker().spawn(run(socket, catcher, connection, place));
        Ok(switched(&answer))
    }
}

/// Readies the request for the catcher: exactly one `Connection` and one `Upgrade` line (of several, MailCatcher obeys
/// the last), and no extensions where frames are parsed.
pub(super) fn ready(mut request: Request<Body>, operation: Operation) -> Request<Body> {
    let fields = request.headers_mut();
    fields.insert(header::CONNECTION, const { HeaderValue::from_static("Upgrade") });
    fields.insert(header::UPGRADE, const { HeaderValue::from_static("websocket") });
    if operation == Operation::Socket {
        fields.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    }
    request
}

/// Checks that a 101 answers what was asked (RFC 6455 section 4.1).
pub(super) fn verify(answer: &HeaderMap, expected: Option<&HeaderValue>, operation: Operation) -> Result<(), Reject> {
    let malformed = |why: &str| Err(Reject::Upstream(UpstreamFault::Malformed(why.to_owned())));
    if !has_token(answer, header::UPGRADE, "websocket") {
        return malformed("it switched to another protocol than was asked");
    }
    if answer.get(header::SEC_WEBSOCKET_ACCEPT) != expected {
        return malformed("its Sec-WebSocket-Accept does not fit the key");
    }
    if operation == Operation::Socket && answer.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return malformed("it uses an extension that was not asked for");
    }
    Ok(())
}

/// RFC 6455 section 4.2.2: the hash of the key and a fixed text.
pub(super) fn accept_value(key: &HeaderValue) -> HeaderValue {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    // Base64 is always a valid value.
    HeaderValue::try_from(STANDARD.encode(hash.finalize())).unwrap_or(const { HeaderValue::from_static("") })
}

/// The 101 for the client: the catcher's fields, and exactly one line each of the two that switch.
fn switched(answer: &Response<Incoming>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = response.headers_mut();
    fields.clone_from(answer.headers());
    headers::clean_answer(fields);
    fields.remove(header::CONTENT_LENGTH);
    fields.insert(header::CONNECTION, const { HeaderValue::from_static("Upgrade") });
    fields.insert(header::UPGRADE, const { HeaderValue::from_static("websocket") });
    response
}

/// The tunnel's whole life. `_counted` keeps the connection in the count of open ones.
async fn run(socket: Socket, catcher: OnUpgrade, _counted: Connection, place: Place) {
    let opened = Instant::now();
    let (client, catcher) = match tokio::try_join!(socket.client, catcher) {
        Ok(both) => both,
        // The client left between its request and our answer.
        Err(error) => return tracing::debug!(%error, "a socket was never opened"),
    };
    let (client, catcher) = (TokioIo::new(client), TokioIo::new(catcher));
    let end = match socket.operation {
        Operation::Socket => relay::frames(client, catcher, &place, &socket.inbox, socket.pace, socket.enhanced).await,
        _ => relay::bytes(client, catcher, &place).await,
    };
    place.ended(end.reason());
    let seconds = opened.elapsed().as_secs();
    let user = &socket.user;
    match end {
        End::Protocol(sender, error) => tracing::warn!(%user, ?sender, %error, seconds, "a socket broke the protocol"),
        end => tracing::debug!(%user, ?end, seconds, "a socket ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_value_is_that_of_the_rfcs_example() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_value(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
