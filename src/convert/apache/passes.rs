//! What is forwarded where: `ProxyPass`, `ProxyPassMatch`, `RewriteRule … [P]`, members of a balancer.

use crate::convert::site::Target;
use crate::convert::tree::{self, Directive};

/// One directive that forwards.
#[derive(Debug, Clone)]
pub(super) struct Pass<'t> {
    pub(super) directive: &'t Directive,
    /// The path outside, below which it forwards.
    pub(super) outside: String,
    pub(super) target: Target,
    /// Whether WebSockets get through it.
    pub(super) upgrades: bool,
}

/// Everything below these directives that forwards, in the order of the file. `whole` is the file, for balancers.
pub(super) fn passes<'t>(directives: &'t [Directive], whole: &'t [Directive]) -> Vec<Pass<'t>> {
    let mut found = Vec::new();
    collect(directives, "/", whole, &mut found);
    found
}

fn collect<'t>(directives: &'t [Directive], around: &str, whole: &'t [Directive], found: &mut Vec<Pass<'t>>) {
    let mut asks_for_upgrade = false;
    for one in directives {
        match one.name.as_str() {
            "location" | "locationmatch" => {
                let path = one.args.last().map_or("/", String::as_str);
                let path =
                    if one.name == "locationmatch" || one.arg(0) == "~" { literal(path) } else { path.to_owned() };
                collect(one.inside(), &path, whole, found);
            }
            "virtualhost" | "proxy" | "if" | "elseif" | "else" | "directory" => {
                collect(one.inside(), around, whole, found)
            }
            "proxypass" | "proxypassmatch" => {
                // Inside of a location it has no path of its own.
                let (path, url, rest) = match one.arg(0).contains("://") {
                    true => (around.to_owned(), one.arg(0), 1),
                    false if one.name == "proxypass" => (one.arg(0).to_owned(), one.arg(1), 2),
                    false => (literal(one.arg(0)), one.arg(1), 2),
                };
                let flags = one.args.get(rest..).unwrap_or_default();
                let upgrades = flags.iter().any(|flag| {
                    flag.eq_ignore_ascii_case("upgrade=websocket") || flag.eq_ignore_ascii_case("upgrade=any")
                });
                push(one, path, url, upgrades, whole, found);
            }
            "rewritecond" => {
                let text = one.args.join(" ").to_ascii_lowercase();
                asks_for_upgrade |= text.contains("http:upgrade") && text.contains("websocket");
            }
            "rewriterule" => {
                let flags = one.arg(2).trim_matches(['[', ']']).to_ascii_uppercase();
                if flags.split(',').any(|flag| matches!(flag.trim(), "P" | "PROXY")) {
                    push(one, literal(one.arg(0)), one.arg(1), asks_for_upgrade, whole, found);
                }
                asks_for_upgrade = false;
            }
            _ => {}
        }
    }
}

fn push<'t>(
    directive: &'t Directive,
    outside: String,
    url: &str,
    upgrades: bool,
    whole: &'t [Directive],
    found: &mut Vec<Pass<'t>>,
) {
    // What stands for a part of the request is at the end: http://host/$1.
    let url = url.find(['$', '%']).and_then(|end| url.get(..end)).unwrap_or(url);
    let is_socket = url.to_ascii_lowercase().starts_with("ws");
    let target = match url.strip_prefix("balancer://") {
        Some(name) => member(name.trim_end_matches('/').split('/').next().unwrap_or_default(), whole),
        None => Target::parse(url),
    };
    if let Some(target) = target {
        found.push(Pass { directive, outside, target, upgrades: upgrades || is_socket });
    }
}

/// The first member of a balancer.
fn member(name: &str, whole: &[Directive]) -> Option<Target> {
    let is_it = |one: &&Directive| one.name == "proxy" && one.arg(0).strip_prefix("balancer://") == Some(name);
    let balancer = tree::all(whole).into_iter().find(is_it)?;
    let member = balancer.inside().iter().find(|one| one.name == "balancermember")?;
    let mut target = Target::parse(member.arg(0))?;
    target.path = target.path.or(Some("/".to_owned()));
    Some(target)
}

/// The path that a regular expression begins with: `^/mail/(.*)$` is `/mail/`.
fn literal(pattern: &str) -> String {
    let text = pattern.trim_start_matches('^');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"/-_".contains(c)).unwrap_or(text.len());
    let path = text.get(..end).unwrap_or_default();
    // Behind a ? or * the last character need not be there.
    let path = match text.get(end..).and_then(|rest| rest.chars().next()) {
        Some('?' | '*') => path.get(..path.len().saturating_sub(1)).unwrap_or_default(),
        _ => path,
    };
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::apache::parser::parse;

    #[test]
    fn each_way_to_forward_is_found() {
        let table = [
            ("ProxyPass / http://127.0.0.1:1080/", "/", "http://127.0.0.1:1080", Some("/"), false),
            ("ProxyPass \"/mail\" \"http://x:1080/mail\" retry=0", "/mail", "http://x:1080", Some("/mail"), false),
            (
                "<Location /mail/>\nProxyPass http://x:1080/ upgrade=websocket\n</Location>",
                "/mail/",
                "http://x:1080",
                Some("/"),
                true,
            ),
            ("ProxyPassMatch ^/mail/(.*)$ http://x:1080/$1", "/mail/", "http://x:1080", Some("/"), false),
            (
                "RewriteCond %{HTTP:Upgrade} =websocket [NC]\nRewriteRule /(.*) ws://x:1080/$1 [P,L]",
                "/",
                "http://x:1080",
                Some("/"),
                true,
            ),
            ("RewriteRule ^/?(.*) \"http://x:1080/$1\" [P]", "/", "http://x:1080", Some("/"), false),
            (
                "<Proxy balancer://mc>\nBalancerMember http://x:1080\n</Proxy>\nProxyPass / balancer://mc/",
                "/",
                "http://x:1080",
                Some("/"),
                false,
            ),
        ];
        for (text, outside, origin, path, upgrades) in table {
            let tree = parse("x", text, None).unwrap();
            let found = passes(&tree, &tree);
            let [pass] = found.as_slice() else { panic!("{text}: {found:?}") };
            assert_eq!(
                (pass.outside.as_str(), pass.target.path.as_deref(), pass.upgrades),
                (outside, path, upgrades),
                "{text}"
            );
            assert_eq!(pass.target.origin(), origin, "{text}");
        }
        for text in ["ProxyPass /x !", "RewriteRule ^ https://x/ [R=301]", "ProxyPass / unix:/x|http://y/"] {
            let tree = parse("x", text, None).unwrap();
            assert!(passes(&tree, &tree).is_empty(), "{text}");
        }
    }
}
