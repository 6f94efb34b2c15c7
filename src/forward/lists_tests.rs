use std::pin::pin;

use tokio::sync::oneshot;

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

/// What a request of the test's waits for.
type Answer = oneshot::Sender<Result<&'static str, Reject>>;

/// A catcher whose answers the test gives, and for each request whether it was for all.
#[derive(Clone, Default)]
struct Catcher(Arc<Mutex<Vec<(Answer, bool)>>>);

/// What it says when it refuses.
const REFUSAL: &str = "Forbidden";

/// What it says with a cookie.
const COOKIE: &str = "[\"cookie\"]";

impl Catcher {
    /// How many requests were sent.
    fn asked(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Answers the request of that number.
    fn answer(&self, number: usize, answer: Result<&'static str, Reject>) {
        let mut asked = self.0.lock().unwrap();
        let (spare, _) = oneshot::channel();
        let sender = std::mem::replace(&mut asked[number].0, spare);
        sender.send(answer).unwrap();
    }

    /// Which of the requests were for all.
    fn for_all(&self) -> Vec<bool> {
        self.0.lock().unwrap().iter().map(|(_, for_all)| *for_all).collect()
    }

    async fn ask(self, whose: &Whose) -> Result<Response<Body>, Reject> {
        let (sender, answer) = oneshot::channel();
        self.0.lock().unwrap().push((sender, whose.is_for_all()));
        let text = answer.await.unwrap()?;
        let mut response = Response::new(Body::full(Bytes::from_static(text.as_bytes())));
        if text == REFUSAL {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
        if text == COOKIE {
            response.headers_mut().insert(http::header::SET_COOKIE, http::HeaderValue::from_static("session=one"));
        }
        Ok(response)
    }
}

struct Page(tokio::task::JoinHandle<Result<Bytes, Reject>>);

impl Page {
    fn asks(lists: &Arc<Lists>, catcher: &Catcher) -> Self {
        let (lists, catcher) = (Arc::clone(lists), catcher.clone());
        Page(tokio::spawn(async move {
            let whose = Whose::default();
            let listed = lists.get(pin!(catcher.ask(&whose)), &whose, LIMIT).await?;
            let mut answer = lists.sent(listed, &Wanted::by(&http::Method::GET, &http::HeaderMap::new())).await?;
            Ok(answer.body_mut().collected(1 << 20).await.unwrap())
        }))
    }

    async fn text(self) -> Result<Bytes, Reject> {
        self.0.await.unwrap()
    }
}

/// Until nothing moves any more.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn text(text: &'static str) -> Result<Bytes, Reject> {
    Ok(Bytes::from_static(text.as_bytes()))
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_a_request_is_on_its_way_shares_the_next_one_and_never_that() {
    let (lists, catcher) = (Arc::new(Lists::default()), Catcher::default());
    let first = Page::asks(&lists, &catcher);
    settled().await;
    let others: Vec<Page> = (0..50).map(|_| Page::asks(&lists, &catcher)).collect();
    settled().await;
    assert_eq!(catcher.asked(), 1);
    catcher.answer(0, Ok("old"));
    settled().await;
    assert_eq!(catcher.asked(), 2, "one for all who waited");
    // Who asks now may know of a mail that came after the second request was sent.
    let late = Page::asks(&lists, &catcher);
    settled().await;
    assert_eq!(catcher.asked(), 2);
    catcher.answer(1, Ok("new"));
    settled().await;
    assert_eq!(catcher.asked(), 3);
    catcher.answer(2, Ok("newest"));
    assert_eq!(first.text().await, text("old"));
    for other in others {
        assert_eq!(other.text().await, text("new"));
    }
    assert_eq!(late.text().await, text("newest"));
    assert_eq!(lists.held.load(Ordering::Relaxed), 0, "what is sent is not held");
    assert_eq!(catcher.for_all(), [false, true, true], "who is alone asks in his own words");
}

#[tokio::test(start_paused = true)]
async fn one_who_leaves_takes_nothing_from_the_others() {
    let (lists, catcher) = (Arc::new(Lists::default()), Catcher::default());
    let first = Page::asks(&lists, &catcher);
    settled().await;
    let mut others: Vec<Page> = (0..4).map(|_| Page::asks(&lists, &catcher)).collect();
    settled().await;
    // The one whose request is on its way; then the one that asked for all; then one that only waits.
    first.0.abort();
    settled().await;
    assert_eq!(catcher.asked(), 2);
    others.remove(0).0.abort();
    settled().await;
    assert_eq!(catcher.asked(), 3);
    others.remove(1).0.abort();
    settled().await;
    catcher.answer(2, Ok("list"));
    for other in others {
        assert_eq!(other.text().await, text("list"));
    }
    // And nothing is left behind.
    let after = Page::asks(&lists, &catcher);
    settled().await;
    assert_eq!(catcher.asked(), 4);
    catcher.answer(3, Ok("after"));
    assert_eq!(after.text().await, text("after"));
}

#[tokio::test(start_paused = true)]
async fn when_all_who_wait_leave_nobody_joins_them() {
    let (lists, catcher) = (Arc::new(Lists::default()), Catcher::default());
    let _first = Page::asks(&lists, &catcher);
    settled().await;
    let others: Vec<Page> = (0..3).map(|_| Page::asks(&lists, &catcher)).collect();
    settled().await;
    others.iter().for_each(|page| page.0.abort());
    settled().await;
    assert!(lists.asked().waiting.is_none());
    catcher.answer(0, Ok("first"));
    settled().await;
    let after = Page::asks(&lists, &catcher);
    settled().await;
    catcher.answer(1, Ok("after"));
    assert_eq!(after.text().await, text("after"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_to_all_who_waited_for_it_and_to_nobody_else() {
    let (lists, catcher) = (Arc::new(Lists::default()), Catcher::default());
    let first = Page::asks(&lists, &catcher);
    settled().await;
    let others: Vec<Page> = (0..3).map(|_| Page::asks(&lists, &catcher)).collect();
    settled().await;
    catcher.answer(0, Ok("list"));
    settled().await;
    let failed = Reject::Upstream(UpstreamFault::Closed("gone".to_owned()));
    catcher.answer(1, Err(failed.clone()));
    assert_eq!(first.text().await, text("list"));
    for other in others {
        assert_eq!(other.text().await, Err(failed.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_list_without_a_cookie_is_shared_and_what_else_the_catcher_says_is_said_to_one() {
    for answer in [REFUSAL, COOKIE] {
        let (lists, catcher) = (Arc::new(Lists::default()), Catcher::default());
        let _first = Page::asks(&lists, &catcher);
        settled().await;
        let others: Vec<Page> = (0..3).map(|_| Page::asks(&lists, &catcher)).collect();
        settled().await;
        catcher.answer(0, Ok("first"));
        settled().await;
        catcher.answer(1, Ok(answer));
        settled().await;
        assert_eq!(catcher.for_all(), [false, true, false, false], "{answer}");
        catcher.answer(2, Ok("list"));
        catcher.answer(3, Ok("list"));
        let mut lists = 0;
        for other in others {
            lists += usize::from(other.text().await == text("list"));
        }
        assert_eq!(lists, 2, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_holds_nobody_up_for_long() {
    let (lists, catcher) = (Arc::new(Lists::default()), Catcher::default());
    let _hangs = Page::asks(&lists, &catcher);
    settled().await;
    let start = Instant::now();
    let other = Page::asks(&lists, &catcher);
    while catcher.asked() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(start.elapsed() < PATIENCE + Duration::from_millis(20));
    catcher.answer(1, Ok("list"));
    assert_eq!(other.text().await, text("list"));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_limit() {
    let (lists, catcher) = (Arc::new(Lists::default()), Catcher::default());
    let _first = Page::asks(&lists, &catcher);
    settled().await;
    let start = Instant::now();
    let (one, other) = (Page::asks(&lists, &catcher), Page::asks(&lists, &catcher));
    let late = Err(Reject::Upstream(UpstreamFault::AnswerTimeout(LIMIT)));
    assert_eq!((one.text().await, other.text().await), (late.clone(), late));
    assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn over_the_bound_each_gets_an_answer_of_his_own() {
    let (lists, catcher) = (Arc::new(Lists::default()), Catcher::default());
    let _room = Room::of(&lists.held, MOST).unwrap();
    let _first = Page::asks(&lists, &catcher);
    settled().await;
    let others: Vec<Page> = (0..3).map(|_| Page::asks(&lists, &catcher)).collect();
    settled().await;
    catcher.answer(0, Ok("first"));
    settled().await;
    catcher.answer(1, Ok("leader's"));
    settled().await;
    assert_eq!(catcher.asked(), 4);
    catcher.answer(2, Ok("own"));
    catcher.answer(3, Ok("own"));
    let mut seen = Vec::new();
    for other in others {
        seen.push(other.text().await.unwrap());
    }
    assert_eq!(seen.iter().filter(|text| **text == "own").count(), 2);
}

#[tokio::test]
async fn a_list_takes_no_more_memory_than_is_counted_however_it_comes() {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use crate::body::{Framing, Reply};
    use crate::wire::Wire;

    const LENGTH: usize = 100_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    let reply = Reply::new(Wire::new(near), Framing::Length(LENGTH as u64), false);
    let room = Room::of(&Arc::default(), LENGTH).unwrap();
    let says = async { far.write_all(&[b' '; LENGTH]).await.unwrap() };
    let (text, ()) = tokio::join!(within(Body::reply(reply, None), &room), says);
    let text = text.unwrap().try_into_mut().unwrap();
    assert_eq!((text.len(), text.capacity()), (LENGTH, LENGTH));
}
