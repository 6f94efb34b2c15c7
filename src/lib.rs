//! Mailwarden stands in front of a mail catcher and makes it safe to share: people log in, and nothing else gets through.
//!
//! ```text
//! main -> cli -> config::load (what was written -> what is true) -> daemon
//! daemon binds (or takes over what the service manager bound), starts all of these, and stops them in order
//!   |- net::listener -> net::workers (one current-thread runtime a core) -> net::connection -> hyper -> App::handle
//!   |- reload    a thread: SIGHUP, or a users file that changed and stands still -> App::replace, whole or not at all
//!   |- isolation a thread: who else can reach the catcher -> a condition, a metric, the log
//!   |- status    a thread with a port of its own: /livez /readyz /metrics; asks App, changes nothing
//!   |- systemd   ready, reloading, stopping, a line about how it goes, the watchdog
//!   `- signals
//!
//! App::handle(request, connection)
//!   access_log::start ............... its line is written when the answer's body ends or is dropped
//!   live = one snapshot, taken once
//!   client     = client_addr           the peer, or whom a trusted peer forwarded
//!   guard::check                       what two programs would read differently is refused
//!   health                             the one path that may be given away, if the configuration names one
//!   guard::names                       a name that is not one of ours is refused, if the configuration has a list
//!   action     = catcher::route        what would this do? parsed from one canonical path, and told later
//!   entrance                           the login page, if there is one: a right password begins a session
//!   identity   = auth                  Authorization: remembered, or not too many wrong ones from there, and verified on
//!                                      threads of its own
//!              | session | ticket      cookies: what could do harm has to come from a page of this site
//!              | anonymous             the network
//!   permit     = access                may this user do that? only access makes a Permit
//!   response   = forward(permit)       strip, then add; 101 -> a listed tunnel that parses frames
//!   any Err(Reject) -> reject -> response
//! ```
//!
//! A row uses only the rows below it: `main cli` / `daemon signals` / `reload status systemd isolation` / `net` / `app` / `guard auth
//! session access forward catcher client_addr` / `reject body access_log metrics conditions vitals in_flight sink path
//! permission authority config::model`.
//!
//! What holds everywhere, mostly by absence:
//! - only `access` makes a [`access::Permit`], so that an unauthorised forward does not compile;
//! - the path that a rule is decided on is the path that is forwarded ([`path::canonical`], [`catcher::Action`]);
//! - only [`reject`] chooses the status of a refusal;
//! - in the daemon only `auth::verify` computes password hashes, on its own threads; nothing else blocks;
//! - who may try a password is decided by `auth::throttle`, for which time is an argument, and a refusal leaves by
//!   `auth::late`, which says when;
//! - only `net`, `status`, `forward` and `body` name hyper; the rest speaks `http` types and is called from plain unit tests;
//! - only `daemon`, `net::workers` and `status` start long-lived tasks; only these, `forward::upstream` and
//!   `forward::upgrade` start tasks of a connection, and what stopping waits for is on one tracker;
//! - what a client does not take of an answer is read ahead by his connection's own task, charged to one budget for all
//!   (`body::budget`) before it is there; an answer that is too short never ends well;
//! - no globals; no method and no path on the main port skips authentication, but for `health_path`, the login page and
//!   the networks of `auth.anonymous_from`;
//! - a ticket opens the catcher's socket and nothing else, and no cookie of ours reaches the catcher;
//! - what a request sees of the configuration and the users is one snapshot, taken once; only `reload` replaces it;
//! - what stays open (a WebSocket, an event stream) is listed with its user, and held against each new snapshot;
//! - what `status` tells holds no name, no address and no text that anybody else chose;
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
pub mod session;

pub mod authority;
pub mod catcher;
pub mod path;

pub mod access;
pub mod permission;

pub mod forward;

pub mod access_log;
pub mod body;
pub mod conditions;
pub mod in_flight;
pub mod metrics;
pub mod reject;
pub mod sink;
pub mod vitals;

// Sockets, and the life of the daemon around them.
pub mod daemon;
pub mod isolation;
pub mod net;
pub mod reload;
pub mod signals;
pub mod status;
pub mod systemd;

// What people write: command line and configuration.
pub mod cli;
pub mod config;
pub mod logging;
