use std::future::Future;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{LazyLock, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::*;

fn limits(threads: usize, waiting: usize) -> PoolLimits {
    PoolLimits { threads: NonZeroUsize::new(threads).unwrap(), waiting, memory: 256 * 1024 }
}

fn hash() -> StoredHash {
    // htpasswd -nbs alice secret
    StoredHash::parse(b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=").unwrap()
}

/// Asks with a name of its own each time, so that no two are the same, from one address.
async fn verify(pool: &Verifier, password: &[u8]) -> Answer {
    static NAMES: AtomicU64 = AtomicU64::new(0);
    let name = NAMES.fetch_add(1, Ordering::Relaxed).to_string();
    verify_as(pool, 1, hash(), &name, password).await
}

async fn verify_as(pool: &Verifier, network: u64, hash: StoredHash, user: impl AsRef<str>, password: &[u8]) -> Answer {
    static KEY: LazyLock<ProcessKey> = LazyLock::new(|| ProcessKey::random().unwrap());
    let name = user.as_ref().bytes().fold(0, |name, byte| name * 256 + u64::from(byte));
    let claim = Claim { network, name, class: Class::Usual };
    pool.verify(claim, Asked::new(&KEY, hash, user.as_ref().as_bytes(), password)).await
}

/// Submits the job as the first poll does, and leaves the rest to the caller.
fn submit<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        thread::yield_now();
    }
}

/// A pool whose computations wait until they are let go, one for each message.
fn held(threads: usize, waiting: usize) -> (Verifier, mpsc::Sender<()>) {
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let compute = move |hash: &StoredHash, password: &[u8]| {
        let _ = gate.lock().unwrap().recv();
        hash.verify(password)
    };
    (Verifier::start_with(limits(threads, waiting), compute).unwrap(), go)
}

#[tokio::test]
async fn right_is_right_and_wrong_is_wrong() {
    let pool = Verifier::start(limits(1, 4)).unwrap();
    assert_eq!(verify(&pool, b"secret").await, Ok(true));
    assert_eq!(verify(&pool, b"Secret").await, Ok(false));
    assert_eq!((pool.computed(), pool.waiting()), (2, 0));
}

#[tokio::test]
async fn a_full_queue_says_busy_at_once() {
    let (pool, go) = held(1, 2);
    let mut running = pin!(verify(&pool, b"secret"));
    assert!(submit(running.as_mut()).is_pending());
    eventually("the first job is taken", || pool.computed() == 1);
    let mut second = pin!(verify(&pool, b"secret"));
    let mut third = pin!(verify(&pool, b"wrong"));
    assert!(submit(second.as_mut()).is_pending() && submit(third.as_mut()).is_pending());

    let refused = submit(pin!(verify(&pool, b"secret")));
    assert_eq!(refused, Poll::Ready(Err(NoAnswer::Busy)));
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    assert_eq!((running.await, second.await, third.await), (Ok(true), Ok(true), Ok(false)));
}

#[tokio::test]
async fn a_job_whose_requester_went_away_is_not_computed_and_leaves_its_place() {
    let (pool, go) = held(1, 2);
    let mut running = pin!(verify(&pool, b"secret"));
    assert!(submit(running.as_mut()).is_pending());
    eventually("the first job is taken", || pool.computed() == 1);
    for _ in 0..50 {
        let mut gone = pin!(verify(&pool, b"secret"));
        assert!(submit(gone.as_mut()).is_pending(), "those who went away keep no place");
    }
    let mut last = pin!(verify(&pool, b"secret"));
    assert!(submit(last.as_mut()).is_pending());
    // There was room for this one, so only the thread can skip it.
    assert!(submit(pin!(verify(&pool, b"secret"))).is_pending());
    for _ in 0..4 {
        go.send(()).unwrap();
    }
    assert_eq!((running.await, last.await), (Ok(true), Ok(true)));
    assert_eq!(verify(&pool, b"secret").await, Ok(true));
    assert_eq!(pool.computed(), 3);
}

#[tokio::test]
async fn a_panic_in_a_hash_is_no_answer_and_the_pool_lives_on() {
    let pool = Verifier::start_with(limits(1, 4), |hash, password| match password {
        b"bomb" => panic!("the test's own panic"),
        _ => hash.verify(password),
    })
    .unwrap();
    // With a limit: a pool whose thread had died would keep the next one waiting for ever.
    let answers = async {
        for _ in 0..3 {
            assert_eq!(verify(&pool, b"bomb").await, Err(NoAnswer::CouldNotTell));
        }
        assert_eq!(verify(&pool, b"secret").await, Ok(true));
    };
    tokio::time::timeout(Duration::from_secs(20), answers).await.expect("the pool answers");
}

#[tokio::test]
async fn a_hash_that_cannot_be_computed_is_no_wrong_password() {
    let pool = Verifier::start_with(limits(1, 4), |_, _| Err(CouldNotTell)).unwrap();
    assert_eq!(verify(&pool, b"secret").await, Err(NoAnswer::CouldNotTell));
}

/// authelia#1044 ran out of memory on argon2: what bounds it is how many are computed at once.
#[tokio::test]
async fn no_more_are_computed_at_once_than_there_are_threads() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let pool = Verifier::start_with(limits(3, 100), {
        let (now, most) = (now.clone(), most.clone());
        move |hash, password| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            let answer = hash.verify(password);
            now.fetch_sub(1, Ordering::SeqCst);
            answer
        }
    })
    .unwrap();
    let mut jobs: Vec<_> =
        (0..100).map(|n| Box::pin(verify_as(&pool, n % 10, hash(), n.to_string(), b"secret"))).collect();
    for job in &mut jobs {
        assert!(submit(job.as_mut()) != Poll::Ready(Err(NoAnswer::Busy)));
    }
    eventually("all are computed", || pool.computed() == 100 && now.load(Ordering::SeqCst) == 0);
    assert!(most.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn dropping_the_pool_ends_its_threads() {
    let pool = Verifier::start(limits(4, 4)).unwrap();
    assert_eq!(verify(&pool, b"secret").await, Ok(true));
    let shared = Arc::downgrade(&pool.shared);
    drop(pool);
    eventually("every thread has let go of the pool", || shared.strong_count() == 0);
}

// --- Who asks the same is answered together.

#[tokio::test]
async fn the_eight_requests_of_a_first_page_are_one_hash() {
    let (pool, go) = held(2, 64);
    let mut page: Vec<_> = (0..8).map(|_| Box::pin(verify_as(&pool, 1, hash(), "anna", b"secret"))).collect();
    for request in &mut page {
        assert!(submit(request.as_mut()).is_pending());
    }
    eventually("it is being computed", || pool.computed() == 1);
    assert_eq!(pool.waiting(), 0);
    // One that comes while it is computed has the same answer.
    let mut late = pin!(verify_as(&pool, 2, hash(), "anna", b"secret"));
    assert!(submit(late.as_mut()).is_pending());
    go.send(()).unwrap();
    for request in page {
        assert_eq!(request.await, Ok(true));
    }
    assert_eq!((late.await, pool.computed(), pool.waiting()), (Ok(true), 1, 0));
    assert!(pool.shared.state().flights.is_empty());
    // And no answer outlives the asking.
    go.send(()).unwrap();
    assert_eq!(verify_as(&pool, 1, hash(), "anna", b"secret").await, Ok(true));
    assert_eq!(pool.computed(), 2);
}

#[tokio::test]
async fn a_wrong_password_that_many_send_is_computed_once() {
    let (pool, go) = held(1, 64);
    let mut many: Vec<_> = (0..50).map(|n| Box::pin(verify_as(&pool, n, hash(), "anna", b"old"))).collect();
    for request in &mut many {
        assert!(submit(request.as_mut()).is_pending());
    }
    eventually("it is being computed", || pool.computed() == 1);
    assert_eq!(pool.waiting(), 0);
    go.send(()).unwrap();
    for request in many {
        assert_eq!(request.await, Ok(false));
    }
    assert_eq!(pool.computed(), 1);
}

/// Caddy's answer to parallel requests ended with the first of them.
#[tokio::test]
async fn a_requester_who_goes_away_does_not_end_the_others_work() {
    let (pool, go) = held(1, 64);
    let mut blocker = pin!(verify(&pool, b"secret"));
    assert!(submit(blocker.as_mut()).is_pending());
    eventually("the thread is taken", || pool.computed() == 1);
    let mut first = Box::pin(verify_as(&pool, 1, hash(), "anna", b"secret"));
    let mut second = Box::pin(verify_as(&pool, 1, hash(), "anna", b"secret"));
    assert!(submit(first.as_mut()).is_pending() && submit(second.as_mut()).is_pending());
    drop(first);
    go.send(()).unwrap();
    eventually("the second is being computed", || pool.computed() == 2);
    let mut third = Box::pin(verify_as(&pool, 1, hash(), "anna", b"secret"));
    assert!(submit(third.as_mut()).is_pending());
    drop(second);
    go.send(()).unwrap();
    assert_eq!((blocker.await, third.await, pool.computed()), (Ok(true), Ok(true), 2));
}

/// GHSA-8fcf-v89g-xpg6 (Traefik): the stored hash was in the key, so that names which mimic one hash shared the work and
/// names of users did not. Here two names never do, be their hashes and passwords equal.
#[tokio::test]
async fn two_names_with_one_hash_and_one_password_are_two() {
    let (pool, go) = held(1, 64);
    let mut one = pin!(verify_as(&pool, 1, hash(), "nobody", b"x"));
    let mut other = pin!(verify_as(&pool, 1, hash(), "no one", b"x"));
    assert!(submit(one.as_mut()).is_pending() && submit(other.as_mut()).is_pending());
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((one.await, other.await, pool.computed()), (Ok(false), Ok(false), 2));
}

/// GHSA-6765-c87h-8mrf (Traefik): parts of a key run together, by which one user had another's answer.
#[tokio::test]
async fn what_reads_the_same_when_run_together_is_two() {
    let (pool, go) = held(1, 64);
    let mut one = pin!(verify_as(&pool, 1, hash(), "anna", b"secret"));
    let mut other = pin!(verify_as(&pool, 1, hash(), "annas", b"ecret"));
    assert!(submit(one.as_mut()).is_pending() && submit(other.as_mut()).is_pending());
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((one.await, other.await), (Ok(true), Ok(false)));
}

#[tokio::test]
async fn an_answer_from_before_a_reload_is_none_to_who_asks_after_it() {
    let (pool, go) = held(1, 64);
    // printf changed | openssl dgst -sha1 -binary | base64
    let changed = StoredHash::parse(b"{SHA}N8bFe+30MF70EknBeUdgtcuPrRc=").unwrap();
    let mut before = pin!(verify_as(&pool, 1, hash(), "anna", b"secret"));
    let mut after = pin!(verify_as(&pool, 1, changed.clone(), "anna", b"secret"));
    let mut with_it = pin!(verify_as(&pool, 1, changed, "anna", b"secret"));
    assert!(submit(before.as_mut()).is_pending());
    assert!(submit(after.as_mut()).is_pending() && submit(with_it.as_mut()).is_pending());
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((before.await, after.await, with_it.await, pool.computed()), (Ok(true), Ok(false), Ok(false), 2));
}

// --- Who sends many waits for his own.

#[tokio::test]
async fn one_address_that_floods_the_queue_delays_another_by_one_hash_and_cannot_fill_it() {
    let (pool, go) = held(1, 64);
    let mut flood: Vec<_> = (0..100).map(|n| Box::pin(verify_as(&pool, 1, hash(), n.to_string(), b"x"))).collect();
    let busy = flood.iter_mut().filter_map(|job| match submit(job.as_mut()) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    });
    assert!(busy.collect::<Vec<_>>().iter().filter(|answer| **answer == Err(NoAnswer::Busy)).count() >= 67);
    eventually("one is being computed", || pool.computed() == 1);
    let mut other = pin!(verify_as(&pool, 2, hash(), "anna", b"secret"));
    assert!(submit(other.as_mut()).is_pending());
    // The one that runs, one more of the flood whose turn it is, and then this one.
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    assert_eq!(other.await, Ok(true));
}

/// authelia#1044 and couper's pull request 1009: threads alone do not bound memory, for each may take the most.
#[tokio::test]
async fn hashes_that_run_at_once_keep_to_the_memory_set_aside() {
    let text = |m: u32| format!("$argon2id$v=19$m={m},t=1,p=1$c29tZXNhbHQ$QGuOuaL6D4l5BWr07ENYsUjSKR1tDwYQNoQp4vpYYWU");
    let large = StoredHash::parse(text(256 * 1024).as_bytes()).unwrap();
    let middle = StoredHash::parse(text(128 * 1024).as_bytes()).unwrap();
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let pool = Verifier::start_with(limits(4, 64), {
        let (now, most) = (now.clone(), most.clone());
        move |hash, _| {
            most.fetch_max(now.fetch_add(hash.memory(), Ordering::SeqCst) + hash.memory(), Ordering::SeqCst);
            let _ = gate.lock().unwrap().recv();
            now.fetch_sub(hash.memory(), Ordering::SeqCst);
            Ok(false)
        }
    })
    .unwrap();
    let mut jobs: Vec<_> = (0..12)
        .map(|n| {
            let hash = if n % 3 == 0 { &large } else { &middle };
            Box::pin(verify_as(&pool, n, hash.clone(), n.to_string(), b"x"))
        })
        .collect();
    for job in &mut jobs {
        assert!(submit(job.as_mut()).is_pending());
    }
    // A hash that takes no memory waits for none.
    eventually("the largest runs", || pool.computed() == 1);
    let mut light = Box::pin(verify_as(&pool, 99, hash(), "light", b"x"));
    assert!(submit(light.as_mut()).is_pending());
    eventually("the light one runs too", || pool.computed() == 2);
    for _ in 0..13 {
        go.send(()).unwrap();
    }
    for job in jobs {
        assert_eq!(job.await, Ok(false));
    }
    assert_eq!((light.await, pool.computed()), (Ok(false), 13));
    assert_eq!(most.load(Ordering::SeqCst), 256 * 1024);
}

// --- The daemon stops.

#[tokio::test]
async fn at_a_stop_what_runs_is_finished_what_was_right_lately_is_computed_and_the_rest_is_told_busy() {
    let (pool, go) = held(1, 64);
    let key = ProcessKey::random().unwrap();
    let ask = |name: &str, class: Class| {
        let claim = Claim { network: 1, name: 1, class };
        pool.verify(claim, Asked::new(&key, hash(), name.as_bytes(), b"secret"))
    };
    let mut running = pin!(ask("running", Class::Usual));
    assert!(submit(running.as_mut()).is_pending());
    eventually("the first job is taken", || pool.computed() == 1);
    let (mut first, mut known) = (pin!(ask("first", Class::Usual)), pin!(ask("known", Class::Known)));
    assert!(submit(first.as_mut()).is_pending() && submit(known.as_mut()).is_pending());
    pool.drain();
    assert_eq!(submit(first.as_mut()), Poll::Ready(Err(NoAnswer::Busy)));
    assert_eq!(submit(pin!(ask("late", Class::Usual))), Poll::Ready(Err(NoAnswer::Busy)));
    let mut with_it = pin!(ask("running", Class::Usual));
    assert!(submit(with_it.as_mut()).is_pending());
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((running.await, with_it.await, known.await), (Ok(true), Ok(true), Ok(true)));
    assert_eq!((pool.computed(), pool.shared.state().flights.len()), (2, 0));
}
