//! Posteriors, sample ratio mismatch, sequential tests and power. Pure and deterministic: quadrature, not Monte Carlo, so that a number
//! does not flicker between two refreshes and can be tested to nine digits.
//!
//! | to know | call |
//! |---|---|
//! | credible intervals, P(best), expected loss, uplift | [`posterior::compare`] |
//! | the curve of a posterior, and over which rates to draw it | [`posterior::Posterior`], [`posterior::plot_range`] |
//! | whether the split is as configured | [`srm::test()`] |
//! | the same, when looking all the time | [`sequential::e_value`] |
//! | what split a population had of which parts are thinned | [`thinned::fit`] |
//! | an interval for a difference that holds at every look | [`sequential::interval`] |
//! | how many subjects are needed, how many are still missing | [`power::sample_size`], [`power::floor`] |
//!
//! All stay right from no subjects to 10¹² per arm, at rates of 10⁻⁶, with none or all converted. Rates, lifts and probabilities are
//! fractions, never percent.

mod beta;
mod error;
pub mod posterior;
pub mod power;
mod quadrature;
pub mod sequential;
mod special;
pub mod srm;
pub mod thinned;
mod uplift;

pub use error::StatsError;
