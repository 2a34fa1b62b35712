//! Bulk imports of overrides.

pub mod ids;
pub mod parse;
