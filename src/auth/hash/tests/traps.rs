//! What others fell into with these formats, or what their libraries do with a line that is not right.

use super::*;

/// `$y$` with these parameters, and a salt and a checksum of the right form.
fn yescrypt(params: &str) -> String {
    format!("$y${params}$gL/cmPtQ5P.yEHUrDxsLj1$akC4TdbrXEMyILPym1nukl9DlkH0xGMB3zHDD/tjHcB")
}

/// `$5$` with this between the mark and the checksum.
fn sha256_crypt(salt: &str) -> String {
    format!("$5${salt}$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA")
}

/// `$6$` likewise.
fn sha512_crypt(salt: &str) -> String {
    format!("$6${salt}$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1")
}

/// Every text is either taken, or refused for its cost.
fn assert_costs(cases: &[(String, bool)]) {
    for (text, accepted) in cases {
        match StoredHash::parse(text.as_bytes()) {
            Ok(_) => assert!(accepted, "{text}"),
            Err(HashError::TooCostly { .. }) => assert!(!accepted, "{text}"),
            Err(other) => panic!("{text}: {other}"),
        }
    }
}

// --- The length of a hash

/// The yescrypt crate compares as much of a checksum as it finds: cut to a byte, one password in 256 would be right.
#[test]
fn a_hash_that_lost_its_end_is_refused_in_every_format_of_fixed_length() {
    let mut formats = 0;
    for (text, ..) in VECTORS.iter().filter(|(text, ..)| !text.starts_with("$argon2") && !text.starts_with("{SSHA}")) {
        for length in 0..text.len() {
            assert!(StoredHash::parse(&text.as_bytes()[..length]).is_err(), "{text} cut to {length}");
        }
        formats += 1;
    }
    assert!(formats > 30, "{formats} hashes were cut");
}

// --- Its cost

#[test]
fn a_cost_that_would_stop_the_machine_is_refused_at_load() {
    let argon2 = |costs: &str| format!("$argon2id$v=19${costs}$c29tZXNhbHQ$kNVOa6zX+DFpW6ff3fg9BQ");
    let bcrypt = |cost: u32| format!("$2y${cost}$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.");
    let cases = [
        (bcrypt(15), true),
        (bcrypt(16), false),
        (bcrypt(31), false),
        (bcrypt(99), false),
        (argon2("m=262144,t=8,p=16"), true),
        (argon2("m=131072,t=16,p=1"), true),
        (argon2("m=262144,t=9,p=1"), false),
        (argon2("m=262145,t=1,p=1"), false),
        (argon2("m=1024,t=17,p=1"), false),
        (argon2("m=1024,t=1,p=17"), false),
        (argon2("m=4294967295,t=1,p=1"), false),
        (argon2("m=99999999999999999999,t=1,p=1"), false),
        (argon2("m=1024,t=4294967296,p=1"), false),
    ];
    assert_costs(&cases);
}

/// HAProxy's watchdog killed it over `rounds=656000`, which is passlib's default, and over yescrypt's. Here they are
/// taken, and what is far above them is not.
#[test]
fn the_defaults_of_tools_are_taken_and_what_is_far_above_them_is_refused() {
    assert_costs(&[
        (yescrypt("j9T"), true),
        (yescrypt("jDT"), true),
        (yescrypt("jF5"), true),
        (yescrypt("jG."), false),
        (yescrypt("jET"), false),
        (yescrypt("jFT"), false),
        (yescrypt("jj."), false),
        (sha512_crypt("saltsalt"), true),
        (sha512_crypt("rounds=656000$saltsalt"), true),
        (sha256_crypt("rounds=535000$saltsalt"), true),
        (sha512_crypt("rounds=1000000$saltsalt"), true),
        (sha512_crypt("rounds=1000001$saltsalt"), false),
        (sha256_crypt("rounds=999999999$saltsalt"), false),
        (sha256_crypt("rounds=4294972296$saltsalt"), false), // 5000 more than the type holds, and not 5000
        (sha256_crypt("rounds=99999999999999999999999999$saltsalt"), false),
    ]);
}

/// All that two digits can say: a large N would end the process in the crate's own allocation.
#[test]
fn no_parameters_of_yescrypt_take_more_than_256_mib() {
    const DIGITS: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut taken = 0;
    for (log_n, first) in (1u32..).zip(DIGITS) {
        for (r, second) in (1u64..).zip(DIGITS) {
            let text = yescrypt(&format!("j{}{}", char::from(*first), char::from(*second)));
            // 48 is the most that one digit says. N is bounded as well: with a small r it is the time that grows.
            let fits = (2..=18).contains(&log_n) && r <= 48 && (128 * r) << log_n <= 256 << 20;
            match StoredHash::parse(text.as_bytes()) {
                Ok(hash) => {
                    let Scheme::Yescrypt { memory } = hash.scheme() else { panic!("{text}: {hash:?}") };
                    let expected = ((128 * r) << log_n).div_ceil(1024);
                    assert!(fits && u64::from(memory) == expected, "{text}: {memory} KiB");
                    taken += 1;
                }
                Err(_) => assert!(!fits, "{text}"),
            }
        }
    }
    assert!(taken > 600, "{taken} were taken");
}

/// The smallest ones are computed, whatever their N and r, and none of them panics.
#[test]
fn yescrypt_with_odd_parameters_gives_an_answer() {
    for log_n in "/01234".chars() {
        for r in "./0125AQ".chars() {
            assert_eq!(parse(&yescrypt(&format!("j{log_n}{r}"))).verify(b"secret"), Ok(false), "{log_n}{r}");
        }
    }
}

// --- What is in a hash

#[test]
fn argon2_without_a_version_is_version_16() {
    // The crate's default is 19: with it the right password was "wrong".
    let text = "$argon2i$m=64,t=2,p=1$c29tZXNhbHQ$wMhGta4OOeBeTLxl/smECG1VJTYXxA7lfQdxZZUccIQ";
    assert_eq!(parse(text).verify(b"secret"), Ok(true));
    assert_eq!(parse(text).verify(b"Secret"), Ok(false));
}

/// The sha-crypt crate takes `rounds=999` for a salt, libxcrypt refuses it, glibc writes it as 1000: in none of them is
/// there a password for such a line, so it is refused and named.
#[test]
fn rounds_that_no_tool_writes_are_never_taken_for_a_salt() {
    for rounds in ["0", "1", "999", "", "abc", "-5000", "+5000", " 5000", "5e3", "05000", "0x1388", "5000,x"] {
        for text in [sha256_crypt(&format!("rounds={rounds}$saltsalt")), sha512_crypt(&format!("rounds={rounds}$x"))] {
            assert!(matches!(StoredHash::parse(text.as_bytes()), Err(HashError::Damaged { .. })), "{text}");
        }
    }
    for text in [sha256_crypt("rounds=5000"), sha512_crypt("rounds="), sha512_crypt("rounds=5000$a$b")] {
        assert!(StoredHash::parse(text.as_bytes()).is_err(), "{text}");
    }
    // Without the equals sign it is a salt like others.
    assert_eq!(parse(&sha256_crypt("rounds")).scheme().to_string(), "SHA-256 crypt, 5000 rounds");
}

// --- What a password is cut to

#[test]
fn bcrypt_sees_72_bytes_of_a_password_as_every_htpasswd_does() {
    // perl -e 'print crypt("a" x 80, q($2y$04$abcdefghijklmnopqrstuu))'
    let hash = parse("$2y$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe");
    assert_eq!(hash.verify(&[b'a'; 72]), Ok(true));
    assert_eq!(hash.verify(&[b'a'; 80]), Ok(true));
    assert_eq!(hash.verify(&[b'a'; 71]), Ok(false));
}

#[test]
fn des_crypt_sees_8_bytes_of_a_password_as_every_crypt_does() {
    // perl -e 'print crypt("longpassword", "ab")'
    let hash = parse("abD6HAB6eqg.k");
    for right in ["longpassword", "longpass", "longpassX"] {
        assert_eq!(hash.verify(right.as_bytes()), Ok(true), "{right}");
    }
    assert_eq!(hash.verify(b"longpas"), Ok(false));
    assert!(hash.weakness().is_some_and(|weakness| weakness.to_string().contains("8 characters")));
    // Nor the highest bit of a byte: perl -e 'print crypt("p\xe4ss\xff", "ab")'
    let hash = parse("abHourxjIekgo");
    assert_eq!((hash.verify(b"p\xe4ss\xff"), hash.verify(b"pdss\x7f")), (Ok(true), Ok(true)));
}

#[test]
fn a_password_over_512_bytes_or_with_a_nul_is_refused_before_hashing() {
    // openssl passwd -apr1 -salt saltsalt $(printf 'x%.0s' $(seq 256))
    let long = parse("$apr1$saltsalt$7weqzD9QSJI3f324oUqwD0");
    assert_eq!(long.verify(&[b'x'; 256]), Ok(true));
    // A bcrypt that stops at the NUL would take it for "secret".
    let bcrypt = parse("$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW");
    assert_eq!(bcrypt.verify(b"secret\0"), Ok(false));
    assert_eq!(bcrypt.verify(b"secret\0and more"), Ok(false));
    // python3 -c "import hashlib,base64;print(base64.b64encode(hashlib.sha1(b'x'*N).digest()).decode())", N = 512, 513
    assert_eq!(parse("{SHA}jViCDGZyqPFo17U+cHuBdd5zRas=").verify(&[b'x'; 512]), Ok(true));
    assert_eq!(parse("{SHA}URRU/y9zs4MEyivZ8XQ6rwhqQUU=").verify(&[b'x'; 513]), Ok(false));
    // printf 'secret\0' | openssl dgst -sha1 -binary | base64
    assert_eq!(parse("{SHA}N9RTmKf0o8uUIDalreIskamWQgA=").verify(b"secret\0"), Ok(false));
}

/// The rounds of SHA-crypt take longer with the password: 24,000 bytes took over a second. libxcrypt refuses 512 bytes.
#[test]
fn a_long_password_is_refused_before_the_rounds_of_sha_crypt() {
    // perl -e 'print crypt("x" x 511, q($1$saltsalt$))'; likewise the others by their marks
    for text in [
        "$1$saltsalt$x9F2.6Bg2JHTiGLCk1ITS0",
        "$5$rounds=1000$saltsalt$UO1D7uRhCj1iQQUQBCtfHH3.XLg17lM3s80LpvY26N9",
        "$6$rounds=1000$saltsalt$nC35Rjw1qm7lwdxVgg3IU9qZMEaqucKnRYCtC7UyfTbgqAQUZjWQxjc2xeWwMzOTjOEqyGG.T4MAGPm1ptmEK/",
        "$y$j75$saltsaltsaltsa1$20piIc/aUFkF/tb6DNUT8atiQqj/9uP96IlNvk8xlp7",
    ] {
        assert_eq!(parse(text).verify(&[b'x'; 511]), Ok(true), "{text}");
        assert_eq!(parse(text).verify(&[b'x'; 510]), Ok(false), "{text}");
    }
    // No tool makes this one, so the crate has to: it is right, and too long to be tried.
    let params = ::sha_crypt::Params::new(1000).unwrap();
    let mut checksum = [0; 86];
    sha_crypt::encode_sha512(&::sha_crypt::sha512_crypt(&[b'x'; 513], b"saltsalt", params), &mut checksum);
    let text = format!("$6$rounds=1000$saltsalt${}", String::from_utf8_lossy(&checksum));
    assert_eq!(parse(&text).verify(&[b'x'; 513]), Ok(false));
}

#[test]
fn a_password_need_not_be_utf_8() {
    // perl -e 'print crypt("p\xe4ss\xff", q($1$saltsalt))'; likewise the others by their marks
    for text in [
        "$1$saltsalt$GxmfRKXJTUHP81pPuvJVm1",
        "$5$rounds=1000$saltsalt$IJoFlcMvRbWzURDVJ4kmtNcuBO8Q2j2jpLfgZ5w6LpD",
        "$6$rounds=1000$saltsalt$EUYhWRBQRYWl8jGYFRlOPRMOT.cKhLuzsd8N9zLUj4l43hPoEGAq7DOFA7cyv401UKPnS/1pvVStjXqQGP3yc.",
        "$y$j75$saltsaltsaltsa1$TVn.t5Ssie0dbIPLA4aNtgl8Kg9jV0GnBUNEJTiZvC7",
    ] {
        assert_eq!(parse(text).verify(b"p\xe4ss\xff"), Ok(true), "{text}");
        assert_eq!(parse(text).verify("p\u{e4}ss\u{ff}".as_bytes()), Ok(false), "{text}");
    }
}

#[test]
fn nothing_after_a_nul_is_ever_hashed() {
    for (text, password, _) in VECTORS {
        for more in ["\0", "\0and more"] {
            assert_eq!(parse(text).verify(format!("{password}{more}").as_bytes()), Ok(false), "{text}");
        }
        assert_eq!(parse(text).verify(format!("\0{password}").as_bytes()), Ok(false), "{text}");
    }
}

// --- Passwords that nobody hashed

#[test]
fn plain_text_lets_in_only_where_the_configuration_says_so() {
    let allowed = |text: &str| StoredHash::parse_with(text.as_bytes(), Plaintext::Accepted);
    assert_eq!(StoredHash::parse(b"{PLAIN}secret"), Err(HashError::Plaintext));
    assert!(HashError::Plaintext.to_string().contains("auth.allow_plaintext"));
    for (password, wrong) in [("secret", "Secret"), ("p\u{e4}ss \u{20ac}", "p\u{e4}ss"), (" ", ""), ("{PLAIN}x", "x")] {
        let hash = allowed(&format!("{{PLAIN}}{password}")).unwrap();
        assert_eq!((hash.verify(password.as_bytes()), hash.verify(wrong.as_bytes())), (Ok(true), Ok(false)));
        assert_eq!(hash.verify(format!("{password}x").as_bytes()), Ok(false));
        assert_eq!(hash.verify(format!("{{PLAIN}}{password}").as_bytes()), Ok(false));
        assert_eq!(hash.verify(b""), Ok(false));
        assert_eq!((hash.scheme(), hash.weakness()), (Scheme::Plain, Some(Weakness::Plain)));
        assert_eq!(format!("{hash:?}"), "StoredHash(plain text)");
    }
    // Allowed is what has the mark, and nothing else.
    let long = format!("{{PLAIN}}{}", "x".repeat(513));
    for text in ["secret", "{plain}secret", "{CLEARTEXT}secret", "{PLAIN}", "PLAIN", &long] {
        assert!(allowed(text).is_err(), "{text}");
    }
    assert_eq!(allowed("AkLTsy09siuoo").unwrap().scheme(), Scheme::DesCrypt);
    assert_eq!(allowed("!"), Err(HashError::Locked));
    // A template whose variable was empty opens to nobody, the empty password included, and says why.
    assert_eq!(allowed("{PLAIN}"), Err(HashError::Damaged { format: "{PLAIN}", fault: "no password follows" }));
}
