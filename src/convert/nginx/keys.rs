//! The keys that have a directive each: where the catcher is, sizes, times, logs, proxies in front.

use super::scope::Spot;
use super::servers::Server;
use crate::convert::site::{self, Work};
use crate::convert::tree::Directive;
use crate::convert::{Fault, Place};

/// The longest body that the gate takes, in bytes.
const LONGEST_BODY: u64 = 1 << 30;
/// Above it a wait was set for WebSockets, in milliseconds.
const LONGEST_ANSWER: u64 = 300_000;

/// Sets where the catcher is.
pub(super) fn upstream(work: &mut Work, server: &Server<'_>, main: Option<&Spot<'_>>) -> Result<(), Fault> {
    let Some((spot, (pass, target))) = main.and_then(|spot| Some((spot, spot.pass.as_ref()?))) else {
        return Err(Fault::new(&server.place, "nothing is forwarded here"));
    };
    let outside = spot.prefix().unwrap_or("/");
    let is_cut = spot.held("rewrite").iter().any(|one| one.args.last().is_some_and(|flag| flag == "break"));
    let mut target = target.clone();
    if is_cut && target.path.is_none() && !outside.trim_end_matches('/').is_empty() {
        target.path = Some("/".to_owned());
    }
    if target.is_tls {
        return Err(Fault::new(
            &pass.place,
            "proxy_pass goes to https, which is not spoken to the catcher; let it offer http on a private way",
        ));
    }
    if !work.upstream(&pass.place, &target, outside) {
        let reason = format!("{} is no address that upstream.url takes; write it as http://HOST:PORT", target.origin());
        return Err(Fault::new(&pass.place, reason));
    }
    let named = |one: &&&Directive| pass.arg(0).contains(one.arg(0));
    if let Some(upstream) = server.upstreams.iter().find(named) {
        let members: Vec<&Directive> = upstream.inside().iter().filter(|one| one.name == "server").collect();
        for further in members.iter().skip(1) {
            work.wrong(&further.place, "a second server: each catcher has its own mail, so people saw now these, now those; the first is taken");
        }
    }
    Ok(())
}

/// Sets the keys of which each is one directive.
pub(super) fn plain(work: &mut Work, main: Option<&Spot<'_>>) {
    let Some(spot) = main else { return };
    if let Some(one) = spot.one("client_max_body_size") {
        body(work, one);
    }
    time(work, spot, "keepalive_timeout", "timeouts.keep_alive", 75_000);
    time(work, spot, "client_header_timeout", "timeouts.request_head", 60_000);
    time(work, spot, "client_body_timeout", "timeouts.request_body", 60_000);
    time(work, spot, "proxy_connect_timeout", "timeouts.upstream_connect", 10_000);
    time(work, spot, "send_timeout", "timeouts.send", 300_000);
    if let Some(one) = spot.one("proxy_read_timeout") {
        match millis(one.arg(0)) {
            Some(long) if long > LONGEST_ANSWER => {} // for WebSockets; those are not cut here
            _ => time(work, spot, "proxy_read_timeout", "timeouts.upstream_answer", 60_000),
        }
    }
    proxies(work, spot);
    log(work, spot);
}

fn body(work: &mut Work, one: &Directive) {
    let bytes = match bytes(one.arg(0)) {
        Some(0) => {
            work.changed(&one.place, "client_max_body_size 0 was no limit; the longest body is 1GiB here");
            LONGEST_BODY
        }
        Some(bytes) if bytes > LONGEST_BODY => {
            work.changed(&one.place, "client_max_body_size: the longest body is 1GiB here");
            LONGEST_BODY
        }
        Some(bytes) => bytes,
        None => return work.dropped(&one.place, "client_max_body_size: is no size"),
    };
    if bytes != 1 << 20 {
        work.set(&one.place, "client_max_body_size", "limits.body", site::size(bytes));
    }
}

fn time(work: &mut Work, spot: &Spot<'_>, name: &str, key: &'static str, default: u64) {
    let Some(one) = spot.one(name) else { return };
    match millis(one.arg(0)) {
        Some(0) => work.dropped(&one.place, format!("{name} 0: {key} has its default, {}", site::duration(default))),
        Some(millis) if millis == default => {}
        Some(millis) => {
            work.set(&one.place, name, key, site::duration(millis));
        }
        None => work.dropped(&one.place, format!("{name}: is no time")),
    }
}

/// `set_real_ip_from`, which means `X-Forwarded-For` only if `real_ip_header` says so.
fn proxies(work: &mut Work, spot: &Spot<'_>) {
    let from = spot.held("set_real_ip_from");
    let Some(first) = from.first() else { return };
    let header = spot.one("real_ip_header");
    let place = header.map_or(&first.place, |one| &one.place);
    let name = header.map_or("X-Real-IP", |one| one.arg(0));
    if name != "proxy_protocol" && !name.eq_ignore_ascii_case("X-Forwarded-For") {
        work.changed(place, format!("the proxy in front said by {name} who the client is; here only X-Forwarded-For is read: let it send that"));
    }
    for one in from {
        let who = match one.arg(0) {
            "unix:" => "unix",
            other => other,
        };
        work.trust(&one.place, who);
    }
}

fn log(work: &mut Work, spot: &Spot<'_>) {
    let Some(one) = spot.one("access_log") else { return };
    match (one.arg(0), one.arg(1)) {
        ("off", _) => {
            work.set(&one.place, "access_log", "log.access", super::super::draft::Value::Bool(false));
        }
        (_, format) => {
            if matches!(format, "" | "combined") || format.contains('=') {
                work.set(&one.place, "access_log", "log.format", "combined");
            }
            work.changed(
                &one.place,
                "access_log: the access log goes to standard output, so to the journal or the container's log",
            );
        }
    }
}

/// nginx's times: seconds, or numbers with units, in milliseconds.
pub(super) fn millis(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit: u64 = match rest.get(..letters)? {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "M" => 30 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return None,
        };
        rest = rest.get(letters..)?.trim_start();
        sum = sum.checked_add(number.checked_mul(unit)?)?;
    }
    (!text.is_empty()).then_some(sum)
}

/// nginx's sizes, in bytes.
fn bytes(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let unit: u64 = match unit {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Where something of the catcher's location stands, else the server.
pub(super) fn place(spot: &Spot<'_>, server: &Server<'_>) -> Place {
    match (&spot.pass, spot.location) {
        (Some((pass, _)), _) => pass.place.clone(),
        (None, Some(location)) => location.place.clone(),
        (None, None) => server.place.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_nginx_s() {
        for (text, expected) in [
            ("75", Some(75_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1d", Some(86_400_000)),
            ("", None),
            ("x", None),
            ("5x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
        for (text, expected) in [("1m", Some(1 << 20)), ("8k", Some(8192)), ("12", Some(12)), ("m", None), ("1t", None)]
        {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }
}
