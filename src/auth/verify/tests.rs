use std::future::Future;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::*;

const ONE: NonZeroUsize = NonZeroUsize::MIN;

fn hash() -> StoredHash {
    // htpasswd -nbs alice secret
    StoredHash::parse(b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=").unwrap()
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
fn held(threads: NonZeroUsize, waiting: usize) -> (Verifier, mpsc::Sender<()>) {
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let compute = move |hash: &StoredHash, password: &[u8]| {
        let _ = gate.lock().unwrap().recv();
        hash.verify(password)
    };
    (Verifier::start_with(threads, waiting, compute).unwrap(), go)
}

#[tokio::test]
async fn right_is_right_and_wrong_is_wrong() {
    let pool = Verifier::start(ONE, 4).unwrap();
    assert_eq!(pool.verify(hash(), b"secret").await, Ok(true));
    assert_eq!(pool.verify(hash(), b"Secret").await, Ok(false));
    assert_eq!((pool.computed(), pool.waiting()), (2, 0));
}

#[tokio::test]
async fn a_full_queue_says_busy_at_once() {
    let (pool, go) = held(ONE, 2);
    let mut running = pin!(pool.verify(hash(), b"secret"));
    assert!(submit(running.as_mut()).is_pending());
    eventually("the first job is taken", || pool.computed() == 1);
    let mut second = pin!(pool.verify(hash(), b"secret"));
    let mut third = pin!(pool.verify(hash(), b"wrong"));
    assert!(submit(second.as_mut()).is_pending() && submit(third.as_mut()).is_pending());

    let refused = submit(pin!(pool.verify(hash(), b"secret")));
    assert_eq!(refused, Poll::Ready(Err(NoAnswer::Busy)));
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    assert_eq!((running.await, second.await, third.await), (Ok(true), Ok(true), Ok(false)));
}

#[tokio::test]
async fn a_job_whose_requester_went_away_is_not_computed_and_leaves_its_place() {
    let (pool, go) = held(ONE, 2);
    let mut running = pin!(pool.verify(hash(), b"secret"));
    assert!(submit(running.as_mut()).is_pending());
    eventually("the first job is taken", || pool.computed() == 1);
    for _ in 0..50 {
        let mut gone = pin!(pool.verify(hash(), b"secret"));
        assert!(submit(gone.as_mut()).is_pending(), "those who went away keep no place");
    }
    let mut last = pin!(pool.verify(hash(), b"secret"));
    assert!(submit(last.as_mut()).is_pending());
    // There was room for this one, so only the thread can skip it.
    assert!(submit(pin!(pool.verify(hash(), b"secret"))).is_pending());
    for _ in 0..4 {
        go.send(()).unwrap();
    }
    assert_eq!((running.await, last.await), (Ok(true), Ok(true)));
    assert_eq!(pool.verify(hash(), b"secret").await, Ok(true));
    assert_eq!(pool.computed(), 3);
}

#[tokio::test]
async fn a_panic_in_a_hash_is_no_answer_and_the_pool_lives_on() {
    let pool = Verifier::start_with(ONE, 4, |hash, password| match password {
        b"bomb" => panic!("the test's own panic"),
        _ => hash.verify(password),
    })
    .unwrap();
    // With a limit: a pool whose thread had died would keep the next one waiting for ever.
    let answers = async {
        for _ in 0..3 {
            assert_eq!(pool.verify(hash(), b"bomb").await, Err(NoAnswer::CouldNotTell));
        }
        assert_eq!(pool.verify(hash(), b"secret").await, Ok(true));
    };
    tokio::time::timeout(Duration::from_secs(20), answers).await.expect("the pool answers");
}

#[tokio::test]
async fn a_hash_that_cannot_be_computed_is_no_wrong_password() {
    let pool = Verifier::start_with(ONE, 4, |_, _| Err(CouldNotTell)).unwrap();
    assert_eq!(pool.verify(hash(), b"secret").await, Err(NoAnswer::CouldNotTell));
}

/// authelia#1044 ran out of memory on argon2: what bounds it is how many are computed at once.
#[tokio::test]
async fn no_more_are_computed_at_once_than_there_are_threads() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let pool = Verifier::start_with(NonZeroUsize::new(3).unwrap(), 100, {
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
    let mut jobs: Vec<_> = (0..100).map(|_| Box::pin(pool.verify(hash(), b"secret"))).collect();
    for job in &mut jobs {
        assert!(submit(job.as_mut()) != Poll::Ready(Err(NoAnswer::Busy)));
    }
    eventually("all are computed", || pool.computed() == 100 && now.load(Ordering::SeqCst) == 0);
    assert!(most.load(Ordering::SeqCst) <= 3);
}

#[tokio::test]
async fn dropping_the_pool_ends_its_threads() {
    let pool = Verifier::start(NonZeroUsize::new(4).unwrap(), 4).unwrap();
    assert_eq!(pool.verify(hash(), b"secret").await, Ok(true));
    let shared = Arc::downgrade(&pool.shared);
    drop(pool);
    eventually("every thread has let go of the pool", || shared.strong_count() == 0);
}
