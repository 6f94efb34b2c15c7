use std::collections::HashSet;
use std::future::Future;
use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::*;
use crate::auth::Malformed;
use crate::auth::hash::CouldNotTell;
use crate::auth::verify::PoolLimits;
use crate::auth::{Evidence, Proven, UserName};
use crate::client_addr::Peer;

mod guessing;

/// Alice's password is `secret`, bob's too (another salt), carol's is `other`.
/// htpasswd -nbs alice secret; openssl passwd -apr1 -salt x secret; openssl passwd -apr1 -salt y other
const FILE: &str = "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\
                    bob:$apr1$x$12YdXEY0/hH4rDNkmZupO0\n\
                    carol:$apr1$y$d6.NHDG9LjZ8uKg7bOAVf0\n";

fn users(file: &str) -> Users {
    Users::parse(file.as_bytes())
}

fn basic(user: &str, password: &str) -> HeaderMap {
    let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(value).unwrap())])
}

/// Whether it is in the cache.
fn is_remembered(
    gate: &Authenticator,
    client: Peer,
    users: &Users,
    (user, password): (&str, &str),
    now: Instant,
) -> bool {
    let credentials = Credentials::from_headers(&basic(user, password)).unwrap().unwrap();
    let question = gate.question(&credentials, &Sender::from(client), users).unwrap();
    gate.remembered(&question, now).is_some()
}

/// An authenticator that notes the hashes it computes.
fn counted() -> (Authenticator, Arc<Mutex<Vec<Vec<u8>>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let verifier = Verifier::start_with(pool(64), {
        let seen = seen.clone();
        move |hash, password| {
            seen.lock().unwrap().push(hash.as_bytes().to_vec());
            hash.verify(password)
        }
    });
    let limits = AuthLimits::default();
    (Authenticator::with_verifier(&limits, verifier.unwrap(), ProcessKey::random().unwrap()), seen)
}

fn authenticator() -> Authenticator {
    Authenticator::new(&AuthLimits::default()).unwrap()
}

fn pool(waiting: usize) -> PoolLimits {
    PoolLimits { threads: NonZeroUsize::MIN, waiting, memory: 256 * 1024 }
}

/// A client whom nobody has seen yet, so that what one test asks is not held against what it asks next.
fn somebody() -> Peer {
    static NEXT: AtomicU32 = AtomicU32::new(0x0a00_0001);
    Peer::Tcp(Ipv4Addr::from_bits(NEXT.fetch_add(1, Ordering::Relaxed)).into())
}

async fn ask(gate: &Authenticator, users: &Users, user: &str, password: &str) -> Result<String, AuthFailure> {
    ask_from(gate, somebody(), users, user, password).await.map_err(|refusal| refusal.failure)
}

async fn ask_from(
    gate: &Authenticator,
    client: Peer,
    users: &Users,
    user: &str,
    password: &str,
) -> Result<String, Refusal> {
    let answer = gate.authenticate(&basic(user, password), client, users, Instant::now()).await;
    answer.map(|identity| identity.to_string())
}

fn wrong_password(user: &str) -> AuthFailure {
    let users = users(FILE);
    AuthFailure::WrongPassword { user: users.get(user.as_bytes()).unwrap().name().clone() }
}

#[tokio::test(start_paused = true)]
async fn each_answer_is_an_event_of_its_own() {
    let (gate, users) = (authenticator(), users(FILE));
    assert_eq!(ask(&gate, &users, "alice", "secret").await, Ok("alice".into()));
    assert_eq!(ask(&gate, &users, "carol", "other").await, Ok("carol".into()));
    assert_eq!(ask(&gate, &users, "carol", "secret").await, Err(wrong_password("carol")));
    assert_eq!(ask(&gate, &users, "Alice", "secret").await, Err(AuthFailure::UnknownUser));
    let now = Instant::now();
    let none = gate.authenticate(&HeaderMap::new(), somebody(), &users, now).await.unwrap_err().failure;
    assert_eq!(none, AuthFailure::NoCredentials);
    let bearer = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer x"))]);
    let bearer = gate.authenticate(&bearer, somebody(), &users, now).await.unwrap_err().failure;
    assert_eq!(bearer, AuthFailure::Malformed(Malformed::OtherScheme));
    assert!(none.is_no_attempt() && bearer.is_no_attempt() && !bearer.is_denial());
    assert!(AuthFailure::UnknownUser.is_denial() && wrong_password("bob").is_denial());
    assert!(!AuthFailure::Busy.is_denial() && !AuthFailure::CouldNotTell.is_denial());
}

#[tokio::test(start_paused = true)]
async fn a_right_password_is_hashed_once_and_a_wrong_one_each_time() {
    let (gate, seen) = counted();
    let users = users(FILE);
    let client = somebody();
    for _ in 0..5 {
        assert_eq!(ask_from(&gate, client, &users, "bob", "secret").await, Ok("bob".into()));
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
    for _ in 0..3 {
        assert_eq!(ask(&gate, &users, "bob", "wrong").await, Err(wrong_password("bob")));
    }
    assert_eq!(seen.lock().unwrap().len(), 4);
    let load = gate.load();
    assert_eq!((load.computed, load.hits, load.waiting, load.remembered), (4, 4, 0, 1));
}

#[test]
fn a_remembered_login_needs_no_runtime_and_no_waiting() {
    let (gate, users) = (authenticator(), users(FILE));
    let headers = basic("alice", "secret");
    let now = Instant::now();
    let client = somebody();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(gate.authenticate(&headers, client, &users, now)).unwrap();

    let mut again = pin!(gate.authenticate(&headers, client, &users, now));
    let first_poll = again.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(
        matches!(first_poll, Poll::Ready(Ok(identity)) if identity.name().is_some_and(|name| name.as_bytes() == b"alice"))
    );
    assert!(is_remembered(&gate, client, &users, ("alice", "secret"), now));
    assert!(!is_remembered(&gate, client, &users, ("alice", "Secret"), now));
    assert!(!is_remembered(&gate, client, &users, ("bob", "secret"), now));
    assert!(!is_remembered(&gate, somebody(), &users, ("alice", "secret"), now), "elsewhere");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_login_ends_with_its_lifetime_and_with_a_sweep() {
    let (gate, seen) = counted();
    let (users, start, limits) = (users(FILE), Instant::now(), AuthLimits::default());
    let (headers, late) = (basic("alice", "secret"), start + limits.lifetime);
    let client = somebody();
    gate.authenticate(&headers, client, &users, start).await.unwrap();
    gate.authenticate(&headers, client, &users, late).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
    gate.sweep(late + limits.lifetime);
    assert_eq!(gate.load().remembered, 0);
}

// --- Holes that others had. Each was published for another project.

/// Traefik's GHSA-g3hg-j4jv-cwfr and CVE-2026-41263: no hash, or an empty one, for unknown users told names by time.
#[tokio::test(start_paused = true)]
async fn an_unknown_user_costs_one_hash_of_the_file_as_a_wrong_password_does() {
    let (gate, seen) = counted();
    let users = users(FILE);
    assert_eq!(ask(&gate, &users, "alice", "wrong").await, Err(wrong_password("alice")));
    assert_eq!(seen.lock().unwrap().len(), 1);
    for attempt in 2..=5 {
        assert_eq!(ask(&gate, &users, "mallory", "wrong").await, Err(AuthFailure::UnknownUser));
        assert_eq!(seen.lock().unwrap().len(), attempt);
    }
    let seen = seen.lock().unwrap();
    assert!(users.iter().any(|user| user.hash().as_bytes() == seen[1]), "a stored hash was mimicked");
    assert!(seen[2..].iter().all(|hash| *hash == seen[1]), "one name mimics one hash, however often it is asked for");
}

#[tokio::test(start_paused = true)]
async fn unknown_users_mimic_every_hash_of_a_mixed_file() {
    let (gate, seen) = counted();
    // mkpasswd -m yescrypt -R 1 secret; htpasswd -nb5 -r 1000 dave secret; htpasswd -nbd dave secret
    let slow = "dave:$y$j75$gL/cmPtQ5P.yEHUrDxsLj1$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHcB\n\
                erin:$6$rounds=1000$OyYkttj8J4uh6hlm$T7p4uxgylshTKizlY2gJ2JH8K1PNDTYfdHYINlPDqYtx.AqHAdJXgTZvUTv8Zbn8ezAzOfweP3fuWXdyhaNNR0\n\
                frank:AkLTsy09siuoo\n";
    let users = users(&format!("{FILE}{slow}"));
    for number in 0..120 {
        let name = format!("nobody{number}");
        assert_eq!(ask(&gate, &users, &name, "wrong").await, Err(AuthFailure::UnknownUser));
    }
    let schemes: HashSet<_> = users.iter().map(|user| user.hash().scheme().to_string()).collect();
    assert_eq!(seen.lock().unwrap().iter().collect::<HashSet<_>>().len(), schemes.len());
}

#[tokio::test(start_paused = true)]
async fn the_password_of_a_mimicked_user_opens_nothing_and_is_not_remembered() {
    let (gate, seen) = counted();
    let users = users("alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=");
    for attempt in 1..=3 {
        assert_eq!(ask(&gate, &users, "mallory", "secret").await, Err(AuthFailure::UnknownUser));
        assert_eq!(seen.lock().unwrap().len(), attempt);
    }
    assert_eq!(gate.load().remembered, 0);
}

/// A user who is removed while another has the very same line: the memory of the one must not open the gate again.
#[tokio::test(start_paused = true)]
async fn a_removed_user_stays_out_though_another_has_the_same_hash() {
    let gate = authenticator();
    let line = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    let before = users(&format!("alice:{line}\nbob:{line}"));
    let client = somebody();
    assert_eq!(ask_from(&gate, client, &before, "alice", "secret").await, Ok("alice".into()));
    let after = users(&format!("bob:{line}"));
    assert!(!is_remembered(&gate, client, &after, ("alice", "secret"), Instant::now()));
    let refusal = ask_from(&gate, client, &after, "alice", "secret").await.unwrap_err();
    assert_eq!(refusal.failure, AuthFailure::UnknownUser);
}

#[tokio::test(start_paused = true)]
async fn a_changed_hash_ends_what_is_remembered_with_the_reload() {
    let (gate, client) = (authenticator(), somebody());
    assert_eq!(ask_from(&gate, client, &users(FILE), "alice", "secret").await, Ok("alice".into()));
    // printf changed | openssl dgst -sha1 -binary | base64
    let after = users("alice:{SHA}N8bFe+30MF70EknBeUdgtcuPrRc=");
    let refusal = ask_from(&gate, client, &after, "alice", "secret").await.unwrap_err();
    assert_eq!(refusal.failure, wrong_password("alice"));
    assert_eq!(ask_from(&gate, client, &after, "alice", "changed").await, Ok("alice".into()));
    // and the old line back again: still remembered, still right
    assert!(is_remembered(&gate, client, &users(FILE), ("alice", "secret"), Instant::now()));
}

/// GHSA-6765-c87h-8mrf: a key of parts run together logged one user in as another. (`alice:x` cannot be a name here,
/// so the parts are moved by a letter.)
#[tokio::test(start_paused = true)]
async fn what_is_remembered_for_one_user_is_nothing_to_another() {
    let gate = authenticator();
    let hash = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    let users = users(&format!("alice:{hash}\nalic:{hash}\nalices:{hash}"));
    let client = somebody();
    assert_eq!(ask_from(&gate, client, &users, "alice", "secret").await, Ok("alice".into()));
    for (user, password) in [("alic", "esecret"), ("alices", "ecret"), ("alic", "secret"), ("alices", "secret")] {
        assert!(!is_remembered(&gate, client, &users, (user, password), Instant::now()), "{user}:{password}");
    }
}

/// Traefik's PR 13195: an empty set of users let everybody in.
#[tokio::test(start_paused = true)]
async fn an_empty_set_of_users_denies_everybody() {
    let (gate, seen) = counted();
    for file in ["", "# nobody\n", "alice:!\n"] {
        for (user, password) in [("alice", "secret"), ("alice", ""), ("x", "")] {
            let answer = ask(&gate, &users(file), user, password).await;
            assert_eq!(answer, Err(AuthFailure::UnknownUser), "{file:?} {user}:{password}");
        }
    }
    assert!(seen.lock().unwrap().is_empty());
}

/// CVE-2025-22228 and its like: bcrypt ends at a NUL, so whatever follows it would be accepted.
#[tokio::test(start_paused = true)]
async fn a_nul_in_the_password_is_refused_before_any_hash() {
    let (gate, seen) = counted();
    let users = users("alice:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW");
    let answer = ask(&gate, &users, "alice", "secret\0and more").await;
    assert_eq!(answer, Err(AuthFailure::Malformed(Malformed::ControlCharacter)));
    assert!(seen.lock().unwrap().is_empty());
}

/// Caddy keeps failures in the slots of successes: a stranger's guesses push real users out.
#[tokio::test(start_paused = true)]
async fn failures_take_no_place_in_the_memory_of_successes() {
    let gate = authenticator();
    let users = users(FILE);
    for number in 0..200 {
        let _ = ask(&gate, &users, "alice", &format!("guess{number}")).await;
        let _ = ask(&gate, &users, &format!("nobody{number}"), "secret").await;
    }
    assert_eq!(gate.load().remembered, 0);
}

#[tokio::test(start_paused = true)]
async fn verified_users_pass_while_the_pool_is_full() {
    let (go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let verifier = Verifier::start_with(pool(1), move |hash, password| {
        let _ = held.lock().unwrap().recv();
        hash.verify(password)
    });
    let limits = AuthLimits::default();
    let gate = Authenticator::with_verifier(&limits, verifier.unwrap(), ProcessKey::random().unwrap());
    let (users, client) = (users(FILE), somebody());
    go.send(()).unwrap();
    assert_eq!(ask_from(&gate, client, &users, "alice", "secret").await, Ok("alice".into()));

    let waker = Waker::noop();
    let mut running = pin!(ask(&gate, &users, "bob", "guess"));
    assert!(running.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    while gate.load().computed < 2 {
        std::thread::yield_now();
    }
    let mut waiting = pin!(ask(&gate, &users, "bob", "another guess"));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(waker)).is_pending());

    // Also for a name that is unknown; and a tick later, or it would be told from a wrong one by its time.
    for user in ["carol", "nobody"] {
        let start = tokio::time::Instant::now();
        assert_eq!(ask(&gate, &users, user, "other").await, Err(AuthFailure::Busy), "{user}");
        assert!(elapsed_ms(start) >= 100);
    }
    assert_eq!(ask_from(&gate, client, &users, "alice", "secret").await, Ok("alice".into()));
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((running.await, waiting.await), (Err(wrong_password("bob")), Err(wrong_password("bob"))));
}

#[tokio::test(start_paused = true)]
async fn a_hash_that_cannot_be_computed_blames_nobody() {
    let verifier = Verifier::start_with(pool(1), |_, _| Err(CouldNotTell)).unwrap();
    let gate = Authenticator::with_verifier(&AuthLimits::default(), verifier, ProcessKey::random().unwrap());
    let users = users(FILE);
    assert_eq!(ask(&gate, &users, "alice", "secret").await, Err(AuthFailure::CouldNotTell));
    assert_eq!(ask(&gate, &users, "nobody", "secret").await, Err(AuthFailure::CouldNotTell));
}

/// oauth2-proxy quoted the header in an error that was logged.
#[tokio::test(start_paused = true)]
async fn no_failure_shows_a_password_or_an_unknown_name() {
    let (gate, users) = (authenticator(), users(FILE));
    let junk = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Basic hunter2!"))]);
    let failures = [
        ask(&gate, &users, "hunter2", "x").await.unwrap_err(),
        ask(&gate, &users, "alice", "hunter2").await.unwrap_err(),
        gate.authenticate(&junk, somebody(), &users, Instant::now()).await.unwrap_err().failure,
    ];
    for failure in failures {
        assert!(!format!("{failure} {failure:?} {gate:?}").contains("hunter2"), "{failure}");
    }
}

// --- Guessing.

fn elapsed(since: tokio::time::Instant) -> Duration {
    since.elapsed()
}

fn elapsed_ms(since: tokio::time::Instant) -> u128 {
    elapsed(since).as_millis()
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_that_comes_again_is_answered_late_and_without_a_hash_also_for_a_name_that_nobody_has() {
    let users = users(&format!("{FILE}dave:!\n"));
    for (name, failure) in [
        ("alice", wrong_password("alice")),
        ("nobody", AuthFailure::UnknownUser),
        ("dave", AuthFailure::RefusedLine { user: UserName::of(b"dave") }),
    ] {
        let (gate, seen) = counted();
        let client = somebody();
        for _ in 0..20 {
            let start = tokio::time::Instant::now();
            let refusal = ask_from(&gate, client, &users, name, "stale").await.unwrap_err();
            assert_eq!(refusal, Refusal { failure: failure.clone(), retry_after: None });
            assert!((100..103).contains(&elapsed_ms(start)), "{name}: {}", elapsed_ms(start));
        }
        assert_eq!(seen.lock().unwrap().len(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_five_wrong_come_back_later_each_time_and_then_they_are_too_many() {
    let (gate, seen) = counted();
    let (users, client) = (users(FILE), somebody());
    for (number, late) in [100, 100, 200, 400, 800].into_iter().enumerate() {
        let start = tokio::time::Instant::now();
        let refusal = ask_from(&gate, client, &users, "alice", &number.to_string()).await.unwrap_err();
        assert_eq!(refusal, Refusal { failure: wrong_password("alice"), retry_after: None });
        assert!((late..late + 3).contains(&elapsed_ms(start)), "{number}: {}", elapsed_ms(start));
    }
    // The sixth is not looked at, though it is right: nobody was ever right from there.
    let start = tokio::time::Instant::now();
    let refusal = ask_from(&gate, client, &users, "alice", "secret").await.unwrap_err();
    assert_eq!(refusal.failure, AuthFailure::Throttled);
    assert!(refusal.retry_after.is_some_and(|after| after <= Duration::from_secs(120)));
    assert!(elapsed_ms(start) >= 1600);
    assert_eq!(seen.lock().unwrap().len(), 5);
    // Others are, and it is from elsewhere.
    tokio::time::resume();
    assert_eq!(ask_from(&gate, client, &users, "bob", "secret").await, Ok("bob".into()));
    assert_eq!(ask(&gate, &users, "alice", "secret").await, Ok("alice".into()));
}

#[tokio::test(start_paused = true)]
async fn unknown_names_and_refused_lines_count_and_wait_like_wrong_passwords() {
    let users = users(&format!("{FILE}dave:!\n"));
    for name in ["alice", "nobody", "dave"] {
        let (gate, client) = (authenticator(), somebody());
        let mut took = Vec::new();
        let mut statuses = Vec::new();
        for number in 0..7 {
            let start = tokio::time::Instant::now();
            let refusal = ask_from(&gate, client, &users, name, &number.to_string()).await.unwrap_err();
            took.push(elapsed_ms(start) / 50);
            statuses.push((refusal.failure == AuthFailure::Throttled, refusal.retry_after.is_some()));
        }
        assert_eq!(took, [2, 2, 4, 8, 16, 32, 32], "{name}");
        assert_eq!(statuses, [[(false, false); 5].as_slice(), &[(true, true); 2]].concat(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_right_from_there_lately_passes_though_somebody_guesses_and_the_cache_has_forgotten_him() {
    let gate = authenticator();
    let (users, client, start) = (users(FILE), somebody(), Instant::now());
    let headers = basic("alice", "secret");
    gate.authenticate(&headers, client, &users, start).await.unwrap();
    let later = start + 2 * AuthLimits::default().lifetime;
    for number in 0..8 {
        let guess = gate.authenticate(&basic("alice", &number.to_string()), client, &users, later).await;
        assert_eq!(guess.unwrap_err().failure == AuthFailure::Throttled, number >= 5);
    }
    assert!(!is_remembered(&gate, client, &users, ("alice", "secret"), later));
    gate.authenticate(&headers, client, &users, later).await.unwrap();
    // And that cleared nothing.
    let guess = gate.authenticate(&basic("alice", "9"), client, &users, later).await;
    assert_eq!(guess.unwrap_err().failure, AuthFailure::Throttled);
}

#[tokio::test(start_paused = true)]
async fn who_hangs_up_before_the_answer_is_counted() {
    let (gate, users, client) = (authenticator(), users(FILE), somebody());
    for number in 0..5 {
        let name = format!("name {number}");
        let mut asking = Box::pin(ask_from(&gate, client, &users, &name, "x"));
        assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let refusal = ask_from(&gate, client, &users, "another", "x").await.unwrap_err();
    assert!(refusal.retry_after.is_some(), "{refusal:?}");
}

#[tokio::test(start_paused = true)]
async fn eight_requests_of_one_page_are_one_hash_and_all_are_let_in() {
    let (gate, seen) = counted();
    let (users, client) = (users(FILE), somebody());
    // Four wrong ones before: the page's own count must not shut out the rest of the page.
    for number in 0..4 {
        ask_from(&gate, client, &users, "bob", &number.to_string()).await.unwrap_err();
    }
    let mut page: Vec<_> = (0..8).map(|_| Box::pin(ask_from(&gate, client, &users, "bob", "secret"))).collect();
    // The clock that stands still would go on by itself while a thread computes.
    tokio::time::resume();
    // All are asked before any is answered.
    let held_up = seen.lock().unwrap();
    for request in &mut page {
        assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    drop(held_up);
    for request in page {
        assert_eq!(request.await, Ok("bob".into()));
    }
    assert_eq!(seen.lock().unwrap().len(), 5);
}

/// What speaks for a client who has his connection for himself.
struct Alone;

impl Evidence for Alone {
    fn is_alone(&self) -> bool {
        true
    }

    fn ticket(&self, _: &User) -> Option<Vec<u8>> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_spelled_as_what_was_right_on_a_connection_is_known_there_and_nowhere_else() {
    let (gate, file, now) = (authenticator(), users(FILE), Instant::now());
    let (client, proven, other) = (somebody(), Proven::default(), Proven::default());
    let on = |client, proven| Sender { client, proven: Some(proven), evidence: Some(&Alone) };
    let right = basic("alice", "secret");
    let line = Credentials::line(&right).unwrap().unwrap();
    let wrong = basic("alice", "secreT");
    let wrong_line = Credentials::line(&wrong).unwrap().unwrap();
    assert!(on(client, &proven).known(line, &file).is_none());
    for _ in 0..2 {
        let identity = gate.authenticate(&right, on(client, &proven), &file, now).await.unwrap();
        assert_eq!(identity.to_string(), "alice");
        assert_eq!(on(client, &proven).known(line, &file).unwrap().0.name(), &UserName::of(b"alice"));
    }
    assert!(on(client, &other).known(line, &file).is_none());
    assert!(on(somebody(), &proven).known(line, &file).is_none());
    assert!(on(client, &proven).known(wrong_line, &file).is_none());
    assert!(on(client, &proven).known(&line[..line.len() - 1], &file).is_none());
    // A reload that changes nothing has it looked up once; one that takes her away, or changes her password, is seen.
    assert!(on(client, &proven).known(line, &users(FILE)).is_none());
    for file in ["bob:$apr1$x$12YdXEY0/hH4rDNkmZupO0\n", "alice:$apr1$y$d6.NHDG9LjZ8uKg7bOAVf0\n"] {
        gate.authenticate(&right, on(client, &proven), &users(file), now).await.unwrap_err();
    }
    // Something wrong on the connection ends it.
    gate.authenticate(&right, on(client, &proven), &file, now).await.unwrap();
    gate.authenticate(&wrong, on(client, &proven), &file, now).await.unwrap_err();
    assert!(on(client, &proven).known(line, &file).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_known_on_a_connection_is_forgotten_with_what_was_verified() {
    let (gate, seen) = counted();
    let (file, client, proven, now) = (users(FILE), somebody(), Proven::default(), Instant::now());
    let on = || Sender { client, proven: Some(&proven), evidence: Some(&Alone) };
    let right = basic("alice", "secret");
    gate.authenticate(&right, on(), &file, now).await.unwrap();
    gate.authenticate(&right, on(), &file, now).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 1);
    let later = now + AuthLimits::default().lifetime;
    gate.authenticate(&right, on(), &file, later).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
}
