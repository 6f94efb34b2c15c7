//! `mailwarden doctor`: whether anybody reaches the catcher around the gate, and what mends it.

mod certificates;
mod spoken;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;

use super::check::Format;
use super::{Exit, healthcheck, out, refuse};
use crate::config::{self, Config, Flag, Source};
use crate::isolation::facts::{Daemon, SMTP_PORT, Setup};
use crate::isolation::findings::{Finding, Report, Severity};
use crate::isolation::outside::{self, Answer};
use crate::isolation::{gather, look};

const EXAMPLE: &str = "\
It changes nothing, and needs no root; as root it sees more. What a machine
sends to its own address never leaves it: the proof is a look from another one.

Examples:
  sudo mailwarden doctor
  mailwarden doctor --strict --format json | jq .findings
  mailwarden doctor --from-outside dev.example.org     # on your own machine

Exit codes: 0 no way around the gate was found, 1 one was (--strict: or a
warning), 2 wrong usage, 78 bad configuration";

/// The flags of the command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct Flags {
    /// text, or json for scripts
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 1 for warnings too
    #[arg(long)]
    strict: bool,
    /// Knock at HOST's ports from here, another machine
    #[arg(long, value_name = "HOST")]
    from_outside: Option<String>,
    /// The catcher's mail port
    #[arg(long, value_name = "PORT", default_value_t = SMTP_PORT)]
    smtp_port: u16,
    /// The catcher's web address
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Where the gate listens, repeatable
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// The htpasswd file
    #[arg(long, value_name = "FILE")]
    users_file: Option<String>,
    /// Where the running daemon tells how it goes
    #[arg(long, value_name = "ADDR")]
    status_listen: Option<String>,
}

#[derive(Serialize)]
struct Json<'a> {
    exposed: usize,
    warnings: usize,
    #[serde(flatten)]
    report: &'a Report,
}

/// Runs the command.
pub(super) fn run(path: Option<PathBuf>, flags: Flags) -> Exit {
    let keys = [("upstream", flags.upstream), ("users-file", flags.users_file), ("status-listen", flags.status_listen)];
    let listen = flags.listen.into_iter().map(|value| Flag { name: "listen", value });
    let keys = keys.into_iter().filter_map(|(name, value)| Some(Flag { name, value: value? })).chain(listen).collect();
    let source = Source::of_process(path, keys);
    let config = match config::load(&source) {
        Ok(config) => config,
        Err(errors) => return refuse(&errors),
    };
    let setup = Setup::of(&config, flags.smtp_port);
    let report = match flags.from_outside {
        Some(host) => match from_outside(&host, &setup) {
            Ok(report) => report,
            Err((exit, why)) => {
                out::error(&format!("{host}: {why}\n"));
                return exit;
            }
        },
        None => from_within(&source, &config, setup),
    };
    tell(&report, flags.format, flags.strict)
}

fn tell(report: &Report, format: Format, strict: bool) -> Exit {
    let (exposed, warnings) = (report.count(Severity::Exposed), report.count(Severity::Warning));
    let text = match format {
        Format::Text => coloured(report),
        Format::Json => {
            let mut text = serde_json::to_string_pretty(&Json { exposed, warnings, report }).unwrap_or_default();
            text.push('\n');
            text
        }
    };
    if let Err(error) = out::print(&text) {
        out::error(&format!("standard output: {}\n", config::os_reason(&error)));
        return Exit::Problem;
    }
    if exposed > 0 || (strict && warnings > 0) { Exit::Problem } else { Exit::Success }
}

/// On a terminal what is exposed stands out.
fn coloured(report: &Report) -> String {
    let text = report.to_string();
    if !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some() {
        return text;
    }
    text.replace("exposed: ", "\u{1b}[1;31mexposed\u{1b}[0m: ").replace("warning: ", "\u{1b}[33mwarning\u{1b}[0m: ")
}

fn from_within(source: &Source, config: &Config, setup: Setup) -> Report {
    let mut facts = gather::everything(config, setup);
    facts.daemon = daemon(source);
    if let Daemon::Silent(why) = &facts.daemon {
        facts.unseen.push(format!("how the running daemon is: {why}"));
    }
    let mut report = look::look(&facts);
    if let Some(tls) = &config.live.tls {
        certificates::look(tls, SystemTime::now(), &mut report);
    }
    report
}

fn daemon(source: &Source) -> Daemon {
    let (ready, metrics) = match (healthcheck::text(source, "/readyz"), healthcheck::text(source, "/metrics")) {
        (Ok(ready), Ok(metrics)) => (ready, metrics),
        (Err(why), _) | (_, Err(why)) => return Daemon::Silent(why),
    };
    let metric = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    let plain = |line: &str| line.chars().filter(|character| !character.is_control()).collect();
    Daemon::Says {
        degraded: ready.lines().filter(|line| line.contains(": degraded since ")).map(plain).collect(),
        from_proxies: metric("mailwarden_connections_from_trusted_proxies_total"),
        accepted: metric("mailwarden_connections_accepted_total"),
    }
}

fn from_outside(host: &str, setup: &Setup) -> Result<Report, (Exit, String)> {
    let addresses = outside::addresses(host).map_err(|error| (Exit::Problem, config::os_reason(&error)))?;
    if let Some(own) = addresses.iter().find(|ip| outside::is_own(**ip)) {
        let why = format!(
            "{own} is this machine's own address; what is sent there never leaves it. Run this on another machine"
        );
        return Err((Exit::Usage, why));
    }
    let mut report = Report::default();
    for family in [false, true] {
        if !addresses.iter().any(|ip| ip.is_ipv6() == family) {
            let name = if family { "IPv6" } else { "IPv4" };
            report.unseen.push(format!("{host} has no {name} address as seen from here, so none was tried"));
        }
    }
    let mut gate: Vec<u16> = setup.gate.iter().map(SocketAddr::port).collect();
    gate.dedup();
    for ip in addresses {
        let knock = |port| (SocketAddr::new(ip, port), outside::knock(SocketAddr::new(ip, port)));
        let ports = setup.ports().map(knock).collect::<Vec<_>>();
        // Without a way to any port there is none to the gate's.
        let gate = if ports.iter().all(|(_, answer)| *answer == Answer::NoRoute) {
            Vec::new()
        } else {
            gate.iter().copied().map(knock).collect::<Vec<_>>()
        };
        judge_address(setup, &ports, &gate, &mut report);
        let open = gate.iter().filter(|(_, answer)| *answer == Answer::Open);
        let open: Vec<SocketAddr> = open.map(|(at, _)| *at).collect();
        spoken::look(setup, host, &open, &mut report);
    }
    if report.findings.is_empty() {
        return Err((Exit::Problem, "there is no way there from here, so nothing is proved".to_owned()));
    }
    report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(report)
}

/// By what one address's ports answered, those of the catcher and those of the gate.
fn judge_address(setup: &Setup, ports: &[(SocketAddr, Answer)], gate: &[(SocketAddr, Answer)], report: &mut Report) {
    let opens = gate.iter().any(|(_, answer)| *answer == Answer::Open);
    let is_there = |(_, answer): &(SocketAddr, Answer)| matches!(answer, Answer::Open | Answer::Refused);
    let before = report.findings.len();
    for (at, answer) in ports {
        match judge(*at, setup.name_of(at.port()), *answer, opens) {
            Some(finding) => report.findings.push(finding),
            None => report.unseen.push(format!("{at}: there is no way there from here")),
        }
    }
    if report.findings.len() == before {
        return;
    }
    if let Some((at, _)) = ports.first().filter(|_| !ports.iter().chain(gate).any(is_there)) {
        report.findings.push(Finding::new(
            "nothing-answers",
            Severity::Warning,
            format!("nothing answers at {}, not even the gate", at.ip()),
            "So nothing is proved: is this the right host, and is it up? --listen says at which port the gate is.",
        ));
    }
    for (at, _) in gate.iter().filter(|(_, answer)| *answer != Answer::Open) {
        report.findings.push(Finding::new(
            "gate-unreachable",
            Severity::Info,
            format!("the gate's {at} takes no connections"),
            "If people come by this address, they do not get in.",
        ));
    }
}

/// `opens` is whether the gate takes connections at the same address: then what says that it cannot be reached is a firewall.
fn judge(at: SocketAddr, name: &str, answer: Answer, opens: bool) -> Option<Finding> {
    match answer {
        Answer::Open => Some(
            Finding::new(
                "reachable",
                Severity::Exposed,
                format!("{at}, the catcher's {name} port, takes connections from here"),
                "The catcher asks nobody for a password.",
            )
            .mended_by(["sudo mailwarden doctor    # on that machine: it says who listens, and what closes it"]),
        ),
        Answer::Refused => {
            Some(Finding::new("closed", Severity::Info, format!("{at} refuses connections"), "It is closed."))
        }
        Answer::Silent => {
            Some(Finding::new("closed", Severity::Info, format!("{at} does not answer"), "It is closed, or far away."))
        }
        Answer::Unreachable if opens => Some(Finding::new(
            "closed",
            Severity::Info,
            format!("{at} is said to be unreachable"),
            "A firewall closes it.",
        )),
        Answer::Unreachable | Answer::NoRoute => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::model::CatcherKind;

    /// The findings, and how many ports could not be told.
    fn judged(ports: [Answer; 2], gate: Answer) -> (Vec<(&'static str, Severity)>, usize) {
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let setup = Setup {
            http: 1080,
            smtp: 1025,
            url: String::new(),
            catcher: CatcherKind::MailCatcher,
            gate: vec![at(8080)],
            in_clear: Vec::new(),
            redirects: false,
            trusted_proxies: 0,
            users_file: PathBuf::new(),
        };
        let mut report = Report::default();
        judge_address(&setup, &[(at(1080), ports[0]), (at(1025), ports[1])], &[(at(8080), gate)], &mut report);
        (report.findings.iter().map(|finding| (finding.id, finding.severity)).collect(), report.unseen.len())
    }

    #[test]
    fn a_host_where_nothing_answers_proves_nothing() {
        let closed = ("closed", Severity::Info);
        let gate = ("gate-unreachable", Severity::Info);
        let nothing = ("nothing-answers", Severity::Warning);
        assert_eq!(judged([Answer::Silent; 2], Answer::Silent), (vec![closed, closed, nothing, gate], 0));
        assert_eq!(judged([Answer::Silent; 2], Answer::Open), (vec![closed, closed], 0));
        assert_eq!(judged([Answer::Silent; 2], Answer::Refused), (vec![closed, closed, gate], 0));
    }

    #[test]
    fn a_firewall_that_says_unreachable_closes_where_the_gate_opens() {
        let closed = ("closed", Severity::Info);
        assert_eq!(judged([Answer::Unreachable; 2], Answer::Open), (vec![closed, closed], 0));
        assert_eq!(judged([Answer::Unreachable; 2], Answer::Unreachable), (vec![], 2));
    }
}
