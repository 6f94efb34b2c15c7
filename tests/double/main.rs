//! Holds the stand-in for MailCatcher to what was measured on the real one, so that it cannot drift into being polite.
//!
//! Every test talks bytes over a socket. Times are short ones given by the test, and only ever waited for, never
//! slept through.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod client;
/// Connections: bodies, pipelining, keeping alive, closing.
mod connections;
/// Scripts: the faults that tests ask for.
mod faults;
/// Routes: paths, heads, flags.
mod routes;
/// WebSockets.
mod sockets;
/// SMTP, MIME and the list.
mod stored;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What "never" is shortened to where a claim is that nothing comes before the connection ends.
const SHORT: Duration = Duration::from_millis(150);

use support::catcher::{Catcher, Options};

fn catcher() -> Catcher {
    Catcher::start(Options::default())
}
