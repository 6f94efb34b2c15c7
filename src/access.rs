//! What a logged-in user may do. Only this file makes a [`Permit`], so a forward that nobody allowed does not compile.

use std::collections::HashMap;

use crate::auth::Identity;
use crate::catcher::Action;
use crate::permission::{Permission, PermissionSet};

/// The `[access]` table, with the catcher's default filled in.
#[derive(Clone, Debug)]
pub struct Access {
    default: PermissionSet,
    users: HashMap<Vec<u8>, PermissionSet>,
    anonymous: PermissionSet,
}

impl Access {
    /// `users` have their own list, which replaces `default`; whoever has no name has `anonymous`.
    #[must_use]
    pub fn new(
        default: PermissionSet,
        users: impl IntoIterator<Item = (Vec<u8>, PermissionSet)>,
        anonymous: PermissionSet,
    ) -> Self {
        Self { default, users: users.into_iter().collect(), anonymous }
    }

    /// What `identity` may do.
    #[must_use]
    pub fn of(&self, identity: &Identity) -> PermissionSet {
        match identity.name() {
            Some(name) => self.users.get(name.as_bytes()).copied().unwrap_or(self.default),
            None => self.anonymous,
        }
    }

    /// Permits `identity` to do `action`.
    ///
    /// # Errors
    /// [`Missing`] names the permission that he would need.
    pub fn permit(&self, identity: Identity, action: Action) -> Result<Permit, Missing> {
        if self.of(&identity).contains(action.permission) {
            Ok(Permit { identity, action })
        } else {
            Err(Missing(action.permission))
        }
    }
}

/// The permission that somebody lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing(pub Permission);

/// Somebody may do something: what forwarding asks for.
#[derive(Debug)]
pub struct Permit {
    identity: Identity,
    action: Action,
}

impl Permit {
    /// Who.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }
}
