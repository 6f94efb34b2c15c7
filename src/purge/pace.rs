//! How fast messages are deleted: by how long the catcher takes for each, so that it has time for others. Pure.
//!
//! A catcher with one thread serves others between two deletes anyway; what a pause adds is room for whoever asks for more
//! than one thing at a time. It rests for a third of the time that it worked, so that all of it takes a third longer than
//! without a pause. One that has become slow is busy for somebody else, and rests longer.

use std::time::Duration;

/// No pause is shorter: timers go by milliseconds, and a pause of each delete's own would be mostly rounding.
const SHORTEST: Duration = Duration::from_millis(5);
/// Nor longer: a catcher that takes seconds for a delete is not helped by waiting for more.
const LONGEST: Duration = Duration::from_millis(500);

/// What is owed to the catcher.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    owed: Duration,
    /// How long the catcher usually takes: a slow average.
    usual: Option<Duration>,
}

impl Pace {
    /// The catcher took so long for a delete. The pause before the next one, if it is time for one.
    pub fn took(&mut self, took: Duration) -> Option<Duration> {
        let usual = self.usual.get_or_insert(took);
        let is_slow = took > *usual * 4 && took > Duration::from_millis(2);
        *usual = (*usual * 31 + took.min(*usual * 4)) / 32;
        self.owed = self.owed.saturating_add(if is_slow { took } else { took / 3 });
        (self.owed >= SHORTEST).then(|| std::mem::take(&mut self.owed).min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn it_rests_for_a_third_of_the_time_that_the_catcher_worked() {
        let mut pace = Pace::default();
        let rested: Duration = (0..10_000).filter_map(|_| pace.took(Duration::from_micros(300))).sum();
        assert!((millis(950)..=millis(1000)).contains(&rested), "{rested:?}");
    }

    #[test]
    fn a_catcher_that_has_become_slow_rests_as_long_as_it_works() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.took(millis(1));
        }
        let _ = pace.took(millis(40));
        assert_eq!(pace.took(millis(40)), Some(millis(40)));
        assert_eq!(pace.took(Duration::from_secs(60)), Some(LONGEST));
    }

    proptest! {
        #[test]
        fn no_pause_is_out_of_bounds_and_all_of_them_are_no_longer_than_the_work(times in prop::collection::vec(0u64..10_000_000, 0..200)) {
            let mut pace = Pace::default();
            let mut worked = Duration::ZERO;
            let mut rested = Duration::ZERO;
            for took in times.into_iter().map(Duration::from_micros) {
                worked += took;
                if let Some(pause) = pace.took(took) {
                    prop_assert!((SHORTEST..=LONGEST).contains(&pause));
                    rested += pause;
                }
            }
            prop_assert!(rested <= worked);
        }
    }
}
