//! Where a client is, as far as guessing is concerned: an IPv4 address, an IPv6 /64, or the Unix socket.

use std::net::IpAddr;

use crate::client_addr::Peer;

/// A network that one host has to itself. Of IPv6 that is a /64: a host can take any address in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network([u8; 9]);

impl Network {
    /// The network that `client` is in.
    pub(super) fn of(client: Peer) -> Self {
        let mut bytes = [0; 9];
        match client {
            Peer::Unix => {}
            Peer::Tcp(IpAddr::V4(ip)) => {
                bytes[0] = 4;
                bytes[1..5].copy_from_slice(&ip.octets());
            }
            Peer::Tcp(IpAddr::V6(ip)) => {
                bytes[0] = 6;
                bytes[1..].copy_from_slice(&ip.octets()[..8]);
            }
        }
        Self(bytes)
    }

    /// A name for it that no other has, nor any site.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The /48 around an IPv6 one: what a customer of a provider may have to himself.
    pub(super) fn site(&self) -> Option<&[u8]> {
        (self.0[0] == 6).then(|| &self.0[..7])
    }
}
