//! Programs that the tests start: found, watched, and ended with everything that they started themselves.

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::support::patience::{PATIENCE, eventually};

/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Where `tests/run` installs.
pub(crate) fn tools() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools");
    std::env::var_os("TEST_TOOLS").map_or_else(default, PathBuf::from)
}

/// A file of what `tests/run` installs.
pub(crate) fn tool(path: &str) -> PathBuf {
    let tool = tools().join(path);
    assert!(tool.exists(), "{} is missing: run tests/run, which installs it", tool.display());
    tool
}

/// A program in a process group of its own, so that what it started ends with it.
pub(crate) struct Program {
    child: Child,
    name: String,
    ended: Option<ExitStatus>,
    said: Vec<String>,
    lines: Receiver<String>,
}

impl Program {
    /// Starts it, and listens to all it says.
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let command = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let (sender, lines) = channel();
        pass_on(child.stdout.take().unwrap(), sender.clone());
        pass_on(child.stderr.take().unwrap(), sender);
        Self { child, name, ended: None, said: Vec::new(), lines }
    }

    /// Waits for a line with `label` and returns what follows there; none if the program ends without it.
    pub(crate) fn line(&mut self, label: &str) -> Option<String> {
        loop {
            let found = self.said.iter().find_map(|line| line.split_once(label));
            if let Some((_, rest)) = found {
                return Some(rest.trim().to_owned());
            }
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("{} does not say {label:?}", self.name),
                Err(RecvTimeoutError::Disconnected) => {
                    self.tell();
                    return None;
                }
            }
        }
    }

    /// Waits for the next line that begins with `label`, and returns what follows; none if the program ends without one.
    pub(crate) fn next(&mut self, label: &str) -> Option<String> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("{} says nothing more", self.name),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            if let Some(rest) = self.said.last().and_then(|line| line.strip_prefix(label)) {
                return Some(rest.to_owned());
            }
        }
    }

    /// What it has said that `wanted` takes.
    pub(crate) fn said(&self, wanted: impl Fn(&str) -> bool) -> Vec<&str> {
        self.said.iter().map(String::as_str).filter(|line| wanted(line)).collect()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let what = format!("{} to end", self.name);
        eventually(&what, || self.ended())
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.ended = self.ended.or_else(|| self.child.try_wait().unwrap());
        self.ended
    }

    /// Says what it said, for whoever reads why a test failed.
    fn tell(&mut self) {
        self.said.extend(self.lines.try_iter());
        eprintln!("--- {} said\n{}", self.name, self.said.join("\n"));
    }

    fn signal(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
    }
}

impl Drop for Program {
    /// Asks first: Chromium has a group of its own, and only the program that started it can end it.
    fn drop(&mut self) {
        // Once its end has been seen, its number may be somebody else's.
        if self.ended.is_none() {
            self.signal("-TERM");
            let until = Instant::now() + GRACE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            self.signal("-KILL");
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            self.tell();
        }
    }
}

fn pass_on(from: impl Read + Send + 'static, lines: Sender<String>) {
    std::thread::spawn(move || {
        BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
    });
}
