//! The users file changes while people work: in each manner in which files are changed, and while it cannot be read.
//!
//! `anna` is in every version, the last line of it, so that a half-written file would lack her; she asks all the time and
//! must never be refused. Whether `ben` can log in tells which version holds.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::load::{Load, Manner};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Builder, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::tools::login;

/// A second user, with the same password.
const BEN: &str = "ben:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

/// How soon a change has to hold.
const SOON: Duration = Duration::from_secs(2);

/// How many changes of each manner there are. One may be late: a machine that does much else can hold up that.
const CHANGES: usize = 3;

fn with_ben() -> String {
    format!("# people\n{BEN}{ANNA}")
}

fn without_ben() -> String {
    format!("# people, of whom one has left\n{ANNA}")
}

fn gate(catcher: &Catcher) -> Builder {
    Gate::to(catcher.http_addr()).users(&without_ben()).with_status()
}

fn has_ben(gate: &Gate) -> bool {
    match gate.connect().request("GET /messages", &login("ben", "secret")).status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

/// Somebody whom both versions have.
fn anna(gate: &Gate) -> Load {
    Load::on(gate.addr()).with(1, &Manner::kept()).with(1, &Manner::fresh().pausing(Duration::from_millis(10)))
}

/// Changes the file to and fro, each time within [`SOON`] after the end of the change, and refuses `anna` never.
fn holds_soon_after(manner: &str, gate: &Gate, change: impl Fn(&Path, &str)) {
    let path = gate.users_file();
    let asking = anna(gate);
    let mut late = Vec::new();
    for _ in 0..CHANGES {
        let wanted = !has_ben(gate);
        change(&path, &if wanted { with_ben() } else { without_ben() });
        let changed = Instant::now();
        eventually(manner, || (has_ben(gate) == wanted).then_some(()));
        late.extend(Some(changed.elapsed()).filter(|took| *took > SOON));
    }
    let told = asking.end();
    assert!(late.len() <= 1, "{manner}: {late:?}");
    told.is_whole();
    assert_eq!(told.repeated, 0);
}

fn in_place(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

fn by_rename(path: &Path, text: &str) {
    let other = path.with_file_name("other");
    fs::write(&other, text).unwrap();
    fs::rename(other, path).unwrap();
}

#[test]
fn a_file_that_is_rewritten_or_replaced_holds_within_two_seconds() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    holds_soon_after("a rewriting in place", &gate, in_place);
    holds_soon_after("a rename", &gate, by_rename);
}

/// Pieces that come in shorter intervals than the file is looked at.
#[test]
fn a_file_that_is_written_piece_by_piece_is_read_when_it_is_whole() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    let pause = || std::thread::sleep(Duration::from_millis(250));
    holds_soon_after("a slow rewriting", &gate, |path, text| {
        let mut file = File::create(path).unwrap();
        for piece in text.as_bytes().chunks(text.len().div_ceil(8)) {
            pause();
            file.write_all(piece).unwrap();
        }
    });
    holds_soon_after("a truncation and then a filling", &gate, |path, text| {
        let mut file = File::create(path).unwrap();
        pause();
        file.write_all(text.as_bytes()).unwrap();
    });
}

#[test]
fn a_file_that_goes_for_a_while_refuses_nobody_meanwhile() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    holds_soon_after("a removal and a new file", &gate, |path, text| {
        fs::remove_file(path).unwrap();
        eventually("the missing file to be told", || {
            gate.status("/readyz").1.contains("reload: degraded").then_some(())
        });
        fs::write(path, text).unwrap();
    });
    eventually("the condition to end", || gate.status("/readyz").1.contains("reload: ok").then_some(()));
}

/// What a container engine and a cluster do with mounted files.
#[test]
fn a_symbolic_link_that_is_swapped_above_the_file_counts_as_a_change() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    let path = gate.users_file();
    let dir = gate.dir().to_owned();
    let version = |name: &str, text: &str| {
        let _ = fs::create_dir(dir.join(name));
        fs::write(dir.join(name).join("htpasswd"), text).unwrap();
        let _ = fs::remove_file(dir.join("..data_tmp"));
        symlink(name, dir.join("..data_tmp")).unwrap();
        fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    };
    version("..first", &without_ben());
    symlink("..data/htpasswd", dir.join("link")).unwrap();
    fs::rename(dir.join("link"), &path).unwrap();
    holds_soon_after("a swapped link", &gate, |_, text| {
        version(if text == with_ben() { "..second" } else { "..first" }, text);
    });
}

/// Root reads everything, whatever the mode says, by two capabilities.
#[test]
fn a_file_that_may_not_be_read_any_more_keeps_who_could_log_in() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).run_by(&["setpriv", "--bounding-set=-dac_override,-dac_read_search"]).start();
    let path = gate.users_file();
    let mode = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    let asking = anna(&gate);
    mode(0o000);
    assert!(gate.log_line("the users who could log in still can").contains("htpasswd"));
    assert!(gate.status("/readyz").1.contains("reload: degraded"));
    // Asked for by a signal as well, and said once all the same.
    gate.signal("HUP");
    eventually("the signal to be answered", || {
        (gate.log().iter().filter(|line| line.contains("the users who could log in still can")).count() == 1
            && gate.metric("mailwarden_reloads_total{result=\"failed\"}") == Some(1.0))
        .then_some(())
    });
    fs::write(&path, with_ben()).unwrap();
    mode(0o640);
    eventually("the new users", || has_ben(&gate).then_some(()));
    eventually("the condition to end", || gate.status("/readyz").1.contains("reload: ok").then_some(()));
    asking.end().is_whole();
}

#[test]
fn a_pipe_or_a_folder_in_its_place_keeps_who_could_log_in_and_holds_up_nothing() {
    let catcher = Catcher::start(Options::default());
    let mut gate = gate(&catcher).start();
    let path = gate.users_file();
    let asking = anna(&gate);
    for (what, text) in [("not a regular file", without_ben()), ("a directory", with_ben())] {
        let other = gate.dir().join("other");
        let _ = fs::remove_file(&path);
        if what == "a directory" {
            fs::create_dir(&path).unwrap();
        } else {
            let made = Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
        }
        gate.log_line(what);
        assert!(gate.status("/readyz").1.contains("reload: degraded"));
        fs::write(&other, text).unwrap();
        let _ = fs::remove_dir(&path);
        fs::rename(&other, &path).unwrap();
        eventually("the condition to end", || gate.status("/readyz").1.contains("reload: ok").then_some(()));
    }
    assert!(has_ben(&gate));
    asking.end().is_whole();
    gate.signal("TERM");
    assert_eq!(gate.wait().code(), Some(0));
}

/// Who rewrites the file and who sends the signal need not know of each other: a configuration tool and a person.
#[test]
fn signals_amid_rewritings_in_place_refuse_nobody_who_is_in_both_versions() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    let path = gate.users_file();
    let asking = anna(&gate);
    for round in 0..60 {
        let text = if round % 2 == 0 { with_ben() } else { without_ben() };
        let mut file = File::create(&path).unwrap();
        gate.signal("HUP");
        std::thread::sleep(Duration::from_millis(round % 10));
        file.write_all(&text.as_bytes()[..text.len() - ANNA.len()]).unwrap();
        std::thread::sleep(Duration::from_millis(round % 7));
        file.write_all(ANNA.as_bytes()).unwrap();
    }
    in_place(&path, &with_ben());
    gate.signal("HUP");
    eventually("the last version", || has_ben(&gate).then_some(()));
    asking.end().is_whole();
}

/// The signal comes while the process has no descriptor to read anything with; when it has some again, nobody needs to
/// send another.
#[test]
fn a_reload_without_descriptors_is_made_up_for_when_there_are_some() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).config("workers = 1").run_by(&["prlimit", "--nofile=40:40"]).start();
    let mut kept = gate.connect();
    assert_eq!(kept.request("GET /messages", AS_ANNA).status, 200);
    let mut status = crate::support::raw::Client::connect(gate.status_addr());
    let mut readyz = || {
        let answer = status.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").answer();
        (answer.status, answer.text())
    };
    assert!(readyz().1.contains("reload: ok"));
    let open = || fs::read_dir(format!("/proc/{}/fd", gate.pid())).unwrap().count();
    let many: Vec<std::net::TcpStream> =
        (0..60).map(|_| std::net::TcpStream::connect_timeout(&gate.addr(), PATIENCE).unwrap()).collect();
    // The daemon's look for ways around it opens files for a moment; what it gives back the waiting connections take.
    let mut full_since = None;
    eventually("the gate to run out, and to stay so", || {
        full_since = if open() >= 40 { full_since.or_else(|| Some(Instant::now())) } else { None };
        full_since.is_some_and(|since| since.elapsed() > SOON / 2).then_some(())
    });
    fs::write(gate.users_file(), with_ben()).unwrap();
    let config = fs::read_to_string(gate.config_file()).unwrap();
    fs::write(gate.config_file(), format!("{config}auth.realm = \"New\"\n")).unwrap();
    gate.signal("HUP");
    gate.log_line("cannot be read: Too many open files");
    // A second one, which is answered like the first, and looks meanwhile, which say nothing that was said before.
    gate.signal("HUP");
    let until = Instant::now() + SOON;
    while Instant::now() < until {
        let (code, text) = readyz();
        assert!(code == 200 && text.contains("reload: degraded"), "{text}");
        assert_eq!(kept.request("GET /messages", AS_ANNA).status, 200);
        assert_eq!(kept.request("GET /messages", &login("ben", "secret")).status, 401);
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = |text: &str| gate.log().iter().filter(|line| line.contains(text)).count();
    let errors =
        gate.log().iter().filter(|line| line.contains("ERROR") && line.contains("mailwarden.toml: cannot")).count();
    assert_eq!(errors, 2);
    // By one look at the most, if it came before the signal: an error, and that the reload failed.
    assert!(said("htpasswd: Too many open files") <= 2);
    drop(many);
    eventually("the change to be taken over", || has_ben(&gate).then_some(()));
    eventually("the condition to end", || readyz().1.contains("reload: ok").then_some(()));
    let challenge = gate.connect().request("GET /messages", "").field("www-authenticate").unwrap();
    assert!(challenge.contains("\"New\""), "{challenge}");
}
