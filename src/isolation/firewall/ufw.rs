//! ufw: rules with the comment `mailwarden`, put before those that are there.
//!
//! ufw lets everything through on loopback and knows no users, so closing loopback by user is a table of nftables beside it.

use super::{Backend, Family, Rules, joined, net, nftables, numbers, script};

pub(super) fn print(rules: &Rules) -> String {
    let mut lines = vec![
        "# The gate's ports are left as they are. Where ufw denies what nothing allows, people need: ufw allow 8080/tcp".to_owned(),
        "# ufw does not see published container ports: for those there is --backend docker-user.".to_owned(),
    ];
    lines.extend(closing(rules).map(|rule| format!("ufw delete {rule} >/dev/null || true")));
    lines.extend(opening(rules).map(|rule| format!("ufw delete {rule} >/dev/null || true")));
    // Each comes before the last one, so what is open is said last.
    let added = closing(rules).chain(opening(rules)).collect::<Vec<_>>();
    lines.extend(added.into_iter().map(|rule| format!("ufw prepend {rule} comment mailwarden")));
    lines.push(rules.users.as_ref().map_or_else(nftables::no_users, nftables::users_only));
    script(Backend::Ufw, lines)
}

pub(super) fn undo(rules: &Rules) -> String {
    let deleted = closing(rules).chain(opening(rules)).map(|rule| format!("ufw delete {rule} >/dev/null || true"));
    script(Backend::Ufw, deleted.chain([nftables::no_users()]))
}

fn closing(rules: &Rules) -> impl Iterator<Item = String> {
    std::iter::once(format!("deny proto tcp to any port {}", joined(&rules.ports, ",")))
}

fn opening(rules: &Rules) -> impl Iterator<Item = String> {
    rules.exceptions.iter().map(|(from, port)| format!("allow proto tcp from {from} to any port {port}"))
}

/// `status` tells whether it is on, and what holds in its order; `added` is not needed where that is so.
pub(super) fn recognise(status: &str, _added: &str, users: &str) -> Option<Rules> {
    if !status.lines().any(|line| line.trim() == "Status: active") {
        return None;
    }
    let mut rules = Rules { users: nftables::recognise_users(users), ..Rules::default() };
    let mut closed = Vec::new();
    for family in [Family::V4, Family::V6] {
        let of_family = status.lines().filter(|line| is_rule(line) && is_v6(line) == (family == Family::V6));
        // Ours are the first; one of somebody else's before them could let in whom it likes.
        for line in of_family.take_while(|line| line.trim_end().ends_with("# mailwarden")) {
            let words: Vec<&str> =
                line.split_ascii_whitespace().filter(|word| *word != "(v6)" && *word != "IN").collect();
            match words.as_slice() {
                [ports, "DENY", "Anywhere", ..] => closed.push(numbers::<u16>(ports.strip_suffix("/tcp")?)?),
                [port, "ALLOW", from, ..] => {
                    rules.exceptions.insert((net(from)?, port.strip_suffix("/tcp")?.parse().ok()?));
                }
                _ => return None,
            }
        }
    }
    match closed.as_slice() {
        [v4, v6] if v4 == v6 => {
            rules.ports.clone_from(v4);
            Some(rules)
        }
        _ => None,
    }
}

fn is_rule(line: &str) -> bool {
    ["ALLOW", "DENY", "REJECT", "LIMIT"].iter().any(|action| line.split_ascii_whitespace().any(|word| word == *action))
}

fn is_v6(line: &str) -> bool {
    let from = line.split('#').next().unwrap_or_default();
    from.contains("(v6)") || from.split_ascii_whitespace().nth(2).is_some_and(|word| word.contains(':'))
}
