//! The Analytics tab.

use jiff::Timestamp;

use crate::cockpit::state::ExperimentDetail;

/// A text field of the tab changed.
pub fn text_changed(_detail: &mut ExperimentDetail, _now: Timestamp) {}

/// Esc in the tab: closes what it has open. False when there is nothing to close.
pub fn back(_detail: &mut ExperimentDetail, _now: Timestamp) -> bool {
    false
}

/// Moves within the tab. False when the tab as a whole is to be scrolled.
pub fn move_by(_detail: &mut ExperimentDetail, _by: isize, _now: Timestamp) -> bool {
    false
}
