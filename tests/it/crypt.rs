//! Every format that crypt(3) knows, with passwords and salts by chance: what the system's own library makes of them has
//! to open here, and nothing else. Perl hands them to it, on Debian to libxcrypt.

use mailwarden::auth::StoredHash;
use sha1::{Digest as _, Sha1};

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::tools::{login, made_by};

/// Reads lines of a password in hexadecimal and a setting, and writes what crypt(3) makes of each.
const PERL: &str = r#"while (<STDIN>) { chomp; my ($p, $s) = split / /; my $h = crypt(pack("H*", $p), $s);
                      print defined $h ? $h : "*", "\n" }"#;

/// Bytes by chance, the same ones each time.
struct Chance {
    state: Vec<u8>,
    left: Vec<u8>,
}

impl Chance {
    fn new(name: &str) -> Self {
        Self { state: name.as_bytes().to_vec(), left: Vec::new() }
    }

    fn byte(&mut self) -> u8 {
        if self.left.is_empty() {
            self.state = Sha1::digest(&self.state).to_vec();
            self.left = Sha1::digest([&self.state[..], b"bytes"].concat()).to_vec();
        }
        self.left.pop().unwrap()
    }

    fn below(&mut self, end: u16) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()]) % end
    }

    /// A digit of crypt's base 64 that is worth less than that.
    fn digit(&mut self, end: u16) -> char {
        let digits = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        char::from(digits[usize::from(self.below(end))])
    }

    fn digits(&mut self, count: u16) -> String {
        (0..count).map(|_| self.digit(64)).collect()
    }

    /// Up to 120 bytes other than NUL, sometimes none, sometimes letters only.
    fn password(&mut self) -> Vec<u8> {
        let length = [4, 12, 120][usize::from(self.below(3))];
        let ascii = self.below(2) == 0;
        let byte = |byte: u8| if ascii { b' ' + byte % 95 } else { byte.max(1) };
        (0..self.below(length)).map(|_| byte(self.byte())).collect()
    }
}

/// Compares as many hashes as are wanted with crypt(3)'s.
fn as_crypt_has_it(name: &str, count: usize, setting: impl Fn(&mut Chance) -> String) {
    let mut chance = Chance::new(name);
    let asked: Vec<(Vec<u8>, String)> = (0..count).map(|_| (chance.password(), setting(&mut chance))).collect();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let input: String = asked.iter().map(|(password, setting)| format!("{} {setting}\n", hex(password))).collect();
    let answers = made_by("perl", &["-e", PERL], &input);
    assert_eq!(answers.lines().count(), count);
    for ((password, setting), hash) in asked.iter().zip(answers.lines()) {
        let what = format!("{} with {setting} is {hash}", hex(password));
        let stored = StoredHash::parse(hash.as_bytes()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(stored.verify(password), Ok(true), "{what}");
        // Before the password, since DES crypt ignores what comes after its eighth byte.
        assert_eq!(stored.verify(&[b"!", &password[..]].concat()), Ok(false), "{what}");
    }
}

#[test]
fn des_crypt_is_the_systems_own() {
    as_crypt_has_it("des", 500, |chance| chance.digits(2));
}

#[test]
fn md5_crypt_is_the_systems_own() {
    as_crypt_has_it("md5", 100, |chance| {
        let length = chance.below(9);
        format!("$1${}$", chance.digits(length))
    });
}

#[test]
fn sha_crypt_is_the_systems_own() {
    for mark in ["$5$", "$6$"] {
        as_crypt_has_it(mark, 30, |chance| {
            let (rounds, length) = (1000 + chance.below(50), chance.below(17));
            format!("{mark}rounds={rounds}${}$", chance.digits(length))
        });
    }
    as_crypt_has_it("usual", 2, |chance| format!("$5${}$", chance.digits(16)));
}

#[test]
fn yescrypt_is_the_systems_own() {
    as_crypt_has_it("yescrypt", 60, |chance| {
        let groups = chance.below(21);
        let salt = chance.digits(4 * groups);
        // One byte more in two digits, or two in three: the last digit has bits to spare.
        let rest = match chance.below(3) {
            0 => String::new(),
            1 => format!("{}{}", chance.digit(64), chance.digit(4)),
            _ => format!("{}{}{}", chance.digit(64), chance.digit(64), chance.digit(16)),
        };
        let log_n = 1 + chance.below(8);
        let digit = ['.', '/', '0', '1', '2', '3', '4', '5', '6'][usize::from(log_n)];
        format!("$y$j{digit}{}${salt}{rest}$", chance.digit(16))
    });
    // The pre-hashing that the usual cost brings.
    as_crypt_has_it("usual", 1, |chance| format!("$y$j9T${}$", chance.digits(20)));
}

/// The yescrypt crate ends the process when it gets no memory; the request has to end instead.
#[test]
fn a_hash_that_gets_no_memory_ends_its_request_and_not_the_gate() {
    // 256 MiB, the most that is taken.
    let hash = made_by("mkpasswd", &["-m", "yescrypt", "-R", "9", "secret"], "");
    assert!(hash.starts_with("$y$jDT$"), "{hash}");
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).users(&format!("{ANNA}bert:{hash}\n")).config("workers = 1");
    // With one arena, or a machine of many cores would reserve all the addresses for the threads' own.
    let mut gate = gate.env("MALLOC_ARENA_MAX", "1").run_by(&["prlimit", "--as=260000000"]).start();
    for _ in 0..3 {
        assert_eq!(gate.connect().request("GET /messages", &login("bert", "secret")).status, 500);
    }
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    assert!(gate.is_running());
    gate.access_line(|line| line.contains("status=500"));
}

/// Each of two threads can find the memory free before the other takes it, and then the crate ends the process: so one
/// waits for the other, and both are answered.
#[test]
fn two_hashes_that_do_not_fit_into_memory_together_are_computed_one_after_the_other() {
    let hash = made_by("mkpasswd", &["-m", "yescrypt", "-R", "9", "secret"], "");
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).users(&format!("bert:{hash}\ncarl:{hash}\n")).config("workers = 1");
    let mut gate = gate.env("MALLOC_ARENA_MAX", "1").run_by(&["prlimit", "--as=500000000"]).start();
    let mut asking = ["bert", "carl"].map(|user| {
        let mut client = gate.connect();
        client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{}\r\n", login(user, "secret")));
        client
    });
    assert_eq!(asking.each_mut().map(|client| client.answer().status), [200, 200]);
    assert!(gate.is_running());
}
