//! What the answers of a catcher could do to a client: the catcher may be broken, or not be the catcher.

use super::{pair, untouched};
use crate::support::catcher::{Catcher, Gate as Later, Script};
use crate::support::gate::{AS_ANNA, Gate, patience};
use crate::support::raw::Answer;

/// The answer to a GET that the catcher answers with these bytes and then closes.
fn told(catcher: &Catcher, gate: &Gate, bytes: impl AsRef<[u8]>) -> Answer {
    catcher.on("GET /messages/7.plain", Script::raw(bytes.as_ref()).close());
    gate.connect().request("GET /messages/7.plain", AS_ANNA)
}

/// hyper's client decodes the chunks and leaves the length, which is then wrong: a response that the next reader splits
/// elsewhere.
#[test]
fn an_answer_with_a_length_and_chunks_has_its_true_length_only() {
    let (catcher, gate) = pair("");
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    ] {
        let answer = told(&catcher, &gate, format!("HTTP/1.1 200 OK\r\n{fields}\r\n3\r\nabc\r\n0\r\n\r\n"));
        assert_eq!((answer.status, answer.text().as_str(), answer.whole), (200, "abc", true), "{fields}");
        assert!(answer.field("content-length").is_none_or(|length| length == "3"), "{fields}: {}", answer.head);
    }
}

/// RFC 9112 section 6.3: lengths that disagree are an attack or a fault, and either way no answer.
#[test]
fn an_answer_with_two_lengths_is_502() {
    let (catcher, gate) = pair("");
    for fields in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: two\r\n",
        "Content-Length: 99999999999999999999999\r\n",
    ] {
        let answer = told(&catcher, &gate, format!("HTTP/1.1 200 OK\r\n{fields}\r\nokay"));
        assert_eq!(answer.status, 502, "{fields}");
    }
    // The same one twice is one.
    let answer = told(&catcher, &gate, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok");
    if answer.status == 200 {
        assert_eq!((answer.all("content-length"), answer.text().as_str()), (vec!["2".to_owned()], "ok"));
    }
}

/// Response splitting by fields that two readers end elsewhere: folded lines, bare CR, NUL, no colon.
#[test]
fn an_answer_that_is_not_exactly_http_is_502() {
    let (catcher, gate) = pair("");
    for head in [
        &b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n"[..],
        b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n\tSet-Cookie: b\r\n",
        b"HTTP/1.1 200 OK\r\nX-Space : a\r\n",
        b"HTTP/1.1 200 OK\r\nX-CR: a\rSet-Cookie: b\r\n",
        b"HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n",
        b"HTTP/1.1 200 OK\r\n: empty\r\n",
        b"HTTP/1.1 2x0 OK\r\n",
        b"HTTP/1.1 20 OK\r\n",
        b"HTTP/2.0 200 OK\r\n",
        b"HTTP/3 200 OK\r\n",
        b"ICY 200 OK\r\n",
        b"<html>not a head</html>\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc",
        b"",
    ] {
        let answer = told(&catcher, &gate, [head, b"Content-Length: 2\r\n\r\nok"].concat());
        assert_eq!(answer.status, 502, "{:?}", String::from_utf8_lossy(head));
        assert!(!answer.head.to_lowercase().contains("set-cookie"));
    }
    catcher.on("GET /messages/7.plain", Script::garbage());
    assert_eq!(gate.connect().request("GET /messages/7.plain", AS_ANNA).status, 502);
    assert_eq!(gate.connect().request("GET /messages/1.plain", AS_ANNA).status, 200, "one bad answer is not the end");
}

/// RFC 9110 section 7.6.1, from the other side: what concerned the catcher's connection is no business of the client's.
#[test]
fn hop_by_hop_fields_of_an_answer_stay_behind() {
    let (catcher, gate) = pair("");
    let fields = "Connection: X-Secret\r\nX-Secret: 1\r\nConnection: keep-alive, x-other\r\nX-Other: 1\r\n\
                  Keep-Alive: timeout=30, max=100\r\nProxy-Authenticate: Basic realm=\"evil\"\r\n\
                  Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nTrailer: X-Late\r\nTE: trailers\r\nX-Kept: 1\r\n";
    let answer = told(&catcher, &gate, format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 2\r\n\r\nok"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    for gone in
        ["x-secret", "x-other", "keep-alive", "proxy-authenticate", "proxy-connection", "upgrade", "trailer", "te"]
    {
        assert!(answer.all(gone).is_empty(), "{gone}: {}", answer.head);
    }
    assert_eq!(answer.field("x-kept").as_deref(), Some("1"));
    assert!(answer.all("connection").len() < 2, "{}", answer.head);
}

/// A catcher that closes its connection does not close the client's.
#[test]
fn close_is_between_the_gate_and_the_catcher() {
    let (catcher, gate) = pair("");
    let mut client = gate.connect();
    for _ in 0..2 {
        catcher.next(Script::raw("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").close());
        let answer = client.request("GET /messages/1.plain", AS_ANNA);
        assert_eq!((answer.text().as_str(), answer.field("connection")), ("ok", None), "{}", answer.head);
    }
    assert_eq!(client.request("DELETE /messages/1", AS_ANNA).status, 204, "which MailCatcher closes after");
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
}

/// CVE-2026-88004's other direction: fields behind an answer's body.
#[test]
fn trailers_of_an_answer_are_dropped() {
    let (catcher, gate) = pair("");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie, X-Late\r\n\r\n";
    let body = "2\r\nok\r\n0\r\nSet-Cookie: evil=1\r\nX-Late: evil\r\nContent-Length: 9\r\n\r\n";
    catcher.on("GET /messages/7.plain", Script::raw(format!("{head}{body}")));
    let mut client = gate.connect();
    client.send(format!(
        "GET /messages/7.plain HTTP/1.1\r\nHost: a\r\n{AS_ANNA}TE: trailers\r\nConnection: TE, close\r\n\r\n"
    ));
    let all = String::from_utf8(client.rest()).unwrap();
    assert!(all.starts_with("HTTP/1.1 200 OK\r\n") && all.ends_with("2\r\nok\r\n0\r\n\r\n"), "{all}");
    assert!(!all.contains("evil") && !all.to_lowercase().contains("trailer"), "{all}");
}

/// An answer before the answer could bring fields that nobody looked at.
#[test]
fn interim_answers_of_the_catcher_are_not_passed_on() {
    let (catcher, gate) = pair("");
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </evil.js>; rel=preload\r\n\r\n";
    let answer = told(&catcher, &gate, format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{}", answer.head);
    assert!(!answer.head.contains("evil"));
}

/// A head without end, or of a million fields, is the catcher's fault and costs the gate little.
#[test]
fn an_answers_head_is_bounded() {
    let (catcher, gate) = pair("");
    for head in [
        format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n", "a".repeat(1 << 20)),
        format!("HTTP/1.1 200 OK\r\n{}", "X-Many: 1\r\n".repeat(100_000)),
        format!("HTTP/1.1 200 {}\r\n", "O".repeat(1 << 20)),
    ] {
        let answer = told(&catcher, &gate, format!("{head}Content-Length: 2\r\n\r\nok"));
        assert_eq!(answer.status, 502);
    }
    assert_eq!(gate.connect().request("GET /messages/1.plain", AS_ANNA).status, 200);
}

/// An answer in HTTP/1.0 does not make the client's connection one.
#[test]
fn an_http_1_0_answer_is_1_1_for_the_client() {
    let (catcher, gate) = pair("");
    catcher.on("GET /messages/7.plain", Script::raw("HTTP/1.0 200 OK\r\n\r\nuntil the end").close());
    let mut client = gate.connect();
    let answer = client.request("GET /messages/7.plain", AS_ANNA);
    assert!(answer.head.starts_with("HTTP/1.1 200 OK"), "{}", answer.head);
    assert_eq!((answer.text().as_str(), answer.whole), ("until the end", true));
    assert_eq!(client.request("GET /messages/1.plain", AS_ANNA).status, 200);
}

/// A redirect of the catcher's is for the client to follow, or not: the gate fetches nothing for anybody (CVE-2026-21859,
/// CVE-2026-23845 and CVE-2026-27808, Mailpit).
#[test]
fn a_redirect_is_passed_on_and_not_followed() {
    let (catcher, gate) = pair("");
    let target = format!("http://{}/messages/1.plain", catcher.http_addr());
    let answer =
        told(&catcher, &gate, format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!((answer.status, answer.field("location").as_deref()), (302, Some(&*target)));
    assert_eq!(catcher.requests().len(), 1);
}

/// Bytes that arrive on a connection while nothing is asked are no answer to what is asked next: the connection ends.
#[test]
fn an_answer_before_its_question_is_nobodys() {
    let (catcher, gate) = pair("workers = 1");
    let later = Later::closed();
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    catcher.on("GET /messages/1.plain", Script::new().answer().hold(&later).send(evil));
    let mut client = gate.connect();
    assert_eq!(client.request("GET /messages/1.plain", AS_ANNA).status, 200);
    assert_eq!(catcher.open_connections(), 1, "kept for the next request");
    later.open();
    assert!(catcher.wait_until(patience(), |state| state.open_connections == 0), "the connection was kept");
    let next = client.request("GET /messages/1.plain", AS_ANNA);
    assert_eq!(next.status, 200);
    assert!(!next.text().contains("evil"));
}

/// Who has no password learns nothing of the catcher, not even that it is broken.
#[test]
fn a_stranger_does_not_learn_whether_there_is_a_catcher() {
    let (catcher, gate) = pair("");
    let running = gate.connect().request("GET /messages", "");
    untouched(&catcher, "a stranger");
    catcher.stop();
    let stopped = gate.connect().request("GET /messages", "");
    let shape = |answer: &Answer| {
        let head = answer.head.lines().filter(|line| !line.starts_with("date:")).map(str::to_owned).collect::<Vec<_>>();
        (head, answer.text())
    };
    assert_eq!(shape(&running), shape(&stopped));
    assert_eq!(running.status, 401);
}
