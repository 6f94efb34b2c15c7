//! Sockets: where connections come from, how many there may be, and what serves one.

pub mod bind;
pub mod client_io;
pub mod connection;
pub mod inherited;
pub mod limits;
pub mod listener;
mod pieces;
pub mod proxy_header;
pub mod socket;
pub mod tls;
pub mod turned_away;
pub mod workers;
