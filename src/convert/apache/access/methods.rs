//! `Limit`, `LimitExcept`, conditions and `RewriteRule … [F]`: what some requests were kept from.

use super::require::denies_all;
use super::{COMPAT, REQUIRE};
use crate::convert::apache::rest::is_refusal;
use crate::convert::methods::{Refused, refused};
use crate::convert::site::Work;
use crate::convert::tree::Directive;

fn has(one: &Directive, method: &str) -> bool {
    one.args.iter().any(|arg| arg.eq_ignore_ascii_case(method))
}

/// A directive of a section of the whole catcher.
pub(super) fn tell(work: &mut Work, one: &Directive, is_main: bool) {
    match one.name.as_str() {
        "limit" | "limitexcept" => {
            let refuses_delete = (one.name == "limit") == has(one, "DELETE");
            if denies_all(one.inside()) && is_main {
                if refuses_delete {
                    work.read_only(&one.place);
                } else {
                    work.changed(&one.place, "a mail catcher knows reading and deleting, which are both allowed; other methods are answered with 405");
                }
            } else if one.name == "limit"
                && one
                    .inside()
                    .iter()
                    .all(|inner| inner.name == "require" && inner.arg(0).eq_ignore_ascii_case("valid-user"))
            {
                work.wrong(&one.place, "<Limit> asked for a password with these methods only, all others were open; the result asks always");
            } else {
                work.open(
                    &one.place,
                    format!("<{}>: only one that lets nobody in has a counterpart, access.default", one.name),
                );
            }
        }
        "allowmethods" if has(one, "reset") => {}
        "allowmethods" if has(one, "GET") && has(one, "DELETE") => {
            work.changed(&one.place, "methods that the catcher does not know are answered with 405 here");
        }
        "allowmethods" if has(one, "GET") && is_main => work.read_only(&one.place),
        "allowmethods" => work.open(&one.place, "AllowMethods: kept people from reading, and has no counterpart"),
        "if" | "elseif" | "else" => condition(work, one),
        _ => {}
    }
}

/// The same for the path `/` alone.
pub(super) fn root(work: &mut Work, one: &Directive) {
    if denies_all(one.inside()) {
        work.changed(&one.place, "DELETE / ends MailCatcher, which takes the permission \"quit\" here; nobody has it");
    } else {
        work.open(&one.place, format!("<{}> for the path /: has no counterpart", one.name));
    }
}

/// What a condition lets in or keeps out cannot be told.
pub(super) fn condition(work: &mut Work, one: &Directive) {
    let decides = |inner: &Directive| {
        REQUIRE.contains(&inner.name.as_str())
            || COMPAT.contains(&inner.name.as_str())
            || matches!(inner.name.as_str(), "authtype" | "limit" | "limitexcept" | "allowmethods")
            || (inner.name == "rewriterule" && !has_flag(inner, &["P", "PROXY"]))
            || inner.name.starts_with("luahook")
            || inner.unread.is_some()
            || (inner.name.starts_with("redirect") && (is_refusal(inner) || !is_about_tls(&one.args.join(" "))))
            || (inner.name.starts_with("proxypass") && inner.args.last().is_some_and(|last| last == "!"))
    };
    if one.holds(&decides) {
        work.open(&one.place, format!("<{}>: what it lets in or keeps out has no counterpart", one.name));
    } else {
        work.dropped(&one.place, format!("<{}>: has no counterpart", one.name));
    }
}

/// Whether a condition asks for nothing but how somebody came.
fn is_about_tls(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    text.matches("%{").count() == 1
        && ["%{HTTPS}", "%{REQUEST_SCHEME}", "%{HTTP:X-FORWARDED-PROTO}", "%{SERVER_PORT}"]
            .iter()
            .any(|variable| text.contains(variable))
}

/// Rules that forbid, or send elsewhere.
pub(super) fn rewrites(work: &mut Work, directives: &[Directive], is_main: bool) {
    let mut conditions: Vec<&Directive> = Vec::new();
    for one in directives {
        match one.name.as_str() {
            "rewritecond" => conditions.push(one),
            "rewriterule" => rule(work, one, &std::mem::take(&mut conditions), is_main),
            _ => {}
        }
    }
}

fn has_flag(rule: &Directive, wanted: &[&str]) -> bool {
    let flags = rule.arg(2).trim_matches(['[', ']']).to_ascii_uppercase();
    flags.split(',').any(|flag| wanted.contains(&flag.trim()))
}

fn rule(work: &mut Work, one: &Directive, conditions: &[&Directive], is_main: bool) {
    let flags = one.arg(2).trim_matches(['[', ']']).to_ascii_uppercase();
    let is_code = |flag: &str| flag.trim().starts_with("R=4") || flag.trim().starts_with("R=5");
    let forbids = has_flag(one, &["F", "FORBIDDEN", "G", "GONE"]) || flags.split(',').any(is_code);
    let is_all = matches!(one.arg(0), "^" | ".*" | "^.*$" | "^(.*)$" | "(.*)" | "^/" | "^/.*" | ".");
    let by_method = match conditions {
        [only] if only.arg(0).eq_ignore_ascii_case("%{REQUEST_METHOD}") => {
            let pattern = only.arg(1);
            let (is_not, pattern) = pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest));
            let pattern = pattern.strip_prefix('=').unwrap_or(pattern);
            refused(pattern, is_not, only.arg(2).to_ascii_uppercase().contains("NC"))
        }
        _ => None,
    };
    let goes_to_tls = one.arg(1).starts_with("https://");
    let is_own_name = |one: &&Directive| matches!(one.arg(0), "%{SERVER_NAME}" | "%{HTTP_HOST}");
    let keeps_name = ["https://%{SERVER_NAME}", "https://%{HTTP_HOST}"].iter().any(|own| one.arg(1).starts_with(own));
    let is_for_tls =
        goes_to_tls && conditions.iter().all(|one| is_about_tls(one.arg(0)) || (keeps_name && is_own_name(one)));
    let redirects =
        flags.split(',').any(|flag| matches!(flag.trim(), "R" | "REDIRECT") || flag.trim().starts_with("R="));
    match by_method {
        Some(Refused::Deleting) if forbids && is_all && is_main => work.read_only(&one.place),
        Some(Refused::Others) if forbids => {
            work.changed(&one.place, "methods that the catcher does not know are answered with 405 here");
        }
        _ if forbids => work.open(&one.place, "RewriteRule … [F]: kept some requests out, and has no counterpart"),
        _ if has_flag(one, &["P", "PROXY"]) => {}
        // Sets a variable, or ends the rules; what a rule behind it forbids is told there.
        _ if one.arg(1) == "-" || is_for_tls || (conditions.is_empty() && redirects) => {
            work.dropped(&one.place, "RewriteRule: nothing is redirected or rewritten");
        }
        _ => work.open(
            &one.place,
            "RewriteRule: sent some requests elsewhere, and has no counterpart; they get to the catcher now",
        ),
    }
}
