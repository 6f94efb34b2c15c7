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
//! What is held for a browser is bounded: over [`Pace::held`] the catcher is not read, and a browser that stays there for
//! [`Pace::stall`], or takes nothing for so long, is cut off; its page comes back and asks for the list. The catcher's
//! `quit` is kept from the page, which would alert and leave the site; `remove` events of our own purge are told in bursts
//! ([`withheld`]).

mod beat;
mod bytes;
mod events;
mod incoming;
mod outgoing;
mod side;
mod withheld;

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use self::beat::{Due, Rhythm};
pub use self::bytes::{LINGER, bytes};
use self::events::Event;
use self::incoming::Piece;
use self::side::{CHUNK, Side};
use self::withheld::Withheld;
use super::feed::{Feed, Watched};
use super::frame::{self, FrameError, Opcode, Sender};
use super::tunnels::{Leave, Place};

/// How long a last frame may take to be written, and the other end to follow.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the catcher may take to answer a browser's close.
const CLOSING: Duration = Duration::from_secs(5);

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

/// Relays frames until the tunnel ends, for one of the reasons above. `many_at_once` says whether the page takes many
/// removals in one event.
pub async fn frames<C, U>(client: C, catcher: U, place: &Place, feed: &Feed, pace: Pace, many_at_once: bool) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let now = Instant::now();
    let mut relay = Relay {
        browser: Side::new(client, Sender::Client, pace.browser, now),
        catcher: Side::new(catcher, Sender::Server, pace.catcher, now),
        withheld: Withheld::new(many_at_once),
        feed,
        _watched: feed.watched(),
        pace,
        over: None,
        closing: None,
        half_closed: None,
    };
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

/// Both sides, and what lies between them.
struct Relay<'a, C, U> {
    browser: Side<C>,
    catcher: Side<U>,
    withheld: Withheld,
    feed: &'a Feed,
    _watched: Watched<'a>,
    pace: Pace,
    /// Since when more than `held` waits for the browser.
    over: Option<Instant>,
    /// Since when the browser's close has been passed on.
    closing: Option<Instant>,
    /// Since when the browser has ended its direction.
    half_closed: Option<Instant>,
}

impl<C, U> Relay<'_, C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// Moves all that can be moved at this moment.
    fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<End> {
        loop {
            if let Poll::Ready(Err(error)) = self.browser.poll_write(cx, now) {
                return Poll::Ready(End::Broke(error));
            }
            if let Poll::Ready(Err(error)) = self.catcher.poll_write(cx, now) {
                return Poll::Ready(self.catcher_ended(Some(error)));
            }
            match (self.read_browser(cx, now), self.read_catcher(cx, now)) {
                (Err(end), _) | (_, Err(end)) => return Poll::Ready(end),
                (Ok(false), Ok(false)) => return Poll::Pending,
                (Ok(true), _) | (_, Ok(true)) => {}
            }
        }
    }

    /// Whether anything came from the browser and was dealt with.
    fn read_browser(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        let side = &mut self.browser;
        if side.read_ended {
            return Ok(false);
        }
        if self.catcher.to.waiting().len() >= CHUNK {
            // It is not asked for more, so its silence says nothing.
            side.beat.heard(now);
            return Ok(false);
        }
        match side.poll_read(cx, now) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(error)) => return Err(End::Broke(error)),
            Poll::Ready(Ok(0)) => {
                self.half_closed = Some(now);
                self.catcher.finish = true;
                return Ok(true);
            }
            Poll::Ready(Ok(_)) => {}
        }
        while let Some(piece) = side.from.next().map_err(|error| End::Protocol(Sender::Client, error))? {
            let to = &mut self.catcher.to;
            match piece {
                Piece::Beat(Opcode::Pong, payload, _) if side.beat.is_ours(&payload) => {}
                Piece::Data(part, ends) => to.pass(part, ends, now),
                Piece::Beat(_, _, whole) | Piece::Event(_, whole) => to.pass(whole, true, now),
                Piece::Close(_, whole) => {
                    to.pass_close(whole, now);
                    self.closing = Some(now);
                }
            }
        }
        Ok(true)
    }

    /// Whether anything came from the catcher and was dealt with.
    fn read_catcher(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, End> {
        if self.browser.to.waiting().len() <= self.pace.held {
            self.over = None;
        } else {
            self.over.get_or_insert(now);
            self.catcher.beat.heard(now);
            return Ok(false);
        }
        match self.catcher.poll_read(cx, now) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(error)) => return Err(self.catcher_ended(Some(error))),
            Poll::Ready(Ok(0)) => return Err(self.catcher_ended(None)),
            Poll::Ready(Ok(_)) => {}
        }
        while let Some(piece) = self.catcher.from.next().map_err(|error| End::Protocol(Sender::Server, error))? {
            match piece {
                Piece::Beat(Opcode::Pong, payload, _) if self.catcher.beat.is_ours(&payload) => {}
                Piece::Data(part, ends) => self.browser.to.pass(part, ends, now),
                Piece::Beat(_, _, whole) => self.browser.to.pass(whole, true, now),
                Piece::Event(event, whole) => {
                    if self.tells(event, now) {
                        self.browser.to.pass(whole, true, now);
                    }
                }
                Piece::Close(code, whole) => {
                    let end = self.catcher_ended(None);
                    // Of its own accord, and for no fault of the browser's, it only closes when it ends.
                    let restarts = matches!(code, None | Some(frame::CLOSE_NORMAL | frame::CLOSE_GOING_AWAY));
                    if matches!(end, End::Closed) || !restarts {
                        self.browser.to.pass_close(whole, now);
                    }
                    self.catcher.to.close(code.unwrap_or(frame::CLOSE_NORMAL), now);
                    return Err(end);
                }
            }
        }
        Ok(true)
    }

    /// Takes note of an event of the catcher's; whether the page is told of it now.
    fn tells(&mut self, event: Event, now: Instant) -> bool {
        match event {
            Event::Add(id) => {
                self.feed.ledger().added(id);
                if self.withheld.holds(id) {
                    // Its number was another's a moment ago.
                    self.tell_withheld(now);
                }
                true
            }
            Event::Remove(id) => {
                self.feed.ledger().removed(id);
                let withhold = self.feed.doomed().is_some_and(|doomed| doomed.withholds(id, now));
                if withhold {
                    self.withheld.hold(id, now);
                } else if self.withheld.due().is_some() {
                    self.tell_withheld(now);
                }
                !withhold
            }
            Event::Clear => {
                self.feed.ledger().cleared();
                self.withheld.forget();
                true
            }
            Event::Quit => {
                tracing::info!("the catcher ends; its farewell is kept from the page");
                false
            }
            Event::Other => true,
        }
    }

    fn tell_withheld(&mut self, now: Instant) {
        self.withheld.tell(&mut self.browser.to, self.feed.doomed().as_deref(), now);
    }

    /// What it means that the catcher's side has ended.
    fn catcher_ended(&self, error: Option<io::Error>) -> End {
        if self.closing.is_some() || self.half_closed.is_some() {
            return End::Closed;
        }
        End::CatcherLost(error)
    }

    /// When something may be due.
    fn next_look(&self) -> Instant {
        let waits_since = [self.browser.to.waits_since(), self.over].into_iter().flatten().min();
        let ends = [
            self.closing.map(|since| since + CLOSING),
            self.half_closed.map(|since| since + LINGER),
            waits_since.map(|since| since + self.pace.stall),
            self.withheld.due(),
            self.asks().then(|| self.browser.beat.next().min(self.catcher.beat.next())),
        ];
        // When neither is asked, one of the others is due some time.
        ends.into_iter().flatten().min().unwrap_or_else(|| self.catcher.beat.next())
    }

    /// Whether the sides are asked if they are there: not once the browser has said goodbye.
    fn asks(&self) -> bool {
        self.closing.is_none() && self.half_closed.is_none()
    }

    /// Does what is due at this moment; how the tunnel ends, if it does.
    fn look(&mut self, now: Instant) -> Option<End> {
        let over = |since: Option<Instant>, limit| since.is_some_and(|since| now >= since + limit);
        if over(self.closing, CLOSING) {
            return Some(End::Closed);
        }
        if over(self.half_closed, LINGER) {
            return Some(End::Lingered);
        }
        if over(self.browser.to.waits_since(), self.pace.stall) || over(self.over, self.pace.stall) {
            return Some(End::Slow);
        }
        if self.asks() {
            match self.catcher.beat.look(now) {
                Due::Nothing => {}
                Due::Ping(payload) => self.catcher.to.add(Opcode::Ping, &payload, now),
                Due::Gone => return Some(End::CatcherLost(Some(io::ErrorKind::TimedOut.into()))),
            }
            match self.browser.beat.look(now) {
                Due::Nothing => {}
                Due::Ping(payload) => self.browser.to.add(Opcode::Ping, &payload, now),
                Due::Gone => return Some(End::Silent),
            }
        }
        if over(self.withheld.due(), Duration::ZERO) {
            self.tell_withheld(now);
        }
        None
    }

    /// Closes both sides, each with a last frame where one may stand and is read.
    async fn farewell(&mut self, end: &End) {
        let now = Instant::now();
        let (to_browser, to_catcher) = match end {
            End::Closed if self.closing.is_some() => (Some(frame::CLOSE_NORMAL), None),
            End::Closed | End::Lingered => (None, None),
            End::Broke(_) | End::Slow => (None, Some(frame::CLOSE_GOING_AWAY)),
            End::Silent => (Some(frame::CLOSE_GOING_AWAY), Some(frame::CLOSE_GOING_AWAY)),
            End::CatcherLost(error) => {
                if error.is_some() || !self.catcher.to.is_closed() {
                    self.feed.ledger().lost();
                }
                (Some(frame::CLOSE_RESTART), Some(frame::CLOSE_GOING_AWAY))
            }
            End::Protocol(_, error) => (Some(error.code()), Some(error.code())),
            End::Left(leave) => {
                let code = match leave {
                    Leave::Stopping => frame::CLOSE_GOING_AWAY,
                    Leave::Revoked => frame::CLOSE_POLICY,
                };
                // To the catcher it is the browser that goes away: it has broken no rule.
                (Some(code), Some(frame::CLOSE_GOING_AWAY))
            }
        };
        if let Some(code) = to_browser {
            self.browser.to.close(code, now);
        }
        if let Some(code) = to_catcher {
            self.catcher.to.close(code, now);
        }
        // Whoever does not take a few bytes by then does not get them.
        let browser = async {
            if !matches!(end, End::Slow | End::Broke(_)) {
                _ = timeout(LAST_WORDS, self.browser.close()).await;
            }
        };
        let catcher = async { _ = timeout(LAST_WORDS, self.catcher.close()).await };
        tokio::join!(browser, catcher);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a failed unwrap is a failed test")]
mod tests;
