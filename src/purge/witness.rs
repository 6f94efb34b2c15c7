//! What happens at the catcher while a purge is at work, by what the catcher tells on its socket.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::store::Store;
use crate::catcher::{self, Event, Feed, MessageId};
use crate::forward::watch::Watch;

/// How often it is looked whether news came.
const PAUSE: Duration = Duration::from_millis(10);

/// Follows the catcher's events until it is dropped.
#[derive(Debug)]
pub struct Witness {
    seen: Arc<Mutex<Seen>>,
    /// Who asks whether everything that has arrived is seen.
    asks: mpsc::Sender<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    added: HashSet<MessageId>,
    removed: HashSet<MessageId>,
    cleared: bool,
    ended: bool,
    /// Whether it told of what this process did; none until it was listened for.
    proven: Option<bool>,
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
        let (asks, mut asked) = mpsc::channel::<oneshot::Sender<()>>(1);
        let (mailbox, sees) = (store.mailbox, Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Some(text) = next(&mut watch, &mut asked).await {
                let event = mailbox.event(&text);
                let mut seen = sees.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Event::Added(id) => drop(seen.added.insert(id)),
                    Event::Removed(id) => drop(seen.removed.insert(id)),
                    Event::Cleared => seen.cleared = true,
                    Event::Other => {}
                }
                if seen.added.len() + seen.removed.len() > catcher::MOST {
                    break; // it is not remembered without end, and who has not seen all knows nothing
                }
            }
            sees.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        });
        Some(Self { seen, asks, task })
    }

    /// Waits until everything is seen that has arrived by now.
    ///
    /// An answer of the catcher is read as soon as it is there, and what the socket told before it may still be unread.
    pub async fn catch_up(&self) {
        // The runtime looks what has arrived anywhere before it comes back to who yields.
        tokio::task::yield_now().await;
        let (sender, answer) = oneshot::channel();
        if self.asks.send(sender).await.is_ok() {
            let _ended = answer.await;
        }
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

    /// Listens, once, whether the catcher tells of the deletion that this process just made, for `patience` at the most.
    ///
    /// MailCatcher 0.7 has a socket as well, and tells only of what comes there: who hears nothing go knows nothing of it.
    pub async fn prove(&self, id: &MessageId, patience: Duration) {
        if self.seen().proven.is_some() {
            return;
        }
        let began = Instant::now();
        while !self.saw_go(id) && !self.is_blind() && began.elapsed() < patience {
            tokio::time::sleep(PAUSE).await;
        }
        let heard = self.saw_go(id);
        if !heard {
            tracing::debug!("purge: the catcher's socket does not tell what is deleted, so each message is looked at");
        }
        self.seen().proven = Some(heard);
    }

    /// Whether what was not seen did not happen.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.seen().proven == Some(true)
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

/// The next event; none when there will be none. Who asks meanwhile is answered as soon as nothing more is there.
async fn next(watch: &mut Watch, asked: &mut mpsc::Receiver<oneshot::Sender<()>>) -> Option<Bytes> {
    // One future to its end: what it writes would be torn by a second one.
    let mut next = pin!(watch.next());
    loop {
        tokio::select! {
            biased;
            event = &mut next => return event.ok().flatten(),
            Some(asks) = asked.recv() => drop(asks.send(())),
        }
    }
}
