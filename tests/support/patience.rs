//! Waiting without sleeping for a fixed time: ask often, give up late.

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say why"
)]

use std::time::{Duration, Instant};

/// How long something that must happen may take on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks `probe` until it answers.
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
