//! The configuration: what was written, what is true, and the way from one to the other.

mod address;
pub mod model;
mod upstream;

pub use model::Config;
