//! What a purge is deleting at this moment: for those who pass on what the catcher tells of it.
//!
//! A catcher tells each open page of each deletion, and a page answers by fetching the next message. Whoever relays that
//! can ask here whether a message is going anyway, and hold its news back until [`Purging::is_running`] is over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::MessageId;

/// The messages of one catcher that are being purged. Asking costs one load while nothing is.
#[derive(Debug)]
pub struct Purging {
    running: AtomicUsize,
    doomed: Mutex<HashMap<MessageId, u32>>,
    runs: watch::Sender<usize>,
}

impl Default for Purging {
    fn default() -> Self {
        Self { running: AtomicUsize::new(0), doomed: Mutex::default(), runs: watch::Sender::new(0) }
    }
}

/// The messages of one run; they are forgotten when it is dropped, which is when the catcher's list has shown them gone.
#[derive(Debug)]
pub struct Doomed {
    purging: Arc<Purging>,
    ids: Vec<MessageId>,
}

impl Purging {
    /// These are going to be deleted.
    #[must_use]
    pub fn begin(self: &Arc<Self>, ids: Vec<MessageId>) -> Doomed {
        let mut doomed = self.doomed();
        for id in &ids {
            *doomed.entry(id.clone()).or_default() += 1;
        }
        drop(doomed);
        let running = self.running.fetch_add(1, Ordering::AcqRel) + 1;
        self.runs.send_replace(running);
        Doomed { purging: Arc::clone(self), ids }
    }

    /// Whether anything is being purged.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    /// Whether `id` is going, or went a moment ago.
    #[must_use]
    pub fn dooms(&self, id: &MessageId) -> bool {
        self.is_running() && self.doomed().contains_key(id)
    }

    /// Follows how many purges run: to be woken when the last one ends.
    #[must_use]
    pub fn runs(&self) -> watch::Receiver<usize> {
        self.runs.subscribe()
    }

    fn doomed(&self) -> MutexGuard<'_, HashMap<MessageId, u32>> {
        self.doomed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        let mut doomed = self.purging.doomed();
        for id in &self.ids {
            if let Some(count) = doomed.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    doomed.remove(id);
                }
            }
        }
        drop(doomed);
        let running = self.purging.running.fetch_sub(1, Ordering::AcqRel) - 1;
        self.purging.runs.send_replace(running);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_purges_doom_is_doomed_until_both_have_ended() {
        let purging = Arc::new(Purging::default());
        let id = |number| MessageId::Number(number);
        let one = purging.begin(vec![id(1), id(2)]);
        let two = purging.begin(vec![id(2)]);
        assert!(purging.dooms(&id(1)) && purging.dooms(&id(2)) && !purging.dooms(&id(3)));
        drop(one);
        assert!(!purging.dooms(&id(1)) && purging.dooms(&id(2)) && purging.is_running());
        drop(two);
        assert!(!purging.dooms(&id(2)) && !purging.is_running());
        assert_eq!(*purging.runs().borrow(), 0);
    }
}
