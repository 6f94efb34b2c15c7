//! Firewall rules that close the catcher's ports, as text: written, recognised, and taken back. Nothing here applies them.
//!
//! What is closed: the ports from everywhere but loopback, IPv4 and IPv6. What stays open: the gate's ports, which no rule
//! names, and the gate's own way to the catcher. With [`Users`], loopback is closed by user as well.
//!
//! Every backend uses tables, chains, policies or comments of its own name, so that writing them again changes nothing and
//! taking them back takes nothing else. A rule set is recognised by reading its values back and comparing it with what is
//! written for those values: anything else in it, and it is not recognised.

mod docker_user;
mod firewalld;
mod iptables;
mod nftables;
mod ufw;
mod windows;

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use ipnet::IpNet;

/// The interface name patterns of container engines' own bridges.
pub const BRIDGES: [&str; 3] = ["docker0", "br-+", "podman+"];

/// What rules close.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// The ports that are closed from everywhere but loopback.
    pub ports: BTreeSet<u16>,
    /// Networks from which one of them is open all the same.
    pub exceptions: BTreeSet<(IpNet, u16)>,
    /// Whether and how loopback is closed.
    pub users: Option<Users>,
    /// Interfaces that lead out of the machine, for rules about what is handed on to containers.
    pub outer: BTreeSet<String>,
}

/// How loopback is closed by user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Users {
    /// The ports that are closed.
    pub ports: BTreeSet<u16>,
    /// Who connects all the same, by number; root always.
    pub uids: BTreeSet<u32>,
}

impl Rules {
    /// The exceptions of one family.
    fn exceptions_of(&self, family: Family) -> impl Iterator<Item = &(IpNet, u16)> {
        self.exceptions.iter().filter(move |(net, _)| matches!(net, IpNet::V6(_)) == (family == Family::V6))
    }
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const ALL: [(Family, &'static str); 2] = [(Family::V4, "iptables"), (Family::V6, "ip6tables")];
}

/// The answer to a question about IPv6 on a machine whose kernel has none: there is nothing to close.
pub const NO_IPV6: &str = "# no IPv6";

/// What the rules are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Backend {
    /// `nft`: a table of its own, before any NAT, so that published container ports are closed as well.
    Nftables,
    /// `iptables` with `ip6tables`.
    Iptables,
    /// Ubuntu's ufw.
    Ufw,
    /// firewalld: a policy.
    Firewalld,
    /// Docker's chain for what it hands on to containers.
    DockerUser,
    /// Windows, for `cmd`.
    Netsh,
    /// Windows, for PowerShell.
    Powershell,
}

impl Backend {
    /// Every one by its name on the command line.
    pub const NAMES: [(&'static str, Backend); 7] = [
        ("nftables", Backend::Nftables),
        ("iptables", Backend::Iptables),
        ("ufw", Backend::Ufw),
        ("firewalld", Backend::Firewalld),
        ("docker-user", Backend::DockerUser),
        ("netsh", Backend::Netsh),
        ("powershell", Backend::Powershell),
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, backend)| *backend == self).map_or("", |(name, _)| name)
    }

    /// What applies the text, where it does: the end of a pipe.
    #[must_use]
    pub fn applied_by(self) -> &'static str {
        match self {
            Backend::Nftables => "sudo nft -f -",
            Backend::Iptables | Backend::Ufw | Backend::Firewalld | Backend::DockerUser => "sudo sh",
            Backend::Netsh => "cmd, as administrator",
            Backend::Powershell => "PowerShell, as administrator",
        }
    }

    /// Whether it can tell local users apart.
    #[must_use]
    pub fn knows_users(self) -> bool {
        !matches!(self, Backend::Netsh | Backend::Powershell)
    }

    /// Whether rules for it close published container ports as well.
    #[must_use]
    pub fn closes_published(self) -> bool {
        matches!(self, Backend::Nftables | Backend::DockerUser)
    }

    /// The rules, with what applies them in a comment. To apply them again changes nothing.
    #[must_use]
    pub fn print(self, rules: &Rules) -> String {
        match self {
            Backend::Nftables => nftables::print(rules),
            Backend::Iptables => iptables::print(rules),
            Backend::Ufw => ufw::print(rules),
            Backend::Firewalld => firewalld::print(rules),
            Backend::DockerUser => docker_user::print(rules),
            Backend::Netsh => windows::netsh(rules),
            Backend::Powershell => windows::powershell(rules),
        }
    }

    /// What takes the rules back, whichever they are, and whether they are there or not.
    #[must_use]
    pub fn undo(self) -> String {
        match self {
            Backend::Nftables => nftables::undo(),
            Backend::Iptables => iptables::undo(),
            Backend::Ufw => ufw::undo(),
            Backend::Firewalld => firewalld::undo(),
            Backend::DockerUser => docker_user::undo(),
            Backend::Netsh => windows::netsh_undo(),
            Backend::Powershell => windows::powershell_undo(),
        }
    }

    /// The commands whose answers [`Backend::recognise`] reads; none for systems on which this program does not run.
    #[must_use]
    pub fn questions(self) -> &'static [&'static [&'static str]] {
        match self {
            Backend::Nftables => &[nftables::QUESTION],
            Backend::Iptables | Backend::DockerUser => {
                &[&["iptables-save", "-t", "filter"], &["ip6tables-save", "-t", "filter"]]
            }
            // What these two say of themselves holds also when somebody has flushed their rules, or put others before them.
            Backend::Ufw => &[
                &["ufw", "status"],
                nftables::USERS_QUESTION,
                &["iptables-save", "-t", "filter"],
                &["ip6tables-save", "-t", "filter"],
            ],
            Backend::Firewalld => &[
                &["firewall-cmd", "--policy", firewalld::POLICY, "--list-all"],
                nftables::USERS_QUESTION,
                &["nft", "list", "table", "inet", "firewalld"],
            ],
            Backend::Netsh | Backend::Powershell => &[],
        }
    }

    /// The rules of ours that are in force, by the answers to [`Backend::questions`], a failed one being empty. None if
    /// they are not there, or not as this program writes them.
    #[must_use]
    pub fn recognise(self, answers: &[String]) -> Option<Rules> {
        let answer = |index: usize| answers.get(index).map_or("", String::as_str);
        match self {
            Backend::Nftables => nftables::recognise(answer(0)),
            Backend::Iptables => iptables::recognise([answer(0), answer(1)]),
            Backend::DockerUser => docker_user::recognise([answer(0), answer(1)]),
            Backend::Ufw => ufw::recognise(answer(0), answer(1), [answer(2), answer(3)]),
            Backend::Firewalld => firewalld::recognise(answer(0), answer(1), answer(2)),
            Backend::Netsh | Backend::Powershell => None,
        }
    }
}

impl Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Commands for a machine whose kernel has IPv6.
fn where_ipv6(lines: impl IntoIterator<Item = String>) -> String {
    format!("if [ -e /proc/net/if_inet6 ]; then\n{}\nfi", joined(lines, "\n"))
}

/// The head of every text that is a shell script.
fn script(backend: Backend, lines: impl IntoIterator<Item = String>) -> String {
    let mut text =
        format!("#!/bin/sh\n# Applied by: mailwarden firewall print --backend {backend} | sudo sh\nset -e\n");
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>, between: &str) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(between)
}

/// The numbers of a list like `1025,1080` or `{ 1025, 1080 }`.
fn numbers<T: std::str::FromStr + Ord>(list: &str) -> Option<BTreeSet<T>> {
    let list = list.trim().trim_start_matches('{').trim_end_matches('}');
    list.split(',').map(|number| number.trim().parse().ok()).collect()
}

/// A network, of which a single address is one as well.
fn net(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests;
