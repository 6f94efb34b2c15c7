//! Where it was measured.

use std::fs;
use std::process::Command;

use jiff::Timestamp;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::table::Facts;
use crate::{Bench, Result, peers};

/// The machine in a line: processor, cores, kernel.
pub(crate) fn line() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, model)| model.trim());
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}, {}", kernel.trim(), system.trim_matches('"'))
}

/// What stands above the tables.
pub(crate) fn facts(bench: &Bench) -> Facts {
    let options = &bench.options;
    let mut versions: Vec<String> = Vec::new();
    for peer in peers::ALL {
        if let Some(version) = peer.version(bench)
            && !versions.contains(&version)
        {
            versions.push(version);
        }
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<_> = load.split(' ').take(3).collect();
    vec![
        ("machine", line()),
        ("date", format!("{:.0}", Timestamp::now())),
        ("rounds", format!("{} of {} s", options.rounds, options.seconds)),
        ("cores", format!("proxy on {}, load and upstream on {}", options.proxy_core, options.load_core)),
        ("load of the machine at the end", load.join(" ")),
        ("versions", versions.join("; ")),
    ]
}

/// A clock tick of /proc, in seconds.
pub(crate) fn tick() -> Result<f64> {
    let output = Command::new("getconf").arg("CLK_TCK").output()?;
    Ok(1.0 / String::from_utf8_lossy(&output.stdout).trim().parse::<f64>()?)
}

/// As whom nginx and Apache serve: Debian's own choice for root, else who runs the bench.
pub(crate) fn somebody() -> Result<(String, String)> {
    let id = |flag: &str| -> Result<String> {
        let output = Command::new("id").args([flag, "-n"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let user = id("-u")?;
    if user == "root" { Ok(("www-data".to_owned(), "www-data".to_owned())) } else { Ok((user, id("-g")?)) }
}

/// Lets this process and those that it starts have as many files open as they may.
pub(crate) fn many_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum.map_or(Some(65_536), |most| Some(most.min(65_536)));
    Ok(setrlimit(Resource::Nofile, limit)?)
}
