//! Live updates: holding them back, letting them in, time passing.

use jiff::Timestamp;

use super::{age, notify, preferences, refresh, replies, updating};
use crate::cockpit::effect::Effect;
use crate::cockpit::ports::{Service, Slot};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Dirty, Health, Hold, Level, State};

/// `space`: holds live updates back, or lets what waited in.
pub fn toggle_hold(state: &mut State, now: Timestamp) {
    if state.hold.on {
        let hold = std::mem::take(&mut state.hold);
        for held in hold.answers {
            if !replies::is_of_another_question(state, &held.request) {
                replies::apply_live(state, &held.request, held.answer, held.at, now);
            }
        }
    } else {
        state.hold = Hold {
            on: true,
            ..Hold::default()
        };
    }
}

/// `ctrl-r`: everything anew, and lost services at once. A token that was refused is read anew first.
pub fn reload(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    if matches!(state.api.health, Health::Stopped { .. }) && preferences::renew(state, now, effects) {
        return;
    }
    ask_anew(state, now);
    notify(state, Level::Info, "Asking for everything anew", now);
}

/// Asks for everything anew, and lost services at once.
pub fn ask_anew(state: &mut State, now: Timestamp) {
    for service in [Service::Api, Service::Warehouse] {
        state.link_mut(service).retry_now(now);
    }
    for slot in Slot::ALL {
        state.requests.plan(slot, now);
    }
    if let Some(detail) = state.open.as_deref_mut() {
        detail.results_asked = None;
        detail.overrides.asked = None;
        detail.history.version = 0;
        detail.insight.failure = None;
    }
    if let Some(Overlay::Audit(panel)) = state.overlays.last_mut() {
        panel.anew = true;
    }
    if let Some(detail) = state.objects.flag.as_deref_mut()
        && let Some(overrides) = &mut detail.overrides
    {
        overrides.asked = None;
    }
    if let Some(panel) = super::import::panel_mut(state) {
        panel.asked = None;
    }
}

/// Somebody looks again: what was asked less often meanwhile is asked at once.
pub fn catch_up(state: &mut State, now: Timestamp) {
    // Of these only what is on the screen is asked.
    let numbers = [
        Slot::Me,
        Slot::Overview,
        Slot::Probe,
        Slot::Results,
        Slot::SampleRatio,
        Slot::Insight,
    ];
    for slot in numbers.into_iter().chain(refresh::OF_CONFIGURATION) {
        state.requests.plan(slot, now);
    }
    state.touch(Dirty::Data);
}

/// Brings along what depends on the time alone.
pub fn pass_time(state: &mut State, now: Timestamp) {
    if state.notice.as_ref().is_some_and(|n| n.until <= now) {
        state.notice = None;
        state.touch(Dirty::Data);
    }
    if state.list.frozen_until.is_some_and(|until| until <= now) {
        state.list.arrange(now);
        state.list.frozen_until = None;
        state.touch(Dirty::Data);
    }
    if state.clock.is_none_or(|clock| next_clock(state, clock) <= now) {
        // Only a redraw: the view says how old everything is. What did not change costs no byte.
        state.clock = Some(now);
        state.touch(Dirty::Data);
    }
}

/// While the newest event is younger, events count as coming in, and its age is told in seconds.
pub const COMING_SECONDS: i64 = 10;

/// When relative times on the screen read differently, given when they were last brought up to date.
///
/// The age of events that come in is told in seconds, and so is how long a service is lost or waited for; all
/// others in minutes or longer, so that nothing is written while nothing arrives.
pub fn next_clock(state: &State, clock: Timestamp) -> Timestamp {
    let down = [&state.api, &state.warehouse]
        .into_iter()
        .any(|link| matches!(link.health, Health::Lost { .. }));
    let waiting = [Service::Api, Service::Warehouse]
        .into_iter()
        .any(|service| state.requests.oldest(service).is_some());
    let down = down || waiting;
    let young = newest_event(state).is_some_and(|at| clock.duration_since(at).as_secs() < COMING_SECONDS);
    let step = if (down || young) && state.focused {
        jiff::SignedDuration::from_secs(1)
    } else if down || young {
        jiff::SignedDuration::from_secs(5)
    } else {
        jiff::SignedDuration::from_secs(60)
    };
    let next = clock.checked_add(step).unwrap_or(Timestamp::MAX);
    // The moment from which on what is shown is old is told at once, not at the next minute.
    [
        age::results(state),
        age::list(state),
        age::live(state),
        age::on_top(state),
    ]
    .into_iter()
    .flatten()
    .filter_map(|age| age.turns_at(clock))
    .chain(updating::turns_at(state, clock))
    .fold(next, Timestamp::min)
}

/// When the newest event that is shown was taken in.
pub fn newest_event(state: &State) -> Option<Timestamp> {
    if let Some(detail) = state.detail() {
        let live = detail
            .id()
            .and_then(|id| state.list.overview(id))
            .and_then(|overview| overview.last_event_at);
        let results = detail.results.value.as_ref().and_then(|r| r.data_as_of);
        return live.max(results);
    }
    let overviews = state.list.overviews.value.as_ref()?;
    overviews.values().filter_map(|o| o.last_event_at).max()
}
