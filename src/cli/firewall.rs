//! `mailwarden firewall print|check|undo`: rules that close the catcher's ports. They are printed and recognised, and never
//! applied here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::{Exit, out, refuse};
use crate::config::{self, Config, Flag, Source};
use crate::isolation::facts::{SMTP_PORT, Setup, is_loopback};
use crate::isolation::firewall::{Backend, Rules, Users};
use crate::isolation::{gather, routes};

/// The account that the daemon runs as.
const ACCOUNT: &str = "mailwarden";

const EXAMPLE: &str = "\
Closed are the catcher's web port (of upstream.url) and its mail port, from
everywhere but loopback, IPv4 and IPv6. You apply them, and can take them back.
Backends: nftables, iptables, ufw, firewalld, docker-user, netsh, powershell.

Examples:
  mailwarden firewall print --backend nftables | sudo nft -f -
  mailwarden firewall print --backend ufw --allow-smtp-from 10.0.0.0/8 | sudo sh
  sudo mailwarden firewall check --backend nftables
  mailwarden firewall undo --backend nftables | sudo nft -f -

Exit codes: 0 success; 1 check: they are not in force; 2 wrong usage;
78 bad configuration";

const EXAMPLE_BELOW: &str = "\
Example:
  mailwarden firewall print --backend docker-user --smtp-port 2525 | sudo sh

Exit codes: 0 success, 1 failed or not in force, 2 wrong usage,
78 bad configuration";

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE, subcommand_required = true, arg_required_else_help = true)]
pub struct Flags {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Print the rules; applying them again changes nothing
    #[command(after_help = EXAMPLE_BELOW)]
    Print(Options),
    /// Say whether these rules are in force
    #[command(after_help = EXAMPLE_BELOW)]
    Check(Options),
    /// Print what takes the rules back
    #[command(after_help = EXAMPLE_BELOW)]
    Undo(Options),
}

/// What is to be closed, and how.
#[derive(Debug, Args)]
struct Options {
    /// What the rules are for
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Backend::NAMES.map(|(name, _)| name)), hide_possible_values = true)]
    backend: String,
    /// The catcher's mail port
    #[arg(long, value_name = "PORT", default_value_t = SMTP_PORT)]
    smtp_port: u16,
    /// A network that may send mail, repeatable
    #[arg(long, value_name = "CIDR", value_parser = network)]
    allow_smtp_from: Vec<IpNet>,
    /// A network that the gate itself comes from
    #[arg(long, value_name = "CIDR", value_parser = network)]
    allow_gate_from: Vec<IpNet>,
    /// Close loopback to all but root and the gate
    #[arg(long)]
    local_users: bool,
    /// The gate's account, or another that may; repeatable
    #[arg(long, value_name = "NAME", requires = "local_users", help = "With it: who else may; default: mailwarden")]
    allow_user: Vec<String>,
    /// An interface that leads out, for docker-user
    #[arg(long, value_name = "NAME")]
    outer_interface: Vec<String>,
}

/// A network; a plain address is one of that alone.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "it is no network like 10.0.0.0/8 or fd00::/8, and no address".to_owned())
}

/// Runs the command.
pub(super) fn run(path: Option<PathBuf>, flags: Flags) -> Exit {
    let source = Source::of_process(path, Vec::<Flag>::new());
    let config = match config::load(&source) {
        Ok(config) => config,
        Err(errors) => return refuse(&errors),
    };
    let (Task::Print(options) | Task::Check(options) | Task::Undo(options)) = &flags.task;
    let Some((_, backend)) = Backend::NAMES.into_iter().find(|(name, _)| *name == options.backend) else {
        return Exit::Usage;
    };
    let rules = || rules(&Setup::of(&config, options.smtp_port), backend, options);
    // What takes them back takes all of them, whatever the options.
    let text = match (&flags.task, rules) {
        (Task::Undo(_), _) => backend.undo(),
        (Task::Print(_), rules) => match rules() {
            Ok(rules) => {
                out::error(&notes(&config, backend, &rules));
                backend.print(&rules)
            }
            Err(why) => return unfit(&why),
        },
        (Task::Check(_), rules) => match rules() {
            Ok(rules) => return check(backend, &rules),
            Err(why) => return unfit(&why),
        },
    };
    match out::print(&text) {
        Ok(()) => Exit::Success,
        Err(error) => {
            out::error(&format!("standard output: {}\n", config::os_reason(&error)));
            Exit::Problem
        }
    }
}

fn unfit(why: &str) -> Exit {
    out::error(&format!("{why}\n"));
    Exit::Usage
}

/// What the rules cannot do by themselves; to standard error, since the rules go into a pipe.
fn notes(config: &Config, backend: Backend, rules: &Rules) -> String {
    let mut text = String::new();
    let upstream = &config.live.site.upstream;
    if gather::is_here(&upstream.host) == Ok(false) {
        text.push_str(&format!(
            "note: the catcher is at {upstream}, not on this machine: rules here do not close its ports, and close port {} of this \
             machine; print them for that one, with --config or MAILWARDEN_UPSTREAM__URL\n",
            upstream.port
        ));
    }
    if backend == Backend::DockerUser && rules.outer.is_empty() {
        text.push_str(
            "note: no interface has a default route here; one that is named like an engine's bridge (br-…) and leads out is \
             closed only with --outer-interface NAME\n",
        );
    }
    text
}

/// From what was asked for to what is written.
fn rules(setup: &Setup, backend: Backend, options: &Options) -> Result<Rules, String> {
    let mut ports: BTreeSet<u16> = setup.ports().collect();
    if let Some(gate) = setup.gate.iter().find(|addr| ports.contains(&addr.port()) && !is_loopback(addr.ip())) {
        return Err(format!(
            "the gate listens on {gate}, a port of the catcher's: rules would close it, too; give one of them another"
        ));
    }
    let (local, smtp): (Vec<IpNet>, Vec<IpNet>) =
        options.allow_smtp_from.iter().partition(|net| is_loopback(net.addr()));
    let smtp = smtp.iter().map(|net| (net.trunc(), options.smtp_port));
    let gate = options.allow_gate_from.iter().map(|net| (net.trunc(), setup.http));
    let mut rules = Rules { exceptions: smtp.chain(gate).collect(), ports: ports.clone(), ..Rules::default() };
    // Whoever lets all of a family in needs no rule for it.
    if options.local_users {
        if !backend.knows_users() {
            return Err(format!(
                "{backend}: the firewall of Windows does not filter loopback, so --local-users cannot be had"
            ));
        }
        if !local.is_empty() {
            ports.remove(&options.smtp_port);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let default = [ACCOUNT.to_owned()];
        let names = if options.allow_user.is_empty() { &default[..] } else { &options.allow_user };
        let uids = names.iter().map(|name| uid(&passwd, name)).collect::<Result<_, _>>()?;
        rules.users = Some(Users { ports, uids });
    }
    if backend == Backend::DockerUser {
        rules.outer = options.outer_interface.iter().cloned().collect();
        if rules.outer.is_empty() {
            let read = |name: &str| std::fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
            rules.outer = routes::outer(&read("route"), &read("ipv6_route")).into_iter().collect();
        }
        if let Some(bad) = rules.outer.iter().find(|name| !is_interface(name)) {
            return Err(format!("{bad:?} is no name of an interface"));
        }
    }
    Ok(rules)
}

fn is_interface(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+@".contains(&byte);
    (1..=15).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-')
}

/// The number of an account, or a number as it is.
fn uid(passwd: &str, name: &str) -> Result<u32, String> {
    if let Ok(uid) = name.parse() {
        return Ok(uid);
    }
    let number = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    };
    passwd.lines().find_map(number).ok_or_else(|| {
        format!("there is no account {name} here: name the one that the gate runs as, or its number, by --allow-user")
    })
}

fn check(backend: Backend, wanted: &Rules) -> Exit {
    if backend.questions().is_empty() {
        out::error(&format!("{backend}: rules of Windows can only be seen there\n"));
        return Exit::Usage;
    }
    let answers = gather::answers(backend);
    let found = backend.recognise(&answers);
    let how = format!("`mailwarden firewall print --backend {backend}` prints them");
    let (exit, text) = match found {
        Some(rules) if rules == *wanted => (Exit::Success, "in force".to_owned()),
        Some(_) => (Exit::Problem, format!("in force are rules of Mailwarden's, but not these; {how}")),
        None if answers.iter().all(String::is_empty) => (
            Exit::Problem,
            format!(
                "could not tell: {} answered nothing; is it there, and is this root?",
                backend.questions().first().map_or("", |command| command[0])
            ),
        ),
        None => (
            Exit::Problem,
            format!("not in force, as far as it could be told: only rules of Mailwarden's are known; {how}"),
        ),
    };
    let text = format!("{backend}: {text}\n");
    if exit == Exit::Success {
        let _ = out::print(&text);
    } else {
        out::error(&text);
    }
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_one() {
        assert_eq!(network("10.0.0.5"), network("10.0.0.5/32"));
        assert_eq!(network("fd00::1"), network("fd00::1/128"));
        assert!(network("10.0.0.0/33").is_err());
    }

    #[test]
    fn accounts_are_found_by_name_and_number() {
        let passwd = "root:x:0:0::/:/bin/sh\nmailwarden:x:998:998::/:/bin/false\n";
        assert_eq!(uid(passwd, "mailwarden"), Ok(998));
        assert_eq!(uid(passwd, "1234"), Ok(1234));
        assert!(uid(passwd, "warden").unwrap_err().contains("--allow-user"));
    }
}
