//! Who was let in: passwords, `Require`, `Order` with `Allow` and `Deny`, methods. What of it has no counterpart is
//! [`Kind::Open`](crate::convert::Kind).

mod methods;
mod require;

use super::hosts::Host;
use crate::convert::site::Work;
use crate::convert::tree::Directive;

/// The directives that decide by Apache 2.4's manner.
const REQUIRE: [&str; 4] = ["require", "requireany", "requireall", "requirenone"];
/// Those of Apache 2.2, which decide beside the others.
const COMPAT: [&str; 4] = ["order", "allow", "deny", "satisfy"];

/// The sections that hold for the catcher's path, from the one that says least to the one that wins.
struct Sections<'t>(Vec<&'t Directive>);

impl<'t> Sections<'t> {
    /// The directives of these names in the section that wins among those that have any.
    fn held(&self, names: &[&str]) -> Vec<&'t Directive> {
        let pick = |section: &&'t Directive| {
            section.inside().iter().filter(|one| names.contains(&one.name.as_str())).collect::<Vec<_>>()
        };
        self.0.iter().rev().map(pick).find(|found| !found.is_empty()).unwrap_or_default()
    }

    fn one(&self, name: &str) -> Option<&'t Directive> {
        self.held(&[name]).first().copied()
    }
}

/// Sets realm and users file and who needs no password, and tells what is missing.
pub(super) fn tell(work: &mut Work, host: &Host<'_>) {
    let Some(main) = host.main() else { return };
    let blocks = || {
        host.tree
            .iter()
            .filter(|one| one.name != "virtualhost")
            .chain(host.block.into_iter().flat_map(|block| block.inside()))
    };
    let proxies = blocks()
        .filter(|one| matches!(one.name.as_str(), "proxy" | "proxymatch") && !one.arg(0).starts_with("balancer://"));
    let locations = blocks().filter(|one| is_location(one) && covers(one, &main.outside));
    let sections = Sections(proxies.chain(locations).collect());
    passwords(work, host, &sections);
    require::tell(work, host, &sections, &main.directive.place);
    for section in &sections.0 {
        for one in section.inside() {
            methods::tell(work, one, true);
        }
        methods::rewrites(work, section.inside(), true);
    }
    for one in blocks() {
        if is_location(one) && !covers(one, &main.outside) {
            other_location(work, one, &sections);
        } else if matches!(one.name.as_str(), "directory" | "directorymatch" | "files" | "filesmatch") {
            work.dropped(&one.place, format!("{} {}: is about files, and the gate serves none", one.name, one.arg(0)));
        } else if matches!(one.name.as_str(), "if" | "elseif" | "else") {
            methods::condition(work, one);
        }
    }
    methods::rewrites(work, host.own, true);
}

fn is_location(one: &Directive) -> bool {
    matches!(one.name.as_str(), "location" | "locationmatch")
}

/// Whether a location holds for everything below the path.
fn covers(location: &Directive, path: &str) -> bool {
    let own = location.args.last().map_or("", String::as_str);
    if location.name == "locationmatch" || location.arg(0) == "~" {
        return matches!(own, "/" | "^/" | ".*" | "^/.*" | "^/.*$" | "^.*$" | "/.*");
    }
    let own = own.trim_end_matches('/');
    own == "*"
        || path.trim_end_matches('/').strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn passwords(work: &mut Work, host: &Host<'_>, sections: &Sections<'_>) {
    if let Some(one) = sections.one("authtype")
        && !one.arg(0).eq_ignore_ascii_case("basic")
    {
        work.open(
            &one.place,
            format!(
                "AuthType {}: only Basic has a counterpart; make a users file with mailwarden user add",
                one.arg(0)
            ),
        );
    }
    if let Some(one) = sections.one("authbasicprovider")
        && one.args.iter().any(|arg| !arg.eq_ignore_ascii_case("file") && !arg.eq_ignore_ascii_case("socache"))
    {
        work.open(
            &one.place,
            "AuthBasicProvider: only file has a counterpart; make a users file with mailwarden user add",
        );
    }
    if let Some(one) = sections.one("authname") {
        work.set(&one.place, "AuthName", "auth.realm", one.args.join(" "));
    }
    let Some(one) = sections.one("authuserfile") else { return };
    let path = one.arg(0);
    if path.contains("${") || path.contains("%{") {
        work.open(&one.place, "AuthUserFile has a variable: write the file as auth.users_file");
    } else if path.starts_with('/') {
        work.set(&one.place, "AuthUserFile", "auth.users_file", path);
    } else {
        let held = host.held("serverroot");
        let root = held.first().map_or("/etc/apache2", |one| one.arg(0));
        work.set(&one.place, "AuthUserFile", "auth.users_file", format!("{}/{path}", root.trim_end_matches('/')));
        work.changed(&one.place, format!("AuthUserFile is relative to ServerRoot, taken to be {root}"));
    }
}

/// A location that is not the whole catcher's.
fn other_location(work: &mut Work, location: &Directive, sections: &Sections<'_>) {
    let file = sections.one("authuserfile").map_or("", |one| one.arg(0));
    let path = location.args.last().map_or("", String::as_str);
    let is_root = matches!(path, "^/$" | "^/?$");
    methods::rewrites(work, location.inside(), false);
    for one in location.inside() {
        let shown = format!("in {} {path}", location.name);
        let asks =
            |one: &Directive| one.name == "require" && matches!(one.arg(0).to_ascii_lowercase().as_str(), "valid-user");
        match one.name.as_str() {
            "limit" | "limitexcept" if is_root => methods::root(work, one),
            "limit" | "limitexcept" | "allowmethods" => work.open(
                &one.place,
                format!("{} {shown}: rights are for the whole catcher; see access.default", one.name),
            ),
            name if REQUIRE.contains(&name) && !asks(one) => {
                work.open(&one.place, format!("{} {shown}: has no counterpart; if nothing of the catcher is there, remove that block and convert again", require::shown(one)));
            }
            name if COMPAT.contains(&name) => {
                work.open(&one.place, format!("{} {shown}: has no counterpart; if nothing of the catcher is there, remove that block and convert again", require::shown(one)));
            }
            "authtype" if one.arg(0).eq_ignore_ascii_case("none") => {
                work.open(&one.place, format!("AuthType None {shown}: the result asks for a password there"));
            }
            "authuserfile" if one.arg(0) != file => {
                work.open(&one.place, format!("AuthUserFile {shown}: the result has one users file for all"));
            }
            "if" | "elseif" | "else" => methods::condition(work, one),
            _ => {}
        }
    }
}
