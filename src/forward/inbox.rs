//! What all who ask for one catcher's mail share, whatever the number of sockets and runtimes.
//!
//! Every event of the catcher that a relay passes on, and every deletion that the gate forwards, is written into the ledger,
//! which answers when the catcher's own list fails. What is being purged is announced here, whoever purges.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Response, StatusCode};

use super::doomed::{Doomed, Purging};
use super::lists::Lists;
use super::repair::ledger::Ledger;
use super::repair::{self, Asking, Repair};
use super::upstream::Upstream;
use crate::apart::apart;
use crate::body::Body;
use crate::catcher::{Action, Format, Operation};
use crate::reject::Reject;

/// Shared by all who ask for one catcher's mail.
#[derive(Debug, Default)]
pub struct Inbox {
    pub(super) lists: Lists,
    ledger: Mutex<Ledger>,
    repair: Repair,
    doomed: Doomed,
}

/// A socket on which the catcher's events are seen.
pub(super) struct Watched<'a>(&'a Inbox);

impl Inbox {
    /// Announces that `ids` are about to be deleted. Until what this returns is dropped, and a second longer, pages are told
    /// of it at most once a second.
    ///
    /// `last` is the one that a page without our script is told of last: where the oldest message of the list goes, that
    /// one. `ids` are best deleted ascending.
    pub fn purging(&self, ids: impl IntoIterator<Item = u64>, last: Option<u64>) -> Purging {
        self.doomed.begin(ids, last)
    }

    /// What is being purged.
    pub(super) fn doomed(&self) -> &Doomed {
        &self.doomed
    }

    /// Counts a socket on which the catcher's events are seen, for as long as what this returns lives.
    pub(super) fn watched(&self) -> Watched<'_> {
        self.ledger().watched();
        Watched(self)
    }

    /// What the catcher's list would say.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what the catcher answered; an answer of our own where its list fails, or its description of a message.
    pub(super) async fn mended(
        &self,
        answer: Response<Body>,
        action: &Action,
        upstream: &Arc<Upstream>,
        worker: usize,
        limit: Duration,
    ) -> Result<Response<Body>, Reject> {
        let path = action.target.path();
        let asking = |list| Asking { upstream, worker, limit, list };
        match (action.operation, answer.status()) {
            (Operation::List, StatusCode::OK) => self.ledger().list_is_well(),
            (Operation::List, StatusCode::INTERNAL_SERVER_ERROR) => {
                if let Some(text) = apart(|| self.repair.list(self, asking(path))).await? {
                    return Ok(repair::answer(text));
                }
            }
            (Operation::Message(format), status) => {
                let Some((list, id)) = message(path) else { return Ok(answer) };
                if status == StatusCode::OK {
                    self.ledger().seen(id);
                } else if status == StatusCode::INTERNAL_SERVER_ERROR
                    && format == Format::Json
                    && let Some(text) = apart(|| self.repair.message(id, asking(list))).await?
                {
                    return Ok(repair::answer(text));
                }
            }
            (Operation::Delete, StatusCode::NO_CONTENT) => {
                if let Some(id) = path.rsplit('/').next().and_then(|id| id.parse().ok()) {
                    self.ledger().removed(id);
                }
            }
            (Operation::Clear, StatusCode::NO_CONTENT) => self.ledger().cleared(),
            _ => {}
        }
        Ok(answer)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.ledger().unwatched();
    }
}

/// The path of the list, and the id, in the path of a message.
fn message(path: &str) -> Option<(&str, u64)> {
    let (list, name) = path.rsplit_once('/')?;
    let (id, _) = name.split_once('.')?;
    Some((list, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_messages_path_is_taken_apart() {
        assert_eq!(message("/mail/messages/7.json"), Some(("/mail/messages", 7)));
        for other in ["/messages", "/messages/7", "/messages/7/parts/a.b", "/"] {
            assert_eq!(message(other), None, "{other}");
        }
    }
}
