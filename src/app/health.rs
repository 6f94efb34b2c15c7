//! How it goes: whether the catcher can be reached, whether people should be sent here, and what has been counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};

use super::App;
use crate::body::Body;
use crate::conditions::Condition;
use crate::metrics::Now;
use crate::reject::{Reject, UpstreamFault};
use crate::vitals::Phase;

/// How often the catcher is looked at for whoever asks how it is.
const UPSTREAM_LOOK: Duration = Duration::from_secs(2);

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

impl App {
    /// Keeps the upstream's condition: said once when the catcher stops answering, and once when it does again.
    pub(super) fn judge<T>(&self, answered: Result<T, Reject>) -> Result<T, Reject> {
        match &answered {
            Ok(_) => self.conditions.ok(Condition::Upstream),
            Err(Reject::Upstream(fault)) => {
                self.metrics.upstream_failed(fault.reason().trim_start_matches("upstream "));
                if !matches!(fault, UpstreamFault::AnswerTimeout(_)) {
                    self.live.load().site.catcher.forget();
                }
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

    /// Finds out which catcher it is, or whether it still is, where the configuration leaves that to the gate.
    pub async fn look_at_kind(&self) {
        let live = self.live.load_full();
        live.site.catcher.look_again(&live.site.upstream, &live.site.prefix).await;
    }

    /// What a load balancer is told at `health_path`: whether to send people here. The catcher is not asked: while it is
    /// down, the gate's own page says so better than a load balancer's.
    pub(super) fn health(&self, method: &Method) -> Result<Response<Body>, Reject> {
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
            read_ahead_bytes: self.read_ahead.held(),
            read_ahead_refused: self.read_ahead.refused(),
            log_lines_dropped: self.access_log.dropped(),
            users: live.users.len(),
            refused_lines: live.users.problems().len() + live.users.unlisted_problems(),
            tasks: self.vitals.tasks(),
            conditions: &self.conditions,
        })
    }
}
