//! What all who ask for one catcher's mail share, whatever their runtime.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};

use super::feed::Feed;
use super::lists::Lists;
use super::repair::{self, Asking, Repair};
use super::upstream::Upstream;
use crate::body::Body;
use crate::catcher::{Action, Format, Operation};
use crate::reject::Reject;

/// Shared by all who ask for one catcher's mail.
#[derive(Debug, Default)]
pub struct Mailbox {
    pub(super) lists: Lists,
    feed: Arc<Feed>,
    repair: Repair,
}

impl Mailbox {
    /// What is known of the mail, and what a purge announces.
    #[must_use]
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
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
            (Operation::List, StatusCode::OK) => self.feed.ledger().list_is_well(),
            (Operation::List, StatusCode::INTERNAL_SERVER_ERROR) => {
                if let Some(text) = self.repair.list(&self.feed, asking(path)).await? {
                    return Ok(repair::answer(text));
                }
            }
            (Operation::Message(format), status) => {
                let Some((list, id)) = message(path) else { return Ok(answer) };
                if status == StatusCode::OK {
                    self.feed.ledger().seen(id);
                } else if status == StatusCode::INTERNAL_SERVER_ERROR
                    && format == Format::Json
                    && let Some(text) = self.repair.message(id, asking(list)).await?
                {
                    return Ok(repair::answer(text));
                }
            }
            (Operation::Delete, StatusCode::NO_CONTENT) => {
                if let Some(id) = path.rsplit('/').next().and_then(|id| id.parse().ok()) {
                    self.feed.ledger().removed(id);
                }
            }
            (Operation::Clear, StatusCode::NO_CONTENT) => self.feed.ledger().cleared(),
            _ => {}
        }
        Ok(answer)
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
