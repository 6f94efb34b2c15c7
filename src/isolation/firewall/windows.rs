//! Windows Firewall, by netsh and by PowerShell, for a catcher that runs on Windows.
//!
//! There a rule that blocks wins over every rule that allows, so an exception is everything else that is blocked. It never
//! filters loopback, and knows no users.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::{Rules, joined};

const NAME: &str = "Mailwarden";

pub(super) fn netsh(rules: &Rules) -> String {
    let mut lines = vec![
        "@rem Run in a command prompt, as administrator. Windows does not filter loopback.".to_owned(),
        delete_netsh(),
    ];
    for (from, ports) in blocked(rules) {
        lines.push(format!(
            "netsh advfirewall firewall add rule name=\"{NAME}\" dir=in action=block protocol=TCP localport={} remoteip={from}",
            joined(ports, ",")
        ));
    }
    text(&lines)
}

pub(super) fn netsh_undo() -> String {
    text(&[delete_netsh()])
}

fn delete_netsh() -> String {
    format!("netsh advfirewall firewall delete rule name=\"{NAME}\" >nul")
}

pub(super) fn powershell(rules: &Rules) -> String {
    let mut lines = vec![
        "# Run in PowerShell, as administrator. Windows does not filter loopback.".to_owned(),
        delete_powershell(),
    ];
    for (from, ports) in blocked(rules) {
        let from =
            if from == "any" { "Any".to_owned() } else { joined(from.split(',').map(|net| format!("'{net}'")), ",") };
        lines.push(format!(
            "New-NetFirewallRule -Group '{NAME}' -DisplayName '{NAME}' -Direction Inbound -Action Block -Protocol TCP -LocalPort {} \
             -RemoteAddress {from} | Out-Null",
            joined(ports, ",")
        ));
    }
    text(&lines)
}

pub(super) fn powershell_undo() -> String {
    text(&[delete_powershell()])
}

fn delete_powershell() -> String {
    format!("Remove-NetFirewallRule -Group '{NAME}' -ErrorAction SilentlyContinue")
}

/// Both read both line ends; a command prompt's own files have these.
fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

/// The ports by whom they are closed to: `any`, or ranges of addresses.
fn blocked(rules: &Rules) -> BTreeMap<String, Vec<u16>> {
    let mut blocked: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    for port in &rules.ports {
        let open: Vec<IpNet> = rules.exceptions.iter().filter(|(_, to)| to == port).map(|(net, _)| *net).collect();
        let from = if open.is_empty() { "any".to_owned() } else { joined(all_but(&open), ",") };
        if !from.is_empty() {
            blocked.entry(from).or_default().push(*port);
        }
    }
    blocked
}

/// Everything but these networks, in ranges.
fn all_but(nets: &[IpNet]) -> Vec<String> {
    let v4 = nets.iter().filter_map(|net| match net {
        IpNet::V4(net) => Some((u128::from(net.network().to_bits()), u128::from(net.broadcast().to_bits()))),
        IpNet::V6(_) => None,
    });
    let v6 = nets.iter().filter_map(|net| match net {
        IpNet::V6(net) => Some((net.network().to_bits(), net.broadcast().to_bits())),
        IpNet::V4(_) => None,
    });
    let to_v4 = |bits: u128| IpAddr::from(Ipv4Addr::from_bits(u32::try_from(bits).unwrap_or(u32::MAX)));
    let to_v6 = |bits: u128| IpAddr::from(Ipv6Addr::from_bits(bits));
    let v4 =
        gaps(v4.collect(), u128::from(u32::MAX)).into_iter().map(|(from, to)| format!("{}-{}", to_v4(from), to_v4(to)));
    let v6 = gaps(v6.collect(), u128::MAX).into_iter().map(|(from, to)| format!("{}-{}", to_v6(from), to_v6(to)));
    v4.chain(v6).collect()
}

/// What lies between these ranges, from 0 to `end`.
fn gaps(mut ranges: Vec<(u128, u128)>, end: u128) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut gaps = Vec::new();
    let mut next = Some(0);
    for (from, to) in ranges {
        if let Some(start) = next.filter(|start| *start < from) {
            gaps.push((start, from - 1));
        }
        next = next.and_then(|start| if to >= end { None } else { Some(start.max(to + 1)) });
    }
    gaps.extend(next.filter(|start| *start <= end).map(|start| (start, end)));
    gaps
}
