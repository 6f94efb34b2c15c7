//! How many passwords from a network are being looked at: a hundred that come at the same moment are none wrong yet.

use std::collections::HashMap;

use super::table::Key;

/// Counts of passwords in flight. Each is one of a connection's, so there are no more entries than connections.
#[derive(Default)]
pub(super) struct InFlight(HashMap<u64, u64>);

impl InFlight {
    pub(super) fn count(&self, network: Key) -> u64 {
        self.0.get(&network.tag()).copied().unwrap_or(0)
    }

    pub(super) fn begin(&mut self, network: Key) {
        *self.0.entry(network.tag()).or_default() += 1;
    }

    pub(super) fn end(&mut self, network: Key) {
        if let Some(count) = self.0.get_mut(&network.tag()) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&network.tag());
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
