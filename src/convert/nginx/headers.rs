//! What was wrong with the headers that the catcher got: live updates that were dead, a `Host` that was not the browser's.

use super::keys::{millis, place};
use super::scope::Spot;
use super::servers::Server;
use crate::convert::site::Work;
use crate::convert::tree::{self, Directive};

/// How long nginx waits for an idle WebSocket if nobody says, in milliseconds.
const DEFAULT_WAIT: u64 = 60_000;
/// How short a wait cuts the socket of a page that people leave open, in milliseconds.
const SHORT_WAIT: u64 = 600_000;

/// Tells why the list of mails did not update by itself.
pub(super) fn live_updates(work: &mut Work, main: Option<&Spot<'_>>, spots: &[Spot<'_>], server: &Server<'_>) {
    let Some((main, target)) = main.and_then(|main| Some((main, &main.pass.as_ref()?.1))) else { return };
    // A location of its own for the socket counts: MailCatcher's is /messages.
    let twins = spots.iter().filter(|spot| spot.forwards_to(target));
    let Some(spot) = twins.clone().find(|spot| upgrade(spot).is_some()) else {
        return work
            .wrong(&place(main, server), "no Upgrade and Connection headers: live updates were dead; they work now");
    };
    let at = upgrade(spot).map_or_else(|| place(spot, server), |one| one.place.clone());
    match header(spot, "Connection") {
        None => return work.wrong(&at, "Upgrade without the Connection header: live updates were dead; they work now"),
        Some(one) if !upgrades(one.arg(1), server) => {
            return work.wrong(
                &one.place,
                "the Connection header does not say upgrade: live updates were dead; they work now",
            );
        }
        Some(_) => {}
    }
    if spot.one("proxy_http_version").is_none_or(|one| one.arg(0) == "1.0") {
        work.wrong(&at, "no proxy_http_version 1.1: before nginx 1.29.7 live updates were dead; they work now");
    }
    let wait = spot.one("proxy_read_timeout");
    let millis = wait.map_or(Some(DEFAULT_WAIT), |one| millis(one.arg(0)));
    if millis.is_some_and(|millis| millis <= SHORT_WAIT) {
        let at = wait.map_or(at, |one| one.place.clone());
        let text = match wait {
            Some(one) => format!("proxy_read_timeout {}", one.arg(0)),
            None => "proxy_read_timeout is 60s if nobody sets it, and".to_owned(),
        };
        work.wrong(&at, format!("{text} cut live updates when no mail came for that long; nothing cuts them now"));
    }
}

fn header<'t>(spot: &Spot<'t>, name: &str) -> Option<&'t Directive> {
    spot.held("proxy_set_header").into_iter().find(|one| one.arg(0).eq_ignore_ascii_case(name))
}

fn upgrade<'t>(spot: &Spot<'t>) -> Option<&'t Directive> {
    header(spot, "Upgrade").filter(|one| !one.arg(1).is_empty())
}

/// Whether a value of `Connection` can say upgrade; a variable that no map of this file makes is believed.
fn upgrades(value: &str, server: &Server<'_>) -> bool {
    let Some(name) = value.strip_prefix('$') else { return value.to_ascii_lowercase().contains("upgrade") };
    let name = name.trim_start_matches('{').trim_end_matches('}');
    if name == "http_connection" {
        return true;
    }
    let is_it = |one: &&Directive| one.name == "map" && one.arg(1).trim_start_matches('$') == name;
    tree::all(server.tree)
        .into_iter()
        .find(is_it)
        .is_none_or(|map| map.inside().iter().any(|row| row.arg(0).to_ascii_lowercase().contains("upgrade")))
}

/// Tells where the catcher did not get the `Host` of the browser: MailCatcher compares it with the page's address and refuses.
pub(super) fn host(work: &mut Work, main: Option<&Spot<'_>>, server: &Server<'_>) {
    let Some(spot) = main else { return };
    let Some(one) = header(spot, "Host") else {
        return work.wrong(
            &place(spot, server),
            "no Host header: the catcher got its own address for a name, and its links and its check of where a request \
             comes from were wrong; Host is kept now",
        );
    };
    match one.arg(1).trim_matches(['{', '}']) {
        "$host" | "${host" | "$server_name" | "$hostname" => {
            let usual = |listen: &Directive| matches!(listen.arg(0).rsplit(':').next(), Some("80" | "443"));
            let has_other = server.all("listen").any(|listen| !usual(listen) && !listen.arg(0).starts_with("unix:"));
            if has_other {
                work.wrong(&one.place, format!("Host {} has no port, so the catcher took its own page for another site's; Host is kept with its port now", one.arg(1)));
            }
        }
        "$http_host" => {}
        value if value.starts_with("$host:") || value.starts_with("$http_") => {}
        _ => work.wrong(&one.place, "Host is not the name that people ask for; it is now"),
    }
}
