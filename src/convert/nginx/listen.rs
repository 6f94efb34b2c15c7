//! Where a server listens, and under which names.

use super::servers::Server;
use crate::convert::Place;
use crate::convert::site::{Work, plain_names};
use crate::convert::tree::Directive;

/// Sets `listen`, and `hosts` where the names of the server kept others out.
pub(super) fn listen(work: &mut Work, server: &Server<'_>) {
    let mut plain: Vec<(String, Place)> = Vec::new();
    let mut tls = server.all("ssl").find(|one| one.arg(0) == "on").map(|one| one.place.clone());
    for one in server.all("listen") {
        let has = |flag: &str| one.args.iter().any(|arg| arg == flag);
        if has("ssl") {
            tls.get_or_insert_with(|| one.place.clone());
            continue;
        }
        if has("proxy_protocol") {
            work.dropped(&one.place, "listen … proxy_protocol: the PROXY protocol is not spoken; let the proxy send X-Forwarded-For, and name it in trusted_proxies");
        }
        let mut addresses = addresses(one.arg(0), !has("ipv6only=off"));
        if addresses.is_empty() {
            // The loader says why it does not take it.
            addresses.push(one.arg(0).to_owned());
        }
        plain.extend(addresses.into_iter().map(|address| (address, one.place.clone())));
    }
    // A piece of a file says nothing of where; a server without a word on it is nginx's default.
    if server.all("listen").next().is_none() && tls.is_none() && server.all("server_name").next().is_some() {
        plain.push(("0.0.0.0:80".to_owned(), server.place.clone()));
    }
    work.listen(plain, tls.as_ref());
    names(work, server);
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
