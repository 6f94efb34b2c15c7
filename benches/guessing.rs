//! What do people notice of slow hashes, and of somebody who guesses? `cargo bench --bench guessing`
//!
//! The real binary answers over loopback; this bench is a trusted proxy, so that it can speak for any address. It prints
//! its figures and fails where one is over its bound. On a machine that has something else to do the bounds on times can
//! fail without a reason: each is the worst of what people may notice, not what is usual. With `-- --million` the flood
//! of names is a million long, and takes some minutes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on should stop, and its answer is what it prints"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use mailwarden::auth::{AuthLimits, Authenticator, Users};
use mailwarden::client_addr::Peer;

/// Hashes of `secret`, by `htpasswd -nbs`, `htpasswd -nbBC 10`, `htpasswd -nbBC 12` and `argon2 -id -k 19456 -t 2 -p 1`.
const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const BCRYPT_10: &str = "$2y$10$4OEYmFTbzWUWFhF6I3tgze2v/hd4KSZ/DbF7OtLiB9OOAp/j.HZsu";
const BCRYPT_12: &str = "$2y$12$qiA9V8xjdn2oysYmTD22Wu5qlSfkXmAekMC50HifuoiACLTcvROb2";
const ARGON2ID: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$6G4RVhNf4sYzxbGJQzsImNwnF3BnniV+nogjylwdjiA";

/// Who guesses, and who is somewhere else.
const GUESSER: &str = "198.51.100.1";
const ELSEWHERE: &str = "192.0.2.1";

fn main() -> ExitCode {
    let million = std::env::args().any(|arg| arg == "--million");
    let good =
        [remembered(), formats(), first_page(), guesses(), flood(if million { 1_000_000 } else { 30_000 }), times()];
    if good.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn told(good: bool, text: &str) -> bool {
    println!("{} {text}", if good { "   " } else { "OUT" });
    good
}

/// A credential that is remembered, without the rest of a request.
fn remembered() -> bool {
    let gate = Authenticator::new(&AuthLimits::default()).unwrap();
    let users = Users::parse(format!("anna:{BCRYPT_10}").as_bytes());
    let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&basic("anna", "secret")).unwrap())]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let ask = async || gate.authenticate(&headers, Peer::Unix, &users, Instant::now()).await.unwrap();
    runtime.block_on(ask());
    let batch = || {
        let start = Instant::now();
        runtime.block_on(async {
            for _ in 0..1000 {
                ask().await;
            }
        });
        start.elapsed().as_nanos() / 1000
    };
    let least = (0..100).map(|_| batch()).min().unwrap();
    told(least < 1000, &format!("{least} ns for credentials that are remembered (bound 1000)"))
}

/// Requests a second once verified, as a share of those with `{SHA}`.
fn formats() -> bool {
    let users = format!("sha:{SHA}\nbcrypt10:{BCRYPT_10}\nbcrypt12:{BCRYPT_12}\nargon2id:{ARGON2ID}\n");
    let gate = Gate::start(&users);
    let names = ["sha", "bcrypt10", "bcrypt12", "argon2id"];
    let mut client = gate.client();
    let mut ratios = [const { Vec::new() }; 4];
    for name in names {
        assert_eq!(client.ask(name, "secret", ELSEWHERE), 200, "{name}");
    }
    // Side by side in short batches, so that what else the machine does meets all alike.
    for _ in 0..60 {
        let times = names.map(|name| {
            let start = Instant::now();
            for _ in 0..100 {
                client.ask(name, "secret", ELSEWHERE);
            }
            start.elapsed().as_secs_f64()
        });
        for (ratios, time) in ratios.iter_mut().zip(times) {
            ratios.push(times[0] / time);
        }
    }
    let mut good = true;
    for (name, ratios) in names.iter().zip(&mut ratios).skip(1) {
        ratios.sort_by(f64::total_cmp);
        let median = ratios[ratios.len() / 2];
        good &= told(median >= 0.97, &format!("{median:.3} of {{SHA}}'s requests a second with {name} (bound 0.97)"));
    }
    good
}

/// Eight requests at once, the first of a user.
fn first_page() -> bool {
    let gate = Gate::start(&format!("anna:{BCRYPT_12}\n"));
    let start = Instant::now();
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let mut client = gate.client();
            thread::spawn(move || client.ask("anna", "secret", ELSEWHERE))
        })
        .collect();
    assert!(asking.into_iter().all(|asking| asking.join().unwrap() == 200));
    let (took, hashes) = (start.elapsed(), gate.metric("mailwarden_password_hashes_total"));
    told(hashes == 1, &format!("{hashes} hash for the eight requests of a first page (bound 1), in {took:.0?}"))
}

/// How somebody guesses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attack {
    /// At one name.
    OneName,
    /// At a new name each time.
    NewNames,
    /// The same, hanging up long before the answer.
    HangUp,
    /// At new names, each connection from a subnet of its own of an IPv6 /48.
    Subnets,
}

impl Attack {
    /// Where connection `number` comes from.
    fn from(self, number: usize) -> String {
        match self {
            Self::Subnets => format!("2001:db8:0:{number:x}::1"),
            _ => GUESSER.to_owned(),
        }
    }

    fn name(self, guess: u64) -> String {
        match self {
            Self::OneName => "dora".to_owned(),
            _ => format!("x{guess}"),
        }
    }
}

/// How others fare while one client guesses as fast as it can against bcrypt of cost 12.
fn guesses() -> bool {
    let attacks = [
        ("at one name over 8 connections", 8, Attack::OneName),
        ("at new names over 8 connections", 8, Attack::NewNames),
        ("at one name over 64 connections", 64, Attack::OneName),
        ("at new names over 64 connections", 64, Attack::NewNames),
        ("at new names over 64 connections, hanging up", 64, Attack::HangUp),
        ("at new names from 80 subnets of a /48", 80, Attack::Subnets),
    ];
    attacks.map(|(what, connections, attack)| guesses_by(what, connections, attack)).iter().all(|good| *good)
}

fn guesses_by(what: &str, connections: usize, attack: Attack) -> bool {
    let names = ["anna", "bert", "carl", "dora", "emil", "fred"];
    let users: String = names.iter().map(|name| format!("{name}:{BCRYPT_12}\n")).collect();
    let gate = Gate::start(&users);
    let mut anna = gate.client();
    assert_eq!(anna.ask("anna", "secret", ELSEWHERE), 200);
    let quiet = sample(1000, || anna.ask("anna", "secret", ELSEWHERE));

    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let guessers: Vec<_> = (0..connections)
        .map(|number| {
            let (stop, count, mut client) = (Arc::clone(&stop), Arc::clone(&count), gate.client());
            let (addr, from) = (gate.addr, attack.from(number));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let guess = count.fetch_add(1, Ordering::Relaxed);
                    let (name, password) = (attack.name(guess), format!("guess {guess}"));
                    if attack == Attack::HangUp {
                        client.send(&name, &password, &from);
                        thread::sleep(Duration::from_millis(60));
                        client = Client::to(addr);
                    } else {
                        client.ask(&name, &password, &from);
                    }
                }
            })
        })
        .collect();
    let own_address = attack.from(0xffff);
    let login = |name: &str, from: &str| {
        let start = Instant::now();
        let status = gate.client().ask(name, "secret", from);
        (status, start.elapsed())
    };
    thread::sleep(Duration::from_millis(100));
    let begins = [("another", login("emil", ELSEWHERE)), ("the guesser's own", login("fred", &own_address))];
    thread::sleep(Duration::from_secs(3));
    let busy = sample(1000, || anna.ask("anna", "secret", ELSEWHERE));
    let goes_on = [("another", login("bert", ELSEWHERE)), ("the guesser's own", login("carl", &own_address))];
    stop.store(true, Ordering::Relaxed);
    for guesser in guessers {
        guesser.join().unwrap();
    }
    let (quiet, busy) = (quantile(&quiet, 99), quantile(&busy, 99));
    println!("    guessing {what}: {} guesses", count.load(Ordering::Relaxed));
    let mut good =
        told(busy <= 3 * quiet, &format!("p99 of a verified user {quiet:.0?} at rest, {busy:.0?} (bound three times)"));
    for (when, logins) in [("as it begins", begins), ("as it goes on", goes_on)] {
        for (who, (status, took)) in logins {
            let fine = status == 200 && took < Duration::from_secs(2);
            let text = format!("{status} for a first right login from {who} address {when}, in {took:.0?} (bound 2 s)");
            good &= told(fine, &text);
        }
    }
    good
}

/// Wrong names, each from an address of its own.
fn flood(count: u64) -> bool {
    let gate = Gate::start(&format!("anna:{SHA}\n"));
    assert_eq!(gate.client().ask("anna", "secret", ELSEWHERE), 200);
    let next = Arc::new(AtomicU64::new(0));
    let storm = |count| {
        let until = next.load(Ordering::Relaxed) + count;
        let asking: Vec<_> = (0..400)
            .map(|_| {
                let (next, mut client) = (Arc::clone(&next), gate.client());
                thread::Builder::new().stack_size(128 << 10).spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= until {
                            break;
                        }
                        let from = format!("{}.{}.{}.{}", 11 + (at >> 24), (at >> 16) & 255, (at >> 8) & 255, at & 255);
                        client.ask(&format!("nobody{at}"), "wrong", &from);
                    }
                })
            })
            .collect();
        for asking in asking {
            asking.unwrap().join().unwrap();
        }
    };
    // The connections and the allocator have to reach their size first.
    storm(10_000);
    let before = gate.memory();
    storm(count);
    let grown = (gate.memory() as f64 - before as f64) / 1024.0;
    told(
        grown < 6.0,
        &format!("{grown:.1} MiB more after {count} names from as many addresses (bound 4 of tables, 2 of chance)"),
    )
}

/// How long a wrong password takes next to an unknown name, in a file of one format and in a mixed one.
fn times() -> bool {
    let mut good = true;
    for (what, hashes) in [("one format", [BCRYPT_10; 4]), ("a mixed file", [SHA, BCRYPT_10, ARGON2ID, BCRYPT_12])] {
        let users: String = hashes.iter().enumerate().map(|(at, hash)| format!("user{at}:{hash}\n")).collect();
        let gate = Gate::start(&users);
        let (mut client, mut number) = (gate.client(), 0);
        let mut both = [Vec::new(), Vec::new()];
        for _ in 0..100 {
            for (kind, times) in both.iter_mut().enumerate() {
                number += 1;
                let name = if kind == 0 { format!("user{}", number / 2 % 4) } else { format!("nobody{number}") };
                let start = Instant::now();
                assert_eq!(client.ask(&name, "wrong", &format!("203.0.113.{number}")), 401);
                times.push(start.elapsed());
            }
        }
        let [wrong, unknown] = [0, 1].map(|kind| [10, 25, 50, 75, 90].map(|per_cent| quantile(&both[kind], per_cent)));
        println!("    {what}: 10, 25, 50, 75, 90 % of wrong passwords {wrong:.0?}");
        println!("    {what}: 10, 25, 50, 75, 90 % of unknown names   {unknown:.0?}");
        let apart = apart(&both[0], &both[1]);
        // Two samples of a hundred from one distribution are further apart once in a hundred times.
        good &= told(apart < 0.23, &format!("{apart:.2} apart at most, of 1 (bound 0.23)"));
    }
    good
}

/// How long it takes, now and then.
fn sample<T>(count: usize, mut what: impl FnMut() -> T) -> Vec<Duration> {
    (0..count)
        .map(|_| {
            thread::sleep(Duration::from_millis(2));
            let start = Instant::now();
            what();
            start.elapsed()
        })
        .collect()
}

/// Kolmogorov's and Smirnov's distance: by how much the shares of answers that have come by some moment differ at most,
/// by ticks of which an answer may miss one by a little.
fn apart(one: &[Duration], other: &[Duration]) -> f64 {
    let by =
        |times: &[Duration], moment| times.iter().filter(|time| **time < moment).count() as f64 / times.len() as f64;
    let moments = (1..100).map(|tick| Duration::from_millis(tick * 100 + 50));
    moments.map(|moment| (by(one, moment) - by(other, moment)).abs()).fold(0.0, f64::max)
}

fn quantile(times: &[Duration], per_cent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[(sorted.len() * per_cent / 100).min(sorted.len() - 1)]
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

struct Gate {
    child: Child,
    addr: SocketAddr,
    status: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Gate {
    fn start(users: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (file, users_file) = (dir.path().join("mailwarden.toml"), dir.path().join("users"));
        std::fs::write(&users_file, users).unwrap();
        let upstream = upstream();
        let text = format!(
            "listen = [\"127.0.0.1:0\"]\nstatus.listen = \"127.0.0.1:0\"\nupstream.url = \"http://{upstream}\"\n\
             auth.users_file = {users_file:?}\ntrusted_proxies = [\"127.0.0.1\"]\nlog.access = false\n"
        );
        std::fs::write(&file, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailwarden"))
            .args(["serve", "--config"])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (mut addr, mut status) = (None, None);
        while addr.is_none() || status.is_none() {
            let line = log.next().expect("the gate listens");
            let after = |mark: &str| line.split_once(mark).and_then(|(_, addr)| addr.trim().parse().ok());
            match line.contains("telling how it goes") {
                true => status = after("at="),
                false if line.contains("listening") => addr = after("addr="),
                false => {}
            }
        }
        thread::spawn(move || log.count());
        Self { child, addr: addr.unwrap(), status: status.unwrap(), _dir: dir }
    }

    fn client(&self) -> Client {
        Client::to(self.addr)
    }

    fn metric(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(self.status).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).expect(name)
    }

    /// In KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client(TcpStream);

impl Client {
    fn to(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    fn send(&mut self, user: &str, password: &str, from: &str) {
        let credentials = basic(user, password);
        let request = format!(
            "GET /messages HTTP/1.1\r\nHost: dev.test\r\nX-Forwarded-For: {from}\r\nAuthorization: {credentials}\r\n\r\n"
        );
        self.0.write_all(request.as_bytes()).unwrap();
    }

    /// One request for that address; the status of its answer, whose body is read too.
    fn ask(&mut self, user: &str, password: &str, from: &str) -> u16 {
        self.send(user, password, from);
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let count = self.0.read(&mut chunk).unwrap();
            assert!(count > 0, "the gate answers");
            answer.extend_from_slice(&chunk[..count]);
            let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if answer.len() >= head + 4 + length.parse::<usize>().unwrap() {
                return text[9..12].parse().unwrap();
            }
        }
    }
}

/// A catcher that has one answer.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
                while let Ok(count @ 1..) = stream.read(&mut chunk) {
                    request.extend_from_slice(&chunk[..count]);
                    if request.ends_with(b"\r\n\r\n") {
                        request.clear();
                        let answer =
                            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
                        if stream.write_all(answer).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    addr
}
