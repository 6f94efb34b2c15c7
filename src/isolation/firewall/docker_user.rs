//! Docker: its chain DOCKER-USER, through which everything goes that is handed on to containers.
//!
//! It sees packets after their destination was changed, so it goes by the port that the connection was first made to, in
//! that direction only: the answer to a mail that a container sends out must come in. What comes from the engine's bridges
//! is left alone, or applications in containers could no longer send mail. The same chain is in INPUT, for what Docker's
//! own processes hand on (IPv6 to a network without it).

use super::iptables::{
    EVERYBODY, for_family, gone, is_there, jump, no_users, read_users, restore, source, there, users,
};
use ipnet::IpNet;

use super::{BRIDGES, Backend, Family, Rules, net, script};

const JUMP: &str = "-j MAILWARDEN-DOCKER";

/// Not the one of the backend iptables, which may be in force beside this.
const USERS: &str = "MAILWARDEN-DUSERS";

pub(super) fn print(rules: &Rules) -> String {
    let note = [
        "# It holds until the machine restarts: run it after docker.service.",
        "# Where Docker itself writes nftables rules there is no such chain: use --backend nftables.",
    ];
    let families = Family::ALL.into_iter().flat_map(|(family, tool)| {
        let mut chains = chain(rules, family);
        let made = format!("{tool} -n -L DOCKER-USER >/dev/null 2>&1 || {tool} -N DOCKER-USER");
        let mut jumps = vec![made, jump(tool, "DOCKER-USER", JUMP), jump(tool, "INPUT", JUMP)];
        users(USERS, rules, tool, &mut chains, &mut jumps);
        for_family(family, [vec![restore(tool, &chains)], jumps].concat())
    });
    script(Backend::DockerUser, note.map(str::to_owned).into_iter().chain(families))
}

pub(super) fn undo() -> String {
    let lines = Family::ALL.into_iter().flat_map(|(_, tool)| {
        [
            format!("while {tool} -D INPUT {JUMP} 2>/dev/null; do :; done"),
            gone(tool, "DOCKER-USER", JUMP, "MAILWARDEN-DOCKER"),
            no_users(USERS, tool),
        ]
    });
    script(Backend::DockerUser, lines)
}

/// The lines as `iptables-save` has them: loopback, exceptions, the interfaces that are known to lead out, then all others
/// but the engine's own.
fn chain(rules: &Rules, family: Family) -> Vec<String> {
    let port = |port: &u16| format!("-p tcp -m conntrack --ctorigdstport {port} --ctdir ORIGINAL");
    let line = |rule: String| format!("-A MAILWARDEN-DOCKER {rule}");
    let mut lines = vec![":MAILWARDEN-DOCKER - [0:0]".to_owned(), line("-i lo -j RETURN".to_owned())];
    lines.extend(rules.exceptions_of(family).map(|(from, to)| line(format!("{}{} -j RETURN", source(from), port(to)))));
    for interface in &rules.outer {
        lines.extend(rules.ports.iter().map(|closed| line(format!("-i {interface} {} -j DROP", port(closed)))));
    }
    lines.extend(BRIDGES.iter().map(|bridge| line(format!("-i {bridge} -j RETURN"))));
    lines.extend(rules.ports.iter().map(|closed| line(format!("{} -j DROP", port(closed)))));
    lines
}

pub(super) fn recognise<'a>(saved: [&'a str; 2]) -> Option<Rules> {
    let mut rules = Rules { users: read_users(USERS, saved), ..Rules::default() };
    let lines = |(text, all): (&'a str, IpNet)| text.lines().map(move |line| (line, all));
    let ours = |(line, all): (&'a str, IpNet)| Some((line.strip_prefix("-A MAILWARDEN-DOCKER ")?, all));
    for (rule, all) in saved.into_iter().zip(EVERYBODY).flat_map(lines).filter_map(ours) {
        let words: Vec<&str> = rule.split(' ').collect();
        let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1)).copied();
        let Some(port) = after("--ctorigdstport") else { continue };
        let port = port.parse().ok()?;
        match (after("-s"), after("-i"), after("-j")?) {
            (Some(from), None, "RETURN") => _ = rules.exceptions.insert((net(from)?, port)),
            (None, None, "RETURN") => _ = rules.exceptions.insert((all, port)),
            (None, Some(interface), "DROP") => _ = rules.outer.insert(interface.to_owned()),
            (None, None, "DROP") => _ = rules.ports.insert(port),
            _ => return None,
        }
    }
    let matches = |(family, saved)| {
        let chain = chain(&rules, family);
        let in_chain = |from: &str| is_there(saved, &chain, from, &format!("-A {from} {JUMP}"));
        in_chain("DOCKER-USER") && in_chain("INPUT")
    };
    let is_ours = !rules.ports.is_empty() && there(saved).all(matches);
    is_ours.then_some(rules)
}
