//! The way to another project.

use jiff::Timestamp;

use super::super::{drafts, edit, export, notify};
use super::go_home;
use crate::cockpit::effect::Effect;
use crate::cockpit::ports::Slot;
use crate::cockpit::state::objects::Objects;
use crate::cockpit::state::{Level, ListState, State};
use crate::domain::Key;

/// Why one cannot go to another project or server now; none when one can.
#[must_use]
pub fn cannot_leave(state: &State) -> Option<&'static str> {
    let writing = [
        Slot::Status,
        Slot::Update,
        Slot::Create,
        Slot::Override,
        Slot::Winner,
        Slot::WriteInsight,
        Slot::ImportStep,
        Slot::Change,
    ];
    // What is unsaved is kept on disk.
    writing
        .iter()
        .any(|slot| state.requests.pending(*slot).is_some())
        .then_some("A change is still on its way: wait for its answer before going elsewhere")
}

/// The whole cockpit turns to another project.
pub fn switch(state: &mut State, key: Key, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.me.as_ref().is_some_and(|me| me.project.key == key) {
        go_home(state, now, effects);
        return;
    }
    if let Some(why) = cannot_leave(state) {
        notify(state, Level::Warn, why, now);
        return;
    }
    // What is unsaved is kept on disk under the project it belongs to.
    edit::walk_away(state, now);
    drafts::settle(state, now, effects);
    state.drafts.clear();
    state.create = None;
    go_home(state, now, effects);
    for slot in Slot::ALL {
        if state.requests.cancel(slot) {
            effects.push(Effect::Cancel(slot));
        }
        state.requests.plan(slot, now);
    }
    let projects = std::mem::take(&mut state.objects.projects);
    let copied_to = state.objects.copied_to.take();
    export::leave(state, effects);
    state.objects = Objects {
        projects,
        copied_to,
        ..Objects::default()
    };
    state.list = ListState::default();
    state.open = None;
    state.hold = Default::default();
    state.calls = Default::default();
    state.me = None;
    effects.push(Effect::Project(key.to_string()));
    notify(state, Level::Ok, format!("This is {key} now"), now);
}
