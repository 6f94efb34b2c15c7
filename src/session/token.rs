//! The session: what a person who logged in by the form is known by. It exists only with `auth.login_page = true`.
//!
//! Like the ticket it is signed together with the user's stored hash, so that a changed password ends it everywhere. It
//! has an id, which logging out puts on a list ([`super::revoked`]), and ends twelve hours after it began, used or not.

use std::sync::Arc;

use super::signer::{Sealed, Signer};
use super::{Clear, Seconds};
use crate::auth::keyed::Purpose;
use crate::auth::{User, Users};

/// How long it lasts, in seconds.
pub const LIFETIME: u64 = 12 * 60 * 60;

/// What tells a session from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// When it began.
    pub issued: Seconds,
    /// Chosen by chance.
    pub random: [u8; 16],
}

impl SessionId {
    /// Whether it is over by itself.
    #[must_use]
    pub fn is_over(&self, now: Seconds) -> bool {
        now.0 >= self.issued.0.saturating_add(LIFETIME)
    }
}

/// A session as it came. Whose it is is told by [`Session::user`] alone.
#[derive(Debug)]
pub struct Session(Sealed);

impl Session {
    /// The value of a new one.
    #[must_use]
    pub fn issue(signer: &Signer, user: &User, id: SessionId) -> String {
        let clear = Clear { issued: id.issued, id: Some(id.random), name: user.name().as_bytes() }.to_bytes();
        signer.seal(Purpose::Session, &clear, &[user.hash().as_bytes()])
    }

    /// Reads a cookie's value.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        Sealed::read(text).map(Self)
    }

    /// Whose it is and which one, if it is good now. Whether it was ended is not its own to know.
    #[must_use]
    pub fn user<'a>(&self, signer: &Signer, users: &'a Users, now: Seconds) -> Option<(&'a Arc<User>, SessionId)> {
        let clear = Clear::read(self.0.clear(), true)?;
        let user = users.get(clear.name);
        // Computed for a name that nobody has as well, so that the time does not tell.
        let hash = user.map_or(&b""[..], |user| user.hash().as_bytes());
        let signed = signer.signed(Purpose::Session, &self.0, &[hash]);
        let id = SessionId { issued: clear.issued, random: clear.id? };
        user.filter(|_| signed && clear.is_within(LIFETIME, now)).map(|user| (user, id))
    }
}
