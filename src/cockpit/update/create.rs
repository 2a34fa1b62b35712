//! A new experiment, step by step.

use jiff::Timestamp;
use std::sync::Arc;
use uuid::Uuid;

use super::drafts::draft_of;
use super::{ask, edit, experiment, guard, notify, save};
use crate::cockpit::edit::wizard::{self, STEPS, Wizard};
use crate::cockpit::edit::{Cell, Sheet};
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::ports::Request;
use crate::cockpit::state::ask::Ask;
use crate::cockpit::state::{Creation, Level, Screen, State};
use crate::domain::{Experiment, Key};

/// `n`: opens the steps, where they were left.
pub fn open(state: &mut State, now: Timestamp) {
    state.close_overlays();
    state
        .create
        .get_or_insert_with(|| Box::new(Creation::new(now)))
        .begin = true;
    state.screen = Screen::Create;
}

/// `S` on an experiment that somebody else deleted: a new one with all that is known of it and was changed here, at
/// its last step.
pub fn of_deleted(state: &mut State, id: Uuid, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(e) = state.edited(id).cloned() else {
        return;
    };
    if state
        .drafts
        .get(&Uuid::nil())
        .is_some_and(|draft| !draft.is_clean())
    {
        let begun = (state.keymap).brackets(&[(Context::List, Command::Create)]);
        let text = format!("Another new experiment is begun: create it, or throw it away, first{begun}");
        notify(state, Level::Warn, text, now);
        return;
    }
    let mut creation = Creation::new(now);
    creation.begin = false;
    creation.wizard.own_key = true;
    creation.wizard.step = STEPS.len();
    let blank = creation.blank.clone();
    state.create = Some(Box::new(creation));
    state.drafts.remove(&Uuid::nil());
    if let Some(draft) = draft_of(state, Uuid::nil(), now) {
        draft.change(now, |mine| {
            *mine = Experiment {
                id: blank.id,
                resource_version: blank.resource_version,
                created_at: blank.created_at,
                updated_at: blank.updated_at,
                salt: e.key.to_string(),
                ..e
            };
        });
    }
    let mut lost = Vec::new();
    if let Some(old) = state.drafts.remove(&id) {
        if let Some(key) = state.draft_key(id) {
            effects.push(Effect::DropDraft(key));
        }
        if let Some(draft) = state.drafts.get_mut(&Uuid::nil()) {
            for (cell, unread) in old.unread {
                if wizard::step_of(&cell, &draft.mine).is_some() {
                    draft.unread.insert(cell, unread);
                } else {
                    let label = cell.path().map(|path| path.label(&[&draft.mine]));
                    let label = label.unwrap_or_else(|| "a new link".to_owned());
                    lost.push(format!("{label} ({})", unread.text.trim()));
                }
            }
        }
    }
    state.close_overlays();
    state.screen = Screen::Create;
    let creates = (Context::Create, Command::Save, "creates it");
    let text = (state.keymap).after("A new one, of what was deleted", ": ", &[creates]);
    if lost.is_empty() {
        notify(state, Level::Ok, text, now);
    } else {
        let lost = lost.join(", ");
        let text = format!("{text}. Texts without a step here are left behind: {lost}");
        notify(state, Level::Warn, text, now);
    }
}

/// Types into what a step that has just been opened cannot do without, so that a name that is typed is no
/// commands. Waits until it is known whether there is a draft on disk.
pub fn begin(state: &mut State, now: Timestamp) {
    if state.screen != Screen::Create || !state.overlays.is_empty() {
        return;
    }
    let refused = guard::edit_refusal(state).is_some();
    let Some(create) = state.create.as_deref_mut().filter(|create| create.begin) else {
        return;
    };
    if create.editor.found.is_open() && !refused {
        return;
    }
    create.begin = false;
    if refused || create.editor.found.offered().is_some() || create.editor.editing.is_some() {
        return;
    }
    let unnamed = thought(state).is_some_and(|e| e.name.is_empty());
    if unnamed && matches!(state.sheet(), Some((_, Sheet::Basics))) {
        edit::jump(state, Uuid::nil(), &Cell::Name);
        edit::type_into(state, Uuid::nil(), Cell::Name, now);
    }
}

/// The experiment as it stands, without asking whether anything was typed.
#[must_use]
pub fn thought(state: &State) -> Option<&Experiment> {
    state.edited(Uuid::nil())
}

/// A command on the last step, which is no sheet.
pub fn command(state: &mut State, command: Command, now: Timestamp) {
    match command {
        Command::Edit | Command::Save => review(state, now),
        Command::Undo | Command::Redo | Command::Add | Command::Remove => {
            let back = (Context::Create, Command::PreviousStep, "goes back to the steps");
            let text = match state.keymap.ways(&[back]) {
                ways if ways.is_empty() => "Nothing is changed in the review".to_owned(),
                ways => ways,
            };
            notify(state, Level::Info, text, now);
        }
        _ => {}
    }
}

/// Tab and shift-tab: from step to step.
pub fn step(state: &mut State, forward: bool, now: Timestamp) {
    edit::walk_away(state, now);
    let Some(create) = state.create.as_deref_mut() else {
        return;
    };
    let last = Wizard::steps() - 1;
    if forward && create.wizard.step == last {
        review(state, now);
        return;
    }
    let step = create.wizard.step;
    create.wizard.step = if forward {
        (step + 1).min(last)
    } else {
        step.saturating_sub(1)
    };
    create.begin = true;
}

/// Asks whether to create it; or goes to what is in the way, or to the review first.
pub fn review(state: &mut State, now: Timestamp) {
    let id = Uuid::nil();
    if draft_of(state, id, now).is_none() {
        return;
    }
    let problem = (state.drafts.get(&id)).and_then(|draft| save::in_the_way(state, draft));
    if let Some((cell, why)) = problem {
        if let Some(cell) = cell {
            edit::jump(state, id, &cell);
        }
        notify(state, Level::Warn, format!("Cannot be created yet: {why}"), now);
        return;
    }
    let taken = thought(state).is_some_and(|e| key_taken(state, &e.key));
    if taken {
        edit::jump(state, id, &Cell::NewKey);
        notify(state, Level::Warn, "Cannot be created yet: the key is taken", now);
        return;
    }
    let Some(create) = state.create.as_deref_mut() else {
        return;
    };
    if create.wizard.step < STEPS.len() {
        create.wizard.step = STEPS.len();
        return;
    }
    ask::open(state, Ask::Create, now);
}

/// Whether an experiment of the list has the key.
#[must_use]
pub fn key_taken(state: &State, key: &Key) -> bool {
    state.list.all().iter().any(|e| e.key.folded() == key.folded())
}

/// The key follows the name until somebody writes it.
pub fn follow_name(state: &mut State, cell: &Cell, now: Timestamp) {
    let Some(create) = state.create.as_deref_mut() else {
        return;
    };
    match cell {
        Cell::NewKey => create.wizard.own_key = true,
        Cell::Name if !create.wizard.own_key => {
            let Some(draft) = state.drafts.get_mut(&Uuid::nil()) else {
                return;
            };
            let key = Key::slug(&draft.mine.name).unwrap_or_else(wizard::unnamed);
            if key != draft.mine.key {
                // No step of its own: undo takes both back.
                draft.mine.salt = key.to_string();
                draft.mine.key = key;
                draft.touch(now);
            }
        }
        _ => {}
    }
}

/// The key that the name would give while it is typed.
#[must_use]
pub fn live_key(state: &State) -> Option<Key> {
    let create = state.create.as_deref()?;
    let editing = create.editor.editing.as_ref()?;
    match editing.cell {
        Cell::Name if !create.wizard.own_key => Key::slug(&editing.text()),
        Cell::NewKey => Key::new(editing.text().trim()).ok(),
        _ => None,
    }
}

/// The dialog's button.
///
/// # Errors
/// Why it cannot be sent now.
pub fn send(state: &mut State, now: Timestamp) -> Result<Effect, String> {
    let Some(e) = thought(state) else {
        return Err("There is nothing to create".to_owned());
    };
    let sent = Box::new(e.clone());
    let experiment = Box::new(wizard::request(e));
    let effect = guard::write(state, Request::Create { experiment }, now)?;
    if let Some(create) = state.create.as_deref_mut() {
        create.sent = Some(sent);
    }
    Ok(effect)
}

/// The steps were thrown away while what they said is on its way: what is typed from now on is another one.
pub fn begun_anew(state: &mut State) {
    if let Some(create) = state.create.as_deref_mut() {
        create.sent = None;
    }
}

/// The server has created it: it is looked at. What was typed since it was sent are its unsaved changes; another
/// one that was begun meanwhile stays.
pub fn created(state: &mut State, experiment: &Arc<Experiment>, now: Timestamp, effects: &mut Vec<Effect>) {
    let looking = state.screen == Screen::Create;
    if looking {
        edit::walk_away(state, now);
    }
    let sent = state.create.as_deref_mut().and_then(|create| create.sent.take());
    let mut left = 0;
    if let Some(sent) = &sent {
        if let Some(key) = state.draft_key(Uuid::nil()) {
            effects.push(Effect::DropDraft(key));
        }
        if let Some(mut draft) = state.drafts.remove(&Uuid::nil()) {
            draft.sent = Some(sent.clone());
            draft.saved(experiment, now);
            left = draft.count();
            if !draft.is_clean() {
                state.drafts.insert(experiment.id, draft);
            }
        }
        state.create = None;
    }
    if let Some(all) = &mut state.list.experiments.value
        && !all.iter().any(|e| e.id == experiment.id)
    {
        all.push(Arc::clone(experiment));
    }
    state.list.arrange(now);
    ask::done(
        state,
        crate::cockpit::ports::Slot::Create,
        match left {
            0 => format!(
                "Created {}: a draft, everybody sees the default until it is activated",
                experiment.key
            ),
            left => {
                let text = format!(
                    "Created {}, as it was sent; {} since then",
                    experiment.key,
                    format::counted(left as u64, "change was made", "changes were made")
                );
                let saves = (Context::Edit, Command::Save, "saves them");
                state.keymap.after(&text, ": ", &[saves])
            }
        },
        now,
    );
    if looking && sent.is_some() {
        experiment::open(state, experiment.id, now, effects);
    }
}
