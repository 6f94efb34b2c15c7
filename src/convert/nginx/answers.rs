//! What nginx answers by itself, or sends elsewhere: `return`, `rewrite`, and both in an `if`. Whatever gets such an answer
//! does not get to the catcher, and with the gate it does.

use super::access::is_protection;
use super::scope::Spot;
use crate::convert::methods::{Refused, refused};
use crate::convert::site::Work;
use crate::convert::tree::Directive;

/// `return` for all of a block: whether it is told.
pub(super) fn refusal(work: &mut Work, one: &Directive, spot: &Spot<'_>) -> bool {
    let code = one.arg(0);
    if !is_error(code) {
        return false;
    }
    work.open(
        &one.place,
        format!(
            "return {code} in {}: kept everybody out there, and has no counterpart; if nothing of the catcher is there, remove that block and convert again",
            spot.name()
        ),
    );
    true
}

/// `rewrite` for all of a block: whether it is told.
pub(super) fn rewrite(work: &mut Work, one: &Directive, spot: &Spot<'_>) -> bool {
    if is_moved_prefix(one, spot) || is_same_elsewhere(one) {
        return false;
    }
    work.open(
        &one.place,
        format!("rewrite {}: sent requests elsewhere, and has no counterpart; they get to the catcher now", one.arg(0)),
    );
    true
}

fn is_error(code: &str) -> bool {
    matches!(code.as_bytes(), [b'4' | b'5', _, _])
}

/// The whole of the location goes on to the catcher, with another prefix.
fn is_moved_prefix(one: &Directive, spot: &Spot<'_>) -> bool {
    let prefix = spot.prefix().unwrap_or_default().trim_end_matches('/');
    let pattern = one.arg(0).trim_start_matches('^').trim_end_matches('$');
    let is_whole =
        pattern.strip_prefix(prefix).is_some_and(|rest| matches!(rest, "/(.*)" | "/?(.*)" | "(.*)" | "(/.*)"));
    let adds_slash = !prefix.is_empty() && pattern == prefix && one.arg(1).strip_suffix('/') == Some(prefix);
    let keeps_rest = one.arg(1).starts_with(['/', '$']) && one.arg(1).ends_with("$1");
    adds_slash || (is_whole && keeps_rest && one.arg(2) == "break")
}

/// The same path under https or another name.
fn is_same_elsewhere(one: &Directive) -> bool {
    let pattern = one.arg(0).trim_start_matches('^').trim_end_matches('$');
    let target = one.arg(1).trim_end_matches('?');
    matches!(pattern, "" | "/" | ".*" | "(.*)" | "/(.*)" | "(/.*)")
        && target.starts_with("http")
        && (target.ends_with("$request_uri") || target.ends_with("$1"))
}

/// An `if` with an answer: whether it is told.
pub(super) fn condition(work: &mut Work, one: &Directive, spot: &Spot<'_>, is_main: bool) -> bool {
    let text = one.args.join(" ");
    let text = text.strip_prefix('(').unwrap_or(&text);
    let text = text.strip_suffix(')').unwrap_or(text).trim();
    let words: Vec<&str> = text.splitn(3, ' ').map(str::trim).collect();
    let Some(answer) = one.inside().iter().find(|inner| decides(inner, spot)) else { return false };
    if is_to_https(answer, &words) {
        let target = [answer.arg(0), answer.arg(1)].into_iter().find(|arg| arg.starts_with("https://"));
        return target.is_some_and(|target| work.redirect(&one.place, target));
    }
    let by_method = match words.as_slice() {
        ["$request_method", operator, pattern] => match *operator {
            "=" => refused(pattern, false, false),
            "!=" => refused(pattern, true, false),
            "~" | "~*" => refused(pattern, false, *operator == "~*"),
            "!~" | "!~*" => refused(pattern, true, *operator == "!~*"),
            _ => None,
        },
        _ => None,
    };
    match by_method.filter(|_| answer.name == "return") {
        Some(Refused::Deleting) if is_main => work.read_only(&one.place),
        Some(Refused::Others) => {
            work.changed(&one.place, "methods that the catcher does not know are answered with 405 here");
        }
        _ => {
            // What is behind a code, and a URL without one, might have a secret in it.
            let code = if answer.arg(0).len() == 3 && answer.name == "return" { answer.arg(0) } else { "" };
            let shown = format!("{} {code}", answer.name);
            let shown = shown.trim_end();
            work.open(&one.place, format!("if … {shown}: kept some requests out, and has no counterpart"));
        }
    }
    true
}

/// Whether a directive in an `if` decides what gets to the catcher.
fn decides(inner: &Directive, spot: &Spot<'_>) -> bool {
    let own = || spot.chain.last().into_iter().flat_map(|block| block.iter()).find(|one| one.name == "proxy_pass");
    match inner.name.as_str() {
        "return" | "rewrite" => true,
        // Some requests to another program than the others.
        "proxy_pass" => own().is_some_and(|own| own.arg(0) != inner.arg(0)),
        _ => inner.unread.is_some() || is_protection(inner),
    }
}

/// A redirect of whoever came without TLS.
fn is_to_https(answer: &Directive, words: &[&str]) -> bool {
    let code = answer.arg(0);
    let target = match answer.name.as_str() {
        "return" if code.starts_with("https://") => code,
        "return" if matches!(code, "301" | "302" | "303" | "307" | "308") => answer.arg(1),
        "rewrite" => answer.arg(1),
        _ => return false,
    };
    let is_asked = matches!(words.first(), Some(&("$scheme" | "$https" | "$http_x_forwarded_proto" | "$server_port")));
    // certbot writes one for each name.
    let is_own_name = words.first() == Some(&"$host") && words.get(1) == Some(&"=");
    match is_asked {
        true => target.starts_with("https://"),
        false => is_own_name && target.trim_end_matches('?') == "https://$host$request_uri",
    }
}
