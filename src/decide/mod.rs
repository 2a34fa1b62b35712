//! Bucketing, rule matching and the decision with its explanation. Pure: no clock, no I/O, and the
//! randomness of event mode comes from the caller.
//!
//! An experiment is compiled once ([`Prepared::new`]) and then asked per subject. What is not part of
//! the configuration, overrides and sticky memory, is looked up through [`Lookups`].

mod condition;
mod explain;
pub mod flag;
pub mod hash;
mod lookups;
mod prepared;
pub mod split;
mod subject;

pub use lookups::Lookups;
pub use prepared::{Outcome, PrepareError, Prepared};
pub use subject::{Subject, subject};

#[cfg(test)]
mod fixtures;
