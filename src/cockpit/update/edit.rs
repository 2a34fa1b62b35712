//! Moving among fields, typing into them, adding and removing rows, undo.

use jiff::Timestamp;
use uuid::Uuid;

use super::drafts::{self, draft_of};
use super::{ask, create, guard, notify, save};
use crate::cockpit::Key;
use crate::cockpit::edit::wizard::Wizard;
use crate::cockpit::edit::{Attr, Cell, Kind, Part, Sheet, Which, rows};
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::keymap::Command;
use crate::cockpit::ports::Suggest;
use crate::cockpit::state::ask::Ask;
use crate::cockpit::state::editor::{Editing, Found, Input};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{EditorState, Level, Screen, State};
use crate::domain::experiment::MAX_TRACKED_EVENTS;
use crate::domain::{Experiment, Status};

/// The most suggestions below a field.
pub const SUGGESTIONS: usize = 6;

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
        Command::Add => add(state, id, sheet, now, effects),
        Command::Remove => remove(state, id, sheet, now, effects),
        Command::MoveUp => shift(state, id, sheet, false, now, effects),
        Command::MoveDown => shift(state, id, sheet, true, now, effects),
        Command::ColumnLeft => column(state, id, sheet, -1),
        Command::ColumnRight => column(state, id, sheet, 1),
        Command::SplitEvenly => split_evenly(state, id, sheet, now, effects),
        Command::Undo => step(state, id, false, now),
        Command::Redo => step(state, id, true, now),
        Command::Restore => drafts::restore(state, now),
        Command::Discard => discard(state, id, now),
        Command::Decide => decide(state, id, now),
        Command::Save => save::ask(state, now),
        Command::NextCell => next_cell(state, id, sheet, true, now, effects),
        Command::PreviousCell => next_cell(state, id, sheet, false, now, effects),
        _ => {}
    }
}

fn split_evenly(state: &mut State, id: Uuid, sheet: Sheet, now: Timestamp, effects: &mut Vec<Effect>) {
    if allowed(state, now) {
        change(state, id, now, rows::split_evenly);
        save::by_itself(state, sheet, now, effects);
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
            Some(stored) => offered(stored.count(), stored.at),
            None => return true,
        },
        None => return true,
    };
    notify(state, Level::Warn, why, now);
    false
}

/// That a draft on disk comes first.
pub fn offered(count: usize, at: Timestamp) -> String {
    format!(
        "There are {} of {}: R restores them, X throws them away",
        format::counted(count as u64, "unsaved change", "unsaved changes"),
        format::moment(at, &jiff::tz::TimeZone::UTC),
    )
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
        Kind::Fixed(why) => notify(state, Level::Info, why, now),
        Kind::Opens(panel) => {
            let missing = matches!(&cell, Cell::Metric(which) if crate::cockpit::edit::cell::metric(e, *which).is_none());
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

/// Begins to type into a field. What it is made from is held from here on.
fn type_into(state: &mut State, id: Uuid, cell: Cell, now: Timestamp) {
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
    let text = wizard
        .or_else(|| drafts::unread(state, id, &cell).map(str::to_owned))
        .unwrap_or_else(|| cell.text(e));
    if let Some(editor) = state.editor_mut() {
        editor.editing = Editing::new(cell, kind, text);
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

/// The field that is typed into shows what came in, unless something was typed.
pub fn refresh_field(state: &mut State, id: Uuid, typed: bool) {
    if state.sheet().is_none_or(|(edited, _)| edited != id) {
        return;
    }
    let Some(editing) = state.editor().and_then(|editor| editor.editing.as_ref()) else {
        return;
    };
    let cell = editing.cell.clone();
    let Some(e) = state.edited(id) else { return };
    let (kind, text) = (cell.kind(e), cell.text(e));
    if let Some(editor) = state.editor_mut()
        && let Some(editing) = &mut editor.editing
    {
        if typed {
            editing.was = text;
        } else if editing.was != text {
            editor.editing = Editing::new(cell, kind, text);
        }
    }
}

/// Keeps a key back while it is not known whether there is a draft on disk: with an edit that has to wait, what
/// is typed after it waits too. True when it was kept back.
pub fn hold(state: &mut State, key: Key, command: Option<Command>) -> bool {
    let edits = matches!(
        command,
        Some(
            Command::Edit
                | Command::Add
                | Command::Remove
                | Command::MoveUp
                | Command::MoveDown
                | Command::SplitEvenly
                | Command::Restore
                | Command::Discard
                | Command::FlagEdit
                | Command::FlagAdd
                | Command::FlagRemove
                | Command::FlagUndo
        )
    );
    let Some((true, held)) = held(state) else {
        return false;
    };
    let wait = edits || !held.is_empty();
    if wait {
        held.push(key);
    }
    wait
}

/// Whether the disk was asked for a draft of what is looked at and has not answered, and the keys that wait for it.
fn held(state: &mut State) -> Option<(bool, &mut Vec<Key>)> {
    if state.screen == Screen::Flag {
        let detail = state.objects.flag.as_deref_mut()?;
        return Some((matches!(detail.found, Found::Looking), &mut detail.held));
    }
    let editor = state.editor_mut()?;
    Some((matches!(editor.found, Found::Looking), &mut editor.held))
}

/// The keys that waited.
pub fn let_go(state: &mut State) -> Vec<Key> {
    match held(state) {
        Some((false, held)) => std::mem::take(held),
        _ => Vec::new(),
    }
}

/// A key while a field is typed into. True when it was one for the field.
pub fn key(state: &mut State, key: Key, now: Timestamp) -> bool {
    let Some(editing) = state.editor_mut().and_then(|editor| editor.editing.as_mut()) else {
        return false;
    };
    if !editing.key(key) {
        return false;
    }
    typed(state, now);
    true
}

/// A paste while a field is typed into. False when nothing is typed into.
pub fn paste(state: &mut State, text: &str, now: Timestamp) -> bool {
    let Some(editing) = state.editor_mut().and_then(|editor| editor.editing.as_mut()) else {
        return false;
    };
    editing.paste(text);
    typed(state, now);
    true
}

fn typed(state: &mut State, now: Timestamp) {
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
            *field = crate::cockpit::state::text::TextField::new(&text);
        }
    }
}

/// Leaves the field: what was typed is an unsaved change from then on.
pub fn leave(state: &mut State, now: Timestamp) {
    let Some((id, sheet)) = state.sheet() else { return };
    let Some(editing) = state.editor_mut().and_then(|editor| editor.editing.take()) else {
        return;
    };
    if let Some(draft) = state.drafts.get_mut(&id) {
        // It is typed no longer: what is kept on disk says so.
        draft.touch(now);
    }
    if !editing.changed() {
        return;
    }
    take(state, id, &editing.cell, &editing.text(), now);
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

/// Enter while typing: takes the suggestion or the text; through the parts of a condition it goes on.
pub fn accept(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some((id, sheet)) = state.sheet() else { return };
    let picked = picked(state);
    let Some(editing) = state.editor_mut().and_then(|editor| editor.editing.as_mut()) else {
        return;
    };
    if let (Some(text), Input::Line(field)) = (picked, &mut editing.input) {
        *field = crate::cockpit::state::text::TextField::new(&text);
    }
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

fn picked(state: &State) -> Option<String> {
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
    let Some(wanted) = wanted_suggestions(state) else {
        return Vec::new();
    };
    let Some(editor) = state.editor() else {
        return Vec::new();
    };
    if editor.suggestions.asked.as_ref() != Some(&wanted) {
        return Vec::new();
    }
    let typed = editor
        .editing
        .as_ref()
        .map(Editing::text)
        .unwrap_or_default()
        .to_lowercase();
    let all = editor.suggestions.names.value.iter().flatten();
    let mut matching: Vec<&String> = all
        .filter(|name| {
            let name = name.to_lowercase();
            name.contains(typed.trim()) && name != typed.trim()
        })
        .collect();
    matching.sort_by_key(|name| !name.to_lowercase().starts_with(typed.trim()));
    matching.into_iter().take(SUGGESTIONS).cloned().collect()
}

/// Tab while typing: leaves the field and types into the next one.
fn next_cell(
    state: &mut State,
    id: Uuid,
    sheet: Sheet,
    forward: bool,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    leave(state, now);
    move_on(state, id, sheet, forward, now, false);
    save::by_itself(state, sheet, now, effects);
}

/// To the next field, and types into it where it can be typed into. Within its row only when asked so.
fn move_on(state: &mut State, id: Uuid, sheet: Sheet, forward: bool, now: Timestamp, in_row: bool) {
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
    let to = if forward { at + 1 } else { at.wrapping_sub(1) };
    let Some((y, x)) = places.get(to).copied() else {
        return;
    };
    if in_row && y != row {
        return;
    }
    let cell = all[y].cells[x].clone();
    let typed = matches!(cell.kind(e), Kind::Text | Kind::Choice(_));
    if in_row && !typed {
        return;
    }
    if let Some(editor) = state.editor_mut() {
        editor.at.insert(sheet, (y, x));
    }
    if typed {
        type_into(state, id, cell, now);
    }
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

fn column(state: &mut State, id: Uuid, sheet: Sheet, by: isize) {
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

/// `n`: one more of what stands in rows here.
fn add(state: &mut State, id: Uuid, sheet: Sheet, now: Timestamp, effects: &mut Vec<Effect>) {
    if !allowed(state, now) {
        return;
    }
    match sheet {
        Sheet::Variants | Sheet::Arms => add_variant(state, id, sheet, now, effects),
        Sheet::Rules => {
            let Some(count) = state.edited(id).map(|e| e.rules.len()) else {
                return;
            };
            let name = format!("rule {count} {}", now.as_nanosecond());
            let rule = Uuid::new_v5(&id, name.as_bytes());
            change(state, id, now, |e| rows::add_rule(e, rule));
            if let Some(editor) = state.editor_mut() {
                editor.panels.push(Sheet::Rule(rule));
                editor.at.insert(Sheet::Rules, (count, 0));
                editor.at.insert(Sheet::Rule(rule), (0, 0));
            }
        }
        Sheet::Rule(rule) => {
            if let Some(Some(at)) = change(state, id, now, |e| rows::add_condition(e, rule)) {
                add_part(state, id, sheet, Cell::Condition(rule, at, Part::Scope), now);
            }
        }
        Sheet::Metric(which) => match change(state, id, now, |e| rows::add_filter(e, which)) {
            Some(Some(at)) => add_part(state, id, sheet, Cell::Filter(which, at, Part::Field), now),
            _ => notify(state, Level::Info, "Name the event first", now),
        },
        Sheet::Setup | Sheet::Measure => {
            let full = state
                .edited(id)
                .is_none_or(|e| e.tracked_events.len() >= MAX_TRACKED_EVENTS);
            if full {
                let text = format!("There are {MAX_TRACKED_EVENTS} tracked events already: d removes one");
                notify(state, Level::Info, text, now);
                return;
            }
            add_part(state, id, sheet, Cell::NewTracked, now);
        }
        Sheet::Basics | Sheet::Power => notify(state, Level::Info, "There is nothing to add here", now),
    }
}

/// Goes to a field that has just been added, and types into it.
fn add_part(state: &mut State, id: Uuid, sheet: Sheet, cell: Cell, now: Timestamp) {
    let Some(e) = state.edited(id).cloned() else {
        return;
    };
    if let Some(editor) = state.editor_mut()
        && editor.go_to(sheet, &cell, &e)
    {
        type_into(state, id, cell, now);
    }
}

fn add_variant(state: &mut State, id: Uuid, sheet: Sheet, now: Timestamp, effects: &mut Vec<Effect>) {
    let over = state
        .edited(id)
        .is_some_and(|e| matches!(e.status, Status::Completed | Status::Ended | Status::Archived));
    if over {
        notify(
            state,
            Level::Info,
            "The experiment is over: its variants stay as they were",
            now,
        );
        return;
    }
    let limit = state.me.as_ref().map_or(0, |me| me.max_variants);
    let count = state.edited(id).map_or(0, |e| e.variants.len());
    if count >= limit {
        let text = format!("The server allows {limit} variants of an experiment");
        notify(state, Level::Info, text, now);
        return;
    }
    if let Some(Some(key)) = change(state, id, now, rows::add_variant) {
        let Some(e) = state.edited(id).cloned() else {
            return;
        };
        if let Some(editor) = state.editor_mut() {
            editor.go_to(sheet, &Cell::Variant(key, Attr::Key), &e);
        }
        save::by_itself(state, sheet, now, effects);
    }
}

/// `d`: takes the row away, or empties the field.
fn remove(state: &mut State, id: Uuid, sheet: Sheet, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(e) = state.edited(id) else { return };
    let Some(cell) = state.editor().and_then(|editor| editor.cell(sheet, e)) else {
        return;
    };
    if !allowed(state, now) {
        return;
    }
    match cell {
        Cell::Variant(key, _) | Cell::VariantDefault(key) => {
            let Some(e) = state.edited(id) else { return };
            if e.variants.len() <= crate::domain::experiment::MIN_VARIANTS {
                let text = format!("An experiment has at least {} variants", e.variants.len());
                notify(state, Level::Info, text, now);
                return;
            }
            ask::open(state, Ask::RemoveVariant { id, key }, now);
        }
        Cell::Rule(rule) => {
            change(state, id, now, |e| rows::remove_rule(e, rule));
            notify(
                state,
                Level::Info,
                "The rule is removed, unsaved; u brings it back",
                now,
            );
        }
        Cell::Condition(rule, at, _) => {
            change(state, id, now, |e| {
                if let Some(rule) = crate::cockpit::edit::cell::rule_mut(e, rule)
                    && at < rule.conditions.len()
                {
                    rule.conditions.remove(at);
                }
            });
        }
        Cell::Filter(which, at, _) => {
            change(state, id, now, |e| {
                if let Some(metric) = crate::cockpit::edit::cell::metric_mut(e, which)
                    && at < metric.filters.len()
                {
                    metric.filters.remove(at);
                }
            });
        }
        Cell::Metric(which) => take(state, id, &Cell::Event(which), "", now),
        Cell::Link(_) | Cell::LinkedFlag | Cell::Description | Cell::Hypothesis => {
            take(state, id, &cell, "", now);
        }
        _ => notify(
            state,
            Level::Info,
            "There is no row to remove here; enter edits the field",
            now,
        ),
    }
    save::by_itself(state, sheet, now, effects);
}

/// `J`, `K`: one place further.
fn shift(state: &mut State, id: Uuid, sheet: Sheet, down: bool, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(e) = state.edited(id) else { return };
    let Some(cell) = state.editor().and_then(|editor| editor.cell(sheet, e)) else {
        return;
    };
    if !allowed(state, now) {
        return;
    }
    let to = |at: usize| if down { at + 1 } else { at.saturating_sub(1) };
    let (moved, follow) = match cell {
        Cell::Variant(key, _) | Cell::VariantDefault(key) => (
            change(state, id, now, |e| rows::move_variant(e, &key, down)),
            true,
        ),
        Cell::Rule(rule) => (change(state, id, now, |e| rows::move_rule(e, rule, down)), true),
        Cell::Condition(rule, at, part) => {
            let moved = change(state, id, now, |e| {
                crate::cockpit::edit::cell::rule_mut(e, rule)
                    .is_some_and(|rule| rows::shift(&mut rule.conditions, at, down))
            });
            let _ = part;
            (moved, true)
        }
        Cell::Filter(which, at, _) => (
            change(state, id, now, |e| {
                crate::cockpit::edit::cell::metric_mut(e, which)
                    .is_some_and(|metric| rows::shift(&mut metric.filters, at, down))
            }),
            true,
        ),
        Cell::Metric(Which::Tracked(at)) => (
            change(state, id, now, |e| rows::shift(&mut e.tracked_events, at, down)),
            true,
        ),
        _ => (Some(false), false),
    };
    if moved == Some(true) && follow {
        if let Some(editor) = state.editor_mut()
            && let Some(at) = editor.at.get_mut(&sheet)
        {
            at.0 = to(at.0);
        }
        save::by_itself(state, sheet, now, effects);
    } else {
        notify(state, Level::Info, "It cannot move there", now);
    }
}

fn step(state: &mut State, id: Uuid, forward: bool, now: Timestamp) {
    let done = match state.drafts.get_mut(&id) {
        Some(draft) if forward => draft.redo(now),
        Some(draft) => draft.undo(now),
        None => false,
    };
    if !done {
        let text = if forward {
            "Nothing was taken back"
        } else {
            "There is nothing to take back"
        };
        notify(state, Level::Info, text, now);
        return;
    }
    close_lost_panels(state, id);
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
        state.overlays.push(Overlay::Conflicts { selected: 0 });
    } else {
        notify(state, Level::Info, "There is nothing to decide", now);
    }
}

/// Esc: leaves the field, then the panel. False when there is neither.
pub fn back(state: &mut State, now: Timestamp) -> bool {
    if state.editor().is_some_and(|editor| editor.editing.is_some()) {
        leave(state, now);
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

/// Puts the cursor on a field of the sheet on the screen, unless another one is typed into.
pub fn point(state: &mut State, row: usize, column: usize) {
    let Some((_, sheet)) = state.sheet() else { return };
    if let Some(editor) = state.editor_mut().filter(|editor| editor.editing.is_none()) {
        editor.at.insert(sheet, (row, column));
    }
}

/// Goes to a field, wherever it stands.
pub fn jump(state: &mut State, id: Uuid, cell: &Cell) {
    let Some(e) = state.edited(id).cloned() else {
        return;
    };
    let tab = cell.path().map(|path| path.tab());
    match (state.screen, tab) {
        (Screen::Experiment, Some(tab)) => {
            if let Some(detail) = state.open.as_deref_mut() {
                detail.tab = tab;
            }
        }
        (Screen::Create, _) => {
            let Some(create) = state.create.as_deref_mut() else {
                return;
            };
            let step = (0..Wizard::steps() - 1).find(|step| {
                let sheet = crate::cockpit::edit::wizard::STEPS[*step].0;
                EditorState::default().go_to(sheet, cell, &e)
            });
            create.wizard.step = step.unwrap_or(create.wizard.step);
        }
        _ => {}
    }
    if let Some(editor) = state.editor_mut() {
        editor.panels.clear();
    }
    if let Some((_, sheet)) = state.sheet()
        && let Some(editor) = state.editor_mut()
    {
        editor.go_to(sheet, cell, &e);
    }
}
