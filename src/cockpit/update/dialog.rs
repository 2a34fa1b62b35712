//! The dialog of a step of an experiment's life.

use std::sync::Arc;

use jiff::Timestamp;

use super::{experiment, guard, notify};
use crate::cockpit::effect::Effect;
use crate::cockpit::keymap::Command;
use crate::cockpit::lifecycle::{self, Step};
use crate::cockpit::state::overlay::{ENDED_REASONS, Field, Overlay, StepDialog, TestNow};
use crate::cockpit::state::{Level, State};

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
    let mut dialog = StepDialog::new(step, target, protected, now);
    dialog.winner = suggested_winner(state, &dialog);
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
    match state.open.as_deref().and_then(|detail| detail.tested()) {
        Some(srm) if srm.alarm => TestNow::Fails,
        Some(srm) if srm.test.is_some() => TestNow::Passes,
        _ => TestNow::Unknown,
    }
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
            Field::Override => {
                dialog.override_failing = !dialog.override_failing;
                dialog.error = None;
            }
            Field::Winner | Field::EndedReason => choose(dialog, true),
            Field::Comment | Field::TypedKey | Field::Cancel | Field::Confirm => {}
        },
        Command::ScrollUp => dialog.scroll = dialog.scroll.saturating_sub(4),
        Command::ScrollDown => dialog.scroll = (dialog.scroll + 4).min(last),
        Command::Press => match dialog.focus {
            Field::Cancel => {
                state.overlays.pop();
            }
            Field::Confirm => send(state, test, now, effects),
            Field::Override => {
                dialog.override_failing = !dialog.override_failing;
                dialog.error = None;
            }
            Field::Comment | Field::TypedKey | Field::Winner | Field::EndedReason => go(dialog, at + 1),
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
    let request = lifecycle::request(dialog);
    let outcome = guard::write(state, request, now);
    let Some(Overlay::Step(dialog)) = state.overlays.last_mut() else {
        return;
    };
    match outcome {
        Ok(effect) => {
            dialog.sending = true;
            dialog.error = None;
            effects.push(effect);
        }
        Err(why) => dialog.error = Some(why),
    }
}
