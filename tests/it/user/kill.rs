//! Whatever ends the program at whatever moment: the file is the old one or the new one, and the next command works.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mailwarden::auth::Users;

use super::{Path, done, text};
use crate::support::gate::{ANNA, binary};

/// What the file holds besides anna: enough that reading and writing it takes time.
fn others(count: usize) -> String {
    (0..count).map(|number| ANNA.replace("anna", &format!("user{number}"))).collect()
}

/// The command with a password on its standard input, which not every one reads.
fn command(arguments: &[&str], path: &Path) -> Command {
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(b"secret\n").unwrap();
    input.rewind().unwrap();
    let mut command = binary();
    command.arg("user").args(arguments).args(["--file", text(path)]);
    command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Lets a command run for that long and kills it then, if it still runs.
fn killed_after(time: Duration, mut command: Command) {
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + time;
    while Instant::now() < until && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let _ = child.kill();
    child.wait().unwrap();
}

/// Kills a command over and over, at moments that are spread over what it takes, and looks at the file each time. Which
/// command it is depends on the file.
fn killed_all_the_time(path: &Path, tries: u32, next: impl Fn(&[u8]) -> &'static [&'static str], look: impl Fn(&[u8])) {
    let start = Instant::now();
    assert!(command(next(&fs::read(path).unwrap()), path).status().unwrap().success());
    let usual = start.elapsed();
    for number in 0..tries {
        killed_after(usual * (number % 50) / 40, command(next(&fs::read(path).unwrap()), path));
        look(&fs::read(path).unwrap());
    }
}

#[test]
fn a_killed_command_leaves_the_old_file_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let others = others(3000);
    fs::write(&path, &others).unwrap();
    let next = |content: &[u8]| match content.ends_with(others.as_bytes()) {
        true => &["add", "anna", "--hash", "apr1", "--stdin"][..],
        false => &["remove", "anna"],
    };
    killed_all_the_time(&path, 150, next, |content| {
        let own = content.strip_prefix(others.as_bytes()).expect("all the others are there");
        let is_anna = own.starts_with(b"anna:$apr1$") && own.ends_with(b"\n") && own.len() == "anna:\n".len() + 37;
        assert!(own.is_empty() || is_anna, "{}", String::from_utf8_lossy(own));
    });
    // What a killed one has left beside it goes with the next change that is made to the same file.
    let _ = command(&["remove", "anna"], &path).status().unwrap();
    done(&["add", "bert", "--hash", "apr1", "--file", text(&path)], Some("secret"));
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 1, "{:?}", fs::read_dir(dir.path()).unwrap().collect::<Vec<_>>());
}

#[test]
fn a_file_that_is_written_in_place_has_whole_lines_at_every_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    fs::write(&path, others(30)).unwrap();
    fs::hard_link(&path, dir.path().join("second")).unwrap();
    // The hashes of the two formats are not equally long, so that all that follows moves each time.
    let next = |content: &[u8]| match content.starts_with(b"user0:$apr1$") {
        true => &["passwd", "user0", "--hash", "sha512-crypt", "--cost", "50000", "--stdin"][..],
        false => &["passwd", "user0", "--hash", "apr1", "--stdin"],
    };
    killed_all_the_time(&path, 50, next, |content| {
        let users = Users::parse(content);
        assert_eq!(users.problems(), [], "{}", String::from_utf8_lossy(content));
        assert_eq!(users.len(), 30);
    });
}

#[test]
fn a_new_file_is_there_with_its_user_or_empty_or_not_at_all() {
    for number in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("htpasswd");
        let add = command(&["add", "anna", "--hash", "apr1", "--stdin"], &path);
        killed_after(Duration::from_millis(2) * number, add);
        let content = fs::read(&path).unwrap_or_default();
        assert!(content.is_empty() || Users::parse(&content).len() == 1);
        if !content.is_empty() {
            continue;
        }
        done(&["add", "anna", "--hash", "apr1", "--file", text(&path)], Some("secret"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
