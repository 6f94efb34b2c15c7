//! Ctrl-C and its like: every wait of the bench asks here, so that an end is an error like another, and all that was
//! started is stopped by its destructor on the way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::Result;

#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Begins to watch for SIGINT, SIGTERM and SIGHUP.
    pub(crate) fn watch() -> Result<Self> {
        let stop = Self::default();
        let set = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || {
            runtime.block_on(async {
                let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
                let [Ok(mut one), Ok(mut two), Ok(mut three)] = kinds.map(signal) else { return };
                tokio::select! { _ = one.recv() => {}, _ = two.recv() => {}, _ = three.recv() => {} }
                set.0.store(true, Ordering::Relaxed);
            });
        });
        Ok(stop)
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.asked() { Err("stopped by a signal".into()) } else { Ok(()) }
    }

    pub(crate) fn sleep(&self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(20)));
        }
    }
}
