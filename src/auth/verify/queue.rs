//! The jobs that no thread has taken yet: who goes first, and who has no place.
//!
//! Networks are served in turn, so that one who sends many waits for his own; before all turns come those who were right
//! lately, after them those from where somebody guesses. Of one network each name has its turn.

use std::collections::VecDeque;

use super::super::throttle::Class;

/// What a job's place depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Claim {
    /// Where it comes from: an address or an IPv6 /48, by a keyed hash. Those of one are served in one turn.
    pub(in super::super) network: u64,
    /// For which name and from which /64, by a keyed hash.
    pub(in super::super) name: u64,
    /// How it is treated.
    pub(in super::super) class: Class,
}

impl Claim {
    /// Those of one rank are served in turn, and after all of a lower one.
    fn rank(self) -> u8 {
        match self.class {
            Class::Known => 0,
            Class::Usual | Class::Crowd => 1,
            Class::Guessing => 2,
            Class::Last => 3,
        }
    }

    /// Whether it comes from where passwords are guessed, or could.
    pub(super) fn is_a_guess(self) -> bool {
        self.rank() > 1
    }
}

/// Why a job may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// There are too many.
    InAll,
    /// There are too many from where passwords are guessed, or from a network of which many are in flight.
    OfGuesses,
}

/// What there is to give to a job that is to run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Free {
    /// In KiB; none if nothing runs that takes memory, so that the largest hash has its turn however small the budget.
    pub(super) memory: Option<u64>,
    /// Whether one more from where passwords are guessed may run.
    pub(super) guess: bool,
}

/// At most this many of one network wait...
const OF_ONE: usize = 32;
/// ...and at most this many that cannot be a first right one: with bcrypt of cost 12 they take a second.
const OF_LAST: usize = 4;

/// A bounded queue of jobs.
pub(super) struct FairQueue<J> {
    /// Whose turn it is stands in front. No network here is without jobs, so there are no more of them than jobs.
    networks: VecDeque<(u64, Vec<Job<J>>)>,
    limit: usize,
    pushed: u64,
}

struct Job<J> {
    claim: Claim,
    memory: u64,
    /// How many of its name were waiting when it came, and the how-many-th of all it is: its turn in its network.
    turn: (usize, u64),
    what: J,
}

impl<J> FairQueue<J> {
    /// A queue in which that many may wait, a quarter of them guesses.
    pub(super) fn new(limit: usize) -> Self {
        Self { networks: VecDeque::new(), limit, pushed: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.networks.iter().map(|(_, jobs)| jobs.len()).sum()
    }

    /// Whether a job has a place that it takes from nobody.
    pub(super) fn has_room(&self, claim: Claim) -> bool {
        self.len() < self.limit
            && !(claim.is_a_guess() && self.guesses() >= self.limit_of_guesses())
            && self.is_within_its_own(claim)
    }

    /// Puts a job into its network's turn; `memory` is what it takes while it runs, in KiB. When there is no place left,
    /// the job with the least right to its own gives it up and is handed back, if its right is less than this one's.
    ///
    /// # Errors
    /// When there is no place for it.
    pub(super) fn push(&mut self, claim: Claim, memory: u64, what: J) -> Result<Option<J>, Full> {
        let of_one = claim.class == Class::Crowd && !self.is_within_its_own(claim);
        let full = if claim.is_a_guess() || of_one { Full::OfGuesses } else { Full::InAll };
        let names = self.of(claim.network).iter().filter(|job| job.claim.name == claim.name).count();
        let given_up = match self.has_room(claim) {
            true => None,
            false => Some(self.make_room(claim, names).ok_or(full)?),
        };
        self.pushed += 1;
        let job = Job { claim, memory, turn: (names, self.pushed), what };
        match self.networks.iter_mut().find(|(network, _)| *network == claim.network) {
            Some((_, jobs)) => jobs.push(job),
            None => self.networks.push_back((claim.network, vec![job])),
        }
        Ok(given_up)
    }

    /// The next job that `free` is enough for, with its claim and its memory. One that there is not enough memory for
    /// keeps its turn: only jobs that take none go before it.
    pub(super) fn pop(&mut self, free: Free) -> Option<(Claim, u64, J)> {
        let mut waits_for_memory = false;
        let mut fits = |job: &Job<J>| {
            if job.claim.is_a_guess() && !free.guess {
                return false;
            }
            let enough = job.memory == 0 || (!waits_for_memory && free.memory.is_none_or(|free| job.memory <= free));
            waits_for_memory |= !enough;
            enough
        };
        let (at, turn) = (0..=3).find_map(|rank| {
            self.networks.iter().enumerate().find_map(|(at, (_, jobs))| {
                let next = jobs.iter().filter(|job| job.claim.rank() == rank).min_by_key(|job| job.turn)?;
                // What came before it was known that somebody guesses there lets a name that exists go first.
                let ahead =
                    jobs.iter().filter(|job| next.claim.class == Class::Crowd && job.claim.class == Class::Guessing);
                if let Some(ahead) = ahead.min_by_key(|job| job.turn).filter(|job| fits(job)) {
                    return Some((at, ahead.turn));
                }
                fits(next).then_some((at, next.turn))
            })
        })?;
        let (network, mut jobs) = self.networks.remove(at)?;
        let job = jobs.iter().position(|job| job.turn == turn).map(|at| jobs.swap_remove(at));
        if !jobs.is_empty() {
            self.networks.push_back((network, jobs));
        }
        job.map(|job| (job.claim, job.memory, job.what))
    }

    /// What waits of that network for that name has come with a crowd, and is of a better class by now.
    pub(super) fn promote(&mut self, claim: Claim) {
        let jobs = self.networks.iter_mut().filter(|(network, _)| *network == claim.network).flat_map(|(_, jobs)| jobs);
        for job in jobs.filter(|job| job.claim.name == claim.name && job.claim.class == Class::Crowd) {
            job.claim.class = claim.class;
        }
    }

    /// Keeps only the jobs that `wanted` says so of.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(Claim, &J) -> bool) {
        for (_, jobs) in &mut self.networks {
            jobs.retain(|job| wanted(job.claim, &job.what));
        }
        self.networks.retain(|(_, jobs)| !jobs.is_empty());
    }

    fn of(&self, network: u64) -> &[Job<J>] {
        self.networks.iter().find(|(other, _)| *other == network).map_or(&[], |(_, jobs)| jobs)
    }

    fn guesses(&self) -> usize {
        self.networks.iter().flat_map(|(_, jobs)| jobs).filter(|job| job.claim.is_a_guess()).count()
    }

    fn limit_of_guesses(&self) -> usize {
        (self.limit / 4).max(1)
    }

    /// Whether fewer of its network wait than may.
    fn is_within_its_own(&self, claim: Claim) -> bool {
        let jobs = self.of(claim.network);
        match claim.class {
            Class::Known | Class::Guessing => true,
            Class::Usual | Class::Crowd => jobs.iter().filter(|job| job.claim.rank() == 1).count() < OF_ONE,
            Class::Last => jobs.iter().filter(|job| job.claim.class == Class::Last).count() < OF_LAST,
        }
    }

    /// Takes the job that has the least right to its place, if `claim`, of whose name that many wait, has a better one:
    /// by rank; else that of the network that has more by two, or of a name of its own network that has more.
    fn make_room(&mut self, claim: Claim, names: usize) -> Option<J> {
        let own = self.of_rank(self.of(claim.network), claim.rank());
        let within = self.is_within_its_own(claim);
        let (at, turn) = self
            .networks
            .iter()
            .enumerate()
            .flat_map(|(at, (network, jobs))| jobs.iter().map(move |job| (at, *network, jobs, job)))
            .filter(|(_, network, jobs, job)| {
                let is_own = *network == claim.network;
                if job.claim.rank() > claim.rank() {
                    return within;
                }
                job.claim.rank() == claim.rank()
                    && claim.class != Class::Known
                    && ((is_own && job.turn.0 > names) || (within && self.of_rank(jobs, claim.rank()) > own + 1))
            })
            .max_by_key(|(_, _, jobs, job)| (job.claim.rank(), self.of_rank(jobs, job.claim.rank()), job.turn))
            .map(|(at, _, _, job)| (at, job.turn))?;
        let (_, jobs) = self.networks.get_mut(at)?;
        let job = jobs.iter().position(|job| job.turn == turn).map(|at| jobs.swap_remove(at))?;
        if jobs.is_empty() {
            self.networks.remove(at);
        }
        Some(job.what)
    }

    fn of_rank(&self, jobs: &[Job<J>], rank: u8) -> usize {
        jobs.iter().filter(|job| job.claim.rank() == rank).count()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests;
