//! What nginx's and Apache's files are made of: directives, some with a block of further ones.

use super::Place;

/// How deep blocks may lie in each other. Real files have five levels; the code that walks them calls itself.
pub(super) const DEEPEST: usize = 32;

/// One directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directive {
    /// Its name; in lower case where the program does not care.
    pub(super) name: String,
    /// What follows, without quotes.
    pub(super) args: Vec<String>,
    /// What is inside of it, if it is a block.
    pub(super) block: Option<Vec<Directive>>,
    /// Where it was written.
    pub(super) place: Place,
    /// For an `include` that was not followed: why.
    pub(super) unread: Option<String>,
}

impl Directive {
    /// The argument at `index`, empty if there is none.
    pub(super) fn arg(&self, index: usize) -> &str {
        self.args.get(index).map_or("", String::as_str)
    }

    /// What is inside; nothing for one that is no block.
    pub(super) fn inside(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Whether any directive inside, at any depth, is one that `wanted` picks.
    pub(super) fn holds(&self, wanted: &impl Fn(&Directive) -> bool) -> bool {
        self.inside().iter().any(|inner| wanted(inner) || inner.holds(wanted))
    }
}

/// Every directive at any depth, outermost first.
pub(super) fn all(directives: &[Directive]) -> Vec<&Directive> {
    directives.iter().flat_map(|one| std::iter::once(one).chain(all(one.inside()))).collect()
}
