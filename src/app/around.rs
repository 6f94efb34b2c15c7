//! What is done to the gate, and asked of it, beside requests: a reload, a sweep, a stop, how it goes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::StatusCode;
use tokio_util::task::TaskTracker;

use super::{App, Live};
use crate::auth::Users;
use crate::client_addr::{self, Peer};
use crate::conditions::Conditions;
use crate::config::model::{Limits, Timeouts};
use crate::forward::tunnels::Rule;
use crate::metrics::Metrics;
use crate::session::{Seconds, Sessions};
use crate::vitals::Vitals;

/// How often at most somebody is told of proxies without a PROXY header.
const HEADERLESS_AGAIN: Duration = Duration::from_secs(60);

impl App {
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

    /// A request that never became one was answered, or a connection refused.
    pub fn unparsed(&self, peer: Peer, status: StatusCode, reason: &'static str) {
        self.metrics.answered(status);
        self.metrics.refused(reason);
        self.access_log.unparsed(peer, status, reason);
    }

    /// Where the work is tracked that stopping waits for.
    #[must_use]
    pub fn tracker(&self) -> &TaskTracker {
        self.tunnels.tracker()
    }

    /// Whether `peer` is a trusted proxy at this moment.
    #[must_use]
    pub fn trusts(&self, peer: Peer) -> bool {
        client_addr::trusts(&self.live.load().trusted_proxies, peer)
    }

    /// Whether a connection from `peer` begins with a PROXY header at this moment.
    #[must_use]
    pub fn expects_header(&self, peer: Peer) -> bool {
        let live = self.live.load();
        live.proxy_protocol && client_addr::trusts(&live.trusted_proxies, peer)
    }

    /// The connection of a trusted proxy that should have begun with a PROXY header did not, and is closed.
    pub fn headerless(&self, peer: Peer, why: &dyn std::fmt::Display) {
        self.metrics.bad_proxy_headers.inc();
        tracing::debug!(%peer, %why, "a connection without a right PROXY header");
        if self.told_headerless.due_after(HEADERLESS_AGAIN) {
            tracing::warn!(
                %peer,
                %why,
                "a trusted proxy sends no PROXY header, so its connection is closed; have it send one (HAProxy: send-proxy-v2, \
                 nginx: proxy_protocol on), or take it out of trusted_proxies (said once a minute)"
            );
        }
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

/// Who may go on having a tunnel.
pub(super) fn rule(live: &Arc<Live>, sessions: &Arc<Sessions>) -> Rule {
    let (live, sessions) = (Arc::clone(live), Arc::clone(sessions));
    Arc::new(move |user, permission| {
        let now = SystemTime::now();
        live.allows(user, permission, now) && sessions.goes_on(user, Seconds::of(now))
    })
}
