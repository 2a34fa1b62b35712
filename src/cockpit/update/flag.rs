//! The page of a flag: what can be edited, its draft, its overrides.

use jiff::Timestamp;
use uuid::Uuid;

use super::{form, notify};
use crate::cockpit::keymap::Command;
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::objects::{FlagDetail, FlagPart};
use crate::cockpit::state::overrides::OverridesState;
use crate::cockpit::state::{Level, Screen, State};
use crate::domain::Flag;

/// A line of the page that can be chosen.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Item {
    /// Whether it is on.
    Enabled,
    /// A part that is edited as a whole.
    Part(FlagPart),
    /// A variant, by position.
    Variant(usize),
    /// A new variant.
    AddVariant,
    /// A rule, by position.
    Rule(usize),
    /// A new rule.
    AddRule,
    /// The overrides.
    Overrides,
}

/// The lines of a flag that can be chosen, in their order.
#[must_use]
pub fn items(flag: &Flag) -> Vec<Item> {
    let mut items = vec![Item::Enabled];
    items.extend(
        [
            FlagPart::Name,
            FlagPart::Description,
            FlagPart::Rollout,
            FlagPart::Mode,
            FlagPart::Deployments,
        ]
        .map(Item::Part),
    );
    items.extend((0..flag.variants.len()).map(Item::Variant));
    items.push(Item::AddVariant);
    items.extend((0..flag.rules.len()).map(Item::Rule));
    items.push(Item::AddRule);
    items.push(Item::Overrides);
    items
}

/// The line under the cursor.
#[must_use]
pub fn current(state: &State) -> Option<Item> {
    let detail = state.objects.flag.as_deref()?;
    let items = items(state.objects.edited(detail.id)?);
    items.get(detail.item.min(items.len() - 1)).copied()
}

/// Looks at a flag.
pub fn open(state: &mut State, id: Uuid) {
    state.objects.flag = Some(Box::new(FlagDetail {
        id,
        item: 0,
        overrides: None,
    }));
    state.screen = Screen::Flag;
    state.overlays.clear();
}

/// The flag that a command is about: the open one, or the one under the cursor.
#[must_use]
pub fn target(state: &State) -> Option<&Flag> {
    match state.screen {
        Screen::Flag => state.objects.open_flag().map(|(_, row)| &row.flag),
        Screen::Objects(crate::cockpit::state::objects::Kind::Flags) => {
            state.objects.flags.current().map(|row| &row.flag)
        }
        _ => None,
    }
}

/// Takes what a dialog changed into the draft.
pub fn take_edit(state: &mut State, id: Uuid, flag: Flag) {
    let Some(saved) = state.objects.flags.get(id).map(|row| row.flag.clone()) else {
        return;
    };
    let draft = state.objects.draft_mut(&saved);
    draft.change(|mine| *mine = flag);
    tidy(state);
}

/// Drafts that differ in nothing are none.
fn tidy(state: &mut State) {
    state
        .objects
        .drafts
        .retain(|draft| !draft.changed().is_empty() || !draft.undo.is_empty());
}

/// Newer flags came: what somebody else changed goes into the drafts.
pub fn merge(state: &mut State, now: Timestamp) {
    let mut said = None;
    let objects = &mut state.objects;
    for draft in &mut objects.drafts {
        let Some(row) = objects.flags.rows.value.as_ref().and_then(|rows| {
            let id = draft.base.id;
            rows.iter().find(|row| row.flag.id == id)
        }) else {
            continue;
        };
        let came = draft.merge(&row.flag);
        if let Some(part) = draft.both.first() {
            let label = part.label();
            said = said.or(Some(format!(
                "Somebody else changed the {label} of {} too: m keeps yours, t takes theirs",
                draft.base.key
            )));
        } else if !came.is_empty() {
            let labels: Vec<&str> = came.iter().map(|part| part.label()).collect();
            said = said.or(Some(format!(
                "Somebody else changed {} of {}: taken into your draft",
                labels.join(", "),
                draft.base.key
            )));
        }
    }
    tidy(state);
    if let Some(text) = said {
        notify(state, Level::Warn, text, now);
    }
}

/// A command of the page.
pub fn command(state: &mut State, command: Command, now: Timestamp) {
    let Some((detail, row)) = state.objects.open_flag() else {
        notify(state, Level::Info, "There is no flag here yet", now);
        return;
    };
    let (id, saved) = (detail.id, row.flag.clone());
    let item = current(state);
    match command {
        Command::FlagEdit => match item {
            Some(Item::Enabled) => form::open(state, Purpose::ToggleFlag(Box::new(saved)), now),
            Some(Item::Part(part)) => form::open(state, Purpose::FlagPart(id, part), now),
            Some(Item::Variant(at)) => form::open(state, Purpose::FlagVariant(id, Some(at)), now),
            Some(Item::AddVariant) => form::open(state, Purpose::FlagVariant(id, None), now),
            Some(Item::Rule(at)) => form::open(state, Purpose::FlagRule(id, Some(at)), now),
            Some(Item::AddRule) => form::open(state, Purpose::FlagRule(id, None), now),
            Some(Item::Overrides) => {
                if let Some(detail) = state.objects.flag.as_deref_mut() {
                    detail.overrides = Some(OverridesState::default());
                }
            }
            None => {}
        },
        Command::FlagAdd => {
            let purpose = match item {
                Some(Item::Rule(_) | Item::AddRule | Item::Overrides) => Purpose::FlagRule(id, None),
                _ => Purpose::FlagVariant(id, None),
            };
            form::open(state, purpose, now);
        }
        Command::FlagRemove => remove(state, &saved, item, now),
        Command::FlagSave => match state.objects.draft(id) {
            Some(draft) if !draft.both.is_empty() => notify(
                state,
                Level::Warn,
                "Somebody else changed the same: decide with m (yours) or t (theirs) first",
                now,
            ),
            Some(draft) if !draft.changed().is_empty() => {
                let draft = Box::new(draft.clone());
                form::open(state, Purpose::SaveFlag(draft), now);
            }
            _ => notify(state, Level::Info, "There is nothing to save", now),
        },
        Command::FlagUndo => {
            let undone = state.objects.draft_mut(&saved);
            match undone.undo.pop() {
                Some(before) => undone.mine = before,
                None => notify(state, Level::Info, "There is nothing to undo", now),
            }
            tidy(state);
        }
        Command::FlagMine | Command::FlagTheirs => decide(state, &saved, command == Command::FlagMine, now),
        _ => {}
    }
}

/// Settles one part that both changed.
fn decide(state: &mut State, saved: &Flag, mine: bool, now: Timestamp) {
    let draft = state.objects.draft_mut(saved);
    let settled = if draft.both.is_empty() {
        None
    } else {
        Some(draft.both.remove(0))
    };
    if let (Some(part), false) = (settled, mine) {
        let theirs = draft.base.clone();
        draft.change(|flag| part.take(flag, &theirs));
    }
    tidy(state);
    match settled {
        Some(part) => {
            let whose = if mine { "yours stays" } else { "theirs is taken" };
            notify(state, Level::Ok, format!("{}: {whose}", part.label()), now);
        }
        None => notify(state, Level::Info, "Nobody else changed the same", now),
    }
}

fn remove(state: &mut State, saved: &Flag, item: Option<Item>, now: Timestamp) {
    let draft = state.objects.draft_mut(saved);
    let refusal = match item {
        Some(Item::Variant(at)) => match draft.mine.variants.get(at) {
            Some(variant) if draft.mine.rules.iter().any(|rule| rule.variant == variant.key) => Some(
                format!("A rule routes to {}: change or remove that first", variant.key),
            ),
            Some(_) if draft.mine.variants.len() == 1 => Some("A flag has at least one variant".to_owned()),
            Some(_) => {
                draft.change(|flag| {
                    flag.variants.remove(at);
                });
                None
            }
            None => None,
        },
        Some(Item::Rule(at)) if at < draft.mine.rules.len() => {
            draft.change(|flag| {
                flag.rules.remove(at);
            });
            None
        }
        _ => Some("Only variants and rules are removed here".to_owned()),
    };
    tidy(state);
    if let Some(why) = refusal {
        notify(state, Level::Info, why, now);
    }
}

/// A command of the flag's overrides.
pub fn overrides(state: &mut State, command: Command, now: Timestamp) {
    let Some((detail, row)) = state.objects.open_flag() else {
        return;
    };
    let flag = Box::new(row.flag.clone());
    let chosen = detail.overrides.as_ref().and_then(|o| {
        let page = o.page.value.as_ref()?;
        page.overrides.get(o.selected).cloned()
    });
    let Some(overrides) = state
        .objects
        .flag
        .as_deref_mut()
        .and_then(|d| d.overrides.as_mut())
    else {
        return;
    };
    let moved = match command {
        Command::Search => {
            overrides.searching = true;
            true
        }
        Command::NextPage => overrides.next_page(),
        Command::PreviousPage => overrides.previous_page(),
        Command::FlagAddOverride => {
            form::open(state, Purpose::AddFlagOverride(flag), now);
            true
        }
        Command::FlagDropOverride => {
            match chosen {
                Some(chosen) => form::open(state, Purpose::DropFlagOverride(flag, Box::new(chosen)), now),
                None => notify(state, Level::Info, "There is no override under the cursor", now),
            }
            true
        }
        _ => true,
    };
    if !moved {
        notify(state, Level::Info, "There are no more rows that way", now);
    }
}

/// Moves the cursor.
pub fn move_by(state: &mut State, by: isize) {
    let last = {
        let Some(detail) = state.objects.flag.as_deref() else {
            return;
        };
        state
            .objects
            .edited(detail.id)
            .map_or(0, |flag| items(flag).len() - 1)
    };
    let Some(detail) = state.objects.flag.as_deref_mut() else {
        return;
    };
    if let Some(overrides) = &mut detail.overrides {
        let rows = overrides.page.value.as_ref().map_or(0, |p| p.overrides.len());
        overrides.selected = overrides
            .selected
            .saturating_add_signed(by)
            .min(rows.saturating_sub(1));
    } else {
        detail.item = detail.item.min(last).saturating_add_signed(by).min(last);
    }
}

/// Esc: out of the search, back from the overrides. False when there is nothing of that to leave.
pub fn back(state: &mut State) -> bool {
    let Some(detail) = state.objects.flag.as_deref_mut() else {
        return false;
    };
    match &mut detail.overrides {
        Some(overrides) if overrides.searching => overrides.searching = false,
        Some(overrides) if !overrides.search.text().is_empty() => {
            overrides.search.clear();
            overrides.search_changed();
        }
        Some(_) => detail.overrides = None,
        None => return false,
    }
    true
}
