//! What the results say about a sample ratio mismatch: how far the split is off, and since when.

use jiff::Timestamp;

use crate::api::results::{Results, Srm};
use crate::domain::{AuditAction, AuditEntry, Cohort, Experiment, Status};
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
/// What was drawn by one split is tested against that split, as the guard does: a change of it is no mismatch. The
/// series counts exposure events, not subjects at their first exposure, so this tells roughly when it went wrong, not
/// whether. Where remembered subjects keep what an earlier split gave them, the events after a change are of both, and
/// nothing can be told.
#[must_use]
pub fn crossed_at(experiment: &Experiment, results: &Results, since: Option<Timestamp>) -> Option<Timestamp> {
    if experiment.sticky && experiment.cohorts.len() > 1 {
        return None;
    }
    let mut cohorts = splits(experiment, results);
    let points = &results.series.points;
    let mut crossed = None;
    for (n, point) in points.iter().enumerate() {
        let end = points.get(n + 1).map_or(Timestamp::MAX, |next| next.at);
        if since.is_some_and(|since| point.at < since) {
            continue;
        }
        let Some(at) = split_of(&experiment.cohorts, point.at, end) else {
            // It changed within this bucket: whose an event is cannot be told.
            continue;
        };
        for (sum, count) in cohorts[at].counts.iter_mut().zip(&point.counts) {
            *sum = sum.saturating_add(*count);
        }
        let fails = srm::test(&cohorts).is_ok_and(|test| test.alarm);
        crossed = match (fails, crossed) {
            (true, None) => Some(point.at),
            (true, crossed) => crossed,
            (false, _) => None,
        };
    }
    crossed
}

/// What was changed before the split went wrong, the newest first: what came before `crossed`, and in any case before the
/// pause that followed. To the end of the bucket of the series in which it went wrong: a change within it may be the cause.
pub fn changes_before<'h>(
    experiment: &Experiment,
    entries: &'h [AuditEntry],
    results: Option<&Results>,
    crossed: Option<Timestamp>,
    now: Timestamp,
) -> impl Iterator<Item = &'h AuditEntry> + use<'h> {
    let bucket_end = crossed.and_then(|at| {
        let next = results?
            .series
            .points
            .iter()
            .map(|point| point.at)
            .find(|next| *next > at);
        Some(next.unwrap_or(now))
    });
    let until = bucket_end.unwrap_or(now);
    let paused = experiment
        .status_changed_at
        .filter(|_| experiment.status == Status::Paused);
    // The pause is told in two entries of one version, and what came after it may be of the same bucket.
    let pause = entries.iter().find(|e| e.action == AuditAction::AutoPausedSrm);
    let pausing = pause
        .filter(|_| paused.is_some())
        .map_or(u64::MAX, |e| e.resource_version);
    entries.iter().filter(move |e| {
        e.at <= until && paused.is_none_or(|paused| e.at < paused) && e.resource_version < pausing
    })
}

/// One test for each split that subjects were drawn by, with nothing counted yet. At least one.
fn splits(experiment: &Experiment, results: &Results) -> Vec<srm::Cohort> {
    let counts = vec![0_u64; results.arms.len()];
    let of_cohort = |cohort: &Cohort| srm::Cohort {
        counts: counts.clone(),
        weights: results
            .arms
            .iter()
            .map(|arm| {
                let mut variants = cohort.variants.iter();
                let variant = variants.find(|v| v.variant.as_str().eq_ignore_ascii_case(&arm.variant));
                variant.map_or(0.0, |v| v.split.fraction())
            })
            .collect(),
    };
    if experiment.cohorts.is_empty() {
        let shares = shares(results, &results.srm).into_iter();
        return vec![srm::Cohort {
            counts,
            weights: shares.map(|(configured, _)| configured).collect(),
        }];
    }
    experiment.cohorts.iter().map(of_cohort).collect()
}

/// By which split the subjects of a bucket were drawn; none where it changed within it.
fn split_of(cohorts: &[Cohort], begin: Timestamp, end: Timestamp) -> Option<usize> {
    // Before the first one nobody was drawn.
    let later = cohorts.iter().skip(1);
    let at = later
        .clone()
        .take_while(|cohort| cohort.created_at <= begin)
        .count();
    let changes = later.skip(at).any(|cohort| cohort.created_at < end);
    (!changes).then_some(at)
}
