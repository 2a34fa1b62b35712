//! Cursors of overlays over what is put together from several answers: they stay on their line whatever comes in.

use uuid::Uuid;

use crate::cockpit::edit::path::Path;
use crate::cockpit::state::State;
use crate::cockpit::state::cursor::follow;
use crate::cockpit::state::overlay::Overlay;

/// What stood in the lists of the topmost overlay before something happened.
#[derive(Debug)]
pub enum Cursors {
    /// No list of this kind.
    None,
    /// What both changed of an experiment.
    Conflicts(Uuid, Vec<Path>),
}

/// Before something happens.
#[must_use]
pub fn before(state: &State) -> Cursors {
    match state.overlays.last() {
        Some(Overlay::Conflicts { .. }) => match conflicts(state) {
            Some((id, paths)) => Cursors::Conflicts(id, paths),
            None => Cursors::None,
        },
        _ => Cursors::None,
    }
}

/// After it happened.
pub fn stay(state: &mut State, before: Cursors) {
    if let Cursors::Conflicts(of, before) = before
        && let Some((_, paths)) = conflicts(state).filter(|(id, _)| *id == of)
        && let Some(Overlay::Conflicts { selected }) = state.overlays.last_mut()
    {
        *selected = follow(&before, &paths, *selected, Clone::clone);
    }
}

/// What both changed of the experiment on the screen, in its order.
fn conflicts(state: &State) -> Option<(Uuid, Vec<Path>)> {
    let (id, _) = state.sheet()?;
    let draft = state.drafts.get(&id)?;
    let paths = draft.conflicts.iter().map(|conflict| conflict.both.path.clone());
    Some((id, paths.collect()))
}
