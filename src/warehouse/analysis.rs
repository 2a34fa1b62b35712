//! From counts to what is inferred of them. Pure: the same counts give the same results.

use super::query::{Assigned, ExposureRow, SubjectRow};
use super::ramps::Ramps;
use crate::api::results::{
    ArmPosterior, ArmResult, DifferenceInterval, Exposures, INCONCLUSIVE, MultiVariant, PowerFloor, Srm,
    SrmTest, UnknownVariant, Uplift, WINNER_PROBABILITY,
};
use crate::domain::{Experiment, Percent, Variant};
use crate::stats::posterior::{self, Arm};
use crate::stats::power::{self, ARM_FLOOR, Design};
use crate::stats::sequential::{self, EValue};
use crate::stats::{StatsError, srm, thinned};

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

    let srm = sample_ratio(experiment, subjects)?;
    // What is compared with the configured share: who was drawn. Without anybody who was, all there are.
    let drawn = srm.observed.iter().sum::<u64>() > 0;
    let share_of = |at: usize| match drawn {
        true => srm.observed.get(at).copied().unwrap_or_default(),
        false => tallies[at].subjects,
    };
    let all_subjects: u64 = (0..tallies.len()).map(share_of).sum();
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
            observed_pct: (all_subjects > 0).then(|| 100.0 * share_of(at) as f64 / all_subjects as f64),
        })
        .collect();
    Ok(Analysis {
        arms,
        winner,
        multi_variant_subjects,
        forced_subjects: tallies.iter().map(|t| t.forced).sum(),
        outside_subjects,
        unknown_subjects,
        srm,
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
    // Each arm is compared with the control, which comes first there, wherever it stands here.
    let mut arms: Vec<(&Variant, u64)> = experiment
        .variants
        .iter()
        .zip(counted.iter().map(|arm| arm.n))
        .collect();
    arms.sort_by_key(|(variant, _)| !variant.is_control);
    let counts: Vec<u64> = arms.iter().map(|(_, n)| *n).collect();
    let mut weights: Vec<f64> = arms.iter().map(|(v, _)| v.traffic_pct.percent()).collect();
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
/// An arm that has no share of the traffic is left out while it is below the floor: nobody is drawn into it, so that
/// those few were put there (to try it, say), or are left from a former split. With hardly more than its prior, whose
/// mean is a rate of 50 %, it would be the best of all, and nothing would ever hold back the others for its sake.
fn posteriors(experiment: &Experiment, counted: &[Arm]) -> Result<Vec<Option<ArmPosterior>>, StatsError> {
    let variants = &experiment.variants;
    let counts = |at: &usize| counted[*at].n >= ARM_FLOOR || variants[*at].traffic_pct > Percent::ZERO;
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
/// under the weights of its cohort, or, where that was widened unevenly, under those that fit best ([`Ramps`]).
///
/// Subjects that were later seen in another variant stay in: after a change of the split it is only those
/// of the shrinking arm who are, and without them its cohort would look short.
pub(super) fn sample_ratio(experiment: &Experiment, subjects: &[SubjectRow]) -> Result<Srm, StatsError> {
    let arms = experiment.variants.len();
    let weights = weights(experiment);
    let mut counts = vec![vec![0_u64; arms]; weights.len()];
    for row in subjects {
        if !row.inside || !row.drawn_in_cohort() {
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
    let mut fitted = false;
    let ramps = Ramps::of(experiment);
    for (at, (mut weights, counts)) in weights.into_iter().zip(counts).enumerate() {
        for arm in 0..arms {
            let into = if weights[arm] > 0.0 {
                &mut observed
            } else {
                &mut leaked
            };
            into[arm] += counts[arm];
        }
        // Of a cohort without subjects nothing is asked.
        let parts = ramps.as_ref().filter(|_| counts.iter().any(|n| *n > 0));
        if let Some(parts) = parts.and_then(|ramps| ramps.parts(at)) {
            let fit = thinned::fit(&counts, &parts.whole, &parts.thinned);
            let owners = weights.iter().filter(|w| **w > 0.0).count();
            if fit.free + 1 >= owners {
                // Whatever came is explained by how many of the former were left: nothing to be tested.
                for (sum, (n, weight)) in expected.iter_mut().zip(counts.iter().zip(&weights)) {
                    *sum += if *weight > 0.0 { *n as f64 } else { 0.0 };
                }
                fitted = true;
                continue;
            }
            weights = fit.weights;
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
    let why_not = test.is_none().then(|| why_not(experiment, &tested, fitted));
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
        watch: None,
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
fn why_not(experiment: &Experiment, tested: &srm::SrmTest, fitted: bool) -> String {
    let Some(largest) = tested.cohorts.iter().max_by_key(|cohort| cohort.n) else {
        return match fitted {
            false => "no subject was assigned at random yet".to_owned(),
            true => {
                "the split was widened unevenly: how many of its new subjects were due before is not known"
                    .to_owned()
            }
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn experiment(change: Value) -> Experiment {
        let mut json = json!({
            "id": uuid::Uuid::nil(), "key": "exp", "name": "Exp", "assignmentMode": "profile", "status": "active",
            "variants": [
                {"key": "a", "trafficPct": 50},
                {"key": "b", "trafficPct": 50, "orderIndex": 1, "isControl": true},
            ],
            "primaryMetric": {"event": "buy"},
            "defaultVariantId": "b", "salt": "exp", "resourceVersion": 1,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        let (Value::Object(json), Value::Object(change)) = (&mut json, change) else {
            panic!("objects");
        };
        json.extend(change);
        serde_json::from_value(Value::Object(std::mem::take(json))).expect("an experiment")
    }

    fn analysed(experiment: &Experiment, subjects: &[SubjectRow]) -> Analysis {
        analyse(experiment, MultiVariant::Exclude, &[], subjects).expect("an analysis")
    }

    /// The case of the design: 500 of 10,000 and 600 of 10,000.
    fn case() -> [SubjectRow; 2] {
        [
            SubjectRow::drawn(0, 1, 10_000, 600),
            SubjectRow::drawn(1, 1, 10_000, 500),
        ]
    }

    #[test]
    fn arms_keep_their_order_and_are_compared_with_the_control_wherever_it_stands() {
        let analysis = analysed(&experiment(json!({})), &case());
        let [a, b] = &analysis.arms[..] else {
            panic!("two arms");
        };
        let (treatment, control) = (a.posterior.expect("known"), b.posterior.expect("known"));
        assert!((treatment.prob_best - 0.999_039_196_739_942).abs() < 1e-9);
        assert!((control.prob_best + treatment.prob_best - 1.0).abs() < 1e-9);
        let uplift = treatment.uplift.expect("an uplift");
        assert!((uplift.median - 0.199_730).abs() < 1e-6);
        assert!((uplift.mean.expect("a mean") - 0.201_880).abs() < 1e-6);
        assert_eq!((control.uplift, control.always_valid), (None, None));
        let difference = treatment.always_valid.expect("an interval");
        assert!((difference.difference - 0.01).abs() < 1e-12);
        assert!(difference.low < 0.01 && difference.high > 0.01);
        assert_eq!((a.observed_pct, b.observed_pct), (Some(50.0), Some(50.0)));
        assert_eq!(analysis.winner, "a");
    }

    #[test]
    fn the_observed_share_is_that_of_who_was_drawn() {
        let rows = [
            SubjectRow::drawn(0, 1, 300, 0),
            SubjectRow::drawn(1, 1, 100, 0),
            SubjectRow::drawn(1, 1, 600, 0).forced(),
        ];
        let shares = |rows: &[SubjectRow]| -> Vec<(u64, Option<f64>)> {
            let arms = analysed(&experiment(json!({})), rows).arms;
            arms.iter().map(|arm| (arm.subjects, arm.observed_pct)).collect()
        };
        assert_eq!(shares(&rows), [(300, Some(75.0)), (700, Some(25.0))]);
        // Where nobody was, it is that of all.
        let forced = rows.map(SubjectRow::forced);
        assert_eq!(shares(&forced), [(300, Some(30.0)), (700, Some(70.0))]);
        assert_eq!(shares(&[]), [(0, None), (0, None)]);
    }

    #[test]
    fn below_the_floor_nobody_wins() {
        let experiment = experiment(json!({}));
        let few = [SubjectRow::drawn(0, 1, 99, 99), SubjectRow::drawn(1, 1, 400, 0)];
        let analysis = analysed(&experiment, &few);
        assert!(analysis.power.gathering);
        assert_eq!(analysis.winner, INCONCLUSIVE);
        assert_eq!(analysis.power.events, 499);
        assert_eq!(analysis.power.needed, 2 * 8_158 - 499);
        let enough = [SubjectRow::drawn(0, 1, 100, 100), SubjectRow::drawn(1, 1, 400, 0)];
        let analysis = analysed(&experiment, &enough);
        assert!(!analysis.power.gathering);
        assert_eq!(analysis.winner, "a");
    }

    #[test]
    fn what_is_needed_does_not_depend_on_where_the_control_stands() {
        let needed = |order: [(&str, u32); 3]| {
            let variants: Vec<_> = order
                .iter()
                .enumerate()
                .map(|(at, (key, share))| {
                    json!({ "key": key, "trafficPct": share, "isControl": *key == "control", "orderIndex": at })
                })
                .collect();
            let experiment = experiment(json!({ "variants": variants, "defaultVariantId": "control" }));
            analysed(&experiment, &[]).power.needed
        };
        let first = needed([("control", 25), ("t1", 50), ("t2", 25)]);
        assert_eq!(first, needed([("t1", 50), ("control", 25), ("t2", 25)]));
        assert_eq!(first, needed([("t1", 50), ("t2", 25), ("control", 25)]));
    }

    #[test]
    fn an_arm_without_a_share_and_without_data_is_no_rival() {
        let variants = json!([
            {"key": "control", "trafficPct": 50, "isControl": true},
            {"key": "treatment", "trafficPct": 50, "orderIndex": 1},
            {"key": "idle", "trafficPct": 0, "orderIndex": 2},
        ]);
        let experiment = experiment(json!({"variants": variants}));
        let mut subjects = vec![
            SubjectRow::drawn(0, 1, 10_000, 500),
            SubjectRow::drawn(1, 1, 10_000, 600),
        ];
        let analysis = analysed(&experiment, &subjects);
        assert_eq!(analysis.arms[2].posterior, None);
        assert_eq!(analysis.winner, "treatment");
        assert!(!analysis.power.gathering);
        // Somebody was put there all the same: a leak, and no rival either, whatever they did.
        subjects.push(SubjectRow::drawn(2, 1, 99, 99));
        let analysis = analysed(&experiment, &subjects);
        assert_eq!(
            (analysis.arms[2].rate, analysis.arms[2].posterior),
            (Some(1.0), None)
        );
        assert_eq!(analysis.winner, "treatment");
        assert_eq!(analysis.srm.leaks.len(), 1);
        // With as many as any arm needs it is one, as after a change of the split.
        subjects.push(SubjectRow::drawn(2, 1, 1, 1));
        let analysis = analysed(&experiment, &subjects);
        assert!(analysis.arms[2].posterior.is_some());
        assert_eq!(analysis.winner, "idle");
        assert_eq!(analysis.srm.observed, [10_000, 10_000, 0]);
    }

    #[test]
    fn why_there_is_no_test_is_said() {
        let why = |change: Value, subjects: &[SubjectRow]| {
            let srm = analysed(&experiment(change), subjects).srm;
            assert_eq!(srm.test, None);
            srm.why_not.expect("a reason")
        };
        assert_eq!(why(json!({}), &[]), "no subject was assigned at random yet");
        assert_eq!(
            why(json!({}), &[SubjectRow::drawn(0, 1, 9, 0)]),
            "each arm must expect at least 5 subjects, a expects 4.5 of 9"
        );
        let one_arm = json!({"variants": [
            {"key": "a", "trafficPct": 100}, {"key": "b", "trafficPct": 0, "orderIndex": 1, "isControl": true},
        ]});
        assert_eq!(
            why(one_arm, &[SubjectRow::drawn(0, 1, 9, 0)]),
            "only one arm has a share of the traffic"
        );
    }

    #[test]
    fn the_evidence_of_cohorts_is_multiplied() {
        let cohorts = json!([
            {"index": 1, "createdAt": "2026-01-01T00:00:00Z",
             "variants": [{"variant": "A", "split": 0.5}, {"variant": "b", "split": 0.5}]},
            {"index": 2, "createdAt": "2026-02-01T00:00:00Z",
             "variants": [{"variant": "a", "split": 0.8}, {"variant": "b", "split": 0.2}]},
        ]);
        let experiment = experiment(json!({"cohorts": cohorts}));
        let subjects = [
            SubjectRow::drawn(0, 1, 1_000, 0),
            SubjectRow::drawn(1, 1, 1_200, 0),
            SubjectRow::drawn(0, 2, 4_072, 0),
            SubjectRow::drawn(1, 2, 2_035, 0),
        ];
        let srm = analysed(&experiment, &subjects).srm;
        let test = srm.test.expect("a test");
        let alone = [
            sequential::e_value(&[1_000, 1_200], &[0.5, 0.5]).expect("E"),
            sequential::e_value(&[4_072, 2_035], &[0.8, 0.2]).expect("E"),
        ];
        let product = alone[0].log + alone[1].log;
        assert!((test.e_value.ln() / product - 1.0).abs() < 1e-12);
        assert_eq!(test.df, 2);
        assert_eq!(srm.observed, [5_072, 3_235]);
        assert!((srm.expected[0] - (1_100.0 + 0.8 * 6_107.0)).abs() < 1e-9);
        assert!(srm.alarm);
    }
}
