//! The real binary in front of a catcher: started with a configuration, read by its logs, stopped when it is dropped.

#![allow(dead_code, reason = "several test binaries include this module and none uses all of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on should stop, and say why"
)]

use std::io::{BufRead as _, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::patience::{self, eventually};
use super::raw::Client;
use super::secure;

/// `{SHA}` of `secret`: made by `htpasswd -nbs anna secret`.
pub(crate) const ANNA: &str = "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

/// The header line of `anna` with her password.
pub(crate) const AS_ANNA: &str = "Authorization: Basic YW5uYTpzZWNyZXQ=\r\n";

/// A gate that is about to be started.
pub(crate) struct Builder {
    config: String,
    users: String,
    upstream: String,
    env: Vec<(String, String)>,
    listen: String,
    runner: Vec<String>,
    out_is_read: bool,
    status: String,
    listening: Option<usize>,
    holding: Vec<OwnedFd>,
}

/// A running gate.
pub(crate) struct Gate {
    child: Child,
    addrs: Vec<SocketAddr>,
    out: Lines,
    err: Lines,
    dir: tempfile::TempDir,
}

/// What a process has written so far.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn follow(&self, from: impl Read + Send + 'static) {
        let lines = self.0.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                lines.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Gate {
    /// A gate before the catcher at `upstream`, with the user `anna` and the password `secret`.
    pub(crate) fn to(upstream: SocketAddr) -> Builder {
        Self::to_url(format!("http://{upstream}"))
    }

    /// The same by URL.
    pub(crate) fn to_url(upstream: String) -> Builder {
        Builder {
            config: String::new(),
            users: ANNA.to_owned(),
            upstream,
            env: Vec::new(),
            listen: r#"["127.0.0.1:0"]"#.to_owned(),
            runner: Vec::new(),
            out_is_read: true,
            status: "off".to_owned(),
            listening: None,
            holding: Vec::new(),
        }
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addrs[0]
    }

    /// Every address it listens on.
    pub(crate) fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Where it tells how it goes.
    pub(crate) fn status_addr(&self) -> SocketAddr {
        let line = self.log_line("telling how it goes");
        line.split_once("at=").unwrap().1.trim().parse().unwrap()
    }

    /// What it tells at a path: the status and the text.
    pub(crate) fn status(&self, path: &str) -> (u16, String) {
        let answer = Client::connect(self.status_addr())
            .send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            .answer();
        (answer.status, answer.text())
    }

    /// The value of a metric, named with its labels; none if it is not told.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (status, text) = self.status("/metrics");
        assert_eq!(status, 200);
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Where its configuration is.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.path().join("mailwarden.toml")
    }

    /// Where its users are.
    pub(crate) fn users_file(&self) -> PathBuf {
        self.dir.path().join("htpasswd")
    }

    /// A new connection to it.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.addr())
    }

    /// A connection from an address that nothing has come from yet: all of 127.0.0.0/8 is this machine. What one of a
    /// row of wrong passwords leads to is then not held against the next, as it is when all come from one address.
    pub(crate) fn stranger(&self) -> Client {
        static NEXT: AtomicU32 = AtomicU32::new(0x7f01_0001);
        let from = Ipv4Addr::from_bits(NEXT.fetch_add(1, Ordering::Relaxed));
        Client::connect_from(from, self.addr())
    }

    /// The folder of its files.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The processor time it has used, in clock ticks, of which Linux shows 100 a second.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// The access log so far.
    pub(crate) fn access_log(&self) -> Vec<String> {
        self.out.all()
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.err.all()
    }

    /// Waits for a line of the access log that `wanted` takes.
    pub(crate) fn access_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        eventually("a line in the access log", || self.access_log().into_iter().find(|line| wanted(line)))
    }

    /// Waits for a line of the log that holds `text`.
    pub(crate) fn log_line(&self, text: &str) -> String {
        eventually(text, || self.log().into_iter().find(|line| line.contains(text)))
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.unwrap().success(), "kill -{name}");
    }

    /// Waits for the process to end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the gate to end", || self.child.try_wait().unwrap())
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- the gate's log\n{}\n--- its access log\n{}",
                self.log().join("\n"),
                self.access_log().join("\n")
            );
        }
    }
}

impl Builder {
    /// Adds lines to the configuration. Tables must not repeat: `upstream.*`, `auth.users_file` and `listen` are taken.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// Replaces the users file.
    pub(crate) fn users(mut self, users: &str) -> Self {
        self.users = users.to_owned();
        self
    }

    /// Replaces `listen`, a TOML list.
    pub(crate) fn listen(mut self, listen: &str) -> Self {
        self.listen = listen.to_owned();
        self
    }

    /// Has it listen by TLS, with a certificate for `localhost` and `dev.test` that nobody else trusts.
    pub(crate) fn secure(mut self) -> Self {
        self.listen = r#"["https://127.0.0.1:0"]"#.to_owned();
        self.config("tls.cert_file = \"DIR/cert.pem\"\ntls.key_file = \"DIR/key.pem\"")
    }

    /// Says how many sockets it will listen on, where that is not how many `listen` names.
    pub(crate) fn listening_on(mut self, sockets: usize) -> Self {
        self.listening = Some(sockets);
        self
    }

    /// Leaves `listen` out of the configuration.
    pub(crate) fn without_listen(mut self) -> Self {
        self.listen.clear();
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs it by a command that becomes it: `prlimit` and the like, with arguments.
    pub(crate) fn run_by(mut self, runner: &[&str]) -> Self {
        self.runner = runner.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Leaves its standard output unread, so that the pipe fills.
    pub(crate) fn unread(mut self) -> Self {
        self.out_is_read = false;
        self
    }

    /// Has it tell how it goes on a port of its own.
    pub(crate) fn with_status(self) -> Self {
        self.status_on("127.0.0.1:0")
    }

    /// The same elsewhere.
    pub(crate) fn status_on(mut self, listen: &str) -> Self {
        self.status = listen.to_owned();
        self
    }

    /// Keeps these open until it has started: it inherits them.
    pub(crate) fn holding(mut self, descriptors: Vec<OwnedFd>) -> Self {
        self.holding = descriptors;
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) fn start(self) -> Gate {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| -> PathBuf {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let users = file("htpasswd", &self.users);
        let here = dir.path().display().to_string();
        let (listen, config) = (self.listen.replace("DIR", &here), self.config.replace("DIR/", &format!("{here}/")));
        if listen.contains("https://") {
            let (cert, key) = secure::certificate();
            file("cert.pem", &cert);
            file("key.pem", &key);
        }
        let listen_line = if listen.is_empty() { String::new() } else { format!("listen = {listen}\n") };
        let status = &self.status;
        let config = file(
            "mailwarden.toml",
            &format!(
                "{listen_line}status.listen = {status:?}\nupstream.url = {:?}\nauth.users_file = {:?}\n{}",
                self.upstream,
                users.display().to_string(),
                config
            ),
        );
        let mut child = run_by(&self.runner)
            .args(["serve", "--config"])
            .arg(&config)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} cannot be run ({error}): tests/run installs it", self.runner.first()));
        let (out, err) = (Lines::default(), Lines::default());
        if self.out_is_read {
            out.follow(child.stdout.take().unwrap());
        }
        err.follow(child.stderr.take().unwrap());
        let wanted = self.listening.unwrap_or(listen.matches('"').count() / 2);
        // From here on it is stopped whatever becomes of the waiting.
        let mut gate = Gate { child, addrs: Vec::new(), out, err, dir };
        let listening = eventually_listening(&mut gate.child, &gate.err, wanted);
        gate.addrs = listening.iter().filter_map(|addr| addr.parse().ok()).collect();
        gate
    }
}

/// The addresses of as many "listening" lines as are wanted.
fn eventually_listening(child: &mut Child, err: &Lines, wanted: usize) -> Vec<String> {
    eventually("the gate to listen", || {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the gate ended with {status}:\n{}", err.all().join("\n"));
        }
        let addrs: Vec<String> = err
            .all()
            .iter()
            .filter(|line| line.contains("listening"))
            .filter_map(|line| match line.split_once("addr=") {
                Some((_, addr)) => Some(addr.trim().to_owned()),
                None => line.split_once(r#""addr":""#)?.1.split('"').next().map(str::to_owned),
            })
            .collect();
        (addrs.len() == wanted).then_some(addrs)
    })
}

/// The binary under test, with no configuration of the machine's own.
pub(crate) fn binary() -> Command {
    run_by(&[])
}

fn run_by(runner: &[String]) -> Command {
    let binary = env!("CARGO_BIN_EXE_mailwarden");
    let mut command = match runner.split_first() {
        None => Command::new(binary),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(binary);
            command
        }
    };
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MAILWARDEN_") {
            command.env_remove(name);
        }
    }
    command
}

/// How long a test waits for what must come.
pub(crate) fn patience() -> Duration {
    patience::PATIENCE
}
