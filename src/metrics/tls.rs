//! What TLS counts.

use std::time::SystemTime;

use prometheus::{GaugeVec, IntCounterVec, IntGauge, Result};

use super::maker::{Maker, opts, seconds};

/// Handshakes and certificates.
#[derive(Debug)]
pub struct TlsMetrics {
    handshakes: IntCounterVec,
    failures: IntCounterVec,
    /// Handshakes that go on at this moment.
    pub going_on: IntGauge,
    expiry: GaugeVec,
}

impl TlsMetrics {
    pub(super) fn new(make: &Maker) -> Result<Self> {
        let expiry = opts(
            "certificate_expiry_timestamp_seconds",
            "When a certificate of the gate expires, by its place in the configuration.",
        );
        Ok(Self {
            handshakes: make.counters("tls_handshakes_total", "TLS handshakes that ended well.", "kind")?,
            failures: make.counters("tls_handshake_failures_total", "TLS handshakes that did not.", "reason")?,
            going_on: make.gauge("tls_handshakes", "TLS handshakes that go on.")?,
            expiry: make.add(GaugeVec::new(expiry, &["certificate"])?)?,
        })
    }

    /// One ended well, with a session that the client had before or without.
    pub fn shook_hands(&self, resumed: bool) {
        self.handshakes.with_label_values(&[if resumed { "resumed" } else { "full" }]).inc();
    }

    /// One did not.
    pub fn failed(&self, reason: &'static str) {
        self.failures.with_label_values(&[reason]).inc();
    }

    /// These are the ends of the certificates that are shown, in the configuration's order.
    pub fn certificates(&self, not_after: impl Iterator<Item = SystemTime>) {
        self.expiry.reset();
        for (index, at) in not_after.enumerate() {
            self.expiry.with_label_values(&[&(index + 1).to_string()]).set(seconds(at));
        }
    }
}
