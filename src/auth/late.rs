//! When a refusal leaves: on a coarse grid, and later the more wrong passwords came before it.
//!
//! How long a hash took depends on whose it is; on a grid counted from the request's arrival all that can be seen of it
//! is which tick it was done before, and the queue and other requests move that by more. Waiting holds no thread; that
//! somebody waits for longer than a tick is bounded in number, since whoever opens connections could grow it. When the
//! daemon stops, nobody waits for longer than to the next tick.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Refusals leave at whole multiples of this from the request's arrival. It is longer than most hashes take.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Refusals that wait.
pub(super) struct Late {
    waiting: AtomicUsize,
    limit: usize,
    drained: CancellationToken,
}

impl Late {
    /// At most `limit` wait for longer than a tick; any others leave at the next one.
    pub(super) fn new(limit: usize) -> Self {
        Self { waiting: AtomicUsize::new(0), limit, drained: CancellationToken::new() }
    }

    /// Returns at the first tick that is not before `earliest`, nor before now.
    pub(super) async fn leave(&self, arrived: Instant, earliest: Instant) {
        let next = tick(arrived, Instant::now());
        let leaves = tick(arrived, earliest);
        let Some(_place) = (leaves > next).then(|| Place::take(self)).flatten() else {
            return sleep_until(next).await;
        };
        tokio::select! {
            () = sleep_until(leaves) => {}
            () = self.drained.cancelled() => sleep_until(tick(arrived, Instant::now())).await,
        }
    }

    /// Returns at that tick, at once if it has come: what was timed by it is not put off to the next one.
    pub(super) async fn leave_at(&self, arrived: Instant, leaves: Instant) {
        if Instant::now() < leaves {
            self.leave(arrived, leaves).await;
        }
    }

    /// From now on everybody leaves at the next tick.
    pub(super) fn drain(&self) {
        self.drained.cancel();
    }

    /// Whether everybody does.
    pub(super) fn is_drained(&self) -> bool {
        self.drained.is_cancelled()
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
            late.leave(arrived, Instant::now() + ms(delay)).await;
            // The timer's own grain is a millisecond.
            let took = arrived.elapsed();
            assert!(took >= ms(leaves_after) && took <= ms(leaves_after + 1), "{known_after} {delay}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_to_wait_in_leaves_at_the_next_tick() {
        let late = Late::new(1);
        let arrived = Instant::now();
        let mut first = Box::pin(late.leave(arrived, arrived + ms(3000)));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        timeout(ms(150), late.leave(arrived, arrived + ms(3000))).await.unwrap();
        // Who goes away leaves his place.
        drop(first);
        let mut third = pin!(late.leave(arrived, arrived + ms(3000)));
        assert!(timeout(ms(2000), third.as_mut()).await.is_err());
        third.await;
        assert_eq!(late.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn at_a_stop_whoever_waits_leaves_at_the_next_tick() {
        let late = Late::new(9);
        let arrived = Instant::now();
        let mut waits = pin!(late.leave(arrived, arrived + ms(6400)));
        assert!(timeout(ms(250), waits.as_mut()).await.is_err());
        late.drain();
        waits.await;
        assert_eq!(arrived.elapsed().as_millis() / 10, 30);
        let arrived = Instant::now();
        late.leave(arrived, arrived + ms(6400)).await;
        assert_eq!(arrived.elapsed().as_millis() / 10, 10, "a tick, all the same");
    }
}
