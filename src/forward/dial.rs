//! New connections to the catcher: its addresses, and the time that they have.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::config::model::UpstreamHost;
use crate::reject::UpstreamFault;

/// Where the catcher is, and how long a connection to it may take to be made.
#[derive(Debug)]
pub(super) struct Dial {
    host: UpstreamHost,
    port: u16,
    timeout: Duration,
}

/// As in a `Host` field.
impl fmt::Display for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            UpstreamHost::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            UpstreamHost::Ip(ip) => write!(f, "{ip}:{}", self.port),
            UpstreamHost::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl Dial {
    /// `host` and `port`, reached within `timeout`.
    pub(super) fn new(host: UpstreamHost, port: u16, timeout: Duration) -> Self {
        Self { host, port, timeout }
    }

    /// A new connection, within its time.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn connect(&self) -> Result<TcpStream, UpstreamFault> {
        let limit = self.timeout;
        tokio::time::timeout(limit, self.dial()).await.unwrap_or(Err(UpstreamFault::ConnectTimeout(limit)))
    }

    async fn dial(&self) -> Result<TcpStream, UpstreamFault> {
        let addresses = self.addresses().await?;
        // Each has its share of the time, so that one that drops packets does not hide the next.
        let share = self.timeout / u32::try_from(addresses.len()).unwrap_or(1).max(1);
        let mut last = UpstreamFault::Unresolved("the name exists, but has no address".to_owned());
        for addr in addresses {
            last = match tokio::time::timeout(share, TcpStream::connect(addr)).await {
                Ok(Ok(stream)) => {
                    // A small request must not wait for the acknowledgement of the one before.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => UpstreamFault::Unreachable(format!("{addr}: {error}")),
                Err(_elapsed) => UpstreamFault::ConnectTimeout(self.timeout),
            };
        }
        Err(last)
    }

    /// The addresses to try, in order. A name is resolved for each connection, so that a restarted container is found;
    /// `localhost` is both loopback addresses whatever the hosts file says (RFC 6761 section 6.3).
    async fn addresses(&self) -> Result<Vec<SocketAddr>, UpstreamFault> {
        let at = |ip| SocketAddr::new(ip, self.port);
        match &self.host {
            UpstreamHost::Ip(ip) => Ok(vec![at(*ip)]),
            UpstreamHost::Name(name) if name.eq_ignore_ascii_case("localhost") => {
                Ok(vec![at(Ipv4Addr::LOCALHOST.into()), at(Ipv6Addr::LOCALHOST.into())])
            }
            UpstreamHost::Name(name) => match tokio::net::lookup_host((name.as_str(), self.port)).await {
                Ok(found) => Ok(found.collect()),
                Err(error) => Err(UpstreamFault::Unresolved(error.to_string())),
            },
        }
    }
}
