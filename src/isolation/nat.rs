//! Ports that something hands on: the kernel's rules as `iptables-save` and `nft` show them, and the engine's own processes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::facts::PortProxy;

/// A rule that hands a port of this machine on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Connections to this address only, if the rule names one.
    pub to: Option<IpAddr>,
    /// The machine's port.
    pub public: u16,
    /// Where to; to this machine itself if its address is unspecified.
    pub target: SocketAddr,
}

/// Longer ranges of ports that lead to one port are told by their ends.
const LONG: usize = 16;

/// What the rules of a firewall come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nat {
    /// Those that hand a port on.
    pub forwards: Vec<Forward>,
    /// Those that hand something on and are not understood, as they are written.
    pub unread: Vec<String>,
}

impl Nat {
    fn add(&mut self, line: &str, hands_on: bool, read: Option<Vec<Forward>>) {
        match read {
            Some(forwards) => self.forwards.extend(forwards),
            // What could move a terminal's cursor is replaced: a rule may have a comment.
            None if hands_on => self.unread.push(line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()),
            None => {}
        }
    }

    /// Those of `unread` that may be about one of these ports: they name it, or look it up in a set or a map.
    pub fn about(&self, ports: &[u16]) -> Vec<String> {
        let is_about = |rule: &&String| {
            let numbers =
                rule.split(|character: char| !character.is_ascii_digit()).filter_map(|word| word.parse().ok());
            rule.split_ascii_whitespace().any(|word| word.starts_with('@'))
                || numbers.into_iter().any(|number| ports.contains(&number))
        };
        self.unread.iter().filter(is_about).cloned().collect()
    }
}

/// The rules of `iptables-save -t nat` or `ip6tables-save -t nat` that hand a port on. What REDIRECT keeps on this machine
/// has an unspecified address, [`ANY`] of its family.
pub fn forwards(saved: &str, any: IpAddr) -> Nat {
    let mut nat = Nat::default();
    for line in saved.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1)).copied();
        // What OUTPUT changes comes from this machine.
        let comes_in = words.first() == Some(&"-A") && words.get(1) != Some(&"OUTPUT");
        let is_tcp = after("-p").is_none_or(|protocol| matches!(protocol, "tcp" | "all" | "0" | "6"));
        let hands_on = comes_in && is_tcp && matches!(after("-j"), Some("DNAT" | "REDIRECT"));
        nat.add(line, hands_on, if hands_on { forward(&words, any) } else { None });
    }
    nat
}

/// The unspecified addresses of IPv4 and IPv6.
pub const ANY: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

fn forward(words: &[&str], any: IpAddr) -> Option<Vec<Forward>> {
    // All ports but these, all addresses but that one.
    let is_not = |pair: &[&str]| matches!(pair, ["!", "--dport" | "--dports" | "-d"]);
    if words.windows(2).any(is_not) {
        return None;
    }
    let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1)).copied();
    let target = match after("-j")? {
        "DNAT" => target(after("--to-destination")?)?,
        _ => (any, Some(first(after("--to-ports")?)?)),
    };
    let to = match after("-d") {
        Some(net) => Some(net.split('/').next()?.parse().ok()?),
        None => None,
    };
    let ports = after("--dport").or_else(|| after("--dports"))?;
    ports.split(',').map(|range| each(to, range, ':', target)).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

/// The rules of `nft list ruleset` that hand a port on; a redirect has an unspecified address, as in [`forwards`].
pub fn nft_forwards(ruleset: &str) -> Nat {
    let mut leaves = false;
    let mut nat = Nat::default();
    for line in rules_of(ruleset) {
        if line.starts_with("chain ") {
            leaves = false;
        } else if line.starts_with("type nat hook ") {
            // What is changed there comes from this machine.
            leaves = line.starts_with("type nat hook output ");
        } else if !leaves && !line.starts_with('#') {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            // `iptables` with nft beneath has its own words, and is asked itself.
            let hands_on = words.iter().any(|word| matches!(*word, "dnat" | "redirect"))
                && !words.contains(&"xt")
                && !line.contains("udp dport ")
                && !line.contains("ct status ");
            nat.add(&line, hands_on, if hands_on { nft_forward(&line) } else { None });
        }
    }
    nat
}

/// The lines of a listing; what `nft` writes over several lines, after a comma each, is one.
fn rules_of(ruleset: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in ruleset.lines().map(str::trim) {
        match found.last_mut().filter(|last| last.ends_with(',')) {
            Some(last) => {
                last.push(' ');
                last.push_str(line);
            }
            None => found.push(line.to_owned()),
        }
    }
    found
}

fn nft_forward(line: &str) -> Option<Vec<Forward>> {
    let (before, rest) = line.split_once("tcp dport ")?;
    let (ports, rest) = match rest.strip_prefix('{') {
        Some(set) => set.split_once('}')?,
        None => rest.split_once(' ')?,
    };
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let action = words.iter().position(|word| *word == "dnat" || *word == "redirect")?;
    let to_what = words.iter().skip(action).skip_while(|word| **word != "to").nth(1)?;
    let before: Vec<&str> = before.split_ascii_whitespace().collect();
    let to = before.iter().position(|word| *word == "daddr").and_then(|at| before.get(at + 1)?.parse().ok());
    let is_v6 = before.windows(2).any(|pair| pair.first() == Some(&"ip6"));
    let target = match words.get(action) {
        Some(&"redirect") => (ANY[usize::from(is_v6)], Some(first(to_what.trim_start_matches(':'))?)),
        _ => target(to_what)?,
    };
    ports
        .split(',')
        .map(|range| each(to, range.trim(), '-', target))
        .collect::<Option<Vec<_>>>()
        .map(|all| all.concat())
}

/// An address, with a port or the first of a range; without one the port stays.
fn target(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
        return Some((ip, None));
    }
    let (ip, port) = text.rsplit_once(':')?;
    Some((ip.trim_matches(['[', ']']).parse().ok()?, Some(first(port)?)))
}

fn first(range: &str) -> Option<u16> {
    range.split('-').next()?.parse().ok()
}

/// A rule for each port of a range; none for what is no range, as a named set.
fn each(to: Option<IpAddr>, range: &str, between: char, target: (IpAddr, Option<u16>)) -> Option<Vec<Forward>> {
    let (from, last) = range.split_once(between).unwrap_or((range, range));
    let (from, last) = (from.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    let (ip, port) = target;
    let rule = |public| Forward { to, public, target: SocketAddr::new(ip, port.unwrap_or(public)) };
    Some(if port.is_some() && (from..=last).len() > LONG {
        vec![rule(from), rule(last)]
    } else {
        (from..=last).map(rule).collect()
    })
}

/// What a process of Docker's that hands a port on says of itself in its command line; none for other processes.
#[must_use]
pub fn proxy(pid: u32, argv: &[String]) -> Option<PortProxy> {
    if !argv.first()?.ends_with("docker-proxy") {
        return None;
    }
    let after = |flag: &str| argv.iter().position(|word| word == flag).and_then(|at| argv.get(at + 1));
    if after("-proto").is_some_and(|proto| proto != "tcp") {
        return None;
    }
    let addr = |ip: &str, port: &str, otherwise: IpAddr| -> Option<SocketAddr> {
        let ip = after(ip).map_or(Some(otherwise), |ip| ip.parse().ok())?;
        Some(SocketAddr::new(ip, after(port)?.parse().ok()?))
    };
    Some(PortProxy {
        pid,
        host: addr("-host-ip", "-host-port", Ipv4Addr::UNSPECIFIED.into())?,
        container: addr("-container-ip", "-container-port", Ipv6Addr::UNSPECIFIED.into())?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rules_of_docker_are_read() {
        let saved = "*nat\n-A DOCKER -i docker0 -j RETURN\n\
            -A DOCKER ! -i docker0 -p tcp -m tcp --dport 1080 -j DNAT --to-destination 172.17.0.2:1080\n\
            -A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 2525 -j DNAT --to-destination 172.17.0.2:1025\n\
            -A X -p tcp -m tcp --dport 1080 -j DNAT --to-destination [fd00::2]:1080\n\
            -A DOCKER -p udp -m udp --dport 53 -j DNAT --to-destination 172.17.0.3:53\nCOMMIT\n";
        let expected = [
            (None, 1080, "172.17.0.2:1080"),
            (Some("127.0.0.1"), 2525, "172.17.0.2:1025"),
            (None, 1080, "[fd00::2]:1080"),
        ];
        let expected = expected.map(|(to, public, target)| Forward {
            to: to.map(|ip| ip.parse().unwrap()),
            public,
            target: target.parse().unwrap(),
        });
        assert_eq!(forwards(saved, ANY[0]).forwards, expected);
    }

    fn shown(found: Vec<Forward>) -> Vec<String> {
        let to = |to: Option<IpAddr>| to.map(|ip| format!("{ip} ")).unwrap_or_default();
        found.into_iter().map(|forward| format!("{}{}>{}", to(forward.to), forward.public, forward.target)).collect()
    }

    #[test]
    fn lists_ranges_and_redirects_are_read() {
        for (line, expected) in [
            ("-A PREROUTING -p tcp -m tcp --dport 8081 -j REDIRECT --to-ports 1080", &["8081>0.0.0.0:1080"][..]),
            ("-A OUTPUT -p tcp -m tcp --dport 8081 -j REDIRECT --to-ports 1080", &[]),
            (
                "-A X -p tcp -m multiport --dports 80,1080:1081 -j DNAT --to-destination 10.0.0.2",
                &["80>10.0.0.2:80", "1080>10.0.0.2:1080", "1081>10.0.0.2:1081"],
            ),
            (
                "-A X -p tcp -m tcp --dport 1:65535 -j DNAT --to-destination 10.0.0.2:1080",
                &["1>10.0.0.2:1080", "65535>10.0.0.2:1080"],
            ),
        ] {
            assert_eq!(shown(forwards(line, ANY[0]).forwards), expected, "{line}");
        }
    }

    #[test]
    fn the_rules_of_nft_are_read() {
        let chain = |hook: &str, rule: &str| {
            format!(
                "table inet netavark {{\n\tchain a {{\n\t\ttype nat hook {hook} priority dstnat; policy accept;\n\t\t{rule}\n\t}}\n}}\n"
            )
        };
        for (rule, expected) in [
            ("ip daddr 10.9.0.1 tcp dport 1080 dnat ip to 10.88.0.2:1080", &["10.9.0.1 1080>10.88.0.2:1080"][..]),
            (
                "iifname != \"docker0\" tcp dport 8081 counter packets 0 bytes 0 dnat to 172.17.0.2:1080 comment \"DNAT\"",
                &["8081>172.17.0.2:1080"],
            ),
            (
                "tcp dport { 80, 1080-1081 } dnat ip6 to [fd00::2]",
                &["80>[fd00::2]:80", "1080>[fd00::2]:1080", "1081>[fd00::2]:1081"],
            ),
            ("tcp dport 8081 redirect to :1080", &["8081>0.0.0.0:1080"]),
            ("# tcp dport 8081 redirect to :1080", &[]),
            ("udp dport 53 dnat to 10.0.0.1", &[]),
        ] {
            assert_eq!(shown(nft_forwards(&chain("prerouting", rule)).forwards), expected, "{rule}");
            let leaves = nft_forwards(&chain("output", rule));
            assert_eq!((shown(leaves.forwards), leaves.unread), (vec![], vec![]), "{rule}");
        }
    }

    /// What Kubernetes writes, negations, sets and maps: not understood, and not passed over.
    #[test]
    fn a_rule_that_is_not_understood_is_told_if_it_may_be_about_the_port() {
        for (line, is_about) in [
            ("-A KUBE-SEP-A -p tcp -m comment --comment \"a b\" -m tcp -j DNAT --to-destination 10.42.0.9:1080", true),
            ("-A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.42.0.9:8080", false),
            ("-A PREROUTING -p tcp -m tcp ! --dport 22 -j REDIRECT --to-ports 1080", true),
            ("-A PREROUTING -p udp -j REDIRECT --to-ports 1080", false),
            ("-A OUTPUT -p tcp -j REDIRECT --to-ports 1080", false),
        ] {
            let nat = forwards(line, ANY[0]);
            assert_eq!((nat.forwards.len(), nat.about(&[1080, 1025]).len()), (0, usize::from(is_about)), "{line}");
        }
        for (rule, is_about) in [
            ("tcp dport @ports dnat to 10.88.0.2", true),
            ("dnat ip to tcp dport map { 80 : 10.88.0.3, 443 : 10.88.0.3,\n\t\t\t 1080 : 10.88.0.2 }", true),
            ("dnat ip to tcp dport map { 80 : 10.88.0.3 }", false),
            ("dnat ip to ip daddr . tcp dport map @published", true),
            ("tcp dport != 22 redirect to :1080", true),
            ("meta l4proto { tcp, udp } th dport 1080 dnat ip to 10.88.0.2", true),
            ("ct status dnat accept", false),
        ] {
            let nat = nft_forwards(&format!(
                "table ip x {{\n\tchain a {{\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n\t\t{rule}\n\t}}\n}}\n"
            ));
            assert_eq!(
                (nat.forwards.len(), nat.about(&[1080, 1025]).len()),
                (0, usize::from(is_about)),
                "{rule}: {nat:?}"
            );
        }
    }

    #[test]
    fn a_process_that_hands_on_says_so() {
        let line = "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 1080 -container-ip 172.17.0.2 -container-port 1081";
        let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let read = proxy(7, &argv).unwrap();
        assert_eq!(
            (read.host.to_string(), read.container.to_string()),
            ("0.0.0.0:1080".to_owned(), "172.17.0.2:1081".to_owned())
        );
        assert_eq!(proxy(7, &argv[1..]), None);
        assert_eq!(proxy(7, &[]), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(line in "(-A|tcp dport) [ -~]{0,120}", argv: Vec<String>) {
            let _ = (forwards(&line, ANY[0]), nft_forwards(&line), proxy(1, &argv));
        }
    }
}
