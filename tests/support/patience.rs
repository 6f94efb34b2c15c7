//! Waiting without sleeping for a fixed time: ask often, give up late.

use std::time::{Duration, Instant};

/// How long something that must happen may take on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks `probe` until it answers.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
