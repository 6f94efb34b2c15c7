//! `mailwarden user`: the users file kept by the program itself.

mod file;
mod kill;
mod prompt;
mod tools;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate, binary};
use crate::support::patience::eventually;
use crate::tools::login;

/// The command with these arguments, told the password on standard input if there is one.
fn user(arguments: &[&str], password: Option<&str>) -> Output {
    let mut command = binary();
    command.arg("user").args(arguments).args(password.map(|_| "--stdin"));
    output(&mut command, password.unwrap_or_default().as_bytes())
}

fn output(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who refuses early reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// The exit code and what was said, standard output first.
fn said(output: &Output) -> (i32, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

/// Runs a command that has to succeed.
fn done(arguments: &[&str], password: Option<&str>) -> String {
    let (code, said) = said(&user(arguments, password));
    assert_eq!(code, 0, "{arguments:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_user_is_added_verified_changed_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let file = ["--file", text(&path)];
    let run = |arguments: &[&str], password| said(&user(&[arguments, &file].concat(), password));

    let (code, told) = run(&["add", "anna"], Some("secret\r\n"));
    assert_eq!(code, 0, "{told}");
    assert!(told.starts_with(&format!("added anna to {}: argon2id, 19 MiB, t=2, p=1\n", path.display())), "{told}");
    assert!(told.contains("0640: the daemon's user has to be able to read it"), "{told}");
    assert_eq!(run(&["verify", "anna"], Some("secret")), (0, "right\n".to_owned()));

    let wrong = (1, "wrong user name or password\n".to_owned());
    assert_eq!(run(&["verify", "anna"], Some("Secret")), wrong);
    assert_eq!(run(&["verify", "bert"], Some("secret")), wrong, "an unknown user gets the same text");
    assert_eq!(run(&["verify", "a:b"], Some("secret")), wrong);

    let (code, told) = run(&["add", "anna"], Some("other"));
    assert!(code == 1 && told.contains(&format!("mailwarden user passwd anna --file {}", path.display())), "{told}");
    let (code, told) = run(&["passwd", "bert"], Some("other"));
    assert!(code == 1 && told.contains(&format!("mailwarden user add bert --file {}", path.display())), "{told}");
    assert_eq!(run(&["remove", "bert"], None).0, 1);
    assert_eq!(run(&["verify", "anna"], Some("secret")).0, 0, "nothing of it changed anything");

    assert_eq!(run(&["passwd", "anna", "--hash", "apr1"], Some("other\n")).0, 0);
    assert_eq!(run(&["verify", "anna"], Some("secret")), wrong);
    assert_eq!(run(&["verify", "anna"], Some("other")).0, 0);
    let (_, listed) = run(&["list"], None);
    assert_eq!(listed, "anna  apr1  weak: 1000 rounds of MD5: fast to guess\n");
    let (_, listed) = run(&["list", "--format", "json"], None);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["users"][0]["name"], &listed["users"][0]["weak"]), (&"anna".into(), &true.into()));

    assert_eq!(run(&["remove", "anna"], None), (0, format!("removed anna from {}\n", path.display())));
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    assert_eq!(run(&["verify", "anna"], Some("other")), wrong, "there is nobody whose cost could be mimicked");
}

#[test]
fn of_several_lines_the_first_is_changed_and_all_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let before = format!("# team\r\n{ANNA}bert:*:locked\nrubbish\nanna:junk\n anna:x");
    std::fs::write(&path, &before).unwrap();
    let file = ["--file", text(&path)];
    let told = done(&[&["passwd", "anna", "--hash", "apr1"][..], &file].concat(), Some("new"));
    assert!(told.contains("warning: line 5 is for anna too, and left as it was: line 2 comes first"), "{told}");
    let after = std::fs::read_to_string(&path).unwrap();
    let hash = after.split_once("anna:").unwrap().1.split('\n').next().unwrap();
    assert_eq!(after, before.replacen("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", hash, 1));
    let listed = done(&[&["list"][..], &file].concat(), None);
    assert!(listed.contains("line 4: no colon between user and hash\nline 5: user anna: ignored, line 2"), "{listed}");
    let told = done(&[&["remove", "anna"][..], &file].concat(), None);
    assert!(told.ends_with(", 2 lines\n"), "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "# team\r\nbert:*:locked\nrubbish\n anna:x");
}

#[test]
fn what_is_wrong_usage_is_2_and_what_cannot_be_a_password_is_1() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let file = ["--file", text(&path)];
    let code = |arguments: &[&str], password: &str| said(&user(&[arguments, &file].concat(), Some(password))).0;
    for name in ["", "a:b", " a", "#a", "a\tb", &"n".repeat(256)] {
        assert_eq!(code(&["add", name], "secret"), 2, "{name:?}");
    }
    assert_eq!(code(&["add", "anna", "secret"], "secret"), 2, "a password is never an argument");
    assert_eq!(code(&["add", "anna", "--hash", "md5"], "secret"), 2);
    assert_eq!(code(&["add", "anna", "--hash", "bcrypt", "--cost", "5"], "secret"), 2);
    assert_eq!(code(&["add", "anna", "--hash", "apr1", "--cost", "auto"], "secret"), 2);
    for password in ["", "\n", "a\0b", "a\tb", &"x".repeat(513)] {
        assert_eq!(code(&["add", "anna", "--hash", "apr1"], password), 1, "{password:?}");
    }
    assert!(!path.exists(), "none of it made a file");
    let (code, told) =
        said(&user(&["add", "anna", "--hash", "bcrypt", "--cost", "8", file[0], file[1]], Some(&"x".repeat(73))));
    assert!(code == 0 && told.contains("warning: bcrypt sees the first 72 bytes"), "{told}");
}

#[test]
fn the_file_is_the_configurations_whatever_else_is_wrong_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (config, users) = (dir.path().join("mailwarden.toml"), dir.path().join("htpasswd"));
    let write =
        |toml: &str| std::fs::write(&config, format!("{toml}\nauth.users_file = {:?}\n", text(&users))).unwrap();
    write("workers = 0\nnonsense = true");
    done(&["add", "anna", "--hash", "apr1", "--config", text(&config)], Some("secret"));
    done(&["verify", "anna", "--config", text(&config)], Some("secret"));
    write("this is no TOML");
    let (code, told) = said(&user(&["list", "--config", text(&config)], None));
    assert!(code == 78 && told.contains("mailwarden.toml:1:"), "{told}");
    done(&["list", "--config", text(&config), "--file", text(&users)], None);
    // What lets in where it is allowed is what `verify` says.
    std::fs::write(&users, "anna:{PLAIN}secret\n").unwrap();
    assert_eq!(said(&user(&["verify", "anna", "--file", text(&users)], Some("secret"))).0, 1);
    write("auth.allow_plaintext = true");
    done(&["verify", "anna", "--config", text(&config)], Some("secret"));
}

#[test]
fn two_commands_can_share_a_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    let script =
        r#""$0" user add anna --stdin --hash apr1 --file "$1" && "$0" user add bert --stdin --hash apr1 --file "$1""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_mailwarden"), text(&path)]);
    assert!(output(&mut shell, b"one\ntwo\n").status.success());
    done(&["verify", "bert", "--file", text(&path)], Some("two"));
}

#[test]
fn an_unknown_user_costs_what_a_known_one_costs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("htpasswd");
    done(&["add", "anna", "--hash", "sha512-crypt", "--file", text(&path)], Some("secret"));
    // The processor's time, which what else the machine does changes little; the least of several.
    let cost = |name: &str| {
        let script = format!(
            "echo no | {} user verify {name} --stdin --file {}; times",
            env!("CARGO_BIN_EXE_mailwarden"),
            text(&path)
        );
        let run = || {
            let output = Command::new("bash").args(["-c", &script]).output().unwrap();
            let times = String::from_utf8(output.stdout).unwrap();
            let user = times.lines().last().unwrap().split('m').nth(1).unwrap().split('s').next().unwrap().to_owned();
            user.parse::<f64>().unwrap()
        };
        (0..5).map(|_| run()).fold(f64::MAX, f64::min)
    };
    let (known, unknown) = (cost("anna"), cost("bert"));
    assert!(known > 0.008 && unknown > known / 2.0 && unknown < known * 2.0, "known {known} s, unknown {unknown} s");
}

#[test]
fn the_gate_lets_a_new_user_in_within_two_seconds() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let status = |credentials: &str| gate.connect().request("GET /messages", credentials).status;
    assert_eq!(status(&login("bert", "secret")), 401);
    let path = gate.users_file();
    let told = done(&["add", "bert", "--cost", "8", "--file", text(&path)], Some("secret"));
    let start = Instant::now();
    assert!(told.contains("bcrypt, so that nginx can still read"), "{told}");
    eventually("the user to get in", || (status(&login("bert", "secret")) == 200).then_some(()));
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
    assert_eq!(status(AS_ANNA), 200);
    done(&["remove", "bert", "--file", text(&path)], None);
    eventually("the user to be out", || (status(&login("bert", "secret")) == 401).then_some(()));
}
