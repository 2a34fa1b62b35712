//! Analytics: live results.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;

use crate::cockpit::state::analytics::AnalyticsState;
use crate::cockpit::state::{ExperimentDetail, Laid};
use crate::tui::theme::Theme;

/// Draws the tab.
pub fn view(
    _frame: &mut Frame<'_>,
    _area: Rect,
    _analytics: &AnalyticsState,
    _detail: &ExperimentDetail,
    _theme: &Theme,
    _now: Timestamp,
) -> Laid {
    Laid::default()
}
