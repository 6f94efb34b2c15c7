//! One measurement: a load on one peer for some seconds, and what it cost.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::peers::Running;
use crate::scenarios::{Ask, Load, Scenario};
use crate::stats::{Figures, latencies};
use crate::{Bench, Result, client, human, parse, process, socket, tls};

/// Measures once. Memory is looked at in the middle, where connections and buffers are there.
pub(crate) fn once(bench: &Bench, running: &Running, scenario: &Scenario) -> Result<Figures> {
    let memory = |figures: &mut Figures| {
        if let Some(process) = &running.process {
            let (rss, pss) = process.memory();
            figures.insert("rss_kib", rss);
            figures.insert("pss_kib", pss);
        }
    };
    let cpu = || running.process.as_ref().map(|process| process.cpu(bench.tick));
    let mut held = Figures::new();
    let before = cpu();
    let mut half_way = || memory(&mut held);
    let mut figures = match scenario.load {
        Load::Wrk { connections, path, ask } => wrk(bench, running, scenario, (connections, path, ask), &mut half_way)?,
        Load::H2 { connections, streams, path } => h2(bench, running, (connections, streams, path), &mut half_way)?,
        Load::Echo { sockets } => echo(bench, running, sockets, &mut half_way)?,
        Load::Handshakes { resumed } => handshakes(bench, running, resumed, &mut half_way)?,
        Load::Idle { sockets } => idle(bench, running, sockets)?,
        Load::Flood => human::flood(bench, running)?,
        Load::Feel => human::feel(bench, running)?,
        Load::Page { people } => human::page(bench, running, people)?,
        Load::Rest => rest(bench, running)?,
    };
    // At the pace of people a clock tick is too coarse, and while somebody guesses most of it is his.
    let fine = !matches!(scenario.load, Load::Feel | Load::Flood);
    if let (Some(before), Some(after), Some(requests)) = (before, cpu(), figures.get("requests"))
        && *requests > 0.0
        && fine
    {
        figures.insert("cpu_us", (after - before) * 1e6 / requests);
    }
    figures.append(&mut held);
    Ok(figures)
}

fn url(running: &Running, scenario_is_tls: bool, path: &str) -> String {
    let scheme = if scenario_is_tls { "https" } else { "http" };
    format!("{scheme}://{}{path}", running.addr)
}

fn wrk(
    bench: &Bench,
    running: &Running,
    scenario: &Scenario,
    (connections, path, ask): (u32, &str, Ask),
    half_way: &mut dyn FnMut(),
) -> Result<Figures> {
    // With very many, connecting is no part of it only if it goes on for a while.
    let seconds = bench.options.seconds.max(if connections >= 1000 { 3 } else { 1 });
    let mut command = process::pinned(&bench.options.load_core, "wrk".as_ref());
    command.args(["-t1", &format!("-c{connections}"), &format!("-d{seconds}s"), "--timeout", "10s", "-s"]);
    command.arg(bench.folder("wrk.lua"));
    if ask != Ask::Nobody {
        command.args(["-H", client::RIGHT.trim_end()]);
    }
    if ask == Ask::Alone {
        command.args(["-H", "Connection: close"]);
    }
    command.arg(url(running, scenario.tls, path));
    if let Ask::Upload(bytes) = ask {
        command.args(["--", "POST", &bytes.to_string()]);
    }
    let output = process::output(&mut command, Duration::from_secs(seconds), &bench.stop, half_way)?;
    let counted = parse::wrk(&output).ok_or_else(|| format!("wrk says nothing that can be read: {output}"))?;
    Ok(counted.figures(ask == Ask::Nobody))
}

fn h2(
    bench: &Bench,
    running: &Running,
    (connections, streams, path): (u32, u32, &str),
    half_way: &mut dyn FnMut(),
) -> Result<Figures> {
    let seconds = bench.options.seconds;
    let log = bench.dir.path().join("h2load.log");
    let _ = fs::remove_file(&log);
    let mut command = process::pinned(&bench.options.load_core, "h2load".as_ref());
    command.args(["-t1", &format!("-c{connections}"), &format!("-m{streams}"), &format!("-D{seconds}")]);
    command.arg(format!("--log-file={}", log.display())).args(["-H", client::RIGHT.trim_end()]);
    command.arg(url(running, true, path));
    let output = process::output(&mut command, Duration::from_secs(seconds), &bench.stop, half_way)?;
    if !output.contains("Application protocol: h2") {
        return Err("it does not speak HTTP/2".into());
    }
    let counted = parse::h2load(&output, &fs::read_to_string(&log)?);
    Ok(counted.ok_or_else(|| format!("h2load says nothing that can be read: {output}"))?.figures(false))
}

/// Runs a load of our own on the runtime of the bench, and looks at memory in its middle.
pub(crate) fn own<F>(bench: &Bench, tasks: Vec<F>, half_way: &mut dyn FnMut()) -> Result<(Vec<F::Output>, f64)>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let stop = bench.stop.clone();
    let middle = Duration::from_secs(bench.options.seconds) / 2;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    let all = runtime.block_on(async {
        let handles: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
        tokio::time::sleep(middle).await;
        half_way();
        let mut all = Vec::new();
        for mut handle in handles {
            loop {
                match tokio::time::timeout(Duration::from_millis(100), &mut handle).await {
                    Ok(output) => break all.push(output?),
                    Err(_) => stop.check()?,
                }
            }
        }
        Ok::<_, crate::Failure>(all)
    })?;
    Ok((all, begun.elapsed().as_secs_f64()))
}

fn echo(bench: &Bench, running: &Running, sockets: usize, half_way: &mut dyn FnMut()) -> Result<Figures> {
    let until = Instant::now() + Duration::from_secs(bench.options.seconds);
    let tasks = (0..sockets).map(|_| socket::echo(running.addr, until)).collect();
    let (all, seconds) = own(bench, tasks, half_way)?;
    let failed = all.iter().filter(|one| one.is_err()).count();
    if failed == all.len() {
        return Err(format!("no WebSocket: {:?}", all.into_iter().find_map(std::result::Result::err)).into());
    }
    Ok(counted(all.into_iter().flatten().flatten().collect(), failed, seconds))
}

fn handshakes(bench: &Bench, running: &Running, resumed: bool, half_way: &mut dyn FnMut()) -> Result<Figures> {
    let until = Instant::now() + Duration::from_secs(bench.options.seconds);
    let addr = running.addr;
    let task = |connector: tokio_rustls::TlsConnector| async move {
        let (mut times, mut failed) = (Vec::new(), 0);
        while Instant::now() < until {
            let begun = Instant::now();
            let asked = async {
                let mut client = client::Client::open(addr, None, Some(&connector)).await?;
                let lines = format!("{}Connection: close\r\n", client::RIGHT);
                let answer = client.get("/messages/1.plain", &lines).await?;
                std::io::Result::Ok(answer.status == 200 && client.resumed == resumed)
            };
            match asked.await {
                Ok(true) => times.push(begun.elapsed().as_secs_f64() * 1e6),
                _ => failed += 1,
            }
        }
        (times, failed)
    };
    let tasks = (0..8).map(|_| Ok(task(tls::connector(resumed)?))).collect::<Result<Vec<_>>>()?;
    let (all, seconds) = own(bench, tasks, half_way)?;
    // The first of each client is no resumption.
    let failed = all.iter().map(|(_, failed)| failed).sum::<usize>().saturating_sub(if resumed { 8 } else { 0 });
    Ok(counted(all.into_iter().flat_map(|(times, _)| times).collect(), failed, seconds))
}

pub(crate) fn counted(times: Vec<f64>, errors: usize, seconds: f64) -> Figures {
    let requests = times.len() as f64;
    let mut figures = Figures::from([
        ("requests", requests),
        ("requests_per_second", requests / seconds.max(1e-9)),
        ("errors", errors as f64),
    ]);
    latencies(times, &mut figures);
    figures
}

/// The memory of sockets that are open and say nothing, beyond what there was.
fn idle(bench: &Bench, running: &Running, sockets: usize) -> Result<Figures> {
    let Some(process) = &running.process else { return Ok(Figures::new()) };
    let before = process.memory().1;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut handles = tokio::task::JoinSet::new();
        let mut failed = 0_u32;
        for _ in 0..sockets {
            bench.stop.check()?;
            match socket::open(running.addr).await {
                Ok(client) => drop(handles.spawn(socket::hold(client, Duration::from_secs(60)))),
                Err(_) => failed += 1,
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let gone = (0..handles.len()).filter(|_| handles.try_join_next().is_some()).count();
        let (rss, pss) = process.memory();
        let open = handles.len() as f64;
        if open == 0.0 {
            return Err("no WebSocket stays open".into());
        }
        Ok(Figures::from([
            ("sockets", open),
            ("kib_each", (pss - before) / open),
            ("rss_kib", rss),
            ("pss_kib", pss),
            ("errors", f64::from(failed) + gone as f64),
        ]))
    })
}

fn rest(bench: &Bench, running: &Running) -> Result<Figures> {
    let Some(process) = &running.process else { return Ok(Figures::new()) };
    bench.stop.sleep(Duration::from_millis(500))?;
    let (rss, pss) = process.memory();
    let binary = fs::metadata(bench.program(running.peer)?)?.len() as f64;
    Ok(Figures::from([
        ("first_answer_ms", running.first_answer.as_secs_f64() * 1e3),
        ("rss_kib", rss),
        ("pss_kib", pss),
        ("binary_mib", binary / f64::from(1 << 20)),
        ("errors", 0.0),
    ]))
}

/// A short load before the rounds, so that nobody is measured cold.
pub(crate) fn warm(bench: &Bench, running: &Running, scenario: &Scenario) -> Result<()> {
    if let Load::Wrk { .. } = scenario.load
        && running.process.is_some()
    {
        let mut command = Command::new("wrk");
        command.args(["-t1", "-c8", "-d1s", "-H", client::RIGHT.trim_end()]).arg(url(
            running,
            scenario.tls,
            "/messages/1.plain",
        ));
        process::output(&mut command, Duration::from_secs(1), &bench.stop, &mut || {})?;
    }
    Ok(())
}

/// The good user's address, which is not the one that guesses.
pub(crate) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
