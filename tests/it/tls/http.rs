//! What HTTP notices of TLS: cookies, forwarded fields, WebSockets, timeouts and ends.

use std::io::{ErrorKind, Read as _, Write as _};

use super::Secured;
use crate::support::catcher::{Mail, Script};
use crate::support::gate::AS_ANNA;
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;
use crate::upgrade::{HANDSHAKE, next};

#[test]
fn the_catcher_is_told_that_the_browser_came_by_https() {
    let secured = Secured::with("", |gate| gate.config("trusted_proxies = [\"127.0.0.1\"]"));
    let proto = |mut client: Client, fields: &str| {
        assert_eq!(client.request("GET /messages", &format!("{AS_ANNA}{fields}")).status, 200);
        secured.catcher.requests().last().unwrap().value("x-forwarded-proto").unwrap()
    };
    let plain = || Client::connect(secured.plain_addr());
    assert_eq!(proto(secured.connect(), ""), "https");
    assert_eq!(proto(secured.connect(), "X-Forwarded-Proto: http\r\n"), "https", "it came over our own TLS");
    assert_eq!(proto(plain(), ""), "http");
    assert_eq!(proto(plain(), "X-Forwarded-Proto: https\r\n"), "https");
}

#[test]
fn cookies_are_secure_over_tls_and_bound_to_the_host_where_they_can_be() {
    let secured = Secured::with("", |gate| gate.config("auth.login_page = true"));
    let answer = secured.connect().request("GET /messages", AS_ANNA);
    let ticket = answer.field("set-cookie").unwrap();
    assert!(ticket.starts_with("mailwarden_8080=") && ticket.contains("; Secure"), "{ticket}");
    let body = "user=anna&password=secret";
    let mut client = secured.connect();
    client.send(format!(
        "POST /.mailwarden/login HTTP/1.1\r\nHost: dev.test\r\nOrigin: https://dev.test\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let answer = client.answer();
    assert_eq!(answer.status, 303, "{}", answer.text());
    let session = answer.field("set-cookie").unwrap();
    assert!(session.starts_with("__Host-mailwarden_session_443="), "{session}");
    assert!(session.contains("; Path=/;") && session.contains("; Secure") && !session.contains("Domain"), "{session}");
    // And it lets in.
    let cookie = format!("Cookie: {}\r\n", session.split(';').next().unwrap());
    client.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{cookie}\r\n"));
    assert_eq!(client.answer().status, 200);
    // In clear text the same cookie is none, and those that are given out are not secure.
    let answer = Client::connect(secured.plain_addr()).request("GET /messages", AS_ANNA);
    assert!(!answer.field("set-cookie").unwrap().contains("Secure"));
    let mut plain = Client::connect(secured.plain_addr());
    plain.send(format!("GET /messages HTTP/1.1\r\nHost: dev.test\r\n{cookie}\r\n"));
    assert_eq!(plain.answer().status, 401);
}

#[test]
fn a_websocket_works_over_tls_and_another_sites_page_opens_none() {
    let secured = Secured::start();
    let mut socket = secured.connect();
    let own = "Origin: https://dev.test:8080\r\n";
    let answer = socket.request("GET /messages", &format!("{AS_ANNA}{own}{HANDSHAKE}"));
    assert_eq!(answer.status, 101, "{}", answer.text());
    // The 101 is on its way before the catcher counts the socket.
    assert!(secured.catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    secured.catcher.deliver(Mail::new("hello"));
    let (first, _) = next(&mut socket);
    assert_eq!(first, 0x81);
    for origin in ["https://evil.test", "https://dev.test:8081", "http://evil.test:8080"] {
        let fields = format!("{AS_ANNA}Origin: {origin}\r\n{HANDSHAKE}");
        assert_eq!(secured.connect().request("GET /messages", &fields).status, 403, "{origin}");
    }
}

#[test]
fn a_socket_is_opened_by_a_ticket_over_tls() {
    let secured = Secured::start();
    let ticket = secured.connect().request("GET /messages", AS_ANNA).field("set-cookie").unwrap();
    let cookie = format!("Cookie: {}\r\n", ticket.split(';').next().unwrap());
    let fields = format!("{cookie}Origin: https://dev.test:8080\r\n{HANDSHAKE}");
    assert_eq!(secured.connect().request("GET /messages", &fields).status, 101);
}

#[test]
fn an_orderly_end_says_so_in_tls() {
    let secured = Secured::start();
    let mut client = secured.connect();
    let answer = client.request("GET /messages", &format!("{AS_ANNA}Connection: close\r\n"));
    assert!(answer.status == 200 && answer.whole);
    // This client takes an end without a word for a failure.
    assert!(client.is_ended());
}

#[test]
fn an_answer_that_breaks_off_does_not_end_orderly_in_tls() {
    let secured = Secured::start();
    // In HTTP/1.0 nothing but the end shows that it is one.
    for (version, script) in [("1.0", Script::cut_inside_chunk()), ("1.1", Script::cut_after(10))] {
        secured.catcher.next(script);
        let mut stream = secured.client.shake(secured.addr(), "dev.test").unwrap();
        let request = format!("GET /assets/mailcatcher.css HTTP/{version}\r\nHost: dev.test\r\n{AS_ANNA}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{version}: {error}");
    }
}

#[test]
fn a_client_that_leaves_without_a_word_between_requests_is_no_fault() {
    let secured = Secured::with("", |gate| gate.config("log.level = \"debug\""));
    let mut client = secured.connect();
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    drop(client);
    eventually("its end", || (secured.gate.metric("mailwarden_connections") == Some(0.0)).then_some(()));
    assert!(!secured.gate.log().iter().any(|line| line.contains("a connection broke")), "{:?}", secured.gate.log());
}

#[test]
fn a_head_that_does_not_arrive_in_time_is_told_over_tls() {
    let secured = Secured::with("", |gate| gate.config("timeouts.request_head = \"300ms\""));
    let mut client = secured.connect();
    client.send("GET /messages HTTP/1.1\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 408);
    assert!(client.is_ended());
    secured.gate.access_line(|line| line.contains("status=408"));
}

/// What TLS holds back until the client takes it has to have a limit of its own: a small answer is written at once, as far
/// as HTTP can tell.
#[test]
fn a_client_that_takes_nothing_of_its_answer_is_cut_off_over_tls() {
    let secured = Secured::with("", |gate| gate.config("timeouts.send = \"500ms\"\nlimits.read_ahead = \"0\""));
    let id = secured.catcher.deliver(Mail::from_source("x".repeat(16 << 20)));
    let mut client = secured.connect();
    client.send(format!("GET /messages/{id}.source HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n"));
    eventually("its end", || (secured.gate.metric("mailwarden_connections") == Some(0.0)).then_some(()));
    drop(client);
}

#[test]
fn a_large_answer_comes_whole_over_tls() {
    let secured = Secured::start();
    let text = "0123456789abcdef".repeat(200_000);
    let id = secured.catcher.deliver(Mail::from_source(text.clone()));
    let answer = secured.connect().request(&format!("GET /messages/{id}.source"), AS_ANNA);
    assert!(answer.status == 200 && answer.whole);
    assert_eq!(answer.text(), text);
}

#[test]
fn requests_finish_over_tls_when_the_gate_stops() {
    let mut secured = Secured::start();
    let mut idle = secured.connect();
    assert_eq!(idle.request("GET /messages", AS_ANNA).status, 200);
    secured.gate.signal("TERM");
    assert!(idle.is_ended());
    assert!(secured.gate.wait().success());
}

/// Beside the socket itself there are the catcher's end, two buffers of HTTP and what TLS keeps, per socket.
#[test]
fn an_idle_websocket_over_tls_costs_little_memory() {
    const SOCKETS: u64 = 200;
    let secured = Secured::start();
    let open = || {
        let mut socket = secured.connect();
        assert_eq!(socket.request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}")).status, 101);
        socket
    };
    // What is there once, and what the first ones leave behind.
    let first: Vec<Client> = (0..50).map(|_| open()).collect();
    let before = secured.gate.memory();
    let sockets: Vec<Client> = (0..SOCKETS).map(|_| open()).collect();
    let each = (secured.gate.memory().saturating_sub(before)) / SOCKETS;
    eprintln!("{each} KiB a socket");
    assert!(each <= 40, "{each} KiB a socket");
    drop((first, sockets));
}
