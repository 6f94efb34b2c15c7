//! HTTP/2 by TLS: the same gate by another protocol, and what is HTTP/2's own.

mod floods;
mod heads;
mod sockets;
mod stop;
mod times;

use crate::support::catcher::{Catcher, Gate as Hold, Mail, Options, Script};
use crate::support::gate::Gate;
use crate::support::http2::frames;
use crate::support::http2::orderly::Client;
use crate::support::patience::PATIENCE;
use crate::support::raw;
use crate::support::secure::Secure;

/// The header line of `anna` with her password, for [`Client`].
pub(crate) const AS_ANNA: &str = "authorization: Basic YW5uYTpzZWNyZXQ=\r\n";

fn catcher() -> Catcher {
    Catcher::start(Options::default())
}

/// A gate before a catcher that takes whatever it is sent.
fn before_any(upstream: &std::net::TcpListener) -> Gate {
    Gate::to(upstream.local_addr().unwrap()).config("upstream.catcher = \"generic\"").secure().start()
}

fn upstream() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn who_has_the_password_reads_the_list_by_http2_and_nobody_else_does() {
    let catcher = catcher();
    catcher.deliver(Mail::new("Hello"));
    let gate = Gate::to(catcher.http_addr()).secure().start();
    let mut client = Client::connect(&gate);
    let refused = client.request("GET /messages", "");
    assert_eq!(refused.status, 401);
    assert!(refused.field("www-authenticate").is_some() && !refused.body.is_empty());
    assert!(catcher.requests().is_empty());
    let answer = client.request("GET /messages", AS_ANNA);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("Hello") && answer.whole);
    assert_eq!(answer.field("connection"), None);
    let head = client.request("HEAD /messages", AS_ANNA);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(client.request("GET /nothing", AS_ANNA).status, 404);
    gate.access_line(|line| {
        line.contains("status=200") && line.contains("version=HTTP/2.0") && line.contains(r#"user="anna""#)
    });
}

#[test]
fn the_protocol_is_what_alpn_agreed_on_and_the_configuration_may_leave_one_out() {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).secure().start();
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        assert_eq!(Secure::connect(gate.addr(), offered).protocol(), agreed, "{offered:?}");
    }
    let without = Gate::to(catcher.http_addr()).config("tls.http2 = false").secure().start();
    assert_eq!(Secure::connect(without.addr(), &["h2", "http/1.1"]).protocol(), Some(&b"http/1.1"[..]));
    // On a plain port there is HTTP/1 only, whatever is said there.
    let plain = Gate::to(catcher.http_addr()).start();
    let mut client = plain.connect();
    client.send(crate::support::http2::frames::PREFACE);
    assert_eq!(client.rest(), b"");
    plain.access_line(|line| line.contains("status=400") && line.contains("not HTTP/1"));
}

#[test]
fn a_request_that_waits_holds_up_no_other_on_its_connection() {
    let catcher = catcher();
    let id = catcher.deliver(Mail::new("Hello"));
    let gate = Gate::to(catcher.http_addr()).secure().start();
    let mut client = Client::connect(&gate);
    let hold = Hold::closed();
    catcher.next(Script::held(&hold));
    let first = client.send("GET /messages", AS_ANNA, true);
    // A turn of the connection, so that it is the first to reach the catcher.
    assert_eq!(client.request("GET /.mailwarden/none", "").status, 401);
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 1));
    assert_eq!(client.request(&format!("GET /messages/{id}.json"), AS_ANNA).status, 200);
    hold.open();
    assert!(client.answer(first).text().contains("Hello"));
}

#[test]
fn what_goes_to_the_catcher_is_http1_with_the_hosts_name_and_one_cookie_line_and_no_chunk() {
    let upstream = upstream();
    let gate = before_any(&upstream);
    let mut client = Client::connect(&gate);
    let fields =
        format!("{AS_ANNA}cookie: a=1\r\ncookie: b=2\r\nte: trailers\r\nx_forwarded_for: 6.6.6.6\r\nx-more: yes\r\n");
    let mut sent = client.send("POST /api?q=1", &fields, false);
    // No length is said, and it is not all there at once.
    assert!(client.body(&mut sent, b"hello ", false));
    assert!(client.body(&mut sent, b"world", false));
    client.trailers(&mut sent, "x-late", "yes");
    let mut far = None;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = raw::Client::accept(&upstream);
            let head = client.head();
            let body = client.read(11);
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nKeep-Alive: 5\r\n\r\nok");
            far = Some((head, body));
        });
        let answer = client.answer(sent);
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
        assert_eq!((answer.field("connection"), answer.field("keep-alive")), (None, None));
    });
    let (head, body) = far.unwrap();
    assert_eq!(body, b"hello world");
    assert!(head.starts_with("POST /api?q=1 HTTP/1.1\r\n"), "{head}");
    for line in [
        "host: dev.test:8080",
        "cookie: a=1; b=2",
        "content-length: 11",
        "x-more: yes",
        "x-forwarded-proto: https",
        "x-forwarded-host: dev.test:8080",
        "x-forwarded-for: 127.0.0.1",
    ] {
        assert_eq!(head.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {head}");
    }
    for gone in ["\r\nte:", "\r\ntransfer-encoding:", "x-late", "6.6.6.6", "\r\n:", "\r\nconnection:", "trailer"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
}

#[test]
fn a_body_is_streamed_by_its_length_and_bounded_with_and_without_one() {
    let upstream = upstream();
    let gate = before_any(&upstream);
    let mut client = Client::connect(&gate);
    let large = vec![b'x'; 1 << 20];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut far = raw::Client::accept(&upstream);
            assert!(far.head().contains("\r\ncontent-length: 1048576\r\n"));
            assert_eq!(far.read(1 << 20).len(), 1 << 20);
            far.send("HTTP/1.1 204 No Content\r\n\r\n");
        });
        assert_eq!(client.post("POST /", AS_ANNA, &large).status, 204);
    });
    let answer = client.post("POST /", AS_ANNA, &vec![b'x'; (1 << 20) + 1]);
    assert_eq!(answer.status, 413);
    let mut sent = client.send("POST /", AS_ANNA, false);
    client.body(&mut sent, &vec![b'x'; (1 << 20) + 1], true);
    assert_eq!(client.answer(sent).status, 413);
    // The rest is taken in behind the answer, so that there is no need to reset the stream.
    let mut frames = frames::Client::connect(&gate, &[]);
    let head = [frames::get("/", &[]), vec![("content-length", "2000000")]].concat();
    let head: Vec<_> = head.iter().map(|&(name, value)| (name, value.replace("GET", "POST"))).collect();
    let head: Vec<_> = head.iter().map(|(name, value)| (*name, value.as_str())).collect();
    frames.head(1, &head, false);
    assert_eq!(frames.status(1), 413);
    // As far as there is room for it: the gate's window for a stream, and what it gives back.
    let room = std::cell::Cell::new(256_u32 << 10);
    for left in (0..200_u32).rev() {
        if room.get() < 10_000 {
            frames.until("room", |frame| {
                assert_ne!(frame.kind, frames::RST_STREAM);
                if frame.kind == frames::WINDOW_UPDATE && frame.stream == 1 {
                    room.set(room.get() + frame.code());
                }
                room.get() >= 10_000
            });
        }
        room.set(room.get() - 10_000);
        frames.frame(frames::DATA, u8::from(left == 0), 1, vec![b'x'; 10_000]);
    }
    frames.until("the end", |frame| {
        assert_ne!(frame.kind, frames::RST_STREAM);
        frame.kind == frames::DATA && frame.flags == frames::END_STREAM
    });
    // The connection is none the worse for it.
    assert_eq!(client.request("GET /.mailwarden/none", "").status, 401);
}

#[test]
fn an_answer_that_breaks_off_never_ends_well() {
    let upstream = upstream();
    let gate = before_any(&upstream);
    let mut client = Client::connect(&gate);
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut far = raw::Client::accept(&upstream);
                far.head();
                far.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhello\r\n"));
            });
            let sent = client.send("GET /", AS_ANNA, true);
            let answer = client.answer(sent);
            assert_eq!((answer.status, answer.whole), (200, false), "{head}");
        });
    }
    gate.access_line(|line| line.contains("end=upstream-broke"));
}

#[test]
fn a_large_answer_arrives_whole_whatever_the_clients_window() {
    let catcher = catcher();
    let source: Vec<u8> =
        b"Subject: large\r\n\r\n".iter().copied().chain((0..512 << 10).map(|n| (n % 251) as u8)).collect();
    let id = catcher.deliver(Mail::from_source(source.clone()));
    let gate = Gate::to(catcher.http_addr()).secure().start();
    for window in [1000, 65_535, 8 << 20] {
        let mut client = Client::with(&gate, h2::client::Builder::new().initial_window_size(window));
        let answer = client.request(&format!("GET /messages/{id}.source"), AS_ANNA);
        assert!(answer.whole && answer.body == source, "{window}: {} bytes", answer.body.len());
    }
}
