//! The mouse, where it is listened to: a click puts the cursor, the wheel scrolls; neither changes anything
//! else, so that a click meant for the terminal's window costs nothing.

use jiff::Timestamp;

use super::run::move_by;
use super::{edit, experiment};
use crate::cockpit::action::{Mouse, Target};
use crate::cockpit::effect::Effect;
use crate::cockpit::state::State;

/// Rows or lines that a notch of the wheel moves.
const NOTCH: isize = 3;

/// Takes what the mouse did.
pub fn take(state: &mut State, mouse: Mouse, now: Timestamp, effects: &mut Vec<Effect>) {
    match mouse {
        Mouse::WheelUp => move_by(state, -NOTCH, now, effects),
        Mouse::WheelDown => move_by(state, NOTCH, now, effects),
        Mouse::Click(Target::Tab(tab)) if state.overlays.is_empty() => {
            experiment::tab(state, tab, now, effects);
        }
        Mouse::Click(Target::Field(row, column)) if state.overlays.is_empty() => {
            edit::point(state, row, column);
        }
        Mouse::Click(Target::Row(by)) if by != 0 => move_by(state, by, now, effects),
        Mouse::Click(_) => {}
    }
}
