//! The purge: what goes, what stays, what is told, and what becomes of both when something comes between.

mod daemon;
mod hand;
mod hook;
mod interrupted;
mod liar;
mod steps;

use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use crate::support::catcher::{Catcher, Mail, Options};
use crate::support::gate::binary;
use crate::support::patience::eventually;

/// An hour, by which what is old is old here.
const HOUR: Duration = Duration::from_secs(3600);

/// A catcher with its state directory and a configuration.
struct Desk {
    catcher: Catcher,
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self::with("")
    }

    /// With lines of configuration.
    fn with(config: &str) -> Self {
        let desk = Self::of(Options::default());
        desk.configure(config);
        desk
    }

    /// With a catcher like this.
    fn of(options: Options) -> Self {
        let desk = Self { catcher: Catcher::start(options), dir: tempfile::tempdir().unwrap() };
        desk.configure("");
        desk
    }

    fn configure(&self, config: &str) {
        let text = format!(
            "state_dir = {:?}\nupstream.url = {:?}\nauth.users_file = \"/nowhere/htpasswd\"\n{config}\n",
            self.state_dir(),
            self.catcher.url()
        );
        std::fs::write(self.path("mailwarden.toml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// Puts in so many that are two hours old, then so many that are new.
    fn fill(&self, old: usize, new: usize) {
        for number in 0..old + new {
            let age = if number < old { HOUR * 2 } else { Duration::ZERO };
            self.catcher.deliver(Mail::new(&format!("mail {number}")).aged(age));
        }
    }

    /// Begins a command.
    fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = binary();
        command.args(arguments).arg("--config").arg(self.path("mailwarden.toml"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a command; its exit code, what it printed, and what it complained of.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        told(self.begin(arguments).wait_with_output().unwrap())
    }

    fn history(&self) -> Vec<serde_json::Value> {
        let (code, text, error) = self.run(&["schedule", "--history", "--format", "json"]);
        assert_eq!((code, error.as_str()), (0, ""));
        serde_json::from_str(&text).unwrap()
    }

    /// How often the catcher was asked for it.
    fn asked(&self, method: &str, target: &str) -> usize {
        self.catcher.requests().iter().filter(|request| request.method == method && request.target == target).count()
    }

    /// Waits until the catcher was asked for it.
    fn wait_for(&self, method: &str, target: &str) {
        eventually(target, || (self.asked(method, target) > 0).then_some(()));
    }
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}
