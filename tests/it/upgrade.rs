//! WebSockets through the gate.

use std::net::TcpListener;
use std::time::Duration;

use crate::support::catcher::{Catcher, Gate as Hold, Mail, Options, Script};
use crate::support::gate::{AS_ANNA, Gate};
use crate::support::patience::PATIENCE;
use crate::support::raw::{Answer, Client};

/// The header lines of a handshake; the key is the RFC's own example.
pub(crate) const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The answer to it.
pub(crate) const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// How long is waited for what must not come.
const NOTHING: Duration = Duration::from_millis(200);

/// A whole request for a WebSocket at `path`.
fn handshake(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: dev.test:8080\r\n{AS_ANNA}{HANDSHAKE}\r\n")
}

/// An open WebSocket of a client.
pub(crate) fn open(gate: &Gate) -> Client {
    let mut client = gate.connect();
    let answer = client.request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}"));
    assert_eq!(answer.status, 101, "{}", answer.text());
    client
}

/// A frame of a server.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    length(&mut frame, 0, payload.len());
    frame.extend(payload);
    frame
}

/// A frame of a client, with a mask.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    length(&mut frame, 0x80, payload.len());
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

fn length(frame: &mut Vec<u8>, mask: u8, length: usize) {
    match length {
        0..=125 => frame.push(mask | length as u8),
        126..=0xffff => {
            frame.push(mask | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
}

/// The next frame's first byte and payload; pings are answered, as a browser does.
pub(crate) fn next(client: &mut Client) -> (u8, Vec<u8>) {
    loop {
        match next_of_any_kind(client) {
            (0x89, payload) => client.send(masked(0x8a, &payload)),
            frame => return frame,
        };
    }
}

fn next_of_any_kind(client: &mut Client) -> (u8, Vec<u8>) {
    let head = client.read(2);
    assert_eq!(head.len(), 2, "the socket ended where a frame was expected");
    let length = match head[1] {
        126 => u16::from_be_bytes(client.read(2).try_into().unwrap()).into(),
        127 => u64::from_be_bytes(client.read(8).try_into().unwrap()) as usize,
        short => usize::from(short),
    };
    (head[0], client.read(length))
}

/// The text of the next frame.
pub(crate) fn text(client: &mut Client) -> String {
    let (first, payload) = next(client);
    assert_eq!(first, 0x81);
    String::from_utf8(payload).unwrap()
}

/// A tunnel between a client and an upstream that the test plays itself.
fn tunnel(gate: &Gate, upstream: &TcpListener, path: &str) -> (Client, Client) {
    let mut client = gate.connect();
    client.send(handshake(path));
    let mut far = Client::accept(upstream);
    far.head();
    far.send(SWITCHED);
    assert_eq!(client.answer().status, 101);
    (client, far)
}

fn upstream() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn before(upstream: &TcpListener) -> Gate {
    Gate::to(upstream.local_addr().unwrap()).start()
}

#[test]
fn the_pages_live_updates_arrive() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut socket = open(&gate);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    let id = catcher.deliver(Mail::new("Fresh"));
    let added = text(&mut socket);
    assert!(added.starts_with(r#"{"type":"add""#) && added.contains("Fresh"), "{added}");
    assert_eq!(gate.connect().request(&format!("DELETE /messages/{id}"), AS_ANNA).status, 204);
    assert_eq!(text(&mut socket), format!(r#"{{"type":"remove","id":{id}}}"#));
    assert_eq!(gate.connect().request("DELETE /messages", AS_ANNA).status, 204);
    assert_eq!(text(&mut socket), r#"{"type":"clear"}"#);
}

#[test]
fn the_101_has_one_line_of_each_field_that_switches() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let answer = gate.connect().request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}"));
    assert_eq!(answer.field("sec-websocket-accept").unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(answer.field("upgrade").unwrap(), "websocket");
    assert!(answer.field("connection").unwrap().eq_ignore_ascii_case("upgrade"));
    assert_eq!((answer.field("content-length"), answer.field("transfer-encoding")), (None, None));
    let asked = &catcher.requests()[0];
    assert_eq!(asked.value("connection").unwrap(), "Upgrade");
    assert_eq!(asked.value("upgrade").unwrap(), "websocket");
    assert_eq!(asked.value("authorization"), None);
}

#[test]
fn an_upgrades_connection_is_its_own_and_closed_whatever_the_answer() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    let mut client = gate.connect();
    let list = |client: &mut Client| assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    list(&mut client);
    for (number, status) in ["200 OK", "404 Not Found", "403 Forbidden"].into_iter().enumerate() {
        catcher.on("UPGRADE /messages", Script::reply(status, &[("Content-Type", "text/plain")], "no socket"));
        let answer = client.request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}"));
        assert_eq!((answer.text().as_str(), answer.whole), ("no socket", true));
        assert_eq!(answer.status.to_string(), status[..3]);
        // The pool's connection is the only one left, and the one that later requests go on.
        assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 1), "after {status}");
        list(&mut client);
        assert_eq!(catcher.connections(), number + 2);
        assert_eq!(catcher.requests().last().unwrap().connection, 1);
    }
    drop(open(&gate));
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 1), "after a WebSocket");
    list(&mut client);
    assert_eq!(catcher.requests().last().unwrap().connection, 1);
}

#[test]
fn frames_that_come_with_the_handshake_arrive() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut client = gate.connect();
    client.send([handshake("/messages").into_bytes(), masked(0x81, b"early")].concat());
    assert_eq!(client.answer().status, 101);
    // The double loses what comes in one packet with the handshake.
    assert!(catcher.wait_until(PATIENCE, |state| !state.frames.is_empty()));
    assert_eq!(catcher.frames()[0].payload, b"early");
}

#[test]
fn nothing_follows_the_head_before_the_catcher_has_switched() {
    let upstream = upstream();
    let gate = before(&upstream);
    let mut client = gate.connect();
    let early = masked(0x81, b"early");
    client.send([handshake("/messages").into_bytes(), early.clone()].concat());
    let mut far = Client::accept(&upstream);
    let head = far.head();
    assert!(!head.to_ascii_lowercase().contains("content-length") && !head.contains("ransfer-"), "{head}");
    let late = masked(0x82, b"late");
    client.send(&late);
    assert_eq!(far.within(NOTHING), b"");
    far.send(SWITCHED);
    assert_eq!(far.read(early.len() + late.len()), [early, late].concat());
}

#[test]
fn the_clients_half_close_passes_and_the_catcher_may_go_on() {
    let upstream = upstream();
    let gate = before(&upstream);
    let (mut client, mut far) = tunnel(&gate, &upstream, "/messages");
    client.send(masked(0x81, b"bye")).finish();
    assert_eq!(far.rest(), masked(0x81, b"bye"));
    far.send(frame(0x81, b"one more"));
    assert_eq!(text(&mut client), "one more");
    far.finish();
    assert!(client.is_ended());
}

#[test]
fn the_catchers_end_is_a_restart_to_the_client_and_what_it_said_before_arrives() {
    let upstream = upstream();
    let gate = before(&upstream);
    let (mut client, mut far) = tunnel(&gate, &upstream, "/messages");
    far.send(frame(0x81, b"bye")).finish();
    assert_eq!(client.rest(), [frame(0x81, b"bye"), frame(0x88, &1012u16.to_be_bytes())].concat());
    drop(client);
    assert!(far.rest().ends_with(&1001u16.to_be_bytes()));
}

/// Every kind of frame in one stream: whole, in fragments with a ping between, 1 MiB, pong.
fn all_kinds(written: impl Fn(u8, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let large: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    [
        written(0x81, b"whole"),
        written(0x01, b"first "),
        written(0x89, b"are you there"),
        written(0x00, b"second "),
        written(0x80, b"third"),
        written(0x82, &large),
        written(0x8a, b"here"),
        written(0x82, &large[..70_000]),
        written(0x82, &large[..300]),
        written(0x81, b""),
    ]
    .concat()
}

#[test]
fn fragments_pings_and_a_frame_of_a_mebibyte_pass_both_ways_unchanged() {
    let upstream = upstream();
    let gate = before(&upstream);
    let (mut client, mut far) = tunnel(&gate, &upstream, "/messages");
    let (up, down) = (all_kinds(masked), all_kinds(frame));
    let (up_length, down_sent) = (up.len(), down.clone());
    let client = std::thread::spawn(move || {
        client.send(&up);
        let seen = client.read(down_sent.len());
        (up, seen)
    });
    far.send(&down);
    let seen = far.read(up_length);
    let (up, down_seen) = client.join().unwrap();
    assert!(seen == up && down_seen == down, "the bytes differ");
}

#[test]
fn a_frame_without_a_mask_ends_both_sides_with_1002() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut socket = open(&gate);
    socket.send(frame(0x81, b"not masked"));
    assert_eq!(next(&mut socket), (0x88, 1002u16.to_be_bytes().to_vec()));
    assert!(socket.is_ended());
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
    let frames = catcher.frames();
    assert_eq!((frames.len(), frames[0].opcode, frames[0].payload.as_slice()), (1, 8, &1002u16.to_be_bytes()[..]));
    gate.log_line("broke the protocol");
}

#[test]
fn a_frame_of_the_catchers_that_is_none_ends_the_socket_with_1002() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut socket = open(&gate);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    catcher.send_to_sockets(b"\xff\xff\xff\xff");
    assert_eq!(next(&mut socket), (0x88, 1002u16.to_be_bytes().to_vec()));
    assert!(socket.is_ended());
}

#[test]
fn the_page_is_never_told_quit() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut socket = open(&gate);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    catcher.send_text_to_sockets(r#"{"type":"quit"}"#);
    catcher.send_text_to_sockets(r#"{"type":"clear"}"#);
    assert_eq!(text(&mut socket), r#"{"type":"clear"}"#);
}

#[test]
fn a_generic_upstreams_bytes_pass_unparsed() {
    let catcher = Catcher::start(Options::default());
    catcher.on("UPGRADE /anything", Script::raw(SWITCHED).echo());
    let gate = Gate::to(catcher.http_addr()).config(r#"upstream.catcher = "generic""#).start();
    let mut client = gate.connect();
    client.send(handshake("/anything"));
    assert_eq!(client.answer().status, 101);
    let nonsense = [b"\xff\xff no frame \0".to_vec(), frame(0x81, br#"{"type":"quit"}"#)].concat();
    client.send(&nonsense);
    assert_eq!(client.read(nonsense.len()), nonsense);
    client.finish();
    assert!(client.is_ended());
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
}

#[test]
fn a_generic_upstreams_half_close_passes() {
    let upstream = upstream();
    let addr = upstream.local_addr().unwrap();
    let gate = Gate::to(addr).config(r#"upstream.catcher = "generic""#).start();
    let (mut client, mut far) = tunnel(&gate, &upstream, "/x");
    client.send("ping").finish();
    assert_eq!(far.rest(), b"ping");
    far.send("pong").finish();
    assert_eq!(client.rest(), b"pong");
}

#[test]
fn another_version_is_426_and_a_bad_key_400_and_neither_reaches_the_catcher() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let ask = |from: &str, to: &str| -> Answer {
        gate.connect().request("GET /messages", &format!("{AS_ANNA}{}", HANDSHAKE.replace(from, to)))
    };
    let answer = ask("Version: 13", "Version: 8");
    assert_eq!((answer.status, answer.field("sec-websocket-version").unwrap().as_str()), (426, "13"));
    assert_eq!(ask("Sec-WebSocket-Version: 13\r\n", "").status, 426);
    assert_eq!(ask("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "").status, 400);
    assert_eq!(ask("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=").status, 400);
    assert_eq!(catcher.connections(), 0);
}

#[test]
fn a_101_that_does_not_answer_the_key_is_502_and_its_connection_is_closed() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    for wrong in [SWITCHED.replace("s3pP", "AAAA"), SWITCHED.replace("Upgrade: websocket", "Upgrade: h2c")] {
        catcher.on("UPGRADE /messages", Script::raw(wrong).silence());
        let answer = gate.connect().request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}"));
        assert_eq!(answer.status, 502);
        assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
    }
}

#[test]
fn a_101_that_nobody_asked_for_is_502() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    catcher.on("GET /messages", Script::switches_unasked().silence());
    assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 502);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
}

#[test]
fn a_handshake_elsewhere_is_an_ordinary_request_on_a_connection_that_stays_of_use() {
    let catcher = Catcher::start(Options::default());
    let id = catcher.deliver(Mail::new("Hello"));
    let gate = Gate::to(catcher.http_addr()).config("workers = 1").start();
    let mut client = gate.connect();
    for path in ["/".to_owned(), format!("/messages/{id}.json"), "/".to_owned()] {
        assert_eq!(client.request(&format!("GET {path}"), &format!("{AS_ANNA}{HANDSHAKE}")).status, 200);
    }
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    assert_eq!(catcher.connections(), 1);
    for asked in catcher.requests() {
        assert_eq!((asked.value("upgrade"), asked.value("connection")), (None, None), "{asked:?}");
    }
}

#[test]
fn an_upgrade_to_anything_but_a_websocket_is_an_ordinary_request() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let fields = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{fields}")).status, 200);
    let asked = &catcher.requests()[0];
    assert_eq!((asked.value("upgrade"), asked.value("http2-settings")), (None, None));
}

#[test]
fn a_socket_needs_the_password() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let wrong = AS_ANNA.replace("YW5uYTpzZWNyZXQ=", "YW5uYTp3cm9uZw==");
    for credentials in ["", wrong.as_str()] {
        let mut client = gate.connect();
        let answer = client.request("GET /messages", &format!("{credentials}{HANDSHAKE}"));
        assert_eq!(answer.status, 401);
        assert!(answer.field("www-authenticate").is_some());
        // It is no tunnel: the connection still speaks HTTP.
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    }
    assert!(catcher.requests().iter().all(|asked| asked.value("upgrade").is_none()));
}

#[test]
fn an_upgrade_in_http_1_0_is_ignored() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let answer = gate.connect().send(handshake("/messages").replace("HTTP/1.1", "HTTP/1.0")).answer();
    assert_eq!((answer.status, answer.text().as_str()), (200, "[]"));
    assert_eq!(catcher.requests()[0].value("upgrade"), None);
}

#[test]
fn a_hundred_and_twenty_sockets_all_get_an_event_and_requests_still_pass() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut sockets: Vec<Client> = (0..120).map(|_| open(&gate)).collect();
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 120));
    catcher.deliver(Mail::new("To all"));
    for socket in &mut sockets {
        assert!(text(socket).contains("To all"));
    }
    for _ in 0..5 {
        assert_eq!(gate.connect().request("GET /messages", AS_ANNA).status, 200);
    }
    // Above the catcher's own number nothing is kept beside them.
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 120));
    drop(sockets);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
}

#[test]
fn sockets_displace_the_pool_so_that_the_catcher_keeps_them_all() {
    let catcher = Catcher::start(Options::default());
    // No connection ages out of the pool while this looks.
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.upstream_idle = "20s""#).start();
    let soon = Duration::from_secs(10);
    let hold = Hold::closed();
    catcher.always("GET /favicon.ico", Script::held(&hold));
    let mut clients: Vec<Client> = (0..50).map(|_| gate.connect()).collect();
    for client in &mut clients {
        client.send(format!("GET /favicon.ico HTTP/1.1\r\nHost: dev.test\r\n{AS_ANNA}\r\n"));
    }
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 50));
    hold.open();
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    // Fifty are kept now; eighty sockets take the place of thirty of them.
    assert_eq!(catcher.open_connections(), 50);
    let mut sockets: Vec<Client> = (0..80).map(|_| open(&gate)).collect();
    assert!(catcher.wait_until(soon, |state| state.open_sockets() == 80 && state.open_connections <= 100));
    catcher.deliver(Mail::new("To all"));
    for socket in &mut sockets {
        assert!(text(socket).contains("To all"));
    }
    for client in &mut clients {
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
    }
    assert!(catcher.wait_until(soon, |state| state.open_connections <= 100));
}

#[test]
fn a_client_that_leaves_frees_the_catchers_connection() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let socket = open(&gate);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    drop(socket);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));

    // Also one that does not wait for the answer to its handshake.
    catcher.on("UPGRADE /messages", Script::never_answer());
    let mut client = gate.connect();
    client.send(handshake("/messages"));
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 1));
    drop(client);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
}

#[test]
fn the_catcher_ending_ends_the_socket() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).start();
    let mut socket = open(&gate);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    catcher.cut_sockets();
    assert_eq!(next(&mut socket), (0x88, 1012u16.to_be_bytes().to_vec()));
    assert!(socket.is_ended());
}

#[test]
fn a_side_that_stops_reading_stops_the_other_and_costs_no_memory() {
    let upstream = upstream();
    let gate = before(&upstream);
    let piece = frame(0x82, &vec![7; 60_000]);
    let masked_piece = masked(0x82, &vec![7; 60_000]);
    let (mut client, mut far) = tunnel(&gate, &upstream, "/messages");
    let before = gate.memory();
    let wait = Duration::from_secs(1);
    let down = std::thread::spawn(move || (far.flood(&piece, 2000, wait), far));
    let up = client.flood(&masked_piece, 2000, wait);
    let (down, _far) = down.join().unwrap();
    let grown = gate.memory().saturating_sub(before);
    // What the kernel's own buffers hold is a few MiB a socket.
    assert!(down < 60 << 20 && up < 60 << 20, "nobody was stopped: {down} and {up} bytes were taken");
    assert!(grown < 8 << 10, "{grown} KiB more");
}

#[test]
fn a_handshake_that_is_not_answered_is_504() {
    let catcher = Catcher::start(Options::default());
    let gate = Gate::to(catcher.http_addr()).config(r#"timeouts.upstream_answer = "300ms""#).start();
    catcher.on("UPGRADE /messages", Script::never_answer());
    assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{HANDSHAKE}")).status, 504);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_connections == 0));
}

#[test]
fn an_open_socket_outlives_every_limit_of_requests() {
    let catcher = Catcher::start(Options::default());
    let short = "timeouts.upstream_answer = \"200ms\"\ntimeouts.keep_alive = \"200ms\"\n\
                 timeouts.request_head = \"200ms\"\ntimeouts.request_body = \"200ms\"\ntimeouts.send = \"200ms\"";
    let gate = Gate::to(catcher.http_addr()).config(short).start();
    let mut socket = open(&gate);
    assert_eq!(socket.within(Duration::from_millis(900)), b"");
    assert_eq!(catcher.open_sockets(), 1);
    catcher.deliver(Mail::new("Late"));
    assert!(text(&mut socket).contains("Late"));
}
