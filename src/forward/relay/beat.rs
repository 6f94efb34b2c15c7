//! Whether a side is still there: pings of our own, their pongs, and silence. Nothing here does I/O.

use std::time::Duration;

use tokio::time::Instant;

/// What our pings carry, before their number: whoever answers gives it back (RFC 6455 section 5.5.3).
const MARK: [u8; 4] = *b"mwrd";

/// How often a side is asked, and how long it may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// The time between two pings.
    pub(super) every: Duration,
    /// A side of which no byte came for so long is gone.
    pub(super) silence: Duration,
}

/// One side's heartbeat.
#[derive(Debug)]
pub(super) struct Beat {
    rhythm: Rhythm,
    asked: Instant,
    heard: Instant,
    number: u32,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// A ping with this payload.
    Ping([u8; 8]),
    /// Nothing more: nobody is there.
    Gone,
}

impl Beat {
    pub(super) fn new(rhythm: Rhythm, now: Instant) -> Self {
        Self { rhythm, asked: now, heard: now, number: 0 }
    }

    /// Something came from that side, or could not be asked for.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// Whether that is the payload of a pong to a ping of ours: those are nobody else's business.
    pub(super) fn is_ours(&self, payload: &[u8]) -> bool {
        match payload.split_first_chunk::<4>() {
            Some((mark, number)) if *mark == MARK => {
                number.try_into().is_ok_and(|number| (1..=self.number).contains(&u32::from_be_bytes(number)))
            }
            _ => false,
        }
    }

    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        (self.asked + self.rhythm.every).min(self.heard + self.rhythm.silence)
    }

    /// What is due.
    pub(super) fn look(&mut self, now: Instant) -> Due {
        if now >= self.heard + self.rhythm.silence {
            return Due::Gone;
        }
        if now < self.asked + self.rhythm.every {
            return Due::Nothing;
        }
        self.asked = now;
        self.number = self.number.wrapping_add(1);
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&MARK);
        payload[4..].copy_from_slice(&self.number.to_be_bytes());
        Due::Ping(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { every: Duration::from_secs(15), silence: Duration::from_secs(60) };

    #[tokio::test(start_paused = true)]
    async fn a_ping_is_due_each_time_and_silence_is_the_end() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut beat = Beat::new(RHYTHM, start);
        assert_eq!((beat.look(at(14)), beat.next()), (Due::Nothing, at(15)));
        let Due::Ping(first) = beat.look(at(15)) else { panic!("no ping") };
        assert_eq!((beat.look(at(16)), beat.next()), (Due::Nothing, at(30)));
        let Due::Ping(second) = beat.look(at(30)) else { panic!("no ping") };
        assert_ne!(first, second);
        beat.heard(at(40));
        assert!(matches!(beat.look(at(60)), Due::Ping(_)));
        assert_eq!(beat.look(at(100)), Due::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_answers_to_our_own_pings_are_ours() {
        let start = Instant::now();
        let mut beat = Beat::new(RHYTHM, start);
        assert!(!beat.is_ours(b"mwrd\0\0\0\x01"), "nobody was asked");
        let Due::Ping(payload) = beat.look(start + RHYTHM.every) else { panic!("no ping") };
        assert!(beat.is_ours(&payload));
        for other in [&b""[..], b"mwrd", b"mwrd\0\0\0\x02", b"mwrd\0\0\0\0", b"mwrd\0\0\0\x01x", b"abcd\0\0\0\x01"] {
            assert!(!beat.is_ours(other), "{other:?}");
        }
    }
}
