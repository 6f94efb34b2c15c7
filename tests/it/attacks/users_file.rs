//! Lines of the users file that must not open a door, over the wire.

use super::untouched;
use crate::support::catcher::{Catcher, Mail, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::tools::{login, made_by};

/// A catcher with one mail in it, and a gate with this users file.
fn with_users(users: &str) -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    catcher.deliver(Mail::new("Hello"));
    let gate = Gate::to(catcher.http_addr()).users(users).start();
    (catcher, gate)
}

/// Each from an address of its own, so that a row of wrong ones is not answered as one who guesses.
fn status(gate: &Gate, user: &str, password: &str) -> u16 {
    gate.stranger().request("GET /messages", &login(user, password)).status
}

/// tg123/go-htpasswd, which Mailpit uses, takes what it does not know for the password itself.
#[test]
fn a_line_that_is_no_hash_lets_nobody_in() {
    let hashes = [
        "secret",
        "{PLAIN}secret",
        "{CLEARTEXT}secret",
        "{CRYPT}secret",
        "{SHA256}secret",
        "{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "",
        "*",
        "!",
        "x",
        "$gy$j9T$x$y",
        "$7$x",
        "$md5$x",
        "$3$$x",
        "$y$j9T$x",
        "$1$x",
        "$5$x",
        "$6$rounds=1$x",
    ];
    for hash in hashes {
        let (catcher, gate) = with_users(&format!("maria:{hash}\n{ANNA}"));
        for password in ["secret", hash, "", "*", "password"] {
            assert_eq!(status(&gate, "maria", password), 401, "{hash} opened to {password:?}");
        }
        untouched(&catcher, hash);
        assert_eq!(status(&gate, "anna", "secret"), 200, "{hash} refused another line");
        let problem = gate.log_line("/htpasswd:1: ");
        assert!(problem.contains("WARN") && problem.contains("user maria: "), "{problem}");
        let parts: Vec<&str> = if hash.len() > 5 { vec![hash, "secret", "5en6G6"] } else { vec!["secret"] };
        assert!(parts.iter().all(|part| !problem.contains(part)), "a line's secret in the log: {problem}");
    }
}

/// yescrypt 0.1.0 compared as many bytes as the file held, so a hash cut short let in whoever knew its beginning. The same
/// cut in every format here.
#[test]
fn a_hash_that_was_cut_short_lets_nobody_in() {
    let argon = made_by("argon2", &["somesalt", "-id", "-t", "1", "-k", "64", "-p", "1", "-e"], "secret");
    let bcrypt = made_by("htpasswd", &["-nbBC", "4", "maria", "secret"], "");
    let apr1 = made_by("htpasswd", &["-nbm", "maria", "secret"], "");
    let crypt = |method: &str, cost: &str| made_by("mkpasswd", &["-m", method, "-R", cost, "secret"], "");
    let hash = |line: &str| line.split_once(':').unwrap().1.to_owned();
    for (hash, cuts) in [
        (argon.clone(), vec![1, 2, 40, 43, 44]),
        (hash(&bcrypt), vec![1, 2, 30, 31, 53]),
        (hash(&apr1), vec![1, 2, 21, 22, 23]),
        (crypt("yescrypt", "1"), vec![1, 2, 41, 42, 43, 44]),
        (crypt("sha256crypt", "1000"), vec![1, 2, 41, 42, 43, 44]),
        (crypt("sha512crypt", "1000"), vec![1, 2, 84, 85, 86, 87]),
        (made_by("mkpasswd", &["-m", "md5crypt", "secret"], ""), vec![1, 2, 21, 22, 23]),
        (made_by("mkpasswd", &["-m", "descrypt", "secret"], ""), vec![1, 2, 10, 11, 12]),
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=".to_owned(), vec![2, 3, 4, 27, 28]),
    ] {
        for cut in cuts {
            let cut = &hash[..hash.len() - cut];
            let (catcher, gate) = with_users(&format!("maria:{cut}\n"));
            for password in ["secret", ""] {
                assert_eq!(status(&gate, "maria", password), 401, "{cut} opened to {password:?}");
            }
            untouched(&catcher, cut);
            gate.log_line("/htpasswd:1: ");
        }
    }
}

/// A cost that would hold the machine for a day, or take all its memory, is refused when the file is read.
#[test]
fn a_cost_that_would_stop_the_machine_refuses_its_line_only() {
    let salted = "c29tZXNhbHQ$QGuOuaL6D4l5BWr07ENYsUjSKR1tDwYQNoQp4vpYYWU";
    let bcrypt = made_by("htpasswd", &["-nbBC", "4", "maria", "secret"], "");
    for hash in [
        bcrypt.split_once(':').unwrap().1.replace("$04$", "$31$"),
        format!("$argon2id$v=19$m=4194304,t=1,p=1${salted}"),
        format!("$argon2id$v=19$m=64,t=4294967295,p=1${salted}"),
        // A GiB, the most that its tool makes; and 128 TiB, at which its library ends the process.
        made_by("mkpasswd", &["-m", "yescrypt", "-R", "11", "secret"], ""),
        made_by("mkpasswd", &["-m", "yescrypt", "-R", "1", "secret"], "").replace("$j75$", "$jj5$"),
        made_by("openssl", &["passwd", "-6", "secret"], "").replace("$6$", "$6$rounds=999999999$"),
    ] {
        let (_catcher, gate) = with_users(&format!("{ANNA}maria:{hash}\n"));
        gate.log_line("/htpasswd:2: user maria: ");
        assert_eq!(status(&gate, "maria", "secret"), 401, "{hash}");
        assert_eq!(status(&gate, "anna", "secret"), 200);
    }
}

/// traefik#13195: with no users configured, everybody was let in.
#[test]
fn a_file_without_users_lets_nobody_in() {
    for users in
        ["", "\n\n", "# anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "  # x\n\r\n", "\u{feff}", "maria\n", ":\n", ":x\n"]
    {
        let (catcher, gate) = with_users(users);
        for (user, password) in [("anna", "secret"), ("# anna", "secret"), ("maria", ""), ("x", "x"), ("", "")] {
            assert_eq!(status(&gate, user, password), 401, "{users:?} let {user:?} in");
        }
        assert_eq!(gate.connect().request("GET /messages", "").status, 401);
        assert_eq!(gate.connect().request("GET /messages", "Authorization: Basic Og==\r\n").status, 401);
        untouched(&catcher, users);
        gate.log_line("holds no user: everybody is refused");
    }
}

/// oauth2-proxy's `htpasswd.go`, where a later line of a name won over the first: nginx and Apache take the first.
#[test]
fn the_first_of_two_lines_wins_even_when_it_is_refused() {
    let other = made_by("htpasswd", &["-nbs", "anna", "other"], "");
    let (_catcher, gate) = with_users(&format!("{ANNA}{other}\n"));
    assert_eq!((status(&gate, "anna", "secret"), status(&gate, "anna", "other")), (200, 401));
    let problem = gate.log_line("/htpasswd:2: user anna: ");
    assert!(problem.contains("line 1"), "{problem}");

    // Who was locked out by `!` in front of the hash stays so, whatever stands further down.
    let (catcher, gate) = with_users(&format!("anna:!{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n{ANNA}{other}\n"));
    assert_eq!((status(&gate, "anna", "secret"), status(&gate, "anna", "other")), (401, 401));
    untouched(&catcher, "a locked user");
}

/// One line that is wrong must not cost the others their login, wherever it stands (oauth2-proxy's `htpasswd.go`: a later
/// good line hid an earlier bad one).
#[test]
fn each_wrong_line_is_named_by_its_number_and_costs_nobody_else_anything() {
    let users = format!(
        "# comment\n\nbroken\n{ANNA}maria:$2y$10$tooshort\n:nobody\nn\u{0}ul:x\n spaced :x\n\
         last:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ="
    );
    let (_catcher, gate) = with_users(&users);
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    assert_eq!(status(&gate, "last", "secret"), 200, "a last line without its end");
    for line in [3, 5, 6, 7, 8] {
        gate.log_line(&format!("/htpasswd:{line}: "));
    }
    for line in [1, 2, 4, 9] {
        assert!(!gate.log().iter().any(|said| said.contains(&format!("/htpasswd:{line}: "))), "line {line}");
    }
}

/// RUSTSEC-2026-0199 (bcrypt before 0.19.2): a hash with a letter that is not ASCII was a panic.
#[test]
fn a_hash_with_a_foreign_letter_is_a_refused_line_and_no_panic() {
    for hash in [
        "$2y$04$\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}pMYKzYdDKg2V7cNLFzuDnFvdQWPmVHi6E2",
        "$apr1$\u{e4}$\u{1f511}",
        "$argon2id$v=19$m=64,t=1,p=1$\u{e4}$\u{e4}",
        "{SHA}\u{e4}",
    ] {
        let (_catcher, mut gate) = with_users(&format!("maria:{hash}\n{ANNA}"));
        gate.log_line("/htpasswd:1: ");
        for password in ["secret", "\u{e4}", ""] {
            assert_eq!(status(&gate, "maria", password), 401, "{hash}");
        }
        assert_eq!(status(&gate, "anna", "secret"), 200);
        assert!(gate.is_running() && !gate.log().join("\n").contains("panicked"));
    }
}
