//! What the firewalls' own programs tell, which change nothing when they are asked.

use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::super::facts::Seen;
use super::super::firewall::{Backend, NO_IPV6};
use super::super::nat::{self, Nat};
use super::super::rules::{Cover, docker_user_filters, iptables_filters, nft_filters};

/// How long a program may take to tell its rules; a large rule set takes a second or two.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(15);

/// The answer of a program that only tells; none if it is not there, fails, or takes too long: one may wait for a lock, or for
/// a service that hangs.
pub(super) fn ask(command: &[&str]) -> Option<String> {
    ask_within(command, PROGRAM_PATIENCE)
}

pub(super) fn ask_within(command: &[&str], limit: Duration) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    // Where root's programs are is not on everybody's path.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut stdout = child.stdout.take()?;
    let (done, answer) = channel();
    let reading = std::thread::Builder::new().name("answer".to_owned()).spawn(move || {
        let mut all = Vec::new();
        // Nobody waits for it any more after the time limit.
        let _ = done.send(stdout.read_to_end(&mut all).map(|_| all));
    });
    // Without a thread the sender is gone, and there is no answer.
    drop(reading);
    let answer = answer.recv_timeout(limit);
    if answer.is_err() {
        // It has ended by itself, or does now.
        let _ = child.kill();
    }
    let succeeded = child.wait().ok()?.success();
    let all = answer.ok()?.ok()?;
    succeeded.then(|| String::from_utf8_lossy(&all).into_owned())
}

/// The answers to a backend's questions, empty where there is none.
#[must_use]
pub fn answers(backend: Backend) -> Vec<String> {
    let has_ipv6 = Path::new("/proc/self/net/if_inet6").exists();
    let answer = |command: &&[&str]| match command.first() {
        Some(&"ip6tables-save") if !has_ipv6 => NO_IPV6.to_owned(),
        _ => ask(command).unwrap_or_default(),
    };
    backend.questions().iter().map(answer).collect()
}

/// Which rules are in force.
pub(super) fn cover(root: bool, ruleset: Option<&str>) -> Cover {
    if !root {
        return Cover::Unreadable("only root may read them".to_owned());
    }
    let saved = [ask(&["iptables-save"]), ask(&["ip6tables-save"])];
    if ruleset.is_none() && saved.iter().all(Option::is_none) {
        return Cover::Unreadable("neither nft nor iptables-save could be run".to_owned());
    }
    let ours =
        Backend::NAMES.into_iter().filter_map(|(_, backend)| Some((backend, backend.recognise(&answers(backend))?)));
    let legacy: Vec<String> =
        legacy("filter").into_iter().filter_map(|(tool, _)| ask(&[tool, "-t", "filter"])).collect();
    let others =
        ruleset.is_some_and(nft_filters) || saved.iter().flatten().chain(&legacy).any(|saved| iptables_filters(saved));
    let others_handed_on = saved.iter().flatten().any(|saved| docker_user_filters(saved));
    Cover::Read { ours: ours.collect(), others, others_handed_on }
}

pub(super) fn nat_rules(root: bool, ruleset: Option<&str>) -> Seen<Nat> {
    if !root {
        return Err("only root may read them".to_owned());
    }
    let mut all = Nat::default();
    let mut add = |nat: Nat| {
        all.forwards.extend(nat.forwards);
        all.unread.extend(nat.unread);
    };
    for (tool, any) in legacy("nat").into_iter().chain(["iptables-save", "ip6tables-save"].into_iter().zip(nat::ANY)) {
        add(ask(&[tool, "-t", "nat"]).map(|saved| nat::forwards(&saved, any)).unwrap_or_default());
    }
    add(ruleset.map(nat::nft_forwards).unwrap_or_default());
    Ok(all)
}

/// The tools for tables that were made by the older `iptables`, which the one that is there may not show. Only asked for a
/// table that there is: asking makes it.
fn legacy(table: &str) -> Vec<(&'static str, IpAddr)> {
    let has = |names: &str| {
        let names = fs::read_to_string(Path::new("/proc/self/net").join(names)).unwrap_or_default();
        names.lines().any(|name| name == table)
    };
    let tools = [("ip_tables_names", "iptables-legacy-save"), ("ip6_tables_names", "ip6tables-legacy-save")];
    tools.into_iter().zip(nat::ANY).filter(|((names, _), _)| has(names)).map(|((_, tool), any)| (tool, any)).collect()
}
