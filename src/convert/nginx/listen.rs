//! Where a server listens, and under which names.

use super::servers::Server;
use super::tls;
use crate::convert::Place;
use crate::convert::site::{Work, plain_names};
use crate::convert::tree::Directive;

/// Sets `listen`, and `hosts` where the names of the server kept others out.
pub(super) fn listen(work: &mut Work, server: &Server<'_>) {
    let whole = server.all("ssl").any(|one| one.arg(0) == "on");
    let entries = entries(server.own(), whole);
    for one in server.all("listen").filter(|one| is_quic(one)) {
        work.dropped(&one.place, "listen … quic: HTTP/3 is not spoken; browsers take HTTP/2");
    }
    let is_https = |(address, _): &&(String, Place)| address.starts_with("https://");
    let first = entries.iter().find(is_https).map(|(_, place)| place.clone());
    match (first, tls::certificate(server)) {
        (Some(place), None) => work.behind_what_speaks_tls(&place),
        (Some(place), Some(certificate)) => {
            work.listen(entries);
            match work.speaks_tls() {
                true => work.certificate(&certificate, "/etc/nginx"),
                false => work.behind_what_speaks_tls(&place),
            }
        }
        // A piece of a file says nothing of where; a server without a word on it is nginx's default.
        (None, _) if entries.is_empty() && server.all("server_name").next().is_some() => {
            work.listen(vec![("0.0.0.0:80".to_owned(), server.place.clone())]);
        }
        (None, _) => work.listen(entries),
    }
    names(work, server);
}

fn is_quic(one: &Directive) -> bool {
    one.args.iter().any(|arg| arg == "quic")
}

/// Where a server listens, as entries of ours. `tls`: all of it by TLS.
pub(super) fn entries(own: &[Directive], tls: bool) -> Vec<(String, Place)> {
    let mut found = Vec::new();
    for one in own.iter().filter(|one| one.name == "listen" && !is_quic(one)) {
        let has = |flag: &str| one.args.iter().any(|arg| arg == flag);
        let mut addresses = addresses(one.arg(0), !has("ipv6only=off"));
        if addresses.is_empty() {
            // The loader says why it does not take it.
            addresses.push(one.arg(0).to_owned());
        }
        let scheme = if tls || has("ssl") { "https://" } else { "" };
        found.extend(addresses.into_iter().map(|address| (format!("{scheme}{address}"), one.place.clone())));
    }
    found
}

/// `listen`'s first argument as addresses of ours.
fn addresses(text: &str, ipv6_only: bool) -> Vec<String> {
    if text.starts_with("unix:") {
        return vec![text.to_owned()];
    }
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    if is_port(text) {
        return vec![format!("0.0.0.0:{text}")];
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if is_port(port) && !text.ends_with(']') => (host, port),
        Some(_) if !text.ends_with(']') => return Vec::new(),
        _ => (text, "80"),
    };
    match host {
        "*" => vec![format!("0.0.0.0:{port}")],
        "localhost" => vec![format!("127.0.0.1:{port}")],
        "[::]" if !ipv6_only => vec![format!("0.0.0.0:{port}"), format!("[::]:{port}")],
        _ => vec![format!("{host}:{port}")],
    }
}

/// The names of a server choose between servers. They keep somebody out only where another one gets what they do not match.
fn names(work: &mut Work, server: &Server<'_>) {
    let Some(first) = server.all("server_name").next() else { return };
    let is_default = |listen: &Directive| listen.args.iter().any(|arg| arg == "default_server" || arg == "default");
    let own: Vec<&str> = server.all("listen").map(|listen| listen.arg(0)).collect();
    let shares = |other: &Directive| {
        other.inside().iter().filter(|one| one.name == "listen" && own.contains(&one.arg(0))).any(|one| {
            is_default(one) || (other.place.file == server.place.file && other.place.line < server.place.line)
        })
    };
    let others_get_the_rest = !server.all("listen").any(is_default) && server.others.iter().any(|other| shares(other));
    if !others_get_the_rest {
        return;
    }
    let names = plain_names(server.names());
    if names.len() == server.names().filter(|name| *name != "localhost").count() && !names.is_empty() {
        work.set(&first.place, "server_name", "hosts", crate::convert::draft::Value::List(names));
        work.changed(&first.place, "other names were answered by another server: the result refuses them, by hosts");
    } else {
        work.dropped(
            &first.place,
            "server_name has names that hosts does not take (patterns, addresses): any name will do",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_nginx_means() {
        let table: [(&str, &[&str]); 10] = [
            ("8080", &["0.0.0.0:8080"]),
            ("*:8080", &["0.0.0.0:8080"]),
            ("127.0.0.1", &["127.0.0.1:80"]),
            ("127.0.0.1:8080", &["127.0.0.1:8080"]),
            ("[::]:8080", &["[::]:8080"]),
            ("[::1]", &["[::1]:80"]),
            ("localhost:81", &["127.0.0.1:81"]),
            ("unix:/run/x.sock", &["unix:/run/x.sock"]),
            ("${PORT}", &["${PORT}:80"]),
            ("a:b", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(addresses(text, true), expected, "{text}");
        }
        assert_eq!(addresses("[::]:80", false), ["0.0.0.0:80", "[::]:80"]);
    }
}
