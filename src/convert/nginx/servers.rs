//! Which server of a file is the catcher's.

use super::scope::{Spot, substituted};
use crate::convert::site::Target;
use crate::convert::tree::{self, Directive};
use crate::convert::{Fault, Place};

/// A server of the file.
#[derive(Debug, Clone)]
pub(super) struct Server<'t> {
    /// The contents of the blocks around it, and its own.
    pub(super) chain: Vec<&'t [Directive]>,
    pub(super) place: Place,
    /// The other servers of the file.
    pub(super) others: Vec<&'t Directive>,
    /// Every `upstream` of the file.
    pub(super) upstreams: Vec<&'t Directive>,
    target: Target,
    /// The whole file.
    pub(super) tree: &'t [Directive],
}

impl<'t> Server<'t> {
    /// What the server has in itself.
    pub(super) fn own(&self) -> &'t [Directive] {
        self.chain.last().copied().unwrap_or_default()
    }

    /// Where it forwards to.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Its directives of this name, not those of its locations.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'t Directive> {
        self.own().iter().filter(move |one| one.name == name)
    }

    /// Its names.
    pub(super) fn names(&self) -> impl Iterator<Item = &'t str> {
        self.all("server_name").flat_map(|one| one.args.iter().map(String::as_str))
    }

    /// Each of its locations, and itself.
    pub(super) fn spots(&self) -> Vec<Spot<'t>> {
        spots(&self.chain, &self.upstreams)
    }
}

fn spots<'t>(chain: &[&'t [Directive]], upstreams: &[&'t Directive]) -> Vec<Spot<'t>> {
    let mut found = vec![spot(None, chain.to_vec(), upstreams)];
    below(chain, upstreams, &mut found);
    found
}

fn below<'t>(chain: &[&'t [Directive]], upstreams: &[&'t Directive], found: &mut Vec<Spot<'t>>) {
    for location in chain.last().copied().unwrap_or_default().iter().filter(|one| one.name == "location") {
        let mut inner = chain.to_vec();
        inner.push(location.inside());
        found.push(spot(Some(location), inner.clone(), upstreams));
        below(&inner, upstreams, found);
    }
}

fn spot<'t>(location: Option<&'t Directive>, chain: Vec<&'t [Directive]>, upstreams: &[&'t Directive]) -> Spot<'t> {
    let own = chain.last().copied().unwrap_or_default();
    let inside_ifs =
        own.iter().filter(|one| matches!(one.name.as_str(), "if" | "limit_except")).flat_map(|one| one.inside());
    let pass = own.iter().chain(inside_ifs).find(|one| one.name == "proxy_pass");
    let pass = pass.and_then(|pass| Some((pass, target(pass, &chain, upstreams)?)));
    Spot { location, chain, pass }
}

/// Where a `proxy_pass` goes: variables by `set`, names by `upstream`.
fn target(pass: &Directive, chain: &[&[Directive]], upstreams: &[&Directive]) -> Option<Target> {
    let mut target = Target::parse(&substituted(pass.arg(0), chain)?)?;
    if let Some(upstream) = upstreams.iter().find(|one| one.arg(0).eq_ignore_ascii_case(&target.host)) {
        let server =
            upstream.inside().iter().find(|one| one.name == "server" && !one.args.iter().any(|arg| arg == "down"))?;
        let member = Target::parse(&format!("http://{}", server.arg(0)))?;
        (target.host, target.port) = (member.host, member.port);
    }
    Some(target)
}

/// The server that forwards to the catcher; of several the one that `wanted` names.
pub(super) fn choose<'t>(file: &str, tree: &'t [Directive], wanted: Option<&str>) -> Result<Server<'t>, Fault> {
    let whole = Place { file: file.into(), line: 0 };
    let upstreams: Vec<&Directive> = tree::all(tree).into_iter().filter(|one| one.name == "upstream").collect();
    let mut servers: Vec<(Vec<&[Directive]>, Option<&Directive>)> = Vec::new();
    let http = tree.iter().filter(|one| one.name == "http");
    for chain in std::iter::once(vec![tree]).chain(http.map(|one| vec![tree, one.inside()])) {
        for server in chain.last().copied().unwrap_or_default().iter().filter(|one| one.name == "server") {
            servers.push((chain.iter().copied().chain([server.inside()]).collect(), Some(server)));
        }
    }
    // What people keep as a piece, to include it: the inside of a server, or a location.
    if servers.is_empty() {
        servers.push((vec![tree], None));
    }
    let others: Vec<&Directive> = servers.iter().filter_map(|(_, server)| *server).collect();
    let mut candidates: Vec<Server<'_>> = Vec::new();
    let mut untold: Vec<&Directive> = Vec::new();
    for (chain, server) in servers {
        let spots = spots(&chain, &upstreams);
        let passes = || spots.iter().filter_map(|spot| spot.pass.as_ref());
        let target = passes().find(|(_, target)| target.is_catcher()).or_else(|| passes().next());
        let inside = chain.last().copied().unwrap_or_default();
        let place = server.map_or_else(|| Place { file: file.into(), line: 1 }, |server| server.place.clone());
        match target {
            Some((_, target)) => {
                let others = others.iter().filter(|other| server.is_none_or(|server| !std::ptr::eq(**other, server)));
                let (target, others, upstreams) = (target.clone(), others.copied().collect(), upstreams.clone());
                candidates.push(Server { chain, place, others, upstreams, target, tree });
            }
            None => untold.extend(tree::all(inside).into_iter().filter(|one| one.name == "proxy_pass")),
        }
    }
    if let Some(wanted) = wanted {
        candidates.retain(|server| is_called(server, wanted));
    }
    if candidates.iter().filter(|server| server.target.is_catcher()).count() == 1 {
        candidates.retain(|server| server.target.is_catcher());
    }
    match (candidates.len(), untold.first()) {
        (1, _) => candidates.pop().ok_or_else(|| Fault::new(&whole, "there is no server")),
        (0, Some(pass)) if wanted.is_none() => Err(Fault::new(&pass.place, untold_reason(pass))),
        (0, _) => Err(Fault::new(
            &whole,
            match wanted {
                Some(wanted) => {
                    format!("no server called {wanted:?} has a proxy_pass; --server takes a server_name or a port")
                }
                None => "no server here has a proxy_pass; name the file with the block that forwards to the catcher"
                    .to_owned(),
            },
        )),
        _ => Err(Fault::new(&whole, several(&candidates))),
    }
}

fn is_called(server: &Server<'_>, wanted: &str) -> bool {
    let port = |listen: &Directive| listen.arg(0).rsplit(':').next().unwrap_or_default().to_owned();
    let is_port = |wanted: &str| server.all("listen").any(|listen| port(listen) == wanted);
    match wanted.rsplit_once(':') {
        Some((name, digits)) => server.names().any(|own| own == name) && is_port(digits),
        None => server.names().any(|own| own == wanted) || is_port(wanted),
    }
}

fn several(candidates: &[Server<'_>]) -> String {
    let mut text = "several servers here forward to something; choose one with --server NAME, or NAME:PORT:".to_owned();
    for server in candidates {
        let names: Vec<&str> = server.names().collect();
        let ports: Vec<&str> = server.all("listen").map(|listen| listen.arg(0)).collect();
        text.push_str(&format!(
            "\n  line {}: server_name {}, listen {}, to {}",
            server.place.line,
            names.join(" "),
            ports.join(" "),
            server.target.origin()
        ));
    }
    text
}

/// What to do about a `proxy_pass` whose address cannot be told.
fn untold_reason(pass: &Directive) -> &'static str {
    let url = pass.arg(0);
    let is_template = url.split("${").skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()));
    if is_template {
        "proxy_pass has a variable that is filled in when the container starts; convert what comes out of envsubst"
    } else if url.contains("unix:") {
        "proxy_pass goes to a Unix socket, and the catcher is reached by TCP only; let it listen on a port of 127.0.0.1"
    } else if url.contains('$') {
        "proxy_pass has a variable that no set of this file gives a value; write the address in its place"
    } else {
        "proxy_pass goes to no address that can be told; write it as http://HOST:PORT, or add the upstream block"
    }
}
