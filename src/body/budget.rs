//! The memory that bodies may be read ahead into: one budget for all of them, counted in atomics, without a lock.
//!
//! Whoever stalls a hundred downloads must not have it all. So a client may hold as much as is still free: one alone half,
//! the next half of what that leaves, and so on. A few clients could still use it up by halves; so an eighth is kept back for
//! the first part of those who hold nothing yet. Only many addresses together leave nothing for the next.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client_addr::Peer;

/// Which part of the budget is kept back for clients that hold nothing yet: an eighth.
const KEPT_BACK: usize = 8;

/// The budget. What is charged to it comes back when the charge is dropped, whatever the reason.
#[derive(Debug)]
pub struct ReadAhead {
    limit: usize,
    held: AtomicUsize,
    refused: AtomicU64,
    /// Only clients that hold, or are about to hold, something.
    clients: Mutex<HashMap<Option<IpAddr>, Arc<AtomicUsize>>>,
}

impl ReadAhead {
    /// A budget of `limit` bytes; 0 reads nothing ahead.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0), refused: AtomicU64::new(0), clients: Mutex::default() })
    }

    /// Whether anything is read ahead at all.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.limit == 0
    }

    /// How many bytes are held at this moment.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How many bodies could not be read ahead as far as they came, for want of room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// The account of `client`: one for all of its bodies.
    pub(super) fn account(self: &Arc<Self>, client: Peer) -> Arc<Account> {
        let key = client.host();
        let held = Arc::clone(self.clients().entry(key).or_default());
        Arc::new(Account { budget: Arc::clone(self), key, held })
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<Option<IpAddr>, Arc<AtomicUsize>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one body charges its bytes to.
#[derive(Debug)]
pub(super) struct Account {
    budget: Arc<ReadAhead>,
    key: Option<IpAddr>,
    /// What the client holds, in all of its bodies.
    held: Arc<AtomicUsize>,
}

impl Account {
    /// Room for `bytes` more, if what the client then holds is no more than what is left: of all for the first bytes, of
    /// all but what is kept back for more.
    pub(super) fn charge(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let limit = self.budget.limit;
        let holds = self.held.load(Ordering::Relaxed);
        let theirs = holds + bytes;
        let charged = |held: usize| {
            let held = held + bytes;
            let fits =
                if holds == 0 { held.max(bytes * 2) <= limit } else { held + theirs <= limit - limit / KEPT_BACK };
            fits.then_some(held)
        };
        self.budget.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, charged).ok()?;
        self.held.fetch_add(bytes, Ordering::Relaxed);
        Some(Charge { account: Arc::clone(self), bytes })
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut clients = self.budget.clients();
        // The map's own and this one: the last account of the client goes. New ones are made under the same lock.
        if Arc::strong_count(&self.held) == 2 {
            clients.remove(&self.key);
        }
    }
}

/// Bytes that are charged until it is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    account: Arc<Account>,
    bytes: usize,
}

impl Charge {
    /// Charges what was in the end needed. More than was asked for is charged as well: it is there.
    pub(super) fn settle(&mut self, bytes: usize) {
        let (less, more) = (self.bytes.saturating_sub(bytes), bytes.saturating_sub(self.bytes));
        self.bytes = bytes;
        for held in [&self.account.held, &self.account.budget.held] {
            if less > 0 {
                held.fetch_sub(less, Ordering::Relaxed);
            } else if more > 0 {
                held.fetch_add(more, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.settle(0);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(last: u8) -> Peer {
        Peer::Tcp(Ipv4Addr::new(192, 0, 2, last).into())
    }

    /// Charges one after another until there is no room.
    fn all(account: &Arc<Account>, bytes: usize) -> Vec<Charge> {
        std::iter::from_fn(|| account.charge(bytes)).collect()
    }

    #[test]
    fn one_client_has_at_most_half_and_the_next_half_of_the_rest_but_for_what_is_kept_back() {
        let budget = ReadAhead::new(6400);
        let [one, two, three] = [1, 2, 3].map(|last| budget.account(client(last)));
        let held = all(&one, 100);
        assert_eq!(held.len(), 28);
        // Another body of the same client finds nothing more.
        assert!(budget.account(client(1)).charge(100).is_none());
        let others = all(&two, 100);
        assert_eq!((others.len(), all(&three, 100).len()), (14, 7));
        drop(held);
        assert_eq!(all(&three, 100).len(), 21);
    }

    #[test]
    fn who_holds_nothing_yet_finds_room_when_a_few_have_taken_all_that_they_can() {
        let budget = ReadAhead::new(6400);
        let few = [1, 2, 3, 4, 5, 6, 7, 8].map(|last| budget.account(client(last)));
        let held: Vec<Charge> = few.iter().flat_map(|account| all(account, 100)).collect();
        assert!(few.iter().all(|account| account.charge(100).is_none()));
        let late = [11, 12, 13, 14, 15].map(|last| budget.account(client(last)));
        let first = late.each_ref().map(|account| account.charge(100));
        assert!(first.iter().all(Option::is_some), "{} of 6400 are held", budget.held());
        // But no more than that.
        assert!(late.iter().all(|account| account.charge(100).is_none()));
        drop((held, first));
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn what_is_dropped_is_given_back_and_who_has_left_is_forgotten() {
        let budget = ReadAhead::new(1000);
        let (one, again) = (budget.account(client(1)), budget.account(client(1)));
        let mut charge = one.charge(400).unwrap();
        charge.settle(700);
        assert_eq!(budget.held(), 700);
        charge.settle(150);
        assert_eq!(budget.held(), 150);
        drop(one);
        assert_eq!((budget.held(), budget.clients().len()), (150, 1));
        drop((charge, again));
        assert_eq!((budget.held(), budget.clients().len()), (0, 0));
    }

    #[test]
    fn a_panic_gives_back() {
        let budget = ReadAhead::new(1000);
        let account = budget.account(client(1));
        let broken = std::thread::spawn(move || {
            let _charge = account.charge(100).unwrap();
            panic!("on purpose");
        });
        assert!(broken.join().is_err());
        assert_eq!((budget.held(), budget.clients().len()), (0, 0));
    }

    #[test]
    fn workers_that_charge_at_the_same_time_never_exceed_it() {
        let budget = ReadAhead::new(10_000);
        let workers: Vec<_> = (0..4)
            .map(|last| {
                let budget = Arc::clone(&budget);
                std::thread::spawn(move || {
                    let account = budget.account(client(last));
                    for round in 0..2000 {
                        let charges = all(&account, 100 + round % 900);
                        assert!(budget.held() <= 10_000);
                        drop(charges);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!((budget.held(), budget.clients().len()), (0, 0));
    }
}
