use super::*;

const ALL: Free = Free { memory: None, guess: true };

/// A job of a name of its own.
fn claim(network: u64, name: u64, class: Class) -> Claim {
    Claim { network, name, class }
}

fn usual(network: u64, name: u64) -> Claim {
    claim(network, name, Class::Usual)
}

/// Pushes jobs each of which is named by a number, which is also its name.
fn push(queue: &mut FairQueue<u64>, network: u64, class: Class, job: u64) -> Result<Option<u64>, Full> {
    queue.push(claim(network, job, class), 0, job)
}

fn order(queue: &mut FairQueue<u64>) -> Vec<u64> {
    std::iter::from_fn(|| queue.pop(ALL).map(|(_, _, job)| job)).collect()
}

#[test]
fn networks_are_served_in_turn_however_many_jobs_each_has() {
    let mut queue = FairQueue::new(64);
    for (network, job) in [(1, 10), (1, 11), (1, 12), (2, 20), (3, 30), (2, 21)] {
        push(&mut queue, network, Class::Usual, job).unwrap();
    }
    assert_eq!(order(&mut queue), [10, 20, 30, 11, 21, 12]);
    assert_eq!((queue.len(), queue.networks.len()), (0, 0));
}

#[test]
fn names_of_a_network_are_served_in_turn() {
    let mut queue = FairQueue::new(64);
    for (name, job) in [(1, 10), (1, 11), (1, 12), (2, 20), (2, 21), (3, 30)] {
        queue.push(usual(1, name), 0, job).unwrap();
    }
    assert_eq!(order(&mut queue), [10, 20, 30, 11, 21, 12]);
}

#[test]
fn what_was_right_lately_comes_first_then_everybody_then_names_that_exist_where_somebody_guesses() {
    let mut queue = FairQueue::new(64);
    let jobs = [(1, Class::Last), (2, Class::Guessing), (3, Class::Crowd), (3, Class::Usual), (1, Class::Known)];
    for (job, (network, class)) in (1..).zip(jobs) {
        push(&mut queue, network, class, job).unwrap();
    }
    assert_eq!(order(&mut queue), [5, 3, 4, 2, 1]);
}

#[test]
fn one_address_cannot_fill_the_queue() {
    let mut queue = FairQueue::new(64);
    let taken = (0..100).filter(|job| push(&mut queue, 1, Class::Usual, *job).is_ok()).count();
    assert_eq!(taken, 32);
}

#[test]
fn in_a_network_with_all_its_places_taken_the_name_that_has_most_gives_one_to_another() {
    let mut queue = FairQueue::new(64);
    for job in 0..32 {
        queue.push(usual(1, job % 16), 0, job).unwrap();
    }
    assert_eq!(queue.push(usual(1, 99), 0, 99), Ok(Some(31)));
    assert_eq!(queue.push(usual(1, 5), 0, 100), Err(Full::InAll), "it has two itself");
    assert_eq!(queue.len(), 32);
}

#[test]
fn a_full_queue_takes_the_place_for_a_newcomer_from_whoever_has_most() {
    let mut queue = FairQueue::new(6);
    for job in 0..6 {
        push(&mut queue, 1, Class::Usual, job).unwrap();
    }
    assert_eq!(push(&mut queue, 1, Class::Usual, 6), Err(Full::InAll));
    assert_eq!(push(&mut queue, 2, Class::Usual, 20), Ok(Some(5)));
    assert_eq!(push(&mut queue, 2, Class::Crowd, 21), Ok(Some(4)));
    assert_eq!(push(&mut queue, 3, Class::Usual, 30), Ok(Some(3)));
    assert_eq!(push(&mut queue, 2, Class::Usual, 22), Err(Full::InAll), "nobody has more by two");
    assert!(push(&mut queue, 4, Class::Known, 40).unwrap().is_some());
    assert_eq!(queue.len(), 6);
}

#[test]
fn guesses_have_a_quarter_of_the_places_from_however_many_networks_and_few_run() {
    let mut queue = FairQueue::new(64);
    let taken = (0..80).filter(|network| push(&mut queue, *network, Class::Last, *network).is_ok()).count();
    assert_eq!(taken, 16);
    push(&mut queue, 99, Class::Usual, 99).unwrap();
    let mut next = || queue.pop(Free { memory: None, guess: false }).map(|(_, _, job)| job);
    assert_eq!((next(), next()), (Some(99), None));
}

#[test]
fn of_those_that_cannot_be_right_four_wait_from_a_network() {
    let mut queue = FairQueue::new(64);
    let taken = (0..10).filter(|job| push(&mut queue, 1, Class::Last, *job).is_ok()).count();
    assert_eq!(taken, 4);
}

#[test]
fn a_name_that_exists_takes_the_place_of_one_that_does_not_and_everybody_else_that_of_a_guess() {
    let mut queue = FairQueue::new(16);
    for job in 0..4 {
        push(&mut queue, 1, Class::Last, job).unwrap();
    }
    assert_eq!(push(&mut queue, 1, Class::Guessing, 10), Ok(Some(3)));
    assert_eq!(push(&mut queue, 2, Class::Last, 4), Ok(Some(2)), "of the network that has more");
    for (network, job) in (20..32).map(|job| (job / 4, job)) {
        push(&mut queue, network, Class::Usual, job).unwrap();
    }
    assert_eq!(push(&mut queue, 9, Class::Usual, 40), Ok(Some(1)));
    assert_eq!(push(&mut queue, 9, Class::Crowd, 41), Ok(Some(4)));
    assert_eq!(push(&mut queue, 9, Class::Usual, 42), Ok(Some(0)));
    assert_eq!(push(&mut queue, 9, Class::Usual, 43), Ok(Some(10)), "no guess with a place is left");
    assert_eq!(push(&mut queue, 1, Class::Guessing, 11), Err(Full::OfGuesses));
}

#[test]
fn what_waits_for_memory_keeps_its_turn_and_holds_up_only_what_takes_some() {
    let mut queue = FairQueue::new(64);
    for (network, memory, job) in [(1, 200, 1), (2, 50, 2), (3, 0, 3)] {
        queue.push(usual(network, job), memory, job).unwrap();
    }
    let free = |memory| Free { memory: Some(memory), guess: true };
    assert_eq!(queue.pop(free(100)).map(|(_, _, job)| job), Some(3));
    assert_eq!(queue.pop(free(100)).map(|(_, _, job)| job), None, "or the large one would wait for ever");
    assert_eq!(queue.pop(free(200)).map(|(_, _, job)| job), Some(1));
    assert_eq!(queue.pop(free(50)).map(|(_, _, job)| job), Some(2));
    queue.push(usual(1, 4), 9999, 4).unwrap();
    assert_eq!(queue.pop(ALL).map(|(_, memory, job)| (memory, job)), Some((9999, 4)));
}

#[test]
fn nobody_who_went_away_keeps_a_place() {
    let mut queue = FairQueue::new(4);
    for job in 0..4 {
        push(&mut queue, job % 2, Class::Usual, job).unwrap();
    }
    queue.retain(|_, job| *job == 2);
    assert_eq!((queue.len(), queue.networks.len(), order(&mut queue)), (1, 1, vec![2]));
}

#[test]
fn of_a_crowd_in_which_somebody_guesses_a_name_that_exists_goes_first_and_others_lose_no_turn_by_it() {
    let mut queue = FairQueue::new(64);
    for (network, job) in [(1, 10), (1, 11), (1, 12), (2, 20), (2, 21)] {
        push(&mut queue, network, Class::Crowd, job).unwrap();
    }
    push(&mut queue, 1, Class::Last, 13).unwrap();
    push(&mut queue, 1, Class::Guessing, 14).unwrap();
    // One of those that came with it, too.
    queue.promote(claim(1, 12, Class::Guessing));
    queue.promote(claim(2, 12, Class::Guessing));
    assert_eq!(order(&mut queue), [12, 20, 14, 21, 10, 11, 13]);
}

#[test]
fn of_a_crowd_as_many_wait_as_of_any_network_and_the_others_are_told_that_it_is_theirs() {
    let mut queue = FairQueue::new(64);
    let taken = (0..40).filter(|job| push(&mut queue, 1, Class::Crowd, *job).is_ok()).count();
    assert_eq!(taken, 32);
    assert_eq!(push(&mut queue, 1, Class::Crowd, 41), Err(Full::OfGuesses));
}
