//! What the service manager is told (sd_notify(3)): ready, reloading, stopping, how it goes, and that the loops turn. The
//! test is the manager.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{AS_ANNA, Builder, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;

/// The end that listens.
struct Manager {
    dir: tempfile::TempDir,
    told: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Manager {
    /// Listens, and does `when_ready` the moment it is told that the gate is ready.
    fn start(when_ready: impl Fn() + Send + 'static) -> Manager {
        Manager::in_folder(tempfile::tempdir().unwrap(), when_ready)
    }

    fn in_folder(dir: tempfile::TempDir, when_ready: impl Fn() + Send + 'static) -> Manager {
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        let told: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let telling = Arc::clone(&told);
        std::thread::spawn(move || {
            let mut message = [0; 4096];
            // Ends with the test's process.
            while let Ok(count) = socket.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..count]).into_owned();
                if text.lines().any(|line| line == "READY=1") {
                    when_ready();
                }
                telling.lock().unwrap().push((Instant::now(), text));
            }
        });
        Manager { dir, told }
    }

    fn socket(&self) -> String {
        self.dir.path().join("notify").display().to_string()
    }

    /// Every line so far, in order.
    fn lines(&self) -> Vec<String> {
        self.told
            .lock()
            .unwrap()
            .iter()
            .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    /// Waits for a line that `wanted` takes.
    fn line(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        eventually(what, || self.lines().into_iter().find(|line| wanted(line)))
    }

    /// When it was told so.
    fn times(&self, wanted: &str) -> Vec<Instant> {
        let told = self.told.lock().unwrap();
        told.iter().filter(|(_, text)| text.lines().any(|line| line == wanted)).map(|(at, _)| *at).collect()
    }

    fn gate(&self, catcher: &Catcher) -> Builder {
        Gate::to(catcher.http_addr()).env("NOTIFY_SOCKET", &self.socket())
    }
}

fn monotonic_usec() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[test]
fn it_is_ready_once_it_answers_and_says_how_it_goes() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("gate.sock");
    let answered = Arc::new(Mutex::new(Vec::new()));
    let (theirs, asked) = (Arc::clone(&answered), path.clone());
    let manager = Manager::in_folder(dir, move || {
        theirs.lock().unwrap().push(Client::connect_unix(&asked).request("GET /messages", AS_ANNA).status);
    });
    let _gate = manager.gate(&catcher).listen(&format!("[\"unix:{}\"]", path.display())).start();
    manager.line("ready", |line| line == "READY=1");
    assert_eq!(*answered.lock().unwrap(), [200]);
    manager.line("the line about how it goes", |line| line == "STATUS=serving 1 user");
    assert_eq!(manager.times("READY=1").len(), 1);
}

#[test]
fn a_gate_that_cannot_start_is_never_ready() {
    let manager = Manager::start(|| ());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("mailwarden.toml");
    std::fs::write(&config, format!("listen = [\"{}\"]\nstatus.listen = \"off\"\n", taken.local_addr().unwrap()))
        .unwrap();
    let mut command = crate::support::gate::binary();
    command.args(["serve", "--config"]).arg(&config).env("NOTIFY_SOCKET", manager.socket());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    assert_eq!(manager.lines(), Vec::<String>::new());
}

/// As Type=notify-reload wants it: the time says which request is answered.
#[test]
fn a_reload_is_told_with_its_time_and_its_end() {
    let catcher = Catcher::start(Options::default());
    let manager = Manager::start(|| ());
    let gate = manager.gate(&catcher).start();
    manager.line("ready", |line| line == "READY=1");
    let config = std::fs::read_to_string(gate.config_file()).unwrap();
    for (round, text) in [(1, config.clone()), (2, format!("{config}nonsense = 1\n")), (3, config)] {
        std::fs::write(gate.config_file(), text).unwrap();
        let before = monotonic_usec();
        gate.signal("HUP");
        eventually("the end of the reload", || (manager.times("READY=1").len() == round + 1).then_some(()));
        let told = manager.lines();
        let reloading = told.iter().rposition(|line| line == "RELOADING=1").unwrap();
        let ready = told.iter().rposition(|line| line == "READY=1").unwrap();
        assert!(reloading < ready, "{told:?}");
        let at: i64 = told[reloading + 1].strip_prefix("MONOTONIC_USEC=").expect("its time").parse().unwrap();
        assert!((before..=monotonic_usec()).contains(&at), "{told:?}");
        assert_eq!(manager.times("RELOADING=1").len(), round);
        let degraded = "STATUS=serving 1 user; reload degraded: the configuration has mistakes; the log names them";
        if round == 2 {
            manager.line("the mistake", |line| line == degraded);
        }
    }
    // The last word about how it goes is that it is well.
    eventually("the end of the mistake", || {
        let last = manager.lines().into_iter().rfind(|line| line.starts_with("STATUS="));
        (last.as_deref() == Some("STATUS=serving 1 user")).then_some(())
    });
}

#[test]
fn a_stop_is_told_before_what_is_open_has_ended() {
    let catcher = Catcher::start(Options::default());
    let manager = Manager::start(|| ());
    let mut gate = manager.gate(&catcher).start();
    let hold = crate::support::catcher::Gate::closed();
    catcher.next(crate::support::catcher::Script::held(&hold));
    let mut client = gate.connect();
    client.send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    gate.signal("TERM");
    manager.line("stopping", |line| line == "STOPPING=1");
    manager.line("the line about it", |line| line.starts_with("STATUS=stopping"));
    assert!(gate.is_running());
    hold.open();
    assert_eq!(client.answer().status, 200);
    assert_eq!(gate.wait().code(), Some(0));
}

#[test]
fn the_watchdog_is_fed_twice_as_often_as_it_has_to_be_and_not_without_one() {
    let catcher = Catcher::start(Options::default());
    let (with, without) = (Manager::start(|| ()), Manager::start(|| ()));
    let _fed = with.gate(&catcher).env("WATCHDOG_USEC", "400000").start();
    let _other = without.gate(&catcher).start();
    // What is meant for another process is none of its concern.
    let another = Manager::start(|| ());
    let _another = another.gate(&catcher).env("WATCHDOG_USEC", "400000").env("WATCHDOG_PID", "1").start();
    // Ten times take two seconds, somewhere: a machine that does much else can be late for a while.
    let in_ten = |times: &[Instant]| times.windows(11).map(|ten| ten[10] - ten[0]).min();
    eventually("the watchdog to be fed ten times in two seconds", || {
        in_ten(&with.times("WATCHDOG=1")).filter(|took| *took < Duration::from_millis(2200))
    });
    assert!(in_ten(&with.times("WATCHDOG=1")) > Some(Duration::from_millis(1000)), "far more often than it has to be");
    assert_eq!(without.times("WATCHDOG=1").len(), 0);
    assert_eq!(another.times("WATCHDOG=1").len(), 0);
}

/// A tracer that holds one thread of the gate where it waits for something to do.
struct Held(Child);

impl Held {
    fn worker(gate: &Gate, name: &str) -> Held {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", gate.pid())).unwrap();
        let thread = tasks
            .map(|task| task.unwrap().path())
            .find(|task| std::fs::read_to_string(task.join("comm")).unwrap().trim() == name)
            .unwrap();
        let calls = "epoll_wait,epoll_pwait";
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-p"]).arg(thread.file_name().unwrap());
        strace.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:delay_enter=120000000")]);
        let strace = strace.stdin(Stdio::null()).spawn();
        Held(strace.unwrap_or_else(|error| panic!("strace cannot be run ({error}): tests/run installs it")))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It lets go of the thread at this signal; at a kill, too, but not at once.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stuck_worker_leaves_the_watchdog_hungry_and_is_told_until_it_turns_again() {
    let catcher = Catcher::start(Options::default());
    let manager = Manager::start(|| ());
    let gate = manager.gate(&catcher).config("workers = 2").env("WATCHDOG_USEC", "1000000").with_status().start();
    manager.line("the watchdog to be fed", |line| line == "WATCHDOG=1");
    assert_eq!(gate.status("/livez"), (200, "alive\n".to_owned()));
    let held = Held::worker(&gate, "worker-1");
    eventually("the stuck worker to be told", || {
        (gate.status("/livez") == (503, "worker 1 is stuck\n".to_owned())).then_some(())
    });
    let fed = manager.times("WATCHDOG=1").len();
    let stuck = Instant::now();
    // Two whole limits: systemd would have ended it.
    while stuck.elapsed() < Duration::from_secs(2) {
        assert_eq!(gate.status("/livez").0, 503);
        std::thread::sleep(Duration::from_millis(50));
    }
    let more = manager.times("WATCHDOG=1").len() - fed;
    assert!(more <= 1, "fed {more} times while a worker was stuck");
    drop(held);
    eventually("the worker to turn again", || (gate.status("/livez").0 == 200).then_some(()));
    let fed = manager.times("WATCHDOG=1").len();
    eventually("the watchdog to be fed again", || (manager.times("WATCHDOG=1").len() > fed).then_some(()));
}
