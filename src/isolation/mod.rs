//! Whether the catcher can be reached around the gate, and what closes the ways.
//!
//! [`gather`] collects facts (sockets, processes, containers, rules), [`look::look`] judges them and knows nothing else;
//! so every judgement is a plain test. The daemon takes the same look with the few facts that its sandbox lets it see
//! ([`watch`]); `mailwarden doctor` takes all of it. [`firewall`] writes rules as text, and recognises its own; nothing
//! here ever applies one.

pub mod engine;
pub mod facts;
pub mod findings;
pub mod firewall;
pub mod gather;
pub mod look;
pub mod mend;
pub mod nat;
pub mod outside;
pub mod owner;
pub mod routes;
pub mod rules;
pub mod sockets;
pub mod watch;
