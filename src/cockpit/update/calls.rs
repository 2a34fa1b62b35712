//! Calling a person who does not look: once when an experiment is paused by the guard, and once when an alarm
//! about its split is raised, while the cockpit is open.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use crate::cockpit::alarms::{self, Alarm};
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::state::State;

/// What a person was called for.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Ord, PartialOrd)]
pub enum Event {
    /// The guard paused it.
    AutoPaused,
    /// Its split differs from the configured one.
    Srm,
}

/// What stands now, so that the same is not called out again.
#[derive(Debug, Clone, Default)]
pub struct Calls {
    /// None until both the experiments and their numbers were seen: what stood before was no event.
    standing: Option<BTreeSet<(Uuid, Event)>>,
}

/// Compares what stands with what stood, and calls for what is new.
///
/// An alarm that goes and comes again is called out again; one that stays is not. An automatic pause that
/// follows an alarm is news, an alarm that an automatic pause brings along is not.
pub fn look(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let list = &state.list;
    if list.experiments.value.is_none() || list.overviews.value.is_none() {
        return;
    }
    let mut standing = BTreeSet::new();
    let mut texts = Vec::new();
    for experiment in list.all() {
        for alarm in alarms::of(experiment, list.overview(experiment.id), now) {
            let (event, text) = match alarm {
                Alarm::AutoPaused(p) => (
                    Event::AutoPaused,
                    format!("{} was paused by the guard{}", experiment.key, because(p)),
                ),
                Alarm::Srm(p) => (
                    Event::Srm,
                    format!("{}: sample ratio mismatch{}", experiment.key, because(Some(p))),
                ),
                Alarm::NoData(_) | Alarm::Gathering => continue,
            };
            standing.insert((experiment.id, event));
            let stood = state.calls.standing.as_ref();
            if stood.is_some_and(|stood| !stood.contains(&(experiment.id, event))) {
                texts.push(text);
            }
        }
    }
    state.calls.standing = Some(standing);
    if let Some(text) = match texts.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [first, more @ ..] => Some(format!("{first}, and {} more", more.len())),
    } {
        effects.push(Effect::Call(text));
    }
}

fn because(p: Option<f64>) -> String {
    p.map_or_else(String::new, |p| format!(" (p {})", format::p_value(p)))
}
