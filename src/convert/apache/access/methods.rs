//! `Limit`, `LimitExcept`, conditions and `RewriteRule … [F]`: what some requests were kept from.

use super::require::denies_all;
use super::{COMPAT, REQUIRE};
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
            || matches!(inner.name.as_str(), "authtype" | "limit" | "limitexcept")
    };
    if one.holds(&decides) {
        work.open(&one.place, format!("<{}>: what it lets in or keeps out has no counterpart", one.name));
    } else {
        work.dropped(&one.place, format!("<{}>: has no counterpart", one.name));
    }
}

/// Rules that forbid.
pub(super) fn rewrites(work: &mut Work, directives: &[Directive]) {
    let mut methods: Option<bool> = None;
    let mut conditions = 0;
    for one in directives {
        match one.name.as_str() {
            "rewritecond" => {
                conditions += 1;
                if one.arg(0).eq_ignore_ascii_case("%{REQUEST_METHOD}") {
                    let pattern = one.arg(1).to_ascii_uppercase();
                    methods = Some(pattern.contains("DELETE") != pattern.starts_with('!'));
                }
            }
            "rewriterule" => {
                let flags = one.arg(2).trim_matches(['[', ']']).to_ascii_uppercase();
                let is = |wanted: &[&str]| flags.split(',').any(|flag| wanted.contains(&flag.trim()));
                let forbids = is(&["F", "FORBIDDEN", "G", "GONE", "R=403", "R=404"]);
                let is_all = matches!(one.arg(0), "^" | ".*" | "^.*$" | "^(.*)$" | "(.*)" | "^/" | "^/.*" | ".");
                match methods {
                    Some(true) if forbids && conditions == 1 && is_all => work.read_only(&one.place),
                    Some(false) if forbids && conditions == 1 => {
                        work.changed(&one.place, "methods that the catcher does not know are answered with 405 here")
                    }
                    _ if forbids => {
                        work.open(&one.place, "RewriteRule … [F]: kept some requests out, and has no counterpart")
                    }
                    _ if is(&["P", "PROXY"]) => {}
                    _ => work.dropped(&one.place, "RewriteRule: nothing is redirected or rewritten"),
                }
                (methods, conditions) = (None, 0);
            }
            _ => {}
        }
    }
}
