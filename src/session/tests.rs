//! What cookies are worth: to whom they were given, there and then, and nothing else.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::client_addr::Peer;

const NOW: Seconds = Seconds(1_800_000_000);
const AGENT: &[u8] = b"Mozilla/5.0 (Macintosh) Version/18.0 Safari/605.1.15";

static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::of(&[7; 64]));
static USERS: LazyLock<Users> = LazyLock::new(|| users("5en6G6MezRroT3XKqkdPOmY/BfQ="));

/// Two users who have the same password, as far as their hashes say.
fn users(hash: &str) -> Users {
    Users::parse(format!("anna:{{SHA}}{hash}\nben:{{SHA}}{hash}\nj\u{f6}rg:{{SHA}}{hash}\n").as_bytes())
}

fn user(name: &str) -> &'static Arc<User> {
    USERS.get(name.as_bytes()).unwrap()
}

fn at(addr: &str) -> Prefix {
    Prefix::of(if addr == "unix" { Peer::Unix } else { Peer::Tcp(addr.parse().unwrap()) })
}

fn ticket() -> String {
    Ticket::issue(&SIGNER, user("anna"), at("192.0.2.7"), AGENT, NOW)
}

/// Whose a ticket is, with these users, at this address, by this browser, so many seconds later.
fn opens(text: &[u8], users: &Users, addr: &str, agent: &[u8], later: i64) -> Option<String> {
    let now = Seconds(NOW.0.checked_add_signed(later).unwrap());
    Ticket::read(text)?.user(&SIGNER, users, at(addr), agent, now).map(|user| user.name().to_string())
}

fn opens_now(text: &[u8]) -> Option<String> {
    opens(text, &USERS, "192.0.2.7", AGENT, 0)
}

fn session() -> (String, SessionId) {
    let id = SessionId { issued: NOW, random: [3; 16] };
    (Session::issue(&SIGNER, user("anna"), id), id)
}

fn holds(text: &[u8], users: &Users, later: i64) -> Option<(String, SessionId)> {
    let now = Seconds(NOW.0.checked_add_signed(later).unwrap());
    Session::read(text)?.user(&SIGNER, users, now).map(|(user, id)| (user.name().to_string(), id))
}

#[test]
fn a_ticket_is_its_users() {
    assert_eq!(opens_now(ticket().as_bytes()).as_deref(), Some("anna"));
    let of_jorg = Ticket::issue(&SIGNER, user("j\u{f6}rg"), at("192.0.2.7"), AGENT, NOW);
    assert_eq!(opens_now(of_jorg.as_bytes()).as_deref(), Some("j\u{f6}rg"));
}

#[test]
fn a_ticket_is_good_for_five_minutes() {
    for (later, expected) in [(-61, false), (-60, true), (0, true), (299, true), (300, false), (86_400, false)] {
        assert_eq!(opens(ticket().as_bytes(), &USERS, "192.0.2.7", AGENT, later).is_some(), expected, "{later}");
    }
}

#[test]
fn a_ticket_is_good_at_its_own_prefix_only() {
    for (given, used, expected) in [
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false),
        ("2001:db8::1", "2001:db8::ffff:1", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("192.0.2.7", "2001:db8::1", false),
        ("unix", "unix", true),
        ("192.0.2.7", "unix", false),
        ("0.0.0.0", "unix", false),
        ("::", "0.0.0.0", false),
    ] {
        let text = Ticket::issue(&SIGNER, user("anna"), at(given), AGENT, NOW);
        assert_eq!(opens(text.as_bytes(), &USERS, used, AGENT, 0).is_some(), expected, "{given} {used}");
    }
}

#[test]
fn a_ticket_is_good_in_its_own_browser_only() {
    for agent in [&b""[..], b"Mozilla/5.0", &AGENT[1..], b"curl/8"] {
        assert_eq!(opens(ticket().as_bytes(), &USERS, "192.0.2.7", agent, 0), None);
    }
}

#[test]
fn a_changed_password_ends_ticket_and_session_and_so_does_a_removed_user() {
    let (text, id) = session();
    assert_eq!(holds(text.as_bytes(), &USERS, 0), Some(("anna".to_owned(), id)));
    for other in [users("0JQeaNqPOBUf+Gph/Fn3xc+fyqI="), Users::parse(b"ben:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")] {
        assert_eq!(opens(ticket().as_bytes(), &other, "192.0.2.7", AGENT, 0), None);
        assert_eq!(holds(text.as_bytes(), &other, 0), None);
    }
}

#[test]
fn a_session_lasts_twelve_hours() {
    let (text, _) = session();
    for (later, expected) in [(-61, false), (0, true), (43_199, true), (43_200, false)] {
        assert_eq!(holds(text.as_bytes(), &USERS, later).is_some(), expected, "{later}");
    }
}

#[test]
fn neither_passes_for_the_other_and_another_key_signs_neither() {
    let (session, id) = session();
    assert_eq!(holds(ticket().as_bytes(), &USERS, 0), None);
    assert_eq!(opens_now(session.as_bytes()), None);
    let other = Signer::of(&[8; 64]);
    let foreign = Ticket::issue(&other, user("anna"), at("192.0.2.7"), AGENT, NOW);
    assert_eq!(opens_now(foreign.as_bytes()), None);
    assert_eq!(holds(Session::issue(&other, user("anna"), id).as_bytes(), &USERS, 0), None);
}

#[test]
fn a_ticket_is_renewed_when_it_is_a_minute_old_or_somebody_elses() {
    let text = ticket();
    let fresh = |name: &str, later| {
        Ticket::read(text.as_bytes()).unwrap().seems_fresh(user(name).name(), Seconds(NOW.0 + later))
    };
    assert!(fresh("anna", 0) && fresh("anna", 59));
    assert!(!fresh("anna", 60) && !fresh("ben", 0));
    let given = Given::new(user("anna").name().clone(), Peer::Unix, NOW);
    let again = |name: &str, client, later| given.is_fresh(user(name).name(), client, Seconds(NOW.0 + later));
    assert!(again("anna", Peer::Unix, 59));
    assert!(!again("anna", Peer::Unix, 60) && !again("ben", Peer::Unix, 0));
    assert!(!again("anna", Peer::Tcp("192.0.2.7".parse().unwrap()), 0));
}

#[test]
fn a_session_that_was_ended_is_ended_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::new(dir.path()).unwrap();
    assert_eq!(sessions.begin(user("anna"), NOW), None, "without a key");
    sessions.ready(NOW).unwrap();
    let [one, other] = [(); 2].map(|()| sessions.begin(user("anna"), NOW).unwrap());
    assert_ne!(one, other);
    let who = sessions.find(one.as_bytes(), &USERS, NOW).unwrap();
    assert!(sessions.goes_on(&who, NOW));
    assert!(!sessions.goes_on(&who, Seconds(NOW.0 + token::LIFETIME)), "over by itself, and so is its socket");
    sessions.end(&who);
    assert!(!sessions.goes_on(&who, NOW));
    assert!(sessions.find(one.as_bytes(), &USERS, NOW).is_none());
    assert!(sessions.find(other.as_bytes(), &USERS, NOW).is_some());
    // A password and a ticket have nothing to end.
    let by_ticket = of_ticket(user("anna"));
    sessions.end(&by_ticket);
    assert!(sessions.goes_on(&by_ticket, NOW));
}

proptest! {
    #[test]
    fn no_bytes_panic_and_none_let_in(bytes: Vec<u8>, text in "[A-Za-z0-9_-]{0,200}") {
        for value in [bytes.as_slice(), text.as_bytes()] {
            prop_assert_eq!(opens_now(value), None);
            prop_assert_eq!(holds(value, &USERS, 0), None);
            if let Some(ticket) = Ticket::read(value) {
                let _ = ticket.seems_fresh(user("anna").name(), NOW);
            }
        }
    }

    #[test]
    fn a_changed_letter_anywhere_is_refused(at: proptest::sample::Index, letter in any::<u8>()) {
        for text in [ticket(), session().0] {
            let mut bytes = text.clone().into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != letter);
            bytes[at] = letter;
            prop_assert_eq!(opens_now(&bytes), None);
            prop_assert_eq!(holds(&bytes, &USERS, 0), None);
        }
    }

    #[test]
    fn a_value_that_was_cut_or_added_to_is_refused(at: proptest::sample::Index, more in "[A-Za-z0-9_=-]{1,9}") {
        for text in [ticket(), session().0] {
            let cut = at.index(text.len());
            for other in [text[..cut].to_owned(), format!("{text}{more}"), format!("{more}{text}")] {
                prop_assert_eq!(opens_now(other.as_bytes()), None);
                prop_assert_eq!(holds(other.as_bytes(), &USERS, 0), None);
            }
        }
    }
}
