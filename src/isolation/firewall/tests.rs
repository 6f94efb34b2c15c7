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

/// What `iptables-save` shows of ufw, as it is in Debian, with its rules before and after.
fn of_ufw(prefix: &str, before: &str, own: &str) -> String {
    format!(
        ":INPUT DROP [0:0]\n-A INPUT -j {prefix}-before-logging-input\n-A INPUT -j {prefix}-before-input\n-A INPUT -j {prefix}-after-input\n\
         -A {prefix}-before-input -i lo -j ACCEPT\n-A {prefix}-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         -A {prefix}-before-input -m conntrack --ctstate INVALID -j DROP\n-A {prefix}-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT\n\
         -A {prefix}-before-input -p udp -m udp --sport 67 --dport 68 -j ACCEPT\n{before}-A {prefix}-before-input -j {prefix}-user-input\n\
         {own}-A {prefix}-user-input -p tcp -m multiport --dports 1025,1080 -j DROP\n-A {prefix}-user-input -p tcp -m tcp --dport 8080 -j ACCEPT\n"
    )
}

#[test]
fn ufw_is_recognised_by_its_status_and_its_rules_in_the_kernel() {
    let status = "Status: active\n\nTo                         Action      From\n--                         ------      ----\n\
        1025/tcp                   ALLOW       10.0.0.0/8                 # mailwarden\n\
        1025,1080/tcp              DENY        Anywhere                   # mailwarden\n\
        8080/tcp                   ALLOW       Anywhere\n\
        1025/tcp                   ALLOW       fd00::/8                   # mailwarden\n\
        1025,1080/tcp (v6)         DENY        Anywhere (v6)              # mailwarden\n\
        8080/tcp (v6)              ALLOW       Anywhere (v6)\n";
    let expected = rules(&[("10.0.0.0/8", 1025), ("fd00::/8", 1025)], false);
    let v4 = of_ufw("ufw", "", "-A ufw-user-input -s 10.0.0.0/8 -p tcp -m tcp --dport 1025 -j ACCEPT\n");
    let v6 = of_ufw("ufw6", "", "-A ufw6-user-input -s fd00::/8 -p tcp -m tcp --dport 1025 -j ACCEPT\n");
    let ask = |status: &str, v4: &str, v6: &str| {
        Backend::Ufw.recognise(&[status.to_owned(), String::new(), v4.to_owned(), v6.to_owned()])
    };
    assert_eq!(ask(status, &v4, &v6), Some(expected));
    assert_eq!(ask(&status.replace("Status: active", "Status: inactive"), &v4, &v6), None);
    let allowed_before = status.replace("----\n1025/tcp", "----\n1080/tcp   ALLOW   Anywhere\n1025/tcp");
    assert_eq!(ask(&allowed_before, &v4, &v6), None);
    // Without IPv6 there is nothing of it to close.
    let only_v4: String =
        status.split_inclusive('\n').filter(|line| !line.contains("v6") && !line.contains("fd00")).collect();
    assert_eq!(ask(&only_v4, &v4, ""), None);
    assert_eq!(ask(&only_v4, &v4, NO_IPV6), Some(rules(&[("10.0.0.0/8", 1025)], false)));
}

/// ufw says "active" of rules that somebody has flushed, or put others before.
#[test]
fn ufws_status_alone_closes_nothing() {
    let status = "Status: active\n1025,1080/tcp              DENY        Anywhere                   # mailwarden\n\
        1025,1080/tcp (v6)         DENY        Anywhere (v6)              # mailwarden\n";
    let v6 = of_ufw("ufw6", "", "");
    let ask = |v4: &str| Backend::Ufw.recognise(&[status.to_owned(), String::new(), v4.to_owned(), v6.clone()]);
    let v4 = of_ufw("ufw", "", "");
    assert_eq!(ask(&v4), Some(rules(&[], false)));
    for harmless in ["-A INPUT -j MAILWARDEN-DOCKER\n", "-A INPUT -s 192.0.2.9/32 -j DROP\n"] {
        assert!(ask(&format!("{harmless}{v4}")).is_some(), "{harmless}");
    }
    for (name, bad) in [
        ("flushed", v4.lines().filter(|line| !line.starts_with("-A INPUT")).collect::<Vec<_>>().join("\n")),
        ("gone", String::new()),
        ("before ufw", format!("-A INPUT -p tcp -m tcp --dport 1080 -j ACCEPT\n{v4}")),
        ("all but", format!("-A INPUT ! -i lo -j ACCEPT\n{v4}")),
        ("somewhere", format!("-A INPUT -j f2b-x\n{v4}")),
        ("in before.rules", of_ufw("ufw", "-A ufw-before-input -s 10.0.0.0/8 -j ACCEPT\n", "")),
        ("new ones", of_ufw("ufw", "-A ufw-before-input -m conntrack --ctstate NEW,RELATED -j ACCEPT\n", "")),
        ("in its own", of_ufw("ufw", "", "-A ufw-user-input -p tcp -m tcp --dport 1080 -j ACCEPT\n")),
        ("another port", v4.replace("1025,1080", "1025,1081")),
    ] {
        assert_eq!(ask(&bad), None, "{name}");
    }
}

#[test]
fn firewalld_is_recognised_by_its_policy_and_its_rules_in_the_kernel() {
    let listed = "mailwarden (active)\n  priority: -100\n  target: CONTINUE\n  ingress-zones: ANY\n  egress-zones: HOST\n  services: \n  \
        ports: \n  protocols: \n  masquerade: no\n  forward-ports: \n  source-ports: \n  icmp-blocks: \n  rich rules: \n\t\
        rule priority=\"-10\" family=\"ipv4\" source address=\"10.0.0.0/8\" port port=\"1025\" protocol=\"tcp\" accept\n\t\
        rule port port=\"1025\" protocol=\"tcp\" drop\n\trule port port=\"1080\" protocol=\"tcp\" drop\n";
    let table = "table inet firewalld {\n\tchain filter_INPUT {\n\t\ttype filter hook input priority filter + 10; policy accept;\n\t\t\
        iifname \"lo\" accept\n\t}\n\n\tchain filter_INPUT_POLICIES_pre {\n\t\tjump filter_IN_policy_early\n\t\t\
        jump filter_IN_policy_mailwarden\n\t}\n\n\tchain filter_IN_policy_mailwarden_deny {\n\t\ttcp dport 1025 drop\n\t\ttcp dport 1080 drop\n\t}\n\n\t\
        chain filter_IN_policy_early_allow {\n\t\ticmpv6 type nd-router-advert accept\n\t}\n}\n";
    let ask =
        |listed: &str, table: &str| Backend::Firewalld.recognise(&[listed.to_owned(), String::new(), table.to_owned()]);
    assert_eq!(ask(listed, table), Some(rules(&[("10.0.0.0/8", 1025)], false)));
    assert_eq!(ask(&listed.replace("ports: ", "ports: 1080/tcp"), table), None);
    assert_eq!(ask(&listed.replace("drop", "accept"), table), None);
    // Flushed; another policy before it that lets people in; and one that is not jumped to.
    assert_eq!(ask(listed, ""), None);
    assert_eq!(
        ask(listed, &table.replace("icmpv6 type nd-router-advert", "tcp dport 1080 ct state { new, untracked }")),
        None
    );
    assert_eq!(ask(listed, &table.replace("\t\tjump filter_IN_policy_mailwarden\n", "")), None);
    assert_eq!(ask(listed, &table.replace("tcp dport 1080 drop", "")), None);
}

/// With IPv6 off in the kernel there is nothing of it to close, and its tool would end the script.
#[test]
fn without_ipv6_in_the_kernel_half_the_rules_are_all() {
    for backend in [Backend::Iptables, Backend::DockerUser] {
        let expected = rules(&[], backend == Backend::Iptables);
        let mut ours = answers(backend, &expected);
        ours[1] = NO_IPV6.to_owned();
        assert_eq!(backend.recognise(&ours), Some(expected.clone()), "{backend}");
        let text = backend.print(&expected);
        let (v4, v6) = text.split_once("if [ -e /proc/net/if_inet6 ]; then\n").unwrap();
        assert!(!v4.contains("ip6tables") && v6.ends_with("\nfi\n"), "{text}");
    }
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
        let taken = names(&taker.undo());
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
