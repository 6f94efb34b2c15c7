//! What `check` found, in words.

use std::fmt::{self, Display, Write as _};

use super::UsersReport;
use super::plan::{AccessPlan, Plan, PurgePlan};
use super::report::Report;
use super::tls::TlsPlan;

/// The report for a person: what the daemon will do, then warnings and errors.
pub(super) fn tell(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(report, &mut text);
    text
}

/// Warnings and errors alone.
pub(super) fn tell_faults(report: &Report) -> String {
    let mut text = String::new();
    let _ = write_faults(report, &mut text);
    text
}

fn write(report: &Report, out: &mut String) -> fmt::Result {
    if let (Some(plan), true) = (&report.plan, report.ok) {
        let file = &report.file;
        match report.file_exists {
            true => line(out, "Configuration", file)?,
            false => line(out, "Configuration", format_args!("no file at {file}: defaults and environment"))?,
        }
        write_plan(plan, out)?;
    }
    write_faults(report, out)
}

fn write_faults(report: &Report, out: &mut String) -> fmt::Result {
    for warning in &report.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for error in &report.errors {
        writeln!(out, "{}", error.text)?;
    }
    Ok(())
}

fn write_plan(plan: &Plan, out: &mut String) -> fmt::Result {
    for (index, listen) in plan.listen.iter().enumerate() {
        let label = if index == 0 { "Listens on" } else { "" };
        let note = if listen.skipped_without_ipv6 { " (skipped on a machine without IPv6)" } else { "" };
        line(out, label, format_args!("{}{note}", listen.address))?;
    }
    if let Some(tls) = &plan.tls {
        write_tls(tls, out)?;
    }
    line(out, "Status on", plan.status.as_deref().unwrap_or("no address"))?;
    if let Some(path) = &plan.health_path {
        line(out, "Gives away", format_args!("{path}, without credentials, for load balancers"))?;
    }
    let upstream = &plan.upstream;
    line(out, "Forwards to", format_args!("{}, catcher {}", upstream.url, upstream.catcher))?;
    if let Some(username) = &upstream.username {
        line(out, "", format_args!("logs in there as {username}"))?;
    }
    let trusted = match plan.trusted_proxies.as_slice() {
        [] => "nobody's X-Forwarded-* headers".to_owned(),
        proxies => format!("the X-Forwarded-* headers of {}", proxies.join(", ")),
    };
    line(out, "Believes", trusted)?;
    if plan.proxy_protocol {
        line(out, "", "and the PROXY header with which each of their connections has to begin")?;
    }
    if let Some(port) = plan.redirect {
        line(out, "Redirects", format_args!("what comes in clear text to https, port {port}"))?;
    }
    if let Some(age) = &plan.hsts {
        line(out, "HSTS", format_args!("browsers that came by https come by nothing else for {age}"))?;
    }
    if !plan.hosts.is_empty() {
        line(out, "Answers to", format_args!("{}, addresses and localhost, and no other name", plan.hosts.join(", ")))?;
    }
    if !plan.allowed_origins.is_empty() {
        let origins = plan.allowed_origins.join(", ");
        line(out, "Other sites", format_args!("pages of {origins} may use it with the user's login"))?;
    }
    line(out, "Lets in", format_args!("the users of {}, realm {:?}", plan.auth.users_file, plan.auth.realm))?;
    line(out, "", Users(&plan.auth.users))?;
    line(out, "They may", list(&plan.access.default))?;
    write_access(&plan.access, out)?;
    if let Some(script) = &plan.page_script {
        line(out, "Inbox page", format_args!("is given {script}, which keeps live updates alive"))?;
    }
    if let Some(page) = plan.auth.login_page {
        line(out, "Login page", format_args!("{page}; http://user:password@host bookmarks lead there"))?;
        line(out, "", format_args!("keeps its key in {}", plan.settings.get("state_dir").map_or("", String::as_str)))?;
    }
    if !plan.auth.anonymous_from.is_empty() {
        let nets = plan.auth.anonymous_from.join(", ");
        line(out, "Without a login", format_args!("{nets}: {}", list(&plan.access.anonymous)))?;
    }
    match plan.mail.remote_content.as_deref() {
        Some("block") => {
            line(out, "Mails", "run no scripts and load nothing from other servers")?;
            line(out, "", "a browser may still connect to one that a mail names, without asking for anything")?;
        }
        Some(_) => line(out, "Mails", "run no scripts, and may load pictures and styles from other servers")?,
        None => line(out, "Mails", "as the catcher shows them: of a generic one nothing is known")?,
    }
    write_purge(&plan.purge, out)?;
    for (index, (key, usual)) in plan.differs_from_default.iter().enumerate() {
        let label = if index == 0 { "Other than usual" } else { "" };
        let value = plan.settings.get(key).map_or("", String::as_str);
        line(out, label, format_args!("{key} = {value} (default {usual})"))?;
    }
    Ok(())
}

fn write_tls(plan: &TlsPlan, out: &mut String) -> fmt::Result {
    line(out, "Speaks TLS", plan.versions.join(" and "))?;
    for (index, one) in plan.certificates.iter().enumerate() {
        let names = if one.names.is_empty() { "no name".to_owned() } else { one.names.join(", ") };
        let role = if index == 0 { " and who asks for another name" } else { "" };
        line(out, "", format_args!("{}: for {names}{role}; until {}", one.file, one.until))?;
    }
    let Some(clients) = &plan.clients else { return Ok(()) };
    let who = if clients.required { "everybody has to show one" } else { "who has one may show it" };
    line(out, "Client certs", format_args!("{who}, vouched for by {}", clients.ca_file))?;
    for (name, user) in &clients.users {
        line(out, "", format_args!("{name} is {user}, without a password"))?;
    }
    Ok(())
}

/// A row for everybody who has a list, and a column for everything that can be granted.
fn write_access(access: &AccessPlan, out: &mut String) -> fmt::Result {
    if access.users.is_empty() {
        return Ok(());
    }
    let width = access.users.keys().map(|name| name.chars().count()).max().unwrap_or(0).max("but".len());
    let row = |first: &str, cells: &mut dyn Iterator<Item = &str>, by: &str| {
        let mut row = format!("{first:<width$}");
        for (cell, permission) in cells.zip(&access.grantable) {
            let _ = write!(row, "  {cell:<width$}", width = permission.len());
        }
        row + "  " + by
    };
    line(out, "", row("but", &mut access.grantable.iter().copied(), "by"))?;
    for (name, permissions) in &access.users {
        let cells = &mut access.grantable.iter().map(|one| if permissions.contains(one) { "yes" } else { "-" });
        line(out, "", row(name, cells, access.by.get(name).map_or("", String::as_str)))?;
    }
    Ok(())
}

fn write_purge(plan: &PurgePlan, out: &mut String) -> fmt::Result {
    match (&plan.schedule, &plan.rule, &plan.next) {
        (Some(schedule), Some(rule), next) => {
            line(out, "Purges", format_args!("{schedule}; next {}", next.as_deref().unwrap_or("never")))?;
            line(out, "", rule)?;
        }
        (_, Some(rule), _) => line(out, "Purges", format_args!("by hand only, with `mailwarden purge`: {rule}"))?,
        _ => return line(out, "Purges", "nothing"),
    }
    if plan.catch_up {
        line(out, "", "a run that was due while it was not running is made up for at its start")?;
    }
    if let Some(dir) = &plan.archive_dir {
        line(out, "", format_args!("after a copy into {dir}"))?;
    }
    if plan.alerts {
        line(out, "", "a webhook is told when one fails")?;
    }
    Ok(())
}

fn line(out: &mut String, label: &str, what: impl Display) -> fmt::Result {
    writeln!(out, "{label:<18}{what}")
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

struct Users<'a>(&'a UsersReport);

impl Display for Users<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            UsersReport::Missing => f.write_str("nobody yet: there is no such file"),
            UsersReport::Unreadable { .. } => f.write_str("nobody: it cannot be read"),
            UsersReport::Loaded { count, formats, .. } => {
                write!(f, "{count} user{}", if *count == 1 { "" } else { "s" })?;
                for (index, (format, number)) in formats.iter().enumerate() {
                    write!(f, "{}{number} {format}", if index == 0 { ": " } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}
