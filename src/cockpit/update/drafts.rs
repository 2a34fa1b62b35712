//! Drafts: found on disk, kept there, made from newer versions, saved.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{edit, flag, notify};
use crate::cockpit::edit::identity::follow;
use crate::cockpit::edit::{Cell, Draft, DraftKey, Kept, Left, Of, OnDisk, Place};
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::editor::Found;
use crate::cockpit::state::{EditorState, ExperimentDetail, Level, Screen, State};
use crate::domain::Experiment;

/// After every action: what is on disk is looked for, what came in is merged, what changed is kept.
pub fn settle(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    list(state, effects);
    look(state, effects);
    flag::look(state, effects);
    meet(state, now);
    keep(state, effects);
    flag::keep(state, effects);
}

/// Asks once for each project which of its objects have drafts on disk: lists mark them.
fn list(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(me) = &state.me else { return };
    let place = Place {
        server: state.settings.api.clone(),
        project: me.project.id,
    };
    if state.waiting.0.as_ref() != Some(&place) {
        state.waiting = (Some(place.clone()), Default::default());
        effects.push(Effect::ListDrafts(place));
    }
}

/// What was listed.
pub fn listed(state: &mut State, place: &Place, objects: Vec<(Of, Uuid)>) {
    let (here, waiting) = &mut state.waiting;
    if here.as_ref() == Some(place) {
        *waiting = objects.into_iter().collect();
    }
}

/// Whether an object has changes that are not saved: in this cockpit, or left on disk from the last time.
#[must_use]
pub fn unsaved(state: &State, of: Of, id: Uuid) -> bool {
    let here = match of {
        Of::Experiment => state.drafts.get(&id).map(|draft| !draft.is_clean()),
        Of::Flag => state.objects.draft(id).map(|draft| !draft.changed().is_empty()),
    };
    here.unwrap_or_else(|| state.waiting.1.contains(&(of, id)))
}

/// The experiment whose draft matters now; nil for the one that is being created.
fn watched(state: &State) -> Option<Uuid> {
    match state.screen {
        Screen::Experiment => state.open.as_deref().and_then(ExperimentDetail::id),
        Screen::Create => Some(Uuid::nil()),
        Screen::Experiments | Screen::Objects(_) | Screen::Flag => None,
    }
}

/// Looks for a draft of what was opened, once.
fn look(state: &mut State, effects: &mut Vec<Effect>) {
    let Some(id) = watched(state) else { return };
    let Some(key) = state.draft_key(id) else { return };
    let known = state.drafts.contains_key(&id);
    let Some(editor) = state.editor_mut() else { return };
    if !matches!(editor.found, Found::Unknown) {
        return;
    }
    if known {
        editor.found = Found::Nothing;
        return;
    }
    editor.found = Found::Looking;
    effects.push(Effect::FindDraft(key));
}

/// Where one is while editing an experiment, whether or not it is looked at.
fn editor_of(state: &mut State, id: Uuid) -> Option<&mut EditorState> {
    if id.is_nil() {
        return state.create.as_deref_mut().map(|create| &mut create.editor);
    }
    let open = state.open.as_deref_mut().filter(|detail| detail.id() == Some(id));
    open.map(|detail| &mut detail.editor)
}

/// What was looked for.
pub fn found(state: &mut State, key: &DraftKey, found: OnDisk, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.key_of(key.of, key.object).as_ref() != Some(key) {
        return;
    }
    let here = found
        .elsewhere
        .iter()
        .filter(|kept| kept.key() == key && kept.count() > 0);
    let here: Vec<&Kept> = here.collect();
    if let Some(newest) = here.iter().max_by_key(|kept| kept.at()) {
        let text = format!(
            "Another cockpit of yours has {} of this, the last from {}. Whoever saves later merges",
            format::counted(newest.count() as u64, "unsaved change", "unsaved changes"),
            format::moment(newest.at(), &jiff::tz::TimeZone::UTC),
        );
        notify(state, Level::Info, text, now);
    }
    if !found.trouble.is_empty() {
        notify(state, Level::Warn, found.trouble.join("; "), now);
    }
    let mut left = found.left;
    left.retain(|left| left.stored.key() == key);
    // What changes nothing is of no use to anybody.
    for file in left.extract_if(.., |left| left.stored.count() == 0) {
        effects.extend(file.file.map(Effect::DropLeft));
    }
    let of = (key.of, key.object);
    if left.is_empty() {
        state.waiting.1.remove(&of);
    } else {
        state.waiting.1.insert(of);
    }
    match key.of {
        Of::Experiment => {
            let Some(editor) = editor_of(state, key.object) else {
                return;
            };
            if matches!(editor.found, Found::Looking) {
                editor.found = Found::of(only(left, |kept| match kept {
                    Kept::Experiment(stored) => Some(*stored),
                    Kept::Flag(_) => None,
                }));
            }
        }
        Of::Flag => {
            let detail = state.objects.flag.as_deref_mut().filter(|d| d.id == key.object);
            if let Some(detail) = detail.filter(|detail| matches!(detail.found, Found::Looking)) {
                detail.found = Found::of(only(left, |kept| match kept {
                    Kept::Flag(stored) => Some(*stored),
                    Kept::Experiment(_) => None,
                }));
            }
        }
    }
}

/// Drafts of one kind.
fn only<T>(left: Vec<Left>, kind: impl Fn(Kept) -> Option<T>) -> Vec<Left<T>> {
    let of_kind = left.into_iter().filter_map(|left| {
        Some(Left {
            file: left.file,
            stored: kind(left.stored)?,
        })
    });
    of_kind.collect()
}

/// A newer version of what is edited came in: the changes are made from it now.
pub fn meet(state: &mut State, now: Timestamp) {
    let Some(theirs) = state
        .open
        .as_deref()
        .and_then(ExperimentDetail::config)
        .map(Arc::clone)
    else {
        return;
    };
    let Some(draft) = state.drafts.get(&theirs.id) else {
        return;
    };
    if theirs.resource_version <= draft.base.resource_version || draft.sent.is_some() {
        return;
    }
    let open = edit::open_field(state, theirs.id);
    let typed = edit::typing(state, theirs.id).is_some();
    let Some(draft) = state.drafts.get_mut(&theirs.id) else {
        return;
    };
    let was_clean = draft.is_clean();
    let before = draft.mine.clone();
    let place = draft.rebase_under(&theirs, open.as_ref().filter(|_| typed), now);
    let place = place.or_else(|| follow(open.as_ref()?, &before, &draft.mine));
    if was_clean && !typed {
        draft.news = None;
    }
    let after = draft.mine.clone();
    if let Some(editor) = editor_of(state, theirs.id) {
        editor.follow(&before, &after);
    }
    edit::refresh_field(state, theirs.id, place, typed);
}

/// Keeps what changed since it was last kept.
fn keep(state: &mut State, effects: &mut Vec<Effect>) {
    let changed: Vec<Uuid> = state
        .drafts
        .iter()
        .filter(|(_, draft)| draft.revision != draft.kept)
        .map(|(id, _)| *id)
        .collect();
    for id in changed {
        let Some(key) = state.draft_key(id) else { continue };
        let typing = edit::typing(state, id);
        let Some(draft) = state.drafts.get_mut(&id) else {
            continue;
        };
        draft.kept = draft.revision;
        if draft.is_clean() && typing.is_none() {
            effects.push(Effect::DropDraft(key));
        } else {
            effects.push(Effect::KeepDraft(Kept::Experiment(Box::new(
                draft.stored(key, typing),
            ))));
        }
        // Only behind it: what another cockpit left is here now.
        effects.extend(draft.instead_of.drain(..).map(Effect::DropLeft));
    }
}

/// The draft of an experiment, made when it is first needed.
pub fn draft_of(state: &mut State, id: Uuid, now: Timestamp) -> Option<&mut Draft> {
    if !state.drafts.contains_key(&id) {
        let base = Arc::new(state.edited(id)?.clone());
        state.drafts.insert(id, Draft::new(base, now));
    }
    state.drafts.get_mut(&id)
}

/// `R`: goes on with the draft that is offered. Beside changes that are here already it is merged with them.
pub fn restore(state: &mut State, now: Timestamp) {
    let Some(editor) = state.editor_mut() else { return };
    let Some(Left { file, stored }) = editor.found.take() else {
        notify(state, Level::Info, "There is nothing to restore", now);
        return;
    };
    let id = stored.key.object;
    if editor.found.offered().is_none() {
        state.waiting.1.remove(&(Of::Experiment, id));
    }
    let text = format!(
        "{} restored",
        format::counted(stored.count() as u64, "change", "changes")
    );
    let mut draft = Draft::restored(stored);
    draft.instead_of.extend(file);
    if let Some(create) = state.create.as_deref_mut().filter(|_| id.is_nil()) {
        let follows = crate::domain::Key::slug(&draft.mine.name);
        create.wizard.own_key = follows.is_some_and(|key| key != draft.mine.key);
    }
    let open = match state.drafts.get_mut(&id) {
        Some(mine) => {
            mine.join(draft, now);
            mine.open_conflicts()
        }
        None => {
            state.drafts.insert(id, draft);
            0
        }
    };
    if open > 0 {
        let what = format::counted(open as u64, "field", "fields");
        let text = format!("{text}; {what} changed twice: decide which stands before saving");
        notify(state, Level::Warn, text, now);
    } else {
        notify(state, Level::Ok, text, now);
    }
}

/// What is said where undo goes back no further, of a draft that was restored or not, and is clean or not.
#[must_use]
pub fn no_undo(keymap: &Keymap, (restored, clean): (bool, bool), place: Context) -> String {
    match restored && !clean {
        true => keymap.after(
            "What is left was changed before the restart, which undo does not reach",
            "; ",
            &[(place, Command::Discard, "throws all of it away")],
        ),
        false => "There is nothing to take back".to_owned(),
    }
}

/// Throws the draft away: the one that is worked on, or the one that was found.
pub fn discard(state: &mut State, id: Uuid, now: Timestamp, effects: &mut Vec<Effect>) {
    if let Some(editor) = state.editor_mut() {
        editor.editing = None;
        editor.panels.clear();
        if let Some(left) = editor.found.take() {
            if editor.found.offered().is_none() {
                state.waiting.1.remove(&(Of::Experiment, id));
            }
            effects.push(forget(left.file, left.stored.key));
            notify(
                state,
                Level::Info,
                "The unsaved changes of the last time are thrown away",
                now,
            );
            return;
        }
    }
    if let Some(draft) = state.drafts.get_mut(&id) {
        draft.revert(now);
        let back = (Context::Edit, Command::Undo, "brings them back");
        let text = (state.keymap).after("The unsaved changes are thrown away", "; ", &[back]);
        notify(state, Level::Info, text, now);
    }
}

/// What is thrown away of what was offered.
pub fn forget(file: Option<String>, key: DraftKey) -> Effect {
    match file {
        Some(file) => Effect::DropLeft(file),
        None => Effect::DropDraft(key),
    }
}

/// The server has saved what was sent.
pub fn saved(state: &mut State, experiment: &Arc<Experiment>) {
    if let Some(draft) = state.drafts.get_mut(&experiment.id) {
        let at = draft.at;
        draft.saved(experiment, at);
    }
}

/// It did not: the changes are what they were.
pub fn not_saved(state: &mut State) {
    for draft in state.drafts.values_mut() {
        draft.sent = None;
    }
}

/// What came in with a refusal: who changed it last, and when.
pub fn told(state: &mut State, id: Uuid, by: Option<String>, at: Option<Timestamp>) {
    if let Some(news) = state.drafts.get_mut(&id).and_then(|draft| draft.news.as_mut()) {
        news.by = by;
        news.at = at;
    }
}

/// Who made the changes that came in, and when the last of them was made: from the refusal, else from the
/// history, as far as it is known.
#[must_use]
pub fn who(state: &State, id: Uuid) -> Option<(String, Timestamp)> {
    let news = state.drafts.get(&id)?.news.as_ref()?;
    if let (Some(by), Some(at)) = (&news.by, news.at) {
        return Some((by.clone(), at));
    }
    let detail = state.open.as_deref().filter(|detail| detail.id() == Some(id))?;
    let entries = detail.history.entries.value.as_ref()?;
    let newer = entries
        .iter()
        .filter(|entry| entry.resource_version > news.from && entry.resource_version <= news.to);
    let mut names: Vec<&str> = Vec::new();
    let mut last = None;
    for entry in newer {
        last = last.max(Some(entry.at));
        if !names.contains(&entry.actor.as_str()) {
            names.push(&entry.actor);
        }
    }
    Some((names.join(", "), last?))
}

/// Whether the history is wanted to tell who changed what came in.
#[must_use]
pub fn wants_history(state: &State) -> bool {
    let Some(id) = state.detail().and_then(ExperimentDetail::id) else {
        return false;
    };
    let news = state.drafts.get(&id).and_then(|draft| draft.news.as_ref());
    news.is_some_and(|news| news.by.is_none())
}

/// The text in a field that cannot stand there, if there is one.
#[must_use]
pub fn unread<'a>(state: &'a State, id: Uuid, cell: &Cell) -> Option<&'a str> {
    let draft = state.drafts.get(&id)?;
    draft.unread.get(cell).map(|unread| unread.text.as_str())
}
