//! iptables and ip6tables: the chain `MAILWARDEN` before all else in INPUT, and `MAILWARDEN-USERS` in OUTPUT.
//!
//! `iptables-restore --noflush` replaces a chain whole and at once. Published container ports never come through INPUT:
//! for them there is the backend for Docker's own chain.

use std::collections::BTreeSet;

use super::{Backend, Family, Rules, Users, joined, net, numbers, script};

pub(super) fn print(rules: &Rules) -> String {
    let note = [
        "# It holds until the machine restarts; netfilter-persistent or the like keeps it.",
        "# It does not close published container ports: for those there is --backend docker-user.",
    ];
    let families = Family::ALL.into_iter().flat_map(|(family, tool)| {
        let mut chains = outside(rules, family);
        let mut jumps = vec![jump(tool, "INPUT", "-j MAILWARDEN")];
        users(rules, tool, &mut chains, &mut jumps);
        [vec![restore(tool, &chains)], jumps].concat()
    });
    script(Backend::Iptables, note.map(str::to_owned).into_iter().chain(families))
}

/// Adds the chain for loopback, or takes away one that was there.
pub(super) fn users(rules: &Rules, tool: &str, chains: &mut Vec<String>, jumps: &mut Vec<String>) {
    match &rules.users {
        Some(users) => {
            chains.extend(local(users));
            jumps.push(jump(tool, "OUTPUT", "-o lo -j MAILWARDEN-USERS"));
        }
        None => jumps.push(gone(tool, "OUTPUT", "-o lo -j MAILWARDEN-USERS", "MAILWARDEN-USERS")),
    }
}

pub(super) fn undo() -> String {
    let lines = Family::ALL.into_iter().flat_map(|(_, tool)| {
        [
            gone(tool, "INPUT", "-j MAILWARDEN", "MAILWARDEN"),
            gone(tool, "OUTPUT", "-o lo -j MAILWARDEN-USERS", "MAILWARDEN-USERS"),
        ]
    });
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

/// The lines for the chain of what comes from elsewhere, as `iptables-save` has them.
fn outside(rules: &Rules, family: Family) -> Vec<String> {
    let mut lines = vec![":MAILWARDEN - [0:0]".to_owned(), "-A MAILWARDEN -i lo -j RETURN".to_owned()];
    let exception = |(from, port): &_| format!("-A MAILWARDEN -s {from} -p tcp -m tcp --dport {port} -j RETURN");
    lines.extend(rules.exceptions_of(family).map(exception));
    lines.push(format!("-A MAILWARDEN -p tcp -m multiport --dports {} -j DROP", joined(&rules.ports, ",")));
    lines
}

/// The lines for the chain of what goes over loopback. A packet without a socket is the end of a connection that was let
/// through, and passes.
pub(super) fn local(users: &Users) -> Vec<String> {
    let uids: BTreeSet<&u32> = users.uids.iter().chain(&[0]).collect();
    let mut lines = vec![":MAILWARDEN-USERS - [0:0]".to_owned()];
    lines.extend(uids.into_iter().map(|uid| format!("-A MAILWARDEN-USERS -m owner --uid-owner {uid} -j RETURN")));
    lines.push(format!(
        "-A MAILWARDEN-USERS -p tcp -m multiport --dports {} -m owner --socket-exists -j REJECT --reject-with tcp-reset",
        joined(&users.ports, ",")
    ));
    lines
}

pub(super) fn recognise(saved: [&str; 2]) -> Option<Rules> {
    let mut rules = Rules { users: read_users(saved), ..Rules::default() };
    for line in saved.into_iter().flat_map(str::lines) {
        if let Some(ports) = line.strip_prefix("-A MAILWARDEN -p tcp -m multiport --dports ") {
            rules.ports = numbers(ports.strip_suffix(" -j DROP")?)?;
        } else if let Some(rule) = line.strip_prefix("-A MAILWARDEN -s ") {
            let (from, port) = rule.strip_suffix(" -j RETURN")?.split_once(" -p tcp -m tcp --dport ")?;
            rules.exceptions.insert((net(from)?, port.parse().ok()?));
        }
    }
    let matches = |(family, saved)| is_there(saved, &outside(&rules, family), "INPUT", "-A INPUT -j MAILWARDEN");
    let is_ours = !rules.ports.is_empty() && [(Family::V4, saved[0]), (Family::V6, saved[1])].into_iter().all(matches);
    is_ours.then_some(rules)
}

/// How loopback is closed, if both families have it.
pub(super) fn read_users(saved: [&str; 2]) -> Option<Users> {
    let mut users = Users::default();
    for line in saved[0].lines().filter_map(|line| line.strip_prefix("-A MAILWARDEN-USERS ")) {
        if let Some(uid) = line.strip_prefix("-m owner --uid-owner ") {
            users.uids.insert(uid.strip_suffix(" -j RETURN")?.parse().ok()?);
        } else {
            users.ports = numbers(line.strip_prefix("-p tcp -m multiport --dports ")?.split(' ').next()?)?;
        }
    }
    users.uids.remove(&0);
    let is_there = |saved| is_there(saved, &local(&users), "OUTPUT", "-A OUTPUT -o lo -j MAILWARDEN-USERS");
    (!users.ports.is_empty() && saved.into_iter().all(is_there)).then_some(users)
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
