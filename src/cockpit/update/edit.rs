//! Editing a sheet: what each command does. Typing, moving, rows and suggestions have a file each.

mod lines;
pub mod names;
mod places;
mod suggest;
mod typing;

use jiff::Timestamp;
use uuid::Uuid;

pub use self::places::{jump, move_by, point};
pub use self::suggest::{pick, suggestions, wanted_suggestions};
pub use self::typing::{
    accept, escape, hold, key, leave, let_go, open_field, paste, refresh_field, takes_text, type_into, typing,
};
use super::drafts::{self, draft_of};
use super::{ask, create, guard, notify, save};
use crate::cockpit::edit::cell::metric;
use crate::cockpit::edit::{Attr, Cell, Kind, Sheet, Which, rows};
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::ask::Ask;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Level, Screen, State};
use crate::domain::Experiment;

/// A command on a sheet.
pub fn command(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some((id, sheet)) = state.sheet() else {
        if state.screen == Screen::Create {
            create::command(state, command, now);
        } else {
            notify(state, Level::Info, "Setup, Variants and Rules can be edited", now);
        }
        return;
    };
    match command {
        Command::Edit => begin(state, id, sheet, now, effects),
        Command::Add => lines::add(state, id, sheet, now, effects),
        Command::Remove => lines::remove(state, id, sheet, now, effects),
        Command::MoveUp => lines::shift(state, id, sheet, false, now, effects),
        Command::MoveDown => lines::shift(state, id, sheet, true, now, effects),
        Command::ColumnLeft => places::column(state, id, sheet, -1),
        Command::ColumnRight => places::column(state, id, sheet, 1),
        Command::SplitEvenly => lines::split_evenly(state, id, sheet, now, effects),
        Command::Undo => step(state, id, sheet, false, now, effects),
        Command::Redo => step(state, id, sheet, true, now, effects),
        Command::Restore => drafts::restore(state, now),
        Command::Discard => discard(state, id, now),
        Command::Decide => decide(state, id, now),
        Command::Save => save::ask(state, now, effects),
        Command::NextCell => places::next_cell(state, id, sheet, true, now, effects),
        Command::PreviousCell => places::next_cell(state, id, sheet, false, now, effects),
        _ => {}
    }
}

/// Whether anything may be edited here; says why not.
fn allowed(state: &mut State, now: Timestamp) -> bool {
    if let Some(why) = guard::edit_refusal(state) {
        notify(state, Level::Warn, why, now);
        return false;
    }
    let found = state.editor().map(|editor| &editor.found);
    let why = match found {
        Some(found) if found.is_open() => "Looking for unsaved changes: try again".to_owned(),
        Some(found) => match found.offered() {
            Some(stored) => offered(&state.keymap, Context::Edit, stored.count(), stored.at),
            None => return true,
        },
        None => return true,
    };
    notify(state, Level::Warn, why, now);
    false
}

/// That a draft on disk comes first.
pub fn offered(keymap: &Keymap, place: Context, count: usize, at: Timestamp) -> String {
    let text = format!(
        "{} from {}",
        format::counted(count as u64, "unsaved change", "unsaved changes"),
        format::moment(at, &jiff::tz::TimeZone::UTC),
    );
    let ways = [
        (place, Command::Restore, "restores"),
        (place, Command::Discard, "throws away"),
    ];
    keymap.after(&text, ": ", &ways)
}

/// Enter: types into the field, ticks it, or opens what it holds.
fn begin(state: &mut State, id: Uuid, sheet: Sheet, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(e) = state.edited(id) else { return };
    let Some(cell) = state.editor().and_then(|editor| editor.cell(sheet, e)) else {
        return;
    };
    let kind = cell.kind(e);
    let on = cell.text(e) == "yes";
    match kind {
        Kind::Fixed(why) => {
            // Who may change nothing is not told of other keys.
            let why = guard::edit_refusal(state).unwrap_or_else(|| why.text(&state.keymap));
            notify(state, Level::Info, why, now);
        }
        Kind::Opens(panel) => {
            let missing = matches!(&cell, Cell::Metric(which) if metric(e, *which).is_none());
            if missing && !allowed(state, now) {
                return;
            }
            if let Some(editor) = state.editor_mut() {
                editor.panels.push(panel);
            }
            if missing {
                // There is only one thing to do in it.
                type_into(state, id, Cell::Event(which_of(&cell)), now);
            }
        }
        Kind::Toggle => {
            if allowed(state, now) {
                let text = match (&cell, on) {
                    // One of several: it goes by another being chosen.
                    (Cell::Variant(_, Attr::Control) | Cell::VariantDefault(_), true) => {
                        notify(state, Level::Info, "Choose another one: exactly one has it", now);
                        return;
                    }
                    (_, true) => "no",
                    (_, false) => "yes",
                };
                take(state, id, &cell, text, now);
                save::by_itself(state, sheet, now, effects);
            }
        }
        Kind::Text | Kind::Lines | Kind::Choice(_) => {
            if allowed(state, now) {
                type_into(state, id, cell, now);
            }
        }
    }
}

fn which_of(cell: &Cell) -> Which {
    match cell {
        Cell::Metric(which) | Cell::Event(which) | Cell::Filter(which, ..) => *which,
        _ => Which::Primary,
    }
}

fn take(state: &mut State, id: Uuid, cell: &Cell, text: &str, now: Timestamp) {
    if matches!(cell, Cell::Baseline | Cell::Lift) {
        return;
    }
    let Some(draft) = draft_of(state, id, now) else {
        return;
    };
    draft.enter(cell, text, now);
    if id.is_nil() {
        create::follow_name(state, cell, now);
    }
}

/// Changes rows of what is edited.
fn change<T>(
    state: &mut State,
    id: Uuid,
    now: Timestamp,
    change: impl FnOnce(&mut Experiment) -> T,
) -> Option<T> {
    Some(draft_of(state, id, now)?.change(now, change))
}

/// The same of rows that are told apart by their place.
fn change_rows<T>(
    state: &mut State,
    id: Uuid,
    now: Timestamp,
    moved: (rows::Rows, rows::Moved),
    change: impl FnOnce(&mut Experiment) -> T,
) -> Option<T> {
    Some(draft_of(state, id, now)?.change_rows(now, Some(moved), change))
}

fn step(state: &mut State, id: Uuid, sheet: Sheet, forward: bool, now: Timestamp, effects: &mut Vec<Effect>) {
    let done = match state.drafts.get_mut(&id) {
        Some(draft) if forward => draft.redo(now),
        Some(draft) => draft.undo(now),
        None => false,
    };
    if !done {
        let text = if forward {
            "Nothing was taken back".to_owned()
        } else {
            let restored = state
                .drafts
                .get(&id)
                .map(|draft| (draft.restored, draft.is_clean()));
            drafts::no_undo(&state.keymap, restored.unwrap_or_default(), Context::Edit)
        };
        notify(state, Level::Info, text, now);
        return;
    }
    close_lost_panels(state, id);
    save::by_itself(state, sheet, now, effects);
}

/// A panel about something that is gone closes.
pub fn close_lost_panels(state: &mut State, id: Uuid) {
    let Some(e) = state.edited(id).cloned() else {
        return;
    };
    if let Some(editor) = state.editor_mut() {
        editor.panels.retain(|sheet| match sheet {
            Sheet::Metric(Which::Tracked(at)) => *at < e.tracked_events.len(),
            sheet => sheet.title(&e).is_some(),
        });
    }
}

fn discard(state: &mut State, id: Uuid, now: Timestamp) {
    let offered = state
        .editor()
        .is_some_and(|editor| editor.found.offered().is_some());
    let dirty = state.drafts.get(&id).is_some_and(|draft| !draft.is_clean());
    if offered || dirty {
        ask::open(state, Ask::Discard { id }, now);
    } else {
        notify(state, Level::Info, "There are no unsaved changes", now);
    }
}

fn decide(state: &mut State, id: Uuid, now: Timestamp) {
    let any = state
        .drafts
        .get(&id)
        .is_some_and(|draft| !draft.conflicts.is_empty());
    if any {
        state.overlays.push(Overlay::Conflicts {
            selected: 0,
            scroll: 0,
        });
    } else {
        notify(state, Level::Info, "There is nothing to decide", now);
    }
}

/// Esc: leaves the field, then the panel. False when there is neither.
pub fn back(state: &mut State, now: Timestamp) -> bool {
    if state.editor().is_some_and(|editor| editor.editing.is_some()) {
        escape(state, now);
        return true;
    }
    state
        .editor_mut()
        .is_some_and(|editor| editor.panels.pop().is_some())
}

/// The field or panel is left because something else is looked at.
pub fn walk_away(state: &mut State, now: Timestamp) {
    leave(state, now);
    if let Some(editor) = state.editor_mut() {
        editor.panels.clear();
        editor.held.clear();
    }
}
