use proptest::prelude::*;

use super::*;

/// Hashes of real tools: above each the command that made it. The password is `secret` unless the line says else.
const VECTORS: &[(&str, &str, &str)] = &[
    // htpasswd -nbm alice secret
    ("$apr1$U0zHXB9c$hSrgN71YQdA9g7QfAWRjN1", "secret", "apr1"),
    // htpasswd -nbm alice ''
    ("$apr1$eINoVhhA$DNZuNT3EB/K8n506jJEdI/", "", "apr1"),
    // openssl passwd -apr1 -salt abcdefgh secret
    ("$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/", "secret", "apr1"),
    // openssl passwd -apr1 -salt x secret
    ("$apr1$x$12YdXEY0/hH4rDNkmZupO0", "secret", "apr1"),
    // openssl passwd -apr1 -salt '' secret
    ("$apr1$$g/UEjvgvl9nWOQl6rNKvZ.", "secret", "apr1"),
    // openssl passwd -apr1 -salt my-salt+ secret
    ("$apr1$my-salt+$CDPhgWogqhsRmZWLH8kt40", "secret", "apr1"),
    // openssl passwd -apr1 -salt saltsalt 'pässwörd €'
    ("$apr1$saltsalt$1k1bw0Ix30rlAgKciQcoP0", "pässwörd €", "apr1"),
    // htpasswd -nbB -C 5 alice secret
    ("$2y$05$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.", "secret", "bcrypt, cost 5"),
    // perl -e 'print crypt("secret", q($2a$04$abcdefghijklmnopqrstuu))', with libxcrypt; likewise the next three
    ("$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret", "bcrypt, cost 4"),
    ("$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret", "bcrypt, cost 4"),
    ("$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret", "bcrypt, cost 4"),
    ("$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "secret", "bcrypt, cost 4"),
    // perl -e 'print crypt("p\xc3\xa4ss", q($2y$04$abcdefghijklmnopqrstuu))'
    ("$2y$04$abcdefghijklmnopqrstuuF7KK/SfP9IRGj0pPJMr8GdtCS8xpmpC", "päss", "bcrypt, cost 4"),
    // htpasswd -nbs alice secret
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "secret", "SHA-1"),
    // (printf secretNaCl | openssl dgst -sha1 -binary; printf NaCl) | base64
    ("{SSHA}dj2lH1ocucmj5OQsjP6mQrVx6FhOYUNs", "secret", "salted SHA-1"),
    // (printf secretsaltsalt | openssl dgst -sha1 -binary; printf saltsalt) | base64
    ("{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==", "secret", "salted SHA-1"),
    // printf secret | argon2 somesalt -i -t 2 -k 64 -p 1 -l 32 -v 10 -e; likewise the next five by variant and version
    (
        "$argon2i$v=16$m=64,t=2,p=1$c29tZXNhbHQ$wMhGta4OOeBeTLxl/smECG1VJTYXxA7lfQdxZZUccIQ",
        "secret",
        "argon2i, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2i$v=19$m=64,t=2,p=1$c29tZXNhbHQ$Mt88by0CTKL0Nbv0t15OvBwePaNUDqkdzpUfKhQ5d7o",
        "secret",
        "argon2i, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2d$v=16$m=64,t=2,p=1$c29tZXNhbHQ$rv4wxi+DBQbmT5aro7sUytliZydRtM/VGhcdWqU6n7I",
        "secret",
        "argon2d, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2d$v=19$m=64,t=2,p=1$c29tZXNhbHQ$5g4dzYgo5L/2Y4gQSg3nyD0uLYcHeObZffcKoS19qu4",
        "secret",
        "argon2d, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2id$v=16$m=64,t=2,p=1$c29tZXNhbHQ$sTjB82oml36hKGkoUxYyM0nuyQ5GtxdAsa7KMfMi+hg",
        "secret",
        "argon2id, 64 KiB, t=2, p=1",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "secret",
        "argon2id, 64 KiB, t=2, p=1",
    ),
    // printf secret | argon2 saltsalt -id -t 1 -k 256 -p 4 -l 16 -e
    ("$argon2id$v=19$m=256,t=1,p=4$c2FsdHNhbHQ$kNVOa6zX+DFpW6ff3fg9BQ", "secret", "argon2id, 256 KiB, t=1, p=4"),
    // printf secret | argon2 saltsaltsaltsalt -id -t 2 -k 19456 -p 1 -l 32 -e
    (
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$6G4RVhNf4sYzxbGJQzsImNwnF3BnniV+nogjylwdjiA",
        "secret",
        "argon2id, 19 MiB, t=2, p=1",
    ),
];

/// Hashes of formats that are refused by name, made by the command above each, and texts that are no hashes.
const REFUSED: &[(&str, &str)] = &[
    // openssl passwd -1 -salt saltsalt secret
    ("$1$saltsalt$9xy1btjgzLYfb7hivXtC//", "MD5 crypt ($1$) is not supported yet"),
    // openssl passwd -5 -salt saltsalt secret
    ("$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA", "SHA-256 crypt ($5$) is not supported yet"),
    // openssl passwd -6 -salt saltsalt secret
    (
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
        "SHA-512 crypt ($6$) is not supported yet",
    ),
    // mkpasswd -m yescrypt secret
    (
        "$y$j9T$pKI/.tjmEQfO3DkS7bCCT1$wTHvP1bmD37FyPwNzs78m3cZeDfo2jYpWxNYit0N1T5",
        "yescrypt ($y$) is not supported yet",
    ),
    // mkpasswd -m gost-yescrypt secret
    (
        "$gy$j9T$j4eXvXvqWcZgdR1alztG41$IZv.Qtd5EBWaX/tagCYbaRTm/5s5flfa4sYmsfnNlS1",
        "gost-yescrypt ($gy$) is not supported",
    ),
    // mkpasswd -m scrypt secret
    (
        "$7$CU..../....9A6c7pMBK671k0vJy7ts61$.8IprXZgb/ExbKUfhem298aJFQ49mFj74jLs0oLVgl5",
        "scrypt ($7$) is not supported",
    ),
    // mkpasswd -m sunmd5 secret
    ("$md5,rounds=79375$hCvjknVO$$X/vEZZtLnNfRyvksJ3Fwx.", "Sun's MD5 crypt ($md5) is not supported"),
    // mkpasswd -m nt secret
    ("$3$$878d8014606cda29677a44efa1353fc7", "the NT hash ($3$) is not supported"),
    // htpasswd -nbd alice secret
    (".tx/YJ/fY3W8U", "DES crypt (13 characters) is not supported yet"),
    // mkpasswd -m bsdicrypt secret
    ("_J9..sbc2X1ff3OaIp.w", "BSDi's DES crypt (_) is not supported"),
    ("$2$05$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.", "the first bcrypt ($2$) is not supported"),
    ("{PLAIN}secret", "a password in plain text ({PLAIN}) is not supported yet"),
    ("{SSHA512}AAAA", "{SSHA512} is not supported"),
    ("", "no hash stands after the colon"),
    ("!", "locked with * or !, no password can match"),
    ("*", "locked with * or !, no password can match"),
    ("secret", "not a known hash; a password in plain text is never accepted"),
    ("{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=", "not a known hash; a password in plain text is never accepted"),
    (" $apr1$x$12YdXEY0/hH4rDNkmZupO0", "not a known hash; a password in plain text is never accepted"),
    ("$apr1$12YdXEY0", "damaged apr1 hash: no dollar sign between salt and checksum"),
    ("$apr1$123456789$12YdXEY0/hH4rDNkmZupO0", "damaged apr1 hash: the salt has more than 8 characters"),
    ("$apr1$a b$12YdXEY0/hH4rDNkmZupO0", "damaged apr1 hash: the salt has a character that no salt has"),
    ("$apr1$x$12YdXEY0/hH4rDNkmZupO", "damaged apr1 hash: the checksum has to have 22 characters"),
    ("$apr1$x$12YdXEY0/hH4rDNkmZupO00", "damaged apr1 hash: the checksum has to have 22 characters"),
    ("$apr1$x$12YdXEY0/hH4rDNkmZu_O0", "damaged apr1 hash: the checksum has a character that no checksum has"),
    ("$apr1$x$12YdXEY0/hH4rDNkmZupOz", "damaged apr1 hash: the checksum has a character that no checksum has"),
    ("$2y$05$kPGIMpNU43cJaQkB8u", "damaged bcrypt hash: it has to have 60 characters"),
    (
        "$2y$5$$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: the cost has to be two digits",
    ),
    (
        "$2y$+5$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: the cost has to be two digits",
    ),
    (
        "$2y$03$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: the cost has to be 4 at least",
    ),
    (
        "$2y$05$kPGIMpNU43cJaQkB8u/ni_82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: a character that no salt or checksum has",
    ),
    // the salt's last digit with a bit that it has no room for
    (
        "$2y$05$kPGIMpNU43cJaQkB8u/ni/82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.",
        "damaged bcrypt hash: a character that no salt or checksum has",
    ),
    ("{SHA}", "damaged {SHA} hash: it has to have 28 characters of base 64"),
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ", "damaged {SHA} hash: not base 64"),
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfR=", "damaged {SHA} hash: not base 64"),
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ= ", "damaged {SHA} hash: not base 64"),
    ("{SHA}5en6G6MezRroT3XKqkdPOmY/", "damaged {SHA} hash: it has to have 28 characters of base 64"),
    (
        "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "damaged {SSHA} hash: it has to be a digest of 20 bytes and a salt of 1 to 64",
    ),
    ("$argon2id$", "damaged argon2 hash: it has to have a version, costs, a salt and a tag"),
    (
        "$argon2x$v=19$m=64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the variants are argon2i, argon2d and argon2id",
    ),
    (
        "$argon2id$v=20$m=64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the versions are 16 and 19",
    ),
    (
        "$argon2id$v=19$t=2,m=64,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the costs have to be m=, t= and p=",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=1,keyid=AA$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the costs have to be m=, t= and p=",
    ),
    (
        "$argon2id$v=19$m=+64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the costs have to be m=, t= and p=",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=9$c29tZXNhbHQ$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: m has to be 8 times p at least, t and p at least 1",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXM$NwLSKyqrGIiZOR0o1xAodvQbqYvoClGXx5cYXiW9kDY",
        "damaged argon2 hash: the salt has to be 8 to 64 bytes in base 64",
    ),
    (
        "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$NwLSKyqrGIg",
        "damaged argon2 hash: the tag has to be 12 to 64 bytes in base 64",
    ),
];

fn parse(text: &str) -> StoredHash {
    StoredHash::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn hashes_of_the_real_tools_verify_their_password_and_no_other() {
    for (text, password, scheme) in VECTORS {
        let hash = parse(text);
        assert_eq!(hash.verify(password.as_bytes()), Ok(true), "{text}");
        for wrong in [format!("{password}x"), format!(" {password}"), "Secret".into(), "secre".into()] {
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
    for (text, accepted) in cases {
        match StoredHash::parse(text.as_bytes()) {
            Ok(_) => assert!(accepted, "{text}"),
            Err(HashError::TooCostly { .. }) => assert!(!accepted, "{text}"),
            Err(other) => panic!("{text}: {other}"),
        }
    }
}

#[test]
fn argon2_without_a_version_is_version_16() {
    // The crate's default is 19: with it the right password was "wrong".
    let text = "$argon2i$m=64,t=2,p=1$c29tZXNhbHQ$wMhGta4OOeBeTLxl/smECG1VJTYXxA7lfQdxZZUccIQ";
    assert_eq!(parse(text).verify(b"secret"), Ok(true));
    assert_eq!(parse(text).verify(b"Secret"), Ok(false));
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

#[test]
fn bcrypt_sees_72_bytes_of_a_password_as_every_htpasswd_does() {
    // perl -e 'print crypt("a" x 80, q($2y$04$abcdefghijklmnopqrstuu))'
    let hash = parse("$2y$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe");
    assert_eq!(hash.verify(&[b'a'; 72]), Ok(true));
    assert_eq!(hash.verify(&[b'a'; 80]), Ok(true));
    assert_eq!(hash.verify(&[b'a'; 71]), Ok(false));
}

#[test]
fn weak_hashes_are_said_to_be_weak_and_strong_ones_are_not() {
    let argon2 = |costs: &str| format!("$argon2id$v=19${costs}$c29tZXNhbHQ$kNVOa6zX+DFpW6ff3fg9BQ");
    let bcrypt = |mark: &str| format!("${mark}$kPGIMpNU43cJaQkB8u/ni.82aDC0KBQMIa4BS/nx5u1vqgTnhOEm.");
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
        mark in prop::sample::select(vec!["$apr1$", "$2y$", "$2y$05$", "{SHA}", "{SSHA}", "$argon2id$", "$argon2i$v=19$m="]),
        tail in "[ -~é]{0,80}",
    ) {
        let _ = StoredHash::parse(format!("{mark}{tail}").as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

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
