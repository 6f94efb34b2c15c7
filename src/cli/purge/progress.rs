//! How far a purge is, on a terminal: one line that is written over.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::purge::run::Step;

/// How often the line is written.
const INTERVAL: Duration = Duration::from_millis(100);
/// How wide the bar is.
const WIDTH: usize = 24;

/// The line, if there is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    is_on: bool,
    began: Instant,
    last: Option<Instant>,
}

impl Progress {
    pub(super) fn new(is_on: bool) -> Self {
        Self { is_on, began: Instant::now(), last: None }
    }

    /// Writes where it is, if that is due.
    pub(super) fn at(&mut self, step: Step) {
        let is_due = self.last.is_none_or(|last| last.elapsed() >= INTERVAL) || step == Step::Confirming;
        if self.is_on && is_due {
            self.last = Some(Instant::now());
            write(&line(step, self.began.elapsed()));
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.is_on && self.last.is_some() {
            write("");
        }
    }
}

/// From the line's beginning, and what was there before goes.
fn write(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "\r{text}\x1b[K").and_then(|()| stderr.flush());
}

fn line(step: Step, took: Duration) -> String {
    match step {
        Step::Confirming => "looking whether they are gone".to_owned(),
        Step::Deleted(done, all) => {
            let full = WIDTH * done / all.max(1);
            let left = took.mul_f64((all - done.min(all)) as f64 / done.max(1) as f64).as_secs();
            let (bar, rest) = ("#".repeat(full), "-".repeat(WIDTH - full));
            format!("[{bar}{rest}] {done} of {all}, {left} s left")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_and_says_how_long_it_takes_yet() {
        let at = |done, seconds| line(Step::Deleted(done, 200), Duration::from_secs(seconds));
        assert_eq!(at(0, 0), "[------------------------] 0 of 200, 0 s left");
        assert_eq!(at(50, 10), "[######------------------] 50 of 200, 30 s left");
        assert_eq!(at(200, 40), "[########################] 200 of 200, 0 s left");
    }
}
