//! The PROXY protocol: whom a trusted proxy names is the client, and who should send a header and does not is not served.
//!
//! All of 127.0.0.0/8 is this machine, so that a trusted proxy and somebody else are two of its addresses.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::catcher::{Catcher, Options};
use crate::support::gate::{AS_ANNA, Builder, Gate};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw::Client;

const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

const CONFIG: &str = "proxy_protocol = true\ntrusted_proxies = [\"127.0.0.2\", \"unix\"]";

/// What the log says of one that is missing.
const MISSING: &str = "a trusted proxy sends no PROXY header";

fn gate(catcher: &Catcher) -> Builder {
    Gate::to(catcher.http_addr()).config(CONFIG)
}

fn by_proxy(gate: &Gate) -> Client {
    Client::connect_from(PROXY, gate.addr())
}

fn line(client: &str) -> String {
    format!("PROXY TCP4 {client} 10.0.0.5 50000 8080\r\n")
}

fn binary(client: &str) -> Vec<u8> {
    let client: Ipv4Addr = client.parse().unwrap();
    let block = [&client.octets()[..], &[10, 0, 0, 5, 0xc3, 0x50, 0x1f, 0x90], &[0x04, 0, 3, 1, 2, 3]].concat();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0", &[u8::try_from(block.len()).unwrap()][..], &block].concat()
}

fn get(fields: &str) -> String {
    // Not the list, which may be asked for by the gate itself, for several.
    format!("GET / HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}{fields}\r\n")
}

fn forwarded_for(catcher: &Catcher) -> Option<String> {
    catcher.requests().pop().unwrap().value("x-forwarded-for")
}

#[test]
fn whom_the_header_names_is_the_client() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    for (header, client) in [(line("192.0.2.7").into_bytes(), "192.0.2.7"), (binary("192.0.2.8"), "192.0.2.8")] {
        // Header, request and the next request in one piece, and byte by byte.
        let all = [&header[..], get("").as_bytes(), get("").as_bytes()].concat();
        let mut at_once = by_proxy(&gate);
        at_once.send(&all);
        let mut by_bytes = by_proxy(&gate);
        for byte in &all {
            by_bytes.send([*byte]);
        }
        for connection in [&mut at_once, &mut by_bytes] {
            assert_eq!((connection.answer().status, connection.answer().status), (200, 200));
        }
        assert_eq!(forwarded_for(&catcher).as_deref(), Some(client));
        eventually("four lines", || {
            let of = format!("client={client} ");
            (gate.access_log().iter().filter(|line| line.contains(&of)).count() == 4).then_some(())
        });
    }
    assert_eq!(gate.log().iter().find(|line| line.contains("WARN")), None);
}

#[test]
fn who_is_named_is_not_believed_unless_he_is_a_proxy_too() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    let says = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n";
    for (client, forwarded, proto) in [("192.0.2.7", "192.0.2.7", "http"), ("127.0.0.2", "6.6.6.6, 127.0.0.2", "https")]
    {
        assert_eq!(by_proxy(&gate).send(line(client) + &get(says)).answer().status, 200);
        let seen = catcher.requests().pop().unwrap();
        assert_eq!(seen.value("x-forwarded-for").as_deref(), Some(forwarded));
        assert_eq!(seen.value("x-forwarded-proto").as_deref(), Some(proto));
    }
}

#[test]
fn a_connection_of_the_proxys_own_is_its_own() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0".to_vec();
    for header in [local, b"PROXY UNKNOWN\r\n".to_vec()] {
        assert_eq!(by_proxy(&gate).send([&header, get("").as_bytes()].concat()).answer().status, 200);
        assert_eq!(forwarded_for(&catcher).as_deref(), Some("127.0.0.2"));
    }
}

#[test]
fn nobody_but_a_trusted_proxy_can_name_anybody() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    for header in [line("192.0.2.7").into_bytes(), binary("192.0.2.7")] {
        let mut stranger = Client::connect_from(STRANGER, gate.addr());
        let _ = stranger.try_send([&header, get("").as_bytes()].concat());
        assert_eq!(stranger.answer().status, 400);
        assert!(stranger.is_ended());
    }
    gate.access_line(|line| line.contains("client=127.0.0.3 ") && line.contains("status=400"));
    assert!(catcher.requests().is_empty());
    assert_eq!(Client::connect_from(STRANGER, gate.addr()).send(get("")).answer().status, 200);
    assert_eq!(forwarded_for(&catcher).as_deref(), Some("127.0.0.3"));
}

#[test]
fn a_trusted_proxy_without_a_right_header_is_closed_and_the_log_says_so_once() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).with_status().start();
    let mut broken = binary("192.0.2.7");
    broken[12] = 0x31;
    let endless = [b"PROXY TCP4 ", &[b'1'; 200][..]].concat();
    let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec();
    let cases = [get("").into_bytes(), broken, endless, hello, b"PROXY TCP4 1.2.3.4\r\n".to_vec()];
    for bytes in &cases {
        let mut client = by_proxy(&gate);
        let _ = client.try_send(bytes);
        assert_eq!(client.rest(), b"", "{}", String::from_utf8_lossy(bytes));
    }
    // Cut short, which waits for nobody; and one that only looked whether the port is open.
    assert_eq!(by_proxy(&gate).send("PROXY TCP4 1.2").finish().rest(), b"");
    assert_eq!(by_proxy(&gate).finish().rest(), b"");
    let said = gate.log_line(MISSING);
    assert!(said.contains("WARN") && said.contains("peer=127.0.0.2") && said.contains("there is none"), "{said}");
    assert_eq!(gate.log().iter().filter(|line| line.contains(MISSING)).count(), 1);
    eventually("every one to be counted", || {
        (gate.metric("mailwarden_bad_proxy_headers_total") == Some(cases.len() as f64 + 1.0)).then_some(())
    });
    assert!(catcher.requests().is_empty());
}

#[test]
fn a_header_has_its_time_and_keeps_nobody_else_waiting() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).config("workers = 1\ntimeouts.proxy_header = \"700ms\"").start();
    let mut silent: Vec<Client> = (0..20).map(|_| by_proxy(&gate)).collect();
    let mut slow = by_proxy(&gate);
    slow.send("PROXY TCP4 ");
    let began = Instant::now();
    assert_eq!(by_proxy(&gate).send(line("192.0.2.7") + &get("")).answer().status, 200);
    // The acceptor and the one worker had nothing to wait for; the machine is busy with other tests.
    let served = began.elapsed();
    for client in silent.iter_mut().chain([&mut slow]) {
        assert_eq!(client.rest(), b"");
    }
    assert!(served < began.elapsed() && began.elapsed() >= Duration::from_millis(600), "{served:?}");
    assert!(gate.log_line(MISSING).contains("none within 700ms"));
}

#[test]
fn limits_of_an_address_are_those_of_whom_the_header_names() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).config("limits.connections_per_address = 2\nlimits.connections = 3").start();
    let served = |client: &str| {
        let mut connection = by_proxy(&gate);
        connection.send(line(client) + &get(""));
        assert_eq!(connection.answer().status, 200, "{client}");
        connection
    };
    let mut first = vec![served("192.0.2.7"), served("192.0.2.7")];
    let refused = by_proxy(&gate).send(line("192.0.2.7") + &get("")).answer();
    assert_eq!((refused.status, refused.field("connection")), (503, Some("close".to_owned())));
    gate.access_line(|line| {
        line.contains("client=192.0.2.7 ") && line.contains("too many connections from this address")
    });
    let _third = served("192.0.2.8");
    assert_eq!(by_proxy(&gate).send(line("192.0.2.9") + &get("")).answer().status, 503);
    first.pop();
    eventually("a place to be free", || {
        (by_proxy(&gate).send(line("192.0.2.9") + &get("")).answer().status == 200).then_some(())
    });
}

#[test]
fn who_guesses_is_whom_the_header_names() {
    let catcher = Catcher::start(Options::default());
    let gate = gate(&catcher).start();
    let guess = |client: &str, password: usize| {
        let wrong = format!("anna:wrong{password}");
        let encoded = base64(&wrong);
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {encoded}\r\n\r\n");
        by_proxy(&gate).send(line(client) + &request).answer().status
    };
    let statuses: Vec<u16> = (0..8).map(|n| guess("192.0.2.7", n)).collect();
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(guess("198.51.100.9", 99), 401);
}

#[test]
fn a_unix_socket_has_headers_where_it_is_trusted() {
    let catcher = Catcher::start(Options::default());
    for (trusted, named) in [(r#"["unix"]"#, true), (r#"["127.0.0.2"]"#, false)] {
        let gate = Gate::to(catcher.http_addr())
            .config(&format!("proxy_protocol = true\ntrusted_proxies = {trusted}"))
            .listen(r#"["unix:DIR/gate.sock"]"#)
            .start();
        let path = gate.dir().join("gate.sock");
        let ask =
            |path: &Path, header: &str| Client::connect_unix(path).send(header.to_owned() + &get("")).try_answer(false);
        let status = |header: &str| ask(&path, header).map(|answer| answer.status);
        if named {
            assert_eq!(status(&line("192.0.2.7")), Some(200));
            assert_eq!(forwarded_for(&catcher).as_deref(), Some("192.0.2.7"));
            assert_eq!(status(""), None);
        } else {
            assert_eq!((status(&line("192.0.2.7")), status("")), (Some(400), Some(200)));
        }
    }
}

#[test]
fn a_reload_begins_and_ends_it_for_new_connections() {
    let catcher = Catcher::start(Options::default());
    let gate =
        Gate::to(catcher.http_addr()).config("trusted_proxies = [\"127.0.0.2\"]\nproxy_protocol = false").start();
    let mut before = by_proxy(&gate);
    assert_eq!(before.send(get("")).answer().status, 200);
    let file = gate.config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("proxy_protocol = false", "proxy_protocol = true")).unwrap();
    gate.signal("HUP");
    eventually("a header to count", || {
        let mut client = by_proxy(&gate);
        client.send(line("192.0.2.7") + &get(""));
        client.try_answer(false).filter(|answer| answer.status == 200)
    });
    assert_eq!(before.send(get("")).answer().status, 200);
}

#[test]
fn a_header_that_does_not_come_holds_up_no_stop() {
    let catcher = Catcher::start(Options::default());
    let mut gate = gate(&catcher).config("timeouts.proxy_header = \"10m\"\ntimeouts.stop = \"10m\"").start();
    let mut silent = by_proxy(&gate);
    silent.send("PROXY");
    assert_eq!(by_proxy(&gate).send(line("192.0.2.7") + &get("Connection: close\r\n")).answer().status, 200);
    let began = Instant::now();
    gate.signal("TERM");
    assert!(gate.wait().success());
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(silent.rest(), b"");
}

/// Base64, for credentials.
fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
