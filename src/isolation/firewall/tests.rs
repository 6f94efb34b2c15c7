use proptest::prelude::*;

use super::*;

fn rules(exceptions: &[(&str, u16)], users: bool) -> Rules {
    Rules {
        ports: BTreeSet::from([1025, 1080]),
        exceptions: exceptions.iter().map(|(net, port)| (net.parse().unwrap(), *port)).collect(),
        users: users.then(|| Users { ports: BTreeSet::from([1025, 1080]), uids: BTreeSet::from([998]) }),
        outer: BTreeSet::new(),
    }
}

/// What `iptables-save` would show of a script for one tool; the order of the jumps is as they are inserted.
fn saved(script: &str, tool: &str) -> String {
    let mut lines = Vec::new();
    let mut within = false;
    for line in script.lines() {
        match line {
            "END" => within = false,
            _ if line.starts_with(&format!("{tool}-restore ")) => within = true,
            _ if within => lines.push(line.to_owned()),
            _ => {
                if let Some((_, jump)) = line.split_once(&format!("|| {tool} -I ")) {
                    lines.push(format!("-A {}", jump.replacen(" 1 ", " ", 1)));
                }
            }
        }
    }
    lines.join("\n")
}

fn answers(backend: Backend, rules: &Rules) -> Vec<String> {
    let text = backend.print(rules);
    match backend {
        Backend::Nftables => {
            vec![text.lines().skip_while(|line| !line.ends_with('{')).map(|line| format!("{line}\n")).collect()]
        }
        _ => vec![saved(&text, "iptables"), saved(&text, "ip6tables")],
    }
}

fn some_rules() -> impl Strategy<Value = Rules> {
    let net = (any::<std::net::IpAddr>(), 0_u8..=32).prop_map(|(ip, len)| IpNet::new(ip, len).unwrap().trunc());
    let ports = || prop::collection::btree_set(1_u16.., 1..3);
    let users = (ports(), prop::collection::btree_set(1_u32.., 0..3)).prop_map(|(ports, uids)| Users { ports, uids });
    let exceptions = prop::collection::btree_set((net, 1_u16..), 0..4);
    (ports(), exceptions, prop::option::of(users), prop::collection::btree_set("eth[0-9]", 0..3))
        .prop_map(|(ports, exceptions, users, outer)| Rules { ports, exceptions, users, outer })
}

#[test]
fn rules_of_somebody_else_are_not_ours() {
    let rules = rules(&[], false);
    for backend in [Backend::Nftables, Backend::Iptables, Backend::DockerUser] {
        let ours = answers(backend, &rules);
        assert_eq!(backend.recognise(&ours), Some(rules.clone()), "{backend}");
        for change in [
            ("DROP", "ACCEPT"),
            (" drop", " accept"),
            ("policy accept", "policy drop"),
            ("-A INPUT -j", "-A INPUT -s 10.0.0.1 -j"),
        ] {
            let changed: Vec<String> = ours.iter().map(|answer| answer.replace(change.0, change.1)).collect();
            if changed != ours {
                assert_eq!(backend.recognise(&changed), None, "{backend}: {change:?}");
            }
        }
        assert_eq!(backend.recognise(&[]), None, "{backend}");
    }
}

/// One family alone is half a wall.
#[test]
fn rules_without_ipv6_are_not_recognised() {
    for backend in [Backend::Iptables, Backend::DockerUser] {
        let mut ours = answers(backend, &rules(&[], false));
        ours[1].clear();
        assert_eq!(backend.recognise(&ours), None, "{backend}");
    }
}

/// Somebody else's rule before our jump could accept what ours would drop.
#[test]
fn a_rule_before_ours_in_its_chain_is_seen() {
    let mut ours = answers(Backend::Iptables, &rules(&[], false));
    ours[0] = format!("-A INPUT -p tcp -j ACCEPT\n{}", ours[0]);
    assert_eq!(Backend::Iptables.recognise(&ours), None);
}

#[test]
fn ufw_is_recognised_by_its_status() {
    let status = "Status: active\n\nTo                         Action      From\n--                         ------      ----\n\
        1025/tcp                   ALLOW       10.0.0.0/8                 # mailwarden\n\
        1025,1080/tcp              DENY        Anywhere                   # mailwarden\n\
        8080/tcp                   ALLOW       Anywhere\n\
        1025/tcp                   ALLOW       fd00::/8                   # mailwarden\n\
        1025,1080/tcp (v6)         DENY        Anywhere (v6)              # mailwarden\n\
        8080/tcp (v6)              ALLOW       Anywhere (v6)\n";
    let expected = rules(&[("10.0.0.0/8", 1025), ("fd00::/8", 1025)], false);
    let ask = |status: &str| Backend::Ufw.recognise(&[status.to_owned(), String::new(), String::new()]);
    assert_eq!(ask(status), Some(expected));
    assert_eq!(ask(&status.replace("Status: active", "Status: inactive")), None);
    let allowed_before = status.replace("----\n1025/tcp", "----\n1080/tcp   ALLOW   Anywhere\n1025/tcp");
    assert_eq!(ask(&allowed_before), None);
}

#[test]
fn firewalld_is_recognised_by_its_policy() {
    let listed = "mailwarden (active)\n  priority: -100\n  target: CONTINUE\n  ingress-zones: ANY\n  egress-zones: HOST\n  services: \n  \
        ports: \n  protocols: \n  masquerade: no\n  forward-ports: \n  source-ports: \n  icmp-blocks: \n  rich rules: \n\t\
        rule priority=\"-10\" family=\"ipv4\" source address=\"10.0.0.0/8\" port port=\"1025\" protocol=\"tcp\" accept\n\t\
        rule port port=\"1025\" protocol=\"tcp\" drop\n\trule port port=\"1080\" protocol=\"tcp\" drop\n";
    let ask = |listed: &str| Backend::Firewalld.recognise(&[listed.to_owned(), String::new()]);
    assert_eq!(ask(listed), Some(rules(&[("10.0.0.0/8", 1025)], false)));
    assert_eq!(ask(&listed.replace("ports: ", "ports: 1080/tcp")), None);
    assert_eq!(ask(&listed.replace("drop", "accept")), None);
}

/// The gate's port is in none of them, and every one names both families or neither.
#[test]
fn no_backend_names_the_gates_port_in_a_rule() {
    for (name, backend) in Backend::NAMES {
        let text = backend.print(&rules(&[], backend.knows_users()));
        let rules: String = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(!rules.contains("8080"), "{name}: {text}");
        assert!(rules.contains("1080") && rules.contains("1025"), "{name}: {text}");
        assert_eq!(text.contains("iptables"), text.contains("ip6tables"), "{name}");
    }
}

/// Every backend without --local-users, and its undo, leaves alone what another may have put there.
#[test]
fn no_backend_takes_away_what_anothers_is() {
    let all: Vec<_> = Backend::NAMES.into_iter().filter(|(_, backend)| backend.knows_users()).collect();
    let names = |text: &str| {
        let of_line = |line: &str| {
            let words: Vec<String> = line.split([' ', ';']).map(str::to_owned).collect();
            match line.strip_prefix("delete table inet ") {
                Some(table) => vec![format!("table {table}")],
                None => words.into_iter().filter(|word| word.starts_with("MAILWARDEN")).collect(),
            }
        };
        text.lines().flat_map(of_line).collect::<BTreeSet<_>>()
    };
    // The table beside ufw and firewalld is one: of them a machine has one.
    let is_pair = |a, b| [a, b].iter().all(|one| matches!(one, Backend::Ufw | Backend::Firewalld));
    for (_, taker) in &all {
        let taken = names(&taker.undo(&rules(&[], false)));
        for (_, owner) in all.iter().filter(|(_, owner)| owner != taker && !is_pair(*owner, *taker)) {
            let has = names(&owner.print(&rules(&[], true)));
            assert!(taken.is_disjoint(&has), "{taker} takes from {owner}: {:?}", taken.intersection(&has));
        }
    }
}

/// `iptables-save` shows no `-s` for everybody.
#[test]
fn an_exception_for_everybody_has_no_source() {
    let rules = rules(&[("0.0.0.0/0", 1025), ("::/0", 1025)], false);
    for backend in [Backend::Iptables, Backend::DockerUser] {
        let ours = answers(backend, &rules);
        assert!(!ours.concat().contains("/0 "), "{backend}");
        assert_eq!(backend.recognise(&ours), Some(rules.clone()), "{backend}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_recognised(rules in some_rules()) {
        for backend in [Backend::Nftables, Backend::Iptables, Backend::DockerUser] {
            let mut expected = rules.clone();
            if backend != Backend::DockerUser {
                expected.outer.clear();
            }
            prop_assert_eq!(backend.recognise(&answers(backend, &expected)), Some(expected), "{}", backend);
        }
    }

    #[test]
    fn no_answer_panics(a in "(?s).{0,200}", b in "(-A (INPUT|MAILWARDEN|MAILWARDEN-DOCKER|MAILWARDEN-USERS) [ -~]{0,60}\n){0,4}") {
        for (_, backend) in Backend::NAMES {
            let _ = backend.recognise(&[a.clone(), b.clone(), a.clone()]);
            let _ = backend.recognise(&[b.clone(), a.clone(), b.clone()]);
        }
    }
}
