//! HTTP/2 clients: one that keeps the rules ([`orderly`]), and one that sends any frame it is told to ([`frames`]).

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]

pub(crate) mod frames;
pub(crate) mod orderly;
