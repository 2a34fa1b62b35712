//! The list of experiments.

use jiff::Timestamp;

use super::{experiment, notify};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::{Command, Context};
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
    let hides = (Context::List, Command::Archived, "hides them again");
    let text = match state.list.archived {
        true => (state.keymap).after("Archived experiments are listed too", "; ", &[hides]),
        false => "Archived experiments are hidden".to_owned(),
    };
    notify(state, Level::Info, text, now);
}
