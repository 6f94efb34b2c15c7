//! Which networks this machine's outer interfaces are in, and which addresses a network namespace has: a container with an
//! address in the former (macvlan, a bridge with the machine's own interface) is reached past every rule of this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The interfaces of the default routes, by `/proc/net/route` and `/proc/net/ipv6_route`.
#[must_use]
pub fn outer(v4: &str, v6: &str) -> Vec<String> {
    let v4 = v4.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_default = fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000");
        if is_default { fields.first().copied() } else { None }
    });
    let v6 = v6.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let to_all = fields.first().is_some_and(|to| to.bytes().all(|byte| byte == b'0'));
        if to_all && fields.get(1) == Some(&"00") { fields.last().copied() } else { None }
    });
    let mut names: Vec<String> = v4.chain(v6).filter(|name| *name != "lo").map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// Whether an interface is a container engine's or a virtual machine's own, by its name.
#[must_use]
pub fn is_engines(name: &str) -> bool {
    ["docker", "br-", "podman", "cni", "veth", "virbr", "lxcbr", "lxdbr", "incusbr"]
        .iter()
        .any(|known| name.starts_with(known))
}

/// The networks that are reached over the outer interfaces without a router, by the same tables; link-local ones, which
/// every interface has, apart.
#[must_use]
pub fn outer_networks(v4: &str, v6: &str) -> Vec<IpNet> {
    let outer = outer(v4, v6);
    // Where the main table has no default route (a network without a router, policy routing) all but containers' own count.
    let is_outer = |name: Option<&&str>| match name {
        Some(name) if outer.is_empty() => *name != "lo" && !is_engines(name),
        Some(name) => outer.iter().any(|outer| outer == name),
        None => false,
    };
    let hex = |word: Option<&&str>| u32::from_str_radix(word?, 16).ok();
    let v4 = v4.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (to, via, mask) = (hex(fields.get(1))?, hex(fields.get(2))?, hex(fields.get(7))?);
        // As this machine stores them.
        let address = |word: u32| Ipv4Addr::from(word.to_ne_bytes());
        let net = Ipv4Net::with_netmask(address(to), address(mask)).ok()?;
        (via == 0 && mask != 0 && is_outer(fields.first())).then_some(IpNet::V4(net))
    });
    let v6 = v6.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let bits = |index: usize| u128::from_str_radix(fields.get(index)?, 16).ok();
        let len = u8::from_str_radix(fields.get(1)?, 16).ok()?;
        let (to, via) = (Ipv6Addr::from_bits(bits(0)?), bits(4)?);
        let is_network = via == 0 && (1..128).contains(&len) && !to.is_unicast_link_local() && !to.is_multicast();
        (is_network && is_outer(fields.last())).then(|| Ipv6Net::new(to, len).ok().map(IpNet::V6))?
    });
    v4.chain(v6).collect()
}

/// The addresses of a namespace, by its `fib_trie` and `if_inet6`; loopback and link-local ones apart.
#[must_use]
pub fn addresses(fib_trie: &str, if_inet6: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut last = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(last.map(IpAddr::V4));
        }
    }
    let v6 = if_inet6.lines().filter_map(|line| line.split(' ').next());
    found.extend(
        v6.filter_map(|bits| u128::from_str_radix(bits, 16).ok()).map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    );
    found.retain(|ip| match ip {
        IpAddr::V4(ip) => !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    });
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V4: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

    fn v6() -> String {
        let zeros = "0".repeat(32);
        let line =
            |to: &str, len: &str, name: &str| format!("{to} {len} {zeros} 00 {zeros} 00000400 1 0 00000001 {name}\n");
        let [global, local] = ["fd000009", "fe800000"].map(|start| format!("{start}{}", "0".repeat(24)));
        [line(&zeros, "00", "eth1"), line(&zeros, "00", "lo"), line(&global, "40", "eth1"), line(&local, "40", "eth1")]
            .concat()
    }

    #[test]
    fn the_interfaces_of_the_default_routes_lead_out() {
        assert_eq!(outer(V4, &v6()), ["eth0", "eth1"]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_networks_of_those_are_outside_and_no_bridges() {
        let expected: [IpNet; 2] = ["192.168.0.0/24", "fd00:9::/64"].map(|net| net.parse().unwrap());
        assert_eq!(outer_networks(V4, &v6()), expected);
    }

    /// A network without a router, or with routes in other tables.
    #[test]
    #[cfg(target_endian = "little")]
    fn without_a_default_route_all_but_the_engines_networks_are_outside() {
        let without = V4.lines().filter(|line| !line.contains("0100A8C0")).collect::<Vec<_>>().join("\n");
        let expected: [IpNet; 1] = ["192.168.0.0/24".parse().unwrap()];
        assert_eq!(outer_networks(&without, ""), expected);
    }

    #[test]
    fn the_addresses_of_a_namespace_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n     \
            |-- 192.168.0.9\n        /32 host LOCAL\n     |-- 192.168.0.255\n        /32 link BROADCAST\n";
        let v6 =
            "fe800000000000000000000000000001 02 40 20 80 eth0\nfd000009000000000000000000000001 02 40 00 80 eth0\n";
        let expected: [IpAddr; 2] = ["192.168.0.9", "fd00:9::1"].map(|ip| ip.parse().unwrap());
        assert_eq!(addresses(trie, v6), expected);
    }

    proptest! {
        #[test]
        fn no_table_panics(a in "(?s)([ -~]{0,40}\n){0,4}", b in "([0-9a-f]{2,32} ){0,10}eth0") {
            let _ = (outer_networks(&a, &b), addresses(&a, &b), outer_networks(&format!("x\n{b}"), &a));
        }
    }
}
