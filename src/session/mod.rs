//! What lets people in without a password in the request: the socket ticket, and the session of the login page.
//!
//! ```text
//! right password in a request -> ticket (cookie)  -> good for the catcher's socket only, five minutes, same place
//! right password in the form  -> session (cookie) -> good for everything but what another site began, twelve hours
//! logout                      -> revoked -> its tunnels end; kept in state_dir with the key
//! ```
//!
//! Deciding is pure: [`ticket`], [`token`] and [`form`] are told the time and who the users are. [`kept`] is all that
//! touches files, by its own `ended`, and only while the login page is on. Who may come without either is
//! [`crate::auth::anonymous`]'s matter.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

// What a browser is given, and what is asked when it comes back.
pub mod cookie;
pub mod signer;
pub mod ticket;
pub mod token;

// How a session begins and ends.
mod ended;
pub mod form;
pub mod kept;
pub mod page;
pub mod revoked;

#[cfg(test)]
mod tests;

use self::kept::Kept;
use self::revoked::Revoked;
use self::signer::Signer;
pub use self::ticket::{Given, Prefix, Ticket};
pub use self::token::{Session, SessionId};
use crate::auth::{By, Identity, User, UserName, Users};

/// Whole seconds since the epoch, by the wall clock: sessions outlive the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u64);

impl Seconds {
    /// The second that `time` is in.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}

/// How far the clock may have been set back under something that was signed before.
const SET_BACK: u64 = 60;

/// The part of a cookie's value that anybody can read.
struct Clear<'a> {
    issued: Seconds,
    id: Option<[u8; 16]>,
    name: &'a [u8],
}

impl<'a> Clear<'a> {
    /// So that a later form can be told from this one.
    const FORM: u8 = 1;

    fn to_bytes(&self) -> Vec<u8> {
        let id = self.id.as_ref().map_or(&[][..], |id| id);
        [&[Self::FORM], &self.issued.0.to_be_bytes()[..], id, self.name].concat()
    }

    fn read(bytes: &'a [u8], has_id: bool) -> Option<Self> {
        let (&form, rest) = bytes.split_first()?;
        let (issued, rest) = rest.split_first_chunk()?;
        let (id, name) = if has_id {
            let (id, name) = rest.split_first_chunk()?;
            (Some(*id), name)
        } else {
            (None, rest)
        };
        let issued = Seconds(u64::from_be_bytes(*issued));
        (form == Self::FORM).then_some(Self { issued, id, name })
    }

    /// Whether `now` is no more than `lifetime` after it was issued, and hardly before.
    fn is_within(&self, lifetime: u64, now: Seconds) -> bool {
        self.issued.0 <= now.0.saturating_add(SET_BACK) && now.0 < self.issued.0.saturating_add(lifetime)
    }
}

/// The keys and the sessions that were ended. One for the whole process; it outlives reloads.
#[derive(Debug)]
pub struct Sessions {
    tickets: Signer,
    state_dir: PathBuf,
    kept: OnceLock<Kept>,
    revoked: Arc<Revoked>,
}

impl Sessions {
    /// Draws the key of the tickets, which nobody misses after a restart. Nothing is looked for in `state_dir` yet.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new(state_dir: &Path) -> io::Result<Self> {
        Ok(Self {
            tickets: Signer::random()?,
            state_dir: state_dir.to_owned(),
            kept: OnceLock::new(),
            revoked: Arc::default(),
        })
    }

    /// Readies the login page: reads or makes what is kept in the state directory. Reads and writes files, so whoever
    /// serves requests does not call it. The second call does nothing.
    ///
    /// # Errors
    /// When the system has no randomness to give. That nothing can be kept is no error.
    pub fn ready(&self, now: Seconds) -> io::Result<()> {
        if self.kept.get().is_none() {
            let kept = Kept::open(&self.state_dir, now, &self.revoked)?;
            let _ = self.kept.set(kept);
        }
        Ok(())
    }

    /// What signs tickets.
    #[must_use]
    pub fn tickets(&self) -> &Signer {
        &self.tickets
    }

    /// A session for `user`, as a cookie's value. None unless [`Sessions::ready`] was called.
    #[must_use]
    pub fn begin(&self, user: &User, now: Seconds) -> Option<String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        Some(Session::issue(self.kept.get()?.signer(), user, SessionId { issued: now, random }))
    }

    /// Who has the session of which this is the cookie's value.
    #[must_use]
    pub fn find(&self, value: &[u8], users: &Users, now: Seconds) -> Option<Identity> {
        let (user, id) = Session::read(value)?.user(self.kept.get()?.signer(), users, now)?;
        let goes_on = !self.revoked.contains(user.name(), &id);
        goes_on.then(|| Identity::of_cookie(user, By::Session(id)))
    }

    /// Ends the session that `identity` came with, if he came with one.
    pub fn end(&self, identity: &Identity) {
        if let (Some(name), By::Session(id)) = (identity.name(), identity.by())
            && self.revoked.add(name, id)
            && let Some(kept) = self.kept.get()
        {
            kept.ended(name, id);
        }
    }

    /// Whether what `identity` came with was not ended since, and is not over.
    #[must_use]
    pub fn goes_on(&self, identity: &Identity, now: Seconds) -> bool {
        match (identity.name(), identity.by()) {
            (Some(name), By::Session(id)) => !id.is_over(now) && !self.revoked.contains(name, &id),
            _ => true,
        }
    }

    /// Waits until what ended lately is noted, for at most `patience`.
    pub fn flush(&self, patience: Duration) {
        if let Some(kept) = self.kept.get() {
            kept.flush(patience);
        }
    }

    /// Forgets what is over by itself, and notes what could not be noted before. Whether there can be sessions at all, whose sockets are to be looked at then.
    pub fn sweep(&self, now: Seconds) -> bool {
        self.revoked.sweep(now);
        self.kept.get().inspect(|kept| kept.catch_up()).is_some()
    }
}

/// The user of a good ticket.
#[must_use]
pub fn of_ticket(user: &Arc<User>) -> Identity {
    Identity::of_cookie(user, By::Ticket)
}

/// A user's name for a file of lines: what a name may hold, a line need not.
fn written(name: &UserName) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(name.as_bytes())
}
