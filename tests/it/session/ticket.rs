use super::{ANNA_OTHER, ELSEWHERE, HERE, cookie, pair, with};
use crate::support::catcher::{Catcher, Mail, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::upgrade::{HANDSHAKE, SWITCHED, text};

const AGENT: &str = "User-Agent: Safari\r\n";

/// The ticket that the inbox page brings to a browser.
fn ticket(gate: &Gate) -> String {
    let answer = gate.connect().request("GET /", &format!("{AS_ANNA}{AGENT}"));
    assert_eq!(answer.status, 200);
    cookie(&answer).0
}

#[test]
fn a_right_password_brings_a_ticket_for_the_path_of_the_socket() {
    let (catcher, gate) = pair("");
    catcher.deliver_many(3);
    for line in ["GET /", "HEAD /", "GET /messages", "GET /messages/1.json", "DELETE /messages/1", "DELETE /messages"] {
        let (ticket, attributes) = cookie(&gate.connect().request(line, AS_ANNA));
        assert!(ticket.starts_with("mailwarden_8080="), "{line}: {ticket}");
        assert_eq!(attributes, "Path=/messages; Max-Age=300; HttpOnly; SameSite=Strict", "{line}");
    }
}

#[test]
fn what_caches_keep_and_whoever_has_no_password_gets_none() {
    let (_catcher, gate) = pair("");
    let wrong = "Authorization: Basic YW5uYTp3cm9uZw==\r\n";
    for (line, fields, status) in [
        ("GET /assets/mailcatcher.js", AS_ANNA, 200),
        ("GET /favicon.ico", AS_ANNA, 200),
        ("GET /", "", 401),
        ("GET /", wrong, 401),
        ("GET /nowhere", AS_ANNA, 404),
        ("DELETE /", AS_ANNA, 403),
        ("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}"), 101),
    ] {
        let answer = gate.connect().request(line, fields);
        assert_eq!((answer.status, answer.field("set-cookie")), (status, None), "{line} {fields}");
    }
}

#[test]
fn a_ticket_that_is_fresh_is_not_given_again() {
    let (_catcher, gate) = pair("");
    let ticket = ticket(&gate);
    let shown = gate.connect().request("GET /messages", &format!("{AS_ANNA}{AGENT}{}", with(&ticket)));
    assert_eq!((shown.status, shown.field("set-cookie")), (200, None));
    // Whoever has no place for cookies is not sent one with each answer, but the page that opens the socket is.
    let mut kept = gate.connect();
    let given: Vec<bool> = ["/messages", "/messages", "/", "/messages", "/"]
        .iter()
        .map(|path| kept.request(&format!("GET {path}"), AS_ANNA).field("set-cookie").is_some())
        .collect();
    assert_eq!(given, [true, false, true, false, true]);
}

#[test]
fn the_name_holds_the_browsers_port_and_only_tls_makes_it_secure() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"trusted_proxies = ["127.0.0.1"]"#).start();
    let other = Gate::to(catcher.http_addr()).start();
    for (gate, host, fields, name, secure) in [
        (&gate, "dev.test:8080", "X-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.1\r\n", "mailwarden_8080", true),
        (&gate, "dev.test", "X-Forwarded-Proto: https\r\n", "mailwarden_443", true),
        (&gate, "127.0.0.1:9", "X-Forwarded-Host: dev.test:8443\r\n", "mailwarden_8443", false),
        (&gate, "dev.test", "X-Forwarded-Proto: http\r\n", "mailwarden_80", false),
        (&other, "dev.test:81", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: x:1\r\n", "mailwarden_81", false),
    ] {
        let mut client = gate.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n{AS_ANNA}{fields}\r\n"));
        let (ticket, attributes) = cookie(&client.answer());
        assert!(ticket.starts_with(&format!("{name}=")), "{host} {fields}: {ticket}");
        assert_eq!(attributes.ends_with("; Secure"), secure, "{host} {fields}: {attributes}");
    }
}

#[test]
fn the_path_is_below_the_prefix_and_everywhere_for_a_catcher_that_is_not_known() {
    let mounted = Catcher::start(Options { http_path: "/mail".to_owned(), ..Options::default() });
    let gate = Gate::to_url(format!("http://{}/mail", mounted.http_addr())).start();
    let attributes = cookie(&gate.connect().request("GET /mail/messages", AS_ANNA)).1;
    assert!(attributes.starts_with("Path=/mail/messages; "), "{attributes}");

    let (catcher, gate) = pair("upstream.catcher = \"generic\"");
    catcher.always("GET /page", Script::reply("200 OK", &[("Content-Type", "text/html")], "page"));
    let attributes = cookie(&gate.connect().request("GET /page", AS_ANNA)).1;
    assert!(attributes.starts_with("Path=/; "), "{attributes}");
}

#[test]
fn an_answer_that_a_shared_cache_may_keep_carries_no_ticket() {
    let (catcher, gate) = pair("upstream.catcher = \"generic\"");
    for (control, given) in [
        ("no-store", true),
        ("private, max-age=60", true),
        ("max-age=60", true),
        ("Public, max-age=60", false),
        ("s-maxage=60", false),
        ("max-age=60, must-revalidate", false),
        ("immutable", false),
    ] {
        catcher.on("GET /x", Script::reply("200 OK", &[("Cache-Control", control)], "x"));
        let answer = gate.connect().request("GET /x", AS_ANNA);
        assert_eq!((answer.text().as_str(), answer.field("set-cookie").is_some()), ("x", given), "{control}");
    }
}

#[test]
fn the_socket_opens_with_the_ticket_alone_and_mail_arrives() {
    let (catcher, gate) = pair("");
    let ticket = ticket(&gate);
    let mut socket = gate.connect();
    let answer = socket.request("GET /messages", &format!("{HANDSHAKE}{HERE}{AGENT}{}", with(&ticket)));
    assert_eq!(answer.status, 101, "{}", answer.text());
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    catcher.deliver(Mail::new("Live"));
    assert!(text(&mut socket).contains("Live"));
    gate.access_line(|line| line.contains("status=101 auth=ticket") && line.contains("user=\"anna\""));
    let asked = catcher.requests().pop().unwrap();
    assert_eq!((asked.value("x-forwarded-user").as_deref(), asked.value("cookie")), (Some("anna"), None));
}

#[test]
fn a_browsers_own_word_on_the_site_decides() {
    let (_catcher, gate) = pair("");
    let ticket = ticket(&gate);
    let ask = |fields: &str| {
        gate.connect().request("GET /messages", &format!("{HANDSHAKE}{AGENT}{fields}{}", with(&ticket))).status
    };
    assert_eq!(ask(&format!("Sec-Fetch-Site: same-origin\r\n{ELSEWHERE}")), 101);
    assert_eq!(ask("Origin: https://dev.test:8080\r\n"), 101, "whatever the scheme");
    assert_eq!(ask(&format!("Sec-Fetch-Site: cross-site\r\n{HERE}")), 401);
    assert_eq!(ask(&format!("Sec-Fetch-Site: same-site\r\n{HERE}")), 401);
    assert_eq!(ask("Sec-Fetch-Site: same-origin\r\n"), 401, "a browser says its origin");
}

/// The catcher gets nothing of any of these.
#[test]
fn a_ticket_is_worth_nothing_elsewhere() {
    let catcher = Catcher::start(Options::default());
    catcher.deliver_many(2);
    let gate = Gate::to(catcher.http_addr()).config(r#"trusted_proxies = ["127.0.0.1"]"#).start();
    let from = "X-Forwarded-For: 192.0.2.7\r\n";
    let page = gate.connect().request("GET /", &format!("{AS_ANNA}{AGENT}{from}"));
    let ticket = with(&cookie(&page).0);
    let asked = catcher.requests().len();
    let all = format!("{HERE}{AGENT}{from}{ticket}");
    let ask = |line: &str, fields: &str| gate.connect().request(line, fields).status;

    for line in ["GET /", "HEAD /", "GET /messages", "GET /messages/1.json", "DELETE /messages/1", "DELETE /messages"] {
        assert_eq!(ask(line, &all), 401, "{line}");
        if line != "GET /messages" {
            assert_eq!(ask(line, &format!("{HANDSHAKE}{all}")), 401, "{line} with the fields of a handshake");
        }
    }
    let handshake = format!("{HANDSHAKE}{all}");
    for (what, fields) in [
        ("another site", handshake.replace(HERE, ELSEWHERE)),
        ("another port", handshake.replace(HERE, "Origin: http://dev.test:8081\r\n")),
        ("no site", handshake.replace(HERE, "")),
        ("the site null", handshake.replace(HERE, "Origin: null\r\n")),
        ("another address", handshake.replace("192.0.2.7", "192.0.2.8")),
        ("another browser", handshake.replace("Safari", "Chrome")),
        ("no browser", handshake.replace(AGENT, "")),
        ("another gate's name", handshake.replace("mailwarden_8080", "mailwarden_8081")),
        ("a cut one", handshake.replace(&ticket, &format!("{}\r\n", &ticket[..ticket.len() - 4]))),
        ("no handshake", handshake.replace("Upgrade: websocket", "Upgrade: h2c")),
    ] {
        assert_ne!(fields, handshake, "{what}");
        assert_eq!(ask("GET /messages", &fields), 401, "{what}");
    }
    assert_eq!(catcher.requests().len(), asked);
    assert_eq!(ask("GET /messages", &handshake), 101, "there it is good");
}

#[test]
fn a_changed_password_ends_the_ticket() {
    let (_catcher, gate) = pair("");
    let fields = format!("{HANDSHAKE}{HERE}{AGENT}{}", with(&ticket(&gate)));
    let ask = || gate.connect().request("GET /messages", &fields).status;
    assert_eq!(ask(), 101);
    std::fs::write(gate.users_file(), ANNA_OTHER).unwrap();
    eventually("the ticket to be refused", || (ask() == 401).then_some(()));
}

#[test]
fn a_catcher_that_is_not_known_gets_every_cookie_but_the_gates() {
    let (catcher, gate) = pair("upstream.catcher = \"generic\"");
    let send = |cookies: &str| {
        catcher.on("GET /x", Script::reply("200 OK", &[], ""));
        gate.connect().request("GET /x", &format!("{AS_ANNA}{cookies}"));
        catcher.requests().pop().unwrap().values("cookie").join(" | ")
    };
    assert_eq!(send("Cookie: a=1; b=\"2\"\r\n"), "a=1; b=\"2\"");
    assert_eq!(send("Cookie: a=1; mailwarden_8080=x; b=2; mailwarden_9=y\r\n"), "a=1; b=2");
    assert_eq!(send("Cookie: mailwarden_8080=x\r\nCookie: a=1\r\n"), "a=1");
    assert_eq!(send("Cookie: mailwarden_8080=x; __Host-mailwarden_session_443=y\r\n"), "");
    // Nor does its socket.
    let fields = format!("{HANDSHAKE}{HERE}{AGENT}Cookie: c=3; {}\r\n", ticket_of_generic(&catcher, &gate));
    catcher.on("UPGRADE /live", Script::raw(SWITCHED).silence());
    assert_eq!(gate.connect().request("GET /live", &fields).status, 101);
    assert_eq!(catcher.requests().pop().unwrap().values("cookie"), ["c=3"]);
}

/// Every path of a catcher that is not known may be a socket, and most are pages: asked to open one, it answers the page.
#[test]
fn a_ticket_reads_no_page_of_a_catcher_that_opens_no_socket_there() {
    let (catcher, gate) = pair("upstream.catcher = \"generic\"");
    let fields = format!("{HANDSHAKE}{HERE}{AGENT}{}", with(&ticket_of_generic(&catcher, &gate)));
    catcher.on("UPGRADE /page", Script::reply("200 OK", &[], "private"));
    let answer = gate.connect().request("GET /page", &fields);
    assert_eq!(answer.status, 401);
    assert!(!answer.text().contains("private"), "{}", answer.text());
    // With the password it is an answer like any other.
    catcher.on("UPGRADE /page", Script::reply("200 OK", &[], "private"));
    assert_eq!(gate.connect().request("GET /page", &format!("{HANDSHAKE}{HERE}{AGENT}{AS_ANNA}")).text(), "private");
}

fn ticket_of_generic(catcher: &Catcher, gate: &Gate) -> String {
    catcher.on("GET /x", Script::reply("200 OK", &[], ""));
    cookie(&gate.connect().request("GET /x", &format!("{AS_ANNA}{AGENT}"))).0
}
