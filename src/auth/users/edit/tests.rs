use proptest::prelude::*;

use super::*;

const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="; // htpasswd -nbs alice secret
const APR1: &str = "$apr1$x$12YdXEY0/hH4rDNkmZupO0"; // openssl passwd -apr1 -salt x secret

fn changed(file: &str, name: &str, change: Change<'_>) -> String {
    String::from_utf8(edit(file.as_bytes(), name.as_bytes(), change).unwrap().content.to_vec()).unwrap()
}

#[test]
fn a_new_line_comes_last_and_ends_as_the_others_do() {
    let cases = [
        ("", "bob:H\n"),
        ("\u{feff}", "\u{feff}bob:H\n"),
        ("a:H\n", "a:H\nbob:H\n"),
        ("a:H", "a:H\nbob:H\n"),
        ("a:H\r\n", "a:H\r\nbob:H\r\n"),
        ("b:H\na:H\r\nc:H", "b:H\na:H\r\nc:H\r\nbob:H\r\n"),
        ("# only a comment, and bob:H", "# only a comment, and bob:H\nbob:H\n"),
        ("\n\n", "\n\nbob:H\n"),
        (" bob:H\n#bob:H\nbobby:H\nbo:H\n", " bob:H\n#bob:H\nbobby:H\nbo:H\nbob:H\n"),
    ];
    for (before, after) in cases {
        let (before, after) = (before.replace('H', SHA), after.replace('H', SHA));
        assert_eq!(changed(&before, "bob", Change::Add(SHA)), after, "{before:?}");
    }
}

#[test]
fn a_new_hash_goes_into_the_first_line_and_leaves_all_else() {
    let file = format!(
        "\u{feff}bob:{SHA}:Bob, second floor:4\r\n# bob:{SHA}\r\n\r\nalice:{SHA} \nbob:{SHA}\nrubbish\nbob:junk"
    );
    let edited = edit(file.as_bytes(), b"bob", Change::Rehash(APR1)).unwrap();
    assert_eq!(*edited.content, file.replacen(SHA, APR1, 1).into_bytes());
    assert_eq!((edited.lines, edited.left), (vec![1], vec![5, 7]));
    // White space behind a hash, an empty hash, a locked user, a last line without an end, a password not hashed.
    for line in [format!("bob:{SHA} \t"), "bob:".to_owned(), "bob:*".to_owned(), "bob:{PLAIN}a ".to_owned()] {
        assert_eq!(changed(&line, "bob", Change::Rehash(APR1)), format!("bob:{APR1}"));
    }
    assert_eq!(changed("bob::third", "bob", Change::Rehash(APR1)), format!("bob:{APR1}:third"));
}

#[test]
fn all_of_a_users_lines_are_removed() {
    let file = format!("bob:{SHA}\r\nalice:{SHA}\n#bob:{SHA}\nbob:junk\n\nbob:{APR1}:third");
    let edited = edit(file.as_bytes(), b"bob", Change::Remove).unwrap();
    assert_eq!(*edited.content, format!("alice:{SHA}\n#bob:{SHA}\n\n").into_bytes());
    assert_eq!(edited.lines, [1, 4, 6]);
    assert_eq!(changed(&format!("\u{feff}bob:{SHA}\n"), "bob", Change::Remove), "\u{feff}");
}

#[test]
fn who_is_there_is_not_added_and_who_is_not_is_not_changed() {
    let file = format!("# users\nlocked:*\nbob:{SHA}\n");
    let why = |name: &str, change| edit(file.as_bytes(), name.as_bytes(), change).unwrap_err();
    assert_eq!(why("bob", Change::Add(SHA)), EditError::Exists { line: 3 });
    assert_eq!(why("locked", Change::Add(SHA)), EditError::Exists { line: 2 });
    assert_eq!(why("Bob", Change::Rehash(SHA)), EditError::NoSuchUser);
    assert_eq!(why("# users", Change::Remove), EditError::NoSuchUser);
}

#[test]
fn what_would_not_be_read_is_not_written() {
    let long = format!("bob:{SHA}:{}", "x".repeat(9000));
    let why = edit(long.as_bytes(), b"bob", Change::Rehash(APR1)).unwrap_err();
    assert_eq!(why, EditError::NotRead("line 1: user bob: longer than 8 KiB".to_owned()));
    let why = edit(b"", b"bob", Change::Add("hunter2")).unwrap_err();
    assert!(matches!(&why, EditError::NotRead(text) if !text.contains("hunter2")), "{why}");
    let large = vec![b'\n'; MAX_FILE as usize];
    assert_eq!(edit(&large, b"bob", Change::Add(SHA)).unwrap_err(), EditError::TooLarge);
}

#[test]
fn a_name_is_taken_exactly_when_the_reader_takes_it() {
    for good in [&b"anna"[..], "jörg 李".as_bytes(), b"j\xf6rg", b"two words", b"a#b", &[b'n'; 255]] {
        assert_eq!(check_name(good), Ok(()));
    }
    for (bad, why) in [
        (&b""[..], "is empty"),
        (b" ", "has a space before or after it"),
        (b"a:b", "has a colon"),
        (b"#a", "begins with #, which makes a comment of its line"),
        (b" a", "has a space before or after it"),
        (b"a ", "has a space before or after it"),
        (b"a\nb", "has a control character"),
        (b"a\x7fb", "has a control character"),
        (b"\xef\xbb\xbfa", "begins with a byte order mark"),
        (&[b'n'; 256], "is longer than 255 bytes"),
    ] {
        assert_eq!(check_name(bad), Err(why));
    }
}

/// Pieces of lines that mean something, in any order.
fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"bob".to_vec()),
        Just(b"alice".to_vec()),
        Just(b":".to_vec()),
        Just(SHA.as_bytes().to_vec()),
        Just(APR1.as_bytes().to_vec()),
        Just(b"{PLAIN}pw".to_vec()),
        Just(b"bob:*".to_vec()),
        Just(format!("\nbob:{SHA}").into_bytes()),
        Just(format!("\nalice:{SHA}").into_bytes()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"#".to_vec()),
        Just(b" ".to_vec()),
        Just(BYTE_ORDER_MARK.to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

/// What the reader makes of a file for everybody but bob: hashes of users, and names that are refused.
fn others(file: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let users = Users::parse_with(file, Plaintext::Accepted);
    let read = users.iter().map(|user| (user.name().as_bytes().to_vec(), user.hash().as_bytes().to_vec()));
    let refused = users.refused.iter().map(|name| (name.as_bytes().to_vec(), Vec::new()));
    let mut all: Vec<_> = read.chain(refused).filter(|(name, _)| name != b"bob").collect();
    all.sort();
    all
}

fn has_bob(file: &[u8]) -> bool {
    let users = Users::parse_with(file, Plaintext::Accepted);
    users.get(b"bob").is_some() || users.refused(b"bob").is_some()
}

/// The lines without their ends, but for bob's.
fn lines_but_bobs(file: &[u8]) -> Vec<&[u8]> {
    let all = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file).split_inclusive(|&byte| byte == b'\n');
    all.filter(|line| !line.starts_with(b"bob:")).collect()
}

proptest! {
    #[test]
    fn an_added_user_is_read_and_nothing_else_is_changed(file in any_file()) {
        match edit(&file, b"bob", Change::Add(APR1)) {
            Ok(edited) => {
                prop_assert!(!has_bob(&file));
                prop_assert!(edited.content.starts_with(&file), "what was there is the beginning");
                prop_assert_eq!(others(&edited.content), others(&file));
                let users = Users::parse(&edited.content);
                prop_assert_eq!(users.get(b"bob").unwrap().hash().as_bytes(), APR1.as_bytes());
                prop_assert_eq!(users.get(b"bob").unwrap().line(), edited.lines[0]);
                // And back again.
                let removed = edit(&edited.content, b"bob", Change::Remove).unwrap().content;
                prop_assert!(removed.starts_with(&file) && removed.len() <= file.len() + 2);
            }
            Err(error) => prop_assert!(matches!(error, EditError::Exists { .. }) && has_bob(&file), "{}", error),
        }
    }

    #[test]
    fn a_rehashed_user_has_the_hash_and_no_other_byte_is_changed(file in any_file()) {
        match edit(&file, b"bob", Change::Rehash(APR1)) {
            Ok(edited) => {
                let at = file.iter().zip(edited.content.iter()).take_while(|(before, after)| before == after).count();
                let before: Vec<u8> = file[at..].iter().rev().copied().collect();
                let after: Vec<u8> = edited.content[at..].iter().rev().copied().collect();
                let same = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
                prop_assert!(after.len() - same <= APR1.len(), "one hash and no more");
                prop_assert!(!file[at..file.len() - same].contains(&b'\n'), "within one line");
                prop_assert_eq!(lines_but_bobs(&edited.content), lines_but_bobs(&file));
                prop_assert_eq!(others(&edited.content), others(&file));
                let users = Users::parse(&edited.content);
                prop_assert_eq!(users.get(b"bob").unwrap().hash().as_bytes(), APR1.as_bytes());
            }
            Err(error) => prop_assert!(error == EditError::NoSuchUser && !has_bob(&file), "{}", error),
        }
    }

    #[test]
    fn of_a_removed_user_nothing_is_left_and_of_the_others_everything(file in any_file()) {
        match edit(&file, b"bob", Change::Remove) {
            Ok(edited) => {
                prop_assert!(!has_bob(&edited.content));
                prop_assert_eq!(lines_but_bobs(&edited.content), lines_but_bobs(&file));
                prop_assert_eq!(others(&edited.content), others(&file));
            }
            Err(EditError::NotRead(_)) => prop_assert!(file.windows(3).any(|bytes| bytes == BYTE_ORDER_MARK)),
            Err(error) => prop_assert!(error == EditError::NoSuchUser && !has_bob(&file), "{}", error),
        }
    }
}
