//! How long does it take to verify a password, format by format? `cargo bench --bench passwords`
//!
//! The least time of several goes, which is nearest to the truth on a busy machine. Next to the usual costs stand the
//! highest that a users file may hold: none may take much longer than two seconds, with the longest password too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on should stop, and its answer is what it prints"
)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mailwarden::auth::{Plaintext, StoredHash};

/// Formats with a hash of `secret`, by `htpasswd`, `mkpasswd`, `openssl passwd` and `argon2`.
const USUAL: &[(&str, &str)] = &[
    ("{PLAIN}", "{PLAIN}secret"),
    ("{SHA}", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
    ("DES crypt", "AkLTsy09siuoo"),
    ("$1$", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"),
    ("$apr1$", "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/"),
    ("$5$, 5000 rounds", "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"),
    (
        "$6$, 5000 rounds",
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
    ),
    (
        "$6$, 656000 rounds",
        "$6$rounds=656000$saltsaltsaltsalt$4ba5CeMEORqYFu506J2iOS1rmBhuqZ8f0QFBq2A9AYZVwv3cCVOGluDpbJohojC0czUWG1Cb7ktgulDuZEbPq1",
    ),
    ("bcrypt, cost 5", "$2y$05$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm."),
    ("yescrypt j75", "$y$j75$gL/cmPtQ5P.yEHUrDxsLj1$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHcB"),
    ("yescrypt j9T", "$y$j9T$Xs2EucszdcCBZa2DvfHMU/$ktGtMzUknI.//tkMo49CvLShFqsCGcB3znnpVFisrwC"),
    (
        "argon2id, 19 MiB",
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$6G4RVhNf4sYzxbGJQzsImNwnF3BnniV+nogjylwdjiA",
    ),
];

/// The highest costs that are read, with checksums that nothing has.
fn highest() -> Vec<(&'static str, String)> {
    let checksum = |length| "/".repeat(length);
    vec![
        ("$5$, 1000000 rounds", format!("$5$rounds=1000000$saltsaltsaltsalt${}", checksum(43))),
        ("$6$, 1000000 rounds", format!("$6$rounds=1000000$saltsaltsaltsalt${}", checksum(86))),
        ("bcrypt, cost 15", format!("$2y$15$abcdefghijklmnopqrstuu{}", "2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW")),
        ("yescrypt jDT", format!("$y$jDT$salt${}", checksum(43))),
        ("yescrypt jF5", format!("$y$jF5$salt${}", checksum(43))),
        ("argon2id, 256 MiB, t=8", "$argon2id$v=19$m=262144,t=8,p=1$c29tZXNhbHQ$kNVOa6zX+DFpW6ff3fg9BQ".to_owned()),
    ]
}

/// What no hash may take, on a machine that has something else to do as well.
const TOO_LONG: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    for (format, text) in USUAL {
        let hash = StoredHash::parse_with(text.as_bytes(), Plaintext::Accepted).expect(text);
        println!("{:>10.4} ms  {format}", milliseconds(least(50, &hash, b"secret", true)));
    }
    let mut longest = Duration::ZERO;
    for (format, text) in highest() {
        let hash = StoredHash::parse(text.as_bytes()).expect(&text);
        let (short, long) = (least(2, &hash, b"secret", false), least(2, &hash, &[b'x'; 512], false));
        let (short_ms, long_ms) = (milliseconds(short), milliseconds(long));
        println!("{short_ms:>10.0} ms  {format}, the highest; {long_ms:.0} ms with a password of 512 bytes");
        longest = longest.max(short).max(long);
    }
    if longest > TOO_LONG { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The least time of that many goes, fewer of them if they take long.
fn least(goes: u32, hash: &StoredHash, password: &[u8], right: bool) -> Duration {
    let start = Instant::now();
    let mut least = Duration::MAX;
    for _ in 0..goes {
        let before = Instant::now();
        let answer = hash.verify(password);
        least = least.min(before.elapsed());
        assert_eq!(answer, Ok(right), "{hash:?}");
        if start.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    least
}
