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
    /// `users` have a list, their own or their groups', which replaces `default`; whoever has no name has `anonymous`.
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
    /// [`Missing`] names the permission that he would need, and those that he has.
    pub fn permit(&self, identity: Identity, action: Action) -> Result<Permit, Missing> {
        let has = self.of(&identity);
        if has.contains(action.permission) {
            Ok(Permit { identity, action })
        } else {
            Err(Missing { permission: action.permission, has })
        }
    }
}

/// What somebody lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The permission that it takes.
    pub permission: Permission,
    /// Those that he has.
    pub has: PermissionSet,
}

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
