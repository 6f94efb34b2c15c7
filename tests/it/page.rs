//! What the inbox page is given, and what the gate serves to it.

use crate::support::catcher::{Catcher, Mail, Options, Script};
use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::support::patience::eventually;
use crate::support::raw::{Answer, Client};

/// `htpasswd -nbs ben secret`
const BEN: &str = "ben:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
const AS_BEN: &str = "Authorization: Basic YmVuOnNlY3JldA==\r\n";

const SCRIPT: &str = "GET /.mailwarden/live.js";
const ME: &str = "GET /.mailwarden/me";
const ELEMENT: &str = r#"<script src="/.mailwarden/live.js" defer></script>"#;

fn pair(config: &str) -> (Catcher, Gate) {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).users(&format!("{ANNA}{BEN}")).config(config).start();
    (catcher, gate)
}

fn ask(gate: &Gate, line: &str, fields: &str) -> Answer {
    gate.connect().request(line, fields)
}

/// The page as the catcher makes it.
fn plain(catcher: &Catcher, path: &str) -> String {
    Client::connect(catcher.http_addr()).request(&format!("GET {path}"), "").text()
}

#[test]
fn the_inbox_page_has_the_script_and_head_says_the_same() {
    let (catcher, gate) = pair("");
    let page = ask(&gate, "GET /", AS_ANNA);
    assert_eq!(page.text(), plain(&catcher, "/").replace("</head>", &format!("{ELEMENT}</head>")));
    assert_eq!(page.field("content-length").unwrap(), page.body.len().to_string());
    assert_eq!(page.field("cache-control").unwrap(), "no-store");

    let mut client = gate.connect();
    client.send(format!("HEAD / HTTP/1.1\r\nHost: x\r\n{AS_ANNA}\r\n"));
    let head = client.try_answer(true).unwrap();
    assert_eq!((head.status, head.field("content-length")), (200, page.field("content-length")));
    assert_eq!(client.request("GET /messages", AS_ANNA).text(), "[]", "the connection is good for another request");
    // A conditional request or one for a part is for the page that is there, not for ours.
    assert_eq!(ask(&gate, "GET /", &format!("{AS_ANNA}Range: bytes=0-9\r\n")).status, 200);
}

#[test]
fn below_a_prefix_all_of_it_lies_below_the_prefix() {
    let catcher = Catcher::start(Options { http_path: "/mail".to_owned(), ..Options::default() });
    let gate = Gate::to_url(catcher.url()).start();
    let page = ask(&gate, "GET /mail/", AS_ANNA).text();
    assert!(page.contains(r#"<script src="/mail/.mailwarden/live.js" defer></script></head>"#), "{page}");
    for (path, status) in [
        ("/mail/.mailwarden/live.js", 200),
        ("/mail/.mailwarden/me", 200),
        ("/mail/.mailwarden/", 404),
        ("/mail/.mailwarden/x", 404),
        ("/mail//.mailwarden/me", 404),
        ("/.mailwarden/me", 404),
    ] {
        assert_eq!(ask(&gate, &format!("GET {path}"), AS_ANNA).status, status, "{path}");
    }
    assert!(catcher.requests().iter().all(|asked| !asked.target.contains("mailwarden")), "none of it is the catcher's");
}

#[test]
fn a_page_that_is_not_known_or_not_plain_is_passed_on_as_it_is() {
    let (catcher, gate) = pair("");
    let page = plain(&catcher, "/");
    let html = ("Content-Type", "text/html;charset=utf-8");
    let coded = ("Content-Encoding", "gzip");
    let other = page.replace("class=\"mailcatcher\"", "class=\"other\"");
    for (fields, body) in [(&[html][..], &other), (&[html, coded], &page), (&[("Content-Type", "text/plain")], &page)] {
        let tag = ("ETag", "\"1\"");
        catcher.on("GET /", Script::reply("200 OK", &[fields, &[tag]].concat(), body));
        let answer = ask(&gate, "GET /", AS_ANNA);
        assert_eq!((answer.text(), answer.field("etag")), (body.clone(), Some("\"1\"".to_owned())), "{fields:?}");
    }
    catcher.on("GET /", Script::reply("500 Internal Server Error", &[html], &page));
    assert_eq!(ask(&gate, "GET /", AS_ANNA).text(), page);
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n";
    catcher.on("GET /", Script::raw(format!("{chunked}{:x}\r\n{page}\r\n0\r\n\r\n", page.len())));
    assert_eq!(ask(&gate, "GET /", AS_ANNA).text(), page, "nobody knows how long it will be");
}

#[test]
fn a_page_that_breaks_off_is_told_as_such() {
    let (catcher, gate) = pair("");
    catcher.on("GET /", Script::cut_after(100));
    let answer = ask(&gate, "GET /", AS_ANNA);
    assert_eq!(answer.status, 502, "{}", answer.head);
    assert!(answer.text().contains("broke off"), "{}", answer.text());
    gate.access_line(|line| line.contains(r#"status=502 auth=ok"#) && line.contains(r#"reason="upstream malformed""#));

    let (catcher, gate) = pair("timeouts.upstream_answer = \"300ms\"");
    catcher.on("GET /", Script::new().answer_up_to(100).silence());
    assert_eq!(ask(&gate, "GET /", AS_ANNA).status, 504);
}

#[test]
fn without_the_key_nothing_is_changed_and_nothing_is_served_until_a_reload_says_so() {
    let (catcher, gate) = pair("page.enhance = false");
    assert_eq!(ask(&gate, "GET /", AS_ANNA).text(), plain(&catcher, "/"));
    for line in [SCRIPT, ME] {
        assert_eq!(ask(&gate, line, AS_ANNA).status, 404, "{line}");
    }
    let config = std::fs::read_to_string(gate.config_file()).unwrap();
    std::fs::write(gate.config_file(), config.replace("enhance = false", "enhance = true")).unwrap();
    gate.signal("HUP");
    eventually("the page to be enhanced", || ask(&gate, "GET /", AS_ANNA).text().contains(ELEMENT).then_some(()));
    assert_eq!(ask(&gate, SCRIPT, AS_ANNA).status, 200);

    let (_catcher, generic) = pair("upstream.catcher = \"generic\"");
    assert!(!ask(&generic, "GET /", AS_ANNA).text().contains(ELEMENT));
    assert_eq!(ask(&generic, SCRIPT, AS_ANNA).status, 404);
}

#[test]
fn the_script_is_for_whoever_may_view_and_is_fetched_once() {
    let (catcher, gate) = pair("access.users = { ben = [] }");
    assert_eq!(ask(&gate, SCRIPT, "").status, 401);
    assert_eq!(ask(&gate, SCRIPT, AS_BEN).status, 403);
    assert_eq!(ask(&gate, ME, AS_BEN).status, 403);
    assert_eq!(ask(&gate, "POST /.mailwarden/live.js", AS_ANNA).status, 405);
    assert_eq!(ask(&gate, "DELETE /.mailwarden/me", AS_ANNA).status, 405);

    let answer = ask(&gate, SCRIPT, AS_ANNA);
    assert_eq!(answer.field("content-type").unwrap(), "text/javascript; charset=utf-8");
    assert_eq!(answer.field("x-content-type-options").unwrap(), "nosniff");
    assert_eq!(answer.field("cache-control").unwrap(), "no-cache");
    assert!(answer.text().contains("\"use strict\";"), "{}", answer.text());
    let tag = answer.field("etag").unwrap();
    let again = ask(&gate, SCRIPT, &format!("{AS_ANNA}If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.field("etag"), again.text().as_str()), (304, Some(tag), ""));
    assert!(catcher.requests().is_empty(), "none of it is the catcher's");
}

#[test]
fn a_page_is_told_who_it_works_for_and_its_ticket_is_renewed_with_that() {
    let (_catcher, gate) = pair("access.users = { ben = [\"view\"] }");
    let anna = ask(&gate, ME, AS_ANNA);
    assert_eq!(anna.text(), r#"{"user":"anna","permissions":["view","delete","clear"],"logout":null,"login":null}"#);
    assert_eq!(anna.field("content-type").unwrap(), "application/json");
    assert_eq!(anna.field("cache-control").unwrap(), "no-store");
    let cookie = anna.field("set-cookie").unwrap();
    assert!(cookie.starts_with("mailwarden_") && cookie.contains("Path=/messages"), "{cookie}");
    assert!(ask(&gate, ME, AS_BEN).text().contains(r#""permissions":["view"]"#));
}

#[test]
fn where_people_log_in_by_a_page_no_script_makes_their_browser_ask() {
    let state = tempfile::tempdir().unwrap();
    let (_catcher, gate) = pair(&format!("auth.login_page = true\nstate_dir = {:?}", state.path()));
    let asked = ask(&gate, ME, "Accept: application/json\r\n");
    assert_eq!((asked.status, asked.field("www-authenticate")), (401, None));
    let (_catcher, without) = pair("");
    let asked = ask(&without, ME, "Accept: application/json\r\n");
    assert!(asked.status == 401 && asked.field("www-authenticate").is_some(), "{}", asked.head);

    let form = "user=anna&password=secret";
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let mut client = gate.connect();
    client.send(format!(
        "POST /.mailwarden/login HTTP/1.1\r\nHost: dev.test\r\nOrigin: http://dev.test\r\n{kind}\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    ));
    let session = client.answer().field("set-cookie").unwrap();
    let session = session.split(';').next().unwrap();
    let mut client = gate.connect();
    client.send(format!("{ME} HTTP/1.1\r\nHost: dev.test\r\nCookie: {session}\r\n\r\n"));
    let me = client.answer();
    let ways = r#""logout":"/.mailwarden/logout","login":"/.mailwarden/login"}"#;
    assert!(me.text().starts_with(r#"{"user":"anna","#) && me.text().ends_with(ways), "{}", me.text());
}

#[test]
fn whoever_has_no_name_is_told_what_he_may_do_all_the_same() {
    let (catcher, gate) = pair("hosts = [\"dev.test\"]\nauth.anonymous_from = [\"127.0.0.0/8\"]");
    catcher.deliver(Mail::new("x"));
    let me = ask(&gate, ME, "");
    assert_eq!(me.text(), r#"{"user":null,"permissions":["view"],"logout":null,"login":null}"#, "{}", me.head);
    assert_eq!(ask(&gate, SCRIPT, "").status, 200);
}
