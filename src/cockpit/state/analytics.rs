//! The Analytics tab: which results are looked at, and how.

use super::text::TextField;
use crate::api::results::ResultsQuery;

/// The Analytics tab.
#[derive(Debug, Default)]
pub struct AnalyticsState {
    /// Which results are wanted. A change makes them recomputed at once.
    pub query: ResultsQuery,
}

impl AnalyticsState {
    /// The text field of the tab that takes the keys, if one does.
    pub fn text_field(&mut self) -> Option<&mut TextField> {
        None
    }
}
