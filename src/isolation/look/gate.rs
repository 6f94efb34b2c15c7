//! What weakens the gate itself.

use super::super::facts::{Daemon, Facts, Upstream, is_loopback};
use super::super::findings::{Finding, Severity};
use super::super::mend;
use super::super::owner::Process;
use super::super::rules::Cover;
use crate::config::model::CatcherKind;

/// Passwords that cross a network for everybody to read.
pub(super) fn plain_text(facts: &Facts, findings: &mut Vec<Finding>) {
    let clear = &facts.setup.in_clear;
    let open: Vec<String> = clear.iter().filter(|addr| !is_loopback(addr.ip())).map(ToString::to_string).collect();
    if open.is_empty() || facts.setup.redirects {
        return;
    }
    let seen = format!("the gate listens on {} without TLS", open.join(" and "));
    let why = "Passwords and mail cross the network readable. Behind a proxy that speaks TLS, let the gate listen on loopback.";
    let has_tls = facts.setup.gate.len() > clear.len();
    let mend: &[&str] = match has_tls {
        true => &["redirect = true    # in mailwarden.toml: clear text is sent to https"],
        false => &[
            "sudo mailwarden cert new NAME    # then listen = [\"https://0.0.0.0:8443\"], and [tls] with cert_file and key_file",
            "mailwarden serve --listen 127.0.0.1:8080    # or listen = [\"127.0.0.1:8080\"], behind a TLS proxy",
        ],
    };
    findings.push(Finding::new("plain-http", Severity::Warning, seen, why).mended_by(mend.iter().copied()));
}

/// Who can write it lets himself in; who can read it tries passwords in peace.
pub(super) fn users_file(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(file) = &facts.users_file else { return };
    let path = facts.setup.users_file.display().to_string();
    if let Some(mode) = file.mode {
        if mode & 0o002 != 0 {
            let why = "Every user of this machine can add himself, or change anybody's password.";
            findings.push(
                Finding::new("users-file-writable", Severity::Warning, format!("{path} has mode {mode:04o}"), why)
                    .mended_by([format!("sudo chmod o-rw {}", mend::word(&path))]),
            );
        } else if mode & 0o004 != 0 {
            let why = "Every user of this machine can copy the hashes, and try passwords against them in peace.";
            findings.push(
                Finding::new("users-file-readable", Severity::Warning, format!("{path} has mode {mode:04o}"), why)
                    .mended_by([format!("sudo chmod o-r {}", mend::word(&path))]),
            );
        }
    }
    if let Some(folder) = &file.open_folder {
        let folder = folder.display().to_string();
        let why = "Every user of this machine can put another file in the place of the users file.";
        findings.push(
            Finding::new(
                "users-file-writable",
                Severity::Warning,
                format!("{folder} may be written by everybody"),
                why,
            )
            .mended_by([format!("sudo chmod o-w {}", mend::word(&folder))]),
        );
    }
    if let Some(why) = &file.unreadable {
        findings.push(Finding::new(
            "users-file-unreadable",
            Severity::Info,
            format!("the users file: {why}"),
            "Its lines were not looked at.",
        ));
    }
    if let Some((first, reason)) = file.lines.first() {
        let seen = match file.lines.len() {
            1 => format!("{path} has a line that is weak or refused; line {first}: {reason}"),
            count => format!("{path} has {count} lines that are weak or refused; line {first}: {reason}"),
        };
        let why = "A refused line lets nobody in; a weak one is guessed sooner.";
        findings.push(
            Finding::new("users-file-lines", Severity::Warning, seen, why)
                .mended_by(["mailwarden check --quiet", "mailwarden user passwd NAME"]),
        );
    }
}

/// `MailCatcher` ends at one request, unless it is told not to.
pub(super) fn quit(facts: &Facts, findings: &mut Vec<Finding>) {
    if facts.setup.catcher != CatcherKind::MailCatcher {
        return;
    }
    let http = facts.setup.http.to_string();
    // One on another port is another catcher.
    let is_ours = |process: &&Process| process.option("--http-port").unwrap_or("1080") == http;
    let can_be_ended = |process: &&Process| !process.argv.iter().any(|word| word == "--no-quit");
    for process in facts.catchers.iter().filter(is_ours).filter(can_be_ended) {
        let seen = format!("mailcatcher (process {}) runs without --no-quit", process.pid);
        let why = "Whoever reaches it around the gate, and whoever has the permission \"quit\", ends it for all.";
        findings.push(Finding::new("quit-possible", Severity::Warning, seen, why).mended_by(mend::no_quit(process)));
    }
}

/// A gate before the wrong thing guards nothing.
pub(super) fn upstream(facts: &Facts, findings: &mut Vec<Finding>) {
    let url = &facts.setup.url;
    match &facts.upstream {
        Upstream::Unasked | Upstream::Speaks => {}
        Upstream::Unreachable(why) => findings.push(
            Finding::new(
                "upstream-unreachable",
                Severity::Warning,
                format!("{url}: {why}"),
                "The gate has nothing to show; people see 502.",
            )
            .mended_by(["mailwarden check    # says where it looks; upstream.url is the key"]),
        ),
        Upstream::Other(what) => findings.push(
            Finding::new(
                "upstream-other",
                Severity::Warning,
                format!("what answers at {url} does not speak the API of {}: {what}", facts.setup.catcher),
                "People would be shown another program, and the catcher may be elsewhere, where nothing guards it.",
            )
            .mended_by(["mailwarden check    # says where it looks; upstream.url and upstream.catcher are the keys"]),
        ),
    }
}

/// What the running daemon knows.
pub(super) fn daemon(facts: &Facts, findings: &mut Vec<Finding>) {
    let Daemon::Says { degraded, from_proxies, accepted } = &facts.daemon else { return };
    // Where both were read, this look knows more than the daemon's about the same.
    let is_known = facts.listeners.is_ok() && matches!(facts.cover, Cover::Read { .. });
    for line in degraded.iter().filter(|line| !(is_known && line.starts_with("isolation:"))) {
        let why = "The running daemon says so; its log has the reason.";
        findings.push(
            Finding::new("degraded", Severity::Warning, line.clone(), why)
                .mended_by(["journalctl -u mailwarden --priority warning"]),
        );
    }
    if facts.setup.trusted_proxies > 0 && *from_proxies == Some(0) && accepted.is_some_and(|count| count > 0) {
        findings.push(Finding::new(
            "proxy-unseen",
            Severity::Warning,
            "trusted_proxies is configured, and none of the connections so far came from there",
            "Either people go around the proxy, or it has another address than is trusted and everybody counts as one.",
        ));
    }
}
