//! Spellings of a path that mean another one.

use super::{pair, sent, untouched};
use crate::support::catcher::{Catcher, Options, Recorded};
use crate::support::gate::{AS_ANNA, Gate, patience};

/// Every spelling of `DELETE /` that ends the real MailCatcher (its path cleaning, and thin's reading of targets), and what
/// the gate answers to a user without the permission: 403 where the form has one meaning, 400 where it has none.
const QUITS: [(&str, u16); 34] = [
    ("/", 403),
    ("//", 403),
    ("///", 403),
    ("/./", 403),
    ("/.", 403),
    ("/.//", 403),
    ("/x/..", 403),
    ("/x/../", 403),
    ("/..", 403),
    ("/../..", 403),
    ("/%2e", 403),
    ("/%2E", 403),
    ("/%2e/", 403),
    ("/%2e%2e/", 403),
    ("/.%2e", 403),
    ("/x/%2E.", 403),
    ("/messages/..", 403),
    ("/messages/%2e%2e", 403),
    ("/messages/1/../..", 403),
    ("/assets/../", 403),
    ("/?a=b", 403),
    ("/?", 403),
    ("//?/messages", 403),
    ("/#f", 403),
    ("http://dev.test/", 403),
    ("http://dev.test", 403),
    ("http://u:p@dev.test//", 403),
    ("/%2F", 400),
    ("/%2f%2e%2e", 400),
    ("/messages%2f..", 400),
    ("/\\", 400),
    ("/%5c", 400),
    ("/%5C..\\", 400),
    ("*", 400),
];

fn delete(target: &str) -> String {
    format!("DELETE {target} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n")
}

/// MailCatcher's tracker #92, #211 and #362, and its own `--no-quit`: no spelling of `DELETE /` is decided or forwarded as
/// anything but quit.
#[test]
fn no_spelling_of_quit_gets_past_the_permission() {
    let (catcher, gate) = pair("");
    for (target, status) in QUITS {
        let answer = sent(&gate, delete(target)).unwrap_or_else(|| panic!("{target}: no answer"));
        assert_eq!(answer.status, status, "{target}");
        untouched(&catcher, target);
    }
}

/// With the permission the same spellings quit, or are refused for their form; and what the catcher gets has one form.
#[test]
fn with_the_permission_every_spelling_is_quit_or_refused() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"access.default = ["view", "delete", "clear", "quit"]"#).start();
    for (target, without) in QUITS {
        let before = catcher.requests().len();
        let answer = sent(&gate, delete(target)).unwrap_or_else(|| panic!("{target}: no answer"));
        if without == 400 {
            assert_eq!(answer.status, 400, "{target}");
            assert_eq!(catcher.requests().len(), before, "{target}");
            continue;
        }
        assert_eq!(answer.status, 204, "{target}");
        assert!(catcher.wait_until(patience(), |state| state.quit), "{target}");
        let new: Vec<Recorded> = catcher.requests().split_off(before);
        assert_eq!(new.len(), 1, "{target}");
        assert_eq!((&*new[0].method, &*new[0].target), ("DELETE", "/"), "{target}");
        catcher.restart();
    }
}

/// CVE-2025-32431, CVE-2026-40912, CVE-2026-48020, CVE-2026-65600 and GHSA-gm3x-23wp-hc2c (Traefik), CVE-2026-27587 and
/// -27588 (Caddy): the rule reads one path and the backend another. Here a user may view only.
#[test]
fn no_spelling_of_clear_or_delete_gets_past_the_permission() {
    let (catcher, gate) = pair(r#"access.default = ["view"]"#);
    for target in [
        "/messages",
        "//messages",
        "/./messages",
        "/x/../messages",
        "/%6dessages",
        "/%6D%65ssages?x",
        "/messages?_method=GET",
        "/messages#x",
        "/messages/.",
        "/messages/",
        "/messages//",
        "http://dev.test/messages",
        "/messages;x",
        "/messages%00",
        "/messages%20",
        "/MESSAGES",
        "/messages/1",
        "/messages//1",
        "/messages/%31",
        "/messages/x/../1",
        "/%6dessages/1?x=.json",
        "/messages/1abc",
        "/messages/1%00",
        "/messages/1;x",
        "/messages/01",
        "/messages%2F1",
        "/messages\\1",
        "/assets/../messages/1",
        "/assets/%2e%2e/messages",
        "/assets/..%2fmessages",
        "/favicon.ico/../messages",
        "/messages/1/parts/../../1",
        "/messages/1/parts/..%2f..%2f1",
    ] {
        let answer = sent(&gate, delete(target)).unwrap_or_else(|| panic!("{target}: no answer"));
        assert!([400, 403, 404, 405].contains(&answer.status), "{target}: {}", answer.status);
        untouched(&catcher, target);
    }
}

/// MailCatcher reads only the leading digits of an id: `DELETE /messages/1abc` deletes 1.
#[test]
fn an_id_with_anything_behind_it_deletes_nothing() {
    let (catcher, gate) = pair("");
    for target in [
        "/messages/1abc",
        "/messages/1-2",
        "/messages/1%20",
        "/messages/1%2C2",
        "/messages/1%00",
        "/messages/1%2F",
        "/messages/+1",
        "/messages/%2B1",
        "/messages/-1",
        "/messages/1e0",
        "/messages/0x1",
        "/messages/%D9%A1",
    ] {
        assert_eq!(sent(&gate, delete(target)).unwrap().status, 400, "{target}");
        untouched(&catcher, target);
    }
    for target in ["/messages/99999999999999999999", "/messages/", "/messages/1/2", "/messages/1/parts"] {
        let status = sent(&gate, delete(target)).unwrap().status;
        assert!([400, 404, 405].contains(&status), "{target}: {status}");
        untouched(&catcher, target);
    }
    // The number itself is what it is, in any spelling of its digits.
    assert_eq!(sent(&gate, delete("/messages/%31?x")).unwrap().status, 204);
    assert!(catcher.message_ids().is_empty());
    assert_eq!(catcher.requests()[0].target, "/messages/1");
}

/// What was decided is what is forwarded: every spelling of a read arrives in the one form, without its query.
#[test]
fn the_catcher_gets_one_spelling_of_a_path() {
    let (catcher, gate) = pair("");
    for (target, want) in [
        ("//messages", "/messages"),
        ("/./x/../messages?a=b", "/messages"),
        ("/%6dessages#f", "/messages"),
        ("/messages/%31.%6ason", "/messages/1.json"),
        ("/messages/1/parts/a%40b%7e", "/messages/1/parts/a%40b~"),
        ("/messages/1/parts/a%2fb", "/messages/1/parts/a%2Fb"),
        ("/messages/1/parts/%3Cx%3E", "/messages/1/parts/%3Cx%3E"),
        ("/messages/1/parts/\u{e4}", "/messages/1/parts/%C3%A4"),
        ("/assets/x/../mailcatcher.js", "/assets/mailcatcher.js"),
        ("/..//", "/"),
    ] {
        sent(&gate, format!("GET {target} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n")).unwrap();
        assert_eq!(catcher.requests().pop().unwrap().target, want, "{target}");
    }
}

/// Traefik's advice after CVE-2025-32431, and CVE-2023-25690 (Apache: a decoded CRLF in a path split the request): what is
/// not read in one way only is refused.
#[test]
fn a_path_that_two_programs_read_differently_is_refused() {
    let (catcher, gate) = pair("");
    for target in [
        "/messages%2F1.json",
        "/messages%2f",
        "/assets/a%2Fb",
        "/messages\\",
        "/messages%5c..",
        "/messages/1/parts/..%2F..%2F..%2F",
        "/messages/1/parts/%2e%2e%2f",
        "/messages%00",
        "/messages%0d%0aX-Forwarded-User:%20root",
        "/%0d%0a%0d%0aDELETE%20/",
        "/messages%",
        "/messages%4",
        "/messages%zz",
        "/messages%u002f",
        "/messages%7f",
        "/\u{7f}",
    ] {
        let answer = sent(&gate, format!("GET {target} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n"));
        let answer = answer.unwrap_or_else(|| panic!("{target}: no answer"));
        assert_eq!(answer.status, 400, "{target}");
        untouched(&catcher, target);
    }
    let mut invalid = b"GET /messages/\xff\xfe HTTP/1.1\r\nHost: dev.test\r\n".to_vec();
    invalid.extend_from_slice(format!("{AS_ANNA}\r\n").as_bytes());
    assert_eq!(sent(&gate, invalid).unwrap().status, 400);
    untouched(&catcher, "not UTF-8");
}

/// CVE-2026-27587 and -27588 (Caddy): a rule by the letter, a backend that folds case. Here what is not exactly a route is
/// none.
#[test]
fn another_case_is_another_path() {
    let (catcher, gate) = pair("");
    for target in ["/Messages", "/MESSAGES/1.json", "/messages/1.JSON", "/Assets/mailcatcher.js", "/FAVICON.ICO"] {
        let answer = sent(&gate, format!("GET {target} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n")).unwrap();
        assert_eq!(answer.status, 404, "{target}");
    }
    untouched(&catcher, "case");
}

/// Rails, Rack and many another backend take the method from elsewhere when they are asked to.
#[test]
fn a_method_comes_from_the_request_line_only() {
    let (catcher, gate) = pair(r#"access.default = ["view"]"#);
    let overrides = "X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\nX-Method-Override: DELETE\r\n\
                     Content-Type: application/x-www-form-urlencoded\r\n";
    for (line, status) in
        [("GET /messages?_method=DELETE", 200), ("POST /messages?_method=DELETE", 405), ("POST /", 405)]
    {
        let body = "_method=DELETE";
        let answer = sent(
            &gate,
            format!(
                "{line} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}{overrides}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        assert_eq!(answer.unwrap().status, status, "{line}");
    }
    for seen in catcher.requests() {
        assert_eq!((&*seen.method, &*seen.target, seen.body.len()), ("GET", "/messages", 0));
    }
    assert_eq!(catcher.message_ids(), [1]);
}

/// The same where the catcher is not known: who may only read cannot have his read taken for a write.
#[test]
fn a_read_carries_no_other_method_to_a_generic_catcher() {
    let (catcher, gate) = pair("upstream.catcher = \"generic\"");
    for method in ["GET", "POST"] {
        let fields = "X-HTTP-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\nX-Method-Override: DELETE\r\n";
        sent(&gate, format!("{method} /x HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}{fields}\r\n")).unwrap();
    }
    let carried: Vec<usize> = catcher
        .requests()
        .iter()
        .map(|seen| {
            seen.values("x-http-method-override").len()
                + seen.values("x-http-method").len()
                + seen.values("x-method-override").len()
        })
        .collect();
    // A write is permitted as one, and a form that says DELETE so is one of those.
    assert_eq!(carried, [0, 3]);
}

/// A generic catcher gets the canonical path as well: what is a write by its method stays one in every spelling.
#[test]
fn a_generic_catcher_gets_no_path_that_climbs() {
    let (catcher, gate) = pair("upstream.catcher = \"generic\"");
    for (target, want) in [
        ("/a/../b", Some("/b")),
        ("/a/%2e%2e/b", Some("/b")),
        ("/../../b", Some("/b")),
        ("/a//b", Some("/a//b")),
        ("/a%2Fb?x=../..", Some("/a%2Fb?x=../..")),
        ("/a%2F..%2Fb", None),
        ("/..%2F", None),
        ("/a\\..\\b", None),
        ("/a%00", None),
    ] {
        let before = catcher.requests().len();
        let answer = sent(&gate, format!("GET {target} HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n")).unwrap();
        let seen = catcher.requests().split_off(before);
        match want {
            Some(want) => assert_eq!(seen[0].target, want, "{target}"),
            None => assert_eq!((answer.status, seen.len()), (400, 0), "{target}"),
        }
    }
}
