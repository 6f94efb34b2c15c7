//! TLS in an Apache virtual host: its certificate, what it asked of clients, and the other host that sent people to it.

use super::hosts::{Host, addresses};
use crate::convert::Place;
use crate::convert::draft::Value;
use crate::convert::site::Work;
use crate::convert::tls::Certificate;
use crate::convert::tree::{self, Directive};

/// The certificate of a virtual host, if its files can be told: the first, of several. The key may be in the same file.
pub(super) fn certificate<'t>(host: &Host<'t>) -> Option<Certificate<'t>> {
    let cert = host.held("sslcertificatefile").first().copied()?;
    let key = host.held("sslcertificatekeyfile").first().copied().unwrap_or(cert);
    let found = Certificate { cert: (cert.arg(0), &cert.place), key: (key.arg(0), &key.place) };
    found.can_be_told().then_some(found)
}

/// The rest of it, once it is known where the gate listens.
pub(super) fn more(work: &mut Work, host: &Host<'_>) {
    proxy_protocol(work, host);
    if !work.speaks_tls() {
        return;
    }
    for further in host.held("sslcertificatefile").iter().skip(1) {
        work.dropped(&further.place, "a second certificate for the same names: the first is shown to everybody");
    }
    if let Some(one) = host.held("sslcertificatechainfile").first() {
        work.changed(
            &one.place,
            "SSLCertificateChainFile: here the chain stands in the file of the certificate, behind it; write both into one",
        );
    }
    if let Some(one) = host.held("sslprotocol").first() {
        work.versions(&one.place, &versions(one));
    }
}

/// What `SSLProtocol` leaves: names, with `+` and `-` and `all`.
fn versions(one: &Directive) -> Vec<&'static str> {
    const ALL: [(&str, &str); 4] = [("tlsv1", "1.0"), ("tlsv1.1", "1.1"), ("tlsv1.2", "1.2"), ("tlsv1.3", "1.3")];
    let mut left: Vec<&str> = Vec::new();
    for arg in &one.args {
        let name = arg.trim_start_matches(['+', '-']).to_ascii_lowercase();
        let named = ALL.iter().filter(|(own, _)| name == "all" || name == *own).map(|(_, version)| *version);
        if arg.starts_with('-') {
            let named: Vec<&str> = named.collect();
            left.retain(|version| !named.contains(version));
        } else {
            left.extend(named);
        }
    }
    left
}

/// Certificates that clients were asked for.
pub(super) fn verify_client(work: &mut Work, one: &Directive, host: &Host<'_>) {
    let ca = host.held("sslcacertificatefile").first().map(|ca| ca.arg(0));
    work.clients(&one.place, ca, "/etc/apache2", one.arg(0).eq_ignore_ascii_case("require"));
}

/// `RemoteIPProxyProtocol`, which believes everybody: here only those that are trusted.
fn proxy_protocol(work: &mut Work, host: &Host<'_>) {
    let on = |one: &&Directive| one.arg(0).eq_ignore_ascii_case("on");
    let Some(one) = host.held("remoteipproxyprotocol").into_iter().find(on) else { return };
    if work.draft.get("trusted_proxies").is_none() {
        return work.dropped(
            &one.place,
            "RemoteIPProxyProtocol: from whom such a header came was not said; write trusted_proxies and proxy_protocol = \
             true, or nobody is answered",
        );
    }
    work.set(&one.place, "RemoteIPProxyProtocol", "proxy_protocol", Value::Bool(true));
    for exception in host.held("remoteipproxyprotocolexceptions") {
        work.dropped(
            &exception.place,
            "RemoteIPProxyProtocolExceptions: whoever is not in trusted_proxies sends no header",
        );
    }
}

/// Another virtual host that sends everybody to https, under one of the names of this one, becomes an entry in clear text.
pub(super) fn redirects(work: &mut Work, host: &Host<'_>) {
    if !work.speaks_tls() {
        return;
    }
    let others = host.tree.iter().filter(|one| one.name == "virtualhost");
    for other in others.filter(|other| host.block.is_none_or(|own| !std::ptr::eq(own, *other))) {
        let names: Vec<&str> = (other.inside().iter())
            .filter(|one| matches!(one.name.as_str(), "servername" | "serveralias"))
            .flat_map(|one| one.args.iter().map(String::as_str))
            .collect();
        let is_tls = other.inside().iter().any(|one| one.name == "sslengine");
        let has_a_name = names.is_empty() || names.iter().any(|name| host.names().any(|own| own == *name));
        let Some((place, target)) = target(other, host).filter(|_| has_a_name && !is_tls) else { continue };
        work.listen_also(addresses(other, host.tree));
        work.redirect(&place, target);
    }
}

/// Where a virtual host sends everybody, if that is this one and all that it does.
fn target<'t>(other: &'t Directive, host: &Host<'_>) -> Option<(Place, &'t str)> {
    let inside = tree::all(other.inside());
    let forwards = inside.iter().any(|one| one.name.starts_with("proxypass"));
    let found = inside.into_iter().find_map(|one| match one.name.as_str() {
        // Redirect [status] / URL
        "redirect" | "redirectpermanent" | "redirecttemp" => {
            let from = one.args.iter().rev().nth(1)?;
            one.args.last().filter(|_| from == "/").map(|to| (one, to.as_str()))
        }
        "rewriterule" => Some((one, one.arg(1))),
        _ => None,
    });
    let (one, to) = found.filter(|_| !forwards)?;
    let name = to.strip_prefix("https://")?.split(['/', ':']).next().unwrap_or_default();
    let is_ours = name.starts_with("%{") || host.names().any(|own| own == name);
    is_ours.then(|| (one.place.clone(), to))
}
