//! Mailwarden stands in front of a mail catcher and makes it safe to share: people log in, and nothing else gets through.
//!
//! ```text
//! main -> cli -> config::load (what was written -> what is true) -> daemon
//! daemon binds, starts the workers, and stops them in order
//!   |- net::listener -> net::workers (one current-thread runtime a core) -> net::connection -> hyper -> App::handle
//!   `- signals
//!
//! App::handle(request, connection)
//!   access_log::start ............... its line is written when the answer's body ends or is dropped
//!   live = one snapshot, taken once
//!   client     = client_addr           the peer, or whom a trusted peer forwarded
//!   guard::check                       what two programs would read differently is refused
//!   identity   = auth                  remembered | verified on threads of its own
//!   action     = catcher::route        what would this do? parsed from one canonical path
//!   permit     = access                may this user do that? only access makes a Permit
//!   response   = forward(permit)       strip, then add; 101 -> a tracked tunnel that parses frames
//!   any Err(Reject) -> reject -> response
//! ```
//!
//! A row uses only the rows below it: `main cli` / `daemon signals` / `net` / `app` / `guard auth access forward catcher
//! client_addr` / `reject body access_log conditions in_flight sink path permission config::model`.
//!
//! What holds everywhere, mostly by absence:
//! - only `access` makes a [`access::Permit`], so that an unauthorised forward does not compile;
//! - the path that a rule is decided on is the path that is forwarded ([`path::canonical`], [`catcher::Action`]);
//! - only [`reject`] chooses the status of a refusal;
//! - only `auth::verify` computes password hashes, on its own threads; nothing else blocks;
//! - only `net`, `forward` and `body` name hyper; the rest speaks `http` types and is called from plain unit tests;
//! - only `daemon` and `net::workers` start long-lived tasks; only `net::workers`, `forward::upstream` and
//!   `forward::upgrade` start tasks of a connection, and what stopping waits for is on one tracker;
//! - no globals; no method and no path on the main port skips authentication;
//! - only `config::load` sees what was written; a built configuration needs no further check.
//!
//! What reaches MailCatcher, whatever came in: `GET` or `HEAD` of `/`, `/favicon.ico`, `/assets/REST`, `/messages`,
//! `/messages/ID.FORMAT`, `/messages/ID/parts/CID`; `DELETE` of `/messages/ID`, `/messages` and, with the permission,
//! `/`; a WebSocket handshake for `/messages`; each below the prefix, without a query and without a body.

// The request's way, in its order.
pub mod app;
pub mod client_addr;
pub mod guard;

pub mod auth;
pub mod catcher;
pub mod path;

pub mod access;
pub mod permission;

pub mod forward;

pub mod access_log;
pub mod body;
pub mod conditions;
pub mod in_flight;
pub mod reject;
pub mod sink;

// Sockets, and the life of the daemon around them.
pub mod daemon;
pub mod net;
pub mod signals;

// What people write: command line and configuration.
pub mod cli;
pub mod config;
pub mod logging;
