//! The story of a request, in order.

mod around;
mod clear;
mod connected;
mod decided;
mod entrance;
mod health;
mod live;
mod own;
mod password;
mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use http::header::{COOKIE, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};

pub use self::connected::{Connected, Secured};
use self::entrance::Asks;
pub use self::health::NotReady;
pub use self::live::{Live, Site};
use crate::access_log::{AccessLog, Record, no_answer};
use crate::apart::apart;
use crate::auth::{Authenticator, By};
use crate::body::Body;
use crate::body::budget::ReadAhead;
use crate::catcher::{self, Action, Asked, NoRoute, Operation, Payload};
use crate::client_addr::{self, Client, Peer, X_FORWARDED_FOR};
use crate::conditions::{Conditions, Seldom};
use crate::config::model::{Limits, StartConfig, Timeouts};
use crate::forward::headers::Way;
use crate::forward::relay::Pace;
use crate::forward::tunnels::Tunnels;
use crate::forward::upgrade::Extended;
use crate::forward::{self, Forward};
use crate::guard::origin::{Origin, Public};
use crate::guard::{self, cors};
use crate::metrics::Metrics;
use crate::page;
use crate::page::served::Own;
use crate::reject::{Form, Reject};
use crate::session::Sessions;
use crate::vitals::Vitals;

/// How long a refusal waits for the rest of a small body.
const A_MOMENT: Duration = Duration::from_millis(50);

/// What counts as small, in bytes.
const SMALL_BODY: u64 = 64 << 10;

/// Everything that requests share. It outlives a reload; [`Live`] is replaced by one.
#[derive(Debug)]
pub struct App {
    live: ArcSwap<Live>,
    auth: Authenticator,
    sessions: Arc<Sessions>,
    access_log: AccessLog,
    tunnels: Tunnels,
    conditions: Conditions,
    metrics: Arc<Metrics>,
    vitals: Vitals,
    read_ahead: Arc<ReadAhead>,
    limits: Limits,
    timeouts: Timeouts,
    /// The port to which requests in clear text are sent, if they are.
    redirect: Option<u16>,
    told_of_forwarder: AtomicBool,
    told_headerless: Seldom,
    faults: Seldom,
    looked: Seldom,
}

impl App {
    /// The gate of a configuration.
    #[must_use]
    pub fn new(
        start: &StartConfig,
        live: Live,
        auth: Authenticator,
        sessions: Sessions,
        access_log: AccessLog,
        tunnels: Tunnels,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (live, sessions) = (Arc::new(live), Arc::new(sessions));
        tunnels.allow_only(around::rule(&live, &sessions));
        Self {
            live: ArcSwap::new(live),
            auth,
            sessions,
            access_log,
            tunnels,
            conditions: Conditions::default(),
            metrics,
            vitals: Vitals::new(start.workers),
            read_ahead: ReadAhead::new(start.limits.read_ahead),
            limits: start.limits.clone(),
            timeouts: start.timeouts.clone(),
            redirect: start.redirect.map(|redirect| redirect.port),
            told_of_forwarder: AtomicBool::new(false),
            told_headerless: Seldom::default(),
            faults: Seldom::default(),
            looked: Seldom::default(),
        }
    }

    /// Answers a request: the catcher's answer, or the reason why not.
    pub async fn handle(&self, request: Request<Body>, connected: &Connected) -> Response<Body> {
        let mut record = self.access_log.start(&request, connected.peer);
        let mut counted = Counted { metrics: &self.metrics, status: no_answer() };
        let form = Form::preferred(request.headers());
        // Who waits for 100 Continue has sent no body yet, and is not to be asked for it now.
        let expects = request.headers().contains_key(http::header::EXPECT);
        let is_extended = request.extensions().get::<Extended>().is_some();
        let is_http2 = request.version() == Version::HTTP_2;
        let (parts, mut body) = request.into_parts();
        let live = self.live.load_full();
        let reader = cors::reader(&parts.headers, &live.allowed_origins).cloned();
        let hsts = self.hsts(&live, &parts.headers, connected);
        let answered = self.decide_and_forward(&live, parts, &mut body, connected, &mut record).await;
        let mut response = match answered.and_then(|response| no_false_tunnel(response, is_extended)) {
            Ok(response) => {
                if let Some(record) = &mut record {
                    record.answer(response.status(), "");
                }
                response
            }
            Err(reject) => {
                self.metrics.refused(reject.told_reason());
                if let Some(record) = &mut record {
                    record.answer(reject.status(), reject.reason());
                }
                let mut response = reject.response(form, live.login_page);
                if body.is_streamed() && !expects {
                    // A small body is nearly always there already, and then the connection is good for another request.
                    let _ = tokio::time::timeout(A_MOMENT, body.drained(SMALL_BODY)).await;
                }
                if is_http2 {
                    if matches!(reject, Reject::Certificate) {
                        response.extensions_mut().insert(Last);
                    }
                    if body.is_streamed() {
                        response = response.map(|answer| answer.behind(body));
                    }
                } else if body.is_streamed() || matches!(reject, Reject::Certificate) {
                    // What is left of the body would be read as the next request, so there is none.
                    response
                        .headers_mut()
                        .insert(http::header::CONNECTION, const { HeaderValue::from_static("close") });
                }
                response
            }
        };
        if !live.allowed_origins.is_empty() {
            cors::tell(response.headers_mut(), reader);
        }
        if let Some(hsts) = hsts {
            response.headers_mut().insert(http::header::STRICT_TRANSPORT_SECURITY, hsts);
        }
        counted.status = response.status();
        match record {
            Some(record) => response.map(|body| body.recorded(record)),
            None => response,
        }
    }

    async fn decide_and_forward(
        &self,
        live: &Live,
        parts: Parts,
        body: &mut Body,
        connected: &Connected,
        record: &mut Option<Box<Record>>,
    ) -> Result<Response<Body>, Reject> {
        let client = self.client(live, &parts.headers, connected.peer);
        if let Some(record) = record {
            record.client(client.addr);
        }
        guard::check(&parts)?;
        if live.clients.is_some() {
            live.check_certificate(connected, SystemTime::now())?;
        }
        if live.health_path.as_deref() == Some(parts.uri.path()) {
            return self.health(&parts.method);
        }
        guard::names(&live.hosts, &parts, client)?;
        let listening = connected.local.map(|local| local.port());
        let secured = connected.is_secured();
        self.by_tls(|| Public::of(&parts, client, secured, listening), &parts)?;
        let handshake = forward::is_websocket(&parts);

        let site = &live.site;
        let asked = Asked {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query(),
            websocket: !matches!(handshake, Ok(false)),
        };
        let routed = |catcher| catcher::route(catcher, &site.prefix, &asked);
        let known = || site.catcher.now().map(|catcher| (catcher, routed(catcher)));
        // What cookies are worth depends on where they go. Without any, nothing is looked up for strangers.
        let early = if parts.headers.contains_key(COOKIE) { known() } else { None };
        let socket = early.as_ref().is_some_and(|(_, action)| is_upgrade(action));
        let (from_here, proven) = (connected.is_own(), &connected.proven);
        let own_tls = connected.secured.as_ref();
        let mut asks = Asks { parts: &parts, client, from_here, listening, secured, own_tls, proven, socket };
        if cors::reader(&parts.headers, &live.allowed_origins).is_some()
            && let Some(answer) = cors::preflight(&parts)
        {
            return Ok(answer);
        }
        if let Some(answer) = self.entrance(live, asks, body, record).await {
            return answer;
        }
        let own = if live.enhance { Own::of(parts.uri.path(), &site.own_area) } else { None };
        let identity = self.identity(live, asks, record).await;
        let identity = identity.map_err(|reject| own::without_question(live, own, reject))?;
        if let Some(own) = own {
            return self.own(live, own, asks, &identity, connected);
        }

        // Only who is let in learns what there is.
        let (catcher, action) = match early.or_else(known) {
            Some(known) => known,
            // Nobody asks the catcher what it is for somebody who may not come in.
            None => {
                let catcher = self.judge(apart(|| site.catcher.find(&site.upstream, &site.prefix)).await)?;
                (catcher, routed(catcher))
            }
        };
        asks.socket = is_upgrade(&action);
        let mut action = action.map_err(no_route)?;
        entrance::check_origin(live, asks)?;
        if action.payload == Payload::Decides {
            action = apart(|| self.decided(live, catcher, &identity, action, &parts, body)).await?;
        }
        let is_page = live.enhance && action.operation == Operation::Page;
        if is_page {
            // How long it will be is only known when it is there.
            action.method = Method::GET;
        }
        let by = identity.by();
        let permit = site.access.permit(identity, action).map_err(|missing| match by {
            // He may have a name that is allowed to.
            By::Network => entrance::or_login_page(live, asks, live.unauthorized("no credentials")),
            _ => Reject::Forbidden { missing: missing.permission, has: missing.has },
        })?;
        if permit.action().operation.is_upgrade() {
            // Elsewhere a handshake is an ordinary request, and its faults are nobody's concern.
            handshake?;
        }

        let (identity, operation) = (permit.identity(), permit.action().operation);
        let ticket = self.new_ticket(live, identity, operation, asks, connected);
        // Only the answer shows whether it is a stream: as much of a tunnel as a WebSocket.
        let no_stream = permit.action().operation == Operation::Other && asks.origin(live) == Origin::Other;
        let no_stream = no_stream.then(|| asks.cross_site());
        let peer_value = connected.peer_value.as_ref();
        let way = Way { peer: connected.peer, peer_value, client, host: guard::host(&parts), secured };
        let forward = Forward {
            upstream: &site.upstream,
            catcher,
            remote_content: site.remote_content,
            inbox: &site.inbox,
            pace: Pace::of(self.timeouts.ping),
            tunnels: &self.tunnels,
            read_ahead: &self.read_ahead,
            worker: connected.worker,
            body_limit: self.limits.body,
            answer_timeout: self.timeouts.upstream_answer,
            clear_timeout: self.timeouts.upstream_clear,
        };
        let is_head = parts.method == Method::HEAD;
        let cleared = match permit.action().operation {
            Operation::Clear => apart(|| self.clear_slowly(live, &forward, &permit, body)).await,
            _ => None,
        };
        let answered = match cleared {
            Some(answered) => answered,
            None => forward.forward(&permit, parts, body, way).await,
        };
        let mut answered = self.judge(answered)?;
        if let Some(reject) = no_stream.filter(|_| answered.is_stream) {
            return Err(reject);
        }
        if by == By::Ticket && answered.response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // A ticket is good for a socket. What the catcher says instead of opening one is not its bearer's to read.
            return Err(live.unauthorized("no credentials"));
        }
        self.metrics.upstream_answered(answered.took);
        if let Some(record) = record {
            record.upstream(answered.took);
        }
        if is_page {
            let enhanced = apart(|| page::enhance(answered.response, &site.own_area, is_head)).await;
            answered.response = self.judge(enhanced)?;
        }
        entrance::add_ticket(&mut answered.response, ticket);
        Ok(answered.response)
    }

    /// Who the client is. A peer that says so of others without being trusted is warned of once: either the
    /// configuration lacks the proxy in front, or somebody tries his luck.
    fn client(&self, live: &Live, headers: &http::HeaderMap, peer: Peer) -> Client {
        let client = client_addr::client(peer, headers, &live.trusted_proxies);
        if !client.peer_is_trusted
            && headers.contains_key(X_FORWARDED_FOR)
            && !self.told_of_forwarder.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                "a peer that is not trusted sends X-Forwarded-For, which is ignored; \
                 if it is a proxy of yours, list it in trusted_proxies (said once)"
            );
        }
        client
    }
}

/// In an answer's extensions: its connection is to take no more requests. HTTP/1 has a field for that.
#[derive(Clone, Copy, Debug)]
pub struct Last;

/// Counts a request once, whatever becomes of it.
struct Counted<'a> {
    metrics: &'a Metrics,
    status: StatusCode,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.answered(self.status);
    }
}

/// An extended CONNECT is not to be told of success by anything but a tunnel: it would take what follows for one.
fn no_false_tunnel(response: Response<Body>, is_extended: bool) -> Result<Response<Body>, Reject> {
    if is_extended && response.status().is_success() { Err(Reject::NoSocket) } else { Ok(response) }
}

fn is_upgrade(action: &Result<Action, NoRoute>) -> bool {
    action.as_ref().is_ok_and(|action| action.operation.is_upgrade())
}

fn no_route(why: NoRoute) -> Reject {
    match why {
        NoRoute::NotFound => Reject::NotFound,
        NoRoute::Method(allow) => Reject::MethodNotAllowed(allow),
        NoRoute::Path(error) => Reject::BadRequest(error.reason()),
        NoRoute::Ambiguous(reason) => Reject::BadRequest(reason),
        NoRoute::Elsewhere(to) => Reject::Elsewhere(to),
    }
}
