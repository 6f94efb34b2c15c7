//! ufw: rules with the comment `mailwarden`, put before those that are there.
//!
//! ufw lets everything through on loopback and knows no users, so closing loopback by user is a table of nftables beside it.

use ipnet::IpNet;

use super::iptables::{EVERYBODY, source};
use super::{Backend, Family, NO_IPV6, Rules, joined, net, nftables, numbers, script};

pub(super) fn print(rules: &Rules) -> String {
    let mut lines = vec![
        "# The gate's ports are left as they are. Where ufw denies what nothing allows, people need: ufw allow 8080/tcp".to_owned(),
        "# ufw does not see published container ports: for those there is --backend docker-user.".to_owned(),
    ];
    lines.push(forget());
    // Each comes before the last one, so what is open is said last.
    let added = closing(rules).chain(opening(rules)).collect::<Vec<_>>();
    lines.extend(added.into_iter().map(|rule| format!("ufw prepend {rule} comment mailwarden")));
    lines.push(rules.users.as_ref().map_or_else(nftables::no_users, nftables::users_only));
    script(Backend::Ufw, lines)
}

pub(super) fn undo() -> String {
    script(Backend::Ufw, [forget(), nftables::no_users()])
}

/// Takes away every rule with our comment, whatever the options were with which it was made.
fn forget() -> String {
    "ours=$(ufw show added | sed -n \"s/^ufw \\(.*\\) comment 'mailwarden'\\$/ufw delete \\1/p\")\n\
     printf '%s\\n' \"$ours\" | sh >/dev/null"
        .to_owned()
}

fn closing(rules: &Rules) -> impl Iterator<Item = String> {
    std::iter::once(format!("deny proto tcp to any port {}", joined(&rules.ports, ",")))
}

fn opening(rules: &Rules) -> impl Iterator<Item = String> {
    rules.exceptions.iter().map(|(from, port)| format!("allow proto tcp from {from} to any port {port}"))
}

/// `status` tells whether it is on, and what holds in its order; `saved`, of IPv4 and IPv6, whether that is so.
pub(super) fn recognise(status: &str, users: &str, saved: [&str; 2]) -> Option<Rules> {
    if !status.lines().any(|line| line.trim() == "Status: active") {
        return None;
    }
    let mut rules = Rules { users: nftables::recognise_users(users), ..Rules::default() };
    for (family, saved) in [Family::V4, Family::V6].into_iter().zip(saved) {
        if family == Family::V6 && saved == NO_IPV6 {
            continue;
        }
        let mut closed = None;
        let of_family = status.lines().filter(|line| is_rule(line) && is_v6(line) == (family == Family::V6));
        // Ours are the first; one of somebody else's before them could let in whom it likes.
        for line in of_family.take_while(|line| line.trim_end().ends_with("# mailwarden")) {
            let words: Vec<&str> =
                line.split_ascii_whitespace().filter(|word| *word != "(v6)" && *word != "IN").collect();
            match words.as_slice() {
                [ports, "DENY", "Anywhere", ..] => closed = Some(numbers::<u16>(ports.strip_suffix("/tcp")?)?),
                [port, "ALLOW", from, ..] => {
                    let from =
                        if *from == "Anywhere" { EVERYBODY[usize::from(family == Family::V6)] } else { net(from)? };
                    rules.exceptions.insert((from, port.strip_suffix("/tcp")?.parse().ok()?));
                }
                _ => return None,
            }
        }
        let closed = closed?;
        if !rules.ports.is_empty() && closed != rules.ports {
            return None;
        }
        rules.ports = closed;
        if !holds(saved, family, &rules) {
            return None;
        }
    }
    (!rules.ports.is_empty()).then_some(rules)
}

/// Whether the rule that closes is in the kernel, and nothing before it lets in others than ufw's status says.
fn holds(saved: &str, family: Family, rules: &Rules) -> bool {
    let ports = &rules.ports;
    let ufw = if family == Family::V6 { "ufw6" } else { "ufw" };
    let matched = match ports.len() {
        1 => format!("-m tcp --dport {}", joined(ports, ",")),
        _ => format!("-m multiport --dports {}", joined(ports, ",")),
    };
    let chain = |name: String| {
        let prefix = format!("-A {name} ");
        saved.lines().filter_map(move |line| line.strip_prefix(&prefix)).collect::<Vec<_>>()
    };
    // Up to the way on, what others have put there; ufw's own chains beside it only log and drop.
    let leads = |name: String, on: String| {
        let rules = chain(name);
        let end = rules.iter().position(|rule| *rule == on);
        end.and_then(|end| rules.get(..end)).is_some_and(|before| !before.iter().any(|rule| lets_in(rule)))
    };
    let own = chain(format!("{ufw}-user-input"));
    let closing = own.iter().position(|rule| *rule == format!("-p tcp {matched} -j DROP"));
    let allowed = |rule: &&str| {
        let allows = |(from, port): &(IpNet, u16)| format!("{}-p tcp -m tcp --dport {port} -j ACCEPT", source(from));
        rules.exceptions_of(family).any(|exception| allows(exception) == *rule)
    };
    leads("INPUT".to_owned(), format!("-j {ufw}-before-input"))
        && leads(format!("{ufw}-before-input"), format!("-j {ufw}-user-input"))
        && closing.and_then(|end| own.get(..end)).is_some_and(|before| before.iter().all(allowed))
}

/// Whether a rule may let in a new connection, or leads where that cannot be told.
fn lets_in(rule: &str) -> bool {
    let after = |flag: &str| rule.split(' ').skip_while(|word| *word != flag).nth(1);
    let target = after("-j").or_else(|| after("-g")).unwrap_or_default();
    let is_harmless = ["DROP", "REJECT", "LOG", "NFLOG", "RETURN"].contains(&target)
        || ["ufw-", "ufw6-", "MAILWARDEN"].iter().any(|own| target.starts_with(own));
    let is_no_connection = rule.starts_with("-i lo ")
        || after("--ctstate").is_some_and(|states| {
            states.split(',').all(|state| state != "NEW" && state != "UNTRACKED" && state != "INVALID")
        })
        || after("-p").is_some_and(|protocol| !["tcp", "all"].contains(&protocol));
    // With a negation it is about all others.
    !is_harmless && (!is_no_connection || rule.contains("! "))
}

fn is_rule(line: &str) -> bool {
    ["ALLOW", "DENY", "REJECT", "LIMIT"].iter().any(|action| line.split_ascii_whitespace().any(|word| word == *action))
}

fn is_v6(line: &str) -> bool {
    let from = line.split('#').next().unwrap_or_default();
    from.contains("(v6)") || from.split_ascii_whitespace().nth(2).is_some_and(|word| word.contains(':'))
}
