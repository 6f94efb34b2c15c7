//! The jobs that no thread has taken yet: in turn over where they come from, so that one who sends many waits for his own.

use std::collections::VecDeque;

use super::super::throttle::Class;

/// Where a job comes from: jobs of one lane are served in their order, lanes in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Lane {
    /// An address or an IPv6 /64, by a keyed hash.
    pub(in super::super) network: u64,
    /// How it is treated.
    pub(in super::super) class: Class,
}

/// Why a job may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// There are too many.
    InAll,
    /// There are too many from where passwords are guessed.
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

/// At most this many of one lane wait...
const OF_ONE: usize = 32;
/// ...and at most this many of a network that guesses: with bcrypt of cost 12 they take a second.
const OF_GUESSES: usize = 4;

/// A bounded queue of jobs.
pub(super) struct FairQueue<J> {
    /// Whose turn it is stands in front. No lane here is empty, so there are no more of them than jobs.
    lanes: VecDeque<(Lane, VecDeque<Job<J>>)>,
    limit: usize,
    len: usize,
}

struct Job<J> {
    memory: u64,
    what: J,
}

impl<J> FairQueue<J> {
    /// A queue in which that many may wait.
    pub(super) fn new(limit: usize) -> Self {
        Self { lanes: VecDeque::new(), limit, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether a job of that lane has a place that it takes from nobody.
    pub(super) fn has_room(&self, lane: Lane) -> bool {
        self.len < self.limit && self.lane_is_full(lane, self.length_of(lane)).is_none()
    }

    fn length_of(&self, lane: Lane) -> usize {
        self.lanes.iter().find(|(other, _)| *other == lane).map_or(0, |(_, jobs)| jobs.len())
    }

    fn lane_is_full(&self, lane: Lane, length: usize) -> Option<Full> {
        match lane.class {
            Class::Guessing if length >= OF_GUESSES => Some(Full::OfGuesses),
            _ if length >= OF_ONE => Some(Full::InAll),
            _ => None,
        }
    }

    /// Puts a job last in its lane; `memory` is what it takes while it runs, in KiB. When the queue is full, a lane that
    /// is longer by more than one gives its last one up for it, which is handed back: no address can fill the queue.
    ///
    /// # Errors
    /// When there is no place for it.
    pub(super) fn push(&mut self, lane: Lane, memory: u64, what: J) -> Result<Option<J>, Full> {
        let length = self.length_of(lane);
        if let Some(full) = self.lane_is_full(lane, length) {
            return Err(full);
        }
        let given_up = if self.len >= self.limit { Some(self.make_room(lane, length)?) } else { None };
        let job = Job { memory, what };
        match self.lanes.iter_mut().find(|(other, _)| *other == lane) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.lanes.push_back((lane, VecDeque::from([job]))),
        }
        self.len += 1;
        Ok(given_up)
    }

    /// Takes the last job of the longest lane, if `lane`, in which `length` wait, has a better right to its place.
    fn make_room(&mut self, lane: Lane, length: usize) -> Result<J, Full> {
        let unknown = |(other, _): &(Lane, _)| other.class != Class::Known;
        let longest = (0..self.lanes.len())
            .filter(|at| lane.class != Class::Known || unknown(&self.lanes[*at]))
            .max_by_key(|at| self.lanes[*at].1.len());
        let Some(at) = longest else { return Err(Full::InAll) };
        if lane.class != Class::Known && self.lanes[at].1.len() <= length + 1 {
            return Err(Full::InAll);
        }
        let job = self.lanes[at].1.pop_back().ok_or(Full::InAll)?;
        self.len -= 1;
        self.drop_lane_if_empty(at);
        Ok(job.what)
    }

    /// The next job that `free` is enough for, with its lane and its memory. Those that were right lately come first. One
    /// that there is not enough memory for keeps its turn: only jobs that take none go before it.
    pub(super) fn pop(&mut self, free: Free) -> Option<(Lane, u64, J)> {
        let mut waits_for_memory = false;
        let mut fits = |(lane, jobs): &(Lane, VecDeque<Job<J>>)| {
            let memory = jobs.front().map_or(0, |job| job.memory);
            if lane.class == Class::Guessing && !free.guess {
                return false;
            }
            let enough = memory == 0 || (!waits_for_memory && free.memory.is_none_or(|free| memory <= free));
            waits_for_memory |= !enough;
            enough
        };
        let is_known = |at: &usize| self.lanes[*at].0.class == Class::Known;
        let known = (0..self.lanes.len()).filter(is_known);
        let others = (0..self.lanes.len()).filter(|at| !is_known(at));
        let at = known.chain(others).find(|at| fits(&self.lanes[*at]))?;
        let (lane, mut jobs) = self.lanes.remove(at)?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.lanes.push_back((lane, jobs));
        }
        let job = job?;
        self.len -= 1;
        Some((lane, job.memory, job.what))
    }

    /// Keeps only the jobs that `wanted` says so of.
    pub(super) fn retain(&mut self, mut wanted: impl FnMut(&J) -> bool) {
        for (_, jobs) in &mut self.lanes {
            jobs.retain(|job| wanted(&job.what));
        }
        self.lanes.retain(|(_, jobs)| !jobs.is_empty());
        self.len = self.lanes.iter().map(|(_, jobs)| jobs.len()).sum();
    }

    fn drop_lane_if_empty(&mut self, at: usize) {
        if self.lanes.get(at).is_some_and(|(_, jobs)| jobs.is_empty()) {
            self.lanes.remove(at);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    const ALL: Free = Free { memory: None, guess: true };

    fn lane(network: u64, class: Class) -> Lane {
        Lane { network, class }
    }

    fn usual(network: u64) -> Lane {
        lane(network, Class::Usual)
    }

    fn order(queue: &mut FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop(ALL).map(|(_, _, job)| job)).collect()
    }

    #[test]
    fn addresses_are_served_in_turn_however_many_jobs_each_has() {
        let mut queue = FairQueue::new(64);
        for (network, job) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (2, 21)] {
            queue.push(usual(network), 0, job).unwrap();
        }
        assert_eq!(order(&mut queue), [10, 20, 30, 11, 21, 12]);
        assert_eq!((queue.len(), queue.lanes.len()), (0, 0));
    }

    #[test]
    fn what_was_right_lately_comes_first() {
        let mut queue = FairQueue::new(64);
        for (lane, job) in [(usual(1), 1), (lane(2, Class::Guessing), 2), (lane(1, Class::Known), 3)] {
            queue.push(lane, 0, job).unwrap();
        }
        assert_eq!(order(&mut queue), [3, 1, 2]);
    }

    #[test]
    fn one_address_cannot_fill_the_queue() {
        let mut queue = FairQueue::new(64);
        let taken = (0..100).filter(|job| queue.push(usual(1), 0, *job).is_ok()).count();
        assert_eq!(taken, 32);
    }

    #[test]
    fn a_full_queue_takes_the_place_for_a_newcomer_from_whoever_has_most() {
        let mut queue = FairQueue::new(6);
        for job in 0..6 {
            queue.push(usual(1), 0, job).unwrap();
        }
        assert_eq!(queue.push(usual(1), 0, 6), Err(Full::InAll));
        assert_eq!(queue.push(usual(2), 0, 20), Ok(Some(5)));
        assert_eq!(queue.push(usual(2), 0, 21), Ok(Some(4)));
        assert_eq!(queue.push(usual(3), 0, 30), Ok(Some(3)));
        assert_eq!(queue.push(usual(2), 0, 22), Err(Full::InAll), "nobody has more by two");
        assert!(queue.push(lane(4, Class::Known), 0, 40).unwrap().is_some());
        assert_eq!(queue.len(), 6);
    }

    #[test]
    fn of_where_passwords_are_guessed_few_wait_and_few_run() {
        let mut queue = FairQueue::new(64);
        let guess = lane(1, Class::Guessing);
        for job in 0..4 {
            queue.push(guess, 0, job).unwrap();
        }
        assert_eq!(queue.push(guess, 0, 4), Err(Full::OfGuesses));
        queue.push(usual(1), 0, 10).unwrap();
        let mut next = || queue.pop(Free { memory: None, guess: false }).map(|(_, _, job)| job);
        assert_eq!((next(), next()), (Some(10), None));
    }

    #[test]
    fn what_waits_for_memory_keeps_its_turn_and_holds_up_only_what_takes_some() {
        let mut queue = FairQueue::new(64);
        for (network, memory, job) in [(1, 200, 1), (2, 50, 2), (3, 0, 3)] {
            queue.push(usual(network), memory, job).unwrap();
        }
        let free = |memory| Free { memory: Some(memory), guess: true };
        assert_eq!(queue.pop(free(100)).map(|(_, _, job)| job), Some(3));
        assert_eq!(queue.pop(free(100)).map(|(_, _, job)| job), None, "or the large one would wait for ever");
        assert_eq!(queue.pop(free(200)).map(|(_, _, job)| job), Some(1));
        assert_eq!(queue.pop(free(50)).map(|(_, _, job)| job), Some(2));
        queue.push(usual(1), 9999, 4).unwrap();
        assert_eq!(queue.pop(ALL).map(|(_, memory, job)| (memory, job)), Some((9999, 4)));
    }

    #[test]
    fn nobody_who_went_away_keeps_a_place() {
        let mut queue = FairQueue::new(4);
        for job in 0..4 {
            queue.push(usual(u64::from(job) % 2), 0, job).unwrap();
        }
        queue.retain(|job| *job == 2);
        assert_eq!((queue.len(), queue.lanes.len(), order(&mut queue)), (1, 1, vec![2]));
    }
}
