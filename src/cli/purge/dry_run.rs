//! `mailwarden purge --dry-run`: each message that would go, and the limit that takes it.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::check::Format;
use super::super::{Exit, out};
use super::{Flags, of, printed};
use crate::catcher::Message;
use crate::config::units::format_size;
use crate::purge::retention::{Over, Rule};
use crate::purge::run;
use crate::purge::store::Store;

/// What would go, for scripts; its names stay.
#[derive(Debug, Serialize)]
struct Plan {
    rule: String,
    messages: Vec<Going>,
    staying: usize,
}

#[derive(Debug, Serialize)]
struct Going {
    id: String,
    received: Option<String>,
    size: u64,
    /// The limit that takes it.
    limit: &'static str,
}

impl From<&(Message, Over)> for Going {
    fn from((message, over): &(Message, Over)) -> Self {
        Self {
            id: message.id.to_string(),
            received: message.received.map(|received| received.to_string()),
            size: message.size,
            limit: over.name(),
        }
    }
}

/// Lists what would go.
pub(super) async fn run(store: &Store, rule: &Rule, known: Option<(u64, u64)>, flags: &Flags) -> Exit {
    let decision = match run::plan(store, rule, known).await {
        Ok(decision) => decision,
        Err(failure) => {
            out::error(&format!("{failure}\n"));
            return of(&failure);
        }
    };
    let plan = Plan {
        rule: rule.to_string(),
        messages: decision.going.iter().map(Going::from).collect(),
        staying: decision.staying.len(),
    };
    let text = match flags.format {
        Format::Json => serde_json::to_string(&plan).unwrap_or_default() + "\n",
        Format::Text => words(&plan, flags.quiet),
    };
    printed(&text, Exit::Success)
}

fn words(plan: &Plan, quiet: bool) -> String {
    let mut text = String::new();
    if quiet {
        return text;
    }
    for Going { id, received, size, limit } in &plan.messages {
        let received = received.as_deref().unwrap_or("no date");
        let _ = writeln!(text, "{id:<8}  {received:<20}  {:>10}  {limit}", format_size(*size));
    }
    let size = plan.messages.iter().fold(0u64, |size, message| size.saturating_add(message.size));
    let count = plan.messages.len();
    let _ = writeln!(text, "{count} would go ({size} bytes), {} would stay: {}", plan.staying, plan.rule);
    text
}
