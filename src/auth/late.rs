//! When a refusal leaves: on a coarse grid, and later the more wrong passwords came before it.
//!
//! How long a hash took depends on whose it is; on a grid counted from the request's arrival all that can be seen of it
//! is which tick it was done before, and the queue and other requests move that by more. Waiting holds no thread; that
//! somebody waits for longer than a tick is bounded in number, since whoever opens connections could grow it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Refusals leave at whole multiples of this from the request's arrival. It is longer than most hashes take.
const TICK: Duration = Duration::from_millis(100);

/// Refusals that wait.
pub(super) struct Late {
    waiting: AtomicUsize,
    limit: usize,
}

impl Late {
    /// At most `limit` wait for longer than a tick; any others leave at the next one.
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), limit }
    }

    /// Returns at the first tick at which the delay, counted from now, is over.
    pub(super) async fn leave(&self, arrived: Instant, delay: Duration) {
        let place = if delay.is_zero() { None } else { Place::take(self) };
        let delay = if place.is_some() { delay } else { Duration::ZERO };
        sleep_until(tick(arrived, Instant::now() + delay)).await;
    }
}

/// The first multiple of the tick after `arrived` that is not before `earliest`, and never the arrival itself.
fn tick(arrived: Instant, earliest: Instant) -> Instant {
    let ticks = earliest.saturating_duration_since(arrived).as_nanos().div_ceil(TICK.as_nanos()).max(1);
    arrived + TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// One of those that wait, given up however the waiting ends.
struct Place<'a>(&'a Late);

impl<'a> Place<'a> {
    fn take(late: &'a Late) -> Option<Self> {
        if late.waiting.fetch_add(1, Ordering::Relaxed) >= late.limit {
            late.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(late))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::time::{advance, timeout};

    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_leaves_at_a_tick_whenever_it_was_known() {
        let late = Late::new(9);
        for (known_after, delay, leaves_after) in
            [(0, 0, 100), (1, 0, 100), (99, 0, 100), (100, 0, 100), (101, 0, 200), (53, 100, 200), (230, 800, 1100)]
        {
            let arrived = Instant::now();
            advance(ms(known_after)).await;
            late.leave(arrived, ms(delay)).await;
            // The timer's own grain is a millisecond.
            let took = arrived.elapsed();
            assert!(took >= ms(leaves_after) && took <= ms(leaves_after + 1), "{known_after} {delay}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_to_wait_in_leaves_at_the_next_tick() {
        let late = Late::new(1);
        let arrived = Instant::now();
        let mut first = Box::pin(late.leave(arrived, ms(3000)));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        timeout(ms(150), late.leave(arrived, ms(3000))).await.unwrap();
        // Who goes away leaves his place.
        drop(first);
        let mut third = pin!(late.leave(arrived, ms(3000)));
        assert!(timeout(ms(2000), third.as_mut()).await.is_err());
        third.await;
        assert_eq!(late.waiting.load(Ordering::Relaxed), 0);
    }
}
