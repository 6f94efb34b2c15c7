//! Which firewall rules are in force, as far as it can be told: our own are known, all others are not understood.

use super::firewall::{Backend, Rules};

/// What is known of the rules in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cover {
    /// They were read.
    Read {
        /// Those of ours.
        ours: Vec<(Backend, Rules)>,
        /// Whether somebody else's decide about what comes to this machine.
        others: bool,
        /// Whether somebody else's decide about what is handed on to containers.
        others_handed_on: bool,
    },
    /// They could not be.
    Unreadable(String),
}

/// Which way a connection takes to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To a process of this machine.
    Here,
    /// Handed on to a container.
    Container,
    /// To a process of this machine, by another port that a NAT rule turned into this one.
    Redirected,
}

/// What the rules do to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Rules of ours close it, but for what they except.
    Closed(Backend, Vec<String>),
    /// Nothing does.
    Open,
    /// It could not be told.
    Unknown(String),
}

impl Cover {
    /// What becomes of connections to `port`.
    #[must_use]
    pub fn of(&self, port: u16, way: Way) -> Verdict {
        let (ours, others) = match self {
            Cover::Unreadable(why) => return Verdict::Unknown(why.clone()),
            Cover::Read { ours, others, .. } if way != Way::Container => (ours, *others),
            Cover::Read { ours, others_handed_on, .. } => (ours, *others_handed_on),
        };
        let sees = |backend: Backend| match way {
            Way::Here => true,
            Way::Container => backend.closes_published(),
            // Those look at the number that people use, and all others at this one; firewalld lets in what was redirected.
            Way::Redirected => !backend.closes_published() && backend != Backend::Firewalld,
        };
        let closing = ours.iter().find(|(backend, rules)| rules.ports.contains(&port) && sees(*backend));
        match closing {
            Some((backend, rules)) => {
                let excepted = rules.exceptions.iter().filter(|(_, to)| *to == port).map(|(net, _)| net.to_string());
                Verdict::Closed(*backend, excepted.collect())
            }
            None if others => {
                Verdict::Unknown("firewall rules that are not Mailwarden's may close it or not".to_owned())
            }
            None => Verdict::Open,
        }
    }

    /// Whether rules of ours close `port` to other users of this machine.
    #[must_use]
    pub fn closes_to_users(&self, port: u16) -> bool {
        match self {
            Cover::Read { ours, .. } => {
                ours.iter().any(|(_, rules)| rules.users.as_ref().is_some_and(|users| users.ports.contains(&port)))
            }
            Cover::Unreadable(_) => false,
        }
    }
}

/// Whether a rule set, as `nft list ruleset` shows it, decides about what comes to this machine, our own tables and chains
/// apart.
#[must_use]
pub fn nft_filters(ruleset: &str) -> bool {
    let mut ours = false;
    let mut hooked = None;
    for line in ruleset.lines() {
        let text = line.trim();
        if line.starts_with("table ") {
            ours = line.starts_with("table inet mailwarden ") || line.starts_with("table inet mailwarden-users ");
            hooked = None;
        } else if text == "}" || text.starts_with("chain ") {
            // The chain ends; what a set of the next table holds is no rule.
            hooked = None;
        } else if let Some((_, hook)) = text.split_once("type filter hook ") {
            let name = hook.split(' ').next().unwrap_or_default();
            let decides = ["input", "prerouting", "ingress"].contains(&name);
            if !ours && decides && hook.contains("policy drop") {
                return true;
            }
            hooked = (!ours && decides).then(|| name.to_owned());
        } else if let Some(hook) = &hooked
            && !text.is_empty()
            && !text.contains("jump MAILWARDEN")
            // The engine's own, for single containers.
            && !(hook == "prerouting" && text.contains(" daddr "))
        {
            return true;
        }
    }
    false
}

/// The same for what `iptables-save` shows.
#[must_use]
pub fn iptables_filters(saved: &str) -> bool {
    saved.lines().any(|line| {
        line.starts_with(":INPUT DROP")
            || (line.starts_with("-A INPUT ") && !line.contains("-j MAILWARDEN"))
            || (line.starts_with("-A PREROUTING ") && line.ends_with("-j DROP") && !line.contains(" -d "))
    })
}

/// Whether `iptables-save` shows rules of somebody else's in the chain that Docker leaves to its users.
#[must_use]
pub fn docker_user_filters(saved: &str) -> bool {
    let rules = saved.lines().filter_map(|line| line.strip_prefix("-A DOCKER-USER "));
    // Docker itself ends it with the first.
    rules.into_iter().any(|rule| rule != "-j RETURN" && !rule.contains("-j MAILWARDEN"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn somebody_elses_rules_are_seen_and_ours_are_not_taken_for_them() {
        let docker = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tcounter packets 0 \
            bytes 0 jump MAILWARDEN\n\t}\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tjump X\n\t}\n}\n";
        let ours = "table inet mailwarden {\n\tchain outside {\n\t\ttype filter hook prerouting priority -150; policy accept;\n\t\tdrop\n\t}\n}\n";
        let policy = "table inet f {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t}\n}\n";
        let rule = "table inet f {\n\tchain input {\n\t\ttype filter hook input priority 0; policy accept;\n\t\ttcp dport 22 accept\n\t}\n}\n";
        let users = "table inet mailwarden-users {\n\tchain users {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tdrop\n\t}\n}\n";
        let empty = "table inet f {\n\tchain input {\n\t\ttype filter hook input priority 0; policy accept;\n\t}\n}\n\
            table inet g {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1 }\n\t}\n}\n";
        for (ruleset, expected) in
            [("", false), (docker, false), (ours, false), (users, false), (empty, false), (policy, true), (rule, true)]
        {
            assert_eq!(nft_filters(ruleset), expected, "{ruleset}");
        }
        for (saved, expected) in [
            (":INPUT ACCEPT [0:0]\n-A INPUT -j MAILWARDEN\n-A FORWARD -j DOCKER-USER\n", false),
            (":INPUT DROP [0:0]\n", true),
            ("-A INPUT -p tcp -j REJECT\n", true),
        ] {
            assert_eq!(iptables_filters(saved), expected, "{saved}");
        }
    }

    #[test]
    fn rules_in_dockers_chain_are_seen_but_for_its_own_end_and_ours() {
        for (saved, expected) in [
            ("-A DOCKER-USER -j MAILWARDEN-DOCKER\n-A DOCKER-USER -j RETURN\n", false),
            ("-A DOCKER-USER -j ufw-user-forward\n-A DOCKER-USER -j RETURN\n", true),
        ] {
            assert_eq!(docker_user_filters(saved), expected, "{saved}");
        }
    }

    proptest! {
        #[test]
        fn no_rule_set_panics(text in "(?s).{0,200}") {
            let _ = (nft_filters(&text), iptables_filters(&text));
        }
    }
}
