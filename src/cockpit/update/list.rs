//! The list of experiments.

use jiff::Timestamp;

use super::experiment;
use crate::cockpit::effect::Effect;
use crate::cockpit::state::State;

/// Opens the experiment under the cursor.
pub fn open(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if let Some(id) = state.list.selected {
        experiment::open(state, id, now, effects);
    }
}
