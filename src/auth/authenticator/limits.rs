//! How much an [`super::Authenticator`] may do, and what it does.

use std::num::NonZeroUsize;
use std::thread::available_parallelism;
use std::time::Duration;

use super::super::verify::PoolLimits;

/// How much work and memory logins may take. The default is what the daemon uses.
#[derive(Debug, Clone)]
pub struct AuthLimits {
    /// Hashes that are computed at once: the number of cores.
    pub threads: NonZeroUsize,
    /// What they take together, in KiB: 256 MiB, which is also the most that one may take.
    pub memory: u64,
    /// Passwords that wait for a thread; one more is told that the gate is busy: 64.
    pub waiting: usize,
    /// Refusals that are held back for longer than a tick: 4096, as many as there may be connections.
    pub late: usize,
    /// Verified credentials that are remembered: 4096.
    pub remembered: usize,
    /// For how long after its verification a credential is remembered: an hour.
    pub lifetime: Duration,
    /// For how long without a request it is remembered, to an eighth: 15 minutes.
    pub idle: Duration,
}

impl Default for AuthLimits {
    fn default() -> Self {
        Self {
            threads: available_parallelism().unwrap_or(NonZeroUsize::MIN),
            memory: 256 * 1024,
            waiting: 64,
            late: 4096,
            remembered: 4096,
            lifetime: Duration::from_secs(60 * 60),
            idle: Duration::from_secs(15 * 60),
        }
    }
}

impl AuthLimits {
    pub(super) fn pool(&self) -> PoolLimits {
        PoolLimits { threads: self.threads, waiting: self.waiting, memory: self.memory }
    }
}

/// What an [`super::Authenticator`] has done and is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthLoad {
    /// Hashes computed since the start, those for unknown users among them.
    pub computed: u64,
    /// Requests whose credentials were remembered.
    pub hits: u64,
    /// Passwords that wait for a thread.
    pub waiting: usize,
    /// Credentials that are remembered.
    pub remembered: usize,
}
