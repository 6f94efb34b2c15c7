//! `remove` events of our own purge, which a page is told of seldom and in an order that suits it.
//!
//! MailCatcher's page selects the next older message, else the next newer one, when the selected one is removed, and
//! fetches it. Told of three thousand removals one by one it would select and fetch three thousand messages that are
//! about to go. Two kinds of page are told differently:
//! - one with our script asked for it in the handshake, and gets the numbers in one event a second:
//!   `{"type":"mailwarden","removed":[1,2,3]}`;
//! - any other gets the catcher's own events, in bursts at most once a second, oldest first, but the oldest of those with
//!   nothing older below them last of all. So whatever is selected, the next older row is one that stays, or that oldest
//!   one, and the page selects twice at most.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::Instant;

use super::outgoing::Outgoing;
use crate::forward::doomed::Doomed;
use crate::forward::frame::Opcode;

/// The time between two bursts.
pub(super) const BURST: Duration = Duration::from_secs(1);

/// What one socket was not told yet.
#[derive(Debug)]
pub(super) struct Withheld {
    /// Whether the page takes many at once.
    many_at_once: bool,
    /// In the order in which they came.
    ids: Vec<u64>,
    /// When the next burst is due.
    due: Option<Instant>,
}

impl Withheld {
    pub(super) fn new(many_at_once: bool) -> Self {
        Self { many_at_once, ids: Vec::new(), due: None }
    }

    /// Withholds the event that `id` is gone.
    pub(super) fn hold(&mut self, id: u64, now: Instant) {
        self.ids.push(id);
        self.due.get_or_insert(now + BURST);
    }

    /// When the next burst is due, if anything is withheld.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the page was not told yet that `id` is gone.
    pub(super) fn holds(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// Forgets all: the page is told that everything is gone.
    pub(super) fn forget(&mut self) {
        self.ids = Vec::new();
        self.due = None;
    }

    /// Tells the page, of all but what `doomed` keeps for last; of that too once its purge is over.
    pub(super) fn tell(&mut self, page: &mut Outgoing, doomed: &Doomed, now: Instant) {
        self.due = None;
        let ids = std::mem::take(&mut self.ids);
        let (last, mut ids): (Vec<u64>, Vec<u64>) =
            ids.into_iter().partition(|id| !self.many_at_once && doomed.is_last(*id));
        for id in last {
            if doomed.withholds(id, now) {
                self.hold(id, now);
            } else {
                ids.push(id);
            }
        }
        if ids.is_empty() {
            return;
        }
        if self.many_at_once {
            let mut text = String::from(r#"{"type":"mailwarden","removed":["#);
            for (number, id) in ids.iter().enumerate() {
                let comma = if number > 0 { "," } else { "" };
                // Writing into a string does not fail.
                let _ = write!(text, "{comma}{id}");
            }
            text.push_str("]}");
            return page.add(Opcode::Text, text.as_bytes(), now);
        }
        for id in ids {
            page.add(Opcode::Text, format!(r#"{{"type":"remove","id":{id}}}"#).as_bytes(), now);
        }
    }
}
