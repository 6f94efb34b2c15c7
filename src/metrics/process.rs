//! The process as the system sees it, by the names that Prometheus gives it for every program.

use std::fs;

use prometheus::{Counter, Gauge, IntGauge, Opts, Result};

use super::Maker;

/// What is read from /proc when somebody asks. What cannot be read there stays as it was.
#[derive(Debug)]
pub(super) struct Process {
    resident: IntGauge,
    open: IntGauge,
    max: IntGauge,
    threads: IntGauge,
    cpu: Counter,
}

impl Process {
    pub(super) fn new(make: &Maker, started: f64) -> Result<Self> {
        let gauge = |name: &str, help: &str| make.add(IntGauge::with_opts(Opts::new(name, help))?);
        let start =
            make.add(Gauge::new("process_start_time_seconds", "When the process started, since the epoch.")?)?;
        start.set(started);
        Ok(Self {
            resident: gauge("process_resident_memory_bytes", "Resident memory.")?,
            open: gauge("process_open_fds", "Open file descriptors.")?,
            max: gauge("process_max_fds", "The limit on open file descriptors.")?,
            threads: gauge("process_threads", "Threads.")?,
            cpu: make
                .add(Counter::new("process_cpu_seconds_total", "Processor time, of the user and of the system.")?)?,
        })
    }

    pub(super) fn update(&self) {
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            let field = |name: &str| {
                let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
                value.split_whitespace().next()?.parse::<i64>().ok()
            };
            if let Some(kilobytes) = field("VmRSS") {
                self.resident.set(kilobytes.saturating_mul(1024));
            }
            if let Some(threads) = field("Threads") {
                self.threads.set(threads);
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // Without the one that is open for the counting.
            self.open.set(i64::try_from(open.count()).unwrap_or(i64::MAX).saturating_sub(1));
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        self.max.set(limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX));
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let used = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
        self.cpu.inc_by((used - self.cpu.get()).max(0.0));
    }
}
