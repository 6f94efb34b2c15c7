//! The purge: old mail goes, on schedule or by hand, and it is proven that it went.
//!
//! ```text
//! pure     schedule (cron)  when      retention  what      pace  how fast      ticker  which run is due
//! edge     store, witness  the catcher, by its own interface and its socket      run, look, failure  list, decide, delete, confirm
//!          history, lock  what is kept in state_dir      archive  a copy before it goes      alert  a webhook
//!          work  attempts until one succeeds, with a line of history before and after
//! daemon   task  waits for the next run, and tells how it went
//! command  cli::purge, cli::schedule
//! ```

pub mod alert;
pub mod archive;
pub mod cron;
mod failure;
pub mod history;
pub mod lock;
mod look;
pub mod pace;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod store;
pub mod task;
pub mod ticker;
pub mod witness;
pub mod work;
