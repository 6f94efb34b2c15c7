use std::task::Poll;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::*;

const IDLE: Duration = Duration::from_secs(15);

/// So many open connections of `worker`, and their other ends.
async fn opened(lines: &Lines, count: usize, worker: usize) -> Vec<(Line, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut opened = Vec::new();
    for _ in 0..count {
        let counted = lines.count(Some(worker));
        let wire = Wire::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        opened.push((Line { wire, counted }, listener.accept().await.unwrap().0));
    }
    opened
}

type Taking<'a> = std::pin::Pin<Box<dyn Future<Output = Option<Line>> + 'a>>;

fn taking(lines: &Lines) -> Taking<'_> {
    Box::pin(lines.take(0, Instant::now()))
}

/// What one who takes has got by now.
async fn by_now(taking: &mut Taking<'_>) -> Poll<Option<Line>> {
    std::future::poll_fn(|cx| Poll::Ready(taking.as_mut().poll(cx))).await
}

fn at_once(polled: Poll<Option<Line>>) -> Option<Line> {
    match polled {
        Poll::Ready(line) => line,
        Poll::Pending => panic!("it waits"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_what_comes_free_in_the_order_in_which_they_came() {
    let lines = Lines::new(1, IDLE);
    let mut busy = opened(&lines, KEPT, 0).await;
    let [mut first, mut second] = [taking(&lines), taking(&lines)];
    assert!(by_now(&mut first).await.is_pending() && by_now(&mut second).await.is_pending());
    let (line, _far) = busy.pop().unwrap();
    lines.put_back(line, 0);
    assert!(by_now(&mut second).await.is_pending());
    let line = at_once(by_now(&mut first).await).unwrap();
    lines.put_back(line, 0);
    assert!(at_once(by_now(&mut second).await).is_some());
    assert_eq!(lines.open(), KEPT - 1, "the last was dropped");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_where_there_is_room_or_where_hardly_any_could_come_free() {
    let lines = Lines::new(1, IDLE);
    let _busy = opened(&lines, KEPT - 1, 0).await;
    assert!(at_once(by_now(&mut taking(&lines)).await).is_none());
    let lines = Lines::new(1, IDLE);
    let _sockets: Vec<Counted> = (0..KEPT + 20).map(|_| lines.count(None)).collect();
    let _busy = opened(&lines, 5, 0).await;
    assert!(at_once(by_now(&mut taking(&lines)).await).is_none());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_nothing_opens_one_after_a_moment_and_is_forgotten() {
    let lines = Lines::new(1, IDLE);
    let mut busy = opened(&lines, KEPT, 0).await;
    let began = tokio::time::Instant::now();
    assert!(taking(&lines).await.is_none());
    assert!(began.elapsed() < WAITS[0] * 2, "{:?}", began.elapsed());
    assert_eq!(lines.open.workers[0].waiting.load(Ordering::Relaxed), 0);
    // Longer while others are served, but not for ever.
    let began = tokio::time::Instant::now();
    let [mut first, mut second] = [taking(&lines), taking(&lines)];
    assert!(by_now(&mut first).await.is_pending() && by_now(&mut second).await.is_pending());
    let (line, _far) = busy.pop().unwrap();
    lines.put_back(line, 0);
    let kept = at_once(by_now(&mut first).await);
    assert!(kept.is_some() && second.await.is_none());
    assert!(began.elapsed() >= WAITS[1] && began.elapsed() < WAITS[1] * 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_was_told_to_one_who_left_is_told_to_the_next() {
    let lines = Lines::new(1, IDLE);
    let mut busy = opened(&lines, KEPT, 0).await;
    let [mut first, mut second, mut third] = [taking(&lines), taking(&lines), taking(&lines)];
    for waiting in [&mut first, &mut second, &mut third] {
        assert!(by_now(waiting).await.is_pending());
    }
    let (line, _far) = busy.pop().unwrap();
    lines.put_back(line, 0);
    drop(busy.pop());
    // The first was given the connection, the second the place of the one that was closed.
    drop((first, second));
    let mut fourth = taking(&lines);
    assert!(at_once(by_now(&mut third).await).is_some());
    assert!(at_once(by_now(&mut fourth).await).is_none(), "there is room");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_closed_makes_room_for_one_who_waits() {
    let lines = Lines::new(1, IDLE);
    let mut busy = opened(&lines, KEPT + 1, 0).await;
    let mut waiting = taking(&lines);
    assert!(by_now(&mut waiting).await.is_pending());
    drop(busy.pop());
    assert!(at_once(by_now(&mut waiting).await).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_another_worker_does_not_use_is_closed_for_one_who_needs_it() {
    let lines = Lines::new(2, IDLE);
    for (line, _far) in opened(&lines, KEPT, 1).await {
        lines.put_back(line, 1);
    }
    assert!(at_once(by_now(&mut taking(&lines)).await).is_none());
    let (line, _far) = opened(&lines, 1, 0).await.remove(0);
    lines.put_back(line, 0);
    assert!(lines.open() <= KEPT && lines.idle[0].lock().unwrap().len() == 1);
}

#[tokio::test]
async fn one_on_which_something_came_behind_its_answer_is_handed_to_nobody() {
    let lines = Lines::new(1, IDLE);
    let mut busy = opened(&lines, KEPT, 0).await;
    let (line, mut far) = busy.pop().unwrap();
    far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut waiting = taking(&lines);
    assert!(by_now(&mut waiting).await.is_pending());
    lines.put_back(line, 0);
    assert!(at_once(by_now(&mut waiting).await).is_none());
}

#[tokio::test]
async fn an_idle_one_on_which_something_came_is_not_used_though_the_runtime_has_not_heard_of_it() {
    use std::io::Write as _;

    let lines = Lines::new(1, IDLE);
    let (line, far) = opened(&lines, 1, 0).await.remove(0);
    // As much as the runtime has looked: then there was nothing.
    assert!(line.wire.is_quiet());
    let mut far = far.into_std().unwrap();
    lines.put_back(line, 0);
    far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    assert!(at_once(by_now(&mut taking(&lines)).await).is_none());
}
