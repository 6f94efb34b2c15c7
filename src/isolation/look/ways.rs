//! Ways to the catcher past its ports: from loopback, by people on this machine and by neighbours; into other network
//! namespaces; and what may be one and could not be told.

use super::super::facts::Facts;
use super::super::findings::{Finding, Severity};
use super::super::mend;
use super::super::routes;
use super::super::rules::Way;
use super::super::sockets::Listener;
use super::ports::{WEB, is_catchers, judge, why};

/// What is sent to 127.0.0.1 by a neighbour, and taken.
pub(super) fn localnet(facts: &Facts, findings: &mut Vec<Finding>) {
    // Their own containers' networks have it for some engines.
    let outer: Vec<&str> = facts.localnet.iter().map(String::as_str).filter(|name| !routes::is_engines(name)).collect();
    let Some(first) = outer.first() else { return };
    let on_loopback = |listener: &&Listener| listener.addr.ip().to_canonical().is_ipv4() && listener.is_loopback();
    for listener in facts.listeners.iter().flatten().filter(|one| is_catchers(facts, one)).filter(on_loopback) {
        let port = listener.addr.port();
        let seen = format!(
            "127.0.0.1:{port}, the catcher's {} port, takes what neighbours send to it: route_localnet is on for {}",
            facts.setup.name_of(port),
            outer.join(", ")
        );
        let mend = [format!("sudo sysctl -w net.ipv4.conf.{first}.route_localnet=0"), mend::FIREWALL.to_owned()];
        let verdict = facts.cover.of(port, Way::Here);
        findings.push(judge("route-localnet", why(facts, port), &verdict, seen, mend.to_vec()));
    }
}

/// What may lead to the catcher, and is not understood: the ports of engines whose processes do not say where to, and rules.
pub(super) fn untold(facts: &Facts, findings: &mut Vec<Finding>) {
    let why = "Whether it leads to the catcher could not be told: ask from another machine, with `mailwarden doctor --from-outside \
        --upstream http://127.0.0.1:PORT`.";
    // Somewhere a catcher must be that it could lead to.
    if !facts.namespaces.is_empty() {
        for listener in facts.listeners.iter().flatten().filter(|one| !one.is_loopback() && !is_catchers(facts, one)) {
            let is_known = facts.proxies.iter().any(|proxy| proxy.host == listener.addr)
                || facts.setup.gate.iter().any(|gate| gate.port() == listener.addr.port())
                || facts
                    .containers
                    .iter()
                    .flatten()
                    .flat_map(|container| &container.ports)
                    .any(|port| port.public == listener.addr.port());
            let Some(engine) = facts.holders.get(&listener.inode).filter(|one| !is_known && one.is_engine()) else {
                continue;
            };
            let seen = format!("{} (process {}) hands {} on to a container", engine.name(), engine.pid, listener.addr);
            findings.push(
                Finding::new("engine-port", Severity::Warning, seen, why)
                    .mended_by(["podman ps    # or docker ps, as the user whose containers they are"]),
            );
        }
    }
    if let Some(first) = facts.unread.first() {
        let seen = match facts.unread.len() {
            1 => format!("a NAT rule that is not understood here may be about the catcher's port: {first}"),
            count => {
                format!("{count} NAT rules that are not understood here may be about the catcher's port, as {first}")
            }
        };
        findings.push(
            Finding::new("nat-unread", Severity::Warning, seen, why)
                .mended_by(["sudo nft -a list ruleset    # or: sudo iptables-save -t nat"]),
        );
    }
}

/// A wide bind in another network namespace: what counts there is whether a port is published, or a route leads in.
pub(super) fn elsewhere(facts: &Facts, findings: &mut Vec<Finding>) {
    for namespace in &facts.namespaces {
        for listener in namespace.listeners.iter().filter(|listener| !listener.is_loopback()) {
            let port = listener.addr.port();
            let seen = format!(
                "in another network namespace, that of {} (process {}), something listens on {}",
                mend::word(&namespace.name),
                namespace.pid,
                listener.reach()
            );
            // An address that it has bound, or any.
            let bound = listener.addr.ip().to_canonical();
            let reached = namespace.outside.iter().find(|ip| bound.is_unspecified() || bound == **ip);
            if let Some(ip) = reached {
                let why = format!(
                    "{} Its address {ip} is in a network of this machine's: it is reached there directly, past this machine's \
                     firewall.",
                    why(facts, port)
                );
                let mend = format!(
                    "nsenter --target {} --net    # and close it there, or give it a network of its own",
                    namespace.pid
                );
                findings.push(Finding::new("routed-namespace", Severity::Exposed, seen, why).mended_by([mend]));
                continue;
            }
            let why = format!(
                "In a container that is usual. Its {} port is reached by whoever shares a network with it or has a route there; \
                 a port that is published is told apart.",
                facts.setup.name_of(port)
            );
            findings.push(Finding::new("other-namespace", Severity::Info, seen, why));
        }
    }
}

/// Loopback is not isolation on a shared server.
pub(super) fn local_users(facts: &Facts, findings: &mut Vec<Finding>) {
    let (Some(people), Ok(listeners)) = (facts.people, &facts.listeners) else { return };
    let http = facts.setup.http;
    if !listeners.iter().any(|listener| listener.addr.port() == http && is_catchers(facts, listener)) {
        return;
    }
    if facts.cover.closes_to_users(http) {
        let why = "Mailwarden's rules close loopback by user.";
        findings.push(Finding::new("local-users", Severity::Info, format!("port {http} on loopback"), why));
    } else if people > 0 {
        let seen = match people {
            1 => format!("one account of this machine, other than root, can log in, and reaches 127.0.0.1:{http}"),
            _ => {
                format!("{people} accounts of this machine, other than root, can log in; each reaches 127.0.0.1:{http}")
            }
        };
        let why = format!("{WEB} Loopback keeps other machines out, not other users of this one.");
        let mend = "mailwarden firewall print --backend nftables --local-users --allow-smtp-from 127.0.0.0/8 | sudo nft -f -    \
            # with the options that you gave before";
        findings.push(Finding::new("local-users", Severity::Warning, seen, why).mended_by([mend]));
    }
}
