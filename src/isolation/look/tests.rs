use std::collections::HashMap;
use std::path::PathBuf;

use super::super::engine::{Container, Published};
use super::super::facts::{Daemon, Namespace, PortProxy, Setup, Upstream, UsersFile};
use super::super::findings::Severity;
use super::super::firewall::{Backend, Rules, Users};
use super::super::nat::Forward;
use super::super::owner::{Process, RunBy};
use super::super::rules::Cover;
use super::super::sockets::Listener;
use super::*;
use crate::config::model::CatcherKind;

fn facts() -> Facts {
    let mut facts = Facts::none(Setup {
        http: 1080,
        smtp: 1025,
        url: "http://127.0.0.1:1080".to_owned(),
        catcher: CatcherKind::MailCatcher,
        gate: vec!["127.0.0.1:8080".parse().unwrap()],
        in_clear: vec!["127.0.0.1:8080".parse().unwrap()],
        redirects: false,
        trusted_proxies: 0,
        users_file: PathBuf::from("/etc/mailwarden/htpasswd"),
    });
    facts.cover = Cover::Read { ours: vec![], others: false, others_handed_on: false };
    facts
}

fn listening(addr: &str) -> Listener {
    Listener { addr: addr.parse().unwrap(), uid: 998, inode: 7 }
}

fn covered(by: Backend, users: bool) -> Cover {
    let ports = [1025, 1080];
    let users = users.then(|| Users { ports: ports.into(), ..Users::default() });
    Cover::Read {
        ours: vec![(by, Rules { ports: ports.into(), users, ..Rules::default() })],
        others: false,
        others_handed_on: false,
    }
}

/// The severities by the kind of finding.
fn found(facts: &Facts) -> Vec<(&'static str, Severity)> {
    look(facts).findings.into_iter().map(|finding| (finding.id, finding.severity)).collect()
}

#[test]
fn every_bind_but_loopback_is_found() {
    for (addr, expected) in [
        ("127.0.0.1:1080", false),
        ("[::1]:1025", false),
        ("[::ffff:127.0.0.1]:1080", false),
        ("0.0.0.0:1080", true),
        ("0.0.0.0:1025", true),
        ("[::]:1080", true),
        ("[::ffff:192.0.2.1]:1080", true),
        ("192.0.2.1:1025", true),
        ("0.0.0.0:8080", false),
        ("0.0.0.0:22", false),
    ] {
        let mut facts = facts();
        facts.listeners = Ok(vec![listening(addr)]);
        let expected = if expected { vec![("wide-bind", Severity::Exposed)] } else { vec![] };
        assert_eq!(found(&facts), expected, "{addr}");
    }
}

#[test]
fn rules_decide_how_bad_a_wide_bind_is() {
    let cases = [
        (Cover::Read { ours: vec![], others: false, others_handed_on: false }, Severity::Exposed),
        (Cover::Read { ours: vec![], others: true, others_handed_on: false }, Severity::Warning),
        (Cover::Unreadable(String::new()), Severity::Warning),
        (covered(Backend::Iptables, false), Severity::Info),
    ];
    for (cover, expected) in cases {
        let mut facts = facts();
        facts.listeners = Ok(vec![listening("0.0.0.0:1080")]);
        facts.cover = cover;
        assert_eq!(found(&facts), [("wide-bind", expected)], "{:?}", facts.cover);
    }
}

#[test]
fn the_gates_own_address_is_not_taken_for_the_catchers() {
    let mut facts = facts();
    facts.setup.gate = vec!["192.0.2.1:1080".parse().unwrap()];
    facts.setup.in_clear = facts.setup.gate.clone();
    facts.listeners = Ok(vec![listening("192.0.2.1:1080")]);
    assert_eq!(found(&facts), [("plain-http", Severity::Warning)]);
}

#[test]
fn the_holder_is_named_and_how_it_is_mended() {
    let mut facts = facts();
    facts.listeners = Ok(vec![listening("0.0.0.0:1080")]);
    let argv = ["mailcatcher", "--ip", "0.0.0.0", "--no-quit"].map(str::to_owned).to_vec();
    facts.holders = HashMap::from([(7, Process { pid: 41, argv, run_by: RunBy::Hand })]);
    let finding = &look(&facts).findings[0];
    assert!(finding.seen.contains("mailcatcher (process 41) listens on 0.0.0.0:1080"), "{}", finding.seen);
    assert_eq!(finding.mend[0], "kill 41 && mailcatcher --no-quit --ip 127.0.0.1");
    assert!(finding.mend[1].starts_with("mailwarden firewall print"));
}

#[test]
fn in_another_namespace_a_wide_bind_alone_is_no_exposure() {
    let mut facts = facts();
    let listeners = vec![listening("0.0.0.0:1080"), listening("127.0.0.1:1025")];
    facts.namespaces = vec![Namespace { pid: 5, name: "mailcatcher".to_owned(), listeners, outside: vec![] }];
    assert_eq!(found(&facts), [("other-namespace", Severity::Info)]);
    // With an address in this machine's own network it is reached past this machine.
    facts.namespaces[0].outside = vec!["192.0.2.9".parse().unwrap()];
    assert_eq!(found(&facts), [("routed-namespace", Severity::Exposed)]);
}

fn container(ip: &str, public: u16) -> Container {
    let ports = vec![Published { ip: ip.parse().unwrap(), public, private: 1080 }];
    Container { name: "mail".to_owned(), image: "sj26/mailcatcher".to_owned(), ports, ..Container::default() }
}

#[test]
fn a_published_port_is_exposed_however_it_is_seen_and_told_once() {
    let proxy =
        PortProxy { pid: 9, host: "0.0.0.0:1080".parse().unwrap(), container: "172.17.0.2:1080".parse().unwrap() };
    let forward = Forward { to: None, public: 1080, target: "172.17.0.2:1080".parse().unwrap() };
    for seen_by in 1..8 {
        let mut facts = facts();
        if seen_by & 1 != 0 {
            facts.containers = Ok(vec![container("0.0.0.0", 1080)]);
        }
        if seen_by & 2 != 0 {
            facts.proxies = vec![proxy.clone()];
            // That process is what listens.
            facts.listeners = Ok(vec![listening("0.0.0.0:1080")]);
        }
        if seen_by & 4 != 0 {
            facts.forwards = Ok(vec![forward.clone()]);
        }
        assert_eq!(found(&facts), [("published-port", Severity::Exposed)], "{seen_by}");
        facts.cover = covered(Backend::DockerUser, false);
        assert_eq!(found(&facts), [("published-port", Severity::Info)], "{seen_by}");
        // What ufw and its like do, they do elsewhere.
        facts.cover = covered(Backend::Ufw, false);
        assert_eq!(found(&facts), [("published-port", Severity::Exposed)], "{seen_by}");
    }
}

/// What a rule hands on by that number never comes to INPUT, whoever listens there too.
#[test]
fn a_listener_beside_a_forwarded_port_is_not_called_closed() {
    let mut facts = facts();
    facts.listeners = Ok(vec![listening("0.0.0.0:1080")]);
    facts.cover = covered(Backend::Iptables, false);
    facts.forwards = Ok(vec![Forward { to: None, public: 1080, target: "172.17.0.2:1080".parse().unwrap() }]);
    assert_eq!(found(&facts), [("wide-bind", Severity::Exposed), ("published-port", Severity::Exposed)]);
}

#[test]
fn a_port_that_is_turned_into_the_catchers_is_found_if_it_leads_there() {
    let mut facts = facts();
    facts.forwards = Ok(vec![Forward { to: None, public: 8081, target: "0.0.0.0:1080".parse().unwrap() }]);
    facts.listeners = Ok(vec![listening("127.0.0.1:1080")]);
    assert_eq!(found(&facts), []);
    facts.listeners = Ok(vec![listening("0.0.0.0:1080")]);
    // nftables rules look before NAT, at 8081; those of iptables after it.
    for (backend, expected) in [(Backend::Nftables, Severity::Exposed), (Backend::Iptables, Severity::Info)] {
        facts.cover = covered(backend, false);
        assert!(found(&facts).contains(&("redirected-port", expected)), "{backend}: {:?}", found(&facts));
    }
}

#[test]
fn the_gates_container_is_no_way_around_it_and_a_catcher_of_its_project_is_one() {
    let mut facts = facts();
    let mut gate = container("0.0.0.0", 1080);
    gate.image = "example.org/mailwarden:1".to_owned();
    gate.ports[0].private = 8080;
    facts.containers = Ok(vec![gate.clone()]);
    facts.proxies = vec![PortProxy {
        pid: 9,
        host: "0.0.0.0:1080".parse().unwrap(),
        container: "172.17.0.2:8080".parse().unwrap(),
    }];
    facts.forwards = Ok(vec![Forward { to: None, public: 1080, target: "172.17.0.2:8080".parse().unwrap() }]);
    assert_eq!(found(&facts), []);
    gate.image = "mailwarden-mailcatcher".to_owned();
    facts.containers = Ok(vec![gate]);
    assert_eq!(found(&facts), [("published-port", Severity::Exposed)]);
}

/// Rules like those of ufw's never see it; rules in Docker's chain may close it.
#[test]
fn only_rules_about_what_is_handed_on_make_a_published_port_uncertain() {
    for (others, others_handed_on, expected) in [(true, false, Severity::Exposed), (false, true, Severity::Warning)] {
        let mut facts = facts();
        facts.containers = Ok(vec![container("0.0.0.0", 1080)]);
        facts.cover = Cover::Read { ours: vec![], others, others_handed_on };
        assert_eq!(found(&facts), [("published-port", expected)]);
    }
}

/// Rules for Docker's chain go by the number that people use.
#[test]
fn rules_are_offered_only_for_a_port_that_they_close() {
    for (public, expected) in [(1080, true), (9999, false)] {
        let mut facts = facts();
        facts.containers = Ok(vec![container("0.0.0.0", public)]);
        let offers = |facts: &Facts| look(facts).findings[0].mend.iter().any(|line| line.contains("docker-user"));
        assert_eq!(offers(&facts), expected, "{public}");
    }
}

#[test]
fn a_port_published_on_loopback_is_none() {
    let mut facts = facts();
    facts.containers = Ok(vec![container("127.0.0.1", 1080)]);
    assert_eq!(found(&facts), []);
    // By another number it is the same mail.
    facts.containers = Ok(vec![container("0.0.0.0", 9999)]);
    assert_eq!(found(&facts), [("published-port", Severity::Exposed)]);
}

#[test]
fn other_people_on_the_machine_are_a_warning_until_loopback_is_closed_to_them() {
    let mut facts = facts();
    facts.listeners = Ok(vec![listening("127.0.0.1:1080")]);
    facts.people = Some(0);
    assert_eq!(found(&facts), []);
    facts.people = Some(3);
    assert_eq!(found(&facts), [("local-users", Severity::Warning)]);
    // The mend is not to stop this machine's own mail.
    assert!(look(&facts).findings[0].mend[0].contains("--allow-smtp-from 127.0.0.0/8"));
    facts.cover = covered(Backend::Nftables, true);
    assert_eq!(found(&facts), [("local-users", Severity::Info)]);
}

#[test]
fn a_weak_gate_is_a_warning() {
    let warning = |facts: &Facts, id| assert_eq!(found(facts), [(id, Severity::Warning)]);
    let mut plain = facts();
    plain.setup.gate = vec!["0.0.0.0:8080".parse().unwrap()];
    assert_eq!(found(&plain), [], "by TLS");
    plain.setup.in_clear = plain.setup.gate.clone();
    warning(&plain, "plain-http");
    plain.setup.redirects = true;
    assert_eq!(found(&plain), []);
    for (mode, id) in [(0o646, "users-file-writable"), (0o644, "users-file-readable")] {
        let mut file = facts();
        file.users_file = Some(UsersFile { mode: Some(mode), ..UsersFile::default() });
        warning(&file, id);
    }
    let mut file = facts();
    file.users_file = Some(UsersFile { mode: Some(0o640), ..UsersFile::default() });
    assert_eq!(found(&file), []);
    file.users_file = Some(UsersFile { lines: vec![(3, "weak".to_owned())], ..UsersFile::default() });
    warning(&file, "users-file-lines");
    let mut quit = facts();
    let process =
        |line: &str| Process { pid: 1, argv: line.split(' ').map(str::to_owned).collect(), run_by: RunBy::Hand };
    quit.catchers = ["mailcatcher", "mailcatcher --no-quit", "mailcatcher --http-port 2080"].map(process).to_vec();
    warning(&quit, "quit-possible");
    let mut other = facts();
    other.upstream = Upstream::Other("404".to_owned());
    warning(&other, "upstream-other");
    other.upstream = Upstream::Unreachable("refused".to_owned());
    warning(&other, "upstream-unreachable");
}

#[test]
fn what_the_daemon_says_is_passed_on() {
    let says = |degraded: &[&str], from_proxies| Daemon::Says {
        degraded: degraded.iter().map(|&line| line.to_owned()).collect(),
        from_proxies,
        accepted: Some(5),
    };
    let mut facts = facts();
    facts.daemon = says(&["purge: degraded since x: y"], None);
    assert_eq!(found(&facts), [("degraded", Severity::Warning)]);
    // What it says of isolation, this look knows better if it saw the rules.
    facts.daemon = says(&["isolation: degraded since x: y"], None);
    assert_eq!(found(&facts), []);
    let read = std::mem::replace(&mut facts.cover, Cover::Unreadable(String::new()));
    assert_eq!(found(&facts), [("degraded", Severity::Warning)]);
    facts.cover = read;
    facts.daemon = says(&[], Some(0));
    assert_eq!(found(&facts), []);
    facts.setup.trusted_proxies = 1;
    assert_eq!(found(&facts), [("proxy-unseen", Severity::Warning)]);
    facts.daemon = says(&[], Some(1));
    assert_eq!(found(&facts), []);
}

#[test]
fn the_worst_comes_first() {
    let mut facts = facts();
    facts.setup.gate = vec!["0.0.0.0:8080".parse().unwrap()];
    facts.setup.in_clear = facts.setup.gate.clone();
    facts.listeners = Ok(vec![listening("0.0.0.0:1080")]);
    assert_eq!(found(&facts), [("wide-bind", Severity::Exposed), ("plain-http", Severity::Warning)]);
    assert!(look(&facts).to_string().starts_with("exposed: "));
}
