use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use proptest::prelude::*;

use super::*;

/// What comes, in order.
#[derive(Clone, Debug)]
enum Come {
    Part(Vec<u8>),
    Nothing,
    Stalled,
}

/// A body that comes as told; `has_length` says whether its end is known with the last part.
#[derive(Debug)]
struct Told {
    rest: VecDeque<Come>,
    has_length: bool,
    is_over: bool,
}

impl Parts for Told {
    fn poll_part(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        assert!(!self.is_over, "asked after its end");
        match self.rest.pop_front() {
            Some(Come::Part(part)) => Poll::Ready(Some(Ok(part.into()))),
            Some(Come::Nothing) => Poll::Pending,
            Some(Come::Stalled) => {
                self.is_over = true;
                Poll::Ready(Some(Err(BodyError::Stalled(AGAIN))))
            }
            None => {
                self.is_over = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_ended(&self) -> bool {
        self.has_length && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let length = |come: &Come| if let Come::Part(part) = come { part.len() as u64 } else { 0 };
        SizeHint::with_exact(self.rest.iter().map(length).sum())
    }
}

fn client(last: u8) -> Peer {
    Peer::Tcp(Ipv4Addr::new(192, 0, 2, last).into())
}

fn told(rest: impl IntoIterator<Item = Come>) -> Told {
    Told { rest: rest.into_iter().collect(), has_length: false, is_over: false }
}

/// A body that is read ahead without a grace.
fn ahead(rest: impl IntoIterator<Item = Come>, budget: &Arc<ReadAhead>) -> Ahead<Told> {
    begun(told(rest), budget, 1)
}

fn begun(told: Told, budget: &Arc<ReadAhead>, last: u8) -> Ahead<Told> {
    Ahead { begun: true, ..Ahead::new(told, Arc::clone(budget), client(last)) }
}

fn parts(count: usize, length: usize) -> Vec<Come> {
    vec![Come::Part(vec![b'x'; length]); count]
}

/// What a client gets who takes everything there is.
fn taken(ahead: &mut Ahead<Told>) -> (Vec<u8>, Poll<Option<Result<(), BodyError>>>) {
    let mut bytes = Vec::new();
    loop {
        match ahead.poll_part(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(part))) => bytes.extend_from_slice(&part),
            end => return (bytes, end.map(|end| end.map(|part| part.map(drop)))),
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_breaks_off_breaks_off_behind_all_that_came_and_does_not_look_whole_before() {
    let budget = ReadAhead::new(64 << 20);
    let mut body = ahead([Come::Part(b"he".into()), Come::Part(b"llo".into()), Come::Stalled], &budget);
    body.poll_ahead(&mut Context::from_waker(Waker::noop()));
    assert_eq!(budget.held(), BLOCK);
    let (bytes, end) = taken(&mut body);
    assert_eq!(bytes, b"hello");
    assert!(matches!(end, Poll::Ready(Some(Err(BodyError::Stalled(_))))), "{end:?}");
    assert_eq!(budget.held(), 0);

    let mut body = ahead([Come::Part(b"hello".into()), Come::Stalled], &budget);
    body.poll_ahead(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(body.poll_part(&mut Context::from_waker(Waker::noop())), Poll::Ready(Some(Ok(_)))));
    assert!(!body.is_ended());
}

#[test]
fn its_length_is_that_of_what_waits_and_of_what_comes() {
    let budget = ReadAhead::new(64 << 20);
    let mut body = ahead([Come::Part(vec![1; 5]), Come::Nothing, Come::Part(vec![2; 7])], &budget);
    assert_eq!(body.size_hint().exact(), Some(12));
    body.poll_ahead(&mut Context::from_waker(Waker::noop()));
    assert_eq!((body.size_hint().exact(), body.parts.size_hint().exact()), (Some(12), Some(7)));
    body.poll_ahead(&mut Context::from_waker(Waker::noop()));
    assert_eq!(body.size_hint().exact(), Some(12));
}

#[tokio::test(start_paused = true)]
async fn of_a_body_without_end_a_limited_part_is_held() {
    let budget = ReadAhead::new(1 << 30);
    let mut body = ahead(parts(100, PART), &budget);
    body.poll_ahead(&mut Context::from_waker(Waker::noop()));
    assert_eq!((budget.held(), body.parts.rest.len(), budget.refused()), (LONGEST, 68, 1));
    let (bytes, end) = taken(&mut body);
    assert_eq!((bytes.len(), budget.held()), (100 * PART, 0));
    assert!(matches!(end, Poll::Ready(None)));
}

#[test]
fn many_small_parts_take_little_more_memory_than_their_bytes() {
    let budget = ReadAhead::new(64 << 20);
    let mut body = ahead(parts(100_000, 10), &budget);
    body.poll_ahead(&mut Context::from_waker(Waker::noop()));
    assert_eq!(budget.held(), 1_000_000_usize.div_ceil(BLOCK) * BLOCK);
}

#[tokio::test(start_paused = true)]
async fn who_makes_it_wait_for_a_moment_only_is_not_read_ahead_of() {
    let budget = ReadAhead::new(64 << 20);
    let mut body = Ahead::new(told(parts(3, 1000)), Arc::clone(&budget), client(1));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    body.poll_ahead(&mut cx);
    tokio::time::sleep(GRACE / 2).await;
    body.poll_ahead(&mut cx);
    assert!(matches!(body.poll_part(&mut cx), Poll::Ready(Some(Ok(_)))));
    assert_eq!((budget.held(), body.parts.rest.len()), (0, 2));
    // A little taken meanwhile does not begin it anew.
    tokio::time::sleep(GRACE / 2).await;
    assert!(woken.0.load(Ordering::Relaxed));
    body.poll_ahead(&mut cx);
    assert_eq!((budget.held(), body.parts.rest.len()), (BLOCK, 0));
}

#[tokio::test(start_paused = true)]
async fn without_room_it_waits_looks_again_and_goes_on() {
    let budget = ReadAhead::new(8 << 20);
    let mut first = ahead(parts(100, PART), &budget);
    let mut second = ahead(parts(1, PART), &budget);
    // Half of seven megabytes in whole parts: the eighth is for other clients, and both bodies are of one.
    first.poll_ahead(&mut Context::from_waker(Waker::noop()));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    second.poll_ahead(&mut Context::from_waker(&waker));
    assert_eq!((budget.held(), second.parts.rest.len(), budget.refused()), (3 << 20, 1, 2));
    drop(first);
    assert_eq!(budget.held(), 0);
    tokio::time::sleep(AGAIN).await;
    assert!(woken.0.load(Ordering::Relaxed));
    second.poll_ahead(&mut Context::from_waker(&waker));
    assert_eq!((budget.held(), second.parts.rest.len(), budget.refused()), (PART, 0, 2));
}

fn comes() -> impl Strategy<Value = Vec<Come>> {
    let size = prop_oneof![4 => 0..100_usize, 2 => 1000..50_000_usize, 1 => Just(PART)];
    let come = prop_oneof![
        3 => (size, any::<u8>()).prop_map(|(size, byte)| Come::Part(vec![byte; size])),
        1 => Just(Come::Nothing),
    ];
    proptest::collection::vec(come, 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Two bodies share a budget; their clients stall and take at random.
    #[test]
    fn bytes_come_out_as_they_went_in_and_the_budget_is_kept(
        comes in [comes(), comes()],
        has_length: bool,
        breaks: bool,
        limit in 4_usize << 20..16 << 20,
        steps in proptest::collection::vec((0..2_usize, any::<bool>()), 0..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let budget = ReadAhead::new(limit);
        let mut cx = Context::from_waker(Waker::noop());
        let into = comes.clone().map(|comes| {
            let parts = comes.into_iter().map(|come| if let Come::Part(part) = come { part } else { vec![] });
            parts.collect::<Vec<_>>().concat()
        });
        let mut last = 0;
        let mut bodies = comes.map(|mut comes| {
            if breaks {
                comes.push(Come::Stalled);
            }
            last += 1;
            (begun(Told { has_length, ..told(comes) }, &budget, last), Vec::new(), None)
        });
        // At last everybody takes all there is.
        let rest = (0..400).map(|step| (step % 2, false));
        for (which, stalls) in steps.into_iter().chain(rest) {
            let (body, out, end) = &mut bodies[which];
            if end.is_some() {
                continue;
            }
            if stalls {
                body.poll_ahead(&mut cx);
            } else {
                match body.poll_part(&mut cx) {
                    Poll::Ready(Some(Ok(part))) => out.extend_from_slice(&part),
                    Poll::Ready(Some(Err(_))) => *end = Some(false),
                    Poll::Ready(None) => *end = Some(true),
                    Poll::Pending => {}
                }
            }
            let missing = into[which].len() - out.len();
            prop_assert_eq!(body.size_hint().exact(), Some(missing as u64));
            prop_assert!(!body.is_ended() || (missing == 0 && (!breaks || end.is_some())));
            prop_assert!(budget.held() <= limit);
        }
        for ((_, out, end), into) in bodies.iter().zip(&into) {
            prop_assert_eq!(*end, Some(!breaks));
            prop_assert!(out == into);
        }
        prop_assert_eq!(budget.held(), 0);
    }
}
