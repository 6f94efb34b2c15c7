//! What a machine does to a program: accepting fails, the disk is full, the clock steps, the catcher comes and goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::{Load, Manner};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate, binary};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;
use crate::tools::login;
use crate::upgrade::{HANDSHAKE, next, open};

fn is_served(gate: &Gate) {
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
}

// --- accepting

/// A gate whose accept4(2) fails with `error` whenever `when` says (strace(1)), and the file that lists each call.
fn failing(catcher: &Catcher, dir: &Path, error: &str, when: &str) -> (Gate, PathBuf) {
    let calls = dir.join(error);
    let inject = format!("inject=accept4:error={error}:when={when}");
    let calls_file = calls.display().to_string();
    let runner = ["strace", "-D", "-f", "-qq", "-o", &calls_file, "-e", "trace=accept4", "-e", &inject];
    (Gate::to(catcher.http_addr()).run_by(&runner).start(), calls)
}

fn injected(calls: &Path) -> usize {
    fs::read_to_string(calls).unwrap().lines().filter(|line| line.contains("(INJECTED)")).count()
}

#[test]
fn accepting_goes_on_after_every_error_that_it_can_meet() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    for error in ["ECONNABORTED", "EINTR", "EPROTO", "EPERM", "ENETDOWN", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"] {
        // Every second call, beginning with the first.
        let (gate, calls) = failing(&catcher, dir.path(), error, "1+2");
        for _ in 0..10 {
            is_served(&gate);
        }
        assert!(injected(&calls) >= 10, "{error}");
        let exhausted = matches!(error, "EMFILE" | "ENFILE" | "ENOBUFS" | "ENOMEM");
        let said = gate.log().iter().filter(|line| line.contains("connections wait")).count();
        assert_eq!(said, usize::from(exhausted), "{error} is said once if it means that something has run out");
        let loud = gate.log().iter().any(|line| line.contains("ERROR") && !line.contains("connections wait"));
        assert!(!loud, "{error}");
    }
}

#[test]
fn accepting_that_fails_for_a_while_waits_in_between_and_loses_nobody() {
    let catcher = Catcher::start(Options::default());
    let dir = tempfile::tempdir().unwrap();
    for (error, times, at_least) in [("ENFILE", 10, 1000), ("ENOBUFS", 10, 1000), ("EPROTO", 30, 300)] {
        let (gate, calls) = failing(&catcher, dir.path(), error, &format!("1..{times}"));
        let (before, begun) = (gate.ticks(), Instant::now());
        // It waits in the socket meanwhile.
        is_served(&gate);
        let took = begun.elapsed();
        assert_eq!(injected(&calls), times, "{error}");
        assert!(took >= Duration::from_millis(at_least), "{error}: {times} times within {took:?}");
        let used = gate.ticks() - before;
        assert!(used <= 15, "{error}: {used} ticks within {took:?}");
    }
}

// --- the disk

/// A tiny file system that can be filled.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Disk {
        let dir = tempfile::tempdir().unwrap();
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "mount: {said}(it takes root)");
        Disk(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn fill(&self) {
        let _ = fs::write(self.path("filler"), vec![b'x'; 128 << 10]).unwrap_err();
    }

    fn empty(&self) {
        fs::remove_file(self.path("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy"]).arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_under_the_access_log_holds_up_nobody_is_said_once_and_ends_when_there_is_room() {
    let catcher = Catcher::start(Options::default());
    let disk = Disk::new();
    let log = disk.path("access.log");
    let script = format!("exec \"$@\" >>'{}'", log.display());
    let gate = Gate::to(catcher.http_addr()).run_by(&["sh", "-c", &script, "sh"]).start();
    let lines = || fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let said = || gate.log().iter().filter(|line| line.contains("the access log cannot be written")).count();
    for outage in 1..=2 {
        is_served(&gate);
        eventually("a line", || (!lines().is_empty()).then_some(()));
        disk.fill();
        // More than what is left of the last page of the file takes.
        let load = Load::on(gate.addr()).with(2, &Manner::kept());
        load.goes_on_for(300);
        load.end().is_whole();
        eventually("the warning", || (said() >= outage).then_some(()));
        disk.empty();
        let mark = format!("/after/{outage}");
        eventually("lines to come again", || {
            assert_eq!(gate.connect().request(&format!("GET {mark}"), AS_ANNA).status, 404);
            lines().iter().any(|line| line.contains(&mark)).then_some(())
        });
        // Each line that is there is whole, but for the one that the disk had no room for.
        let torn: Vec<String> = lines().into_iter().filter(|line| !line.contains("version=HTTP/1.1")).collect();
        assert!(torn.len() <= outage, "{torn:#?}");
        let glued = lines().into_iter().find(|line| line.matches("client=").count() > 1);
        assert_eq!(glued, None, "a line begins where another broke off");
        assert_eq!(said(), outage, "{:#?}", gate.log());
    }
}

/// A gate whose own log goes to the full disk, and so can say nothing of it.
#[test]
fn a_full_disk_under_both_logs_holds_up_nobody() {
    let catcher = Catcher::start(Options::default());
    let disk = Disk::new();
    disk.fill();
    let dir = tempfile::tempdir().unwrap();
    let (users, config, socket) = (dir.path().join("htpasswd"), dir.path().join("m.toml"), dir.path().join("s"));
    fs::write(&users, ANNA).unwrap();
    let text = format!(
        "listen = [\"unix:{}\"]\nstatus.listen = \"off\"\nupstream.url = \"http://{}\"\nauth.users_file = {:?}\n",
        socket.display(),
        catcher.http_addr(),
        users.display().to_string()
    );
    fs::write(&config, text).unwrap();
    let script = format!("exec \"$@\" >>'{}' 2>>'{}'", disk.path("out").display(), disk.path("err").display());
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh"]).arg(binary().get_program()).args(["serve", "--config"]).arg(&config);
    let mut gate = Ended(command.stdin(Stdio::null()).spawn().unwrap());
    eventually("the gate to listen", || socket.exists().then_some(()));
    let mut client = Client::connect_unix(&socket);
    for _ in 0..200 {
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    }
    disk.empty();
    eventually("lines to come again", || {
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
        fs::read_to_string(disk.path("out")).unwrap().contains("status=200").then_some(())
    });
    let asked = Command::new("kill").args(["-TERM", &gate.0.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert_eq!(eventually("the gate to end", || gate.0.try_wait().unwrap()).code(), Some(0));
    assert!(fs::read_to_string(disk.path("err")).unwrap().contains("stopped"));
}

/// A process that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// --- the clock

/// A gate whose wall clock is what a file says.
struct Clock {
    gate: Gate,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

impl Clock {
    fn start(catcher: &Catcher) -> Clock {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("clock");
        fs::write(&file, "+0").unwrap();
        // The library's place is the wrapper's to know, and the wrapper itself would fix the time.
        let asked = Command::new("faketime").args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let told = asked.unwrap_or_else(|error| panic!("faketime cannot be run ({error}): tests/run installs it"));
        let library = String::from_utf8(told.stdout).unwrap().trim().to_owned();
        assert!(library.contains("faketime"), "{library:?}");
        let gate = Gate::to(catcher.http_addr())
            .users(&format!("# people\n{ANNA}"))
            .with_status()
            .env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", &file.display().to_string())
            .env("FAKETIME_NO_CACHE", "1")
            // A machine's monotonic clock never steps; nothing could be promised if it did.
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .start();
        Clock { gate, file, _dir: dir }
    }

    fn set(&self, time: &str) {
        let other = self.file.with_extension("new");
        fs::write(&other, time).unwrap();
        fs::rename(other, &self.file).unwrap();
    }
}

#[test]
fn a_clock_that_steps_stops_no_request_no_reload_and_no_log() {
    let catcher = Catcher::start(Options::default());
    let mut clock = Clock::start(&catcher);
    let gate = &clock.gate;
    let load = Load::on(gate.addr()).with(1, &Manner::fresh()).with(1, &Manner::kept());
    let mut socket = open(gate);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    let now = || -> i64 {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        time.as_secs().try_into().unwrap()
    };
    let year = |line: &str| -> i32 { line[..4].parse().unwrap() };
    let this_year = year(&gate.log()[0]);
    // An hour on, an hour back, to the very beginning of time, past the end of a 32-bit second, and home again.
    let steps: [(&str, String, i32); 5] = [
        ("forward", "+3600".to_owned(), this_year),
        ("back", "-3600".to_owned(), this_year),
        ("the epoch", format!("-{}", now() - 86_400), 1970),
        ("far ahead", "+800000000".to_owned(), this_year + 25),
        ("home", "+0".to_owned(), this_year),
    ];
    for (index, (what, offset, expected)) in steps.into_iter().enumerate() {
        clock.set(&offset);
        load.goes_on_for(20);
        // The log tells the time of the clock.
        let mark = format!("/step/{index}");
        assert_eq!(gate.connect().request(&format!("GET {mark}"), AS_ANNA).status, 404);
        let line = gate.access_line(|line| line.contains(&mark));
        assert!((year(&line) - expected).abs() <= 1, "{what}: {line}");
        let took: f64 = line.split(" ms=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((0.0..20_000.0).contains(&took), "how long it took is not the wall clock's: {line}");
        // A change of the users is seen, whatever the clock says.
        let name = format!("user{index}");
        let other = gate.dir().join("other");
        fs::write(&other, format!("{}{ANNA}", ANNA.replace("anna", &name))).unwrap();
        fs::rename(other, gate.users_file()).unwrap();
        eventually(what, || {
            (gate.connect().request("GET /messages", &login(&name, "secret")).status == 200).then_some(())
        });
        // So is a WebSocket, and the status.
        catcher.send_text_to_sockets(what);
        assert_eq!(next(&mut socket), (0x81, what.as_bytes().to_vec()));
        assert_eq!(gate.status("/livez"), (200, "alive\n".to_owned()), "{what}");
        assert_eq!(gate.status("/readyz").0, 200);
    }
    load.end().is_whole();
    assert!(!gate.log().iter().any(|line| line.contains("panicked")));
    clock.gate.signal("TERM");
    assert_eq!(clock.gate.wait().code(), Some(0));
}

/// A condition that began before the clock stepped back is told without nonsense.
#[test]
fn a_condition_outlives_a_step_of_the_clock() {
    let catcher = Catcher::start(Options::default());
    let clock = Clock::start(&catcher);
    let gate = &clock.gate;
    catcher.stop();
    eventually("the catcher to be missed", || gate.status("/readyz").1.contains("upstream: degraded").then_some(()));
    clock.set("-86400");
    assert!(gate.status("/readyz").1.contains("upstream: degraded since 20"));
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 502);
    catcher.restart();
    eventually("the catcher to be found", || gate.status("/readyz").1.contains("upstream: ok").then_some(()));
    let line = gate.log_line("the catcher answers again");
    let after: u64 = line.split("after_seconds=").nth(1).unwrap().trim().parse().unwrap();
    assert!(after < 60, "{line}");
}

// --- the catcher

#[test]
fn a_catcher_that_comes_and_goes_is_told_by_itself_and_found_at_once() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).with_status().start();
    let upstream = |state: &str| {
        eventually(state, || {
            let (status, text) = gate.status("/readyz");
            assert_eq!(status, 200, "no reason to send people elsewhere: {text}");
            text.contains(&format!("upstream: {state}")).then_some(())
        });
    };
    for round in 1..=4 {
        let mut socket = open(&gate);
        assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
        let mut kept = gate.connect();
        assert_eq!(kept.request("GET /messages", AS_ANNA).status, 200);
        catcher.stop();
        // The page's socket ends, so that the page knows.
        let ended = std::iter::from_fn(|| (!socket.is_ended()).then(|| next(&mut socket))).take(3).count();
        assert!(ended < 3, "the socket goes on");
        // Nobody asks for anything but how it goes.
        upstream("degraded");
        assert_eq!(kept.request("GET /messages", AS_ANNA).status, 502);
        assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}")).status, 502);
        catcher.restart();
        // The first request after it finds it, on the same connection; no waiting for the next look.
        if round % 2 == 0 {
            assert_eq!(kept.request("GET /messages", AS_ANNA).status, 200);
            assert!(gate.status("/readyz").1.contains("upstream: ok"));
        } else {
            upstream("ok");
        }
        drop(open(&gate));
        assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 0));
        let said = |text: &str| gate.log().iter().filter(|line| line.contains(text)).count();
        // A line may be on its way here yet.
        eventually("the end to be said", || (said("the catcher answers again") >= round).then_some(()));
        assert_eq!((said("the catcher cannot be reached"), said("the catcher answers again")), (round, round));
    }
}

/// Not even that: the gate looks by itself for a catcher that was missed.
#[test]
fn a_catcher_that_comes_back_is_noticed_though_nobody_asks_for_anything() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    catcher.stop();
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 502);
    catcher.restart();
    gate.log_line("the catcher answers again");
}
