//! Which stored hash an unknown name is checked against, so that the answer takes as long as a known user's.
//!
//! Hashes of one format and cost take the same time, so what has to be chosen is a format with its cost, each as often
//! as users have it. That is rendezvous hashing with weights: each class draws a number by the name, and the least
//! wins. When a line changes from one class to another, only names that fell on the one move, and only to the other;
//! everybody else goes on taking the time that he took. It costs a few nanoseconds a class, and a file has a handful.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::super::hash::StoredHash;

/// The formats and costs of a file, by the words for them.
#[derive(Debug, Default)]
pub(super) struct Classes(HashMap<String, Class>);

#[derive(Debug)]
struct Class {
    /// The same in every process, and for every file that has the class.
    tag: u64,
    users: u32,
    /// One of theirs.
    hash: StoredHash,
}

impl Classes {
    /// Counts a user.
    pub(super) fn add(&mut self, hash: &StoredHash) {
        let words = hash.scheme().to_string();
        let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(words.as_bytes()).into();
        let tag = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        self.0.entry(words).or_insert_with(|| Class { tag, users: 0, hash: hash.clone() }).users += 1;
    }

    /// Whether there is anything to choose from.
    pub(super) fn are_several(&self) -> bool {
        self.0.len() > 1
    }

    /// The hash for a name of which `seed` is a keyed hash.
    pub(super) fn pick(&self, seed: u64) -> Option<&StoredHash> {
        let drawn = self.0.values().map(|class| (class.draw(seed), &class.hash));
        drawn.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, hash)| hash)
    }
}

impl Class {
    /// An exponential variate whose rate is the number of users: of several the least is this one as often as its share
    /// of them says.
    fn draw(&self, seed: u64) -> f64 {
        let uniform = (mixed(seed ^ self.tag) >> 11) as f64 + 0.5;
        -(uniform / (1u64 << 53) as f64).ln() / f64::from(self.users)
    }
}

/// The last step of SplitMix64: each bit depends on every other. That nobody can foresee it is the seed's matter.
fn mixed(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::super::Users;

    const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    const APR1: &str = "$apr1$x$12YdXEY0/hH4rDNkmZupO0";
    const DES: &str = "AkLTsy09siuoo";
    const NAMES: u64 = 20_000;

    /// A file of these users, in this order.
    fn file(hashes: &[&str]) -> Users {
        let lines: String = hashes.iter().enumerate().map(|(at, hash)| format!("user{at}:{hash}\n")).collect();
        let users = Users::parse(lines.as_bytes());
        assert_eq!(users.len(), hashes.len());
        users
    }

    /// What names mimic: their keyed hashes are any numbers.
    fn mimicked(users: &Users) -> Vec<Vec<u8>> {
        (0..NAMES).map(|name| users.mimic(super::mixed(name)).unwrap().as_bytes().to_vec()).collect()
    }

    #[test]
    fn each_class_is_mimicked_as_often_as_users_have_it() {
        let mimicked = mimicked(&file(&[SHA, APR1, SHA, DES, SHA, APR1, SHA, SHA, SHA, SHA]));
        for (hash, users) in [(SHA, 7), (APR1, 2), (DES, 1)] {
            let share = mimicked.iter().filter(|found| **found == *hash.as_bytes()).count() as u64;
            let expected = NAMES * users / 10;
            assert!(share.abs_diff(expected) < NAMES / 50, "{hash}: {share}, not {expected}");
        }
    }

    #[test]
    fn a_changed_line_moves_only_names_that_fell_on_it() {
        let mut hashes = [SHA; 40];
        hashes[10..30].fill(APR1);
        let before = mimicked(&file(&hashes));
        assert_eq!(before, mimicked(&file(&hashes)), "a reload without a change moves none");
        hashes[12] = DES;
        let after = mimicked(&file(&hashes));
        let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        // Away from the class that has a line less, or to the one that has it now.
        assert!(moved.iter().all(|(before, after)| **before == *APR1.as_bytes() || **after == *DES.as_bytes()));
        let share = moved.len() as u64;
        assert!(share < NAMES / 40 * 2, "{share} of {NAMES} moved for one of 40 lines");
        hashes[12] = APR1;
        assert_eq!(mimicked(&file(&hashes)), before, "and back");
    }

    #[test]
    fn the_order_of_the_lines_moves_nobody() {
        let before = mimicked(&file(&[SHA, APR1, DES, APR1]));
        assert_eq!(mimicked(&file(&[DES, APR1, SHA, APR1])), before);
    }
}
