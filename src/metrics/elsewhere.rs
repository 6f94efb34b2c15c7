//! What others keep, and what is read of it when somebody asks.

use std::time::SystemTime;

use prometheus::{IntCounter, IntGauge, IntGaugeVec, Result};

use super::maker::{Maker, seconds};
use super::process::Process;
use crate::conditions::{Condition, Conditions};

/// What is read elsewhere when somebody asks.
#[derive(Debug)]
pub(super) struct Elsewhere {
    hashes: IntCounter,
    cache_hits: IntCounter,
    cache_entries: IntGauge,
    waiting: IntGauge,
    tunnels: IntGauge,
    upstream_connections: IntGauge,
    read_ahead_bytes: IntGauge,
    read_ahead_refused: IntCounter,
    log_lines_dropped: IntCounter,
    users: IntGauge,
    refused_lines: IntGauge,
    tasks: IntGauge,
    conditions: IntGaugeVec,
    process: Process,
}

/// What others know at the moment when somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// Password hashes that were computed since the start.
    pub hashes: u64,
    /// Requests whose credentials were remembered.
    pub cache_hits: u64,
    /// Credentials that are remembered.
    pub cache_entries: usize,
    /// Passwords that wait to be verified.
    pub waiting: usize,
    /// Open tunnels.
    pub tunnels: usize,
    /// Open connections to the catcher.
    pub upstream_connections: usize,
    /// Bytes of answers that were read ahead and that their clients have not taken.
    pub read_ahead_bytes: usize,
    /// Answers that could not be read ahead as far as they came.
    pub read_ahead_refused: u64,
    /// Lines of the access log that nobody read in time.
    pub log_lines_dropped: u64,
    /// Users who can log in.
    pub users: usize,
    /// Lines of the users file that are refused.
    pub refused_lines: usize,
    /// Tasks of all runtimes that serve.
    pub tasks: usize,
    /// What is degraded.
    pub conditions: &'a Conditions,
}

impl Elsewhere {
    pub(super) fn new(make: &Maker, started_at: SystemTime) -> Result<Self> {
        Ok(Self {
            hashes: make.counter("password_hashes_total", "Password hashes that were computed.")?,
            cache_hits: make.counter("credential_cache_hits_total", "Requests whose credentials were remembered.")?,
            cache_entries: make.gauge("credential_cache_entries", "Verified credentials that are remembered.")?,
            waiting: make.gauge("verifications_waiting", "Passwords that wait for a thread.")?,
            tunnels: make.gauge("tunnels", "Open WebSockets and event streams.")?,
            upstream_connections: make.gauge("upstream_connections", "Open connections to the catcher.")?,
            read_ahead_bytes: make.gauge("read_ahead_bytes", "Memory of answers that wait for slow clients.")?,
            read_ahead_refused: make.counter(
                "read_ahead_refused_total",
                "Answers that could not be read ahead of slow clients as far as they came, for want of room.",
            )?,
            log_lines_dropped: make.counter(
                "access_log_lines_dropped_total",
                "Lines of the access log that were dropped since nobody read them in time.",
            )?,
            users: make.gauge("users", "Users who can log in.")?,
            refused_lines: make.gauge("users_file_refused_lines", "Lines of the users file that are refused.")?,
            tasks: make.gauge("tasks", "Tasks of the runtimes that serve.")?,
            conditions: make.gauges(
                "condition_degraded",
                "1 while a condition is degraded, as /readyz says.",
                "condition",
            )?,
            process: Process::new(make, seconds(started_at))?,
        })
    }

    pub(super) fn update(&self, now: &Now<'_>) {
        let total = |counter: &IntCounter, value: u64| counter.inc_by(value.saturating_sub(counter.get()));
        let gauge = |gauge: &IntGauge, value: usize| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        total(&self.hashes, now.hashes);
        total(&self.cache_hits, now.cache_hits);
        total(&self.read_ahead_refused, now.read_ahead_refused);
        total(&self.log_lines_dropped, now.log_lines_dropped);
        gauge(&self.cache_entries, now.cache_entries);
        gauge(&self.waiting, now.waiting);
        gauge(&self.tunnels, now.tunnels);
        gauge(&self.upstream_connections, now.upstream_connections);
        gauge(&self.read_ahead_bytes, now.read_ahead_bytes);
        gauge(&self.users, now.users);
        gauge(&self.refused_lines, now.refused_lines);
        gauge(&self.tasks, now.tasks);
        for condition in Condition::ALL {
            let degraded = now.conditions.get(condition).is_some();
            self.conditions.with_label_values(&[condition.name()]).set(i64::from(degraded));
        }
        self.process.update();
    }
}
