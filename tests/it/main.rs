//! Tests of the whole program, one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows them in test functions only, not in the functions that those share"
)]

// The command line: exit codes, and what goes to which stream.
mod cli;
