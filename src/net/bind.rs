//! Binding: sockets that listen, before anything else starts.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

use super::inherited::{Inherited, Passed};
use crate::config::model::{Listen, ListenAt, Scheme};

/// Connections that may wait to be accepted; the kernel cuts it to its own limit.
pub(super) const BACKLOG: i32 = 4096;

/// A listening socket that belongs to no runtime yet, and what is to be spoken on it.
#[derive(Debug)]
pub struct Bound {
    /// Whether by TLS.
    pub scheme: Scheme,
    socket: BoundSocket,
}

#[derive(Debug)]
enum BoundSocket {
    /// On an address.
    Tcp(std::net::TcpListener),
    /// On a path; a file that we made is removed when the socket is dropped.
    Unix(std::os::unix::net::UnixListener, Option<SocketFile>),
}

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// On an address.
    Tcp(TcpListener),
    /// On a path; a file that we made is removed when the listener is dropped.
    Unix(UnixListener, Option<SocketFile>),
}

/// A socket's file. Removed on drop, if it is still the one that we made.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: Option<u64>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.inode.is_some() && inode(&self.path) == self.inode {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::symlink_metadata(path).ok().map(|data| data.ino())
}

/// Why a socket could not be bound.
#[derive(Debug)]
pub struct BindError {
    listen: String,
    error: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.listen, self.error)?;
        match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                f.write_str("; another program (perhaps the nginx that this replaces) is there")
            }
            io::ErrorKind::PermissionDenied => {
                f.write_str("; ports below 1024 take CAP_NET_BIND_SERVICE, a path takes write permission on its folder")
            }
            io::ErrorKind::AddrNotAvailable => f.write_str("; this machine does not have that address"),
            io::ErrorKind::NotFound if self.listen.contains("systemd") => {
                f.write_str("; it is to be started by its socket unit: systemctl start mailwarden.socket")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listener::Tcp(listener) => match listener.local_addr() {
                Ok(addr) => addr.fmt(f),
                Err(_) => f.write_str("a closed socket"),
            },
            Listener::Unix(listener, _) => match listener.local_addr() {
                Ok(addr) => write!(f, "unix:{}", addr.as_pathname().unwrap_or(Path::new("")).display()),
                Err(_) => f.write_str("a closed socket"),
            },
        }
    }
}

/// Binds every entry of `listen`, of which `inherited` has what the service manager passed; `mode` is the permission bits
/// of Unix sockets. An entry that is optional is left out where the machine has no IPv6.
///
/// # Errors
/// The first that cannot be bound.
pub fn bind(listen: &[Listen], mode: u32, inherited: &mut Inherited) -> Result<Vec<Bound>, BindError> {
    let mut bound = Vec::with_capacity(listen.len());
    for entry in listen {
        let failed = |error| BindError { listen: entry.to_string(), error };
        let mut add = |socket| bound.push(Bound { scheme: entry.scheme, socket });
        match &entry.at {
            ListenAt::Tcp { addr, optional } => match tcp(*addr) {
                Ok(listener) => add(BoundSocket::Tcp(listener)),
                Err(error) if *optional && is_without_ipv6(&error) => {
                    tracing::info!(listen = %entry, "this machine has no IPv6; going on without it");
                }
                Err(error) => return Err(failed(error)),
            },
            ListenAt::Unix(path) => add(unix(path, mode).map_err(failed)?),
            ListenAt::Systemd(name) => {
                let passed = inherited.take_named(name.as_deref());
                if passed.is_empty() {
                    let error = io::Error::new(io::ErrorKind::NotFound, "the service manager passed no such socket");
                    return Err(failed(error));
                }
                passed.into_iter().map(BoundSocket::from).for_each(add);
            }
        }
    }
    Ok(bound)
}

impl From<Passed> for BoundSocket {
    fn from(passed: Passed) -> Self {
        match passed {
            Passed::Tcp(listener) => BoundSocket::Tcp(listener),
            Passed::Unix(listener) => BoundSocket::Unix(listener, None),
        }
    }
}

impl Bound {
    /// The port that it is on, if it has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.socket {
            BoundSocket::Tcp(listener) => listener.local_addr().ok().map(|addr| addr.port()),
            BoundSocket::Unix(..) => None,
        }
    }

    /// Gives it to the current runtime, which will accept from it.
    ///
    /// # Errors
    /// When the system's poller is full.
    pub fn settle(self) -> io::Result<Listener> {
        Ok(match self.socket {
            BoundSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                tune(&listener);
                Listener::Tcp(TcpListener::from_std(listener)?)
            }
            BoundSocket::Unix(listener, file) => {
                listener.set_nonblocking(true)?;
                Listener::Unix(UnixListener::from_std(listener)?, file)
            }
        })
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::Unsupported
        || rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::AFNOSUPPORT)
}

fn tcp(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn unix(path: &Path, mode: u32) -> io::Result<BoundSocket> {
    let bind = || std::os::unix::net::UnixListener::bind(path);
    let listener = match bind() {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path)?;
            bind()?
        }
        other => other?,
    };
    // From here on the file is ours to remove, also when what follows fails. Until the mode is set only the owner can
    // connect: that takes write permission, which no umask in use leaves to others.
    let file = SocketFile { path: path.to_owned(), inode: inode(path) };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(BoundSocket::Unix(listener, Some(file)))
}

/// Removes what a dead process left: a socket that nobody listens on, and nothing else.
fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name, and it is no socket"));
    }
    let question = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Whoever listens and is busy must not keep the question waiting.
    question.set_nonblocking(true)?;
    match question.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// Has what is accepted from `listener` be as it should: a small answer must not wait for the acknowledgement of the one
/// before; a peer whose machine is gone is found out in some minutes. Connections have these from the socket that they
/// were accepted from, which saves three system calls for each. Neither is worth a refusal to start.
fn tune(listener: &std::net::TcpListener) {
    let socket = SockRef::from(listener);
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(120)));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn what_is_accepted_sends_at_once_and_looks_after_its_peer() {
        let bound =
            Bound { scheme: Scheme::Http, socket: BoundSocket::Tcp(tcp("127.0.0.1:0".parse().unwrap()).unwrap()) };
        let addr = std::net::SocketAddr::from(([127, 0, 0, 1], bound.port().unwrap()));
        let listener = bound.settle().unwrap();
        let client = TcpStream::connect(addr).await.unwrap();
        let Listener::Tcp(listener) = listener else { unreachable!() };
        let (stream, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(120));
        drop(client);
    }
}
