//! Mailwarden stands in front of a mail catcher and makes it safe to share.

pub mod cli;
pub mod config;
pub mod permission;
