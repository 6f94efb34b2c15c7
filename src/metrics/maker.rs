//! How metrics are named and entered.

use std::time::SystemTime;

use prometheus::core::Collector;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result};

/// Makes metrics under the program's name and enters each in the registry.
pub(super) struct Maker(pub(super) Registry);

impl Maker {
    pub(super) fn add<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter> {
        self.add(IntCounter::with_opts(opts(name, help))?)
    }

    pub(super) fn counters(&self, name: &str, help: &str, label: &str) -> Result<IntCounterVec> {
        self.add(IntCounterVec::new(opts(name, help), &[label])?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.add(IntGauge::with_opts(opts(name, help))?)
    }

    pub(super) fn gauges(&self, name: &str, help: &str, label: &str) -> Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(opts(name, help), &[label])?)
    }

    pub(super) fn seconds(&self, name: &str, help: &str) -> Result<Gauge> {
        self.add(Gauge::with_opts(opts(name, help))?)
    }
}

pub(super) fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("mailwarden_{name}"), help)
}

/// Since the epoch.
pub(super) fn seconds(at: SystemTime) -> f64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
