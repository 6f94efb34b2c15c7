//! What a client's frames cost, and what pays for it.
//!
//! PRIORITY, WINDOW_UPDATE, SETTINGS, PING and unknown frames cost a client nothing and h2 bounds none of them; nor does it
//! bound the requests that it refuses by itself. So their bytes are counted. Requests that arrive here, answers that are
//! taken, and time pay for them; who is deep in debt floods. Bytes of a body are bounded by their windows, and small frames
//! of it by h2.

use std::time::Duration;

use tokio::time::Instant;

/// A frame's head (RFC 9113 section 4.1).
const HEAD: usize = 9;

/// What a client begins with (section 3.4).
const PREFACE: usize = 24;

/// How many unpaid bytes are a flood: sixty thousand pings.
const MOST: u64 = 1 << 20;

/// What a second pays for, in bytes. A ping each fifteen seconds needs three.
const SECOND: u64 = 16 << 10;

/// What a request pays for beside its own head, in bytes.
const BESIDE_HEAD: u64 = 16 << 10;

/// How many bytes of answers pay for one: the smallest frame of 16 KiB would pay for forty updates of a window.
const OF_ANSWERS: usize = 16;

/// The most of a frame that is counted; h2 refuses a longer one, and says why.
const LONGEST: usize = 16 << 10;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;

/// What is counted of a connection.
#[derive(Debug)]
pub(super) struct Meter {
    preface: usize,
    head: [u8; HEAD],
    /// How much of the next head is there.
    have: usize,
    /// How much of the current frame is to come behind its head.
    left: usize,
    last_stream: u32,
    owed: u64,
    /// What was paid for when it was last asked: requests, and time.
    requests: u32,
    since: Instant,
    per_request: u64,
}

impl Meter {
    /// A connection that begins at `now`, on which a request's head has at most `head` bytes.
    pub(super) fn new(head: usize, now: Instant) -> Self {
        Self {
            preface: PREFACE,
            head: [0; HEAD],
            have: 0,
            left: 0,
            last_stream: 0,
            owed: 0,
            requests: 0,
            since: now,
            per_request: BESIDE_HEAD + head as u64,
        }
    }

    /// Counts what came; whether it shows that the client reads what it is sent.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> bool {
        let mut reads = false;
        skip(&mut self.preface, &mut bytes);
        loop {
            skip(&mut self.left, &mut bytes);
            let part = bytes.len().min(HEAD - self.have);
            if part == 0 {
                return reads;
            }
            let (taken, rest) = bytes.split_at(part);
            self.head[self.have..][..part].copy_from_slice(taken);
            (self.have, bytes) = (self.have + part, rest);
            if self.have == HEAD {
                self.have = 0;
                reads |= self.frame();
            }
        }
    }

    fn frame(&mut self) -> bool {
        let [a, b, c, kind, flags, stream @ ..] = self.head;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        if kind != DATA || self.left == 0 {
            self.owed += (HEAD + self.left.min(LONGEST)) as u64;
        }
        if kind == HEADERS {
            self.last_stream = self.last_stream.max(u32::from_be_bytes(stream) & 0x7fff_ffff);
        }
        kind == WINDOW_UPDATE || (matches!(kind, SETTINGS | PING) && flags & ACK != 0)
    }

    /// The client took so many bytes, or will.
    pub(super) fn wrote(&mut self, length: usize) {
        self.owed = self.owed.saturating_sub((length / OF_ANSWERS) as u64);
    }

    /// Whether it floods, `requests` having arrived until `now`; the number may wrap around.
    pub(super) fn is_flood(&mut self, requests: u32, now: impl FnOnce() -> Instant) -> bool {
        if self.owed <= MOST {
            return false;
        }
        let now = now();
        let by_time = now.saturating_duration_since(self.since).min(Duration::from_secs(MOST)).as_millis();
        let by_time = u64::try_from(by_time).unwrap_or(u64::MAX).saturating_mul(SECOND) / 1000;
        let by_requests = u64::from(requests.wrapping_sub(self.requests)).saturating_mul(self.per_request);
        (self.since, self.requests) = (now, requests);
        self.owed = self.owed.saturating_sub(by_time.saturating_add(by_requests));
        self.owed > MOST
    }

    /// The highest stream that the client has opened.
    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }
}

fn skip(left: &mut usize, bytes: &mut &[u8]) {
    let part = bytes.len().min(*left);
    *left -= part;
    *bytes = bytes.get(part..).unwrap_or_default();
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: usize) -> Vec<u8> {
        let mut bytes = (payload as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.resize(HEAD + payload, 0xff);
        bytes
    }

    fn begun(now: Instant) -> Meter {
        let mut meter = Meter::new(64 << 10, now);
        meter.read(&[b'P'; PREFACE]);
        meter
    }

    /// How many times in a row `piece` may come before it is a flood.
    fn times(piece: &[u8]) -> Option<usize> {
        let now = Instant::now();
        let mut meter = begun(now);
        (0..200_000).find(|_| {
            meter.read(piece);
            meter.is_flood(0, || now)
        })
    }

    #[test]
    fn what_costs_a_client_nothing_is_a_flood_after_a_mebibyte() {
        for (kind, flags, payload) in
            [(2, 0, 5), (3, 0, 4), (4, 0, 6), (4, 1, 0), (6, 0, 8), (6, 1, 8), (8, 0, 4), (99, 0, 0)]
        {
            let piece = frame(kind, flags, 0, payload);
            assert_eq!(times(&piece), Some((MOST as usize) / piece.len()), "{kind} {flags}");
        }
        // Requests of which none arrives.
        assert!(times(&frame(HEADERS, 4, 1, 100)).is_some());
        // A body is no flood.
        assert_eq!(times(&frame(DATA, 0, 1, 100)), None);
    }

    #[test]
    fn a_ping_each_fifteen_seconds_for_a_month_and_a_long_download_are_none() {
        let mut now = Instant::now();
        let mut meter = begun(now);
        for _ in 0..30 * 24 * 60 * 4 {
            now += Duration::from_secs(15);
            meter.read(&frame(PING, 0, 0, 8));
            assert!(!meter.is_flood(1, || now));
        }
        // 8 GiB at once, with two updates of a window for each 16 KiB.
        for _ in 0..512 << 10 {
            meter.wrote(16 << 10);
            meter.read(&frame(WINDOW_UPDATE, 0, 0, 4));
            meter.read(&frame(WINDOW_UPDATE, 0, 1, 4));
            assert!(!meter.is_flood(1, || now));
        }
    }

    #[test]
    fn requests_pay_for_their_heads_and_not_in_advance() {
        let now = Instant::now();
        let mut meter = begun(now);
        let mut stream = 1;
        for request in 1..1_000 {
            for _ in 0..4 {
                meter.read(&frame(HEADERS, 0, stream, 16 << 10));
            }
            stream += 2;
            assert!(!meter.is_flood(request, || now), "{request}");
        }
        assert_eq!(meter.last_stream(), stream - 2);
        // What many requests left is not kept.
        meter.read(&frame(PING, 0, 0, 8).repeat((MOST as usize) / 17 * 2));
        assert!(!meter.is_flood(20_000, || now));
        meter.read(&frame(PING, 0, 0, 8).repeat((MOST as usize) / 17 * 2));
        assert!(meter.is_flood(20_000, || now));
    }

    #[test]
    fn that_it_reads_is_shown_by_answers_and_windows_only() {
        let mut meter = begun(Instant::now());
        for (kind, flags, shows) in [
            (DATA, 1, false),
            (HEADERS, 1, false),
            (2, 0, false),
            (3, 0, false),
            (SETTINGS, 0, false),
            (PING, 0, false),
        ]
        .into_iter()
        .chain([(SETTINGS, ACK, true), (PING, ACK, true), (WINDOW_UPDATE, 0, true)])
        {
            assert_eq!(meter.read(&frame(kind, flags, 1, 8)), shows, "{kind} {flags}");
        }
    }

    proptest! {
        /// Frames are the same however they are cut.
        #[test]
        fn where_a_read_ends_makes_no_difference(
            frames in prop::collection::vec((0..12u8, 0..8u8, 0..40usize), 0..40),
            cuts in prop::collection::vec(1..30usize, 1..40),
        ) {
            let now = Instant::now();
            let mut all = vec![b'P'; PREFACE];
            for &(kind, flags, payload) in &frames {
                all.extend(frame(kind, flags, 5, payload));
            }
            let mut whole = Meter::new(0, now);
            let at_once = whole.read(&all);
            let mut pieces = Meter::new(0, now);
            let (mut rest, mut cuts) = (&all[..], cuts.iter().cycle());
            let mut by_pieces = false;
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                by_pieces |= pieces.read(piece);
                rest = behind;
            }
            prop_assert_eq!((whole.owed, whole.last_stream, at_once), (pieces.owed, pieces.last_stream, by_pieces));
            let owed: usize = frames.iter().filter(|frame| frame.0 != DATA || frame.2 == 0).map(|frame| HEAD + frame.2).sum();
            prop_assert_eq!(whole.owed, owed as u64);
        }
    }
}
