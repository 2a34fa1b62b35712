//! From counts to what is inferred of them. Pure: the same counts give the same results.

use super::query::{Assigned, ExposureRow, SubjectRow};
use crate::api::results::{
    ArmPosterior, ArmResult, DifferenceInterval, Exposures, INCONCLUSIVE, MultiVariant, PowerFloor, Srm,
    SrmTest, UnknownVariant, Uplift,
};
use crate::domain::{Experiment, Percent};
use crate::stats::posterior::{self, Arm};
use crate::stats::power::{self, Design};
use crate::stats::sequential::{self, EValue};
use crate::stats::{StatsError, srm};

/// P(best) from which on an arm is named the winner.
const WINNER_PROBABILITY: f64 = 0.95;
/// The always-valid interval misses the true difference, at any look at all, with at most this chance.
const ALPHA: f64 = 0.05;

/// All that follows from the subjects.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Analysis {
    pub arms: Vec<ArmResult>,
    pub winner: String,
    pub multi_variant_subjects: u64,
    pub forced_subjects: u64,
    pub outside_subjects: u64,
    /// Subjects whose first variant is not configured; they are in no arm.
    pub unknown_subjects: u64,
    pub srm: Srm,
    pub power: PowerFloor,
}

/// The part of an arm that is counted.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    subjects: u64,
    starters: u64,
    conversions: u64,
    forced: u64,
}

/// Puts together what is known of an experiment.
///
/// # Errors
/// What the statistics refuse: a prior that cannot be computed with, or counts beyond all measure.
pub(super) fn analyse(
    experiment: &Experiment,
    multi: MultiVariant,
    exposures: &[ExposureRow],
    subjects: &[SubjectRow],
) -> Result<Analysis, StatsError> {
    let mut tallies = vec![Tally::default(); experiment.variants.len()];
    let (mut multi_variant_subjects, mut outside_subjects, mut unknown_subjects) = (0, 0, 0);
    for row in subjects {
        if !row.inside {
            outside_subjects += row.subjects;
            continue;
        }
        if row.multi {
            multi_variant_subjects += row.subjects;
            if multi == MultiVariant::Exclude {
                continue;
            }
        }
        let Some(tally) = tallies.get_mut(usize::from(row.variant)) else {
            unknown_subjects += row.subjects;
            continue;
        };
        tally.subjects += row.subjects;
        tally.starters += row.starters;
        tally.conversions += row.conversions;
        if row.assigned() == Assigned::Forced {
            tally.forced += row.subjects;
        }
    }
    let two_steps =
        experiment.primary_metric.is_some() && experiment.secondary_event.as_ref().is_some_and(|s| s.enabled);
    let counted: Vec<Arm> = tallies
        .iter()
        .map(|t| Arm {
            n: if two_steps { t.starters } else { t.subjects },
            conversions: t.conversions,
        })
        .collect();
    let power = floor(experiment, &counted)?;
    let posteriors = match &experiment.primary_metric {
        Some(_) => posteriors(experiment, &counted)?,
        None => vec![None; counted.len()],
    };
    let winner = posteriors
        .iter()
        .zip(&experiment.variants)
        .filter(|_| !power.gathering)
        .find(|(p, _)| p.is_some_and(|p| p.prob_best >= WINNER_PROBABILITY))
        .map_or_else(|| INCONCLUSIVE.to_owned(), |(_, v)| v.key.to_string());

    let all_subjects: u64 = tallies.iter().map(|t| t.subjects).sum();
    let arms = experiment
        .variants
        .iter()
        .enumerate()
        .map(|(at, variant)| ArmResult {
            variant: variant.key.to_string(),
            name: variant.label().to_owned(),
            is_control: variant.is_control,
            subjects: tallies[at].subjects,
            starters: two_steps.then_some(tallies[at].starters),
            conversions: tallies[at].conversions,
            n: counted[at].n,
            rate: experiment
                .primary_metric
                .as_ref()
                .and_then(|_| counted[at].rate()),
            posterior: posteriors[at],
            exposures: exposures_of(exposures, at),
            configured_pct: variant.traffic_pct.percent(),
            observed_pct: (all_subjects > 0)
                .then(|| 100.0 * tallies[at].subjects as f64 / all_subjects as f64),
        })
        .collect();
    Ok(Analysis {
        arms,
        winner,
        multi_variant_subjects,
        forced_subjects: tallies.iter().map(|t| t.forced).sum(),
        outside_subjects,
        unknown_subjects,
        srm: sample_ratio(experiment, subjects)?,
        power,
    })
}

fn exposures_of(rows: &[ExposureRow], arm: usize) -> Exposures {
    rows.iter()
        .find(|row| row.inside && usize::from(row.variant) == arm)
        .map(|row| Exposures {
            events: row.events,
            profiles: row.profiles,
            sessions: row.sessions,
            devices: row.devices,
        })
        .unwrap_or_default()
}

/// Whether there is enough to name a winner. Arms without a share of the traffic do not count.
fn floor(experiment: &Experiment, counted: &[Arm]) -> Result<PowerFloor, StatsError> {
    let counts: Vec<u64> = counted.iter().map(|arm| arm.n).collect();
    let mut weights: Vec<f64> = experiment
        .variants
        .iter()
        .map(|v| v.traffic_pct.percent())
        .collect();
    if weights.iter().filter(|w| **w > 0.0).count() < 2 {
        // Nothing is being compared yet; what is needed is said for equal shares.
        weights = vec![1.0; weights.len()];
    }
    let floor = power::floor(&counts, &weights)?;
    Ok(PowerFloor {
        events: floor.events,
        gathering: floor.gathering,
        needed: floor.needed,
    })
}

/// What is inferred about each arm.
///
/// An arm that has no share of the traffic and no data is left out: with nothing but its prior, whose mean
/// is a rate of 50 %, it would be the best of all.
fn posteriors(experiment: &Experiment, counted: &[Arm]) -> Result<Vec<Option<ArmPosterior>>, StatsError> {
    let variants = &experiment.variants;
    let counts = |at: &usize| counted[*at].n > 0 || variants[*at].traffic_pct > Percent::ZERO;
    let mut order: Vec<usize> = (0..counted.len()).filter(counts).collect();
    // The first arm of a comparison is the control; the others keep their order.
    order.sort_by_key(|at| !variants[*at].is_control);
    let mut inferred = vec![None; counted.len()];
    let Some(first) = order.first().copied() else {
        return Ok(inferred);
    };
    let control = variants[first].is_control.then_some(counted[first]);
    let planned = power::sample_size(&Design::new(0.05, 0.2))?.total;
    let arms: Vec<Arm> = order.iter().map(|at| counted[*at]).collect();
    for (at, known) in order
        .into_iter()
        .zip(posterior::compare(&arms, experiment.prior)?)
    {
        let control = control.filter(|_| at != first);
        let always_valid = match control {
            Some(control) if control.n > 0 && known.arm.n > 0 => {
                Some(sequential::interval(control, known.arm, planned, ALPHA)?)
            }
            _ => None,
        };
        inferred[at] = Some(ArmPosterior {
            alpha: known.alpha,
            beta: known.beta,
            ci_low: known.ci_low,
            ci_high: known.ci_high,
            prob_best: known.prob_best,
            expected_loss: known.expected_loss,
            uplift: known.uplift.filter(|_| control.is_some()).map(|u| Uplift {
                mean: u.mean,
                median: u.median,
                low: u.low,
                high: u.high,
            }),
            always_valid: always_valid.map(|i| DifferenceInterval {
                difference: i.difference,
                low: i.low,
                high: i.high,
            }),
        });
    }
    Ok(inferred)
}

/// The test of the split: subjects that were assigned at random, by the variant they saw **first**, each
/// under the weights of its cohort.
///
/// Subjects that were later seen in another variant stay in: after a change of the split it is only those
/// of the shrinking arm who are, and without them its cohort would look short.
fn sample_ratio(experiment: &Experiment, subjects: &[SubjectRow]) -> Result<Srm, StatsError> {
    let arms = experiment.variants.len();
    let weights = weights(experiment);
    let mut counts = vec![vec![0_u64; arms]; weights.len()];
    for row in subjects {
        if !row.inside || row.assigned() != Assigned::AtRandom {
            continue;
        }
        let cohort = usize::try_from(row.cohort.saturating_sub(1)).ok();
        let count = cohort
            .and_then(|at| counts.get_mut(at))
            .and_then(|arms| arms.get_mut(usize::from(row.variant)));
        if let Some(count) = count {
            *count += row.subjects;
        }
    }

    let mut observed = vec![0; arms];
    let mut leaked = vec![0; arms];
    let mut expected = vec![0.0; arms];
    let mut cohorts = Vec::new();
    let mut log_e = 0.0;
    for (weights, counts) in weights.into_iter().zip(counts) {
        for arm in 0..arms {
            let into = if weights[arm] > 0.0 {
                &mut observed
            } else {
                &mut leaked
            };
            into[arm] += counts[arm];
        }
        // A cohort without subjects says nothing, and one that gives nobody a share has only leaks.
        if counts.iter().zip(&weights).any(|(n, w)| *n > 0 && *w > 0.0) {
            // Each cohort is an epoch of its own; the evidence of independent epochs is multiplied.
            log_e += sequential::e_value(&counts, &weights)?.log;
            cohorts.push(srm::Cohort { counts, weights });
        }
    }
    let tested = srm::test(&cohorts)?;
    for cohort in &tested.cohorts {
        for (sum, of_cohort) in expected.iter_mut().zip(&cohort.expected) {
            *sum += of_cohort;
        }
    }
    let e = EValue { log: log_e };
    let test = tested.p.map(|p| SrmTest {
        chi_square: tested.chi_square,
        df: tested.df,
        p,
        e_value: e.value(),
        always_valid_p: e.p(),
    });
    let why_not = test.is_none().then(|| why_not(experiment, &tested));
    let leaks = experiment
        .variants
        .iter()
        .zip(leaked)
        .filter(|(_, subjects)| *subjects > 0)
        .map(|(variant, subjects)| UnknownVariant {
            variant: variant.key.to_string(),
            subjects,
        })
        .collect();
    Ok(Srm {
        test,
        why_not,
        observed,
        expected,
        leaks,
        alarm: tested.alarm,
    })
}

/// The weights of every cohort, by arm; before the first activation those that are configured.
fn weights(experiment: &Experiment) -> Vec<Vec<f64>> {
    if experiment.cohorts.is_empty() {
        let configured = experiment.variants.iter();
        return vec![configured.map(|v| v.traffic_pct.fraction()).collect()];
    }
    let share_in = |cohort: &crate::domain::Cohort, key: &str| {
        cohort
            .variants
            .iter()
            .find(|share| share.variant.as_str().eq_ignore_ascii_case(key))
            .map_or(0.0, |share| share.split.fraction())
    };
    experiment
        .cohorts
        .iter()
        .map(|cohort| {
            experiment
                .variants
                .iter()
                .map(|v| share_in(cohort, v.key.as_str()))
                .collect()
        })
        .collect()
}

/// Why no cohort could be tested, in words.
fn why_not(experiment: &Experiment, tested: &srm::SrmTest) -> String {
    let Some(largest) = tested.cohorts.iter().max_by_key(|cohort| cohort.n) else {
        return "no subject was assigned at random yet".to_owned();
    };
    if largest.df == 0 {
        return "only one arm has a share of the traffic".to_owned();
    }
    let smallest = experiment
        .variants
        .iter()
        .zip(&largest.expected)
        .filter(|(_, expected)| **expected > 0.0)
        .min_by(|(_, a), (_, b)| a.total_cmp(b));
    match smallest {
        Some((variant, expected)) => format!(
            "each arm must expect at least {} subjects, {} expects {expected:.1} of {}",
            srm::MIN_EXPECTED,
            variant.key,
            largest.n
        ),
        None => "no arm has a share of the traffic".to_owned(),
    }
}
