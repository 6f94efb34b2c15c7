use std::time::Instant;

use super::client::Client;
use super::support::catcher::{Catcher, Mail, Options};
use super::{PATIENCE, SHORT, catcher};

const LIST: &str = "GET /messages HTTP/1.1\r\nHost: catcher.test\r\n\r\n";

#[test]
fn a_chunked_body_is_read_as_the_next_request() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    let head = "POST /anything HTTP/1.1\r\nHost: catcher.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(head);
    assert_eq!(client.answer().status(), "404"); // before any body came
    client.send(LIST);
    assert_eq!(client.answer().text(), "[]");

    client.send(head);
    client.answer();
    client.send("5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(client.answer().status(), "400");
}

#[test]
fn a_catcher_that_understands_chunked_bodies_waits_for_their_end() {
    let catcher = Catcher::start(Options { chunked_ignored: false, same_packet_dropped: false, ..Options::default() });
    let mut client = Client::to(catcher.http_addr());
    client.send("POST /anything HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.send(format!("0\r\n\r\n{LIST}"));
    assert_eq!(client.answer().status(), "404");
    assert_eq!(client.answer().text(), "[]");
}

#[test]
fn of_pipelined_requests_only_the_first_is_answered() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    client.send(format!("{LIST}{LIST}"));
    assert_eq!(client.answer().status(), "200");
    assert_eq!(client.get("/nowhere").status(), "404"); // not the second list
    assert_eq!(catcher.requests().len(), 2);
}

#[test]
fn a_body_takes_what_came_in_the_same_packet() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    client.send(format!("POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello{LIST}"));
    assert_eq!(client.answer().status(), "404");
    assert_eq!(client.get("/").status(), "200");
    assert!(catcher.requests()[0].body.starts_with(b"helloGET"));
}

#[test]
fn odd_content_lengths_are_taken() {
    let catcher = catcher();
    for lengths in ["Content-Length: abc", "Content-Length: -1", "Content-Length: 9\r\nContent-Length: 0"] {
        let mut client = Client::to(catcher.http_addr());
        client.send(format!("POST /x HTTP/1.1\r\n{lengths}\r\n\r\n"));
        assert_eq!(client.answer().status(), "404", "{lengths}");
    }
    let mut client = Client::to(catcher.http_addr());
    client.send("POST /x HTTP/1.1\r\nContent-Length: +5\r\nExpect: 100-continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.answer().status(), "404"); // and no 100 before it
}

#[test]
fn heads_that_are_not_requests_are_refused_at_the_first_wrong_byte() {
    let long_value = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(82_000));
    let long_head = format!("GET / HTTP/1.1\r\nA: {0}\r\nB: {0}\r\n\r\n", "a".repeat(60_000));
    let long_path = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2_100));
    let long_query = format!("GET /?{} HTTP/1.1\r\n\r\n", "a".repeat(11_000));
    let bad = [
        "ge", // lower case, and not even a line
        "5\r\n",
        "\r\nGET / HTTP/1.1\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1\n\n",
        "GET x HTTP/1.1\r\n\r\n",
        "GET http://catcher.test HTTP/1.1\r\n\r\n",
        "CONNECT catcher.test:80 HTTP/1.1\r\n\r\n",
        "GET /%zz HTTP/1.1\r\n\r\n",
        "GET /messages?a=% HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\n: b\r\n\r\n",
        "GET / HTTP/1.1\r\nab\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
        &long_value,
        &long_head,
        &long_path,
        &long_query,
    ];
    let catcher = catcher();
    for request in bad {
        let mut client = Client::to(catcher.http_addr());
        client.send(request);
        let answer = client.answer();
        let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nServer: thin";
        assert_eq!((answer.head.as_str(), answer.body.as_slice()), (head, &b"Bad Request"[..]), "{request:.40}");
    }
    assert!(catcher.requests().is_empty());
}

#[test]
fn odd_heads_are_taken() {
    let long_value = format!("GET /messages HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(81_000));
    let odd = [
        "GET /messages HTTP/1.1\r\n\r\n",
        "GET /messages HTTP/2.0\r\n\r\n",
        "GET http://elsewhere/messages HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /messages HTTP/1.1\r\nA: \u{1}\0 b\nC\r\nD_e:f\r\n\r\n",
        &long_value,
    ];
    let catcher = catcher();
    for request in odd {
        let mut client = Client::to(catcher.http_addr());
        client.send(request);
        assert_eq!(client.answer().text(), "[]", "{request:.40}");
    }
}

#[test]
fn http_1_0_closes_unless_asked_not_to_and_1_1_the_other_way_round() {
    let catcher = catcher();
    let table = [
        ("1.0", "", "close"),
        ("1.0", "Connection: Keep-Alive\r\n", "keep-alive"),
        ("1.1", "", "keep-alive"),
        ("1.1", "Connection: x, Close\r\n", "close"),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", "close"),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", "keep-alive"), // the last line wins
    ];
    for (version, lines, expected) in table {
        let mut client = Client::to(catcher.http_addr());
        client.send(format!("GET /messages HTTP/{version}\r\n{lines}\r\n"));
        assert_eq!(client.answer().header("Connection"), Some(expected), "{version} {lines}");
        if expected == "close" {
            assert!(client.rest().is_empty());
        } else {
            client.get("/");
        }
    }
}

#[test]
fn a_client_that_half_closes_still_gets_its_answer() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    client.send(LIST);
    client.half_close();
    assert_eq!(client.answer().status(), "200");
    assert!(client.rest().is_empty());
}

#[test]
fn idle_connections_are_closed() {
    let catcher = Catcher::start(Options { idle: SHORT, ..Options::default() });
    let mut silent = Client::to(catcher.http_addr());
    let mut partial = Client::to(catcher.http_addr());
    partial.send("GET /mess");
    let mut kept = Client::to(catcher.http_addr());
    kept.get("/messages");
    for client in [&mut silent, &mut partial, &mut kept] {
        assert!(client.rest().is_empty());
    }
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
}

#[test]
fn one_connection_too_many_is_told_keep_alive_and_closed() {
    let catcher = Catcher::start(Options { persistent_limit: 2, ..Options::default() });
    let mut early = [Client::to(catcher.http_addr()), Client::to(catcher.http_addr())];
    assert!(catcher.wait_until(PATIENCE, |state| state.connections == 2));
    let mut late = Client::to(catcher.http_addr());
    assert_eq!(late.get("/messages").header("Connection"), Some("keep-alive"));
    assert!(late.rest().is_empty());
    for client in &mut early {
        client.get("/messages");
        client.get("/messages");
    }
    assert_eq!(catcher.connections(), 3);
}

#[test]
fn answers_without_a_length_close_the_connection() {
    let catcher = Catcher::start(Options { http_path: "/mail".to_owned(), ..Options::default() });
    let modified = Client::to(catcher.http_addr()).get("/mail/assets/mailcatcher.js");
    let unchanged = format!("If-Modified-Since: {}\r\n", modified.header("Last-Modified").unwrap());
    let table = [
        ("DELETE", "/mail/messages", "", "204"),
        ("GET", "/mail/assets/mailcatcher.js", "Range: bytes=0-9\r\n", "206"),
        ("GET", "/mail/assets/mailcatcher.js", &unchanged, "304"),
        ("DELETE", "/messages", "", "302"),
        ("GET", "/mail/messages", "Referer: http://elsewhere/\r\n", "403"),
    ];
    for (method, target, lines, status) in table {
        let mut client = Client::to(catcher.http_addr());
        let answer = client.ask(method, target, lines);
        assert_eq!((answer.status(), answer.header("Connection")), (status, Some("close")), "{method} {target}");
        assert_eq!(answer.header("Content-Length"), None, "{method} {target}");
        assert!(client.rest().is_empty());
    }
}

#[test]
fn an_upgrade_on_another_route_leaves_the_connection_deaf() {
    let catcher = Catcher::start(Options { idle: SHORT, ..Options::default() });
    for target in ["/", "/nowhere", "/assets/mailcatcher.js"] {
        let mut client = Client::to(catcher.http_addr());
        let answer = client.ask("GET", target, super::sockets::UPGRADE);
        assert_eq!(answer.header("Connection"), Some("keep-alive"));
        client.send(LIST);
        assert!(client.rest().is_empty(), "{target}");
    }
    let mut client = Client::to(catcher.http_addr());
    client.ask("POST", "/messages", super::sockets::UPGRADE);
    assert_eq!(client.get("/messages").status(), "200"); // only a GET does that
}

#[test]
fn a_reader_that_stands_still_is_cut() {
    let catcher = Catcher::start(Options { stalled_reader: SHORT, ..Options::default() });
    let size = 32 * 1024 * 1024; // more than the system buffers
    catcher.deliver(Mail::from_source(vec![b'a'; size]));
    let mut client = Client::to(catcher.http_addr());
    client.send("GET /messages/1.eml HTTP/1.1\r\n\r\n");
    assert!(catcher.wait_until(PATIENCE, |state| state.connections == 1 && state.open_connections == 0));
    assert!(client.rest().len() < size);
}

#[test]
fn clearing_blocks_everybody_for_the_square_of_the_number_of_messages() {
    let cost = SHORT / 400;
    let catcher = Catcher::start(Options { clear_cost: cost, ..Options::default() });
    catcher.deliver_many(20);
    let begun = Instant::now();
    let mut clearing = Client::to(catcher.http_addr());
    clearing.send("DELETE /messages HTTP/1.1\r\n\r\n");
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    let mut other = Client::to(catcher.http_addr());
    assert_eq!(other.get("/messages").text(), "[]"); // it waited until all were gone
    assert!(begun.elapsed() >= cost * 400);
    assert_eq!(clearing.answer().status(), "204");

    catcher.deliver_many(20);
    let mut clearing = Client::to(catcher.http_addr());
    clearing.send("DELETE /messages HTTP/1.1\r\n\r\n");
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 3));
    let mut smtp = Client::to(catcher.smtp_addr());
    smtp.line();
    assert!(catcher.message_ids().is_empty());
}

#[test]
fn requests_are_recorded_as_they_came() {
    let catcher = catcher();
    let mut client = Client::to(catcher.http_addr());
    client.send("POST /x?y#z HTTP/1.1\r\nhOST: a\r\nX:  two  spaces \r\nX: again\r\nContent-Length: 2\r\n\r\nhi");
    client.answer();
    let recorded = &catcher.requests()[0];
    assert_eq!((recorded.connection, recorded.method.as_str(), recorded.target.as_str()), (1, "POST", "/x?y#z"));
    assert_eq!(recorded.lines[0], b"hOST: a");
    assert_eq!(recorded.lines[1], b"X:  two  spaces ");
    assert_eq!(recorded.values("x"), ["two  spaces", "again"]);
    assert_eq!(recorded.value("host").as_deref(), Some("a"));
    assert_eq!(recorded.body, b"hi");
}

#[test]
fn restarting_keeps_the_ports_and_loses_the_mail() {
    let catcher = catcher();
    let (http, smtp) = (catcher.http_addr(), catcher.smtp_addr());
    catcher.deliver_many(2);
    let mut kept = Client::to(http);
    kept.get("/messages");
    catcher.stop();
    assert!(kept.rest().is_empty());
    assert!(std::net::TcpStream::connect(http).is_err());
    catcher.restart();
    assert_eq!((catcher.http_addr(), catcher.smtp_addr()), (http, smtp));
    assert_eq!(Client::to(http).get("/messages").text(), "[]");
}

#[test]
fn waiting_ends_with_the_change_and_not_with_the_patience() {
    let catcher = catcher();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| catcher.wait_until(PATIENCE, |state| state.message_ids() == [1]));
        catcher.deliver_many(1);
        assert!(waiting.join().unwrap());
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(catcher.eventually(PATIENCE, |state| state.message_ids() == [1])));
    assert!(!runtime.block_on(catcher.eventually(SHORT, |state| state.quit)));
}
