//! What the results say about a sample ratio mismatch: how far the split is off, and since when.

use jiff::Timestamp;

use crate::api::results::{Results, SeriesPoint, Srm};
use crate::stats::srm;

/// For each arm the share that was configured and the one that was observed, 0 to 1, of the subjects in a
/// test.
#[must_use]
pub fn shares(results: &Results, srm: &Srm) -> Vec<(f64, f64)> {
    let observed: f64 = srm.observed.iter().map(|n| *n as f64).sum();
    let expected: f64 = srm.expected.iter().sum();
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    results
        .arms
        .iter()
        .enumerate()
        .map(|(at, arm)| {
            let configured = match srm.expected.get(at) {
                Some(n) if expected > 0.0 => share(*n, expected),
                _ => arm.configured_pct / 100.0,
            };
            let observed_here = srm.observed.get(at).map_or(0.0, |n| *n as f64);
            (configured, share(observed_here, observed))
        })
        .collect()
}

/// How the subjects in the test are spread over the arms.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Whether the shares are those that are configured now, to a tenth of a point. They are not where the split was
    /// changed: each subject counts under the split that they were drawn by.
    pub is_as_configured: bool,
    /// For each arm the share that it should have and the one that it has, in percent; without subjects there is none.
    pub arms: Vec<(f64, Option<f64>)>,
}

/// How the subjects in the test are spread over the arms.
#[must_use]
pub fn distribution(results: &Results) -> Distribution {
    let tested = results.srm.observed.iter().any(|n| *n > 0);
    let configured = results.arms.iter().map(|arm| arm.configured_pct);
    if !tested {
        let observed = results.arms.iter().map(|arm| arm.observed_pct);
        return Distribution {
            is_as_configured: true,
            arms: configured.zip(observed).collect(),
        };
    }
    let shares = shares(results, &results.srm);
    let arms: Vec<_> = shares
        .iter()
        .map(|(share, seen)| (100.0 * share, Some(100.0 * seen)))
        .collect();
    Distribution {
        is_as_configured: configured
            .zip(&arms)
            .all(|(now, (share, _))| (now - share).abs() < 0.05),
        arms,
    }
}

/// The beginning of the first bucket of the time series from which on the counts so far fail the test in
/// every later bucket too; none while they pass at the end. Only buckets from `since` on count, where it is given.
///
/// The series counts exposure events, not subjects at their first exposure, so this tells roughly when it
/// went wrong, not whether.
#[must_use]
pub fn crossed_at(results: &Results, since: Option<Timestamp>) -> Option<Timestamp> {
    let weights: Vec<f64> = shares(results, &results.srm)
        .into_iter()
        .map(|(configured, _)| configured)
        .collect();
    let mut sums = vec![0_u64; weights.len()];
    let mut crossed = None;
    let counted = |point: &&SeriesPoint| since.is_none_or(|since| point.at >= since);
    for point in results.series.points.iter().filter(counted) {
        for (sum, count) in sums.iter_mut().zip(&point.counts) {
            *sum = sum.saturating_add(*count);
        }
        let cohort = srm::Cohort {
            counts: sums.clone(),
            weights: weights.clone(),
        };
        let fails = srm::test(&[cohort]).is_ok_and(|test| test.alarm);
        crossed = match (fails, crossed) {
            (true, None) => Some(point.at),
            (true, crossed) => crossed,
            (false, _) => None,
        };
    }
    crossed
}
