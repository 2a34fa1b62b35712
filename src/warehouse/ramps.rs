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

/// Who owns a stretch of the hash space.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Owner {
    Nobody,
    /// The arm at this position.
    Arm(usize),
    /// A variant that the experiment does not have any more.
    Gone,
}

/// Who owned what in which cohort.
#[derive(Debug)]
pub(super) struct Ramps {
    arms: usize,
    /// How many slots each stretch has; within one nothing differs.
    lengths: Vec<f64>,
    /// Of each cohort the owner of each stretch.
    owners: Vec<Vec<Owner>>,
}

impl Ramps {
    /// Those of an experiment; nothing where the weights of each cohort are those of its subjects: with one split, and
    /// where no subject comes again.
    pub(super) fn of(experiment: &Experiment) -> Option<Self> {
        if !comes_again(experiment) || experiment.cohorts.len() < 2 {
            return None;
        }
        let mut edges: Vec<u32> = experiment.cohorts.iter().flat_map(edges_of).collect();
        edges.sort_unstable();
        edges.dedup();
        let lengths: Vec<f64> = edges
            .windows(2)
            .map(|edge| f64::from(edge[1] - edge[0]))
            .collect();
        let owners = experiment.cohorts.iter().map(|cohort| {
            let mut owners = vec![Owner::Nobody; lengths.len()];
            for of_variant in &cohort.variants {
                let key = of_variant.variant.folded();
                let arm = experiment.variants.iter().position(|v| v.key.folded() == key);
                for range in &of_variant.slots {
                    let at = |slot: u32| edges.partition_point(|edge| *edge < slot);
                    let stretches = owners.get_mut(at(range.start)..at(range.end));
                    stretches
                        .into_iter()
                        .for_each(|s| s.fill(arm.map_or(Owner::Gone, Owner::Arm)));
                }
            }
            owners
        });
        Some(Self {
            arms: experiment.variants.len(),
            owners: owners.collect(),
            lengths,
        })
    }

    /// The parts of the cohort at this position, from 0; nothing where its weights are those of its subjects: in the
    /// first one, and where all of its slots have the same history.
    pub(super) fn parts(&self, at: usize) -> Option<Parts> {
        let (cohort, former) = self.owners.get(..=at)?.split_last()?;
        let mut by_history: BTreeMap<(usize, Vec<bool>), Vec<f64>> = BTreeMap::new();
        for (stretch, (owner, length)) in cohort.iter().zip(&self.lengths).enumerate() {
            let Owner::Arm(arm) = *owner else { continue };
            let history: Vec<bool> = former.iter().map(|c| c[stretch] != Owner::Nobody).collect();
            let times = history.iter().filter(|owned| **owned).count();
            let part = by_history.entry((times, history));
            let part = part.or_insert_with(|| vec![0.0; self.arms]);
            part[arm] += length;
        }
        if by_history.len() < 2 {
            return None;
        }
        let mut parts = by_history.into_iter();
        let ((_, first), whole) = parts.next()?;
        let mut thinned: Vec<Thinned> = Vec::new();
        for ((_, history), shares) in parts {
            // Who could come whenever those of the first part could, and at other times besides, is rather gone than they.
            // Of a part that missed one of those times, more may be left than of the first one.
            let at_most_whole = first.iter().zip(&history).all(|(first, here)| *here || !*first);
            let part = Thinned {
                shares,
                at_most_whole,
            };
            // What differs in size alone explains the same: a ramp of many even steps has one part.
            match thinned.iter_mut().find(|other| other.is_like(&part)) {
                Some(other) => other.join(&part),
                None => thinned.push(part),
            }
        }
        Some(Parts { whole, thinned })
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::decide::split;
    use crate::domain::Percent;
    use crate::stats::thinned;

    /// Three arms whose shares are raised again and again, by these per cent.
    fn ramped(steps: &[[f64; 3]]) -> Experiment {
        let json = json!({
            "id": uuid::Uuid::nil(), "key": "exp", "name": "Exp", "assignmentMode": "profile", "status": "active",
            "variants": [
                {"key": "a", "trafficPct": 0, "isControl": true}, {"key": "b", "trafficPct": 0, "orderIndex": 1},
                {"key": "c", "trafficPct": 0, "orderIndex": 2},
            ],
            "primaryMetric": {"event": "buy"}, "defaultVariantId": "a", "salt": "exp", "resourceVersion": 1,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        let mut experiment: Experiment = serde_json::from_value(json).unwrap();
        let now = experiment.created_at;
        for step in steps {
            for (variant, percent) in experiment.variants.iter_mut().zip(step) {
                variant.traffic_pct = Percent::new(*percent).unwrap();
            }
            let cohort = match experiment.cohorts.last() {
                None => split::first_cohort(&experiment.variants, now),
                Some(last) => split::rebalance(last, &experiment.variants, now),
            };
            experiment.cohorts.push(cohort);
        }
        experiment
    }

    #[test]
    fn a_ramp_of_many_even_steps_has_few_parts() {
        let steps: Vec<[f64; 3]> = (1..=120)
            .map(|n| [0.2 * f64::from(n), 0.25 * f64::from(n), 0.25 * f64::from(n)])
            .collect();
        let experiment = ramped(&steps);
        let ramps = Ramps::of(&experiment).unwrap();
        assert_eq!(ramps.parts(0), None);
        for at in 1..steps.len() {
            let parts = ramps.parts(at).unwrap();
            assert!(
                parts.thinned.len() == 1 && parts.thinned[0].at_most_whole,
                "{at}: {parts:?}"
            );
            let slots: f64 = parts.whole.iter().chain(&parts.thinned[0].shares).sum();
            let owned = 0.7 * (at + 1) as f64 / 100.0 * f64::from(crate::domain::SLOTS);
            assert!((slots / owned - 1.0).abs() < 1e-3, "{at}: {slots} of {owned}");
        }
    }

    #[test]
    fn alike_parts_explain_joined_what_they_explain_apart() {
        // 20/10/0, then twice as much of the two, then a third arm: two parts of the same shares.
        let experiment = ramped(&[[10.0, 5.0, 0.0], [20.0, 10.0, 0.0], [20.0, 10.0, 30.0]]);
        let parts = Ramps::of(&experiment).unwrap().parts(2).unwrap();
        assert_eq!(parts.thinned.len(), 1);
        let half = |part: &Thinned| Thinned {
            shares: part.shares.iter().map(|share| share / 2.0).collect(),
            ..*part
        };
        let apart = [half(&parts.thinned[0]), half(&parts.thinned[0])];
        for counts in [[1_400, 700, 3_000], [400, 300, 3_000], [9_000, 100, 3_000]] {
            let shares = |fit: thinned::Fit| -> Vec<f64> {
                let total: f64 = fit.weights.iter().sum();
                fit.weights.iter().map(|weight| weight / total).collect()
            };
            let joined = shares(thinned::fit(&counts, &parts.whole, &parts.thinned));
            let apart = shares(thinned::fit(&counts, &parts.whole, &apart));
            for (joined, apart) in joined.iter().zip(&apart) {
                assert!((joined - apart).abs() < 1e-6, "{counts:?}: {joined} and {apart}");
            }
        }
    }
}
