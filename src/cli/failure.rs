//! Why a command did not do what it was asked to.

use super::Exit;

/// Why, and how it ends.
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn problem(text: impl ToString) -> Self {
        Self { exit: Exit::Problem, text: text.to_string() }
    }

    pub(super) fn usage(text: impl ToString) -> Self {
        Self { exit: Exit::Usage, text: text.to_string() }
    }
}
