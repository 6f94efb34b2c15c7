//! What the daemon counts, and the text in which it tells it (Prometheus exposition format 0.0.4).
//!
//! Handles are resolved once, so that counting a request is a few additions without a lock. Gauges of what others keep
//! are read when somebody asks. Nothing here holds a user's name, an address or a path.

mod elsewhere;
mod maker;
mod process;
mod tls;

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use prometheus::{Result, TextEncoder};

use self::elsewhere::Elsewhere;
pub use self::elsewhere::Now;
use self::maker::{Maker, seconds};
pub use self::tls::TlsMetrics;
use crate::access_log::Auth;
use crate::purge::history::State;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From a millisecond, a catcher at rest, to five minutes, a clear of a full one; in seconds.
const UPSTREAM_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0];

/// Everything that is counted. One for the whole process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: ByStatus,
    refusals: IntCounterVec,
    authentications: Vec<IntCounter>,
    upstream_seconds: Histogram,
    upstream_faults: IntCounterVec,
    /// Open connections of clients, those that became tunnels among them.
    pub connections: IntGauge,
    /// Connections that were accepted.
    pub accepted: IntCounter,
    /// Connections among them from trusted proxies.
    pub accepted_from_proxies: IntCounter,
    /// Connections of trusted proxies that were closed, since they did not begin with a right PROXY header.
    pub bad_proxy_headers: IntCounter,
    isolation: IntGaugeVec,
    reloads: [IntCounter; 2],
    last_reload: Gauge,
    tunnels_opened: IntCounter,
    purges: [IntCounter; 3],
    purged: IntCounter,
    last_purge: Gauge,
    tunnels_revoked: IntCounter,
    tunnels_ended: IntCounterVec,
    /// Handshakes and certificates.
    pub tls: TlsMetrics,
    elsewhere: Mutex<Elsewhere>,
}

impl Metrics {
    /// All at nothing.
    ///
    /// # Errors
    /// None: the names are valid and there is each of them once, as a test shows.
    pub fn new(started_at: SystemTime) -> Result<Self> {
        let make = Maker(Registry::new());
        let auths = make.counters("authentications_total", "Requests by how their credentials were.", "result")?;
        let reloads =
            make.counters("reloads_total", "Times the configuration or the users file was read again.", "result")?;
        let purges = make.counters("purge_runs_total", "Scheduled purges by how they ended.", "result")?;
        let info = make.gauges("build_info", "The version that runs; always 1.", "version")?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let upstream_seconds = HistogramOpts::new(
            "mailwarden_upstream_answer_seconds",
            "Time from a request to the catcher until the head of its answer.",
        )
        .buckets(UPSTREAM_BUCKETS.to_vec());
        let metrics = Self {
            requests: ByStatus::new(make.counters(
                "requests_total",
                "Requests by the status they were answered with.",
                "code",
            )?),
            refusals: make.counters(
                "refusals_total",
                "Requests that were answered here and not by the catcher.",
                "reason",
            )?,
            authentications: Auth::ALL.iter().map(|auth| auths.with_label_values(&[told(*auth)])).collect(),
            upstream_seconds: make.add(Histogram::with_opts(upstream_seconds)?)?,
            upstream_faults: make.counters("upstream_faults_total", "Requests that the catcher failed.", "fault")?,
            connections: make.gauge("connections", "Open connections of clients, WebSockets among them.")?,
            accepted: make.counter("connections_accepted_total", "Connections of clients that were accepted.")?,
            accepted_from_proxies: make
                .counter("connections_from_trusted_proxies_total", "Connections of those that trusted_proxies names.")?,
            bad_proxy_headers: make.counter(
                "bad_proxy_headers_total",
                "Connections of trusted proxies that did not begin with a right PROXY header, and were closed.",
            )?,
            isolation: make.gauges(
                "isolation_findings",
                "What the daemon's look for ways around the gate found, by severity.",
                "severity",
            )?,
            reloads: ["ok", "failed"].map(|result| reloads.with_label_values(&[result])),
            last_reload: make.seconds(
                "last_successful_load_timestamp_seconds",
                "When configuration and users were last read without a fault.",
            )?,
            tunnels_opened: make.counter("tunnels_opened_total", "WebSockets and event streams that were opened.")?,
            tunnels_revoked: make.counter(
                "tunnels_revoked_total",
                "WebSockets and event streams that a reload or a logout ended, since their users may not have them any more.",
            )?,
            tunnels_ended: make.counters("tunnels_ended_total", "WebSockets by why they ended.", "reason")?,
            purges: ["ok", "failed", "stopped"].map(|result| purges.with_label_values(&[result])),
            purged: make.counter("purge_deleted_mails_total", "Mails that scheduled purges deleted.")?,
            last_purge: make.seconds(
                "purge_last_success_timestamp_seconds",
                "When a scheduled purge last ended well; 0 if none has since the start.",
            )?,
            tls: TlsMetrics::new(&make)?,
            elsewhere: Mutex::new(Elsewhere::new(&make, started_at)?),
            registry: make.0,
        };
        metrics.last_reload.set(seconds(started_at));
        Ok(metrics)
    }

    /// A request was answered with `status`.
    pub fn answered(&self, status: StatusCode) {
        self.requests.of(status).inc();
    }

    /// A request was answered here, for this reason.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    /// A request's credentials were so.
    pub fn authenticated(&self, auth: Auth) {
        if let Some(counter) =
            Auth::ALL.iter().position(|known| *known == auth).and_then(|at| self.authentications.get(at))
        {
            counter.inc();
        }
    }

    /// The catcher answered after so long.
    pub fn upstream_answered(&self, took: Duration) {
        self.upstream_seconds.observe(took.as_secs_f64());
    }

    /// The catcher failed a request in this way.
    pub fn upstream_failed(&self, fault: &'static str) {
        self.upstream_faults.with_label_values(&[fault]).inc();
    }

    /// The look for ways around the gate found so many of this severity.
    pub fn isolation_found(&self, severity: &'static str, count: usize) {
        self.isolation.with_label_values(&[severity]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Configuration or users were read again.
    pub fn reloaded(&self, good: bool) {
        let [ok, failed] = &self.reloads;
        if good { ok } else { failed }.inc();
    }

    /// What was read last is all that was written, and without a fault.
    pub fn all_is_read(&self) {
        self.last_reload.set(seconds(SystemTime::now()));
    }

    /// A scheduled purge ended so, after it had deleted so many messages.
    pub fn purged(&self, state: State, deleted: usize) {
        let [ok, failed, stopped] = &self.purges;
        self.purged.inc_by(deleted as u64);
        match state {
            State::Done => {
                ok.inc();
                self.last_purge.set(seconds(SystemTime::now()));
            }
            State::Failed => failed.inc(),
            State::Stopped | State::Begun => stopped.inc(),
        }
    }

    /// A tunnel was opened.
    pub fn tunnel_opened(&self) {
        self.tunnels_opened.inc();
    }

    /// A WebSocket ended for this reason.
    pub fn tunnel_ended(&self, reason: &'static str) {
        self.tunnels_ended.with_label_values(&[reason]).inc();
    }

    /// So many tunnels were ended by a reload.
    pub fn tunnels_revoked(&self, count: usize) {
        self.tunnels_revoked.inc_by(count as u64);
    }

    /// Everything as text.
    #[must_use]
    pub fn text(&self, now: &Now<'_>) -> String {
        // Two who ask at once must not mix what they read.
        let elsewhere = self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        elsewhere.update(now);
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

/// What anybody may know of how credentials were. Whoever can count wrong passwords apart from unknown names can ask which
/// names exist; the access log, which not everybody reads, tells them apart.
fn told(auth: Auth) -> &'static str {
    match auth {
        Auth::WrongPassword | Auth::UnknownUser | Auth::RefusedLine => "wrong",
        other => other.as_str(),
    }
}

/// A counter a status code, looked up by number: the one counter that every request moves.
#[derive(Debug)]
struct ByStatus {
    family: IntCounterVec,
    resolved: Box<[OnceLock<IntCounter>; 900]>,
}

impl ByStatus {
    fn new(family: IntCounterVec) -> Self {
        Self { family, resolved: Box::new([const { OnceLock::new() }; 900]) }
    }

    fn of(&self, status: StatusCode) -> &IntCounter {
        // A status code is from 100 to 999.
        let index = usize::from(status.as_u16()).saturating_sub(100).min(self.resolved.len() - 1);
        self.resolved[index].get_or_init(|| self.family.with_label_values(&[status.as_str()]))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::conditions::{Condition, Conditions};

    fn text(metrics: &Metrics, conditions: &Conditions) -> String {
        metrics.text(&Now {
            hashes: 3,
            cache_hits: 10,
            cache_entries: 2,
            waiting: 1,
            tunnels: 4,
            upstream_connections: 5,
            read_ahead_bytes: 9,
            read_ahead_refused: 11,
            log_lines_dropped: 0,
            users: 6,
            refused_lines: 7,
            tasks: 8,
            conditions,
        })
    }

    #[test]
    fn what_is_counted_is_told() {
        let (metrics, conditions) = (Metrics::new(SystemTime::now()).unwrap(), Conditions::default());
        metrics.answered(StatusCode::OK);
        metrics.answered(StatusCode::OK);
        metrics.answered(StatusCode::from_u16(999).unwrap());
        metrics.refused("wrong password");
        metrics.authenticated(Auth::WrongPassword);
        metrics.authenticated(Auth::UnknownUser);
        metrics.upstream_answered(Duration::from_millis(20));
        metrics.upstream_failed("closed");
        metrics.tunnel_ended("slow");
        metrics.reloaded(false);
        conditions.degraded(Condition::Reload, "x", "");
        let text = text(&metrics, &conditions);
        for line in [
            "mailwarden_requests_total{code=\"200\"} 2",
            "mailwarden_requests_total{code=\"999\"} 1",
            "mailwarden_refusals_total{reason=\"wrong password\"} 1",
            "mailwarden_authentications_total{result=\"wrong\"} 2",
            "mailwarden_authentications_total{result=\"ok\"} 0",
            "mailwarden_upstream_answer_seconds_bucket{le=\"0.025\"} 1",
            "mailwarden_upstream_answer_seconds_bucket{le=\"0.01\"} 0",
            "mailwarden_upstream_faults_total{fault=\"closed\"} 1",
            "mailwarden_tunnels_ended_total{reason=\"slow\"} 1",
            "mailwarden_reloads_total{result=\"failed\"} 1",
            "mailwarden_reloads_total{result=\"ok\"} 0",
            "mailwarden_condition_degraded{condition=\"reload\"} 1",
            "mailwarden_condition_degraded{condition=\"upstream\"} 0",
            "mailwarden_credential_cache_hits_total 10",
            "mailwarden_tunnels 4",
            "mailwarden_read_ahead_bytes 9",
            "mailwarden_read_ahead_refused_total 11",
            "# TYPE mailwarden_requests_total counter",
            "# TYPE mailwarden_tunnels gauge",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_total_that_is_read_twice_is_not_added_twice() {
        let (metrics, conditions) = (Metrics::new(SystemTime::now()).unwrap(), Conditions::default());
        text(&metrics, &conditions);
        assert!(text(&metrics, &conditions).contains("\nmailwarden_password_hashes_total 3\n"));
    }
}
