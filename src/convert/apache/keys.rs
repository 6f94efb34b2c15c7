//! The keys that have a directive each, and what was wrong with what was forwarded.

use super::hosts::Host;
use crate::convert::Fault;
use crate::convert::site::{self, Work};
use crate::convert::tree::{self, Directive};

/// The longest body that the gate takes, in bytes.
const LONGEST_BODY: u64 = 1 << 30;

/// Sets where the catcher is.
pub(super) fn upstream(work: &mut Work, host: &Host<'_>) -> Result<(), Fault> {
    let Some(pass) = host.main() else { return Err(Fault::new(&host.place, "nothing is forwarded here")) };
    let place = &pass.directive.place;
    if pass.target.is_tls {
        return Err(Fault::new(
            place,
            "it goes to https, which is not spoken to the catcher; let it offer http on a private way",
        ));
    }
    // Apache puts what follows the path behind the URL as it is: without one the path is gone, too.
    let mut target = pass.target.clone();
    target.path = target.path.or(Some("/".to_owned()));
    if !work.upstream(place, &target, &pass.outside) {
        return Err(Fault::new(place, format!("{} is no address that upstream.url takes", target.origin())));
    }
    for balancer in
        tree::all(host.tree).into_iter().filter(|one| one.name == "proxy" && one.arg(0).starts_with("balancer://"))
    {
        for further in balancer.inside().iter().filter(|one| one.name == "balancermember").skip(1) {
            work.wrong(&further.place, "a second server: each catcher has its own mail, so people saw now these, now those; the first is taken");
        }
    }
    Ok(())
}

/// Sets the keys of which each is one directive.
pub(super) fn plain(work: &mut Work, host: &Host<'_>) {
    if let Some(one) = host.held("limitrequestbody").first() {
        match one.arg(0).parse::<u64>() {
            Ok(0) => {}
            Ok(bytes) => {
                work.set(&one.place, "LimitRequestBody", "limits.body", site::size(bytes.min(LONGEST_BODY)));
            }
            Err(_) => work.dropped(&one.place, "LimitRequestBody: is no number"),
        }
    }
    time(work, host, "keepalivetimeout", "KeepAliveTimeout", "timeouts.keep_alive");
    time(work, host, "proxytimeout", "ProxyTimeout", "timeouts.upstream_answer");
    let proxies = ["remoteiptrustedproxy", "remoteipinternalproxy"].iter().flat_map(|name| host.held(name));
    let mut is_first = true;
    for one in proxies {
        for who in &one.args {
            work.trust(&one.place, who);
        }
        let header = host.held("remoteipheader");
        let is_for = header.first().is_some_and(|one| one.arg(0).eq_ignore_ascii_case("X-Forwarded-For"));
        let by_header = host.held("remoteipproxyprotocol").iter().any(|one| one.arg(0).eq_ignore_ascii_case("on"));
        if is_first && !is_for && !by_header {
            work.changed(&one.place, "only X-Forwarded-For is read here: let the proxy in front send that");
        }
        is_first = false;
    }
    if let Some(one) = host.held("customlog").first() {
        if matches!(one.arg(1), "combined" | "common" | "vhost_combined") {
            work.set(&one.place, "CustomLog", "log.format", "combined");
        }
        work.changed(
            &one.place,
            "CustomLog: the access log goes to standard output, so to the journal or the container's log",
        );
    }
}

/// Apache's times: seconds, or a number with a unit.
fn time(work: &mut Work, host: &Host<'_>, name: &str, shown: &str, key: &'static str) {
    let held = host.held(name);
    let Some(one) = held.first() else { return };
    match millis(one.arg(0)) {
        Some(0) | None => work.dropped(&one.place, format!("{shown}: {key} has its default")),
        // Over 300 s it was for WebSockets, which are not cut here.
        Some(long) if key == "timeouts.upstream_answer" && long > 300_000 => {}
        Some(millis) => {
            work.set(&one.place, shown, key, site::duration(millis));
        }
    }
}

fn millis(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "ms" => 1,
        "" | "s" => 1_000,
        "mi" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Tells what did not do what people want from it.
pub(super) fn wrong(work: &mut Work, host: &Host<'_>) {
    let Some(main) = host.main() else { return };
    let place = &main.directive.place;
    let same = || host.passes.iter().filter(|pass| pass.target.is_same(&main.target));
    if !same().any(|pass| pass.upgrades) {
        work.wrong(place, "no upgrade=websocket and no rule for ws://: live updates were dead; they work now");
    } else if let Some((index, late)) =
        same().enumerate().find(|(_, pass)| pass.upgrades && pass.directive.name == "proxypass")
        && same()
            .take(index)
            .any(|before| before.directive.name == "proxypass" && covers(&before.outside, &late.outside))
    {
        work.wrong(&late.directive.place, "an earlier ProxyPass takes its path, the first one that matches wins: live updates were dead; they work now");
    }
    let keeps_host = |one: &&Directive| one.name == "proxypreservehost" && one.arg(0).eq_ignore_ascii_case("on");
    if !tree::all(host.own).iter().any(keeps_host) && !host.tree.iter().any(|one| keeps_host(&one)) {
        work.wrong(
            place,
            "no ProxyPreserveHost On: the catcher got its own address for a name, and its links and its check of where a \
             request comes from were wrong; Host is kept now",
        );
    }
    if let Some(one) = host.held("proxyrequests").iter().find(|one| one.arg(0).eq_ignore_ascii_case("on")) {
        work.wrong(
            &one.place,
            "ProxyRequests On makes the server a proxy for the whole net, for everybody; turn it off",
        );
    }
}

fn covers(outer: &str, inner: &str) -> bool {
    inner.starts_with(outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_apache_s() {
        for (text, expected) in
            [("5", Some(5_000)), ("100ms", Some(100)), ("2min", Some(120_000)), ("x", None), ("", None)]
        {
            assert_eq!(millis(text), expected, "{text}");
        }
    }
}
