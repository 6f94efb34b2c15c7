//! The story of a request, in order.

mod clear;
mod decided;
mod entrance;
mod health;
mod live;
mod own;
mod password;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use http::header::HeaderValue;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use self::entrance::Asks;
pub use self::health::NotReady;
pub use self::live::{Live, Site};
use crate::access_log::{AccessLog, Record, no_answer};
use crate::auth::{Authenticator, By, Proven, Users};
use crate::body::Body;
use crate::body::budget::ReadAhead;
use crate::catcher::{self, Action, Asked, NoRoute, Operation, Payload};
use crate::client_addr::{self, Client, Peer, X_FORWARDED_FOR};
use crate::conditions::{Conditions, Seldom};
use crate::config::model::{Limits, StartConfig, Timeouts};
use crate::forward::headers::Way;
use crate::forward::relay::Pace;
use crate::forward::tunnels::{Rule, Tunnels};
use crate::forward::{self, Forward};
use crate::guard::origin::Origin;
use crate::guard::{self, cors};
use crate::metrics::Metrics;
use crate::page;
use crate::page::served::Own;
use crate::reject::{Form, Reject};
use crate::session::{Given, Seconds, Sessions};
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
    told_of_forwarder: AtomicBool,
    faults: Seldom,
    looked: Seldom,
}

/// What is known of a connection before its first request.
#[derive(Debug)]
pub struct Connected {
    /// Its other end.
    pub peer: Peer,
    /// This end, if it has an address.
    pub local: Option<SocketAddr>,
    /// The other end as a header value.
    pub peer_value: Option<HeaderValue>,
    /// The worker that serves it.
    pub worker: usize,
    /// The ticket that was given out on it last.
    pub given: Mutex<Option<Given>>,
    /// The credentials that were right on it last.
    pub proven: Proven,
}

impl Connected {
    /// Whether it comes from this machine's own address, other than loopback: what hands connections on here, a container
    /// engine's forwarder say, has that address, and who is behind it could be anybody.
    fn is_own(&self) -> bool {
        matches!(self.peer, Peer::Tcp(ip) if self.local.is_some_and(|local| local.ip() == ip) && !ip.is_loopback())
    }

    fn given(&self) -> MutexGuard<'_, Option<Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        tunnels.allow_only(rule(&live, &sessions));
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
            told_of_forwarder: AtomicBool::new(false),
            faults: Seldom::default(),
            looked: Seldom::default(),
        }
    }

    /// Puts `live` in the place of what held: every request from now on sees it, and tunnels whose users may not have them
    /// any more end. How many those were.
    pub fn replace(&self, live: Live) -> usize {
        let live = Arc::new(live);
        self.live.store(Arc::clone(&live));
        self.tunnels.allow_only(rule(&live, &self.sessions))
    }

    /// Readies what unknown names will mimic in `users`, before they hold.
    pub fn keep_mimics(&self, users: &Users, state_dir: &Path) {
        self.auth.keep_mimics(users, state_dir);
    }

    /// The sessions and their keys.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// What holds at this moment.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Answers a request: the catcher's answer, or the reason why not.
    pub async fn handle(&self, request: Request<Body>, connected: &Connected) -> Response<Body> {
        let mut record = self.access_log.start(&request, connected.peer);
        let mut counted = Counted { metrics: &self.metrics, status: no_answer() };
        let form = Form::preferred(request.headers());
        // Who waits for 100 Continue has sent no body yet, and is not to be asked for it now.
        let expects = request.headers().contains_key(http::header::EXPECT);
        let (parts, mut body) = request.into_parts();
        let live = self.live.load_full();
        let reader = cors::reader(&parts.headers, &live.allowed_origins).cloned();
        let mut response = match self.decide_and_forward(&live, parts, &mut body, connected, &mut record).await {
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
                if body.is_streamed() {
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
        if live.health_path.as_deref() == Some(parts.uri.path()) {
            return self.health(&parts.method);
        }
        guard::names(&live.hosts, &parts, client)?;
        let handshake = forward::is_websocket(&parts);

        let site = &live.site;
        let asked = Asked {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query(),
            websocket: !matches!(handshake, Ok(false)),
        };
        let routed = |catcher| catcher::route(catcher, &site.prefix, &asked);
        let mut known = site.catcher.now().map(|catcher| (catcher, routed(catcher)));

        let socket = known.as_ref().is_some_and(|(_, action)| is_upgrade(action));
        let listening = connected.local.map(|local| local.port());
        let (from_here, proven) = (connected.is_own(), &connected.proven);
        let mut asks = Asks { parts: &parts, client, from_here, listening, proven, socket };
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
        if known.is_none() {
            // Nobody asks the catcher what it is for somebody who may not come in.
            let catcher = self.judge(site.catcher.find(&site.upstream, &site.prefix).await)?;
            let action = routed(catcher);
            asks.socket = is_upgrade(&action);
            known = Some((catcher, action));
        }
        let (catcher, action) = known.ok_or(Reject::Unrecognised)?;
        let mut action = action.map_err(no_route)?;
        entrance::check_origin(live, asks)?;
        if action.payload == Payload::Decides {
            action = self.decided(live, catcher, &identity, action, &parts, body).await?;
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
        let host = guard::host(&parts);
        let way = Way { peer: connected.peer, peer_value: connected.peer_value.as_ref(), client, host: host.as_ref() };
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
        // Apart, so that only who clears carries what clearing takes.
        let clears = permit.action().operation == Operation::Clear;
        let cleared = match clears.then(|| Box::pin(self.clear_slowly(live, &forward, &permit, body))) {
            Some(clearing) => clearing.await,
            None => None,
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
            let enhanced = page::enhance(answered.response, &site.own_area, is_head).await;
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

    /// A request that never became one was answered, or a connection refused.
    pub fn unparsed(&self, peer: Peer, status: StatusCode, reason: &'static str) {
        self.metrics.answered(status);
        self.metrics.refused(reason);
        self.access_log.unparsed(peer, status, reason);
    }

    /// Whether `peer` is a trusted proxy at this moment.
    #[must_use]
    pub fn trusts(&self, peer: Peer) -> bool {
        client_addr::trusts(&self.live.load().trusted_proxies, peer)
    }

    /// Closes `worker`'s upstream connections that have lain idle for too long, and forgets credentials that have not been
    /// used for as long.
    pub fn sweep(&self, worker: usize) {
        self.live.load().site.upstream.sweep(worker);
        // One worker does it for all.
        if worker == 0 {
            self.auth.sweep(Instant::now());
            if self.sessions.sweep(Seconds::of(SystemTime::now())) {
                self.tunnels.look_again();
            }
        }
    }

    /// What is degraded.
    #[must_use]
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The daemon stops: what is being served is finished, and nobody is kept waiting for a refusal.
    pub fn drain(&self) {
        self.vitals.draining();
        self.auth.drain();
    }

    /// Whether it lives, and where in its life it is.
    #[must_use]
    pub fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// How much a client may send and open.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How long each step may take.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }
}

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

/// Who may go on having a tunnel.
fn rule(live: &Arc<Live>, sessions: &Arc<Sessions>) -> Rule {
    let (live, sessions) = (Arc::clone(live), Arc::clone(sessions));
    Arc::new(move |user, permission| {
        live.allows(user, permission) && sessions.goes_on(user, Seconds::of(SystemTime::now()))
    })
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
