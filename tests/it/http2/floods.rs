//! Clients that mean harm: each flood is bounded, ends its own connection at the most, and nobody else notices.

use std::time::{Duration, Instant};

use super::{AS_ANNA, catcher};
use crate::limits::Net;
use crate::support::catcher::{Catcher, Gate as Hold, Script};
use crate::support::gate::Gate;
use crate::support::http2::frames::{
    ACK, CANCEL, CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GOAWAY, HEADERS,
    NO_ERROR, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, get,
};
use crate::support::http2::orderly;
use crate::support::patience::{PATIENCE, eventually};

fn gate(config: &str) -> (Catcher, Gate) {
    let catcher = catcher();
    let gate = Gate::to(catcher.http_addr()).config(config).with_status().secure().start();
    (catcher, gate)
}

/// That another client is answered, and soon.
fn others_are_served(gate: &Gate) {
    let begun = Instant::now();
    assert_eq!(orderly::Client::connect(gate).request("GET /messages", AS_ANNA).status, 200);
    assert!(begun.elapsed() < PATIENCE / 4, "{:?}", begun.elapsed());
}

/// Sends pieces one after another until the gate has had enough, at the most so many.
fn flood(client: &mut Client, times: usize, mut piece: impl FnMut(usize) -> Vec<u8>) {
    let _ = (0..times).any(|time| client.try_send(&piece(time)).is_err());
}

/// CVE-2023-44487.
#[test]
fn rapid_reset_ends_the_connection() {
    let (catcher, gate) = gate("");
    let mut client = Client::connect(&gate, &[]);
    client.is_polite = false;
    let head = block(&get("/messages", &[]));
    // A hundred at a time, as they come in one read.
    flood(&mut client, 100, |time| {
        let pair = |n: usize| {
            let stream = (time * 200 + n * 2 + 1) as u32;
            [
                Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, head.clone()).bytes(),
                Frame::new(RST_STREAM, 0, stream, CANCEL.to_be_bytes()).bytes(),
            ]
            .concat()
        };
        (0..100).flat_map(pair).collect()
    });
    assert_eq!(client.farewell(), ENHANCE_YOUR_CALM);
    drop(client);
    others_are_served(&gate);
    assert!(catcher.requests().len() < 200, "{}", catcher.requests().len());
    gate.access_line(|line| line.contains("status=429") && line.contains("HTTP/2 flood"));
}

/// CVE-2025-8671: the client has the gate reset the streams.
#[test]
fn made_you_reset_ends_the_connection() {
    let (catcher, gate) = gate("");
    let hold = Hold::closed();
    catcher.always("GET /messages", Script::held(&hold));
    let mut client = Client::connect(&gate, &[]);
    client.is_polite = false;
    let head = block(&get("/messages", &[]));
    flood(&mut client, 2_000, |time| {
        let stream = (time * 2 + 1) as u32;
        [
            Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, head.clone()).bytes(),
            // A window that is opened too far is a stream's error.
            Frame::new(WINDOW_UPDATE, 0, stream, 0x7fff_ffff_u32.to_be_bytes()).bytes(),
        ]
        .concat()
    });
    assert_eq!(client.farewell(), ENHANCE_YOUR_CALM);
    drop(client);
    hold.open();
    catcher.forget_scripts();
    others_are_served(&gate);
    // None of it goes on behind the connection's back.
    eventually("the streams' tasks to end", || (gate.metric("mailwarden_connections") == Some(0.0)).then_some(()));
}

/// CVE-2024-27316 and its kin.
#[test]
fn a_head_without_end_is_neither_kept_nor_read_for_ever() {
    let (_catcher, gate) = gate("");
    let before = gate.memory();
    let mut client = Client::connect(&gate, &[]);
    client.is_polite = false;
    client.frame(HEADERS, END_STREAM, 1, block(&get("/messages", &[])));
    let more = Frame::new(CONTINUATION, 0, 1, block(&[("x-more", &"x".repeat(8 << 10))])).bytes();
    flood(&mut client, 2_000, |_| more.clone());
    assert_ne!(client.farewell(), NO_ERROR);
    let grown = gate.memory().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB more");
    // In small pieces, each of which says nothing.
    let mut client = Client::connect(&gate, &[]);
    client.is_polite = false;
    client.frame(HEADERS, END_STREAM, 1, block(&get("/messages", &[])));
    let empty = Frame::new(CONTINUATION, 0, 1, []).bytes().repeat(100);
    flood(&mut client, 1_000, |_| empty.clone());
    assert_ne!(client.farewell(), NO_ERROR);
    others_are_served(&gate);
}

#[test]
fn a_head_that_is_small_on_the_wire_and_large_when_unpacked_is_refused_for_its_size() {
    let (_catcher, gate) = gate("");
    let before = gate.memory();
    let mut client = Client::connect(&gate, &[]);
    client.is_polite = false;
    let mut stream = 1;
    // A field of 4 KB goes into the table; then each byte of a block is that field again.
    let mut first = block(&get("/messages", &[]));
    first.extend([0x40, 1, b'x', 127]);
    first.extend([0xa0_u8 - 0x80 + 0x80, 0x1e]);
    first.extend(vec![b'y'; 127 + 0x20 + (0x1e << 7)]);
    client.frame(HEADERS, END_HEADERS | END_STREAM, stream, first);
    assert_eq!(client.status(stream), 200);
    let mut bomb = block(&get("/messages", &[]));
    bomb.extend(vec![0x80 | 62; 16_000]);
    for _ in 0..20 {
        stream += 2;
        let sent = client.try_send(&Frame::new(HEADERS, END_HEADERS | END_STREAM, stream, bomb.clone()).bytes());
        if sent.is_err() {
            break;
        }
    }
    // 431, or the end of the connection for one that is way too large: nothing of it is unpacked to its end.
    let mut refused = false;
    while let Some(Some(frame)) = client.next_within(Duration::from_secs(2)) {
        assert!(frame.kind != HEADERS || frame.status() == 431);
        refused |= frame.kind == HEADERS || frame.kind == GOAWAY;
    }
    assert!(refused);
    let grown = gate.memory().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB more");
    others_are_served(&gate);
}

#[test]
fn pings_settings_and_priorities_that_are_never_read_are_not_answered_into_memory() {
    let (_catcher, gate) = gate("timeouts.send = \"1s\"");
    let before = gate.memory();
    for frame in [
        Frame::new(PING, 0, 0, [7; 8]),
        Frame::new(SETTINGS, 0, 0, [0, 4, 0, 1, 0, 0]),
        Frame::new(PRIORITY, 0, 1, [0, 0, 0, 0, 9]),
        Frame::new(WINDOW_UPDATE, 0, 0, 1_u32.to_be_bytes()),
        Frame::new(PING, ACK, 0, [7; 8]),
    ] {
        let mut client = Client::connect(&gate, &[]);
        client.is_polite = false;
        let piece = frame.bytes().repeat(1_000);
        // Whether the gate takes them all or has enough is its own affair, if it costs no memory.
        flood(&mut client, 100, |_| piece.clone());
        let grown = gate.memory().saturating_sub(before);
        assert!(grown < 16 << 10, "{frame:?}: {grown} KiB more");
        others_are_served(&gate);
    }
}

/// CVE-2019-9512, CVE-2019-9513, CVE-2019-9515 and their kin: by clients that take the answers, so that nothing but the gate
/// slows them.
#[test]
fn frames_that_bring_nothing_end_the_connection() {
    let (_catcher, gate) = gate("");
    for frame in [
        Frame::new(PING, 0, 0, [7; 8]),
        Frame::new(PING, ACK, 0, [7; 8]),
        Frame::new(SETTINGS, 0, 0, [0, 4, 0, 1, 0, 0]),
        Frame::new(PRIORITY, 0, 1, [0, 0, 0, 0, 9]),
        Frame::new(WINDOW_UPDATE, 0, 1, 1_u32.to_be_bytes()),
        Frame::new(99, 0, 0, [7; 100]),
    ] {
        let mut client = Client::connect(&gate, &[]);
        assert!(client.is_alive(1));
        client.is_polite = false;
        let piece = frame.bytes().repeat(500);
        let (mut sent, mut code) = (0, None);
        let begun = Instant::now();
        while code.is_none() {
            assert!(begun.elapsed() < PATIENCE && sent < 64 << 20, "{frame:?} goes on and on");
            if client.try_send(&piece).is_err() {
                break;
            }
            sent += piece.len();
            while let Some(Some(answer)) = client.next_within(Duration::from_millis(1)) {
                if answer.kind == GOAWAY {
                    code = Some((answer.code(), answer.payload[..4].to_vec()));
                }
            }
        }
        let code = code.or_else(|| {
            let last = std::iter::from_fn(|| client.next()).find(|frame| frame.kind == GOAWAY)?;
            Some((last.code(), last.payload[..4].to_vec()))
        });
        assert_eq!(code, Some((ENHANCE_YOUR_CALM, vec![0, 0, 0, 1])), "{frame:?} after {sent} bytes");
        assert!(sent >= 1 << 20, "{frame:?} after {sent} bytes");
        drop(client);
        others_are_served(&gate);
    }
    gate.access_line(|line| line.contains("status=429") && line.contains("HTTP/2 flood"));
}

/// CVE-2019-9518, and the same with one byte in each.
#[test]
fn data_in_tiny_frames_that_nobody_reads_costs_little_memory() {
    let (catcher, gate) = gate("upstream.catcher = \"generic\"");
    let hold = Hold::closed();
    // The catcher does not read it either.
    catcher.always("POST /", Script::held(&hold));
    let before = gate.memory();
    for payload in [&b""[..], b"x"] {
        let mut client = Client::connect(&gate, &[]);
        client.is_polite = false;
        let mut fields = get("/", &[]);
        fields[0].1 = "POST";
        client.head(1, &fields, false);
        let piece = Frame::new(DATA, 0, 1, payload).bytes().repeat(1_000);
        flood(&mut client, 260, |_| piece.clone());
        let grown = gate.memory().saturating_sub(before);
        assert!(grown < 32 << 10, "{payload:?}: {grown} KiB more");
        others_are_served(&gate);
    }
    hold.open();
}

/// Slots of a queue are for those who wait for the answer.
#[test]
fn streams_that_are_reset_while_passwords_are_verified_leave_the_queue() {
    // bcrypt of cost 12: some hundred milliseconds each.
    let slow = "anna:$2y$12$AAAAAAAAAAAAAAAAAAAAA.3fcQvSDV5g1Yc6mFmBBvzRy5S4X6pUS\n";
    let (catcher, _) = gate("");
    let gate = Gate::to(catcher.http_addr()).users(slow).with_status().secure().start();
    let mut client = Client::connect(&gate, &[]);
    client.is_polite = false;
    let mut stream = 1;
    for round in 0..40 {
        // Each with a password of its own, and no more at once than may be.
        let mut all = Vec::new();
        for n in 0..50 {
            let password =
                base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("anna:{round}-{n}"));
            let credentials = format!("Basic {password}");
            let mut fields = get("/messages", &[]);
            fields[4].1 = &credentials;
            all.extend(Frame::new(HEADERS, END_HEADERS | END_STREAM, stream + 2 * n, block(&fields)).bytes());
        }
        if client.try_send(&all).is_err() {
            break;
        }
        // So that they are being looked at, and not only reset.
        client.frame(PING, 0, 0, (round as u64).to_be_bytes());
        client.until("a pong", |frame| frame.kind == PING && frame.flags == ACK);
        for n in 0..50 {
            let _ = client.try_send(&Frame::new(RST_STREAM, 0, stream + 2 * n, CANCEL.to_be_bytes()).bytes());
        }
        stream += 100;
    }
    let waiting = "mailwarden_verifications_waiting";
    eventually("the queue to be empty", || match gate.metric(waiting) {
        Some(0.0) => Some(()),
        Some(_) => None,
        None => panic!("there is no metric {waiting}:\n{}", gate.status("/metrics").1),
    });
    assert!(catcher.requests().is_empty());
}

/// A hundred streams on each of hundreds of connections would be as many requests to the catcher.
#[test]
fn requests_beside_others_count_against_the_limits_on_connections() {
    let net = Net::new();
    let catcher = net.catcher();
    let gate = net.start_secure(&catcher, "limits.connections_per_address = 3");
    let hold = Hold::closed();
    catcher.always("GET /favicon.ico", Script::held(&hold));
    let mut client = Client::connect(&gate, &[]);
    for stream in [1, 3, 5] {
        client.head(stream, &get("/favicon.ico", &[]), true);
    }
    assert!(catcher.wait_until(PATIENCE, |state| state.requests.len() == 3));
    client.head(7, &get("/messages", &[]), true);
    assert_eq!(client.status(7), 503);
    gate.access_line(|line| line.contains("status=503") && line.contains("too many requests at once"));
    hold.open();
    let mut stream = 7;
    eventually("a place to be given back", || {
        stream += 2;
        client.head(stream, &get("/messages", &[]), true);
        (client.status(stream) == 200).then_some(())
    });
}
