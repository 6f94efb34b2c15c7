use proptest::prelude::*;

use super::*;

// What the tools made, and what is refused.
mod vectors;
// What went wrong elsewhere, or in a first attempt: the length of a hash, its cost, what a password is cut to.
mod traps;

use vectors::{REFUSED, VECTORS};

fn parse(text: &str) -> StoredHash {
    StoredHash::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn hashes_of_the_real_tools_verify_their_password_and_no_other() {
    for (text, password, scheme) in VECTORS {
        let hash = parse(text);
        assert_eq!(hash.verify(password.as_bytes()), Ok(true), "{text}");
        for wrong in [format!("{password}x"), "secre".into()] {
            assert_eq!(hash.verify(wrong.as_bytes()), Ok(false), "{text} with {wrong:?}");
        }
        assert_eq!(hash.scheme().to_string(), *scheme, "{text}");
        assert_eq!(hash.as_bytes(), text.as_bytes());
    }
}

#[test]
fn what_is_not_supported_or_damaged_is_named_and_never_repeated() {
    for (text, expected) in REFUSED {
        let error = StoredHash::parse(text.as_bytes()).expect_err(text);
        assert_eq!(error.to_string(), *expected, "{text}");
    }
}

#[test]
fn an_unknown_format_is_never_taken_for_plain_text() {
    for text in ["secret", "{PLAIN}secret", "{plain}secret", "$9$secret", "13lettersxxxx", "$apr1$", "$2y$"] {
        assert!(StoredHash::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_hash_beyond_ascii_is_refused_without_a_panic() {
    // RUSTSEC-2026-0199: the letter lies across the place where the crate used to cut the text.
    let mut bcrypt = b"$2y$05$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.".to_vec();
    bcrypt.splice(28..30, "é".bytes());
    assert_eq!(bcrypt.len(), 60);
    for text in [&bcrypt[..], b"$apr1$s\xe9lt$12YdXEY0/hH4rDNkmZupO0", b"{SHA}\xff\xff", b"\xff\xfe"] {
        assert!(StoredHash::parse(text).is_err());
    }
}

#[test]
fn weak_hashes_are_said_to_be_weak_and_strong_ones_are_not() {
    let argon2 = |costs: &str| format!("$argon2id$v=19${costs}$c29tZXNhbHQ$kNVOa6zX+DFpW6ff3fg9BQ");
    let bcrypt = |mark: &str| format!("${mark}$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.");
    let yescrypt = |costs: &str| format!("$y${costs}$$2ydGyJY.m3lesWesWhmcrVX27GKM4AqNwOMJADwvhjB");
    let sha512_crypt = |rounds: &str| format!("$6${rounds}x${}", "/".repeat(86));
    let cases = [
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=".into(), Some("one SHA-1 without a salt")),
        ("{SSHA}dj2lH1ocucmj5OQsjP6mQrVx6FhOYUNs".into(), Some("one SHA-1: fast")),
        ("$apr1$x$12YdXEY0/hH4rDNkmZupO0".into(), Some("1000 rounds of MD5")),
        (bcrypt("2y$05"), Some("bcrypt at cost 5 is fast")),
        (bcrypt("2x$10"), Some("$2x$ is the mark of a faulty bcrypt")),
        (bcrypt("2y$08"), None),
        (bcrypt("2b$12"), None),
        (argon2("m=64,t=2,p=1"), Some("argon2 with 64 KiB is fast")),
        (argon2("m=4096,t=3,p=1"), Some("argon2 with 4 MiB is fast")),
        (argon2("m=8192,t=1,p=1"), None),
        (argon2("m=19456,t=2,p=1"), None),
        ("$1$saltsalt$9xy1btjgzLYfb7hivXtC//".into(), Some("1000 rounds of MD5")),
        ("AkLTsy09siuoo".into(), Some("DES crypt: fast to guess")),
        (sha512_crypt(""), Some("SHA-512 crypt with 5000 rounds is fast")),
        (sha512_crypt("rounds=49999$"), Some("SHA-512 crypt with 49999 rounds is fast")),
        (sha512_crypt("rounds=50000$"), None),
        (yescrypt("j75"), Some("yescrypt with 1 MiB is fast")),
        (yescrypt("j8S"), Some("yescrypt with 7936 KiB is fast")),
        (yescrypt("j8T"), None),
        (yescrypt("j9T"), None),
    ];
    for (text, expected) in cases {
        let said = parse(&text).weakness().map(|weakness| weakness.to_string());
        match expected {
            Some(words) => assert!(said.as_ref().is_some_and(|said| said.starts_with(words)), "{text}: {said:?}"),
            None => assert_eq!(said, None, "{text}"),
        }
    }
}

#[test]
fn no_hash_shows_up_in_debug_output() {
    for (text, ..) in VECTORS {
        let shown = format!("{:?}", parse(text));
        let secret = &text[text.len() - 12..];
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// What hashes begin with.
const MARKS: &[&str] = &[
    "$apr1$",
    "$1$",
    "$2y$",
    "$2y$05$",
    "{SHA}",
    "{SSHA}",
    "{PLAIN}",
    "$argon2id$",
    "$argon2i$v=19$m=",
    "$5$",
    "$6$",
    "$6$rounds=",
    "$6$rounds=1000$",
    "$5$salt$",
    "$y$",
    "$y$j",
    "$y$j75$",
    "$y$j75$salt$",
    "ab",
];

/// Hashes that take no time, for the many rounds of a property.
fn fast_vector() -> impl Strategy<Value = (&'static str, &'static str)> {
    let fast: Vec<_> = VECTORS
        .iter()
        .map(|(text, password, _)| (*text, *password))
        .filter(|(text, _)| !text.contains("19456"))
        .collect();
    prop::sample::select(fast)
}

proptest! {
    #[test]
    fn parse_takes_any_bytes_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = StoredHash::parse(&text);
    }

    #[test]
    fn parse_takes_any_tail_of_a_known_mark_without_a_panic(
        mark in prop::sample::select(MARKS),
        tail in "[ -~é]{0,80}",
    ) {
        let _ = StoredHash::parse(format!("{mark}{tail}").as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Some bytes are changed; what is still a hash is verified, unless a digit of its cost has become a large one.
    #[test]
    fn a_changed_hash_is_refused_or_verified_without_a_panic(
        vector in fast_vector(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        password in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut text = vector.0.as_bytes().to_vec();
        for (index, byte) in changes {
            let place = index.index(text.len());
            text[place] = byte;
        }
        let Ok(hash) = StoredHash::parse_with(&text, Plaintext::Accepted) else { return Ok(()) };
        let cheap = match hash.scheme() {
            Scheme::Bcrypt { cost, .. } => cost < 6,
            Scheme::Argon2 { memory, passes, .. } => memory * passes < 2048,
            Scheme::ShaCrypt { rounds, .. } => rounds <= 5000,
            Scheme::Yescrypt { memory } => memory <= 1024,
            _ => true,
        };
        if cheap {
            prop_assert!(hash.verify(&password).is_ok());
        }
    }

    /// Where a cut leaves a text of a right form (a shorter salt or tag in base 64), the password must not match it.
    #[test]
    fn a_cut_hash_is_refused_or_matches_nothing(vector in fast_vector(), keep in 0.0..1.0f64) {
        let (text, password) = vector;
        let cut = &text[..(text.len() as f64 * keep) as usize];
        match StoredHash::parse(cut.as_bytes()) {
            Err(_) => {}
            Ok(hash) => {
                prop_assert!(matches!(hash.scheme(), Scheme::Ssha | Scheme::Argon2 { .. }), "{}", cut);
                prop_assert_eq!(hash.verify(password.as_bytes()), Ok(false));
                prop_assert_eq!(hash.verify(b""), Ok(false));
            }
        }
    }

    #[test]
    fn a_lengthened_hash_is_refused_or_matches_nothing(
        vector in fast_vector(),
        more in prop::collection::vec(any::<u8>(), 1..8),
    ) {
        let (text, password) = vector;
        match StoredHash::parse(&[text.as_bytes(), &more].concat()) {
            Err(_) => {}
            Ok(hash) => {
                prop_assert!(matches!(hash.scheme(), Scheme::Ssha | Scheme::Argon2 { .. }), "of a format of fixed length");
                prop_assert_eq!(hash.verify(password.as_bytes()), Ok(false));
            }
        }
    }
}
