//! Who was let in: passwords, networks, methods. What of it has no counterpart is [`Kind::Open`](crate::convert::Kind).

use super::answers;
use super::scope::Spot;
use super::servers::Server;
use super::tls;
use crate::convert::site::{Work, plain_names};
use crate::convert::tree::Directive;

/// Sets realm and users file.
pub(super) fn passwords(work: &mut Work, main: Option<&Spot<'_>>) {
    let Some(spot) = main else { return };
    let file = spot.one("auth_basic_user_file");
    match spot.one("auth_basic") {
        Some(one) if one.arg(0) == "off" => {
            work.open(&one.place, "auth_basic off: the catcher needed no password; the result asks everybody for one");
        }
        Some(one) => {
            let realm = one.arg(0);
            if may_be_off(one) {
                work.open(&one.place, "auth_basic has a variable, which can say off; the result asks everybody");
            } else if realm.contains('$') {
                work.dropped(&one.place, "auth_basic has a variable; auth.realm has its default, \"Restricted\"");
            } else {
                work.set(&one.place, "auth_basic", "auth.realm", realm);
            }
            if file.is_none() {
                work.wrong(&one.place, "auth_basic without auth_basic_user_file lets everybody in; the result asks for the passwords of auth.users_file");
            }
        }
        None => {
            if let Some((pass, _)) = &spot.pass {
                work.wrong(&pass.place, "no auth_basic: everybody could read the mail; the result asks for the passwords of auth.users_file");
            }
        }
    }
    let Some(file) = file else { return };
    let path = file.arg(0);
    if path.contains('$') {
        work.open(&file.place, "auth_basic_user_file has a variable: write the file as auth.users_file");
    } else if path.starts_with('/') {
        work.set(&file.place, "auth_basic_user_file", "auth.users_file", path);
    } else {
        // Relative to the folder of nginx.conf, which is this one in every distribution's package.
        work.set(&file.place, "auth_basic_user_file", "auth.users_file", format!("/etc/nginx/{path}"));
        work.changed(
            &file.place,
            "auth_basic_user_file is relative to the folder of nginx.conf, taken to be /etc/nginx",
        );
    }
}

/// Whether a variable decides, which `map` or `geo` may have as "off" for some.
fn may_be_off(one: &Directive) -> bool {
    one.arg(0).split_once('$').is_some_and(|(before, _)| "off".starts_with(before))
}

/// Sets who comes without a password, if `allow` and `deny` say that and nothing else.
pub(super) fn networks(work: &mut Work, server: &Server<'_>, main: Option<&Spot<'_>>) {
    let Some(spot) = main else { return };
    let rules = spot.held_any(&["allow", "deny"]);
    let satisfy = spot.one("satisfy");
    let is_any = satisfy.is_some_and(|one| one.arg(0) == "any");
    let asks = spot.one("auth_basic").is_some_and(|one| one.arg(0) != "off");
    let Some(first) = rules.first() else { return };
    let is_plain = rules.split_last().is_some_and(|(last, before)| {
        last.name == "deny"
            && last.arg(0) == "all"
            && !before.is_empty()
            && before.iter().all(|one| one.name == "allow" && one.arg(0) != "unix:")
    });
    if is_any && asks && is_plain {
        let networks = rules.iter().filter(|one| one.name == "allow").map(|one| one.arg(0).to_owned()).collect();
        return work.anonymous(&first.place, networks, &plain_names(server.names()));
    }
    for rule in rules {
        let text = if is_any {
            format!(
                "{} {}: with satisfy any, only a list of allow with deny all behind it has a counterpart, auth.anonymous_from",
                rule.name,
                rule.arg(0)
            )
        } else {
            format!(
                "{} {}: the gate lets everybody try who can reach it; listen on an inner address, or close its port in the firewall",
                rule.name,
                rule.arg(0)
            )
        };
        work.open(&rule.place, text);
    }
    if let Some(one) = satisfy {
        work.open(&one.place, format!("satisfy {}: goes with the allow and deny that are named here", one.arg(0)));
    }
}

/// Other locations that forward to the same program: what is open there is not open any more.
pub(super) fn twins(work: &mut Work, main: Option<&Spot<'_>>, spots: &[Spot<'_>]) {
    let Some((main, target)) = main.and_then(|main| Some((main, &main.pass.as_ref()?.1))) else { return };
    let asks = |spot: &Spot<'_>| spot.one("auth_basic").is_some_and(|one| one.arg(0) != "off");
    if !asks(main) {
        return;
    }
    let file = |spot: &Spot<'_>| spot.one("auth_basic_user_file").map(|one| one.arg(0).to_owned());
    for spot in spots.iter().filter(|spot| spot.forwards_to(target)) {
        let Some((pass, _)) = &spot.pass else { continue };
        if asks(spot) {
            if let Some(one) = spot.one("auth_basic_user_file").filter(|_| file(spot) != file(main)) {
                work.open(
                    &one.place,
                    format!("{} has a users file of its own, and the result has one for all", spot.name()),
                );
            }
        } else if spot.one("auth_basic").is_none() {
            // An "off" of its own is told as such.
            work.wrong(
                &pass.place,
                format!("{} asked for no password, so its part of the catcher was open; the result asks", spot.name()),
            );
        }
    }
}

/// What somebody is kept from in a block of the catcher's, or in another one (`is_main` false).
pub(super) fn protection(work: &mut Work, one: &Directive, spot: &Spot<'_>, is_main: bool) -> bool {
    match one.name.as_str() {
        // Those that hold are told by `passwords` and `networks`.
        "allow" | "deny" | "satisfy" if is_main => {}
        "auth_basic" if is_main || (one.arg(0) != "off" && !may_be_off(one)) => {}
        "allow" | "deny" | "satisfy" | "auth_basic" => {
            let text = format!(
                "{} {} in {}: has no counterpart; if nothing of the catcher is there, remove that block and convert again",
                one.name,
                one.arg(0),
                spot.name()
            );
            work.open(&one.place, text);
        }
        "limit_except" => limit_except(work, one, spot, is_main),
        "ssl_verify_client" if one.arg(0) != "off" => tls::verify_client(work, one, spot),
        "if" => return answers::condition(work, one, spot, is_main),
        "return" => return answers::refusal(work, one, spot),
        "rewrite" => return answers::rewrite(work, one, spot),
        name if is_protection(one) => {
            work.open(&one.place, format!("{name}: kept people out, and has no counterpart"));
        }
        _ => return false,
    }
    true
}

/// Directives that let in or keep out, of nginx and of modules that are in use.
pub(super) fn is_protection(one: &Directive) -> bool {
    let is_on = one.arg(0) != "off";
    match one.name.as_str() {
        // Told where they are read, or without anybody to keep out.
        "auth_basic" | "auth_basic_user_file" | "auth_delay" | "auth_request_set" => false,
        "ssl_verify_client" | "js_access" => is_on,
        "valid_referers" | "secure_link" | "internal" => true,
        // Every module that asks who somebody is has its name begin so.
        name if name.starts_with("auth_") || name.starts_with("modsecurity") => is_on,
        // A script may answer in each of its phases.
        name => name.contains("_by_lua"),
    }
}

fn limit_except(work: &mut Work, one: &Directive, spot: &Spot<'_>, is_main: bool) {
    let denies_all = matches!(one.inside(), [only] if only.name == "deny" && only.arg(0) == "all");
    let has = |method: &str| one.args.iter().any(|arg| arg.eq_ignore_ascii_case(method));
    if !denies_all {
        work.open(&one.place, "limit_except: only deny all inside of it has a counterpart, access.default");
    } else if is_main && !spot.is_exact() {
        if has("DELETE") {
            work.changed(&one.place, "limit_except: a mail catcher knows reading and deleting, which are both allowed");
        } else {
            work.read_only(&one.place);
        }
    } else if spot.prefix() == Some("/") && spot.is_exact() {
        work.changed(
            &one.place,
            "limit_except: DELETE / ends MailCatcher, which takes the permission \"quit\" here; nobody has it",
        );
    } else {
        work.open(
            &one.place,
            format!("limit_except in {}: rights are for the whole catcher; see access.default", spot.name()),
        );
    }
}
