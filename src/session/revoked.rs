//! Sessions that were logged out before their time.
//!
//! The list is bounded for each user: whoever logs in and out more often within twelve hours loses older sessions of
//! his own, and nobody else's. What fell off the list does not come back to life: everything of that user's that began
//! no later is refused from then on.

use std::collections::HashMap;

use arc_swap::ArcSwap;

use super::Seconds;
use super::token::{LIFETIME, SessionId};
use crate::auth::UserName;

/// Sessions of one user that are listed one by one.
const PER_USER: usize = 64;

/// Something that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A session.
    One(SessionId),
    /// Every session that began no later.
    AllUntil(Seconds),
}

/// The list. Reading takes no lock.
#[derive(Debug, Default)]
pub struct Revoked(ArcSwap<HashMap<UserName, Ended>>);

#[derive(Clone, Debug, Default)]
struct Ended {
    ids: Vec<SessionId>,
    /// What began no later is ended, listed or not.
    all_until: Option<Seconds>,
}

impl Ended {
    fn contains(&self, id: &SessionId) -> bool {
        self.all_until.is_some_and(|until| id.issued <= until) || self.ids.contains(id)
    }

    fn add(&mut self, id: SessionId) {
        self.ids.push(id);
        if self.ids.len() > PER_USER
            && let Some(oldest) = self.ids.iter().map(|id| id.issued).min()
        {
            self.all_until = self.all_until.max(Some(oldest));
            self.ids.retain(|id| id.issued > oldest);
        }
    }

    fn restore(&mut self, end: End) {
        match end {
            End::One(id) if self.contains(&id) => {}
            End::One(id) => self.add(id),
            End::AllUntil(until) => {
                self.all_until = self.all_until.max(Some(until));
                self.ids.retain(|id| id.issued > until);
            }
        }
    }

    fn forget(&mut self, now: Seconds) {
        self.ids.retain(|id| !id.is_over(now));
        self.all_until = self.all_until.filter(|until| now.0 < until.0.saturating_add(LIFETIME));
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.all_until.is_none()
    }
}

impl Revoked {
    /// Whether `name`'s session was ended.
    #[must_use]
    pub fn contains(&self, name: &UserName, id: &SessionId) -> bool {
        self.0.load().get(name).is_some_and(|ended| ended.contains(id))
    }

    /// Ends a session. Whether it went on until now.
    pub fn add(&self, name: &UserName, id: SessionId) -> bool {
        if self.contains(name, &id) {
            return false;
        }
        self.0.rcu(|map| {
            let mut map = HashMap::clone(map);
            map.entry(name.clone()).or_default().add(id);
            map
        });
        true
    }

    /// Puts on the list what was on it before a restart.
    pub fn restore(&self, ends: &[(UserName, End)]) {
        self.0.rcu(|map| {
            let mut map = HashMap::clone(map);
            for (name, end) in ends {
                map.entry(name.clone()).or_default().restore(*end);
            }
            map
        });
    }

    /// All that is on the list.
    #[must_use]
    pub fn all(&self) -> Vec<(UserName, End)> {
        let map = self.0.load();
        let ends = map.iter().flat_map(|(name, ended)| {
            let until = ended.all_until.map(End::AllUntil);
            until.into_iter().chain(ended.ids.iter().copied().map(End::One)).map(|end| (name.clone(), end))
        });
        ends.collect()
    }

    /// Forgets sessions that are over by themselves.
    pub fn sweep(&self, now: Seconds) {
        if self.0.load().is_empty() {
            return;
        }
        self.0.rcu(|map| {
            let mut map = HashMap::clone(map);
            map.retain(|_, ended| {
                ended.forget(now);
                !ended.is_empty()
            });
            map
        });
    }

    /// How many sessions are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.load().values().map(|ended| ended.ids.len()).sum()
    }

    /// Whether none is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use crate::auth::Identity;

    fn id(issued: u64, number: u8) -> SessionId {
        SessionId { issued: Seconds(issued), random: [number; 16] }
    }

    fn name(name: &str) -> UserName {
        Identity::for_tests(name).name().cloned().unwrap()
    }

    #[test]
    fn only_that_users_session_is_ended_and_once() {
        let (revoked, anna, ben) = (Revoked::default(), name("anna"), name("ben"));
        assert!(revoked.add(&anna, id(100, 1)));
        assert!(!revoked.add(&anna, id(100, 1)));
        assert!(revoked.contains(&anna, &id(100, 1)));
        assert!(!revoked.contains(&anna, &id(100, 2)) && !revoked.contains(&ben, &id(100, 1)));
    }

    #[test]
    fn what_falls_off_the_list_stays_ended_and_costs_nobody_else_anything() {
        let (revoked, anna, ben) = (Revoked::default(), name("anna"), name("ben"));
        for number in 0..=PER_USER as u64 + 10 {
            revoked.add(&anna, id(100 + number, number as u8));
        }
        assert!(revoked.len() <= PER_USER);
        assert!(revoked.contains(&anna, &id(100, 0)), "the first that was ended");
        assert!(revoked.contains(&anna, &id(90, 200)), "one that is older than it");
        assert!(!revoked.contains(&anna, &id(200, 201)), "one that began later");
        assert!(!revoked.contains(&ben, &id(90, 200)));
    }

    #[test]
    fn many_that_began_in_one_second_do_not_grow_the_list() {
        let (revoked, anna) = (Revoked::default(), name("anna"));
        (0..=255).for_each(|number| _ = revoked.add(&anna, id(100, number)));
        assert!(revoked.len() <= PER_USER);
        assert!((0..=255).all(|number| revoked.contains(&anna, &id(100, number))));
    }

    #[test]
    fn what_is_over_by_itself_is_forgotten() {
        let (revoked, anna) = (Revoked::default(), name("anna"));
        revoked.add(&anna, id(100, 1));
        revoked.sweep(Seconds(99 + LIFETIME));
        assert_eq!(revoked.len(), 1);
        revoked.sweep(Seconds(100 + LIFETIME));
        assert!(revoked.is_empty());
    }
}
