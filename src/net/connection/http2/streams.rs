//! The tasks of a connection's streams: how many there are, since when there is none, and which has waited for its client
//! for too long.
//!
//! hyper gives each request a task of its own, and asks us to start it. So it is here that a stream has limits: hyper waits
//! for a client's window without end. What h2 has taken of an answer is out of reach for it, and the task over; that much,
//! and the streams that it is bounded by, end with the connection.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::forward::upgrade::{Extended, Holds};
use crate::in_flight::{Activity, InFlight};
use crate::net::client_io::poll_until;
use crate::net::limits::{Full, Place, Places};

/// How long a client may take over what it was told last on a tunnel.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The streams of one connection. All of it happens on one thread: no lock is ever waited for.
#[derive(Debug)]
pub(super) struct Streams {
    tasks: TaskTracker,
    send: Duration,
    places: Places,
    open: Mutex<Open>,
    changed: Notify,
    last: Notify,
    /// What the next task that hyper asks for is about: it asks while that is being said.
    next: Mutex<Weak<Turn>>,
}

#[derive(Debug)]
struct Open {
    count: usize,
    /// Whether there ever was one.
    any: bool,
    /// When the last one ended.
    since: Instant,
    /// Whether somebody waits until there is none.
    awaited: bool,
}

impl Streams {
    /// Streams whose tasks are tracked by `tasks`, of which all but one take `places`, and whose client may take nothing
    /// for as long as `send`.
    pub(super) fn new(tasks: TaskTracker, places: Places, send: Duration) -> Arc<Self> {
        let open = Mutex::new(Open { count: 0, any: false, since: Instant::now(), awaited: false });
        Arc::new(Self {
            tasks,
            send,
            places,
            open,
            changed: Notify::new(),
            last: Notify::new(),
            next: Mutex::default(),
        })
    }

    /// A request has come; hyper asks for its task at once.
    pub(super) fn opened(self: &Arc<Self>) -> Arc<Turn> {
        let is_beside = {
            let mut open = self.open();
            open.count += 1;
            if !std::mem::replace(&mut open.any, true) {
                // Another limit holds from now on.
                self.changed.notify_one();
            }
            open.count > 1
        };
        let turn = Arc::new(Turn {
            streams: Arc::clone(self),
            place: if is_beside { self.places.take().map(Some) } else { Ok(None) },
            activity: Arc::default(),
            is_blocked: AtomicBool::new(false),
            handed: AtomicU32::new(0),
            is_tunnel: AtomicBool::new(false),
            over: OnceLock::new(),
        });
        *self.next() = Arc::downgrade(&turn);
        turn
    }

    /// Waits until there has been no request for `first` from the beginning, or none for `again` after one, or until one
    /// was the last.
    pub(super) async fn unused(&self, first: Duration, again: Duration) {
        let none = self.none_for(|open| if open.any { again } else { first });
        tokio::select! {
            () = none => {}
            () = self.last.notified() => {}
        }
    }

    /// Waits until there has been none for `time`, from now on.
    pub(super) async fn silent_for(&self, time: Duration) {
        let now = Instant::now();
        {
            let mut open = self.open();
            open.since = open.since.max(now);
        }
        self.none_for(|_| time).await;
    }

    async fn none_for(&self, limit: impl Fn(&Open) -> Duration) {
        loop {
            // The timer is not moved for each request: when it has run out, it is seen whether it was right.
            let until = {
                let mut open = self.open();
                open.awaited = open.count > 0;
                (open.count == 0).then(|| open.since + limit(&open))
            };
            match until {
                Some(until) if until <= Instant::now() => return,
                Some(until) => tokio::select! {
                    () = sleep_until(until) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    /// Whether there ever was one.
    pub(super) fn had_any(&self) -> bool {
        self.open().any
    }

    /// How long a client may take nothing of what waits for it.
    pub(super) fn send_limit(&self) -> Duration {
        self.send
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> MutexGuard<'_, Weak<Turn>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stream, from its request to the end of its answer or of the tunnel that it became.
#[derive(Debug)]
pub(super) struct Turn {
    streams: Arc<Streams>,
    /// One beside others has a place of its own, if there was one left.
    place: Result<Option<Place>, Full>,
    /// The stream's own: one request, and what goes on while its client takes nothing.
    activity: Arc<Activity>,
    /// Whether a part of the answer waits for its client.
    is_blocked: AtomicBool,
    /// How many parts have been handed to h2, wrapping around.
    handed: AtomicU32,
    is_tunnel: AtomicBool,
    /// Cancelled when the tunnel has ended on our side; there for a request that may become one.
    over: OnceLock<CancellationToken>,
}

impl Turn {
    /// The connection takes no more requests after it.
    pub(super) fn is_last(&self) {
        self.streams.last.notify_one();
    }

    /// Whether there is no place left for it.
    pub(super) fn is_too_many(&self) -> bool {
        self.place.is_err()
    }

    /// The answer is in flight until what this gives is dropped.
    pub(super) fn begin(&self) -> InFlight {
        self.activity.begin()
    }

    /// Has a tunnel that `request` becomes say when it is over.
    pub(super) fn is_told_by<B>(&self, request: &mut Request<B>) {
        if request.extensions().get::<Extended>().is_some() {
            let over = self.over.get_or_init(CancellationToken::new).clone();
            request.extensions_mut().insert(Holds(Arc::new(over.drop_guard())));
        }
    }

    /// The answer is one that hyper asks for another task for.
    pub(super) fn becomes_tunnel(self: &Arc<Self>) {
        self.is_tunnel.store(true, Ordering::Relaxed);
        *self.streams.next() = Arc::downgrade(self);
    }

    /// h2 has room for more of the answer.
    pub(super) fn waits_for_the_catcher(&self) {
        self.is_blocked.store(false, Ordering::Relaxed);
    }

    /// h2 has been given a part, and asks for the next when it has room.
    pub(super) fn waits_for_the_client(&self) {
        self.is_blocked.store(true, Ordering::Relaxed);
        self.handed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        open.count -= 1;
        if open.count == 0 {
            open.since = Instant::now();
            if open.awaited {
                self.streams.changed.notify_one();
            }
        }
    }
}

/// Starts the tasks of a connection's streams.
#[derive(Clone, Debug)]
pub(super) struct Executor(Arc<Streams>);

impl Executor {
    pub(super) fn of(streams: &Arc<Streams>) -> Self {
        Self(Arc::clone(streams))
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        let streams = &self.0;
        let turn = std::mem::take(&mut *streams.next()).upgrade();
        let Some(turn) = turn else {
            // hyper has no third kind of task; one would have no limits of ours.
            streams.tasks.spawn(task);
            return;
        };
        streams.tasks.spawn(async move { Watched { turn, shown: 0, until: None, timer: None }.run(task).await });
    }
}

/// A task with its stream's limits.
struct Watched {
    turn: Arc<Turn>,
    /// The number of parts that had been handed on when the client was first waited for.
    shown: u32,
    until: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// Runs it to its end, or drops it, which resets the stream: when its client has taken nothing of the answer for too
    /// long, or when the tunnel is over and its client does not take its last words.
    async fn run(mut self, task: impl Future<Output = ()>) {
        let turn = Arc::clone(&self.turn);
        let mut over = pin!(async {
            match turn.over.get() {
                Some(over) => over.cancelled().await,
                None => pending().await,
            }
            sleep(LAST_WORDS).await;
        });
        let mut task = pin!(task);
        poll_fn(|cx| {
            if task.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if turn.is_tunnel.load(Ordering::Relaxed) { over.as_mut().poll(cx) } else { self.poll_blocked(cx) }
        })
        .await;
    }

    /// Reads on for a client that takes nothing at the moment; ready when that is so for too long.
    fn poll_blocked(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.turn.is_blocked.load(Ordering::Relaxed) {
            self.until = None;
            return Poll::Pending;
        }
        self.turn.activity.client_is_blocked(cx);
        let handed = self.turn.handed.load(Ordering::Relaxed);
        if self.shown != handed {
            self.shown = handed;
            self.until = None;
        }
        let limit = self.turn.streams.send;
        let until = *self.until.get_or_insert_with(|| Instant::now() + limit);
        poll_until(&mut self.timer, until, cx)
    }
}
