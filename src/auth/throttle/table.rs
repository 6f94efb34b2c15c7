//! A table of fixed size in which each entry lasts until a moment of its own.
//!
//! It is what a stranger can grow, so it never grows: it is allocated once, and what is not used of it takes no memory.
//! A full bucket gives up the entry that ends soonest. For penalties that is the smallest one, so that a flood of
//! addresses with one wrong password each pushes out its own entries and not the record of somebody who guesses.

use super::super::keyed::{ProcessKey, Purpose};

/// Entries that share a place. A search looks at all of them: 256 bytes, side by side.
const WAYS: usize = 16;

/// What an entry is found by: parts of a keyed hash, so that nobody outside can choose whom he shares a place with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    place: u64,
    tag: u64,
}

impl Key {
    pub(super) fn new(key: &ProcessKey, purpose: Purpose, parts: &[&[u8]]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = key.mac(purpose, parts);
        Self { place: u64::from_ne_bytes([a, b, c, d, e, f, g, h]), tag: u64::from_ne_bytes([i, j, k, l, m, n, o, p]) }
    }

    /// The half that names it where a name of 64 bits is enough.
    pub(super) fn tag(self) -> u64 {
        self.tag
    }
}

/// Tags and the moments at which they end, in milliseconds. Zero is a place that was never used.
pub(super) struct Table(Box<[[u64; 2]]>);

impl Table {
    /// A table of so many entries, rounded up to a multiple of 16, with 16 bytes each.
    pub(super) fn new(entries: usize) -> Self {
        Self(vec![[0; 2]; entries.next_multiple_of(WAYS).max(WAYS)].into_boxed_slice())
    }

    /// The moment at which the entry ends: in the past or 0 if there is none.
    pub(super) fn until(&self, key: Key) -> u64 {
        self.bucket(key).iter().find(|[tag, _]| *tag == key.tag).map_or(0, |[_, until]| *until)
    }

    /// Makes the entry end at `until`, in the place of the one in its bucket that ends first if it was not there.
    pub(super) fn set(&mut self, key: Key, until: u64) {
        let start = self.start(key);
        let bucket = &mut self.0[start..start + WAYS];
        let at = bucket.iter().position(|[tag, _]| *tag == key.tag);
        let at = at.or_else(|| (0..WAYS).min_by_key(|at| bucket[*at][1]));
        if let Some(entry) = at.and_then(|at| bucket.get_mut(at)) {
            *entry = [key.tag, until];
        }
    }

    /// What it takes at most, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    fn bucket(&self, key: Key) -> &[[u64; 2]] {
        let start = self.start(key);
        &self.0[start..start + WAYS]
    }

    fn start(&self, key: Key) -> usize {
        let buckets = (self.0.len() / WAYS) as u64;
        // Below the length of a slice.
        (key.place % buckets) as usize * WAYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tag: u64) -> Key {
        Key { place: 0, tag }
    }

    #[test]
    fn a_full_bucket_gives_up_what_ends_first() {
        let mut table = Table::new(WAYS);
        for tag in 1..=16 {
            table.set(key(tag), 1000 + tag);
        }
        table.set(key(99), 1);
        assert_eq!((table.until(key(1)), table.until(key(2)), table.until(key(99))), (0, 1002, 1));
        table.set(key(100), 5000);
        assert_eq!((table.until(key(99)), table.until(key(2)), table.until(key(100))), (0, 1002, 5000));
        table.set(key(2), 1);
        assert_eq!((table.until(key(2)), table.bytes()), (1, 256));
    }
}
