//! Sockets that the service manager opened and passes on: they outlive the process, so that a restart refuses nobody.
//!
//! The protocol is sd_listen_fds(3): descriptors from 3 on, counted in `LISTEN_FDS`, named in `LISTEN_FDNAMES`, meant for
//! the process in `LISTEN_PID`.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use socket2::SockRef;

/// More than anybody passes; beyond it the number is a mistake, and would only fill the memory.
const MOST: u64 = 1024;

/// What was passed and has not been taken yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(String, Passed)>);

/// One socket.
#[derive(Debug)]
pub enum Passed {
    /// For an address.
    Tcp(TcpListener),
    /// For a path, which is the service manager's to remove.
    Unix(UnixListener),
}

impl Passed {
    fn address(&self) -> Option<String> {
        match self {
            Passed::Tcp(listener) => listener.local_addr().ok().map(|addr| addr.to_string()),
            Passed::Unix(listener) => {
                listener.local_addr().ok()?.as_pathname().map(|path| format!("unix:{}", path.display()))
            }
        }
    }
}

/// What was passed is not what connections can be accepted from.
#[derive(Debug)]
pub struct InheritError {
    name: String,
    reason: String,
}

impl fmt::Display for InheritError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service manager passed the socket {:?}, which cannot be used: {}", self.name, self.reason)
    }
}

impl std::error::Error for InheritError {}

impl Inherited {
    /// Takes over what was passed to this process. To be called once, before any thread starts: it reads the environment
    /// and removes from it what must not be read twice.
    ///
    /// # Errors
    /// A socket that is no listening stream socket.
    pub fn take() -> Result<Self, InheritError> {
        let count = std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        if count > MOST {
            return Err(InheritError { name: String::new(), reason: format!("LISTEN_FDS={count} is too many") });
        }
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut sockets = Vec::with_capacity(passed.len());
        for index in 0..passed.len() {
            let name = names.next().unwrap_or_default().to_owned();
            match one(&mut passed, index) {
                Ok(socket) => sockets.push((name, socket)),
                Err(error) => return Err(InheritError { name, reason: error.to_string() }),
            }
        }
        Ok(Self(sockets))
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Where those that are left listen, as far as they say.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.0.iter().filter_map(|(_, socket)| socket.address()).collect()
    }

    /// Takes those of that name, or all.
    pub fn take_named(&mut self, name: Option<&str>) -> Vec<Passed> {
        let (taken, left) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(passed, _)| name.is_none_or(|name| name == passed.as_str()));
        self.0 = left;
        let taken: Vec<(String, Passed)> = taken;
        taken.into_iter().map(|(_, socket)| socket).collect()
    }
}

fn one(passed: &mut ListenFd, index: usize) -> io::Result<Passed> {
    let refused = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let missing = || refused("it is not there");
    let socket = match passed.take_tcp_listener(index) {
        Ok(listener) => Passed::Tcp(listener.ok_or_else(missing)?),
        Err(_) => match passed.take_unix_listener(index) {
            Ok(listener) => Passed::Unix(listener.ok_or_else(missing)?),
            Err(_) => return Err(refused("it is no stream socket (ListenStream=) for an address or a path")),
        },
    };
    let is_listener = match &socket {
        Passed::Tcp(listener) => SockRef::from(listener).is_listener()?,
        Passed::Unix(listener) => SockRef::from(listener).is_listener()?,
    };
    // What systemd passes with Accept=yes is a connection.
    if is_listener { Ok(socket) } else { Err(refused("it does not listen; the unit needs Accept=no")) }
}
