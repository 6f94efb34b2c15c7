//! The daemon's own look, at start and every few minutes, on a thread of its own: the gate never waits for it.
//!
//! It sees what its sandbox shows: what listens in its network namespace. Whose process that is and what a firewall does
//! is for `mailwarden doctor`, run as root.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::facts::{SMTP_PORT, Setup};
use super::findings::{Finding, Report, Severity};
use super::{gather, look, outside};
use crate::app::App;
use crate::conditions::Condition;
use crate::config::model::{CatcherKind, UpstreamConfig, UpstreamHost};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(3 * 60);

/// How long after a reload was asked for it looks: it has ended by then.
const AFTER_RELOAD: Duration = Duration::from_secs(2);

/// The thread that looks. It ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    ask: Sender<()>,
}

impl Watcher {
    /// Starts looking, after a gate that listens at these addresses.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(app: Arc<App>, gate: Vec<SocketAddr>) -> io::Result<Self> {
        let (ask, asked) = channel();
        std::thread::Builder::new().name("isolation".to_owned()).spawn(move || {
            let mut told = Told::default();
            loop {
                once(&app, &gate, &mut told);
                let mut left = asked.recv_timeout(INTERVAL);
                while left.is_ok() {
                    left = asked.recv_timeout(AFTER_RELOAD);
                }
                if left == Err(RecvTimeoutError::Disconnected) {
                    return;
                }
            }
        })?;
        Ok(Self { ask })
    }

    /// Looks soon: somebody asked for a reload.
    pub fn ask(&self) {
        // Nobody hears it only after the thread has panicked, which has been said.
        let _ = self.ask.send(());
    }
}

fn once(app: &App, gate: &[SocketAddr], told: &mut Told) {
    let began = Instant::now();
    let live = app.live();
    let mut facts = gather::sockets_only(setup(live.upstream(), gate));
    facts.is_here = match &live.upstream().host {
        UpstreamHost::Ip(ip) => outside::is_own(*ip),
        // A name server is not asked over and over for this; a catcher by a name is in a container mostly.
        UpstreamHost::Name(name) => name == "localhost",
    };
    if let Err(why) = &facts.listeners {
        // What was said before holds until it can be looked at again.
        if !told.is_blind {
            tracing::warn!(%why, "whether the catcher is isolated cannot be looked at (said once until that is over)");
        }
        told.is_blind = true;
        return;
    }
    told.is_blind = false;
    let report = look::look(&facts);
    for severity in Severity::ALL {
        app.metrics().isolation_found(severity.name(), report.count(severity));
    }
    let (new, gone) = told.changes(&report);
    for finding in new {
        if is_a_way_around(finding) {
            // The condition below warns of it.
            tracing::info!(finding = finding.id, "{}. {}", finding.seen, finding.why);
        } else {
            tracing::warn!(finding = finding.id, "{}. {}", finding.seen, finding.why);
        }
    }
    for gone in gone {
        tracing::info!("no longer so: {gone}");
    }
    let wide = report.findings.iter().filter(|finding| is_a_way_around(finding)).count();
    if wide == 0 {
        app.conditions().ok(Condition::Isolation);
    } else {
        let why = "the catcher listens on more than loopback; `sudo mailwarden doctor` says more";
        app.conditions().degraded(Condition::Isolation, why, why);
    }
    tracing::debug!(ms = began.elapsed().as_millis(), "looked for ways around the gate");
}

fn is_a_way_around(finding: &Finding) -> bool {
    finding.id == "wide-bind" && finding.severity > Severity::Info
}

fn setup(upstream: &UpstreamConfig, gate: &[SocketAddr]) -> Setup {
    Setup {
        http: upstream.port,
        smtp: SMTP_PORT,
        url: upstream.to_string(),
        catcher: CatcherKind::Generic,
        gate: gate.to_vec(),
        in_clear: Vec::new(),
        redirects: false,
        trusted_proxies: 0,
        users_file: PathBuf::new(),
    }
}

/// What was said in the log, so that it is said once.
#[derive(Debug, Default)]
struct Told {
    /// What was found at the last look.
    seen: BTreeSet<String>,
    /// Whether the last look failed.
    is_blind: bool,
}

impl Told {
    /// What is new, and what is no longer so.
    fn changes<'a>(&mut self, report: &'a Report) -> (Vec<&'a Finding>, Vec<String>) {
        let worth = || report.findings.iter().filter(|finding| finding.severity > Severity::Info);
        let now: BTreeSet<String> = worth().map(|finding| finding.seen.clone()).collect();
        let new = worth().filter(|finding| !self.seen.contains(&finding.seen)).collect();
        let gone = self.seen.difference(&now).cloned().collect();
        self.seen = now;
        (new, gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_told_when_it_comes_and_when_it_goes() {
        let finding = |severity, seen: &str| Finding::new("wide-bind", severity, seen, "");
        let report = |findings| Report { findings, unseen: Vec::new() };
        let mut told = Told::default();
        let both = report(vec![finding(Severity::Warning, "a"), finding(Severity::Info, "b")]);
        assert_eq!(told.changes(&both), (vec![&both.findings[0]], vec![]));
        assert_eq!(told.changes(&both), (vec![], vec![]));
        assert_eq!(told.changes(&report(vec![])), (vec![], vec!["a".to_owned()]));
        assert_eq!(told.changes(&report(vec![])), (vec![], vec![]));
    }
}
