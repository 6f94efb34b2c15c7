//! How fast is it, next to others? `benches/compare/run`, or `cargo bench --bench compare`
//!
//! Each gate runs on a core of its own with the same users before the same upstream, and gets the same load in alternating
//! rounds; load and upstream share the other core. What is compared is in `scenarios`, who takes part in `peers`, what each
//! is told in `conf/`. Everything is on loopback on ports that are free, and ends with the bench.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its answer is what it prints")]
#![cfg_attr(
    test,
    allow(dead_code, unused_imports, reason = "cargo says test to a bench without harness; see tests.rs")
)]

mod client;
mod flat;
mod floor;
mod human;
mod load;
mod machine;
mod options;
mod parse;
mod peers;
mod picture;
mod process;
mod scenarios;
mod socket;
mod stats;
mod stop;
mod table;
mod template;
mod tls;
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use options::Options;
use peers::{Peer, Running};
use scenarios::{Load, Scenario, Who};
use stop::Stop;
use table::{Row, Table};
use tls::Certificate;
use upstream::Upstream;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// What all measurements share.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) upstream: Upstream,
    pub(crate) certificate: Certificate,
    pub(crate) stop: Stop,
    /// A clock tick of /proc, in seconds.
    pub(crate) tick: f64,
    /// As whom nginx and Apache serve.
    pub(crate) user: String,
    pub(crate) group: String,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, listen, upstream] = &arguments[..]
        && mode == "--floor"
    {
        return floor::run(listen.parse()?, upstream.parse()?);
    }
    let cores = std::thread::available_parallelism()?.get();
    let options = Options::parse(&arguments, cores)?;
    if options.help {
        print!("{}", options::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    if options.list {
        scenarios::ALL.iter().for_each(|one| println!("{:<14} {}", one.name, one.title));
        return Ok(ExitCode::SUCCESS);
    }
    let chosen: Vec<&Scenario> = scenarios::ALL.iter().filter(|one| options.takes(one.name)).collect();
    if chosen.is_empty() {
        return Err("no scenario has such a name; --list shows them".into());
    }
    if let Some(name) = options.peers.iter().find(|name| peers::find(name).is_none()) {
        return Err(format!("there is no peer {name}; --help shows them").into());
    }
    // This process and what it starts, but for the proxies, stays on the core of the load.
    let pinned = Command::new("taskset").args(["-cp", &options.load_core, &std::process::id().to_string()]).output()?;
    if !pinned.status.success() {
        return Err(format!("there is no core {}; --cores names two", options.load_core).into());
    }
    let out = match &options.out {
        Some(out) => out.clone(),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("../compare"),
    };
    fs::create_dir_all(&out)?;
    let bench = Bench::prepare(options)?;
    if let Some(minutes) = bench.options.minutes {
        return flat::run(&bench, minutes);
    }
    let (tables, ended) = measure_all(&bench, &chosen);
    if tables.is_empty() {
        // What an earlier run wrote stays.
        return ended.map(|()| ExitCode::SUCCESS);
    }
    let mut facts = machine::facts(&bench);
    if let Err(error) = &ended {
        facts.push(("not all", format!("{} of {} scenarios, {error}", tables.len(), chosen.len())));
    }
    write(&out, "compare.md", &table::markdown(&facts, &tables))?;
    write(&out, "compare.json", &format!("{:#}\n", table::json(&facts, &tables)))?;
    if let Some(svg) = picture::svg(&machine::line(), &tables) {
        write(&out, "compare.svg", &svg)?;
    }
    for (table, row) in tables.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row))) {
        if let Some(reason) = &row.skipped {
            eprintln!("SKIPPED {} for {}: {reason}", table.name, row.label);
        }
    }
    ended.map(|()| ExitCode::SUCCESS)
}

fn write(out: &Path, name: &str, text: &str) -> Result<()> {
    let path = out.join(name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}", path.canonicalize().unwrap_or(path).display());
    Ok(())
}

/// All scenarios, as far as it comes.
fn measure_all(bench: &Bench, chosen: &[&'static Scenario]) -> (Vec<Table>, Result<()>) {
    let mut tables = Vec::new();
    for (at, scenario) in chosen.iter().enumerate() {
        println!("== {} of {}: {} ({})", at + 1, chosen.len(), scenario.title, scenario.name);
        match measure(bench, scenario) {
            Ok(table) => tables.push(table),
            Err(error) => return (tables, Err(error)),
        }
    }
    (tables, Ok(()))
}

/// One scenario: all peers run, and are measured one after the other in rounds of changing order.
fn measure(bench: &Bench, scenario: &'static Scenario) -> Result<Table> {
    let peers = bench.peers(scenario);
    let mut rows: Vec<Row> = peers
        .iter()
        .map(|peer| Row { name: peer.name, label: peer.label, rounds: Vec::new(), skipped: None })
        .collect();
    // What is measured from its start, or by what it holds, runs alone, or two that share a program would share its memory.
    let alone = matches!(scenario.load, Load::Rest | Load::Idle { .. } | Load::Flood);
    let mut running: Vec<Option<Running>> = Vec::new();
    for (peer, row) in peers.iter().zip(&mut rows) {
        running.push(if alone { None } else { kept(bench, row, peers::start(bench, peer, scenario))? });
    }
    for (one, row) in running.iter_mut().zip(&mut rows) {
        if let Some(there) = one
            && !bench.options.quick
            && kept(bench, row, load::warm(bench, there, scenario))?.is_none()
        {
            *one = None;
        }
    }
    for round in 0..bench.options.rounds {
        let mut order: Vec<usize> = (0..peers.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let (Some(peer), Some(row), Some(one)) = (peers.get(at), rows.get_mut(at), running.get_mut(at)) else {
                continue;
            };
            if alone && row.skipped.is_none() {
                *one = kept(bench, row, peers::start(bench, peer, scenario))?;
            }
            let Some(there) = one else { continue };
            match kept(bench, row, load::once(bench, there, scenario))? {
                Some(figures) => {
                    println!("   round {} {:<30} {}", round + 1, row.label, table::line(&figures));
                    row.rounds.push(figures);
                }
                None => *one = None,
            }
            if alone {
                *one = None;
            }
        }
    }
    Ok(Table { name: scenario.name, title: scenario.title, rows })
}

/// A failure of a peer is said in its row, and the others go on; a signal ends everything.
fn kept<T>(bench: &Bench, row: &mut Row, result: Result<T>) -> Result<Option<T>> {
    bench.stop.check()?;
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            println!("   SKIPPED {}: {error}", row.label);
            row.skipped = Some(error.to_string());
            Ok(None)
        }
    }
}

impl Bench {
    fn prepare(options: Options) -> Result<Self> {
        let stop = Stop::watch()?;
        machine::many_files()?;
        let dir = tempfile::Builder::new().prefix("mailwarden-compare-").tempdir()?;
        // Workers that are somebody else read the users file.
        fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let certificate = Certificate::make(dir.path())?;
        let (user, group) = machine::somebody()?;
        let (upstream, tick) = (Upstream::start()?, machine::tick()?);
        Ok(Self { options, dir, upstream, certificate, stop, tick, user, group })
    }

    /// A file of this bench in the source tree.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare").join(name)
    }

    /// Where a peer's program is.
    pub(crate) fn program(&self, peer: &Peer) -> Result<PathBuf> {
        if peer.program == "floor" {
            return Ok(std::env::current_exe()?);
        }
        if peer.program == "mailwarden" {
            let own = || PathBuf::from(env!("CARGO_BIN_EXE_mailwarden"));
            return Ok(self.options.mailwarden.clone().unwrap_or_else(own));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let mut found = folders.map(|folder| folder.join(peer.program)).filter(|path| path.is_file());
        found.next().ok_or_else(|| format!("{} is not installed; benches/compare/run does that", peer.program).into())
    }

    /// Who takes part in a scenario.
    fn peers(&self, scenario: &Scenario) -> Vec<&'static Peer> {
        let usual: &[&str] = match (scenario.who, self.options.quick) {
            (Who::Runtimes, _) => &["ours", "ours-two"],
            (Who::Floor, true) => &["nginx", "haproxy", "ours", "floor"],
            (Who::Floor, false) => &["nginx", "nginx-usual", "haproxy", "apache", "caddy", "ours", "floor"],
            (Who::Direct, true) => &["nginx", "haproxy", "ours", "direct"],
            (Who::Logs, true) => &["nginx", "haproxy", "ours", "ours-log", "floor"],
            (Who::Three, _) | (Who::All, true) => &["nginx", "haproxy", "ours"],
            (Who::Direct, false) => &["nginx", "nginx-usual", "haproxy", "apache", "caddy", "ours", "direct"],
            (Who::Logs, false) => &["nginx", "nginx-usual", "haproxy", "apache", "caddy", "ours", "ours-log", "floor"],
            (Who::All, false) => &["nginx", "nginx-usual", "haproxy", "apache", "caddy", "ours"],
        };
        let asked = |name: &&str| {
            let fixed = scenario.who == Who::Runtimes || *name == "direct" || *name == "floor";
            self.options.peers.is_empty() || fixed || self.options.peers.iter().any(|one| one == name)
        };
        let more = self.options.peers.iter().map(String::as_str).filter(|_| scenario.who != Who::Runtimes);
        let mut names: Vec<&str> = usual.iter().copied().filter(asked).collect();
        names.extend(more.filter(|name| !usual.contains(name)));
        peers::ALL.iter().filter(|peer| names.contains(&peer.name)).collect()
    }
}

/// Runs a piece of client on a runtime of its own, for at most ten seconds.
pub(crate) fn block_on<T>(work: impl Future<Output = std::io::Result<T>>) -> Result<std::io::Result<T>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        let limit = std::time::Duration::from_secs(10);
        tokio::time::timeout(limit, work).await.unwrap_or_else(|late| Err(std::io::Error::from(late)))
    }))
}
