//! TLS in an nginx server: its certificate, what it asked of clients, and the other server that sent people to it.

use super::listen::entries;
use super::scope::Spot;
use super::servers::Server;
use crate::convert::Place;
use crate::convert::draft::Value;
use crate::convert::site::Work;
use crate::convert::tls::Certificate;
use crate::convert::tree::{self, Directive};

/// The certificate of a server, if its files can be told: the first, of several.
pub(super) fn certificate<'t>(server: &Server<'t>) -> Option<Certificate<'t>> {
    let spots = server.spots();
    let whole = spots.first()?;
    let (cert, key) = (whole.one("ssl_certificate")?, whole.one("ssl_certificate_key")?);
    let found = Certificate { cert: (cert.arg(0), &cert.place), key: (key.arg(0), &key.place) };
    found.can_be_told().then_some(found)
}

/// The rest of it, once it is known where the gate listens.
pub(super) fn more(work: &mut Work, main: Option<&Spot<'_>>, server: &Server<'_>) {
    proxy_protocol(work, main, server);
    let spots = server.spots();
    let Some(whole) = spots.first().filter(|_| work.speaks_tls()) else { return };
    for further in whole.held("ssl_certificate").iter().skip(1) {
        work.dropped(&further.place, "a second certificate for the same names: the first is shown to everybody");
    }
    if let Some(one) = whole.one("ssl_protocols") {
        let versions: Vec<&str> = one.args.iter().map(|arg| arg.trim_start_matches("TLSv")).collect();
        work.versions(&one.place, &versions);
    }
    if let Some(one) = whole.one("http2").filter(|one| one.arg(0) == "off") {
        work.set(&one.place, "http2", "tls.http2", Value::Bool(false));
    }
}

/// Whether the clients' certificates became keys, as far as they are asked for.
pub(super) fn verify_client(work: &mut Work, one: &Directive, spot: &Spot<'_>) {
    let ca = spot.one("ssl_client_certificate").map(|ca| ca.arg(0));
    work.clients(&one.place, ca, "/etc/nginx", one.arg(0) == "on");
}

/// `listen … proxy_protocol`, with the proxies that `set_real_ip_from` names.
fn proxy_protocol(work: &mut Work, main: Option<&Spot<'_>>, server: &Server<'_>) {
    let has = |one: &&Directive| one.args.iter().any(|arg| arg == "proxy_protocol");
    let Some(first) = server.all("listen").find(has) else { return };
    if work.draft.get("trusted_proxies").is_none() {
        return work.dropped(
            &first.place,
            "listen … proxy_protocol: from whom such a header came was not said; write trusted_proxies and proxy_protocol = \
             true, or nobody is answered",
        );
    }
    work.set(&first.place, "proxy_protocol", "proxy_protocol", Value::Bool(true));
    let uses_it = main.and_then(|main| main.one("real_ip_header")).is_some_and(|one| one.arg(0) == "proxy_protocol");
    if !uses_it {
        work.changed(
            &first.place,
            "the PROXY header now says who the client is; real_ip_header proxy_protocol did not",
        );
    }
    for other in server.all("listen").filter(|one| !has(one)) {
        work.changed(
            &other.place,
            "proxy_protocol is for every entry of listen: here, too, connections of trusted_proxies begin with a header",
        );
    }
}

/// Another server that sends everybody to https, under one of the names of this one, becomes an entry in clear text.
pub(super) fn redirects(work: &mut Work, server: &Server<'_>) {
    if !work.speaks_tls() {
        return;
    }
    let has_a_name = |other: &Directive| {
        let names = || other.inside().iter().filter(|one| one.name == "server_name").flat_map(|one| &one.args);
        names().next().is_none() || names().any(|name| name == "_" || server.names().any(|own| own == name))
    };
    for other in server.others.iter().filter(|other| has_a_name(other)) {
        let Some((place, target)) = target(other) else { continue };
        let host = target.trim_start_matches("https://").split(['/', ':', '?']).next().unwrap_or_default();
        if !host.starts_with('$') && !server.names().any(|own| host.strip_prefix(own).is_some_and(is_over)) {
            continue;
        }
        let plain: Vec<(String, Place)> = entries(other.inside(), false)
            .into_iter()
            .filter(|(address, _)| !address.starts_with("https://"))
            .collect();
        let usual = vec![("0.0.0.0:80".to_owned(), other.place.clone())];
        let listens = other.inside().iter().any(|one| one.name == "listen");
        work.listen_also(if listens { plain } else { usual });
        work.redirect(&place, &target);
        let challenge =
            |one: &&Directive| one.name == "location" && one.args.iter().any(|arg| arg.contains("acme-challenge"));
        if let Some(one) = other.inside().iter().find(challenge) {
            work.changed(
                &one.place,
                "no files are served: have the certificate renewed by DNS, or by what answers on port 80 in the gate's place",
            );
        }
    }
}

/// Whether what follows a name in an address is not more of it.
fn is_over(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('$')
}

/// Where a server sends everybody, if that is all it does: by itself, in `location /`, or by certbot's `if`.
fn target(other: &Directive) -> Option<(Place, String)> {
    let forwards = tree::all(other.inside()).into_iter().any(|one| one.name.ends_with("_pass"));
    let blocks = other.inside().iter().filter(|one| match one.name.as_str() {
        "location" => matches!(one.args.last().map(String::as_str), Some("/")),
        "if" => true,
        _ => false,
    });
    let inside = std::iter::once(other.inside()).chain(blocks.map(Directive::inside)).flatten();
    let sent = |one: &Directive| match (one.name.as_str(), one.arg(0)) {
        ("return", code @ ("301" | "302" | "303" | "307" | "308")) if !code.is_empty() => Some(one.arg(1).to_owned()),
        ("return", url) if url.starts_with("https://") => Some(url.to_owned()),
        ("rewrite", _) => Some(one.arg(1).to_owned()),
        _ => None,
    };
    let mut found = inside.filter_map(|one| Some((one.place.clone(), sent(one)?)));
    found.find(|(_, target)| target.starts_with("https://")).filter(|_| !forwards)
}
