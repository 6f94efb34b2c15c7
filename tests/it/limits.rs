//! How much a client may send and open, and what becomes of a gate that runs out of descriptors.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::eventually;
use crate::support::raw::{Answer, Client};

fn catcher() -> Catcher {
    Catcher::start(Options::default())
}

fn ask(gate: &Gate, target: &str, fields: &str) -> Answer {
    let mut client = gate.connect();
    let _ = client.try_send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{AS_ANNA}{fields}\r\n"));
    client.answer()
}

#[test]
fn a_header_block_of_32_kib_passes_and_one_over_the_limit_is_431() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    // What browsers with many cookies send; the catcher is not bothered with those.
    let many: String = (0..8).map(|n| format!("Cookie: c{n}={}\r\n", "x".repeat(4096))).collect();
    assert!(many.len() > 32 << 10);
    assert_eq!(ask(&gate, "/messages", &many).status, 200);
    let one = format!("X-Large: {}\r\n", "x".repeat(48 << 10));
    assert_eq!(ask(&gate, "/messages", &one).status, 200);
    assert_eq!(catcher.requests()[1].value("x-large").unwrap().len(), 48 << 10);

    let refused = ask(&gate, "/messages", &format!("X-Large: {}\r\n", "x".repeat(64 << 10)));
    assert_eq!(refused.status, 431, "{}", refused.head);
    assert_eq!(catcher.requests().len(), 2);
}

#[test]
fn the_limit_of_a_head_is_the_configured_one() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"limits.head = "8KiB""#).start();
    assert_eq!(ask(&gate, "/messages", &format!("X: {}\r\n", "x".repeat(7000))).status, 200);
    assert_eq!(ask(&gate, "/messages", &format!("X: {}\r\n", "x".repeat(9000))).status, 431);
    // So many short lines as no browser sends are too many as well.
    assert_eq!(ask(&gate, "/messages", &"X: y\r\n".repeat(500)).status, 431);
}

#[test]
fn a_long_target_passes_and_one_that_is_too_long_is_414() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(r#"limits.head = "256KiB""#).start();
    assert_eq!(ask(&gate, &format!("/messages?{}", "x".repeat(8 << 10)), "").status, 200);
    let refused = ask(&gate, &format!("/messages?{}", "x".repeat(100 << 10)), "");
    assert_eq!(refused.status, 414, "{}", refused.head);
    assert_eq!(catcher.requests().len(), 1);
}

#[test]
fn a_head_without_end_costs_no_more_memory_than_the_limit() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).start();
    let before = gate.memory();
    let mut clients: Vec<Client> = (0..20).map(|_| gate.connect()).collect();
    for client in &mut clients {
        let _ = client.try_send("GET / HTTP/1.1\r\nHost: a\r\n");
        let _ = client.flood("X: y\r\n".repeat(10_000).as_bytes(), 20, Duration::from_millis(500));
    }
    assert!(gate.memory() < before + (10 << 10), "{} KiB more", gate.memory() - before);
    for client in &mut clients {
        assert!(client.rest().starts_with(b"HTTP/1.1 431 ") || client.is_ended());
    }
}

/// An address of this machine that is not loopback: what connects from it to itself is counted like a stranger.
fn own_address() -> IpAddr {
    // Nothing is sent: the kernel only picks the address that it would send from.
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("203.0.113.1:9").expect("this test needs a network interface besides loopback");
    socket.local_addr().unwrap().ip()
}

/// Connections from the machine's own address, the first `admitted` of which are served and the next refused.
fn holds(config: &str, admitted: usize, reason: &str) {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).listen(r#"["0.0.0.0:0"]"#).config(config).start();
    let strange = SocketAddr::new(own_address(), gate.addr().port());
    let familiar = SocketAddr::from(([127, 0, 0, 1], gate.addr().port()));
    let mut clients: Vec<Client> = (0..admitted).map(|_| Client::connect(strange)).collect();
    for client in &mut clients {
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    }
    for round in 1..=2 {
        let mut refused = Client::connect(strange);
        let _ = refused.try_send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
        let answer = refused.answer();
        assert_eq!((answer.status, answer.whole), (503, true), "{}", answer.head);
        assert!(answer.field("retry-after").is_some() && answer.text().contains("Too many connections"));
        assert!(refused.is_ended());
        let wanted = format!("status=503 auth=not-asked bytes=0 ms=0.0 reason=\"{reason}\"");
        eventually("a line each", || {
            let lines = gate.access_log();
            (lines.iter().filter(|line| line.contains(&wanted)).count() == round).then_some(())
        });
        // Loopback is never refused.
        assert_eq!(Client::connect(familiar).request("GET /messages", AS_ANNA).status, 200);
    }
    // A place that is given up is free again.
    clients.pop();
    eventually("the free place", || {
        let mut client = Client::connect(strange);
        let _ = client.try_send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
        client.try_answer(false).filter(|answer| answer.status == 200)
    });
}

#[test]
fn connections_from_one_address_are_limited_and_loopback_is_not() {
    holds("limits.connections_per_address = 3", 3, "too many connections from this address");
}

#[test]
fn connections_in_all_are_limited_and_loopback_is_not() {
    holds("limits.connections = 2", 2, "too many connections");
}

#[test]
fn trusted_proxies_are_not_limited() {
    let catcher = catcher();
    let config = format!("limits.connections_per_address = 1\ntrusted_proxies = [\"{}\"]", own_address());
    let gate = Gate::to(catcher.http_addr()).listen(r#"["0.0.0.0:0"]"#).config(&config).start();
    let addr = SocketAddr::new(own_address(), gate.addr().port());
    let mut clients: Vec<Client> = (0..5).map(|_| Client::connect(addr)).collect();
    for client in &mut clients {
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    }
}

#[test]
fn without_descriptors_it_waits_quietly_and_serves_again_when_there_are_some() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("workers = 2").run_by(&["prlimit", "--nofile=64:64"]).start();
    gate.log_line("LimitNOFILE");
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    // The kernel takes these connections for it; it has descriptors for some of them only.
    let mut clients: Vec<Client> = (0..100).map(|_| gate.connect()).collect();
    gate.log_line("nothing left to take them with");
    let (begun, ticks) = (Instant::now(), gate.ticks());
    let waiting = clients.last_mut().unwrap();
    let _ = waiting.try_send(format!("GET /messages HTTP/1.1\r\nHost: a\r\n{AS_ANNA}\r\n"));
    assert_eq!(waiting.within(Duration::from_millis(1500)), b"");
    // A tick is 10 ms: a tenth of the time that has passed would be far too much for waiting.
    let (used, passed) = ((gate.ticks() - ticks) * 10, begun.elapsed().as_millis() as u64);
    assert!(used < passed / 10 + 20, "{used} ms of processor time in {passed} ms");
    let mut last = clients.pop().unwrap();
    drop(clients);
    assert_eq!(last.answer().status, 200);
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    assert!(gate.log().iter().filter(|line| line.contains("nothing left")).count() < 10, "it says so again and again");
}

#[test]
fn the_soft_limit_on_descriptors_is_raised_to_the_hard_one() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).run_by(&["prlimit", "--nofile=64:2048"]).start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gate.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(line.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["2048", "2048"], "{line}");
    let mut clients: Vec<Client> = (0..150).map(|_| gate.connect()).collect();
    assert_eq!(clients.last_mut().unwrap().request("GET /messages", AS_ANNA).status, 200);
}
