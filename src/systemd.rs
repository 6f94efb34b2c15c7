//! What the service manager is told: ready, reloading, stopping, a line about how it goes, and that the loops turn.
//!
//! The protocol is sd_notify(3): datagrams to the socket that `NOTIFY_SOCKET` names. Nothing here waits. A manager that
//! does not read what it is told must not hold up a request, so what does not fit into its socket is said later, in order.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::app::App;
use crate::conditions::Condition;

/// How often the line about how it goes is looked at.
const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// How many messages wait for a manager that does not read; the oldest go first.
const WAITING: usize = 16;

/// The service manager, or nobody. Cheap to clone.
#[derive(Clone)]
pub struct Manager(Option<Arc<Connection>>);

struct Connection {
    socket: UnixDatagram,
    addr: SocketAddr,
    watchdog: Option<Duration>,
    waiting: Mutex<VecDeque<String>>,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Manager").field(&self.0.as_ref().map(|connection| &connection.addr)).finish()
    }
}

impl Manager {
    /// Whom the environment names. One that cannot be spoken to is said once, for a start by it will not succeed.
    #[must_use]
    pub fn from_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Self(None) };
        match connect(&name) {
            Ok((socket, addr)) => {
                Self(Some(Arc::new(Connection { socket, addr, watchdog: watchdog(), waiting: Mutex::default() })))
            }
            Err(error) => {
                tracing::warn!(socket = ?name, %error, "the service manager cannot be told anything");
                Self(None)
            }
        }
    }

    /// Connections are taken.
    pub fn ready(&self) {
        self.tell("READY=1\n".to_owned());
    }

    /// The configuration is being read again; to be followed by [`Manager::ready`].
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\n"));
    }

    /// What is open comes to its end.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping: what is open comes to its end\n".to_owned());
    }

    /// Keeps the line about how it goes up to date and the watchdog quiet while every loop turns. Never ends.
    pub async fn report(self, app: Arc<App>) {
        let Some(connection) = &self.0 else { return std::future::pending().await };
        // Twice as often as it has to be (sd_watchdog_enabled(3)).
        let half = connection.watchdog.map(|limit| (limit / 2).max(Duration::from_millis(1)));
        let mut ticks = tokio::time::interval(half.unwrap_or(STATUS_INTERVAL).min(STATUS_INTERVAL));
        let mut said = String::new();
        loop {
            ticks.tick().await;
            if connection.watchdog.is_some() && app.vitals().stuck(Instant::now()).is_none() {
                // Not worth waiting for: another one comes.
                let _ = connection.send("WATCHDOG=1\n");
            }
            let line = line(&app);
            if line != said {
                self.tell(format!("STATUS={line}\n"));
                said = line;
            }
            connection.say_what_waits();
        }
    }

    fn tell(&self, message: String) {
        let Some(connection) = &self.0 else { return };
        {
            let mut waiting = connection.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() == WAITING {
                waiting.pop_front();
            }
            waiting.push_back(message);
        }
        connection.say_what_waits();
    }
}

impl Connection {
    fn say_what_waits(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(message) = waiting.front() {
            match self.send(message) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => tracing::debug!(%error, "the service manager was not told"),
                Ok(()) => {}
            }
            waiting.pop_front();
        }
    }

    fn send(&self, message: &str) -> io::Result<()> {
        self.socket.send_to_addr(message.as_bytes(), &self.addr).map(drop)
    }
}

fn connect(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let addr = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, addr))
}

/// How long the manager waits for a sign of life from this process, if it waits for any.
fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_ours =
        std::env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|limit| is_ours && *limit > 0).map(Duration::from_micros)
}

/// How it goes, in a line for `systemctl status`.
fn line(app: &App) -> String {
    let users = app.live().users().len();
    let mut line = match app.not_ready() {
        None => format!("serving {users} user{}", if users == 1 { "" } else { "s" }),
        Some(why) => why.text().to_owned(),
    };
    for condition in Condition::ALL {
        if let Some(degraded) = app.conditions().get(condition) {
            line.push_str(&format!("; {} degraded: {}", condition.name(), degraded.why));
        }
    }
    line
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn manager(name: &OsStr) -> Manager {
        let (socket, addr) = connect(name).unwrap();
        Manager(Some(Arc::new(Connection { socket, addr, watchdog: None, waiting: Mutex::default() })))
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_that_does_not_read_holds_up_nobody_and_hears_it_later() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = manager(path.as_os_str());
        // Until its queue is full, which this process must not wait for.
        let mut fill = 0;
        while manager.0.as_ref().unwrap().send("X=1\n").is_ok() {
            fill += 1;
        }
        manager.ready();
        manager.stopping();
        for _ in 0..fill {
            assert_eq!(heard(&socket), "X=1\n");
        }
        manager.0.as_ref().unwrap().say_what_waits();
        assert_eq!(heard(&socket), "READY=1\n");
        assert!(heard(&socket).starts_with("STOPPING=1\n"));
    }

    #[test]
    fn a_socket_may_have_an_abstract_name() {
        let name = format!("mailwarden-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager(OsStr::new(&format!("@{name}"))).ready();
        assert_eq!(heard(&socket), "READY=1\n");
    }
}
