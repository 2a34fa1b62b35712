//! Cursors of overlays over what is put together from several answers: they stay on their line whatever comes in.

use uuid::Uuid;

use super::palette::{self, PaletteItem};
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
    /// The lines of the palette for what is typed.
    Palette(String, Vec<PaletteItem>),
}

/// Before something happens.
#[must_use]
pub fn before(state: &State) -> Cursors {
    match state.overlays.last() {
        Some(Overlay::Conflicts { .. }) => match conflicts(state) {
            Some((id, paths)) => Cursors::Conflicts(id, paths),
            None => Cursors::None,
        },
        Some(Overlay::Palette(open)) => {
            let typed = open.input.text();
            Cursors::Palette(typed.to_owned(), palette::items(state, typed))
        }
        _ => Cursors::None,
    }
}

/// After it happened.
pub fn stay(state: &mut State, before: Cursors) {
    match before {
        Cursors::None => {}
        Cursors::Conflicts(of, before) => {
            if let Some((_, paths)) = conflicts(state).filter(|(id, _)| *id == of)
                && let Some(Overlay::Conflicts { selected }) = state.overlays.last_mut()
            {
                *selected = follow(&before, &paths, *selected, Clone::clone);
            }
        }
        Cursors::Palette(typed, before) => {
            let items = palette::items(state, &typed);
            // What is typed anew begins at the best match.
            if let Some(Overlay::Palette(open)) = state.overlays.last_mut()
                && open.input.text() == typed
            {
                open.selected = follow(&before, &items, open.selected, |item| *item);
            }
        }
    }
}

/// What both changed of the experiment on the screen, in its order.
fn conflicts(state: &State) -> Option<(Uuid, Vec<Path>)> {
    let (id, _) = state.sheet()?;
    let draft = state.drafts.get(&id)?;
    let paths = draft.conflicts.iter().map(|conflict| conflict.both.path.clone());
    Some((id, paths.collect()))
}
