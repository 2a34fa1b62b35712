//! Saving: what is in the way of it, its dialog, the request, the answer.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{ask, create, drafts, edit, guard, notify, replies};
use crate::api::problem::Code;
use crate::cockpit::edit::path::{Path, request};
use crate::cockpit::edit::{Cell, Draft, Sheet, refused};
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::lifecycle;
use crate::cockpit::ports::{Failure, FailureKind, Request, Slot};
use crate::cockpit::state::ask::Ask;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Level, State, Tab};
use crate::domain::{Experiment, Status};

/// `S`: opens the dialog with the difference, or goes to what is in the way.
pub fn ask(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    edit::leave(state, now);
    let Some((id, _)) = state.sheet() else { return };
    if state.detail().is_some_and(|detail| detail.deleted) {
        create::of_deleted(state, id, now, effects);
        return;
    }
    if id.is_nil() {
        create::review(state, now);
        return;
    }
    let Some(draft) = state.drafts.get(&id).filter(|draft| !draft.is_clean()) else {
        notify(state, Level::Info, "There are no unsaved changes", now);
        return;
    };
    if let Some((cell, why)) = in_the_way(state, draft) {
        if let Some(cell) = cell {
            edit::jump(state, id, &cell);
        }
        notify(state, Level::Warn, format!("Cannot be saved: {why}"), now);
        return;
    }
    if draft.open_conflicts() > 0 {
        state.overlays.push(Overlay::Conflicts {
            selected: 0,
            scroll: 0,
        });
        return;
    }
    ask::open(state, Ask::Save { id }, now);
}

/// The first thing for which a draft would be refused, and the field it is about.
#[must_use]
pub fn in_the_way(state: &State, draft: &Draft) -> Option<(Option<Cell>, String)> {
    if let Some((cell, unread)) = draft.unread.iter().next() {
        return Some((Some(cell.clone()), unread.told(&state.keymap)));
    }
    let unknown = edit::names::refusals(state, draft);
    let refusal = draft.refusals().into_iter().chain(unknown).next()?;
    let exactly = Cell::exactly(&refusal.field, &draft.mine);
    Some((
        exactly.or_else(|| Cell::of_refusal(&refusal.field, &draft.mine)),
        refused(&refusal, &draft.mine),
    ))
}

/// The dialog's button: sends what differs.
///
/// # Errors
/// Why it cannot be sent now.
pub fn send(state: &mut State, id: Uuid, now: Timestamp) -> Result<Effect, String> {
    let Some(draft) = state.drafts.get(&id).filter(|draft| !draft.is_clean()) else {
        return Err("There are no unsaved changes any more".to_owned());
    };
    if let Some((_, why)) = in_the_way(state, draft) {
        return Err(why);
    }
    if draft.open_conflicts() > 0 {
        let decide = (state.keymap).brackets(&[(Context::Edit, Command::Decide)]);
        return Err(format!("Close this and decide what both of you changed{decide}"));
    }
    let change = request(&draft.base, &draft.mine);
    let sent = draft.mine.clone();
    let effect = guard::write(
        state,
        Request::Update {
            id,
            change: Box::new(change),
        },
        now,
    )?;
    if let Some(draft) = state.drafts.get_mut(&id) {
        draft.sent = Some(Box::new(sent));
    }
    Ok(effect)
}

/// Whether a part is saved with the table of variants of a draft.
fn of_table(path: &Path) -> bool {
    path.tab() == Tab::Variants
}

/// In a draft the table of variants saves as a field is left: nobody sees it yet.
///
/// What cannot be saved stays an unsaved change: shares that do not add up yet, a text that is no number, a
/// server that is lost.
pub fn by_itself(state: &mut State, sheet: Sheet, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some((id, _)) = state.sheet().filter(|_| sheet == Sheet::Variants) else {
        return;
    };
    let Some(draft) = state.drafts.get(&id) else {
        return;
    };
    let unread = draft
        .unread
        .keys()
        .filter_map(Cell::path)
        .any(|path| of_table(&path));
    let conflict = draft
        .conflicts
        .iter()
        .any(|c| c.choice.is_none() && of_table(&c.both.path));
    if draft.base.status != Status::Draft || unread || conflict || draft.sent.is_some() {
        return;
    }
    if !draft.changes().iter().any(|(path, ..)| of_table(path)) {
        return;
    }
    let next = with_table_of(&draft.base, &draft.mine);
    if next.check(usize::MAX).is_err() {
        return;
    }
    let change = request(&draft.base, &next);
    let change = Box::new(change);
    if let Ok(effect) = guard::write(state, Request::Update { id, change }, now) {
        if let Some(draft) = state.drafts.get_mut(&id) {
            draft.sent = Some(Box::new(next));
        }
        effects.push(effect);
    }
}

/// An experiment with the variants of another copy, in their order. Rules go with a variant that was renamed.
fn with_table_of(base: &Experiment, mine: &Experiment) -> Experiment {
    let mut next = base.clone();
    next.variants.clone_from(&mine.variants);
    next.default_variant_id.clone_from(&mine.default_variant_id);
    for rule in &mut next.rules {
        let gone = !next
            .variants
            .iter()
            .any(|v| v.key.folded() == rule.variant.folded());
        if let Some(renamed) = mine.rules.iter().find(|r| gone && r.id == rule.id) {
            rule.variant.clone_from(&renamed.variant);
        }
    }
    crate::cockpit::edit::path::renumber(&mut next);
    next
}

/// The server has saved it.
pub fn saved(state: &mut State, experiment: &Arc<Experiment>, now: Timestamp, effects: &mut Vec<Effect>) {
    let before = state.drafts.get(&experiment.id).map_or(0, Draft::count);
    drafts::saved(state, experiment);
    let after = state.drafts.get(&experiment.id).map_or(0, Draft::count);
    let count = before.saturating_sub(after).max(1);
    state.overlays.retain(|overlay| {
        !matches!(overlay, Overlay::Ask(dialog)
            if dialog.sending && matches!(&dialog.ask, Ask::Save { id } if *id == experiment.id))
    });
    let text = format!(
        "Saved {} of {} (v{})",
        format::counted(count as u64, "change", "changes"),
        experiment.key,
        experiment.resource_version
    );
    notify(state, Level::Ok, text, now);
    // What was changed while that was on its way.
    if state.editor().is_some_and(|editor| editor.editing.is_none()) {
        by_itself(state, Sheet::Variants, now, effects);
    }
}

/// The server has not saved it, or nobody knows.
pub fn failed(state: &mut State, failure: &Failure, now: Timestamp) {
    drafts::not_saved(state);
    let problem = failure.problem.as_deref();
    let code = problem.map(|p| p.code);
    let text = match (failure.kind, code) {
        (FailureKind::Lost, _) => format!(
            "Not known whether it was saved: {} Your changes are kept; once the server is back, those that were \
             saved are marked no longer.",
            format::ended(&failure.message)
        ),
        (_, Some(Code::VersionConflict)) => {
            let by = problem.and_then(|p| p.changed_by.clone());
            let at = problem.and_then(|p| p.changed_at);
            let who = by.clone().unwrap_or_else(|| "Somebody".to_owned());
            let current = problem.and_then(|p| p.current.clone());
            if let Some(current) = current.and_then(|v| serde_json::from_value::<Experiment>(v).ok()) {
                let current = Arc::new(current);
                let id = current.id;
                replies::put(state, current, now);
                drafts::meet(state, now);
                drafts::told(state, id, by, at);
            }
            format!("{who} changed it meanwhile; it is merged with yours. Look at the difference again.")
        }
        (_, Some(Code::NotFound)) => {
            let anew = (
                Context::Edit,
                Command::Save,
                "makes a new one of it, with your changes",
            );
            let text = state
                .keymap
                .after(&format!("{} Close this", lifecycle::GONE), ": ", &[anew]);
            format!("{text}.")
        }
        _ => failure.message.clone(),
    };
    // Whatever happened, the configuration shown may be old.
    state.requests.plan(Slot::Experiments, now);
    state.requests.plan(Slot::Experiment, now);
    ask::failed(state, Slot::Update, (text, false), problem, now);
}
