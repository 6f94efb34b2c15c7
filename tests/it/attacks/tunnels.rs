//! Ways around a tunnel's handshake.

use super::{only, pair, untouched};
use crate::support::catcher::Script;
use crate::support::gate::AS_ANNA;

const KEY: &str = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
/// RFC 6455's own answer to its own key.
const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// h2c smuggling (HAProxy, Traefik, nginx and many more, 2020): an upgrade to HTTP/2 that is passed on is a tunnel around
/// every check.
#[test]
fn an_upgrade_to_anything_but_a_websocket_is_not_passed_on() {
    for config in ["", "upstream.catcher = \"generic\""] {
        for fields in [
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
            "Connection: Upgrade\r\nUpgrade: h2c\r\n",
            "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n",
            "Connection: upgrade\r\nUpgrade: websocket2\r\n",
            "Connection: upgrade\r\nUpgrade:\r\n",
            "Connection: close\r\nUpgrade: websocket\r\n",
            "Upgrade: websocket\r\n",
        ] {
            let (catcher, gate) = pair(config);
            let mut client = gate.connect();
            let answer = client.request("GET /messages", &format!("{AS_ANNA}{fields}"));
            assert_eq!(answer.status, 200, "{config} {fields}: {}", answer.head);
            assert_eq!(answer.field("upgrade"), None);
            let seen = only(&catcher);
            for gone in ["upgrade", "http2-settings"] {
                assert!(seen.values(gone).is_empty(), "{config} {fields}");
            }
            assert!(!seen.values("connection").iter().any(|value| value.to_lowercase().contains("upgrade")));
        }
    }
}

/// Of several protocols only the one that is known is asked for.
#[test]
fn of_a_list_of_protocols_only_websocket_goes_on() {
    let (catcher, gate) = pair("");
    let fields =
        format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: AAAA\r\n{KEY}");
    assert_eq!(gate.connect().request("GET /messages", &format!("{AS_ANNA}{fields}")).status, 101);
    let seen = only(&catcher);
    assert_eq!((seen.values("upgrade"), seen.values("connection")), (vec!["websocket".into()], vec!["Upgrade".into()]));
    assert!(seen.values("http2-settings").is_empty());
}

/// maildev's Socket.IO stood beside the hook that checked passwords: the handshake needs one like everything else.
#[test]
fn a_handshake_needs_the_password_and_the_permission() {
    let (catcher, gate) = pair("access.users = { anna = [\"delete\"] }");
    for (credentials, status) in [
        ("", 401),
        ("Authorization: Basic YW5uYTp3cm9uZw==\r\n", 401),
        ("Sec-WebSocket-Protocol: basic.YW5uYTpzZWNyZXQ\r\n", 401),
        ("Cookie: mailwarden_8080=anna\r\n", 401),
        (AS_ANNA, 403),
    ] {
        let answer = gate.connect().request("GET /messages", &format!("{credentials}{UPGRADE}{KEY}"));
        assert_eq!(answer.status, status, "{credentials}");
    }
    untouched(&catcher, "a handshake");
}

/// MailCatcher fact 2: a handshake on another path leaves a dead connection behind. It is an ordinary request there.
#[test]
fn a_handshake_elsewhere_is_an_ordinary_request() {
    let (catcher, gate) = pair("workers = 1");
    let mut client = gate.connect();
    for path in ["/", "/messages/1.json", "/assets/mailcatcher.js", "/favicon.ico"] {
        let answer = client.request(&format!("GET {path}"), &format!("{AS_ANNA}{UPGRADE}{KEY}"));
        assert_eq!(answer.status, 200, "{path}");
        assert!(catcher.requests().pop().unwrap().values("upgrade").is_empty(), "{path}");
    }
    let delete = client.request("DELETE /messages/1", &format!("{AS_ANNA}{UPGRADE}{KEY}"));
    assert_eq!(delete.status, 204);
    assert!(catcher.requests().pop().unwrap().values("upgrade").is_empty());
}

/// RFC 6455 section 4.2.1: a handshake that is none is refused here, and never sent on as something else.
#[test]
fn a_handshake_that_is_not_exactly_one_is_refused() {
    let (catcher, gate) = pair("");
    for (fields, status) in [
        ("Sec-WebSocket-Version: 13\r\n", 400),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n", 400),
        ("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: x\r\n", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
        ("Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 426),
        (
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            426,
        ),
    ] {
        let answer = gate.connect().request("GET /messages", &format!("{AS_ANNA}{UPGRADE}{fields}"));
        assert_eq!(answer.status, status, "{fields}");
    }
    untouched(&catcher, "half a handshake");
}

/// RUSTSEC-2026-0033 (Pingora) and Go's `reverseproxy.go`: a catcher that switches to something else than was asked, or
/// not as the handshake has it, gets no tunnel. What it says behind its head reaches nobody.
#[test]
fn a_switch_to_another_protocol_than_was_asked_is_502() {
    let (catcher, gate) = pair("");
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
    for fields in [
        format!("Upgrade: h2c\r\n{ACCEPT}"),
        format!("Upgrade: websocket2\r\n{ACCEPT}"),
        ACCEPT.to_owned(),
        "Upgrade: websocket\r\n".to_owned(),
        "Upgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n".to_owned(),
        format!("Upgrade: websocket\r\n{ACCEPT}Sec-WebSocket-Extensions: permessage-deflate\r\n"),
    ] {
        catcher.on("UPGRADE /messages", Script::raw(format!("{head}{fields}\r\n\u{1}\u{4}evil")).silence());
        let mut client = gate.connect();
        let answer = client.request("GET /messages", &format!("{AS_ANNA}{UPGRADE}{KEY}"));
        assert_eq!(answer.status, 502, "{fields}");
        assert!(!answer.text().contains("evil"), "{fields}");
        assert_eq!(client.request("GET /messages/1.plain", AS_ANNA).status, 200, "the client's connection goes on");
    }
}

/// The same without anybody having asked: the client's next request would be the tunnel's bytes.
#[test]
fn a_switch_that_nobody_asked_for_is_502() {
    for config in ["", "upstream.catcher = \"generic\""] {
        let (catcher, gate) = pair(config);
        let mut client = gate.connect();
        for line in ["GET /messages", "DELETE /messages/7"] {
            catcher.next(Script::switches_unasked().echo());
            let answer = client.request(line, AS_ANNA);
            assert_eq!(answer.status, 502, "{line}");
            assert_eq!(answer.field("upgrade"), None);
        }
        assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
        assert_eq!(catcher.open_sockets(), 0);
    }
}

/// A refusal of the catcher's is an answer and no tunnel: what the client sends next is a request, with its own password.
#[test]
fn after_a_refused_handshake_the_next_bytes_are_a_request() {
    let (catcher, gate) = pair("");
    catcher.on("UPGRADE /messages", Script::reply("403 Forbidden", &[("Upgrade", "websocket")], "no"));
    let mut client = gate.connect();
    let answer = client.request("GET /messages", &format!("{AS_ANNA}{UPGRADE}{KEY}"));
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    assert_eq!(answer.field("upgrade"), None);
    assert_eq!(client.request("DELETE /messages/1", "").status, 401);
    assert_eq!(catcher.message_ids(), [1]);
}
