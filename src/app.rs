//! The story of a request, in order.

mod entrance;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use self::entrance::Asks;
use crate::access::Access;
use crate::access_log::{AccessLog, Auth, Record, no_answer};
use crate::auth::{
    Anonymous, AuthFailure, Authenticator, By, Identity, Malformed, Refusal, UserName, Users, anonymous,
};
use crate::body::Body;
use crate::catcher::{self, Asked, Catcher, NoRoute};
use crate::client_addr::{self, Client, Peer, X_FORWARDED_FOR};
use crate::conditions::{Condition, Conditions, Seldom};
use crate::config::model::{
    CatcherKind, Hosts, Limits, LiveConfig, SiteConfig, StartConfig, Timeouts, TrustedProxies, UpstreamConfig,
};
use crate::forward::headers::Way;
use crate::forward::tunnels::{Rule, Tunnels};
use crate::forward::upstream::Upstream;
use crate::forward::{self, Forward};
use crate::guard;
use crate::metrics::{Metrics, Now};
use crate::permission::Permission;
use crate::reject::{Form, Reject, UpstreamFault};
use crate::session::{Given, Seconds, Sessions};
use crate::vitals::{Phase, Vitals};

/// How long a refusal waits for the rest of a small body.
const A_MOMENT: Duration = Duration::from_millis(50);

/// What counts as small, in bytes.
const SMALL_BODY: u64 = 64 << 10;

/// How often the catcher is looked at for whoever asks how it is.
const UPSTREAM_LOOK: Duration = Duration::from_secs(2);

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
    limits: Limits,
    timeouts: Timeouts,
    told_of_forwarder: AtomicBool,
    faults: Seldom,
    looked: Seldom,
}

/// What a reload replaces, whole. A request takes it once and sees one generation of it.
#[derive(Debug)]
pub struct Live {
    users: Users,
    trusted_proxies: TrustedProxies,
    hosts: Hosts,
    health_path: Option<String>,
    realm: String,
    challenge: HeaderValue,
    login_page: bool,
    anonymous: Option<Anonymous>,
    site: Site,
}

/// One catcher behind the gate, and what people may do with it.
#[derive(Debug)]
pub struct Site {
    upstream: Arc<Upstream>,
    /// What `upstream` was made of: a reload that does not change it keeps the connections.
    made_of: UpstreamConfig,
    prefix: String,
    /// Where its sockets are: what a ticket is sent to.
    socket_path: String,
    catcher: &'static dyn Catcher,
    access: Access,
}

/// What is known of a connection before its first request.
#[derive(Debug)]
pub struct Connected {
    /// Its other end.
    pub peer: Peer,
    /// The same as a header value.
    pub peer_value: Option<HeaderValue>,
    /// The worker that serves it.
    pub worker: usize,
    /// The ticket that was given out on it last.
    pub given: Mutex<Option<Given>>,
}

impl Connected {
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
        let response = match self.decide_and_forward(&live, parts, &mut body, connected, &mut record).await {
            Ok(response) => {
                if let Some(record) = &mut record {
                    record.answer(response.status(), "");
                }
                response
            }
            Err(reject) => {
                self.metrics.refused(reject.reason());
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
        let action = catcher::route(site.catcher, &site.prefix, &asked);

        let socket = action.as_ref().is_ok_and(|action| action.operation.is_upgrade());
        let asks = Asks { parts: &parts, client, socket };
        if let Some(answer) = self.entrance(live, asks, body, record).await {
            return answer;
        }
        let identity = self.identity(live, asks, record).await?;

        // Only who is let in learns what there is.
        let action = action.map_err(no_route)?;
        let by = identity.by();
        let permit = site.access.permit(identity, action).map_err(|missing| match by {
            // He may have a name that is allowed to.
            By::Network => entrance::or_login_page(live, asks, live.unauthorized("no credentials")),
            _ => Reject::Forbidden(missing.0),
        })?;
        if permit.action().operation.is_upgrade() {
            // Elsewhere a handshake is an ordinary request, and its faults are nobody's concern.
            handshake?;
        }

        let ticket = self.new_ticket(live, &permit, asks, connected);
        let host = guard::host(&parts);
        let way = Way { peer: connected.peer, peer_value: connected.peer_value.as_ref(), client, host: host.as_ref() };
        let forward = Forward {
            upstream: &site.upstream,
            catcher: site.catcher,
            tunnels: &self.tunnels,
            worker: connected.worker,
            body_limit: self.limits.body,
            answer_timeout: self.timeouts.upstream_answer,
            clear_timeout: self.timeouts.upstream_clear,
        };
        let answered = forward.forward(&permit, parts, body, way).await;
        let mut answered = self.judge(answered)?;
        self.metrics.upstream_answered(answered.took);
        if let Some(record) = record {
            record.upstream(answered.took);
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

    /// Who the user is by the password in his request.
    async fn by_password(
        &self,
        live: &Live,
        asks: Asks<'_>,
        record: &mut Option<Box<Record>>,
    ) -> Result<Identity, Reject> {
        let fields = &asks.parts.headers;
        let result = self.auth.authenticate(fields, asks.client.addr, &live.users, Instant::now()).await;
        self.judged(live, asks, result, record)
    }

    /// Counts and records what became of credentials, and says what is answered to wrong ones.
    fn judged(
        &self,
        live: &Live,
        asks: Asks<'_>,
        result: Result<Identity, Refusal>,
        record: &mut Option<Box<Record>>,
    ) -> Result<Identity, Reject> {
        let (event, user, reason) = match result.as_ref().map_err(|refusal| &refusal.failure) {
            Ok(identity) => (Auth::Ok, identity.header_value(), ""),
            Err(AuthFailure::NoCredentials) => (Auth::NoCredentials, None, "no credentials"),
            Err(AuthFailure::Malformed(Malformed::OtherScheme)) => {
                (Auth::NoCredentials, None, "another scheme than Basic")
            }
            Err(AuthFailure::Malformed(_)) => (Auth::Malformed, None, "malformed credentials"),
            Err(AuthFailure::UnknownUser) => (Auth::UnknownUser, None, "unknown user"),
            Err(AuthFailure::RefusedLine { user }) => (Auth::RefusedLine, named(user), "refused line"),
            Err(AuthFailure::WrongPassword { user }) => (Auth::WrongPassword, named(user), "wrong password"),
            Err(AuthFailure::Throttled) => (Auth::Throttled, None, "throttled"),
            Err(AuthFailure::Busy) => (Auth::Busy, None, "verification busy"),
            Err(_) => (Auth::Busy, None, "password could not be checked"),
        };
        self.metrics.authenticated(event);
        if let Some(record) = record {
            record.auth(event, user);
        }
        result.map_err(|refusal| match (refusal.failure, refusal.retry_after) {
            (AuthFailure::Busy, _) => Reject::Busy,
            (_, Some(retry_after)) => Reject::TooManyGuesses { retry_after, reason },
            (AuthFailure::NoCredentials | AuthFailure::Malformed(_), None) => live.unauthorized(reason),
            (AuthFailure::UnknownUser | AuthFailure::RefusedLine { .. } | AuthFailure::WrongPassword { .. }, None) => {
                // A page that is open sends what the browser holds again and again: each answer with a challenge would
                // open a window that asks, and its user has typed nothing.
                let challenge = (!is_script(&asks.parts.headers)).then(|| live.challenge.clone());
                Reject::Unauthorized { challenge, reason }
            }
            _ => Reject::Internal(reason),
        })
    }

    /// Keeps the upstream's condition: said once when the catcher stops answering, and once when it does again.
    fn judge<T>(&self, answered: Result<T, Reject>) -> Result<T, Reject> {
        match &answered {
            Ok(_) => self.conditions.ok(Condition::Upstream),
            Err(Reject::Upstream(fault)) => {
                self.metrics.upstream_failed(fault.reason().trim_start_matches("upstream "));
                if !self.is_unreachable(fault) && self.faults.due() {
                    // One line in the access log for each; a word to whoever watches this log now and then.
                    tracing::warn!("the catcher failed a request: {fault} (said at most once in ten seconds)");
                }
            }
            Err(_) => {}
        }
        answered
    }

    /// Whether a fault means that the catcher cannot be reached; then it is a condition.
    fn is_unreachable(&self, fault: &UpstreamFault) -> bool {
        let why = fault.no_connection();
        if let Some(why) = why {
            self.conditions.degraded(Condition::Upstream, why, &fault.to_string());
        }
        why.is_some()
    }

    /// Looks whether the catcher takes connections, unless somebody did a moment ago.
    pub async fn look_at_upstream(&self) {
        if !self.looked.due_after(UPSTREAM_LOOK) {
            return;
        }
        let upstream = Arc::clone(&self.live.load().site.upstream);
        let found = upstream.probe().await;
        if !Arc::ptr_eq(&upstream, &self.live.load().site.upstream) {
            // A reload put another in its place meanwhile, of which this says nothing.
            return;
        }
        match found {
            Ok(()) => self.conditions.ok(Condition::Upstream),
            Err(fault) => _ = self.is_unreachable(&fault),
        }
    }

    /// What a load balancer is told at `health_path`: whether to send people here. The catcher is not asked: while it is
    /// down, the gate's own page says so better than a load balancer's.
    fn health(&self, method: &Method) -> Result<Response<Body>, Reject> {
        const ALLOW: &str = "GET, HEAD, OPTIONS";
        let (status, text) = match (method, self.not_ready()) {
            (&Method::OPTIONS, _) => (StatusCode::NO_CONTENT, String::new()),
            (&Method::GET | &Method::HEAD, None) => (StatusCode::OK, "ready\n".to_owned()),
            (&Method::GET | &Method::HEAD, Some(why)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", why.text())),
            _ => return Err(Reject::MethodNotAllowed(ALLOW)),
        };
        let mut response = Response::new(Body::full(Bytes::from(text)));
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(header::CACHE_CONTROL, const { HeaderValue::from_static("no-store") });
        match status {
            StatusCode::NO_CONTENT => fields.insert(header::ALLOW, const { HeaderValue::from_static(ALLOW) }),
            _ => fields.insert(header::CONTENT_TYPE, const { HeaderValue::from_static("text/plain; charset=utf-8") }),
        };
        Ok(response)
    }

    /// Why nobody should be sent here, if nobody should.
    #[must_use]
    pub fn not_ready(&self) -> Option<NotReady> {
        match self.vitals.phase() {
            Phase::Starting => Some(NotReady::Starting),
            Phase::Draining => Some(NotReady::Draining),
            Phase::Serving if self.live.load().users.is_empty() => Some(NotReady::NoUsers),
            Phase::Serving => None,
        }
    }

    /// Everything that is counted, as text.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let (live, load) = (self.live.load(), self.auth.load());
        self.metrics.text(&Now {
            hashes: load.computed,
            cache_hits: load.hits,
            cache_entries: load.remembered,
            waiting: load.waiting,
            tunnels: self.tunnels.len(),
            upstream_connections: live.site.upstream.open(),
            log_lines_dropped: self.access_log.dropped(),
            users: live.users.len(),
            refused_lines: live.users.problems().len() + live.users.unlisted_problems(),
            tasks: self.vitals.tasks(),
            conditions: &self.conditions,
        })
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

/// Why nobody should be sent here at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// Connections are not taken yet.
    Starting,
    /// They are not taken any more.
    Draining,
    /// Nobody could log in.
    NoUsers,
}

impl NotReady {
    /// A word or two that say so.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            NotReady::Starting => "starting",
            NotReady::Draining => "draining",
            NotReady::NoUsers => "no users",
        }
    }
}

impl Live {
    /// What `config` says, with the users that its file held.
    #[must_use]
    pub fn new(config: &LiveConfig, users: Users, start: &StartConfig) -> Self {
        Self::made(config, users, Site::new(&config.site, start))
    }

    /// The same in the place of this one, whose connections to the catcher it takes over if it is the same catcher.
    #[must_use]
    pub fn followed_by(&self, config: &LiveConfig, users: Users, start: &StartConfig) -> Self {
        let mut site = Site::new(&config.site, start);
        if self.site.made_of == site.made_of {
            site.upstream = Arc::clone(&self.site.upstream);
        }
        Self::made(config, users, site)
    }

    fn made(config: &LiveConfig, users: Users, site: Site) -> Self {
        Self {
            users,
            trusted_proxies: config.trusted_proxies.clone(),
            hosts: config.hosts.clone(),
            health_path: config.health_path.clone(),
            realm: config.auth.realm.clone(),
            challenge: challenge(&config.auth.realm),
            login_page: config.auth.login_page,
            anonymous: anonymous(config),
            site,
        }
    }

    /// Whether `user` may still do what takes `permission`: he is there, with the password that he logged in with, or
    /// where people come without one.
    fn allows(&self, user: &Identity, permission: Permission) -> bool {
        let is_let_in = match (user.by(), user.anonymous_addr()) {
            (_, Some(addr)) => self.anonymous.as_ref().is_some_and(|anonymous| anonymous.contains(addr)),
            (By::Session(_), None) => self.login_page && user.is_among(&self.users),
            (_, None) => user.is_among(&self.users),
        };
        is_let_in && self.site.access.of(user).contains(permission)
    }

    fn unauthorized(&self, reason: &'static str) -> Reject {
        Reject::Unauthorized { challenge: Some(self.challenge.clone()), reason }
    }

    /// Where the inbox is.
    fn home(&self) -> String {
        format!("{}/", self.site.prefix)
    }

    /// Whether there is a page to log in.
    #[must_use]
    pub fn has_login_page(&self) -> bool {
        self.login_page
    }

    /// Who can log in.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.users
    }
}

impl Site {
    fn new(config: &SiteConfig, start: &StartConfig) -> Self {
        let timeouts = &start.timeouts;
        Self {
            upstream: Arc::new(Upstream::new(
                &config.upstream,
                timeouts.upstream_connect,
                timeouts.upstream_idle,
                start.workers.get(),
            )),
            made_of: config.upstream.clone(),
            prefix: config.upstream.prefix.as_str().to_owned(),
            socket_path: match (config.catcher, config.upstream.prefix.as_str()) {
                (CatcherKind::MailCatcher, prefix) => format!("{prefix}/messages"),
                // Its sockets could be anywhere.
                (CatcherKind::Generic, "") => "/".to_owned(),
                (CatcherKind::Generic, prefix) => prefix.to_owned(),
            },
            catcher: match config.catcher {
                CatcherKind::MailCatcher => &catcher::MailCatcher,
                CatcherKind::Generic => &catcher::Generic,
            },
            access: Access::new(
                config.access.default.unwrap_or(config.catcher.default_permissions()),
                config.access.users.iter().map(|(name, permissions)| (name.clone(), *permissions)),
                config.access.anonymous,
            ),
        }
    }
}

/// Who may go on having a tunnel.
fn rule(live: &Arc<Live>, sessions: &Arc<Sessions>) -> Rule {
    let (live, sessions) = (Arc::clone(live), Arc::clone(sessions));
    Arc::new(move |user, permission| {
        live.allows(user, permission) && sessions.goes_on(user, Seconds::of(SystemTime::now()))
    })
}

/// Who may come without credentials. Nobody, where it cannot be told which addresses are a gateway's.
fn anonymous(config: &LiveConfig) -> Option<Anonymous> {
    if config.auth.anonymous_from.is_empty() {
        return None;
    }
    match anonymous::gateways() {
        Ok(gateways) => {
            tracing::debug!(?gateways, "auth.anonymous_from: these addresses of gateways are not let in");
            Anonymous::new(&config.auth.anonymous_from, gateways)
        }
        Err(error) => {
            tracing::warn!(%error, "auth.anonymous_from: routes cannot be read, so nobody is let in without credentials");
            None
        }
    }
}

/// The value of `WWW-Authenticate` (RFC 7617 section 2, with its charset parameter).
fn challenge(realm: &str) -> HeaderValue {
    let mut text = String::from("Basic realm=\"");
    for character in realm.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push_str("\", charset=\"UTF-8\"");
    // The configuration refuses control characters in a realm; all else is a valid value.
    HeaderValue::from_bytes(text.as_bytes())
        .unwrap_or(const { HeaderValue::from_static("Basic realm=\"Restricted\", charset=\"UTF-8\"") })
}

/// Whether a script of a page asks, as jQuery marks it, or as browsers do where they mark it at all.
fn is_script(headers: &http::HeaderMap) -> bool {
    let is = |name: &str, value: &str| {
        headers.get(name).is_some_and(|sent| sent.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    !is("sec-fetch-mode", "navigate") && (is("x-requested-with", "XMLHttpRequest") || is("sec-fetch-dest", "empty"))
}

/// The name of a user whom the file has, for the log.
fn named(user: &UserName) -> Option<HeaderValue> {
    HeaderValue::from_bytes(user.as_bytes()).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_marks_and_a_navigation_is_none() {
        let asked = |fields: &[(&'static str, &'static str)]| {
            let fields = fields
                .iter()
                .map(|(name, value)| (http::header::HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_script(&fields.collect())
        };
        assert!(asked(&[("x-requested-with", "XMLHttpRequest")]));
        assert!(asked(&[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]));
        for other in [
            &[][..],
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
            &[("sec-fetch-mode", "navigate"), ("x-requested-with", "XMLHttpRequest")],
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[("user-agent", "curl/8"), ("accept", "*/*")],
        ] {
            assert!(!asked(other), "{other:?}");
        }
    }

    #[test]
    fn a_realm_is_quoted() {
        assert_eq!(challenge("Mail"), r#"Basic realm="Mail", charset="UTF-8""#);
        assert_eq!(challenge(r#"a"b\c"#), r#"Basic realm="a\"b\\c", charset="UTF-8""#);
    }
}
