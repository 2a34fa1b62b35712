//! Calling a person who does not look: once when an experiment is paused by the guard, and once when an alarm
//! about its split is raised, while the cockpit is open.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::cockpit::alarms::{self, Alarm};
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::state::{Calls, State};
use crate::domain::Status;

/// Compares what stands with what stood, and calls for what is new.
///
/// An alarm that goes and comes again is called out again; one that stays is not. An automatic pause that
/// follows an alarm is news, an alarm that an automatic pause brings along is not.
pub fn look(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let list = &state.list;
    if list.experiments.value.is_none() {
        return;
    }
    let (mut paused, mut srm, mut known) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut texts = Vec::new();
    let calls = &state.calls;
    for experiment in list.all() {
        let id = experiment.id;
        let overview = list.overview(id);
        // Without numbers nothing can be said of a split. With one experiment open the others have none.
        if overview.is_some() || experiment.status == Status::Draft {
            known.insert(id);
        }
        for alarm in alarms::of(experiment, overview, now) {
            match alarm {
                Alarm::AutoPaused(_) => {
                    paused.insert(id);
                    // The alarm that led to it is no news once it is lifted.
                    srm.insert(id);
                    // Without a p: the list's is of everybody, the guard's of those it tested.
                    let text = format!(
                        "{} was paused by the guard: sample ratio mismatch",
                        experiment.key
                    );
                    if calls.paused.as_ref().is_some_and(|stood| !stood.contains(&id)) {
                        texts.push(text);
                    }
                }
                Alarm::Srm(p) => {
                    srm.insert(id);
                    let text = format!(
                        "{}: sample ratio mismatch (p {})",
                        experiment.key,
                        format::p_value(p)
                    );
                    if calls.known.contains(&id) && !calls.srm.contains(&id) {
                        texts.push(text);
                    }
                }
                Alarm::NoData(_) | Alarm::NotCounted | Alarm::Gathering => {}
            }
        }
    }
    state.calls = Calls {
        paused: Some(paused),
        known,
        srm,
    };
    match texts.as_slice() {
        [] => {}
        [one] => effects.push(Effect::Call(one.clone())),
        [first, more @ ..] => effects.push(Effect::Call(format!("{first}, and {} more", more.len()))),
    }
}
