//! The tabs of an experiment, one file a tab.

pub mod analytics;
