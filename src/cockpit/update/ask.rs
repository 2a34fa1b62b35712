//! The dialogs that ask before something is changed or thrown away.

use std::sync::Arc;

use jiff::Timestamp;

use super::{create, dialog, drafts, edit, experiment, guard, not_done, notify, save};
use crate::api::experiments::ApplyWinner;
use crate::api::overrides::{DeleteOverride, SetOverrides};
use crate::api::problem::{Code, Problem};
use crate::api::results::{Results, WINNER_PROBABILITY};
use crate::cockpit::edit::{self as editing, Cell, rows};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::lifecycle;
use crate::cockpit::ports::{Request, Slot};
use crate::cockpit::state::ask::{Ask, AskDialog, AskField};
use crate::cockpit::state::experiment::{ExperimentDetail, is_whole};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Level, Screen, State, Tab};
use crate::domain::{Experiment, FieldError, OverrideSource, OverrideSubject, Status};

/// Opens a dialog.
pub fn open(state: &mut State, ask: Ask, now: Timestamp) {
    let project = state.me.as_ref().is_some_and(|me| me.project.protected);
    let protected = project && is_dangerous(state, &ask);
    // By another, perhaps: asked anew before anything can be confirmed.
    state.requests.plan(Slot::Me, now);
    let mut dialog = AskDialog::new(ask, protected, now);
    dialog.held_back = held_back(state, &dialog.ask);
    state.overlays.push(Overlay::Ask(Box::new(dialog)));
}

/// Whether it changes people's variants: in a protected project that takes the key.
#[must_use]
pub fn is_dangerous(state: &State, ask: &Ask) -> bool {
    match ask {
        Ask::Save { id } => state
            .edited(*id)
            .is_some_and(|e| current(state, e).status != Status::Draft),
        Ask::AddOverride { experiment } | Ask::RemoveOverride { experiment, .. } => {
            current(state, experiment).status != Status::Draft
        }
        Ask::ApplyWinner { .. } => true,
        Ask::Create | Ask::Discard { .. } | Ask::RemoveVariant { .. } => false,
    }
}

/// An experiment as it is known to be now: somebody else may have taken it a step further.
fn current<'a>(state: &'a State, experiment: &'a Experiment) -> &'a Experiment {
    let open = state.open.as_deref().and_then(ExperimentDetail::config);
    let known = [open, state.list.experiment(experiment.id)];
    let known = known.into_iter().flatten().map(AsRef::as_ref);
    known
        .filter(|e: &&Experiment| e.id == experiment.id)
        .chain([experiment])
        .max_by_key(|e| e.resource_version)
        .unwrap_or(experiment)
}

/// Why what is asked has no effect for anybody at present; none where it has, or is not about one subject.
#[must_use]
pub fn held_back(state: &State, ask: &Ask) -> Option<String> {
    match ask {
        Ask::AddOverride { experiment } | Ask::RemoveOverride { experiment, .. } => {
            lifecycle::held_back(current(state, experiment))
        }
        _ => None,
    }
}

/// The experiment that a dialog is about.
#[must_use]
pub fn about<'a>(state: &'a State, dialog: &'a AskDialog) -> Option<&'a Experiment> {
    match &dialog.ask {
        Ask::Save { id } | Ask::Discard { id } | Ask::RemoveVariant { id, .. } => state.edited(*id),
        Ask::AddOverride { experiment }
        | Ask::RemoveOverride { experiment, .. }
        | Ask::ApplyWinner { experiment, .. } => Some(experiment),
        Ask::Create => state.edited(uuid::Uuid::nil()),
    }
}

/// What a dialog is called: what it does, and to what.
#[must_use]
pub fn title(state: &State, dialog: &AskDialog) -> String {
    let key = about(state, dialog)
        .map(|e| e.key.to_string())
        .unwrap_or_default();
    match &dialog.ask {
        Ask::Save { .. } => format!("Save {key}"),
        Ask::Discard { .. } => "Throw unsaved changes away".to_owned(),
        Ask::RemoveVariant { key, .. } => format!("Remove {key}"),
        Ask::AddOverride { .. } => format!("Force one subject in {key}"),
        Ask::RemoveOverride { item, .. } => format!("Release {}", item.subject_id),
        Ask::Create => format!("Create {key}"),
        Ask::ApplyWinner { winner, .. } => format!("Apply {winner} as the winner of {key}"),
    }
}

/// Why a dialog cannot be confirmed as it is, and the part that this is about; none when it can.
#[must_use]
pub fn missing(state: &State, dialog: &AskDialog) -> Option<(Option<AskField>, String)> {
    if dialog.sending {
        return Some((None, "waiting for the server's answer".to_owned()));
    }
    if matches!(dialog.ask, Ask::AddOverride { .. }) && dialog.id.is_blank() {
        return Some((Some(AskField::Id), "an id is required".to_owned()));
    }
    let key = about(state, dialog)
        .map(|e| e.key.to_string())
        .unwrap_or_default();
    if dialog.protected && dialog.typed_key.text().trim() != key {
        return Some((Some(AskField::TypedKey), format!("type the key: {key}")));
    }
    None
}

/// A key in the dialog.
pub fn command(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let last = state.laid.last;
    let Some(Overlay::Ask(dialog)) = state.overlays.last_mut() else {
        return;
    };
    let fields = dialog.fields();
    let at = fields
        .iter()
        .position(|field| *field == dialog.focus)
        .unwrap_or(0);
    let go = |dialog: &mut AskDialog, to: usize| dialog.focus = fields[to % fields.len()];
    match command {
        Command::NextField => go(dialog, at + 1),
        Command::PreviousField => go(dialog, at + fields.len() - 1),
        Command::Less => choose(dialog, false),
        Command::More => choose(dialog, true),
        Command::Toggle => match dialog.focus {
            AskField::Kind | AskField::Variant => choose(dialog, true),
            _ => {}
        },
        Command::ScrollUp => dialog.scroll = dialog.scroll.saturating_sub(4),
        Command::ScrollDown => dialog.scroll = (dialog.scroll + 4).min(last),
        Command::Press => match dialog.focus {
            AskField::Cancel => dialog::leave(state, now),
            AskField::Confirm => confirm(state, now, effects),
            _ => go(dialog, at + 1),
        },
        _ => {}
    }
}

fn choose(dialog: &mut AskDialog, forward: bool) {
    match dialog.focus {
        AskField::Kind => {
            dialog.kind = match dialog.kind {
                OverrideSubject::User => OverrideSubject::Device,
                OverrideSubject::Device => OverrideSubject::User,
            }
        }
        AskField::Variant => {
            if let Ask::AddOverride { experiment } = &dialog.ask {
                let count = experiment.variants.len().max(1);
                dialog.variant = (dialog.variant + if forward { 1 } else { count - 1 }) % count;
            }
        }
        AskField::Cancel => dialog.focus = AskField::Confirm,
        AskField::Confirm => dialog.focus = AskField::Cancel,
        AskField::Id | AskField::Comment | AskField::TypedKey => {}
    }
}

/// The button that does it.
fn confirm(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(Overlay::Ask(dialog)) = state.overlays.last() else {
        return;
    };
    let ask = dialog.ask.clone();
    let missing = missing(state, dialog);
    let request = request(dialog);
    let (field, missing) = missing.map_or((None, None), |(field, why)| (field, Some(why)));
    let outcome = match (missing, &ask) {
        (Some(why), _) => Err(why),
        (None, Ask::Save { id }) => save::send(state, *id, now),
        (None, Ask::Create) => create::send(state, now),
        (None, Ask::Discard { id }) => {
            state.overlays.pop();
            if id.is_nil() {
                create::begun_anew(state);
            }
            drafts::discard(state, *id, now, effects);
            return;
        }
        (None, Ask::RemoveVariant { id, key }) => {
            state.overlays.pop();
            if let Some(draft) = drafts::draft_of(state, *id, now) {
                draft.change(now, |e| rows::remove_variant(e, key));
            }
            edit::close_lost_panels(state, *id);
            // In a draft the table saves by itself, as it does whatever else is done to it.
            if let Some((_, sheet)) = state.sheet() {
                save::by_itself(state, sheet, now, effects);
            }
            return;
        }
        (None, _) => match request {
            Some(request) => guard::write(state, request, now),
            None => Err("There is no such variant any more".to_owned()),
        },
    };
    let Some(Overlay::Ask(dialog)) = state.overlays.last_mut() else {
        return;
    };
    match outcome {
        Ok(effect) => {
            dialog.sending = true;
            dialog.error = None;
            effects.push(effect);
        }
        Err(why) => {
            // What is typed next goes where it was missing.
            dialog.focus = field.unwrap_or(dialog.focus);
            dialog.error = Some(why);
        }
    }
}

/// What is sent, where the dialog itself says it all.
fn request(dialog: &AskDialog) -> Option<Request> {
    let comment = dialog.comment.text().trim();
    match &dialog.ask {
        Ask::AddOverride { experiment } => Some(Request::SetOverride {
            id: experiment.id,
            change: SetOverrides {
                variant: experiment.variants.get(dialog.variant)?.key.clone(),
                subject_type: dialog.kind,
                subject_ids: vec![dialog.id.text().trim().to_owned()],
                source: OverrideSource::Fixed,
            },
        }),
        Ask::RemoveOverride { experiment, item } => Some(Request::RemoveOverride {
            id: experiment.id,
            change: DeleteOverride {
                subject_type: item.subject_type,
                subject_id: item.subject_id.clone(),
            },
        }),
        Ask::ApplyWinner { experiment, winner } => Some(Request::ApplyWinner {
            id: experiment.id,
            change: ApplyWinner {
                resource_version: experiment.resource_version,
                winner: winner.clone(),
                comment: (!comment.is_empty()).then(|| comment.to_owned()),
            },
        }),
        Ask::Save { .. } | Ask::Create | Ask::Discard { .. } | Ask::RemoveVariant { .. } => None,
    }
}

/// What was sent by a dialog was done: it closes, and what was done is said.
pub fn done(state: &mut State, slot: Slot, text: impl Into<String>, now: Timestamp) {
    state.overlays.retain(
        |overlay| !matches!(overlay, Overlay::Ask(dialog) if dialog.sending && slot_of(&dialog.ask) == Some(slot)),
    );
    notify(state, Level::Ok, text, now);
}

/// It was not: the dialog says why; where it is closed, a notice does. The focus is on what was refused; where that
/// stands on the screen below, the dialog makes way for it.
pub fn failed(
    state: &mut State,
    slot: Slot,
    (text, lost): (String, bool),
    problem: Option<&Problem>,
    now: Timestamp,
) {
    let waits = |dialog: &AskDialog| dialog.sending && slot_of(&dialog.ask) == Some(slot);
    let dialog = state
        .overlays
        .iter_mut()
        .enumerate()
        .find_map(|(at, overlay)| match overlay {
            Overlay::Ask(dialog) if waits(dialog) => Some((at, dialog)),
            _ => None,
        });
    let Some((at, dialog)) = dialog else {
        not_done(state, slot, text, now);
        return;
    };
    dialog.sending = false;
    dialog.lost = lost;
    dialog.error = Some(text);
    let Some(problem) = problem.filter(|problem| problem.code != Code::VersionConflict) else {
        return;
    };
    let named = problem.errors.iter().find_map(|error| part(dialog, &error.field));
    if let Some(part) = named {
        dialog.focus = part;
        dialog.error = Some(words(problem, |error| match part_label(dialog, &error.field) {
            Some(label) => error.named(label).to_string(),
            None => error.to_string(),
        }));
        return;
    }
    let id = match dialog.ask {
        Ask::Save { id } => id,
        Ask::Create => uuid::Uuid::nil(),
        _ => return,
    };
    let Some(draft) = state.drafts.get_mut(&id) else {
        return;
    };
    let mut errors: Vec<FieldError> = problem.errors.iter().cloned().map(FieldError::from).collect();
    if problem.code == Code::KeyTaken && errors.is_empty() {
        errors.push(FieldError::new(
            "key",
            &draft.mine.key,
            "a key that no other one has",
        ));
    }
    draft.refuse(errors.iter().cloned());
    let mine = draft.mine.clone();
    let named = errors.iter().find_map(|error| {
        Cell::exactly(&error.field, &mine).or_else(|| Cell::of_refusal(&error.field, &mine))
    });
    let Some(cell) = named else { return };
    let all = errors.iter().map(|error| editing::refused(error, &mine));
    let text = all.collect::<Vec<_>>().join("; ");
    if edit::jump(state, id, &cell) {
        // What is to be mended lies below, with why beside it: nothing may stand over it.
        state.overlays.remove(at);
        let what = if id.is_nil() { "Not created" } else { "Not saved" };
        notify(state, Level::Warn, format!("{what}: {text}"), now);
    } else if let Some(Overlay::Ask(dialog)) = state.overlays.get_mut(at) {
        dialog.error = Some(text);
    }
}

/// The experiment came in: it says whether a winner was applied whose answer was lost.
pub fn settle(state: &mut State, now: Timestamp) {
    let lost = |dialog: &AskDialog| match &dialog.ask {
        Ask::ApplyWinner { experiment, winner } if dialog.lost && !dialog.sending => {
            Some((experiment.id, experiment.resource_version, winner.clone()))
        }
        _ => None,
    };
    let mut overlays = state.overlays.iter().enumerate();
    let found = overlays.find_map(|(at, overlay)| match overlay {
        Overlay::Ask(dialog) => Some((at, lost(dialog)?)),
        _ => None,
    });
    let Some((at, (id, version, winner))) = found else {
        return;
    };
    let Some(live) = state.list.experiment(id).map(Arc::clone) else {
        return;
    };
    let key = &live.key;
    if live.status == Status::Completed && live.winning_variant.as_ref() == Some(&winner) {
        state.overlays.remove(at);
        let text =
            format!("{key} is completed with {winner} as its winner: it was done, only the answer was lost");
        notify(state, Level::Ok, text, now);
        return;
    }
    let Some(Overlay::Ask(dialog)) = state.overlays.get_mut(at) else {
        return;
    };
    dialog.error = Some(if live.resource_version > version {
        dialog.lost = false;
        format!(
            "It was not done: {key} was changed before (v{version} → v{}, now {}). Close this, look, and decide again.",
            live.resource_version, live.status
        )
    } else {
        // A server that was slow may do it yet: it is looked at as long as the dialog is there.
        format!(
            "The answer was lost, and {key} is {} at v{version} still: it was not done. It can be tried again.",
            live.status
        )
    });
}

/// The refused fields of a problem, in words.
pub(super) fn words(problem: &Problem, word: impl Fn(FieldError) -> String) -> String {
    let all = problem.errors.iter().cloned();
    all.map(|error| word(error.into())).collect::<Vec<_>>().join("; ")
}

/// The part of a dialog that a refused field of its request was filled in with.
fn part(dialog: &AskDialog, field: &str) -> Option<AskField> {
    let (head, _) = field.split_once(['.', '[']).unwrap_or((field, ""));
    let part = match head {
        "subjectIds" => AskField::Id,
        "subjectType" => AskField::Kind,
        "variant" => AskField::Variant,
        "comment" => AskField::Comment,
        _ => return None,
    };
    dialog.fields().contains(&part).then_some(part)
}

fn part_label(dialog: &AskDialog, field: &str) -> Option<&'static str> {
    part(dialog, field).map(AskField::label)
}

/// What a dialog sends; none where it changes nothing on the server.
#[must_use]
pub fn slot_of(ask: &Ask) -> Option<Slot> {
    Some(match ask {
        Ask::Save { .. } => Slot::Update,
        Ask::Create => Slot::Create,
        Ask::AddOverride { .. } | Ask::RemoveOverride { .. } => Slot::Override,
        Ask::ApplyWinner { .. } => Slot::Winner,
        Ask::Discard { .. } | Ask::RemoveVariant { .. } => return None,
    })
}

/// `n` on the Overrides tab.
pub fn add_override(state: &mut State, now: Timestamp) {
    let Some(experiment) = experiment::target(state).map(Arc::clone) else {
        notify(state, Level::Info, "There is no experiment here yet", now);
        return;
    };
    // What is searched for and was not found is most likely who is meant.
    let searched = state
        .detail()
        .map(|d| d.overrides.search.text().trim().to_owned());
    open(state, Ask::AddOverride { experiment }, now);
    if let (Some(Overlay::Ask(dialog)), Some(id)) = (state.overlays.last_mut(), searched) {
        dialog.id = crate::cockpit::state::text::TextField::new(&id);
    }
}

/// `d` on the Overrides tab.
pub fn remove_override(state: &mut State, now: Timestamp) {
    let item = state.detail().and_then(|detail| {
        let page = detail.overrides.page.value.as_ref()?;
        page.overrides.get(detail.overrides.selected).cloned()
    });
    let experiment = experiment::target(state).map(Arc::clone);
    match (experiment, item) {
        (Some(experiment), Some(item)) => open(state, Ask::RemoveOverride { experiment, item }, now),
        _ => notify(state, Level::Info, "There is no override here", now),
    }
}

/// `W`: offered only when the results name a winner, enough is known, and a flag is linked.
pub fn apply_winner(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(target) = experiment::target(state).map(Arc::clone) else {
        notify(state, Level::Info, "There is no experiment here yet", now);
        return;
    };
    experiment::load(state, target.id, now, effects);
    match winner(state, &target) {
        Ok(winner) => open(
            state,
            Ask::ApplyWinner {
                experiment: target,
                winner,
            },
            now,
        ),
        Err(why)
            if state.screen == Screen::Experiments
                && results_of(state, &target).is_none()
                && can_have_winner(&target) =>
        {
            // From the list: what the decision hangs on is asked for as it comes on the screen.
            let Some(detail) = state.open.as_deref_mut() else {
                notify(state, Level::Warn, why, now);
                return;
            };
            detail.tab = Tab::Analytics;
            state.screen = Screen::Experiment;
            let key = state
                .keymap
                .keys(&[Context::Experiment], Command::ApplyWinner)
                .next();
            let key = key.map_or_else(|| "The same key".to_owned(), |key| key.word());
            let text = format!("{key} applies the winner that these results name, once they are there");
            notify(state, Level::Info, text, now);
        }
        Err(why) => notify(state, Level::Warn, why, now),
    }
}

/// The results that were shown of the experiment last, filtered ones too.
fn results_of<'a>(state: &'a State, experiment: &Experiment) -> Option<&'a Results> {
    let detail = state.open.as_deref();
    let detail = detail.filter(|detail| detail.id() == Some(experiment.id))?;
    detail.results.value.as_deref()
}

/// Whether results could name a winner that can be applied.
fn can_have_winner(experiment: &Experiment) -> bool {
    matches!(experiment.status, Status::Active | Status::Paused) && experiment.linked_flag.is_some()
}

/// The variant that may be applied as the winner.
///
/// # Errors
/// What stands against it.
pub fn winner(state: &State, experiment: &Experiment) -> Result<crate::domain::Key, String> {
    let key = &experiment.key;
    if !matches!(experiment.status, Status::Active | Status::Paused) {
        return Err(format!(
            "{key} is {}: only an active or paused experiment has a winner to apply",
            experiment.status
        ));
    }
    if experiment.linked_flag.is_none() {
        return Err(format!(
            "{key} has no linked flag to serve the winner with: link one on Setup"
        ));
    }
    let detail = state
        .open
        .as_deref()
        .filter(|detail| detail.id() == Some(experiment.id));
    let Some(results) = detail.and_then(ExperimentDetail::decisive) else {
        let shown = detail.and_then(|detail| detail.results_of.as_ref());
        return Err(match shown {
            None => {
                let looks = (state.keymap).brackets(&[(Context::Experiment, Command::TabAnalytics)]);
                format!("The results are not known yet: look at them first{looks}")
            }
            Some((query, _)) if !is_whole(query) => {
                let ways = state.keymap.brackets(&[
                    (Context::Experiment, Command::TabAnalytics),
                    (Context::Analytics, Command::FilterResults),
                ]);
                format!(
                    "The results on the screen leave something out: no winner comes of that. Clear the filter{ways} first"
                )
            }
            Some((_, version)) => {
                format!("The results are still those of v{version}: wait for the new ones")
            }
        });
    };
    if results.power.gathering {
        return Err(format!(
            "{key} is still gathering data: there is no winner under the power floor"
        ));
    }
    let arm = results.arms.iter().find(|arm| arm.variant == results.winner);
    let best = arm
        .and_then(|arm| arm.posterior.as_ref())
        .map_or(0.0, |p| p.prob_best);
    match experiment.variant(&results.winner) {
        Some(variant) if best >= WINNER_PROBABILITY => Ok(variant.key.clone()),
        _ => Err(format!(
            "{key} has no winner: no variant has P(best) of 95 % or more"
        )),
    }
}
