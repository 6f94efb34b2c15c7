//! What other sites' pages may have a browser ask: nothing that changes anything, and no socket.
//!
//! Bytes as browsers send them; `tests/real` has the browser itself.

use crate::support::catcher::{Catcher, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::raw::Answer;
use crate::upgrade::HANDSHAKE;

/// A catcher with mail in it, and a gate before it.
fn start(config: &str) -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(200);
    let gate = Gate::to(catcher.http_addr()).config(config).start();
    (catcher, gate)
}

/// Asks by a name; with a password, as a browser does that was given one, unless the fields hold another.
fn ask(gate: &Gate, line: &str, host: &str, fields: &str) -> Answer {
    let mut client = gate.connect();
    client.send(format!("{line} HTTP/1.1\r\nHost: {host}\r\n{AS_ANNA}{fields}\r\n"));
    client.answer()
}

/// What a browser says of who began a request, and whether it may change things. At `dev.test:8080`; `app.test` is allowed
/// where `allowed_origins` says so.
const WHO: [(&str, bool, bool); 27] = [
    // A program: neither mark.
    ("", true, true),
    ("Referer: http://evil.test/\r\n", true, true),
    // By its origin alone, as to plain http on a name.
    ("Origin: http://dev.test:8080\r\n", true, true),
    ("Origin: https://dev.test:8080\r\n", true, true),
    ("Origin: http://DEV.test:8080\r\n", true, true),
    ("Origin: http://dev.test\r\n", false, false),
    ("Origin: http://dev.test:80\r\n", false, false),
    ("Origin: http://dev.test:8081\r\n", false, false),
    ("Origin: http://evil.test\r\n", false, false),
    ("Origin: http://dev.test:8080.evil.test\r\n", false, false),
    ("Origin: http://evil.test/dev.test:8080\r\n", false, false),
    ("Origin: http://evil@dev.test:8080\r\n", false, false),
    ("Origin: chrome-extension://dev.test:8080\r\n", false, false),
    ("Origin: null\r\n", false, false),
    ("Origin: \r\n", false, false),
    ("Origin: http://dev.test:8080\r\nOrigin: http://evil.test\r\n", false, false),
    ("Origin: https://app.test:8443\r\n", false, true),
    ("Origin: http://app.test:8443\r\n", false, false),
    ("Origin: https://app.test:8443\r\nOrigin: https://app.test:8443\r\n", false, false),
    // By the browser's own word, which goes first.
    ("Sec-Fetch-Site: same-origin\r\n", true, true),
    ("Sec-Fetch-Site: same-origin\r\nOrigin: http://evil.test\r\n", true, true),
    ("Sec-Fetch-Site: none\r\n", true, true),
    ("Sec-Fetch-Site: same-site\r\nOrigin: http://dev.test:8080\r\n", false, false),
    ("Sec-Fetch-Site: cross-site\r\n", false, false),
    ("Sec-Fetch-Site: cross-site\r\nOrigin: https://app.test:8443\r\n", false, true),
    ("Sec-Fetch-Site: cross-site\r\nOrigin: null\r\n", false, false),
    ("Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n", false, false),
];

#[test]
fn nothing_is_changed_and_no_socket_opened_for_another_sites_page() {
    for (config, allowed) in [("", false), ("allowed_origins = [\"https://App.test:8443\"]", true)] {
        let (catcher, gate) = start(config);
        let mut id = 0;
        for (who, passes, passes_if_allowed) in WHO {
            let passes = if allowed { passes_if_allowed } else { passes };
            id += 1;
            let claim = |line: &str, fields: &str, good: u16| {
                let answer = ask(&gate, line, "dev.test:8080", &format!("{who}{fields}"));
                assert_eq!(answer.status, if passes { good } else { 403 }, "{config} {line} {who}: {}", answer.text());
            };
            claim(&format!("DELETE /messages/{id}"), "", 204);
            claim("GET /messages", HANDSHAKE, 101);
            assert_eq!(catcher.message_ids().contains(&id), !passes, "{who}");
            // What only reads no other site can read.
            assert_eq!(ask(&gate, "GET /messages/199.plain", "dev.test:8080", who).status, 200, "{who}");
        }
        let refused = WHO.len() - WHO.iter().filter(|(_, now, then)| if allowed { *then } else { *now }).count();
        assert_eq!(catcher.message_ids().len(), 200 - (WHO.len() - refused));
        assert_eq!(ask(&gate, "DELETE /messages", "dev.test:8080", "Origin: http://evil.test\r\n").status, 403);
        assert_eq!(ask(&gate, "DELETE /", "dev.test:8080", "Origin: http://evil.test\r\n").status, 403);
        assert!(!catcher.has_quit() && !catcher.message_ids().is_empty());
    }
}

#[test]
fn of_a_generic_catcher_nothing_is_written_and_no_stream_read() {
    let (catcher, gate) = start("upstream.catcher = \"generic\"");
    catcher.always("GET /events", Script::reply("200 OK", &[("Content-Type", "text/event-stream")], "data: x\n\n"));
    catcher.always("POST /api", Script::reply("200 OK", &[], "done"));
    for (who, passes, _) in WHO {
        let claim = |line: &str, fields: &str, good: u16| {
            let answer = ask(&gate, line, "dev.test:8080", &format!("{who}{fields}"));
            assert_eq!(answer.status, if passes { good } else { 403 }, "{line} {who}: {}", answer.text());
        };
        let before = catcher.requests().len();
        claim("POST /api", "Content-Length: 0\r\n", 200);
        claim("GET /messages", HANDSHAKE, 101);
        assert_eq!(catcher.requests().len(), before + if passes { 2 } else { 0 }, "{who}");
        claim("GET /events", "", 200);
    }
}

#[test]
fn the_port_of_the_scheme_is_the_same_as_none() {
    let (_catcher, gate) = start("");
    for (host, origin, passes) in [
        ("dev.test", "http://dev.test", true),
        ("dev.test:80", "http://dev.test", true),
        ("dev.test:443", "https://dev.test", true),
        ("dev.test", "https://dev.test", true),
        ("[::1]:80", "http://[::1]", true),
        ("10.0.0.1", "http://10.0.0.1", true),
        ("dev.test:443", "http://dev.test", false),
        ("dev.test:80", "https://dev.test", false),
        ("dev.test", "http://dev.test:8080", false),
        ("dev.test", "http://dev.test.", false),
    ] {
        let answer = ask(&gate, "DELETE /messages/999", host, &format!("Origin: {origin}\r\n"));
        assert_eq!(answer.status, if passes { 404 } else { 403 }, "{host} {origin}");
    }
}

#[test]
fn behind_a_trusted_proxy_the_name_that_it_was_asked_by_counts() {
    let host = "X-Forwarded-Host: mail.example\r\nX-Forwarded-Proto: https\r\n";
    let added = "X-Forwarded-Host: mail.example, inner:8080\r\n";
    for (config, host, origin, passes) in [
        ("trusted_proxies = [\"127.0.0.1\"]", host, "https://mail.example", true),
        ("trusted_proxies = [\"127.0.0.1\"]", added, "https://mail.example", true),
        ("trusted_proxies = [\"127.0.0.1\"]", host, "http://dev.test:8080", false),
        ("trusted_proxies = [\"127.0.0.1\"]", "", "http://dev.test:8080", true),
        ("", host, "https://mail.example", false),
        ("", host, "http://dev.test:8080", true),
    ] {
        let (_catcher, gate) = start(config);
        let answer = ask(&gate, "DELETE /messages/999", "dev.test:8080", &format!("{host}Origin: {origin}\r\n"));
        assert_eq!(answer.status, if passes { 404 } else { 403 }, "{config} {host} {origin}");
    }
}

#[test]
fn the_refusal_names_both_sides_and_the_key_and_runs_nothing() {
    let (_catcher, gate) = start("");
    let said = |host: &str, fields: &str| ask(&gate, "DELETE /messages/1", host, fields).text();
    let page = said("dev.test:8080", "Origin: http://<script>alert(1)</script>\"\r\nAccept: text/html\r\n");
    assert!(page.contains("http://&lt;script&gt;alert(1)&lt;/script&gt;&quot;"), "{page}");
    assert!(
        !page.contains("<script") && page.contains("dev.test:8080") && page.contains("&quot;allowed_origins&quot;")
    );
    let text = said("dev.test:8080", "Origin: http://evil.test\r\n");
    assert!(text.contains("It comes from http://evil.test, and this is dev.test:8080."), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&said("dev.test:8080", "Origin: http://a\"b\r\nAccept: application/json\r\n")).unwrap();
    assert_eq!(json["error"], "another site");
    assert!(json["hint"].as_str().unwrap().contains("http://a\"b"), "{json}");
    let unnamed = said("dev.test:8080", "Sec-Fetch-Site: cross-site\r\n");
    assert!(unnamed.contains("a site that the browser does not name"), "{unnamed}");
    let long = said("dev.test:8080", &format!("Origin: http://{}\r\n", "x".repeat(9_000)));
    assert!(long.len() < 1_000, "{}", long.len());
    gate.access_line(|line| {
        line.contains("status=403") && line.contains("reason=\"another site\" ") && line.contains("user=\"anna\"")
    });
}

const APP: &str = "Origin: https://app.test:8443\r\n";

/// Sent without a password: no browser sends one with it.
fn preflight(gate: &Gate, fields: &str) -> Answer {
    gate.connect().request("OPTIONS /messages/1", fields)
}

#[test]
fn a_page_of_an_allowed_origin_may_ask_by_fetch_and_read_the_answer() {
    let (catcher, gate) = start("allowed_origins = [\"https://app.test:8443\"]");
    let asks = "Access-Control-Request-Method: DELETE\r\nAccess-Control-Request-Headers: authorization, x-a\r\n";
    let answer = preflight(&gate, &format!("{APP}{asks}"));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    for (name, value) in [
        ("access-control-allow-origin", "https://app.test:8443"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "DELETE"),
        ("access-control-allow-headers", "authorization, x-a"),
        ("vary", "origin"),
    ] {
        assert_eq!(answer.field(name).as_deref(), Some(value), "{name}");
    }
    assert!(catcher.requests().is_empty(), "it reaches nobody");

    let may_read =
        |answer: &Answer| answer.field("access-control-allow-origin").as_deref() == Some("https://app.test:8443");
    for (line, fields, status) in [
        ("GET /messages", AS_ANNA, 200),
        ("DELETE /messages/1", AS_ANNA, 204),
        ("DELETE /messages/2", "", 401),
        ("DELETE /", AS_ANNA, 403),
    ] {
        let answer = gate.connect().request(line, &format!("{APP}{fields}"));
        assert_eq!((answer.status, may_read(&answer)), (status, true), "{line}: {}", answer.head);
    }
    assert!(!catcher.message_ids().contains(&1) && catcher.message_ids().contains(&2));
}

/// What an allowed page may do is what its user may; to make somebody else of him is not among it.
#[test]
fn nobody_is_logged_in_or_out_by_a_page_of_an_allowed_origin() {
    let state = tempfile::tempdir().unwrap();
    let config = "allowed_origins = [\"https://app.test:8443\"]\nauth.login_page = true";
    let (_catcher, gate) = start(&format!("{config}\nstate_dir = {:?}", state.path()));
    let form = "user=anna&password=secret";
    let kind = "Content-Type: application/x-www-form-urlencoded";
    for (origin, status) in [(APP, 403), ("Origin: http://dev.test:8080\r\n", 303)] {
        for (path, status) in [("login", status), ("logout", status)] {
            let mut client = gate.connect();
            client.send(format!(
                "POST /.mailwarden/{path} HTTP/1.1\r\nHost: dev.test:8080\r\n{origin}{kind}\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            ));
            assert_eq!(client.answer().status, status, "{path} {origin}");
        }
    }
}

#[test]
fn nobody_else_is_told_that_he_may_read() {
    let asks = "Access-Control-Request-Method: DELETE\r\n";
    for config in ["", "allowed_origins = [\"https://app.test:8443\"]"] {
        let (catcher, gate) = start(config);
        let mut others = vec!["Origin: https://evil.test\r\n", "Origin: null\r\n", "", "Origin: https://app.test\r\n"];
        if config.is_empty() {
            others.push(APP);
        }
        for origin in others {
            for (line, fields, status) in [
                ("OPTIONS /messages/1", asks, 401),
                ("OPTIONS /messages/1", "", 401),
                ("GET /messages", AS_ANNA, 200),
                ("GET /messages", "", 401),
            ] {
                let answer = gate.connect().request(line, &format!("{origin}{fields}"));
                assert_eq!(answer.status, status, "{config} {line} {origin}");
                assert!(
                    !answer.head.to_lowercase().contains("access-control"),
                    "{config} {line} {origin}: {}",
                    answer.head
                );
            }
        }
        // A question that is none of a page of theirs.
        if !config.is_empty() {
            assert_eq!(preflight(&gate, APP).status, 401, "OPTIONS without the question");
            assert_eq!(gate.connect().request("DELETE /messages/1", &format!("{APP}{asks}")).status, 401);
        }
        assert!(catcher.message_ids().contains(&1));
    }
}

/// MailDev's answers let every site read with the user's password.
#[test]
fn what_a_catcher_says_of_other_sites_does_not_count() {
    let (catcher, gate) = start("upstream.catcher = \"generic\"");
    let lets = [
        ("Access-Control-Allow-Origin", "http://evil.test"),
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "*"),
    ];
    catcher.always("GET /email", Script::reply("200 OK", &lets, "[]"));
    let answer = ask(&gate, "GET /email", "dev.test:8080", "Origin: http://evil.test\r\n");
    assert_eq!(answer.status, 200);
    assert!(!answer.head.to_lowercase().contains("access-control"), "{}", answer.head);
}

#[test]
fn allowed_origins_change_at_a_reload() {
    let catcher = Catcher::start(Options::default());
    let gate =
        Gate::to(catcher.http_addr()).config("allowed_origins = [\"https://app.test:8443\"]").with_status().start();
    let delete = || ask(&gate, "DELETE /messages/999", "dev.test:8080", APP).status;
    assert_eq!(delete(), 404);
    let text = std::fs::read_to_string(gate.config_file()).unwrap();
    std::fs::write(gate.config_file(), text.replace("app.test", "other.test")).unwrap();
    crate::reload::reload(&gate);
    assert_eq!(delete(), 403);
}

/// A page of another site lets its own name point at the gate, so that it is the same site to the browser.
#[test]
fn a_name_that_is_not_ours_is_refused_though_it_is_the_same_site() {
    let (catcher, gate) = start("hosts = [\"dev.test\"]");
    let own = "Origin: http://rebound.test:8080\r\nSec-Fetch-Site: same-origin\r\n";
    for (line, fields) in [("GET /messages", ""), ("DELETE /messages/1", ""), ("GET /messages", HANDSHAKE)] {
        let answer = ask(&gate, line, "rebound.test:8080", &format!("{own}{fields}"));
        assert_eq!(answer.status, 421, "{line}");
    }
    assert!(catcher.requests().is_empty());
    for (id, host) in ["dev.test:8080", "10.0.0.7:8080", "[::1]:8080", "localhost:8080"].into_iter().enumerate() {
        let (line, origin) = (format!("DELETE /messages/{}", id + 1), format!("Origin: http://{host}\r\n"));
        assert_eq!(ask(&gate, &line, host, &origin).status, 204, "{host}");
    }
}
