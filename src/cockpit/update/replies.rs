//! Answers and failures from outside. Those of a run that was replaced are dropped.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    ask, create, dialog, experiment, flag, guard, import, notify, objects, preferences, refresh, save,
};
use crate::api::experiments::History;
use crate::api::problem::Code;
use crate::cockpit::edit::refused;
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::lifecycle;
use crate::cockpit::ports::{Answer, Failure, FailureKind, Loaded, Reply, Request, Slot};
use crate::cockpit::state::analytics::keep_order;
use crate::cockpit::state::cursor::follow;
use crate::cockpit::state::editor::Suggestions;
use crate::cockpit::state::overlay::{ExplainPanel, Overlay};
use crate::cockpit::state::{Dirty, ExperimentDetail, Held, Level, State};
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
    let Some(request) = state.requests.finish(slot, run, took) else {
        return;
    };
    let line = flag::current(state);
    match outcome {
        Ok(answer) => {
            // The server counts by a way of its own: an answer of its says nothing of the one from here.
            if !slot.is_counted_there() {
                state.link_mut(slot.service()).up(took, now);
            }
            let pace = state.requests.pace(slot).unwrap_or(took);
            refresh::plan_next(state, slot, pace, now);
            // An import is many writes in a row: the lists would not be answered before its end.
            if request.writes() && slot != Slot::ImportStep {
                refresh::ask_again(state, effects);
            }
            if let Some(answer) = objects::answered(state, &request, answer, now, effects) {
                answered(state, &request, answer, now, effects);
            }
            flag::open_if_asked(state, now);
            import::open_if_asked(state, now, effects);
        }
        Err(mut failure) => {
            preferences::token_refused(state, &mut failure, now, effects);
            let jitter = state.requests.jitter();
            // Nor does it where the server could not count.
            let told = !slot.is_counted_there() || failure.service == slot.needs();
            let link = state.link_mut(failure.service);
            match failure.kind {
                _ if !told => {}
                FailureKind::Lost => link.lost(failure.message.clone(), jitter, now),
                FailureKind::Configuration => link.stop(failure.message.clone()),
                FailureKind::Refused | FailureKind::Limit => link.up(took, now),
            }
            match failure.kind {
                // The same would take as long again.
                FailureKind::Lost if !told => refresh::plan_next(state, slot, took, now),
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
            if request.writes() && slot != Slot::ImportStep && failure.kind == FailureKind::Lost {
                // It may have been done: what was asked before says nothing of it.
                refresh::ask_again(state, effects);
            }
            if !objects::failed(state, &request, &failure, now) {
                failed(state, &request, failure, now);
            }
        }
    }
    // Whatever came of it was told.
    state.left_sent.remove(&slot);
    flag::stay_on(state, line);
    state.touch(Dirty::Data);
}

fn answered(state: &mut State, request: &Request, answer: Answer, now: Timestamp, effects: &mut Vec<Effect>) {
    let slot = request.slot();
    match answer {
        Answer::Overview(_) | Answer::Results(_) if state.hold.on && is_refresh(state, request) => {
            hold(state, request.clone(), answer, now);
        }
        Answer::Overview(_) | Answer::Results(_) => {
            // What is held back of its kind is older.
            state.hold.answers.retain(|held| held.request.slot() != slot);
            apply_live(state, request, answer, now, now);
        }
        Answer::Me(me) => guard::known(state, me, now),
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
            ask::settle(state, now);
        }
        Answer::Experiment(experiment) => {
            let experiment = Arc::new(*experiment);
            match slot {
                Slot::Status => dialog::taken(state, &experiment, now),
                // Before it is put where it is shown: nobody else's changes came in.
                Slot::Update => save::saved(state, &experiment, now, effects),
                Slot::Create => create::created(state, &experiment, now, effects),
                Slot::Experiment => there_again(state, experiment.id, now),
                _ => {}
            }
            put(state, experiment, now);
            ask::settle(state, now);
        }
        Answer::Deleted => deleted(state, request, now, effects),
        Answer::Mark(mark) => {
            if let Some(detail) = asked_of(state, request) {
                detail.mark = Some(mark);
                if detail.results_mark == detail.mark {
                    detail.checked_at = detail.checked_at.map(|_| now);
                }
            }
        }
        Answer::SampleRatio(srm) => {
            if let Some(detail) = asked_of(state, request) {
                detail.guarded.set(*srm, now);
                detail.guarded_version = detail.guarded_asked;
            }
        }
        Answer::History(page) => {
            history(state, request, page, now);
            dialog::settle(state, now);
        }
        Answer::Overrides(page) => {
            if let (Request::Overrides { query, .. }, Some(detail)) = (request, asked_of(state, request)) {
                detail.overrides.take(query, page, now);
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
            if let Some(suggestions) = suggestions(state, request) {
                suggestions.names.set(names, now);
            }
        }
        Answer::Explain(explanation) => {
            if let Some(panel) = explaining(state, request) {
                panel.answer.set(*explanation, now);
            }
        }
        // The others were taken before.
        _ => {}
    }
}

/// The open experiment, if a request was about it.
fn asked_of<'a>(state: &'a mut State, request: &Request) -> Option<&'a mut ExperimentDetail> {
    let id = request.experiment();
    state
        .open
        .as_deref_mut()
        .filter(|detail| detail.id().is_some() && detail.id() == id)
}

/// A page of the history of the open experiment. The cursor stays on its entry.
fn history(state: &mut State, request: &Request, page: History, now: Timestamp) {
    let Some(detail) = asked_of(state, request) else {
        return;
    };
    let history = &mut detail.history;
    let version = history.asked;
    let before = history.entries.value.take().unwrap_or_default();
    let first = page.entries.first().map(|entry| entry.id);
    let last = page.entries.last().map(|entry| entry.id);
    let follows = history.version == version
        && history
            .next_before
            .is_some_and(|before| first.is_none_or(|first| first < before));
    let known = before.first().map(|entry| entry.id);
    let mut entries = before.clone();
    if follows {
        entries.extend(page.entries);
        history.next_before = page.next_before;
    } else if let (Some(known), Some(last)) = (known, last)
        && last <= known
    {
        // Entries are only ever added: the new ones stand in front of those that are known.
        let new = page.entries.into_iter().filter(|entry| entry.id > known);
        entries.splice(0..0, new.collect::<Vec<_>>());
    } else {
        entries = page.entries;
        history.next_before = page.next_before;
    }
    history.version = version;
    let ids: Vec<i64> = entries.iter().map(|entry| entry.id).collect();
    history.entries.set(entries, now);
    let before: Vec<i64> = before.iter().map(|entry| entry.id).collect();
    for overlay in &mut state.overlays {
        if let Overlay::History {
            selected, settled, ..
        } = overlay
            && std::mem::replace(settled, true)
        {
            *selected = follow(&before, &ids, *selected, |id| *id);
        }
    }
}

/// The panel that waits for this explanation, wherever it lies.
fn explaining<'a>(state: &'a mut State, request: &Request) -> Option<&'a mut ExplainPanel> {
    state.overlays.iter_mut().rev().find_map(|overlay| match overlay {
        Overlay::Explain(panel) if panel.request.as_ref() == Some(request) => Some(&mut **panel),
        _ => None,
    })
}

/// The list of names that waits for this answer.
fn suggestions<'a>(state: &'a mut State, request: &Request) -> Option<&'a mut Suggestions> {
    let Request::Suggest { what, .. } = request else {
        return None;
    };
    let suggestions = &mut state.editor_mut()?.suggestions;
    (suggestions.asked.as_ref() == Some(what)).then_some(suggestions)
}

/// Whether numbers of the same are on the screen already: only such an answer is held back.
fn is_refresh(state: &State, request: &Request) -> bool {
    let open = state.open.as_deref();
    match request {
        Request::Results { experiment, query } => open.is_some_and(|detail| {
            let answered = detail.results_of.as_ref().map(|(query, _)| query);
            detail.id() == Some(experiment.id) && detail.results.value.is_some() && answered == Some(&**query)
        }),
        Request::Overview { experiments } => match state.detail() {
            Some(_) => experiments.iter().all(|e| state.list.overview(e.id).is_some()),
            None => state.list.overviews.value.is_some(),
        },
        _ => false,
    }
}

/// Whether something else is asked by now, or of another experiment.
pub fn is_of_another_question(state: &State, request: &Request) -> bool {
    let Request::Results { experiment, query } = request else {
        return false;
    };
    state
        .open
        .as_deref()
        .is_none_or(|detail| detail.id() != Some(experiment.id) || detail.analytics.query != **query)
}

/// Keeps a live answer until the person lets it in: only the newest of each kind.
fn hold(state: &mut State, request: Request, answer: Answer, now: Timestamp) {
    let held = &mut state.hold.answers;
    let before = held.iter().position(|h| h.request.slot() == request.slot());
    let updates = before.map_or(0, |at| held.swap_remove(at).updates);
    held.push(Held {
        request,
        answer,
        at: now,
        updates: updates.saturating_add(1),
    });
}

/// Shows a live answer that came at `at`.
pub fn apply_live(state: &mut State, request: &Request, answer: Answer, at: Timestamp, now: Timestamp) {
    match answer {
        Answer::Overview(overviews) => {
            let mut all = state.list.overviews.value.take().unwrap_or_default();
            all.extend(overviews.into_iter().map(|o| (o.experiment_id, o)));
            state.list.overviews.set(all, at);
            state.list.arrange(now);
        }
        Answer::Results(results) => {
            if let Some(detail) = asked_of(state, request) {
                if let Some(experiment) = detail.config() {
                    detail.summary = insights::summary(experiment, &results, now);
                }
                let mut results = *results;
                if let Some(shown) = &detail.results.value
                    && shown.query == results.query
                {
                    for (shown, new) in [
                        (&shown.segments, &mut results.segments),
                        (&shown.properties, &mut results.properties),
                    ] {
                        keep_order(&shown.rows, &mut new.rows);
                    }
                }
                detail.results.set(Arc::new(results), at);
                if let Request::Results { experiment, query } = request {
                    detail.results_of = Some(((**query).clone(), experiment.resource_version));
                    detail.shown_mark = detail.results_mark;
                }
                detail.checked_at = detail.checked_at.map(|before| before.max(at));
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

/// An experiment is gone, with what was unsaved of it.
fn deleted(state: &mut State, request: &Request, now: Timestamp, effects: &mut Vec<Effect>) {
    let Request::Delete { id, .. } = request else {
        return;
    };
    let name = state.list.experiment(*id).map(|e| e.key.to_string());
    state.overlays.retain(
        |overlay| !matches!(overlay, Overlay::Step(dialog) if dialog.sending && dialog.experiment.id == *id),
    );
    dialog::forget(state, *id);
    if state.drafts.remove(id).is_some()
        && let Some(key) = state.draft_key(*id)
    {
        effects.push(Effect::DropDraft(key));
    }
    if state.open.as_deref().and_then(ExperimentDetail::id) == Some(*id) {
        experiment::gone(state, now, effects);
    }
    if let Some(all) = &mut state.list.experiments.value {
        all.retain(|e| e.id != *id);
    }
    state.list.arrange(now);
    state.requests.plan(Slot::Experiments, now);
    let name = name.unwrap_or_else(|| "The draft".to_owned());
    notify(state, Level::Ok, format!("{name} is deleted"), now);
}

fn failed(state: &mut State, request: &Request, failure: Failure, now: Timestamp) {
    let slot = request.slot();
    match slot {
        Slot::Me => {}
        Slot::Experiments => state.list.experiments.fail(failure),
        Slot::Overview => state.list.overviews.fail(failure),
        Slot::Experiment => {
            let gone = failure.problem.as_ref().is_some_and(|p| p.code == Code::NotFound);
            match state
                .open
                .as_deref()
                .and_then(ExperimentDetail::id)
                .filter(|_| gone)
            {
                Some(id) => gone_elsewhere(state, request, id, now),
                None => {
                    if let Some(detail) = state.open.as_deref_mut() {
                        detail.experiment.fail(failure);
                    }
                }
            }
        }
        Slot::Probe => {}
        Slot::Results => {
            if let Some(detail) = asked_of(state, request) {
                detail.results.fail(failure);
            }
        }
        Slot::SampleRatio => {
            if let Some(detail) = asked_of(state, request) {
                // An old test is none: what is decided upon it would be wrong.
                detail.guarded = Loaded::default();
                detail.guarded.fail(failure);
                // It rests, also where it was about a former version.
                detail.guarded_asked = detail.config().map_or(0, |config| config.resource_version);
            }
        }
        Slot::History => {
            if let Some(detail) = asked_of(state, request) {
                detail.history.entries.fail(failure);
            }
        }
        Slot::Overrides => {
            if let Some(detail) = asked_of(state, request) {
                detail.overrides.page.fail(failure);
            }
        }
        Slot::Explain => {
            let said = rules_refused(state, request, &failure);
            if let Some(panel) = explaining(state, request) {
                let message = said.unwrap_or(failure.message);
                panel.answer.fail(Failure { message, ..failure });
            }
        }
        Slot::Status => dialog::failed(state, &failure, now),
        Slot::Update => save::failed(state, &failure, now),
        Slot::Create | Slot::Override | Slot::Winner => write_failed(state, slot, &failure, now),
        Slot::Suggest => {
            if let Some(suggestions) = suggestions(state, request) {
                suggestions.names.fail(failure);
            }
        }
        // The others were taken before.
        _ => {}
    }
}

/// Why unsaved rules could not be supposed: each field as the screen names it; none when it is about something else.
fn rules_refused(state: &State, request: &Request, failure: &Failure) -> Option<String> {
    let Request::Explain {
        id,
        flag: false,
        request,
    } = request
    else {
        return None;
    };
    let problem = failure
        .problem
        .as_deref()
        .filter(|problem| !problem.errors.is_empty())?;
    let mut supposed = state.edited(*id)?.clone();
    supposed.rules = request.suppose.rules.clone()?;
    Some(ask::words(problem, |error| {
        match error.field.starts_with("rules") {
            true => refused(&error, &supposed),
            // Names of the user's own properties may be called as fields are.
            false => error.to_string(),
        }
    }))
}

/// The open experiment is no more, and nobody here did it. What is shown and what is unsaved of it stays.
fn gone_elsewhere(state: &mut State, request: &Request, id: Uuid, now: Timestamp) {
    let asked = matches!(request, Request::Experiment { id_or_key } if *id_or_key == id.to_string());
    let Some(detail) = state.open.as_deref_mut().filter(|_| asked) else {
        return;
    };
    if std::mem::replace(&mut detail.deleted, true) {
        return;
    }
    let text = lifecycle::gone(&detail.name, detail.config());
    if let Some(all) = &mut state.list.experiments.value {
        all.retain(|e| e.id != id);
    }
    state.list.arrange(now);
    notify(state, Level::Warn, text, now);
}

/// The server knows it after all: another one may have answered in between.
fn there_again(state: &mut State, id: Uuid, now: Timestamp) {
    let open = state.open.as_deref_mut().filter(|detail| detail.id() == Some(id));
    let Some(detail) = open.filter(|detail| detail.deleted) else {
        return;
    };
    detail.deleted = false;
    let text = format!("{} is there again: the server knows it", detail.name);
    state.requests.plan(Slot::Experiments, now);
    notify(state, Level::Ok, text, now);
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
            "Not known whether it was done: {} Look before trying again.",
            format::ended(&failure.message)
        ),
        _ => failure.message.clone(),
    };
    state.requests.plan(Slot::Experiments, now);
    state.requests.plan(Slot::Experiment, now);
    forget_overrides(state);
    let lost = failure.kind == FailureKind::Lost;
    ask::failed(state, slot, (text, lost), failure.problem.as_deref(), now);
}
