use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, mpsc};
use std::task::{Context, Poll, Waker};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::*;
use crate::auth::Malformed;
use crate::auth::hash::CouldNotTell;

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

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials::from_headers(&basic(user, password)).unwrap().unwrap()
}

/// An authenticator that notes the hashes it computes.
fn counted() -> (Authenticator, Arc<Mutex<Vec<Vec<u8>>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let verifier = Verifier::start_with(NonZeroUsize::MIN, 64, {
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

async fn ask(gate: &Authenticator, users: &Users, user: &str, password: &str) -> Result<String, AuthFailure> {
    gate.authenticate(&basic(user, password), users, Instant::now()).await.map(|identity| identity.to_string())
}

fn wrong_password(user: &str) -> AuthFailure {
    let users = users(FILE);
    AuthFailure::WrongPassword { user: users.get(user.as_bytes()).unwrap().name().clone() }
}

#[tokio::test]
async fn each_answer_is_an_event_of_its_own() {
    let (gate, users) = (authenticator(), users(FILE));
    assert_eq!(ask(&gate, &users, "alice", "secret").await, Ok("alice".into()));
    assert_eq!(ask(&gate, &users, "carol", "other").await, Ok("carol".into()));
    assert_eq!(ask(&gate, &users, "carol", "secret").await, Err(wrong_password("carol")));
    assert_eq!(ask(&gate, &users, "Alice", "secret").await, Err(AuthFailure::UnknownUser));
    let now = Instant::now();
    let none = gate.authenticate(&HeaderMap::new(), &users, now).await.unwrap_err();
    assert_eq!(none, AuthFailure::NoCredentials);
    let bearer = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Bearer x"))]);
    let bearer = gate.authenticate(&bearer, &users, now).await.unwrap_err();
    assert_eq!(bearer, AuthFailure::Malformed(Malformed::OtherScheme));
    assert!(none.is_no_attempt() && bearer.is_no_attempt() && !bearer.is_denial());
    assert!(AuthFailure::UnknownUser.is_denial() && wrong_password("bob").is_denial());
    assert!(!AuthFailure::Busy.is_denial() && !AuthFailure::CouldNotTell.is_denial());
}

#[tokio::test]
async fn a_right_password_is_hashed_once_and_a_wrong_one_each_time() {
    let (gate, seen) = counted();
    let users = users(FILE);
    for _ in 0..5 {
        assert_eq!(ask(&gate, &users, "bob", "secret").await, Ok("bob".into()));
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
    for _ in 0..3 {
        assert_eq!(ask(&gate, &users, "bob", "wrong").await, Err(wrong_password("bob")));
    }
    assert_eq!(seen.lock().unwrap().len(), 4);
    assert_eq!(gate.load(), AuthLoad { computed: 4, hits: 4, waiting: 0, remembered: 1 });
}

#[test]
fn a_remembered_login_needs_no_runtime_and_no_waiting() {
    let (gate, users) = (authenticator(), users(FILE));
    let headers = basic("alice", "secret");
    let now = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(gate.authenticate(&headers, &users, now)).unwrap();

    let mut again = pin!(gate.authenticate(&headers, &users, now));
    let first_poll = again.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(
        matches!(first_poll, Poll::Ready(Ok(identity)) if identity.name().is_some_and(|name| name.as_bytes() == b"alice"))
    );
    assert!(gate.remembered(&credentials("alice", "Secret"), &users, now).is_none());
    assert!(gate.remembered(&credentials("bob", "secret"), &users, now).is_none());
}

#[tokio::test]
async fn a_remembered_login_ends_with_its_lifetime_and_with_a_sweep() {
    let (gate, seen) = counted();
    let (users, start, limits) = (users(FILE), Instant::now(), AuthLimits::default());
    let (headers, late) = (basic("alice", "secret"), start + limits.lifetime);
    gate.authenticate(&headers, &users, start).await.unwrap();
    gate.authenticate(&headers, &users, late).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
    gate.sweep(late + limits.lifetime);
    assert_eq!(gate.load().remembered, 0);
}

// --- Holes that others had. Each was published for another project.

/// Traefik's GHSA-g3hg-j4jv-cwfr and CVE-2026-41263: no hash, or an empty one, for unknown users told names by time.
#[tokio::test]
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

#[tokio::test]
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
    assert_eq!(seen.lock().unwrap().iter().collect::<HashSet<_>>().len(), 6);
}

#[tokio::test]
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
#[tokio::test]
async fn a_removed_user_stays_out_though_another_has_the_same_hash() {
    let gate = authenticator();
    let line = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    let before = users(&format!("alice:{line}\nbob:{line}"));
    assert_eq!(ask(&gate, &before, "alice", "secret").await, Ok("alice".into()));
    let after = users(&format!("bob:{line}"));
    assert!(gate.remembered(&credentials("alice", "secret"), &after, Instant::now()).is_none());
    assert_eq!(ask(&gate, &after, "alice", "secret").await, Err(AuthFailure::UnknownUser));
}

#[tokio::test]
async fn a_changed_hash_ends_what_is_remembered_with_the_reload() {
    let gate = authenticator();
    assert_eq!(ask(&gate, &users(FILE), "alice", "secret").await, Ok("alice".into()));
    // printf changed | openssl dgst -sha1 -binary | base64
    let after = users("alice:{SHA}N8bFe+30MF70EknBeUdgtcuPrRc=");
    assert_eq!(ask(&gate, &after, "alice", "secret").await, Err(wrong_password("alice")));
    assert_eq!(ask(&gate, &after, "alice", "changed").await, Ok("alice".into()));
    // and the old line back again: still remembered, still right
    assert!(gate.remembered(&credentials("alice", "secret"), &users(FILE), Instant::now()).is_some());
}

/// GHSA-6765-c87h-8mrf: a key of parts run together logged one user in as another. (`alice:x` cannot be a name here,
/// so the parts are moved by a letter.)
#[tokio::test]
async fn what_is_remembered_for_one_user_is_nothing_to_another() {
    let gate = authenticator();
    let hash = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    let users = users(&format!("alice:{hash}\nalic:{hash}\nalices:{hash}"));
    assert_eq!(ask(&gate, &users, "alice", "secret").await, Ok("alice".into()));
    for (user, password) in [("alic", "esecret"), ("alices", "ecret"), ("alic", "secret"), ("alices", "secret")] {
        assert!(gate.remembered(&credentials(user, password), &users, Instant::now()).is_none(), "{user}:{password}");
    }
}

/// Traefik's PR 13195: an empty set of users let everybody in.
#[tokio::test]
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
#[tokio::test]
async fn a_nul_in_the_password_is_refused_before_any_hash() {
    let (gate, seen) = counted();
    let users = users("alice:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW");
    let answer = ask(&gate, &users, "alice", "secret\0and more").await;
    assert_eq!(answer, Err(AuthFailure::Malformed(Malformed::ControlCharacter)));
    assert!(seen.lock().unwrap().is_empty());
}

/// Caddy keeps failures in the slots of successes: a stranger's guesses push real users out.
#[tokio::test]
async fn failures_take_no_place_in_the_memory_of_successes() {
    let gate = authenticator();
    let users = users(FILE);
    for number in 0..200 {
        let _ = ask(&gate, &users, "alice", &format!("guess{number}")).await;
        let _ = ask(&gate, &users, &format!("nobody{number}"), "secret").await;
    }
    assert_eq!(gate.load().remembered, 0);
}

#[tokio::test]
async fn verified_users_pass_while_the_pool_is_full() {
    let (go, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let verifier = Verifier::start_with(NonZeroUsize::MIN, 1, move |hash, password| {
        let _ = held.lock().unwrap().recv();
        hash.verify(password)
    });
    let limits = AuthLimits::default();
    let gate = Authenticator::with_verifier(&limits, verifier.unwrap(), ProcessKey::random().unwrap());
    let users = users(FILE);
    go.send(()).unwrap();
    assert_eq!(ask(&gate, &users, "alice", "secret").await, Ok("alice".into()));

    let waker = Waker::noop();
    let mut running = pin!(ask(&gate, &users, "bob", "guess"));
    assert!(running.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    while gate.load().computed < 2 {
        std::thread::yield_now();
    }
    let mut waiting = pin!(ask(&gate, &users, "bob", "guess"));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(waker)).is_pending());

    // Also for a name that is unknown.
    for user in ["carol", "nobody"] {
        let refused = pin!(ask(&gate, &users, user, "other"));
        let refused = refused.poll(&mut Context::from_waker(waker));
        assert_eq!(refused, Poll::Ready(Err(AuthFailure::Busy)), "{user}");
    }
    assert_eq!(ask(&gate, &users, "alice", "secret").await, Ok("alice".into()));
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!((running.await, waiting.await), (Err(wrong_password("bob")), Err(wrong_password("bob"))));
}

#[tokio::test]
async fn a_hash_that_cannot_be_computed_blames_nobody() {
    let verifier = Verifier::start_with(NonZeroUsize::MIN, 1, |_, _| Err(CouldNotTell)).unwrap();
    let gate = Authenticator::with_verifier(&AuthLimits::default(), verifier, ProcessKey::random().unwrap());
    let users = users(FILE);
    assert_eq!(ask(&gate, &users, "alice", "secret").await, Err(AuthFailure::CouldNotTell));
    assert_eq!(ask(&gate, &users, "nobody", "secret").await, Err(AuthFailure::CouldNotTell));
}

/// oauth2-proxy quoted the header in an error that was logged.
#[tokio::test]
async fn no_failure_shows_a_password_or_an_unknown_name() {
    let (gate, users) = (authenticator(), users(FILE));
    let junk = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Basic hunter2!"))]);
    let failures = [
        ask(&gate, &users, "hunter2", "x").await.unwrap_err(),
        ask(&gate, &users, "alice", "hunter2").await.unwrap_err(),
        gate.authenticate(&junk, &users, Instant::now()).await.unwrap_err(),
    ];
    for failure in failures {
        assert!(!format!("{failure} {failure:?} {gate:?}").contains("hunter2"), "{failure}");
    }
}
