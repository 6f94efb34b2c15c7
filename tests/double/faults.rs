use std::time::Instant;

use super::client::Client;
use super::support::catcher::{Gate, Script};
use super::{PATIENCE, SHORT, catcher};

const LIST: &str = "GET /messages HTTP/1.1\r\nHost: catcher.test\r\n\r\n";

#[test]
fn a_script_is_used_once_and_for_its_own_request() {
    let catcher = catcher();
    catcher.on("GET /messages", Script::reply("503 Busy", &[("Retry-After", "1")], "later"));
    let mut client = Client::to(catcher.http_addr());
    assert_eq!(client.get("/").status(), "200");
    assert_eq!(client.ask("POST", "/messages", "").status(), "404");
    let answer = client.get("/messages?x");
    let head = "HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 5";
    assert_eq!((answer.head.as_str(), answer.text().as_str()), (head, "later"));
    assert_eq!(client.get("/messages").status(), "200");
}

#[test]
fn scripts_for_one_request_come_in_order_and_before_the_lasting_one() {
    let catcher = catcher();
    catcher.always("/messages", Script::reply("200 OK", &[], "always"));
    catcher.on("/messages", Script::reply("200 OK", &[], "first"));
    catcher.next(Script::reply("200 OK", &[], "second"));
    let mut client = Client::to(catcher.http_addr());
    for expected in ["first", "second", "always", "always"] {
        assert_eq!(client.get("/messages").text(), expected);
    }
    catcher.forget_scripts();
    assert_eq!(client.get("/messages").text(), "[]");
}

#[test]
fn it_can_say_nothing_until_the_client_leaves() {
    let catcher = catcher();
    catcher.next(Script::never_answer());
    let mut client = Client::to(catcher.http_addr());
    client.send(LIST);
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    assert_eq!(Client::to(catcher.http_addr()).get("/messages").status(), "200"); // others are served
    drop(client);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
}

#[test]
fn it_can_be_late() {
    let catcher = catcher();
    catcher.next(Script::late(SHORT));
    let begun = Instant::now();
    assert_eq!(Client::to(catcher.http_addr()).get("/messages").status(), "200");
    assert!(begun.elapsed() >= SHORT);

    let gate = Gate::closed();
    catcher.next(Script::held(&gate));
    let mut client = Client::to(catcher.http_addr());
    client.send(LIST);
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 2));
    gate.open();
    assert_eq!(client.answer().status(), "200");
}

#[test]
fn it_can_close_in_place_of_an_answer() {
    let catcher = catcher();
    catcher.next(Script::no_answer());
    let mut client = Client::to(catcher.http_addr());
    client.send(LIST);
    assert!(client.rest().is_empty());

    catcher.next(Script::new().reset());
    let mut client = Client::to(catcher.http_addr());
    client.send(LIST);
    assert!(client.is_reset());
}

#[test]
fn a_kept_connection_can_go_stale() {
    let catcher = catcher();
    catcher.next(Script::goes_stale());
    let mut client = Client::to(catcher.http_addr());
    assert_eq!(client.get("/messages").header("Connection"), Some("keep-alive"));
    client.send(LIST);
    assert!(client.rest().is_empty());
    assert_eq!(catcher.requests().len(), 1);
}

#[test]
fn an_answer_can_be_cut_short() {
    let catcher = catcher();
    catcher.next(Script::cut_after(10));
    let mut client = Client::to(catcher.http_addr());
    client.send("GET / HTTP/1.1\r\n\r\n");
    let length: usize = client.head().header("Content-Length").unwrap().parse().unwrap();
    assert_eq!(client.rest().len(), 10);
    assert!(length > 10);

    catcher.next(Script::cut_inside_chunk());
    let mut client = Client::to(catcher.http_addr());
    client.send(LIST);
    assert_eq!(client.head().header("Transfer-Encoding"), Some("chunked"));
    assert!(client.rest().ends_with(b"5\r\nhe"));
}

#[test]
fn an_answer_can_come_in_pieces() {
    let catcher = catcher();
    catcher.next(Script::new().answer_slowly(50, SHORT / 100));
    assert_eq!(Client::to(catcher.http_addr()).get("/messages").text(), "[]");
}

#[test]
fn any_bytes_can_be_an_answer() {
    let catcher = catcher();
    catcher.next(Script::raw("HTTP/1.1 200 OK\nX: \u{1}\n\n"));
    catcher.next(Script::garbage());
    let mut client = Client::to(catcher.http_addr());
    client.send(LIST);
    assert_eq!(client.line(), "HTTP/1.1 200 OK");
    client.send(LIST);
    assert!(client.rest().ends_with(b"looking for\r\n\r\n"));
}

#[test]
fn a_101_can_come_unasked_and_the_far_end_echo() {
    let catcher = catcher();
    catcher.next(Script::switches_unasked().echo());
    let mut client = Client::to(catcher.http_addr());
    assert_eq!(client.get("/messages").status(), "101");
    client.send("anything");
    assert_eq!(client.exactly(8), b"anything");
    client.half_close();
    assert!(client.rest().is_empty());
}

#[test]
fn an_upgrade_can_be_refused_or_late() {
    let catcher = catcher();
    catcher.on("UPGRADE /messages", Script::reply("403 Forbidden", &[], "no"));
    let mut client = Client::to(catcher.http_addr());
    assert_eq!(client.get("/messages").status(), "200"); // a plain GET is not an upgrade
    assert_eq!(client.ask("GET", "/messages", super::sockets::UPGRADE).text(), "no");
    catcher.on("UPGRADE /messages", Script::late(SHORT));
    assert_eq!(client.ask("GET", "/messages", super::sockets::UPGRADE).status(), "101");
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
}

#[test]
fn it_can_half_close_and_still_hear() {
    let catcher = catcher();
    catcher.next(Script::new().answer().half_close());
    let mut client = Client::to(catcher.http_addr());
    assert_eq!(client.get("/messages").status(), "200");
    assert!(client.rest().is_empty());
    client.send(LIST);
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 2));
}

#[test]
fn a_connection_can_be_dropped_before_it_says_anything() {
    let catcher = catcher();
    catcher.on("ACCEPT", Script::no_answer());
    assert!(Client::to(catcher.http_addr()).rest().is_empty());
    assert_eq!(Client::to(catcher.http_addr()).get("/messages").status(), "200");
}
