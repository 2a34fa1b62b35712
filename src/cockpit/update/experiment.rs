//! One experiment: opening, closing, tabs, moving about.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{drafts, edit};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::Command;
use crate::cockpit::ports::Slot;
use crate::cockpit::state::{ExperimentDetail, Laid, Screen, State, Tab};
use crate::domain::Experiment;

/// The kinds of requests that belong to the open experiment.
const OF_DETAIL: [Slot; 11] = [
    Slot::Experiment,
    Slot::Probe,
    Slot::Results,
    Slot::SampleRatio,
    Slot::History,
    Slot::Overrides,
    Slot::Explain,
    Slot::Insight,
    Slot::Imports,
    Slot::ImportRows,
    Slot::Suggest,
];

/// Looks at an experiment of which only the id or the key is known.
pub fn open_by_name(state: &mut State, name: String) {
    state.open = Some(Box::new(ExperimentDetail::unknown(name)));
    state.screen = Screen::Experiment;
}

/// Looks at an experiment.
pub fn open(state: &mut State, id: Uuid, now: Timestamp, effects: &mut Vec<Effect>) {
    edit::walk_away(state, now);
    if load(state, id, now, effects) {
        state.screen = Screen::Experiment;
        state.close_overlays();
    }
}

/// Makes an experiment the open one without leaving the screen, so that its results, history and so on
/// can be loaded. What was open before is kept when it is the same one. False when there is none.
pub fn load(state: &mut State, id: Uuid, now: Timestamp, effects: &mut Vec<Effect>) -> bool {
    if state.open.as_deref().and_then(ExperimentDetail::id) == Some(id) {
        return true;
    }
    let Some(experiment) = state.list.experiment(id).map(Arc::clone) else {
        return false;
    };
    forget(state, effects);
    let mut detail = ExperimentDetail::unknown(experiment.key.to_string());
    let at = state.list.experiments.at.unwrap_or(now);
    detail.experiment.set(experiment, at);
    state.open = Some(Box::new(detail));
    true
}

/// Back to the list, the cursor on the experiment that was open.
pub fn close(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if let Some(id) = state.open.as_deref().and_then(ExperimentDetail::id) {
        if state.list.rows.contains(&id) {
            state.list.selected = Some(id);
            state.list.chosen = true;
        }
        state.list.frozen_until = None;
        state.list.arrange(now);
    }
    edit::walk_away(state, now);
    drafts::settle(state, now, effects);
    forget(state, effects);
    state.screen = Screen::Experiments;
}

/// The open experiment is no more: back to the list where it was looked at.
pub fn gone(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.screen == Screen::Experiment {
        close(state, now, effects);
        state.close_overlays();
    } else {
        forget(state, effects);
    }
}

fn forget(state: &mut State, effects: &mut Vec<Effect>) {
    state.open = None;
    for slot in OF_DETAIL {
        if state.requests.cancel(slot) {
            effects.push(Effect::Cancel(slot));
        }
    }
    // Held results of the one that was open belong to nobody now.
    state
        .hold
        .answers
        .retain(|held| held.request.slot() != Slot::Results);
}

/// The experiment that a command is about: the open one, else the one under the cursor.
#[must_use]
pub fn target(state: &State) -> Option<&Arc<Experiment>> {
    match state.screen {
        Screen::Experiment => state.open.as_deref()?.config(),
        Screen::Experiments => state.list.current(),
        Screen::Create | Screen::Objects(_) | Screen::Flag => None,
    }
}

/// Opens a tab; on the list that of the experiment under the cursor.
pub fn tab(state: &mut State, tab: Tab, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.screen == Screen::Experiments {
        super::list::open(state, now, effects);
    }
    if state.detail().is_some_and(|detail| detail.tab != tab) {
        edit::walk_away(state, now);
    }
    if let (Screen::Experiment, Some(detail)) = (state.screen, state.open.as_deref_mut()) {
        detail.tab = tab;
    }
}

/// Opens the tab `by` positions further.
pub fn step_tab(state: &mut State, by: isize, now: Timestamp, effects: &mut Vec<Effect>) {
    if let Some(detail) = state.detail() {
        let next = detail.tab.step(by);
        tab(state, next, now, effects);
    }
}

/// Moves the cursor or the lines of the open tab.
pub fn move_by(state: &mut State, by: isize) {
    if state.editor().is_some_and(|editor| editor.editing.is_some()) {
        edit::pick(state, by);
        return;
    }
    if state.sheet().is_some() {
        edit::move_by(state, by);
        return;
    }
    let last = state.laid.last;
    let Some(detail) = state.open.as_deref_mut() else {
        return;
    };
    if detail.tab == Tab::Overrides {
        let rows = detail
            .overrides
            .page
            .value
            .as_ref()
            .map_or(0, |p| p.overrides.len());
        let at = detail.overrides.selected;
        if by == 1 && at + 1 >= rows && detail.overrides.next_page() {
            return;
        }
        detail.overrides.selected = at.saturating_add_signed(by).min(rows.saturating_sub(1));
        return;
    }
    if detail.tab == Tab::Analytics {
        super::analytics::move_by(detail, by, last);
        return;
    }
    let row = detail.row_mut();
    *row = row.saturating_add_signed(by).min(last);
}

/// A frame was laid out: nothing is scrolled further than there is something to see.
pub fn laid(state: &mut State, rows: usize, last: usize) {
    state.laid = Laid { rows, last };
    if state.overlays.is_empty() {
        if let (Screen::Experiment, Some(detail)) = (state.screen, state.open.as_deref_mut()) {
            let row = detail.row_mut();
            *row = (*row).min(last);
        }
    } else {
        super::overlays::clamp(state, last);
    }
}

/// Search and pages of the Overrides tab.
pub fn overrides(state: &mut State, command: Command, now: Timestamp) {
    let Some(detail) = state.open.as_deref_mut() else {
        return;
    };
    let moved = match command {
        Command::Search => {
            detail.overrides.searching = true;
            return;
        }
        Command::NextPage => detail.overrides.next_page(),
        _ => detail.overrides.previous_page(),
    };
    if !moved {
        let text = match command {
            Command::NextPage => "This is the last page",
            _ => "This is the first page",
        };
        super::notify(state, crate::cockpit::state::Level::Info, text, now);
    }
}
