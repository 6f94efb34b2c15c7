//! The prompt, on a terminal that Python makes: nothing that is typed is shown, and the terminal is left as it was.

use std::process::{Command, Stdio};

use super::{done, output, text};

/// Runs a command on a new terminal. Standard input has pairs of lines: a text to wait for, and what is typed when it
/// has come and nothing that is typed is shown any more, or `signal` and the number of one that it is sent then. Tells the exit code, whether the terminal shows what is typed
/// afterwards, and all that was on it.
const PYTHON: &str = r#"
import json, os, pty, sys, termios, time
steps = [json.loads(line) for line in sys.stdin]
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
shows = lambda: bool(termios.tcgetattr(fd)[3] & termios.ECHO)
seen, until = b"", time.time() + 30
def read():
    global seen
    try:
        more = os.read(fd, 4096)
    except OSError:
        return False
    seen += more
    return bool(more)
for wanted, typed in steps:
    while wanted.encode() not in seen:
        if not read(): break
    while shows():
        if time.time() > until: sys.exit("it is shown: %r" % seen)
        time.sleep(0.01)
    if typed.startswith("signal "): os.kill(pid, int(typed[7:]))
    else: os.write(fd, typed.encode())
    seen = seen.replace(wanted.encode(), b"", 1)
while read(): pass
_, status = os.waitpid(pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), shows(), seen.decode()]))
"#;

fn on_a_terminal(arguments: &[&str], steps: &[(&str, &str)]) -> (i64, bool, String) {
    let steps: String = steps.iter().map(|step| serde_json::to_string(step).unwrap() + "\n").collect();
    let mut python = Command::new("python3");
    python.args(["-c", PYTHON, env!("CARGO_BIN_EXE_mailwarden"), "user"]).args(arguments);
    let output = output(&mut python, steps.as_bytes());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let add = ["add", "anna", "--hash", "apr1", "--file", text(&path)];
    let (code, _, seen) =
        on_a_terminal(&add, &[("New password for anna: ", "s3cret ü\n"), ("The same again: ", "s3cret u\n")]);
    assert!(code == 1 && seen.contains("the two are not the same; nothing was changed"), "{seen}");
    assert!(!path.exists());

    let typed = [("New password for anna: ", "s3cret ü\n"), ("The same again: ", "s3cret ü\n")];
    let (code, shows, seen) = on_a_terminal(&add, &typed);
    assert!(code == 0 && shows, "{seen}");
    assert!(!seen.contains("s3cret"), "{seen}");
    done(&["verify", "anna", "--file", text(&path)], Some("s3cret ü"));

    let verify = ["verify", "anna", "--file", text(&path)];
    let (code, _, seen) = on_a_terminal(&verify, &[("Password for anna: ", "s3cret ü\n")]);
    assert!(code == 0 && seen.contains("right") && !seen.contains("s3cret"), "{seen}");
    let (code, _, seen) = on_a_terminal(&add, &[]);
    assert!(code == 1 && seen.contains("already"), "nobody is asked in vain: {seen}");
}

#[test]
fn an_empty_password_is_refused_before_it_is_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let (code, _, seen) = on_a_terminal(&["add", "anna", "--file", text(&path)], &[("New password for anna: ", "\n")]);
    assert!(code == 1 && seen.contains("the password is empty") && !seen.contains("again"), "{seen}");
}

#[test]
fn an_interrupted_question_leaves_the_terminal_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let (code, shows, seen) =
        on_a_terminal(&["add", "anna", "--file", text(&path)], &[("New password for anna: ", "s3c\u{3}")]);
    assert!(code == 130 && shows, "{code} {seen}");
    assert!(!path.exists() && !seen.contains("s3c") && seen.contains("interrupted"), "{seen}");
}

#[test]
fn a_signal_ends_the_question_with_its_status_and_the_terminal_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    for (number, again) in [(1, false), (2, false), (3, false), (15, false), (15, true)] {
        let signal = format!("signal {number}");
        let first = ("New password for anna: ", if again { "s3cret\n" } else { &*signal });
        let steps = [first, ("The same again: ", &signal)];
        let (code, shows, seen) =
            on_a_terminal(&["add", "anna", "--file", text(&path)], &steps[..1 + usize::from(again)]);
        assert_eq!((code, shows), (128 + number, true), "{seen}");
        assert!(!path.exists(), "{seen}");
    }
}

#[test]
fn the_end_of_input_is_no_password() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let typed = [("New password for anna: ", "\u{4}")];
    let (code, shows, seen) = on_a_terminal(&["add", "anna", "--file", text(&path)], &typed);
    assert!(code == 1 && shows && seen.contains("no password was given, and nothing was changed"), "{seen}");
}

#[test]
fn without_a_terminal_the_other_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    // A session of its own has no terminal.
    let mut command = Command::new("setsid");
    command.args(["-w", env!("CARGO_BIN_EXE_mailwarden"), "user", "add", "anna", "--file", text(&path)]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--stdin"));
}
