//! Of which parts of the hash space the new subjects of a cohort come.
//!
//! Only who is exposed for the first time counts in a cohort. Of slots that had an owner before, those who came then are
//! not among them; of slots that are opened with the cohort everybody is. So where a split is widened unevenly, its own
//! weights are not what a right split gives ([`crate::stats::thinned`]).

use std::collections::BTreeMap;

use crate::domain::{AssignmentMode, Cohort, Experiment, SubjectType};
use crate::stats::thinned::Thinned;

/// The parts of a cohort.
#[derive(Debug, PartialEq)]
pub(super) struct Parts {
    /// The slots of each arm that had an owner in the fewest former cohorts; in none at all where some are new.
    pub(super) whole: Vec<f64>,
    /// Those with other histories, a part for each.
    pub(super) thinned: Vec<Thinned>,
}

/// The parts of the cohort at this position, from 0; nothing where its weights are those of its subjects: in the first
/// one, where all of its slots have the same history, and where no subject comes again.
pub(super) fn parts(experiment: &Experiment, at: usize) -> Option<Parts> {
    if !comes_again(experiment) || at == 0 {
        return None;
    }
    let cohorts = experiment.cohorts.get(..=at)?;
    let (cohort, former) = cohorts.split_last()?;
    let mut edges: Vec<u32> = cohorts.iter().flat_map(edges_of).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut by_history: BTreeMap<(usize, Vec<bool>), Vec<f64>> = BTreeMap::new();
    for pair in edges.windows(2) {
        let [start, end] = pair else { continue };
        let Some(owner) = cohort.owner(*start) else {
            continue;
        };
        let mut arms = experiment.variants.iter();
        let Some(arm) = arms.position(|v| v.key.folded() == owner.folded()) else {
            continue;
        };
        let history: Vec<bool> = former.iter().map(|c| c.owner(*start).is_some()).collect();
        let times = history.iter().filter(|owned| **owned).count();
        let part = by_history.entry((times, history));
        let part = part.or_insert_with(|| vec![0.0; experiment.variants.len()]);
        part[arm] += f64::from(end - start);
    }
    if by_history.len() < 2 {
        return None;
    }
    let mut parts = by_history.into_iter();
    let ((_, first), whole) = parts.next()?;
    let thinned = parts.map(|((_, history), shares)| {
        // Who could come whenever those of the first part could, and at other times besides, is rather gone than they.
        // Of a part that missed one of those times, more may be left than of the first one.
        let at_most_whole = first.iter().zip(&history).all(|(first, here)| *here || !*first);
        Thinned {
            shares,
            at_most_whole,
        }
    });
    Some(Parts {
        whole,
        thinned: thinned.collect(),
    })
}

/// Whether a subject that came once may come again: hardly a visit does after a change of the split, and no event.
fn comes_again(experiment: &Experiment) -> bool {
    match &experiment.subject_type {
        SubjectType::Any => experiment.assignment_mode == AssignmentMode::Profile,
        SubjectType::Group(_) => true,
        SubjectType::Named(name) => {
            !matches!(name.as_str(), "session_id" | "sessionId" | "event_id" | "eventId")
        }
    }
}

fn edges_of(cohort: &Cohort) -> impl Iterator<Item = u32> {
    let ranges = cohort.variants.iter().flat_map(|v| &v.slots);
    ranges.flat_map(|range| [range.start, range.end])
}
