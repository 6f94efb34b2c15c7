//! The parts of the bench that need no other program, tested.
#![allow(dead_code, reason = "the rest of the bench uses it")]

mod options;
mod parse;
mod picture;
mod stats;
mod table;
mod template;
