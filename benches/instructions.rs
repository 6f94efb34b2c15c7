//! How many instructions does a request cost the gate? `cargo bench --profile counted --bench instructions`
//!
//! The real binary runs under callgrind with one worker and answers requests on one kept connection, in two runs of
//! different length; the difference, divided by the difference of their lengths, is the cost of a request without the
//! start and the first ones. Unlike time it is the same on a busy machine. The figures of the last change that meant to
//! change them are in `benches/instructions.txt`: more than five per cent above fails, another compiler only warns.
//!
//! `cargo bench --profile counted --bench instructions -- --write` writes the file; `tests/run` compares with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench that cannot go on should stop, and its answer is what it prints"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

/// The lengths of the two runs, in requests.
const SHORT: u64 = 500;
const LONG: u64 = 2_500;

/// How much more than before fails, in per cent.
const TOLERANCE: f64 = 5.0;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

/// What is asked, by name: what the configuration adds.
const QUESTIONS: [(&str, &str); 2] =
    [("a request, no access log", "log.access = false"), ("a request", "log.access = true")];

fn main() -> ExitCode {
    let upstream = upstream();
    let measured: Vec<(&str, u64)> = QUESTIONS
        .iter()
        .map(|(name, config)| {
            let cost = |requests| run(upstream, config, requests);
            (*name, (cost(LONG) - cost(SHORT)) / (LONG - SHORT))
        })
        .collect();
    let compiler = compiler();
    if std::env::args().any(|arg| arg == "--write") {
        let lines: String = measured.iter().map(|(name, cost)| format!("{cost:>8}  {name}\n")).collect();
        std::fs::write(BASELINE, format!("{compiler}\n{lines}")).unwrap();
    }
    compare(&compiler, &measured)
}

fn compare(compiler: &str, measured: &[(&str, u64)]) -> ExitCode {
    let baseline = std::fs::read_to_string(BASELINE).unwrap_or_default();
    let mut lines = baseline.lines();
    let same_compiler = lines.next() == Some(compiler);
    let known: Vec<(&str, f64)> = lines
        .filter_map(|line| line.trim().split_once("  "))
        .map(|(cost, name)| (name, cost.parse().expect("the baseline holds numbers")))
        .collect();
    let mut worse = false;
    for (name, cost) in measured {
        let Some((_, before)) = known.iter().find(|(known, _)| known == name) else {
            println!("{cost:>8} instructions {name}; not in the baseline");
            continue;
        };
        let change = (*cost as f64 / before - 1.0) * 100.0;
        println!("{cost:>8} instructions {name}; {change:+.1} % on {before}");
        worse |= change > TOLERANCE;
    }
    match (worse, same_compiler) {
        (true, true) => {
            println!("more than {TOLERANCE} % more: find out why, or write the new figures with --write and say why");
            ExitCode::FAILURE
        }
        (true, false) => {
            println!("warning: more than {TOLERANCE} % more, but with another compiler than the baseline's");
            ExitCode::SUCCESS
        }
        (false, _) => ExitCode::SUCCESS,
    }
}

/// The instructions of one whole run with that many requests.
fn run(upstream: SocketAddr, config: &str, requests: u64) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // `htpasswd -nbs anna secret`
    std::fs::write(at("users"), "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let users = at("users");
    let text = format!(
        "listen = [\"127.0.0.1:0\"]\nstatus.listen = \"off\"\nworkers = 1\nupstream.url = \"http://{upstream}\"\nauth.users_file = {users:?}\n{config}\n"
    );
    std::fs::write(at("mailwarden.toml"), text).unwrap();
    let mut gate = Stopped(
        Command::new("valgrind")
            .arg("--tool=callgrind")
            .arg(format!("--callgrind-out-file={}", at("callgrind").display()))
            .arg(env!("CARGO_BIN_EXE_mailwarden"))
            .args(["serve", "--config"])
            .arg(at("mailwarden.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("valgrind runs: install the package of that name"),
    );
    let mut log = BufReader::new(gate.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let addr = log.find_map(|line| line.split_once("addr=").map(|(_, addr)| addr.trim().to_owned()));
    let rest = std::thread::spawn(move || log.count());
    ask(addr.expect("the gate listens").parse().unwrap(), requests);
    let asked = Command::new("kill").args(["-TERM", &gate.0.id().to_string()]).status().unwrap();
    assert!(asked.success() && gate.0.wait().unwrap().success(), "the gate stops when it is told to");
    rest.join().unwrap();
    total(&at("callgrind"))
}

/// A process that does not outlive the bench.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn total(profile: &Path) -> u64 {
    let profile = std::fs::read_to_string(profile).unwrap();
    let line = profile.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    line.expect("callgrind sums up").trim().parse().unwrap()
}

/// Asks as a browser's page does, on one connection.
fn ask(gate: SocketAddr, requests: u64) {
    let mut stream = TcpStream::connect(gate).unwrap();
    stream.set_nodelay(true).unwrap();
    let request = "GET /messages HTTP/1.1\r\nHost: dev.test:8080\r\nAuthorization: Basic YW5uYTpzZWNyZXQ=\r\n\
                   User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: application/json, text/javascript, */*; q=0.01\r\n\
                   Accept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nX-Requested-With: XMLHttpRequest\r\n\
                   Referer: http://dev.test:8080/\r\nConnection: keep-alive\r\n\r\n";
    let mut answer = Vec::new();
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).unwrap();
        answer.clear();
        while !answer.ends_with(BODY.as_bytes()) {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the gate answers: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&chunk[..count]);
        }
    }
}

const BODY: &str = r#"[{"id":1,"sender":"<a@x.test>","recipients":["<b@x.test>"],"subject":"Hello","size":"221"}]"#;

/// A catcher that has one answer.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: keep-alive\r\nServer: thin\r\n\r\n{BODY}",
        BODY.len()
    );
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || serve(stream, &answer));
        }
    });
    addr
}

fn serve(mut stream: TcpStream, answer: &str) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        request.extend_from_slice(&chunk[..count]);
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().expect("there is a compiler");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
