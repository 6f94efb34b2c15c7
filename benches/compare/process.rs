//! Processes that do not outlive the bench, and what they cost.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::parse::{self, Stat};
use crate::stop::Stop;

/// A program on these cores, which gets SIGTERM should the bench be killed.
pub(crate) fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cores, "setpriv", "--pdeathsig", "TERM"]).arg(program).stdin(Stdio::null());
    command
}

/// A program that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        Ok(Self(command.spawn().map_err(|error| format!("{:?}: {error}", command.get_program()))?))
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// User and system time of it and its children so far, in seconds.
    pub(crate) fn cpu(&self, tick: f64) -> f64 {
        self.tree().iter().map(|stat| stat.ticks as f64).sum::<f64>() * tick
    }

    /// Resident and proportional memory of it and its children, in KiB.
    pub(crate) fn memory(&self) -> (f64, f64) {
        let texts = self
            .tree()
            .into_iter()
            .filter_map(|stat| fs::read_to_string(format!("/proc/{}/smaps_rollup", stat.pid)).ok());
        texts.fold((0.0, 0.0), |(rss, pss), text| {
            (rss + parse::rollup(&text, "Rss").unwrap_or(0.0), pss + parse::rollup(&text, "Pss").unwrap_or(0.0))
        })
    }

    fn tree(&self) -> Vec<Stat> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut all: Vec<Stat> =
            pids.filter_map(|pid| parse::stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)).collect();
        let mut ours = BTreeSet::from([self.0.id()]);
        loop {
            let before = ours.len();
            ours.extend(all.iter().filter(|stat| ours.contains(&stat.parent)).map(|stat| stat.pid).collect::<Vec<_>>());
            if ours.len() == before {
                break;
            }
        }
        all.retain(|stat| ours.contains(&stat.pid));
        all
    }

    /// Waits that long for its end, and kills it and its children after that.
    fn end(&mut self, patience: Duration) {
        let tree = self.tree();
        let end = Instant::now() + patience;
        while !self.ended() {
            if Instant::now() > end {
                for stat in &tree {
                    signal(stat.pid, Signal::KILL);
                }
                let _ = self.0.wait();
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended() {
            signal(self.0.id(), Signal::TERM);
            self.end(Duration::from_secs(3));
        }
    }
}

fn signal(pid: u32, which: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, which);
    }
}

/// Runs a program to its end and returns what it wrote, both outputs together; `meanwhile` is called once, half way.
pub(crate) fn output(
    command: &mut Command,
    expected: Duration,
    stop: &Stop,
    meanwhile: &mut dyn FnMut(),
) -> Result<String> {
    // Behind `taskset -c CORES setpriv --pdeathsig TERM`.
    let shown = command.get_args().nth(4).unwrap_or(command.get_program()).display().to_string();
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let begun = Instant::now();
    let mut half_way = false;
    while !process.ended() {
        stop.sleep(Duration::from_millis(5))?;
        if !half_way && begun.elapsed() > expected / 2 {
            half_way = true;
            meanwhile();
        }
        if begun.elapsed() > expected + Duration::from_secs(20) {
            return Err(format!("{shown} does not end").into());
        }
    }
    let mut text = String::new();
    if let Some(mut out) = process.0.stdout.take() {
        std::io::Read::read_to_string(&mut out, &mut text)?;
    }
    if let Some(mut err) = process.0.stderr.take() {
        std::io::Read::read_to_string(&mut err, &mut text)?;
    }
    match process.0.wait()?.success() {
        true => Ok(text),
        false => Err(format!("{shown} failed: {}", text.trim()).into()),
    }
}
