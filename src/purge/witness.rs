//! What happens at the catcher while a purge is at work, by what the catcher tells on its socket.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

use super::store::Store;
use crate::catcher::{Event, Feed, MessageId};
use crate::forward::watch::Watch;

/// Follows the catcher's events until it is dropped.
#[derive(Debug)]
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    added: HashSet<MessageId>,
    removed: HashSet<MessageId>,
    cleared: bool,
    ended: bool,
}

impl Witness {
    /// Begins to follow; none where the catcher tells nothing that is read here, or does not open its socket.
    pub async fn begin(store: &Store) -> Option<Self> {
        let Feed::WebSocket(target) = store.mailbox.feed(&store.prefix) else { return None };
        let mut watch = match Watch::open(&store.upstream, target, store.answer_timeout).await {
            Ok(watch) => watch,
            Err(error) => {
                tracing::debug!(?error, "purge: the catcher's socket cannot be followed");
                return None;
            }
        };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (mailbox, sees) = (store.mailbox, Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok(Some(text)) = watch.next().await {
                let event = mailbox.event(&text);
                let mut seen = sees.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Event::Added(id) => drop(seen.added.insert(id)),
                    Event::Removed(id) => drop(seen.removed.insert(id)),
                    Event::Cleared => seen.cleared = true,
                    Event::Other => {}
                }
            }
            sees.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        });
        Some(Self { seen, task })
    }

    /// Whether everything was deleted by somebody: ids may mean other messages since.
    #[must_use]
    pub fn saw_a_clear(&self) -> bool {
        self.seen().cleared
    }

    /// Whether nothing more will be seen.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.seen().ended
    }

    /// Whether a message of this id came since.
    #[must_use]
    pub fn saw_arrive(&self, id: &MessageId) -> bool {
        self.seen().added.contains(id)
    }

    /// Whether a message of this id went since.
    #[must_use]
    pub fn saw_go(&self, id: &MessageId) -> bool {
        let seen = self.seen();
        seen.cleared || seen.removed.contains(id)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}
