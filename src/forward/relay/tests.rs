use std::sync::Arc;
use std::time::SystemTime;

use ::bytes::BytesMut;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::super::frame::{self, Head, Opcode};
use super::super::tunnels::Tunnels;
use super::*;
use crate::auth::Identity;
use crate::metrics::Metrics;
use crate::permission::Permission;

mod fragments;
mod purge;

const PING: Duration = Duration::from_secs(15);

/// A server's whole text frame.
fn text(payload: &str) -> Vec<u8> {
    server(Opcode::Text, payload.as_bytes())
}

fn server(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame::put(&mut out, Sender::Server, opcode, payload);
    out.to_vec()
}

fn client(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    frame::put(&mut out, Sender::Client, opcode, payload);
    out.to_vec()
}

fn server_close(code: u16) -> Vec<u8> {
    server(Opcode::Close, &code.to_be_bytes())
}

fn client_close(code: u16) -> Vec<u8> {
    client(Opcode::Close, &code.to_be_bytes())
}

fn removed(id: u64) -> Vec<u8> {
    text(&format!(r#"{{"type":"remove","id":{id}}}"#))
}

struct Ends {
    browser: DuplexStream,
    catcher: DuplexStream,
    stop: CancellationToken,
    tunnels: Tunnels,
    inbox: Arc<Inbox>,
    relay: tokio::task::JoinHandle<End>,
}

fn tunnel(buffer: usize) -> Ends {
    tunnel_of(buffer, false)
}

fn tunnel_of(buffer: usize, enhanced: bool) -> Ends {
    tunnel_at(buffer, enhanced, Pace::of(PING))
}

fn tunnel_at(buffer: usize, enhanced: bool, pace: Pace) -> Ends {
    let (browser, client) = duplex(buffer);
    let (upstream, catcher) = duplex(buffer);
    let stop = CancellationToken::new();
    let metrics = Arc::new(Metrics::new(SystemTime::now()).unwrap());
    let tunnels = Tunnels::new(TaskTracker::new(), stop.clone(), metrics);
    let place = tunnels.list(&Identity::for_tests("anna"), Permission::View);
    let inbox = Arc::new(Inbox::default());
    let own = Arc::clone(&inbox);
    let relay = tokio::spawn(async move { frames(client, upstream, &place, &own, pace, enhanced).await });
    Ends { browser, catcher, stop, tunnels, inbox, relay }
}

async fn rest(mut side: DuplexStream) -> Vec<u8> {
    let mut all = Vec::new();
    side.read_to_end(&mut all).await.unwrap();
    all
}

async fn exactly(side: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut seen = vec![0; length];
    side.read_exact(&mut seen).await.unwrap();
    seen
}

/// The next frame's head and payload, without its mask.
async fn next(side: &mut DuplexStream, sender: Sender) -> (Opcode, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = Head::parse(&bytes, sender).unwrap() {
            let mut payload = exactly(side, head.payload as usize).await;
            frame::unmask(&mut payload, head.mask);
            return (head.opcode, payload);
        }
        bytes.extend(exactly(side, 1).await);
    }
}

#[tokio::test]
async fn frames_pass_both_ways_and_the_browsers_half_close_passes() {
    let mut ends = tunnel(64);
    ends.browser.write_all(&client(Opcode::Text, b"hello")).await.unwrap();
    ends.browser.shutdown().await.unwrap();
    let mut seen = Vec::new();
    ends.catcher.read_to_end(&mut seen).await.unwrap();
    assert_eq!(seen, client(Opcode::Text, b"hello"));
    ends.catcher.write_all(&text("still here")).await.unwrap();
    ends.catcher.shutdown().await.unwrap();
    assert_eq!(rest(ends.browser).await, text("still here"));
    assert!(matches!(ends.relay.await.unwrap(), End::Closed));
}

#[tokio::test]
async fn the_catchers_quit_is_kept_from_the_page_and_nothing_else_is() {
    let mut ends = tunnel(4096);
    let add = text(r#"{"type":"add","message":{"id":1,"subject":"{\"type\":\"quit\"}"}}"#);
    let odd = text("not json, quit");
    ends.catcher.write_all(&[add.clone(), text(r#"{ "type" : "quit" }"#), odd.clone()].concat()).await.unwrap();
    drop(ends.catcher);
    assert_eq!(rest(ends.browser).await, [add, odd, server_close(1012)].concat());
}

#[tokio::test]
async fn the_catchers_end_is_a_restart_to_the_browser() {
    let ends = tunnel(4096);
    drop(ends.catcher);
    assert_eq!(rest(ends.browser).await, server_close(1012));
    assert!(matches!(ends.relay.await.unwrap(), End::CatcherLost(_)));

    // The same when it says goodbye; what it says of the browser's faults passes.
    for (said, told) in [(server_close(1001), 1012), (server(Opcode::Close, b""), 1012), (server_close(1003), 1003)] {
        let mut ends = tunnel(4096);
        ends.catcher.write_all(&said).await.unwrap();
        assert_eq!(next(&mut ends.browser, Sender::Server).await, (Opcode::Close, u16::to_be_bytes(told).to_vec()));
        let reply = next(&mut ends.catcher, Sender::Client).await;
        assert_eq!(reply.0, Opcode::Close, "{told}");
        drop((ends.browser, ends.catcher));
        assert!(matches!(ends.relay.await.unwrap(), End::CatcherLost(_)));
    }
}

#[tokio::test]
async fn a_browsers_close_passes_and_so_does_the_answer() {
    let mut ends = tunnel(4096);
    let goodbye = client(Opcode::Close, b"\x03\xe8bye");
    ends.browser.write_all(&goodbye).await.unwrap();
    assert_eq!(exactly(&mut ends.catcher, goodbye.len()).await, goodbye);
    ends.catcher.write_all(&[text("one more"), server_close(1000)].concat()).await.unwrap();
    assert_eq!(rest(ends.browser).await, [text("one more"), server_close(1000)].concat());
    assert!(matches!(ends.relay.await.unwrap(), End::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_browsers_close_that_the_catcher_does_not_answer_is_answered_here() {
    let mut ends = tunnel(4096);
    ends.browser.write_all(&client_close(1001)).await.unwrap();
    assert_eq!(rest(ends.browser).await, server_close(1000));
    assert!(matches!(ends.relay.await.unwrap(), End::Closed));
}

#[tokio::test]
async fn what_is_no_frame_ends_both_sides_with_its_code() {
    let long = [&[0x82, 0xff][..], &(incoming::LONGEST + 1).to_be_bytes(), &[0; 4]].concat();
    let fragments = [&[0x02, 0xff][..], &incoming::LONGEST.to_be_bytes(), &[0; 4]].concat();
    let fragments = [fragments, vec![0; incoming::LONGEST as usize], vec![0x80, 0x81, 0, 0, 0, 0, 0]].concat();
    for (sent, code) in [
        (text("not masked"), 1002),
        (client_close(1006), 1002),
        (client(Opcode::Close, b"\x03"), 1002),
        (client(Opcode::Close, b"\x03\xe8\xff"), 1007),
        (long, 1009),
        (fragments, 1009),
    ] {
        let Ends { mut browser, catcher, relay, .. } = tunnel(4096);
        let reader = tokio::spawn(rest(catcher));
        browser.write_all(&sent).await.unwrap();
        assert_eq!(rest(browser).await, server_close(code));
        assert!(reader.await.unwrap().ends_with(&client_close(code)) || code == 1009);
        assert!(matches!(relay.await.unwrap(), End::Protocol(Sender::Client, _)));
    }
}

#[tokio::test]
async fn stopping_tells_the_browser_1001() {
    let ends = tunnel(4096);
    ends.stop.cancel();
    assert_eq!(rest(ends.browser).await, server_close(1001));
    assert!(matches!(ends.relay.await.unwrap(), End::Left(Leave::Stopping)));
}

#[tokio::test]
async fn a_user_who_may_not_have_it_any_more_is_told_1008() {
    let ends = tunnel(4096);
    assert_eq!(ends.tunnels.allow_only(Arc::new(|_, _| false)), 1);
    assert_eq!(rest(ends.browser).await, server_close(1008));
    assert_eq!(rest(ends.catcher).await, client_close(1001));
    assert!(matches!(ends.relay.await.unwrap(), End::Left(Leave::Revoked)));
    assert!(ends.tunnels.is_empty());
}

#[tokio::test]
async fn no_frame_of_ours_stands_inside_another() {
    let mut ends = tunnel(8192);
    let long = text(&"x".repeat(6000));
    ends.catcher.write_all(&long[..1500]).await.unwrap();
    exactly(&mut ends.browser, 1500).await;
    ends.stop.cancel();
    assert_eq!(rest(ends.browser).await, b"");
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_half_closes_and_a_catcher_that_goes_on_are_left() {
    let mut ends = tunnel(4096);
    ends.browser.shutdown().await.unwrap();
    assert!(matches!(ends.relay.await.unwrap(), End::Lingered));
}

#[tokio::test(start_paused = true)]
async fn both_sides_are_pinged_and_the_pongs_are_ours() {
    let mut ends = tunnel(4096);
    let start = Instant::now();
    for _ in 0..20 {
        for _ in 0..2 {
            let (opcode, payload) = next(&mut ends.catcher, Sender::Client).await;
            assert_eq!(opcode, Opcode::Ping);
            ends.catcher.write_all(&server(Opcode::Pong, &payload)).await.unwrap();
        }
        let (opcode, payload) = next(&mut ends.browser, Sender::Server).await;
        assert_eq!(opcode, Opcode::Ping);
        ends.browser.write_all(&client(Opcode::Pong, &payload)).await.unwrap();
    }
    assert_eq!(start.elapsed().as_secs(), 600);
    // Nothing but pings came; others' pings and pongs pass.
    for frame in [client(Opcode::Ping, b"mine"), client(Opcode::Pong, b"unasked"), client(Opcode::Pong, b"")] {
        ends.browser.write_all(&frame).await.unwrap();
        assert_eq!(exactly(&mut ends.catcher, frame.len()).await, frame);
    }
    for frame in [server(Opcode::Ping, b"mine"), server(Opcode::Pong, b"mine")] {
        ends.catcher.write_all(&frame).await.unwrap();
        assert_eq!(exactly(&mut ends.browser, frame.len()).await, frame);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_waits_for_the_end_of_the_frame_that_is_being_passed() {
    let mut ends = tunnel(8192);
    let long = text(&"x".repeat(6000));
    ends.catcher.write_all(&long[..5000]).await.unwrap();
    assert_eq!(exactly(&mut ends.browser, 5000).await, long[..5000]);
    tokio::time::sleep(PING * 3).await;
    ends.catcher.write_all(&long[5000..]).await.unwrap();
    assert_eq!(exactly(&mut ends.browser, long.len() - 5000).await, long[5000..]);
    assert_eq!(next(&mut ends.browser, Sender::Server).await.0, Opcode::Ping);
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_says_nothing_is_gone_and_the_catcher_told() {
    let mut ends = tunnel(4096);
    let start = Instant::now();
    loop {
        match next(&mut ends.catcher, Sender::Client).await {
            (Opcode::Ping, payload) => ends.catcher.write_all(&server(Opcode::Pong, &payload)).await.unwrap(),
            last => break assert_eq!(last, (Opcode::Close, 1001u16.to_be_bytes().to_vec())),
        }
    }
    assert_eq!(start.elapsed(), PING * 5);
    assert!(matches!(ends.relay.await.unwrap(), End::Silent));
}

#[tokio::test(start_paused = true)]
async fn a_catcher_that_says_nothing_is_gone_and_the_browser_told_to_come_again() {
    let mut ends = tunnel(4096);
    let start = Instant::now();
    loop {
        match next(&mut ends.browser, Sender::Server).await {
            (Opcode::Ping, payload) => ends.browser.write_all(&client(Opcode::Pong, &payload)).await.unwrap(),
            last => break assert_eq!(last, (Opcode::Close, 1012u16.to_be_bytes().to_vec())),
        }
    }
    assert_eq!(start.elapsed(), PING * 8);
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_takes_nothing_is_cut_off_and_little_is_held_for_it() {
    let mut ends = tunnel(1024);
    let piece = text(&"x".repeat(5000));
    let start = Instant::now();
    let mut taken = 0;
    while let Ok(Ok(())) = timeout(PING, ends.catcher.write_all(&piece)).await {
        taken += piece.len();
    }
    assert!((256 << 10..300 << 10).contains(&taken), "{taken} bytes were taken");
    assert!(matches!(ends.relay.await.unwrap(), End::Slow));
    assert!(start.elapsed() <= PING * 3, "{:?}", start.elapsed());
    let seen = rest(ends.browser).await;
    assert!(seen.len() <= 1024);
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_takes_little_but_something_is_waited_for() {
    let Ends { mut browser, mut catcher, relay, .. } = tunnel(1024);
    let piece = text(&"x".repeat(5000));
    let sent = piece.repeat(20);
    catcher.write_all(&sent).await.unwrap();
    for chunk in sent.chunks(2000) {
        tokio::time::sleep(PING / 20).await;
        assert_eq!(exactly(&mut browser, chunk.len()).await, chunk);
    }
    assert!(!relay.is_finished());
}
