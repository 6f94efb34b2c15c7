//! WebSockets over HTTP/2 (RFC 8441): the same tunnel, on one of a connection's streams.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::{AS_ANNA, before_any, catcher, upstream};
use crate::support::catcher::{Catcher, Mail};
use crate::support::gate::Gate;
use crate::support::http2::frames::{self, CANCEL, DATA, HEADERS, RST_STREAM};
use crate::support::http2::orderly::{Client, Socket};
use crate::support::patience::{PATIENCE, eventually};
use crate::support::raw;
use crate::upgrade::masked;

const HERE: &str = "origin: https://dev.test:8080\r\n";

fn secure(catcher: &Catcher, config: &str) -> Gate {
    Gate::to(catcher.http_addr()).config(config).secure().start()
}

/// The next frame's first byte and payload; pings are answered, as a browser does.
fn next(client: &mut Client, socket: &mut Socket) -> (u8, Vec<u8>) {
    loop {
        let head = client.hear(socket, 2);
        assert_eq!(head.len(), 2, "the socket ended where a frame was expected");
        let length = match head[1] {
            126 => u16::from_be_bytes(client.hear(socket, 2).try_into().unwrap()).into(),
            127 => panic!("a long frame"),
            short => usize::from(short),
        };
        let payload = client.hear(socket, length);
        if head[0] != 0x89 {
            return (head[0], payload);
        }
        client.say(socket, &masked(0x8a, &payload));
    }
}

#[test]
fn live_updates_arrive_beside_requests_on_the_same_connection() {
    let catcher = catcher();
    let gate = secure(&catcher, "");
    let mut client = Client::connect(&gate);
    let mut sockets = [(); 2].map(|()| client.socket("/messages", &format!("{AS_ANNA}{HERE}")));
    for socket in &sockets {
        assert_eq!(socket.answer.status, 200, "{}", socket.answer.head);
        for gone in ["connection", "upgrade", "sec-websocket-accept"] {
            assert_eq!(socket.answer.field(gone), None);
        }
    }
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 2));
    catcher.deliver(Mail::new("Fresh"));
    for socket in &mut sockets {
        let (first, payload) = next(&mut client, socket);
        assert!(first == 0x81 && String::from_utf8_lossy(&payload).contains("Fresh"));
    }
    assert!(client.request("GET /messages", AS_ANNA).text().contains("Fresh"));
    let [mut one, mut other] = sockets;
    // It closes, and its stream ends; the other is none the worse.
    client.say(&mut one, &masked(0x88, &1000_u16.to_be_bytes()));
    assert_eq!(next(&mut client, &mut one), (0x88, 1000_u16.to_be_bytes().to_vec()));
    client.finish(&mut one);
    assert_eq!(client.rest(&mut one), b"");
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    catcher.deliver(Mail::new("More"));
    assert_eq!(next(&mut client, &mut other).0, 0x81);
    gate.access_line(|line| {
        line.contains("status=101") && line.contains("version=HTTP/2.0 method=GET path=\"/messages\" user=\"anna\"")
    });
}

/// Answers a handshake as a server does; what it said.
fn accept(far: &mut raw::Client, more: &str) -> String {
    let head = far.head();
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let accept = STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
    far.send(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    ));
    head
}

#[test]
fn the_catcher_is_shaken_hands_with_by_http1_and_a_key_of_the_gates_own() {
    let upstream = upstream();
    let gate = before_any(&upstream);
    let mut keys = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(&gate);
        let more = format!("{AS_ANNA}sec-websocket-protocol: chat\r\nsec-websocket-key: bm90IG91cnMgYXQgYWxsIQ==\r\n");
        let (mut socket, mut far, head) = std::thread::scope(|scope| {
            let far = scope.spawn(|| {
                let mut far = raw::Client::accept(&upstream);
                let head = accept(&mut far, "Sec-WebSocket-Protocol: chat\r\n");
                (far, head)
            });
            let socket = client.socket("/ws?x=1", &more);
            let (far, head) = far.join().unwrap();
            (socket, far, head)
        });
        assert_eq!(socket.answer.field("sec-websocket-protocol").as_deref(), Some("chat"));
        assert!(head.starts_with("GET /ws?x=1 HTTP/1.1\r\n"), "{head}");
        for line in
            ["connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-protocol: chat"]
        {
            assert_eq!(head.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {head}");
        }
        let key = head.lines().filter_map(|line| line.strip_prefix("sec-websocket-key: ")).collect::<Vec<_>>();
        assert_eq!(key.iter().map(|key| STANDARD.decode(key).unwrap().len()).collect::<Vec<_>>(), [16]);
        keys.push(key[0].to_owned());
        // From here on it is bytes, in both directions, until one side ends.
        client.say(&mut socket, b"there");
        assert_eq!(far.read(5), b"there");
        far.send("and back");
        assert_eq!(client.hear(&mut socket, 8), b"and back");
        client.finish(&mut socket);
        assert_eq!(far.rest(), b"");
        drop(far);
        assert_eq!(client.rest(&mut socket), b"");
    }
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn a_catcher_that_does_not_agree_opens_nothing() {
    let upstream = upstream();
    let gate = before_any(&upstream);
    for (answer, status) in [
        ("101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong", 502),
        ("101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade", 502),
        ("404 Not Found\r\nContent-Length: 4\r\n\r\nnone", 404),
        ("200 OK\r\nContent-Length: 4\r\n\r\nsome", 404),
        ("200 OK\r\nContent-Length: 0", 404),
        ("204 No Content", 404),
        ("302 Found\r\nLocation: /\r\nContent-Length: 0", 302),
    ] {
        let mut client = Client::connect(&gate);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut far = raw::Client::accept(&upstream);
                far.head();
                far.send(format!("HTTP/1.1 {answer}\r\n\r\n"));
                far.rest();
            });
            assert_eq!(client.socket("/ws", AS_ANNA).answer.status, status, "{answer}");
        });
        assert_eq!(client.request("GET /.mailwarden/none", "").status, 401);
    }
}

#[test]
fn who_may_not_have_a_socket_gets_none() {
    let catcher = catcher();
    let gate = secure(&catcher, "health_path = \"/healthz\"\naccess.users = { ben = [\"delete\"] }");
    std::fs::write(
        gate.users_file(),
        "anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nben:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
    )
    .unwrap();
    gate.log_line("reloaded");
    let mut client = Client::connect(&gate);
    for (path, fields, status) in [
        ("/messages", "", 401),
        ("/messages", "authorization: Basic YW5uYTp3cm9uZw==\r\n", 401),
        ("/messages", &format!("{AS_ANNA}origin: https://evil.test\r\n"), 403),
        ("/messages", &format!("{AS_ANNA}sec-fetch-site: cross-site\r\n"), 403),
        ("/messages", "authorization: Basic YmVuOnNlY3JldA==\r\n", 403),
        ("/elsewhere", AS_ANNA, 404),
        // Nothing else that is there answers as if it were one: over HTTP/2 a 200 is a tunnel.
        ("/", AS_ANNA, 404),
        ("/favicon.ico", AS_ANNA, 404),
        ("/healthz", "", 404),
    ] {
        let answer = client.socket(path, fields).answer;
        assert_eq!(answer.status, status, "{path} {fields}");
    }
    assert_eq!(client.tunnel("websocket", "/messages", AS_ANNA).answer.status, 426, "without a version");
    for protocol in ["connect-udp", "webtransport", "tcp"] {
        assert_eq!(client.tunnel(protocol, "/messages", AS_ANNA).answer.status, 501, "{protocol}");
    }
    assert_eq!(catcher.open_sockets(), 0);
}

#[test]
fn a_ticket_opens_one_without_a_password() {
    let catcher = catcher();
    let gate = secure(&catcher, "");
    let mut client = Client::connect(&gate);
    let given = client.request("GET /", AS_ANNA).field("set-cookie").unwrap();
    let ticket = given.split(';').next().unwrap();
    let crumbs = format!("{HERE}cookie: other=1\r\ncookie: {ticket}\r\n");
    // On another connection, as a browser may have it.
    let mut other = Client::connect(&gate);
    assert_eq!(other.socket("/messages", &crumbs).answer.status, 200);
    assert_eq!(other.request("GET /messages", &crumbs).status, 401);
    let foreign = crumbs.replace("dev.test", "evil.test");
    assert_ne!(other.socket("/messages", &foreign).answer.status, 200);
    gate.access_line(|line| line.contains("auth=ticket"));
}

#[test]
fn a_stop_closes_with_1001_and_a_revoked_user_is_told_1008() {
    let catcher = catcher();
    let mut gate = secure(&catcher, "timeouts.stop = \"60s\"");
    let mut client = Client::connect(&gate);
    let mut socket = client.socket("/messages", AS_ANNA);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    std::fs::write(gate.users_file(), "ben:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    assert_eq!(next(&mut client, &mut socket), (0x88, 1008_u16.to_be_bytes().to_vec()));
    let mut socket = client.socket("/messages", "authorization: Basic YmVuOnNlY3JldA==\r\n");
    assert_eq!(socket.answer.status, 200);
    gate.signal("TERM");
    assert_eq!(next(&mut client, &mut socket), (0x88, 1001_u16.to_be_bytes().to_vec()));
    client.say(&mut socket, &masked(0x88, &1001_u16.to_be_bytes()));
    client.finish(&mut socket);
    client.ended().unwrap();
    assert_eq!(gate.wait().code(), Some(0));
}

/// An extended CONNECT for the catcher's socket, as frames.
fn connect(client: &mut frames::Client, stream: u32) {
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", "dev.test"),
        (":path", "/messages"),
        ("authorization", "Basic YW5uYTpzZWNyZXQ="),
        ("sec-websocket-version", "13"),
    ];
    client.head(stream, &fields, false);
}

#[test]
fn a_socket_ends_when_its_stream_is_reset_or_its_connection_ends() {
    let catcher = catcher();
    let gate = secure(&catcher, "");
    let mut client = frames::Client::connect(&gate, &[]);
    for stream in [1, 3] {
        connect(&mut client, stream);
        assert_eq!(client.status(stream), 200);
    }
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 2));
    client.frame(RST_STREAM, 0, 1, CANCEL.to_be_bytes());
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    assert!(client.is_alive(5));
    drop(client);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 0));
}

#[test]
fn a_socket_whose_client_takes_nothing_ends_alone_and_its_stream_with_it() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config("timeouts.ping = \"1s\"").with_status().secure().start();
    let mut client = frames::Client::connect(&gate, &[(4, 0)]);
    connect(&mut client, 1);
    let head = client.until("an answer", |frame| frame.kind == HEADERS && frame.stream == 1);
    assert_eq!(head.status(), 200);
    assert!(catcher.wait_until(PATIENCE, |state| state.open_sockets() == 1));
    let event = "x".repeat(64 << 10);
    (0..16).for_each(|_| catcher.send_text_to_sockets(&event));
    eventually("the end of the tunnel", || {
        let ended = ["slow", "silent"]
            .map(|reason| gate.metric(&format!("mailwarden_tunnels_ended_total{{reason=\"{reason}\"}}")));
        (ended.iter().flatten().sum::<f64>() == 1.0).then_some(())
    });
    let code = client.until("the stream's end", |frame| {
        assert_ne!(frame.kind, DATA, "without a window");
        frame.kind == RST_STREAM && frame.stream == 1
    });
    assert_eq!(code.code(), CANCEL);
    client.head(3, &frames::get("/messages", &[]), true);
    assert_eq!(client.status(3), 200);
}
