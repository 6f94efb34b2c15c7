//! Reading ahead: what the catcher sends is taken from it although the client takes nothing at the moment.
//!
//! MailCatcher cuts an answer whose reader stands still for half a minute, so to pass a client's pace on to it is to lose
//! the client's download. hyper asks for more of a body only when it has room for it; so it is the client's connection,
//! when a write to the client has to wait, that reads on here, in the same task and with the same waker. A client who
//! takes what there is costs nothing: nothing is queued for him. Nor for one who makes it wait for a moment only.
//!
//! What is read is held in memory of its own, charged to the budget before it is there. Without room nothing is read: the
//! catcher has to wait as it did, and if it cuts then, the answer breaks off.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::SizeHint;
use tokio::time::Sleep;

use super::BodyError;
use super::budget::{Account, Charge, ReadAhead};
use crate::client_addr::Peer;

/// The most of one body that is held, in bytes. No mail is as long; only what never ends is.
const LONGEST: usize = 32 << 20;

/// What a part of a body is at the most, in bytes: hyper reads into a buffer of 408 KiB, which may have doubled. So much
/// is charged before a part is asked for.
const PART: usize = 1 << 20;

/// The least that is taken from the system at once, so that a thousand small parts are not a thousand pieces of memory.
const BLOCK: usize = 16 << 10;

/// How long a body is only waited with, from the first time that its client made it wait: to copy is half as fast as to
/// pass on, and who takes a large answer in less time than this needs nothing.
const GRACE: Duration = Duration::from_millis(250);

/// How often a body for which there was no room looks again. The catcher's patience is half a minute.
const AGAIN: Duration = Duration::from_secs(1);

/// What is read ahead.
pub(super) trait Parts {
    /// The next part; none at the end. Not called again after an end or an error.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;

    /// Whether it is known that nothing more comes.
    fn is_ended(&self) -> bool;

    /// How much is to come.
    fn size_hint(&self) -> SizeHint;
}

/// A body and what was read of it ahead.
#[derive(Debug)]
pub(super) struct Ahead<P> {
    parts: P,
    budget: Arc<ReadAhead>,
    client: Peer,
    /// Made when it is first needed: most bodies never are read ahead.
    account: Option<Arc<Account>>,
    queue: VecDeque<Block>,
    /// The memory of all blocks, in bytes.
    held: usize,
    end: Option<End>,
    /// Whether its client has made it wait.
    begun: bool,
    /// Whether it was counted as one for which there was no room.
    refused: bool,
    /// Until when nothing is read.
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Block {
    bytes: BytesMut,
    _charge: Charge,
}

/// How the parts ended; to the client [`End::Well`] once the rest has been told.
#[derive(Debug)]
enum End {
    Well,
    Broken(BodyError),
}

impl<P: Parts> Ahead<P> {
    /// `parts`, read ahead within `budget` on the account of `client`.
    pub(super) fn new(parts: P, budget: Arc<ReadAhead>, client: Peer) -> Self {
        Self {
            parts,
            budget,
            client,
            account: None,
            queue: VecDeque::new(),
            held: 0,
            end: None,
            begun: false,
            refused: false,
            pause: None,
        }
    }

    /// The next bytes for the client: those that were read ahead, and then those that come.
    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(block) = self.queue.pop_front() {
            self.held -= block.bytes.capacity();
            return Poll::Ready(Some(Ok(block.bytes.freeze())));
        }
        let part = match self.end.take() {
            Some(End::Well) => None,
            Some(End::Broken(error)) => Some(Err(error)),
            None => match self.parts.poll_part(cx) {
                Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Some(Ok(bytes))),
                Poll::Ready(part) => part,
                Poll::Pending => return Poll::Pending,
            },
        };
        self.end = Some(End::Well);
        Poll::Ready(part)
    }

    /// Reads on, as far as there is something and there is room for it.
    pub(super) fn poll_ahead(&mut self, cx: &mut Context<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.pause = Some(Box::pin(tokio::time::sleep(GRACE)));
        }
        while self.end.is_none() {
            if self.pause.as_mut().is_some_and(|pause| pause.as_mut().poll(cx).is_pending()) {
                return;
            }
            self.pause = None;
            let Some(charge) = self.charge() else {
                if !std::mem::replace(&mut self.refused, true) {
                    self.budget.refuse();
                }
                self.pause = Some(Box::pin(tokio::time::sleep(AGAIN)));
                continue;
            };
            match self.parts.poll_part(cx) {
                Poll::Ready(Some(Ok(bytes))) => self.push(&bytes, charge),
                Poll::Ready(Some(Err(error))) => self.end = Some(End::Broken(error)),
                Poll::Ready(None) => self.end = Some(End::Well),
                Poll::Pending => return,
            }
        }
    }

    /// Room for a part, if there is.
    fn charge(&mut self) -> Option<Charge> {
        if self.held + PART > LONGEST {
            return None;
        }
        let (budget, client) = (&self.budget, self.client);
        self.account.get_or_insert_with(|| budget.account(client)).charge(PART)
    }

    /// Copies a part behind the others: its own memory may be a small piece of a large one.
    fn push(&mut self, part: &[u8], mut charge: Charge) {
        let mut part = part;
        if let Some(Block { bytes, .. }) = self.queue.back_mut() {
            let fits = part.len().min(bytes.capacity() - bytes.len());
            bytes.extend_from_slice(&part[..fits]);
            part = &part[fits..];
        }
        if part.is_empty() {
            return;
        }
        let mut bytes = BytesMut::with_capacity(part.len().max(BLOCK));
        bytes.extend_from_slice(part);
        charge.settle(bytes.capacity());
        self.held += bytes.capacity();
        self.queue.push_back(Block { bytes, _charge: charge });
    }

    /// Whether everything has been handed to the client, as far as can be told.
    pub(super) fn is_ended(&self) -> bool {
        self.queue.is_empty()
            && match &self.end {
                Some(End::Well) => true,
                Some(End::Broken(_)) => false,
                None => self.parts.is_ended(),
            }
    }

    /// How much the client is still to get.
    pub(super) fn size_hint(&self) -> SizeHint {
        let queued = self.queue.iter().map(|block| block.bytes.len() as u64).sum::<u64>();
        let (lower, upper) = match &self.end {
            Some(_) => (0, Some(0)),
            None => (self.parts.size_hint().lower(), self.parts.size_hint().upper()),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(queued.saturating_add(lower));
        if let Some(upper) = upper {
            hint.set_upper(queued.saturating_add(upper));
        }
        hint
    }
}

#[cfg(test)]
mod tests;
