//! Whether memory stays where it is under minutes of load: `--minutes N`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::scenarios::ALL;
use crate::{Bench, Result, client, peers, process};

/// How much more memory at the end than after the first minute is no growth but chance.
const MORE: f64 = 1.10;

/// Puts load on ours, or on the peers that are named, one after the other, and says their memory every ten seconds. It
/// fails where one has grown since its first minute.
pub(crate) fn run(bench: &Bench, minutes: u64) -> Result<ExitCode> {
    let ours = ["ours".to_owned()];
    let names = if bench.options.peers.is_empty() { &ours[..] } else { &bench.options.peers };
    let mut good = true;
    for peer in names.iter().filter_map(|name| peers::find(name)) {
        let Some(scenario) = ALL.first() else { break };
        let running = peers::start(bench, peer, scenario)?;
        let Some(gate) = &running.process else { continue };
        let mut wrk = process::pinned(&bench.options.load_core, "wrk".as_ref());
        wrk.args(["-t1", "-c32", &format!("-d{}s", minutes * 60), "-H", client::RIGHT.trim_end()]);
        wrk.arg(format!("http://{}/messages/1.plain", running.addr)).stdout(std::process::Stdio::null());
        let mut load = process::Process::start(&mut wrk)?;
        let begun = Instant::now();
        let (mut first, mut last) = (None, 0.0);
        while !load.ended() {
            bench.stop.sleep(
                Duration::from_secs(10).min(Duration::from_secs(minutes * 60).saturating_sub(begun.elapsed())),
            )?;
            if begun.elapsed() >= Duration::from_secs(minutes * 60) {
                break;
            }
            let (rss, pss) = gate.memory();
            if rss == 0.0 {
                return Err(format!("{} is gone", peer.label).into());
            }
            println!(
                "{:>6.0} s {:<24} {:>8.1} MB RSS {:>8.1} MB PSS",
                begun.elapsed().as_secs_f64(),
                peer.label,
                rss / 1024.0,
                pss / 1024.0
            );
            if begun.elapsed() > Duration::from_secs(50) || first.is_none() && minutes == 1 {
                first.get_or_insert(pss);
            }
            last = pss;
        }
        if begun.elapsed() < Duration::from_secs(minutes * 60 - 1) {
            return Err("wrk ended before its time".into());
        }
        let grown = first.map_or(1.0, |first| last / first);
        let flat = grown <= MORE;
        println!(
            "{} {}: {grown:.3} of the first minute's memory at the end (bound {MORE:.2})",
            if flat { "   " } else { "OUT" },
            peer.label
        );
        good &= flat;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
