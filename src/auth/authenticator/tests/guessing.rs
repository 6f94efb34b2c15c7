//! What somebody who guesses can learn, and keep busy.

use super::*;

// --- What is remembered is no oracle.

/// Whether there is an answer on arrival: what somebody learns who hangs up early.
fn at_once(answer: impl Future<Output = Result<Identity, Refusal>>) -> Option<bool> {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer.is_ok()),
        Poll::Pending => None,
    }
}

/// Closes alice's pair there and uses up its looks, hanging up each time.
fn use_up(gate: &Authenticator, client: Peer, users: &Users, now: Instant) {
    use_up_of(gate, client, users, now, "alice");
}

fn use_up_of(gate: &Authenticator, client: Peer, users: &Users, now: Instant, name: &str) {
    for number in 0..200 {
        let headers = basic(name, &format!("guess {number}"));
        assert_ne!(at_once(gate.authenticate(&headers, client, users, now)), Some(true));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_from_one_network_is_no_answer_in_another() {
    let (gate, seen) = counted();
    let (users, headers) = (users(FILE), basic("alice", "secret"));
    let (client, other) = (somebody(), somebody());
    gate.authenticate(&headers, client, &users, Instant::now()).await.unwrap();
    assert_eq!(at_once(gate.authenticate(&headers, client, &users, Instant::now())), Some(true));
    gate.authenticate(&headers, other, &users, Instant::now()).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn from_the_same_network_guesses_that_hang_up_soon_learn_nothing_and_who_stays_is_let_in_late() {
    let (gate, users, client) = (authenticator(), users(FILE), somebody());
    let (headers, now) = (basic("alice", "secret"), Instant::now());
    gate.authenticate(&headers, client, &users, now).await.unwrap();
    for number in 0..20 {
        let headers = basic("alice", &format!("guess {number}"));
        assert_eq!(at_once(gate.authenticate(&headers, client, &users, now)), None);
        assert_eq!(at_once(gate.authenticate(&basic("alice", "secret"), client, &users, now)), Some(true), "{number}");
    }
    use_up(&gate, client, &users, now);
    assert_eq!(at_once(gate.authenticate(&headers, client, &users, now)), None);
    let start = tokio::time::Instant::now();
    // Who waits has looks of his own, and gives them back.
    gate.authenticate(&headers, client, &users, now).await.unwrap();
    assert_eq!(elapsed_ms(start) / 100, 64);
    use_up(&gate, client, &users, now + elapsed(start));
    gate.authenticate(&headers, client, &users, now + elapsed(start)).await.unwrap();
}

struct Shows<'a> {
    alone: bool,
    ticket: Option<&'a str>,
}

impl Evidence for Shows<'_> {
    fn is_alone(&self) -> bool {
        self.alone
    }

    fn ticket(&self, user: &User) -> Option<Vec<u8>> {
        self.ticket.filter(|_| *user.name() == UserName::of(b"alice")).map(|ticket| ticket.into())
    }
}

#[tokio::test(start_paused = true)]
async fn the_connection_on_which_it_was_right_passes_unless_a_proxy_may_have_it() {
    let (gate, users, client, now) = (authenticator(), users(FILE), somebody(), Instant::now());
    let headers = basic("alice", "secret");
    let (own, other) = (Proven::default(), Proven::default());
    let on = |proven, shows| Sender { client, proven: Some(proven), evidence: Some(shows) };
    let (alone, proxied) = (Shows { alone: true, ticket: None }, Shows { alone: false, ticket: None });
    gate.authenticate(&headers, on(&own, &alone), &users, now).await.unwrap();
    use_up(&gate, client, &users, now);
    for _ in 0..200 {
        assert_eq!(at_once(gate.authenticate(&headers, on(&own, &alone), &users, now)), Some(true));
    }
    assert_eq!(at_once(gate.authenticate(&headers, on(&other, &alone), &users, now)), None);
    assert_eq!(at_once(gate.authenticate(&headers, on(&own, &proxied), &users, now)), None);
    // And whoever sends something else on it is somebody else.
    assert_eq!(at_once(gate.authenticate(&headers, on(&own, &alone), &users, now)), None);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_lets_its_user_in_and_its_thief_guess_five_times() {
    let (gate, seen) = counted();
    let (users, client, now) = (users(FILE), somebody(), Instant::now());
    use_up(&gate, client, &users, now);
    let (hers, stolen) = (Shows { alone: true, ticket: Some("hers") }, Shows { alone: true, ticket: Some("stolen") });
    let with = |shows| Sender { client, proven: None, evidence: Some(shows) };
    let before = seen.lock().unwrap().len();
    for number in 0..20 {
        let guess = basic("alice", &format!("thief {number}"));
        let refusal = gate.authenticate(&guess, with(&stolen), &users, now).await.unwrap_err();
        assert_eq!(refusal.failure == AuthFailure::Throttled, number >= 5, "{number}");
    }
    assert_eq!(seen.lock().unwrap().len() - before, 5);
    // Never seen before, and let in.
    gate.authenticate(&basic("alice", "secret"), with(&hers), &users, now).await.unwrap();
    assert_eq!(at_once(gate.authenticate(&basic("alice", "secret"), with(&hers), &users, now)), Some(true));
    // It is alice's, and helps no other name.
    use_up_of(&gate, client, &users, now, "bob");
    let refusal = gate.authenticate(&basic("bob", "secret"), with(&hers), &users, now).await.unwrap_err();
    assert_eq!(refusal.failure, AuthFailure::Throttled);
}

// --- The queue shows nobody which names exist.

/// A gate whose only thread is held up, in a network where somebody guesses.
fn held_up(users: &Users, client: Peer) -> (Authenticator, mpsc::Sender<()>) {
    let (go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let verifier = Verifier::start_with(pool(16), move |hash, password| {
        let _ = held.lock().unwrap().recv();
        hash.verify(password)
    });
    let limits = AuthLimits::default();
    let gate = Authenticator::with_verifier(&limits, verifier.unwrap(), ProcessKey::random().unwrap());
    let now = Instant::now();
    {
        // Its asker waits until the thread is at it, or the thread would pass over it.
        let headers = basic("early", "x");
        let mut first = pin!(gate.authenticate(&headers, client, users, now));
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        while gate.load().computed == 0 {
            std::thread::yield_now();
        }
    }
    for number in 1..20 {
        let headers = basic(&format!("early {number}"), "x");
        assert_eq!(at_once(gate.authenticate(&headers, client, users, now)), None);
    }
    (gate, go)
}

#[tokio::test(start_paused = true)]
async fn without_a_place_a_name_that_exists_and_one_that_does_not_are_refused_alike() {
    let (users, client) = (users(FILE), somebody());
    let (gate, _go) = held_up(&users, client);
    let mut answers = Vec::new();
    for name in ["bob", "nobody", "carol", "no one"] {
        let start = tokio::time::Instant::now();
        let refusal = ask_from(&gate, client, &users, name, "x").await.unwrap_err();
        answers.push((elapsed_ms(start) / 10, refusal.retry_after));
    }
    assert!(answers.iter().all(|answer| *answer == (640, Some(Duration::from_secs(60)))), "{answers:?}");
}

#[tokio::test]
async fn a_first_right_login_from_where_somebody_sprays_names_goes_before_them() {
    let (users, client) = (users(FILE), somebody());
    let (gate, go) = held_up(&users, client);
    let spray: Vec<_> = (0..40).map(|n| basic(&format!("nobody {n}"), "x")).collect();
    let now = Instant::now();
    let mut spraying: Vec<_> =
        spray.iter().map(|headers| Box::pin(gate.authenticate(headers, client, &users, now))).collect();
    for guess in &mut spraying {
        assert!(guess.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let mut login = pin!(ask_from(&gate, client, &users, "bob", "secret"));
    assert!(login.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    // The one that runs, if it does, and then this one.
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(login.await, Ok("bob".into()));
}

#[tokio::test]
async fn twenty_who_log_in_at_once_from_one_address_are_all_let_in() {
    let file: String = (0..20).map(|n| format!("user{n}:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")).collect();
    let (gate, users, client) = (authenticator(), users(&file), somebody());
    let logins: Vec<_> = (0..20).flat_map(|n| [format!("user{n}"), format!("user{n}")]).collect();
    let mut asking: Vec<_> =
        logins.iter().map(|name| Box::pin(ask_from(&gate, client, &users, name, "secret"))).collect();
    asking.retain_mut(|asking| match asking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => true,
        Poll::Ready(answer) => answer.is_err(),
    });
    for asking in asking {
        asking.await.unwrap();
    }
    assert!(gate.throttle.is_quiet());
}

/// A gate whose one thread takes that long for a hash.
fn slow(hash_takes: Duration) -> Authenticator {
    let verifier = Verifier::start_with(pool(64), move |hash, password| {
        std::thread::sleep(hash_takes);
        hash.verify(password)
    });
    Authenticator::with_verifier(&AuthLimits::default(), verifier.unwrap(), ProcessKey::random().unwrap())
}

/// What became of one who comes to a gate where that many made-up names are in flight from his address: the answer, how
/// many tenths of a second it took, and how many hashes were computed by then.
async fn in_a_crowd(crowd: usize, name: &str, password: &str) -> (Result<String, Refusal>, u128, u64) {
    let (gate, users, client) = (slow(Duration::from_millis(40)), users(FILE), somebody());
    let made_up: Vec<_> = (0..crowd).map(|number| format!("made up {number}")).collect();
    let start = tokio::time::Instant::now();
    let crowd = futures_of(made_up.iter().map(|name| ask_from(&gate, client, &users, name, "x")));
    let mut asking = pin!(ask_from(&gate, client, &users, name, password));
    let mut crowd = pin!(crowd);
    assert!(crowd.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let answer = tokio::select! {
        biased;
        answer = &mut asking => answer,
        () = async { crowd.await; std::future::pending().await } => unreachable!(),
    };
    (answer, elapsed_ms(start) / 100, gate.load().computed)
}

/// Waits for all of them.
async fn futures_of<F: Future>(all: impl Iterator<Item = F>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Five names in flight and then the one in question told whether there is such a name: it waited, or was refused.
#[tokio::test]
async fn in_a_crowd_a_name_that_exists_and_one_that_does_not_are_refused_at_the_same_moment_and_alike() {
    let [few, many] = [5, 60];
    let (existing, unknown, crowded, crowded_unknown) = tokio::join!(
        in_a_crowd(few, "bob", "wrong"),
        in_a_crowd(few, "nobody", "wrong"),
        in_a_crowd(many, "bob", "wrong"),
        in_a_crowd(many, "nobody", "wrong")
    );
    let said = |(answer, took, hashes): &(Result<String, Refusal>, u128, u64)| {
        (answer.as_ref().unwrap_err().retry_after, *took, *hashes)
    };
    assert_eq!(said(&existing), (Some(Duration::from_secs(60)), 64, 6));
    assert_eq!(said(&existing), said(&unknown));
    // The queue is full: all that differs is which hashes were computed first.
    let (crowded, crowded_unknown) = (said(&crowded), said(&crowded_unknown));
    assert_eq!((crowded.0, crowded.1), (Some(Duration::from_secs(60)), 64));
    assert_eq!((crowded.0, crowded.1), (crowded_unknown.0, crowded_unknown.1));
}

#[tokio::test]
async fn in_a_crowd_of_made_up_names_a_right_password_is_let_in_when_its_turn_comes_and_not_at_that_moment() {
    let (few, many) = tokio::join!(in_a_crowd(5, "bob", "secret"), in_a_crowd(60, "bob", "secret"));
    for (answer, took, hashes) in [few, many] {
        assert_eq!(answer, Ok("bob".into()));
        assert!(took < 50 && hashes < 20, "{took} tenths of a second, {hashes} hashes");
    }
}

/// As long as nobody is known to guess there, nobody has a deadline.
#[tokio::test(start_paused = true)]
async fn in_a_crowd_of_which_none_was_wrong_yet_everybody_waits_whether_he_exists_or_not() {
    let (go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let verifier = Verifier::start_with(pool(64), move |hash, password| {
        let _ = held.lock().unwrap().recv();
        hash.verify(password)
    });
    let limits = AuthLimits::default();
    let gate = Authenticator::with_verifier(&limits, verifier.unwrap(), ProcessKey::random().unwrap());
    let (users, client) = (users(FILE), somebody());
    let names: Vec<_> =
        (0..5).map(|number| format!("made up {number}")).chain(["bob".into(), "nobody".into()]).collect();
    let mut all: Vec<_> = names.iter().map(|name| Box::pin(ask_from(&gate, client, &users, name, "secret"))).collect();
    for _ in 0..100 {
        for one in &mut all {
            assert!(one.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    for _ in 0..7 {
        go.send(()).unwrap();
    }
    tokio::time::resume();
    assert_eq!(all.remove(5).await, Ok("bob".into()));
}

// --- The daemon stops.

#[tokio::test(start_paused = true)]
async fn at_a_stop_refusals_leave_at_the_next_tick_and_what_waits_for_a_hash_is_told_busy() {
    let (users, client) = (users(FILE), somebody());
    let (gate, _go) = held_up(&users, client);
    for number in 0..9 {
        assert_eq!(
            at_once(gate.authenticate(&basic("alice", &number.to_string()), client, &users, Instant::now())),
            None
        );
    }
    let mut throttled = pin!(ask_from(&gate, client, &users, "alice", "one too many"));
    let mut waiting = pin!(ask(&gate, &users, "bob", "secret"));
    for _ in 0..2 {
        assert!(throttled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    gate.drain();
    let start = tokio::time::Instant::now();
    assert_eq!(throttled.await.unwrap_err().failure, AuthFailure::Throttled);
    assert_eq!(waiting.await, Err(AuthFailure::Busy));
    assert_eq!(ask_from(&gate, client, &users, "carol", "other").await.unwrap_err().failure, AuthFailure::Busy);
    assert!(elapsed_ms(start) <= 205, "{}", elapsed_ms(start));
}
