//! From a [`Permit`] to the catcher's answer.
//!
//! The upstream request is put together here: method and target from the parsed action, header fields stripped and then
//! added to ([`outgoing`], by what they are: [`headers`]), a body only where the catcher reads one and then with a length,
//! for MailCatcher takes the bytes of a chunked body for its next request. What comes back is cleaned and passed on as it
//! arrives.
//! A WebSocket becomes a tunnel ([`upgrade`], [`relay`]); lists that are asked for at the same moment are one request
//! ([`lists`]), and a list that fails is made here ([`repair`]).

mod answer;
mod dial;
mod doomed;
pub mod frame;
pub mod headers;
mod http1;
pub mod hygiene;
pub mod inbox;
mod lines;
pub mod lists;
pub mod outgoing;
pub mod recognised;
pub mod relay;
pub mod repair;
pub mod tunnels;
pub mod upgrade;
pub mod upstream;
pub mod watch;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body::Body as _;
use zeroize::Zeroizing;

pub use self::doomed::Purging;
use self::headers::Way;
use self::http1::Head;
use self::inbox::Inbox;
use self::lists::{Listed, Wanted, Whose};
use self::outgoing::{Described, Outgoing, Rules};
use self::relay::Pace;
use self::tunnels::Tunnels;
use self::upgrade::{Extended, Socket};
use self::upstream::Upstream;
use crate::access::Permit;
use crate::apart::apart;
use crate::body::budget::ReadAhead;
use crate::body::{Body, BodyError, Unread};
use crate::catcher::{Action, Catcher, Operation, Payload};
use crate::config::model::{RemoteContent, UpstreamCredentials};
use crate::permission::Permission;
use crate::reject::Reject;

/// What forwarding needs to know beside the request: the site's part and the daemon's.
#[derive(Debug)]
pub struct Forward<'a> {
    /// Where to.
    pub upstream: &'a Arc<Upstream>,
    /// What reads it there.
    pub catcher: &'a dyn Catcher,
    /// What is shared by all who ask for its mail.
    pub inbox: &'a Arc<Inbox>,
    /// The times of the sockets whose frames are parsed.
    pub pace: Pace,
    /// The tunnels that an upgrade joins.
    pub tunnels: &'a Tunnels,
    /// The memory for what a client does not take at once.
    pub read_ahead: &'a Arc<ReadAhead>,
    /// The worker whose connections are used.
    pub worker: usize,
    /// What a mail may load.
    pub remote_content: RemoteContent,
    /// The longest request body, in bytes.
    pub body_limit: u64,
    /// How long the head of an answer may take, and each part of its body.
    pub answer_timeout: Duration,
    /// The same for a clear.
    pub clear_timeout: Duration,
}

/// An answer and how long the catcher took for its head.
#[derive(Debug)]
pub struct Answered {
    /// Ready for the client.
    pub response: Response<Body>,
    /// Whether it is a stream of events.
    pub is_stream: bool,
    /// From the last byte of the request's head to the last of the answer's.
    pub took: Duration,
}

impl Forward<'_> {
    /// Sends what `permit` allows and passes the answer on. Of `body` is taken what the catcher reads.
    ///
    /// # Errors
    /// [`Reject`], with whose fault it was.
    pub async fn forward(
        &self,
        permit: &Permit,
        mut parts: Parts,
        body: &mut Body,
        way: Way<'_>,
    ) -> Result<Answered, Reject> {
        let operation = permit.action().operation;
        let shown = hygiene::admit(operation, &parts.headers)?;
        let says_empty = parts.headers.contains_key(header::CONTENT_LENGTH) && body.is_end_stream();
        let payload = &permit.action().payload;
        let body = self.request_body(body, payload).await?;
        let enhanced = upgrade::is_enhanced(parts.uri.query());
        let asked = Instant::now();
        let action = permit.action();
        let limit = if operation == Operation::Clear { self.clear_timeout } else { self.answer_timeout };
        let outgoing = self.outgoing(&parts.headers, permit, says_empty, &way);
        let client = way.client.addr;
        // Nothing of what was read of the client is held while an answer is waited for: its buffer is free for what comes.
        let mut response = if operation.is_upgrade() {
            let fields = outgoing.fields();
            drop(outgoing);
            drop(way);
            parts.headers = fields;
            let inbox = Arc::clone(self.inbox);
            let socket = Socket::of(&mut parts, permit, inbox, self.pace, enhanced)?;
            let request = readdressed(parts, action, body);
            apart(|| self.tunnels.open(self.upstream, request, socket, limit)).await?
        } else if !body.is_end_stream() {
            let fields = outgoing.fields();
            drop(outgoing);
            drop(way);
            parts.headers = fields;
            let request = readdressed(parts, action, body);
            let answer = apart(|| self.upstream.exchange(request, self.worker, limit)).await?;
            self.mended(answer, permit, limit).await?
        } else {
            let mut head = Head::new(&action.method, action.target.as_str());
            outgoing.each(|name, value| head.add(name, value));
            let head = head.whole();
            let list = (operation == Operation::List).then(|| {
                let is_shared =
                    !outgoing.is_cut() && lists::is_plain(&action.method, &parts.headers, outgoing.told_host());
                (is_shared, Wanted::by(&action.method, &parts.headers))
            });
            drop(outgoing);
            drop(way);
            let mut memory = parts.headers;
            memory.clear();
            drop((parts.uri, parts.extensions));
            match list {
                None => self.ask(head, memory, &Whose::default(), permit, limit).await?,
                Some((is_shared, wanted)) => {
                    apart(|| self.list(head, memory, is_shared, wanted, permit, limit)).await?
                }
            }
        };
        let took = asked.elapsed();
        *response.version_mut() = Version::HTTP_11;
        let is_stream = answer::is_event_stream(response.headers());
        if is_stream {
            // It goes on for as long as a WebSocket does, and ends for the same reasons.
            let place = self.tunnels.list(permit.identity(), permit.action().permission);
            response = response.map(|body| body.until(async move { _ = place.left().await }));
        } else {
            // Of a stream of events there is no whole that a client could miss: back-pressure is right for it.
            response = response.map(|body| body.ahead(self.read_ahead, client));
        }
        if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            headers::clean_answer(response.headers_mut());
            hygiene::dress(response.headers_mut(), operation, shown, self.remote_content);
        }
        Ok(Answered { response, is_stream, took })
    }

    /// Asks for a list, or takes the answer to another who asks for the same at this moment if it `is_shared`.
    async fn list(
        &self,
        head: Vec<u8>,
        memory: HeaderMap,
        is_shared: bool,
        wanted: Wanted,
        permit: &Permit,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        let (whose, lists) = (Whose::default(), &self.inbox.lists);
        let asks = pin!(self.ask(head, memory, &whose, permit, limit));
        let listed = if is_shared { lists.get(asks, &whose, limit).await? } else { Listed::Alone(asks.await?) };
        lists.sent(listed, &wanted).await
    }

    /// Sends a request that has neither a body nor a handshake, or the gate's own in its place, and mends an answer that can
    /// be.
    async fn ask(
        &self,
        head: Vec<u8>,
        memory: HeaderMap,
        whose: &Whose,
        permit: &Permit,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        let Action { method, target, .. } = permit.action();
        let head = if whose.is_for_all() {
            let mut own = Head::new(method, target.as_str());
            self.upstream.own_fields().iter().for_each(|(name, value)| own.add(name, value));
            own.whole()
        } else {
            head
        };
        let answer = self.upstream.exchange_written(method, &head, memory, self.worker, limit).await?;
        self.mended(answer, permit, limit).await
    }

    async fn mended(&self, answer: Response<Body>, permit: &Permit, limit: Duration) -> Result<Response<Body>, Reject> {
        if !self.catcher.is_mailcatcher() {
            return Ok(answer);
        }
        self.inbox.mended(answer, permit.action(), self.upstream, self.worker, limit).await
    }

    /// What goes to the catcher of the fields that came.
    fn outgoing<'a>(
        &'a self,
        came: &'a HeaderMap,
        permit: &Permit,
        says_empty: bool,
        way: &'a Way<'_>,
    ) -> Outgoing<'a> {
        let action = permit.action();
        let is_mailcatcher = self.catcher.is_mailcatcher();
        let rules = Rules {
            is_handshake: action.operation.is_upgrade(),
            takes_overrides: action.permission == Permission::Write || is_mailcatcher,
            takes_cookies: self.catcher.reads_cookies(),
            described: match &action.payload {
                Payload::Json(_) => Described::AsJson,
                // Of a body that is not sent. MailDev 3 refuses an empty one that is said to be JSON.
                Payload::None if !is_mailcatcher => Described::NotAtAll,
                // Some servers want it of a POST without a body (RFC 9110 section 8.6).
                Payload::AsItCame if says_empty => Described::AsEmpty,
                Payload::None | Payload::AsItCame | Payload::Decides => Described::AsItCame,
            },
        };
        let user = permit.identity().header_value();
        Outgoing::new(came, rules, way, user, self.upstream.authority(), self.upstream.credentials())
    }

    /// The body as the catcher gets it: none, one of known length as it arrives, or a chunked one collected.
    ///
    /// # Errors
    /// When it is too long, stops coming or is none.
    pub async fn request_body(&self, body: &mut Body, payload: &Payload) -> Result<Body, Reject> {
        let refused = |why| unread(why, self.body_limit);
        match payload {
            Payload::Decides => return Err(Reject::Internal("a body that decides was not looked at")),
            Payload::Json(json) => return Ok(Body::full(json.clone())),
            Payload::None | Payload::AsItCame if body.is_end_stream() => return Ok(Body::empty()),
            Payload::None => {
                body.drained(self.body_limit).await.map_err(refused)?;
                return Ok(Body::empty());
            }
            Payload::AsItCame => {}
        }
        match body.size_hint().exact() {
            Some(length) if length > self.body_limit => Err(Reject::BodyTooLarge(self.body_limit)),
            Some(_) => Ok(std::mem::replace(body, Body::empty())),
            None => Ok(Body::full(body.collected(self.body_limit).await.map_err(refused)?)),
        }
    }
}

/// A request with the method and the target of `action` in the place of the client's own.
fn readdressed(mut parts: Parts, action: &Action, body: Body) -> Request<Body> {
    parts.method = action.method.clone();
    parts.uri = action.target.clone().into();
    parts.version = Version::HTTP_11;
    Request::from_parts(parts, body)
}

/// The refusal of a body that could not be read within `limit` bytes.
#[must_use]
pub fn unread(why: Unread, limit: u64) -> Reject {
    match why {
        Unread::TooLarge => Reject::BodyTooLarge(limit),
        Unread::Failed(BodyError::Stalled(_)) => Reject::BodyTimeout,
        Unread::Failed(BodyError::Broken(_) | BodyError::Short(_)) => Reject::BodyBroken,
    }
}

/// The value of `Authorization` for a catcher's own login (RFC 7617 section 2).
fn basic(credentials: &UpstreamCredentials) -> Option<HeaderValue> {
    let mut pair = Zeroizing::new(Vec::from(credentials.username.as_bytes()));
    pair.push(b':');
    pair.extend_from_slice(credentials.password.expose());
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(&*pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a request is a WebSocket handshake, and a valid one (RFC 6455 section 4.2.1).
///
/// # Errors
/// [`Reject::UpgradeRequired`] for another version of the protocol, [`Reject::BadRequest`] for a handshake without a key.
/// Other protocols, and HTTP/1.0, are no handshake at all: their `Upgrade` is ignored, as RFC 9110 section 7.8 allows.
pub fn is_websocket(parts: &Parts) -> Result<bool, Reject> {
    let fields = &parts.headers;
    if parts.method != Method::GET
        || (parts.version != Version::HTTP_11 && parts.extensions.get() != Some(&Extended::WebSocket))
        || !fields.contains_key(header::UPGRADE)
        || !headers::has_token(fields, header::UPGRADE, "websocket")
        || !headers::has_token(fields, header::CONNECTION, "upgrade")
    {
        return Ok(false);
    }
    let only = |name| {
        let mut lines = fields.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none())
    };
    if only(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Reject::UpgradeRequired);
    }
    let key = only(header::SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key.as_bytes()).ok());
    if key.is_none_or(|key| key.len() != 16) {
        return Err(Reject::BadRequest("the WebSocket handshake has no valid Sec-WebSocket-Key"));
    }
    Ok(true)
}
