//! Whether a port of another machine takes connections: the proof that no look from within can give, since what a machine
//! sends to its own address never leaves it.

pub mod spoken;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

/// How long a port may take to answer; one that is closed by rules does not at all.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a port behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It takes connections.
    Open,
    /// It refuses them.
    Refused,
    /// Nothing comes back.
    Silent,
    /// A machine on the way, or that one's firewall, says that it cannot be reached; firewalld does so for what it closes.
    Unreachable,
    /// There is no way there from here.
    NoRoute,
}

/// Every address of a name.
///
/// # Errors
/// When it has none.
pub fn addresses(host: &str) -> io::Result<Vec<IpAddr>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut found: Vec<IpAddr> = Vec::new();
    for addr in (host, 0).to_socket_addrs()? {
        if !found.contains(&addr.ip()) {
            found.push(addr.ip());
        }
    }
    Ok(found)
}

/// Whether it is an address of this machine: what is sent there would be sent from there. Nothing is sent.
#[must_use]
pub fn is_own(ip: IpAddr) -> bool {
    let unspecified: IpAddr = if ip.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
    let from = || -> io::Result<IpAddr> {
        let socket = UdpSocket::bind((unspecified, 0))?;
        socket.connect((ip, 9))?;
        Ok(socket.local_addr()?.ip())
    };
    ip.is_unspecified() || ip.to_canonical().is_loopback() || from().is_ok_and(|from| from == ip)
}

/// Knocks.
#[must_use]
pub fn knock(at: SocketAddr) -> Answer {
    match TcpStream::connect_timeout(&at, PATIENCE) {
        Ok(_) => Answer::Open,
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Answer::Refused,
            io::ErrorKind::HostUnreachable => Answer::Unreachable,
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => Answer::NoRoute,
            _ => Answer::Silent,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_no_other_is_own_without_a_network() {
        assert!(is_own([127, 0, 0, 1].into()) && is_own([0, 0, 0, 0].into()));
        assert!(!is_own([192, 0, 2, 1].into()));
    }

    #[test]
    fn a_port_is_open_or_refuses() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        assert_eq!(knock(at), Answer::Open);
        drop(listener);
        assert_eq!(knock(at), Answer::Refused);
    }
}
