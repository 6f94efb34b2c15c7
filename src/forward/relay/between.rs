//! What lies between the two sides: what passes, what is due, and how both are told of the end.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};

use super::beat::Due;
use super::events::Event;
use super::incoming::Piece;
use super::side::{CHUNK, Side};
use super::withheld::Withheld;
use super::{End, LINGER, Pace};
use crate::forward::frame::{self, Opcode, Sender};
use crate::forward::inbox::{Inbox, Watched};
use crate::forward::tunnels::Leave;

/// How long a last frame may take to be written, and the other end to follow.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the catcher may take to answer a browser's close.
const CLOSING: Duration = Duration::from_secs(5);

/// Both sides, and what lies between them.
pub(super) struct Relay<'a, C, U> {
    browser: Side<C>,
    catcher: Side<U>,
    withheld: Withheld,
    /// Whether the page has our script.
    enhanced: bool,
    inbox: &'a Inbox,
    _watched: Watched<'a>,
    pace: Pace,
    /// Since when more than `held` waits for the browser.
    over: Option<Instant>,
    /// Since when the browser's close has been passed on.
    closing: Option<Instant>,
    /// Since when the browser has ended its direction.
    half_closed: Option<Instant>,
}

impl<'a, C, U> Relay<'a, C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// Between a browser and a catcher that have just been connected.
    pub(super) fn new(client: C, catcher: U, inbox: &'a Inbox, pace: Pace, enhanced: bool) -> Self {
        let now = Instant::now();
        let mut relay = Self {
            browser: Side::new(client, Sender::Client, pace.browser, now),
            catcher: Side::new(catcher, Sender::Server, pace.catcher, now),
            withheld: Withheld::new(enhanced, now),
            enhanced,
            inbox,
            _watched: inbox.watched(),
            pace,
            over: None,
            closing: None,
            half_closed: None,
        };
        relay.tell_beat(now);
        relay
    }

    /// Moves all that can be moved at this moment.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<End> {
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
                Piece::Data(part, ends) => {
                    // It may be a long `add`, which is not read: of a number that was another's a moment ago.
                    self.withheld.tell_all(&mut self.browser.to, now);
                    self.browser.to.pass(part, ends, now);
                }
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
                self.inbox.ledger().added(id);
                if self.withheld.holds(id) {
                    // Its number was another's a moment ago.
                    self.withheld.tell_all(&mut self.browser.to, now);
                }
                true
            }
            Event::Remove(id) => {
                self.inbox.ledger().removed(id);
                if self.inbox.doomed().withholds(id, now) || self.withheld.is_one_too_many(now) {
                    self.withheld.hold(id, now);
                    return false;
                }
                if self.withheld.due().is_some() {
                    self.tell_withheld(now);
                }
                true
            }
            Event::Clear => {
                self.inbox.ledger().cleared();
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
        self.withheld.tell(&mut self.browser.to, self.inbox.doomed(), now);
    }

    /// Tells our script that the socket is alive, and when it will be told again; in the midst of a message it sees that.
    fn tell_beat(&mut self, now: Instant) {
        if self.enhanced && !self.catcher.from.is_inside_message() {
            let text = format!(r#"{{"type":"mailwarden","beat":{}}}"#, self.pace.browser.every.as_millis());
            self.browser.to.add(Opcode::Text, text.as_bytes(), now);
        }
    }

    /// What it means that the catcher's side has ended.
    fn catcher_ended(&self, error: Option<io::Error>) -> End {
        if self.closing.is_some() || self.half_closed.is_some() {
            return End::Closed;
        }
        End::CatcherLost(error)
    }

    /// When something may be due.
    pub(super) fn next_look(&self) -> Instant {
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
    pub(super) fn look(&mut self, now: Instant) -> Option<End> {
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
                Due::Ping(payload) => {
                    self.browser.to.add(Opcode::Ping, &payload, now);
                    self.tell_beat(now);
                }
                Due::Gone => return Some(End::Silent),
            }
        }
        if over(self.withheld.due(), Duration::ZERO) {
            self.tell_withheld(now);
        }
        None
    }

    /// Closes both sides, each with a last frame where one may stand and is read.
    pub(super) async fn farewell(&mut self, end: &End) {
        let now = Instant::now();
        let (to_browser, to_catcher) = match end {
            End::Closed if self.closing.is_some() => (Some(frame::CLOSE_NORMAL), None),
            End::Closed | End::Lingered => (None, None),
            End::Broke(_) | End::Slow => (None, Some(frame::CLOSE_GOING_AWAY)),
            End::Silent => (Some(frame::CLOSE_GOING_AWAY), Some(frame::CLOSE_GOING_AWAY)),
            End::CatcherLost(_) => {
                self.inbox.ledger().lost();
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
