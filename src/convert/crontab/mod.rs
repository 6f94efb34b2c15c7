//! The line of a crontab that empties the catcher, as `[purge]`.
//!
//! Nothing of a command is ever repeated, in the result, a note or a fault: passwords stand there, in more places than
//! anybody thinks of. The one thing that is taken from it is the path below an address of this machine itself.

mod command;
mod gap;
mod line;
mod shell;

use super::site::Work;
use super::{Converted, Fault, Place};
use command::Call;
use jiff::Timestamp;
use line::{Job, Line};

/// What is asked besides the file.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The time zone in which cron runs if the file does not say: the machine's, if that is known.
    pub zone: Option<&'a str>,
    /// The time from which skipped hours are looked for.
    pub now: Timestamp,
}

/// What a crontab becomes; a user's and the system's are told apart line by line.
///
/// # Errors
/// Where no line, or more than one, empties a catcher, and a line of that kind that cron would not run.
pub fn convert(name: &str, content: &str, asked: &Asked<'_>) -> Result<Converted, Fault> {
    let whole = Place { file: name.into(), line: 0 };
    let mut env: Vec<(String, String)> = Vec::new();
    let mut mail: Option<Place> = None;
    let mut found: Vec<(Job, Call, Option<String>, Place)> = Vec::new();
    let mut work = Work::default();
    for (index, text) in content.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        let place = Place { line, ..whole.clone() };
        match line::read(text) {
            Line::Nothing => {}
            Line::Variable(name, value) => {
                if name == "MAILTO" {
                    mail = Some(place);
                }
                env.retain(|(known, _)| *known != name);
                env.push((name, value));
            }
            Line::Job(job) => {
                if let Some(call) = command::deletion(&job.command, &env) {
                    let value =
                        |wanted: &str| env.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
                    found.push((job, call, value("CRON_TZ"), place));
                }
            }
            // Only one that is about the catcher matters.
            Line::Bad(reason) => {
                if text.to_ascii_uppercase().contains("DELETE") {
                    return Err(Fault::new(&place, reason));
                }
            }
        }
    }
    found.retain(|(_, call, _, place)| {
        if !call.empties {
            work.dropped(place, "deletes something other than all messages of MailCatcher; left to cron");
        }
        call.empties
    });
    let [(job, call, zone, place)] = found.as_slice() else {
        return Err(Fault::new(
            &whole,
            match found.as_slice() {
                [] => {
                    "no line here empties a catcher: none calls curl, wget or http with DELETE for /messages".to_owned()
                }
                several => {
                    let lines: Vec<String> = several.iter().map(|(_, _, _, place)| place.line.to_string()).collect();
                    format!(
                        "lines {} each empty a catcher, and a configuration has one schedule; leave one, and convert again",
                        lines.join(", ")
                    )
                }
            },
        ));
    };
    schedule(&mut work, job, zone.as_deref(), asked, place)?;
    told(&mut work, call, place);
    if let Some(place) = mail {
        work.dropped(&place, "MAILTO: nobody is mailed; a purge that fails is in the log and on /readyz");
    }
    work.draft.offers.push((
        "purge",
        "max_age = \"24h\"  # keep a day's mail; without a limit all of it goes, as it did".to_owned(),
    ));
    Ok(work.finish())
}

/// Sets when and in which zone, and tells of hours that there are not.
fn schedule(work: &mut Work, job: &Job, own: Option<&str>, asked: &Asked<'_>, place: &Place) -> Result<(), Fault> {
    let Some(when) = &job.when else {
        return Err(Fault::new(
            place,
            "@reboot has no counterpart: a catcher that restarts is empty anyway; write a schedule",
        ));
    };
    if let Err(reason) = work.draft.set("purge.schedule", when.as_str()) {
        return Err(Fault::new(place, format!("purge.schedule: {reason}")));
    }
    let is_name = |zone: &&str| {
        !zone.is_empty()
            && zone.len() < 64
            && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte))
    };
    let zone = own.or(asked.zone).filter(is_name);
    match (own, zone) {
        (Some(_), None) => work.dropped(place, "CRON_TZ is no name of a time zone; write purge.timezone, or it is UTC"),
        (None, None) => work.changed(
            place,
            "cron ran in this machine's time zone, which is not known here; write purge.timezone, or it is UTC",
        ),
        (None, Some(zone)) => {
            work.changed(place, format!("cron ran in this machine's time zone, {zone}; purge.timezone says so now"))
        }
        (Some(_), Some(_)) => {}
    }
    let Some(zone) = zone else { return Ok(()) };
    let Ok(rules) = jiff::tz::TimeZone::get(zone) else {
        work.dropped(place, format!("{zone} is no time zone that is known here; write purge.timezone, or it is UTC"));
        return Ok(());
    };
    work.set(place, "time zone", "purge.timezone", zone);
    if let Some(gap) = gap::next(when, &rules, asked.now) {
        work.wrong(
            place,
            format!(
                "on {} {zone} has no {}: cron skips that run or moves it, as its version likes; now it is at {}, when the \
                 gap ends",
                gap.date, gap.skipped, gap.end
            ),
        );
    }
    if let Some(twice) = gap::repeated(when, &rules, asked.now) {
        work.wrong(
            place,
            format!(
                "on {} {zone} has {} twice, and cron's versions differ in what they make of it; now it runs once",
                twice.date, twice.skipped
            ),
        );
    }
    Ok(())
}

/// Tells what the call did.
fn told(work: &mut Work, call: &Call, place: &Place) {
    if call.quits {
        work.wrong(place, "DELETE / ends MailCatcher itself; now the mail goes and the program stays");
    }
    work.wrong(place, "removed everything, mail that came a second before too, and asked nobody whether it was gone: now mail younger than min_age (1m) stays, and what goes is confirmed");
    if call.has_login {
        work.changed(place, "the password of this line is no longer needed: the purge goes to the catcher itself, at upstream.url. Remove the line, and the user if nobody else uses it");
    } else {
        work.changed(place, "remove this line once the daemon runs");
        let target = call.target.as_ref().filter(|target| target.port == Some(1080));
        if let Some(target) = target.filter(|target| target.is_loopback()) {
            let path = target.path.as_deref().unwrap_or_default().trim_end_matches('/');
            let prefix = path.strip_suffix("/messages").unwrap_or_default();
            // The default is not repeated: the result is appended to a configuration that may say it.
            let url = format!("http://{}:1080{prefix}", target.host);
            // The loader's reason would repeat the address.
            if !prefix.is_empty() && work.draft.set("upstream.url", url).is_err() {
                work.dropped(place, "the address has no form that upstream.url takes; write it there yourself");
            }
        } else {
            work.changed(place, "the purge goes to upstream.url, 127.0.0.1:1080 if nothing else is written there");
        }
    }
}

#[cfg(test)]
mod tests;
