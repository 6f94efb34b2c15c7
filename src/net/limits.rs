//! How many connections there may be, in all and from one address.
//!
//! Loopback and trusted proxies have no limit: behind a container engine's gateway or a NAT everybody is one address. An
//! IPv6 host has a /64 to itself, so that is what counts as an address there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::IntGauge;

use crate::client_addr::Peer;

/// How many connections over the limits are told so at one time; beyond it they are just closed.
const TOLD_AT_ONCE: usize = 64;

/// The open connections of clients.
#[derive(Debug)]
pub struct Connections {
    gauge: IntGauge,
    in_all: usize,
    per_address: usize,
    open: Mutex<Open>,
    told: AtomicUsize,
}

#[derive(Debug, Default)]
struct Open {
    in_all: usize,
    /// No larger than `in_all`.
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// There are too many.
    InAll,
    /// There are too many from its address.
    Address,
}

impl Full {
    /// What the access log and the metrics say of it.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Full::InAll => "too many connections",
            Full::Address => "too many connections from this address",
        }
    }
}

/// A place among the connections that are told that there are too many.
#[derive(Debug)]
pub struct Telling(Arc<Connections>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.told.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's place in the count.
#[derive(Debug)]
pub struct Admitted {
    place: Place,
}

/// What counts against the limits: a connection, or a request that it answers beside others. `address` is whose it is, if
/// that has a limit.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Connections {
    /// At most `in_all` connections, and `per_address` from one address. `gauge` shows how many are open, those without a
    /// limit among them.
    #[must_use]
    pub fn new(in_all: usize, per_address: usize, gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self { gauge, in_all, per_address, open: Mutex::default(), told: AtomicUsize::new(0) })
    }

    /// Takes a connection from `peer` in; `trusted` peers, loopback and Unix sockets have no limit.
    ///
    /// # Errors
    /// [`Full`].
    pub fn admit(self: &Arc<Self>, peer: Peer, trusted: bool) -> Result<Admitted, Full> {
        let counts = |ip: IpAddr| !trusted && !ip.is_loopback();
        let Some(address) = peer.host().filter(|_| peer.ip().is_some_and(counts)) else {
            return Ok(self.admitted(None));
        };
        self.count(address)?;
        Ok(self.admitted(Some(address)))
    }

    fn count(&self, address: IpAddr) -> Result<(), Full> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.in_all >= self.in_all {
            return Err(Full::InAll);
        }
        let theirs = open.by_address.entry(address).or_insert(0);
        if *theirs >= self.per_address {
            return Err(Full::Address);
        }
        *theirs += 1;
        open.in_all += 1;
        Ok(())
    }

    /// A place to tell one of those over the limits, if there is one.
    #[must_use]
    pub fn telling(self: &Arc<Self>) -> Option<Telling> {
        let before = self.told.fetch_add(1, Ordering::Relaxed);
        let telling = Telling(Arc::clone(self));
        (before < TOLD_AT_ONCE).then_some(telling)
    }

    fn admitted(self: &Arc<Self>, address: Option<IpAddr>) -> Admitted {
        self.gauge.inc();
        Admitted { place: Place { connections: Arc::clone(self), address } }
    }
}

impl Admitted {
    /// The same connection's place, now that it is known to be `peer`'s; its old place is given up.
    ///
    /// # Errors
    /// [`Full`], and a place to tell it so, if there is one.
    pub fn turns_out(self, peer: Peer, trusted: bool) -> Result<Self, (Full, Option<Telling>)> {
        self.place.connections.admit(peer, trusted).map_err(|full| (full, self.place.connections.telling()))
    }

    /// The address that counts against the limits, if any does.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.place.address
    }

    /// What the places of its requests are asked for.
    #[must_use]
    pub fn places(&self) -> Places {
        Places { connections: Arc::clone(&self.place.connections), address: self.place.address }
    }
}

/// Where requests have a place that are answered beside others on one connection: each costs as much as a connection.
#[derive(Clone, Debug)]
pub struct Places {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Places {
    /// A place within the connection's own limits; it is no connection, and not shown as one.
    ///
    /// # Errors
    /// [`Full`].
    pub fn take(&self) -> Result<Place, Full> {
        if let Some(address) = self.address {
            self.connections.count(address)?;
        }
        Ok(Place { connections: Arc::clone(&self.connections), address: self.address })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.place.connections.gauge.dec();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.in_all -= 1;
            if let Some(theirs) = open.by_address.get_mut(&address) {
                *theirs -= 1;
                if *theirs == 0 {
                    open.by_address.remove(&address);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn connections(in_all: usize, per_address: usize) -> Arc<Connections> {
        Connections::new(in_all, per_address, IntGauge::new("open", "open").unwrap())
    }

    fn peer(ip: &str) -> Peer {
        Peer::Tcp(ip.parse().unwrap())
    }

    #[test]
    fn a_place_is_given_up_when_its_connection_ends() {
        let connections = connections(2, 2);
        let one = connections.admit(peer("192.0.2.1"), false).unwrap();
        let _two = connections.admit(peer("192.0.2.2"), false).unwrap();
        assert_eq!(connections.admit(peer("192.0.2.3"), false).unwrap_err(), Full::InAll);
        assert_eq!(connections.gauge.get(), 2);
        drop(one);
        assert_eq!(connections.gauge.get(), 1);
        assert!(connections.admit(peer("192.0.2.3"), false).is_ok());
        assert_eq!(connections.open.lock().unwrap().by_address.len(), 1);
    }

    #[test]
    fn requests_beside_others_count_as_connections_do() {
        let connections = connections(3, 2);
        let one = connections.admit(peer("192.0.2.1"), false).unwrap();
        let beside = one.places().take().unwrap();
        assert_eq!(one.places().take().unwrap_err(), Full::Address);
        assert_eq!(connections.admit(peer("192.0.2.1"), false).unwrap_err(), Full::Address);
        let _other = connections.admit(peer("192.0.2.2"), false).unwrap();
        assert_eq!(connections.gauge.get(), 2);
        drop(beside);
        let _again = one.places().take().unwrap();
        drop(one);
        assert_eq!(connections.open.lock().unwrap().in_all, 2);
        let unlimited = connections.admit(peer("127.0.0.1"), false).unwrap();
        assert!((0..9).map(|_| unlimited.places().take()).collect::<Result<Vec<_>, _>>().is_ok());
    }

    #[test]
    fn one_address_and_one_64_have_a_limit_of_their_own() {
        let connections = connections(9, 1);
        let _v4 = connections.admit(peer("192.0.2.1"), false).unwrap();
        assert_eq!(connections.admit(peer("192.0.2.1"), false).unwrap_err(), Full::Address);
        let _v6 = connections.admit(peer("2001:db8::1"), false).unwrap();
        assert_eq!(connections.admit(peer("2001:db8::2"), false).unwrap_err(), Full::Address);
        assert!(connections.admit(peer("2001:db8:0:1::1"), false).is_ok());
    }

    #[test]
    fn a_proxys_connection_takes_the_place_of_whom_it_names() {
        let connections = connections(2, 1);
        let proxy = || connections.admit(peer("10.0.0.1"), true).unwrap();
        let one = proxy().turns_out(peer("192.0.2.1"), false).unwrap();
        let (full, telling) = proxy().turns_out(peer("192.0.2.1"), false).unwrap_err();
        assert_eq!((full, telling.is_some()), (Full::Address, true));
        let _two = proxy().turns_out(peer("192.0.2.2"), false).unwrap();
        assert_eq!(proxy().turns_out(peer("192.0.2.3"), false).unwrap_err().0, Full::InAll);
        assert_eq!(connections.gauge.get(), 2);
        drop(one);
        assert!(proxy().turns_out(peer("192.0.2.1"), false).is_ok());
    }

    #[test]
    fn no_more_than_some_are_told_that_there_are_too_many() {
        let connections = connections(0, 0);
        let mut told: Vec<_> = (0..TOLD_AT_ONCE).map(|_| connections.telling()).collect();
        assert!(told.iter().all(Option::is_some));
        assert!(connections.telling().is_none() && connections.telling().is_none());
        told.pop();
        assert!(connections.telling().is_some());
    }

    #[test]
    fn loopback_and_trusted_proxies_have_no_limit() {
        let connections = connections(0, 0);
        for (peer, trusted) in
            [(peer("127.0.0.9"), false), (peer("::1"), false), (Peer::Unix, false), (peer("10.0.0.1"), true)]
        {
            assert!(connections.admit(peer, trusted).is_ok(), "{peer}");
        }
        assert!(connections.admit(peer("10.0.0.1"), false).is_err());
    }
}
