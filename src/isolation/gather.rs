//! Collects the facts: reads `/proc`, asks the container engine, reads firewall rules, and changes nothing.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufReader};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::engine;
use super::facts::{Facts, Namespace, Seen, Setup, UsersFile};
use super::nat;
use super::outside;
use super::owner::{self, Process};
use super::routes;
use super::rules::Cover;
use super::sockets::{Listener, listeners};
use crate::auth::Users;
use crate::config::model::{Config, UpstreamHost};
use crate::config::os_reason;

mod programs;
mod upstream;

pub use programs::answers;
use programs::{ask, cover, nat_rules};

const PROC: &str = "/proc";
const PATIENCE: Duration = Duration::from_secs(3);

/// What the daemon can see in its sandbox: what listens in its network namespace.
#[must_use]
pub fn sockets_only(setup: Setup) -> Facts {
    let mut facts = Facts::none(setup);
    facts.listeners = own_listeners();
    facts.cover = Cover::Unreadable("the daemon may not read them; `sudo mailwarden doctor` does".to_owned());
    facts
}

/// Everything.
#[must_use]
pub fn everything(config: &Config, setup: Setup) -> Facts {
    let mut facts = sockets_only(setup);
    let root = rustix::process::geteuid().is_root();
    // What cannot be told counts as this machine: nothing is then left out.
    facts.is_here = is_here(&config.live.site.upstream.host).unwrap_or_else(|why| {
        facts.unseen.push(format!("{why}; it is looked at as if it were"));
        true
    });
    if !facts.is_here {
        facts
            .unseen
            .push(format!("the catcher is at {}, not on this machine: run doctor there as well", facts.setup.url));
    }
    if !root {
        facts.unseen.push("processes of other users and firewall rules; run it with sudo".to_owned());
    }
    let ports: Vec<u16> = facts.setup.ports().collect();
    if let Ok(all) = &facts.listeners {
        let wanted: HashSet<u64> = all
            .iter()
            .filter(|listener| ports.contains(&listener.addr.port()) || !listener.is_loopback())
            .map(|listener| listener.inode)
            .collect();
        facts.holders = owner::holders(Path::new(PROC), &wanted);
        facts.localnet = localnet(Path::new("/proc/sys/net/ipv4/conf"));
    }
    processes(&mut facts, &ports);
    containers(&mut facts, root);
    let ruleset = if root { ask(&["nft", "list", "ruleset"]) } else { None };
    facts.cover = cover(root, ruleset.as_deref());
    match nat_rules(root, ruleset.as_deref()) {
        Ok(nat) => {
            facts.unread = nat.about(&ports);
            facts.forwards = Ok(nat.forwards);
        }
        Err(why) => facts.forwards = Err(why),
    }
    if root && ruleset.is_none() {
        facts.unseen.push("ports that rules of nft hand on: `nft list ruleset` told nothing".to_owned());
    }
    facts.people = people(&fs::read_to_string("/etc/passwd").unwrap_or_default());
    facts.users_file = Some(users_file(config));
    facts.upstream = upstream::ask(config);
    if let Err(why) = &facts.listeners {
        facts.unseen.push(format!("what listens: {why}"));
    }
    facts
}

/// What listens in this network namespace.
pub fn own_listeners() -> Seen<Vec<Listener>> {
    tables(Path::new("/proc/self/net"))
}

fn tables(net: &Path) -> Seen<Vec<Listener>> {
    let read = |name: &str| fs::File::open(net.join(name)).and_then(|file| listeners(BufReader::new(file)));
    let why = |name: &str, error: &io::Error| format!("{}: {}", net.join(name).display(), os_reason(error));
    let mut all = read("tcp").map_err(|error| why("tcp", &error))?;
    match read("tcp6") {
        Ok(more) => all.extend(more),
        // Not there where IPv6 is off.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(why("tcp6", &error)),
    }
    Ok(all)
}

/// Catchers and engines' processes by their command lines, and other network namespaces. Each namespace has a file of its
/// own behind `net/tcp`, whose number anybody may read.
fn processes(facts: &mut Facts, ports: &[u16]) {
    let proc = Path::new(PROC);
    let mut seen: HashSet<u64> = fs::metadata("/proc/self/net/tcp").map(|file| file.ino()).into_iter().collect();
    let own = |name: &str| fs::read_to_string(Path::new("/proc/self/net").join(name)).unwrap_or_default();
    let outer = routes::outer_networks(&own("route"), &own("ipv6_route"));
    for pid in owner::processes(proc) {
        let Some(process) = Process::read(proc, pid) else { continue };
        facts.proxies.extend(nat::proxy(pid, &process.argv));
        let net = proc.join(pid.to_string()).join("net");
        if fs::metadata(net.join("tcp")).is_ok_and(|file| seen.insert(file.ino()))
            && let Ok(mut listeners) = tables(&net)
        {
            listeners.retain(|listener| ports.contains(&listener.addr.port()));
            if !listeners.is_empty() {
                let outside = outside_addresses(&net, &outer);
                facts.namespaces.push(Namespace { pid, name: process.name().to_owned(), listeners, outside });
            }
        }
        if process.is_mailcatcher() {
            facts.catchers.push(process);
        }
    }
}

/// Where a namespace is reached past this machine.
fn outside_addresses(net: &Path, outer: &[IpNet]) -> Vec<IpAddr> {
    let read = |name: &str| fs::read_to_string(net.join(name)).unwrap_or_default();
    let mut addresses = routes::addresses(&read("fib_trie"), &read("if_inet6"));
    addresses.retain(|ip| outer.iter().any(|net| net.contains(ip)));
    addresses
}

fn containers(facts: &mut Facts, root: bool) {
    let mut all = Vec::new();
    let users = fs::read_dir("/run/user").into_iter().flatten().flatten().map(|entry| entry.path());
    let of_users = users.flat_map(|user| engine::USER_SOCKETS.map(|socket| user.join(socket)));
    for socket in engine::SOCKETS.map(PathBuf::from).into_iter().chain(of_users) {
        // Where there is none there are no containers; and who is not root may be let in as well.
        if !socket.exists() {
            continue;
        }
        match engine::ask(&socket) {
            Ok(containers) => all.extend(containers),
            Err(why) => {
                let how = if root { "" } else { "; run it with sudo" };
                facts.unseen.push(format!("containers of {}: {why}{how}", socket.display()));
            }
        }
    }
    facts.containers = Ok(all);
}

/// Interfaces from which the kernel takes what is sent to 127.0.0.0/8 (`route_localnet`, ip-sysctl.rst): one's own is on, or
/// the one for all is.
fn localnet(conf: &Path) -> Vec<String> {
    let is_on = |name: &std::ffi::OsStr| {
        fs::read_to_string(conf.join(name).join("route_localnet")).is_ok_and(|value| value.trim() == "1")
    };
    let entries = fs::read_dir(conf).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let on = entries.filter(|name| name != "lo" && name != "default" && is_on(name));
    let mut names: Vec<String> = on.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// How many people can log in to this machine, by its list of accounts, root and the system's own apart.
fn people(passwd: &str) -> Option<usize> {
    let is_one = |line: &&str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, uid, _, _, _, shell] = fields.as_slice() else { return false };
        let is_person = uid.parse().is_ok_and(|uid: u32| (1000..65534).contains(&uid));
        is_person && !shell.ends_with("nologin") && !shell.ends_with("false")
    };
    Some(passwd.lines().filter(is_one).count())
}

fn users_file(config: &Config) -> UsersFile {
    let auth = &config.live.auth;
    let path = &auth.users_file.path;
    let mut look = UsersFile {
        mode: fs::metadata(path).ok().map(|file| file.permissions().mode() & 0o7777),
        open_folder: open_folder(path),
        ..UsersFile::default()
    };
    match Users::load(path, auth.allow_plaintext.into()) {
        Ok(users) => {
            let weak = users.iter().filter_map(|user| Some((user.line(), user.hash().weakness()?.to_string())));
            look.lines = users.problems().iter().map(|problem| (problem.line, problem.reason())).chain(weak).collect();
            look.lines.sort();
        }
        Err(error) => look.unreadable = Some(error.to_string()),
    }
    look
}

/// The folder of a file, if others may replace what is in it: with the sticky bit only their own.
fn open_folder(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = fs::metadata(folder).ok()?.permissions().mode();
    (mode & 0o1002 == 0o0002).then(|| folder.to_owned())
}

/// Whether the catcher's host is this machine.
///
/// # Errors
/// Why it could not be told.
pub fn is_here(host: &UpstreamHost) -> Seen<bool> {
    match host {
        UpstreamHost::Ip(ip) => Ok(outside::is_own(*ip)),
        UpstreamHost::Name(name) => match outside::addresses(name) {
            Ok(all) => Ok(all.into_iter().any(|addr| outside::is_own(addr.ip()))),
            Err(error) => Err(format!("whether {name} is this machine: {}", os_reason(&error))),
        },
    }
}

#[cfg(test)]
mod tests;
