//! Remembers credentials that were verified, so that a slow hash is paid once and not on every request.
//!
//! Only successes are remembered: with failures in the same table a stranger's guesses would push real users out. What
//! is kept is a keyed hash of network, name, password and stored hash, so there is no password to find in memory, and a
//! user whose line changes is forgotten without anybody touching the cache. What was verified from one network is not
//! known in another: or whoever is anywhere could find out as fast as he can ask what somebody's password is.

use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;

use super::keyed::{ProcessKey, Purpose};
use super::network::Network;

/// What a verified credential is remembered by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct CacheKey([u8; 32]);

impl CacheKey {
    /// The key of these credentials from there, for as long as the stored hash is this one. An early end of the comparison of two
    /// keys tells nothing: nobody outside can choose or compute one.
    pub(super) fn new(key: &ProcessKey, network: &Network, user: &[u8], password: &[u8], stored: &[u8]) -> Self {
        Self(key.mac(Purpose::Verified, &[network.as_bytes(), user, password, stored]))
    }

    /// A name of it, where 64 bits are enough.
    pub(super) fn tag(&self) -> u64 {
        self.0.first_chunk().map_or(0, |start| u64::from_ne_bytes(*start))
    }
}

/// The bytes are random already; eight of them are hash enough.
impl Hash for CacheKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.tag());
    }
}

/// When a credential was verified and when it was last seen, the latter to an eighth of the idle time.
#[derive(Clone, Copy)]
struct Verified {
    since: Instant,
    seen: Instant,
}

/// A bounded table of verified credentials. The most useful stay when it is full.
pub(super) struct VerifiedCache {
    entries: Cache<CacheKey, Verified>,
    lifetime: Duration,
    idle: Duration,
}

impl VerifiedCache {
    /// An entry ends `lifetime` after it was verified, and when it was not asked for during `idle`.
    pub(super) fn new(capacity: usize, lifetime: Duration, idle: Duration) -> Self {
        Self { entries: Cache::new(capacity), lifetime, idle }
    }

    /// Whether the credential was verified and still counts.
    pub(super) fn contains(&self, key: &CacheKey, now: Instant) -> bool {
        let Some(entry) = self.entries.get(key) else {
            return false;
        };
        if !self.holds(&entry, now) {
            self.entries.remove_if(key, |entry| !self.holds(entry, now));
            return false;
        }
        // Seldom, because it takes the table's lock from all other readers. The replacement is refused when the entry
        // is gone by now, and keeps the time of the verification: being used does not prolong a life.
        if now.saturating_duration_since(entry.seen) > self.idle / 8 {
            let _ = self.entries.replace(*key, Verified { seen: now, ..entry }, true);
        }
        true
    }

    /// Remembers a credential that was verified just now.
    pub(super) fn insert(&self, key: CacheKey, now: Instant) {
        self.entries.insert(key, Verified { since: now, seen: now });
    }

    /// Drops what has ended. Nothing depends on it but memory.
    pub(super) fn sweep(&self, now: Instant) {
        self.entries.retain(|_, entry| self.holds(entry, now));
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn holds(&self, entry: &Verified, now: Instant) -> bool {
        now.saturating_duration_since(entry.since) < self.lifetime
            && now.saturating_duration_since(entry.seen) < self.idle
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    fn key(number: u64) -> CacheKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_ne_bytes());
        CacheKey(bytes)
    }

    #[test]
    fn an_entry_ends_after_its_lifetime_however_much_it_is_used() {
        let (cache, start) = (VerifiedCache::new(100, HOUR, 10 * MINUTE), Instant::now());
        cache.insert(key(1), start);
        for minute in 0..60 {
            assert!(cache.contains(&key(1), start + minute * MINUTE), "minute {minute}");
        }
        assert!(!cache.contains(&key(1), start + HOUR));
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn an_entry_ends_when_it_is_not_used() {
        let (cache, start) = (VerifiedCache::new(100, HOUR, 8 * MINUTE), Instant::now());
        cache.insert(key(1), start);
        assert!(cache.contains(&key(1), start + 7 * MINUTE));
        assert!(cache.contains(&key(1), start + 14 * MINUTE));
        assert!(!cache.contains(&key(1), start + 22 * MINUTE));
    }

    #[test]
    fn an_entry_verified_anew_lives_anew() {
        let (cache, start) = (VerifiedCache::new(100, HOUR, HOUR), Instant::now());
        cache.insert(key(1), start);
        cache.insert(key(1), start + HOUR / 2);
        assert!(cache.contains(&key(1), start + HOUR));
    }

    #[test]
    fn a_clock_that_seems_to_go_back_ends_nothing() {
        let (cache, start) = (VerifiedCache::new(100, HOUR, MINUTE), Instant::now() + HOUR);
        cache.insert(key(1), start);
        assert!(cache.contains(&key(1), start - MINUTE));
    }

    #[test]
    fn the_table_never_outgrows_its_bound() {
        let (cache, start) = (VerifiedCache::new(4096, HOUR, HOUR), Instant::now());
        for number in 0..20_000 {
            cache.insert(key(number), start);
        }
        assert!(cache.len() <= 4096, "{}", cache.len());
    }

    #[test]
    fn a_sweep_drops_what_has_ended_and_nothing_else() {
        let (cache, start) = (VerifiedCache::new(100, HOUR, HOUR), Instant::now());
        cache.insert(key(1), start);
        cache.insert(key(2), start + MINUTE);
        cache.sweep(start + HOUR);
        assert_eq!(cache.len(), 1);
        assert!(cache.contains(&key(2), start + HOUR));
    }
}
