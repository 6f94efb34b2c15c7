//! From facts to findings. Pure: what is exposed is decided here and nowhere else.

mod gate;
mod ports;
mod ways;

use super::facts::Facts;
use super::findings::{Finding, Report};

/// Judges.
#[must_use]
pub fn look(facts: &Facts) -> Report {
    let mut findings: Vec<Finding> = Vec::new();
    ports::bound(facts, &mut findings);
    ports::published(facts, &mut findings);
    ways::localnet(facts, &mut findings);
    ways::untold(facts, &mut findings);
    ways::elsewhere(facts, &mut findings);
    ways::local_users(facts, &mut findings);
    gate::plain_text(facts, &mut findings);
    gate::users_file(facts, &mut findings);
    gate::quit(facts, &mut findings);
    gate::upstream(facts, &mut findings);
    gate::daemon(facts, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Report { findings, unseen: facts.unseen.clone() }
}

#[cfg(test)]
mod tests;
