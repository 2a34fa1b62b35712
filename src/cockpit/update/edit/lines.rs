//! What stands in rows: one more, one less, one place further.

use jiff::Timestamp;
use uuid::Uuid;

use super::typing::type_into;
use super::{allowed, change, change_rows, take};
use crate::cockpit::edit::cell::{metric_mut, rule_mut};
use crate::cockpit::edit::rows::{Moved, Rows};
use crate::cockpit::edit::{Attr, Cell, Part, Sheet, Which, rows};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::ask::Ask;
use crate::cockpit::state::{Level, State};
use crate::cockpit::update::{ask, guard, notify, save};
use crate::domain::experiment::{MAX_TRACKED_EVENTS, MIN_VARIANTS};

pub(super) fn split_evenly(
    state: &mut State,
    id: Uuid,
    sheet: Sheet,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    if !sheet.is_table() {
        notify(state, Level::Info, "Shares are split among variants", now);
    } else if allowed(state, now) {
        change(state, id, now, rows::split_evenly);
        save::by_itself(state, sheet, now, effects);
    }
}

/// `n`: one more of what stands in rows here.
pub(super) fn add(state: &mut State, id: Uuid, sheet: Sheet, now: Timestamp, effects: &mut Vec<Effect>) {
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
                let text = format!("There are {MAX_TRACKED_EVENTS} tracked events already");
                let removes = (Context::Edit, Command::Remove, "removes one");
                let text = state.keymap.after(&text, ": ", &[removes]);
                notify(state, Level::Info, text, now);
                return;
            }
            add_part(state, id, sheet, Cell::NewTracked, now);
        }
        Sheet::Basics | Sheet::Power => notify(state, Level::Info, "There is nothing to add here", now),
    }
}

/// Goes to a field that has just been added, and types into it.
pub(super) fn add_part(state: &mut State, id: Uuid, sheet: Sheet, cell: Cell, now: Timestamp) {
    let Some(e) = state.edited(id).cloned() else {
        return;
    };
    if let Some(editor) = state.editor_mut()
        && editor.go_to(sheet, &cell, &e)
    {
        type_into(state, id, cell, now);
    }
}

/// What is said to who would change the variants of an experiment that is over.
const OVER: &str = "The experiment is over: its variants stay as they were";

pub(super) fn add_variant(
    state: &mut State,
    id: Uuid,
    sheet: Sheet,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    if guard::variants_stay(state) {
        notify(state, Level::Info, OVER, now);
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
pub(super) fn remove(state: &mut State, id: Uuid, sheet: Sheet, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(e) = state.edited(id) else { return };
    let Some(cell) = state.editor().and_then(|editor| editor.cell(sheet, e)) else {
        return;
    };
    if !allowed(state, now) {
        return;
    }
    match cell {
        Cell::Variant(key, _) | Cell::VariantDefault(key) => {
            if guard::variants_stay(state) {
                notify(state, Level::Info, OVER, now);
                return;
            }
            let Some(e) = state.edited(id) else { return };
            if e.variants.len() <= MIN_VARIANTS {
                let text = format!("An experiment has at least {} variants", e.variants.len());
                notify(state, Level::Info, text, now);
                return;
            }
            ask::open(state, Ask::RemoveVariant { id, key }, now);
        }
        Cell::Rule(rule) => {
            change(state, id, now, |e| rows::remove_rule(e, rule));
            let back = (Context::Edit, Command::Undo, "brings it back");
            let text = (state.keymap).after("The rule is removed, unsaved", "; ", &[back]);
            notify(state, Level::Info, text, now);
        }
        Cell::Condition(rule, at, _) => {
            let moved = (Rows::Conditions(rule), Moved::Gone(at));
            change_rows(state, id, now, moved, |e| {
                if let Some(rule) = rule_mut(e, rule)
                    && at < rule.conditions.len()
                {
                    rule.conditions.remove(at);
                }
            });
        }
        Cell::Filter(which, at, _) => {
            let moved = (Rows::Filters(which), Moved::Gone(at));
            change_rows(state, id, now, moved, |e| {
                if let Some(metric) = metric_mut(e, which)
                    && at < metric.filters.len()
                {
                    metric.filters.remove(at);
                }
            });
        }
        Cell::Metric(which) => take(state, id, &Cell::Event(which), "", now),
        Cell::Link(_) | Cell::LinkedFlag | Cell::Lab | Cell::Description | Cell::Hypothesis => {
            take(state, id, &cell, "", now);
        }
        _ => {
            let edits = (Context::Edit, Command::Edit, "edits the field");
            let text = (state.keymap).after("There is no row to remove here", "; ", &[edits]);
            notify(state, Level::Info, text, now);
        }
    }
    save::by_itself(state, sheet, now, effects);
}

/// `J`, `K`: one place further.
pub(super) fn shift(
    state: &mut State,
    id: Uuid,
    sheet: Sheet,
    down: bool,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
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
        Cell::Condition(rule, at, _) => (
            change_rows(
                state,
                id,
                now,
                (Rows::Conditions(rule), Moved::Swapped(at, to(at))),
                |e| rule_mut(e, rule).is_some_and(|rule| rows::shift(&mut rule.conditions, at, down)),
            ),
            true,
        ),
        Cell::Filter(which, at, _) => (
            change_rows(
                state,
                id,
                now,
                (Rows::Filters(which), Moved::Swapped(at, to(at))),
                |e| metric_mut(e, which).is_some_and(|metric| rows::shift(&mut metric.filters, at, down)),
            ),
            true,
        ),
        Cell::Metric(Which::Tracked(at)) => (
            change_rows(state, id, now, (Rows::Tracked, Moved::Swapped(at, to(at))), |e| {
                rows::shift(&mut e.tracked_events, at, down)
            }),
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
