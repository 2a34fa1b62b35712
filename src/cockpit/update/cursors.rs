//! Cursors that stay on their line whatever comes in: of overlays over what is put together from several answers, and
//! of the sheets of an experiment without unsaved changes. Where there are some, merging moves them.

use std::sync::Arc;

use uuid::Uuid;

use super::palette::{self, PaletteItem};
use crate::cockpit::edit::path::Path;
use crate::cockpit::state::cursor::follow;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{ExperimentDetail, State};
use crate::domain::Experiment;

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
                && let Some(Overlay::Conflicts { selected, .. }) = state.overlays.last_mut()
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

/// The experiment whose sheets show what the server has, before something happens.
#[must_use]
pub fn shown(state: &State) -> Option<Arc<Experiment>> {
    let config = state.open.as_deref().and_then(ExperimentDetail::config)?;
    (!state.drafts.contains_key(&config.id)).then(|| Arc::clone(config))
}

/// After it happened: the cursors of its sheets.
pub fn stay_on_rows(state: &mut State, before: Option<Arc<Experiment>>) {
    let (Some(old), Some(new)) = (before, shown(state)) else {
        return;
    };
    let came = old.id == new.id && old.resource_version != new.resource_version;
    if let Some(detail) = state.open.as_deref_mut().filter(|_| came) {
        detail.editor.follow(&old, &new);
    }
}

/// What both changed of the experiment on the screen, in its order.
fn conflicts(state: &State) -> Option<(Uuid, Vec<Path>)> {
    let (id, _) = state.sheet()?;
    let draft = state.drafts.get(&id)?;
    let paths = draft.conflicts.iter().map(|conflict| conflict.both.path.clone());
    Some((id, paths.collect()))
}
