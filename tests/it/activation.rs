//! Sockets that a service manager opens and passes on (sd_listen_fds(3)), and restarts that nobody notices.
//!
//! The sockets here are made by the test, on ports that the kernel gives, and passed by a shell, or handed through
//! systemd-socket-activate as systemd itself would pass them.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

use crate::load::{Load, Manner};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate, binary};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;

/// Sockets on their way to a child.
struct Passing {
    sockets: Vec<OwnedFd>,
    names: Vec<String>,
    /// A word of the shell: the process that they are meant for.
    pid: &'static str,
}

impl Passing {
    fn new() -> Passing {
        Passing { sockets: Vec::new(), names: Vec::new(), pid: "$$" }
    }

    /// One more, under a name.
    fn named(mut self, name: &str, socket: impl AsFd) -> Passing {
        // High numbers, so that putting them into their places, from 3 on, overwrites none that is still needed.
        let socket = fcntl_dupfd_cloexec(socket, 20).unwrap();
        fcntl_setfd(&socket, FdFlags::empty()).unwrap();
        self.sockets.push(socket);
        self.names.push(name.to_owned());
        self
    }

    /// Says that they are for another process.
    fn for_another(mut self) -> Passing {
        self.pid = "$PPID";
        self
    }

    /// A command that passes them to the program that it becomes. It stands for a run_by, too.
    fn runner(&self) -> Vec<String> {
        let mut script = String::new();
        for (place, socket) in self.sockets.iter().enumerate() {
            script.push_str(&format!("exec {}<&{number} {number}<&-; ", place + 3, number = socket.as_raw_fd()));
        }
        let (pid, count, names) = (self.pid, self.sockets.len(), self.names.join(":"));
        script.push_str(&format!("LISTEN_PID={pid} LISTEN_FDS={count} LISTEN_FDNAMES={names} exec \"$@\""));
        // Other shells know no descriptors above 9.
        ["bash", "-c", &script, "bash"].map(str::to_owned).to_vec()
    }

    fn to(self, catcher: &Catcher) -> crate::support::gate::Builder {
        let runner = self.runner();
        let runner: Vec<&str> = runner.iter().map(String::as_str).collect();
        let builder = Gate::to(catcher.http_addr()).run_by(&runner).listening_on(self.sockets.len());
        // They are wanted until the child has them.
        builder.holding(self.sockets)
    }

    /// Passes them to a gate that must not start: its exit code, and what it says.
    fn refused(self, listen: &str) -> (Option<i32>, String) {
        let dir = tempfile::tempdir().unwrap();
        let (config, users) = (dir.path().join("mailwarden.toml"), dir.path().join("htpasswd"));
        std::fs::write(&users, ANNA).unwrap();
        let text = format!(
            "listen = {listen}\nstatus.listen = \"off\"\nauth.users_file = {:?}\n",
            users.display().to_string()
        );
        std::fs::write(&config, text).unwrap();
        let runner = self.runner();
        let mut command = Command::new(&runner[0]);
        command.args(&runner[1..]).arg(binary().get_program()).args(["serve", "--config"]).arg(&config);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let mut err = child.stderr.take().unwrap();
        let saying = std::thread::spawn(move || {
            err.read_to_string(&mut said).unwrap();
            said
        });
        let status = ended(&mut child, "the gate that must not start to end");
        (status, saying.join().unwrap())
    }
}

/// The exit code of a child, which is killed when it does not end.
fn ended(child: &mut Child, what: &str) -> Option<i32> {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if std::time::Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("waited in vain for {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn tcp() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn is_served(mut client: Client) {
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
}

#[test]
fn sockets_that_are_passed_take_the_place_of_a_listen_that_nobody_wrote() {
    let catcher = Catcher::start(Options::default());
    let (first, second) = (tcp(), tcp());
    let gate = Passing::new().named("web", &first).named("", &second).to(&catcher).without_listen().start();
    for socket in [&first, &second] {
        is_served(Client::connect(socket.local_addr().unwrap()));
    }
    assert_eq!(gate.addrs().len(), 2);
}

#[test]
fn a_listen_takes_sockets_by_name_and_one_without_a_name_takes_the_rest() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.sock");
    let (web, other, unix) = (tcp(), tcp(), UnixListener::bind(&path).unwrap());
    let passing = Passing::new().named("other", &other).named("web", &web).named("web", &unix);
    let gate = passing.to(&catcher).listen(r#"["systemd:web", "systemd"]"#).start();
    is_served(Client::connect(web.local_addr().unwrap()));
    is_served(Client::connect(other.local_addr().unwrap()));
    is_served(Client::connect_unix(&path));
    gate.access_line(|line| line.contains("client=unix status=200"));
}

#[test]
fn a_listen_with_an_address_of_its_own_leaves_what_is_passed_and_says_so() {
    let catcher = Catcher::start(Options::default());
    let left = tcp();
    let gate = Passing::new().named("web", &left).to(&catcher).start();
    is_served(gate.connect());
    assert_ne!(gate.addr(), left.local_addr().unwrap());
    assert!(gate.log_line("passed sockets that listen does not name").contains("sockets=1"));
}

#[test]
fn the_status_listener_takes_its_socket_by_name_and_leaves_the_rest_to_the_gate() {
    let catcher = Catcher::start(Options::default());
    let (web, status) = (tcp(), tcp());
    let gate = Passing::new()
        .named("status", &status)
        .named("web", &web)
        .to(&catcher)
        .without_listen()
        .listening_on(1)
        .status_on("systemd:status")
        .start();
    assert_eq!(gate.status_addr(), status.local_addr().unwrap());
    assert_eq!(gate.status("/livez"), (200, "alive\n".to_owned()));
    is_served(Client::connect(web.local_addr().unwrap()));
}

#[test]
fn the_file_of_a_unix_socket_that_was_passed_is_left_to_who_made_it() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.sock");
    let unix = UnixListener::bind(&path).unwrap();
    let mut gate = Passing::new().named("web", &unix).to(&catcher).without_listen().start();
    is_served(Client::connect_unix(&path));
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
    assert!(path.exists());
    assert!(UnixStream::connect(&path).is_ok(), "whoever comes now waits for the next gate");
}

#[test]
fn what_does_not_listen_is_refused_by_its_name_and_with_the_reason() {
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (code, said) = Passing::new().named("web", &datagrams).refused(r#"["systemd"]"#);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(r#"passed the socket "web", which cannot be used: it is no stream socket"#), "{said}");

    let listener = tcp();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (code, said) = Passing::new().named("web", &near).refused(r#"["systemd"]"#);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("it does not listen; the unit needs Accept=no"), "{said}");

    let file = std::fs::File::open("/dev/null").unwrap();
    let (code, said) = Passing::new().named("file", &file).refused(r#"["systemd"]"#);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(r#"passed the socket "file", which cannot be used"#), "{said}");
}

#[test]
fn sockets_that_are_meant_for_another_process_are_not_taken() {
    let catcher = Catcher::start(Options::default());
    let socket = tcp();
    let (code, said) = Passing::new().named("web", &socket).for_another().refused(r#"["systemd"]"#);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot listen on systemd: the service manager passed no such socket"), "{said}");
    // And with an address of its own nothing is said of them.
    let gate = Passing::new().named("web", &socket).for_another().to(&catcher).start();
    is_served(gate.connect());
    assert!(!gate.log().iter().any(|line| line.contains("passed sockets")));
}

#[test]
fn a_listen_that_waits_for_sockets_and_gets_none_says_how_to_start_it() {
    for listen in [r#"["systemd"]"#, r#"["systemd:web"]"#] {
        let (code, said) = Passing::new().refused(listen);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("the service manager passed no such socket"), "{said}");
        assert!(said.contains("systemctl start mailwarden.socket"), "{said}");
    }
    let (code, said) = Passing::new().named("web", tcp()).refused(r#"["systemd:http"]"#);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot listen on systemd:http"), "{said}");
}

// --- restarts

/// A gate that is started anew whenever it ends, on a socket that stays: what systemd does for a socket unit and a service
/// with Restart=always.
struct Supervised {
    child: Child,
    addr: SocketAddr,
    log: Arc<Mutex<String>>,
    dir: tempfile::TempDir,
}

impl Supervised {
    fn start(catcher: &Catcher) -> Supervised {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(file("htpasswd"), ANNA).unwrap();
        let config = format!(
            "status.listen = \"off\"\nupstream.url = {:?}\nauth.users_file = {:?}\n",
            format!("http://{}", catcher.http_addr()),
            file("htpasswd")
        );
        std::fs::write(file("mailwarden.toml"), config).unwrap();
        let socket = tcp();
        let addr = socket.local_addr().unwrap();
        let passing = Passing::new().named("web", &socket);
        let runner = passing.runner();
        // The file tells each gate's process, and the loop ends when the folder is gone.
        let script = r#"
            while [ -d "$0" ]; do
                sh -c 'echo $$ >"$0/new" && mv "$0/new" "$0/pid"; LISTEN_PID=$$ exec "$@"' "$0" "$@"
            done
        "#;
        let mut child = Command::new(&runner[0])
            .args(&runner[1..])
            .args(["systemd-socket-activate", "--fdname=web", "bash", "-c", script])
            .arg(dir.path())
            .arg(binary().get_program())
            .args(["serve", "--config", &file("mailwarden.toml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log: Arc<Mutex<String>> = Arc::default();
        let (err, said) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                said.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        let supervised = Supervised { child, addr, log, dir };
        supervised.said("Listening on", 1);
        supervised
    }

    /// Waits until that has been said so often.
    fn said(&self, text: &str, times: usize) {
        eventually(text, || {
            let log = self.log.lock().unwrap();
            assert!(!log.contains("not found"), "tests/run installs what is missing: {log}");
            (log.matches(text).count() >= times).then_some(())
        });
    }

    /// The gate that runs.
    fn pid(&self) -> Option<String> {
        Some(std::fs::read_to_string(self.pid_file()).ok()?.trim().to_owned())
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.path().join("pid")
    }

    fn signal(&self, name: &str) {
        if let Some(pid) = self.pid() {
            let _ = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let pid = self.pid();
        let _ = std::fs::remove_dir_all(self.dir.path());
        // The loop first, so that it starts no other.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(pid) = pid {
            let _ = Command::new("kill").args(["-KILL", &pid]).stderr(Stdio::null()).status();
        }
        if std::thread::panicking() {
            eprintln!("--- what the gates said\n{}", self.log.lock().unwrap());
        }
    }
}

/// Whoever connects while no gate runs waits in the socket for the next one.
#[test]
fn a_hundred_restarts_on_a_socket_that_stays_refuse_no_request() {
    let rounds = crate::endurance::rounds(100);
    let catcher = Catcher::start(Options::default());
    let supervised = Supervised::start(&catcher);
    let load = Load::on(supervised.addr)
        .with(2, &Manner::fresh())
        .with(2, &Manner::kept())
        .with(1, &Manner::kept().pausing(Duration::from_millis(249)));
    for round in 1..=rounds as usize {
        supervised.said("listening addr=", round);
        load.goes_on_for(10);
        if load.is_over() {
            break;
        }
        supervised.signal("TERM");
        supervised.said("stopped", round);
    }
    let told = load.end();
    eprintln!("{rounds} restarts: {told}");
    told.is_whole();
    assert!(Path::new(&supervised.pid_file()).exists());
}
