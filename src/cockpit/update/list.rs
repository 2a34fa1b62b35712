//! The list of experiments.

use jiff::Timestamp;

use super::{experiment, notify};
use crate::cockpit::effect::Effect;
use crate::cockpit::ports::Slot;
use crate::cockpit::state::{Level, Screen, State};

/// Opens the experiment under the cursor.
pub fn open(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if let Some(id) = state.list.selected {
        experiment::open(state, id, now, effects);
    }
}

/// `v`: archived experiments too, or no longer.
pub fn toggle_archived(state: &mut State, now: Timestamp) {
    if state.screen != Screen::Experiments {
        return;
    }
    state.list.archived = !state.list.archived;
    state.requests.plan(Slot::Experiments, now);
    let text = match state.list.archived {
        true => "Archived experiments are listed too; v hides them again",
        false => "Archived experiments are hidden",
    };
    notify(state, Level::Info, text, now);
}
