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
