//! Opening the lists, moving in them, their filters, and what is copied from them.

use jiff::Timestamp;
use uuid::Uuid;

use super::super::{experiment, flag};
use crate::cockpit::effect::Effect;
use crate::cockpit::state::objects::{Kind, Objects};
use crate::cockpit::state::text::TextField;
use crate::cockpit::state::{Screen, State};

/// Opens one of the lists.
pub fn go(state: &mut State, kind: Kind, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.screen == Screen::Experiment {
        experiment::close(state, now, effects);
    }
    state.close_overlays();
    state.screen = Screen::Objects(kind);
}

/// Looks at one object: a flag on its page, of the others the list with the cursor on it.
pub fn show(state: &mut State, kind: Kind, id: Uuid, now: Timestamp, effects: &mut Vec<Effect>) {
    go(state, kind, now, effects);
    let (filter, filtering) = filter_mut(&mut state.objects, kind);
    filter.clear();
    *filtering = false;
    let selected = match kind {
        Kind::Flags => &mut state.objects.flags.selected,
        Kind::Deployments => &mut state.objects.deployments.selected,
        Kind::Projects => &mut state.objects.projects.selected,
        Kind::Tokens => &mut state.objects.tokens.selected,
        Kind::Labs => &mut state.objects.labs.selected,
    };
    *selected = Some(id);
    if kind == Kind::Flags {
        flag::open(state, id);
    }
}

/// Back to the experiments.
pub fn go_home(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.screen == Screen::Experiment {
        experiment::close(state, now, effects);
    }
    state.close_overlays();
    state.screen = Screen::Experiments;
}

/// The filter of the list that is looked at, and whether it takes the keys.
#[must_use]
pub fn filter(objects: &Objects, kind: Kind) -> (&TextField, bool) {
    match kind {
        Kind::Flags => (&objects.flags.filter, objects.flags.filtering),
        Kind::Deployments => (&objects.deployments.filter, objects.deployments.filtering),
        Kind::Projects => (&objects.projects.filter, objects.projects.filtering),
        Kind::Tokens => (&objects.tokens.filter, objects.tokens.filtering),
        Kind::Labs => (&objects.labs.filter, objects.labs.filtering),
    }
}

/// The same, to be changed.
pub fn filter_mut(objects: &mut Objects, kind: Kind) -> (&mut TextField, &mut bool) {
    match kind {
        Kind::Flags => (&mut objects.flags.filter, &mut objects.flags.filtering),
        Kind::Deployments => (
            &mut objects.deployments.filter,
            &mut objects.deployments.filtering,
        ),
        Kind::Projects => (&mut objects.projects.filter, &mut objects.projects.filtering),
        Kind::Tokens => (&mut objects.tokens.filter, &mut objects.tokens.filtering),
        Kind::Labs => (&mut objects.labs.filter, &mut objects.labs.filtering),
    }
}

/// Moves the cursor of the list.
pub fn move_by(state: &mut State, kind: Kind, by: isize) {
    match kind {
        Kind::Flags => state.objects.flags.move_by(by),
        Kind::Deployments => state.objects.deployments.move_by(by),
        Kind::Projects => state.objects.projects.move_by(by),
        Kind::Tokens => state.objects.tokens.move_by(by),
        Kind::Labs => state.objects.labs.move_by(by),
    }
}

/// What `y` copies in a list; none where there is nothing.
#[must_use]
pub fn copied(state: &State) -> Option<String> {
    if let Some(flag) = flag::target(state) {
        return Some(flag.key.to_string());
    }
    let Screen::Objects(kind) = state.screen else {
        return None;
    };
    match kind {
        Kind::Deployments => {
            let deployment = &state.objects.deployments.current()?.deployment;
            // A server's key is known to nobody.
            Some(
                deployment
                    .key
                    .clone()
                    .unwrap_or_else(|| deployment.id.to_string()),
            )
        }
        Kind::Projects => Some(state.objects.projects.current()?.project.key.to_string()),
        Kind::Tokens => Some(state.objects.tokens.current()?.name.clone()),
        Kind::Labs => Some(state.objects.labs.current()?.key.to_string()),
        Kind::Flags => None,
    }
}
