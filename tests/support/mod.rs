//! What the tests share. Each thing here reads as a sentence where it is used, binds to port 0 and stops when dropped.

pub(crate) mod catcher;
pub(crate) mod gate;
pub(crate) mod grammar;
pub(crate) mod http2;
pub(crate) mod kind;
pub(crate) mod patience;
pub(crate) mod pit_and_hog;
pub(crate) mod raw;
pub(crate) mod secure;
pub(crate) mod smtp_client;
pub(crate) mod tls;
