//! `remove` events of a purge, which a page is told of seldom and in an order that suits it.
//!
//! MailCatcher's page selects the next older message, else the next newer one, when the selected one is removed, and
//! fetches it. Told of three thousand removals one by one it would select and fetch three thousand messages that are
//! about to go. Two kinds of page are told differently:
//! - one with our script says so in the handshake, and gets the numbers in one event a second:
//!   `{"type":"mailwarden","removed":[1,2,3]}`. It gets those of other people's purges like this too, which nobody announces
//!   here: another process of ours, a loop around curl. They are known by their pace;
//! - any other gets the catcher's own events of a purge that was announced, in bursts at most once a second, oldest first,
//!   but the oldest of those with nothing older below them last of all. So whatever is selected, the next older row is one
//!   that stays, or that oldest one, and the page selects twice at most.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::Instant;

use super::outgoing::Outgoing;
use crate::forward::doomed::Doomed;
use crate::forward::frame::Opcode;

/// The time between two bursts.
pub(super) const BURST: Duration = Duration::from_secs(1);

/// So many removals within [`BURST`] are told one by one: no person deletes faster.
const SINGLY: u32 = 20;

/// What one socket was not told yet.
#[derive(Debug)]
pub(super) struct Withheld {
    /// Whether the page has our script.
    enhanced: bool,
    /// In the order in which they came.
    ids: Vec<u64>,
    /// When the next burst is due.
    due: Option<Instant>,
    /// Since when removals are counted, and how many there were.
    counted: (Instant, u32),
}

impl Withheld {
    pub(super) fn new(enhanced: bool, now: Instant) -> Self {
        Self { enhanced, ids: Vec::new(), due: None, counted: (now, 0) }
    }

    /// Counts a removal; whether it is to be told with others, by the pace at which they come.
    pub(super) fn is_one_too_many(&mut self, now: Instant) -> bool {
        if !self.enhanced || self.due.is_some() {
            return self.enhanced;
        }
        let (since, count) = &mut self.counted;
        if now >= *since + BURST {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count > SINGLY
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
        if !self.enhanced {
            // Told with the others, it goes to the end.
            self.ids.sort_by_key(|id| doomed.is_last(*id));
        }
        let kept = self.ids.iter().position(|id| !self.enhanced && doomed.is_last(*id) && doomed.withholds(*id, now));
        let kept = kept.map(|from| self.ids.split_off(from)).unwrap_or_default();
        self.tell_all(page, now);
        for id in kept {
            self.hold(id, now);
        }
    }

    /// Tells the page of all.
    pub(super) fn tell_all(&mut self, page: &mut Outgoing, now: Instant) {
        self.due = None;
        let ids = std::mem::take(&mut self.ids);
        if ids.is_empty() {
            return;
        }
        if !self.enhanced {
            for id in ids {
                page.add(Opcode::Text, format!(r#"{{"type":"remove","id":{id}}}"#).as_bytes(), now);
            }
            return;
        }
        // Where there were many there are more: one event a second, and nothing between.
        self.counted = (now, SINGLY);
        let mut text = String::from(r#"{"type":"mailwarden","removed":["#);
        for (number, id) in ids.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            // Writing into a string does not fail.
            let _ = write!(text, "{comma}{id}");
        }
        text.push_str("]}");
        page.add(Opcode::Text, text.as_bytes(), now);
    }
}
