//! What the service manager is told: ready, reloading, stopping, a line about how it goes, and that the loops turn.
//!
//! Where nobody listens (no `NOTIFY_SOCKET`) each of these does nothing. What cannot be said is not worth failing for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::app::App;
use crate::conditions::Condition;

/// How often the line about how it goes is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Connections are taken.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again; to be followed by [`ready`].
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// What is open comes to its end.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping: what is open comes to its end")]);
}

/// Keeps the line about how it goes up to date and the watchdog quiet while every loop turns. Never ends.
pub async fn report(app: Arc<App>) {
    let watchdog = sd_notify::watchdog_enabled();
    if watchdog.is_none() && std::env::var_os("NOTIFY_SOCKET").is_none() {
        return std::future::pending().await;
    }
    // Twice as often as it has to be (sd_watchdog_enabled(3)).
    let interval = watchdog.map_or(LOOK, |limit| (limit / 2).clamp(Duration::from_millis(1), LOOK));
    let mut ticks = tokio::time::interval(interval);
    let mut said = String::new();
    loop {
        ticks.tick().await;
        if watchdog.is_some() && app.vitals().stuck(Instant::now()).is_none() {
            tell(&[NotifyState::Watchdog]);
        }
        let line = line(&app);
        if line != said {
            tell(&[NotifyState::Status(&line)]);
            said = line;
        }
    }
}

/// How it goes, in a line for `systemctl status`.
fn line(app: &App) -> String {
    let users = app.live().users().len();
    let mut line = match app.not_ready() {
        None => format!("serving {users} user{}", if users == 1 { "" } else { "s" }),
        Some(why) => why.text().trim_end().to_owned(),
    };
    for condition in Condition::ALL {
        if let Some(degraded) = app.conditions().get(condition) {
            line.push_str(&format!("; {} degraded: {}", condition.name(), degraded.why));
        }
    }
    line
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
