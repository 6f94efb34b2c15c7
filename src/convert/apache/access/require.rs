//! `Require` and its containers, and `Order`, `Allow`, `Deny`, `Satisfy` of Apache 2.2.

use super::{COMPAT, REQUIRE, Sections};
use crate::convert::Place;
use crate::convert::apache::hosts::Host;
use crate::convert::draft::Value;
use crate::convert::site::Work;
use crate::convert::tree::Directive;

/// A directive with what it is about, for notes.
pub(super) fn shown(one: &Directive) -> String {
    let name = match one.name.as_str() {
        "require" => "Require",
        "requireany" => "<RequireAny>",
        "requireall" => "<RequireAll>",
        "requirenone" => "<RequireNone>",
        "order" => "Order",
        "allow" => "Allow",
        "deny" => "Deny",
        "satisfy" => "Satisfy",
        other => other,
    };
    // What follows `expr` or `env` may be a secret.
    let is_plain = !matches!(one.arg(0).to_ascii_lowercase().as_str(), "expr" | "env" | "ldap-filter");
    if one.args.is_empty() || one.block.is_some() {
        name.to_owned()
    } else if is_plain {
        format!("{name} {}", one.args.join(" "))
    } else {
        format!("{name} {}", one.arg(0))
    }
}

/// Sets who is let in, and without a password.
pub(super) fn tell(work: &mut Work, host: &Host<'_>, sections: &Sections<'_>, pass: &Place) {
    let rules = sections.held(&REQUIRE);
    let compat = Compat::of(sections);
    let is_any = compat.is_any();
    if rules.is_empty() {
        // Those tell of themselves: `methods`.
        let is_limit = |one: &Directive| matches!(one.name.as_str(), "limit" | "limitexcept");
        match sections.one("authtype") {
            _ if sections.0.iter().any(|section| section.inside().iter().any(is_limit)) => {}
            Some(one) => work.wrong(
                &one.place,
                "AuthType without Require lets everybody in; the result asks for the passwords of auth.users_file",
            ),
            None => work.wrong(
                pass,
                "nobody was asked for a password: everybody could read the mail; the result asks for the passwords of \
                 auth.users_file",
            ),
        }
    } else {
        require(work, host, &rules);
    }
    compat.tell(work, host, is_any && !rules.is_empty());
}

/// The requirements of one section; several of them side by side are `RequireAny`.
fn require(work: &mut Work, host: &Host<'_>, rules: &[&Directive]) {
    let mut any: Vec<&Directive> = Vec::new();
    for rule in rules {
        match rule.name.as_str() {
            "require" => any.push(rule),
            "requireany" if rule.inside().iter().all(|one| one.name == "require") => any.extend(rule.inside()),
            // One that holds nothing but a login is as good as that.
            "requireall" if rules.len() == 1 && rule.inside().iter().all(|one| one.name == "require") => {
                return all(work, rule.inside());
            }
            _ => {
                return work
                    .open(&rule.place, format!("{}: has no counterpart; only a list of Require does", shown(rule)));
            }
        }
    }
    let word = |one: &Directive| one.arg(0).to_ascii_lowercase();
    let asks = any.iter().any(|one| matches!(word(one).as_str(), "valid-user" | "user"));
    let mut networks: Vec<String> = Vec::new();
    let mut first: Option<&Directive> = None;
    for one in any {
        match word(one).as_str() {
            "valid-user" => {}
            "user" => {}
            "ip" if asks => {
                first.get_or_insert(one);
                networks.extend(one.args.iter().skip(1).map(|network| completed(network)));
            }
            "local" if asks => {
                first.get_or_insert(one);
                networks.extend(["127.0.0.0/8".to_owned(), "::1".to_owned()]);
            }
            _ => open(work, one),
        }
    }
    if let Some(first) = first {
        work.anonymous(&first.place, networks, &host.plain_names());
    }
    users(work, rules);
}

/// Only some of the file's users were let in: nobody else may do anything.
fn users(work: &mut Work, rules: &[&Directive]) {
    let inside = rules.iter().flat_map(|rule| std::iter::once(*rule).chain(rule.inside()));
    let requires: Vec<&Directive> = inside.filter(|one| one.name == "require").collect();
    let is = |one: &&&Directive, word: &str| one.arg(0).eq_ignore_ascii_case(word);
    if requires.iter().any(|one| is(&one, "valid-user")) {
        return;
    }
    let listed: Vec<&&Directive> = requires.iter().filter(|one| is(one, "user")).collect();
    let Some(first) = listed.first() else { return };
    let rights: Vec<String> = ["view", "delete", "clear"].map(str::to_owned).into();
    let mut names: Vec<&String> = listed.iter().flat_map(|one| one.args.iter().skip(1)).collect();
    names.sort();
    names.dedup();
    let rows = names.into_iter().map(|name| (name.clone(), rights.clone())).collect();
    let taken = work.set(&first.place, "Require user", "access.default", Value::List(Vec::new()))
        && work.set(&first.place, "Require user", "access.users", Value::Table(rows));
    if taken {
        work.changed(&first.place, "Require user: the others of the users file may log in and may do nothing");
    } else {
        open(work, first);
    }
}

/// Everything at once: a login, and nothing that has no counterpart.
fn all(work: &mut Work, rules: &[Directive]) {
    for one in rules {
        match one.arg(0).to_ascii_lowercase().as_str() {
            "valid-user" => {}
            "all" if one.arg(1).eq_ignore_ascii_case("granted") => {}
            _ => open(work, one),
        }
    }
    if !rules.iter().any(|one| one.arg(0).eq_ignore_ascii_case("valid-user"))
        && let Some(first) = rules.first()
    {
        work.open(&first.place, "<RequireAll> without Require valid-user: the result asks everybody for a password");
    }
}

fn open(work: &mut Work, one: &Directive) {
    let why = match (one.arg(0).to_ascii_lowercase().as_str(), one.arg(1).to_ascii_lowercase().as_str()) {
        ("all", "granted") => "everybody was let in without a password; the result asks everybody for one",
        ("all", "denied") => "nobody was let in; the result lets in whoever has a password",
        ("ip" | "host" | "local" | "not" | "forward-dns", _) => {
            "the gate lets everybody try who can reach it; listen on an inner address, or close its port in the firewall"
        }
        ("group" | "user", _) => "not everybody of the users file was let in; see access.default and access.users",
        _ => "has no counterpart",
    };
    work.open(&one.place, format!("{}: {why}", shown(one)));
}

/// The decisions of Apache 2.2.
struct Compat<'t> {
    rules: Vec<&'t Directive>,
    satisfy: Option<&'t Directive>,
}

impl<'t> Compat<'t> {
    fn of(sections: &Sections<'t>) -> Self {
        let rules = sections.held(&["order", "allow", "deny"]);
        Compat { rules, satisfy: sections.one("satisfy") }
    }

    fn is_any(&self) -> bool {
        self.satisfy.is_some_and(|one| one.arg(0).eq_ignore_ascii_case("any"))
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &'t Directive> {
        self.rules.iter().copied().filter(move |one| one.name == name)
    }

    /// Who is named behind `Allow from` or `Deny from`.
    fn who(&self, name: &str) -> Vec<&'t str> {
        self.named(name).flat_map(|one| one.args.iter().skip(1).map(String::as_str)).collect()
    }

    fn tell(&self, work: &mut Work, host: &Host<'_>, is_any_with_login: bool) {
        let has = |name: &str, who: &str| self.who(name).iter().any(|one| one.eq_ignore_ascii_case(who));
        let denies_last = self.named("order").next().is_some_and(|one| {
            let order = one.args.join("").replace(' ', "").to_ascii_lowercase();
            order == "allow,deny" || order == "mutual-failure"
        });
        if self.who("deny").is_empty() && (has("allow", "all") || (!denies_last && self.who("allow").is_empty())) {
            // Nobody is kept out. With "Satisfy Any" nobody is asked for a password, either.
            if let Some(satisfy) = self.satisfy.filter(|_| is_any_with_login) {
                work.open(
                    &satisfy.place,
                    "Satisfy Any with Allow from all let everybody in without a password; the result asks for one",
                );
            }
            return;
        }
        // "Order allow,deny" with "Deny from all" lets nobody in, whatever else is allowed.
        let only_allow = !self.who("allow").is_empty()
            && ((denies_last && self.who("deny").is_empty()) || (!denies_last && self.who("deny") == ["all"]));
        if is_any_with_login && only_allow {
            let networks = self.who("allow").into_iter().map(completed).collect();
            if let Some(first) = self.named("allow").next() {
                return work.anonymous(&first.place, networks, &host.plain_names());
            }
        }
        for one in self.rules.iter().filter(|one| one.name != "order") {
            work.open(
                &one.place,
                format!("{}: the gate lets everybody try who can reach it; listen on an inner address, or close its port in the firewall", shown(one)),
            );
        }
        if self.named("allow").chain(self.named("deny")).next().is_none()
            && let Some(order) = self.named("order").next()
        {
            work.open(
                &order.place,
                format!("{}: lets nobody in; the result lets in whoever has a password", shown(order)),
            );
        }
        if let Some(one) = self.satisfy {
            work.open(&one.place, format!("{}: goes with the Allow and Deny that are named here", shown(one)));
        }
    }
}

/// Apache takes a part of an address for a network: `10.1` is `10.1.0.0/16`; and a mask in full.
fn completed(network: &str) -> String {
    if let Some((address, mask)) = network.split_once('/')
        && let Ok(mask) = mask.parse::<std::net::Ipv4Addr>()
    {
        return format!("{address}/{}", u32::from(mask).leading_ones());
    }
    let parts: Vec<&str> = network.trim_end_matches('.').split('.').collect();
    let is_part = |part: &&str| part.parse::<u8>().is_ok();
    if parts.len() < 4 && parts.iter().all(is_part) {
        let zeros = ["0"; 4].into_iter().skip(parts.len());
        return format!("{}/{}", parts.iter().copied().chain(zeros).collect::<Vec<_>>().join("."), parts.len() * 8);
    }
    network.to_owned()
}

/// Whether what is inside of a section lets nobody in.
pub(super) fn denies_all(inside: &[Directive]) -> bool {
    let decides = |one: &&Directive| REQUIRE.contains(&one.name.as_str()) || COMPAT.contains(&one.name.as_str());
    let is_denial = |one: &Directive| match one.name.as_str() {
        "require" => one.arg(0).eq_ignore_ascii_case("all") && one.arg(1).eq_ignore_ascii_case("denied"),
        "deny" => one.args.last().is_some_and(|who| who.eq_ignore_ascii_case("all")),
        "order" => true,
        _ => false,
    };
    let deciding: Vec<&Directive> = inside.iter().filter(decides).collect();
    deciding.iter().any(|one| one.name != "order") && deciding.into_iter().all(is_denial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_addresses_are_networks() {
        for (text, expected) in [
            ("10.1", "10.1.0.0/16"),
            ("192.168.1.", "192.168.1.0/24"),
            ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.7", "192.0.2.7"),
            ("::1", "::1"),
        ] {
            assert_eq!(completed(text), expected);
        }
    }
}
