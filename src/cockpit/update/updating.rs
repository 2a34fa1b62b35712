//! Which panels of the Analytics tab are being brought up to date.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::results::ResultsQuery;
use crate::cockpit::ports::{Request, Slot};
use crate::cockpit::state::analytics::Panel;
use crate::cockpit::state::link::later;
use crate::cockpit::state::{ExperimentDetail, State, Tab};

/// What is answered sooner is not worth a word.
const QUIET: Duration = Duration::from_millis(300);

/// What the panels are made of.
const SLOTS: [Slot; 2] = [Slot::Results, Slot::SampleRatio];

/// How many panels wait for an answer that has been on its way for a while; 0 where none does, and where updates are
/// held back.
#[must_use]
pub fn count(state: &State, now: Timestamp) -> usize {
    let Some(detail) = watched(state) else {
        return 0;
    };
    let waits = |slot: Slot| {
        let pending = state.requests.pending(slot);
        pending.is_some_and(|pending| later(pending.since, QUIET) <= now)
    };
    let results = waits(Slot::Results)
        .then(|| state.requests.asked(Slot::Results))
        .flatten();
    let split = waits(Slot::SampleRatio);
    let of_results = |panel: &Panel| match results {
        Some(Request::Results { experiment, query }) => {
            brings(detail, query, experiment.resource_version, *panel)
        }
        _ => false,
    };
    let updating = Panel::ALL
        .iter()
        .filter(|panel| of_results(panel) || (split && **panel == Panel::Checks));
    updating.count()
}

/// The next moment at which [`count`] can change by itself, after `clock`.
#[must_use]
pub fn turns_at(state: &State, clock: Timestamp) -> Option<Timestamp> {
    watched(state)?;
    let begins = SLOTS.into_iter().filter_map(|slot| {
        let at = later(state.requests.pending(slot)?.since, QUIET);
        (at > clock).then_some(at)
    });
    begins.min()
}

/// The Analytics tab, where it is looked at and takes what comes.
fn watched(state: &State) -> Option<&ExperimentDetail> {
    let detail = state.detail().filter(|_| !state.hold.on)?;
    (detail.tab == Tab::Analytics).then_some(detail)
}

/// Whether the answer to a question says something new to a panel: all of them where something arrived or what is
/// counted is another; else those whose own key or interval was changed.
fn brings(detail: &ExperimentDetail, query: &ResultsQuery, version: u64, panel: Panel) -> bool {
    let Some((shown, of_version)) = &detail.results_of else {
        return true;
    };
    let aside = ResultsQuery {
        segment_key: query.segment_key.clone(),
        property_key: query.property_key.clone(),
        interval: query.interval,
        ..shown.clone()
    };
    if aside != *query || *of_version != version || detail.results_mark != detail.shown_mark || shown == query
    {
        return true;
    }
    match panel {
        Panel::Segments => shown.segment_key != query.segment_key,
        Panel::Properties => shown.property_key != query.property_key,
        Panel::Series | Panel::Tracked => shown.interval != query.interval,
        _ => false,
    }
}
