//! Self-tests of the stand-in for MailCatcher.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "support/mod.rs"]
mod support;
