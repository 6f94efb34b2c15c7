//! What a user may do, and where: permissions, the catcher's prefix, and what is answered only after the password.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use socket2::{Domain, Socket, Type};

use crate::support::catcher::{Catcher, Options, QuitAnswer, Recorded};
use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Answer;
use crate::upgrade::HANDSHAKE;

/// Users who all have anna's password.
fn users(names: &[&str]) -> String {
    names.iter().map(|name| ANNA.replacen("anna", name, 1)).collect()
}

/// The header line of one of them.
fn as_user(name: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{name}:secret")))
}

fn ask(gate: &Gate, user: &str, line: &str) -> Answer {
    gate.connect().request(line, &as_user(user))
}

/// Refused, and the catcher has got no more than the `before` requests.
fn assert_refused(gate: &Gate, catcher: &Catcher, user: &str, line: &str, permission: &str) {
    let before = catcher.requests().len();
    let answer = ask(gate, user, line);
    assert_eq!(answer.status, 403, "{user}: {line}");
    assert!(answer.text().contains(&format!("\"{permission}\"")), "{user}: {line}: {}", answer.text());
    assert_eq!(catcher.requests().len(), before, "{user}: {line}");
}

/// Allowed: the catcher got it as it was asked.
fn assert_forwarded(gate: &Gate, catcher: &Catcher, user: &str, line: &str) {
    let before = catcher.requests().len();
    let answer = ask(gate, user, line);
    assert!(!matches!(answer.status, 401 | 403 | 500..), "{user}: {line}: {}", answer.head);
    let mut requests = catcher.requests().split_off(before);
    // Of a Clear the gate asks first how much there is, in nobody's name.
    let is_a_look = |request: &Recorded| request.method == "GET" && request.values("x-forwarded-user").is_empty();
    if line == "DELETE /messages" && requests.len() == 2 && is_a_look(&requests[0]) {
        requests.remove(0);
    }
    assert_eq!(requests.len(), 1, "{user}: {line}");
    let request = &requests[0];
    assert_eq!(format!("{} {}", request.method, request.target), line, "{user}");
}

#[test]
fn by_default_everything_is_allowed_but_quit() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(3);
    let gate = Gate::to(catcher.http_addr()).start();
    for line in ["GET /", "GET /messages", "GET /messages/1.json", "DELETE /messages/1", "DELETE /messages"] {
        assert_forwarded(&gate, &catcher, "anna", line);
    }
    assert!(catcher.message_ids().is_empty());
    for line in [
        "DELETE /",
        "DELETE //",
        "DELETE /./",
        "DELETE /messages/..",
        "DELETE /%2e",
        "DELETE /?a=b",
        "DELETE /x/%2e%2e",
    ] {
        assert_refused(&gate, &catcher, "anna", line, "quit");
    }
    for line in ["DELETE /%2f", "DELETE /\\", "DELETE /messages%2f.."] {
        let answer = ask(&gate, "anna", line);
        assert_eq!(answer.status, 400, "{line}: {}", answer.text());
    }
    assert!(!catcher.has_quit());
    gate.access_line(|line| line.contains("status=403") && line.contains(r#"user="anna""#));
}

#[test]
fn who_may_only_view_deletes_nothing() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(3);
    let gate = Gate::to(catcher.http_addr()).config(r#"access.default = ["view"]"#).start();
    for line in ["GET /", "HEAD /messages", "GET /assets/mailcatcher.js", "GET /messages/1.source"] {
        assert_forwarded(&gate, &catcher, "anna", line);
    }
    assert_refused(&gate, &catcher, "anna", "DELETE /messages/1", "delete");
    assert_refused(&gate, &catcher, "anna", "DELETE /messages", "clear");
    assert_refused(&gate, &catcher, "anna", "DELETE //messages", "clear");
    assert_refused(&gate, &catcher, "anna", "DELETE /", "quit");
    assert_eq!(catcher.message_ids(), [1, 2, 3]);
    // Words that other programs take for the method change nothing here.
    for field in ["X-HTTP-Method-Override: DELETE", "X-Method-Override: DELETE"] {
        let answer = gate.connect().request("GET /messages", &format!("{AS_ANNA}{field}\r\n"));
        assert_eq!(answer.status, 200);
        assert_eq!(catcher.requests().last().unwrap().method, "GET");
    }
    assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}")).status, 101);
}

#[test]
fn a_users_own_list_replaces_the_default() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(3);
    let config = r#"access.users = { bot = ["delete"], "J\u00f6rg" = ["view", "clear"], nobody = [] }"#;
    let gate = Gate::to(catcher.http_addr())
        .users(&users(&["anna", "bot", "J\u{f6}rg", "nobody", "Bot"]))
        .config(config)
        .start();
    assert_forwarded(&gate, &catcher, "bot", "DELETE /messages/1");
    assert_refused(&gate, &catcher, "bot", "GET /messages", "view");
    assert_refused(&gate, &catcher, "bot", "DELETE /messages", "clear");
    // Names differ by case, as in the users file.
    assert_forwarded(&gate, &catcher, "Bot", "GET /messages");
    assert_forwarded(&gate, &catcher, "anna", "DELETE /messages/2");
    assert_refused(&gate, &catcher, "J\u{f6}rg", "DELETE /messages/3", "delete");
    assert_forwarded(&gate, &catcher, "J\u{f6}rg", "DELETE /messages");
    for (line, permission) in [
        ("GET /", "view"),
        ("HEAD /", "view"),
        ("GET /favicon.ico", "view"),
        ("GET /messages", "view"),
        ("DELETE /messages/3", "delete"),
        ("DELETE /messages", "clear"),
        ("DELETE /", "quit"),
    ] {
        if line.starts_with("HEAD") {
            assert_eq!(ask(&gate, "nobody", line).status, 403);
        } else {
            assert_refused(&gate, &catcher, "nobody", line, permission);
        }
    }
    let answer = gate.connect().request("GET /messages", &format!("{}{HANDSHAKE}", as_user("nobody")));
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(catcher.open_sockets(), 0);
}

#[test]
fn a_refusal_comes_in_the_form_that_was_asked_for() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"access.default = ["view"]"#).start();
    let asked = |accept: &str| gate.connect().request("DELETE /messages", &format!("{AS_ANNA}{accept}"));

    let page = asked("Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n");
    assert_eq!((page.status, page.field("content-type").unwrap().as_str()), (403, "text/html; charset=utf-8"));
    assert!(page.text().contains("the permission &quot;clear&quot;"), "{}", page.text());

    let json = asked("Accept: application/json, */*; q=0.01\r\n");
    assert_eq!((json.status, json.field("content-type").unwrap().as_str()), (403, "application/json"));
    let value: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!((&value["status"], &value["error"]), (&403.into(), &"permission missing".into()));
    assert!(value["message"].as_str().unwrap().contains("\"clear\""), "{value}");

    for accept in ["", "Accept: */*\r\n", "Accept: text/plain\r\n"] {
        let text = asked(accept);
        assert_eq!((text.status, text.field("content-type").unwrap().as_str()), (403, "text/plain; charset=utf-8"));
        assert!(text.text().starts_with("403 Forbidden\n") && text.text().contains("\"clear\""), "{}", text.text());
    }
    for answer in [page, json] {
        assert_eq!(answer.field("cache-control").unwrap(), "no-store");
        assert_eq!(answer.field("vary").unwrap(), "accept");
        assert!(answer.all("www-authenticate").is_empty(), "a browser would ask for another password");
    }
}

/// Keeps a port from the tests beside this one while nobody listens on it: bound, it refuses connections.
fn held(addr: SocketAddr) -> Socket {
    eventually("the port to be free", || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&addr.into()).ok().map(|()| socket)
    })
}

#[test]
fn quit_reaches_the_catcher_once_it_is_granted() {
    for answers in [QuitAnswer::Sent, QuitAnswer::Lost] {
        let catcher = Catcher::start(Options { quit_answer: answers, ..Options::default() });
        let gate = Gate::to(catcher.http_addr()).config(r#"access.users = { anna = ["view", "quit"] }"#).start();
        let answer = ask(&gate, "anna", "DELETE /");
        let wanted = if answers == QuitAnswer::Sent { 204 } else { 502 };
        assert_eq!(answer.status, wanted, "{answers:?}: {}", answer.head);
        assert!(catcher.wait_until(PATIENCE, |state| state.quit));
        let quits: Vec<_> = catcher.requests().into_iter().filter(|request| request.method == "DELETE").collect();
        assert_eq!(quits.len(), 1, "a quit that is sent again ends the one that was started in its place");
        assert_eq!(quits[0].target, "/");
        catcher.stop();
        let port = held(catcher.http_addr());
        let answer = ask(&gate, "anna", "GET /");
        assert_eq!(answer.status, 502, "{}", answer.head);
        assert!(answer.text().contains("not running"), "{}", answer.text());
        drop(port);
        catcher.restart();
        assert_eq!(ask(&gate, "anna", "GET /").status, 200);
    }
}

#[test]
fn a_generic_catcher_is_read_with_view_and_changed_with_write() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(3);
    let gate = Gate::to(catcher.http_addr())
        .users(&users(&["anna", "reader", "writer"]))
        .config("upstream.catcher = \"generic\"\naccess.users = { reader = [\"view\"], writer = [\"write\"] }")
        .start();
    for line in ["GET /", "GET /anything?x=%2f", "HEAD /messages", "POST /api/x", "PUT /x", "PATCH /x", "OPTIONS /x"] {
        assert_forwarded(&gate, &catcher, "anna", line);
    }
    assert_forwarded(&gate, &catcher, "anna", "DELETE /messages/1");
    assert_forwarded(&gate, &catcher, "reader", "GET /anything");
    for line in ["POST /api/x", "PUT /x", "DELETE /messages", "DELETE /", "OPTIONS /x"] {
        assert_refused(&gate, &catcher, "reader", line, "write");
    }
    assert_refused(&gate, &catcher, "writer", "GET /", "view");
    assert_forwarded(&gate, &catcher, "writer", "POST /api/x");
    assert_eq!(catcher.message_ids(), [2, 3]);
    assert_forwarded(&gate, &catcher, "writer", "DELETE /messages");
    assert!(catcher.message_ids().is_empty());
}

#[test]
fn below_a_prefix_everything_works_and_outside_nothing_does() {
    let catcher = Catcher::start(Options { http_path: "/mail".to_owned(), ..Options::default() });
    catcher.deliver_many(2);
    let gate = Gate::to_url(catcher.url()).start();
    for line in ["GET /mail", "GET /mail/", "GET //mail//", "GET /mail/x/.."] {
        let answer = ask(&gate, "anna", line);
        assert_eq!(answer.status, 200, "{line}: {}", answer.head);
        assert!(answer.text().contains(r#"<base href="/mail/">"#), "{line}: {}", answer.text());
        assert_eq!(catcher.requests().last().unwrap().target, "/mail/", "{line}");
    }
    for line in
        ["GET /mail/messages", "GET /mail/messages/1.json", "GET /mail/assets/mailcatcher.js", "GET /mail/favicon.ico"]
    {
        assert_forwarded(&gate, &catcher, "anna", line);
    }
    assert_forwarded(&gate, &catcher, "anna", "DELETE /mail/messages/1");
    assert_eq!(catcher.message_ids(), [2]);
    assert_eq!(gate.connect().request("GET /mail/messages", &format!("{AS_ANNA}{HANDSHAKE}")).status, 101);

    let before = catcher.requests().len();
    for line in ["GET /", "HEAD /", "GET //", "GET /mail/.."] {
        let answer = ask(&gate, "anna", line);
        assert_eq!((answer.status, answer.field("location").as_deref()), (302, Some("/mail/")), "{line}");
    }
    for line in [
        "GET /messages",
        "GET /mailbox",
        "GET /Mail/",
        "GET /mail/../messages",
        "GET /favicon.ico",
        "GET /assets/mailcatcher.js",
        "DELETE /messages",
        "DELETE /",
        "DELETE /mail/..",
        "POST /",
    ] {
        let answer = ask(&gate, "anna", line);
        assert_eq!((answer.status, answer.all("location").len()), (404, 0), "{line}: {}", answer.head);
    }
    for line in ["DELETE /mail", "DELETE /mail/", "DELETE /mail//", "DELETE /mail/x/..", "DELETE //mail"] {
        assert_refused(&gate, &catcher, "anna", line, "quit");
    }
    assert_eq!(catcher.requests().len(), before);
    assert_eq!(gate.connect().request("GET /", "").status, 401, "the way to the inbox is told to who is logged in");
}

#[test]
fn a_granted_quit_is_below_the_prefix() {
    let catcher = Catcher::start(Options { http_path: "/mail".to_owned(), ..Options::default() });
    let gate = Gate::to_url(catcher.url()).config(r#"access.default = ["quit"]"#).start();
    assert_eq!(ask(&gate, "anna", "DELETE /mail").status, 204);
    assert!(catcher.wait_until(PATIENCE, |state| state.quit));
    assert_eq!(catcher.requests().last().unwrap().target, "/mail/");
}

#[test]
fn what_there_is_shows_only_after_the_password() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    for (line, status, allow) in [
        ("GET /robots.txt", 404, None),
        ("GET /messages/1", 404, None),
        ("GET /messages/1.txt", 404, None),
        ("GET /.mailwarden/x", 404, None),
        ("DELETE /messages/99999999999999999999", 404, None),
        ("POST /", 405, Some("GET, HEAD, DELETE")),
        ("POST /messages", 405, Some("GET, HEAD, DELETE")),
        ("PUT /messages/1", 405, Some("DELETE")),
        ("OPTIONS /messages/1.json", 405, Some("GET, HEAD")),
        ("DELETE /messages/1.json", 405, Some("GET, HEAD")),
        ("DELETE /favicon.ico", 405, Some("GET, HEAD")),
        ("PATCH /assets/x.js", 405, Some("GET, HEAD")),
        ("BREW /messages", 405, Some("GET, HEAD, DELETE")),
        ("GET /messages/1abc.json", 400, None),
        ("DELETE /messages/1abc", 400, None),
    ] {
        let refused = gate.connect().request(line, "");
        assert_eq!((refused.status, refused.field("allow")), (401, None), "{line}");
        let wrong = gate.connect().request(line, "Authorization: Basic YW5uYTp3cm9uZw==\r\n");
        assert_eq!((wrong.status, wrong.text()), (401, refused.text()), "{line}");
        let answer = ask(&gate, "anna", line);
        assert_eq!((answer.status, answer.field("allow").as_deref()), (status, allow), "{line}: {}", answer.text());
    }
    assert!(catcher.requests().is_empty());
}

#[test]
fn head_is_get_without_the_body() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(1);
    let gate = Gate::to(catcher.http_addr()).start();
    let mut client = gate.connect();
    for path in ["/", "/messages", "/messages/1.json", "/messages/1.plain", "/assets/mailcatcher.css", "/robots.txt"] {
        let get = client.request(&format!("GET {path}"), AS_ANNA);
        let head = client.request(&format!("HEAD {path}"), AS_ANNA);
        assert_eq!(head.status, get.status, "{path}");
        assert!(!get.body.is_empty());
        // A list's tag is known only when the list is there (RFC 9110 section 9.3.2).
        let same = |answer: &Answer| -> Vec<(String, Vec<u8>)> {
            let unlike: &[&str] = if path == "/messages" { &["date", "etag"] } else { &["date"] };
            let others = |name: &str| !unlike.iter().any(|other| name.eq_ignore_ascii_case(other));
            let mut fields: Vec<_> = answer.fields.iter().filter(|(name, _)| others(name)).cloned().collect();
            fields.sort();
            fields
        };
        assert_eq!(same(&head), same(&get), "{path}");
    }
    // The page's length is known only when it is there: it is asked for by GET.
    assert_eq!(catcher.requests().iter().filter(|request| request.method == "HEAD").count(), 4);
    let refused = client.request("HEAD /", "");
    assert_eq!(refused.status, 401);
    assert_eq!(client.request("GET /", AS_ANNA).status, 200, "the same connection goes on");
}

#[test]
fn a_realm_is_quoted_and_may_be_any_text() {
    let catcher = Catcher::start(Options::default());
    for (toml, sent) in [
        (r#""M\u00e4il \U0001F4E7""#, "M\u{e4}il \u{1f4e7}"),
        (r#"'say "mail" \ here'"#, r#"say \"mail\" \\ here"#),
        (r#""a, b=c; d""#, "a, b=c; d"),
    ] {
        let gate = Gate::to(catcher.http_addr()).config(&format!("auth.realm = {toml}")).start();
        let answer = gate.connect().request("GET /", "");
        let expected = format!(r#"Basic realm="{sent}", charset="UTF-8""#);
        assert_eq!((answer.status, answer.field("www-authenticate").unwrap()), (401, expected));
        assert_eq!(gate.connect().request("GET /", AS_ANNA).status, 200);
    }
}

#[test]
fn a_generic_catchers_prefix_is_a_whole_segment() {
    let catcher = Catcher::start(Options { http_path: "/mail".to_owned(), ..Options::default() });
    let gate = Gate::to_url(catcher.url()).config(r#"upstream.catcher = "generic""#).start();
    for line in ["GET /mail", "GET /mail/", "POST /mail/api//x?y", "DELETE /mail/messages"] {
        assert_forwarded(&gate, &catcher, "anna", line);
    }
    let before = catcher.requests().len();
    for line in ["GET /mailbox", "POST /mailbox/x", "GET /mail/../messages", "GET /mail%2f..%2fmessages", "POST /"] {
        let answer = ask(&gate, "anna", line);
        assert!(matches!(answer.status, 400 | 404), "{line}: {}", answer.head);
    }
    assert_eq!(ask(&gate, "anna", "GET /").field("location").as_deref(), Some("/mail/"));
    assert_eq!(catcher.requests().len(), before);
}
