//! What is known of the mail behind the gate from what passes through it, and what of a purge the pages are not told at
//! once.
//!
//! There is one feed for a site, whatever the number of sockets and runtimes. Every event of the catcher that a relay
//! passes on, and every deletion that the gate forwards, is written into the ledger, which answers when the catcher's
//! own list fails.
//!
//! A purge says beforehand which messages it is about to delete ([`Feed::purging`]) and holds what it gets until it is
//! done: meanwhile the relays keep back the `remove` events of those.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::repair::ledger::Ledger;

/// How long after a purge its events are still expected.
const GRACE: Duration = Duration::from_secs(1);

/// What is known of one catcher's mail.
#[derive(Debug, Default)]
pub struct Feed {
    ledger: Mutex<Ledger>,
    doomed: ArcSwapOption<Doomed>,
}

impl Feed {
    /// Counts a socket on which the catcher's events are seen, for as long as what this returns lives.
    pub(super) fn watched(&self) -> Watched<'_> {
        self.ledger().watched();
        Watched(self)
    }

    /// What the catcher's list would say.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes whenever nothing that was known of the mail holds any more: at a clear that a socket saw or the gate
    /// forwarded, and when the catcher was lost. Ids that were listed before may be others' now.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.ledger().generation()
    }

    /// Announces that `ids` are about to be deleted. Until what this returns is dropped, and a second longer, pages are
    /// told of it at most once a second (`relay::withheld`); then of all that is left.
    ///
    /// `last` is the one that a page without our script is told of last: where the oldest message of the list goes, that
    /// one. `ids` are best deleted ascending. There is one purge at a time: a new one takes the place of the one before.
    #[must_use]
    pub fn purging(self: &Arc<Self>, ids: impl IntoIterator<Item = u64>, last: Option<u64>) -> Purging {
        let doomed = Arc::new(Doomed {
            ids: ids.into_iter().collect(),
            last,
            done: AtomicBool::new(false),
            done_at: Mutex::new(None),
        });
        self.doomed.store(Some(Arc::clone(&doomed)));
        Purging(doomed)
    }

    /// The purge that is under way, or was a moment ago.
    pub(super) fn doomed(&self) -> Option<Arc<Doomed>> {
        self.doomed.load_full()
    }
}

/// A socket on which the catcher's events are seen.
pub(super) struct Watched<'a>(&'a Feed);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.ledger().unwatched();
    }
}

/// The messages that a purge deletes.
pub(super) struct Doomed {
    ids: HashSet<u64>,
    last: Option<u64>,
    done: AtomicBool,
    done_at: Mutex<Option<Instant>>,
}

impl Doomed {
    /// Whether the page is not to be told at once that `id` is gone.
    pub(super) fn withholds(&self, id: u64, now: Instant) -> bool {
        self.ids.contains(&id) && !self.is_over(now)
    }

    /// The one to be told of last.
    pub(super) fn last(&self) -> Option<u64> {
        self.last
    }

    /// Whether the purge is done, and its events have come.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.done.load(Ordering::Acquire)
            && self.done_at.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|at| now >= at + GRACE)
    }
}

impl fmt::Debug for Doomed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doomed").field("ids", &self.ids.len()).field("done", &self.done).finish_non_exhaustive()
    }
}

/// A purge that is under way. Dropping it says that it is done.
#[derive(Debug)]
pub struct Purging(Arc<Doomed>);

impl Drop for Purging {
    fn drop(&mut self) {
        *self.0.done_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.0.done.store(true, Ordering::Release);
    }
}
