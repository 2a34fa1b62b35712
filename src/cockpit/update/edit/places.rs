//! Moving among the fields of a sheet, and to one wherever it stands.

use jiff::Timestamp;
use uuid::Uuid;

use super::typing::{leave, take_picked, type_into};
use crate::cockpit::edit::wizard::step_of;
use crate::cockpit::edit::{Cell, Kind, Sheet};
use crate::cockpit::effect::Effect;
use crate::cockpit::state::{Screen, State};
use crate::cockpit::update::save;

/// Tab while typing: takes the suggestion under the cursor, leaves the field and types into the next one.
pub(super) fn next_cell(
    state: &mut State,
    id: Uuid,
    sheet: Sheet,
    forward: bool,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    take_picked(state);
    leave(state, now);
    move_on(state, id, sheet, forward, now, false);
    save::by_itself(state, sheet, now, effects);
}

/// To the next field that can be typed into, and types into it. Within its row only when asked so.
pub(super) fn move_on(
    state: &mut State,
    id: Uuid,
    sheet: Sheet,
    forward: bool,
    now: Timestamp,
    in_row: bool,
) {
    let Some(e) = state.edited(id) else { return };
    let all = sheet.rows(e);
    let Some((row, column)) = state.editor().and_then(|editor| editor.cursor(sheet, e)) else {
        return;
    };
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (y, r) in all.iter().enumerate() {
        places.extend((0..r.cells.len()).map(|x| (y, x)));
    }
    let Some(at) = places.iter().position(|place| *place == (row, column)) else {
        return;
    };
    // What is ticked or opened is passed by: what is typed after tab would be commands there.
    let typed = |place: &&(usize, usize)| {
        let cell = &all[place.0].cells[place.1];
        matches!(cell.kind(e), Kind::Text | Kind::Lines | Kind::Choice(_))
    };
    let next = if forward {
        places[at + 1..].iter().find(typed)
    } else {
        places[..at].iter().rev().find(typed)
    };
    let Some((y, x)) = next.copied().filter(|(y, _)| !in_row || *y == row) else {
        return;
    };
    let cell = all[y].cells[x].clone();
    if let Some(editor) = state.editor_mut() {
        editor.at.insert(sheet, (y, x));
    }
    type_into(state, id, cell, now);
}

/// Up and down: from row to row.
pub fn move_by(state: &mut State, by: isize) {
    let Some((id, sheet)) = state.sheet() else { return };
    let Some(e) = state.edited(id) else { return };
    let last = sheet.rows(e).len().saturating_sub(1);
    let Some((row, column)) = state.editor().and_then(|editor| editor.cursor(sheet, e)) else {
        return;
    };
    let row = row.saturating_add_signed(by).min(last);
    if let Some(editor) = state.editor_mut() {
        // The column is kept beyond a shorter row.
        let column = editor.at.get(&sheet).map_or(column, |(_, column)| *column);
        editor.at.insert(sheet, (row, column));
    }
}

pub(super) fn column(state: &mut State, id: Uuid, sheet: Sheet, by: isize) {
    let Some(e) = state.edited(id) else { return };
    let Some((row, column)) = state.editor().and_then(|editor| editor.cursor(sheet, e)) else {
        return;
    };
    let last = sheet
        .rows(e)
        .get(row)
        .map_or(0, |r| r.cells.len().saturating_sub(1));
    let column = column.saturating_add_signed(by).min(last);
    if let Some(editor) = state.editor_mut() {
        editor.at.insert(sheet, (row, column));
    }
}

/// Puts the cursor on a field of the sheet on the screen, unless another one is typed into.
pub fn point(state: &mut State, row: usize, column: usize) {
    let Some((_, sheet)) = state.sheet() else { return };
    if let Some(editor) = state.editor_mut().filter(|editor| editor.editing.is_none()) {
        editor.at.insert(sheet, (row, column));
    }
}

/// Goes to a field, wherever it stands. False where it stands on none of the sheets that can be reached from here.
pub fn jump(state: &mut State, id: Uuid, cell: &Cell) -> bool {
    let Some(e) = state.edited(id).cloned() else {
        return false;
    };
    let tab = cell.tab();
    let panel = cell.panel();
    let place = panel.as_ref().map_or(cell, |(_, opens)| opens);
    match (state.screen, tab) {
        (Screen::Experiment, Some(tab)) => {
            if let Some(detail) = state.open.as_deref_mut() {
                detail.tab = tab;
            }
        }
        (Screen::Create, _) => {
            let Some(create) = state.create.as_deref_mut() else {
                return false;
            };
            create.wizard.step = step_of(cell, &e).unwrap_or(create.wizard.step);
        }
        _ => {}
    }
    if let Some(editor) = state.editor_mut() {
        editor.panels.clear();
    }
    if let Some((_, sheet)) = state.sheet()
        && let Some(editor) = state.editor_mut()
    {
        let found = editor.go_to(sheet, place, &e);
        return match panel {
            Some((panel, _)) => {
                editor.panels.push(panel);
                editor.go_to(panel, cell, &e)
            }
            None => found,
        };
    }
    false
}
