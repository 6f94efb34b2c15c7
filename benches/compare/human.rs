//! What people notice: requests at the pace of people, a page that many open at once, somebody who guesses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Mutex;

use crate::client::{Client, RIGHT};
use crate::load::{ELSEWHERE, counted, own};
use crate::peers::Running;
use crate::stats::{Figures, latencies};
use crate::upstream::field;
use crate::{Bench, Result};

const PATH: &str = "/messages/1.plain";
/// 50 a second.
const PACE: Duration = Duration::from_millis(20);

/// What has no answer so long after the last was asked is an error.
const LATE: Duration = Duration::from_secs(5);

/// Asks 50 times a second whether the answers before have come or not; times in microseconds, and failures.
async fn paced(to: SocketAddr, time: Duration) -> (Vec<f64>, usize) {
    let idle = Arc::new(Mutex::new(Vec::new()));
    let mut tick = tokio::time::interval(PACE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let begun = Instant::now();
    let mut asked = Vec::new();
    while begun.elapsed() < time {
        tick.tick().await;
        let idle = Arc::clone(&idle);
        asked.push(tokio::spawn(async move {
            let begun = Instant::now();
            let kept = idle.lock().await.pop();
            let mut client = match kept {
                Some(client) => client,
                None => Client::open(to, None, None).await?,
            };
            let answer = client.get(PATH, RIGHT).await?;
            let took = begun.elapsed().as_secs_f64() * 1e6;
            idle.lock().await.push(client);
            match answer.status {
                200 => Ok(took),
                status => Err(std::io::Error::other(status.to_string())),
            }
        }));
    }
    let (mut times, mut failed) = (Vec::new(), 0);
    let end = tokio::time::Instant::now() + LATE;
    for mut one in asked {
        match tokio::time::timeout_at(end, &mut one).await {
            Ok(Ok(Ok(took))) => times.push(took),
            _ => {
                one.abort();
                failed += 1;
            }
        }
    }
    (times, failed)
}

/// 50 requests a second by way of the gate, and as many to the catcher itself in the same round.
pub(crate) fn feel(bench: &Bench, running: &Running) -> Result<Figures> {
    let time = Duration::from_secs(bench.options.seconds);
    let of = |addr| -> Result<Figures> {
        let (all, _) = own(bench, vec![paced(addr, time)], &mut || {})?;
        let (times, failed) = all.into_iter().next().unwrap_or_default();
        Ok(counted(times, failed, time.as_secs_f64()))
    };
    let mut by_way = of(running.addr)?;
    if running.process.is_some() {
        let direct = of(bench.upstream.addr)?;
        for (added, name) in [("added_p50_us", "p50_us"), ("added_p99_us", "p99_us")] {
            if let (Some(one), Some(other)) = (by_way.get(name).copied(), direct.get(name)) {
                by_way.insert(added, one - other);
            }
        }
    }
    Ok(by_way)
}

/// People who open the page at once: each asks for it and then for the list, on a connection of his own.
pub(crate) fn page(bench: &Bench, running: &Running, people: usize) -> Result<Figures> {
    let addr = running.addr;
    let before = bench.upstream.lists();
    let person = || async move {
        let begun = Instant::now();
        let mut client = Client::open(addr, None, None).await?;
        let lines = format!("{RIGHT}Accept-Encoding: gzip, deflate\r\nX-Requested-With: XMLHttpRequest\r\n");
        let page = client.get("/", &lines).await?;
        let list = client.get("/messages", &lines).await?;
        let plain = field(&list.head, "content-encoding").is_none();
        let whole = page.status == 200 && list.status == 200 && (!plain || list.body.ends_with(b"}]"));
        std::io::Result::Ok((begun.elapsed().as_secs_f64() * 1e3, list.body.len(), whole))
    };
    let (all, _) = own(bench, (0..people).map(|_| person()).collect(), &mut || {})?;
    let well: Vec<_> = all.into_iter().flatten().filter(|(_, _, whole)| *whole).collect();
    let mut times = Figures::new();
    latencies(well.iter().map(|(took, ..)| took * 1e3).collect(), &mut times);
    let last = well.iter().map(|(took, ..)| *took).fold(0.0, f64::max);
    let bytes = well.iter().map(|(_, bytes, _)| *bytes).max().unwrap_or(0);
    times.extend([
        ("last_ms", last),
        ("lists", (bench.upstream.lists() - before) as f64),
        ("list_kib", bytes as f64 / 1024.0),
        ("errors", (people - well.len()) as f64),
    ]);
    Ok(times)
}

/// How somebody with the right password fares while another address guesses on eight connections. He asks at the pace of
/// people, one after the other: who asked on would only measure how long he goes on.
pub(crate) fn flood(bench: &Bench, running: &Running) -> Result<Figures> {
    let (addr, time) = (running.addr, Duration::from_secs(bench.options.seconds));
    let stop = Arc::new(AtomicBool::new(false));
    let guesses = Arc::new(AtomicU64::new(0));
    let (ends, count) = (Arc::clone(&stop), Arc::clone(&guesses));
    let all = async move {
        // Somebody who was let in before it begins.
        let mut good = Client::open(addr, Some(ELSEWHERE), None).await.ok();
        if let Some(client) = &mut good {
            let _ = client.get(PATH, RIGHT).await;
        }
        let guessers: Vec<_> =
            (0..8).map(|number| tokio::spawn(guess(addr, number, Arc::clone(&ends), Arc::clone(&count)))).collect();
        let (mut times, mut failed) = (Vec::new(), 0);
        let end = Instant::now() + time;
        while Instant::now() < end {
            let begun = Instant::now();
            let asked = async {
                let mut client = match good.take() {
                    Some(client) => client,
                    None => Client::open(addr, Some(ELSEWHERE), None).await?,
                };
                let status = client.get(PATH, RIGHT).await?.status;
                std::io::Result::Ok((client, status))
            };
            match tokio::time::timeout(LATE, asked).await {
                Ok(Ok((client, 200))) => {
                    times.push(begun.elapsed().as_secs_f64() * 1e6);
                    good = Some(client);
                }
                _ => failed += 1,
            }
            tokio::time::sleep(PACE).await;
        }
        ends.store(true, Ordering::Relaxed);
        for guesser in guessers {
            guesser.abort();
        }
        (times, failed)
    };
    let (all, seconds) = own(bench, vec![all], &mut || {})?;
    let (times, failed) = all.into_iter().next().unwrap_or_default();
    let longest = times.iter().copied().fold(0.0, f64::max);
    let mut figures = counted(times, failed, seconds);
    figures.insert("guesses", guesses.load(Ordering::Relaxed) as f64);
    if longest > 0.0 {
        figures.insert("longest_us", longest);
    }
    Ok(figures)
}

/// Tries one password after the other until it is told to end.
async fn guess(addr: SocketAddr, number: u64, ends: Arc<AtomicBool>, count: Arc<AtomicU64>) {
    let mut kept = None;
    while !ends.load(Ordering::Relaxed) {
        let guess = count.fetch_add(1, Ordering::Relaxed);
        let password = STANDARD.encode(format!("anna:guess {number} {guess}"));
        let mut client = match kept.take() {
            Some(client) => client,
            None => match Client::open(addr, None, None).await {
                Ok(opened) => opened,
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    continue;
                }
            },
        };
        let answer =
            tokio::time::timeout(LATE, client.get(PATH, &format!("Authorization: Basic {password}\r\n"))).await;
        kept = matches!(answer, Ok(Ok(_))).then_some(client);
    }
}
