//! Clients that go on asking while a test does something to the gate, and count what becomes of every request.

use std::fmt;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::gate::AS_ANNA;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::{Answer, Client};

/// What became of the requests of all clients.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Answered as they should be.
    pub(crate) answered: u64,
    /// Sent once more, since a kept connection that lay idle ended without a byte of an answer: what HTTP allows a client
    /// to repeat (RFC 9110 section 9.2.2), and what a gate that closes idle connections cannot rule out.
    pub(crate) repeated: u64,
    /// Sent, or about to be, on a connection that had just been made and ended without a byte of an answer: it was waiting
    /// to be accepted when the listening socket was closed.
    pub(crate) never_taken: u64,
    /// What must not be: each with its story.
    pub(crate) lost: Vec<String>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { answered, repeated, never_taken, lost } = self;
        write!(f, "{answered} answered, {repeated} repeated, {never_taken} never taken, {} lost", lost.len())
    }
}

impl Told {
    /// Adds what others saw.
    pub(crate) fn and(mut self, other: Told) -> Told {
        self.answered += other.answered;
        self.repeated += other.repeated;
        self.never_taken += other.never_taken;
        self.lost.extend(other.lost);
        self
    }

    /// Claims that every request was answered, and that there were some.
    pub(crate) fn is_whole(&self) {
        self.is_whole_but_for_those_never_taken(0);
    }

    /// The same for a gate whose listening socket is closed while clients connect: that many may have been too late.
    pub(crate) fn is_whole_but_for_those_never_taken(&self, few: u64) {
        assert!(self.never_taken <= few, "{} were never taken, {} answered", self.never_taken, self.answered);
        assert!(self.lost.is_empty(), "{} lost, {} answered: {:#?}", self.lost.len(), self.answered, self.lost);
        assert!(self.answered > 0, "nobody asked for anything");
    }
}

/// How a client asks.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// What is sent, without the empty line.
    request: String,
    /// How long the answer's body has to be, if that is known.
    length: Option<usize>,
    status: u16,
    keeps: bool,
    pause: Duration,
}

impl Manner {
    /// Asks for the list on a connection of its own each time.
    pub(crate) fn fresh() -> Manner {
        Manner { keeps: false, ..Manner::kept() }
    }

    /// Asks for the list on one connection for as long as it lasts.
    pub(crate) fn kept() -> Manner {
        Manner {
            request: format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}"),
            length: None,
            status: 200,
            keeps: true,
            pause: Duration::from_millis(2),
        }
    }

    /// Asks for something else, with other header lines.
    pub(crate) fn asks(mut self, path: &str, fields: &str) -> Manner {
        self.request = format!("GET {path} HTTP/1.1\r\nHost: dev.test\r\n{fields}");
        self
    }

    /// Expects that status.
    pub(crate) fn gets(mut self, status: u16) -> Manner {
        self.status = status;
        self
    }

    /// Expects a body of that length.
    pub(crate) fn long(mut self, length: usize) -> Manner {
        self.length = Some(length);
        self
    }

    /// Waits so long between two requests.
    pub(crate) fn pausing(mut self, pause: Duration) -> Manner {
        self.pause = pause;
        self
    }

    fn is_met_by(&self, answer: &Answer) -> bool {
        answer.status == self.status && answer.whole && self.length.is_none_or(|length| answer.body.len() == length)
    }
}

/// Clients at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    addr: SocketAddr,
    /// Whether a refused connection is the end that was waited for.
    ends_when_refused: bool,
    clients: Vec<JoinHandle<Told>>,
}

impl Load {
    /// For whatever listens at `addr` and should never stop doing so.
    pub(crate) fn on(addr: SocketAddr) -> Load {
        let (stop, answered) = (Arc::default(), Arc::default());
        Load { stop, answered, addr, ends_when_refused: false, clients: Vec::new() }
    }

    /// For a gate that will stop: a client ends when it can connect no more.
    pub(crate) fn until_refused(addr: SocketAddr) -> Load {
        Load { ends_when_refused: true, ..Load::on(addr) }
    }

    /// Adds so many clients.
    pub(crate) fn with(mut self, count: usize, manner: &Manner) -> Load {
        for _ in 0..count {
            let client = Asking {
                addr: self.addr,
                manner: manner.clone(),
                stop: Arc::clone(&self.stop),
                answered: Arc::clone(&self.answered),
                ends_when_refused: self.ends_when_refused,
            };
            self.clients.push(std::thread::spawn(move || client.run()));
        }
        self
    }

    /// Waits until so many more requests have been answered than up to now.
    pub(crate) fn goes_on_for(&self, requests: u64) {
        let wanted = self.answered.load(Ordering::Relaxed) + requests;
        eventually("answers", || (self.answered.load(Ordering::Relaxed) >= wanted || self.is_over()).then_some(()));
    }

    /// Whether some client has given up.
    pub(crate) fn is_over(&self) -> bool {
        self.clients.iter().any(JoinHandle::is_finished)
    }

    /// Lets the clients end what they have begun, and what they saw.
    pub(crate) fn end(self) -> Told {
        if !self.ends_when_refused {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.clients.into_iter().fold(Told::default(), |told, client| told.and(client.join().unwrap()))
    }
}

struct Asking {
    addr: SocketAddr,
    manner: Manner,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    ends_when_refused: bool,
}

/// How often a client puts up with a loss before it gives up: the first few tell enough.
const ENOUGH: u64 = 5;

impl Asking {
    fn run(&self) -> Told {
        let mut told = Told::default();
        let mut kept: Option<Client> = None;
        while !self.stop.load(Ordering::Relaxed) && told.lost.len() as u64 + told.never_taken < ENOUGH {
            let is_first = kept.is_none();
            let mut client = match kept.take().map_or_else(|| self.connect(), Ok) {
                Ok(client) => client,
                Err(ErrorKind::ConnectionRefused) if self.ends_when_refused => break,
                Err(ErrorKind::ConnectionReset) => {
                    told.never_taken += 1;
                    continue;
                }
                Err(error) => {
                    told.lost.push(format!("no connection: {error}"));
                    continue;
                }
            };
            let close = if self.manner.keeps { "" } else { "Connection: close\r\n" };
            let sent = client.try_send(format!("{}{close}\r\n", self.manner.request));
            match client.try_answer(false) {
                Some(answer) if self.manner.is_met_by(&answer) => {
                    told.answered += 1;
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    if self.manner.keeps && !answer.all("connection").iter().any(|value| value == "close") {
                        kept = Some(client);
                    }
                }
                Some(answer) => told.lost.push(format!(
                    "status {}, whole: {}, {} bytes: {}",
                    answer.status,
                    answer.whole,
                    answer.body.len(),
                    answer.head
                )),
                None => {
                    let torn = client.rest();
                    match (is_first, torn.is_empty()) {
                        (false, true) => told.repeated += 1,
                        (true, true) => told.never_taken += 1,
                        (_, false) => told.lost.push(format!("an answer broke off after {torn:?} (sending: {sent:?})")),
                    }
                    continue;
                }
            }
            std::thread::sleep(self.manner.pause);
        }
        told
    }

    fn connect(&self) -> Result<Client, ErrorKind> {
        TcpStream::connect_timeout(&self.addr, PATIENCE).map(Client::over).map_err(|error| error.kind())
    }
}
