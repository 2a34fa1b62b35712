//! How old the numbers on the screen are, and from when on they are too old to be taken for the present.

use std::time::Duration;

use jiff::Timestamp;

use super::refresh::rest_after;
use crate::cockpit::edit::consequences::{SO_FAR, consequences};
use crate::cockpit::format;
use crate::cockpit::lifecycle::Step;
use crate::cockpit::ports::Slot;
use crate::cockpit::state::ask::Ask;
use crate::cockpit::state::link::later;
use crate::cockpit::state::overlay::{Overlay, StepDialog};
use crate::cockpit::state::{Screen, State, Tab};
use crate::domain::{Experiment, Status};

/// Numbers are old after so many refreshes that brought none.
const REFRESHES: u32 = 3;
/// Younger ones are never old, whatever the refreshes: so long they may rest while nobody looks.
const LEAST: Duration = Duration::from_secs(12);
/// A query that is waited for longer makes what it is to replace old.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The age of numbers.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct Age {
    /// When they were last known to be the newest.
    pub since: Timestamp,
    /// Since when an answer that would replace them is waited for.
    pub waiting: Option<Timestamp>,
    /// From when on they are old.
    old_from: Timestamp,
    /// Whether ClickHouse has them: the server has what is configured and forced by itself.
    counted: bool,
}

impl Age {
    fn new(state: &State, slots: &[Slot], since: Timestamp) -> Self {
        Self::rested(state, slots, since, LEAST)
    }

    /// Of numbers that are not old before they rested for `least`.
    fn rested(state: &State, slots: &[Slot], since: Timestamp, least: Duration) -> Self {
        let pace = slots.iter().filter_map(|slot| state.requests.pace(*slot)).max();
        let pace = pace.unwrap_or_default();
        let refresh = pace + rest_after(pace).max(Duration::from_secs(2));
        let rest = if state.focused { least } else { least * 5 };
        let by_age = later(since, rest.max(refresh * REFRESHES));
        let waiting = slots.iter().filter_map(|slot| state.requests.pending(*slot));
        let waiting = waiting.map(|pending| pending.since).min();
        let by_wait = waiting.map(|at| later(at, LONGEST_WAIT.max(pace * REFRESHES)));
        Self {
            since,
            waiting,
            old_from: by_wait.map_or(by_age, |by_wait| by_wait.min(by_age)),
            counted: slots.iter().any(|slot| *slot != Slot::Overrides),
        }
    }

    /// Whether they are old.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        self.old_from <= now
    }

    /// The next moment at which it reads differently, after `clock`.
    #[must_use]
    pub fn turns_at(&self, clock: Timestamp) -> Option<Timestamp> {
        if self.is_old(clock) {
            return Some(later(clock, Duration::from_secs(1)));
        }
        Some(self.old_from)
    }

    /// Why they are old: `ClickHouse has not answered for 8 s`.
    #[must_use]
    pub fn why(&self, now: Timestamp) -> String {
        match self.waiting {
            Some(at) => format!("ClickHouse has not answered for {}", format::age(at, now)),
            None => "to be asked for again in a moment".to_owned(),
        }
    }
}

/// The age of the results on the screen; none while none are shown, or while they are held.
#[must_use]
pub fn results(state: &State) -> Option<Age> {
    let detail = state.detail().filter(|_| !state.hold.on)?;
    if !matches!(detail.tab, Tab::Analytics | Tab::Insights) {
        return None;
    }
    detail.results.value.as_ref()?;
    let since = detail.checked_at?;
    Some(Age::new(state, &[Slot::Probe, Slot::Results], since))
}

/// The age of the numbers in the list of experiments; none while it is not shown, has none, or is held.
#[must_use]
pub fn list(state: &State) -> Option<Age> {
    if state.screen != Screen::Experiments || state.hold.on {
        return None;
    }
    state.list.overviews.value.as_ref()?;
    let running = state.list.all().iter().any(|e| e.status == Status::Active);
    let since = state.list.overviews.at.filter(|_| running)?;
    Some(Age::new(state, &[Slot::Overview], since))
}

/// The age of the live numbers of the open experiment, which its Setup tells; none while they are not shown, there are
/// none, or they are held.
#[must_use]
pub fn live(state: &State) -> Option<Age> {
    if state.hold.on || !live_numbers(state) {
        return None;
    }
    Some(Age::new(state, &[Slot::Overview], state.list.overviews.at?))
}

/// Whether the Setup of an experiment is looked at that has live numbers to tell.
#[must_use]
pub fn live_numbers(state: &State) -> bool {
    let detail = state.detail().filter(|detail| detail.tab == Tab::Setup);
    let id = detail.and_then(|detail| detail.id());
    id.is_some_and(|id| state.list.overview(id).is_some())
}

/// The age of the evidence about the split of the open experiment; none before there are results.
#[must_use]
pub fn evidence(state: &State) -> Option<Age> {
    let detail = state.open.as_deref()?;
    detail.results.value.as_ref()?;
    Some(Age::new(state, &[Slot::Probe, Slot::Results], detail.checked_at?))
}

/// The age of the subjects a day that a step's dialog tells, or of its evidence; none where it tells no numbers.
#[must_use]
pub fn of_step(state: &State, dialog: &StepDialog) -> Option<Age> {
    match dialog.step {
        Step::ResumeAutoPaused => evidence(state),
        Step::Pause | Step::Complete => a_day(state, &dialog.experiment),
        _ => None,
    }
}

/// The age of the numbers that a question tells; none where it tells none.
#[must_use]
pub fn of_ask(state: &State, ask: &Ask) -> Option<Age> {
    match ask {
        Ask::ApplyWinner { experiment, .. } => a_day(state, experiment).or_else(|| evidence(state)),
        Ask::Save { id } => {
            let overview = state.list.overview(*id)?;
            let counts = |line: &String| line.contains(SO_FAR);
            let told = consequences(state.drafts.get(id)?, Some(overview));
            told.iter().any(counts).then(|| overviews(state)).flatten()
        }
        Ask::RemoveVariant { id, .. } => {
            let open = state.open.as_deref().filter(|detail| detail.id() == Some(*id))?;
            open.overrides.page.value.as_ref()?;
            Some(Age::rested(
                state,
                &[Slot::Overrides],
                open.overrides.page.at?,
                LEAST * 4,
            ))
        }
        _ => None,
    }
}

/// The age of the subjects a day of an experiment, where they are known and it is active.
fn a_day(state: &State, experiment: &Experiment) -> Option<Age> {
    let known = state.list.overview(experiment.id)?.subjects_per_day.is_some();
    (known && experiment.status == Status::Active)
        .then(|| overviews(state))
        .flatten()
}

fn overviews(state: &State) -> Option<Age> {
    Some(Age::new(state, &[Slot::Overview], state.list.overviews.at?))
}

/// The age of the numbers of what is on top; none where it tells none.
#[must_use]
pub fn on_top(state: &State) -> Option<Age> {
    match state.overlays.last()? {
        Overlay::Step(dialog) => of_step(state, dialog),
        Overlay::Ask(dialog) => of_ask(state, &dialog.ask),
        Overlay::Evidence { .. } => evidence(state),
        _ => None,
    }
}

/// Whether numbers are not to be taken for the present: they are old, or whoever has them is lost.
#[must_use]
pub fn is_stale(state: &State, age: &Age, now: Timestamp) -> bool {
    age.is_old(now) || state.api.is_down() || (age.counted && state.warehouse.is_down())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cockpit::ports::Request;
    use crate::cockpit::state::Settings;

    fn second(n: i64) -> Timestamp {
        Timestamp::from_second(1_000 + n).expect("a time")
    }

    #[test]
    fn a_query_that_is_waited_for_makes_numbers_old_before_their_age_does() {
        let asked = Request::Overview {
            experiments: Vec::new(),
        };
        let mut state = State::new(Settings::default(), (80, 24));
        let age = Age::new(&state, &[Slot::Overview], second(0));
        assert!(!age.is_old(second(11)) && age.is_old(second(12)), "{age:?}");
        assert_eq!(age.turns_at(second(3)), Some(second(12)));
        assert_eq!(age.turns_at(second(20)), Some(second(21)));
        state.requests.start(&asked, second(1));
        let age = Age::new(&state, &[Slot::Overview], second(0));
        assert!(!age.is_old(second(5)) && age.is_old(second(6)), "{age:?}");
        assert_eq!(age.why(second(9)), "ClickHouse has not answered for 8 s");
    }

    #[test]
    fn slow_queries_have_longer_and_one_that_stalled_does_not_count() {
        let asked = Request::Overview {
            experiments: Vec::new(),
        };
        let mut state = State::new(Settings::default(), (80, 24));
        for took in [100, 30_000] {
            let run = state.requests.start(&asked, second(0));
            state
                .requests
                .finish(Slot::Overview, run, Duration::from_millis(took));
        }
        assert!(Age::new(&state, &[Slot::Overview], second(0)).is_old(second(12)));
        for _ in 0..2 {
            let run = state.requests.start(&asked, second(0));
            state.requests.finish(Slot::Overview, run, Duration::from_secs(4));
        }
        let age = Age::new(&state, &[Slot::Overview], second(0));
        assert!(!age.is_old(second(101)) && age.is_old(second(102)), "{age:?}");
    }
}
