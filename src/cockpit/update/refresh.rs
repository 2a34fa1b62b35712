//! What is asked when. There is no frame clock: everything is due at a moment, and the loop sleeps until
//! the next one.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{drafts, edit, guard, import, live, objects, overlays};
use crate::api::results::ResultsQuery;
use crate::cockpit::effect::Effect;
use crate::cockpit::lifecycle::Step;
use crate::cockpit::ports::{Loaded, Request, Service, Slot};
use crate::cockpit::state::ask::Ask;
use crate::cockpit::state::experiment::whole;
use crate::cockpit::state::link::later;
use crate::cockpit::state::list::has_numbers;
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{ExperimentDetail, Health, Screen, State, Tab};
use crate::domain::Experiment;

/// Everything is asked this many times less often while the window has no focus.
const UNFOCUSED: u32 = 5;
/// A query rests for this many times as long as it took.
const REST: u32 = 10;
/// The longest rest of a query, however long it took.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Starts every request that is wanted, due, and not on its way.
pub fn start_due(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if state.quitting {
        return;
    }
    watch_results(state, now);
    for slot in Slot::ALL {
        if !may_start(state, slot, now) || due(state, slot).is_some_and(|at| at > now) {
            continue;
        }
        let Some(request) = wanted(state, slot) else {
            continue;
        };
        if request.writes() {
            // A chunk that is tried again: what may be written is decided in one place, whoever asks.
            match guard::write(state, request, now) {
                Ok(effect) => effects.push(effect),
                Err(why) => import::refused(state, &why),
            }
            continue;
        }
        note_asked(state, &request);
        let run = state.requests.start(&request, now);
        effects.push(Effect::Fetch { run, request });
    }
}

/// When the loop has to wake up by itself; none when nothing will happen without an action.
#[must_use]
pub fn next_deadline(state: &State, now: Timestamp) -> Option<Timestamp> {
    let requests = Slot::ALL.into_iter().filter_map(|slot| {
        if state.requests.pending(slot).is_some() || wanted(state, slot).is_none() {
            return None;
        }
        let due = due(state, slot).unwrap_or(now);
        match &state.link(slot.needs()).health {
            Health::Stopped { .. } => None,
            // The first try decides for all of them.
            Health::Lost { .. } if any_pending(state, slot.needs()) => None,
            Health::Lost { retry_at, .. } => Some(due.max(*retry_at)),
            Health::Unknown | Health::Up => Some(due),
        }
    });
    let armed = super::armed_at(state).filter(|at| *at > now);
    let clock = state.clock.map(|clock| live::next_clock(state, clock));
    let notice = state.notice.as_ref().map(|n| n.until);
    requests
        .chain(
            [armed, clock, notice, state.list.frozen_until]
                .into_iter()
                .flatten(),
        )
        .min()
}

/// Plans the next run of a kind after one was answered.
pub fn plan_next(state: &mut State, slot: Slot, took: Duration, now: Timestamp) {
    let base = match slot {
        Slot::Experiments if state.screen == Screen::Experiments => Duration::from_secs(2),
        Slot::Experiments => Duration::from_secs(10),
        Slot::Experiment => Duration::from_secs(2),
        Slot::Overview => Duration::from_secs(2).max(rest_after(took)),
        Slot::Probe | Slot::Results => Duration::from_secs(1).max(rest_after(took)),
        Slot::Overrides => Duration::from_secs(15),
        Slot::Flags | Slot::Deployments | Slot::Tokens | Slot::Labs => Duration::from_secs(3),
        // The guard looks every few minutes at most.
        Slot::SampleRatio => Duration::from_secs(10).max(rest_after(took)),
        // Another may have protected the project, or taken a role away.
        Slot::Me | Slot::Projects | Slot::Imports | Slot::Insight => Duration::from_secs(10),
        Slot::FlagOverrides => Duration::from_secs(15),
        Slot::Suggest => Duration::from_secs(60),
        Slot::History
        | Slot::Explain
        | Slot::Status
        | Slot::Update
        | Slot::Create
        | Slot::Override
        | Slot::Winner
        | Slot::FlagHistory
        | Slot::Audit
        | Slot::WriteInsight
        | Slot::ImportRows
        | Slot::ImportStep
        | Slot::Change => Duration::from_secs(1),
    };
    let rest = if state.focused { base } else { base * UNFOCUSED };
    state.requests.plan(slot, later(now, rest));
}

/// What shows the configuration as the server has it.
pub const OF_CONFIGURATION: [Slot; 10] = [
    Slot::Experiments,
    Slot::Experiment,
    Slot::Overrides,
    Slot::Flags,
    Slot::Deployments,
    Slot::Projects,
    Slot::Tokens,
    Slot::Labs,
    Slot::FlagOverrides,
    Slot::Imports,
];

/// After a write was answered: what was asked before may be answered with how it was before, and a deleted
/// experiment would stand in its list again, under the cursor.
pub fn ask_again(state: &mut State, effects: &mut Vec<Effect>) {
    for slot in OF_CONFIGURATION {
        if state.requests.pending(slot).is_some() {
            state.requests.cancel(slot);
            effects.push(Effect::Cancel(slot));
        }
    }
}

/// How long a query rests that took so long.
pub(super) fn rest_after(took: Duration) -> Duration {
    took.saturating_mul(REST).min(LONGEST_REST)
}

fn due(state: &State, slot: Slot) -> Option<Timestamp> {
    if slot == Slot::Results && results_outdated(state) {
        // Another question is asked at once, however lately the last one was answered.
        return None;
    }
    if other_page(state, slot) {
        return None;
    }
    if slot == Slot::Suggest && suggestions_outdated(state) {
        return None;
    }
    if slot == Slot::Insight && insight_outdated(state) {
        return None;
    }
    if slot == Slot::SampleRatio && test_outdated(state) {
        return None;
    }
    if slot == Slot::ImportStep && guard::writes_nothing(state) {
        // It will be refused: that is not waited for.
        return None;
    }
    state.requests.due(slot)
}

/// Whether the test of the split was made for the experiment as it was before.
fn test_outdated(state: &State) -> bool {
    let detail = state.open.as_deref();
    detail.is_some_and(|d| d.config().is_some_and(|c| c.resource_version != d.guarded_asked))
}

/// Whether other names are wanted than those that were asked for last.
fn suggestions_outdated(state: &State) -> bool {
    let asked = state
        .editor()
        .and_then(|editor| editor.suggestions.asked.as_ref());
    let wanted = edit::wanted_suggestions(state);
    wanted.is_some() && wanted.as_ref() != asked
}

fn may_start(state: &State, slot: Slot, now: Timestamp) -> bool {
    if state.requests.pending(slot).is_some() && !other_page(state, slot) {
        let other_question = (slot == Slot::Results && results_outdated(state))
            || (slot == Slot::Suggest && suggestions_outdated(state));
        if !other_question {
            return false;
        }
    }
    let link = state.link(slot.needs());
    if link.is_down() && any_pending(state, slot.needs()) {
        return false;
    }
    link.may_try(now)
}

fn any_pending(state: &State, service: Service) -> bool {
    Slot::ALL
        .into_iter()
        // What the server counts tells late whether it is there.
        .filter(|slot| slot.needs() == service && !slot.is_counted_there())
        .any(|slot| state.requests.pending(slot).is_some())
}

/// The request of a kind that what is on the screen needs; none when it needs none.
fn wanted(state: &State, slot: Slot) -> Option<Request> {
    match slot {
        Slot::Me => Some(Request::Me),
        Slot::Experiments => Some(Request::Experiments {
            archived: state.list.archived,
        }),
        Slot::Experiment => {
            // Also what is said to be gone: a wrong server may have said so.
            let detail = state.detail()?;
            let id_or_key = detail
                .id()
                .map_or_else(|| detail.name.clone(), |id| id.to_string());
            Some(Request::Experiment { id_or_key })
        }
        Slot::Overview => {
            let experiments: Vec<Arc<Experiment>> = match state.detail() {
                Some(detail) => detail.config().into_iter().map(Arc::clone).collect(),
                None => state
                    .list
                    .all()
                    .iter()
                    .filter(|e| has_numbers(e))
                    .map(Arc::clone)
                    .collect(),
            };
            (!experiments.is_empty()).then_some(Request::Overview { experiments })
        }
        Slot::Probe => {
            let detail = results_watched(state)?;
            // Before the first results there is nothing that could be outdated.
            detail.results.value.as_ref()?;
            let experiment = Arc::clone(detail.config()?);
            Some(Request::Probe { experiment })
        }
        Slot::Results => {
            let detail = results_watched(state)?;
            let experiment = Arc::clone(detail.config()?);
            let arrived = detail.mark.is_some() && detail.mark != detail.results_mark;
            let failed = detail.results.failure.is_some();
            (results_outdated(state) || arrived || failed).then(|| Request::Results {
                experiment,
                query: Box::new(question(state, detail)),
            })
        }
        Slot::SampleRatio => {
            let detail = state.open.as_deref()?;
            let weighed = overlays::weighs_evidence(state);
            let tab = state.screen == Screen::Experiment && detail.tab == Tab::Analytics;
            let config = detail.config().filter(|config| has_numbers(config))?;
            (weighed || tab).then_some(Request::SampleRatio { id: config.id })
        }
        Slot::History => {
            let detail = state.open.as_deref()?;
            let config = detail.config()?;
            let (id, before) = match state.overlays.last() {
                Some(Overlay::History { selected, .. }) => {
                    let loaded = detail.history.entries.value.as_ref().map_or(0, Vec::len);
                    let near_end = *selected + 10 >= loaded;
                    let more = detail.history.next_before.filter(|_| near_end);
                    (config.id, more)
                }
                Some(Overlay::Step(dialog)) if dialog.lost => (config.id, None),
                _ if overlays::weighs_evidence(state) => (config.id, None),
                _ if drafts::wants_history(state) => (config.id, None),
                _ => return None,
            };
            let outdated = detail.history.version < config.resource_version;
            (outdated || before.is_some()).then_some(Request::History {
                id,
                before: before.filter(|_| !outdated),
            })
        }
        Slot::Overrides => {
            let detail = match deletes(state) {
                // From the list too.
                true => state.open.as_deref()?,
                false => state
                    .detail()
                    .filter(|d| d.tab == Tab::Overrides || removes_variant(state))?,
            };
            Some(Request::Overrides {
                id: detail.id()?,
                query: detail.overrides.query(),
            })
        }
        Slot::Suggest => {
            let what = edit::wanted_suggestions(state)?;
            let project = state.me.as_ref()?.project.id;
            Some(Request::Suggest { project, what })
        }
        // Only a person asks for these.
        Slot::Explain
        | Slot::Status
        | Slot::Update
        | Slot::Create
        | Slot::Override
        | Slot::Winner
        | Slot::WriteInsight
        | Slot::Change => None,
        Slot::ImportStep => import::again(state),
        Slot::Flags
        | Slot::Deployments
        | Slot::Projects
        | Slot::Tokens
        | Slot::Labs
        | Slot::FlagOverrides
        | Slot::FlagHistory
        | Slot::Audit
        | Slot::Insight
        | Slot::Imports
        | Slot::ImportRows => objects::wanted(state, slot),
    }
}

/// Remembers what was asked, to tell when something else is wanted.
fn note_asked(state: &mut State, request: &Request) {
    if let (Request::Suggest { what, .. }, Some(editor)) = (request, state.editor_mut()) {
        editor.suggestions.asked = Some(what.clone());
        editor.suggestions.names = Loaded::default();
    }
    match request {
        Request::FlagOverrides { query, .. } => {
            let detail = state.objects.flag.as_deref_mut();
            if let Some(overrides) = detail.and_then(|d| d.overrides.as_mut()) {
                overrides.asked = Some(query.clone());
            }
        }
        Request::ImportRows { query, .. } => {
            if let Some(panel) = import::panel_mut(state) {
                panel.asked = Some(query.clone());
            }
        }
        _ => {}
    }
    let Some(detail) = state.open.as_deref_mut() else {
        return;
    };
    match request {
        Request::SampleRatio { .. } => {
            detail.guarded_asked = detail.config().map_or(0, |config| config.resource_version);
        }
        Request::Results { experiment, query } => {
            detail.results_asked = Some((**query).clone());
            detail.results_version = experiment.resource_version;
            detail.results_mark = detail.mark;
        }
        Request::History { .. } => {
            detail.history.asked = detail.config().map_or(0, |config| config.resource_version);
        }
        Request::Insight { .. } => {
            detail.insight_asked = detail.config().map_or(0, |config| config.resource_version);
        }
        Request::Overrides { query, .. } => detail.overrides.asked = Some(query.clone()),
        _ => {}
    }
}

/// The open experiment, while something on the screen shows its results.
fn results_watched(state: &State) -> Option<&ExperimentDetail> {
    let detail = state.open.as_deref()?;
    let dialog = matches!(
        state.overlays.last(),
        Some(Overlay::Step(_) | Overlay::Evidence { .. })
    );
    let tab = state.screen == Screen::Experiment && matches!(detail.tab, Tab::Analytics | Tab::Insights);
    (tab || dialog).then_some(detail)
}

/// From the moment on that somebody looks at results, it counts how long they were not brought up to date.
fn watch_results(state: &mut State, now: Timestamp) {
    let watched = results_watched(state).is_some();
    if let Some(detail) = state.open.as_deref_mut() {
        detail.checked_at = watched.then(|| detail.checked_at.unwrap_or(now));
    }
}

/// What results are asked for: those that Analytics shows; where evidence about the split is weighed all of them, whatever
/// was filtered there.
fn question(state: &State, detail: &ExperimentDetail) -> ResultsQuery {
    let query = detail.analytics.query.clone();
    if overlays::weighs_evidence(state) {
        whole(query)
    } else {
        query
    }
}

/// Whether other results are wanted than those that were asked for last.
fn results_outdated(state: &State) -> bool {
    results_watched(state).is_some_and(|detail| {
        detail.results_asked.as_ref() != Some(&question(state, detail))
            || detail
                .config()
                .is_some_and(|config| config.resource_version != detail.results_version)
    })
}

/// Whether another page is wanted than the one that was asked for last: it is asked for at once.
fn other_page(state: &State, slot: Slot) -> bool {
    match slot {
        Slot::Experiments => {
            let archived = state.list.archived;
            matches!(state.requests.asked(slot), Some(Request::Experiments { archived: asked }) if *asked != archived)
        }
        Slot::Overrides => overrides_outdated(state),
        Slot::FlagOverrides => objects::flag_overrides_outdated(state),
        Slot::ImportRows => objects::rows_asked_anew(state),
        Slot::Audit => objects::other_history(state),
        _ => false,
    }
}

/// Whether it is asked whether a variant goes: then it is told how many overrides name it.
fn removes_variant(state: &State) -> bool {
    matches!(state.overlays.last(), Some(Overlay::Ask(dialog)) if matches!(dialog.ask, Ask::RemoveVariant { .. }))
}

/// Whether the experiment was changed since the saved summary was asked for: what it says has changed is not all then.
fn insight_outdated(state: &State) -> bool {
    let detail = state.detail().filter(|d| d.tab == Tab::Insights);
    detail.is_some_and(|detail| {
        let asked = detail.insight_asked;
        asked > 0
            && detail
                .config()
                .is_some_and(|config| config.resource_version > asked)
    })
}

/// Whether it is asked whether an experiment is deleted: then it is told how many overrides go with it.
fn deletes(state: &State) -> bool {
    matches!(state.overlays.last(), Some(Overlay::Step(dialog)) if dialog.step == Step::Delete)
}

fn overrides_outdated(state: &State) -> bool {
    state
        .detail()
        .filter(|d| d.tab == Tab::Overrides)
        .is_some_and(|d| d.overrides.asked.as_ref() != Some(&d.overrides.query()))
}
