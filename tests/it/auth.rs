//! Who gets in: hashes as the real tools make them, what a slow hash costs whom, and what the log says of refusals.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate, binary};
use crate::support::patience::eventually;
use crate::support::raw::{Answer, Client};

/// How many passwords may wait for a thread; one more is told that the gate is busy.
const WAITING: usize = 64;

/// The header line of a user with his password.
fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

/// What a tool prints, given `input`.
fn tool(name: &str, arguments: &[&str], input: &str) -> String {
    let spawned =
        Command::new(name).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => panic!("{name} cannot be run ({error}): tests/run installs what the tests need"),
    };
    // A tool that takes the password as an argument may be gone before this.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A line of the users file, by `htpasswd` with that flag for the format.
fn htpasswd(flags: &[&str], user: &str, password: &str) -> String {
    let arguments: Vec<&str> = ["-nb"].iter().chain(flags).chain(&[user, password]).copied().collect();
    tool("htpasswd", &arguments, "")
}

fn argon2(flags: &[&str], password: &str) -> String {
    let arguments: Vec<&str> = ["somesalt", "-e", "-t", "1"].iter().chain(flags).copied().collect();
    tool("argon2", &arguments, password)
}

/// A line whose hash takes longer than any test. Nobody knows a password for it.
fn endless(user: &str) -> String {
    let line = htpasswd(&["-B", "-C", "4"], user, "nobody knows");
    assert!(line.contains("$2y$04$"), "{line}");
    line.replacen("$2y$04$", "$2y$15$", 1)
}

/// From an address of its own: who guesses from one address is another matter.
fn ask(gate: &Gate, user: &str, password: &str) -> Answer {
    gate.stranger().request("GET /messages", &basic(user, password))
}

/// A request on a connection and from an address of its own, sent and not waited for.
fn send(gate: &Gate, user: &str, password: &str) -> Client {
    let mut client = gate.stranger();
    client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{}\r\n", basic(user, password)));
    client
}

/// The password is right for the line, and hardly different ones are wrong.
fn assert_opens(line: &str, user: &str, password: &str) {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).users(&format!("{line}\n")).start();
    for wrong in ["", "wrong", &format!("{password}x"), &password[1..], &password.to_uppercase()] {
        assert_eq!(ask(&gate, user, wrong).status, 401, "{line}: {wrong}");
    }
    assert!(catcher.requests().is_empty());
    // The second time it is remembered.
    for _ in 0..2 {
        assert_eq!(ask(&gate, user, password).status, 200, "{line}");
    }
    assert_eq!(ask(&gate, user, "wrong").status, 401, "{line}");
    assert_eq!(ask(&gate, &user.to_uppercase(), password).status, 401, "{line}");
}

#[test]
fn apr1_of_htpasswd_and_openssl() {
    assert_opens(&htpasswd(&["-m"], "anna", "s3cret pass"), "anna", "s3cret pass");
    let hash = tool("openssl", &["passwd", "-apr1", "s3cret:pass"], "");
    assert!(hash.starts_with("$apr1$"), "{hash}");
    assert_opens(&format!("anna:{hash}"), "anna", "s3cret:pass");
}

#[test]
fn bcrypt_of_htpasswd() {
    let line = htpasswd(&["-B", "-C", "5"], "anna", "s3cret");
    assert!(line.starts_with("anna:$2y$05$"), "{line}");
    assert_opens(&line, "anna", "s3cret");
}

#[test]
fn sha_of_htpasswd() {
    let line = htpasswd(&["-s"], "anna", "s3cret");
    assert!(line.starts_with("anna:{SHA}"), "{line}");
    assert_opens(&line, "anna", "s3cret");
}

#[test]
fn ssha_as_ldap_has_it() {
    for salt in [&b"salt"[..], b"\x00\xff\x80 a longer salt"] {
        let digest = Sha1::new().chain_update("s3cret").chain_update(salt).finalize();
        let stored = STANDARD.encode([digest.as_slice(), salt].concat());
        assert_opens(&format!("anna:{{SSHA}}{stored}"), "anna", "s3cret");
    }
}

#[test]
fn argon2_of_its_own_command() {
    for (flag, prefix) in [("-i", "$argon2i$v=19$"), ("-d", "$argon2d$v=19$"), ("-id", "$argon2id$v=19$")] {
        let hash = argon2(&[flag, "-m", "8"], "s3cret");
        assert!(hash.starts_with(prefix), "{hash}");
        assert_opens(&format!("anna:{hash}"), "anna", "s3cret");
    }
    let hash = argon2(&["-id", "-k", "300", "-p", "3", "-l", "24", "-v", "10"], "s3cret");
    assert_opens(&format!("anna:{hash}"), "anna", "s3cret");
}

#[test]
fn sha_crypt_of_openssl_and_mkpasswd() {
    for (flag, method, mark) in [("-5", "sha256crypt", "$5$"), ("-6", "sha512crypt", "$6$")] {
        let hash = tool("openssl", &["passwd", flag, "s3cret"], "");
        assert!(hash.starts_with(mark), "{hash}");
        assert_opens(&format!("anna:{hash}"), "anna", "s3cret");
        let hash = tool("mkpasswd", &["-m", method, "-R", "1234", "s3cret"], "");
        assert!(hash.starts_with(&format!("{mark}rounds=1234$")), "{hash}");
        assert_opens(&format!("anna:{hash}"), "anna", "s3cret");
    }
}

#[test]
fn yescrypt_of_mkpasswd() {
    let hash = tool("mkpasswd", &["s3cret"], "");
    assert!(hash.starts_with("$y$j9T$"), "{hash}");
    assert_opens(&format!("anna:{hash}"), "anna", "s3cret");
}

#[test]
fn md5_crypt_of_openssl() {
    let hash = tool("openssl", &["passwd", "-1", "s3cret"], "");
    assert_opens(&format!("anna:{hash}"), "anna", "s3cret");
}

#[test]
fn des_crypt_of_htpasswd_and_mkpasswd() {
    assert_opens(&htpasswd(&["-d"], "anna", "s3cret"), "anna", "s3cret");
    let hash = tool("mkpasswd", &["-m", "descrypt", "s3cret"], "");
    assert_opens(&format!("anna:{hash}"), "anna", "s3cret");
}

#[test]
fn plain_text_opens_only_where_the_configuration_allows_it() {
    let catcher = Catcher::start(Options::default());
    let users = format!("bert:{{PLAIN}}s3cret\n{ANNA}");
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    assert_eq!(ask(&gate, "bert", "s3cret").status, 401);
    assert_eq!(ask(&gate, "anna", "secret").status, 200);
    gate.log_line("/htpasswd:1: user bert: a password in plain text ({PLAIN}) is refused unless auth.allow_plaintext");

    let gate = Gate::to(catcher.http_addr()).users(&users).config("auth.allow_plaintext = true").start();
    assert_eq!(ask(&gate, "bert", "s3cret").status, 200);
    for wrong in ["", "S3cret", "s3cre", "s3cretx", "{PLAIN}s3cret"] {
        assert_eq!(ask(&gate, "bert", wrong).status, 401, "{wrong}");
    }
    assert_eq!(ask(&gate, "anna", "secret").status, 200);
    assert_eq!(ask(&gate, "anna", ANNA.trim_end().strip_prefix("anna:").unwrap()).status, 401);
    assert!(!gate.log().iter().any(|line| line.contains("s3cret")), "a password is in the log");
}

#[test]
fn a_hash_that_cannot_be_checked_locks_out_its_user_only() {
    let catcher = Catcher::start(Options::default());
    let crypt = tool("mkpasswd", &["-m", "gost-yescrypt", "secret"], "");
    let users = format!("bert:{crypt}\ncarl:secret\ndora:\n{ANNA}");
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    for user in ["bert", "carl", "dora"] {
        assert_eq!(ask(&gate, user, "secret").status, 401, "{user}");
        assert_eq!(ask(&gate, user, "").status, 401, "{user}");
    }
    assert_eq!(ask(&gate, "anna", "secret").status, 200);
    assert!(!gate.log().iter().any(|line| line.contains(&crypt)), "a hash is in the log");
}

#[test]
fn a_users_file_is_read_as_people_write_it() {
    let catcher = Catcher::start(Options::default());
    let hash = ANNA.trim_end().strip_prefix("anna:").unwrap();
    let second = htpasswd(&["-s"], "anna", "another");
    let users =
        format!("\u{feff}# ours\r\n\r\nanna:{hash}\r\n{second}\r\nbert:{hash}:Bert, second floor\r\ncarl:{hash}");
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    for user in ["anna", "bert", "carl"] {
        assert_eq!(ask(&gate, user, "secret").status, 200, "{user}");
    }
    assert_eq!(ask(&gate, "anna", "another").status, 401, "the first of two lines counts");
}

#[test]
fn names_and_passwords_in_utf_8() {
    let (user, password) = ("J\u{f6}rg \u{1f4e7}", "p\u{e4}ss:w\u{f6}rd \u{2709}");
    let catcher = Catcher::start(Options::default());
    for flags in [&["-s"][..], &["-m"], &["-B", "-C", "4"]] {
        let gate = Gate::to(catcher.http_addr()).users(&format!("{}\n", htpasswd(flags, user, password))).start();
        assert_eq!(ask(&gate, user, password).status, 200, "{flags:?}");
        assert_eq!(ask(&gate, user, "p\u{e4}ss").status, 401, "{flags:?}");
        gate.access_line(|line| line.contains("auth=ok") && line.contains("user=\""));
    }
}

#[test]
fn without_users_nobody_gets_in() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).users("").start();
    assert_eq!(ask(&gate, "anna", "secret").status, 401);
    assert_eq!(ask(&gate, "", "").status, 401);
    assert_eq!(gate.connect().request("GET /", "").status, 401);
    assert!(catcher.requests().is_empty());
}

#[test]
fn a_slow_hash_is_paid_once() {
    let catcher = Catcher::start(Options::default());
    let users = htpasswd(&["-B", "-C", "12"], "anna", "secret");
    let gate = Gate::to(catcher.http_addr()).users(&format!("{users}\n")).start();
    let mut client = gate.connect();
    // Processor time, since the machine may be busy with something else.
    let mut cost = |requests: usize, fields: &str, status: u16| {
        let before = gate.ticks();
        for _ in 0..requests {
            assert_eq!(client.request("GET /favicon.ico", fields).status, status);
        }
        gate.ticks() - before
    };
    let first = cost(1, AS_ANNA, 200);
    assert!(first >= 5, "a hash of cost 12 took {first} ticks");
    let more = cost(10, AS_ANNA, 200);
    assert!(more * 2 < first, "the first took {first} ticks and ten more took {more}");
    // A wrong password is computed, and so is one for nobody, or the time would tell who exists.
    let wrong = cost(1, &basic("anna", "wrong"), 401);
    let unknown = cost(1, &basic("nobody", "wrong"), 401);
    assert!(wrong * 2 > first && unknown * 2 > first, "{first} ticks, wrong {wrong}, unknown {unknown}");
    // Neither made the gate forget the right one.
    assert!(cost(1, AS_ANNA, 200) * 2 < first);
}

#[test]
fn who_is_known_does_not_wait_for_the_hashes_of_others() {
    let catcher = Catcher::start(Options::default());
    let users = format!("{ANNA}{}\n", endless("bert"));
    let gate = Gate::to(catcher.http_addr()).users(&users).config("workers = 1").start();
    let mut anna = gate.connect();
    assert_eq!(anna.request("GET /messages", AS_ANNA).status, 200);

    let before = gate.ticks();
    let guesses: Vec<Client> = (0..20).map(|n| send(&gate, "bert", &format!("guess {n}"))).collect();
    eventually("hashes being computed", || (gate.ticks() >= before + 10).then_some(()));
    for _ in 0..20 {
        assert_eq!(anna.request("GET /messages", AS_ANNA).status, 200);
    }
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    assert_eq!(gate.connect().request("GET /messages", "").status, 401);
    let lines = gate.access_log();
    assert!(
        !lines.iter().any(|line| line.contains("wrong-password")),
        "the hashes were done too soon to tell: {lines:?}"
    );
    drop(guesses);
}

/// How many guesses have their answer.
fn answered(gate: &Gate) -> usize {
    let of_guess = |line: &&String| ["auth=busy", "auth=wrong-password"].iter().any(|event| line.contains(event));
    gate.access_log().iter().filter(of_guess).count()
}

#[test]
fn more_logins_than_can_wait_are_told_so_and_who_is_known_passes() {
    const SURPLUS: usize = 20;
    let catcher = Catcher::start(Options::default());
    let users = format!("{ANNA}{}\n", endless("bert"));
    let gate = Gate::to(catcher.http_addr()).users(&users).start();
    let mut anna = gate.connect();
    assert_eq!(anna.request("GET /messages", AS_ANNA).status, 200);

    let room = available_parallelism().unwrap().get() + WAITING;
    let mut guesses: Vec<Client> = (0..room + SURPLUS).map(|n| send(&gate, "bert", &format!("guess {n}"))).collect();
    eventually("the surplus to be answered", || (answered(&gate) >= SURPLUS).then_some(()));

    // Full is full for everybody who is not known yet, or it would tell who exists. A guess that still finds room, since
    // a thread has only now taken a hash, stays in it.
    for (user, password) in [("bert", "guess"), ("nobody", "guess"), ("anna", "wrong")] {
        let mut tries = 0;
        let refusal = eventually("a refusal", || {
            // Another one each time, since two who send the same wait for one hash.
            tries += 1;
            let mut client = send(&gate, user, &format!("{password} once more {tries}"));
            let answer = String::from_utf8(client.within(Duration::from_millis(500))).unwrap();
            guesses.push(client);
            (!answer.is_empty()).then_some(answer)
        });
        assert!(refusal.starts_with("HTTP/1.1 503 ") && refusal.contains("retry-after: 2\r\n"), "{user}: {refusal}");
        assert!(!refusal.contains("www-authenticate"), "a browser would forget the right password: {refusal}");
        assert!(refusal.contains("Try again"), "{refusal}");
    }
    eventually("no more than fit to wait", || (guesses.len() - answered(&gate) <= room).then_some(()));
    assert_eq!(anna.request("GET /messages", AS_ANNA).status, 200);
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);

    // Who leaves makes room.
    drop(guesses);
    eventually("room in the queue", || {
        let mut client = send(&gate, "nobody", "guess");
        client.within(Duration::from_millis(200)).is_empty().then_some(())
    });
}

#[test]
fn the_log_tells_the_refusals_apart_and_names_only_who_exists() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let secret = "typed-into-the-wrong-field";
    for (fields, event, reason, named) in [
        (String::new(), "no-credentials", "no credentials", false),
        ("Authorization: Bearer abc\r\n".to_owned(), "no-credentials", "another scheme than Basic", false),
        ("Authorization: Basic !!!\r\n".to_owned(), "malformed", "malformed credentials", false),
        (format!("Authorization: Basic {}\r\n", STANDARD.encode("anna")), "malformed", "malformed credentials", false),
        (format!("{AS_ANNA}{AS_ANNA}"), "malformed", "malformed credentials", false),
        (basic("anna", secret), "wrong-password", "wrong password", true),
        (basic(secret, "secret"), "unknown-user", "unknown user", false),
    ] {
        let before = gate.access_log().len();
        let answer = gate.connect().request("GET /messages", &fields);
        assert_eq!(answer.status, 401, "{fields}");
        let line = eventually("a line", || gate.access_log().get(before).cloned());
        assert!(line.contains("status=401") && line.contains(&format!("auth={event} ")), "{fields}: {line}");
        assert!(line.contains(&format!("reason=\"{reason}\"")), "{fields}: {line}");
        assert_eq!(line.contains("user=\"anna\""), named, "{fields}: {line}");
        assert_eq!(line.contains("user="), named, "{fields}: {line}");
    }
    for line in gate.access_log().iter().chain(&gate.log()) {
        assert!(!line.contains(secret) && !line.contains(&STANDARD.encode(secret)), "{line}");
    }
    assert!(catcher.requests().is_empty());
}

#[test]
fn a_refusal_carries_the_challenge_and_nothing_of_the_request() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"auth.realm = "Mail of the team""#).start();
    for (accept, content_type) in [
        ("", "text/plain; charset=utf-8"),
        ("Accept: text/html\r\n", "text/html; charset=utf-8"),
        ("Accept: application/json\r\n", "application/json"),
    ] {
        let fields = format!("{accept}{}", basic("<script>", "<img>"));
        let answer = gate.connect().request("GET /%3Cb%3E/here-and-there", &fields);
        assert_eq!(answer.head.lines().next(), Some("HTTP/1.1 401 Unauthorized"));
        assert_eq!(answer.field("www-authenticate").unwrap(), r#"Basic realm="Mail of the team", charset="UTF-8""#);
        assert_eq!(answer.field("content-type").unwrap(), content_type);
        assert_eq!(answer.field("cache-control").unwrap(), "no-store");
        for text in ["<script>", "&lt;script", "<img>", "%3C", "here-and-there"] {
            assert!(!answer.text().contains(text), "{}", answer.text());
        }
    }
}

#[test]
fn a_refused_request_leaves_its_connection_usable() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut client = gate.connect();
    for _ in 0..3 {
        assert_eq!(client.request("GET /messages", "").status, 401);
        assert_eq!(client.request("GET /messages", &basic("anna", "wrong")).status, 401);
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    }
    // Nobody is logged in by what came before on the connection.
    assert_eq!(client.request("GET /messages", "").status, 401);
}

#[test]
fn a_configured_users_file_that_cannot_be_read_is_78() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("mailwarden.toml");
    for path in [dir.path().join("missing"), dir.path().join("no/such/dir/htpasswd"), dir.path().to_owned()] {
        let path = path.display().to_string();
        std::fs::write(&config, format!("listen = [\"127.0.0.1:0\"]\nauth.users_file = {path:?}\n")).unwrap();
        let output = binary().args(["serve", "--config"]).arg(&config).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("auth.users_file") && said.contains(&path), "{said}");
        assert!(!said.contains("listening"), "{said}");
    }
}
