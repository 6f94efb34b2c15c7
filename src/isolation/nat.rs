//! Ports that something hands on: the kernel's rules as `iptables-save` shows them, and the engine's own processes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::facts::PortProxy;

/// A rule that hands a port of this machine on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Connections to this address only, if the rule names one.
    pub to: Option<IpAddr>,
    /// The machine's port.
    pub public: u16,
    /// Where to.
    pub target: SocketAddr,
}

/// The rules of `iptables-save -t nat` or `ip6tables-save -t nat` that hand a port on.
pub fn forwards(saved: &str) -> Vec<Forward> {
    saved.lines().filter_map(forward).collect()
}

fn forward(line: &str) -> Option<Forward> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1)).copied();
    if words.first() != Some(&"-A") || after("-j") != Some("DNAT") || after("-p") != Some("tcp") {
        return None;
    }
    let public = after("--dport")?.parse().ok()?;
    let target = after("--to-destination")?;
    // Without a port the port stays.
    let target = target.parse().or_else(|_| target.parse().map(|ip: IpAddr| SocketAddr::new(ip, public))).ok()?;
    let to = after("-d").and_then(|net| net.split('/').next()?.parse().ok());
    Some(Forward { to, public, target })
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
        assert_eq!(forwards(saved), expected);
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
        fn no_text_panics(line in "-A [ -~]{0,120}", argv: Vec<String>) {
            let _ = (forwards(&line), proxy(1, &argv));
        }
    }
}
