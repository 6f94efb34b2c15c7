//! The socket ticket: what lets a browser open the catcher's WebSocket that sends no Basic credentials on one, as
//! Safari.
//!
//! It says who and when, and is signed together with what it is bound to: the user's stored hash, so that a changed
//! password ends it, the client's prefix and its `User-Agent`. It is a cookie, and cookies ignore ports: a colleague's
//! program on the same host is sent it as well. So it lasts five minutes and opens nothing but the socket.

use std::net::IpAddr;
use std::sync::Arc;

use super::signer::{Sealed, Signer};
use super::{Clear, Seconds};
use crate::auth::keyed::Purpose;
use crate::auth::{User, UserName, Users};
use crate::client_addr::Peer;

/// How long it is good, in seconds.
pub const LIFETIME: u64 = 5 * 60;

/// A younger one is not replaced: that would only cost both sides.
const RENEWED_AFTER: u64 = 60;

/// Where a client is, as far as a ticket cares: the whole of an IPv4 address, and 64 bits of an IPv6 one.
///
/// A host moves about within its /64 by itself (RFC 8981). An IPv4 /24 on the other hand is an office's network: just
/// the colleagues whose programs may have been sent the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix([u8; 9]);

impl Prefix {
    /// The prefix that `client` is in.
    #[must_use]
    pub fn of(client: Peer) -> Self {
        let mut prefix = [0; 9];
        match client {
            Peer::Unix => {}
            Peer::Tcp(IpAddr::V4(ip)) => {
                prefix[0] = 4;
                prefix[1..5].copy_from_slice(&ip.octets());
            }
            Peer::Tcp(IpAddr::V6(ip)) => {
                prefix[0] = 6;
                prefix[1..].copy_from_slice(&ip.octets()[..8]);
            }
        }
        Self(prefix)
    }
}

/// A ticket as it came. Who holds it is told by [`Ticket::user`] alone.
#[derive(Debug)]
pub struct Ticket(Sealed);

impl Ticket {
    /// The value of a new one.
    #[must_use]
    pub fn issue(signer: &Signer, user: &User, prefix: Prefix, agent: &[u8], now: Seconds) -> String {
        let clear = Clear { issued: now, id: None, name: user.name().as_bytes() }.to_bytes();
        signer.seal(Purpose::Ticket, &clear, &[user.hash().as_bytes(), &prefix.0, agent])
    }

    /// Reads a cookie's value.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        Sealed::read(text).map(Self)
    }

    /// Whose it is, if it is good here and now.
    #[must_use]
    pub fn user<'a>(
        &self,
        signer: &Signer,
        users: &'a Users,
        prefix: Prefix,
        agent: &[u8],
        now: Seconds,
    ) -> Option<&'a Arc<User>> {
        let clear = Clear::read(self.0.clear(), false)?;
        let user = users.get(clear.name);
        // Computed for a name that nobody has as well, so that the time does not tell.
        let hash = user.map_or(&b""[..], |user| user.hash().as_bytes());
        let signed = signer.signed(Purpose::Ticket, &self.0, &[hash, &prefix.0, agent]);
        user.filter(|_| signed && clear.is_within(LIFETIME, now))
    }

    /// Whether it says of itself that it is `name`'s and young. Without a look at the signature: who says so falsely
    /// only gets no better one.
    #[must_use]
    pub fn seems_fresh(&self, name: &UserName, now: Seconds) -> bool {
        Clear::read(self.0.clear(), false)
            .is_some_and(|clear| clear.name == name.as_bytes() && clear.is_within(RENEWED_AFTER, now))
    }
}

/// The last ticket that a connection was given: a client without a place for cookies is not given one with each answer.
#[derive(Debug)]
pub struct Given {
    at: Seconds,
    to: UserName,
    client: Peer,
}

impl Given {
    /// Given at this time.
    #[must_use]
    pub fn new(to: UserName, client: Peer, at: Seconds) -> Self {
        Self { at, to, client }
    }

    /// Whether the same user at the same place was given one just now.
    #[must_use]
    pub fn is_fresh(&self, name: &UserName, client: Peer, now: Seconds) -> bool {
        self.to == *name && self.client == client && now.0.abs_diff(self.at.0) < RENEWED_AFTER
    }
}
