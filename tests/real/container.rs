//! The image of the Dockerfile, built by `tests/container/build`, and its binary run as an engine runs it: with nothing
//! but the image's files, as its user, as process 1, in a network of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::process::Program;
use crate::support::gate::ANNA;
use crate::support::patience::eventually;

/// The services of `config/compose.yaml`.
mod compose;

/// The image, as files.
pub(super) struct Image {
    folder: PathBuf,
    /// What it says of how it is to be run.
    pub(super) config: Value,
}

impl Image {
    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn strings(&self, key: &str) -> Vec<String> {
        serde_json::from_value(self.config[key].clone()).unwrap()
    }

    /// The command of its health check.
    pub(super) fn health_check(&self) -> Vec<String> {
        serde_json::from_value(self.config["Healthcheck"]["Test"].clone()).unwrap()
    }
}

/// Builds it, if nobody has.
pub(super) fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let folder = PathBuf::from(said(&done(&mut project_script(&[]))).trim());
        let about: Value = serde_json::from_slice(&fs::read(folder.join("image.json")).unwrap()).unwrap();
        Image { config: about["Docker"]["config"].clone(), folder }
    })
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn project_script(arguments: &[&str]) -> Command {
    let mut command = Command::new(project().join("tests/container/build"));
    command.args(arguments);
    command
}

/// Runs a command that has to succeed.
pub(super) fn done(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    output
}

/// All that it said, on both streams.
pub(super) fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned()).concat()
}

/// A container without its engine.
pub(super) struct Container {
    image: &'static Image,
    /// The image's files, and what an engine adds: the users file that is mounted, and how names are found.
    folder: tempfile::TempDir,
    network: String,
}

impl Container {
    /// Addresses at which catchers can be, in the container's network.
    const CATCHERS: [&str; 3] = ["10.9.0.2", "10.9.0.3", "fd00:9::2"];

    pub(super) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let network = format!("mwc{}x{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let container = Self { image: image(), folder: tempfile::tempdir().unwrap(), network };
        done(Command::new("cp").arg("-a").arg(container.image.root()).arg(container.folder.path()));
        container.write("root/etc/mailwarden/htpasswd", ANNA);
        // As Docker writes them.
        container.write("root/etc/resolv.conf", "nameserver 127.0.0.11\noptions edns0 trust-ad ndots:0\n");
        container.write("root/etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
        let ip = |arguments: &[&str]| done(Command::new("ip").args(arguments));
        ip(&["netns", "add", &container.network]);
        ip(&["-n", &container.network, "link", "set", "lo", "up"]);
        for address in Self::CATCHERS {
            ip(&["-n", &container.network, "addr", "add", address, "dev", "lo"]);
        }
        container
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A command in its network, with the environment of an engine.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.network, program]).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    /// One of its own programs, as its own user.
    fn run(&self, program: &[String], environment: &[(&str, &str)]) -> Command {
        let (user, group) = self.image.config["User"].as_str().unwrap().split_once(':').unwrap();
        let mut command = self.inside("unshare");
        command.args(["--pid", "--fork", "chroot", &format!("--userspec=+{user}:+{group}")]);
        command.arg(self.path("root")).args(program).envs(environment.iter().copied());
        command
    }

    /// Its entry point with other arguments than the image has.
    pub(super) fn mailwarden(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut program = self.image.strings("Entrypoint");
        program.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self.run(&program, environment)
    }

    /// What the image runs when it is told nothing; started when it listens.
    fn start(&self, environment: &[(&str, &str)]) -> Program {
        let program = [self.image.strings("Entrypoint"), self.image.strings("Cmd")].concat();
        let mut gate = Program::start(&mut self.run(&program, environment));
        gate.line("listening addr=0.0.0.0:8080").expect("it listens");
        gate
    }

    /// Name server and catchers. Names are those of [`Self::name`].
    fn surroundings(&self) -> Program {
        self.name(json!({}));
        let mut command = self.inside("python3");
        command.arg(project().join("tests/container/network.py")).arg(self.path("names.json")).args(Self::CATCHERS);
        let mut surroundings = Program::start(&mut command);
        surroundings.line("ready").expect("the name server and the catchers listen");
        surroundings
    }

    /// Says which names have which addresses from now on.
    fn name(&self, names: Value) {
        self.write("names.new", &names.to_string());
        fs::rename(self.path("names.new"), self.path("names.json")).unwrap();
    }

    /// Asks the gate for the list as somebody who logged in: the status, and the body in brackets.
    fn get(&self) -> String {
        let mut command = self.inside("curl");
        command.args(["--silent", "--show-error", "--max-time", "20", "--user", "anna:secret"]);
        command.args(["--write-out", " %{http_code}", "http://127.0.0.1:8080/messages"]);
        said(&done(&mut command))
    }

    /// Its health check, as the image has it.
    fn health(&self) -> ExitStatus {
        let check = self.image.health_check();
        assert_eq!(check[0], "CMD", "there is no shell for another form: {check:?}");
        self.run(&check[1..], &[]).output().unwrap().status
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.network]).output();
    }
}

#[test]
fn the_image_holds_the_binary_and_the_folder_of_its_files_and_nothing_else() {
    let found = done(Command::new("find").args([".", "-type", "f", "-or", "-empty"]).current_dir(image().root()));
    let mut found: Vec<_> = said(&found).lines().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, ["./etc/mailwarden", "./usr/bin/mailwarden"]);
    let binary = done(Command::new("ldd").arg(image().root().join("usr/bin/mailwarden")));
    assert!(said(&binary).contains("statically linked"), "{}", said(&binary));
}

#[test]
fn the_image_says_how_it_is_run() {
    let config = &image().config;
    assert_eq!(config["User"], "65532:65532", "a number, and not root's");
    assert_eq!(config["Entrypoint"], json!(["/usr/bin/mailwarden"]));
    assert_eq!(config["Cmd"], json!(["serve"]));
    assert_eq!(config["ExposedPorts"], json!({ "8080/tcp": {} }));
    assert_eq!(config["StopSignal"], "SIGTERM");
    assert_eq!(image().health_check(), ["CMD", "/usr/bin/mailwarden", "healthcheck"]);
    assert_eq!(config["Labels"]["org.opencontainers.image.title"], "Mailwarden");
    assert_eq!(config["Labels"]["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(config["Labels"]["org.opencontainers.image.licenses"], env!("CARGO_PKG_LICENSE"));
}

#[test]
fn a_change_of_the_program_does_not_build_its_dependencies_again() {
    image();
    let changed = tempfile::tempdir().unwrap();
    for name in ["Dockerfile", ".dockerignore", "Cargo.toml", "Cargo.lock", "src"] {
        done(Command::new("cp").arg("-a").arg(project().join(name)).arg(changed.path()));
    }
    fs::write(changed.path().join("src/main.rs"), "fn main() {}").unwrap();
    let log = said(&done(&mut project_script(&[changed.path().to_str().unwrap()])));
    assert!(log.contains("Using cache") && !log.contains("Compiling"), "{log}");
}

#[test]
fn version_and_check_run_with_what_the_image_holds() {
    let container = Container::new();
    let version = said(&done(&mut container.mailwarden(&["--version"], &[])));
    assert_eq!(version, format!("mailwarden {}\n", env!("CARGO_PKG_VERSION")));
    let check = said(&done(&mut container.mailwarden(&["check"], &[])));
    assert!(check.contains("/etc/mailwarden/htpasswd"), "{check}");
}

#[test]
fn the_stop_signal_ends_process_1_with_success() {
    let container = Container::new();
    let mut gate = container.start(&[]);
    // The only child of the `unshare` that was started: process 1 of its own numbering.
    let one = eventually("process 1", || {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", gate.id())).unwrap();
        Some(children.trim().to_owned()).filter(|children| !children.is_empty())
    });
    let status = fs::read_to_string(format!("/proc/{one}/status")).unwrap();
    assert!(status.lines().any(|line| line.starts_with("NSpid:") && line.ends_with("\t1")), "{status}");
    done(Command::new("kill").args(["-s", "TERM", &one]));
    assert!(gate.wait().success());
}

#[test]
fn a_catcher_that_came_back_at_another_address_is_found_by_its_name() {
    let container = Container::new();
    let _surroundings = container.surroundings();
    let _gate = container.start(&[("MAILWARDEN_UPSTREAM__URL", "http://mailcatcher:1080")]);
    assert!(container.get().ends_with(" 502"), "nobody has that name yet");
    let table = [
        (json!(["10.9.0.2"]), "10.9.0.2 200"),
        (json!(["10.9.0.3"]), "10.9.0.3 200"),
        (json!(["fd00:9::2"]), "fd00:9::2 200"),
        // Nothing listens at the first of each: the other family is tried.
        (json!(["10.9.0.9", "fd00:9::2"]), "fd00:9::2 200"),
        (json!(["fd00:9::9", "10.9.0.2"]), "10.9.0.2 200"),
    ];
    for (addresses, expected) in table {
        container.name(json!({ "mailcatcher": addresses }));
        assert_eq!(container.get(), expected, "{addresses}");
    }
    container.name(json!({ "mailcatcher": [] }));
    assert!(container.get().ends_with(" 502"), "the name has no address any more");
}

/// What `extra_hosts` makes. The name server says that there is no such name, and that must not count.
#[test]
fn a_catcher_is_found_by_the_hosts_file() {
    let container = Container::new();
    let _surroundings = container.surroundings();
    container.write("root/etc/hosts", "127.0.0.1 localhost\n10.9.0.3 host.docker.internal\n");
    let _gate = container.start(&[("MAILWARDEN_UPSTREAM__URL", "http://host.docker.internal:1080")]);
    assert_eq!(container.get(), "10.9.0.3 200");
}

#[test]
fn the_health_check_passes_while_the_gate_serves_and_fails_otherwise() {
    let container = Container::new();
    assert_eq!(container.health().code(), Some(1), "nothing serves yet");
    let gate = container.start(&[]);
    eventually("a container in good health", || container.health().success().then_some(()));
    drop(gate);
    assert_eq!(container.health().code(), Some(1), "nothing serves any more");
}
