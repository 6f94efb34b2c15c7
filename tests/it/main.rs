//! The real binary over real sockets, bytes in and bytes out; one test binary for all.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows them in test functions only, not in the functions that those share"
)]

#[path = "../support/mod.rs"]
mod support;

// The command line: exit codes, and what goes to which stream.
mod cli;

// The gate doing its main job.
mod gate;

// What the catcher is told in a request's header fields, and the client in an answer's.
mod headers;

// Who may do what, and where there is anything at all.
mod access;

// Who gets in: hashes as the real tools make them, what they cost, and what the log says of it.
mod auth;

// Every format that crypt(3) verifies too, against it, with passwords and salts by chance.
mod crypt;

// What lets in without a password in the request: the socket ticket, the login page's session, the network.
mod session;

// WebSockets: the tunnel, and every way in which there is none.
mod upgrade;

// A catcher that is down, slow, gone in mid-answer, or back again.
mod faults;

// Bodies in both directions: framing, limits, back-pressure.
mod bodies;

// How long a client may take for each step.
mod timeouts;

// What the access log says.
mod access_log;

// Stopping.
mod stop;

// What was written last holds, without a restart.
mod reload;

// How it goes: the second listener, and what is asked there.
mod status;

// Listening sockets.
mod listen;

// How much a client may send and open, and what becomes of a gate without descriptors.
mod limits;

// Published attacks on programs of this kind.
mod attacks;

// Tables of hostile bytes: what no client should send, and what becomes of it.
mod hostile;

// Credentials and what the real tools make.
mod tools;
