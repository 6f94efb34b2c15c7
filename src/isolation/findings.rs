//! What a look comes to: findings, each with its reason and the command that mends it.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// It should be mended, or could not be told.
    Warning,
    /// The catcher can be reached around the gate.
    Exposed,
}

impl Severity {
    /// Every one, the worst first.
    pub const ALL: [Severity; 3] = [Severity::Exposed, Severity::Warning, Severity::Info];

    /// Its name for scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Exposed => "exposed",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind it is, for scripts; the names stay.
    pub id: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What was seen.
    pub seen: String,
    /// Why it matters.
    pub why: String,
    /// The commands that mend it, a line each; none where there is nothing to do.
    pub mend: Vec<String>,
}

impl Finding {
    /// One without a command.
    #[must_use]
    pub fn new(id: &'static str, severity: Severity, seen: impl Into<String>, why: impl Into<String>) -> Self {
        Self { id, severity, seen: seen.into(), why: why.into(), mend: Vec::new() }
    }

    /// The same with the commands that mend it.
    #[must_use]
    pub fn mended_by(mut self, commands: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.mend.extend(commands.into_iter().map(Into::into));
        self
    }
}

/// What a look comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    /// The worst first, otherwise in the order of looking.
    pub findings: Vec<Finding>,
    /// What could not be seen, and what would make it seen.
    pub unseen: Vec<String>,
}

impl Report {
    /// How many findings are of this severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// The report for a person.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{}: {}", finding.severity, finding.seen)?;
            writeln!(f, "    {}", finding.why)?;
            for command in &finding.mend {
                writeln!(f, "    $ {command}")?;
            }
        }
        for unseen in &self.unseen {
            writeln!(f, "not seen: {unseen}")?;
        }
        match [Severity::Exposed, Severity::Warning].map(|severity| self.count(severity)) {
            [0, 0] => writeln!(f, "Nothing was found by which the catcher is reached around the gate."),
            [0, warnings] => writeln!(f, "No way around the gate was found; {warnings} to look at."),
            [exposed, _] => writeln!(f, "The catcher can be reached around the gate: {exposed} found."),
        }
    }
}
