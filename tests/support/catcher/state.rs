//! What a test can see and change while the catcher runs. One lock around all of it, held for moments only, and a bell
//! that rings at every change, so that waiting needs no polling.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::mail::Mail;
use super::options::{Options, Tells};
use super::script::Rules;
use super::store::{Event, Store};

/// The state and its bell. The options do not change while it lives.
pub(crate) struct Shared {
    pub(crate) options: Options,
    state: Mutex<State>,
    changed: Condvar,
    bell: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) requests: Vec<Recorded>,
    /// HTTP connections accepted, ever. The number of a connection is its place in this count, from 1.
    pub(crate) connections: usize,
    pub(crate) open_connections: usize,
    /// Those of the open ones that were early enough to be kept alive.
    pub(crate) persistent: usize,
    pub(crate) frames: Vec<Received>,
    pub(crate) quit: bool,
    pub(crate) rules: Rules,
    pub(crate) sockets: BTreeMap<usize, UnboundedSender<Order>>,
}

/// One request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Which connection it came on, from 1.
    pub(crate) connection: usize,
    pub(crate) method: String,
    /// The target as written, with what is not UTF-8 replaced.
    pub(crate) target: String,
    pub(crate) version: String,
    /// The header lines as written, in order, without their line ends.
    pub(crate) lines: Vec<Vec<u8>>,
    /// The body as received, with whatever came in the same packet behind it.
    pub(crate) body: Vec<u8>,
}

/// One WebSocket frame that a client sent, unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// The number of the connection.
    pub(crate) connection: usize,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

/// What a WebSocket's task is told from outside.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Text(String),
    Raw(Vec<u8>),
    Cut,
}

impl Recorded {
    /// Every value of that header, in order, trimmed.
    pub(crate) fn values(&self, name: &str) -> Vec<String> {
        let lines = self.lines.iter().map(|line| String::from_utf8_lossy(line));
        lines
            .filter_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
            .collect()
    }

    /// The header's value when there is exactly one line of it.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        if values.len() == 1 { values.pop() } else { None }
    }
}

impl State {
    pub(crate) fn open_sockets(&self) -> usize {
        self.sockets.len()
    }

    pub(crate) fn message_ids(&self) -> Vec<i64> {
        self.store.ids()
    }

    pub(crate) fn order(&self, order: &Order) {
        for socket in self.sockets.values() {
            // A socket whose task just ended misses it, as a peer that just left would.
            let _ = socket.send(order.clone());
        }
    }

    pub(crate) fn announce(&self, events: &[Event]) {
        for event in events {
            self.order(&Order::Text(event.to_json()));
        }
    }

    pub(crate) fn forget_mail(&mut self) {
        self.store = Store::default();
        self.sockets.clear();
    }
}

impl Shared {
    pub(crate) fn new(options: Options) -> Shared {
        Shared { options, state: Mutex::default(), changed: Condvar::new(), bell: Notify::new() }
    }

    /// Reads the state.
    pub(crate) fn look<T>(&self, eye: impl FnOnce(&State) -> T) -> T {
        eye(&self.lock())
    }

    /// Changes the state and tells whoever waits.
    pub(crate) fn change<T>(&self, hand: impl FnOnce(&mut State) -> T) -> T {
        let result = hand(&mut self.lock());
        self.changed.notify_all();
        self.bell.notify_waiters();
        result
    }

    pub(crate) fn deliver(&self, mail: Mail) -> i64 {
        self.change(|state| {
            let (id, events) = state.store.add(mail, &self.options);
            match self.options.socket_tells {
                Tells::All => state.announce(&events),
                Tells::Arrivals => events.iter().for_each(|event| {
                    if let Event::Add(message) = event {
                        state.order(&Order::Text(message.clone()));
                    }
                }),
                Tells::Nothing => {}
            }
            id
        })
    }

    pub(crate) fn wait_until(&self, patience: Duration, claim: impl Fn(&State) -> bool) -> bool {
        let waiting = self.changed.wait_timeout_while(self.lock(), patience, |state| !claim(state));
        !waiting.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(crate) async fn eventually(&self, patience: Duration, claim: impl Fn(&State) -> bool) -> bool {
        let waiting = async {
            loop {
                let mut ring = std::pin::pin!(self.bell.notified());
                ring.as_mut().enable(); // before the look, so that a change right after it is not missed
                if self.look(&claim) {
                    return;
                }
                ring.await;
            }
        };
        tokio::time::timeout(patience, waiting).await.is_ok()
    }

    /// A claim of `wait_until` that panics must not hide the test's own failure behind a poisoned lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
