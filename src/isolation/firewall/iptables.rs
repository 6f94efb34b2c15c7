//! iptables and ip6tables: the chain `MAILWARDEN` before all else in INPUT, and `MAILWARDEN-USERS` in OUTPUT.
//!
//! `iptables-restore --noflush` replaces a chain whole and at once. Published container ports never come through INPUT:
//! for them there is the backend for Docker's own chain.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Backend, Family, NO_IPV6, Rules, Users, joined, net, numbers, script, where_ipv6};

pub(super) fn print(rules: &Rules) -> String {
    let note = [
        "# It holds until the machine restarts; netfilter-persistent or the like keeps it.",
        "# It does not close published container ports: for those there is --backend docker-user.",
    ];
    let families = Family::ALL.into_iter().flat_map(|(family, tool)| {
        let mut chains = outside(rules, family);
        let mut jumps = vec![jump(tool, "INPUT", "-j MAILWARDEN")];
        users(USERS, rules, tool, &mut chains, &mut jumps);
        for_family(family, [vec![restore(tool, &chains)], jumps].concat())
    });
    script(Backend::Iptables, note.map(str::to_owned).into_iter().chain(families))
}

const USERS: &str = "MAILWARDEN-USERS";

/// Without IPv6 in the kernel its tool fails, and the script with it.
pub(super) fn for_family(family: Family, lines: Vec<String>) -> Vec<String> {
    if family == Family::V6 { vec![where_ipv6(lines)] } else { lines }
}

/// What was saved for each family that the kernel has.
pub(super) fn there(saved: [&str; 2]) -> impl Iterator<Item = (Family, &str)> {
    [Family::V4, Family::V6].into_iter().zip(saved).filter(|(_, saved)| *saved != NO_IPV6)
}

/// Adds the chain for loopback, or takes away one that was there. `name` is the backend's own, or one backend would take
/// away what another has.
pub(super) fn users(name: &str, rules: &Rules, tool: &str, chains: &mut Vec<String>, jumps: &mut Vec<String>) {
    match &rules.users {
        Some(users) => {
            chains.extend(local(name, users));
            jumps.push(jump(tool, "OUTPUT", &format!("-o lo -j {name}")));
        }
        None => jumps.push(no_users(name, tool)),
    }
}

/// Takes that chain away.
pub(super) fn no_users(name: &str, tool: &str) -> String {
    gone(tool, "OUTPUT", &format!("-o lo -j {name}"), name)
}

pub(super) fn undo() -> String {
    let lines = Family::ALL
        .into_iter()
        .flat_map(|(_, tool)| [gone(tool, "INPUT", "-j MAILWARDEN", "MAILWARDEN"), no_users(USERS, tool)]);
    script(Backend::Iptables, lines)
}

/// Chains, made or emptied and filled in one step.
pub(super) fn restore(tool: &str, lines: &[String]) -> String {
    format!("{tool}-restore --noflush <<'END'\n*filter\n{}\nCOMMIT\nEND", lines.join("\n"))
}

/// A jump at the beginning of a chain, once.
pub(super) fn jump(tool: &str, chain: &str, rule: &str) -> String {
    format!("{tool} -C {chain} {rule} 2>/dev/null || {tool} -I {chain} 1 {rule}")
}

/// Takes away every jump, and then the chain.
pub(super) fn gone(tool: &str, chain: &str, rule: &str, target: &str) -> String {
    format!(
        "while {tool} -D {chain} {rule} 2>/dev/null; do :; done\n\
         if {tool} -n -L {target} >/dev/null 2>&1; then {tool} -F {target} && {tool} -X {target}; fi"
    )
}

/// All of IPv4 and of IPv6.
pub(super) const EVERYBODY: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
];

/// Where something comes from, as `iptables-save` has it: nothing for everybody.
pub(super) fn source(from: &IpNet) -> String {
    if from.prefix_len() == 0 { String::new() } else { format!("-s {from} ") }
}

/// The lines for the chain of what comes from elsewhere, as `iptables-save` has them.
fn outside(rules: &Rules, family: Family) -> Vec<String> {
    let mut lines = vec![":MAILWARDEN - [0:0]".to_owned(), "-A MAILWARDEN -i lo -j RETURN".to_owned()];
    let exception = |(from, port): &_| format!("-A MAILWARDEN {}-p tcp -m tcp --dport {port} -j RETURN", source(from));
    lines.extend(rules.exceptions_of(family).map(exception));
    lines.push(format!("-A MAILWARDEN -p tcp -m multiport --dports {} -j DROP", joined(&rules.ports, ",")));
    lines
}

/// The lines for the chain of what goes over loopback. A packet without a socket is the end of a connection that was let
/// through, and passes.
fn local(name: &str, users: &Users) -> Vec<String> {
    let uids: BTreeSet<&u32> = users.uids.iter().chain(&[0]).collect();
    let mut lines = vec![format!(":{name} - [0:0]")];
    lines.extend(uids.into_iter().map(|uid| format!("-A {name} -m owner --uid-owner {uid} -j RETURN")));
    lines.push(format!(
        "-A {name} -p tcp -m multiport --dports {} -m owner --socket-exists -j REJECT --reject-with tcp-reset",
        joined(&users.ports, ",")
    ));
    lines
}

pub(super) fn recognise<'a>(saved: [&'a str; 2]) -> Option<Rules> {
    let mut rules = Rules { users: read_users(USERS, saved), ..Rules::default() };
    let lines = |(text, all): (&'a str, IpNet)| text.lines().map(move |line| (line, all));
    for (line, all) in saved.into_iter().zip(EVERYBODY).flat_map(lines) {
        if let Some(ports) = line.strip_prefix("-A MAILWARDEN -p tcp -m multiport --dports ") {
            rules.ports = numbers(ports.strip_suffix(" -j DROP")?)?;
        } else if let Some(rule) = line.strip_prefix("-A MAILWARDEN -s ") {
            let (from, port) = rule.strip_suffix(" -j RETURN")?.split_once(" -p tcp -m tcp --dport ")?;
            rules.exceptions.insert((net(from)?, port.parse().ok()?));
        } else if let Some(rule) = line.strip_prefix("-A MAILWARDEN -p tcp -m tcp --dport ") {
            rules.exceptions.insert((all, rule.strip_suffix(" -j RETURN")?.parse().ok()?));
        }
    }
    let matches = |(family, saved)| is_there(saved, &outside(&rules, family), "INPUT", "-A INPUT -j MAILWARDEN");
    let is_ours = !rules.ports.is_empty() && there(saved).all(matches);
    is_ours.then_some(rules)
}

/// How loopback is closed, if both families have it.
pub(super) fn read_users(name: &str, saved: [&str; 2]) -> Option<Users> {
    let mut users = Users::default();
    let prefix = format!("-A {name} ");
    for line in saved[0].lines().filter_map(|line| line.strip_prefix(&prefix)) {
        if let Some(uid) = line.strip_prefix("-m owner --uid-owner ") {
            users.uids.insert(uid.strip_suffix(" -j RETURN")?.parse().ok()?);
        } else {
            users.ports = numbers(line.strip_prefix("-p tcp -m multiport --dports ")?.split(' ').next()?)?;
        }
    }
    users.uids.remove(&0);
    let jump = format!("-A OUTPUT -o lo -j {name}");
    let is_there = |(_, saved): (_, &str)| is_there(saved, &local(name, &users), "OUTPUT", &jump);
    (!users.ports.is_empty() && there(saved).all(is_there)).then_some(users)
}

/// Whether a chain is exactly that, and is jumped to before anything else is decided.
pub(super) fn is_there(saved: &str, chain: &[String], from: &str, jump: &str) -> bool {
    let Some(name) = chain.first().and_then(|line| line.strip_prefix(':')?.split(' ').next()) else { return false };
    let prefix = format!("-A {name} ");
    let found: Vec<&str> = saved.lines().filter(|line| line.starts_with(&prefix)).collect();
    let before = format!("-A {from} ");
    // Jumps to chains of ours may stand in any order.
    let first =
        saved.lines().filter(|line| line.starts_with(&before)).take_while(|line| line.contains("-j MAILWARDEN"));
    found.iter().copied().eq(chain.iter().skip(1)) && first.into_iter().any(|line| line == jump)
}
