//! What wrk and h2load print, as figures.

use super::stats::{Figures, QUANTILES, latencies};

/// What a load generator counted.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Counted {
    /// Requests that were answered.
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
    /// Answers with a status of 400 and more, which can be what was asked for.
    pub(crate) refused: f64,
    /// Connections that failed or broke, and requests that nobody answered in time.
    pub(crate) broken: f64,
    /// Latencies, in microseconds.
    pub(crate) times: Figures,
}

impl Counted {
    /// As figures; `refusals` says that a refusal is the right answer.
    pub(crate) fn figures(&self, refusals: bool) -> Figures {
        let wrong = if refusals { self.requests - self.refused } else { self.refused };
        let mut figures = self.times.clone();
        figures.insert("requests", self.requests);
        figures.insert("requests_per_second", self.requests / self.seconds.max(1e-9));
        figures.insert("errors", wrong + self.broken);
        figures
    }
}

/// The line that `wrk.lua` writes.
pub(crate) fn wrk(output: &str) -> Option<Counted> {
    let line = output.lines().find_map(|line| line.strip_prefix("compare "))?;
    let value = |name: &str| {
        let mut pairs = line.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name)?.1.parse::<f64>().ok()
    };
    let mut times = Figures::new();
    let requests = value("requests")?;
    for (name, _, least) in QUANTILES {
        let time = value(name.trim_end_matches("_us"))?;
        if requests >= least as f64 {
            times.insert(name, time);
        }
    }
    Some(Counted {
        requests,
        seconds: value("duration_us")? / 1e6,
        refused: value("status")?,
        broken: value("connect")? + value("read")? + value("write")? + value("timeout")?,
        times,
    })
}

/// h2load's summary, and its log: a line a request with start, status and latency in microseconds.
pub(crate) fn h2load(output: &str, log: &str) -> Option<Counted> {
    let of = |start: &str| output.lines().find_map(|line| line.strip_prefix(start));
    let seconds = duration(of("finished in ")?.split(',').next()?)?;
    let counts = of("requests: ")?;
    let count = |counts: &str, what: &str| {
        let found = counts.split(", ").find_map(|part| part.trim().strip_suffix(what))?;
        found.trim().parse::<f64>().ok()
    };
    let status = of("status codes: ")?;
    let mut times = Figures::new();
    latencies(log.lines().filter_map(|line| line.split('\t').nth(2)?.trim().parse().ok()).collect(), &mut times);
    Some(Counted {
        requests: count(counts, " done")?,
        seconds,
        refused: count(status, " 4xx")? + count(status, " 5xx")?,
        broken: count(counts, " errored")? + count(counts, " timeout")?,
        times,
    })
}

/// "1.50s", "250.00ms" or "12us" in seconds.
fn duration(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match text.strip_prefix(number)? {
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "m" => 60.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * unit)
}

/// A process by what /proc/PID/stat says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// User and system time of it and of those of its children that have ended, in clock ticks.
    pub(crate) ticks: u64,
}

/// Reads /proc/PID/stat. The name in it can hold anything, so what follows counts from the last bracket.
pub(crate) fn stat(text: &str) -> Option<Stat> {
    let (pid, rest) = text.split_once(' ')?;
    let fields: Vec<&str> = rest.get(rest.rfind(')')? + 1..)?.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Stat { pid: pid.parse().ok()?, parent: fields.get(1)?.parse().ok()?, ticks })
}

/// A value of /proc/PID/smaps_rollup, in KiB.
pub(crate) fn rollup(text: &str, key: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = "Running 1s test @ http://127.0.0.1:18101/\n  1 threads and 32 connections\n\
        Requests/sec:  45871.26\nTransfer/sec:     57.22MB\n\
        compare requests=45900 duration_us=1000600 bytes=60000000 connect=1 read=2 write=3 status=7 timeout=4 \
        p50=631 p99=1543 p999=2200\n";

    #[test]
    fn wrk_is_read_from_the_line_of_its_script() {
        let counted = wrk(WRK).unwrap();
        assert_eq!((counted.requests, counted.seconds), (45900.0, 1.0006));
        assert_eq!((counted.refused, counted.broken), (7.0, 10.0));
        assert_eq!(counted.times, Figures::from([("p50_us", 631.0), ("p99_us", 1543.0), ("p999_us", 2200.0)]));
        assert_eq!(wrk("Requests/sec: 45871.26"), None, "no script, no figures");
    }

    #[test]
    fn a_refusal_is_an_error_unless_it_was_asked_for() {
        let counted = Counted { requests: 10.0, seconds: 2.0, refused: 9.0, broken: 0.0, times: Figures::new() };
        assert_eq!(counted.figures(false)["errors"], 9.0);
        assert_eq!(counted.figures(true)["errors"], 1.0);
        assert_eq!(counted.figures(true)["requests_per_second"], 5.0);
    }

    const H2LOAD: &str = "finished in 1.50s, 8000.67 req/s, 9.01MB/s\n\
        requests: 12010 total, 12010 started, 12001 done, 11990 succeeded, 11 failed, 2 errored, 1 timeout\n\
        status codes: 11990 2xx, 0 3xx, 7 4xx, 4 5xx\n\
        traffic: 13.52MB (14176000) total\n";

    #[test]
    fn h2load_is_read_from_its_summary_and_its_log() {
        let log = "1700000000000001\t200\t100\n1700000000000002\t200\t300\n1700000000000003\t200\t200\n";
        let counted = h2load(H2LOAD, log).unwrap();
        assert_eq!((counted.requests, counted.seconds, counted.refused, counted.broken), (12001.0, 1.5, 11.0, 3.0));
        assert_eq!(counted.times["p50_us"], 200.0);
        assert_eq!(h2load("requests: 1 total", ""), None);
    }

    #[test]
    fn every_unit_of_a_duration_is_read() {
        for (text, seconds) in [("1.50s", 1.5), ("250.00ms", 0.25), ("10us", 1e-5), ("2m", 120.0)] {
            assert!((duration(text).unwrap() - seconds).abs() < 1e-12, "{text}");
        }
        assert_eq!(duration("fast"), None);
    }

    #[test]
    fn a_process_may_have_any_name() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 100 0 0 0 150 50 3 4 20 0 1 0 100 1 1";
        assert_eq!(stat(text), Some(Stat { pid: 42, parent: 7, ticks: 207 }));
        assert_eq!(stat("42 (x) S"), None);
    }

    #[test]
    fn memory_is_read_in_kib() {
        let text = "55d-7ff ---p 00000000 00:00 0 [rollup]\nRss:                6144 kB\nPss:                4100 kB\n";
        assert_eq!((rollup(text, "Rss"), rollup(text, "Pss")), (Some(6144.0), Some(4100.0)));
        assert_eq!(rollup(text, "Swap"), None);
    }
}
