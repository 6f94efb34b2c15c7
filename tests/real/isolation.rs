//! A server and a laptop, each in a network namespace of its own with a cable between them: what `doctor` finds on the
//! server, and what the laptop and other users reach before the printed rules, with them, and after they are taken back.
//!
//! The firewalls are the real ones. They run in the server's namespaces, and touch nothing of this machine.

/// Each binding is found, and each way around the gate.
mod found;
/// A look on a machine with very many connections.
mod many;
/// The printed rules, applied by the firewalls they are for.
mod rules;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::process::Program;
use crate::support::patience::eventually;

pub(crate) const SERVER: &str = "10.9.0.1";
pub(crate) const SERVER6: &str = "fd00:9::1";

/// A namespace that lives as long as this.
pub(crate) struct Namespace {
    _program: Program,
    pid: u32,
}

impl Namespace {
    /// With a network of its own, and processes and mounts as well.
    fn start() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        let mut program = Program::start(command.args(["sh", "-c", "ip link set lo up && echo up: && exec sleep 600"]));
        let up = program.line("up:");
        assert!(up.is_some(), "there are no namespaces here: these tests need root, and a kernel that has them");
        let parent = program.id();
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
        let pid = children.trim().parse().unwrap_or_else(|_| panic!("no child in {children:?}"));
        Self { _program: program, pid }
    }

    /// A command in it.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.to_string(), "--net", "--mount", "--pid", "--"]).args(words);
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        let output = self.command(words).output();
        output.unwrap_or_else(|error| panic!("nsenter: {error}: run tests/run, which installs it"))
    }

    /// Runs a shell script that must succeed, and returns what it printed.
    pub(crate) fn script(&self, script: &str) -> String {
        let output = self.run(&["bash", "-ec", script]);
        let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
        assert!(output.status.success(), "{script}\n{text}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Our own program in it: its status, what it printed, and what it complained of.
    pub(crate) fn mailwarden(&self, words: &[&str]) -> (i32, String, String) {
        let output = self.run(&[&[env!("CARGO_BIN_EXE_mailwarden")], words].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// Has something listen at these addresses.
    pub(crate) fn listen(&self, addresses: &[&str]) -> Program {
        let script = file("listen.py");
        let mut program = Program::start(self.command(&["python3", script.to_str().unwrap()]).args(addresses));
        assert!(program.line("ready").is_some(), "cannot listen at {addresses:?}");
        program
    }

    /// Whether a connection from here comes about; by `user`, if one is named.
    pub(crate) fn reaches(&self, user: Option<&str>, ip: &str, port: u16) -> bool {
        // A greeting, too: a proxy in between would take connections in any case.
        let knock = format!("exec 3<>/dev/tcp/{ip}/{port} && head -c 1 <&3 >/dev/null");
        let knock = ["timeout", "2", "bash", "-c", knock.as_str()];
        let flags =
            user.map(|user| [format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
        let mut words = vec![];
        if let Some(flags) = &flags {
            words.push("setpriv");
            words.extend(flags.iter().map(String::as_str));
        }
        words.extend(knock);
        self.run(&words).status.success()
    }
}

/// Two of them with a cable between.
pub(crate) struct Pair {
    pub(crate) server: Namespace,
    pub(crate) laptop: Namespace,
}

impl Pair {
    pub(crate) fn start() -> Self {
        let pair = Self { server: Namespace::start(), laptop: Namespace::start() };
        let (server, laptop) = (pair.server.pid.to_string(), pair.laptop.pid.to_string());
        let cable = ["link", "add", "eth0", "netns", &server, "type", "veth", "peer", "name", "eth0", "netns", &laptop];
        let status = Command::new("ip").args(cable).status().expect("ip is missing: run tests/run, which installs it");
        assert!(status.success(), "no cable: these tests need root");
        for (side, number) in [(&pair.server, 1), (&pair.laptop, 2)] {
            side.script(&format!(
                "ip link set eth0 up; ip addr add 10.9.0.{number}/24 dev eth0; ip addr add fd00:9::{number}/64 dev eth0 nodad"
            ));
        }
        let is_up = |side: &Namespace| side.script("ip -oneline link show eth0").contains("state UP");
        eventually("the cable to carry", || (is_up(&pair.server) && is_up(&pair.laptop)).then_some(()));
        pair
    }
}

/// A file of these tests.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/isolation").join(name)
}
