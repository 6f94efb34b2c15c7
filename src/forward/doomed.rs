//! Which messages are being purged: what a page is not told of at once.
//!
//! A catcher tells every open page of every deletion, and a page answers by fetching the next message. So whoever purges
//! says beforehand what is about to go ([`Doomed::begin`]) and holds what he gets until the catcher's list has shown it gone:
//! meanwhile the relays keep back the `remove` events of those (`relay::withheld`). Several may purge at once: the schedule,
//! and people who clear.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

/// How long after a purge its events are still expected.
const GRACE: Duration = Duration::from_secs(1);

/// The messages of one catcher that are being purged.
#[derive(Debug, Default)]
pub(super) struct Doomed(ArcSwap<Vec<Arc<Purge>>>);

/// What one purge deletes.
#[derive(Debug)]
struct Purge {
    /// Ascending.
    ids: Box<[u64]>,
    last: Option<u64>,
    done: OnceLock<Instant>,
}

/// A purge that is under way. Dropping it says that it is done.
#[derive(Debug)]
#[must_use = "what is dropped is done"]
pub struct Purging(Arc<Purge>);

impl Doomed {
    /// These are going to be deleted; `last` is the one that a page without our script is told of last.
    pub(super) fn begin(&self, ids: impl IntoIterator<Item = u64>, last: Option<u64>) -> Purging {
        let mut ids: Box<[u64]> = ids.into_iter().collect();
        ids.sort_unstable();
        let purge = Arc::new(Purge { ids, last, done: OnceLock::new() });
        let now = Instant::now();
        self.0.rcu(|purges| {
            let under_way = purges.iter().filter(|purge| !purge.is_over(now));
            under_way.chain([&purge]).map(Arc::clone).collect::<Vec<_>>()
        });
        Purging(purge)
    }

    /// Whether a page is not to be told at once that `id` is gone.
    pub(super) fn withholds(&self, id: u64, now: Instant) -> bool {
        self.0.load().iter().any(|purge| purge.ids.binary_search(&id).is_ok() && !purge.is_over(now))
    }

    /// Whether `id` is one to be told of last.
    pub(super) fn is_last(&self, id: u64) -> bool {
        self.0.load().iter().any(|purge| purge.last == Some(id))
    }
}

impl Purge {
    /// Whether it is done, and its events have come.
    fn is_over(&self, now: Instant) -> bool {
        self.done.get().is_some_and(|at| now >= *at + GRACE)
    }
}

impl Drop for Purging {
    fn drop(&mut self) {
        _ = self.0.done.set(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_two_purges_doom_is_doomed_until_both_have_ended_and_their_events_have_come() {
        let doomed = Doomed::default();
        let dooms = |ids: &[u64]| ids.iter().map(|id| doomed.withholds(*id, Instant::now())).collect::<Vec<_>>();
        let one = doomed.begin([2, 1], Some(1));
        let two = doomed.begin([2, 4], None);
        assert_eq!(dooms(&[1, 2, 3, 4]), [true, true, false, true]);
        assert!(doomed.is_last(1) && !doomed.is_last(2));
        drop(one);
        assert_eq!(dooms(&[1, 2]), [true, true], "its last events may be on their way");
        tokio::time::advance(GRACE).await;
        assert_eq!(dooms(&[1, 2]), [false, true]);
        drop(two);
        tokio::time::advance(GRACE).await;
        assert_eq!(dooms(&[1, 2, 4]), [false; 3]);
        let _three = doomed.begin([9], None);
        assert_eq!(doomed.0.load().len(), 1, "what is over is forgotten");
    }
}
