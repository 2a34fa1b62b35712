//! The dialog of a step of an experiment's life.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{ask, experiment, form, guard, not_done, notify};
use crate::api::problem::{Code, Problem};
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::keymap::Command;
use crate::cockpit::lifecycle::{self, Step};
use crate::cockpit::ports::{Failure, FailureKind, Slot};
use crate::cockpit::state::overlay::{ENDED_REASONS, Field, Overlay, StepDialog, TestNow};
use crate::cockpit::state::{Level, State};
use crate::domain::{Experiment, FieldError};

/// Opens the dialog of a step for the experiment that is looked at.
pub fn open(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(target) = experiment::target(state).map(Arc::clone) else {
        notify(state, Level::Info, "There is no experiment here yet", now);
        return;
    };
    let step = match command {
        Command::Activate => Step::Activate,
        Command::Pause => Step::Pause,
        Command::Complete => Step::Complete,
        Command::End => Step::End,
        Command::Archive => Step::archive_of(&target),
        Command::Delete => Step::Delete,
        _ => Step::resume_of(&target),
    };
    if let Some(why) = step.refusal(&target) {
        notify(state, Level::Warn, why, now);
        return;
    }
    // Evidence, winners and history belong to the open experiment.
    experiment::load(state, target.id, now, effects);
    let protected = state.me.as_ref().is_some_and(|me| me.project.protected);
    // By another, perhaps: asked anew before anything can be confirmed.
    state.requests.plan(Slot::Me, now);
    let mut dialog = StepDialog::new(step, target, protected, now);
    dialog.winner = suggested_winner(state, &dialog);
    let same = |left: &StepDialog| left.experiment.id == dialog.experiment.id && left.step == step;
    if let Some(left) = state.left_step.take_if(|left| same(left)) {
        dialog.take_over(*left);
    }
    state.overlays.push(Overlay::Step(Box::new(dialog)));
}

/// The winner that the results name, as a choice; 0 while they name none.
fn suggested_winner(state: &State, dialog: &StepDialog) -> usize {
    let results = state.open.as_deref().and_then(|d| d.decisive());
    let winner = results.map(|r| r.winner.as_str()).unwrap_or_default();
    let at = dialog
        .experiment
        .variants
        .iter()
        .position(|v| v.key.as_str().eq_ignore_ascii_case(winner));
    at.map_or(0, |at| at + 1)
}

/// What is known now of the sample ratio test of the open experiment, as the server will make it.
#[must_use]
pub fn test_now(state: &State) -> TestNow {
    let told = state.overlays.iter().find_map(|overlay| match overlay {
        Overlay::Step(dialog) => dialog.still_fails,
        _ => None,
    });
    let made = state.open.as_deref().and_then(|detail| detail.guarded.at);
    if told.is_some_and(|told| made.is_none_or(|made| made <= told)) {
        // Nothing that is known is newer than what the server said when it refused.
        return TestNow::Fails;
    }
    match state.open.as_deref().and_then(|detail| detail.tested()) {
        Some(srm) if srm.alarm => TestNow::Fails,
        Some(srm) if srm.test.is_some() => TestNow::Passes,
        Some(_) => TestNow::Unknown,
        None if test_comes(state) => TestNow::Pending,
        None => TestNow::Unknown,
    }
}

/// Whether what the test is made of may still come: the guard's own, or results that stand for it.
fn test_comes(state: &State) -> bool {
    let Some(detail) = state.open.as_deref() else {
        return false;
    };
    let Some(config) = detail.config() else {
        return false;
    };
    let up = |slot: Slot| !state.link(slot.needs()).is_down();
    let guard = detail.guarded.failure.is_none() && up(Slot::SampleRatio);
    let results = detail.results.failure.is_none() && up(Slot::Results);
    guard || (results && config.srm_checked_from.is_none())
}

/// What is known of the test may have changed: a tick that was given for something else is none, and what is gone has
/// the focus no longer.
pub fn follow_test(state: &mut State) {
    let test = test_now(state);
    for overlay in &mut state.overlays {
        let Overlay::Step(dialog) = overlay else { continue };
        dialog.override_failing = dialog.override_failing.filter(|known| *known == test);
        if !dialog.fields(test).contains(&dialog.focus) {
            dialog.focus = Field::Cancel;
        }
    }
}

/// The box is ticked for what is known of the test, or no longer.
fn tick(dialog: &mut StepDialog, test: TestNow) {
    dialog.override_failing = (!dialog.overrides(test)).then_some(test);
    dialog.error = None;
}

/// A key in the dialog.
pub fn command(state: &mut State, command: Command, now: Timestamp, effects: &mut Vec<Effect>) {
    let test = test_now(state);
    let last = state.laid.last;
    let Some(Overlay::Step(dialog)) = state.overlays.last_mut() else {
        return;
    };
    let fields = dialog.fields(test);
    let at = fields.iter().position(|f| *f == dialog.focus);
    // The field may be gone: the test passes now, so there is nothing to tick.
    let at = at.unwrap_or(fields.len().saturating_sub(2));
    let go = |dialog: &mut StepDialog, to: usize| dialog.focus = fields[to % fields.len()];
    match command {
        Command::NextField => go(dialog, at + 1),
        Command::PreviousField => go(dialog, at + fields.len() - 1),
        Command::Less => choose(dialog, false),
        Command::More => choose(dialog, true),
        Command::Toggle => match dialog.focus {
            Field::Override => tick(dialog, test),
            Field::Winner | Field::EndedReason => choose(dialog, true),
            Field::Comment | Field::TypedKey | Field::Cancel | Field::Confirm => {}
        },
        Command::ScrollUp => dialog.scroll = dialog.scroll.saturating_sub(4),
        Command::ScrollDown => dialog.scroll = (dialog.scroll + 4).min(last),
        Command::Press => match dialog.focus {
            Field::Cancel => leave(state, now),
            Field::Confirm => send(state, test, now, effects),
            // A tick is set by its own key, never by one that was pressed once too often on the way to the buttons.
            Field::Override | Field::Comment | Field::TypedKey | Field::Winner | Field::EndedReason => {
                go(dialog, at + 1);
            }
        },
        _ => {}
    }
}

/// Left and right: the choice before or after, or the other button.
fn choose(dialog: &mut StepDialog, forward: bool) {
    let turn = |at: usize, len: usize| (at + if forward { 1 } else { len - 1 }) % len;
    match dialog.focus {
        Field::Winner => dialog.winner = turn(dialog.winner, dialog.experiment.variants.len() + 1),
        Field::EndedReason => dialog.ended_reason = turn(dialog.ended_reason, ENDED_REASONS.len()),
        Field::Cancel => dialog.focus = Field::Confirm,
        Field::Confirm => dialog.focus = Field::Cancel,
        Field::Comment | Field::TypedKey | Field::Override => {}
    }
}

/// The button that does it: sent when nothing is missing and nothing forbids it.
fn send(state: &mut State, test: TestNow, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(Overlay::Step(dialog)) = state.overlays.last_mut() else {
        return;
    };
    if let Some((field, why)) = dialog.missing(test) {
        // What is typed next goes where it was missing.
        dialog.focus = field.unwrap_or(dialog.focus);
        dialog.error = Some(why);
        return;
    }
    let request = lifecycle::request(dialog, test);
    let outcome = guard::write(state, request, now);
    let Some(Overlay::Step(dialog)) = state.overlays.last_mut() else {
        return;
    };
    match outcome {
        Ok(effect) => {
            dialog.sending = true;
            dialog.lost = false;
            dialog.error = None;
            effects.push(effect);
        }
        Err(why) => dialog.error = Some(why),
    }
}

/// Closes what is on top. What was filled in is kept where the server did not take it, or has not answered yet. What
/// was sent goes on, which must not be taken for cancelled: that is said at once, and stands in the last line until the
/// answer.
pub fn leave(state: &mut State, now: Timestamp) {
    let sent = state.overlays.last().and_then(|overlay| sent_by(state, overlay));
    if let Some(Overlay::Step(dialog)) = state.overlays.pop()
        && (dialog.refused || dialog.sending)
    {
        state.left_step = Some(dialog);
    }
    if let Some((slot, what)) = sent {
        let text = format!(
            "{what}: this was sent already, and closing does not take it back. What comes of it is told here"
        );
        notify(state, Level::Warn, text, now);
        state.left_sent.insert(slot, what);
    }
}

/// What a dialog has sent and has no answer to yet: the kind of the request, and it in words.
fn sent_by(state: &State, overlay: &Overlay) -> Option<(Slot, String)> {
    let (slot, what) = match overlay {
        Overlay::Step(dialog) if dialog.sending => {
            let what = format!("{} {}", dialog.step.verb(), dialog.experiment.key);
            (Slot::Status, what)
        }
        Overlay::Ask(dialog) if dialog.sending => (ask::slot_of(&dialog.ask)?, ask::title(state, dialog)),
        Overlay::Form(form) if form.sending => (Slot::Change, form::words::titles(&form.purpose).0),
        _ => return None,
    };
    state.requests.pending(slot).map(|_| (slot, what))
}

/// There is nothing left to take over: the step was taken, or the experiment is gone.
pub fn forget(state: &mut State, id: Uuid) {
    state.left_step.take_if(|left| left.experiment.id == id);
}

/// The step that a dialog asked for was taken.
pub fn taken(state: &mut State, experiment: &Arc<Experiment>, now: Timestamp) {
    forget(state, experiment.id);
    let dialog = state.overlays.iter().position(|overlay| {
        matches!(overlay, Overlay::Step(dialog) if dialog.sending && dialog.experiment.id == experiment.id)
    });
    let text = match dialog.map(|at| state.overlays.remove(at)) {
        Some(Overlay::Step(dialog)) => format!("{} {}", experiment.key, dialog.step.done()),
        _ => format!("{} is {}", experiment.key, experiment.status),
    };
    notify(state, Level::Ok, text, now);
}

/// It was not: the dialog says why, the focus on what was refused; where it is closed, a notice does.
pub fn failed(state: &mut State, failure: &Failure, now: Timestamp) {
    let problem = failure.problem.as_deref();
    let text = match (failure.kind, problem.map(|p| p.code)) {
        (FailureKind::Lost, _) => format!(
            "Not known whether it was done: {} Look at the status before trying again.",
            format::ended(&failure.message)
        ),
        (_, Some(Code::VersionConflict)) => {
            let by = problem.and_then(|p| p.changed_by.as_deref());
            format!(
                "{} changed it since this dialog opened. Close it, look, and decide again: what you filled in is kept.",
                by.unwrap_or("Somebody")
            )
        }
        (_, Some(Code::NotFound)) => lifecycle::GONE.to_owned(),
        _ => failure.message.clone(),
    };
    // Whatever happened, the configuration shown may be old.
    state.requests.plan(Slot::Experiments, now);
    state.requests.plan(Slot::Experiment, now);
    let dialog = state.overlays.iter_mut().find_map(|overlay| match overlay {
        Overlay::Step(dialog) if dialog.sending => Some(dialog),
        _ => None,
    });
    let Some(dialog) = dialog else {
        not_done(state, Slot::Status, text, now);
        return;
    };
    dialog.sending = false;
    dialog.refused = true;
    dialog.lost = failure.kind == FailureKind::Lost;
    let (field, text) = match problem.and_then(|problem| refused(dialog, problem)) {
        Some((field, words)) => (Some(field), words),
        None => (None, text),
    };
    dialog.focus = field.unwrap_or(dialog.focus);
    dialog.error = Some(text);
    if field == Some(Field::Override) {
        // What is shown of the test is older than this: it is made anew, whatever was asked before.
        dialog.still_fails = Some(now);
        state.requests.cancel(Slot::SampleRatio);
    }
}

/// The history came in: it says whether a step whose answer was lost was done.
pub fn settle(state: &mut State, now: Timestamp) {
    let at = state
        .overlays
        .iter()
        .position(|overlay| matches!(overlay, Overlay::Step(dialog) if dialog.lost && !dialog.sending));
    let (Some(at), Some(me)) = (at, state.me.as_ref().map(|me| me.actor.clone())) else {
        return;
    };
    let Some(Overlay::Step(dialog)) = state.overlays.get_mut(at) else {
        return;
    };
    let open = state
        .open
        .as_deref()
        .filter(|d| d.id() == Some(dialog.experiment.id));
    let entries = open.and_then(|detail| detail.history.entries.value.as_deref());
    let next = dialog.experiment.resource_version + 1;
    let Some(entry) = entries
        .unwrap_or_default()
        .iter()
        .find(|e| e.resource_version == next)
    else {
        return;
    };
    let to = dialog.step.to().map(|status| status.as_str());
    let steps = entry
        .changes
        .iter()
        .any(|change| change.field == "status" && change.to.as_str() == to);
    let typed = dialog.comment.text().trim();
    if steps && entry.actor == me && entry.comment.as_deref().unwrap_or_default() == typed {
        let text = format!(
            "{} {}: only the answer was lost",
            dialog.experiment.key,
            dialog.step.done()
        );
        let id = dialog.experiment.id;
        state.overlays.remove(at);
        forget(state, id);
        notify(state, Level::Ok, text, now);
    } else {
        dialog.lost = false;
        dialog.error = Some(format!(
            "It was not done: {} changed it before. Close this, look, and decide again: what you filled in is kept.",
            entry.actor
        ));
    }
}

/// The part of a dialog that a refusal is about, and its words as the screen calls things.
fn refused(dialog: &StepDialog, problem: &Problem) -> Option<(Field, String)> {
    let part = |field: &str| {
        let field = match field {
            "comment" => Field::Comment,
            "overrideFailingSrm" => Field::Override,
            "winningVariant" => Field::Winner,
            "endedReason" => Field::EndedReason,
            _ => return None,
        };
        dialog.fields(TestNow::Fails).contains(&field).then_some(field)
    };
    let field = problem.errors.iter().find_map(|error| part(&error.field))?;
    if field == Field::Override {
        let text =
            "The server tested it again, and it still fails: find the cause first, or tick that you know";
        return Some((field, text.to_owned()));
    }
    let words = problem.errors.iter().map(|error| {
        let said = FieldError::from(error.clone());
        match part(&error.field) {
            Some(field) => said.named(dialog.label(field)).to_string(),
            None => said.to_string(),
        }
    });
    Some((field, words.collect::<Vec<_>>().join("; ")))
}
