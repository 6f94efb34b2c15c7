//! Which formats are written, and between which bounds their costs are.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use super::{ARGON2_MEMORY, CouldNotMake, Recipe};

/// How long a cost that is measured may take. The daemon pays it once for each user and password, not for each request.
const AIM: Duration = Duration::from_millis(100);

/// A format that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `$argon2id$`; its cost is the number of passes over 19 MiB.
    Argon2id,
    /// `$2y$`; its cost is the logarithm of the number of rounds.
    Bcrypt,
    /// `$6$`; its cost is the number of rounds.
    Sha512Crypt,
    /// `$apr1$`, which has no cost and is weak.
    Apr1,
}

impl Method {
    /// Which costs may be asked for: from where a hash is not weak to what the reader takes. None where there is no
    /// cost.
    #[must_use]
    pub const fn costs(self) -> Option<RangeInclusive<u32>> {
        match self {
            Self::Argon2id => Some(2..=16),
            Self::Bcrypt => Some(8..=15),
            Self::Sha512Crypt => Some(50_000..=1_000_000),
            Self::Apr1 => None,
        }
    }

    /// The recipe with the usual cost, below which no measuring goes.
    #[must_use]
    pub const fn usual(self) -> Recipe {
        match self {
            Self::Argon2id => self.at(2),
            Self::Bcrypt => self.at(10),
            Self::Sha512Crypt => self.at(100_000),
            Self::Apr1 => Recipe::Apr1,
        }
    }

    /// The recipe with that cost, which has to be one of [`Method::costs`].
    #[must_use]
    pub const fn at(self, cost: u32) -> Recipe {
        match self {
            Self::Argon2id => Recipe::Argon2id { memory: ARGON2_MEMORY, passes: cost, lanes: 1 },
            Self::Bcrypt => Recipe::Bcrypt { cost },
            Self::Sha512Crypt => Recipe::Sha512Crypt { rounds: cost },
            Self::Apr1 => Recipe::Apr1,
        }
    }

    /// The recipe whose cost takes some 100 ms on this machine, or the usual one where that takes longer already.
    ///
    /// # Errors
    /// When a hash could not be computed.
    pub fn measured(self) -> Result<Recipe, CouldNotMake> {
        let usual = self.usual();
        let Some(costs) = self.costs() else { return Ok(usual) };
        let mut took = Duration::MAX;
        // The best of three: the first one also pays for memory that nobody had touched before.
        for _ in 0..3 {
            let start = Instant::now();
            usual.compute(b"a password to measure with")?;
            took = took.min(start.elapsed());
        }
        Ok(self.at(self.fitting(took).min(*costs.end())))
    }

    /// The cost that takes [`AIM`], when the usual one takes `took`; never less than the usual one.
    fn fitting(self, took: Duration) -> u32 {
        let times = AIM.as_secs_f64() / took.as_secs_f64().max(1e-9);
        match self.usual() {
            // Each step doubles the time.
            Recipe::Bcrypt { cost } => cost + times.max(1.0).log2() as u32,
            Recipe::Argon2id { passes, .. } => (f64::from(passes) * times.max(1.0)) as u32,
            Recipe::Sha512Crypt { rounds } => (f64::from(rounds) * times.max(1.0)) as u32,
            Recipe::Apr1 => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::StoredHash;
    use super::*;

    const METHODS: [Method; 4] = [Method::Argon2id, Method::Bcrypt, Method::Sha512Crypt, Method::Apr1];

    #[test]
    fn no_usual_cost_is_weak_and_every_cost_that_may_be_asked_for_is_read() {
        for method in METHODS {
            let Some(costs) = method.costs() else {
                assert!(method.usual().scheme().weakness().is_some());
                continue;
            };
            for cost in [*costs.start(), *costs.end()] {
                assert_eq!(method.at(cost).scheme().weakness(), None);
            }
            assert_eq!(method.usual().scheme().weakness(), None);
        }
        // The dearest ones are not computed here: the reader's caps are what matters.
        let highest = "$2y$15$abcdefghijklmnopqrstuuTZkYJ4vGJYv0zJQ7nPXz7zQ5bqxVJuK";
        assert!(StoredHash::parse(highest.as_bytes()).is_ok());
        let salt_and_tag = "c2FsdHNhbHRzYWx0c2FsdA$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaA";
        let highest = format!("$argon2id$v=19$m={ARGON2_MEMORY},t=16,p=1${salt_and_tag}");
        assert!(StoredHash::parse(highest.as_bytes()).is_ok());
    }

    #[test]
    fn a_measured_cost_aims_at_a_tenth_of_a_second_and_never_goes_below_the_usual() {
        let ms = Duration::from_millis;
        let cases = [
            (Method::Bcrypt, ms(54), 10),
            (Method::Bcrypt, ms(50), 11),
            (Method::Bcrypt, ms(24), 12),
            (Method::Bcrypt, ms(5000), 10),
            (Method::Argon2id, ms(13), 15),
            (Method::Argon2id, ms(101), 2),
            (Method::Argon2id, Duration::MAX, 2),
            (Method::Sha512Crypt, ms(20), 500_000),
            (Method::Sha512Crypt, ms(400), 100_000),
        ];
        for (method, took, cost) in cases {
            assert_eq!(method.fitting(took), cost, "{method:?} {took:?}");
        }
        // A machine faster than any: the caps hold.
        assert!(Method::Argon2id.fitting(Duration::ZERO) > 16);
    }
}
