//! What is typed into a field: from the first key until it is left.

use jiff::Timestamp;
use uuid::Uuid;

use super::places::move_on;
use super::suggest::picked;
use super::take;
use crate::cockpit::Key;
use crate::cockpit::edit::{Cell, Part, Sheet, Which};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::editor::{Editing, Found, Input};
use crate::cockpit::state::text::TextField;
use crate::cockpit::state::{Level, Screen, State};
use crate::cockpit::update::drafts::{self, draft_of};
use crate::cockpit::update::{notify, save};

/// Begins to type into a field. What it is made from is held from here on.
pub fn type_into(state: &mut State, id: Uuid, cell: Cell, now: Timestamp) {
    if draft_of(state, id, now).is_none() {
        return;
    }
    let Some(e) = state.edited(id) else { return };
    let kind = cell.kind(e);
    let wizard = match (&cell, state.create.as_deref()) {
        (Cell::Baseline, Some(create)) => Some(create.wizard.baseline.text().to_owned()),
        (Cell::Lift, Some(create)) => Some(create.wizard.lift.text().to_owned()),
        _ => None,
    };
    let text = cell.text(e);
    let waits = drafts::unread(state, id, &cell).map(str::to_owned);
    let shown = wizard.or_else(|| waits.clone()).unwrap_or_else(|| text.clone());
    if let Some(editor) = state.editor_mut() {
        editor.editing = Editing::new(cell, kind, shown);
        // A text that waits is no value yet: it is taken when the field is left, typed on or not.
        if let Some(editing) = editor.editing.as_mut().filter(|_| waits.is_some()) {
            editing.was = text;
        }
    }
}

/// What is being typed about an experiment and differs from what the field said.
#[must_use]
pub fn typing(state: &State, id: Uuid) -> Option<(Cell, String)> {
    let (edited, _) = state.sheet()?;
    let editing = state.editor()?.editing.as_ref()?;
    let draft = edited == id && editing.changed() && !matches!(editing.cell, Cell::Baseline | Cell::Lift);
    draft.then(|| (editing.cell.clone(), editing.text()))
}

/// The field of an experiment that is typed into, whether or not it says something else already.
#[must_use]
pub fn open_field(state: &State, id: Uuid) -> Option<Cell> {
    let (edited, _) = state.sheet()?;
    let editing = state.editor()?.editing.as_ref().filter(|_| edited == id)?;
    Some(editing.cell.clone())
}

/// The field that is typed into shows what came in, unless something was typed. It stands at `place` now; without one
/// what it belongs to is gone.
pub fn refresh_field(state: &mut State, id: Uuid, place: Option<Cell>, typed: bool) {
    let Some(open) = open_field(state, id) else { return };
    let Some(cell) = place else {
        if let Some(editor) = state.editor_mut() {
            editor.editing = None;
        }
        return;
    };
    let Some(e) = state.edited(id) else { return };
    let (kind, text) = (cell.kind(e), cell.text(e));
    if let Some(editor) = state.editor_mut()
        && let Some(editing) = &mut editor.editing
    {
        if typed {
            editing.cell = cell;
            editing.was = text;
        } else if editing.was != text || open != cell {
            editor.editing = Editing::new(cell, kind, text);
        }
    }
}

/// Keeps a key back while it is not known whether there is a draft on disk: with an edit that has to wait, what
/// is typed after it waits too. True when it was kept back.
pub fn hold(state: &mut State, key: Key, command: Option<Command>) -> bool {
    let edits = command.is_some_and(|command| {
        let asks = matches!(
            command,
            Command::Restore | Command::Discard | Command::FlagEdit | Command::FlagAdd | Command::FlagRemove
        );
        // Nothing is there to be taken back or done again yet.
        let goes_back = matches!(command, Command::Undo | Command::Redo);
        asks || (command.edits() && !goes_back)
    });
    let begins = state.screen == Screen::Create && state.create.as_deref().is_some_and(|create| create.begin);
    let Some((true, held)) = held(state) else {
        return false;
    };
    let wait = edits || begins || !held.is_empty();
    if wait {
        held.push(key);
    }
    wait
}

/// Whether the disk was asked for a draft of what is looked at and has not answered, and the keys that wait for it.
pub(super) fn held(state: &mut State) -> Option<(bool, &mut Vec<Key>)> {
    if state.screen == Screen::Flag {
        let detail = state.objects.flag.as_deref_mut()?;
        return Some((matches!(detail.found, Found::Looking), &mut detail.held));
    }
    let editor = state.editor_mut()?;
    Some((matches!(editor.found, Found::Looking), &mut editor.held))
}

/// The keys that waited. Where a draft is offered they go nowhere: nothing they were meant for can be done before it.
pub fn let_go(state: &mut State) -> Vec<Key> {
    let offered = match state.screen {
        Screen::Flag => (state.objects.flag.as_deref()).is_some_and(|d| d.found.offered().is_some()),
        _ => state.editor().is_some_and(|e| e.found.offered().is_some()),
    };
    match held(state) {
        Some((false, held)) => {
            let keys = std::mem::take(held);
            if offered { Vec::new() } else { keys }
        }
        _ => Vec::new(),
    }
}

/// Whether what is typed goes into a field or a dialog.
#[must_use]
pub fn takes_text(state: &State) -> bool {
    !state.overlays.is_empty() || state.editor().is_some_and(|editor| editor.editing.is_some())
}

/// A key while a field is typed into. True when it was one for the field.
pub fn key(state: &mut State, key: Key, now: Timestamp) -> bool {
    let (screen, _) = state.size;
    let Some(editing) = state.editor_mut().and_then(|editor| editor.editing.as_mut()) else {
        return false;
    };
    if !editing.key(key, screen) {
        return false;
    }
    typed(state, now);
    true
}

/// A paste while a field is typed into: whether there was room for all of it; none when nothing is typed into.
pub fn paste(state: &mut State, text: &str, now: Timestamp) -> Option<bool> {
    let editing = state.editor_mut().and_then(|editor| editor.editing.as_mut())?;
    let whole = editing.paste(text);
    typed(state, now);
    Some(whole)
}

pub(super) fn typed(state: &mut State, now: Timestamp) {
    let Some((id, _)) = state.sheet() else { return };
    if let Some(draft) = state.drafts.get_mut(&id) {
        draft.touch(now);
    }
    if id.is_nil()
        && let Some(create) = state.create.as_deref_mut()
        && let Some(editing) = create.editor.editing.as_ref()
    {
        let (cell, text) = (editing.cell.clone(), editing.text());
        // The estimate follows every key.
        if let Some(field) = create.wizard.field_mut(&cell) {
            *field = TextField::new(&text);
        }
    }
}

/// Leaves the field: what was typed is an unsaved change from then on.
pub fn leave(state: &mut State, now: Timestamp) {
    let Some((id, sheet)) = state.sheet() else { return };
    let Some(editing) = state.editor_mut().and_then(|editor| editor.editing.take()) else {
        return;
    };
    let changed = editing.changed();
    // What waited in the field is taken or goes, also where it says what stands there.
    if changed || drafts::unread(state, id, &editing.cell).is_some() {
        take(state, id, &editing.cell, &editing.text(), now);
    }
    if let Some(draft) = state.drafts.get_mut(&id) {
        draft.left(now);
    }
    if !changed {
        return;
    }
    // A tracked event that was emptied is gone, and the panel would show the next one.
    let gone = matches!(sheet, Sheet::Metric(Which::Tracked(at))
        if state.edited(id).is_some_and(|e| at >= e.tracked_events.len()));
    if gone && editing.text().trim().is_empty() {
        if let Some(editor) = state.editor_mut() {
            editor.panels.pop();
        }
    } else if let Sheet::Metric(Which::Tracked(_)) = sheet
        && editing.text().trim().is_empty()
        && matches!(editing.cell, Cell::Event(_))
        && let Some(editor) = state.editor_mut()
    {
        editor.panels.pop();
    }
}

/// Esc in a field: in a cell of the table of variants, what was typed is dropped, as in every table; elsewhere, and in a
/// text of several lines, it is an unsaved change from then on. Nothing is saved by it.
pub fn escape(state: &mut State, now: Timestamp) {
    let of_cell = state.sheet().is_some_and(|(_, sheet)| sheet.is_table());
    let editing = state.editor_mut().and_then(|editor| editor.editing.as_mut());
    let Some(editing) = editing.filter(|e| of_cell && !matches!(e.input, Input::Area(_))) else {
        leave(state, now);
        return;
    };
    let dropped = editing.changed().then(|| editing.text());
    let label = match &editing.cell {
        Cell::Variant(_, attr) => attr.label(),
        _ => "the field",
    };
    let stays = editing.was.clone();
    if let Some(editor) = state.editor_mut() {
        editor.editing = None;
    }
    if let Some((id, _)) = state.sheet()
        && let Some(draft) = state.drafts.get_mut(&id)
    {
        draft.left(now);
    }
    if let Some(text) = dropped {
        let stays = if stays.is_empty() {
            "as empty as it was"
        } else {
            &stays
        };
        let keeps = [(Context::Field, Command::Accept, "keeps what is typed")];
        let text = format!("{label} stays {stays}, {text} was dropped");
        let text = state.keymap.after(&text, "; ", &keeps);
        notify(state, Level::Info, text, now);
    }
}

/// The suggestion under the cursor in the place of what was typed.
pub(super) fn take_picked(state: &mut State) {
    let picked = picked(state);
    let editing = state.editor_mut().and_then(|editor| editor.editing.as_mut());
    if let (Some(text), Some(Input::Line(field))) = (picked, editing.map(|editing| &mut editing.input)) {
        *field = TextField::new(&text);
    }
}

/// Enter while typing: takes the suggestion or the text; through the parts of a condition it goes on.
pub fn accept(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some((id, sheet)) = state.sheet() else { return };
    take_picked(state);
    let Some(editing) = state.editor().and_then(|editor| editor.editing.as_ref()) else {
        return;
    };
    let cell = editing.cell.clone();
    leave(state, now);
    if matches!(
        cell,
        Cell::Filter(_, _, Part::Scope | Part::Field | Part::Operator)
            | Cell::Condition(_, _, Part::Scope | Part::Field | Part::Operator)
    ) && state
        .editor()
        .is_some_and(|editor| editor.panels.last() == Some(&sheet))
    {
        move_on(state, id, sheet, true, now, true);
    }
    save::by_itself(state, sheet, now, effects);
}
