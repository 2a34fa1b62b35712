//! The names that are suggested below a field.

use crate::cockpit::edit::{Cell, Part};
use crate::cockpit::ports::Suggest;
use crate::cockpit::state::State;
use crate::cockpit::state::editor::{Editing, Input};
use crate::domain::experiment::DEFAULT_LAB;

/// The most suggestions below a field.
const SUGGESTIONS: usize = 6;

/// Up and down while typing: through the suggestions.
pub fn pick(state: &mut State, by: isize) {
    let count = suggestions(state).len();
    let Some(editing) = state.editor_mut().and_then(|editor| editor.editing.as_mut()) else {
        return;
    };
    if count == 0 {
        editing.picked = None;
        return;
    }
    editing.picked = match (editing.picked, by < 0) {
        (None, true) => Some(count - 1),
        (None, false) => Some(0),
        (Some(0), true) => None,
        (Some(at), true) => Some(at - 1),
        (Some(at), false) if at + 1 < count => Some(at + 1),
        (Some(_), false) => None,
    };
}

pub(super) fn picked(state: &State) -> Option<String> {
    let at = state.editor()?.editing.as_ref()?.picked?;
    suggestions(state).into_iter().nth(at)
}

/// What to ask for, to help with the field that is typed into.
#[must_use]
pub fn wanted_suggestions(state: &State) -> Option<Suggest> {
    let (id, _) = state.sheet()?;
    let editing = state.editor()?.editing.as_ref()?;
    if !matches!(editing.input, Input::Line(_)) {
        return None;
    }
    let e = state.edited(id)?;
    let field = |cell: Cell| {
        let name = cell.text(e);
        let bare = ["profile.", "session.", "event.", "properties."]
            .iter()
            .fold(name.as_str(), |name, scope| {
                name.strip_prefix(scope).unwrap_or(name)
            })
            .to_owned();
        (!bare.is_empty()).then_some(Suggest::Values(bare))
    };
    match &editing.cell {
        Cell::Event(_) | Cell::NewTracked => Some(Suggest::Events),
        Cell::Filter(_, _, Part::Field) | Cell::Condition(_, _, Part::Field) => Some(Suggest::Fields),
        Cell::Filter(which, at, Part::Value) => field(Cell::Filter(*which, *at, Part::Field)),
        Cell::Condition(id, at, Part::Value) => field(Cell::Condition(*id, *at, Part::Field)),
        _ => None,
    }
}

/// The names that go with what is typed, those that begin with it first.
#[must_use]
pub fn suggestions(state: &State) -> Vec<String> {
    let Some(editor) = state.editor() else {
        return Vec::new();
    };
    let typed = editor
        .editing
        .as_ref()
        .map(Editing::text)
        .unwrap_or_default()
        .to_lowercase();
    let objects;
    let all: &[String] = match (objects_of(state), wanted_suggestions(state)) {
        (Some(names), _) => {
            objects = names;
            &objects
        }
        (None, Some(wanted)) if editor.suggestions.asked.as_ref() == Some(&wanted) => {
            editor.suggestions.names.value.as_deref().unwrap_or_default()
        }
        (None, _) => return Vec::new(),
    };
    let mut matching: Vec<&String> = all
        .iter()
        .filter(|name| {
            let name = name.to_lowercase();
            name.contains(typed.trim()) && name != typed.trim()
        })
        .collect();
    matching.sort_by_key(|name| !name.to_lowercase().starts_with(typed.trim()));
    matching.into_iter().take(SUGGESTIONS).cloned().collect()
}

/// The keys of the objects that the field can name; none where it names no object.
fn objects_of(state: &State) -> Option<Vec<String>> {
    match &state.editor()?.editing.as_ref()?.cell {
        Cell::Lab => {
            let open = state.objects.labs.all().iter().filter(|lab| !lab.archived);
            let keys = open.map(|lab| lab.key.to_string());
            Some(std::iter::once(DEFAULT_LAB.to_owned()).chain(keys).collect())
        }
        Cell::LinkedFlag => {
            let flags = state.objects.flags.all().iter().filter(|row| !row.flag.archived);
            Some(flags.map(|row| row.flag.key.to_string()).collect())
        }
        _ => None,
    }
}
