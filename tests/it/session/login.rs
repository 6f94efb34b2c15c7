use super::{ANNA_OTHER, BEN, ELSEWHERE, HERE, cookie, with};
use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Answer;
use crate::upgrade::{HANDSHAKE, next};

/// What a browser says that follows a link.
const LINK: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
const LOGIN: &str = "/.mailwarden/login";

/// A gate with a login page and the users anna and ben; its state lies beside its configuration.
struct Inbox {
    catcher: Catcher,
    gate: Gate,
    _state: tempfile::TempDir,
}

impl Inbox {
    fn start() -> Self {
        Self::with("")
    }

    fn with(config: &str) -> Self {
        let catcher = Catcher::start(Options::default());
        let state = tempfile::tempdir().unwrap();
        let gate = Gate::to(catcher.http_addr())
            .users(&format!("{ANNA}{BEN}"))
            .config(&format!("state_dir = {:?}\nauth.login_page = true\n{config}", state.path()))
            .start();
        Self { catcher, gate, _state: state }
    }

    fn ask(&self, line: &str, fields: &str) -> Answer {
        self.gate.connect().request(line, fields)
    }

    /// Fills in the form and sends it off.
    fn send(&self, body: &str, fields: &str) -> Answer {
        let length = body.len();
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let mut client = self.gate.connect();
        client.send(format!(
            "POST {LOGIN} HTTP/1.1\r\nHost: dev.test:8080\r\n{LINK}{kind}\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        ));
        client.answer()
    }

    /// The session of somebody who has logged in, as a header line.
    fn session(&self, user: &str) -> String {
        let answer = self.send(&format!("user={user}&password=secret"), HERE);
        assert_eq!(answer.status, 303, "{}", answer.text());
        with(&cookie(&answer).0)
    }

    fn log_out(&self, fields: &str) -> Answer {
        self.ask("POST /.mailwarden/logout", &format!("Content-Length: 0\r\n{fields}"))
    }
}

#[test]
fn without_the_key_there_is_no_page() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    for path in [LOGIN, "/.mailwarden/logout"] {
        let answer = gate.connect().request(&format!("GET {path}"), LINK);
        assert_eq!((answer.status, answer.field("www-authenticate").is_some()), (401, true), "{path}");
        assert!(!answer.text().contains(LOGIN), "{}", answer.text());
        assert_eq!(gate.connect().request(&format!("GET {path}"), AS_ANNA).status, 404, "{path}");
        assert_eq!(gate.connect().request(&format!("POST {path}"), AS_ANNA).status, 404, "{path}");
    }
}

#[test]
fn a_person_is_led_to_the_form_and_back_to_where_he_wanted_to_go() {
    let inbox = Inbox::start();
    inbox.catcher.deliver_many(1);
    let led = inbox.ask("GET /messages/1.json?x=%22", LINK);
    assert_eq!(led.status, 303);
    assert_eq!(led.field("location").unwrap(), "/.mailwarden/login?to=%2Fmessages%2F1.json%3Fx%3D%2522");
    assert_eq!(inbox.ask("GET /", LINK).field("location").unwrap(), LOGIN);

    let page = inbox.ask("GET /.mailwarden/login?to=%2Fmessages%2F1.json%3Fx%3D%2522", LINK);
    assert_eq!((page.status, page.field("content-type").unwrap().as_str()), (200, "text/html; charset=utf-8"));
    assert_eq!(page.field("referrer-policy").unwrap(), "same-origin");
    assert_eq!(page.field("cache-control").unwrap(), "no-store");
    assert!(page.field("content-security-policy").unwrap().contains("default-src 'none'"), "{}", page.head);
    assert!(page.text().contains(r#"name="to" value="/messages/1.json?x=%22""#), "{}", page.text());

    let answer = inbox.send("user=anna&password=secret&to=%2Fmessages%2F1.json%3Fx%3D%2522", HERE);
    assert_eq!((answer.status, answer.field("location").unwrap().as_str()), (303, "/messages/1.json?x=%22"));
    let (session, attributes) = cookie(&answer);
    assert!(session.starts_with("mailwarden_session_8080="), "{session}");
    assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Lax");
    inbox.gate.access_line(|line| line.contains("status=303 auth=ok") && line.contains("user=\"anna\""));

    let mail = inbox.ask("GET /messages/1.json", &with(&session));
    assert_eq!((mail.status, mail.field("set-cookie")), (200, None), "a session is its own ticket");
    inbox.gate.access_line(|line| line.contains("status=200 auth=session") && line.contains("user=\"anna\""));
    let asked = inbox.catcher.requests().pop().unwrap();
    assert_eq!((asked.value("x-forwarded-user").as_deref(), asked.value("cookie")), (Some("anna"), None));
    let page = inbox.ask(&format!("GET {LOGIN}"), &format!("{LINK}{}", with(&session)));
    assert!(page.text().contains("You are logged in") && page.text().contains("anna"), "{}", page.text());
}

#[test]
fn over_tls_the_cookie_is_bound_to_the_host() {
    let inbox = Inbox::with(r#"trusted_proxies = ["127.0.0.1"]"#);
    let https = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: mail.test\r\n";
    let answer = inbox.send("user=anna&password=secret", &format!("{https}Origin: https://mail.test\r\n"));
    let (session, attributes) = cookie(&answer);
    assert!(session.starts_with("__Host-mailwarden_session_443="), "{session}");
    assert!(attributes.ends_with("SameSite=Lax; Secure"), "{attributes}");
    assert_eq!(inbox.ask("GET /messages", &format!("{https}{}", with(&session))).status, 200);
}

#[test]
fn behind_several_proxies_people_log_in_by_the_name_they_know() {
    let inbox = Inbox::with("trusted_proxies = [\"127.0.0.1\"]");
    let chain = "X-Forwarded-Host: mail.example, inner:8081\r\nX-Forwarded-Proto: https, http\r\n\
                 Origin: https://mail.example\r\n";
    let answer = inbox.send("user=anna&password=secret", chain);
    assert_eq!(answer.status, 303, "{}", answer.text());
    let (pair, attributes) = cookie(&answer);
    assert!(pair.starts_with("__Host-mailwarden_session_443=") && attributes.ends_with("; Secure"), "{pair}");
    assert_eq!(inbox.ask("GET /messages", &format!("{chain}{}", with(&pair))).status, 200);
    let told = inbox.catcher.requests().pop().unwrap();
    assert_eq!(
        (told.value("x-forwarded-host").as_deref(), told.value("x-forwarded-proto").as_deref()),
        (Some("mail.example"), Some("https"))
    );
    let inner = chain.replace("https://mail.example", "http://inner:8081");
    assert_eq!(inbox.send("user=anna&password=secret", &inner).status, 403);
}

#[test]
fn programs_and_whoever_sends_a_password_get_the_401_as_ever() {
    let inbox = Inbox::start();
    let wrong = "Authorization: Basic YW5uYTp3cm9uZw==\r\n";
    for (line, fields) in [
        ("GET /messages", String::new()),
        ("GET /messages", "Accept: application/json, text/javascript, */*; q=0.01\r\n".to_owned()),
        ("GET /messages", format!("{LINK}X-Requested-With: XMLHttpRequest\r\n")),
        ("GET /messages", format!("{LINK}Sec-Fetch-Mode: cors\r\n")),
        ("GET /messages", format!("{LINK}{wrong}")),
        ("GET /messages", format!("{LINK}Authorization: Bearer x\r\n")),
        ("GET /messages", format!("{LINK}{HANDSHAKE}{HERE}")),
        ("DELETE /messages", format!("{LINK}{HERE}")),
    ] {
        let answer = inbox.ask(line, &fields);
        assert_eq!((answer.status, answer.field("location")), (401, None), "{line} {fields}");
        assert!(answer.field("www-authenticate").unwrap().starts_with("Basic "), "{line} {fields}");
        assert!(answer.text().contains(LOGIN), "it is pointed out: {}", answer.text());
    }
    assert_eq!(inbox.ask("GET /messages", AS_ANNA).status, 200);
    let denied = inbox.ask("DELETE /", &format!("{LINK}{AS_ANNA}"));
    assert_eq!(denied.status, 403);
    assert!(denied.text().contains(r#"<a class="button" href="/.mailwarden/login">"#), "{}", denied.text());
}

#[test]
fn wrong_credentials_show_the_form_again_and_no_question_of_the_browsers_own() {
    let inbox = Inbox::start();
    for (body, event) in [
        ("user=anna&password=wrong&to=%2Fmessages", "wrong-password"),
        ("user=nobody&password=secret&to=%2Fmessages", "unknown-user"),
        ("user=&password=secret&to=%2Fmessages", "malformed"),
        ("user=an%3Ana&password=secret&to=%2Fmessages", "malformed"),
    ] {
        let answer = inbox.send(body, HERE);
        assert_eq!((answer.status, answer.field("set-cookie")), (401, None), "{body}");
        assert_eq!(answer.field("www-authenticate").unwrap(), "Form", "{body}");
        assert_eq!(answer.field("referrer-policy").unwrap(), "same-origin");
        assert!(answer.text().contains("do not fit") && answer.text().contains(r#"value="/messages""#), "{body}");
        inbox.gate.access_line(|line| line.contains(&format!("status=401 auth={event} ")));
    }
    // What was typed comes back as text.
    let answer = inbox.send("user=%22%3E%3Cscript%3E&password=%3Cb%3Etypo", HERE);
    assert!(answer.text().contains("value=\"&quot;&gt;&lt;script&gt;\""), "{}", answer.text());
    assert!(!answer.text().contains("<script") && !answer.text().contains("typo"), "{}", answer.text());
    let lines = inbox.gate.access_log();
    assert!(!lines.iter().any(|line| line.contains("script") || line.contains("typo")), "{lines:?}");
}

#[test]
fn a_password_in_latin_1_is_the_bytes_that_its_hash_was_made_of() {
    // htpasswd -nbs ben $'gr\xfc\xdfe', and the same in UTF-8
    let users = "ben:{SHA}/b/rce/X0I1ScqlfynX6noGEKfQ=\nanna:{SHA}zVbLCsRWkHMa/td/9mZV39+Fdto=\n";
    let inbox = Inbox::start();
    std::fs::write(inbox.gate.users_file(), users).unwrap();
    inbox.gate.signal("HUP");
    inbox.gate.log_line("reloaded");
    for (body, status) in [
        ("user=ben&password=gr%FC%DFe", 303),
        ("user=ben&password=gr%C3%BC%C3%9Fe", 401),
        ("user=anna&password=gr%C3%BC%C3%9Fe", 303),
        ("user=anna&password=gr%FC%DFe", 401),
        ("user=anna&password=gr%EF%BF%BD%EF%BF%BDe", 401),
    ] {
        assert_eq!(inbox.send(body, HERE).status, status, "{body}");
    }
    assert!(inbox.ask(&format!("GET {LOGIN}"), LINK).text().contains("accept-charset=\"utf-8\""));
}

#[test]
fn only_the_pages_own_form_logs_anybody_in_or_out() {
    let inbox = Inbox::start();
    let session = inbox.session("anna");
    for fields in [
        "",
        ELSEWHERE,
        "Origin: null\r\n",
        "Origin: http://dev.test:8081\r\n",
        "Sec-Fetch-Site: cross-site\r\nOrigin: http://dev.test:8080\r\n",
        "Sec-Fetch-Site: none\r\n",
    ] {
        let answer = inbox.send("user=anna&password=secret", fields);
        assert_eq!((answer.status, answer.field("set-cookie")), (403, None), "{fields}");
        let answer = inbox.log_out(&format!("{session}{fields}"));
        assert_eq!((answer.status, answer.field("set-cookie")), (403, None), "{fields}");
    }
    assert_eq!(inbox.ask("GET /messages", &session).status, 200);
    let sent = inbox.send("user=anna&password=secret", "Sec-Fetch-Site: same-origin\r\n");
    assert_eq!(sent.status, 303);
}

#[test]
fn what_is_no_login_form_is_refused() {
    let inbox = Inbox::start();
    let post = |fields: &str, body: &str| {
        let mut client = inbox.gate.connect();
        let length = body.len();
        client.send(format!(
            "POST {LOGIN} HTTP/1.1\r\nHost: dev.test:8080\r\n{HERE}{fields}Content-Length: {length}\r\n\r\n{body}"
        ));
        client.answer().status
    };
    assert_eq!(post("Content-Type: application/json\r\n", "{}"), 400);
    assert_eq!(post("Content-Type: text/plain\r\n", "user=anna&password=secret"), 400);
    assert_eq!(post("", "user=anna&password=secret"), 400);
    let form = "Content-Type: application/x-www-form-urlencoded;charset=UTF-8\r\n";
    assert_eq!(post(form, &format!("user=anna&password=secret&x={}", "x".repeat(9000))), 413);
    assert_eq!(post(form, "user=anna&password=secret"), 303);
    for (line, allow) in [(format!("PUT {LOGIN}"), "GET, HEAD, POST"), ("GET /.mailwarden/logout".to_owned(), "POST")] {
        let answer = inbox.ask(&line, AS_ANNA);
        assert_eq!((answer.status, answer.field("allow").as_deref()), (405, Some(allow)), "{line}");
    }
    // Another spelling of the path is no page of the gate's.
    assert_eq!(inbox.ask("GET /.mailwarden//login", AS_ANNA).status, 404);
}

#[test]
fn nobody_is_led_to_another_host() {
    let inbox = Inbox::start();
    for to in
        ["%2F%2Fevil.test", "%2F%5Cevil.test", "http%3A%2F%2Fevil.test", "%2F%09%2Fevil.test", "%2F%0D%0AX%3A1", ""]
    {
        let answer = inbox.send(&format!("user=anna&password=secret&to={to}"), HERE);
        assert_eq!((answer.status, answer.field("location").as_deref()), (303, Some("/")), "{to}");
        let page = inbox.ask(&format!("GET {LOGIN}?to={to}"), LINK).text();
        assert!(!page.contains("evil") && !page.contains("name=\"to\""), "{to}: {page}");
    }
    let led = inbox.ask("GET //evil.test/%0d%0ax", LINK);
    assert_eq!((led.status, led.field("location").as_deref()), (303, Some(LOGIN)));
}

#[test]
fn a_session_changes_things_for_a_page_of_this_site_only() {
    let inbox = Inbox::start();
    inbox.catcher.deliver_many(3);
    let session = inbox.session("anna");
    let ask = |line: &str, fields: &str| inbox.ask(line, &format!("{session}{fields}")).status;
    for (what, fields, status) in [
        ("nobody says", "", 403),
        ("another site", ELSEWHERE, 403),
        ("a sandboxed page", "Origin: null\r\n", 403),
        ("another site, by the browser's word", "Sec-Fetch-Site: cross-site\r\nOrigin: http://dev.test:8080\r\n", 403),
        ("this site", HERE, 204),
    ] {
        assert_eq!(ask("DELETE /messages/1", fields), status, "{what}");
        let opened = if status == 204 { 101 } else { status };
        assert_eq!(ask("GET /messages", &format!("{HANDSHAKE}{fields}")), opened, "{what}");
        assert_eq!(ask("GET /messages", fields), 200, "{what}: what only reads, another site cannot read");
    }
    inbox.gate.access_line(|line| line.contains("status=403") && line.contains("reason=\"another site\""));
}

#[test]
fn a_session_may_do_what_its_user_may() {
    let inbox = Inbox::with("access.users = { ben = [\"view\"] }");
    inbox.catcher.deliver_many(2);
    let delete = |session: String| inbox.ask("DELETE /messages/1", &format!("{session}{HERE}")).status;
    assert_eq!(delete(inbox.session("ben")), 403);
    assert_eq!(delete(inbox.session("anna")), 204);
}

#[test]
fn a_password_in_the_request_decides_over_the_session() {
    let inbox = Inbox::start();
    let session = inbox.session("anna");
    let as_ben = "Authorization: Basic YmVuOnNlY3JldA==\r\n";
    let wrong = "Authorization: Basic YW5uYTp3cm9uZw==\r\n";
    assert_eq!(inbox.ask("GET /messages", &format!("{session}{as_ben}")).status, 200);
    assert_eq!(inbox.catcher.requests().pop().unwrap().value("x-forwarded-user").as_deref(), Some("ben"));
    for fields in [wrong, "Authorization: Bearer x\r\n", "Authorization:\r\n"] {
        assert_eq!(inbox.ask("GET /messages", &format!("{session}{fields}")).status, 401, "{fields}");
    }
}

#[test]
fn logging_out_ends_that_session_and_its_socket_and_nobody_elses() {
    let inbox = Inbox::start();
    let (session, other) = (inbox.session("anna"), inbox.session("anna"));
    let open = |session: &str| {
        let mut socket = inbox.gate.connect();
        assert_eq!(socket.request("GET /messages", &format!("{HANDSHAKE}{HERE}{session}")).status, 101);
        socket
    };
    let (mut ended, mut goes_on) = (open(&session), open(&other));
    let answer = inbox.log_out(&format!("{session}{HERE}"));
    assert_eq!((answer.status, answer.field("location").as_deref()), (303, Some("/.mailwarden/login?logged-out")));
    assert_eq!(
        cookie(&answer),
        ("mailwarden_session_8080=".to_owned(), "Path=/; Max-Age=0; HttpOnly; SameSite=Lax".to_owned())
    );
    assert!(inbox.ask("GET /.mailwarden/login?logged-out", LINK).text().contains("You are logged out."));

    assert_eq!(inbox.ask("GET /messages", &session).status, 401);
    assert_eq!(next(&mut ended), (0x88, 1008u16.to_be_bytes().to_vec()));
    // At once, and not by the look at what is over by itself.
    assert!(inbox.gate.log_line("logged out").contains("user=anna tunnels_ended=1"), "{:?}", inbox.gate.log());
    assert_eq!(inbox.ask("GET /messages", &other).status, 200);
    assert!(inbox.catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    inbox.catcher.send_text_to_sockets(r#"{"type":"clear"}"#);
    assert_eq!(next(&mut goes_on).1, br#"{"type":"clear"}"#);
    // Twice is no fault.
    assert_eq!(inbox.log_out(&format!("{session}{HERE}")).status, 303);
}

#[test]
fn a_changed_password_or_configuration_ends_sessions() {
    let inbox = Inbox::start();
    let (of_anna, of_ben) = (inbox.session("anna"), inbox.session("ben"));
    let mut socket = inbox.gate.connect();
    assert_eq!(socket.request("GET /messages", &format!("{HANDSHAKE}{HERE}{of_anna}")).status, 101);
    std::fs::write(inbox.gate.users_file(), format!("{ANNA_OTHER}{BEN}")).unwrap();
    eventually("the session to end", || (inbox.ask("GET /messages", &of_anna).status == 401).then_some(()));
    assert_eq!(next(&mut socket), (0x88, 1008u16.to_be_bytes().to_vec()));
    assert_eq!(inbox.ask("GET /messages", &of_ben).status, 200);

    let mut socket = inbox.gate.connect();
    assert_eq!(socket.request("GET /messages", &format!("{HANDSHAKE}{HERE}{of_ben}")).status, 101);
    let file = inbox.gate.config_file();
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace("login_page = true", "login_page = false")).unwrap();
    inbox.gate.signal("HUP");
    assert_eq!(next(&mut socket), (0x88, 1008u16.to_be_bytes().to_vec()));
    assert_eq!(inbox.ask("GET /messages", &of_ben).status, 401);
    assert_eq!(inbox.ask("GET /", LINK).status, 401);
}
