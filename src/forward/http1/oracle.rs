//! Whatever a catcher says, on bytes that are cut anywhere: what hyper's client refuses is refused, and where both take an
//! answer they take the same.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::body::Body;
use crate::forward::answer::checked;

/// Status and body of an answer that is whole; none if it is refused or breaks off.
type Told = Option<(u16, Bytes)>;

/// A catcher that says `pieces` to a request, and closes.
async fn catcher(pieces: Vec<Vec<u8>>) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    tokio::spawn(async move {
        far.set_nodelay(true).unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") && far.read_buf(&mut asked).await.unwrap_or(0) > 0 {}
        for piece in pieces {
            if far.write_all(&piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        far.shutdown().await.ok();
        while far.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {}
    });
    near
}

async fn whole<B: http_body::Body<Data = Bytes> + Unpin>(answer: Response<B>) -> Told {
    let (head, body) = checked(answer).ok()?.into_parts();
    Some((head.status.as_u16(), body.collect().await.ok()?.to_bytes()))
}

async fn ours(method: &Method, pieces: Vec<Vec<u8>>) -> Told {
    let head = format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n");
    let wire = Wire::new(catcher(pieces).await);
    let answer = ask(wire, head.as_bytes(), method, &mut HeaderMap::new()).await.ok()?;
    whole(answer.map(|reply| Body::reply(reply, Some(Duration::from_secs(20))))).await
}

async fn hypers(method: &Method, pieces: Vec<Vec<u8>>) -> Told {
    let io = TokioIo::new(catcher(pieces).await);
    let (mut sender, connection) =
        hyper::client::conn::http1::Builder::new().max_header_size(ANSWER_HEAD).handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri("/").header("host", "a").body(Body::empty()).unwrap();
    whole(sender.send_request(request).await.ok()?).await
}

fn one_of(parts: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    prop::sample::select(parts.to_vec()).prop_map(str::to_owned)
}

fn line() -> impl Strategy<Value = String> {
    one_of(&[
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 404",
        "HTTP/1.1 204 No",
        "HTTP/1.1 304 No",
        "HTTP/1.1 100 C",
        "HTTP/1.1 103 E",
        "HTTP/1.1 101 S",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 999 X",
        "HTTP/2.0 200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 200 \0",
        "HTTP/1.1 200 a\rb",
        "",
    ])
}

fn field() -> impl Strategy<Value = String> {
    one_of(&[
        "Content-Length: 5",
        "Content-Length: 5",
        "Content-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: 5,6",
        "Content-Length: 0x5",
        "Content-Length: +5",
        "Content-Length:",
        "content-length: 05",
        "Content-Length: 5 ",
        "Content-Length: 18446744073709551615",
        "Content-Length: 99999999999999999999",
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: Chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\tchunked ",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked,",
        "A: b",
        " folded",
        "\tfolded",
        "no colon",
        ": no name",
        "A: b\0",
        "A: b\rc",
        "A\0: b",
        "Connection: close",
        "Connection: keep-alive",
    ])
}

fn body() -> impl Strategy<Value = String> {
    let part = one_of(&[
        "hello",
        "hello",
        "5\r\nhello\r\n",
        "5\r\nhello\r\n",
        "05;a=b\r\nhello\r\n",
        "5 ;a\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "5\nhello\n",
        "5;a\nb\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "-1\r\n",
        "fffffffffffffffff\r\n",
        "ffffffffffffffff\r\nhello",
        "5\r\nhello",
        "5\r\nhell\r\n",
        "5\rhello\r\n",
        "0\r\n\r\n",
        "0\r\n\r\n",
        "0\r\n\r\n",
        "0\r\nA: b\r\n\r\n",
        "0\r\nnone\r\n\r\n",
        "0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        "\r\n",
        "\n",
    ]);
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

fn answer() -> impl Strategy<Value = Vec<u8>> {
    let end = one_of(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r"]);
    let head = (line(), prop::collection::vec(field(), 0..4), end).prop_map(|(line, fields, end)| {
        let lines = std::iter::once(line).chain(fields);
        lines.map(|line| line + &end).collect::<String>() + &end
    });
    (prop::collection::vec(head, 1..3), body()).prop_map(|(heads, body)| (heads.concat() + &body).into_bytes())
}

/// `bytes` cut at these places.
fn cut(bytes: &[u8], places: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    places.push(bytes.len());
    let mut from = 0;
    places
        .into_iter()
        .map(|to| bytes[std::mem::replace(&mut from, to)..to].to_vec())
        .filter(|piece| !piece.is_empty())
        .collect()
}

#[test]
fn what_hyper_refuses_is_refused_and_what_both_take_is_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let method = prop::sample::select(vec![Method::GET, Method::GET, Method::GET, Method::HEAD]);
    let cases = (method, answer(), prop::collection::vec(any::<prop::sample::Index>(), 0..4));
    let mut both = 0;
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let mut told = |method: Method, bytes: Vec<u8>, pieces: Vec<Vec<u8>>| {
        let (ours, hypers) =
            runtime.block_on(async { (ours(&method, pieces.clone()).await, hypers(&method, pieces).await) });
        let stricter = ours.is_none();
        both += usize::from(!stricter);
        prop_assert!(stricter || ours == hypers, "{method} {:?}: {ours:?} {hypers:?}", String::from_utf8_lossy(&bytes));
        Ok(())
    };
    let told = std::cell::RefCell::new(&mut told);
    let result = TestRunner::new(config).run(&cases, |(method, bytes, places)| {
        let pieces = cut(&bytes, &places);
        (told.borrow_mut())(method, bytes, pieces)
    });
    result.unwrap();
    assert!(both > 100, "only {both} were taken");
}
