//! Which virtual host of a file is the catcher's, where it listens, and under which names.

use super::passes::{Pass, passes};
use super::tls;
use crate::convert::draft::Value;
use crate::convert::site::{Work, plain_names};
use crate::convert::tree::{self, Directive};
use crate::convert::{Fault, Place};

/// A virtual host, or what stands outside of any.
#[derive(Debug, Clone)]
pub(super) struct Host<'t> {
    /// The `VirtualHost`, if there is one.
    pub(super) block: Option<&'t Directive>,
    /// What is in it.
    pub(super) own: &'t [Directive],
    /// The whole file.
    pub(super) tree: &'t [Directive],
    pub(super) place: Place,
    /// What it forwards; the catcher's come first to last by the length of their paths.
    pub(super) passes: Vec<Pass<'t>>,
}

impl<'t> Host<'t> {
    /// What forwards the whole catcher: the shortest path.
    pub(super) fn main(&self) -> Option<&Pass<'t>> {
        let catcher = self.passes.iter().find(|pass| pass.target.is_catcher()).or(self.passes.first())?;
        self.passes
            .iter()
            .filter(|pass| pass.target.is_same(&catcher.target) && pass.directive.name != "rewriterule")
            .min_by_key(|pass| pass.outside.len())
            .or(Some(catcher))
    }

    /// Directives of this name in it, else outside.
    pub(super) fn held(&self, name: &str) -> Vec<&'t Directive> {
        let pick = |block: &'t [Directive]| block.iter().filter(|one| one.name == name).collect::<Vec<_>>();
        let own = pick(self.own);
        if own.is_empty() { pick(self.tree) } else { own }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'t str> {
        self.own.iter().filter(|one| matches!(one.name.as_str(), "servername" | "serveralias")).flat_map(|one| {
            // A ServerName may have scheme and port.
            one.args.iter().map(|name| {
                let name = name.rsplit_once("://").map_or(name.as_str(), |(_, name)| name);
                name.split_once(':').map_or(name, |(name, _)| name)
            })
        })
    }

    /// Its names that bind.
    pub(super) fn plain_names(&self) -> Vec<String> {
        plain_names(self.names())
    }

    fn addresses(&self) -> &'t [String] {
        self.block.map_or(&[], |block| block.args.as_slice())
    }
}

/// The virtual host that forwards to the catcher; of several the one that `wanted` names.
pub(super) fn choose<'t>(file: &str, tree: &'t [Directive], wanted: Option<&str>) -> Result<Host<'t>, Fault> {
    let whole = Place { file: file.into(), line: 0 };
    let blocks: Vec<&Directive> = tree.iter().filter(|one| one.name == "virtualhost").collect();
    let mut hosts: Vec<Host<'_>> = Vec::new();
    for block in &blocks {
        let passes = passes(block.inside(), tree);
        hosts.push(Host { block: Some(block), own: block.inside(), tree, place: block.place.clone(), passes });
    }
    hosts.retain(|host| !host.passes.is_empty());
    if hosts.is_empty() {
        let place = Place { line: 1, ..whole.clone() };
        let outside = tree.iter().filter(|one| one.name != "virtualhost");
        let found: Vec<Pass<'_>> = outside.flat_map(|one| passes(std::slice::from_ref(one), tree)).collect();
        if !found.is_empty() {
            hosts.push(Host { block: None, own: tree, tree, place, passes: found });
        }
    }
    if let Some(wanted) = wanted {
        hosts.retain(|host| is_called(host, wanted));
    }
    let has_catcher = |host: &Host<'_>| host.passes.iter().any(|pass| pass.target.is_catcher());
    if hosts.iter().filter(|host| has_catcher(host)).count() == 1 {
        hosts.retain(has_catcher);
    }
    match hosts.len() {
        1 => hosts.pop().ok_or_else(|| Fault::new(&whole, "there is no virtual host")),
        0 => Err(untold(&whole, tree, wanted)),
        _ => Err(Fault::new(&whole, several(&hosts))),
    }
}

fn untold(whole: &Place, tree: &[Directive], wanted: Option<&str>) -> Fault {
    if let Some(wanted) = wanted {
        let reason =
            format!("no virtual host called {wanted:?} forwards to anything; --server takes a ServerName or a port");
        return Fault::new(whole, reason);
    }
    let is_pass = |one: &&Directive| {
        matches!(one.name.as_str(), "proxypass" | "proxypassmatch") && one.args.last().is_some_and(|last| last != "!")
    };
    match tree::all(tree).into_iter().find(is_pass) {
        Some(pass) => Fault::new(&pass.place, "it goes to no address that can be told; write it as http://HOST:PORT/"),
        None => {
            Fault::new(whole, "nothing here has a ProxyPass; name the file with the block that forwards to the catcher")
        }
    }
}

fn is_called(host: &Host<'_>, wanted: &str) -> bool {
    let is_port = |wanted: &str| host.addresses().iter().any(|address| address.rsplit(':').next() == Some(wanted));
    match wanted.rsplit_once(':') {
        Some((name, port)) => host.names().any(|own| own == name) && is_port(port),
        None => host.names().any(|own| own == wanted) || is_port(wanted),
    }
}

fn several(hosts: &[Host<'_>]) -> String {
    let mut text =
        "several virtual hosts here forward to something; choose one with --server NAME, or NAME:PORT:".to_owned();
    for host in hosts {
        let names: Vec<&str> = host.names().collect();
        let to = host.main().map(|pass| pass.target.origin()).unwrap_or_default();
        text.push_str(&format!(
            "\n  line {}: {}, ServerName {}, to {to}",
            host.place.line,
            host.addresses().join(" "),
            names.join(" ")
        ));
    }
    text
}

/// Sets `listen`, and `hosts` where another virtual host got what this one's names do not match.
pub(super) fn listen(work: &mut Work, host: &Host<'_>) {
    let on = |one: &&Directive| matches!(one.arg(0).to_ascii_lowercase().as_str(), "on" | "optional");
    let engine = host.held("sslengine").into_iter().find(on);
    let plain = match host.block {
        Some(block) => addresses(block, host.tree),
        None => {
            let listens = host.tree.iter().filter(|one| one.name == "listen");
            let address = |text: &str| if text.contains(':') { text.to_owned() } else { format!("0.0.0.0:{text}") };
            listens.map(|one| (address(one.arg(0)), one.place.clone())).collect()
        }
    };
    match (engine, tls::certificate(host)) {
        (None, _) => work.listen(plain),
        (Some(engine), None) => work.behind_what_speaks_tls(&engine.place),
        (Some(engine), Some(certificate)) => {
            work.listen(plain.into_iter().map(|(address, place)| (format!("https://{address}"), place)).collect());
            match work.speaks_tls() {
                true => work.certificate(&certificate, "/etc/apache2"),
                false => work.behind_what_speaks_tls(&engine.place),
            }
        }
    }
    names(work, host);
}

/// The addresses of a virtual host.
pub(super) fn addresses(block: &Directive, tree: &[Directive]) -> Vec<(String, Place)> {
    let mut found = Vec::new();
    for text in &block.args {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !text.ends_with(']') => (name, port),
            _ => (text.as_str(), "80"),
        };
        // The port * is every one that Listen names.
        let mut ports: Vec<String> = match port {
            "*" => tree
                .iter()
                .filter(|one| one.name == "listen")
                .filter_map(|one| one.arg(0).rsplit(':').next())
                .map(str::to_owned)
                .collect(),
            port => vec![port.to_owned()],
        };
        if ports.is_empty() {
            // No Listen here: the address is not forgotten, but refused with its reason.
            ports.push(port.to_owned());
        }
        let name = if matches!(name, "*" | "_default_") { "0.0.0.0" } else { name };
        found.extend(ports.into_iter().map(|port| (format!("{name}:{port}"), block.place.clone())));
    }
    found
}

/// The first virtual host of an address gets every name that no other has.
fn names(work: &mut Work, host: &Host<'_>) {
    let Some(block) = host.block else { return };
    let comes_first = |other: &&Directive| {
        other.name == "virtualhost" && other.args.iter().any(|address| block.args.contains(address))
    };
    let is_first = host.tree.iter().find(comes_first).is_none_or(|first| std::ptr::eq(first, block));
    let names = host.plain_names();
    if is_first || host.names().next().is_none() {
        return;
    }
    if names.len() == host.names().filter(|name| *name != "localhost").count() && !names.is_empty() {
        work.set(&block.place, "ServerName", "hosts", Value::List(names));
        work.changed(&block.place, "other names were answered by another server: the result refuses them, by hosts");
    } else {
        work.dropped(
            &block.place,
            "ServerName or ServerAlias has names that hosts does not take (patterns, addresses): any name will do",
        );
    }
}
