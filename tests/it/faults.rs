//! A catcher that is down, slow, gone in the middle of an answer, or back again.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Mail, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::{Answer, Client};

const GENERIC: &str = r#"upstream.catcher = "generic""#;

fn catcher() -> Catcher {
    Catcher::start(Options::default())
}

fn list(gate: &Gate) -> Answer {
    gate.connect().request("GET /messages", AS_ANNA)
}

/// An address on which nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_catcher_that_is_down_is_a_502_that_says_what_to_do_in_the_form_that_is_asked_for() {
    let gate = Gate::to(nowhere()).start();
    let ask = |accept: &str| gate.connect().request("GET /", &format!("{AS_ANNA}Accept: {accept}\r\n"));

    let page = ask("text/html,application/xhtml+xml,*/*;q=0.8");
    assert_eq!((page.status, page.field("content-type").unwrap().as_str()), (502, "text/html; charset=utf-8"));
    assert!(page.text().starts_with("<!doctype html>") && page.text().contains("upstream.url"), "{}", page.text());
    assert_eq!(page.field("cache-control").unwrap(), "no-store");
    assert!(page.field("retry-after").is_some());

    let json = ask("application/json");
    let told: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!((&told["status"], &told["error"]), (&502.into(), &"upstream unreachable".into()));
    assert!(told["hint"].as_str().unwrap().contains("Start it"), "{told}");

    let text = ask("*/*");
    assert_eq!(text.field("content-type").unwrap(), "text/plain; charset=utf-8");
    assert!(text.text().starts_with("502 Bad Gateway\n") && text.text().contains("Start it"), "{}", text.text());
    gate.access_line(|line| line.contains("status=502") && line.contains("upstream unreachable"));
}

#[test]
fn who_has_no_password_is_not_told_that_the_catcher_is_down() {
    let gate = Gate::to(nowhere()).start();
    assert_eq!(gate.connect().request("GET /", "").status, 401);
}

#[test]
fn a_name_that_does_not_exist_is_502() {
    let gate = Gate::to_url("http://catcher.invalid:1080".to_owned()).start();
    let answer = list(&gate);
    assert_eq!(answer.status, 502);
    gate.access_line(|line| line.contains("upstream unresolved"));
}

#[test]
fn localhost_is_tried_in_both_families() {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let options = Options { http: host.parse().unwrap(), ..Options::default() };
        let catcher = Catcher::start(options);
        let gate = Gate::to_url(format!("http://localhost:{}", catcher.http_addr().port())).start();
        assert_eq!(list(&gate).status, 200, "{host}");
    }
}

#[test]
fn a_catcher_that_does_not_answer_is_504_after_its_time_and_its_connection_is_closed() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.upstream_answer = "300ms""#).start();
    catcher.next(Script::never_answer());
    let begun = Instant::now();
    let answer = list(&gate);
    assert_eq!(answer.status, 504);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(answer.text().contains("takes too long"), "{}", answer.text());
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
    gate.access_line(|line| line.contains("status=504") && line.contains("upstream answer timeout"));
    assert_eq!(catcher.requests().len(), 1);
}

#[test]
fn a_catcher_that_does_not_take_the_connection_is_504_after_the_time_for_that() {
    // A backlog of none that is full: the kernel answers no further handshake.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let first = std::net::TcpStream::connect(addr).unwrap();
    let gate = Gate::to(addr).config(r#"timeouts.upstream_connect = "300ms""#).start();
    let answer = list(&gate);
    assert_eq!(answer.status, 504, "{}", answer.text());
    gate.access_line(|line| line.contains("upstream connect timeout"));
    drop(first);
}

#[test]
fn clearing_has_a_limit_of_its_own() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.upstream_answer = "200ms""#).start();
    catcher.deliver(Mail::new("Hello"));
    catcher.on("DELETE /messages", Script::late(Duration::from_millis(700)));
    assert_eq!(gate.connect().request("DELETE /messages", AS_ANNA).status, 204);
    assert!(catcher.message_ids().is_empty());

    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.upstream_clear = "200ms""#).start();
    catcher.on("DELETE /messages", Script::never_answer());
    assert_eq!(gate.connect().request("DELETE /messages", AS_ANNA).status, 504);
}

#[test]
fn an_answer_that_stops_coming_breaks_off_after_its_time() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.upstream_answer = "300ms""#).start();
    catcher.next(Script::new().answer_up_to(100).silence());
    let begun = Instant::now();
    let answer = gate.connect().request("GET /assets/mailcatcher.css", AS_ANNA);
    assert_eq!((answer.status, answer.whole, answer.body.len()), (200, false, 100));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    gate.access_line(|line| line.contains("end=upstream-broke"));
}

#[test]
fn closing_without_an_answer_is_502_and_is_not_asked_again_on_a_fresh_connection() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    for script in [Script::no_answer(), Script::new().reset()] {
        catcher.next(script);
        let answer = list(&gate);
        assert_eq!(answer.status, 502);
        assert!(answer.text().contains("reload this page"), "{}", answer.text());
    }
    assert_eq!(catcher.requests().len(), 2);
    gate.access_line(|line| line.contains("upstream closed"));
}

#[test]
fn what_is_no_http_is_502() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    let broken_head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\r\n folded\r\n\r\nhi";
    let two_lengths = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!";
    let endless_head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    for script in
        [Script::garbage(), Script::raw(broken_head), Script::raw(two_lengths), Script::raw(endless_head).silence()]
    {
        catcher.next(script);
        assert_eq!(list(&gate).status, 502);
    }
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
    gate.access_line(|line| line.contains("upstream malformed"));
}

#[test]
fn a_catcher_that_dies_in_mid_answer_is_never_a_clean_end() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for (what, script, got) in [
        ("a length, closed", Script::cut_after(10), 10),
        ("a length, reset", Script::new().answer_up_to(10).reset(), 10),
        ("inside a chunk", Script::cut_inside_chunk(), 5),
        ("between chunks", Script::cut_between_chunks(), 5),
        ("a chunk that is none", Script::raw(format!("{chunked}nonsense\r\n")), 5),
    ] {
        let lines = gate.access_log().len();
        catcher.next(script);
        let answer = gate.connect().request("GET /assets/mailcatcher.css", AS_ANNA);
        assert_eq!((answer.status, answer.whole), (200, false), "{what}: {answer:?}");
        assert!(answer.body.len() >= got || what.contains("reset"), "{what}: {answer:?}");
        gate.access_line(|_| gate.access_log().len() > lines);
        let line = gate.access_log().pop().unwrap();
        assert!(line.contains("status=200") && line.contains("end=upstream-broke"), "{what}: {line}");
    }
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
}

#[test]
fn a_client_of_http_1_0_sees_a_broken_answer_too() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    catcher.next(Script::cut_between_chunks());
    // Where the end of the connection is the end of the body, only a reset says that it is not.
    let mut stream = std::net::TcpStream::connect(gate.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(&mut stream, format!("GET /messages HTTP/1.0\r\n{AS_ANNA}\r\n").as_bytes()).unwrap();
    let mut seen = Vec::new();
    let end = std::io::Read::read_to_end(&mut stream, &mut seen);
    let seen = String::from_utf8_lossy(&seen);
    assert_eq!(end.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionReset), "{seen}");
}

#[test]
fn a_get_on_a_kept_connection_that_turns_out_dead_is_asked_again_and_succeeds() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    for method in ["GET", "HEAD"] {
        catcher.next(Script::goes_stale());
        let mut client = gate.connect();
        assert_eq!(client.request(&format!("{method} /messages"), AS_ANNA).status, 200);
        let connections = catcher.connections();
        assert_eq!(client.request(&format!("{method} /messages"), AS_ANNA).status, 200);
        assert_eq!(catcher.connections(), connections + 1);
        // The fresh one is kept, but not behind a HEAD: what a catcher sent all the same would be the next answer.
        let fresh = usize::from(method == "HEAD");
        assert_eq!(client.request(&format!("{method} /messages"), AS_ANNA).status, 200);
        assert_eq!(catcher.connections(), connections + 1 + fresh);
    }
}

#[test]
fn a_kept_connection_that_the_catcher_closed_is_not_used() {
    let catcher = Catcher::start(Options { idle: Duration::from_millis(50), ..Options::default() });
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    for _ in 0..3 {
        assert_eq!(list(&gate).status, 200);
        assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
    }
    assert_eq!((catcher.requests().len(), catcher.connections()), (3, 3));
}

#[test]
fn a_delete_never_goes_on_a_kept_connection_and_never_twice() {
    let catcher = catcher();
    catcher.deliver_many(3);
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    let mut client = gate.connect();
    for id in [1, 2] {
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
        assert_eq!(client.request(&format!("DELETE /messages/{id}"), AS_ANNA).status, 204);
    }
    let seen: Vec<(String, usize)> = catcher.requests().into_iter().map(|r| (r.method, r.connection)).collect();
    assert_eq!(seen, [("GET", 1), ("DELETE", 2), ("GET", 1), ("DELETE", 3)].map(|(m, c)| (m.to_owned(), c)));

    for script in [Script::no_answer(), Script::new().reset(), Script::garbage()] {
        let before = catcher.requests().len();
        catcher.next(script);
        assert_eq!(client.request("DELETE /messages/3", AS_ANNA).status, 502);
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
        assert_eq!(catcher.requests().len(), before + 2);
    }
    assert_eq!(catcher.message_ids(), [3]);
}

#[test]
fn a_post_never_goes_on_a_kept_connection_and_never_twice() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").config(GENERIC).start();
    let mut client = gate.connect();
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    catcher.next(Script::no_answer());
    for fields in ["Content-Length: 0\r\n", "Content-Length: 0\r\nX: 1\r\n"] {
        assert_ne!(client.request("POST /x", &format!("{AS_ANNA}{fields}")).status, 200);
    }
    let seen: Vec<(String, usize)> = catcher.requests().into_iter().map(|r| (r.method, r.connection)).collect();
    assert_eq!(seen, [("GET", 1), ("POST", 2), ("POST", 3)].map(|(m, c)| (m.to_owned(), c)));
}

#[test]
fn a_get_with_a_body_is_not_repeated() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").config(GENERIC).start();
    let mut client = gate.connect();
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    catcher.next(Script::no_answer());
    client.send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Content-Length: 2\r\n\r\nhi"));
    assert_eq!(client.answer().status, 502);
    assert_eq!((catcher.requests().len(), catcher.connections()), (2, 2));
}

#[test]
fn going_down_and_coming_back_are_each_said_once() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    let said = |text: &str| gate.log().iter().filter(|line| line.contains(text)).count();
    for round in 1..=2 {
        assert_eq!(list(&gate).status, 200);
        catcher.stop();
        for _ in 0..3 {
            assert_eq!(list(&gate).status, 502);
        }
        catcher.restart();
        for _ in 0..3 {
            assert_eq!(list(&gate).status, 200);
        }
        eventually("the second word", || (said("after_seconds=") == round).then_some(()));
        assert_eq!(said("cannot be reached"), round);
    }
}

#[test]
fn a_catcher_that_is_down_at_start_is_fine() {
    let catcher = catcher();
    catcher.stop();
    let gate = Gate::to(catcher.http_addr()).start();
    assert_eq!(list(&gate).status, 502);
    catcher.restart();
    assert_eq!(list(&gate).status, 200);
}

#[test]
fn connections_to_the_catcher_are_used_again_by_every_client() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    for _ in 0..10 {
        assert_eq!(list(&gate).status, 200);
    }
    assert_eq!((catcher.requests().len(), catcher.connections()), (10, 1));
}

#[test]
fn a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    let huge = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20);
    catcher.next(Script::raw([huge.into_bytes(), vec![b'x'; 64 << 20]].concat()));
    let mut client = gate.connect();
    client.send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
    client.head();
    drop(client);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
    assert_eq!(list(&gate).text(), "[]");
    gate.access_line(|line| line.contains("end=client-left"));
}

#[test]
fn an_answer_with_bytes_behind_it_does_not_answer_the_next_request() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    catcher.next(Script::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{poison}")));
    let mut client = gate.connect();
    assert_eq!(client.request("GET /messages", AS_ANNA).text(), "ok");
    for _ in 0..3 {
        assert_eq!(client.request("GET /messages", AS_ANNA).text(), "[]");
    }
}

#[test]
fn interim_answers_without_end_are_no_answer() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    catcher.next(Script::raw("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n".repeat(5000)).silence());
    assert_eq!(list(&gate).status, 502);
}

#[test]
fn what_a_careless_catcher_sends_behind_an_answer_to_head_cannot_answer_the_next_request() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    catcher.next(Script::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"));
    let mut client = gate.connect();
    assert_eq!(client.request("HEAD /messages/1.plain", AS_ANNA).status, 200);
    assert_eq!(client.request("GET /messages", AS_ANNA).text(), "[]");
    assert_eq!(catcher.connections(), 2);
}

#[test]
fn idle_connections_are_closed_long_before_the_catcher_would() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.upstream_idle = "300ms""#).start();
    assert_eq!(list(&gate).status, 200);
    assert_eq!(catcher.open_connections(), 1);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
    assert_eq!(list(&gate).status, 200);
}

#[test]
fn a_kept_connection_that_is_too_old_is_not_used_even_before_it_is_swept() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1\ntimeouts.upstream_idle = \"1ms\"").start();
    let mut client = gate.connect();
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(5) {
        std::thread::yield_now();
    }
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    assert_eq!(catcher.connections(), 2);
}

#[test]
fn a_client_that_leaves_cancels_its_request_at_the_catcher() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    for line in ["GET /messages", "DELETE /messages"] {
        catcher.next(Script::never_answer());
        let mut client = gate.connect();
        client.send(format!("{line} HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
        assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 1));
        drop(client);
        assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0), "{line}");
    }
    // What was never answered is not logged as if it had been.
    let line = gate.access_line(|line| line.contains("end=client-left"));
    assert!(line.contains("status=499"), "{line}");
}

#[test]
fn a_catcher_that_answers_before_it_has_the_whole_body_is_heard() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = upstream.local_addr().unwrap();
    let gate = Gate::to(addr).config(GENERIC).start();
    let mut client = gate.connect();
    client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Content-Length: 100000\r\n\r\nonly the beginning"));
    let mut far = Client::accept(&upstream);
    far.head();
    far.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
}

#[test]
fn a_request_that_the_catcher_falls_over_meets_it_twice_and_not_with_every_connection() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    // Twenty at once leave twenty connections behind.
    let hold = crate::support::catcher::Gate::closed();
    for _ in 0..20 {
        catcher.on("GET /favicon.ico", Script::held(&hold));
    }
    let mut clients: Vec<Client> = (0..20).map(|_| gate.connect()).collect();
    for client in &mut clients {
        client.send(format!("GET /favicon.ico HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
    }
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 20));
    hold.open();
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    for (script, most) in [(Script::no_answer(), 2), (Script::garbage(), 1)] {
        catcher.always("GET /favicon.ico", script);
        let before = catcher.requests().len();
        assert_eq!(gate.connect().request("GET /favicon.ico", AS_ANNA).status, 502);
        let asked = catcher.requests().len() - before;
        assert!((1..=most).contains(&asked), "asked {asked} times, at most {most}");
        catcher.forget_scripts();
    }
}

#[test]
fn an_answer_in_a_coding_that_is_not_decoded_is_502() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    for coding in ["gzip, chunked", "gzip", "chunked\r\nTransfer-Encoding: chunked"] {
        let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n");
        catcher.next(Script::raw(format!("{head}3\r\nabc\r\n0\r\n\r\n")).close());
        assert_eq!(list(&gate).status, 502, "{coding}");
    }
}

#[test]
fn a_client_that_sends_no_byte_of_its_body_is_late_and_not_the_catcher() {
    let catcher = catcher();
    let config = format!("{GENERIC}\ntimeouts.request_body = \"400ms\"\ntimeouts.upstream_answer = \"300ms\"");
    let gate = Gate::to(catcher.http_addr()).config(&config).start();
    let mut client = gate.connect();
    client.send(format!("POST /x HTTP/1.1\r\nHost: a\r\n{AS_ANNA}Content-Length: 5\r\n\r\n"));
    assert_eq!(client.answer().status, 408);
}

#[test]
fn a_log_that_nobody_reads_stops_neither_requests_nor_the_end() {
    let catcher = catcher();
    catcher.always("GET /messages/1.plain", Script::cut_after(0));
    catcher.deliver(Mail::new("so that there is a body to break off"));
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("users"), crate::support::gate::ANNA).unwrap();
    let socket = at("gate.sock");
    struct Stopped(std::process::Child);
    impl Drop for Stopped {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let child = crate::support::gate::binary()
        .args(["serve", "--listen", &format!("unix:{}", socket.display())])
        .args(["--upstream", &catcher.url(), "--users-file"])
        .arg(at("users"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let mut gate = Stopped(child.unwrap());
    eventually("the gate to listen", || std::os::unix::net::UnixStream::connect(&socket).ok());
    // Each is a line of the log; a pipe holds 64 KiB, which is some hundred of them.
    for _ in 0..1500 {
        let mut client = Client::connect_unix(&socket);
        client.send(format!("GET /messages/1.plain HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
        client.rest();
    }
    let ended = std::process::Command::new("kill").args(["-TERM", &gate.0.id().to_string()]).status().unwrap();
    assert!(ended.success());
    let status = eventually("the gate to end", || gate.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
