//! What stays open: WebSockets and event streams, whose they are, and who may go on having one.
//!
//! A request is permitted once, but a tunnel lasts for hours. So each open one is listed with its user and the permission
//! that it took. A reload brings a new rule: whoever it does not allow loses his at once. The rule is kept, and each that
//! opens later is held against it as well: it may have been permitted by the rule before.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::Identity;
use crate::metrics::Metrics;
use crate::permission::Permission;

/// Whether a user may go on having what took that permission.
pub type Rule = Arc<dyn Fn(&Identity, Permission) -> bool + Send + Sync>;

/// The open tunnels: work that stopping waits for. Cheap to clone.
#[derive(Clone)]
pub struct Tunnels {
    tracker: TaskTracker,
    stop: CancellationToken,
    listed: Arc<Mutex<Listed>>,
    metrics: Arc<Metrics>,
}

struct Listed {
    rule: Rule,
    next: u64,
    open: HashMap<u64, Open>,
}

struct Open {
    user: Identity,
    permission: Permission,
    end: CancellationToken,
}

/// Why a tunnel has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The gate stops.
    Stopping,
    /// Its user may not have it any more.
    Revoked,
}

/// A tunnel's place in the list, given up when it is dropped.
pub struct Place {
    id: u64,
    end: CancellationToken,
    tunnels: Tunnels,
}

impl Tunnels {
    /// Tunnels that are tracked by `tracker` and end when `stop` is called. Everybody may have one until there is a rule.
    #[must_use]
    pub fn new(tracker: TaskTracker, stop: CancellationToken, metrics: Arc<Metrics>) -> Self {
        let listed = Listed { rule: Arc::new(|_, _| true), next: 0, open: HashMap::new() };
        Self { tracker, stop, listed: Arc::new(Mutex::new(listed)), metrics }
    }

    /// Ends the tunnels of those whom `rule` does not allow, now and later. How many there were.
    pub fn allow_only(&self, rule: Rule) -> usize {
        self.listed().rule = rule;
        self.look_again()
    }

    /// Ends the tunnels that the rule does not allow any more, since what it goes by has changed. How many there were.
    pub fn look_again(&self) -> usize {
        let listed = self.listed();
        let mut revoked = 0;
        for open in listed.open.values().filter(|open| !open.end.is_cancelled()) {
            if !(listed.rule)(&open.user, open.permission) {
                open.end.cancel();
                revoked += 1;
            }
        }
        drop(listed);
        self.metrics.tunnels_revoked(revoked);
        revoked
    }

    /// Lists a tunnel. One that the rule does not allow is to end as soon as it is looked at.
    #[must_use]
    pub fn list(&self, user: &Identity, permission: Permission) -> Place {
        let end = self.stop.child_token();
        let mut listed = self.listed();
        if !(listed.rule)(user, permission) {
            end.cancel();
        }
        let id = listed.next;
        listed.next += 1;
        listed.open.insert(id, Open { user: user.clone(), permission, end: end.clone() });
        drop(listed);
        self.metrics.tunnel_opened();
        Place { id, end, tunnels: self.clone() }
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed().open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the work is tracked that stopping waits for.
    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnels").field("open", &self.len()).finish_non_exhaustive()
    }
}

impl Place {
    /// Waits until the tunnel has to end.
    pub async fn left(&self) -> Leave {
        self.end.cancelled().await;
        if self.tunnels.stop.is_cancelled() { Leave::Stopping } else { Leave::Revoked }
    }

    /// The tunnel ended, for a reason of [`super::relay::End::REASONS`].
    pub(super) fn ended(&self, reason: &'static str) {
        self.tunnels.metrics.tunnel_ended(reason);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tunnels.listed().open.remove(&self.id);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn tunnels() -> (Tunnels, CancellationToken) {
        let stop = CancellationToken::new();
        let metrics = Arc::new(Metrics::new(SystemTime::now()).unwrap());
        (Tunnels::new(TaskTracker::new(), stop.clone(), metrics), stop)
    }

    fn only(name: &'static str) -> Rule {
        Arc::new(move |user, _| user.name().is_some_and(|own| own.as_bytes() == name.as_bytes()))
    }

    #[tokio::test]
    async fn a_new_rule_ends_what_it_does_not_allow_and_nothing_else() {
        let (tunnels, _stop) = tunnels();
        let (anna, ben) = (Identity::for_tests("anna"), Identity::for_tests("ben"));
        let (hers, his) = (tunnels.list(&anna, Permission::View), tunnels.list(&ben, Permission::View));
        assert_eq!(tunnels.allow_only(only("anna")), 1);
        assert_eq!(his.left().await, Leave::Revoked);
        assert!(!hers.end.is_cancelled());
        drop(his);
        assert_eq!(tunnels.len(), 1);
    }

    #[tokio::test]
    async fn what_was_permitted_before_a_rule_and_opens_after_it_ends_at_once() {
        let (tunnels, _stop) = tunnels();
        tunnels.allow_only(only("anna"));
        let late = tunnels.list(&Identity::for_tests("ben"), Permission::View);
        assert_eq!(late.left().await, Leave::Revoked);
    }

    #[tokio::test]
    async fn stopping_ends_all_and_says_so() {
        let (tunnels, stop) = tunnels();
        let place = tunnels.list(&Identity::for_tests("anna"), Permission::View);
        stop.cancel();
        assert_eq!(place.left().await, Leave::Stopping);
    }

    #[tokio::test]
    async fn a_rule_may_go_by_the_permission() {
        let (tunnels, _stop) = tunnels();
        let anna = Identity::for_tests("anna");
        let (view, write) = (tunnels.list(&anna, Permission::View), tunnels.list(&anna, Permission::Write));
        tunnels.allow_only(Arc::new(|_, permission| permission == Permission::Write));
        assert_eq!(view.left().await, Leave::Revoked);
        assert!(!write.end.is_cancelled());
    }
}
