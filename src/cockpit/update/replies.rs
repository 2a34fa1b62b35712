//! Answers and failures from outside. Those of a run that was replaced are dropped.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{ask, create, flag, import, notify, objects, refresh, save};
use crate::api::problem::Code;
use crate::cockpit::effect::Effect;
use crate::cockpit::ports::{Answer, Failure, FailureKind, Loaded, Reply, Slot};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Dirty, ExperimentDetail, Level, State};
use crate::domain::Experiment;
use crate::insights;

/// Takes a reply.
pub fn take(state: &mut State, reply: Reply, now: Timestamp, effects: &mut Vec<Effect>) {
    let Reply {
        run,
        slot,
        took,
        outcome,
    } = reply;
    if !state.requests.finish(slot, run, took) {
        return;
    }
    match outcome {
        Ok(answer) => {
            state.link_mut(slot.service()).up(took, now);
            refresh::plan_next(state, slot, took, now);
            if let Some(answer) = objects::answered(state, slot, answer, now, effects) {
                answered(state, slot, answer, now, effects);
            }
            flag::open_if_asked(state, now);
            import::open_if_asked(state, now, effects);
        }
        Err(failure) => {
            let jitter = state.requests.jitter();
            let link = state.link_mut(failure.service);
            match failure.kind {
                FailureKind::Lost => link.lost(failure.message.clone(), jitter, now),
                FailureKind::Configuration => link.stop(failure.message.clone()),
                FailureKind::Refused | FailureKind::Limit => link.up(took, now),
            }
            match failure.kind {
                // Due at once; when it is tried is up to the connection that failed.
                FailureKind::Lost if failure.service == slot.service() => {
                    state.requests.plan(slot, now);
                }
                // The way to ClickHouse leads through the server: nothing else would slow this one down.
                FailureKind::Lost => refresh::plan_next(state, slot, Duration::from_secs(1), now),
                // The same again would fail the same way: it rests longer.
                FailureKind::Limit => {
                    refresh::plan_next(state, slot, took.max(Duration::from_secs(3)), now);
                }
                FailureKind::Refused | FailureKind::Configuration => {
                    refresh::plan_next(state, slot, Duration::from_secs(1), now);
                }
            }
            if !objects::failed(state, slot, &failure, now) {
                failed(state, slot, failure, now);
            }
        }
    }
    state.touch(Dirty::Data);
}

fn answered(state: &mut State, slot: Slot, answer: Answer, now: Timestamp, effects: &mut Vec<Effect>) {
    match answer {
        Answer::Overview(_) | Answer::Results(_) if state.hold.on => hold(state, answer, now),
        Answer::Overview(_) | Answer::Results(_) => apply_live(state, answer, now, now),
        Answer::Me(me) => state.me = Some(me),
        Answer::Experiments(list) => {
            let known: Vec<Arc<Experiment>> = list
                .experiments
                .into_iter()
                .map(|new| match state.list.experiment(new.id) {
                    Some(old) if **old == new => Arc::clone(old),
                    _ => Arc::new(new),
                })
                .collect();
            state.list.experiments.set(known, now);
            adopt_from_list(state, now);
            state.list.arrange(now);
        }
        Answer::Experiment(experiment) => {
            let experiment = Arc::new(*experiment);
            match slot {
                Slot::Status => step_taken(state, &experiment, now),
                // Before it is put where it is shown: nobody else's changes came in.
                Slot::Update => save::saved(state, &experiment, now, effects),
                Slot::Create => create::created(state, &experiment, now, effects),
                _ => {}
            }
            put(state, experiment, now);
        }
        Answer::Mark(mark) => {
            if let Some(detail) = state.open.as_deref_mut() {
                detail.mark = Some(mark);
            }
        }
        Answer::SampleRatio(srm) => {
            if let Some(detail) = state.open.as_deref_mut() {
                detail.guarded.set(*srm, now);
            }
        }
        Answer::History(page) => {
            if let Some(detail) = state.open.as_deref_mut() {
                let version = detail.config().map_or(0, |c| c.resource_version);
                let history = &mut detail.history;
                let follows = history.version == version
                    && history.next_before.is_some()
                    && page
                        .entries
                        .first()
                        .is_none_or(|first| history.next_before.is_some_and(|before| first.id < before));
                match &mut history.entries.value {
                    Some(entries) if follows => entries.extend(page.entries),
                    _ => history.entries.set(page.entries, now),
                }
                history.entries.failure = None;
                history.next_before = page.next_before;
                history.version = version;
            }
        }
        Answer::Overrides(page) => {
            if let Some(detail) = state.open.as_deref_mut() {
                let rows = page.overrides.len();
                detail.overrides.page.set(page, now);
                detail.overrides.selected = detail.overrides.selected.min(rows.saturating_sub(1));
            }
        }
        Answer::OverridesSet(set) => {
            let text = match (set.added, set.changed) {
                (1, _) => "The subject is forced from now on",
                (_, 1) => "The subject is forced into another variant from now on",
                _ => "The subject was forced into it already",
            };
            ask::done(state, slot, text, now);
            forget_overrides(state);
        }
        Answer::OverrideRemoved => {
            ask::done(state, slot, "The subject is forced no longer", now);
            forget_overrides(state);
        }
        Answer::WinnerApplied(applied) => {
            let text = format!(
                "{} is completed: {} serves {} to everybody",
                applied.experiment.key,
                applied.flag.key,
                applied
                    .experiment
                    .winning_variant
                    .as_ref()
                    .map_or("the winner", |key| key.as_str())
            );
            ask::done(state, slot, text, now);
            put(state, Arc::new(applied.experiment), now);
        }
        Answer::Names(names) => {
            if let Some(editor) = state.editor_mut() {
                editor.suggestions.names.set(names, now);
            }
        }
        Answer::Explain(explanation) => {
            if let Some(Overlay::Explain(panel)) = state.overlays.last_mut() {
                panel.answer.set(*explanation, now);
            }
        }
        // The others were taken before.
        _ => {}
    }
}

/// Keeps a live answer until the person lets it in: only the newest of each kind.
fn hold(state: &mut State, answer: Answer, now: Timestamp) {
    let kind = std::mem::discriminant(&answer);
    let held = &mut state.hold.answers;
    held.retain(|(other, _)| std::mem::discriminant(other) != kind);
    held.push((answer, now));
    state.hold.waiting = state.hold.waiting.saturating_add(1);
}

/// Shows a live answer that came at `at`.
pub fn apply_live(state: &mut State, answer: Answer, at: Timestamp, now: Timestamp) {
    match answer {
        Answer::Overview(overviews) => {
            let mut all = state.list.overviews.value.take().unwrap_or_default();
            all.extend(overviews.into_iter().map(|o| (o.experiment_id, o)));
            state.list.overviews.set(all, at);
            state.list.arrange(now);
        }
        Answer::Results(results) => {
            if let Some(detail) = state.open.as_deref_mut()
                && detail.id() == Some(results.experiment_id)
            {
                if let Some(experiment) = detail.config() {
                    detail.summary = insights::summary(experiment, &results, now);
                }
                detail.results.set(Arc::new(*results), at);
            }
        }
        _ => {}
    }
}

/// The newer configuration of an experiment, wherever it is shown.
pub fn put(state: &mut State, experiment: Arc<Experiment>, now: Timestamp) {
    if let Some(all) = &mut state.list.experiments.value
        && let Some(place) = all.iter_mut().find(|e| e.id == experiment.id)
        && place.resource_version <= experiment.resource_version
    {
        *place = Arc::clone(&experiment);
    }
    if let Some(detail) = state.open.as_deref_mut()
        && (detail.id() == Some(experiment.id) || is_named(detail, &experiment))
    {
        adopt(detail, experiment, now);
    }
    state.list.arrange(now);
}

fn adopt_from_list(state: &mut State, now: Timestamp) {
    let Some(detail) = state.open.as_deref_mut() else {
        return;
    };
    let found = state
        .list
        .experiments
        .value
        .iter()
        .flatten()
        .find(|e| detail.id() == Some(e.id) || is_named(detail, e))
        .map(Arc::clone);
    if let Some(experiment) = found {
        adopt(detail, experiment, now);
    }
}

fn is_named(detail: &ExperimentDetail, experiment: &Experiment) -> bool {
    detail.id().is_none()
        && (detail.name.eq_ignore_ascii_case(experiment.key.as_str())
            || detail.name.eq_ignore_ascii_case(&experiment.id.to_string()))
}

fn adopt(detail: &mut ExperimentDetail, experiment: Arc<Experiment>, now: Timestamp) {
    let newer = detail
        .config()
        .is_none_or(|old| old.resource_version <= experiment.resource_version);
    if newer {
        detail.name = experiment.key.to_string();
        detail.experiment.set(experiment, now);
    }
}

/// The step that a dialog asked for was taken.
fn step_taken(state: &mut State, experiment: &Arc<Experiment>, now: Timestamp) {
    let dialog = state.overlays.iter().position(|overlay| {
        matches!(overlay, Overlay::Step(dialog) if dialog.sending && dialog.experiment.id == experiment.id)
    });
    let text = match dialog.map(|at| state.overlays.remove(at)) {
        Some(Overlay::Step(dialog)) => format!("{} {}", experiment.key, dialog.step.done()),
        _ => format!("{} is {}", experiment.key, experiment.status),
    };
    notify(state, Level::Ok, text, now);
}

fn failed(state: &mut State, slot: Slot, failure: Failure, now: Timestamp) {
    match slot {
        Slot::Me => {}
        Slot::Experiments => state.list.experiments.fail(failure),
        Slot::Overview => state.list.overviews.fail(failure),
        Slot::Experiment => {
            if let Some(detail) = state.open.as_deref_mut() {
                detail.experiment.fail(failure);
            }
        }
        Slot::Probe => {}
        Slot::Results => {
            if let Some(detail) = state.open.as_deref_mut() {
                detail.results.fail(failure);
            }
        }
        Slot::SampleRatio => {
            if let Some(detail) = state.open.as_deref_mut() {
                // An old test is none: what is decided upon it would be wrong.
                detail.guarded = Loaded::default();
                detail.guarded.fail(failure);
            }
        }
        Slot::History => {
            if let Some(detail) = state.open.as_deref_mut() {
                detail.history.entries.fail(failure);
            }
        }
        Slot::Overrides => {
            if let Some(detail) = state.open.as_deref_mut() {
                detail.overrides.page.fail(failure);
            }
        }
        Slot::Explain => {
            if let Some(Overlay::Explain(panel)) = state.overlays.last_mut() {
                panel.answer.fail(failure);
            }
        }
        Slot::Status => step_failed(state, &failure, now),
        Slot::Update => save::failed(state, &failure, now),
        Slot::Create | Slot::Override | Slot::Winner => write_failed(state, slot, &failure, now),
        Slot::Suggest => {
            if let Some(editor) = state.editor_mut() {
                editor.suggestions.names.fail(failure);
            }
        }
        // The others were taken before.
        _ => {}
    }
}

/// The page of overrides is old: it is asked for anew.
fn forget_overrides(state: &mut State) {
    if let Some(detail) = state.open.as_deref_mut() {
        detail.overrides.asked = None;
    }
}

fn write_failed(state: &mut State, slot: Slot, failure: &Failure, now: Timestamp) {
    let text = match failure.kind {
        FailureKind::Lost => format!(
            "Not known whether it was done: {}. Look before trying again.",
            failure.message
        ),
        _ => failure.message.clone(),
    };
    state.requests.plan(Slot::Experiments, now);
    state.requests.plan(Slot::Experiment, now);
    forget_overrides(state);
    ask::failed(state, slot, text, now);
}

fn step_failed(state: &mut State, failure: &Failure, now: Timestamp) {
    let code = failure.problem.as_ref().map(|p| p.code);
    let text = match (failure.kind, code) {
        (FailureKind::Lost, _) => format!(
            "Not known whether it was done: {}. Look at the status before trying again.",
            failure.message
        ),
        (_, Some(Code::VersionConflict)) => {
            let by = failure.problem.as_ref().and_then(|p| p.changed_by.as_deref());
            format!(
                "{} changed it since this dialog opened. Close it, look, and decide again.",
                by.unwrap_or("Somebody")
            )
        }
        _ => failure.message.clone(),
    };
    // Whatever happened, the configuration shown may be old.
    state.requests.plan(Slot::Experiments, now);
    state.requests.plan(Slot::Experiment, now);
    let dialog = state.overlays.iter_mut().find_map(|overlay| match overlay {
        Overlay::Step(dialog) if dialog.sending => Some(dialog),
        _ => None,
    });
    match dialog {
        Some(dialog) => {
            dialog.sending = false;
            dialog.error = Some(text);
        }
        None => notify(state, Level::Warn, text, now),
    }
}
