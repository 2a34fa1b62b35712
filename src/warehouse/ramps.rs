//! Of which parts of the hash space the new subjects of a cohort come.
//!
//! Only who is exposed for the first time counts in a cohort. Of slots that had an owner before, those who came then are
//! not among them; of slots that are opened with the cohort everybody is. So where a split is widened unevenly, its own
//! weights are not what a right split gives ([`crate::stats::thinned`]).

use std::collections::BTreeMap;

use crate::domain::{AssignmentMode, Cohort, Experiment};

/// The parts of a cohort.
#[derive(Debug, PartialEq)]
pub(super) struct Parts {
    /// The slots of each arm that had an owner in the fewest former cohorts; none at all where some are new.
    pub(super) whole: Vec<f64>,
    /// Those with other histories, a part for each.
    pub(super) thinned: Vec<Vec<f64>>,
}

/// The parts of the cohort at this position, from 0; nothing where its weights are those of its subjects: in the first
/// one, where all of its slots have the same history, and where no subject comes again.
pub(super) fn parts(experiment: &Experiment, at: usize) -> Option<Parts> {
    if experiment.assignment_mode != AssignmentMode::Profile || at == 0 {
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
    let mut parts = by_history.into_values();
    Some(Parts {
        whole: parts.next()?,
        thinned: parts.collect(),
    })
}

fn edges_of(cohort: &Cohort) -> impl Iterator<Item = u32> {
    let ranges = cohort.variants.iter().flat_map(|v| &v.slots);
    ranges.flat_map(|range| [range.start, range.end])
}
