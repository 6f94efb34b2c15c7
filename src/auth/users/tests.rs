use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const SHA: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="; // htpasswd -nbs alice secret
const APR1: &str = "$apr1$x$12YdXEY0/hH4rDNkmZupO0"; // openssl passwd -apr1 -salt x secret

fn names(users: &Users) -> Vec<String> {
    users.iter().map(|user| user.name().to_string()).collect()
}

fn problems(users: &Users) -> Vec<String> {
    users.problems().iter().map(ToString::to_string).collect()
}

#[test]
fn every_manner_of_a_good_line_is_read() {
    let file = format!(
        "\u{feff}# users of the catcher\r\n\r\nalice:{SHA}\r\n  # indented\n\t\nbob:{APR1}:Bob, second floor\n\
         jörg:{SHA} \t\nwith space:{SHA}\n#carol:{SHA}\ndave:{SHA}::"
    );
    let users = Users::parse(file.as_bytes());
    assert_eq!(problems(&users), [""; 0]);
    assert_eq!(names(&users), ["alice", "bob", "jörg", "with space", "dave"]);
    assert_eq!(users.len(), 5);
    let bob = users.get(b"bob").unwrap();
    assert_eq!((bob.line(), bob.hash().as_bytes()), (6, APR1.as_bytes()));
    assert_eq!(users.get("jörg".as_bytes()).unwrap().hash().as_bytes(), SHA.as_bytes());
    assert_eq!(users.get("jörg".as_bytes()).unwrap().header_value(), &"jörg".as_bytes());
    assert!(users.get(b"Alice").is_none() && users.get(b"carol").is_none() && users.get(b"").is_none());
}

#[test]
fn a_name_need_not_be_utf_8() {
    let users = Users::parse(&[b"j\xf6rg:", SHA.as_bytes()].concat());
    assert_eq!(users.get(b"j\xf6rg").unwrap().name().to_string(), "j\\xf6rg");
}

#[test]
fn a_bad_line_refuses_itself_and_is_named_by_its_number() {
    let long = "x".repeat(9000);
    let file = format!(
        "alice:{SHA}\nno colon here\n:{SHA}\nb\x07b:{SHA}\n carol:{SHA}\ncarol :{SHA}\n{}:{SHA}\ndave:$6$salt$x\n\
         erin:hunter2\nfrank:\ngrace:{long}\nheidi:{SHA}",
        "n".repeat(256),
    );
    let users = Users::parse(file.as_bytes());
    assert_eq!(names(&users), ["alice", "heidi"]);
    assert_eq!(
        problems(&users),
        [
            "line 2: no colon between user and hash",
            "line 3: the user name is empty",
            "line 4: the user name has a control character",
            "line 5: the user name has a space before or after it",
            "line 6: the user name has a space before or after it",
            "line 7: the user name is longer than 255 bytes",
            "line 8: user dave: damaged SHA-512 crypt hash: the checksum has to have 86 characters",
            "line 9: user erin: not a known hash; a bare password is never accepted",
            "line 10: user frank: no hash stands after the colon",
            "line 11: user grace: longer than 8 KiB",
        ]
    );
}

#[test]
fn plain_text_is_read_only_where_it_is_allowed_and_to_the_end_of_its_field() {
    let file = "alice:{PLAIN}secret\nbob:{PLAIN}ends in a space \r\ncarol:{PLAIN}pass:word\ndave:secret";
    let users = Users::parse(file.as_bytes());
    assert!(users.is_empty());
    assert!(problems(&users)[..3].iter().all(|problem| problem.contains("auth.allow_plaintext")));

    let users = Users::parse_with(file.as_bytes(), Plaintext::Accepted);
    assert_eq!(names(&users), ["alice", "bob", "carol"]);
    assert_eq!(problems(&users), ["line 4: user dave: not a known hash; a bare password is never accepted"]);
    // As nginx reads it: the space counts, and a colon ends the password.
    for (name, password) in [("alice", "secret"), ("bob", "ends in a space "), ("carol", "pass")] {
        let hash = users.get(name.as_bytes()).unwrap().hash();
        assert_eq!(hash.verify(password.as_bytes()), Ok(true), "{name}");
        assert_eq!(hash.verify(password.trim_end().to_uppercase().as_bytes()), Ok(false), "{name}");
    }
    assert!(!format!("{users:?}").contains("secret"), "{users:?}");
}

#[test]
fn the_first_line_for_a_user_wins() {
    let users = Users::parse(format!("alice:{SHA}\nbob:{SHA}\nalice:{APR1}").as_bytes());
    assert_eq!(users.get(b"alice").unwrap().hash().as_bytes(), SHA.as_bytes());
    assert_eq!(names(&users), ["alice", "bob"]);
    assert_eq!(problems(&users), ["line 3: user alice: ignored, line 1 for this user comes first"]);
}

/// oauth2-proxy lets a later good line hide an earlier bad one; then a lock (`alice:!`) is undone by a stale line.
#[test]
fn a_later_good_line_does_not_hide_an_earlier_refused_one() {
    for refused in ["!", "", "$6$salt$x", &"x".repeat(9000)] {
        let users = Users::parse(format!("alice:{refused}\nalice:{SHA}").as_bytes());
        assert!(users.get(b"alice").is_none(), "{refused:.10}");
        assert!(matches!(users.problems()[1].kind, ProblemKind::Duplicate { first: 1 }));
    }
}

#[test]
fn a_mimicked_hash_is_one_of_the_users_and_without_users_there_is_none() {
    let users = Users::parse(format!("alice:{SHA}\nbob:{APR1}\ncarol:!").as_bytes());
    let picked: HashSet<_> = (0..40).map(|seed| users.mimic(seed).unwrap().as_bytes()).collect();
    assert_eq!(picked, HashSet::from([SHA, APR1].map(str::as_bytes)));
    assert!(users.mimic(u64::MAX).is_some() && users.are_mixed());
    assert!(Users::default().mimic(7).is_none() && !Users::parse(format!("a:{SHA}\nb:{SHA}").as_bytes()).are_mixed());
}

/// traefik#4917: hashes showed up in its dashboard's dump of the configuration.
#[test]
fn no_hash_shows_up_in_debug_output() {
    let shown = format!("{:?}", Users::parse(format!("alice:{SHA}\nbob:hunter2").as_bytes()));
    assert!(shown.contains("alice"), "{shown}");
    assert!(!shown.contains("5en6G6") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_file_that_is_no_users_file_does_not_fill_the_memory_with_problems() {
    let users = Users::parse("rubbish\n".repeat(5000).as_bytes());
    assert_eq!((users.problems().len(), users.unlisted_problems()), (1000, 4000));
}

proptest! {
    #[test]
    fn parse_takes_any_bytes_without_a_panic(file in prop::collection::vec(any::<u8>(), 0..2000)) {
        let users = Users::parse(&file);
        let lines = file.split(|&byte| byte == b'\n').count();
        prop_assert!(users.len() + users.problems().len() <= lines);
        prop_assert!(users.problems().iter().all(|problem| (1..=lines).contains(&problem.line)));
    }

    /// Builds a file whose every line's fate is known, and asks for exactly that.
    #[test]
    fn users_and_problems_carry_the_number_of_their_line(kinds in prop::collection::vec(0..5u8, 0..60)) {
        let (mut file, mut good, mut bad) = (String::new(), vec![], vec![]);
        for (index, kind) in kinds.iter().enumerate() {
            let line = index + 1;
            let text = match kind {
                0 => "# comment".to_owned(),
                1 => String::new(),
                2 => { bad.push(line); "junk".to_owned() }
                3 => { bad.push(line); format!("user{line}:plain") }
                _ => { good.push(line); format!("user{line}:{SHA}") }
            };
            let end = if line % 2 == 0 { "\n" } else { "\r\n" };
            file = file + &text + end;
        }
        let users = Users::parse(file.as_bytes());
        prop_assert_eq!(users.iter().map(User::line).collect::<Vec<_>>(), good);
        prop_assert_eq!(users.problems().iter().map(|problem| problem.line).collect::<Vec<_>>(), bad);
        prop_assert_eq!(users.iter().all(|user| user.name().to_string() == format!("user{}", user.line())), true);
    }
}
