//! Who reaches the catcher's ports from the network: where they are bound wider than loopback, published or handed on.

use std::net::{IpAddr, SocketAddr};

use super::super::engine::Container;
use super::super::facts::{Facts, is_loopback};
use super::super::findings::{Finding, Severity};
use super::super::mend;
use super::super::rules::{Verdict, Way};
use super::super::sockets::Listener;

pub(super) const WEB: &str = "Whoever connects there reads and deletes mail without a password.";
const MAIL: &str = "Whoever connects there fills the catcher with mail.";
const OTHER: &str =
    "It is the catcher's too: whoever connects there reads or sends mail without a password of the gate's.";

/// Why it matters who reaches a port.
pub(super) fn why(facts: &Facts, port: u16) -> &'static str {
    if port == facts.setup.smtp { MAIL } else { WEB }
}

/// Ports of the catcher that are bound wider than loopback on this machine.
pub(super) fn bound(facts: &Facts, findings: &mut Vec<Finding>) {
    let Ok(listeners) = &facts.listeners else { return };
    for listener in listeners.iter().filter(|listener| is_catchers(facts, listener) && !listener.is_loopback()) {
        let port = listener.addr.port();
        let holder = facts.holders.get(&listener.inode);
        // Published by a container's engine: judged there, where it is known what mends it.
        if facts.proxies.iter().any(|proxy| proxy.host == listener.addr) {
            continue;
        }
        let who = match holder {
            Some(process) => format!("{} (process {})", process.name(), process.pid),
            None => format!("a process of user {} (root sees which)", listener.uid),
        };
        let seen = format!("the catcher's {} port: {who} listens on {}", facts.setup.name_of(port), listener.reach());
        let is_here = [facts.setup.http, facts.setup.smtp].contains(&port);
        let firewall = if is_here { mend::FIREWALL.to_owned() } else { mend::firewall_with(port) };
        let mend = match holder {
            // It listens where it was told to when the container was made.
            Some(process) if process.is_engine() => mend::unpublish(None, is_here),
            _ => mend::bind_to_loopback(holder),
        };
        findings.push(judge(
            "wide-bind",
            if is_here { why(facts, port) } else { OTHER },
            &facts.cover.of(port, way_to(facts, port)),
            seen,
            mend.into_iter().chain([firewall]).collect(),
        ));
    }
}

/// What is handed on by the same number goes past most rules, whoever listens as well.
fn way_to(facts: &Facts, port: u16) -> Way {
    let is_handed_on = facts.forwards.iter().flatten().any(|forward| {
        forward.public == port && !forward.target.ip().is_unspecified() && !forward.to.is_some_and(is_loopback)
    });
    if is_handed_on { Way::Container } else { Way::Here }
}

pub(super) fn is_catchers(facts: &Facts, listener: &Listener) -> bool {
    facts.is_here
        && (facts.setup.ports().any(|port| port == listener.addr.port()) || is_of_catchers_process(facts, listener))
        // The gate may have the same number at another address.
        && !facts.setup.gate.contains(&listener.addr)
}

/// Whether the program that has the catcher's web port holds this one as well: mail at another port than was said, POP3.
fn is_of_catchers_process(facts: &Facts, listener: &Listener) -> bool {
    let Some(holder) = facts.holders.get(&listener.inode).filter(|holder| is_catchers_name(holder.name())) else {
        return false;
    };
    let has_web = |other: &Listener| {
        other.addr.port() == facts.setup.http
            && facts.holders.get(&other.inode).is_some_and(|one| one.pid == holder.pid)
    };
    facts.listeners.iter().flatten().any(has_web)
}

/// By what firewall rules do to it: exposed, covered, or not to be told.
pub(super) fn judge(id: &'static str, why: &str, verdict: &Verdict, seen: String, mend: Vec<String>) -> Finding {
    match verdict {
        Verdict::Open => {
            Finding::new(id, Severity::Exposed, seen, format!("{why} No firewall rule closes it.")).mended_by(mend)
        }
        Verdict::Unknown(reason) => Finding::new(
            id,
            Severity::Warning,
            seen,
            format!(
                "{why} Whether a firewall closes it could not be told ({reason}): ask from another machine, with \
                 `mailwarden doctor --from-outside`."
            ),
        )
        .mended_by(mend),
        Verdict::Closed(backend, excepted) => {
            let but = if excepted.is_empty() { String::new() } else { format!(", but for {}", excepted.join(", ")) };
            Finding::new(id, Severity::Info, seen, format!("Mailwarden's {backend} rules close it{but}."))
        }
    }
}

/// Ports of containers that the machine's addresses lead to.
pub(super) fn published(facts: &Facts, findings: &mut Vec<Finding>) {
    let ports: Vec<u16> = facts.setup.ports().collect();
    let is_ours = |public: u16, private: u16| ports.contains(&public) || ports.contains(&private);
    let mut told: Vec<SocketAddr> = Vec::new();
    for container in facts.containers.iter().flatten() {
        for port in container.ports.iter().filter(|port| is_ours(port.public, port.private) || is_catcher(container)) {
            let at = SocketAddr::new(port.ip, port.public);
            if is_loopback(port.ip) || facts.setup.gate.contains(&at) || told.contains(&at) {
                continue;
            }
            // The gate's own is remembered, too: a process or a rule that hands it on is no way around it.
            told.push(at);
            if is_gate(container) {
                continue;
            }
            let seen = format!(
                "the container {} ({}) publishes its port {} at {at}",
                container.name, container.image, port.private
            );
            findings.push(published_at(
                facts,
                at,
                port.private,
                seen,
                mend::unpublish(Some(container), ports.contains(&port.public)),
            ));
        }
    }
    let unknown = |public: u16| mend::unpublish(None, ports.contains(&public));
    for proxy in facts.proxies.iter().filter(|proxy| is_ours(proxy.host.port(), proxy.container.port())) {
        if !is_loopback(proxy.host.ip()) && !told.contains(&proxy.host) {
            told.push(proxy.host);
            let seen =
                format!("a container engine (process {}) hands {} on to {}", proxy.pid, proxy.host, proxy.container);
            findings.push(published_at(facts, proxy.host, proxy.container.port(), seen, unknown(proxy.host.port())));
        }
    }
    for forward in facts.forwards.iter().flatten().filter(|forward| is_ours(forward.public, forward.target.port())) {
        let any: IpAddr = if forward.target.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
        let at = SocketAddr::new(forward.to.unwrap_or(any), forward.public);
        if is_loopback(at.ip()) || told.contains(&at) {
            continue;
        }
        let private = forward.target.port();
        if !forward.target.ip().is_unspecified() {
            told.push(at);
            let seen = format!("a NAT rule of this machine hands {at} on to {}", forward.target);
            findings.push(published_at(facts, at, private, seen, unknown(at.port())));
        } else if redirects_to_catcher(facts, private) {
            told.push(at);
            findings.push(redirected(facts, at, private));
        }
    }
}

/// A redirect goes to the address that was asked for: what listens on loopback alone is not reached.
fn redirects_to_catcher(facts: &Facts, port: u16) -> bool {
    let reached =
        |listener: &Listener| listener.addr.port() == port && is_catchers(facts, listener) && !listener.is_loopback();
    facts.listeners.iter().flatten().any(reached)
}

fn redirected(facts: &Facts, at: SocketAddr, port: u16) -> Finding {
    let seen = format!("a NAT rule of this machine turns {at} into the catcher's port {port}");
    let verdict = match facts.cover.of(at.port(), Way::Container) {
        closed @ Verdict::Closed(..) => closed,
        _ => facts.cover.of(port, Way::Redirected),
    };
    let mend = "sudo nft -a list ruleset    # which rule it is, by `redirect`; or: sudo iptables-save -t nat";
    judge("redirected-port", why(facts, port), &verdict, seen, vec![mend.to_owned()])
}

/// A published port goes past what most firewalls look at; rules are asked for the number that people use.
fn published_at(facts: &Facts, at: SocketAddr, private: u16, seen: String, mend: Vec<String>) -> Finding {
    let why = why(facts, private);
    let verdict = facts.cover.of(at.port(), Way::Container);
    let mut finding = judge("published-port", why, &verdict, seen, mend);
    if finding.severity == Severity::Exposed {
        finding.why = format!("{why} Published ports go past the rules of ufw and its like.");
    }
    finding
}

fn is_catcher(container: &Container) -> bool {
    is_catchers_name(&container.image)
}

fn is_catchers_name(text: &str) -> bool {
    ["mailcatcher", "mailpit", "mailhog", "maildev", "smtp4dev", "mailtutan", "maildump", "inbucket"]
        .iter()
        .any(|name| text.to_ascii_lowercase().contains(name))
}

fn is_gate(container: &Container) -> bool {
    // An image that a compose project builds has the project's name, which may be this one.
    container.image.contains("mailwarden") && !is_catcher(container)
}
