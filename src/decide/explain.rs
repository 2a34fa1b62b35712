//! The same decision, with what each step saw.

use super::lookups::Lookups;
use super::prepared::Prepared;
use crate::domain::{ExplainStep, Explanation, User};

/// Listens to a decision while it is made. It cannot change it.
pub(super) trait Trace {
    /// One step was tried; `step` tells what it saw.
    fn step(&mut self, step: impl FnOnce() -> ExplainStep);
}

/// Listens to nothing, at no cost.
pub(super) struct Silent;

impl Trace for Silent {
    fn step(&mut self, _: impl FnOnce() -> ExplainStep) {}
}

/// Writes every step down.
#[derive(Default)]
struct Steps(Vec<ExplainStep>);

impl Trace for Steps {
    fn step(&mut self, step: impl FnOnce() -> ExplainStep) {
        self.0.push(step());
    }
}

impl Prepared {
    /// The decision for a user with the steps that led to it, the deciding one last.
    ///
    /// It is made by the same code as [`Self::decide`], so it is the decision, not an account of it. With
    /// a subject that is drawn at random each asking draws anew.
    #[must_use]
    pub fn explain(&self, user: &User, lookups: &impl Lookups) -> Explanation {
        let mut steps = Steps::default();
        let outcome = self.run(user, lookups, &mut steps);
        Explanation {
            assignment: self.assignment(outcome),
            steps: steps.0,
        }
    }
}
