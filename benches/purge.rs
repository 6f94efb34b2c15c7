//! What do others notice of a purge, and what does its pace cost? `cargo bench --bench purge`
//!
//! The real binary purges the tests' stand-in for MailCatcher, which has one thread as the real one does, while requests
//! come at 50 a second whether the ones before were answered or not. Beside it, a bare loop of single deletes: what a shell
//! script would do. It prints its figures and fails where one is over its bound; on a machine that has something else to do
//! the bounds on times can fail without a reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on should stop, and its answer is what it prints"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mailwarden::catcher::{Message, MessageId};
use mailwarden::purge::retention::{Limits, Rule, decide};
use support::catcher::{Catcher, Mail, Options};
use support::gate::{AS_ANNA, Gate, binary};

const HOUR: Duration = Duration::from_secs(3600);
/// How many messages there are.
const ALL: usize = 20_000;
/// What the real one takes for a deletion: 10,000 of them took 10.1 s, with connecting.
const DELETE: Duration = Duration::from_micros(800);
/// What nobody may wait longer for.
const LONGEST: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let good = [deciding(), purging(ALL), purging(15_000), clearing()];
    if good.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn told(good: bool, text: &str) -> bool {
    println!("{} {text}", if good { "   " } else { "OUT" });
    good
}

/// Over 100,000 messages.
fn deciding() -> bool {
    let now = Timestamp::now();
    let message = |id: u64| Message {
        id: MessageId::Number(id),
        received: Some(now - Duration::from_secs(100_000 - id)),
        size: id % 5000,
    };
    let mail: Vec<Message> = (0..100_000).rev().map(message).collect();
    let limits = Limits { max_age: Some(HOUR), max_messages: Some(60_000), max_size: Some(70_000_000) };
    let rule = Rule { limits, min_age: Duration::from_secs(60) };
    let took = (0..5).map(|_| {
        let mail = mail.clone();
        let began = Instant::now();
        assert!(decide(mail, &rule, now).going.len() > 90_000);
        began.elapsed()
    });
    let took = took.max().unwrap();
    told(took < Duration::from_millis(100), &format!("{took:?} to decide over 100,000 messages (bound 100 ms)"))
}

/// A full catcher, of which so many are old.
fn full(old: usize) -> Catcher {
    let catcher = Catcher::start(Options { delete_cost: DELETE, ..Options::default() });
    for number in 0..ALL {
        let age = if number < old { HOUR * 2 } else { Duration::ZERO };
        catcher.deliver(Mail::new(&format!("mail {number}")).aged(age));
    }
    catcher
}

fn purging(old: usize) -> bool {
    let bare = bare_loop(&full(old), old);
    let catcher = full(old);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("mailwarden.toml");
    std::fs::write(&config, format!("state_dir = {:?}\n", dir.path())).unwrap();
    let others = Others::of(catcher.http_addr(), "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let began = Instant::now();
    let done = binary()
        .args(["purge", "--quiet", "--max-age", "1h", "--upstream", &catcher.url(), "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .status();
    let took = began.elapsed();
    let (count, worst) = others.end();
    assert!(done.unwrap().success());
    assert_eq!(catcher.message_ids().len(), ALL - old);
    let ratio = took.as_secs_f64() / bare.as_secs_f64();
    let fast = told(
        ratio <= 2.0,
        &format!("{old} of {ALL} purged in {took:.2?}, {ratio:.2} times a bare loop of {bare:.2?} (bound 2)"),
    );
    let quiet = told(
        worst <= LONGEST,
        &format!("{count} requests of others meanwhile waited {worst:.1?} at the most (bound 50 ms)"),
    );
    fast && quiet
}

/// A user's own Clear, by the gate.
fn clearing() -> bool {
    let catcher = full(0);
    let gate = Gate::to(catcher.http_addr()).start();
    let others =
        Others::of(gate.addr(), &format!("GET / HTTP/1.1\r\nHost: localhost\r\n{AS_ANNA}Connection: close\r\n\r\n"));
    let began = Instant::now();
    exchange(
        gate.addr(),
        &format!("DELETE /messages HTTP/1.1\r\nHost: localhost\r\n{AS_ANNA}Connection: close\r\n\r\n"),
    );
    let took = began.elapsed();
    let (count, worst) = others.end();
    assert_eq!(catcher.message_ids().len(), 0);
    told(
        worst <= LONGEST,
        &format!(
            "{ALL} cleared by a user in {took:.2?}; {count} requests of others waited {worst:.1?} at the most (bound 50 ms)"
        ),
    )
}

fn exchange(addr: SocketAddr, request: &str) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&answer));
}

/// What a script would do: each delete after the other, as fast as they are answered.
fn bare_loop(catcher: &Catcher, count: usize) -> Duration {
    let began = Instant::now();
    for id in 1..=count {
        exchange(
            catcher.http_addr(),
            &format!("DELETE /messages/{id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        );
    }
    began.elapsed()
}

/// People who ask 50 times a second.
struct Others {
    stop: Arc<AtomicBool>,
    all: thread::JoinHandle<(usize, Duration)>,
}

impl Others {
    fn of(addr: SocketAddr, request: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ends, request) = (Arc::clone(&stop), request.to_owned());
        let all = thread::spawn(move || {
            let mut waits = Vec::new();
            let mut due = Instant::now();
            while !ends.load(Ordering::Relaxed) {
                due += Duration::from_millis(20);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let request = request.clone();
                waits.push(thread::spawn(move || {
                    let asked = Instant::now();
                    exchange(addr, &request);
                    asked.elapsed()
                }));
            }
            let count = waits.len();
            (count, waits.into_iter().map(|wait| wait.join().unwrap()).max().unwrap_or_default())
        });
        Self { stop, all }
    }

    /// How many there were, and the longest that one waited.
    fn end(self) -> (usize, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.all.join().unwrap()
    }
}
