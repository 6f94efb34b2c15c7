//! How many handshakes go on at one time, in all and from one address; more wait.
//!
//! A handshake that is not finished holds memory and is worth nothing yet. Whoever opens many and goes no further with them
//! makes only himself wait: his share is used up before the others' is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The places for handshakes.
#[derive(Debug)]
pub(super) struct Handshakes {
    in_all: Semaphore,
    share: usize,
    /// No more than there are connections that shake hands or wait to.
    by_address: Mutex<HashMap<IpAddr, Shared>>,
}

#[derive(Debug)]
struct Shared {
    places: Arc<Semaphore>,
    /// How many use it.
    users: usize,
}

impl Handshakes {
    /// At most `in_all`, and `share` from one address; neither is nought.
    #[must_use]
    pub(super) fn new(in_all: usize, share: usize) -> Self {
        Self { in_all: Semaphore::new(in_all), share, by_address: Mutex::default() }
    }

    /// Waits for a place, which goes with what `work` makes: it is given up when that is done. Those that have no `address`
    /// have no share, as they have no limit on connections.
    pub(super) async fn in_turn<T>(&self, address: Option<IpAddr>, work: impl Future<Output = T>) -> T {
        let share = address.map(|address| self.share_of(address));
        let _own: Option<SemaphorePermit<'_>> = match &share {
            // An error would be a semaphore that was closed, and none ever is.
            Some(share) => share.places.acquire().await.ok(),
            None => None,
        };
        let _place = self.in_all.acquire().await.ok();
        work.await
    }

    fn share_of(&self, address: IpAddr) -> Share<'_> {
        let mut shares = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let shared =
            shares.entry(address).or_insert_with(|| Shared { places: Arc::new(Semaphore::new(self.share)), users: 0 });
        shared.users += 1;
        Share { handshakes: self, address, places: Arc::clone(&shared.places) }
    }
}

/// The use of an address's share.
struct Share<'a> {
    handshakes: &'a Handshakes,
    address: IpAddr,
    places: Arc<Semaphore>,
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut shares = self.handshakes.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = shares.get_mut(&self.address) {
            shared.users -= 1;
            if shared.users == 0 {
                shares.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::*;

    /// Whether there is a place at once.
    async fn has_room(handshakes: &Handshakes, address: Option<IpAddr>) -> bool {
        tokio::time::timeout(Duration::ZERO, handshakes.in_turn(address, async {})).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_uses_up_its_own_share_and_no_more() {
        let handshakes = Arc::new(Handshakes::new(3, 2));
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let hang = |address| {
            let handshakes = Arc::clone(&handshakes);
            tokio::spawn(async move { handshakes.in_turn(address, pending::<()>()).await })
        };
        let hanging = [hang(address(1)), hang(address(1)), hang(address(1))];
        tokio::task::yield_now().await;
        assert!(!has_room(&handshakes, address(1)).await);
        assert!(has_room(&handshakes, address(2)).await, "the third of the first one's waits for its own share");
        let other = hang(address(2));
        tokio::task::yield_now().await;
        assert!(!has_room(&handshakes, None).await, "all places are taken");
        for task in hanging.iter().chain([&other]) {
            task.abort();
        }
        for task in hanging.into_iter().chain([other]) {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert!(has_room(&handshakes, None).await);
        assert!(handshakes.by_address.lock().unwrap().is_empty());
    }
}
