//! Floods within HTTP/2, from several connections that come back as often as they are thrown out: what they cost the gate,
//! and what a person notices.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{NAME, Served, text};
use crate::support::http2::frames::{
    CANCEL, CONTINUATION, Client, END_HEADERS, END_STREAM, Frame, HEADERS, PING, RST_STREAM, SETTINGS, block, get,
};
use crate::support::patience::{PATIENCE, eventually};

/// Attackers at work, at one time.
const ATTACKERS: usize = 3;
/// The most that an attacker sends on one connection, in pieces: more than any is taken of.
const PIECES: usize = 40;
/// How often a person asks meanwhile, each time on a connection of its own.
const ASKED: usize = 15;

/// What a flood cost.
#[derive(Debug)]
struct Cost {
    connections: u64,
    /// Processor time of the gate for each, in milliseconds; the person's requests are in it.
    each: u64,
    /// KiB at the most.
    memory: u64,
    middle: Duration,
    worst: Duration,
}

/// Floods with what `piece` gives, in turn, for as long as it takes a person to ask.
fn flood(what: &str, piece: impl Fn(usize) -> Vec<u8> + Sync) -> Cost {
    // Some attackers read nothing: so they are given up soon.
    let served = Served::with(|builder, _| builder.config("timeouts.send = \"1s\""));
    served.serves();
    let (memory, ticks) = (served.gate.memory(), served.gate.ticks());
    let (stop, connections, most) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(memory));
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..ATTACKERS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut client = Client::connect(&served.gate, &[]);
                    client.is_polite = false;
                    connections.fetch_add(1, Ordering::Relaxed);
                    let _ = (0..PIECES).any(|number| client.try_send(&piece(number)).is_err());
                    most.fetch_max(served.gate.memory(), Ordering::Relaxed);
                }
            });
        }
        for _ in 0..ASKED {
            let begun = Instant::now();
            let output = served.curl(&["--http2", "--output", "/dev/null", "--write-out", "%{http_code}"], "/messages");
            assert_eq!(text(&output.stdout), "200", "{}", text(&output.stderr));
            times.push(begun.elapsed());
            most.fetch_max(served.gate.memory(), Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
    });
    times.sort();
    let connections = connections.into_inner();
    let cost = Cost {
        connections,
        each: (served.gate.ticks() - ticks) * 10 / connections,
        memory: most.into_inner() - memory,
        middle: times[ASKED / 2],
        worst: times[ASKED - 1],
    };
    eprintln!("{what}: {cost:?}");
    eventually("it to be over", || (served.gate.metric("mailwarden_connections") == Some(0.0)).then_some(()));
    served.serves();
    cost
}

fn is_borne(cost: &Cost) {
    assert!(cost.memory < 48 << 10, "{cost:?}");
    assert!(cost.middle < PATIENCE / 10 && cost.worst < PATIENCE / 3, "{cost:?}");
}

/// A hundred at a time.
fn many(piece: impl Fn(u32) -> Vec<u8>) -> impl Fn(usize) -> Vec<u8> {
    move |time| (0..100).flat_map(|n| piece(time as u32 * 200 + 2 * n + 1)).collect()
}

#[test]
fn rapid_reset_is_thrown_out_again_and_again_and_a_person_is_served_meanwhile() {
    let head = block(&get("/messages", &[]));
    let cost = flood(
        "rapid reset",
        many(|stream| {
            let open = Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, head.clone()).bytes();
            [open, Frame::new(RST_STREAM, 0, stream, CANCEL.to_be_bytes()).bytes()].concat()
        }),
    );
    is_borne(&cost);
    assert!(cost.connections > 2 * ATTACKERS as u64 && cost.each < 500, "{cost:?}");
}

#[test]
fn a_head_without_end_is_thrown_out_again_and_again_and_a_person_is_served_meanwhile() {
    for (what, more) in [("continuation", block(&[("x-more", &"x".repeat(4096))])), ("empty continuation", Vec::new())]
    {
        let begin = Frame::new(HEADERS, END_STREAM, 1, block(&get("/messages", &[]))).bytes();
        let piece = Frame::new(CONTINUATION, 0, 1, more).bytes().repeat(50);
        let cost = flood(what, |time| if time == 0 { begin.clone() } else { piece.clone() });
        is_borne(&cost);
        assert!(cost.connections > 2 * ATTACKERS as u64 && cost.each < 500, "{cost:?}");
    }
}

#[test]
fn pings_and_settings_without_end_cost_no_memory_and_a_person_is_served_meanwhile() {
    for frame in [Frame::new(PING, 0, 0, [7; 8]), Frame::new(SETTINGS, 0, 0, [0, 4, 0, 1, 0, 0])] {
        let piece = frame.bytes().repeat(500);
        is_borne(&flood(&format!("{frame:?}"), |_| piece.clone()));
    }
}

#[test]
fn h2load_is_answered_in_full_on_both_protocols() {
    let served = Served::new();
    served.catcher.deliver_many(20);
    for protocol in ["h2", "http/1.1"] {
        let mut load = Command::new("h2load");
        load.args(["-n", "2000", "-c", "10", "-m", "10", "--npn-list", protocol]);
        load.args(["-H", "Authorization: Basic YW5uYTpzZWNyZXQ=", "-H", &format!(":authority: {NAME}")]);
        let output = load.arg(format!("https://127.0.0.1:{}/messages", served.port())).output().unwrap();
        let said = text(&output.stdout);
        assert!(said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{protocol}: {said}");
        assert!(said.contains("status codes: 2000 2xx"), "{protocol}: {said}");
        assert!(said.contains(&format!("Application protocol: {protocol}")), "{said}");
    }
}

#[test]
fn curl_gets_all_of_a_large_answer_on_each_version() {
    let served = Served::new();
    let body = "x".repeat(1 << 20);
    let reply = crate::support::catcher::Script::reply("200 OK", &[("Content-Type", "text/plain")], &body);
    served.catcher.always("GET /messages/1.plain", reply);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        for tls in ["1.2", "1.3"] {
            let write = [
                "--tls-max",
                tls,
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_version} %{http_code} %{size_download}",
            ];
            let output = served.curl(&[&[flag], &write[..]].concat(), "/messages/1.plain");
            assert_eq!(text(&output.stdout), format!("{version} 200 {}", 1 << 20), "{}", text(&output.stderr));
        }
    }
}
