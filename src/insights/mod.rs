//! Insights: the results of an experiment in words.
//!
//! | file | what it does |
//! |---|---|
//! | [`plain`] | the summary that is written by rules from the numbers |

pub mod plain;

pub use plain::{Paragraph, summary};
