//! Lists that are asked for at the same moment are one request to the catcher.
//!
//! When a mail comes, or the catcher comes back, every open page asks for the list, and MailCatcher makes each anew, one
//! after the other, megabytes of JSON a time. So one list is asked for at a time. Whoever asks meanwhile waits, and when
//! the answer has come one request is sent for all who wait.
//!
//! An answer is only ever shared with those who asked before its request was sent. So a mail that the catcher had taken
//! when somebody asked is in his list, whoever else asked before. What is asked for all is asked in the gate's own words,
//! without a user or any other field of one of them, and only a list is shared (200): what the catcher says to one client
//! concerns nobody else, and a cookie that comes with a list is for one. A request that MailCatcher could refuse for where
//! it came from goes alone.
//!
//! - What a list is sent as, with a tag and packed, is made once for all who get it (`whole`).
//! - One who leaves takes nothing from the others: if it was his request that was on its way, the next one's is sent.
//! - A request that has been on its way for 5 s holds nobody up any longer.
//! - A shared list is held in memory once, for all; there is a bound to how much is held (64 MiB). Over it each gets an
//!   answer of his own.

mod plain;
mod whole;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode, header};
use http_body::Body as _;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};

pub(super) use self::plain::is_plain;
pub(super) use self::whole::Wanted;
use self::whole::{Tags, Whole};
use crate::body::{Body, BodyError, Unread};
use crate::reject::{Reject, UpstreamFault};

/// How long those who wait wait for a request that is on its way.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest list that is shared, in bytes: that of 90,000 messages.
const LONGEST: u64 = 16 << 20;

/// The most that all lists which are still being sent may hold, packed ones too, in bytes.
const MOST: usize = 64 << 20;

/// Who asks for the list of one catcher, over all runtimes.
#[derive(Debug, Default)]
pub struct Lists {
    asked: Mutex<Asked>,
    /// Rings when a request is not on its way any more.
    landed: Notify,
    tags: Tags,
    held: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Asked {
    /// The number of the request that is on its way, and when it was sent.
    flight: Option<(u64, Instant)>,
    flights: u64,
    /// Those who wait for the next one.
    waiting: Option<Arc<Batch>>,
}

/// Some who get one answer.
#[derive(Debug, Default)]
struct Batch {
    /// Whoever holds it asks for all.
    baton: tokio::sync::Mutex<()>,
    /// How many they are. Changed only under the lock of `asked`.
    members: AtomicUsize,
    answer: watch::Sender<Option<Shared>>,
}

/// What they get.
#[derive(Clone, Debug)]
enum Shared {
    List(Arc<Whole>),
    Refused(Reject),
    /// Each has to ask for himself.
    Nothing,
}

/// A request that is on its way.
struct Flight<'a> {
    lists: &'a Lists,
    number: u64,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut asked = self.lists.asked();
        if asked.flight.is_some_and(|(number, _)| number == self.number) {
            asked.flight = None;
            drop(asked);
            self.lists.landed.notify_waiters();
        }
    }
}

/// A request that is not sent before it is polled.
type Ask<'a> = Pin<&'a mut (dyn Future<Output = Result<Response<Body>, Reject>> + Send)>;

/// What one who asks gets.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is moved once, and never kept")]
pub(super) enum Listed {
    /// A whole list, which others may have too.
    Whole(Arc<Whole>),
    /// An answer that is his alone, as it arrives.
    Alone(Response<Body>),
}

/// What becomes of who asks.
enum Entered<'a> {
    First(Flight<'a>),
    Waits(Member<'a>),
}

/// For whom a list is asked.
#[derive(Debug, Default)]
pub(super) struct Whose(AtomicBool);

impl Whose {
    /// Whether for all who wait, and not for the one who asks alone.
    pub(super) fn is_for_all(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set_for_all(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Lists {
    /// The list: asked for by `ask` on its own, or for others too (which `whose` says before it is polled), or by somebody
    /// else. It takes at most `limit`.
    ///
    /// # Errors
    /// What `ask` says, to everybody who waits for it; [`UpstreamFault::AnswerTimeout`] for one who waited too long.
    pub(super) async fn get(&self, ask: Ask<'_>, whose: &Whose, limit: Duration) -> Result<Listed, Reject> {
        match self.enter() {
            Entered::First(flight) => {
                let answer = ask.await;
                drop(flight);
                answer.map(Listed::Alone)
            }
            Entered::Waits(member) => timeout(limit, member.wait(ask, whose))
                .await
                .unwrap_or(Err(Reject::Upstream(UpstreamFault::AnswerTimeout(limit)))),
        }
    }

    /// The list as `wanted`: one that is whole, or that there is room to hold, with a tag, and packed for who takes that; any
    /// other answer as it came.
    ///
    /// # Errors
    /// When the list breaks off on its way here.
    pub(super) async fn sent(&self, listed: Listed, wanted: &Wanted) -> Result<Response<Body>, Reject> {
        match listed {
            Listed::Whole(whole) => Ok(whole.as_wanted(wanted, &self.tags, &self.held).await),
            Listed::Alone(mut answer) if wanted.only_head => {
                whole::say_it_varies(&mut answer);
                Ok(answer)
            }
            Listed::Alone(answer) => match self.room_for(&answer).filter(|_| whole::is_ours_to_tag(answer.headers())) {
                Some(room) => Ok(whole_of(answer, room).await?.for_one(wanted, &self.tags, &self.held).await),
                None => Ok(answer),
            },
        }
    }

    /// Room for `answer`, if it is a list of known length.
    fn room_for(&self, answer: &Response<Body>) -> Option<Room> {
        let is_list = answer.status() == StatusCode::OK;
        let length = answer.body().size_hint().exact().filter(|length| is_list && *length <= LONGEST)?;
        Room::of(&self.held, usize::try_from(length).ok()?)
    }

    /// A request of one's own, or a place among those who wait.
    fn enter(&self) -> Entered<'_> {
        let mut asked = self.asked();
        if asked.flight.is_none() && asked.waiting.is_none() {
            return Entered::First(self.starts(&mut asked));
        }
        let batch = Arc::clone(asked.waiting.get_or_insert_default());
        batch.members.fetch_add(1, Ordering::Relaxed);
        Entered::Waits(Member { lists: self, batch })
    }

    fn starts(&self, asked: &mut Asked) -> Flight<'_> {
        asked.flights += 1;
        asked.flight = Some((asked.flights, Instant::now()));
        Flight { lists: self, number: asked.flights }
    }

    /// Waits until no request is on its way, or one has been for too long. From then on nobody joins the batch.
    async fn turn(&self, batch: &Arc<Batch>) -> Flight<'_> {
        loop {
            let mut landed = std::pin::pin!(self.landed.notified());
            landed.as_mut().enable(); // before the look, so that none is missed
            let until = {
                let mut asked = self.asked();
                match asked.flight {
                    Some((_, since)) if Instant::now() < since + PATIENCE => since + PATIENCE,
                    _ => {
                        asked.waiting.take_if(|waiting| Arc::ptr_eq(waiting, batch));
                        return self.starts(&mut asked);
                    }
                }
            };
            _ = timeout_at(until, landed).await;
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of a batch.
struct Member<'a> {
    lists: &'a Lists,
    batch: Arc<Batch>,
}

impl Member<'_> {
    /// The answer to somebody's request that was sent after this one came: its own or another's.
    async fn wait(self, ask: Ask<'_>, whose: &Whose) -> Result<Listed, Reject> {
        let mut answer = self.batch.answer.subscribe();
        let told = async { answer.wait_for(Option::is_some).await.ok().and_then(|shared| shared.clone()) };
        let leads = tokio::select! {
            biased;
            shared = told => Err(shared),
            leads = self.leads() => Ok(leads),
        };
        match leads {
            Ok(leads) => {
                whose.set_for_all();
                self.lead(leads, ask).await
            }
            Err(Some(Shared::List(whole))) => Ok(Listed::Whole(whole)),
            Err(Some(Shared::Refused(reject))) => Err(reject),
            Err(Some(Shared::Nothing) | None) => ask.await.map(Listed::Alone),
        }
    }

    /// Waits until this one is to ask for the whole batch: nobody else of it does, and those before have their answer.
    async fn leads(&self) -> (tokio::sync::MutexGuard<'_, ()>, Flight<'_>) {
        let baton = self.batch.baton.lock().await;
        (baton, self.lists.turn(&self.batch).await)
    }

    /// Asks for the whole batch. Whoever drops this gives the baton to the next.
    async fn lead(
        &self,
        (_baton, flight): (tokio::sync::MutexGuard<'_, ()>, Flight<'_>),
        ask: Ask<'_>,
    ) -> Result<Listed, Reject> {
        let answer = ask.await;
        drop(flight);
        // Nobody has joined since the request was sent.
        if self.batch.members.load(Ordering::Relaxed) <= 1 {
            return answer.map(Listed::Alone);
        }
        let tell = |shared| _ = self.batch.answer.send_replace(Some(shared));
        let answer = answer.inspect_err(|reject| tell(Shared::Refused(reject.clone())))?;
        let is_for_one = answer.headers().contains_key(header::SET_COOKIE);
        let Some(room) = self.lists.room_for(&answer).filter(|_| !is_for_one) else {
            tell(Shared::Nothing);
            return Ok(Listed::Alone(answer));
        };
        let whole = whole_of(answer, room).await.inspect_err(|reject| tell(Shared::Refused(reject.clone())))?;
        let whole = Arc::new(whole);
        tell(Shared::List(Arc::clone(&whole)));
        Ok(Listed::Whole(whole))
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        let mut asked = self.lists.asked();
        if self.batch.members.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Nobody is to join one that nobody leads.
            asked.waiting.take_if(|waiting| Arc::ptr_eq(waiting, &self.batch));
        }
    }
}

/// Reads a list to its end.
async fn whole_of(answer: Response<Body>, room: Room) -> Result<Whole, Reject> {
    let (head, body) = answer.into_parts();
    match within(body, &room).await {
        Ok(text) => Ok(Whole::new(head.headers, Bytes::from_owner(Held { text, _room: room }))),
        Err(unread) => Err(Reject::Upstream(match unread {
            Unread::TooLarge => UpstreamFault::Malformed("it is longer than it says".to_owned()),
            Unread::Failed(BodyError::Stalled(limit)) => UpstreamFault::AnswerTimeout(limit),
            Unread::Failed(error) => UpstreamFault::Closed(error.to_string()),
        })),
    }
}

/// Reads `body` into as much memory as `room` stands for: memory that grew by itself could be twice as much.
async fn within(mut body: Body, room: &Room) -> Result<Bytes, Unread> {
    let mut text = BytesMut::with_capacity(room.1);
    body.read(LONGEST, |part| text.extend_from_slice(&part)).await?;
    Ok(text.freeze())
}

/// A part of what may be held.
#[derive(Debug)]
struct Room(Arc<AtomicUsize>, usize);

impl Room {
    fn of(held: &Arc<AtomicUsize>, length: usize) -> Option<Self> {
        held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            now.checked_add(length).filter(|then| *then <= MOST)
        })
        .ok()
        .map(|_| Self(Arc::clone(held), length))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// A list, which takes its room for as long as anybody is being sent it.
struct Held {
    text: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#[path = "lists_tests.rs"]
mod tests;
