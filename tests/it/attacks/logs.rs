//! Lines of a log that somebody else wrote, and secrets that stand in one.

use super::{pair, sent};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::eventually;
use crate::tools::login;

/// Waits for as many access lines and returns them.
fn lines(gate: &Gate, count: usize) -> Vec<String> {
    eventually("the access lines", || Some(gate.access_log()).filter(|lines| lines.len() >= count))
}

/// What a line may consist of.
fn is_plain(line: &str) -> bool {
    line.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// fail2ban#1028, fail2ban#1643, CVE-2023-28486 (sudo): a user agent or a path that ends the line, its quotes, or begins
/// one of its own.
#[test]
fn what_a_client_sends_cannot_forge_a_line() {
    let forged = r#"x" user="root" client=6.6.6.6 status=200 auth=ok"#;
    for (format, config) in [("text", ""), ("combined", "log.format = \"combined\"")] {
        let (_catcher, gate) = pair(config);
        let agents: [&[u8]; 7] = [
            forged.as_bytes(),
            br#"\" 6.6.6.6 - root [23/Nov/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1"#,
            b"caf\xc3\xa9 \xe2\x80\xa8 \xc2\x85 \xc2\x9b31m \xe2\x80\xae",
            b"\xff\xfe\x9b2J",
            b"tab\there",
            br"\x22 \n \r",
            b"",
        ];
        for agent in agents {
            let mut client = gate.connect();
            let head = format!("GET /a\"b'c\u{e4}%1b HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}");
            client.send([head.as_bytes(), b"Referer: ", agent, b"\r\nUser-Agent: ", agent, b"\r\n\r\n"].concat());
            assert_eq!(client.answer().status, 400, "an escaped control character in the path");
        }
        let lines = lines(&gate, agents.len());
        assert_eq!(lines.len(), agents.len(), "{format}: {lines:?}");
        for line in lines {
            assert!(is_plain(&line), "{format}: {line:?}");
            assert!(line.matches('"').count() % 2 == 0, "{format}: {line}");
            // Outside the quotes stands only what the gate itself wrote.
            let outside: String = line.split('"').step_by(2).collect();
            assert!(!outside.contains("root") && !outside.contains("6.6.6.6"), "{format}: {line}");
            assert!(!outside.contains("200"), "{format}: {line}");
            assert!(line.contains("127.0.0.1") && line.contains("400"), "{format}: {line}");
        }
    }
}

/// docker-fail2ban-synology#9: the address stands before anything that the client chose.
#[test]
fn the_address_stands_before_what_the_client_chose() {
    let (_catcher, gate) = pair("");
    let claims = "X-Forwarded-For: 6.6.6.6\r\nUser-Agent: client=6.6.6.6\r\n";
    assert_eq!(gate.connect().request("GET /client=6.6.6.6?client=6.6.6.6", &format!("{AS_ANNA}{claims}")).status, 404);
    let line = lines(&gate, 1).remove(0);
    assert_eq!(line.split("client=").nth(1).unwrap().split(' ').next(), Some("127.0.0.1"), "{line}");

    let (_catcher, gate) = pair("log.format = \"combined\"");
    assert_eq!(gate.connect().request("GET /", &format!("{AS_ANNA}{claims}")).status, 200);
    assert!(lines(&gate, 1)[0].starts_with("127.0.0.1 - anna ["));
}

/// A request that never becomes one still has its line, with nothing of it in that line.
#[test]
fn control_characters_never_get_as_far_as_a_log() {
    let (_catcher, gate) = pair("");
    for line in [&b"User-Agent: \x1b[2J\x1b]0;owned\x07\r\n"[..], b"User-Agent: a\0b\r\n", b"User-Agent: a\rb\r\n"] {
        let bytes = [b"GET /forged HTTP/1.1\r\nHost: a\r\n", AS_ANNA.as_bytes(), line, b"\r\n"].concat();
        assert_eq!(sent(&gate, bytes).unwrap().status, 400);
    }
    for line in lines(&gate, 3) {
        assert!(is_plain(&line) && line.contains("status=400") && !line.contains("forged"), "{line:?}");
    }
    assert!(gate.log().iter().all(|line| is_plain(line)), "{:?}", gate.log());
}

/// People type passwords into the wrong field: the name of a user who does not exist is written nowhere, and no password,
/// no token, no query ever is.
#[test]
fn no_log_holds_what_may_be_a_secret() {
    for config in ["", "log.format = \"combined\"", "log.level = \"trace\""] {
        let (_catcher, gate) = pair(config);
        let fields = [
            login("hunter2-typed-as-name", "x"),
            login("anna", "hunter2-wrong"),
            login("anna\u{1}hunter2", "x"),
            login("anna", format!("hunter2{}", "x".repeat(600))),
            "Authorization: Bearer hunter2\r\n".to_owned(),
            "Authorization: Basic hunter2\r\n".to_owned(),
            format!("{AS_ANNA}Cookie: session=hunter2\r\nX-Api-Key: hunter2\r\n"),
        ];
        for fields in &fields {
            gate.connect().request("GET /messages?token=hunter2", fields);
        }
        let unparsed =
            format!("GET /messages?hunter2 HTTP/1.1\r\nHost: a\r\nAuthorization: hunter2\0\r\n{AS_ANNA}\r\n");
        sent(&gate, unparsed);
        let access = lines(&gate, fields.len() + 1);
        let encoded = login("hunter2-typed-as-name", "x");
        let token = encoded.trim_start_matches("Authorization: Basic ").trim();
        for line in access.iter().chain(&gate.log()) {
            assert!(!line.contains("hunter2") && !line.contains(token), "{config}: {line}");
            assert!(!line.contains("secret") && !line.contains("YW5uYTpzZWNyZXQ"), "{config}: {line}");
        }
    }
}

/// caddy#3363: no credentials, a wrong password and an unknown user are different events, and only a user who exists is
/// named.
#[test]
fn refusals_are_told_apart_and_only_known_users_named() {
    let (_catcher, gate) = pair("");
    for (fields, event, named) in [
        (String::new(), "auth=no-credentials", false),
        (login("anna", "wrong"), "auth=wrong-password", true),
        (login("mallory", "secret"), "auth=unknown-user", false),
        ("Authorization: Basic ?\r\n".to_owned(), "auth=malformed", false),
    ] {
        assert_eq!(gate.connect().request("GET /", &fields).status, 401);
        let line = gate.access_line(|line| line.contains(event));
        assert_eq!(line.contains(r#"user="anna""#), named, "{line}");
        assert!(!line.contains("mallory"), "{line}");
    }
}

/// A name from the users file is escaped like the rest: who may write there may still not write lines.
#[test]
fn a_user_name_cannot_forge_a_line() {
    let name = "x\" 200 \u{e4}\\ root";
    for config in ["", "log.format = \"combined\""] {
        let catcher = Catcher::start(Options::default());
        let users = format!("{name}:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
        let gate = Gate::to(catcher.http_addr()).users(&users).config(config).start();
        assert_eq!(gate.connect().request("GET /", &login(name, "secret")).status, 200);
        assert_eq!(gate.connect().request("GET /", &login(name, "wrong")).status, 401);
        for line in lines(&gate, 2) {
            assert!(is_plain(&line) && line.matches('"').count() % 2 == 0, "{config}: {line:?}");
            assert!(line.contains(r"\x22") && line.contains(r"\xC3\xA4") && line.contains(r"\x5C"), "{line}");
        }
    }
}
