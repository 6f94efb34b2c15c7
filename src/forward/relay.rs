//! The two directions of an open tunnel, until both have ended.
//!
//! [`frames()`] is for a catcher whose socket is known; [`bytes()`] is for any other.
//!
//! MailCatcher cuts a socket on which it has sent nothing for 30 to 60 s, without a word, and its page never opens
//! another. So the catcher is pinged, on frame boundaries, and so is the browser; the pongs to our pings are ours, those
//! to others' pass. A side that says nothing for too long is gone, and the other one is told so:
//!
//! | what happens | the browser is told | the catcher is told |
//! |---|---|---|
//! | the catcher ends, breaks, falls silent, or closes of its own accord | 1012 | |
//! | the browser closes | the catcher's answer | the same close |
//! | the browser breaks or falls silent | | 1001 |
//! | the browser takes too little | nothing, it takes nothing | 1001 |
//! | what is no frame comes from a side | 1002, 1007 or 1009 | the same |
//! | the gate stops | 1001 | 1001 |
//! | its user may not have it any more | 1008 | 1001 |
//!
//! What is held for a browser is bounded: over 256 KiB the catcher is not read, and a browser that stays there for
//! twice `timeouts.ping`, or takes nothing for so long, is cut off; its page comes back and asks for the list. The catcher's
//! `quit` is kept from the page, which would alert and leave the site; `remove` events of a purge are told in bursts
//! (`withheld`). A browser does not tell a page of pings, so with each a page with our script is sent a word that it can see:
//! `{"type":"mailwarden","beat":30000}`, the time to the next one in ms; the first comes when the socket opens.

mod beat;
mod between;
mod bytes;
mod events;
mod incoming;
mod outgoing;
mod side;
mod withheld;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use self::beat::Rhythm;
use self::between::Relay;
pub use self::bytes::{LINGER, bytes};
use super::frame::{FrameError, Sender};
use super::inbox::Inbox;
use super::tunnels::{Leave, Place};

/// The times and amounts of a relay of frames.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    catcher: Rhythm,
    browser: Rhythm,
    /// How long a browser may take nothing of what waits for it, or have more than `held` waiting.
    stall: Duration,
    /// How much may wait for a browser before the catcher is not read, in bytes.
    held: usize,
}

impl Pace {
    /// That of a relay which pings the catcher each `ping`.
    ///
    /// The browser is pinged half as often, and is gone when nothing came from it for five times `ping`. The catcher may be
    /// silent for eight times: while it clears a full list it serves nobody for over a minute.
    #[must_use]
    pub fn of(ping: Duration) -> Self {
        Self {
            catcher: Rhythm { every: ping, silence: ping * 8 },
            browser: Rhythm { every: ping * 2, silence: ping * 5 },
            stall: ping * 2,
            held: 256 << 10,
        }
    }
}

/// How a tunnel ended.
#[derive(Debug)]
pub enum End {
    /// Both sides had closed.
    Closed,
    /// One side closed and the other did not follow.
    Lingered,
    /// The browser's connection broke, or of a tunnel of bytes either.
    Broke(io::Error),
    /// Nothing came from the browser for too long.
    Silent,
    /// The browser took too little.
    Slow,
    /// The catcher ended its side, or it broke, or nothing came from it for too long.
    CatcherLost(Option<io::Error>),
    /// A side sent what is no frame.
    Protocol(Sender, FrameError),
    /// It had to end.
    Left(Leave),
}

impl End {
    /// Its name in the metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            End::Closed => "closed",
            End::Lingered => "half closed",
            End::Broke(_) => "broken",
            End::Silent => "silent",
            End::Slow => "slow",
            End::CatcherLost(_) => "catcher",
            End::Protocol(..) => "protocol",
            End::Left(Leave::Stopping) => "stop",
            End::Left(Leave::Revoked) => "revoked",
        }
    }

    /// Every name.
    pub const REASONS: [&str; 9] =
        ["closed", "half closed", "broken", "silent", "slow", "catcher", "protocol", "stop", "revoked"];
}

/// Relays frames until the tunnel ends, for one of the reasons above. `enhanced` says whether the page has our
/// script.
pub async fn frames<C, U>(client: C, catcher: U, place: &Place, inbox: &Inbox, pace: Pace, enhanced: bool) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let mut relay = Relay::new(client, catcher, inbox, pace, enhanced);
    let mut timer = pin!(sleep_until(relay.next_look()));
    let running = poll_fn(|cx| {
        loop {
            let now = Instant::now();
            if let Poll::Ready(end) = relay.turn(cx, now) {
                return Poll::Ready(end);
            }
            let next = relay.next_look();
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(end) = relay.look(Instant::now()) {
                return Poll::Ready(end);
            }
        }
    });
    let end = tokio::select! {
        end = running => end,
        leave = place.left() => End::Left(leave),
    };
    relay.farewell(&end).await;
    end
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
mod tests;
