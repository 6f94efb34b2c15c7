//! firewalld 0.9 or later: the policy `mailwarden`, from every zone to this machine, before the zones' own rules.
//!
//! firewalld lets everything through on loopback and knows no users, so closing loopback by user is a table of nftables
//! beside it.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Backend, Rules, net, nftables, script};

/// The name of the policy.
pub(super) const POLICY: &str = "mailwarden";

pub(super) fn print(rules: &Rules) -> String {
    let policy = |rest: &str| format!("firewall-cmd --quiet --permanent --policy {POLICY} {rest}");
    let mut lines = vec![
        "# The gate's ports are left as they are. Where the zone does not have them, people need:".to_owned(),
        "#   firewall-cmd --permanent --add-port 8080/tcp && firewall-cmd --reload".to_owned(),
        "# It does not close published container ports: for those there is --backend docker-user.".to_owned(),
        "# firewalld reads its files again at the end: what was changed without --permanent is gone then, unless you run".to_owned(),
        "#   firewall-cmd --runtime-to-permanent".to_owned(),
        format!("firewall-cmd --quiet --permanent --delete-policy {POLICY} 2>/dev/null || true"),
        format!("firewall-cmd --quiet --permanent --new-policy {POLICY}"),
        policy("--set-priority -100"),
        policy("--add-ingress-zone ANY"),
        policy("--add-egress-zone HOST"),
    ];
    lines.extend(rich_rules(rules).iter().map(|rule| policy(&format!("--add-rich-rule '{rule}'"))));
    lines.push("firewall-cmd --quiet --reload".to_owned());
    lines.push(rules.users.as_ref().map_or_else(nftables::no_users, nftables::users_only));
    script(Backend::Firewalld, lines)
}

pub(super) fn undo() -> String {
    let lines = [
        format!("firewall-cmd --quiet --permanent --delete-policy {POLICY} 2>/dev/null || true"),
        "firewall-cmd --quiet --reload".to_owned(),
        nftables::no_users(),
    ];
    script(Backend::Firewalld, lines)
}

/// As `firewall-cmd` lists them.
fn rich_rules(rules: &Rules) -> Vec<String> {
    let open = rules.exceptions.iter().map(|(from, port)| {
        let family = if matches!(from, IpNet::V4(_)) { "ipv4" } else { "ipv6" };
        format!(
            "rule priority=\"-10\" family=\"{family}\" source address=\"{from}\" port port=\"{port}\" protocol=\"tcp\" accept"
        )
    });
    let closed = rules.ports.iter().map(|port| format!("rule port port=\"{port}\" protocol=\"tcp\" drop"));
    open.chain(closed).collect()
}

/// `listed` is what firewalld says of the policy, `table` what is in the kernel.
pub(super) fn recognise(listed: &str, users: &str, table: &str) -> Option<Rules> {
    let lines: Vec<&str> = listed.lines().map(str::trim).collect();
    let has = |line: &str| lines.contains(&line);
    let is_ours = has("mailwarden (active)")
        && ["priority: -100", "ingress-zones: ANY", "egress-zones: HOST", "target: CONTINUE"].into_iter().all(has)
        && ["services:", "ports:", "protocols:", "forward-ports:", "source-ports:"].into_iter().all(has);
    if !is_ours {
        return None;
    }
    let mut rules = Rules { users: nftables::recognise_users(users), ..Rules::default() };
    let mut found: Vec<&str> = lines.into_iter().filter(|line| line.starts_with("rule ")).collect();
    for rule in &found {
        let value = |name: &str| rule.split_once(&format!(" {name}=\""))?.1.split('"').next();
        let port = value("port port")?.parse().ok()?;
        match value("source address") {
            Some(from) => _ = rules.exceptions.insert((net(from)?, port)),
            None => _ = rules.ports.insert(port),
        }
    }
    let mut expected = rich_rules(&rules);
    expected.sort();
    found.sort_unstable();
    (!rules.ports.is_empty() && found.into_iter().eq(expected) && holds(table, &rules)).then_some(rules)
}

/// Whether the rules that close are in the kernel, and no policy before ours lets anybody in.
fn holds(table: &str, rules: &Rules) -> bool {
    let mut chains: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in table.lines().map(str::trim) {
        match line.strip_prefix("chain ").and_then(|rest| rest.strip_suffix(" {")) {
            Some(chain) => name = chain,
            None if line != "}" => chains.entry(name).or_default().push(line),
            None => {}
        }
    }
    let own = format!("filter_IN_policy_{POLICY}");
    let closes = |port: &u16| {
        let rule = format!("tcp dport {port} drop");
        chains.get(format!("{own}_deny").as_str()).is_some_and(|chain| chain.contains(&rule.as_str()))
    };
    // A policy has a chain for each stage; what is no TCP does not matter.
    let lets_in = |policy: &str| {
        let stages = chains
            .iter()
            .filter(|(name, _)| name.strip_prefix(policy).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')));
        let is_open =
            |rule: &&str| rule.ends_with(" accept") && !["icmp", "udp dport "].iter().any(|other| rule.contains(other));
        stages.into_iter().any(|(_, rules)| rules.iter().any(|rule| is_open(rule) || *rule == "accept"))
    };
    let jump = format!("jump {own}");
    let mut leading = chains.values().filter(|chain| chain.contains(&jump.as_str())).peekable();
    let is_first = |chain: &Vec<&str>| {
        let before = chain.iter().take_while(|rule| **rule != jump);
        before.into_iter().all(|rule| rule.strip_prefix("jump ").is_some_and(|policy| !lets_in(policy)))
    };
    let is_input = |chain: &Vec<&str>| chain.iter().any(|rule| rule.starts_with("type filter hook input "));
    chains.values().any(is_input) && leading.peek().is_some() && leading.all(is_first) && rules.ports.iter().all(closes)
}
