//! nftables: the table `inet mailwarden`, IPv4 and IPv6 at once, replaced whole in one transaction.
//!
//! It looks before any NAT (priority -150, dstnat is -100), at what is sent to an address of this machine: so it sees a
//! published container port by the number that people use, and leaves alone what containers say to each other and what is
//! only passed through.

use std::fmt::Write as _;

use ipnet::IpNet;

use super::{Backend, Rules, Users, joined, net, numbers};

/// What shows the table.
pub(super) const QUESTION: &[&str] = &["nft", "-n", "list", "table", "inet", "mailwarden"];

const EMPTY: &str = "table inet mailwarden\ndelete table inet mailwarden\n";

/// What shows the table beside backends that cannot tell users apart.
pub(super) const USERS_QUESTION: &[&str] = &["nft", "-n", "list", "table", "inet", "mailwarden-users"];

const NO_USERS: &str = "table inet mailwarden-users\ndelete table inet mailwarden-users\n";

pub(super) fn print(rules: &Rules) -> String {
    format!(
        "#!/usr/sbin/nft -f\n\
         # Applied by: mailwarden firewall print --backend {} | {}\n\
         # It holds until the machine restarts; to keep it, save it as /etc/mailwarden/firewall.nft and add to\n\
         # /etc/nftables.conf:  include \"/etc/mailwarden/firewall.nft\"\n\
         # Containers that send to an address of this machine are not loopback: --allow-smtp-from their network.\n\
         {EMPTY}{}",
        Backend::Nftables,
        Backend::Nftables.applied_by(),
        table("mailwarden", rules)
    )
}

pub(super) fn undo() -> String {
    format!("#!/usr/sbin/nft -f\n{EMPTY}")
}

/// For backends that cannot tell users apart: a table with that alone, in a shell script. Its name is its own, or taking it
/// back would take the table of the backend nftables.
pub(super) fn users_only(users: &Users) -> String {
    let rules = Rules { users: Some(users.clone()), ..Rules::default() };
    format!("nft -f - <<'END'\n{NO_USERS}{}END", table("mailwarden-users", &rules))
}

/// Takes that back, in a shell script.
pub(super) fn no_users() -> String {
    format!("if command -v nft >/dev/null; then nft -f - <<'END'\n{NO_USERS}END\nfi")
}

/// The table as `nft` itself lists it.
fn table(name: &str, rules: &Rules) -> String {
    let mut text = format!("table inet {name} {{\n");
    // Writing to a string does not fail.
    if !rules.ports.is_empty() {
        text.push_str("\tchain outside {\n\t\ttype filter hook prerouting priority -150; policy accept;\n");
        text.push_str("\t\tiifname \"lo\" accept\n");
        for (from, port) in &rules.exceptions {
            let family = if matches!(from, IpNet::V4(_)) { "ip" } else { "ip6" };
            let _ = writeln!(text, "\t\t{family} saddr {} tcp dport {port} accept", shown(from));
        }
        let _ = writeln!(text, "\t\tfib daddr type local tcp dport {} drop\n\t}}", set(&rules.ports));
    }
    if let Some(users) = &rules.users {
        text.push_str("\tchain users {\n\t\ttype filter hook output priority 0; policy accept;\n");
        let (ports, uids) =
            (set(&users.ports), set(users.uids.iter().chain(&[0]).collect::<std::collections::BTreeSet<_>>()));
        let _ = writeln!(text, "\t\toifname \"lo\" tcp dport {ports} meta skuid != {uids} reject with tcp reset\n\t}}");
    }
    text.push_str("}\n");
    text
}

/// As `nft` lists a network: an address without its length.
fn shown(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

/// As `nft` lists a set: a single element without braces.
fn set<T: std::fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<T> = items.into_iter().collect();
    match items.as_slice() {
        [one] => one.to_string(),
        _ => format!("{{ {} }}", joined(items, ", ")),
    }
}

pub(super) fn recognise(listed: &str) -> Option<Rules> {
    recognise_as("mailwarden", listed)
}

/// How the table beside another backend closes loopback.
pub(super) fn recognise_users(listed: &str) -> Option<Users> {
    recognise_as("mailwarden-users", listed)?.users
}

fn recognise_as(name: &str, listed: &str) -> Option<Rules> {
    let mut rules = Rules::default();
    for line in listed.lines().map(str::trim) {
        if let Some((ports, uids)) = between(line, "oifname \"lo\" tcp dport ", " reject with tcp reset")
            .and_then(|rule| rule.split_once(" meta skuid != "))
        {
            let mut uids = numbers(uids)?;
            uids.remove(&0);
            rules.users = Some(Users { ports: numbers(ports)?, uids });
        } else if let Some((_, ports)) =
            between(line, "fib daddr type ", " drop").and_then(|rule| rule.split_once(" tcp dport "))
        {
            rules.ports = numbers(ports)?;
        } else if let Some((from, port)) = line
            .strip_prefix("ip saddr ")
            .or_else(|| line.strip_prefix("ip6 saddr "))
            .and_then(|rule| rule.strip_suffix(" accept")?.split_once(" tcp dport "))
        {
            rules.exceptions.insert((net(from)?, port.parse().ok()?));
        }
    }
    let is_ours = !(rules.ports.is_empty() && rules.users.is_none()) && plain(listed) == plain(&table(name, &rules));
    is_ours.then_some(rules)
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.strip_prefix(before)?.strip_suffix(after)
}

/// What counts when two listings are compared: `nft` has more than one word for a priority and for `local`.
fn plain(listed: &str) -> Vec<String> {
    let line = |line: &str| match line.split_once(" priority ") {
        Some((hook, rest)) if matches!(rest.split(';').next(), Some("-150" | "mangle" | "0" | "filter")) => {
            format!("{hook}; {}", rest.split_once(';').map_or("", |(_, rest)| rest.trim()))
        }
        _ => line.replace("fib daddr type 2 ", "fib daddr type local "),
    };
    listed.lines().map(str::trim).filter(|line| !line.is_empty()).map(line).collect()
}
