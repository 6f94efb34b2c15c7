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

/// The rules of `iptables-save -t nat` or `ip6tables-save -t nat` that hand a port on. What REDIRECT keeps on this machine
/// has an unspecified address, [`ANY`] of its family.
pub fn forwards(saved: &str, any: IpAddr) -> Vec<Forward> {
    saved.lines().flat_map(|line| forward(line, any).unwrap_or_default()).collect()
}

/// The unspecified addresses of IPv4 and IPv6.
pub const ANY: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

fn forward(line: &str, any: IpAddr) -> Option<Vec<Forward>> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1)).copied();
    // What OUTPUT changes comes from this machine.
    if words.first() != Some(&"-A") || words.get(1) == Some(&"OUTPUT") || after("-p") != Some("tcp") {
        return None;
    }
    let target = match after("-j")? {
        "DNAT" => target(after("--to-destination")?)?,
        "REDIRECT" => (any, Some(first(after("--to-ports")?)?)),
        _ => return None,
    };
    let to = after("-d").and_then(|net| net.split('/').next()?.parse().ok());
    let ports = after("--dport").or_else(|| after("--dports"))?;
    Some(ports.split(',').flat_map(|range| each(to, range, ':', target)).collect())
}

/// The rules of `nft list ruleset` that hand a port on; a redirect has an unspecified address, as in [`forwards`].
pub fn nft_forwards(ruleset: &str) -> Vec<Forward> {
    let mut leaves = false;
    let mut found = Vec::new();
    for line in ruleset.lines().map(str::trim) {
        if line.starts_with("chain ") {
            leaves = false;
        } else if line.starts_with("type nat hook ") {
            // What is changed there comes from this machine.
            leaves = line.starts_with("type nat hook output ");
        } else if !leaves && !line.starts_with('#') {
            found.extend(nft_forward(line).unwrap_or_default());
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
    Some(ports.split(',').flat_map(|range| each(to, range.trim(), '-', target)).collect())
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

/// A rule for each port of a range.
fn each(to: Option<IpAddr>, range: &str, between: char, target: (IpAddr, Option<u16>)) -> Vec<Forward> {
    let (from, last) = range.split_once(between).unwrap_or((range, range));
    let (Ok(from), Ok(last)) = (from.parse::<u16>(), last.parse::<u16>()) else { return Vec::new() };
    let (ip, port) = target;
    let rule = |public| Forward { to, public, target: SocketAddr::new(ip, port.unwrap_or(public)) };
    if port.is_some() && (from..=last).len() > LONG {
        vec![rule(from), rule(last)]
    } else {
        (from..=last).map(rule).collect()
    }
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
        assert_eq!(forwards(saved, ANY[0]), expected);
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
            assert_eq!(shown(forwards(line, ANY[0])), expected, "{line}");
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
            assert_eq!(shown(nft_forwards(&chain("prerouting", rule))), expected, "{rule}");
            assert_eq!(shown(nft_forwards(&chain("output", rule))), [""; 0], "{rule}");
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
